//! `Pause`: silence.

use std::time::Duration;

use crate::attribute::Seconds;
use crate::read::Element;

element! {
    /// Silence. Before anything else it delays the answer: the caller hears ringing.
    ///
    /// `<Pause length="3"/>`
    pub struct Pause in "Pause" {
        /// How long.
        length: Duration = Duration::from_secs(1), "length", Seconds(0, 86_400), 13910;
    } holds {}
}

impl Element for Pause {}
