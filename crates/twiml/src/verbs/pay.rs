//! `Pay`: a payment taken.

use std::time::Duration;

use crate::attribute::{Count, Flag, Maybe, MethodName, Seconds, Text, UrlReference};
use crate::nouns::Parameter;
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use crate::verbs::Prompt;
use model::method::Method;

element! {
    /// Takes a payment by keys, through a connector.
    ///
    /// `<Pay chargeAmount="20.45" paymentConnector="Shop"/>`
    pub struct Pay in "Pay" {
        /// How it is entered; `dtmf`.
        input: String = "dtmf".to_owned(), "input", Text, 64001;
        /// Where the call goes on afterwards, as written.
        action: Option<String> = None, "action", Maybe(UrlReference), 11100;
        /// Whether bank accounts are checking or savings accounts.
        bank_account_type: Option<String> = None, "bankAccountType", Maybe(Text), 64001;
        /// Where progress is reported, as written.
        status_callback: Option<String> = None, "statusCallback", Maybe(UrlReference), 11100;
        /// How `status_callback` is asked.
        status_callback_method: Method = Method::Post, "statusCallbackMethod", MethodName, 12200;
        /// How long to wait for keys.
        timeout: Duration = Duration::from_secs(5), "timeout", Seconds(1, 600), 64001;
        /// How often the caller may try each step.
        max_attempts: u32 = 1, "maxAttempts", Count(1, 3), 64001;
        /// Whether the security code is asked for.
        security_code: bool = true, "securityCode", Flag, 64001;
        /// Whether the postal code is asked for; `true`, `false` or the code itself.
        postal_code: String = "true".to_owned(), "postalCode", Text, 64001;
        /// The shortest postal code.
        min_postal_code_length: Option<u32> = None, "minPostalCodeLength", Maybe(Count(0, 100)), 64001;
        /// The connector.
        payment_connector: String = "Default".to_owned(), "paymentConnector", Text, 64001;
        /// `credit-card` or `ach-debit`.
        payment_method: String = "credit-card".to_owned(), "paymentMethod", Text, 64001;
        /// `reusable`, `one-time` or `payment-method`.
        token_type: String = "reusable".to_owned(), "tokenType", Text, 64001;
        /// The amount; absent: a token only.
        charge_amount: Option<String> = None, "chargeAmount", Maybe(Text), 64001;
        /// The currency.
        currency: String = "usd".to_owned(), "currency", Text, 64001;
        /// What the payment is for.
        description: Option<String> = None, "description", Maybe(Text), 64001;
        /// The cards taken, separated by spaces.
        valid_card_types: Option<String> = None, "validCardTypes", Maybe(Text), 64001;
        /// The language of the prompts.
        language: Option<String> = None, "language", Maybe(Text), 64001;
    } holds {
        /// What is said, step by step.
        prompts: Vec<Prompt>,
        /// Words for the connector.
        parameters: Vec<Parameter>,
    }
}

impl Element for Pay {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        reader.inside(node, &["Prompt", "Parameter"], 12200, |reader, child| {
            if child.tag_name().name() == "Prompt" {
                self.prompts.extend(Prompt::take(reader, child));
            } else {
                self.parameters.extend(Parameter::take(reader, child));
            }
        });
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        for prompt in &self.prompts {
            prompt.give(printer);
        }
        for parameter in &self.parameters {
            parameter.give(printer);
        }
    }
}
