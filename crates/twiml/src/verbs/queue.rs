//! `Queue` as a verb: the old form of a dialled queue.

use crate::attribute::{Maybe, MethodName, Text, UrlReference};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use model::method::Method;

element! {
    /// The old form of `<Dial><Queue>`.
    pub struct Queue in "Queue" {
        /// The document the member taken hears first, as written.
        url: Option<String> = None, "url", Maybe(UrlReference), 14211;
        /// How `url` is asked.
        method: Method = Method::Post, "method", MethodName, 14210;
        /// The reservation whose task is taken.
        reservation_sid: Option<String> = None, "reservationSid", Maybe(Text), 14215;
        /// What the worker does afterwards.
        post_work_activity_sid: Option<String> = None, "postWorkActivitySid", Maybe(Text), 14216;
    } holds {
        /// The queue.
        name: String,
    }
}

impl Element for Queue {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let name = reader.text(node);
        let length = name.chars().count();
        if length > 64 {
            reader.missing(node, 14213, "a queue name of at most 64 characters");
        } else if length == 0 {
            reader.missing(node, 14212, "the name of a queue");
        }
        self.name = name;
        (1..=64).contains(&length)
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.text(&self.name);
    }
}
