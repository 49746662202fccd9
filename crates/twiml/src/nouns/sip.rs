//! `Sip`: a SIP address to dial.

use std::time::Duration;

use crate::attribute::{
    Detection, Maybe, MethodName, Millis, Seconds, TextUpTo, UrlReference, WordList,
};
use crate::nouns::{Header, Uri};
use crate::print::Printer;
use crate::read::{self, Attributes, Element, Node, Reader};
use crate::words::{CallEvent, MachineDetection};
use model::method::Method;

/// The most addresses of one Sip.
const URI_LIMIT: usize = 10;
/// The most headers of one Sip.
const HEADER_LIMIT: usize = 50;

element! {
    /// A SIP address to dial.
    ///
    /// `<Sip username="bob" password="s3cret">sip:alice@example.com;transport=tls?X-Ticket=7</Sip>`
    pub struct Sip in "Sip" {
        /// The name for digest authentication.
        username: Option<String> = None, "username", Maybe(TextUpTo(255)), 13249;
        /// The password for digest authentication.
        password: Option<String> = None, "password", Maybe(TextUpTo(255)), 13249;
        /// The document the called party hears before being connected, as written.
        url: Option<String> = None, "url", Maybe(UrlReference), 11100;
        /// How `url` is asked.
        method: Method = Method::Post, "method", MethodName, 13241;
        /// Where the progress of the called leg is reported, as written.
        status_callback: Option<String> = None, "statusCallback", Maybe(UrlReference), 11100;
        /// How `status_callback` is asked.
        status_callback_method: Method = Method::Post, "statusCallbackMethod", MethodName, 13241;
        /// Which events are reported.
        status_callback_event: Vec<CallEvent> = vec![CallEvent::Completed], "statusCallbackEvent", WordList, 12200;
        /// Answering machine detection; absent: none.
        machine_detection: Option<MachineDetection> = None, "machineDetection", Detection, 12200;
        /// How long detection may take.
        machine_detection_timeout: Duration = Duration::from_secs(30), "machineDetectionTimeout", Seconds(3, 59), 12200;
        /// Speech longer than this is a machine's.
        machine_detection_speech_threshold: Duration = Duration::from_millis(2_400), "machineDetectionSpeechThreshold", Millis(1_000, 6_000), 12200;
        /// Silence after speech that ends it.
        machine_detection_speech_end_threshold: Duration = Duration::from_millis(1_200), "machineDetectionSpeechEndThreshold", Millis(500, 5_000), 12200;
        /// Silence at the start after which detection gives up.
        machine_detection_silence_timeout: Duration = Duration::from_millis(5_000), "machineDetectionSilenceTimeout", Millis(2_000, 10_000), 12200;
        /// Where the result of detection is reported, as written.
        amd_status_callback: Option<String> = None, "amdStatusCallback", Maybe(UrlReference), 11100;
        /// How `amd_status_callback` is asked.
        amd_status_callback_method: Method = Method::Post, "amdStatusCallbackMethod", MethodName, 12200;
    } holds {
        /// The addresses to try, at least one; text directly inside Sip is the only one.
        uris: Vec<Uri>,
        /// Headers of the request beyond those in the address.
        headers: Vec<Header>,
    }
}

impl Element for Sip {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let text = read::own_text(node);
        if !text.is_empty() {
            match Uri::from_text(reader, node, &text) {
                Some(uri) => self.uris.push(uri),
                None => return false,
            }
        }
        reader.inside(node, &[Uri::TAG, "Headers"], 12200, |reader, child| {
            if child.tag_name().name() == "Headers" {
                reader.no_text(child);
                reader.inside(child, &[Header::TAG], 12200, |reader, header| {
                    if self.headers.len() < HEADER_LIMIT {
                        self.headers.extend(Header::take(reader, header));
                    } else {
                        reader.warn(
                            header,
                            13251,
                            format!("Header is ignored: the most are {HEADER_LIMIT}"),
                        );
                    }
                });
            } else if !text.is_empty() {
                reader.warn(
                    child,
                    12200,
                    "Uri is ignored beside text inside Sip; write the text as a Uri",
                );
            } else if self.uris.len() < URI_LIMIT {
                self.uris.extend(Uri::take(reader, child));
            } else {
                reader.warn(
                    child,
                    13250,
                    format!("Uri is ignored: the most are {URI_LIMIT}"),
                );
            }
        });
        if self.uris.is_empty() {
            reader.missing(node, 13243, "an address such as sip:alice@example.com");
        }
        !self.uris.is_empty()
    }

    fn give_content(&self, printer: &mut Printer) {
        for uri in &self.uris {
            uri.give(printer);
        }
        if !self.headers.is_empty() {
            printer.open("Headers");
            for header in &self.headers {
                header.give(printer);
            }
            printer.close("Headers");
        }
    }
}
