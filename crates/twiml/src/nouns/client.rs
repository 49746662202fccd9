//! `Client`: a registered client to dial.

use crate::attribute::{Maybe, MethodName, UrlReference, WordList};
use crate::nouns::Parameter;
use crate::print::Printer;
use crate::read::{self, Element, Node, Reader};
use crate::words::CallEvent;
use model::method::Method;

/// The longest identity, in characters.
pub(crate) const IDENTITY_LIMIT: usize = 256;
/// The most bytes of all names and values of the parameters of one client.
const PARAMETER_LIMIT: usize = 800;

element! {
    /// A registered client to dial.
    ///
    /// `<Client><Identity>alice</Identity><Parameter name="ticket" value="7"/></Client>`
    pub struct Client in "Client" {
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
        /// Where the push notification is sent, as written.
        client_notification_url: Option<String> = None, "clientNotificationUrl", Maybe(UrlReference), 11100;
    } holds {
        /// Under which name it is registered.
        identity: String,
        /// Words handed to the client, together at most 800 bytes.
        parameters: Vec<Parameter>,
    }
}

impl Element for Client {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        self.identity = read::own_text(node);
        let mut size = 0;
        reader.inside(node, &["Identity", "Parameter"], 12200, |reader, child| {
            if child.tag_name().name() == "Identity" {
                self.identity = reader.text(child);
            } else if let Some(parameter) = Parameter::take(reader, child) {
                size += parameter.name.len() + parameter.value.len();
                if size <= PARAMETER_LIMIT {
                    self.parameters.push(parameter);
                } else {
                    reader.warn(child, 12200, format!("Parameter is ignored: those of one Client are longer than {PARAMETER_LIMIT} bytes together"));
                }
            }
        });
        let length = self.identity.chars().count();
        if !(1..=IDENTITY_LIMIT).contains(&length) {
            reader.missing(node, 12200, "an identity of 1 to 256 characters");
            return false;
        }
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.open("Identity");
        printer.text(&self.identity);
        printer.close("Identity");
        for parameter in &self.parameters {
            parameter.give(printer);
        }
    }
}
