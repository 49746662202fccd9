//! What the machine tells its owner.

use crate::connection::Outgoing;
use crate::error::Fault;
use crate::frame::{Malformed, Message};
use crate::late_answer::LateAnswer;
use crate::sdk::Sdk;
use model::pii::Pii;
use model::sid::{AccountSid, CallSid};

/// A socket, named by whoever accepted it; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// A device's part in a call. It bears the number of the socket on which the call began there, and
/// keeps it when that socket is replaced: what is kept for the part (its media) is found by call
/// and device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u64);

/// A question about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u64);

/// Whose a socket or a call is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The account.
    pub account: AccountSid,
    /// The name in it.
    pub identity: Identity,
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// Of the token.
    Named(String),
    /// A capability token without a name: it can only call, and nobody else is the same nobody.
    Anonymous(SocketId),
}

impl Identity {
    /// As in `client:NAME`.
    pub fn name(&self) -> &str {
        match self {
            Identity::Named(name) => name,
            Identity::Anonymous(_) => "Anonymous",
        }
    }
}

/// Something to do with a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmit {
    /// Send a text frame.
    Text {
        /// Where.
        socket: SocketId,
        /// What.
        text: String,
    },
    /// Close it. The machine has forgotten it; `handle_closed` need not be called.
    Close {
        /// Which.
        socket: SocketId,
        /// The close code; never 1006 or 1015, which raise an error in the page.
        code: u16,
    },
}

/// A call from a browser.
#[derive(Debug, Clone, PartialEq)]
pub struct Invited {
    /// Its name, made by us.
    pub call: CallSid,
    /// The caller's device.
    pub device: DeviceId,
    /// The caller.
    pub owner: Owner,
    /// The application to ask, and what the token adds to the request.
    pub outgoing: Outgoing,
    /// The page's parameters, decoded, in order.
    pub parameters: Vec<(String, String)>,
    /// The offer.
    pub sdp: String,
    /// A preflight test (1.13.0 to 2.10.2 say so).
    pub preflight: bool,
    /// The caller's SDK.
    pub sdk: Sdk,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Look at this token and say so with `token_checked`. What the socket sent after it waits.
    TokenToCheck {
        /// Whose.
        socket: SocketId,
        /// Names the verdict.
        check: CheckId,
        /// The token as sent.
        token: Pii<String>,
        /// The SDK.
        sdk: Sdk,
    },
    /// A device can be called.
    Registered {
        /// Which; also what its next calls' parts are called.
        socket: SocketId,
        /// Who.
        owner: Owner,
        /// The SDK.
        sdk: Sdk,
        /// How many devices of the identity there are now; 1: it came online.
        devices: usize,
    },
    /// A device can no longer be called.
    Unregistered {
        /// Which.
        socket: SocketId,
        /// Who.
        owner: Owner,
        /// How many devices of the identity are left; 0: it went offline.
        devices: usize,
    },
    /// A browser calls. Ring, answer or hang up.
    Invited(Box<Invited>),
    /// A call was offered to these devices. A page says nothing of ringing; this is all there is.
    Ringing {
        /// Which call.
        call: CallSid,
        /// Where.
        devices: Vec<DeviceId>,
    },
    /// A device took the call: the first usable answer. There is no second.
    Answered {
        /// Which call.
        call: CallSid,
        /// The winner.
        device: DeviceId,
        /// Its answer.
        sdp: String,
        /// The others: they were told, their media can go.
        losers: Vec<DeviceId>,
    },
    /// Somebody answered after the call was decided or over, and was told so.
    AnsweredLate {
        /// Which call.
        call: CallSid,
        /// Who.
        device: DeviceId,
        /// How.
        told: LateAnswer,
    },
    /// One device is out, others ring on; its media can go.
    DeviceGone {
        /// Which call.
        call: CallSid,
        /// Which.
        device: DeviceId,
    },
    /// The call was declined at one device, which decides for the identity. The call is over.
    Rejected {
        /// Which call.
        call: CallSid,
        /// Where.
        device: DeviceId,
        /// Set if not a human but an unusable answer was the cause.
        fault: Option<Fault>,
    },
    /// No device is left that the call could ring at. The call is over.
    Unreachable {
        /// Which call.
        call: CallSid,
    },
    /// The browser hung up. The call is over.
    HungUp {
        /// Which call.
        call: CallSid,
        /// Where.
        device: DeviceId,
        /// What it said about a failure of its media.
        message: Option<String>,
    },
    /// Keys, by signalling.
    Dtmf {
        /// Which call.
        call: CallSid,
        /// 0-9, `*`, `#`, and `w` for half a second.
        digits: String,
    },
    /// An ICE restart; answer it with `answer_reinvite`. Until then no other comes for this call.
    Reinvited {
        /// Which call.
        call: CallSid,
        /// Where.
        device: DeviceId,
        /// The offer.
        sdp: String,
    },
    /// Another device of the same identity takes the call over, answered or not. Make media for
    /// `to`, then `answer`; the call stays where it was until then, or has been answered by this.
    Moved {
        /// Which call.
        call: CallSid,
        /// Where it was.
        from: DeviceId,
        /// Where it goes.
        to: DeviceId,
        /// The offer of the new device.
        sdp: String,
        /// If it was ringing: who else is out.
        losers: Vec<DeviceId>,
    },
    /// A call message.
    MessageReceived {
        /// Which call.
        call: CallSid,
        /// From where.
        device: DeviceId,
        /// It.
        message: Box<Message>,
    },
    /// The socket of a call in progress dropped; its media may go on.
    SignallingLost {
        /// Which call.
        call: CallSid,
        /// Where.
        device: DeviceId,
    },
    /// It came back.
    SignallingBack {
        /// Which call.
        call: CallSid,
        /// Where.
        device: DeviceId,
    },
    /// It did not come back in time, or cannot. If no sound comes either, hang up.
    Lost {
        /// Which call.
        call: CallSid,
        /// Where.
        device: DeviceId,
    },
    /// Something for the log.
    Odd {
        /// Where.
        socket: SocketId,
        /// What.
        oddity: Oddity,
    },
}

/// A frame that was passed over, or a socket that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// It could not be read.
    Malformed(Malformed),
    /// Its type is not known.
    Unknown(String),
    /// It came before `listen`.
    Early(String),
    /// It is about a call that is not the sender's, not known, or in another state.
    Misplaced(String),
    /// The socket sent too much and was closed.
    Flood,
    /// The socket said nothing for too long and was closed.
    Silent,
    /// Nobody looked at its token in time.
    Undecided,
}
