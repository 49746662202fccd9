//! TCP for browsers whose network lets no UDP through: the passive side of ICE over TCP (RFC 6544).
//! A stream is nobody's until a datagram on it was accepted by a peer.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use browser::framing::{Frames, framed};
use media::PortId;
use mio::{Events, Interest, Poll, Token};

use super::rtp::LARGEST;
use super::webrtc::canonical;

/// Most streams at once. Beyond, the oldest that is nobody's goes, or else the new one.
const MOST: usize = 4096;
/// Most streams that are nobody's. Beyond, the oldest of them goes.
const STRANGERS: usize = 256;
/// How long a stream may be nobody's: a browser begins with its first STUN request.
const PROOF: Duration = Duration::from_secs(10);
/// How long a browser may say nothing; it proves that it lives every few seconds (RFC 7675).
const SILENCE: Duration = Duration::from_secs(60);
/// How often it is looked who is late.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes that wait for a slow browser. What does not fit is lost, as it would be on UDP: sound that
/// is seconds late is worth nothing.
const BACKLOG: usize = 16 * 1024;
/// Most bytes that are read of one stream in its turn; no voice comes that fast.
const FLOOD: usize = 256 * 1024;
/// The listener's token; streams use their number.
const LISTENER: Token = Token(usize::MAX - 1);

struct Stream {
    socket: mio::net::TcpStream,
    from: SocketAddr,
    frames: Frames,
    backlog: Vec<u8>,
    opened: Instant,
    heard: Instant,
    owner: Option<PortId>,
}

/// All streams and their listener, behind one descriptor that can be polled.
pub struct Streams {
    poll: Poll,
    events: Events,
    listener: mio::net::TcpListener,
    open: HashMap<usize, Stream>,
    by_address: HashMap<SocketAddr, usize>,
    /// In the order of their opening; those that are somebody's or gone are passed over.
    strangers: VecDeque<usize>,
    /// How many are nobody's.
    unproven: usize,
    last: usize,
    ready: VecDeque<usize>,
    looked: Instant,
}

impl Streams {
    /// Takes over a bound listener.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let poll = Poll::new()?;
        let mut listener = mio::net::TcpListener::from_std(listener);
        (poll.registry()).register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(256),
            listener,
            open: HashMap::new(),
            by_address: HashMap::new(),
            strangers: VecDeque::new(),
            unproven: 0,
            last: 0,
            ready: VecDeque::new(),
            looked: Instant::now(),
        })
    }

    /// What is to be polled: readable when there is something to do.
    pub fn poll(&self) -> &Poll {
        &self.poll
    }

    /// Looks what has come; then ask [`Streams::next`] until it has nothing.
    pub fn gather(&mut self, now: Instant) {
        if self
            .poll
            .poll(&mut self.events, Some(Duration::ZERO))
            .is_err()
        {
            return;
        }
        let mut calling = false;
        let mut writable = Vec::new();
        for event in &self.events {
            if event.token() == LISTENER {
                calling = true;
                continue;
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.ready.push_back(event.token().0);
            }
            if event.is_writable() {
                writable.push(event.token().0);
            }
        }
        for number in writable {
            self.flush(number);
        }
        if calling {
            self.accept(now);
        }
    }

    /// The datagrams of the next stream that has some, and from whom.
    pub fn next(&mut self, now: Instant) -> Option<(SocketAddr, Vec<Vec<u8>>)> {
        while let Some(number) = self.ready.pop_front() {
            let Some(stream) = self.open.get_mut(&number) else {
                continue;
            };
            let (datagrams, alive) = stream.read();
            let from = stream.from;
            if !datagrams.is_empty() {
                stream.heard = now;
            }
            if !alive {
                self.remove(number);
            }
            if !datagrams.is_empty() {
                return Some((from, datagrams));
            }
        }
        None
    }

    /// A datagram of a stream was accepted by the peer of a port.
    pub fn proven(&mut self, from: SocketAddr, port: PortId) {
        let stream = self
            .by_address
            .get(&from)
            .and_then(|at| self.open.get_mut(at));
        if let Some(stream) = stream
            && stream.owner.replace(port).is_none()
        {
            self.unproven -= 1;
        }
    }

    /// A datagram was nobody's. A request may be early: its peer may come yet. Anything else ends a
    /// stream that has proven nothing.
    pub fn refused(&mut self, from: SocketAddr, datagram: &[u8]) {
        let Some(number) = self.by_address.get(&from).copied() else {
            return;
        };
        // RFC 7983 section 7: STUN begins with 0 to 3.
        let request = datagram.first().is_some_and(|first| *first < 4);
        let unproven = (self.open.get(&number)).is_some_and(|stream| stream.owner.is_none());
        if unproven && !request {
            self.remove(number);
        }
    }

    /// Sends a datagram on the stream of an address, if there is one.
    pub fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        let Some(number) = self.by_address.get(&to).copied() else {
            return;
        };
        let Some(stream) = self.open.get_mut(&number) else {
            return;
        };
        if let Some(frame) = framed(datagram)
            && stream.backlog.len() + frame.len() <= BACKLOG
        {
            stream.backlog.extend(frame);
        }
        self.flush(number);
    }

    /// Ends the streams of a port.
    pub fn part(&mut self, port: PortId) {
        let theirs: Vec<usize> = (self.open.iter())
            .filter(|(_, stream)| stream.owner == Some(port))
            .map(|(number, _)| *number)
            .collect();
        for number in theirs {
            self.remove(number);
        }
    }

    /// When [`Streams::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.open.is_empty()).then_some(self.looked + LOOK)
    }

    /// Ends the streams that are late.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now < self.looked + LOOK {
            return;
        }
        self.looked = now;
        let late: Vec<usize> = (self.open.iter())
            .filter(|(_, stream)| match stream.owner {
                None => now >= stream.opened + PROOF,
                Some(_) => now >= stream.heard + SILENCE,
            })
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            self.remove(number);
        }
        // Whoever could not be let in for want of descriptors still waits.
        self.accept(now);
    }

    fn accept(&mut self, now: Instant) {
        // More are told of when these have been looked at: a second at most.
        for _ in 0..MOST {
            let (mut socket, from) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    tracing::warn!(%error, "a browser cannot be let in over TCP");
                    return;
                }
            };
            let full = self.open.len() >= MOST;
            if full || self.unproven >= STRANGERS {
                let has_room = self.forget_oldest_stranger();
                if full && !has_room {
                    continue;
                }
            }
            self.last = (self.last + 1) % LISTENER.0;
            let number = self.last;
            let both = Interest::READABLE | Interest::WRITABLE;
            let watched = (self.poll.registry()).register(&mut socket, Token(number), both);
            if watched.is_err() || self.open.contains_key(&number) {
                continue;
            }
            // Sound must not wait for more of it.
            let _ = socket.set_nodelay(true);
            let from = canonical(from);
            let stream = Stream {
                socket,
                from,
                frames: Frames::default(),
                backlog: Vec::new(),
                opened: now,
                heard: now,
                owner: None,
            };
            self.by_address.insert(from, number);
            self.open.insert(number, stream);
            self.strangers.push_back(number);
            self.unproven += 1;
        }
    }

    fn forget_oldest_stranger(&mut self) -> bool {
        while let Some(number) = self.strangers.pop_front() {
            if (self.open.get(&number)).is_some_and(|stream| stream.owner.is_none()) {
                self.remove(number);
                return true;
            }
        }
        false
    }

    fn flush(&mut self, number: usize) {
        if let Some(stream) = self.open.get_mut(&number)
            && stream.write().is_err()
        {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: usize) {
        let Some(mut stream) = self.open.remove(&number) else {
            return;
        };
        let _ = self.poll.registry().deregister(&mut stream.socket);
        if self.by_address.get(&stream.from) == Some(&number) {
            self.by_address.remove(&stream.from);
        }
        if stream.owner.is_none() {
            self.unproven -= 1;
        }
        // Those that are gone must not gather among the strangers.
        if self.strangers.len() > 2 * STRANGERS {
            let open = &self.open;
            self.strangers
                .retain(|number| open.get(number).is_some_and(|s| s.owner.is_none()));
        }
    }
}

impl Stream {
    /// What has come, and whether there may be more.
    fn read(&mut self) -> (Vec<Vec<u8>>, bool) {
        let (mut bytes, mut sum) = ([0; 4096], 0);
        let mut datagrams = Vec::new();
        loop {
            match self.socket.read(&mut bytes) {
                Ok(0) => return (datagrams, false),
                Ok(length) => {
                    self.frames.push(&bytes[..length]);
                    loop {
                        match self.frames.take(LARGEST) {
                            Ok(Some(datagram)) => datagrams.push(datagram.to_vec()),
                            Ok(None) => break,
                            Err(_) => return (datagrams, false),
                        }
                    }
                    sum += length;
                    if sum > FLOOD {
                        return (datagrams, false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return (datagrams, true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return (datagrams, false),
            }
        }
    }

    /// Writes what fits.
    fn write(&mut self) -> io::Result<()> {
        let mut written = 0;
        let outcome = loop {
            if written == self.backlog.len() {
                break Ok(());
            }
            match self.socket.write(&self.backlog[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.backlog.drain(..written);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn streams() -> (Streams, SocketAddr) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        (Streams::new(listener).unwrap(), address)
    }

    fn call(to: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(to).unwrap();
        let patience = Some(Duration::from_secs(10));
        stream.set_read_timeout(patience).unwrap();
        stream
    }

    /// Looks until so many are open.
    fn settle(streams: &mut Streams, open: usize) {
        for _ in 0..1000 {
            streams.gather(Instant::now());
            if streams.open.len() == open {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} streams are open, not {open}", streams.open.len());
    }

    fn next(streams: &mut Streams) -> (SocketAddr, Vec<Vec<u8>>) {
        for _ in 0..1000 {
            streams.gather(Instant::now());
            if let Some(next) = streams.next(Instant::now()) {
                return next;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nothing comes");
    }

    #[test]
    fn who_has_proven_nothing_says_nothing_but_stun_and_not_for_long() {
        let (mut streams, address) = streams();
        let (mut browser, mut stranger) = (call(address), call(address));
        settle(&mut streams, 2);
        // A request may be early, a DTLS hello may not.
        browser.write_all(&[0, 2, 0, 1]).unwrap();
        let (from, datagrams) = next(&mut streams);
        assert_eq!(datagrams, [[0, 1]]);
        streams.refused(from, &datagrams[0]);
        stranger.write_all(&[0, 3, 22, 254, 253]).unwrap();
        let (stranger_from, datagrams) = next(&mut streams);
        streams.refused(stranger_from, &datagrams[0]);
        assert_eq!(streams.open.len(), 1);
        assert_eq!(stranger.read(&mut [0; 9]).unwrap(), 0, "it is closed");

        streams.proven(from, PortId(7));
        streams.refused(from, &[22]);
        streams.send(from, &[1, 2, 3]);
        let mut frame = [0; 5];
        browser.read_exact(&mut frame).unwrap();
        assert_eq!(frame, [0, 3, 1, 2, 3]);

        let later = Instant::now() + PROOF;
        let silent = call(address);
        settle(&mut streams, 2);
        streams.handle_timeout(later + LOOK);
        assert_eq!(streams.open.len(), 1, "the one that is somebody's");
        drop(silent);
        streams.part(PortId(7));
        assert_eq!((streams.open.len(), streams.unproven), (0, 0));
        assert_eq!(browser.read(&mut [0; 9]).unwrap(), 0, "it is closed");
        assert_eq!(streams.poll_timeout(), None);
    }

    #[test]
    fn strangers_push_out_strangers_only() {
        let (mut streams, address) = streams();
        let mut browser = call(address);
        browser.write_all(&[0, 1, 1]).unwrap();
        let (from, _) = next(&mut streams);
        streams.proven(from, PortId(1));
        let mut strangers = Vec::new();
        for count in 1..=STRANGERS + 20 {
            strangers.push(call(address));
            settle(&mut streams, 1 + count.min(STRANGERS));
        }
        assert_eq!(streams.unproven, STRANGERS);
        assert!(streams.by_address.contains_key(&from));
        assert_eq!(
            strangers[0].read(&mut [0; 9]).unwrap(),
            0,
            "the oldest went"
        );
    }

    #[test]
    fn what_a_browser_does_not_take_is_lost_and_what_is_taken_is_whole() {
        let (mut streams, address) = streams();
        let mut browser = call(address);
        browser.write_all(&[0, 1, 1]).unwrap();
        let (from, _) = next(&mut streams);
        for number in 0..20_000_u16 {
            let mut datagram = vec![0; 1000];
            datagram[..2].copy_from_slice(&number.to_be_bytes());
            streams.send(from, &datagram);
        }
        let backlog = streams.open.values().map(|stream| stream.backlog.len());
        assert!(backlog.sum::<usize>() <= BACKLOG);
        let (mut frames, mut bytes) = (Frames::default(), [0; 4096]);
        let mut numbers: Vec<u16> = Vec::new();
        // It is read until nothing more is on its way.
        let patience = Some(Duration::from_millis(200));
        browser.set_read_timeout(patience).unwrap();
        loop {
            streams.gather(Instant::now());
            let Ok(length) = browser.read(&mut bytes) else {
                break;
            };
            frames.push(&bytes[..length]);
            while let Some(datagram) = frames.take(1500).unwrap() {
                assert_eq!(datagram.len(), 1000);
                numbers.push(u16::from_be_bytes([datagram[0], datagram[1]]));
            }
        }
        assert!(
            numbers.is_sorted() && numbers.len() > 100,
            "{}",
            numbers.len()
        );
        assert!(numbers.len() < 20_000, "some were lost");
    }

    #[test]
    fn a_stream_of_something_else_is_closed() {
        let (mut streams, address) = streams();
        let mut browser = call(address);
        browser.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        for _ in 0..1000 {
            streams.gather(Instant::now());
            assert!(streams.next(Instant::now()).is_none());
            if streams.open.is_empty() && streams.last == 1 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it stays open");
    }
}
