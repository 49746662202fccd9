//! `Reject`: refuses a call that was not answered; an answered one is hung up.

use model::call::CallStatus;
use twiml::words::RejectReason;

use super::Step;
use crate::call::Ending;
use crate::cx::Cx;

pub(crate) fn start<V>(verb: twiml::verbs::Reject, cx: &mut Cx) -> Step<V> {
    if cx.answered() {
        cx.alert(
            12200,
            false,
            "Reject came after the call was answered, which was hung up: put it first",
        );
        return Step::Hangup;
    }
    // 603 makes the caller's own network say that the number cannot be reached.
    let sip_status = match verb.reason {
        RejectReason::Busy => 486,
        RejectReason::Rejected => 603,
    };
    Step::Reject(Ending::new(CallStatus::Busy).reject(sip_status))
}
