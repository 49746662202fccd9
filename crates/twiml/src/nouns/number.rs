//! `Number`: a telephone number to dial.

use std::time::Duration;

use crate::attribute::{
    Detection, Dtmf, Maybe, MethodName, Millis, Seconds, Text, UrlReference, WordList,
};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use crate::words::{CallEvent, MachineDetection};
use model::method::Method;

element! {
    /// A telephone number to dial.
    ///
    /// `<Number sendDigits="wwww1928" url="/whisper">+15551234567</Number>`
    pub struct Number in "Number" {
        /// Keys sent when it is answered, before the two are connected.
        send_digits: Option<String> = None, "sendDigits", Maybe(Dtmf), 13222;
        /// The document the called party hears before being connected, as written.
        url: Option<String> = None, "url", Maybe(UrlReference), 11100;
        /// How `url` is asked.
        method: Method = Method::Post, "method", MethodName, 13221;
        /// The trunk by which it is reached.
        byoc: Option<String> = None, "byoc", Maybe(Text), 12200;
        /// Where the progress of the called leg is reported, as written.
        status_callback: Option<String> = None, "statusCallback", Maybe(UrlReference), 11100;
        /// How `status_callback` is asked.
        status_callback_method: Method = Method::Post, "statusCallbackMethod", MethodName, 12200;
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
        /// The number, without the blanks, brackets, dots and hyphens people write in it.
        number: String,
    }
}

impl Number {
    /// Reads the number itself: an optional `+`, then digits; letters stand for the digits
    /// they share a key with, as in 1-800-FLOWERS.
    pub(crate) fn from_text(reader: &mut Reader<'_>, node: Node<'_>, text: &str) -> Option<Number> {
        let number: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '-' | '.' | '/'))
            .collect();
        let digits = number.strip_prefix('+').unwrap_or(&number);
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'#');
        let fits = digits.len() <= 32 && digits.bytes().all(known);
        if !fits || !digits.bytes().any(|b| b.is_ascii_digit()) {
            let name = node.tag_name().name();
            let text = crate::read::quoted(text);
            reader.error(
                node,
                13223,
                format!(
                    "{name} is skipped: {text} is no telephone number; write it like +15551234567"
                ),
            );
            return None;
        }
        let number = number.chars().map(keypad).collect();
        Some(Number {
            number,
            ..Number::default()
        })
    }
}

/// The key a letter stands on (ITU-T E.161).
fn keypad(c: char) -> char {
    match c.to_ascii_uppercase() {
        'A'..='C' => '2',
        'D'..='F' => '3',
        'G'..='I' => '4',
        'J'..='L' => '5',
        'M'..='O' => '6',
        'P'..='S' => '7',
        'T'..='V' => '8',
        'W'..='Z' => '9',
        other => other,
    }
}

impl Element for Number {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let text = reader.text(node);
        match Number::from_text(reader, node, &text) {
            Some(read) => self.number = read.number,
            None => return false,
        }
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.text(&self.number);
    }
}
