//! `Redirect`: goes on with another document.

use super::{Goto, Step};

pub(crate) fn start<V>(verb: twiml::verbs::Redirect) -> Step<V> {
    Step::Goto(Goto {
        url: Some(verb.url).filter(|url| !url.is_empty()),
        method: verb.method,
        parameters: Vec::new(),
    })
}
