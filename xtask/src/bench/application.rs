//! The customer's application: hands out documents, keeps what it is told and when it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// For each call, the statuses and when they came.
pub type Told = HashMap<String, Vec<(String, Instant)>>;

/// The document of a call of which only the signalling counts: answer, then hang up.
const HANGUP: &str = "<Response><Hangup/></Response>";
/// The document of a call that says something.
const SAY: &str = "<Response><Say>Hello.</Say></Response>";

/// The last digits of every other number.
const EVEN: [char; 5] = ['0', '2', '4', '6', '8'];

/// A running application.
pub struct Application {
    /// `http://127.0.0.1:PORT`; documents are at `/hangup`, `/say`, `/mixed`, `/bridge`
    /// and `/client`, which dials the page of the caller's number.
    pub address: String,
    kept: Arc<Kept>,
}

struct Kept {
    bridge: String,
    told: Mutex<Told>,
    asked: Mutex<HashMap<String, (Instant, Instant)>>,
}

impl Application {
    /// Starts it; `/bridge` connects to the called party at that address.
    pub fn start(callee: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = format!("http://{}", listener.local_addr()?);
        // The caller is answered when the called party is, as other servers do it.
        let bridge = format!(
            "<Response><Dial answerOnBridge=\"true\"><Sip>sip:callee@{callee}</Sip></Dial></Response>"
        );
        let kept = Arc::new(Kept {
            bridge,
            told: Mutex::default(),
            asked: Mutex::default(),
        });
        let shared = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Ok(Self { address, kept })
    }

    /// Forgets what it was told and asked.
    pub fn forget(&self) {
        self.kept
            .told
            .lock()
            .expect("nobody panics while holding it")
            .clear();
        self.kept
            .asked
            .lock()
            .expect("nobody panics while holding it")
            .clear();
    }

    /// Looks at what it was told.
    pub fn told<T>(&self, look: impl FnOnce(&Told) -> T) -> T {
        look(
            &self
                .kept
                .told
                .lock()
                .expect("nobody panics while holding it"),
        )
    }

    /// For each caller, when the request for a document came and when the answer had left.
    pub fn asked(&self) -> HashMap<String, (Instant, Instant)> {
        self.kept
            .asked
            .lock()
            .expect("nobody panics while holding it")
            .clone()
    }
}

fn serve(stream: TcpStream, kept: &Kept) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let (first, body) = message(&mut reader)?;
        let came = Instant::now();
        let field = |name: &str| {
            body.split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .map(str::to_owned)
        };
        if first.contains(" /told") {
            let (sid, status) = (field("CallSid")?, field("CallStatus")?);
            let mut told = kept.told.lock().ok()?;
            told.entry(sid).or_default().push((status, came));
        }
        let client = field("From").map(|from| {
            let page = &from[from.len().saturating_sub(5)..];
            format!("<Response><Dial answerOnBridge=\"true\"><Client>page{page}</Client></Dial></Response>")
        });
        let document = match first.split(' ').nth(1) {
            Some("/bridge") => &kept.bridge,
            Some("/client") => client.as_deref()?,
            Some("/say") => SAY,
            // By the caller's number: every other one hears something.
            Some("/mixed") if field("From").is_some_and(|from| from.ends_with(EVEN)) => SAY,
            _ => HANGUP,
        };
        let length = document.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\n\r\n"
        );
        writer
            .write_all(format!("{head}{document}").as_bytes())
            .ok()?;
        if first.contains(" /bridge") {
            let mut asked = kept.asked.lock().ok()?;
            asked.insert(field("From")?, (came, Instant::now()));
        }
    }
}

/// One HTTP/1.1 message with a known length: its first line and its body.
pub fn message(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, String::from_utf8_lossy(&body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_a_first_line_and_a_body() {
        let mut text: &[u8] = b"POST /told HTTP/1.1\r\nContent-Length: 3\r\n\r\na=bGET";
        assert_eq!(
            message(&mut text),
            Some(("POST /told HTTP/1.1\r\n".to_owned(), "a=b".to_owned()))
        );
        assert_eq!(message(&mut &b""[..]), None);
    }
}
