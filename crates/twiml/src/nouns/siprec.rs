//! `Siprec`: sound to a recorder that speaks SIPREC.

use crate::attribute::{Maybe, MethodName, OneWord, Text, UrlReference};
use crate::nouns::Parameter;
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use crate::words::Track;
use model::method::Method;

element! {
    /// Sound to a recorder that speaks SIPREC.
    ///
    /// `<Siprec connectorName="Recorder"/>`
    pub struct Siprec in "Siprec" {
        /// A name by which it can be stopped.
        name: Option<String> = None, "name", Maybe(Text), 12200;
        /// A stored connector that tells where it goes.
        connector_name: Option<String> = None, "connectorName", Maybe(Text), 12200;
        /// Which direction is carried.
        track: Track = Track::Both, "track", OneWord, 12200;
        /// Where its state is reported, as written.
        status_callback: Option<String> = None, "statusCallback", Maybe(UrlReference), 11100;
        /// How `status_callback` is asked.
        status_callback_method: Method = Method::Post, "statusCallbackMethod", MethodName, 12200;
    } holds {
        /// Words for the other end.
        parameters: Vec<Parameter>,
    }
}

impl Element for Siprec {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        reader.inside(node, &["Parameter"], 12200, |reader, child| {
            self.parameters.extend(Parameter::take(reader, child));
        });
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        for parameter in &self.parameters {
            parameter.give(printer);
        }
    }
}
