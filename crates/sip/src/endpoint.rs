//! One value that speaks SIP.

use crate::config::Config;
use crate::digest::Secret;
use crate::event::{Admission, ChallengeId, DialogKey, Event};
use crate::flow::{ConnectionId, Flow, Transmit};
use crate::invitation::Invitation;
use crate::registrar::Binding;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How many entries each table holds, for the metrics page and for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Calls.
    pub calls: usize,
    /// Server transactions.
    pub server_transactions: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Timers running.
    pub timers: usize,
    /// Contacts registered.
    pub bindings: usize,
    /// Open stream connections.
    pub connections: usize,
    /// Nonces remembered.
    pub nonces: usize,
}

/// A SIP user agent server, client and registrar.
pub struct Endpoint {
    config: Config,
}

#[allow(unused_variables)]
impl Endpoint {
    /// An endpoint whose tokens follow from the seed, which must be secret and fresh.
    pub fn new(config: Config, seed: [u8; 32]) -> Endpoint {
        Endpoint { config }
    }
    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }
    /// Addresses that the rate limit does not apply to: trunks.
    pub fn trust(&mut self, addresses: HashSet<IpAddr>) {}
    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {}
    /// A stream connection is open, accepted or made by us; `flow.connection` is its number.
    pub fn handle_stream_opened(&mut self, now: Instant, flow: Flow) {}
    /// Bytes came on a stream. False: the driver must close the connection, framing is lost.
    #[must_use]
    pub fn handle_stream_bytes(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) -> bool {
        true
    }
    /// A stream is closed.
    pub fn handle_stream_closed(&mut self, now: Instant, id: ConnectionId) {}
    /// Nothing can be sent to this address: connection refused, ICMP unreachable.
    pub fn handle_unreachable(&mut self, now: Instant, remote: SocketAddr) {}
    /// Runs what is due.
    pub fn handle_timeout(&mut self, now: Instant) {}
    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }
    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }
    /// Decides about a request of [`Event::AuthenticationNeeded`].
    pub fn admit(&mut self, now: Instant, challenge: ChallengeId, admission: Admission) {}
    /// The same for the common case: the secret of the user named, or `None` when there is no
    /// such user (which looks the same from outside as a wrong password).
    pub fn authenticate(&mut self, now: Instant, challenge: ChallengeId, secret: Option<Secret>) {}
    /// Places a call. Failure is told by [`Event::Rejected`], also when the tables are full (503).
    pub fn invite(&mut self, now: Instant, invitation: Invitation) -> DialogKey {
        DialogKey(0)
    }
    /// 180, or 183 with a description.
    pub fn ring(&mut self, now: Instant, key: DialogKey, sdp: Option<String>) {}
    /// 200 with a description: the answer, or the offer when the caller made none.
    pub fn answer(&mut self, now: Instant, key: DialogKey, sdp: String) {}
    /// Refuses a call that is not answered yet, 300 to 699; an empty reason is the usual phrase.
    pub fn reject(&mut self, now: Instant, key: DialogKey, status: u16, reason: &str) {}
    /// The same with further headers, such as `Contact` for a redirect.
    pub fn reject_with(
        &mut self,
        now: Instant,
        key: DialogKey,
        status: u16,
        reason: &str,
        headers: Vec<(String, String)>,
    ) {
    }
    /// Ends a call in whatever state: CANCEL, BYE or 480. [`Event::Ended`] follows at once.
    pub fn hang_up(&mut self, now: Instant, key: DialogKey) {}
    /// As `hang_up`, with a Reason header (RFC 3326), for "answered elsewhere".
    pub fn hang_up_with(&mut self, now: Instant, key: DialogKey, reason: &str) {}
    /// Offers a changed session (re-INVITE); glare is resolved inside.
    pub fn reoffer(&mut self, now: Instant, key: DialogKey, sdp: String) {}
    /// Agrees to [`Event::Reoffered`].
    pub fn answer_reoffer(&mut self, now: Instant, key: DialogKey, sdp: String) {}
    /// Refuses [`Event::Reoffered`], usually with 488.
    pub fn reject_reoffer(&mut self, now: Instant, key: DialogKey, status: u16) {}
    /// Sends INFO, for DTMF towards peers without RFC 4733.
    pub fn info(&mut self, now: Instant, key: DialogKey, content_type: &str, body: Vec<u8>) {}
    /// Asks the other side to call someone else instead (REFER).
    pub fn refer(&mut self, now: Instant, key: DialogKey, target: &str) {}
    /// Where an address of record is reachable now, newest first.
    pub fn bindings(&self, aor: &str) -> &[Binding] {
        &[]
    }
    /// Puts back a binding from before a restart.
    pub fn restore_binding(&mut self, now: Instant, aor: &str, binding: Binding) {}
    /// Takes a contact away, as when its account is closed.
    pub fn remove_bindings(&mut self, now: Instant, aor: &str) {}
    /// How full the tables are.
    pub fn tables(&self) -> Tables {
        Tables::default()
    }
    /// The Call-ID of a call, for its record.
    pub fn call_id(&self, key: DialogKey) -> Option<&str> {
        None
    }
    /// How long after the last call ends its transactions may live; drivers wait this long at most.
    pub fn linger(&self) -> Duration {
        self.config.t1 * 64
    }
}
