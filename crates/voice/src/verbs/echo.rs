//! `Echo`: the caller hears himself until he hangs up, the time limit comes or the API sends the call
//! elsewhere. What stands behind it is never reached.

use super::{Event, Step};
use crate::cx::Cx;

pub(crate) struct Echo;

pub(crate) fn start(cx: &mut Cx) -> Step<Echo> {
    cx.answer();
    cx.echo();
    Step::Stay(Echo)
}

impl Echo {
    /// Nothing ends it from inside: keys are sound like any other.
    pub fn handle(self, _: Event) -> Step<Echo> {
        Step::Stay(self)
    }
}
