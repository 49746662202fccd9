//! Who is at the other end of a socket: tokens, registration, and their ends.

use super::{CHECK, LEAVE, REGISTRATION, Revoked, Signalling};
use crate::call::Phase;
use crate::connection::{
    Check, Connection, Credential, Listening, Pass, Presence, Stage, owner_of,
};
use crate::error::{Fault, code};
use crate::event::{CheckId, DeviceId, Event, Identity, Oddity, Owner, SocketId};
use crate::frame::{FromBrowser, Listen, ToBrowser};
use crate::sdk::Sdk;
use crate::timers::Timer;
use model::sid::AccountSid;
use std::time::{Duration, Instant};

/// How long a deleted key is remembered against verdicts that were found before.
const REVOCATION: Duration = Duration::from_secs(15);
const MOST_REVOKED: usize = 1024;

/// A device that can be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The name it is called by.
    pub identity: String,
    /// Its SDK.
    pub sdk: Sdk,
    /// Its browser, as that calls itself.
    pub agent: String,
    /// Since when its socket is open.
    pub opened: Instant,
    /// Calls that it takes part in or that ring there.
    pub calls: usize,
}

impl Signalling {
    /// One frame, in its turn.
    pub(super) fn receive(&mut self, now: Instant, socket: SocketId, frame: FromBrowser) {
        let Some(connection) = self.connections.get(&socket) else {
            return;
        };
        match (&connection.stage, frame) {
            (_, FromBrowser::Beat) | (Stage::Leaving, _) => {}
            (_, FromBrowser::Listen(listen)) => self.listen(now, socket, *listen),
            (_, FromBrowser::Unknown(kind)) => self.odd(socket, Oddity::Unknown(kind)),
            (Stage::Unauthenticated, frame) => {
                self.odd(socket, Oddity::Early(frame.kind().to_owned()));
                let fault = Fault::new(code::INVALID_TOKEN, "Send 'listen' with a token first");
                self.send(socket, &error(fault));
            }
            (Stage::Listening(_), FromBrowser::Register { audio: true }) => {
                self.register(now, socket);
            }
            (Stage::Listening(_), FromBrowser::Register { audio: false }) => {
                self.unregister(socket);
                // Version 2 waits for it without end.
                self.send(socket, &ToBrowser::Offline);
            }
            (Stage::Listening(_), frame) => self.about_a_call(now, socket, frame),
        }
    }

    fn listen(&mut self, now: Instant, socket: SocketId, listen: Listen) {
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        connection.sdk = listen.sdk;
        connection.agent = listen.agent;
        connection.reconnect_timeout = listen.reconnect_timeout;
        self.checks += 1;
        let check = CheckId(self.checks);
        connection.check = Some(Check { id: check });
        self.timers.cancel(&mut connection.deadline);
        connection.deadline = Some(self.timers.set(now + CHECK, Timer::Deadline(socket)));
        self.events.push_back(Event::TokenToCheck {
            socket,
            check,
            token: listen.token,
            sdk: listen.sdk,
        });
    }

    /// The verdict about a token: what it allows, or the error for the page (31202 to 31207, see
    /// [`code`]). One that comes late is dropped.
    pub fn token_checked(
        &mut self,
        now: Instant,
        socket: SocketId,
        check: CheckId,
        verdict: Result<Pass, Fault>,
    ) {
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        if connection.check.as_ref().map(|check| check.id) != Some(check) {
            return;
        }
        connection.check = None;
        self.timers.cancel(&mut connection.deadline);
        match verdict.and_then(|pass| self.not_revoked(now, check, pass)) {
            Ok(pass) => self.connected(now, socket, pass),
            Err(fault) => self.refused(now, socket, fault),
        }
        // What waited, in order, up to the next `listen`.
        while let Some(connection) = self.connections.get_mut(&socket) {
            if connection.check.is_some() {
                return;
            }
            let Some(frame) = connection.queue.pop_front() else {
                return;
            };
            self.receive(now, socket, frame);
        }
    }

    fn not_revoked(&mut self, now: Instant, check: CheckId, pass: Pass) -> Result<Pass, Fault> {
        while self
            .revoked
            .front()
            .is_some_and(|(at, ..)| now.saturating_duration_since(*at) > REVOCATION)
        {
            self.revoked.pop_front();
        }
        let hit = self
            .revoked
            .iter()
            .find(|(_, last, what)| check <= *last && what.hits(&pass))
            .map(|(.., what)| what.fault());
        match hit {
            Some(fault) => Err(fault),
            None if pass.ttl.is_zero() => Err(expired()),
            None => Ok(pass),
        }
    }

    fn connected(&mut self, now: Instant, socket: SocketId, pass: Pass) {
        let owner = owner_of(&pass, socket);
        let Some(connection) = self.connections.get(&socket) else {
            return;
        };
        if connection.owner().is_some_and(|before| *before != owner) {
            // The protocol allows it: the old name leaves, the new one comes.
            self.unregister(socket);
            self.abandon_offers(now, socket);
        }
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        self.timers.cancel(&mut connection.expiry);
        let expiry = self.timers.set(now + pass.ttl, Timer::TokenExpiry(socket));
        connection.expiry = Some(expiry);
        let before = std::mem::replace(&mut connection.stage, Stage::Unauthenticated);
        let presence = match before {
            Stage::Listening(listening) => listening.presence,
            _ => Presence::Away,
        };
        let registered = matches!(presence, Presence::Registered(_));
        let callable = pass.incoming;
        let sdk = connection.sdk;
        let place = connection.way.place();
        let frame = ToBrowser::Connected {
            region: place.map_or_else(|| self.config.region.clone(), |at| at.region.to_owned()),
            edge: match (connection.way.edge(sdk), &self.config.pinned_edge) {
                (Some(_), Some(edge)) => edge.clone(),
                (Some(edge), None) => edge,
                (None, Some(edge)) if sdk.pins_edge() => edge.clone(),
                (None, _) => {
                    place.map_or_else(|| self.config.edge.clone(), |at| at.edge.to_owned())
                }
            },
            home: (self.config.home.clone()).unwrap_or_else(|| connection.way.home()),
            gateway: self.config.gateway.clone(),
            identity: owner.identity.name().to_owned(),
            ttl: pass.ttl.as_secs(),
        };
        connection.stage = Stage::Listening(Box::new(Listening {
            owner: owner.clone(),
            pass,
            ready_owed: true,
            presence,
            refused: None,
        }));
        self.send(socket, &frame);
        // A new token may take or give the right to be called.
        if registered && !callable {
            self.leave_registry(socket, &owner);
        } else if registered {
            self.enter_registry(socket, &owner);
        }
        self.adopt_running(socket, &owner);
    }

    /// A token that is not good. Only the first one costs the socket: a page that is given a bad
    /// new one keeps what its old one allows, and its calls.
    fn refused(&mut self, now: Instant, socket: SocketId, fault: Fault) {
        self.send(socket, &error(fault));
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        if matches!(connection.stage, Stage::Unauthenticated) {
            connection.stage = Stage::Leaving;
            connection.deadline = Some(self.timers.set(now + LEAVE, Timer::Deadline(socket)));
            self.send(socket, &ToBrowser::Close);
        }
    }

    pub(super) fn deadline(&mut self, now: Instant, socket: SocketId) {
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        connection.deadline = None;
        match connection.stage {
            // 1011: the fault is ours; the page comes again.
            _ if connection.check.is_some() => {
                self.give_up(now, socket, 1011, Oddity::Undecided);
            }
            Stage::Unauthenticated => self.give_up(now, socket, 1008, Oddity::Silent),
            _ => self.close(now, socket, 1000),
        }
    }

    fn register(&mut self, now: Instant, socket: SocketId) {
        let Some(listening) = self
            .connections
            .get_mut(&socket)
            .and_then(Connection::listening_mut)
        else {
            return;
        };
        if let Some(fault) = listening.refused.clone() {
            self.send(socket, &error(fault));
            self.send(socket, &ToBrowser::Offline);
            return;
        }
        let fresh = match &mut listening.presence {
            Presence::Registered(renew) => {
                self.timers.cancel(renew);
                false
            }
            Presence::Away => true,
        };
        let renew = self
            .timers
            .set(now + REGISTRATION, Timer::Registration(socket));
        listening.presence = Presence::Registered(Some(renew));
        // Version 1 raises `ready` at each one: only the first and after changes.
        let ready = std::mem::replace(&mut listening.ready_owed, false) || fresh;
        let owner = listening.owner.clone();
        let callable = listening.pass.incoming;
        if ready {
            self.send(socket, &ToBrowser::Ready);
        }
        // Without the right to be called it is told that all is well, and never called.
        if fresh && callable {
            self.enter_registry(socket, &owner);
        }
        if fresh {
            self.settle(now, socket, &owner);
        }
        if fresh && callable {
            self.adopt_offers(socket, &owner);
        }
    }

    fn enter_registry(&mut self, socket: SocketId, owner: &Owner) {
        // An identity is needed to be called by.
        let Identity::Named(_) = owner.identity else {
            return;
        };
        if self.registry.devices(owner).contains(&socket) {
            return;
        }
        let evicted = self.registry.add(owner, socket, self.config.limits.devices);
        let sdk = self.connections[&socket].sdk;
        self.events.push_back(Event::Registered {
            socket,
            owner: owner.clone(),
            sdk,
            devices: self.registry.devices(owner).len(),
        });
        if let Some(evicted) = evicted {
            self.away(evicted);
            self.send(evicted, &ToBrowser::Offline);
            self.events.push_back(Event::Unregistered {
                socket: evicted,
                owner: owner.clone(),
                devices: self.registry.devices(owner).len(),
            });
        }
    }

    fn leave_registry(&mut self, socket: SocketId, owner: &Owner) {
        if self.registry.remove(owner, socket) {
            self.events.push_back(Event::Unregistered {
                socket,
                owner: owner.clone(),
                devices: self.registry.devices(owner).len(),
            });
        }
    }

    fn away(&mut self, socket: SocketId) {
        let Some(listening) = self
            .connections
            .get_mut(&socket)
            .and_then(Connection::listening_mut)
        else {
            return;
        };
        if let Presence::Registered(renew) = &mut listening.presence {
            self.timers.cancel(renew);
            listening.presence = Presence::Away;
        }
    }

    pub(super) fn unregister(&mut self, socket: SocketId) {
        self.away(socket);
        let owner = self
            .connections
            .get(&socket)
            .and_then(|connection| connection.owner().cloned());
        if let Some(owner) = owner {
            self.leave_registry(socket, &owner);
        }
    }

    /// What a socket that was taken out of the table still has in the registry.
    pub(super) fn end_presence(&mut self, socket: SocketId, connection: &mut Connection) {
        if let Some(listening) = connection.listening_mut() {
            if let Presence::Registered(renew) = &mut listening.presence {
                self.timers.cancel(renew);
            }
            let owner = listening.owner.clone();
            self.leave_registry(socket, &owner);
        }
    }

    /// Its page lives, for it echoes, and renews no more: generation 2 stops when a new token of its
    /// has expired (31205), although the one before is still good.
    pub(super) fn registration_over(&mut self, socket: SocketId) {
        self.unregister(socket);
        self.send(socket, &ToBrowser::Offline);
    }

    pub(super) fn token_over(&mut self, socket: SocketId) {
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.expiry = None;
        }
        self.withdraw_pass(socket, expired());
    }

    /// The socket stays, its calls go on; it is not called any more and cannot call.
    fn withdraw_pass(&mut self, socket: SocketId, fault: Fault) {
        let Some(listening) = self
            .connections
            .get_mut(&socket)
            .and_then(Connection::listening_mut)
        else {
            return;
        };
        if listening.refused.is_some() {
            return;
        }
        listening.refused = Some(fault.clone());
        self.send(socket, &error(fault));
        self.send(socket, &ToBrowser::Offline);
        self.unregister(socket);
    }

    /// A key was deleted, or an auth token replaced: what was signed with it allows nothing from
    /// now on. Calls in progress go on.
    pub fn revoke(&mut self, now: Instant, credential: Credential) {
        self.fall(now, Revoked::Credential(credential));
    }

    /// An account was suspended or closed: nobody of it can be called or call. Its calls are the
    /// owner's to end.
    pub fn suspend(&mut self, now: Instant, account: AccountSid) {
        self.fall(now, Revoked::Account(account));
    }

    /// An account is active again: the pages that its suspension sent offline are sent away, and come
    /// back by themselves; while their socket lives neither generation asks again (E3).
    pub fn activate(&mut self, now: Instant, account: AccountSid) {
        let what = Revoked::Account(account);
        self.revoked.retain(|(.., revoked)| *revoked != what);
        let suspended = |connection: &Connection| {
            connection.listening().is_some_and(|listening| {
                what.hits(&listening.pass) && listening.refused == Some(what.fault())
            })
        };
        let hit: Vec<SocketId> = (self.connections.iter())
            .filter(|(_, connection)| suspended(connection))
            .map(|(socket, _)| *socket)
            .collect();
        for socket in hit {
            self.close(now, socket, 1012);
        }
    }

    /// The devices of an account that can be called, by name and in the order of their registration.
    pub fn registered(&self, account: AccountSid) -> Vec<Registered> {
        let known = |socket: &SocketId| self.connections.get(socket);
        let device = |owner: &Owner, socket: &SocketId| {
            known(socket).map(|connection| Registered {
                identity: owner.identity.name().to_owned(),
                sdk: connection.sdk,
                agent: connection.agent.clone(),
                opened: connection.opened,
                calls: (connection.calls.iter())
                    .filter(|sid| {
                        let call = self.calls.get(sid);
                        call.is_some_and(|call| call.phase != Phase::Over)
                    })
                    .count(),
            })
        };
        (self.registry.all())
            .filter(|(owner, _)| owner.account == account)
            .flat_map(|(owner, sockets)| sockets.iter().filter_map(move |s| device(owner, s)))
            .collect()
    }

    fn fall(&mut self, now: Instant, what: Revoked) {
        self.revoked.push_back((now, CheckId(self.checks), what));
        if self.revoked.len() > MOST_REVOKED {
            self.revoked.pop_front();
        }
        let hit: Vec<SocketId> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.listening().is_some_and(|l| what.hits(&l.pass)))
            .map(|(socket, _)| *socket)
            .collect();
        for socket in hit {
            self.withdraw_pass(socket, what.fault());
        }
    }

    /// The devices that a call to this name would ring at now. Make an offer for each and hand them
    /// to `invite`.
    pub fn devices(&self, owner: &Owner) -> Vec<DeviceId> {
        self.registry
            .devices(owner)
            .iter()
            .map(|socket| DeviceId(socket.0))
            .collect()
    }

    /// Sends everybody away with a code that makes them come back without an error: the server
    /// stops. Calls that live are lost to their pages only if it is gone for long.
    pub fn shut_down(&mut self, now: Instant) {
        let sockets: Vec<SocketId> = self.connections.keys().copied().collect();
        for socket in sockets {
            self.close(now, socket, 1012);
        }
    }
}

impl Revoked {
    fn hits(self, pass: &Pass) -> bool {
        match self {
            Revoked::Credential(credential) => pass.credential == credential,
            Revoked::Account(account) => pass.account == account,
        }
    }

    fn fault(self) -> Fault {
        match self {
            Revoked::Credential(_) => Fault::new(
                code::INVALID_TOKEN,
                "The key that signed this token was deleted; get a new token",
            ),
            Revoked::Account(_) => Fault::new(code::NO_ACCOUNT, "The account is not active"),
        }
    }
}

fn expired() -> Fault {
    Fault::new(
        code::TOKEN_EXPIRED,
        "The token has expired; get a new token",
    )
}

pub(super) fn error(fault: Fault) -> ToBrowser {
    ToBrowser::Error {
        fault,
        call: None,
        voice_event_sid: None,
    }
}
