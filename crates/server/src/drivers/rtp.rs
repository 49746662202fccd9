//! The media threads: each owns sockets, ports and sound; nothing is shared and nothing is locked.
//!
//! A port lives on one thread from its opening to its end. Its socket is bound by whoever opens
//! it, because the description needs the port number before the thread can know of it, and is then
//! handed over with [`MediaThread::open`]. The thread sleeps in one poll until a packet comes or,
//! while some port needs it, the next 20 ms tick is due.
//!
//! The kernel's system calls are nearly all of what a bridged packet costs: one to receive and one
//! to send, and a share of the poll. What a packet causes leaves before the next is read.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use media::{Command, Engine, Event, PortId, PortMap};
use mio::{Events, Poll, Token, Waker};

/// The token of the waker; ports use their slot.
const WAKER: Token = Token(usize::MAX);
/// Sound advances in steps of this length.
const TICK: Duration = Duration::from_millis(20);
/// Larger than any datagram of a voice stream (Ethernet, minus headers).
const LARGEST: usize = 1500;
/// Sockets served before the time and the orders are looked at: under a millisecond's work.
const BATCH: usize = 128;
/// Packets taken from one socket before the others get their turn. On Linux the poll tells again
/// of a socket that holds more, which is cheaper than asking each socket whether it is empty;
/// elsewhere it does not, and the socket has to be emptied. A flood is cut off after this many.
const FAIR: usize = if LEVEL { 1 } else { 2048 };
/// Whether the poll reports a state rather than a change.
const LEVEL: bool = cfg!(target_os = "linux");

/// A word to a media thread.
enum Order {
    /// Takes over the sockets of a new port.
    Open(PortId, UdpSocket, Option<UdpSocket>),
    /// An order for the engine.
    Apply(Command),
    /// The process ends.
    Stop,
}

/// The handle of one media thread.
#[derive(Clone)]
pub struct MediaThread {
    orders: mpsc::Sender<Order>,
    waker: Arc<Waker>,
}

impl MediaThread {
    /// Starts a thread; `report` is called on it for every event and must not block for long.
    pub fn start(seed: u64, mut report: impl FnMut(Event) + Send + 'static) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (orders, inbox) = mpsc::channel();
        thread::Builder::new()
            .name("media".to_owned())
            .spawn(move || {
                let now = Instant::now();
                let since_1970 = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                let mut room = Room {
                    engine: Engine::new(media::Config::new(now, since_1970), seed),
                    poll,
                    slots: Vec::new(),
                    free: Vec::new(),
                    index: PortMap::default(),
                    packet: Box::new([0; LARGEST]),
                };
                room.run(&inbox, &mut report);
            })?;
        Ok(Self { orders, waker })
    }

    /// Opens a port on sockets from [`PortPool::bind`].
    pub fn open(&self, port: PortId, sockets: Sockets, ssrc: u32, cname: String) {
        self.send(Order::Open(port, sockets.rtp, sockets.rtcp));
        self.send(Order::Apply(Command::OpenPort { port, ssrc, cname }));
    }

    /// Passes an order to the engine.
    pub fn apply(&self, command: Command) {
        self.send(Order::Apply(command));
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

/// The sockets of one port: RTP on an even port number, RTCP on the next (RFC 3550 section 11).
pub struct Sockets {
    rtp: UdpSocket,
    rtcp: Option<UdpSocket>,
    /// What the description announces.
    pub address: SocketAddr,
}

/// Where sockets are taken from: a range of port numbers on one address.
pub struct PortPool {
    address: IpAddr,
    first: u16,
    last: u16,
    next: AtomicU16,
}

impl PortPool {
    /// Port numbers `first..=last`; `first` must be even.
    pub fn new(address: IpAddr, first: u16, last: u16) -> Self {
        Self {
            address,
            first: first & !1,
            last,
            next: AtomicU16::new(first & !1),
        }
    }

    /// Binds the next free pair. Fails when the whole range is taken: the operator must widen it,
    /// or raise the limit of open files.
    pub fn bind(&self) -> io::Result<Sockets> {
        let pairs = (self.last - self.first) / 2 + 1;
        let mut failure = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..pairs {
            let port = self
                .next
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |port| {
                    Some(if port.saturating_add(3) > self.last {
                        self.first
                    } else {
                        port + 2
                    })
                })
                .unwrap_or(self.first);
            let rtp = match UdpSocket::bind((self.address, port)) {
                Ok(socket) => socket,
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    failure = error;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Ok(rtcp) = UdpSocket::bind((self.address, port + 1)) else {
                continue;
            };
            rtp.set_nonblocking(true)?;
            rtcp.set_nonblocking(true)?;
            let address = rtp.local_addr()?;
            return Ok(Sockets {
                rtp,
                rtcp: Some(rtcp),
                address,
            });
        }
        Err(failure)
    }
}

/// The sockets of one open port.
struct Slot {
    port: PortId,
    rtp: UdpSocket,
    rtcp: Option<UdpSocket>,
}

/// What one media thread owns.
struct Room {
    engine: Engine,
    poll: Poll,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    index: PortMap<usize>,
    /// The packet being handled.
    packet: Box<[u8; LARGEST]>,
}

impl Room {
    fn run(&mut self, inbox: &mpsc::Receiver<Order>, report: &mut impl FnMut(Event)) {
        let mut events = Events::with_capacity(BATCH);
        let mut next_tick = Instant::now() + TICK;
        loop {
            let wait = self
                .engine
                .poll_timeout(next_tick)
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
                if event.token() != WAKER {
                    self.receive(event.token());
                }
            }
            loop {
                match inbox.try_recv() {
                    Ok(Order::Open(port, rtp, rtcp)) => self.open(port, rtp, rtcp),
                    Ok(Order::Apply(command)) => self.apply(command),
                    Ok(Order::Stop) | Err(mpsc::TryRecvError::Disconnected) => return,
                    Err(mpsc::TryRecvError::Empty) => break,
                }
            }
            let now = Instant::now();
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
            self.transmit();
            while let Some(event) = self.engine.poll_event() {
                report(event);
            }
        }
    }

    fn open(&mut self, port: PortId, rtp: UdpSocket, rtcp: Option<UdpSocket>) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        // Even tokens are RTP, odd ones RTCP.
        let mut registered = watch(&self.poll, &rtp, Token(at * 2));
        if let (Ok(()), Some(rtcp)) = (&registered, &rtcp) {
            registered = watch(&self.poll, rtcp, Token(at * 2 + 1));
        }
        if let Err(error) = registered {
            tracing::error!(%error, "a media port stays deaf; raise the limit of open files");
        }
        self.index.insert(port, at);
        self.slots[at] = Some(Slot { port, rtp, rtcp });
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
            ..
        } = self;
        engine.drain_transmits(|port, to, bytes| {
            let Some(Some(slot)) = index.get(&port).and_then(|at| slots.get(*at)) else {
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
fn watch(poll: &Poll, socket: &UdpSocket, token: Token) -> io::Result<()> {
    use std::os::fd::AsRawFd;
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
fn watch(poll: &Poll, socket: &UdpSocket, token: Token) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let mut source = mio::unix::SourceFd(&socket.as_raw_fd());
    poll.registry()
        .register(&mut source, token, mio::Interest::READABLE)
}
