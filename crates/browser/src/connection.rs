//! One socket: who is at the other end, what it may do, and what waits.

use crate::error::Fault;
use crate::event::{CheckId, Identity, Owner, SocketId};
use crate::frame::FromBrowser;
use crate::heartbeat::Heartbeat;
use crate::home::Way;
use crate::sdk::Sdk;
use crate::timers::TimerId;
use model::sid::{AccountSid, ApplicationSid, CallSid, KeySid};
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// What a good token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The account.
    pub account: AccountSid,
    /// The name; none in a capability token that can only call.
    pub identity: Option<String>,
    /// Whether it may be called.
    pub incoming: bool,
    /// Whether and how it may call.
    pub outgoing: Option<Outgoing>,
    /// How long the token is still good.
    pub ttl: Duration,
    /// What it was signed with, so that it falls with it.
    pub credential: Credential,
}

/// What a token says about calls made with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The TwiML application.
    pub application: ApplicationSid,
    /// Parameters of the token; they win over the page's.
    pub parameters: Vec<(String, String)>,
}

/// What a token was signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Credential {
    /// An API key.
    Key(KeySid),
    /// The auth token of an account.
    AuthToken(AccountSid),
}

/// How far a socket is.
pub(crate) enum Stage {
    /// Nothing it said was believed yet.
    Unauthenticated,
    /// It listens.
    Listening(Box<Listening>),
    /// It was told to go.
    Leaving,
}

pub(crate) struct Listening {
    pub owner: Owner,
    pub pass: Pass,
    /// The next `register` is answered with `ready`, even if nothing changes by it: version 1 waits
    /// for it after each `connected`.
    pub ready_owed: bool,
    pub presence: Presence,
    /// Why the pass is no longer good: expired, or its key deleted. Calls go on.
    pub refused: Option<Fault>,
}

pub(crate) enum Presence {
    Away,
    /// Until the timer, unless renewed.
    Registered(Option<TimerId>),
}

pub(crate) struct Check {
    pub id: CheckId,
}

pub(crate) struct Connection {
    pub sdk: Sdk,
    /// How it found us.
    pub way: Way,
    /// The page said that it goes, rather than lost its way.
    pub left: bool,
    pub agent: String,
    pub reconnect_timeout: u64,
    pub stage: Stage,
    /// A token is being looked at; what comes meanwhile waits in order.
    pub check: Option<Check>,
    pub queue: VecDeque<FromBrowser>,
    pub opened: Instant,
    pub heartbeat: Heartbeat,
    pub beat: Option<TimerId>,
    pub deadline: Option<TimerId>,
    pub expiry: Option<TimerId>,
    /// Calls with a part here, those that are over included.
    pub calls: BTreeSet<CallSid>,
    pub rate: Rate,
    pub malformed: u32,
}

impl Connection {
    pub fn new(now: Instant) -> Connection {
        Connection {
            sdk: Sdk::UNKNOWN,
            way: Way::default(),
            left: false,
            agent: String::new(),
            reconnect_timeout: 0,
            stage: Stage::Unauthenticated,
            check: None,
            queue: VecDeque::new(),
            opened: now,
            heartbeat: Heartbeat::new(now),
            beat: None,
            deadline: None,
            expiry: None,
            calls: BTreeSet::new(),
            rate: Rate::default(),
            malformed: 0,
        }
    }

    pub fn listening(&self) -> Option<&Listening> {
        match &self.stage {
            Stage::Listening(listening) => Some(listening),
            _ => None,
        }
    }

    pub fn listening_mut(&mut self) -> Option<&mut Listening> {
        match &mut self.stage {
            Stage::Listening(listening) => Some(listening),
            _ => None,
        }
    }

    pub fn owner(&self) -> Option<&Owner> {
        self.listening().map(|listening| &listening.owner)
    }

    /// Whether these can be two sockets of one page: nothing on the wire names a device.
    pub fn looks_like(&self, sdk: Sdk, agent: &str) -> bool {
        self.sdk == sdk && self.agent == agent
    }
}

/// Whose a pass makes a socket.
pub(crate) fn owner_of(pass: &Pass, socket: SocketId) -> Owner {
    Owner {
        account: pass.account,
        identity: match &pass.identity {
            Some(name) => Identity::Named(name.clone()),
            None => Identity::Anonymous(socket),
        },
    }
}

/// How many of something came within a span.
#[derive(Default)]
pub(crate) struct Rate {
    since: Option<Instant>,
    count: u32,
}

impl Rate {
    /// Counts one more; false if there are now more than `most` since the span began.
    pub fn admit(&mut self, now: Instant, span: Duration, most: u32) -> bool {
        if self
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= span)
        {
            self.since = Some(now);
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.count <= most
    }
}
