//! `WhatsApp`: a WhatsApp number to dial.

use crate::attribute::{Maybe, MethodName, UrlReference, WordList};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use crate::words::CallEvent;
use model::method::Method;

element! {
    /// A WhatsApp number to dial.
    ///
    /// `<WhatsApp>+15551234567</WhatsApp>`
    pub struct WhatsApp in "WhatsApp" {
        /// The document the called party hears before being connected, as written.
        url: Option<String> = None, "url", Maybe(UrlReference), 11100;
        /// How `url` is asked.
        method: Method = Method::Post, "method", MethodName, 12200;
        /// Where the progress of the called leg is reported, as written.
        status_callback: Option<String> = None, "statusCallback", Maybe(UrlReference), 11100;
        /// How `status_callback` is asked.
        status_callback_method: Method = Method::Post, "statusCallbackMethod", MethodName, 12200;
        /// Which events are reported.
        status_callback_event: Vec<CallEvent> = vec![CallEvent::Completed], "statusCallbackEvent", WordList, 12200;
    } holds {
        /// The number.
        number: String,
    }
}

impl Element for WhatsApp {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let Some(text) = reader.required_text(node, 13223, "a telephone number") else {
            return false;
        };
        self.number = text;
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.text(&self.number);
    }
}
