//! `AiSession`: an AI session to connect to.

use crate::attribute::{Maybe, Text};
use crate::read::Element;

element! {
    /// An AI session to connect to.
    ///
    /// `<AiSession aiConnector="Agent"/>`
    pub struct AiSession in "AiSession" {
        /// The stored connector.
        ai_connector: Option<String> = None, "aiConnector", Maybe(Text), 12200;
        /// The stored settings.
        ai_session_configuration: Option<String> = None, "aiSessionConfiguration", Maybe(Text), 12200;
    } holds {}
}

impl Element for AiSession {}
