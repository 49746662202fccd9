//! `Application`: a TwiML application to dial.

use crate::attribute::{Flag, Maybe, MethodName, Text, UrlReference, WordList};
use crate::nouns::Parameter;
use crate::print::Printer;
use crate::read::{self, Element, Node, Reader};
use crate::words::CallEvent;
use model::method::Method;

element! {
    /// A TwiML application to dial.
    ///
    /// `<Application><ApplicationSid>AP123</ApplicationSid></Application>`
    pub struct Application in "Application" {
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
        /// The customer it is for.
        customer_id: Option<String> = None, "customerId", Maybe(Text), 12200;
        /// Whether `To` of the calling call is handed on.
        copy_parent_to: bool = false, "copyParentTo", Flag, 12200;
    } holds {
        /// Its identifier.
        application_sid: String,
        /// Words handed to the application.
        parameters: Vec<Parameter>,
    }
}

impl Element for Application {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        self.application_sid = read::own_text(node);
        reader.inside(
            node,
            &["ApplicationSid", "Parameter"],
            12200,
            |reader, child| {
                if child.tag_name().name() == "ApplicationSid" {
                    self.application_sid = reader.text(child);
                } else {
                    self.parameters.extend(Parameter::take(reader, child));
                }
            },
        );
        if self.application_sid.is_empty() {
            reader.missing(node, 12200, "an ApplicationSid");
        }
        !self.application_sid.is_empty()
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.open("ApplicationSid");
        printer.text(&self.application_sid);
        printer.close("ApplicationSid");
        for parameter in &self.parameters {
            parameter.give(printer);
        }
    }
}
