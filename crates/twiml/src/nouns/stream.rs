//! `Stream`: sound over a web socket.

use crate::attribute::{Maybe, MethodName, OneWord, SocketUrl, Text, UrlReference};
use crate::nouns::Parameter;
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use crate::words::Track;
use model::method::Method;

element! {
    /// Sound over a web socket.
    ///
    /// `<Stream url="wss://example.com/audio" track="both_tracks"/>`
    pub struct Stream in "Stream" {
        /// Where the sound goes, as written. Inside Stop it may be absent.
        url: Option<String> = None, "url", Maybe(SocketUrl), 11100;
        /// A name by which it can be stopped.
        name: Option<String> = None, "name", Maybe(Text), 12200;
        /// A stored connector that tells where it goes.
        connector_name: Option<String> = None, "connectorName", Maybe(Text), 12200;
        /// Which direction is carried; a Connect carries the inbound one.
        track: Track = Track::Inbound, "track", OneWord, 31941;
        /// Where its state is reported, as written.
        status_callback: Option<String> = None, "statusCallback", Maybe(UrlReference), 11100;
        /// How `status_callback` is asked.
        status_callback_method: Method = Method::Post, "statusCallbackMethod", MethodName, 12200;
    } holds {
        /// Words for the other end.
        parameters: Vec<Parameter>,
    }
}

impl Element for Stream {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        reader.inside(node, &["Parameter"], 12200, |reader, child| {
            self.parameters.extend(Parameter::take(reader, child));
        });
        let named = self.url.is_some() || self.name.is_some() || self.connector_name.is_some();
        if !named {
            reader.missing(node, 11100, "a url such as wss://example.com/audio");
        }
        named
    }

    fn give_content(&self, printer: &mut Printer) {
        for parameter in &self.parameters {
            parameter.give(printer);
        }
    }
}
