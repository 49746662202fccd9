//! One value that speaks SIP.

pub(crate) mod admission;
mod receive;

use crate::chance::{Chance, Seeded};
use crate::config::Config;
use crate::dialog::Call;
use crate::event::{DialogKey, Event};
use crate::flow::{ConnectionId, Flow, Transmit, Transport};
use crate::keepalive::{Frame, frame};
use crate::limiter::Limiter;
use crate::registrar::Bound;
use crate::timers::{Timer, TimerId, Timers};
use crate::transaction::{ClientTransaction, FinishedTransaction, ServerTransaction};
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
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
    /// Addresses of record with a contact.
    pub registrations: usize,
    /// Open stream connections.
    pub connections: usize,
    /// Nonces remembered.
    pub nonces: usize,
}

/// How long half a message may lie in a stream's buffer.
const STREAM_PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Stream {
    flow: Flow,
    buffer: Vec<u8>,
    idle: Option<TimerId>,
    lost: bool,
}

pub(crate) type Map<K, V> = HashMap<K, V, Seeded>;

/// Gives back the room that a table took in busier times; the work is spread over the removals.
pub(crate) fn slim<K: Eq + Hash, V>(table: &mut Map<K, V>) {
    if table.capacity() > 1024 && table.len() < table.capacity() / 8 {
        table.shrink_to(table.len() * 2);
    }
}

/// A SIP user agent, server and client, and a registrar.
///
/// Bytes and the passing of time go in by the `handle_` calls, decisions by the others; after each,
/// drain [`Endpoint::poll_transmit`] and [`Endpoint::poll_event`], and call
/// [`Endpoint::handle_timeout`] at [`Endpoint::poll_timeout`].
pub struct Endpoint {
    pub(crate) config: Config,
    pub(crate) chance: Chance,
    pub(crate) timers: Timers,
    pub(crate) clients: Map<u64, Box<ClientTransaction>>,
    pub(crate) branches: Map<String, u64>,
    /// Server transactions that wait for their final answer.
    pub(crate) servers: Map<u64, Box<ServerTransaction>>,
    /// Those that had it.
    pub(crate) finished: Map<u64, Box<FinishedTransaction>>,
    /// About how many bytes these take.
    pub(crate) finished_weight: usize,
    pub(crate) server_keys: Map<Arc<str>, u64>,
    /// Requests that started something, by Call-ID, From tag and CSeq: a second one that came by
    /// another path is merged (RFC 3261 section 8.2.2.2).
    pub(crate) merges: Map<Arc<str>, u64>,
    pub(crate) calls: Map<DialogKey, Call>,
    pub(crate) tags: Map<String, DialogKey>,
    pub(crate) bindings: Map<String, Bound>,
    /// The last counter of each nonce that was used rightly.
    pub(crate) nonces: Map<String, u32>,
    connections: Map<ConnectionId, Stream>,
    peers: Map<(Transport, SocketAddr), ConnectionId>,
    limiter: Limiter,
    trusted: Box<dyn Fn(IpAddr) -> bool + Send>,
    /// Whoever decides is behind.
    busy: bool,
    pub(crate) transmits: VecDeque<Transmit>,
    pub(crate) events: VecDeque<Event>,
    /// The first instant seen; nonces count from it.
    pub(crate) epoch: Option<Instant>,
    next: u64,
}

impl Endpoint {
    /// An endpoint whose tokens follow from the seed, which must be secret and fresh.
    pub fn new(config: Config, seed: [u8; 32]) -> Endpoint {
        let mut chance = Chance::new(seed);
        let seeded = Seeded(chance.number());
        let limits = &config.limits;
        Endpoint {
            limiter: Limiter::new(
                limits.sources,
                limits.requests_per_second,
                limits.burst,
                seeded,
            ),
            config,
            chance,
            timers: Timers::default(),
            clients: Map::with_hasher(seeded),
            branches: Map::with_hasher(seeded),
            servers: Map::with_hasher(seeded),
            finished: Map::with_hasher(seeded),
            finished_weight: 0,
            server_keys: Map::with_hasher(seeded),
            merges: Map::with_hasher(seeded),
            calls: Map::with_hasher(seeded),
            tags: Map::with_hasher(seeded),
            bindings: Map::with_hasher(seeded),
            nonces: Map::with_hasher(seeded),
            connections: Map::with_hasher(seeded),
            peers: Map::with_hasher(seeded),
            trusted: Box::new(|_| false),
            busy: false,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            epoch: None,
            next: 0,
        }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whose addresses the rate limit does not apply to: trunks'.
    pub fn trust(&mut self, trusted: impl Fn(IpAddr) -> bool + Send + 'static) {
        self.trusted = Box::new(trusted);
    }

    /// Whether whoever decides is behind: until that is over, requests that begin something are
    /// refused (503 with Retry-After), and those that belong to what has begun are not.
    pub fn set_busy(&mut self, busy: bool) {
        self.busy = busy;
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        self.epoch.get_or_insert(now);
        // Keep-alives: line ends, or a few zero bytes.
        if bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return;
        }
        self.receive(now, flow, bytes);
    }

    /// A stream connection is open, accepted or made by us; `flow.connection` is its number.
    pub fn handle_stream_opened(&mut self, now: Instant, flow: Flow) {
        self.epoch.get_or_insert(now);
        let Some(id) = flow.connection else {
            return;
        };
        if self.connections.len() >= self.config.limits.connections {
            self.events
                .push_back(Event::StreamUseless { connection: id });
            return;
        }
        self.peers.insert((flow.transport, flow.remote), id);
        self.connections.insert(
            id,
            Stream {
                flow,
                buffer: Vec::new(),
                idle: None,
                lost: false,
            },
        );
    }

    /// Bytes came on a stream. False: the driver must close the connection, framing is lost.
    #[must_use]
    pub fn handle_stream_bytes(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) -> bool {
        let most = self.config.limits.message;
        let Some(stream) = self.connections.get_mut(&id) else {
            return false;
        };
        if stream.lost {
            return false;
        }
        stream.buffer.extend_from_slice(bytes);
        let flow = stream.flow;
        let mut buffer = std::mem::take(&mut stream.buffer);
        let mut at = 0;
        let (mut intact, mut whole) = (true, false);
        loop {
            let (skip, what) = frame(&buffer[at..], most);
            at += skip;
            match what {
                Frame::Partial => break,
                Frame::Ping => self.transmit(flow, b"\r\n".to_vec()),
                Frame::Message(length) => {
                    self.receive(now, flow, &buffer[at..at + length]);
                    at += length;
                    whole = true;
                }
                Frame::Lost(_) => {
                    intact = false;
                    break;
                }
            }
        }
        buffer.drain(..at);
        if let Some(stream) = self.connections.get_mut(&id) {
            stream.lost = !intact;
            // Counted from the beginning of a message: one that comes byte by byte is not waited for.
            if whole || buffer.is_empty() || !intact {
                self.timers.cancel(&mut stream.idle);
            }
            if intact {
                if !buffer.is_empty() && stream.idle.is_none() {
                    stream.idle = Some(
                        self.timers
                            .set(now + STREAM_PATIENCE, Timer::StreamIdle(id)),
                    );
                }
                stream.buffer = buffer;
            }
        }
        intact
    }

    /// A stream is closed. Requests under way on it fail; answers to come go over a new one.
    pub fn handle_stream_closed(&mut self, now: Instant, id: ConnectionId) {
        let Some(mut stream) = self.connections.remove(&id) else {
            return;
        };
        self.timers.cancel(&mut stream.idle);
        let peer = (stream.flow.transport, stream.flow.remote);
        if self.peers.get(&peer) == Some(&id) {
            self.peers.remove(&peer);
        }
        self.fail_clients(now, |flow| flow.connection == Some(id));
        self.connection_lost(now, id);
    }

    /// Nothing can be sent to this address: connection refused, ICMP unreachable.
    pub fn handle_unreachable(&mut self, now: Instant, remote: SocketAddr) {
        self.fail_clients(now, |flow| {
            flow.remote == remote && flow.connection.is_none()
        });
        self.events.push_back(Event::Unreachable { remote });
    }

    /// RFC 3261 section 8.1.3.1: a transport error counts as a 503.
    fn fail_clients(&mut self, now: Instant, on: impl Fn(&Flow) -> bool) {
        let mut failed: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, tx)| on(&tx.flow))
            .map(|(id, _)| *id)
            .collect();
        failed.sort_unstable();
        for id in failed {
            self.client_failed(now, id, 503);
        }
    }

    /// Runs what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::ClientRepeat(id) => self.client_repeat(now, id),
                Timer::ClientTimeout(id) => self.client_timeout(now, id),
                Timer::ClientGone(id) => self.end_client(id),
                Timer::ServerRepeat(id) => self.server_repeat(now, id),
                Timer::ServerGone(id) => self.end_server(id),
                Timer::Undecided(id) => self.respond_plain(now, id, 500, ""),
                Timer::AnswerRepeat(key) => self.answer_repeat(now, key),
                Timer::AnswerTimeout(key) => self.answer_timeout(now, key),
                Timer::ProvisionalRepeat(key) => self.provisional_repeat(now, key),
                Timer::ProvisionalTimeout(key) => self.provisional_timeout(now, key),
                Timer::SessionRefresh(key) => self.session_refresh(now, key),
                Timer::SessionExpired(key) => self.session_expired(now, key),
                Timer::ReofferAgain(key) => self.reoffer_again(now, key),
                Timer::Silence(id) => self.client_silent(now, id),
                Timer::InvitationTimeout(key) => self.invitation_timeout(now, key),
                Timer::Binding(aor, number) => self.binding_expired(&aor, number),
                Timer::Nonce(nonce) => {
                    self.nonces.remove(&nonce);
                }
                Timer::StreamIdle(id) => {
                    if let Some(stream) = self.connections.get_mut(&id) {
                        stream.lost = true;
                        stream.idle = None;
                        stream.buffer = Vec::new();
                        self.events
                            .push_back(Event::StreamUseless { connection: id });
                    }
                }
            }
        }
    }

    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next_at()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// How full the tables are.
    pub fn tables(&self) -> Tables {
        Tables {
            calls: self.calls.len().max(self.tags.len()),
            server_transactions: (self.servers.len() + self.finished.len())
                .max(self.server_keys.len()),
            client_transactions: self.clients.len().max(self.branches.len()),
            timers: self.timers.len(),
            registrations: self.bindings.len(),
            connections: self.connections.len(),
            nonces: self.nonces.len(),
        }
    }

    /// The Call-ID of a call, for its record.
    pub fn call_id(&self, key: DialogKey) -> Option<&str> {
        self.calls.get(&key).map(|c| c.call_id.as_str())
    }

    /// How long transactions live at most after the last call ended; a driver that stops waits
    /// no longer.
    pub fn linger(&self) -> Duration {
        self.config.t1 * 64
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn transmit(&mut self, flow: Flow, bytes: Vec<u8>) {
        let flow = self.resolve(flow);
        self.transmits.push_back(Transmit { flow, bytes });
    }

    /// Finds the connection to use: its own while open, otherwise another to the same address.
    pub(crate) fn resolve(&self, mut flow: Flow) -> Flow {
        if !flow.transport.reliable() {
            flow.connection = None;
            return flow;
        }
        let open = flow
            .connection
            .is_some_and(|id| self.connections.contains_key(&id));
        if !open {
            flow.connection = self.peers.get(&(flow.transport, flow.remote)).copied();
            if let Some(stream) = flow.connection.and_then(|id| self.connections.get(&id)) {
                flow.local = stream.flow.local;
            }
        }
        flow
    }
}
