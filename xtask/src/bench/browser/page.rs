//! Pages without a browser: as much of the SDKs' signalling as a call that is answered needs, and
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
use str0m::change::{SdpAnswer, SdpOffer};
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
/// Largest datagram.
const LARGEST: usize = 2000;
/// How often the direct pair sends.
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
}

/// An access token for a page that is only called.
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
        "grants": {"identity": identity, "voice": {"incoming": {"allow": true}}},
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

/// The media of a page in a call.
struct Media {
    rtc: Rtc,
    udp: UdpSocket,
    at: SocketAddr,
    mid: Mid,
    /// Whether what is heard is sent back.
    echo: bool,
    sent: u64,
    wait: Instant,
}

impl Media {
    /// Media and our answer to the server's offer.
    fn answer(offer: &str, speech: Speech) -> anyhow::Result<(Self, String)> {
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        udp.set_nonblocking(true)?;
        let (at, now) = (udp.local_addr()?, Instant::now());
        let mut rtc = speech.config().build(now);
        rtc.add_local_candidate(Candidate::host(at, Protocol::Udp)?);
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
            echo: true,
            sent: 0,
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
        Ok(())
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
                    shared.connected.fetch_add(1, Ordering::Relaxed);
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    let mut payload = packet.payload.to_vec();
                    shared.heard.fetch_add(1, Ordering::Relaxed);
                    let age = age(&payload);
                    delays.extend(age.map(|age| age.as_secs_f64() * 1000.0));
                    if !self.echo {
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
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        udp.set_nonblocking(true)?;
        let (at, now) = (udp.local_addr()?, Instant::now());
        let mut rtc = speech.config().build(now);
        rtc.add_local_candidate(Candidate::host(at, Protocol::Udp)?);
        let mut change = rtc.sdp_api();
        let mid = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = change.apply().context("a medium was added")?;
        let (callee, answer) = Media::answer(&offer.to_sdp_string(), speech)?;
        let answer = SdpAnswer::from_sdp_string(&answer)?;
        rtc.sdp_api().accept_answer(pending, answer)?;
        let caller = Media {
            rtc,
            udp,
            at,
            mid,
            echo: false,
            sent: 0,
            wait: now,
        };
        let callee = Media {
            echo: false,
            ..callee
        };
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let mut caller = caller;
        let thread = std::thread::spawn(move || {
            while !own.ended.load(Ordering::Relaxed) && speak(&mut caller, &own).is_ok() {
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

/// One packet of sound, once there is a connection.
fn speak(caller: &mut Media, shared: &Shared) -> anyhow::Result<()> {
    caller.advance(shared, &mut Vec::new())?;
    if !caller.rtc.is_connected() {
        return Ok(());
    }
    let now = Instant::now();
    caller.sent += 1;
    let time = (caller.sent * 160) as u32;
    let packet = RtpWrite::new(0.into(), caller.sent.into(), time, now, stamped());
    let mut api = caller.rtc.direct_api();
    if let Some(stream) = api.stream_tx_by_mid(caller.mid, None) {
        stream.write_rtp(packet);
    }
    caller.rtc.handle_input(Input::Timeout(now))?;
    caller.drain(now, shared, &mut Vec::new())
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    connected: AtomicUsize,
    heard: AtomicU64,
    /// One-way delays to the pages, and between the direct pair, in milliseconds.
    delays: Mutex<[Vec<f64>; 2]>,
    fault: Mutex<Option<String>>,
}

/// Registered pages that answer every call, in a thread of their own. Ends when dropped.
pub struct Pages {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Pages {
    /// Registers so many: `page00000` and on.
    pub fn start(bench: &Bench, count: usize, speech: Speech) -> anyhow::Result<Self> {
        let mut pages = (0..count)
            .map(|at| {
                let token = token(bench, &format!("page{at:05}"))?;
                Ok((Socket::registered(bench, &token, false)?, None))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
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

/// One page: its socket, and its media while it is in a call.
type Page = (Socket, Option<Media>);

/// Looks once at every page, and at the pair.
fn look(
    pages: &mut [Page],
    pair: &mut Pair,
    shared: &Shared,
    speech: Speech,
) -> anyhow::Result<()> {
    let (mut there, mut direct) = (Vec::new(), Vec::new());
    pair.callee.advance(&pair.shared, &mut direct)?;
    for (socket, media) in pages {
        advance(socket, media, shared, speech, &mut there)?;
    }
    if !(there.is_empty() && direct.is_empty()) {
        let delays = shared.delays.lock();
        let mut delays = delays.expect("nobody panics while holding it");
        delays[0].extend(there);
        delays[1].extend(direct);
    }
    Ok(())
}

fn advance(
    socket: &mut Socket,
    media: &mut Option<Media>,
    shared: &Shared,
    speech: Speech,
    delays: &mut Vec<f64>,
) -> anyhow::Result<()> {
    while socket.read()? {}
    while let Some(text) = socket.next() {
        if text == "\n" {
            socket.send("\n")?;
            continue;
        }
        let frame: Value = serde_json::from_str(&text)?;
        let payload = &frame["payload"];
        match frame["type"].as_str() {
            Some("invite") => {
                let offer = payload["sdp"].as_str().context("an invite has an offer")?;
                let (made, answer) = Media::answer(offer, speech)?;
                *media = Some(made);
                socket.say(
                    "answer",
                    &json!({"callsid": payload["callsid"], "sdp": answer}),
                )?;
            }
            Some("hangup" | "cancel") => *media = None,
            Some("error") => bail!("{frame}"),
            _ => {}
        }
    }
    if let Some(media) = media {
        media.advance(shared, delays)?;
    }
    Ok(())
}
