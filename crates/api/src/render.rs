//! How an answer is written: JSON, or XML where the path has no `.json` (contract 2.3).
//!
//! A handler answers with a value in the JSON dialect; the XML dialect is derived from it, so the
//! two cannot drift apart: `phone_number_sid` becomes `<PhoneNumberSid>`, and addresses lose their
//! `.json`.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::error::Refusal;

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Paths that end in `.json`, and every product but the oldest.
    Json,
    /// Paths of 2010 without an ending.
    Xml,
}

/// The names of a list in both formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// Key of the list in JSON: `calls`.
    pub key: &'static str,
    /// Element around the list in XML: `Calls`.
    pub elements: &'static str,
    /// Element of one item: `Call`.
    pub element: &'static str,
}

/// What a handler answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// One record.
    Record {
        /// 200, or 201 where something was made.
        status: StatusCode,
        /// Its element in XML.
        element: &'static str,
        /// Its fields.
        value: Value,
    },
    /// A list.
    List {
        /// Its names.
        listing: Listing,
        /// What stands beside the list: paging keys.
        meta: Map<String, Value>,
        /// The items.
        items: Vec<Value>,
    },
    /// JSON whatever the path says: products without XML.
    Json(StatusCode, Value),
    /// 204, empty.
    Nothing,
}

impl Answer {
    /// 200 and a record.
    pub fn found(element: &'static str, value: Value) -> Self {
        Answer::Record {
            status: StatusCode::OK,
            element,
            value,
        }
    }

    /// 201 and a record.
    pub fn made(element: &'static str, value: Value) -> Self {
        Answer::Record {
            status: StatusCode::CREATED,
            element,
            value,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Answer::Record { status, .. } | Answer::Json(status, _) => *status,
            Answer::List { .. } => StatusCode::OK,
            Answer::Nothing => StatusCode::NO_CONTENT,
        }
    }
}

impl IntoResponse for Answer {
    /// Status and the answer itself; the gate writes the body in the format of the request.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Carried(self.into()));
        response
    }
}

/// The answer on its way from the handler to the gate.
#[derive(Debug, Clone)]
pub(crate) struct Carried(std::sync::Arc<Answer>);

/// Writes the body that a handler left to us.
pub(crate) fn write(mut response: Response, format: Format) -> Response {
    let text = if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        match format {
            Format::Json => refusal.body().to_string(),
            Format::Xml => xml_refusal(&refusal),
        }
    } else if let Some(Carried(answer)) = response.extensions_mut().remove::<Carried>() {
        if *answer == Answer::Nothing {
            return response;
        }
        let plain = matches!(*answer, Answer::Json(..));
        match format {
            Format::Xml if !plain => xml(&answer),
            _ => {
                let text = json(&answer).to_string();
                return with_body(response, text, "application/json;charset=utf-8");
            }
        }
    } else {
        return response;
    };
    let kind = match format {
        Format::Json => "application/json;charset=utf-8",
        Format::Xml => "application/xml;charset=utf-8",
    };
    with_body(response, text, kind)
}

fn with_body(mut response: Response, text: String, kind: &'static str) -> Response {
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // The route wrote the length of the empty body that it left to us.
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(text);
    response
}

fn json(answer: &Answer) -> Value {
    match answer {
        Answer::Record { value, .. } | Answer::Json(_, value) => value.clone(),
        Answer::List {
            listing,
            meta,
            items,
        } => {
            let mut body = meta.clone();
            body.insert(listing.key.into(), Value::Array(items.clone()));
            Value::Object(body)
        }
        Answer::Nothing => Value::Null,
    }
}

fn xml(answer: &Answer) -> String {
    let mut out = String::from("<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse>");
    match answer {
        Answer::Record { element, value, .. } => write_element(&mut out, element, value),
        Answer::List {
            listing,
            meta,
            items,
        } => {
            out.push('<');
            out.push_str(listing.elements);
            for (key, value) in meta {
                out.push(' ');
                out.extend(key.chars().filter(|c| *c != '_'));
                out.push_str("=\"");
                escape(&mut out, &scalar(key, value));
                out.push('"');
            }
            out.push('>');
            for item in items {
                write_element(&mut out, listing.element, item);
            }
            out.push_str("</");
            out.push_str(listing.elements);
            out.push('>');
        }
        Answer::Json(..) | Answer::Nothing => {}
    }
    out.push_str("</TwilioResponse>");
    out
}

fn xml_refusal(refusal: &Refusal) -> String {
    let mut out =
        String::from("<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><RestException>");
    if let Value::Object(fields) = refusal.body() {
        for (key, value) in &fields {
            write_element(&mut out, &camel(key), value);
        }
    }
    out.push_str("</RestException></TwilioResponse>");
    out
}

fn write_element(out: &mut String, name: &str, value: &Value) {
    match value {
        Value::Null => {
            out.push('<');
            out.push_str(name);
            out.push_str("/>");
            return;
        }
        Value::Object(fields) => {
            out.push('<');
            out.push_str(name);
            out.push('>');
            for (key, value) in fields {
                // The addresses below `subresource_uris` are addresses whatever their key says.
                match value {
                    Value::String(text) if text.starts_with("/2010-04-01") => {
                        write_text(out, &camel(key), &bare(text));
                    }
                    _ => write_element(out, &camel(key), value),
                }
            }
        }
        Value::Array(items) => {
            out.push('<');
            out.push_str(name);
            out.push('>');
            let item = name.strip_suffix('s').unwrap_or("Item");
            for value in items {
                write_element(out, item, value);
            }
        }
        _ => {
            write_text(out, name, &scalar("", value));
            return;
        }
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn write_text(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    escape(out, text);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn scalar(key: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if key.ends_with("uri") => bare(text),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An address without its `.json`.
fn bare(uri: &str) -> String {
    let (path, query) = match uri.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (uri, None),
    };
    let path = path.strip_suffix(".json").unwrap_or(path);
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// `phone_number_sid` as an element: `PhoneNumberSid`.
fn camel(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for word in key.split('_') {
        let mut letters = word.chars();
        out.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no way to write these.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                out.push('\u{fffd}');
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_become_elements() {
        let value = json!({"sid": "CA1", "to": "<&>", "price": null,
            "uri": "/2010-04-01/X.json", "subresource_uris": {"calls": "/2010-04-01/Y.json"}});
        assert_eq!(
            xml(&Answer::found("Call", value)),
            "<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><Call><Sid>CA1</Sid>\
             <To>&lt;&amp;&gt;</To><Price/><Uri>/2010-04-01/X</Uri><SubresourceUris>\
             <Calls>/2010-04-01/Y</Calls></SubresourceUris></Call></TwilioResponse>"
        );
    }
}
