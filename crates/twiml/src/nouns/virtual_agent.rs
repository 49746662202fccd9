//! `VirtualAgent`: an agent reached through a connector.

use crate::attribute::{Flag, Maybe, MethodName, Text, UrlReference};
use crate::nouns::{Config, Parameter};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use model::method::Method;

element! {
    /// An agent reached through a connector.
    ///
    /// `<VirtualAgent connectorName="Agent"/>`
    pub struct VirtualAgent in "VirtualAgent" {
        /// The stored connector.
        connector_name: Option<String> = None, "connectorName", Maybe(Text), 12200;
        /// The language spoken.
        language: Option<String> = None, "language", Maybe(Text), 12200;
        /// Whether moods are judged.
        sentiment_analysis: bool = false, "sentimentAnalysis", Flag, 12200;
        /// Where its state is reported, as written.
        status_callback: Option<String> = None, "statusCallback", Maybe(UrlReference), 11100;
        /// How `status_callback` is asked.
        status_callback_method: Method = Method::Post, "statusCallbackMethod", MethodName, 12200;
    } holds {
        /// Words for the other end.
        parameters: Vec<Parameter>,
        /// Settings of the other end.
        configs: Vec<Config>,
    }
}

impl Element for VirtualAgent {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        reader.inside(node, &["Parameter", "Config"], 12200, |reader, child| {
            if child.tag_name().name() == "Config" {
                self.configs.extend(Config::take(reader, child));
            } else {
                self.parameters.extend(Parameter::take(reader, child));
            }
        });
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        for parameter in &self.parameters {
            parameter.give(printer);
        }
        for config in &self.configs {
            config.give(printer);
        }
    }
}
