//! Two calls that hear each other.
//!
//! ```text
//! apart ── Intent::Join, both alive ──► joined ── either ends, or is sent elsewhere ──► apart
//! ```
//!
//! Sound is joined and parted by one effect on one leg; the shell knows both.

use model::sid::CallSid;

use crate::call::Body;
use crate::cx::Out;
use crate::effect::{Effect, MediaCommand};
use crate::input::LegId;
use crate::intent::Intent;

/// The other side of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub call: CallSid,
    pub leg: LegId,
}

/// Takes a call out of its bridge; does nothing if it is in none.
pub(crate) fn part(body: &mut Body, out: &mut Out) {
    if let (Some(peer), Some(leg)) = (body.peer.take(), body.leg) {
        let unbridge = MediaCommand::Unbridge(leg);
        out.effects.push_back(Effect::Media(peer.leg, unbridge));
        out.intents.push_back(Intent::Parted { call: peer.call });
    }
}
