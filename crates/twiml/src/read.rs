//! From XML nodes to elements: what every verb and noun shares when it is read.

use std::borrow::Cow;

use crate::attribute::{Kind, Taken};
use crate::print::Printer;
use crate::problem::{Placed, Position, Problem, Severity};

/// A node of the document being read.
pub(crate) type Node<'a> = roxmltree::Node<'a, 'a>;
/// An attribute of the document being read.
pub(crate) type Attribute<'a> = roxmltree::Attribute<'a, 'a>;

/// More problems than this are counted, not listed: a report is for a person to read.
pub(crate) const PROBLEM_LIMIT: usize = 100;

/// The namespace that the prefix `xml` always has.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// The attributes of an element, as declared by `element!`.
pub(crate) trait Attributes: Default {
    /// Its name in a document.
    const TAG: &'static str;
    /// Reads every attribute of `node`.
    fn take_attributes(&mut self, reader: &mut Reader<'_>, node: Node<'_>);
    /// Prints the attributes that differ from their default.
    fn give_attributes(&self, printer: &mut Printer);
}

/// A verb or noun. By itself it holds nothing between its tags.
pub(crate) trait Element: Attributes {
    /// Reads what stands between the tags; false when the element cannot be used, which
    /// has then been reported.
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.nothing_inside(node);
        true
    }

    /// Prints what stands between the tags.
    fn give_content(&self, _printer: &mut Printer) {}

    /// Reads the whole element; `None` when it cannot be used.
    fn take(reader: &mut Reader<'_>, node: Node<'_>) -> Option<Self> {
        let mut element = Self::default();
        element.take_attributes(reader, node);
        element.take_content(reader, node).then_some(element)
    }

    /// Prints the whole element.
    fn give(&self, printer: &mut Printer) {
        printer.open(Self::TAG);
        self.give_attributes(printer);
        self.give_content(printer);
        printer.close(Self::TAG);
    }
}

/// One of several elements, as declared by `choice!`.
pub(crate) trait Choice: Sized {
    /// The names of the elements.
    const TAGS: &'static [&'static str];
    /// Reads the one named by `node`; `None` when it cannot be used.
    fn take(reader: &mut Reader<'_>, node: Node<'_>) -> Option<Self>;
    /// Prints it.
    fn give(&self, printer: &mut Printer);
}

/// The name of an attribute as it was written, for those this crate knows.
pub(crate) fn written_name<'a>(attribute: &Attribute<'a>) -> Cow<'a, str> {
    match attribute.namespace() {
        None => Cow::Borrowed(attribute.name()),
        Some(XML_NAMESPACE) => Cow::Owned(format!("xml:{}", attribute.name())),
        Some(other) => Cow::Owned(format!("{{{other}}}{}", attribute.name())),
    }
}

/// Shortens what a customer wrote, so that a message stays readable.
pub(crate) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("\"{short}\"")
}

/// The list of names in a message.
fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// Reads elements and gathers what is wrong with them.
pub(crate) struct Reader<'a> {
    text: &'a str,
    /// The last place asked for, as a byte, and what it was. Places are asked for nearly in
    /// order, so counting on from here keeps a long document linear.
    at: usize,
    place: Position,
    problems: Vec<Problem>,
    unlisted: usize,
}

impl<'a> Reader<'a> {
    /// Reads from `text`.
    pub fn new(text: &'a str) -> Self {
        Reader {
            text,
            at: 0,
            place: Position::default(),
            problems: Vec::new(),
            unlisted: 0,
        }
    }

    /// Everything found, in order of the document.
    pub fn into_problems(mut self) -> Vec<Problem> {
        if self.unlisted > 0 {
            self.problems.push(Problem {
                code: 12200,
                severity: Severity::Warning,
                position: Position::default(),
                message: format!("{} more problems are not listed", self.unlisted),
            });
        }
        self.problems
    }

    /// The place of a byte of the text.
    pub fn position(&mut self, byte: usize) -> Position {
        if byte < self.at {
            self.at = 0;
            self.place = Position::default();
        }
        let passed = self.text.get(self.at..byte).unwrap_or_default();
        for c in passed.chars() {
            if c == '\n' {
                self.place.line = self.place.line.saturating_add(1);
                self.place.column = 1;
            } else {
                self.place.column = self.place.column.saturating_add(1);
            }
        }
        self.at += passed.len();
        self.place
    }

    /// The place where a node begins.
    pub fn position_of(&mut self, node: Node<'_>) -> Position {
        self.position(node.range().start)
    }

    fn report(&mut self, byte: usize, code: u32, severity: Severity, message: String) {
        if self.problems.len() >= PROBLEM_LIMIT {
            self.unlisted += 1;
            return;
        }
        let position = self.position(byte);
        self.problems.push(Problem {
            code,
            severity,
            position,
            message,
        });
    }

    /// Reports something that was mended or left out.
    pub fn warn(&mut self, node: Node<'_>, code: u32, message: impl Into<String>) {
        self.report(node.range().start, code, Severity::Warning, message.into());
    }

    /// Reports something the customer asked for that will not happen.
    pub fn error(&mut self, node: Node<'_>, code: u32, message: impl Into<String>) {
        self.report(node.range().start, code, Severity::Error, message.into());
    }

    /// Reads one attribute into `field`, which keeps its default if the value is bad.
    pub fn value<T, K: Kind<T>>(
        &mut self,
        node: Node<'_>,
        attribute: &Attribute<'_>,
        code: u32,
        kind: &K,
        field: &mut T,
    ) {
        let element = node.tag_name().name();
        let name = attribute.name();
        let written = quoted(attribute.value());
        let byte = attribute.range().start;
        match kind.take(attribute.value()) {
            Taken::Good(value) => *field = value,
            Taken::Mended(value, how) => {
                *field = value;
                let message = format!("{element} {name}={written}: {how}");
                self.report(byte, code, Severity::Warning, message);
            }
            Taken::Bad(expected) => {
                let message = format!(
                    "{element} {name}={written} is not usable, its default is used; write {expected}"
                );
                self.report(byte, code, Severity::Warning, message);
            }
        }
    }

    /// Reports an attribute the element does not have. Attributes of foreign namespaces
    /// (`xmlns:xsi` and its kin, which editors add) are nobody's mistake.
    pub fn unknown_attribute(&mut self, node: Node<'_>, attribute: &Attribute<'_>, known: &[&str]) {
        if attribute
            .namespace()
            .is_some_and(|uri| uri != XML_NAMESPACE)
        {
            return;
        }
        let element = node.tag_name().name();
        let name = written_name(attribute);
        let meant = known.iter().find(|known| known.eq_ignore_ascii_case(&name));
        let mend = match meant {
            Some(meant) => format!("names are case-sensitive, write {meant}"),
            None => format!("it has {}", listed(known)),
        };
        let message = format!(
            "{element} has no attribute {}, it is ignored; {mend}",
            quoted(&name)
        );
        self.report(attribute.range().start, 12200, Severity::Warning, message);
    }

    /// Reports an element that may not stand where it does. It is ignored with all inside.
    pub fn unknown_element(&mut self, node: Node<'_>, inside: &str, code: u32, known: &[&str]) {
        let name = node.tag_name().name();
        let meant = known.iter().find(|known| known.eq_ignore_ascii_case(name));
        let mend = match meant {
            Some(meant) if *meant != name => format!("names are case-sensitive, write {meant}"),
            _ => format!("{inside} may hold {}", listed(known)),
        };
        self.warn(
            node,
            code,
            format!(
                "{} may not stand inside {inside}, it is ignored; {mend}",
                quoted(name)
            ),
        );
    }

    /// The text directly inside `node`, trimmed; elements there are ignored with a warning.
    pub fn text(&mut self, node: Node<'_>) -> String {
        self.no_elements(node);
        own_text(node)
    }

    /// Warns of every element inside `node`.
    pub fn no_elements(&mut self, node: Node<'_>) {
        for child in node.children().filter(Node::is_element) {
            self.unknown_element(child, node.tag_name().name(), 12200, &[]);
        }
    }

    /// Warns of text directly inside `node`.
    pub fn no_text(&mut self, node: Node<'_>) {
        if !own_text(node).is_empty() {
            let name = node.tag_name().name();
            self.warn(
                node,
                12200,
                format!("text inside {name} is ignored; {name} holds no text"),
            );
        }
    }

    /// Warns of anything inside `node`.
    pub fn nothing_inside(&mut self, node: Node<'_>) {
        self.no_elements(node);
        self.no_text(node);
    }

    /// Reads the elements inside `node` that belong to `C`; others are ignored with `code`.
    pub fn choices<C: Choice>(&mut self, node: Node<'_>, code: u32) -> Vec<Placed<C>> {
        let mut read = Vec::new();
        for child in node.children().filter(Node::is_element) {
            if !C::TAGS.contains(&child.tag_name().name()) {
                self.unknown_element(child, node.tag_name().name(), code, C::TAGS);
                continue;
            }
            let position = self.position_of(child);
            if let Some(value) = C::take(self, child) {
                read.push(Placed { value, position });
            }
        }
        read
    }

    /// Hands every element inside `node` whose name is in `known` to `take`; others are
    /// ignored with `code`.
    pub fn inside(
        &mut self,
        node: Node<'_>,
        known: &[&str],
        code: u32,
        mut take: impl FnMut(&mut Self, Node<'_>),
    ) {
        for child in node.children().filter(Node::is_element) {
            if known.contains(&child.tag_name().name()) {
                take(self, child);
            } else {
                self.unknown_element(child, node.tag_name().name(), code, known);
            }
        }
    }

    /// Reads a required text; reports `code` when there is none.
    pub fn required_text(&mut self, node: Node<'_>, code: u32, what: &str) -> Option<String> {
        let text = self.text(node);
        if text.is_empty() {
            self.missing(node, code, what);
            return None;
        }
        Some(text)
    }

    /// Reports that an element lacks what it cannot do without.
    pub fn missing(&mut self, node: Node<'_>, code: u32, what: &str) {
        let name = node.tag_name().name();
        self.error(node, code, format!("{name} is skipped: it needs {what}"));
    }
}

/// The text directly inside `node`, CDATA included, comments not; trimmed.
pub(crate) fn own_text(node: Node<'_>) -> String {
    let mut text = String::new();
    for child in node.children().filter(Node::is_text) {
        text.push_str(child.text().unwrap_or_default());
    }
    text.trim().to_owned()
}
