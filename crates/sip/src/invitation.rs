//! What a caller says to place a call.

use crate::digest::Credentials;
use crate::flow::{Flow, Transport};
use crate::header::NameAddr;
use crate::message::Uri;
use std::net::SocketAddr;
use std::time::Duration;

/// Where the first request of a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Back along the path a phone registered over; a stream connection is used again.
    Flow(Flow),
    /// To an address; a known connection to it is used, otherwise the driver opens one.
    Address {
        /// The transport.
        transport: Transport,
        /// Our end, for Via and Contact.
        local: SocketAddr,
        /// Their end.
        remote: SocketAddr,
    },
}

/// An outgoing call.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The Request-URI: the contact of a phone, or the number at a trunk.
    pub request_uri: Uri,
    /// The To header; most often `<request_uri>`.
    pub to: NameAddr,
    /// The From header, without a tag.
    pub from: NameAddr,
    /// Where to send it.
    pub destination: Destination,
    /// Route headers to preload, each a whole `<sip:...;lr>` value.
    pub route_set: Vec<String>,
    /// The description offered.
    pub offer: String,
    /// Further headers: name, value. Those that the endpoint writes itself, or that hold a line
    /// break, are left out.
    pub headers: Vec<(String, String)>,
    /// Used to answer a 401 or 407 of this destination, and only of it.
    pub credentials: Option<Credentials>,
    /// The user part of our Contact.
    pub contact_user: Option<String>,
    /// Give up (CANCEL) when nobody has answered for this long; `None`: the caller watches itself.
    pub timeout: Option<Duration>,
    /// Give up with 408 when the other side has shown no sign of life for this long, not even a 100;
    /// `None`: 64*T1. For who has another address to try.
    pub patience: Option<Duration>,
}
