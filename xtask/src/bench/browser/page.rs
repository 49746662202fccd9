//! Pages without a browser: as much of the SDKs' signalling as a call needs, made or answered, and
//! the media of a browser.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::super::Bench;
use super::super::api::base64;
use super::super::sound::{age, stamped};
use super::tls::{self, Stream};

/// How long the server may take to answer a frame.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often all pages are looked at.
const LOOK: Duration = Duration::from_millis(2);
/// How long after one page the next one calls.
const BETWEEN: Duration = Duration::from_millis(10);
/// Largest datagram.
const LARGEST: usize = 2000;
/// How often who speaks sends a packet.
const FRAME: Duration = Duration::from_millis(20);

/// What the pages speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// What telephones speak.
    Pcmu,
    /// What browsers prefer.
    Opus,
}

impl Speech {
    fn config(self) -> RtcConfig {
        let config = RtcConfig::new()
            .set_rtp_mode(true)
            .set_stats_interval(None)
            .clear_codecs();
        match self {
            Speech::Pcmu => config.enable_pcmu(true, false),
            Speech::Opus => config.enable_opus(true, false),
        }
    }

    /// Payload type as `str0m` offers it, and what the timestamp grows by in a packet.
    fn packet(self) -> (u8, u64) {
        match self {
            Speech::Pcmu => (0, 160),
            Speech::Opus => (111, 960),
        }
    }
}

/// An access token for a page that calls the application, and is called.
pub fn token(bench: &Bench, identity: &str) -> anyhow::Result<String> {
    let (key, secret) = (bench.fact("api_key_sid")?, bench.fact("api_key_secret")?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let head = json!({"typ": "JWT", "alg": "HS256", "cty": "twilio-fpa;v=1"});
    let body = json!({
        "jti": format!("{key}-{now}"),
        "iss": key,
        "sub": bench.fact("account_sid")?,
        "iat": now,
        "exp": now + 3600,
        "grants": {"identity": identity, "voice": {
            "incoming": {"allow": true},
            "outgoing": {"application_sid": bench.fact("application_sid")?},
        }},
    });
    let text = format!(
        "{}.{}",
        base64url(head.to_string().as_bytes()),
        base64url(body.to_string().as_bytes())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).context("any key will do")?;
    mac.update(text.as_bytes());
    Ok(format!(
        "{text}.{}",
        base64url(&mac.finalize().into_bytes())
    ))
}

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    base64(bytes)
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

/// A WebSocket (RFC 6455) that never waits once it is registered.
pub struct Socket {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens one and registers; over TLS, as every SDK does it, if `secure`.
    pub fn registered(bench: &Bench, token: &str, secure: bool) -> anyhow::Result<Self> {
        let api = bench.fact(if secure { "api_tls" } else { "api" })?;
        let host = api.rsplit('/').next().unwrap_or(api).to_owned();
        let tcp = TcpStream::connect(&host)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let mut stream = match secure {
            true => tls::connect(tcp)?,
            false => Stream::Plain(tcp),
        };
        let request = format!(
            "GET /signal HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            bail!("no WebSocket: {}", String::from_utf8_lossy(&head));
        }
        let mut socket = Self {
            stream,
            buffer: Vec::new(),
        };
        let browser = json!({"p": "browser", "v": "2.12.4", "browser": {"userAgent": "bench", "platform": "bench"}, "plugin": "rtc"});
        socket.say("listen", &json!({"token": token, "browserinfo": browser}))?;
        socket.wait("connected")?;
        socket.say("register", &json!({"media": {"audio": true}}))?;
        socket.wait("ready")?;
        socket.stream.tcp().set_nonblocking(true)?;
        Ok(socket)
    }

    fn say(&mut self, kind: &str, payload: &Value) -> anyhow::Result<()> {
        let frame = json!({"type": kind, "version": "1.6", "payload": payload});
        self.send(&frame.to_string())
    }

    fn send(&mut self, text: &str) -> anyhow::Result<()> {
        // A client must mask (section 5.3); with zeros the text stays as it is.
        let mut frame = vec![0x81];
        match u8::try_from(text.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(text.len())?.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        let mut rest = &frame[..];
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn wait(&mut self, kind: &str) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            while let Some(text) = self.next() {
                if text == "\n" {
                    self.send("\n")?;
                    continue;
                }
                let frame: Value = serde_json::from_str(&text)?;
                if frame["type"] == kind {
                    return Ok(());
                }
                if frame["type"] == "error" {
                    bail!("{frame}");
                }
            }
            self.read()?;
        }
        bail!("no {kind} came");
    }

    /// Takes what has come; false when nothing has.
    fn read(&mut self) -> anyhow::Result<bool> {
        let mut part = [0; 8192];
        match self.stream.read(&mut part) {
            Ok(0) => bail!("the server closed a WebSocket"),
            Ok(count) => {
                self.buffer.extend(&part[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The next text of what was read (section 5.2); a server does not mask.
    fn next(&mut self) -> Option<String> {
        loop {
            let (length, start) = match *self.buffer.get(1)? & 127 {
                126 => {
                    let long = self.buffer.get(2..4)?;
                    (usize::from(u16::from_be_bytes([long[0], long[1]])), 4)
                }
                short => (usize::from(short), 2),
            };
            let payload = self.buffer.get(start..start + length)?.to_vec();
            let text = self.buffer[0] & 15 == 1;
            self.buffer.drain(..start + length);
            if text {
                return String::from_utf8(payload).ok();
            }
        }
    }
}

/// What a page does in a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Sends back what it hears.
    Echo,
    /// Says something of its own; what it hears came back.
    Speak,
    /// Nothing but hear.
    Hear,
}

/// The media of a page in a call.
struct Media {
    rtc: Rtc,
    udp: UdpSocket,
    at: SocketAddr,
    mid: Mid,
    speech: Speech,
    part: Part,
    /// Our offer, until it is answered.
    pending: Option<SdpPendingOffer>,
    sent: u64,
    /// When the next packet is to be said.
    due: Instant,
    wait: Instant,
}

impl Media {
    /// A socket, and a connection that knows it.
    fn open(speech: Speech) -> anyhow::Result<(Rtc, UdpSocket, SocketAddr, Instant)> {
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        udp.set_nonblocking(true)?;
        let (at, now) = (udp.local_addr()?, Instant::now());
        let mut rtc = speech.config().build(now);
        rtc.add_local_candidate(Candidate::host(at, Protocol::Udp)?);
        Ok((rtc, udp, at, now))
    }

    /// Media and our offer.
    fn offer(speech: Speech, part: Part) -> anyhow::Result<(Self, String)> {
        let (mut rtc, udp, at, now) = Self::open(speech)?;
        let mut change = rtc.sdp_api();
        let mid = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = change.apply().context("a medium was added")?;
        let media = Self {
            rtc,
            udp,
            at,
            mid,
            speech,
            part,
            pending: Some(pending),
            sent: 0,
            due: now,
            wait: now,
        };
        Ok((media, offer.to_sdp_string()))
    }

    /// Takes the answer to our offer; any later one says the same again.
    fn accept(&mut self, answer: &str) -> anyhow::Result<()> {
        if let Some(pending) = self.pending.take() {
            let answer = SdpAnswer::from_sdp_string(answer)?;
            self.rtc.sdp_api().accept_answer(pending, answer)?;
        }
        Ok(())
    }

    /// Media and our answer to an offer.
    fn answer(offer: &str, speech: Speech, part: Part) -> anyhow::Result<(Self, String)> {
        let (mut rtc, udp, at, now) = Self::open(speech)?;
        let answer = rtc
            .sdp_api()
            .accept_offer(SdpOffer::from_sdp_string(offer)?)?
            .to_sdp_string();
        let mid = answer
            .lines()
            .find_map(|line| line.strip_prefix("a=mid:"))
            .context("an answer names its medium")?
            .into();
        let media = Self {
            rtc,
            udp,
            at,
            mid,
            speech,
            part,
            pending: None,
            sent: 0,
            due: now,
            wait: now,
        };
        Ok((media, answer))
    }

    /// Reads, lets time pass, sends; counts itself once it is connected.
    fn advance(&mut self, shared: &Shared, delays: &mut Vec<f64>) -> anyhow::Result<()> {
        let mut datagram = [0; LARGEST];
        while let Ok((length, from)) = self.udp.recv_from(&mut datagram) {
            let now = Instant::now();
            if let Ok(receive) = Receive::new(Protocol::Udp, from, self.at, &datagram[..length]) {
                self.rtc.handle_input(Input::Receive(now, receive))?;
                self.drain(now, shared, delays)?;
            }
        }
        let now = Instant::now();
        if self.wait <= now {
            self.rtc.handle_input(Input::Timeout(now))?;
            self.drain(now, shared, delays)?;
        }
        if self.part == Part::Speak && self.due <= now && self.rtc.is_connected() {
            self.due += FRAME;
            self.speak(now, shared)?;
        }
        Ok(())
    }

    /// One packet of sound.
    fn speak(&mut self, now: Instant, shared: &Shared) -> anyhow::Result<()> {
        self.sent += 1;
        shared.said.fetch_add(1, Ordering::Relaxed);
        let (payload_type, step) = self.speech.packet();
        let time = (self.sent * step) as u32;
        let packet = RtpWrite::new(payload_type.into(), self.sent.into(), time, now, stamped());
        let mut api = self.rtc.direct_api();
        if let Some(stream) = api.stream_tx_by_mid(self.mid, None) {
            stream.write_rtp(packet);
        }
        // What was written is handed out when the time is told.
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(now, shared, &mut Vec::new())
    }

    fn drain(
        &mut self,
        now: Instant,
        shared: &Shared,
        delays: &mut Vec<f64>,
    ) -> anyhow::Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.wait = at;
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    self.udp.send_to(&transmit.contents, transmit.destination)?;
                }
                Output::Event(Event::Connected) => {
                    self.due = now;
                    shared.connected.fetch_add(1, Ordering::Relaxed);
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    let mut payload = packet.payload.to_vec();
                    shared.heard.fetch_add(1, Ordering::Relaxed);
                    let age = age(&payload);
                    if age.is_some() && self.part == Part::Speak {
                        shared.returned.fetch_add(1, Ordering::Relaxed);
                    } else if age.is_some() {
                        shared.unchanged.fetch_add(1, Ordering::Relaxed);
                    }
                    delays.extend(age.map(|age| age.as_secs_f64() * 1000.0));
                    if self.part != Part::Echo {
                        continue;
                    }
                    let ours = payload.starts_with(b"SBxt");
                    // The last digit of the stream's number: from now on the called party's.
                    if let Some(digit) = payload.get_mut(12).filter(|_| ours) {
                        *digit = match *digit {
                            b'0'..=b'9' => *digit | 1,
                            // a, c, e stand for even numbers.
                            letter => letter + 1,
                        };
                    }
                    self.sent += 1;
                    let back = RtpWrite::new(
                        packet.header.payload_type,
                        self.sent.into(),
                        packet.header.timestamp,
                        now,
                        payload,
                    );
                    let mut direct = self.rtc.direct_api();
                    if let Some(stream) = direct.stream_tx_by_mid(self.mid, None) {
                        stream.write_rtp(back);
                    }
                    // What was written is handed out when the time is told.
                    self.rtc.handle_input(Input::Timeout(now))?;
                }
                Output::Event(_) => {}
            }
        }
    }
}

/// Two peers of one program, connected to each other without a server: what the path, the encryption
/// and our own looking cost at the same time. Who speaks has a thread of its own, as the server has;
/// who hears is looked at with the pages.
struct Pair {
    callee: Media,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Pair {
    fn new(speech: Speech) -> anyhow::Result<Self> {
        let (mut caller, offer) = Media::offer(speech, Part::Hear)?;
        let (callee, answer) = Media::answer(&offer, speech, Part::Hear)?;
        caller.accept(&answer)?;
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut speak = || -> anyhow::Result<()> {
                caller.advance(&own, &mut Vec::new())?;
                match caller.rtc.is_connected() {
                    true => caller.speak(Instant::now(), &own),
                    false => Ok(()),
                }
            };
            while !own.ended.load(Ordering::Relaxed) && speak().is_ok() {
                std::thread::sleep(FRAME);
            }
        });
        Ok(Self {
            callee,
            shared,
            thread: Some(thread),
        })
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    connected: AtomicUsize,
    heard: AtomicU64,
    /// Packets that pages who call said, that reached others as they were, and that came back so.
    said: AtomicU64,
    unchanged: AtomicU64,
    returned: AtomicU64,
    /// One-way delays to the pages, and between the direct pair, in milliseconds.
    delays: Mutex<[Vec<f64>; 2]>,
    fault: Mutex<Option<String>>,
}

/// Registered pages in a thread of their own. Their calls end when it is dropped.
pub struct Pages {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Pages {
    /// Registers so many that answer every call: `page00000` and on.
    pub fn start(bench: &Bench, count: usize, speech: Speech) -> anyhow::Result<Self> {
        Self::run(registered(bench, "page", count)?, speech)
    }

    /// Registers so many that answer, and as many that call the application: `call00000` and on.
    pub fn start_pairs(bench: &Bench, count: usize, speech: Speech) -> anyhow::Result<Self> {
        let mut pages = registered(bench, "page", count)?;
        let callers = registered(bench, "call", count)?;
        let now = Instant::now();
        pages.extend(callers.into_iter().enumerate().map(|(at, page)| Page {
            calls_at: Some(now + BETWEEN * at as u32),
            ..page
        }));
        Self::run(pages, speech)
    }

    fn run(mut pages: Vec<Page>, speech: Speech) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut pair = Pair::new(Speech::Pcmu)?;
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while !own.ended.load(Ordering::Relaxed) {
                let began = Instant::now();
                if let Err(error) = look(&mut pages, &mut pair, &own, speech) {
                    let mut fault = own.fault.lock().expect("nobody panics while holding it");
                    *fault = Some(format!("{error:#}"));
                    return;
                }
                std::thread::sleep(LOOK.saturating_sub(began.elapsed()));
            }
            for page in &mut pages {
                if let Some(call) = &page.call {
                    page.socket.say("hangup", &json!({"callsid": call})).ok();
                }
            }
        });
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// How many calls had their media connected.
    pub fn connected(&self) -> usize {
        self.shared.connected.load(Ordering::Relaxed)
    }

    /// Packets of sound that they heard.
    pub fn heard(&self) -> u64 {
        self.shared.heard.load(Ordering::Relaxed)
    }

    /// Packets that the pages who call said, that the others heard as they were said, and that came
    /// back as they were said.
    pub fn passed_on(&self) -> [u64; 3] {
        let shared = &self.shared;
        [&shared.said, &shared.unchanged, &shared.returned]
            .map(|count| count.load(Ordering::Relaxed))
    }

    /// One-way delays of sound to the pages, and between two peers without a server meanwhile, in
    /// milliseconds. Both with what it takes until a thread looks that looks every 2 ms.
    pub fn delays(&self) -> [Vec<f64>; 2] {
        let delays = self.shared.delays.lock();
        delays.expect("nobody panics while holding it").clone()
    }

    /// Forgets the delays so far.
    pub fn forget_delays(&self) {
        let delays = self.shared.delays.lock();
        *delays.expect("nobody panics while holding it") = Default::default();
    }

    /// What went wrong, if anything did.
    pub fn fault(&self) -> Option<String> {
        let fault = self.shared.fault.lock();
        fault.expect("nobody panics while holding it").clone()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// One page.
struct Page {
    socket: Socket,
    /// When it calls the application, if it is to.
    calls_at: Option<Instant>,
    /// Its media while it is in a call.
    media: Option<Media>,
    /// The CallSid of the call that it has made.
    call: Option<String>,
}

/// So many registered pages, numbered with five digits.
fn registered(bench: &Bench, name: &str, count: usize) -> anyhow::Result<Vec<Page>> {
    (0..count)
        .map(|at| {
            let token = token(bench, &format!("{name}{at:05}"))?;
            Ok(Page {
                socket: Socket::registered(bench, &token, false)?,
                calls_at: None,
                media: None,
                call: None,
            })
        })
        .collect()
}

/// Looks once at every page, and at the pair.
fn look(
    pages: &mut [Page],
    pair: &mut Pair,
    shared: &Shared,
    speech: Speech,
) -> anyhow::Result<()> {
    let (mut there, mut direct) = (Vec::new(), Vec::new());
    pair.callee.advance(&pair.shared, &mut direct)?;
    for page in pages {
        page.advance(shared, speech, &mut there)?;
    }
    if !(there.is_empty() && direct.is_empty()) {
        let delays = shared.delays.lock();
        let mut delays = delays.expect("nobody panics while holding it");
        delays[0].extend(there);
        delays[1].extend(direct);
    }
    Ok(())
}

impl Page {
    fn advance(
        &mut self,
        shared: &Shared,
        speech: Speech,
        delays: &mut Vec<f64>,
    ) -> anyhow::Result<()> {
        if self.calls_at.is_some_and(|at| at <= Instant::now()) {
            self.calls_at = None;
            let (made, offer) = Media::offer(speech, Part::Speak)?;
            self.media = Some(made);
            let invite = json!({"callsid": "TJSbench", "sdp": offer, "twilio": {"params": ""}});
            self.socket.say("invite", &invite)?;
        }
        while self.socket.read()? {}
        while let Some(text) = self.socket.next() {
            if text == "\n" {
                self.socket.send("\n")?;
                continue;
            }
            let frame: Value = serde_json::from_str(&text)?;
            let payload = &frame["payload"];
            match frame["type"].as_str() {
                Some("invite") => {
                    let offer = payload["sdp"].as_str().context("an invite has an offer")?;
                    let (made, answer) = Media::answer(offer, speech, Part::Echo)?;
                    self.media = Some(made);
                    let answer = json!({"callsid": payload["callsid"], "sdp": answer});
                    self.socket.say("answer", &answer)?;
                }
                Some("ringing" | "answer") => {
                    self.call = payload["callsid"].as_str().map(str::to_owned);
                    if let (Some(media), Some(answer)) = (&mut self.media, payload["sdp"].as_str())
                    {
                        media.accept(answer)?;
                    }
                }
                Some("hangup" | "cancel") => self.media = None,
                Some("error") => bail!("{frame}"),
                _ => {}
            }
        }
        if let Some(media) = &mut self.media {
            media.advance(shared, delays)?;
        }
        Ok(())
    }
}
