//! The one UDP socket behind which the browsers of a media thread are, and their peers. Plain RTP
//! goes between them and the media engine; see `browser::peers`.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use browser::peer::{Output, Peer, PeerError};
use browser::peers::{PeerId, Peers};
use media::PortId;

use super::rtp::LARGEST;

/// Bytes that the kernel keeps for us while we are busy: all browsers share this socket.
const BUFFER: usize = 4 << 20;

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
}

/// The socket and everybody behind it.
pub struct Browsers {
    socket: UdpSocket,
    peers: Peers,
}

impl Browsers {
    /// Takes over a bound socket.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let options = socket2::SockRef::from(&socket);
        // What the kernel does not grant, it cuts down itself.
        options.set_recv_buffer_size(BUFFER)?;
        options.set_send_buffer_size(BUFFER)?;
        Ok(Self {
            socket,
            peers: Peers::default(),
        })
    }

    /// What is to be polled.
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Gives a port its browser; the browser that it had before goes.
    pub fn attach(&mut self, now: Instant, port: PortId, peer: Peer) {
        self.peers.remove(now, PeerId(port.0));
        self.peers.insert(now, PeerId(port.0), peer);
    }

    /// Ends the browser of a port, if it has one.
    pub fn detach(&mut self, now: Instant, port: PortId) {
        self.peers.remove(now, PeerId(port.0));
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
        self.peers.send(now, PeerId(port.0), packet);
    }

    /// Reads what has come. At most `most` datagrams, so that other ports get their turn; says
    /// whether there may be more.
    pub fn receive(&mut self, most: usize) -> bool {
        let mut datagram = [0; LARGEST];
        for _ in 0..most {
            match self.socket.recv_from(&mut datagram) {
                Ok((length, from)) => {
                    self.peers.handle_datagram(
                        Instant::now(),
                        canonical(from),
                        &datagram[..length],
                    );
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // ICMP unreachable of an earlier packet surfaces here; the next read goes on.
                Err(_) => {}
            }
        }
        true
    }

    /// When [`Browsers::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.peers.poll_timeout()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.peers.handle_timeout(now);
    }

    /// Carries out what the peers want done.
    pub fn settle(&mut self, room: &mut impl Room) {
        while let Some((PeerId(port), output)) = self.peers.poll_output() {
            let port = PortId(port);
            match output {
                Output::Transmit { to, bytes } => {
                    // A full send buffer costs this packet, as the network would.
                    let _ = self.socket.send_to(&bytes, to);
                }
                Output::Packet(mut packet) => room.packet(port, &mut packet),
                Output::Connected => room.link(port, Link::Up),
                Output::Disconnected => room.link(port, Link::Down),
                Output::Closed => room.link(port, Link::Closed),
                Output::Wait(_) => {}
            }
        }
    }
}

/// IPv4 as IPv4, also on a socket that is bound to both.
fn canonical(from: SocketAddr) -> SocketAddr {
    SocketAddr::new(from.ip().to_canonical(), from.port())
}
