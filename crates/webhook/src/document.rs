//! What kind of document an answer is, and its text (contract 4.1).

/// How a fetched document is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// `text/xml`, `application/xml`, `text/html`: interpreted.
    Twiml,
    /// `audio/*`: played, then the call ends.
    Audio,
    /// `text/plain`: TwiML if it parses, else spoken.
    Text,
    /// Missing or anything else: error 12300.
    Unknown,
}

/// Classifies a `Content-Type`.
pub fn document_kind(content_type: Option<&str>) -> DocumentKind {
    let essence = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "text/xml" | "application/xml" | "text/html" => DocumentKind::Twiml,
        "text/plain" => DocumentKind::Text,
        other if other.starts_with("audio/") => DocumentKind::Audio,
        _ => DocumentKind::Unknown,
    }
}

/// The text of a document: charset of the header, else of the XML prolog, else UTF-8. What does
/// not decode becomes U+FFFD.
pub fn document_text(content_type: Option<&str>, body: &[u8]) -> String {
    let encoding = charset(content_type.unwrap_or_default())
        .and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()))
        .or_else(|| prolog(body))
        .unwrap_or(encoding_rs::UTF_8);
    // `decode` lets a byte order mark win over the declared charset, and removes it.
    encoding.decode(body).0.into_owned()
}

fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    })
}

fn prolog(body: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let head = &body[..body.len().min(200)];
    let end = head.windows(2).position(|pair| pair == b"?>")?;
    let head = std::str::from_utf8(&head[..end]).ok()?;
    let value = head
        .strip_prefix("<?xml")?
        .split_once("encoding")?
        .1
        .trim_start()
        .strip_prefix('=')?
        .trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let label = value[1..].split(quote).next()?;
    encoding_rs::Encoding::for_label(label.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (content_type, kind) in [
            (Some("text/xml"), DocumentKind::Twiml),
            (Some("Application/XML; charset=utf-8"), DocumentKind::Twiml),
            (Some("text/html;charset=utf-8"), DocumentKind::Twiml),
            (Some("audio/mpeg"), DocumentKind::Audio),
            (Some("AUDIO/x-wav"), DocumentKind::Audio),
            (Some("text/plain"), DocumentKind::Text),
            (Some("application/json"), DocumentKind::Unknown),
            (Some(""), DocumentKind::Unknown),
            (None, DocumentKind::Unknown),
        ] {
            assert_eq!(document_kind(content_type), kind, "{content_type:?}");
        }
    }

    #[test]
    fn charsets() {
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><Say>\xe9</Say>";
        assert!(document_text(Some("text/xml"), latin).contains("<Say>é"));
        assert_eq!(
            document_text(Some("text/plain; charset=\"latin1\""), b"\xe9"),
            "é"
        );
        assert_eq!(document_text(None, "é".as_bytes()), "é");
        assert_eq!(document_text(None, b"\xef\xbb\xbfa\xff"), "a\u{fffd}");
        assert_eq!(
            document_text(Some("text/xml"), b"<?xml encoding=?>"),
            "<?xml encoding=?>"
        );
    }
}
