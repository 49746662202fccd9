//! The media threads: each owns sockets, ports and sound; nothing is shared and nothing is locked.
//!
//! A port lives on one thread at a time; two that are to hear each other are brought together with
//! [`MediaThread::send_to`]. Its socket is bound by whoever opens
//! it, because the description needs the port number before the thread can know of it, and is then
//! handed over with [`MediaThread::open`]. The thread sleeps in one poll until a packet comes or,
//! while some port needs it, the next 20 ms tick is due.
//!
//! The kernel's system calls are nearly all of what a bridged packet costs: one to receive and one
//! to send, and a share of the poll. What a packet causes leaves before the next is read.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use browser::peer::{Peer, PeerError};
use browser::quality::Sample;
use media::{Command, Engine, Event, Moved, PortId, PortMap};
use mio::unix::SourceFd;
use mio::{Events, Poll, Token, Waker};
use tokio::sync::oneshot;

use super::datagrams::Inbox;
use super::port_pool::{Lease, Sockets};
use super::webrtc::{self, About, Bound, Browsers, Impairments, Link};

/// The token of the waker; ports use their slot.
const WAKER: Token = Token(usize::MAX);
/// The token of the socket that all browsers share.
const BROWSERS: Token = Token(usize::MAX - 1);
/// The token of the streams of those that have no UDP.
const STREAMS: Token = Token(usize::MAX - 2);
/// Sound advances in steps of this length.
const TICK: Duration = Duration::from_millis(20);
/// Larger than any datagram of a voice stream (Ethernet, minus headers).
pub const LARGEST: usize = 1500;
/// Sockets served before the time and the orders are looked at: under a millisecond's work.
const BATCH: usize = 128;
/// Packets taken from one socket before the others get their turn. On Linux the poll tells again
/// of a socket that holds more, which is cheaper than asking each socket whether it is empty;
/// elsewhere it does not, and the socket has to be emptied. A flood is cut off after this many.
const FAIR: usize = if LEVEL { 1 } else { 2048 };
/// Reads from the socket of all browsers before the others get their turn: as many datagrams as a
/// batch has sockets.
const SHARED: usize = 8;
/// A thread with more packets than this in a tick's time (those of 150 calls) lets them gather
/// before it looks again: waking up costs nearly as much as passing on a packet.
const MANY: u32 = 300;
/// For so long. With what the kernel adds it stays well below the half millisecond that a bridged
/// packet may be late.
const GATHER: Duration = Duration::from_micros(150);
/// Whether the poll reports a state rather than a change.
const LEVEL: bool = cfg!(target_os = "linux");

/// A word to a media thread.
enum Order {
    /// Takes over the sockets of a new port.
    Open(PortId, Sockets),
    /// An order for the engine.
    Apply(Command),
    /// Gives a port away to another thread.
    Release(PortId, MediaThread),
    /// A port is coming: whatever is ordered after this waits for it.
    Await(PortId),
    /// The port that was announced, unless it was never open.
    Adopt(PortId, Option<(Moved, Slot)>),
    /// Gives a port its browser.
    Attach(PortId, About, Box<Peer>),
    /// Makes a browser's network bad, or good again.
    Impair(PortId, Impairments),
    /// A browser wants to restart ICE.
    Restart(PortId, String, oneshot::Sender<Result<String, PeerError>>),
    /// Something that concerns the thread as such.
    Run(fn()),
    /// The process ends.
    Stop,
}

/// What a media thread reports.
#[derive(Debug)]
pub enum Report {
    /// Of the engine.
    Media(Event),
    /// Of the link to a browser.
    Link(PortId, Link),
    /// How each second of a browser's leg was, once it is over.
    Measured(About, Vec<Sample>),
}

/// The handle of one media thread.
#[derive(Clone)]
pub struct MediaThread {
    orders: mpsc::Sender<Order>,
    waker: Arc<Waker>,
    /// Ports open on it.
    load: Arc<AtomicUsize>,
}

impl MediaThread {
    /// Starts a thread; `report` is called on it for everything it reports and must not block for
    /// long. `browsers` is what browsers are behind, on the thread that has it.
    pub fn start(
        seed: u64,
        browsers: Option<Bound>,
        mut report: impl FnMut(Report) + Send + 'static,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let browsers = browsers
            .map(|bound| {
                let browsers = Browsers::new(bound)?;
                watch(&poll, browsers.socket(), BROWSERS)?;
                watch(&poll, browsers.streams(), STREAMS)?;
                io::Result::Ok(browsers)
            })
            .transpose()?;
        let (orders, inbox) = mpsc::channel();
        thread::Builder::new()
            .name("media".to_owned())
            .spawn(move || {
                hurry();
                let now = Instant::now();
                let since_1970 = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                let mut room = Room {
                    engine: Engine::new(media::Config::new(now, since_1970), seed),
                    poll,
                    browsers,
                    slots: Vec::new(),
                    free: Vec::new(),
                    index: PortMap::default(),
                    packet: Box::new([0; LARGEST]),
                    inbox: Inbox::default(),
                    orders: VecDeque::new(),
                    awaited: None,
                    arrived: Vec::new(),
                    received: 0,
                };
                room.run(&inbox, &mut report);
            })?;
        Ok(Self {
            orders,
            waker,
            load: Arc::default(),
        })
    }

    /// The thread with the fewest ports.
    pub fn least_busy(threads: &[MediaThread]) -> Option<&MediaThread> {
        threads
            .iter()
            .min_by_key(|thread| thread.load.load(Ordering::Relaxed))
    }

    /// Opens a port on sockets from [`super::port_pool::PortPool::bind`].
    pub fn open(&self, port: PortId, sockets: Sockets, ssrc: u32, cname: String) {
        self.load.fetch_add(1, Ordering::Relaxed);
        self.send(Order::Open(port, sockets));
        self.send(Order::Apply(Command::OpenPort { port, ssrc, cname }));
    }

    /// Brings a port from this thread to another, to which all orders about it go from now on. It
    /// leaves its bridge. Only one thread of the program may call this: with one order of moves,
    /// no two threads can wait for each other.
    pub fn send_to(&self, other: &MediaThread, port: PortId) {
        if Arc::ptr_eq(&self.waker, &other.waker) {
            return;
        }
        self.load.fetch_sub(1, Ordering::Relaxed);
        other.load.fetch_add(1, Ordering::Relaxed);
        other.send(Order::Await(port));
        self.send(Order::Release(port, other.clone()));
    }

    /// Opens a port whose other end will be a browser.
    pub fn open_for_browser(&self, port: PortId, ssrc: u32, cname: String) {
        self.load.fetch_add(1, Ordering::Relaxed);
        self.send(Order::Apply(Command::OpenPort { port, ssrc, cname }));
    }

    /// Gives a port its browser; the one that it had before goes.
    pub fn attach(&self, port: PortId, about: About, peer: Box<Peer>) {
        self.send(Order::Attach(port, about, peer));
    }

    /// Makes the network of a port's browser bad, or good again.
    pub fn impair(&self, port: PortId, impairments: Impairments) {
        self.send(Order::Impair(port, impairments));
    }

    /// Answers the offer of a browser that restarts ICE.
    pub fn restart(
        &self,
        port: PortId,
        offer: String,
    ) -> oneshot::Receiver<Result<String, PeerError>> {
        let (answer, answered) = oneshot::channel();
        self.send(Order::Restart(port, offer, answer));
        answered
    }

    /// Passes an order to the engine.
    pub fn apply(&self, command: Command) {
        if matches!(command, Command::ClosePort { .. }) {
            self.load.fetch_sub(1, Ordering::Relaxed);
        }
        self.send(Order::Apply(command));
    }

    /// Has something done on the thread; it holds up the sound meanwhile.
    pub fn run(&self, work: fn()) {
        self.send(Order::Run(work));
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.send(Order::Stop);
    }

    fn send(&self, order: Order) {
        // A thread that is gone takes its calls with it at shutdown only; nothing is left to tell.
        if self.orders.send(order).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

/// Where a browser's packets are said to come from and go to: its real addresses are its peer's
/// affair, and are proven there. One of documentation (RFC 5737), so that it is nobody else's.
pub const BEHIND: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// The sockets of one open port.
struct Slot {
    port: PortId,
    rtp: UdpSocket,
    rtcp: Option<UdpSocket>,
    /// Comes last, so that the number is free again when the sockets are closed.
    _lease: Lease,
}

/// What one media thread owns.
struct Room {
    engine: Engine,
    poll: Poll,
    /// Only one thread has the socket of the browsers.
    browsers: Option<Browsers>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    index: PortMap<usize>,
    /// The packet being handled.
    packet: Box<[u8; LARGEST]>,
    /// What the browsers have sent.
    inbox: Inbox,
    /// Orders not yet carried out, because a port is on its way here.
    orders: VecDeque<Order>,
    awaited: Option<PortId>,
    arrived: Vec<(PortId, Option<(Moved, Slot)>)>,
    /// Packets since the traffic was last looked at.
    received: u32,
}

impl Room {
    fn run(&mut self, inbox: &mpsc::Receiver<Order>, report: &mut impl FnMut(Report)) {
        let mut events = Events::with_capacity(BATCH);
        let mut next_tick = Instant::now() + TICK;
        let (mut many, mut looked) = (false, Instant::now());
        loop {
            // A full batch says that enough have gathered already.
            if many && events.iter().count() < BATCH {
                thread::sleep(GATHER);
            }
            let browsers = self.browsers.as_ref().and_then(Browsers::poll_timeout);
            let wait = [self.engine.poll_timeout(next_tick), browsers]
                .into_iter()
                .flatten()
                .min()
                .map(|due| due.saturating_duration_since(Instant::now()));
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the media thread cannot wait for packets");
                return;
            }
            // Ticks that nobody needed are not made up for when somebody does.
            if self.engine.active_count() == 0 {
                next_tick = next_tick.max(Instant::now());
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    BROWSERS => self.receive_browsers(report),
                    STREAMS => self.receive_streams(report),
                    token => self.receive(token),
                }
            }
            let mut stops = false;
            loop {
                match inbox.try_recv() {
                    Ok(Order::Adopt(port, moved)) => self.arrived.push((port, moved)),
                    Ok(Order::Stop) | Err(mpsc::TryRecvError::Disconnected) => {
                        stops = true;
                        break;
                    }
                    Ok(Order::Run(work)) => work(),
                    Ok(order) => self.orders.push_back(order),
                    Err(mpsc::TryRecvError::Empty) => break,
                }
            }
            self.obey();
            let now = Instant::now();
            if now >= looked + TICK {
                // After a pause the count says nothing about now.
                many = self.received > MANY && now < looked + 2 * TICK;
                (self.received, looked) = (0, now);
            }
            if self
                .engine
                .poll_timeout(next_tick)
                .is_some_and(|due| now >= due)
            {
                self.engine.tick(now);
                next_tick += TICK;
                // After a long stall (a suspended laptop) the lost ticks are not made up for.
                if now > next_tick + Duration::from_millis(200) {
                    next_tick = now + TICK;
                }
            }
            if let Some(browsers) = &mut self.browsers {
                browsers.handle_timeout(now);
            }
            self.transmit();
            self.settle_browsers(report);
            while let Some(event) = self.engine.poll_event() {
                report(Report::Media(event));
            }
            if stops {
                return;
            }
        }
    }

    /// Carries out orders until one has to wait for a port.
    fn obey(&mut self) {
        loop {
            if let Some(port) = self.awaited {
                let Some(here) = self.arrived.iter().position(|(it, _)| *it == port) else {
                    return;
                };
                if let Some((moved, slot)) = self.arrived.swap_remove(here).1 {
                    self.engine.adopt(moved);
                    self.open(slot);
                }
                self.awaited = None;
            }
            match self.orders.pop_front() {
                Some(Order::Open(port, sockets)) => self.open(Slot {
                    port,
                    rtp: sockets.rtp,
                    rtcp: sockets.rtcp,
                    _lease: sockets.lease,
                }),
                Some(Order::Apply(command)) => self.apply(command),
                Some(Order::Attach(port, about, peer)) => {
                    if let Some(browsers) = &mut self.browsers {
                        browsers.attach(Instant::now(), port, about, *peer);
                    }
                }
                Some(Order::Impair(port, impairments)) => {
                    if let Some(browsers) = &mut self.browsers {
                        browsers.impair(port, impairments);
                    }
                }
                Some(Order::Restart(port, offer, answer)) => {
                    if let Some(browsers) = &mut self.browsers {
                        // Whoever asked may be gone, and the call with it.
                        let _ = answer.send(browsers.restart(Instant::now(), port, &offer));
                    }
                }
                Some(Order::Release(port, to)) => {
                    let moved = self.release(port);
                    to.send(Order::Adopt(port, moved));
                }
                Some(Order::Await(port)) => self.awaited = Some(port),
                Some(Order::Adopt(..) | Order::Run(_) | Order::Stop) => {}
                None => return,
            }
        }
    }

    fn release(&mut self, port: PortId) -> Option<(Moved, Slot)> {
        // What it has to say leaves before it.
        self.transmit();
        let moved = self.engine.release(port)?;
        let at = self.index.remove(&port)?;
        self.free.push(at);
        let slot = self.slots[at].take()?;
        for socket in [Some(&slot.rtp), slot.rtcp.as_ref()].into_iter().flatten() {
            let _ = (self.poll.registry()).deregister(&mut SourceFd(&socket.as_raw_fd()));
        }
        Some((moved, slot))
    }

    fn open(&mut self, slot: Slot) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        // Even tokens are RTP, odd ones RTCP.
        let mut registered = watch(&self.poll, &slot.rtp, Token(at * 2));
        if let (Ok(()), Some(rtcp)) = (&registered, &slot.rtcp) {
            registered = watch(&self.poll, rtcp, Token(at * 2 + 1));
        }
        if let Err(error) = registered {
            tracing::error!(%error, "a media port stays deaf; raise the limit of open files");
        }
        self.index.insert(slot.port, at);
        self.slots[at] = Some(slot);
    }

    fn apply(&mut self, command: Command) {
        let closed = match &command {
            Command::ClosePort { port } => Some(*port),
            _ => None,
        };
        self.engine.apply(Instant::now(), command);
        if let Some(port) = closed {
            // Its RTCP BYE leaves before its socket goes.
            self.transmit();
            if let Some(at) = self.index.remove(&port) {
                self.slots[at] = None;
                self.free.push(at);
            }
            if let Some(browsers) = &mut self.browsers {
                browsers.detach(Instant::now(), port);
            }
        }
    }

    fn receive_browsers(&mut self, report: &mut impl FnMut(Report)) {
        // Whatever is left is told of again on a level poll; see FAIR.
        for _ in 0..FAIR.max(SHARED) {
            let Some(browsers) = &mut self.browsers else {
                return;
            };
            let more = browsers.receive(&mut self.inbox);
            self.received += self.inbox.count() as u32;
            self.settle_browsers(report);
            // What came for a browser's partner leaves before more is read.
            self.transmit();
            self.settle_browsers(report);
            if !more {
                return;
            }
        }
    }

    fn receive_streams(&mut self, report: &mut impl FnMut(Report)) {
        if let Some(browsers) = &mut self.browsers {
            browsers.receive_streams();
        }
        self.settle_browsers(report);
        self.transmit();
        self.settle_browsers(report);
    }

    /// Takes what the browsers said to the engine.
    fn settle_browsers(&mut self, report: &mut impl FnMut(Report)) {
        struct Hearing<'a, R>(&'a mut Engine, &'a mut R);
        impl<R: FnMut(Report)> webrtc::Room for Hearing<'_, R> {
            fn packet(&mut self, port: PortId, packet: &mut [u8]) {
                self.0.handle_packet(Instant::now(), port, BEHIND, packet);
            }
            fn link(&mut self, port: PortId, link: Link) {
                (self.1)(Report::Link(port, link));
            }
            fn measured(&mut self, about: About, samples: Vec<Sample>) {
                (self.1)(Report::Measured(about, samples));
            }
        }
        if let Some(browsers) = &mut self.browsers {
            browsers.settle(&mut Hearing(&mut self.engine, report));
        }
    }

    fn receive(&mut self, token: Token) {
        for _ in 0..FAIR {
            let Some(Some(slot)) = self.slots.get(token.0 / 2) else {
                return;
            };
            let socket = match (token.0 % 2, &slot.rtcp) {
                (0, _) => &slot.rtp,
                (_, Some(rtcp)) => rtcp,
                (_, None) => return,
            };
            match socket.recv_from(&mut self.packet[..]) {
                Ok((length, from)) => {
                    self.received += 1;
                    let (now, packet) = (Instant::now(), &mut self.packet[..length]);
                    self.engine.handle_packet(now, slot.port, from, packet);
                    self.transmit();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // ICMP unreachable of an earlier packet surfaces here; the next read goes on.
                Err(_) => {}
            }
        }
    }

    fn transmit(&mut self) {
        let Room {
            engine,
            slots,
            index,
            browsers,
            ..
        } = self;
        engine.drain_transmits(|port, to, bytes| {
            let Some(Some(slot)) = index.get(&port).and_then(|at| slots.get(*at)) else {
                if let Some(browsers) = browsers {
                    browsers.send(Instant::now(), port, bytes);
                }
                return;
            };
            // RFC 5761 section 4: RTCP is known by its second byte. Without rtcp-mux it leaves
            // from its own socket, whose peer is the odd port.
            let is_rtcp = bytes.get(1).is_some_and(|kind| (192..=223).contains(kind));
            let socket = match (&slot.rtcp, is_rtcp && to.port() % 2 == 1) {
                (Some(rtcp), true) => rtcp,
                _ => &slot.rtp,
            };
            // A full send buffer or a peer that is gone costs this packet, as the network would.
            let _ = socket.send_to(bytes, to);
        });
    }
}

/// Has the poll tell of packets on a socket, until the socket is closed.
#[cfg(target_os = "linux")]
fn watch(poll: &Poll, socket: &impl AsRawFd, token: Token) -> io::Result<()> {
    // mio asks for changes only (EPOLLET), so its own poll is asked here.
    let mut wanted = libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: token.0 as u64,
    };
    let (poll, socket) = (poll.as_raw_fd(), socket.as_raw_fd());
    // SAFETY: both descriptors are open, and the kernel keeps no pointer to `wanted`.
    match unsafe { libc::epoll_ctl(poll, libc::EPOLL_CTL_ADD, socket, &mut wanted) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the poll tell of packets on a socket, until the socket is closed.
#[cfg(all(unix, not(target_os = "linux")))]
fn watch(poll: &Poll, socket: &impl AsRawFd, token: Token) -> io::Result<()> {
    poll.registry().register(
        &mut SourceFd(&socket.as_raw_fd()),
        token,
        mio::Interest::READABLE,
    )
}

/// Asks for sound to go before everything else on a busy computer. Refused without the right to
/// (CAP_SYS_NICE, or LimitNICE of the service); the thread then waits its turn like the others.
fn hurry() {
    // SAFETY: the arguments are plain numbers; on Linux 0 is the calling thread.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, -10);
    }
}

#[cfg(test)]
mod tests {
    use media::{PayloadFormat, PlaybackId, PortSettings, Source};

    use super::super::port_pool::PortPool;
    use super::*;

    fn phone() -> UdpSocket {
        let phone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        phone
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        phone
    }

    #[test]
    fn two_ports_of_different_threads_are_brought_together() {
        let (report, events) = mpsc::channel();
        let threads: Vec<MediaThread> = (0..2)
            .map(|seed| {
                let report = report.clone();
                MediaThread::start(seed, None, move |heard| {
                    if let Report::Media(event) = heard {
                        drop(report.send(event));
                    }
                })
                .unwrap()
            })
            .collect();
        let pool = PortPool::new(Ipv4Addr::LOCALHOST.into(), 42_000, 42_999);
        let phones = [phone(), phone()];
        let mut addresses = Vec::new();
        for (at, phone) in phones.iter().enumerate() {
            let port = PortId(at as u64);
            let sockets = pool.bind().unwrap();
            addresses.push(sockets.address);
            let thread = MediaThread::least_busy(&threads).unwrap();
            assert!(Arc::ptr_eq(&thread.waker, &threads[at].waker));
            thread.open(port, sockets, at as u32, String::new());
            let payload = PayloadFormat {
                payload_type: 0,
                format: media::codec::PCMU,
            };
            let settings = PortSettings::new(phone.local_addr().unwrap(), payload);
            thread.apply(Command::Configure {
                port,
                settings: Box::new(settings),
            });
        }
        // There and back and there again, with orders in between that must find it.
        threads[1].send_to(&threads[0], PortId(1));
        threads[0].send_to(&threads[1], PortId(1));
        threads[1].apply(Command::Play {
            port: PortId(1),
            playback: PlaybackId(9),
            source: Source::Silence(Duration::from_millis(40)),
            loops: 1,
        });
        threads[1].send_to(&threads[0], PortId(1));
        threads[0].apply(Command::Bridge {
            a: PortId(0),
            b: PortId(1),
        });
        let mut heard = [0; LARGEST];
        for _ in 0..2 {
            assert_eq!(phones[1].recv(&mut heard).unwrap(), 172, "silence played");
        }
        let ended = events.recv_timeout(Duration::from_secs(5)).unwrap();
        assert!(matches!(ended, Event::PlaybackEnded { .. }), "{ended:?}");
        for (from, to) in [(0, 1), (1, 0)] {
            let mut packet = [from as u8 + 1; 172];
            packet[..12].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4]);
            phones[from].send_to(&packet, addresses[from]).unwrap();
            assert_eq!(phones[to].recv(&mut heard).unwrap(), 172);
            assert_eq!(heard[12..172], packet[12..], "from {from} to {to}");
        }
        for port in 0..2 {
            threads[0].apply(Command::ClosePort { port: PortId(port) });
        }
        for thread in threads {
            assert_eq!(thread.load.load(Ordering::Relaxed), 0);
            thread.stop();
        }
    }
}
