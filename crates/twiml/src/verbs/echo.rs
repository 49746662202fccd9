//! `Echo`: the caller's sound played back.

use crate::read::Element;

element! {
    /// Plays the caller's sound back, to test the line.
    ///
    /// `<Echo/>`
    pub struct Echo in "Echo" {} holds {}
}

impl Element for Echo {}
