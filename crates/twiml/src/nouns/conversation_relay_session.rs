//! `ConversationRelaySession`: a ConversationRelay kept by a connector.

use crate::attribute::{Maybe, Text};
use crate::read::Element;

element! {
    /// A ConversationRelay kept by a connector.
    ///
    /// `<ConversationRelaySession connector="Agent"/>`
    pub struct ConversationRelaySession in "ConversationRelaySession" {
        /// The stored connector.
        connector: Option<String> = None, "connector", Maybe(Text), 12200;
        /// The stored settings.
        session_configuration: Option<String> = None, "sessionConfiguration", Maybe(Text), 12200;
    } holds {}
}

impl Element for ConversationRelaySession {}
