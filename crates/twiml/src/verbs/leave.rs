//! `Leave`: the caller taken out of its queue.

use crate::read::Element;

element! {
    /// Takes the caller out of the queue it waits in; elsewhere it does nothing.
    ///
    /// `<Leave/>`
    pub struct Leave in "Leave" {} holds {}
}

impl Element for Leave {}
