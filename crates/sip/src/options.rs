//! OPTIONS, and what we say of ourselves in other answers (RFC 3261 section 11).

use crate::endpoint::Endpoint;
use crate::message::{HeaderName, Response};
use std::time::Instant;

/// The methods we know.
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, PRACK, UPDATE, INFO, \
                                REFER, NOTIFY";
/// The extensions we know.
pub(crate) const SUPPORTED: &str = "100rel, timer";

/// Whether we know an extension that a request requires.
pub(crate) fn supports(option: &str) -> bool {
    ["100rel", "timer", "path", "outbound"]
        .iter()
        .any(|o| option.eq_ignore_ascii_case(o))
}

pub(crate) fn introduce(response: &mut Response) {
    response.headers.push(HeaderName::Allow, ALLOW);
    response.headers.push(HeaderName::Supported, SUPPORTED);
}

impl Endpoint {
    pub(crate) fn options(&mut self, now: Instant, id: u64) {
        if let Some(mut response) = self.response_for(id, 200, "") {
            introduce(&mut response);
            response.headers.push(HeaderName::Accept, "application/sdp");
            self.respond(now, id, response);
        }
    }
}
