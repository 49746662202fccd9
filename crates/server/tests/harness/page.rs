//! A page with a browser phone, played by the test: a WebSocket (RFC 6455), and the frames of the
//! vendor's SDKs.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use browser::peer::{Identity, Peer};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{SOON, Server};

/// RFC 2104 over SHA-256, for secrets of at most a block.
fn hmac(secret: &[u8], text: &str) -> Vec<u8> {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block
            .iter_mut()
            .zip(secret)
            .for_each(|(pad, key)| *pad ^= key);
        block
    };
    let inner = Sha256::digest([&pad(0x36)[..], text.as_bytes()].concat());
    Sha256::digest([&pad(0x5c)[..], &inner].concat()).to_vec()
}

/// A token with this header and these claims.
pub fn token(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = BASE64.encode(hmac(secret, &signed));
    format!("{signed}.{signature}")
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs() as i64
}

/// An access token of the main account's seeded key: who it is for, and what it may call.
pub fn access(server: &Server, identity: &str, outgoing: &Value) -> String {
    let header = json!({"typ": "JWT", "alg": "HS256", "cty": "twilio-fpa;v=1"});
    let claims = json!({
        "jti": "x", "iss": server.fact("api_key_sid"), "sub": server.fact("account_sid"),
        "iat": now(), "exp": now() + 600,
        "grants": {"identity": identity, "voice": {"incoming": {"allow": true}, "outgoing": outgoing}},
    });
    token(&header, &claims, server.fact("api_key_secret").as_bytes())
}

/// A capability token with this scope.
pub fn capability(server: &Server, scope: &str) -> String {
    let header = json!({"typ": "JWT", "alg": "HS256"});
    let claims = json!({"iss": server.fact("account_sid"), "exp": now() + 600, "scope": scope});
    token(&header, &claims, server.fact("auth_token").as_bytes())
}

/// `name=value&…`, as an SDK writes what a page gives to `connect`.
pub fn words(words: &[(&str, &str)]) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = words
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A browser is a full ICE agent, ours is not.
fn full_agent(description: &str) -> String {
    description.replace("a=ice-lite\r\n", "")
}

/// A page.
pub struct Page {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What it answers and offers with; nothing ever flows.
    media: Peer,
}

impl Page {
    /// One whose socket is open and that has said which token it has.
    pub async fn knocks(server: &Server, token: &str, version: &str) -> Self {
        let host = server.fact("api").trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let request = format!(
            "GET /signal HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "no WebSocket");
        let identity = Identity::generate().unwrap();
        let nowhere = "127.0.0.1:9".parse().unwrap();
        let mut page = Self {
            stream,
            buffer: Vec::new(),
            media: Peer::new(&identity, &[nowhere], Instant::now()),
        };
        let browser = json!({"p": "browser", "v": version, "plugin": "rtc",
                             "browser": {"userAgent": "test", "platform": "test"}});
        page.say("listen", &json!({"token": token, "browserinfo": browser}))
            .await;
        page
    }

    /// One that was let in.
    pub async fn listening(server: &Server, token: &str, version: &str) -> Self {
        let mut page = Self::knocks(server, token, version).await;
        page.until("connected").await;
        page
    }

    /// One that can be called.
    pub async fn registered(server: &Server, token: &str, version: &str) -> Self {
        let mut page = Self::listening(server, token, version).await;
        let media = json!({"media": {"audio": true}});
        page.say("register", &media).await;
        page.until("ready").await;
        page
    }

    /// Sends a frame.
    pub async fn say(&mut self, kind: &str, payload: &Value) {
        let frame = json!({"type": kind, "version": "1.6", "payload": payload});
        self.send(&frame.to_string()).await;
    }

    /// Takes a call.
    pub async fn accept(&mut self, invite: &Value) {
        let offer = invite["sdp"].as_str().unwrap();
        let (answer, _) = self.media.answer(&full_agent(offer)).unwrap();
        let payload = json!({"callsid": invite["callsid"], "sdp": full_agent(&answer)});
        self.say("answer", &payload).await;
    }

    /// Calls out with words for the program; the name it knows the call by.
    pub async fn connect(&mut self, parameters: &[(&str, &str)]) -> String {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let temp = format!("TJS00000000-0000-4000-8000-{number:012}");
        let payload = json!({"callsid": temp, "sdp": full_agent(&self.media.offer()),
                             "twilio": {"params": words(parameters)}});
        self.say("invite", &payload).await;
        temp
    }

    /// The next frame of this type; others are passed over.
    pub async fn until(&mut self, kind: &str) -> Value {
        self.one_of(&[kind]).await.1
    }

    /// The next frame of one of these types, and which.
    pub async fn one_of(&mut self, kinds: &[&str]) -> (String, Value) {
        let mut others = Vec::new();
        let wait = async {
            loop {
                let text = self.next().await;
                if text == "\n" {
                    self.send("\n").await;
                    continue;
                }
                let mut frame: Value = serde_json::from_str(&text).unwrap();
                let found = frame["type"].as_str().unwrap_or_default().to_owned();
                if kinds.contains(&found.as_str()) {
                    return (found, frame["payload"].take());
                }
                others.push(text);
            }
        };
        match tokio::time::timeout(SOON, wait).await {
            Ok(frame) => frame,
            Err(_) => panic!("none of {kinds:?} came, but {others:?}"),
        }
    }

    /// The text of the next frame; a server does not mask (section 5.2).
    async fn next(&mut self) -> String {
        loop {
            if let Some((text, whole)) = self.first() {
                self.buffer.drain(..whole);
                if let Some(text) = text {
                    return text;
                }
                continue;
            }
            let count = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(count > 0, "the server closed the WebSocket");
        }
    }

    /// The first frame that is whole, and its length.
    fn first(&self) -> Option<(Option<String>, usize)> {
        let (length, start) = match *self.buffer.get(1)? & 127 {
            126 => {
                let long = self.buffer.get(2..4)?;
                (usize::from(u16::from_be_bytes([long[0], long[1]])), 4)
            }
            short => (usize::from(short), 2),
        };
        let payload = self.buffer.get(start..start + length)?;
        let text = (self.buffer[0] & 15 == 1).then(|| String::from_utf8(payload.to_vec()).unwrap());
        Some((text, start + length))
    }

    async fn send(&mut self, text: &str) {
        // A client must mask (section 5.3); with zeros the text stays as it is.
        let mut frame = vec![0x81];
        match u8::try_from(text.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame).await.unwrap();
    }
}
