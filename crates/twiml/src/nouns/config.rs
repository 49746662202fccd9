//! `Config`: a named setting.

use crate::attribute::Text;
use crate::read::{Element, Node, Reader};

element! {
    /// A named setting of the noun.
    ///
    /// `<Config name="ticket" value="7"/>`
    pub struct Config in "Config" {
        /// Its name, never empty.
        name: String = String::new(), "name", Text, 12200;
        /// Its value.
        value: String = String::new(), "value", Text, 12200;
    } holds {}
}

impl Element for Config {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.nothing_inside(node);
        if self.name.is_empty() {
            reader.missing(node, 12200, "a name");
        }
        !self.name.is_empty()
    }
}
