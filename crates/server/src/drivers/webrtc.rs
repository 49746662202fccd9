//! The one UDP socket behind which the browsers of a media thread are, the TCP streams of those whose
//! network lets no UDP through, and their peers. Plain RTP goes between them and the media engine; see `browser::peers`.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Instant;

use browser::impairment::{Fate, Impairment, Line};
use browser::peer::{Output, Path, Peer, PeerError, Transport};
use browser::peers::{PeerId, Peers};
use browser::quality::Sample;
use media::PortId;
use model::sid::{AccountSid, CallSid};

use super::datagrams::{self, Inbox, Leaving};
use super::ice_tcp::Streams;

/// Bytes that the kernel keeps for us while we are busy: all browsers share this socket.
const BUFFER: usize = 4 << 20;

/// Most samples that are kept of a leg, one a second: those of the longest call.
const SAMPLES: usize = 4 * 3600;

/// Whose leg it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The account.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
}

/// How bad the network is made, each way.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Impairments {
    /// For what goes to the browser.
    pub to_browser: Impairment,
    /// For what comes from it.
    pub from_browser: Impairment,
}

impl Impairments {
    fn is_none(&self) -> bool {
        self.to_browser.is_none() && self.from_browser.is_none()
    }
}

/// What is known of a browser beside its peer.
struct Leg {
    about: About,
    /// Payload type of Opus, if it was agreed.
    opus: Option<u8>,
    samples: Vec<Sample>,
    impairments: Impairments,
}

/// A datagram that is late on purpose.
enum Held {
    To(Path, Vec<u8>),
    From(Path, Vec<u8>),
}

/// Where browsers find us, bound: one port number, UDP and TCP.
#[derive(Debug)]
pub struct Bound {
    /// For all of them.
    pub socket: UdpSocket,
    /// For those whose network lets no UDP through.
    pub listener: TcpListener,
}

/// What happened between a browser and us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// ICE and DTLS are up: sound can flow.
    Up,
    /// The path is gone; it may come back.
    Down,
    /// Closed by the browser, or failed. Final.
    Closed,
}

/// What the media engine and its reporter are told.
pub trait Room {
    /// A plain RTP packet from the browser of a port.
    fn packet(&mut self, port: PortId, packet: &mut [u8]);
    /// The link of a port changed.
    fn link(&mut self, port: PortId, link: Link);
    /// A leg is over: how each second of it was.
    fn measured(&mut self, about: About, samples: Vec<Sample>);
}

/// The socket and everybody behind it.
pub struct Browsers {
    socket: UdpSocket,
    /// What is sent once everything is settled.
    leaving: Vec<Leaving>,
    streams: Streams,
    peers: Peers,
    legs: HashMap<PortId, Leg>,
    /// Bad networks of ports whose browser has not answered yet.
    early: HashMap<PortId, Impairments>,
    /// Legs that are over and not told of yet.
    over: Vec<Leg>,
    /// Ports whose browser is gone: so are its streams, once it was said goodbye to.
    parted: Vec<PortId>,
    /// Whether any leg is impaired; only then datagrams are looked at more closely.
    impaired: bool,
    line: Line<Held>,
}

impl Browsers {
    /// Takes over what is bound for browsers.
    pub fn new(Bound { socket, listener }: Bound) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let options = socket2::SockRef::from(&socket);
        // What the kernel does not grant, it cuts down itself.
        options.set_recv_buffer_size(BUFFER)?;
        options.set_send_buffer_size(BUFFER)?;
        Ok(Self {
            socket,
            leaving: Vec::new(),
            streams: Streams::new(listener)?,
            peers: Peers::default(),
            legs: HashMap::new(),
            early: HashMap::new(),
            over: Vec::new(),
            parted: Vec::new(),
            impaired: false,
            line: Line::default(),
        })
    }

    /// What is to be polled for datagrams.
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// What is to be polled for streams.
    pub fn streams(&self) -> &mio::Poll {
        self.streams.poll()
    }

    /// Gives a port its browser; the browser that it had before goes.
    pub fn attach(&mut self, now: Instant, port: PortId, about: About, peer: Peer) {
        // A call that is answered, or that another device takes over, keeps its bad network.
        let before = match self.legs.get(&port) {
            Some(leg) => Some(leg.impairments),
            None => self.early.remove(&port),
        };
        self.detach(now, port);
        let codecs = peer.agreed().map_or(&[][..], |agreed| &agreed.codecs);
        let leg = Leg {
            about,
            opus: codecs
                .iter()
                .find(|codec| codec.name == "opus")
                .map(|codec| codec.payload_type),
            samples: Vec::new(),
            impairments: before.unwrap_or_default(),
        };
        self.impaired |= !leg.impairments.is_none();
        self.legs.insert(port, leg);
        self.peers.insert(now, PeerId(port.0), peer);
    }

    /// Ends the browser of a port, if it has one.
    pub fn detach(&mut self, now: Instant, port: PortId) {
        self.peers.remove(now, PeerId(port.0));
        self.early.remove(&port);
        if let Some(leg) = self.legs.remove(&port) {
            self.over.push(leg);
            self.parted.push(port);
        }
    }

    /// Makes the network of a browser bad, or good again.
    pub fn impair(&mut self, port: PortId, impairments: Impairments) {
        match self.legs.get_mut(&port) {
            Some(leg) => leg.impairments = impairments,
            // Gone again with the port.
            None => drop(self.early.insert(port, impairments)),
        }
        self.impaired = self.legs.values().any(|leg| !leg.impairments.is_none());
    }

    /// Answers the offer of an ICE restart.
    pub fn restart(
        &mut self,
        now: Instant,
        port: PortId,
        offer: &str,
    ) -> Result<String, PeerError> {
        self.peers.restart(now, PeerId(port.0), offer)
    }

    /// Sends a plain RTP packet to the browser of a port.
    pub fn send(&mut self, now: Instant, port: PortId, packet: &[u8]) {
        if self.impaired
            && let Some(leg) = self.legs.get(&port)
        {
            let mut packet = packet.to_vec();
            leg.impairments.to_browser.muffle(&mut packet, leg.opus);
            return self.peers.send(now, PeerId(port.0), &packet);
        }
        self.peers.send(now, PeerId(port.0), packet);
    }

    /// Reads what has come, but no more than one call takes; whether there may be more.
    pub fn receive(&mut self, inbox: &mut Inbox) -> bool {
        let more = inbox.read(&self.socket);
        let now = Instant::now();
        for (from, datagram) in inbox.datagrams() {
            self.arrived(now, canonical(from).into(), datagram);
        }
        more
    }

    /// Reads what has come on streams.
    pub fn receive_streams(&mut self) {
        let now = Instant::now();
        self.streams.gather(now);
        while let Some((address, datagrams)) = self.streams.next(now) {
            for datagram in datagrams {
                self.arrived(now, Path::tcp(address), &datagram);
            }
        }
    }

    /// Takes a datagram.
    fn take(&mut self, now: Instant, from: Path, datagram: &[u8]) {
        let taken = self.peers.handle_datagram(now, from, datagram);
        if from.transport == Transport::Tcp {
            match self.peers.whose(from, datagram).filter(|_| taken) {
                Some(PeerId(port)) => self.streams.proven(from.address, PortId(port)),
                None => self.streams.refused(from.address, datagram),
            }
        }
    }

    /// Takes a datagram, unless its network is made to lose or delay it.
    fn arrived(&mut self, now: Instant, from: Path, datagram: &[u8]) {
        let bad = if self.impaired {
            let owner = self.peers.whose(from, datagram);
            let leg = owner.and_then(|PeerId(port)| self.legs.get(&PortId(port)));
            leg.map(|leg| leg.impairments.from_browser)
        } else {
            None
        };
        match bad.filter(|bad| !bad.is_none()) {
            None => self.take(now, from, datagram),
            Some(bad) => {
                if let Fate::Late(late) = bad.fate(datagram, rand::random()) {
                    (self.line).hold(now + late, Held::From(from, datagram.to_vec()));
                }
            }
        }
    }

    /// When [`Browsers::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let times = [
            self.peers.poll_timeout(),
            self.line.next_at(),
            self.streams.poll_timeout(),
        ];
        times.into_iter().flatten().min()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(held) = self.line.due(now) {
            match held {
                Held::To(to, bytes) => self.put(to, bytes),
                Held::From(from, bytes) => self.take(now, from, &bytes),
            }
        }
        self.streams.handle_timeout(now);
        self.peers.handle_timeout(now);
    }

    /// Carries out what the peers want done.
    pub fn settle(&mut self, room: &mut impl Room) {
        while let Some((PeerId(port), output)) = self.peers.poll_output() {
            let port = PortId(port);
            match output {
                Output::Transmit { to, bytes } => self.transmit(port, to, bytes),
                Output::Packet(mut packet) => {
                    if self.impaired
                        && let Some(leg) = self.legs.get(&port)
                    {
                        leg.impairments.from_browser.muffle(&mut packet, leg.opus);
                    }
                    room.packet(port, &mut packet);
                }
                Output::Connected => room.link(port, Link::Up),
                Output::Disconnected => room.link(port, Link::Down),
                Output::Closed => room.link(port, Link::Closed),
                Output::Measured(sample) => {
                    if let Some(leg) = self.legs.get_mut(&port)
                        && leg.samples.len() < SAMPLES
                    {
                        leg.samples.push(sample);
                    }
                }
                Output::Wait(_) => {}
            }
        }
        datagrams::send(&self.socket, &mut self.leaving);
        for leg in self.over.drain(..) {
            room.measured(leg.about, leg.samples);
        }
        for port in self.parted.drain(..) {
            self.streams.part(port);
        }
    }

    fn transmit(&mut self, port: PortId, to: Path, bytes: Vec<u8>) {
        if self.impaired
            && let Some(leg) = self.legs.get(&port)
            && !leg.impairments.to_browser.is_none()
        {
            if let Fate::Late(late) = (leg.impairments.to_browser).fate(&bytes, rand::random()) {
                let until = Instant::now() + late;
                self.line.hold(until, Held::To(to, bytes));
            }
            return;
        }
        self.put(to, bytes);
    }

    fn put(&mut self, to: Path, bytes: Vec<u8>) {
        match to.transport {
            Transport::Udp => self.leaving.push((to.address, bytes)),
            Transport::Tcp => self.streams.send(to.address, &bytes),
        }
    }
}

/// IPv4 as IPv4, also on a socket that is bound to both.
pub fn canonical(from: SocketAddr) -> SocketAddr {
    SocketAddr::new(from.ip().to_canonical(), from.port())
}
