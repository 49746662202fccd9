//! The load: many callers and called parties behind two UDP ports, in four threads.
//!
//! They speak as much of RFC 3261 as a call between honest parties on one computer needs. Nothing
//! is sent twice: what the network or the server loses shows as a call that did not end well.

mod message;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;

use message::Message;

use super::packets;
use super::sound::{Sound, Way};

/// Most calls of one load: callers are numbered with five digits.
const MOST: usize = 100_000;
/// Longest message that is read.
const LONGEST: usize = 65_536;

/// Who ends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server, when it has nothing more to say.
    Server,
    /// The caller, as soon as it is answered.
    Caller,
    /// The caller, when [`Phones::hang_up`] is called.
    Later,
}

/// Calls to be made.
pub struct Load {
    /// How many.
    pub calls: usize,
    /// How many begin in a second.
    pub rate: f64,
    /// Where the requests go.
    pub server: SocketAddr,
    /// The Request-URI, like `sip:+15005550110@127.0.0.1:5070`.
    pub dial: String,
    /// Who ends them.
    pub end: End,
    /// What carries the sound, if there is to be any.
    pub sound: Option<Arc<Sound>>,
}

/// What has happened to one call.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// When the caller's INVITE left.
    pub began: Option<Instant>,
    /// When the INVITE reached the called party.
    pub reached: Option<Instant>,
    /// When the caller heard 200.
    pub answered: Option<Instant>,
    /// The final response, when it was none of 200.
    pub refused: Option<u16>,
    /// When the caller's end was over: its BYE answered, or one received.
    pub ended: Option<Instant>,
    /// When the called party received BYE.
    pub callee_ended: Option<Instant>,
    /// Requests and 200s that came more than once: somebody was too slow.
    pub repeated: u32,
    /// Whether the sound goes from our caller to our called party, past the server.
    pub past: bool,
    hung_up: bool,
    /// To header, remote target and routes of the caller's dialog.
    to: String,
    target: String,
    routes: Vec<String>,
}

struct Shared {
    caller: UdpSocket,
    callee: UdpSocket,
    ended: AtomicBool,
    book: Mutex<Book>,
}

/// The load that runs.
struct Book {
    run: u32,
    load: Option<Load>,
    calls: Vec<Call>,
}

/// The parties.
pub struct Phones {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// From where calls come.
    pub caller: SocketAddr,
    /// Where calls arrive.
    pub callee: SocketAddr,
}

impl Phones {
    /// Opens both ports and listens; the called party's is `callee`, or any when that is 0.
    pub fn start(callee: u16) -> anyhow::Result<Self> {
        let open = |port: u16| -> anyhow::Result<UdpSocket> {
            let socket = UdpSocket::bind(("127.0.0.1", port)).context("a socket for calls")?;
            packets::prepare(&socket, 16 << 20);
            socket.set_read_timeout(Some(Duration::from_millis(100)))?;
            Ok(socket)
        };
        let shared = Arc::new(Shared {
            caller: open(0)?,
            callee: open(callee)?,
            ended: AtomicBool::new(false),
            book: Mutex::new(Book {
                run: 0,
                load: None,
                calls: Vec::new(),
            }),
        });
        let (caller, callee) = (shared.caller.local_addr()?, shared.callee.local_addr()?);
        let threads = [Shared::hear_caller, Shared::hear_callee].map(|listen| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                let mut buffer = vec![0; LONGEST];
                while !shared.ended.load(Ordering::Relaxed) {
                    // Errors are time-outs, or ports that are gone: nothing was lost by them.
                    listen(&shared, &mut buffer);
                }
            })
        });
        Ok(Self {
            shared,
            threads: threads.into(),
            caller,
            callee,
        })
    }

    /// Begins all calls of a load, evenly; returns when the last INVITE has left.
    pub fn begin(&self, load: Load) -> anyhow::Result<()> {
        anyhow::ensure!(load.calls <= MOST, "at most {MOST} calls in one run");
        let (calls, rate, server, dial) = (load.calls, load.rate, load.server, load.dial.clone());
        let sound = load.sound.clone();
        let run = {
            let mut book = self.shared.book();
            book.run = (book.run + 1) % 100;
            book.calls = vec![Call::default(); calls];
            book.load = Some(load);
            book.run
        };
        let began = Instant::now();
        for at in 0..calls {
            let due = began + Duration::from_secs_f64(at as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let sdp = sound
                .as_ref()
                .map_or(self.caller, |sound| sound.address(Way::Caller, at));
            let body = description(sdp);
            let invite = format!(
                "INVITE {dial} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKi{run}x{at}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{number}@{here}>;tag=c{run}x{at}\r\nTo: <{dial}>\r\n\
                 Call-ID: {run}x{at}@bench\r\nCSeq: 1 INVITE\r\nContact: <sip:caller@{here}>\r\n\
                 Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                body.len(),
                here = self.caller,
                number = number(run, at),
            );
            self.shared.book().calls[at].began = Some(Instant::now());
            self.shared.caller.send_to(invite.as_bytes(), server)?;
        }
        Ok(())
    }

    /// Waits until every call satisfies `done` or the time is over; whether they all did.
    pub fn wait(&self, limit: Duration, done: impl Fn(&Call) -> bool) -> bool {
        let end = Instant::now() + limit;
        loop {
            if self.shared.book().calls.iter().all(&done) {
                return true;
            }
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The callers of all answered calls hang up, so many in a second.
    pub fn hang_up(&self, rate: f64) {
        let began = Instant::now();
        let calls = self.shared.book().calls.len();
        for at in 0..calls {
            let due = began + Duration::from_secs_f64(at as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let mut book = self.shared.book();
            self.shared.bye(&mut book, at);
        }
    }

    /// What has become of each call.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.book().calls.clone()
    }
}

impl Drop for Phones {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

/// Callers are told apart by their number, which goes through every kind of server.
fn number(run: u32, at: usize) -> String {
    format!("+1555{run:02}{at:05}")
}

fn place(number: &str, run: u32) -> Option<usize> {
    let rest = number.split_once("1555")?.1;
    let digits = rest.get(..7)?;
    let (of, at) = (digits.get(..2)?, digits.get(2..)?);
    (of.parse() == Ok(run)).then(|| at.parse().ok()).flatten()
}

/// PCMU only: two legs that share a codec are passed on as they are.
fn description(at: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n",
        ip = at.ip(),
        port = at.port()
    )
}

/// Where a description wants to have its sound.
fn described(sdp: &str) -> Option<SocketAddr> {
    let line = |start: &str| sdp.lines().find_map(|line| line.trim().strip_prefix(start));
    let ip = line("c=IN IP4 ")?.parse().ok()?;
    let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nobody panics while holding it")
    }

    fn hear_caller(&self, buffer: &mut [u8]) -> Option<()> {
        let (length, from) = self.caller.recv_from(buffer).ok()?;
        let message = Message::read(&buffer[..length])?;
        let heard = Instant::now();
        let mut book = self.book();
        let run = book.run;
        let at = message
            .header("Call-ID")?
            .strip_prefix(&format!("{run}x"))?
            .strip_suffix("@bench")?
            .parse::<usize>()
            .ok()?;
        if message.method().is_some() {
            // The server hangs up, or asks whether we are alive.
            self.caller
                .send_to(message.ok("", None).as_bytes(), from)
                .ok()?;
            if message.method() == Some("BYE") {
                let call = book.calls.get_mut(at)?;
                call.repeated += u32::from(call.ended.is_some());
                call.ended.get_or_insert(heard);
            }
            return Some(());
        }
        let (status, sequence) = (message.status()?, message.header("CSeq")?);
        let call = book.calls.get_mut(at)?;
        match status {
            ..200 => {}
            200..300 if sequence.ends_with("INVITE") => {
                if call.answered.is_some() {
                    call.repeated += 1;
                }
                call.answered.get_or_insert(heard);
                call.to = message.header("To")?.to_owned();
                call.target = message.contact()?.to_owned();
                call.routes = message
                    .headers("Record-Route")
                    .rev()
                    .map(str::to_owned)
                    .collect();
                let remote = described(message.body);
                self.within(&book, at, "ACK", 1);
                let load = book.load.as_ref()?;
                if let (Some(sound), Some(remote)) = (&load.sound, remote) {
                    sound.talk(Way::Caller, at, remote);
                    let past = remote == sound.address(Way::Callee, at);
                    book.calls[at].past = past;
                }
                if book.load.as_ref()?.end == End::Caller {
                    self.bye(&mut book, at);
                }
            }
            200.. if sequence.ends_with("BYE") => {
                call.ended.get_or_insert(heard);
            }
            _ => {
                call.refused.get_or_insert(status);
                call.ended.get_or_insert(heard);
                // RFC 3261 section 17.1.1.3: this ACK belongs to the transaction of the INVITE.
                let to = message.header("To")?;
                let load = book.load.as_ref()?;
                let ack = format!(
                    "ACK {dial} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKi{run}x{at}\r\n\
                     Max-Forwards: 70\r\nFrom: <sip:{number}@{here}>;tag=c{run}x{at}\r\nTo: {to}\r\n\
                     Call-ID: {run}x{at}@bench\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
                    dial = load.dial,
                    here = self.caller.local_addr().ok()?,
                    number = number(run, at),
                );
                self.caller.send_to(ack.as_bytes(), load.server).ok()?;
            }
        }
        Some(())
    }

    /// A request of the caller's within its dialog.
    fn within(&self, book: &Book, at: usize, method: &str, sequence: u32) -> Option<()> {
        let (call, run) = (book.calls.get(at)?, book.run);
        let here = self.caller.local_addr().ok()?;
        let letter = &method[..1];
        let routes: String = call
            .routes
            .iter()
            .map(|route| format!("Route: {route}\r\n"))
            .collect();
        let request = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{letter}{run}x{at}\r\n\
             {routes}Max-Forwards: 70\r\nFrom: <sip:{number}@{here}>;tag=c{run}x{at}\r\nTo: {to}\r\n\
             Call-ID: {run}x{at}@bench\r\nCSeq: {sequence} {method}\r\nContent-Length: 0\r\n\r\n",
            target = call.target,
            number = number(run, at),
            to = call.to,
        );
        let server = book.load.as_ref()?.server;
        self.caller.send_to(request.as_bytes(), server).ok()?;
        Some(())
    }

    fn bye(&self, book: &mut Book, at: usize) {
        let call = &mut book.calls[at];
        if call.answered.is_none() || call.hung_up || call.ended.is_some() {
            return;
        }
        call.hung_up = true;
        self.within(book, at, "BYE", 2);
    }

    fn hear_callee(&self, buffer: &mut [u8]) -> Option<()> {
        let (length, from) = self.callee.recv_from(buffer).ok()?;
        let message = Message::read(&buffer[..length])?;
        let heard = Instant::now();
        // The called party asks nothing, so what comes are requests.
        let method = message.method()?;
        let mut book = self.book();
        let at = place(message.header("From")?, book.run);
        let sound = book.load.as_ref().and_then(|load| load.sound.clone());
        match (method, at) {
            ("ACK", _) => {}
            ("INVITE", Some(at)) => {
                let call = book.calls.get_mut(at)?;
                call.repeated += u32::from(call.reached.is_some());
                call.reached.get_or_insert(heard);
                drop(book);
                let here = self.callee.local_addr().ok()?;
                let sdp = sound
                    .as_ref()
                    .map_or(here, |sound| sound.address(Way::Callee, at));
                let contact = format!("Contact: <sip:callee@{here}>\r\n");
                let tag = format!("u{at}");
                let ringing = message.reply(180, "Ringing", &tag, &contact, None);
                self.callee.send_to(ringing.as_bytes(), from).ok()?;
                let answer = message.reply(200, "OK", &tag, &contact, Some(&description(sdp)));
                self.callee.send_to(answer.as_bytes(), from).ok()?;
                if let (Some(sound), Some(remote)) = (sound, described(message.body)) {
                    sound.talk(Way::Callee, at, remote);
                }
            }
            (_, at) => {
                if let ("BYE", Some(call)) = (method, at.and_then(|at| book.calls.get_mut(at))) {
                    call.repeated += u32::from(call.callee_ended.is_some());
                    call.callee_ended.get_or_insert(heard);
                }
                self.callee
                    .send_to(message.ok("", None).as_bytes(), from)
                    .ok()?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parties call each other without a server between: all of the call must happen.
    #[test]
    fn parties_can_call_each_other() {
        let phones = Phones::start(0).expect("sockets");
        let sound = Arc::new(Sound::start(3).expect("sockets"));
        phones
            .begin(Load {
                calls: 3,
                rate: 100.0,
                server: phones.callee,
                dial: format!("sip:callee@{}", phones.callee),
                end: End::Later,
                sound: Some(Arc::clone(&sound)),
            })
            .expect("loopback");
        assert!(phones.wait(Duration::from_secs(5), |call| call.answered.is_some()));
        assert!(phones.calls().iter().all(|call| call.past));
        phones.hang_up(100.0);
        assert!(
            phones.wait(Duration::from_secs(5), |call| call.ended.is_some()
                && call.callee_ended.is_some())
        );
        let all = phones.calls();
        assert!(
            all.iter()
                .all(|call| call.refused.is_none() && call.repeated == 0)
        );
    }

    #[test]
    fn numbers_lead_back_to_the_call() {
        assert_eq!(place(&format!("<sip:{}@h>", number(7, 42)), 7), Some(42));
        assert_eq!(place(&number(7, 42), 8), None);
        assert_eq!(place("+15005550110", 0), None);
    }

    #[test]
    fn descriptions_name_the_address() {
        let at = SocketAddr::from(([127, 0, 0, 1], 4000));
        assert_eq!(described(&description(at)), Some(at));
    }
}
