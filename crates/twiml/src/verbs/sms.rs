//! `Sms`: a text message sent during a call.

use crate::attribute::{Maybe, MethodName, Text, UrlReference};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use model::method::Method;

element! {
    /// Sends a text message during a call; old, but still written.
    ///
    /// `<Sms to="+15551234567">On our way.</Sms>`
    pub struct Sms in "Sms" {
        /// To whom; absent: the caller.
        to: Option<String> = None, "to", Maybe(Text), 14101;
        /// From which number; absent: the one that was called.
        from: Option<String> = None, "from", Maybe(Text), 14102;
        /// Where the call goes on afterwards, as written.
        action: Option<String> = None, "action", Maybe(UrlReference), 11100;
        /// How `action` is asked.
        method: Method = Method::Post, "method", MethodName, 14104;
        /// Where the fate of the message is reported, as written.
        status_callback: Option<String> = None, "statusCallback", Maybe(UrlReference), 14105;
    } holds {
        /// The text.
        body: String,
    }
}

impl Element for Sms {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let Some(body) = reader.required_text(node, 14103, "a text to send") else {
            return false;
        };
        self.body = body;
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.text(&self.body);
    }
}
