//! One call: its owner's devices, and what each of them was told.

use crate::connection::Rate;
use crate::event::{DeviceId, Owner, SocketId};
use crate::late_answer::{LateAnswer, Notices, Reason};
use crate::sdk::Sdk;
use crate::sdp::Author;
use crate::timers::TimerId;
use std::collections::VecDeque;

pub(crate) struct Call {
    pub owner: Owner,
    pub late_answer: LateAnswer,
    pub notices: Notices,
    pub phase: Phase,
    pub parts: Vec<Part>,
    pub origin: Origin,
    /// Names of messages that came: a page sends them again after a dropped socket.
    pub messages: VecDeque<String>,
    pub message_rate: Rate,
}

/// Who began it.
pub(crate) enum Origin {
    /// The browser, under this TempSid.
    Browser { temp: String },
    /// The other side.
    Platform {
        /// What the page is told about the call.
        parameters: Vec<(String, String)>,
        /// Everybody who is called together with this identity, itself included.
        members: Vec<String>,
    },
}

/// How far the whole is. At most one device has the call; it stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Ringing,
    Answered(DeviceId),
    Over,
}

/// One device.
pub(crate) struct Part {
    pub device: DeviceId,
    /// None while its socket is gone.
    pub socket: Option<SocketId>,
    pub sdk: Sdk,
    pub agent: String,
    pub state: State,
    /// How the page knows the call: a server `hangup` under another name is not heard.
    pub known_as: String,
    /// Of its reconnect token; see `reconnect.rs`.
    pub number: u32,
    pub grace: Option<TimerId>,
}

pub(crate) enum State {
    /// The browser calls, nobody answered yet.
    Dialling(Dialling),
    /// It is being called.
    Offered(Offered),
    /// It has the call.
    Active(Active),
    /// It had a part and lost it: late words are met with the same end.
    Tombstone(Told, Reason),
    /// It ended its part itself; it is told nothing.
    Quiet,
}

#[derive(Default)]
pub(crate) struct Dialling {
    /// Whose offer it was.
    pub author: Author,
    /// `ringing` was sent.
    pub rung: bool,
    /// The page has our description: only the first one is applied.
    pub described: bool,
    /// A description that could not be sent with `ringing`.
    pub held: Option<String>,
}

pub(crate) struct Offered {
    /// Our offer, for a page that comes back.
    pub sdp: String,
    /// It said `reject` and may be a page being closed.
    pub declining: Option<TimerId>,
}

#[derive(Default)]
pub(crate) struct Active {
    /// Whose description it was.
    pub author: Author,
    pub reinvite: Reinvite,
    /// An answer of ours that found no socket: it goes first when there is one. The description is
    /// missing if the page has it.
    pub undelivered: Option<Option<String>>,
    /// A reconnect waits for the answer to a `reinvite`, which the page would mistake ours for.
    pub reconnect_due: bool,
    /// It took the call over from this device and waits for our description.
    pub moving_from: Option<DeviceId>,
    pub reinvite_rate: Rate,
}

/// An ICE restart.
#[derive(Default)]
pub(crate) enum Reinvite {
    #[default]
    None,
    /// The owner was asked; a newer offer waits.
    Asked { newer: Option<String> },
}

/// What a device knows of the end of its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It was told here.
    On(SocketId),
    /// It has no socket; it is told when it comes back.
    Owed,
    /// It is told after a while, if it does not answer before ([`LateAnswer::Silence`]).
    Withheld(TimerId),
    /// It answered, and is to find out by itself.
    Never,
    /// It is told when the device that takes over was answered.
    AfterMove,
}

impl Call {
    pub fn part(&self, device: DeviceId) -> Option<&Part> {
        self.parts.iter().find(|part| part.device == device)
    }

    pub fn part_mut(&mut self, device: DeviceId) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.device == device)
    }

    pub fn offered(&self) -> impl Iterator<Item = DeviceId> {
        self.parts
            .iter()
            .filter(|part| matches!(part.state, State::Offered(_)))
            .map(|part| part.device)
    }

    /// Whose words these are, if they came on this socket. What a page says after its socket was
    /// replaced names only the call, so a part of the same SDK and browser without a socket is taken
    /// for its own, or else one whose old socket only seems to be open.
    pub fn speaker(
        &self,
        socket: SocketId,
        sdk: Sdk,
        agent: &str,
        fits: impl Fn(&State) -> bool,
    ) -> Option<DeviceId> {
        if let Some(part) = self.parts.iter().find(|part| part.socket == Some(socket)) {
            return Some(part.device);
        }
        let alike = |part: &&Part| part.sdk == sdk && part.agent == agent;
        let fitting = || self.parts.iter().filter(|p| fits(&p.state)).filter(alike);
        fitting()
            .find(|part| part.socket.is_none())
            .or_else(|| fitting().next())
            .map(|part| part.device)
    }
}
