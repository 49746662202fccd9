//! The frames: one JSON object each, `{"type": …, "version": …, "payload": {…}}`, or a line feed.
//!
//! A payload may be missing, keys come in any order, and what is not known is passed over. What
//! is sent is built from an enum, so that it cannot be what makes a page throw: invalid JSON, or a
//! payload that is `null`.

use crate::error::Fault;
use crate::sdk::Sdk;
use model::pii::Pii;
use serde_json::{Map, Value, json};

/// The longest frame that is read, in bytes: long enough for a call message that is far too long, so
/// that its page is told so, and does not lose its socket.
pub const LONGEST: usize = 128 * 1024;

/// The longest frame that is read of somebody of whom nothing is known. An `invite` has 1 to 4 kB.
pub const LONGEST_OF_STRANGERS: usize = 64 * 1024;

/// The only type of call message that a page may send; upstream refuses every other.
pub const USER_DEFINED: &str = "user-defined-message";

/// The frame of the heartbeat, both ways.
pub const BEAT: &str = "\n";

/// Why a frame was not read. The socket stays open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More than [`LONGEST`] bytes.
    #[error("a frame of {0} bytes; at most {LONGEST} are read")]
    TooLong(usize),
    /// Not a JSON object.
    #[error("a frame that is not a JSON object")]
    NotAnObject,
    /// No text in `type`.
    #[error("a frame without a type")]
    NoType,
    /// A payload that is neither an object nor missing.
    #[error("a frame of type '{0}' whose payload is not an object")]
    NoPayload(String),
    /// A field that the type demands is missing or of another kind.
    #[error("a frame of type '{kind}' without a usable '{field}'")]
    Missing {
        /// The type.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
}

/// What a browser says.
#[derive(Debug, Clone, PartialEq)]
pub enum FromBrowser {
    /// A line feed, the echo of ours.
    Beat,
    /// Who it is. First on every socket, and again at each new token.
    Listen(Box<Listen>),
    /// Whether it wants to be called; again every 30 s.
    Register {
        /// False: no longer.
        audio: bool,
    },
    /// It calls.
    Invite(Box<Invite>),
    /// It asks for a call that it had before its socket dropped, or that another device had.
    Reconnect {
        /// The CallSid.
        call: String,
        /// The token we gave.
        token: Pii<String>,
        /// Its description: the old one, or an offer of a new device.
        sdp: String,
    },
    /// It answers a call.
    Answer {
        /// The CallSid.
        call: String,
        /// Its answer.
        sdp: String,
    },
    /// It restarts ICE.
    Reinvite {
        /// The CallSid.
        call: String,
        /// Its new offer.
        sdp: String,
    },
    /// Keys, when they cannot travel in RTP.
    Dtmf {
        /// The CallSid.
        call: String,
        /// 0-9, `*`, `#`, and `w` for half a second.
        digits: String,
    },
    /// It ends a call.
    Hangup {
        /// The CallSid, or the TempSid while it knows no other.
        call: String,
        /// Said when its media failed.
        message: Option<String>,
    },
    /// It declines a call.
    Reject {
        /// The CallSid.
        call: String,
    },
    /// A message in a call.
    Message(Box<Message>),
    /// A type we do not know; logged and passed over.
    Unknown(String),
}

/// Who listens.
#[derive(Debug, Clone, PartialEq)]
pub struct Listen {
    /// The access or capability token.
    pub token: Pii<String>,
    /// The version of the SDK.
    pub sdk: Sdk,
    /// The browser's own name, cut to 256 characters.
    pub agent: String,
    /// How long the page tries to come back, in seconds, 0 to 30; from 2.10.2.
    pub reconnect_timeout: u64,
}

/// A new call.
#[derive(Debug, Clone, PartialEq)]
pub struct Invite {
    /// The TempSid.
    pub temp: String,
    /// The offer.
    pub sdp: String,
    /// `k=v&…`, each part percent-encoded; empty when there are none.
    pub params: String,
    /// A preflight test says so, from 1.13.0 to 2.10.2.
    pub preflight: bool,
}

/// A message in a call, either way.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The CallSid.
    pub call: String,
    /// Any JSON.
    pub content: Value,
    /// `application/json` unless said otherwise.
    pub content_type: String,
    /// [`USER_DEFINED`], or a word of ours to the page.
    pub message_type: String,
    /// `KX` and 32 hexadecimal digits; names the acknowledgement.
    pub voice_event_sid: String,
}

impl FromBrowser {
    /// Reads a text frame.
    pub fn parse(text: &str) -> Result<FromBrowser, Malformed> {
        if text.len() > LONGEST {
            return Err(Malformed::TooLong(text.len()));
        }
        if text.trim_matches(['\r', '\n']).is_empty() {
            return Ok(FromBrowser::Beat);
        }
        let Ok(Value::Object(mut frame)) = serde_json::from_str(text) else {
            return Err(Malformed::NotAnObject);
        };
        let Some(Value::String(kind)) = frame.remove("type") else {
            return Err(Malformed::NoType);
        };
        let payload = match frame.remove("payload") {
            None => Map::new(),
            Some(Value::Object(payload)) => payload,
            Some(_) => return Err(Malformed::NoPayload(cut(kind))),
        };
        let mut payload = Payload(payload);
        Ok(match kind.as_str() {
            "listen" => FromBrowser::Listen(Box::new(payload.listen()?)),
            "register" => FromBrowser::Register {
                // Neither generation leaves it out; a frame without it asks to be called.
                audio: payload.at("media")["audio"].as_bool().unwrap_or(true),
            },
            // The token is what tells the two apart.
            "invite" if payload.0.contains_key("reconnect") => FromBrowser::Reconnect {
                call: payload.needed("invite", "callsid")?,
                token: Pii(payload.needed("invite", "reconnect")?),
                sdp: payload.text("sdp").unwrap_or_default(),
            },
            "invite" => FromBrowser::Invite(Box::new(Invite {
                temp: payload.needed("invite", "callsid")?,
                sdp: payload.needed("invite", "sdp")?,
                params: payload.at("twilio")["params"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                preflight: payload.at("preflight").as_bool().unwrap_or(false),
            })),
            "answer" => FromBrowser::Answer {
                call: payload.needed("answer", "callsid")?,
                sdp: payload.needed("answer", "sdp")?,
            },
            "reinvite" => FromBrowser::Reinvite {
                call: payload.needed("reinvite", "callsid")?,
                sdp: payload.needed("reinvite", "sdp")?,
            },
            "dtmf" => FromBrowser::Dtmf {
                call: payload.needed("dtmf", "callsid")?,
                digits: payload.needed("dtmf", "dtmf")?,
            },
            "hangup" => FromBrowser::Hangup {
                call: payload.needed("hangup", "callsid")?,
                message: payload.text("message"),
            },
            "reject" => FromBrowser::Reject {
                call: payload.needed("reject", "callsid")?,
            },
            "message" => FromBrowser::Message(Box::new(Message {
                call: payload.needed("message", "callsid")?,
                content: payload.0.remove("content").unwrap_or(Value::Null),
                content_type: payload
                    .text("contenttype")
                    .unwrap_or_else(|| "application/json".to_owned()),
                message_type: payload.text("messagetype").unwrap_or_default(),
                voice_event_sid: payload.text("voiceeventsid").unwrap_or_default(),
            })),
            _ => FromBrowser::Unknown(cut(kind)),
        })
    }

    /// The `type` it came with.
    pub fn kind(&self) -> &str {
        match self {
            FromBrowser::Beat => "\\n",
            FromBrowser::Listen(_) => "listen",
            FromBrowser::Register { .. } => "register",
            FromBrowser::Invite(_) | FromBrowser::Reconnect { .. } => "invite",
            FromBrowser::Answer { .. } => "answer",
            FromBrowser::Reinvite { .. } => "reinvite",
            FromBrowser::Dtmf { .. } => "dtmf",
            FromBrowser::Hangup { .. } => "hangup",
            FromBrowser::Reject { .. } => "reject",
            FromBrowser::Message(_) => "message",
            FromBrowser::Unknown(kind) => kind,
        }
    }
}

/// Text for a log, of a length that a log can bear.
fn cut(text: String) -> String {
    text.chars().take(64).collect()
}

struct Payload(Map<String, Value>);

impl Payload {
    /// A field, or null; indexing the map itself would panic.
    fn at(&self, field: &str) -> &Value {
        self.0.get(field).unwrap_or(&Value::Null)
    }

    fn text(&mut self, field: &str) -> Option<String> {
        match self.0.remove(field) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn needed(&mut self, kind: &'static str, field: &'static str) -> Result<String, Malformed> {
        self.text(field)
            .filter(|text| !text.is_empty())
            .ok_or(Malformed::Missing { kind, field })
    }

    fn listen(&mut self) -> Result<Listen, Malformed> {
        // A page without a token gets the error of a bad one, not silence.
        let token = Pii(self.text("token").unwrap_or_default());
        let info = self.at("browserinfo");
        Ok(Listen {
            token,
            sdk: info["v"]
                .as_str()
                .and_then(|version| version.parse().ok())
                .unwrap_or(Sdk::UNKNOWN),
            agent: info["browser"]["userAgent"]
                .as_str()
                .unwrap_or_default()
                .chars()
                .take(256)
                .collect(),
            reconnect_timeout: self.at("reconnectTimeout").as_u64().unwrap_or(0).min(30),
        })
    }
}

/// What we say. Every call is named: a `cancel` or `hangup` without a CallSid would hit others.
#[derive(Debug, Clone, PartialEq)]
pub enum ToBrowser {
    /// A line feed.
    Beat,
    /// The token is good.
    Connected {
        /// For example `US_EAST_VIRGINIA`.
        region: String,
        /// From 2.1.
        edge: String,
        /// From 2.1; where telemetry goes.
        home: String,
        /// Copied into telemetry.
        gateway: String,
        /// Whom the token names.
        identity: String,
        /// Seconds that the token is still good.
        ttl: u64,
    },
    /// It will be called.
    Ready,
    /// It will not be called.
    Offline,
    /// Go away and do not come back by yourself.
    Close,
    /// A fault; ends no call.
    Error {
        /// What happened.
        fault: Fault,
        /// The call it is about.
        call: Option<String>,
        /// The message it is about.
        voice_event_sid: Option<String>,
    },
    /// You are called.
    Invite {
        /// The CallSid.
        call: String,
        /// Our offer.
        sdp: String,
        /// `From`, `To`, `AccountSid` and what else the page is to read.
        parameters: Vec<(String, String)>,
        /// With it the page can come back to the call.
        reconnect: String,
    },
    /// It rings at the other end.
    Ringing {
        /// The CallSid; the page takes it for its own.
        call: String,
        /// Early media.
        sdp: Option<String>,
    },
    /// Your call was answered, or your `reinvite` or reconnect was.
    Answer {
        /// The CallSid.
        call: String,
        /// Our answer; none to a reconnect.
        sdp: Option<String>,
        /// The token for the next time.
        reconnect: String,
    },
    /// The call has ended.
    Hangup {
        /// The CallSid, or the TempSid while the page knows no other.
        call: String,
        /// Shown to the page before the end.
        fault: Option<Fault>,
    },
    /// You are no longer called.
    Cancel {
        /// The CallSid.
        call: String,
    },
    /// Your message came.
    Ack {
        /// The CallSid.
        call: String,
        /// The message.
        voice_event_sid: String,
    },
    /// A message in a call.
    Message(Box<Message>),
    /// A type of ours, which only those see who listen on the SDK's stream.
    Notice {
        /// The type; none of the names that the SDK's stream uses itself.
        kind: &'static str,
        /// The payload, beside `callsid`.
        body: Map<String, Value>,
        /// The CallSid.
        call: String,
    },
}

impl ToBrowser {
    /// The text frame.
    pub fn to_text(&self) -> String {
        let (kind, payload) = match self {
            ToBrowser::Beat => return BEAT.to_owned(),
            ToBrowser::Connected {
                region,
                edge,
                home,
                gateway,
                identity,
                ttl,
            } => (
                "connected",
                json!({"region": region, "edge": edge, "home": home, "gateway": gateway,
                       "token": {"identity": identity, "ttl": ttl}}),
            ),
            ToBrowser::Ready => ("ready", json!({})),
            ToBrowser::Offline => ("offline", json!({})),
            ToBrowser::Close => ("close", json!({})),
            ToBrowser::Error {
                fault,
                call,
                voice_event_sid,
            } => {
                let mut payload = json!({"error": fault.to_json()});
                if let Some(call) = call {
                    payload["callsid"] = json!(call);
                }
                if let Some(sid) = voice_event_sid {
                    payload["voiceeventsid"] = json!(sid);
                }
                ("error", payload)
            }
            ToBrowser::Invite {
                call,
                sdp,
                parameters,
                reconnect,
            } => {
                let parameters: Map<String, Value> = parameters
                    .iter()
                    .map(|(name, value)| (name.clone(), json!(value)))
                    .collect();
                (
                    "invite",
                    json!({"callsid": call, "sdp": sdp, "parameters": parameters,
                           "reconnect": reconnect}),
                )
            }
            ToBrowser::Ringing { call, sdp } => {
                let mut payload = json!({"callsid": call});
                if let Some(sdp) = sdp {
                    payload["sdp"] = json!(sdp);
                }
                ("ringing", payload)
            }
            ToBrowser::Answer {
                call,
                sdp,
                reconnect,
            } => {
                let mut payload = json!({"callsid": call, "reconnect": reconnect});
                if let Some(sdp) = sdp {
                    payload["sdp"] = json!(sdp);
                }
                ("answer", payload)
            }
            ToBrowser::Hangup { call, fault } => {
                let mut payload = json!({"callsid": call});
                if let Some(fault) = fault {
                    payload["error"] = fault.to_json();
                }
                ("hangup", payload)
            }
            ToBrowser::Cancel { call } => ("cancel", json!({"callsid": call})),
            ToBrowser::Ack {
                call,
                voice_event_sid,
            } => (
                "ack",
                json!({"acktype": "message", "callsid": call, "voiceeventsid": voice_event_sid}),
            ),
            ToBrowser::Message(message) => (
                "message",
                json!({"callsid": message.call, "content": message.content,
                       "contenttype": message.content_type, "messagetype": message.message_type,
                       "voiceeventsid": message.voice_event_sid}),
            ),
            ToBrowser::Notice { kind, body, call } => {
                let mut payload = body.clone();
                payload.insert("callsid".to_owned(), json!(call));
                (*kind, Value::Object(payload))
            }
        };
        // The original sends an empty version; the SDKs never look at it.
        json!({"type": kind, "version": "", "payload": payload}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<FromBrowser, Malformed> {
        FromBrowser::parse(text)
    }

    #[test]
    fn listen_as_2_18_sends_it() {
        let frame = r#"{"type":"listen","version":"1.6","payload":{"token":"eyJ","browserinfo":{"p":"browser","v":"2.18.5","browser":{"userAgent":"Mozilla","platform":"Linux x86_64"},"plugin":"rtc"},"reconnectTimeout":30}}"#;
        let Ok(FromBrowser::Listen(listen)) = parse(frame) else {
            panic!("listen");
        };
        assert_eq!(listen.sdk, Sdk::new(2, 18, 5));
        assert_eq!(listen.token.as_str(), "eyJ");
        assert_eq!(
            (listen.agent.as_str(), listen.reconnect_timeout),
            ("Mozilla", 30)
        );
        assert!(
            !format!("{listen:?}").contains("eyJ"),
            "tokens stay out of logs"
        );
    }

    #[test]
    fn an_invite_with_a_token_is_a_reconnect() {
        let new = r#"{"payload":{"sdp":"v=0","callsid":"TJS1","twilio":{"params":"To=%2B1"}},"type":"invite"}"#;
        let Ok(FromBrowser::Invite(invite)) = parse(new) else {
            panic!("invite");
        };
        assert_eq!(
            (invite.temp.as_str(), invite.params.as_str()),
            ("TJS1", "To=%2B1")
        );
        let again = r#"{"type":"invite","payload":{"callsid":"CA1","reconnect":"r","sdp":"v=0","twilio":{}}}"#;
        assert!(matches!(parse(again), Ok(FromBrowser::Reconnect { .. })));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for text in ["", "\n", "\r\n", "\n\n"] {
            assert_eq!(parse(text), Ok(FromBrowser::Beat));
        }
        for text in ["[]", "1", "{", "null", "\"listen\"", "\u{0}"] {
            assert_eq!(parse(text), Err(Malformed::NotAnObject), "{text}");
        }
        assert_eq!(parse("{}"), Err(Malformed::NoType));
        assert_eq!(parse(r#"{"type":1}"#), Err(Malformed::NoType));
        assert_eq!(
            parse(r#"{"type":"answer","payload":null}"#),
            Err(Malformed::NoPayload("answer".to_owned()))
        );
        assert_eq!(
            parse(r#"{"type":"answer","payload":{"callsid":"CA"}}"#),
            Err(Malformed::Missing {
                kind: "answer",
                field: "sdp"
            })
        );
        assert_eq!(
            parse(r#"{"type":"hangup","payload":{"callsid":7}}"#),
            Err(Malformed::Missing {
                kind: "hangup",
                field: "callsid"
            })
        );
        assert_eq!(
            parse(&"x".repeat(LONGEST + 1)),
            Err(Malformed::TooLong(LONGEST + 1))
        );
        assert!(parse(&"[".repeat(LONGEST)).is_err(), "depth is bounded");
        assert_eq!(
            parse(r#"{"type":"roster"}"#),
            Ok(FromBrowser::Unknown("roster".to_owned()))
        );
    }

    #[test]
    fn odd_kinds_of_optional_fields_are_passed_over() {
        let frame =
            r#"{"type":"listen","payload":{"token":[],"browserinfo":7,"reconnectTimeout":-3}}"#;
        let Ok(FromBrowser::Listen(listen)) = parse(frame) else {
            panic!("listen");
        };
        assert_eq!((listen.token.as_str(), listen.sdk), ("", Sdk::UNKNOWN));
        assert_eq!(
            parse(r#"{"type":"register"}"#),
            Ok(FromBrowser::Register { audio: true })
        );
        assert_eq!(
            parse(r#"{"type":"register","payload":{"media":{"audio":false}}}"#),
            Ok(FromBrowser::Register { audio: false })
        );
    }

    /// H8: a page throws at invalid JSON and at a payload that is null.
    #[test]
    fn h8_every_frame_we_send_is_an_object_with_an_object() {
        let text = || "\u{2028}\"\\\u{0}é".to_owned();
        let fault = Fault::new(31003, text());
        let frames = [
            ToBrowser::Connected {
                region: text(),
                edge: text(),
                home: text(),
                gateway: text(),
                identity: text(),
                ttl: 3600,
            },
            ToBrowser::Ready,
            ToBrowser::Offline,
            ToBrowser::Close,
            ToBrowser::Error {
                fault: fault.clone(),
                call: Some(text()),
                voice_event_sid: Some(text()),
            },
            ToBrowser::Invite {
                call: text(),
                sdp: text(),
                parameters: vec![(text(), text())],
                reconnect: text(),
            },
            ToBrowser::Ringing {
                call: text(),
                sdp: None,
            },
            ToBrowser::Answer {
                call: text(),
                sdp: Some(text()),
                reconnect: text(),
            },
            ToBrowser::Hangup {
                call: text(),
                fault: Some(fault),
            },
            ToBrowser::Cancel { call: text() },
            ToBrowser::Ack {
                call: text(),
                voice_event_sid: text(),
            },
            ToBrowser::Message(Box::new(Message {
                call: text(),
                content: Value::Null,
                content_type: text(),
                message_type: text(),
                voice_event_sid: text(),
            })),
            ToBrowser::Notice {
                kind: "bridged",
                body: Map::new(),
                call: text(),
            },
        ];
        for frame in frames {
            let value: Value = serde_json::from_str(&frame.to_text()).unwrap();
            assert!(
                value["payload"].is_object() && value["type"].is_string(),
                "{value}"
            );
        }
    }
}
