//! What the endpoint tells the call engine.

use crate::digest::Secret;
use crate::flow::{ConnectionId, Flow};
use crate::header::NameAddr;
use crate::message::{Headers, Method, Uri};
use std::net::SocketAddr;
use std::time::Duration;

/// Names one call of this endpoint, in either direction, from its first message to its last.
/// Numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogKey(pub u64);

/// Names one request that waits for [`crate::Endpoint::admit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChallengeId(pub u64);

/// The parts of a request outside any call that decisions are made from.
#[derive(Clone, Debug)]
pub struct RequestFacts {
    /// INVITE or REGISTER.
    pub method: Method,
    /// Whom the request is for.
    pub request_uri: Uri,
    /// Who says to have sent it.
    pub from: NameAddr,
    /// Whom it was first sent to; for REGISTER the address of record.
    pub to: NameAddr,
    /// The Call-ID.
    pub call_id: String,
    /// The path it came along; the remote address tells a trunk.
    pub flow: Flow,
    /// All headers.
    pub headers: Headers,
}

/// The decision about a request.
#[derive(Clone, Debug)]
pub enum Admission {
    /// Take it without a password: a trunk known by its address.
    Allow,
    /// Ask for a password (401).
    Challenge,
    /// Check the password that came with it against this one; wrong or missing: 401 again.
    Verify(Secret),
    /// Refuse it.
    Refuse {
        /// 300 to 699.
        status: u16,
        /// Empty: the usual phrase.
        reason: String,
        /// Further headers.
        headers: Vec<(String, String)>,
    },
    /// Say nothing at all, as towards scanners.
    Ignore,
}

/// Why a call is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The other side sent BYE.
    HungUpThere,
    /// We were told to hang up.
    HungUpHere,
    /// The other side never acknowledged our answer (64*T1).
    NoAck,
    /// The session timer ran out (RFC 4028).
    SessionExpired,
    /// The other side does not know the call any more (481), or went silent (408).
    Lost,
    /// A reliable 1xx was never acknowledged (RFC 3262).
    NoPrack,
    /// What the other side sent cannot be gone on with.
    Protocol(String),
}

/// Something happened that the call engine must know.
#[derive(Clone, Debug)]
pub enum Event {
    /// An INVITE or REGISTER from outside needs a decision; answer with
    /// [`crate::Endpoint::admit`] or [`crate::Endpoint::authenticate`]. A request whose nonce is
    /// stale never gets here.
    AuthenticationNeeded {
        /// Names the request.
        challenge: ChallengeId,
        /// The user name of its digest credentials for our realm, not yet checked.
        username: Option<String>,
        /// The request.
        facts: Box<RequestFacts>,
    },
    /// A call comes in and was admitted. 100 has been sent.
    Invited {
        /// The new call.
        key: DialogKey,
        /// The INVITE.
        facts: Box<RequestFacts>,
        /// The description offered; `None`: the offer must be in our answer and theirs comes
        /// with [`Event::Acknowledged`].
        offer: Option<String>,
        /// The user whose password was checked; `None` when allowed without.
        user: Option<String>,
    },
    /// Our call got a 1xx other than 100.
    Progressed {
        /// The call.
        key: DialogKey,
        /// 101 to 199.
        status: u16,
        /// Early media, when described.
        sdp: Option<String>,
        /// The headers of the response.
        headers: Headers,
    },
    /// Our call was answered; ACK has been sent.
    Answered {
        /// The call.
        key: DialogKey,
        /// The answer; `None` when an earlier reliable 1xx had it.
        sdp: Option<String>,
        /// The headers of the response.
        headers: Headers,
    },
    /// The ACK to our answer came; the call is up.
    Acknowledged {
        /// The call.
        key: DialogKey,
        /// The answer, when our 200 carried the offer.
        sdp: Option<String>,
    },
    /// Our call was refused, or failed: 408 nobody spoke, 503 unreachable. The call is over.
    Rejected {
        /// The call.
        key: DialogKey,
        /// 300 to 699.
        status: u16,
        /// The phrase.
        reason: String,
        /// The headers of the response.
        headers: Headers,
        /// The Retry-After.
        retry_after: Option<Duration>,
    },
    /// The caller gave up before we answered. The call is over.
    Canceled {
        /// The call.
        key: DialogKey,
        /// Text of the Reason header (RFC 3326).
        reason: Option<String>,
    },
    /// The other side wants to change the session (re-INVITE or UPDATE); answer with
    /// [`crate::Endpoint::answer_reoffer`] or [`crate::Endpoint::reject_reoffer`].
    Reoffered {
        /// The call.
        key: DialogKey,
        /// The new offer; `None`: our answer is to hold an offer, and theirs comes with
        /// [`Event::Acknowledged`].
        offer: Option<String>,
    },
    /// Our re-INVITE was answered.
    ReofferAnswered {
        /// The call.
        key: DialogKey,
        /// The answer.
        sdp: Option<String>,
    },
    /// Our re-INVITE was refused; the session goes on as it was.
    ReofferRejected {
        /// The call.
        key: DialogKey,
        /// 300 to 699.
        status: u16,
    },
    /// The call is over, exactly once for each call that was not rejected or canceled.
    Ended {
        /// The call.
        key: DialogKey,
        /// Why.
        reason: EndReason,
    },
    /// INFO inside a call; it has been answered.
    Info {
        /// The call.
        key: DialogKey,
        /// Its Content-Type.
        content_type: String,
        /// Its body.
        body: Vec<u8>,
        /// The key pressed, when the body is `application/dtmf-relay` or `application/dtmf`.
        digit: Option<char>,
    },
    /// How a transfer that we asked for with REFER goes: the status in the NOTIFY, or of the
    /// REFER itself when refused.
    ReferProgressed {
        /// The call.
        key: DialogKey,
        /// 100 to 699.
        status: u16,
    },
    /// A phone is reachable, newly or again.
    Registered {
        /// The address of record, `user@host`.
        aor: String,
        /// The contact.
        contact: Uri,
        /// The path to it.
        flow: Flow,
        /// For how long.
        expires: Duration,
        /// The user whose password was checked.
        user: Option<String>,
        /// Its User-Agent.
        user_agent: Option<String>,
        /// Whether it was not bound before.
        new: bool,
    },
    /// A phone is no longer reachable.
    Unregistered {
        /// The address of record.
        aor: String,
        /// The contact.
        contact: Uri,
        /// True when its time ran out, false when the phone or the loss of its connection ended it.
        expired: bool,
    },
    /// Nothing could be sent to this address any more; calls on it have been told by their own
    /// events.
    Unreachable {
        /// The address.
        remote: SocketAddr,
    },
    /// A stream is one too many, or half a message has been lying on it for too long: close it.
    StreamUseless {
        /// The stream.
        connection: ConnectionId,
    },
}
