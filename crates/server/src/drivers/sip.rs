//! SIP's sockets: bytes in as [`Arrival`]s, [`sip::Transmit`]s out.
//!
//! One UDP socket, and streams that are accepted or opened on demand. Every queue is bounded: a
//! datagram that finds the owner's queue full is dropped, as the network might have (UDP is
//! retransmitted); a stream is simply not read further until there is room.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use sip::{ConnectionId, Flow, Transmit, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::counters;

/// Messages that may wait on one stream before it is given up as too slow.
const STREAM_QUEUE: usize = 256;
/// How many ports are tried when any will do, but it must be free for both UDP and TCP.
const PORTS: usize = 32;
/// How long either side may take for the handshake of TLS.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a stream may take what is written to it.
const STUCK: Duration = Duration::from_secs(30);
/// Names of TLS servers that are remembered; beyond, all are forgotten and learnt again.
const MOST_NAMES: usize = 10_000;

/// What strangers may hold open.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Streams that others opened, over TCP and TLS together; beyond, further ones are closed at once.
    pub streams: usize,
    /// How many of them from one address, or one /64 network of IPv6.
    pub of_one: usize,
    /// How long one may say nothing at first.
    pub first: Duration,
    /// How long one may say nothing later on, whoever opened it.
    pub idle: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            streams: 20_000,
            of_one: 1_000,
            first: Duration::from_secs(30),
            // A registration lasts an hour and a call four, and a call that nothing refreshes may
            // send nothing before its end.
            idle: Duration::from_secs(5 * 3600),
        }
    }
}

/// The streams that others opened.
#[derive(Debug, Default)]
struct Guests {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// A place among them, free again when dropped.
struct Place {
    guests: Arc<Mutex<Guests>>,
    source: IpAddr,
}

impl Place {
    fn take(guests: &Arc<Mutex<Guests>>, bounds: &Bounds, remote: IpAddr) -> Option<Self> {
        // Who has one address of IPv6 has the rest of its network, too.
        let source = match remote.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        };
        let mut all = guests.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.by_source.get(&source).copied().unwrap_or(0);
        if all.all >= bounds.streams || known >= bounds.of_one {
            return None;
        }
        all.all += 1;
        all.by_source.insert(source, known + 1);
        drop(all);
        let guests = guests.clone();
        Some(Self { guests, source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        all.all -= 1;
        if let Some(left) = all.by_source.get_mut(&self.source) {
            *left -= 1;
            if *left == 0 {
                all.by_source.remove(&self.source);
            }
        }
    }
}

/// What comes in from SIP's sockets.
#[derive(Debug)]
pub enum Arrival {
    /// One datagram.
    Datagram(Flow, Vec<u8>),
    /// A stream is open, with the queue of what is to be written to it.
    Opened(Flow, mpsc::Sender<Vec<u8>>),
    /// Bytes of a stream.
    Bytes(ConnectionId, Vec<u8>),
    /// A stream is closed.
    Closed(ConnectionId),
    /// A stream could not be opened.
    Unreachable(SocketAddr),
}

/// Wraps an arrival into the word of whoever owns the endpoint.
pub type Wrap<T> = fn(Arrival) -> T;

/// The sending half: owned by whoever owns the endpoint.
pub struct Wires<T> {
    udp: Arc<UdpSocket>,
    owner: mpsc::Sender<T>,
    wrap: Wrap<T>,
    streams: HashMap<ConnectionId, mpsc::Sender<Vec<u8>>>,
    /// Streams that are being opened, and what waits to be written to them.
    opening: HashMap<(Transport, SocketAddr), Vec<Vec<u8>>>,
    connector: Option<TlsConnector>,
    /// Whom TLS is to meet at an address.
    names: HashMap<IpAddr, ServerName<'static>>,
    numbers: Arc<AtomicU64>,
    idle: Duration,
    /// The address that UDP is bound to.
    pub local: SocketAddr,
    /// The address that TLS is accepted on.
    pub local_tls: Option<SocketAddr>,
}

impl<T: Send + 'static> Wires<T> {
    /// Binds UDP on `address` and begins to read it.
    pub async fn bind(
        address: SocketAddr,
        owner: mpsc::Sender<T>,
        wrap: Wrap<T>,
    ) -> io::Result<Self> {
        Self::of(UdpSocket::bind(address).await?, owner, wrap)
    }

    /// Begins to read a bound socket.
    pub fn of(udp: UdpSocket, owner: mpsc::Sender<T>, wrap: Wrap<T>) -> io::Result<Self> {
        let udp = Arc::new(udp);
        // Bursts of calls must not overflow the kernel's default of 212 kB.
        let _ = socket2::SockRef::from(&*udp).set_recv_buffer_size(4 << 20);
        let local = udp.local_addr()?;
        tokio::spawn(read_datagrams(udp.clone(), local, owner.clone(), wrap));
        Ok(Self {
            udp,
            owner,
            wrap,
            streams: HashMap::new(),
            opening: HashMap::new(),
            connector: None,
            names: HashMap::new(),
            numbers: Arc::new(AtomicU64::new(1)),
            idle: Bounds::default().idle,
            local,
            local_tls: None,
        })
    }

    /// Accepts streams from `listener`, and on `tls` when an acceptor is given.
    pub async fn listen(
        &mut self,
        listener: TcpListener,
        tls: Option<(SocketAddr, TlsAcceptor)>,
        connector: Option<TlsConnector>,
        bounds: Bounds,
    ) -> io::Result<()> {
        self.connector = connector;
        self.idle = bounds.idle;
        let door = Door {
            guests: Arc::default(),
            bounds,
            numbers: self.numbers.clone(),
            owner: self.owner.clone(),
            wrap: self.wrap,
        };
        tokio::spawn(accept(listener, None, door.clone()));
        if let Some((address, acceptor)) = tls {
            let listener = TcpListener::bind(address).await?;
            self.local_tls = Some(listener.local_addr()?);
            tokio::spawn(accept(listener, Some(acceptor), door));
        }
        Ok(())
    }

    /// Whom TLS is to meet at an address: the host that was looked up, whatever the records said
    /// (RFC 5922 section 4). Without a name the certificate must have the address.
    pub fn name(&mut self, address: IpAddr, host: &str) {
        let Ok(name) = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()) else {
            return;
        };
        if self.names.len() >= MOST_NAMES {
            self.names.clear();
        }
        self.names.insert(address, name);
    }

    /// Remembers an open stream, and writes what waited for it.
    pub fn opened(&mut self, flow: Flow, writer: mpsc::Sender<Vec<u8>>) {
        let Some(connection) = flow.connection else {
            return;
        };
        for bytes in self
            .opening
            .remove(&(flow.transport, flow.remote))
            .unwrap_or_default()
        {
            let _ = writer.try_send(bytes);
        }
        self.streams.insert(connection, writer);
    }

    /// Forgets a closed stream, or ends one whose framing was lost.
    pub fn closed(&mut self, connection: ConnectionId) {
        self.streams.remove(&connection);
    }

    /// Forgets what waited for a stream that could not be opened.
    pub fn unreachable(&mut self, remote: SocketAddr) {
        self.opening.retain(|(_, waiting), _| *waiting != remote);
    }

    /// Sends one message.
    pub fn send(&mut self, transmit: Transmit) {
        let flow = transmit.flow;
        match (flow.transport, flow.connection) {
            // A full send buffer loses the datagram; its transaction sends it again.
            (Transport::Udp, _) => {
                if let Err(error) = self.udp.try_send_to(&transmit.bytes, flow.remote)
                    && error.kind() != io::ErrorKind::WouldBlock
                {
                    tracing::debug!(remote = %flow.remote, %error, "datagram not sent");
                }
            }
            (_, Some(connection)) => {
                let full = self
                    .streams
                    .get(&connection)
                    .is_some_and(|stream| stream.try_send(transmit.bytes).is_err());
                if full {
                    // A peer that does not read is closed; its calls end by their own timers.
                    self.streams.remove(&connection);
                }
            }
            (transport, None) => {
                let waiting = self.opening.entry((transport, flow.remote)).or_default();
                let first = waiting.is_empty();
                if waiting.len() < STREAM_QUEUE {
                    waiting.push(transmit.bytes);
                }
                if first {
                    let id = ConnectionId(self.numbers.fetch_add(1, Ordering::Relaxed));
                    tokio::spawn(open(
                        transport,
                        flow.remote,
                        id,
                        self.connector.clone().zip(
                            self.names
                                .get(&flow.remote.ip())
                                .cloned()
                                .or_else(|| Some(ServerName::from(flow.remote.ip()))),
                        ),
                        self.owner.clone(),
                        self.wrap,
                        self.idle,
                    ));
                }
            }
        }
    }
}

/// UDP and TCP on one port number (RFC 3261 section 18.1.1); when any will do (port 0), one that both
/// have free.
pub fn bind_both(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let (udp, tcp) = bind_pair(address)?;
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((UdpSocket::from_std(udp)?, TcpListener::from_std(tcp)?))
}

/// The same, for who reads without waiting.
pub fn bind_pair(address: SocketAddr) -> io::Result<(std::net::UdpSocket, std::net::TcpListener)> {
    let tries = if address.port() == 0 { PORTS } else { 1 };
    pair(tries, || std::net::UdpSocket::bind(address))
}

/// The first of so many datagram sockets whose port is free for streams, too.
fn pair(
    tries: usize,
    mut udp: impl FnMut() -> io::Result<std::net::UdpSocket>,
) -> io::Result<(std::net::UdpSocket, std::net::TcpListener)> {
    // Kept until one fits, so that none is tried twice.
    let mut unfit = Vec::new();
    loop {
        let udp = udp()?;
        match std::net::TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && unfit.len() + 1 < tries => {
                unfit.push(udp);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn read_datagrams<T>(
    udp: Arc<UdpSocket>,
    local: SocketAddr,
    owner: mpsc::Sender<T>,
    wrap: Wrap<T>,
) {
    let mut buffer = vec![0; 65_536];
    loop {
        match udp.recv_from(&mut buffer).await {
            Ok((length, remote)) => {
                let flow = Flow {
                    transport: Transport::Udp,
                    local,
                    remote,
                    connection: None,
                };
                let arrival = wrap(Arrival::Datagram(flow, buffer[..length].to_vec()));
                match owner.try_send(arrival) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(_)) => counters::DATAGRAMS_DROPPED.count(),
                    Err(mpsc::error::TrySendError::Closed(_)) => return,
                }
            }
            // ICMP unreachable of an earlier datagram; its transaction times out by itself.
            Err(error) => tracing::debug!(%error, "datagram not received"),
        }
    }
}

/// What whoever accepts streams has in common.
struct Door<T> {
    guests: Arc<Mutex<Guests>>,
    bounds: Bounds,
    numbers: Arc<AtomicU64>,
    owner: mpsc::Sender<T>,
    wrap: Wrap<T>,
}

impl<T> Clone for Door<T> {
    fn clone(&self) -> Self {
        Self {
            guests: self.guests.clone(),
            bounds: self.bounds,
            numbers: self.numbers.clone(),
            owner: self.owner.clone(),
            wrap: self.wrap,
        }
    }
}

async fn accept<T: Send + 'static>(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    door: Door<T>,
) {
    let Door {
        guests,
        bounds,
        numbers,
        owner,
        wrap,
    } = door;
    loop {
        let Ok((stream, remote)) = listener.accept().await else {
            // Out of files: wait for some to be closed rather than spin.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let Some(place) = Place::take(&guests, &bounds, remote.ip()) else {
            tracing::debug!(%remote, "a stream too many was closed");
            continue;
        };
        let id = ConnectionId(numbers.fetch_add(1, Ordering::Relaxed));
        let (acceptor, owner) = (acceptor.clone(), owner.clone());
        let quiet = (bounds.first, bounds.idle);
        tokio::spawn(async move {
            let _place = place;
            let Ok(local) = stream.local_addr() else {
                return;
            };
            let _ = stream.set_nodelay(true);
            match acceptor {
                None => {
                    let flow = flow(Transport::Tcp, local, remote, id);
                    carry(stream, flow, owner, wrap, quiet).await;
                }
                Some(acceptor) => {
                    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream));
                    if let Ok(Ok(stream)) = handshake.await {
                        let flow = flow(Transport::Tls, local, remote, id);
                        carry(stream, flow, owner, wrap, quiet).await;
                    }
                }
            }
        });
    }
}

async fn open<T: Send + 'static>(
    transport: Transport,
    remote: SocketAddr,
    id: ConnectionId,
    connector: Option<(TlsConnector, ServerName<'static>)>,
    owner: mpsc::Sender<T>,
    wrap: Wrap<T>,
    idle: Duration,
) {
    let flow = |local| flow(transport, local, remote, id);
    let opening = tokio::time::timeout(
        std::time::Duration::from_secs(5),
        TcpStream::connect(remote),
    );
    if let Ok(Ok(stream)) = opening.await
        && let Ok(local) = stream.local_addr()
    {
        let _ = stream.set_nodelay(true);
        if transport == Transport::Tcp {
            return carry(stream, flow(local), owner, wrap, (idle, idle)).await;
        }
        if let Some((connector, name)) = connector {
            let named = format!("{name:?}");
            match tokio::time::timeout(HANDSHAKE, connector.connect(name, stream)).await {
                Ok(Ok(stream)) => {
                    return carry(stream, flow(local), owner, wrap, (idle, idle)).await;
                }
                Ok(Err(error)) => tracing::warn!(
                    %remote, name = named, %error,
                    "no TLS connection; a carrier with an authority of its own needs sip-ca-file"
                ),
                Err(_) => tracing::warn!(%remote, "no TLS connection: the far end is silent"),
            }
        }
    }
    let _ = owner.send(wrap(Arrival::Unreachable(remote))).await;
}

fn flow(transport: Transport, local: SocketAddr, remote: SocketAddr, id: ConnectionId) -> Flow {
    Flow {
        transport,
        local,
        remote,
        connection: Some(id),
    }
}

/// Reads and writes one stream until either side ends it, or it is silent for too long: at first, or
/// later.
async fn carry<T, S: AsyncRead + AsyncWrite>(
    stream: S,
    flow: Flow,
    owner: mpsc::Sender<T>,
    wrap: Wrap<T>,
    (first, idle): (Duration, Duration),
) {
    let Some(id) = flow.connection else { return };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (queue, mut outgoing) = mpsc::channel::<Vec<u8>>(STREAM_QUEUE);
    if owner
        .send(wrap(Arrival::Opened(flow, queue)))
        .await
        .is_err()
    {
        return;
    }
    let read = async {
        let mut buffer = vec![0; 16_384];
        let mut patience = first;
        while let Ok(Ok(length @ 1..)) =
            tokio::time::timeout(patience, reader.read(&mut buffer)).await
        {
            patience = idle;
            if owner
                .send(wrap(Arrival::Bytes(id, buffer[..length].to_vec())))
                .await
                .is_err()
            {
                break;
            }
        }
    };
    let write = async {
        // Ends when the owner forgets the stream.
        while let Some(bytes) = outgoing.recv().await {
            // A far end that does not read holds nothing open.
            let written = tokio::time::timeout(STUCK, writer.write_all(&bytes)).await;
            if !matches!(written, Ok(Ok(()))) {
                break;
            }
        }
        let _ = writer.shutdown().await;
    };
    tokio::select! { () = read => {}, () = write => {} }
    let _ = owner.send(wrap(Arrival::Closed(id))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_whose_tcp_twin_is_taken_is_passed_over() {
        use std::net::{TcpListener, UdpSocket};
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = taken.local_addr().expect("it is bound");
        let mut first = Some(address);
        let mut next = || {
            let any = "127.0.0.1:0".parse().expect("an address");
            UdpSocket::bind(first.take().unwrap_or(any))
        };
        let (udp, tcp) = pair(PORTS, &mut next).expect("a later port fits");
        assert_eq!(udp.local_addr().ok(), tcp.local_addr().ok());
        assert_ne!(udp.local_addr().ok(), Some(address));
        // A port that was asked for by its number is not exchanged for another.
        let refused = pair(1, || UdpSocket::bind(address));
        let kind = refused.expect_err("it is taken").kind();
        assert_eq!(kind, io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn streams_of_one_address_are_counted_and_silent_ones_closed() {
        let (owner, mut queue) = mpsc::channel::<Arrival>(1_000);
        let any = "127.0.0.1:0".parse().expect("an address");
        let mut wires = Wires::bind(any, owner, |arrival| arrival)
            .await
            .expect("a port is free");
        let listener = TcpListener::bind(any).await.expect("a port is free");
        let at = listener.local_addr().expect("it is bound");
        let bounds = Bounds {
            streams: 100,
            of_one: 20,
            first: Duration::from_millis(500),
            idle: Duration::from_secs(60),
        };
        let listening = wires.listen(listener, None, None, bounds);
        listening.await.expect("it listens");
        let mut streams = Vec::new();
        for _ in 0..60 {
            streams.push(TcpStream::connect(at).await.expect("it is taken"));
        }
        // One of the twenty says something, and may stay.
        streams[0].write_all(b"\r\n\r\n").await.expect("it is open");
        let (mut opened, mut closed, mut writers) = (0, 0, Vec::new());
        while closed < 19 {
            match queue.recv().await.expect("the wires are up") {
                Arrival::Opened(_, writer) => {
                    opened += 1;
                    writers.push(writer);
                }
                Arrival::Closed(_) => closed += 1,
                _ => {}
            }
        }
        assert_eq!(opened, 20);
        for stream in &mut streams[1..] {
            assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        }
        // Their places are free again.
        let _again = TcpStream::connect(at).await.expect("it is taken");
        loop {
            match queue.recv().await.expect("the wires are up") {
                Arrival::Opened(..) => break,
                Arrival::Closed(_) => panic!("the stream that spoke is closed"),
                _ => {}
            }
        }
        // Whoever owns a stream can end it.
        drop(writers);
        let ended = streams[0].read(&mut [0; 1]).await;
        assert!(matches!(ended, Ok(0) | Err(_)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let guests = Arc::default();
        let bounds = Bounds {
            of_one: 1,
            ..Bounds::default()
        };
        let take = |text: &str| {
            let address = text.parse().expect("an address");
            Place::take(&guests, &bounds, address)
        };
        let first = take("2001:db8::1");
        assert!(first.is_some());
        assert!(take("2001:db8::2").is_none());
        assert!(take("2001:db8:0:1::1").is_some());
        drop(first);
        assert!(take("2001:db8::2").is_some());
    }
}
