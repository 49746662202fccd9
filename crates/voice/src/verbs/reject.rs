//! `Reject`: refuses a call that was not answered; an answered one is hung up.

use model::call::CallStatus;
use twiml::words::RejectReason;

use super::Step;
use crate::call::Ending;
use crate::cx::Cx;

pub(crate) fn start<V>(verb: twiml::verbs::Reject, cx: &mut Cx) -> Step<V> {
    let told = [("Parameter", !verb.parameters.is_empty())];
    cx.unexecuted(
        "Reject",
        "the caller is told nothing but the refusal yet",
        &told,
    );
    if cx.answered() {
        cx.alert(
            12200,
            false,
            "Reject came after the call was answered, which was hung up: put it first",
        );
        return Step::Hangup;
    }
    // compat reject-3: the caller's own network says that there is no such number.
    let sip_status = match verb.reason {
        RejectReason::Busy => 486,
        RejectReason::Rejected => 404,
    };
    Step::Reject(Ending::new(CallStatus::Busy).reject(sip_status))
}
