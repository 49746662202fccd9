//! One value that speaks with all browsers.

mod command;
mod inbound;
mod parting;
mod socket;

pub use command::Invitation;
pub use socket::Registered;

use crate::call::{Active, Call, Origin, Part, Phase, State, Told};
use crate::chance::Chance;
use crate::config::Config;
use crate::connection::{Connection, Credential};
use crate::event::{CheckId, DeviceId, Event, Oddity, Owner, SocketId, Transmit};
use crate::frame::{BEAT, FromBrowser, LONGEST_OF_STRANGERS, Malformed, ToBrowser};
use crate::heartbeat;
use crate::home::Way;
use crate::reconnect::Reconnect;
use crate::registry::Registry;
use crate::timers::{Timer, Timers};
use model::sid::{AccountSid, CallSid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// How long a socket may be open without `listen`.
const LISTEN: Duration = Duration::from_secs(10);
/// How long the owner may look at a token.
const CHECK: Duration = Duration::from_secs(10);
/// How long a page may take to close its socket after `close`.
const LEAVE: Duration = Duration::from_secs(5);
/// A registration is renewed every 30 s, and once a minute by a page that nobody looks at, whose
/// browser lets its timers run no more often; one may be missed then. Who is dead echoes no line feed,
/// and is found by that.
const REGISTRATION: Duration = Duration::from_secs(135);
/// How long a part in a call waits for a socket.
const GRACE: Duration = Duration::from_secs(30);
/// How long a page that closed its socket may take to be there again: it was loaded anew, or its
/// SDK heard nothing for too long.
const RELOAD: Duration = Duration::from_secs(3);
/// A page that is being closed closes its socket this soon after its `reject`.
const UNLOAD: Duration = Duration::from_millis(300);
/// Who lives has echoed a line feed in this time.
const ECHO: Duration = Duration::from_secs(12);
/// How long an answer may cross ours, when losers are to be left in the dark.
const WITHHELD: Duration = Duration::from_secs(1);
/// How long a call that is over is still known.
const TOMBSTONE: Duration = Duration::from_secs(60);

/// How many entries each table holds, for the metrics page and for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Sockets.
    pub connections: usize,
    /// Devices that can be called.
    pub registrations: usize,
    /// Names that can be called.
    pub identities: usize,
    /// Calls that live.
    pub calls: usize,
    /// Calls that are over and still known.
    pub tombstones: usize,
    /// TempSids.
    pub temps: usize,
    /// Timers running.
    pub timers: usize,
}

/// The signalling of all browsers.
///
/// After each `handle_` and each command drain [`Signalling::poll_transmit`] and
/// [`Signalling::poll_event`], and call [`Signalling::handle_timeout`] at
/// [`Signalling::poll_timeout`]. Commands about a call that is over, or of another state, change
/// nothing: the two always cross somewhere.
pub struct Signalling {
    config: Config,
    chance: Chance,
    reconnect: Reconnect,
    timers: Timers,
    connections: BTreeMap<SocketId, Connection>,
    registry: Registry,
    calls: BTreeMap<CallSid, Call>,
    temps: BTreeMap<(Owner, String), CallSid>,
    /// The calls of an identity, those that are over included.
    owned: BTreeMap<Owner, BTreeSet<CallSid>>,
    /// Calls that are over, in the order of their end.
    over: VecDeque<CallSid>,
    /// Deleted a moment ago, and the last check that was asked for before: its verdict may have been
    /// found before, and still come.
    revoked: VecDeque<(Instant, CheckId, Revoked)>,
    checks: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Revoked {
    Credential(Credential),
    Account(AccountSid),
}

impl Signalling {
    /// A machine whose tokens and identifiers follow from the seed, which must be secret and
    /// fresh.
    pub fn new(config: Config, seed: [u8; 32]) -> Signalling {
        let chance = Chance::new(seed);
        Signalling {
            reconnect: Reconnect::new(chance.derive("reconnect")),
            config,
            chance,
            timers: Timers::default(),
            connections: BTreeMap::new(),
            registry: Registry::default(),
            calls: BTreeMap::new(),
            temps: BTreeMap::new(),
            owned: BTreeMap::new(),
            over: VecDeque::new(),
            revoked: VecDeque::new(),
            checks: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A socket is open. False: there are too many; close it with 1013.
    #[must_use]
    pub fn handle_opened(&mut self, now: Instant, socket: SocketId) -> bool {
        if self.connections.len() >= self.config.limits.connections
            || self.connections.contains_key(&socket)
        {
            return false;
        }
        let mut connection = Connection::new(now);
        connection.beat = Some(self.timers.set(now + heartbeat::EVERY, Timer::Beat(socket)));
        connection.deadline = Some(self.timers.set(now + LISTEN, Timer::Deadline(socket)));
        self.connections.insert(socket, connection);
        true
    }

    /// By which host (with its port, if it named one) a socket's page asked for us: where it is sent
    /// for telemetry and to come back, unless the settings say so.
    pub fn asked_for(&mut self, socket: SocketId, host: &str) {
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.way = Way::of(host);
        }
    }

    /// A text frame came. Binary ones are not part of the protocol: drop them.
    pub fn handle_text(&mut self, now: Instant, socket: SocketId, text: &str) {
        let limits = &self.config.limits;
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        connection.heartbeat.heard(now);
        let second = Duration::from_secs(1);
        if !connection.rate.admit(now, second, limits.frames_per_second) {
            self.give_up(now, socket, 1008, Oddity::Flood);
            return;
        }
        // What waits for a verdict is bounded by this.
        let strange = connection.check.is_some() || connection.listening().is_none();
        if strange && text.len() > LONGEST_OF_STRANGERS {
            let oddity = Oddity::Malformed(Malformed::TooLong(text.len()));
            self.give_up(now, socket, 1009, oddity);
            return;
        }
        let frame = match FromBrowser::parse(text) {
            Ok(frame) => frame,
            Err(Malformed::TooLong(bytes)) => {
                let oddity = Oddity::Malformed(Malformed::TooLong(bytes));
                self.give_up(now, socket, 1009, oddity);
                return;
            }
            Err(malformed) => {
                connection.malformed += 1;
                if connection.malformed > limits.malformed {
                    self.give_up(now, socket, 1008, Oddity::Malformed(malformed));
                } else {
                    self.odd(socket, Oddity::Malformed(malformed));
                }
                return;
            }
        };
        if frame == FromBrowser::Beat {
            return;
        }
        // Strictly in order: what was flushed behind `listen` is not early, only quick.
        if connection.check.is_some() {
            if connection.queue.len() >= limits.queue {
                self.give_up(now, socket, 1008, Oddity::Flood);
            } else {
                connection.queue.push_back(frame);
            }
            return;
        }
        self.receive(now, socket, frame);
    }

    /// A socket is closed by its page, with a close frame (RFC 6455 section 5.5.1): by a page that
    /// is closed itself or loaded anew, or by an SDK that comes back in a moment. A connection that
    /// is lost has no such frame.
    pub fn handle_left(&mut self, now: Instant, socket: SocketId) {
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.left = true;
        }
        self.handle_closed(now, socket);
    }

    /// A socket is closed, by whomever.
    pub fn handle_closed(&mut self, now: Instant, socket: SocketId) {
        let Some(mut connection) = self.connections.remove(&socket) else {
            return;
        };
        for timer in [
            &mut connection.beat,
            &mut connection.deadline,
            &mut connection.expiry,
        ] {
            self.timers.cancel(timer);
        }
        self.end_presence(socket, &mut connection);
        for call in std::mem::take(&mut connection.calls) {
            self.socket_lost(now, call, socket, &connection);
        }
    }

    /// Runs what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Beat(socket) => self.beat(now, socket),
                Timer::Deadline(socket) => self.deadline(now, socket),
                Timer::Registration(socket) => self.registration_over(socket),
                Timer::TokenExpiry(socket) => self.token_over(socket),
                Timer::Declined(call, device) => self.declined(now, call, device, None),
                Timer::Grace(call, device) => self.grace_over(now, call, device),
                Timer::Withheld(call, device) => self.withheld_over(call, device),
                Timer::Settle(socket) => self.settle_again(now, socket),
                Timer::Forget(call) => self.forget(call),
            }
        }
    }

    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next_at()
    }

    /// The next thing to do with a socket.
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
            connections: self.connections.len(),
            registrations: self.registry.registrations(),
            identities: self.registry.identities(),
            calls: self.calls.len() - self.over.len(),
            tombstones: self.over.len(),
            temps: self.temps.len(),
            timers: self.timers.len(),
        }
    }

    /// The device that has a call, if one has.
    pub fn winner(&self, call: CallSid) -> Option<DeviceId> {
        match self.calls.get(&call)?.phase {
            Phase::Answered(device) => Some(device),
            _ => None,
        }
    }

    fn beat(&mut self, now: Instant, socket: SocketId) {
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        if connection.heartbeat.dead(now) {
            connection.beat = None;
            self.give_up(now, socket, 1001, Oddity::Silent);
            return;
        }
        connection.beat = Some(self.timers.set(now + heartbeat::EVERY, Timer::Beat(socket)));
        self.transmits.push_back(Transmit::Text {
            socket,
            text: BEAT.to_owned(),
        });
    }

    fn odd(&mut self, socket: SocketId, oddity: Oddity) {
        self.events.push_back(Event::Odd { socket, oddity });
    }

    /// Closes a socket for a reason that belongs in the log.
    fn give_up(&mut self, now: Instant, socket: SocketId, code: u16, oddity: Oddity) {
        self.odd(socket, oddity);
        self.close(now, socket, code);
    }

    fn close(&mut self, now: Instant, socket: SocketId, code: u16) {
        self.transmits.push_back(Transmit::Close { socket, code });
        self.handle_closed(now, socket);
    }

    fn send(&mut self, socket: SocketId, frame: &ToBrowser) {
        if self.connections.contains_key(&socket) {
            self.transmits.push_back(Transmit::Text {
                socket,
                text: frame.to_text(),
            });
        }
    }

    fn part_mut(&mut self, call: CallSid, device: DeviceId) -> Option<&mut Part> {
        self.calls.get_mut(&call)?.part_mut(device)
    }

    /// A part whose device has the call.
    fn active_mut(&mut self, call: CallSid, device: DeviceId) -> Option<&mut Active> {
        match &mut self.part_mut(call, device)?.state {
            State::Active(active) => Some(active),
            _ => None,
        }
    }

    /// The token that a page gets with a frame.
    fn token(&self, call: CallSid, device: DeviceId) -> String {
        let Some(known) = self.calls.get(&call) else {
            return String::new();
        };
        let number = known.part(device).map_or(0, |part| part.number);
        self.reconnect.token(&known.owner, call, device, number)
    }

    /// Enters a call.
    fn insert(&mut self, sid: CallSid, call: Call) {
        for part in &call.parts {
            if let Some(connection) = part.socket.and_then(|s| self.connections.get_mut(&s)) {
                connection.calls.insert(sid);
            }
        }
        if let Origin::Browser { temp } = &call.origin {
            self.temps.insert((call.owner.clone(), temp.clone()), sid);
        }
        self.owned
            .entry(call.owner.clone())
            .or_default()
            .insert(sid);
        self.calls.insert(sid, call);
    }

    /// Takes a call that is over out of every table.
    fn forget(&mut self, sid: CallSid) {
        let Some(mut call) = self.calls.remove(&sid) else {
            return;
        };
        for part in &mut call.parts {
            self.timers.cancel(&mut part.grace);
            if let State::Tombstone(Told::Withheld(timer), _) = part.state {
                self.timers.cancel(&mut Some(timer));
            }
        }
        for connection in call
            .parts
            .iter()
            .filter_map(|part| part.socket)
            .collect::<Vec<_>>()
        {
            if let Some(connection) = self.connections.get_mut(&connection) {
                connection.calls.remove(&sid);
            }
        }
        if let Origin::Browser { temp } = call.origin {
            self.temps.remove(&(call.owner.clone(), temp));
        }
        if let Some(owned) = self.owned.get_mut(&call.owner) {
            owned.remove(&sid);
            if owned.is_empty() {
                self.owned.remove(&call.owner);
            }
        }
        if self.over.front() == Some(&sid) {
            self.over.pop_front();
        } else {
            self.over.retain(|other| *other != sid);
        }
    }

    /// Everything an identity has part in, in an order that is the same every time.
    fn calls_of(&self, owner: &Owner) -> Vec<CallSid> {
        self.owned
            .get(owner)
            .map(|calls| calls.iter().copied().collect())
            .unwrap_or_default()
    }
}
