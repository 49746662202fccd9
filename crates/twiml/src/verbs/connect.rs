//! `Connect`: the call connected to a program until that ends.

use crate::attribute::{Maybe, MethodName, UrlReference};
use crate::nouns::{
    AiSession, Assistant, Autopilot, Conversation, ConversationRelay, ConversationRelaySession,
    Room, Stream, VirtualAgent,
};
use crate::print::Printer;
use crate::problem::Placed;
use crate::read::{Choice, Element, Node, Reader};
use model::method::Method;

element! {
    /// Connects the call to a program, and waits until that ends.
    ///
    /// `<Connect><Stream url="wss://example.com/audio"/></Connect>`
    pub struct Connect in "Connect" {
        /// Where the call goes on afterwards, as written; absent: the next verb.
        action: Option<String> = None, "action", Maybe(UrlReference), 11100;
        /// How `action` is asked.
        method: Method = Method::Post, "method", MethodName, 12200;
    } holds {
        /// What it is connected to.
        noun: Placed<ConnectNoun>,
    }
}

choice! {
    /// What a Connect connects to.
    pub enum ConnectNoun {
        /// Sound in both directions over a web socket.
        Stream(Stream),
        /// A video room.
        Room(Room),
        /// Text in both directions over a web socket.
        ConversationRelay(ConversationRelay),
        /// An agent reached through a connector.
        VirtualAgent(VirtualAgent),
        /// A conversation.
        Conversation(Conversation),
        /// An Autopilot assistant.
        Autopilot(Autopilot),
        /// An AI assistant.
        Assistant(Assistant),
        /// An AI session.
        AiSession(AiSession),
        /// A ConversationRelay kept by a connector.
        ConversationRelaySession(ConversationRelaySession),
    }
}

impl Default for ConnectNoun {
    fn default() -> Self {
        ConnectNoun::Stream(Stream::default())
    }
}

impl Element for Connect {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        let mut found = None;
        reader.inside(node, ConnectNoun::TAGS, 12200, |reader, child| {
            if found.is_some() {
                reader.warn(child, 12200, "Connect holds one noun, this one is ignored");
                return;
            }
            let position = reader.position_of(child);
            found = ConnectNoun::take(reader, child).map(|noun| Placed::new(noun, position));
        });
        let Some(noun) = found else {
            reader.missing(node, 12200, "a noun such as Stream");
            return false;
        };
        self.noun = noun;
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        self.noun.value.give(printer);
    }
}
