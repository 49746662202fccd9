//! `Task`: a task for a workflow.

use std::time::Duration;

use crate::attribute::{Count, Maybe, Seconds};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};

element! {
    /// A task for a workflow.
    ///
    /// `<Task priority="5">{"skill":"tax"}</Task>`
    pub struct Task in "Task" {
        /// Its priority.
        priority: Option<u32> = None, "priority", Maybe(Count(0, i32::MAX as u32)), 12200;
        /// How long it may wait, in seconds.
        timeout: Option<Duration> = None, "timeout", Maybe(Seconds(1, 2_592_000)), 12200;
    } holds {
        /// Its attributes, a JSON object as written.
        attributes: String,
    }
}

impl Element for Task {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let Some(text) = reader.required_text(node, 14221, "attributes as a JSON object") else {
            return false;
        };
        self.attributes = text;
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.text(&self.attributes);
    }
}
