//! Where messages come from and go to.

use std::fmt;
use std::net::SocketAddr;

/// The transports of RFC 3261 section 18 that the driver provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A plain stream.
    Tcp,
    /// A stream inside TLS.
    Tls,
}

impl Transport {
    /// The word in a Via header: `UDP`, `TCP`, `TLS`.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// The word in a URI's `transport` parameter.
    pub fn parameter(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp | Transport::Tls => "tcp",
        }
    }

    /// Reads a `transport` parameter or a Via word; `sips` and `tls` both mean TLS.
    pub fn parse(word: &str) -> Option<Transport> {
        if word.eq_ignore_ascii_case("udp") {
            Some(Transport::Udp)
        } else if word.eq_ignore_ascii_case("tcp") {
            Some(Transport::Tcp)
        } else if word.eq_ignore_ascii_case("tls") {
            Some(Transport::Tls)
        } else {
            None
        }
    }

    /// Whether the transport itself repeats what is lost, so that transactions need not.
    pub fn reliable(self) -> bool {
        self != Transport::Udp
    }

    /// 5060, or 5061 for TLS (RFC 3261 section 19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Tls => 5061,
            _ => 5060,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A stream connection, numbered by the driver; numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// The path a message came along, and along which its answer goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The transport.
    pub transport: Transport,
    /// Our end.
    pub local: SocketAddr,
    /// Their end, as the socket saw it.
    pub remote: SocketAddr,
    /// The connection, for streams. `None` on a stream transport asks the driver to open one.
    pub connection: Option<ConnectionId>,
}

/// Bytes to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to. When `connection` is `None` on TCP or TLS the driver opens a connection to `remote`
    /// (or queues on one being opened) and then calls `handle_stream_opened`.
    pub flow: Flow,
    /// One whole SIP message, or a keep-alive answer.
    pub bytes: Vec<u8>,
}
