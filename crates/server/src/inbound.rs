//! Whose call is this? Who may register, who may call, and which program answers.

use std::net::SocketAddr;

use browser::{Fault, Invited};
use model::application::Application;
use model::error_code::ErrorCode;
use model::sid::CallSid;
use model::sip_domain::{MappingUse, SipDomain};
use model::trunk::TrunkMedia;
use sip::{Admission, Method, RequestFacts, Secret, Transport, Uri};
use voice::input::{CallEvents, Incoming, Instructions, LegId};

use crate::rim::Rim;

/// What becomes of a call that comes in.
#[derive(Debug)]
pub enum Verdict {
    /// Refused with this status.
    Refuse {
        /// SIP status.
        status: u16,
        /// Why, for the debugger of whoever calls.
        error: Option<ErrorCode>,
    },
    /// Taken.
    Take {
        /// For the engine; its leg is not bound yet.
        incoming: Box<Incoming>,
        /// The caller's offer.
        offer: Option<String>,
        /// Where the caller's signalling comes from.
        signalling: SocketAddr,
        /// Whether sound is taken only from where it is described to come from.
        described: bool,
        /// Whether plain sound is refused.
        secure: bool,
    },
}

const NOT_FOUND: Verdict = Verdict::Refuse {
    status: 404,
    error: None,
};

fn refuse(status: u16, reason: &str) -> Admission {
    Admission::Refuse {
        status,
        reason: reason.to_owned(),
        headers: Vec::new(),
    }
}

/// The header by which a refusal says why (contract 3.9).
pub fn twilio_error(code: ErrorCode) -> (String, String) {
    let text = format!("{} {}", code.code, code.text);
    ("X-Twilio-Error".to_owned(), text)
}

/// Whether a request may come in, and against which password it is checked. Deny by default: an
/// address we do not know and a domain we do not have are refused.
pub async fn admit(rim: &Rim, username: Option<&str>, facts: &RequestFacts) -> Admission {
    match decide(rim, username, facts).await {
        Ok(admission) => admission,
        Err(error) => {
            tracing::error!(%error, "nobody can be let in while the database cannot be read");
            refuse(503, "")
        }
    }
}

async fn decide(
    rim: &Rim,
    username: Option<&str>,
    facts: &RequestFacts,
) -> Result<Admission, store::Error> {
    let source = facts.flow.remote.ip();
    let registering = facts.method == Method::Register;
    if !registering && !rim.trunks_from(facts.flow.remote).await?.is_empty() {
        return Ok(Admission::Allow);
    }
    let host = if registering {
        &facts.to.uri.host
    } else {
        &facts.request_uri.host
    };
    let Some(domain) = rim.domain(host).await? else {
        return Ok(refuse(if registering { 403 } else { 404 }, ""));
    };
    if domain.secure && facts.flow.transport != Transport::Tls {
        return Ok(refuse(403, "This domain takes TLS only"));
    }
    if registering && !domain.sip_registration {
        return Ok(refuse(403, "Registration is switched off for this domain"));
    }
    // Calls are looked at when the caller is known, so that only those who may call are told.
    if registering && !rim.is_active(domain.account).await? {
        return Ok(refuse(403, ""));
    }
    let purpose = if registering {
        MappingUse::Registrations
    } else {
        MappingUse::Calls
    };
    let lists = rim.lists(&domain, purpose).await?;
    if !lists.addresses.is_empty()
        && !lists
            .addresses
            .iter()
            .any(|network| network.contains(source))
    {
        let code = ErrorCode::SIP_SOURCE_NOT_ALLOWED;
        let text = format!(
            "{source} is in no access control list of {}",
            domain.domain_name
        );
        rim.alert(domain.account, code, text);
        return Ok(Admission::Refuse {
            status: 403,
            reason: String::new(),
            headers: vec![twilio_error(code)],
        });
    }
    if lists.credential_lists.is_empty() {
        // Address lists alone let calls in; a domain without any list lets nobody in.
        return Ok(if lists.addresses.is_empty() || registering {
            refuse(403, "")
        } else {
            Admission::Allow
        });
    }
    let Some(username) = username else {
        return Ok(Admission::Challenge);
    };
    // A password lets its own user register, nobody else (RFC 3261 section 10.3 step 4).
    if registering && facts.to.uri.user_name().as_deref() != Some(username) {
        return Ok(refuse(403, "This user may not register for another"));
    }
    let password = rim.password(&lists.credential_lists, username).await?;
    // An unknown user looks like a wrong password: checked against a secret nobody has.
    Ok(Admission::Verify(Secret::Password(
        password.unwrap_or_else(crate::rim::token),
    )))
}

/// Which program answers a call that was let in.
pub async fn resolve(
    rim: &Rim,
    facts: RequestFacts,
    offer: Option<String>,
    user: Option<String>,
) -> Verdict {
    match find(rim, facts, offer, user).await {
        Ok(verdict) => verdict,
        Err(error) => {
            tracing::error!(%error, "a call was refused because the database cannot be read");
            Verdict::Refuse {
                status: 503,
                error: None,
            }
        }
    }
}

async fn find(
    rim: &Rim,
    facts: RequestFacts,
    offer: Option<String>,
    user: Option<String>,
) -> Result<Verdict, store::Error> {
    let called = facts.request_uri.user_name().unwrap_or_default();
    let trunks = rim.trunks_from(facts.flow.remote).await?;
    let over_trunk = user.is_none() && !trunks.is_empty();
    let domain = if over_trunk {
        None
    } else {
        rim.domain(&facts.request_uri.host).await?
    };
    // A user of a domain reaches the numbers of its account; whatever else he dials is the domain's
    // program to judge.
    let number = rim
        .number(&called)
        .await?
        .filter(|number| (domain.as_ref()).is_none_or(|domain| domain.account == number.account));
    let account = match (&number, &domain) {
        (Some(number), _) => number.account,
        (None, Some(domain)) => domain.account,
        (None, None) => return Ok(NOT_FOUND),
    };
    if !rim.is_active(account).await? {
        let error = match number {
            Some(_) => ErrorCode::INCOMING_CALL_REJECTED,
            None => ErrorCode::SIP_ACCOUNT_INACTIVE,
        };
        let text = format!("A call to {called} was rejected: the account is not active");
        rim.alert(account, error, text);
        return Ok(Verdict::Refuse {
            status: 403,
            error: Some(error),
        });
    }
    let secure = domain.as_ref().is_some_and(|domain| domain.secure);
    let mut incoming = Incoming {
        from: party(&facts.from.uri, over_trunk),
        to: party(&facts.to.uri, over_trunk),
        caller_name: facts.from.display.clone(),
        forwarded_from: facts
            .headers
            .named("Diversion")
            .and_then(|text| sip::NameAddr::parse(text).ok()?.uri.user_name()),
        trunk: trunks.first().filter(|_| over_trunk).map(|trunk| trunk.sid),
        ..Incoming::new(CallSid::from_bytes(rand::random()), LegId(0), account)
    };
    if let Some(domain) = &domain {
        incoming.parameters = sip_parameters(&facts, domain, user.as_deref());
    }
    if over_trunk && let Some(word) = verified(|name| facts.headers.named(name)) {
        incoming.parameters.push(("StirVerstat".to_owned(), word));
    }
    match (number, domain) {
        (Some(number), _) => {
            incoming.to = number.phone_number.to_string();
            incoming.phone_number = Some(number.sid);
            incoming.instructions = rim.instructions(&number).await?;
            incoming.application = number.voice_application;
        }
        (None, Some(domain)) => incoming.instructions = of_domain(domain),
        (None, None) => return Ok(NOT_FOUND),
    }
    let has_program = incoming.instructions.url.is_some() || incoming.instructions.twiml.is_some();
    let described = trunks
        .first()
        .is_some_and(|trunk| over_trunk && trunk.media == TrunkMedia::Described);
    if !has_program {
        return Ok(NOT_FOUND);
    }
    Ok(Verdict::Take {
        incoming: Box::new(incoming),
        offer,
        signalling: facts.flow.remote,
        described,
        secure,
    })
}

/// What the carrier found out about the caller's right to his number (STIR, RFC 8224): the parameter
/// `verstat` of whom it asserts (3GPP TS 24.229 section 7.2A.20), with the level of attestation, which
/// some write behind it and others into a header of its own.
fn verified<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Option<String> {
    let word = ["P-Asserted-Identity", "From"]
        .into_iter()
        .find_map(|name| {
            let text = header(name)?;
            let (_, after) = text.split_once(";verstat=")?;
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            Some(&after[..end.unwrap_or(after.len())])
        })?;
    let known = [
        "No-TN-Validation",
        "TN-Validation-Failed",
        "TN-Validation-Passed",
    ];
    let known = known.into_iter().find(|known| {
        let rest = word.strip_prefix(known);
        rest.is_some_and(|rest| matches!(rest, "" | "-A" | "-B" | "-C"))
    })?;
    let level = header("P-Attestation-Indicator").map(str::trim);
    let bare = word == known && known != "No-TN-Validation";
    Some(
        match level.filter(|level| bare && matches!(*level, "A" | "B" | "C")) {
            Some(level) => format!("{word}-{level}"),
            None => word.to_owned(),
        },
    )
}

/// The program of a call from a browser: that of the application its token names.
pub async fn apply(rim: &Rim, invited: &Invited) -> Result<Incoming, Fault> {
    let sid = invited.outgoing.application;
    let account = invited.owner.account;
    let application = rim.store.applications().find(account, sid).await;
    let application = application.map_err(|error| {
        tracing::error!(%error, "a call was refused because the database cannot be read");
        Fault::new(31480, "The server cannot look up applications now")
    })?;
    let Some(application) = application else {
        let code = ErrorCode::CLIENT_NO_APPLICATION;
        let text = format!("There is no application {sid}; make the token for one that exists");
        tracing::warn!(%account, "{text}");
        rim.alert(account, code, text.clone());
        return Err(Fault::new(code.code, text));
    };
    let from = format!("client:{}", invited.owner.identity.name());
    // The page's own words and the token's, which win, reach the program as further parameters.
    let mut parameters = invited.parameters.clone();
    for (name, value) in &invited.outgoing.parameters {
        parameters.retain(|(page, _)| page != name);
        parameters.push((name.clone(), value.clone()));
    }
    let to = parameters.iter().rev().find(|(name, _)| name == "To");
    Ok(Incoming {
        from,
        to: to.map(|(_, value)| value.clone()).unwrap_or_default(),
        application: Some(sid),
        instructions: of_application(application),
        parameters,
        ..Incoming::new(invited.call, LegId(0), account)
    })
}

/// Number-, domain- and application-level callbacks are on `completed` only (contract 5.5).
pub const ON_COMPLETED: CallEvents = CallEvents {
    initiated: false,
    ringing: false,
    answered: false,
    completed: true,
};

/// What an application does with a call.
pub fn of_application(application: Application) -> Instructions {
    Instructions {
        twiml: None,
        url: application.voice_url,
        method: application.voice_method,
        fallback_url: application.voice_fallback_url,
        fallback_method: application.voice_fallback_method,
        status_callback: application.status_callback,
        status_callback_method: application.status_callback_method,
        status_callback_events: ON_COMPLETED,
    }
}

fn of_domain(domain: SipDomain) -> Instructions {
    Instructions {
        twiml: None,
        url: domain.voice_url,
        method: domain.voice_method,
        fallback_url: domain.voice_fallback_url,
        fallback_method: domain.voice_fallback_method,
        status_callback: domain.voice_status_callback_url,
        status_callback_method: domain.voice_status_callback_method,
        status_callback_events: ON_COMPLETED,
    }
}

/// A party as it is shown: a bare number when it came over a trunk, the SIP address otherwise.
fn party(uri: &Uri, over_trunk: bool) -> String {
    match uri.user_name() {
        Some(user) if over_trunk => user,
        _ => format!("sip:{}", uri.aor()),
    }
}

/// The parameters that only SIP calls have (contract 5.3); custom headers keep their names.
fn sip_parameters(
    facts: &RequestFacts,
    domain: &SipDomain,
    user: Option<&str>,
) -> Vec<(String, String)> {
    let mut parameters = vec![
        ("SipDomain".to_owned(), domain.domain_name.clone()),
        ("SipDomainSid".to_owned(), domain.sid.to_string()),
        ("SipCallId".to_owned(), facts.call_id.clone()),
        ("SipSourceIp".to_owned(), facts.flow.remote.ip().to_string()),
    ];
    if let Some(user) = user {
        parameters.push(("SipUsername".to_owned(), user.to_owned()));
    }
    for (name, value) in facts.headers.iter() {
        let name = name.word();
        if name
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("x-"))
            && parameters.len() < 64
        {
            parameters.push((format!("SipHeader_{name}"), value.to_owned()));
        }
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::verified;

    #[test]
    fn what_a_carrier_verified_is_read_wherever_it_writes_it() {
        let found =
            |asserted: Option<&'static str>, from: &'static str, level: Option<&'static str>| {
                verified(|name| match name {
                    "P-Asserted-Identity" => asserted,
                    "From" => Some(from),
                    _ => level,
                })
            };
        let plain = "<sip:+15550100001@carrier.example>;tag=1";
        for (asserted, from, level, word) in [
            (
                Some("<tel:+15550100001;verstat=TN-Validation-Passed-A>"),
                plain,
                None,
                Some("TN-Validation-Passed-A"),
            ),
            (
                Some(
                    "\"Joe\" <sip:+15550100001;verstat=TN-Validation-Passed@carrier.example;user=phone>",
                ),
                plain,
                Some(" B"),
                Some("TN-Validation-Passed-B"),
            ),
            (
                None,
                "<sip:+1555@carrier.example;verstat=TN-Validation-Failed>;tag=1",
                Some("C"),
                Some("TN-Validation-Failed-C"),
            ),
            (
                Some("<tel:+1555;verstat=No-TN-Validation>"),
                plain,
                Some("A"),
                Some("No-TN-Validation"),
            ),
            (
                Some("<tel:+1555;verstat=TN-Validation-Passed>"),
                plain,
                Some("Z"),
                Some("TN-Validation-Passed"),
            ),
            (
                Some("<tel:+1555;verstat=TN-Validation-Passed-Z>"),
                plain,
                None,
                None,
            ),
            (Some("<tel:+1555;verstat=anything>"), plain, None, None),
            (Some("<tel:+1555;verstat="), plain, None, None),
            (Some("<tel:+1555>"), plain, Some("A"), None),
        ] {
            assert_eq!(
                found(asserted, from, level).as_deref(),
                word,
                "{asserted:?} {from} {level:?}"
            );
        }
    }
}
