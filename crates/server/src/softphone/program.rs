//! The programs behind the page: what a call from one of its telephones leads to, and the line on
//! which the SDKs' preflight test talks to itself. Written as a customer would write them.

use std::time::Duration;

use api::live::{LiveCalls, Modify};
use axum::extract::{RawForm, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use model::sid::CallSid;

use crate::live::Live;
use crate::rim::Rim;
use crate::seed;

/// Asked when one of the page's telephones calls.
pub const PROGRAM: &str = "/_switchboard/demo/softphone";
/// Asked when what it called has ended.
pub const AFTER: &str = "/_switchboard/demo/softphone/after";
/// Asked for a preflight test (`voice-client.md` 8).
pub const PREFLIGHT: &str = "/_switchboard/demo/preflight";

/// How long a preflight test may listen to itself. The SDKs end by themselves after 20 seconds only
/// if they made the sound.
const TEST: Duration = Duration::from_secs(8);

/// Connects with whom the page asked for.
pub async fn call(State(rim): State<Rim>, RawForm(form): RawForm) -> Response {
    let to = field(&form, "To").unwrap_or_default();
    if to == "preflight" {
        return preflight(State(rim), RawForm(form)).await;
    }
    if let Some(identity) = to.strip_prefix("client:") {
        return dial(&format!("<Client>{}</Client>", escaped(identity)));
    }
    if to.starts_with("sip:") || to.starts_with("sips:") {
        return dial(&format!("<Sip>{}</Sip>", escaped(&to)));
    }
    if !to.starts_with('+') {
        return twiml("<Say>There is no such number. Dial a number that begins with plus.</Say>");
    }
    // A number of our own is no telephone: its program answers.
    match own(&rim, &to).await {
        Ok(None) => dial(&format!("<Number>{}</Number>", escaped(&to))),
        Ok(Some(Some((url, method)))) => twiml(&format!(
            "<Redirect method=\"{method}\">{}</Redirect>",
            escaped(&url)
        )),
        Ok(Some(None)) => twiml("<Say>This number has no program. Set its voice URL.</Say>"),
        Err(error) => {
            tracing::error!(%error, "the page's call leads nowhere while the database cannot be read");
            twiml("<Say>The database cannot be read.</Say>")
        }
    }
}

/// Says how it ended, if nobody talked.
pub async fn after(RawForm(form): RawForm) -> Response {
    twiml(match field(&form, "DialCallStatus").as_deref() {
        Some("busy") => "<Say>The line is busy.</Say>",
        Some("no-answer") => "<Say>Nobody answered.</Say>",
        Some("failed") => "<Say>The call failed. The log says why.</Say>",
        _ => "<Hangup/>",
    })
}

/// An echo that ends by itself: the caller's own sound, as a real line would bring it back.
pub async fn preflight(State(rim): State<Rim>, RawForm(form): RawForm) -> Response {
    let call = field(&form, "CallSid").and_then(|sid| sid.parse::<CallSid>().ok());
    if let Some(call) = call {
        tokio::spawn(async move {
            tokio::time::sleep(TEST).await;
            // Gone already if the page was faster.
            let _ = Live(rim).modify(call, Modify::Complete).await;
        });
    }
    twiml("<Echo/>")
}

/// The program of a number of ours; none inside: it has no URL.
async fn own(
    rim: &Rim,
    called: &str,
) -> Result<Option<Option<(String, model::method::Method)>>, store::Error> {
    let Some(number) = rim.number(called).await? else {
        return Ok(None);
    };
    let instructions = rim.instructions(&number).await?;
    Ok(Some(instructions.url.map(|url| (url, instructions.method))))
}

/// The page shows "connected" when the other side has answered, not before.
fn dial(noun: &str) -> Response {
    let (_, shown, _) = seed::NUMBERS[2];
    // Browsers and SIP telephones are shown who calls; the telephone network wants a number.
    let caller = match noun.starts_with("<Number>") {
        true => format!(" callerId=\"{shown}\""),
        false => String::new(),
    };
    twiml(&format!(
        "<Dial answerOnBridge=\"true\" timeout=\"30\" action=\"{AFTER}\"{caller}>{noun}</Dial>"
    ))
}

fn twiml(verbs: &str) -> Response {
    let document =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>{verbs}</Response>\n");
    ([(CONTENT_TYPE, "text/xml; charset=utf-8")], document).into_response()
}

/// The last value of a field, if it is not empty.
fn field(form: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(form)
        .filter(|(found, value)| found == name && !value.is_empty())
        .last()
        .map(|(_, value)| value.into_owned())
}

/// Text as it may stand in an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await;
        String::from_utf8(bytes.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn only_the_telephone_network_is_shown_a_number() {
        let number = body(dial("<Number>+15005550120</Number>")).await;
        assert!(number.contains("callerId=\"+15005550102\""), "{number}");
        let client = body(dial("<Client>bob</Client>")).await;
        assert!(!client.contains("callerId"), "{client}");
    }

    #[tokio::test]
    async fn an_unanswered_call_says_so_and_a_finished_one_hangs_up() {
        let said = |form: &'static str| async move {
            body(after(RawForm(axum::body::Bytes::from_static(form.as_bytes()))).await).await
        };
        assert!(
            said("DialCallStatus=no-answer")
                .await
                .contains("Nobody answered")
        );
        assert!(said("DialCallStatus=completed").await.contains("<Hangup/>"));
    }

    #[test]
    fn what_the_page_dials_cannot_add_verbs() {
        assert_eq!(
            escaped("</Client><Hangup/>&"),
            "&lt;/Client&gt;&lt;Hangup/&gt;&amp;"
        );
        assert_eq!(field(b"To=&To=a%26b&x=1", "To").as_deref(), Some("a&b"));
    }
}
