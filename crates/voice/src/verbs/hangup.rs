//! `Hangup`: ends the call; as first verb it answers before.

use super::Step;
use crate::cx::Cx;

pub(crate) fn start<V>(verb: twiml::verbs::Hangup, cx: &mut Cx) -> Step<V> {
    let told = [("Parameter", !verb.parameters.is_empty())];
    cx.unexecuted(
        "Hangup",
        "the other side is told nothing but the end yet",
        &told,
    );
    Step::Hangup
}
