//! Typed attribute readers: seconds, repetitions, URLs, digits, booleans, words.
//!
//! A [`Kind`] reads the text of one attribute into its type and writes it back. The macro
//! `element!` declares a verb or noun as a table: one row an attribute, with its type, its
//! default, its name in the document, its kind and the code of a bad value.

use std::time::Duration;

use crate::words::MachineDetection;
use model::method::Method;

/// What became of an attribute's text.
pub(crate) enum Taken<T> {
    /// It is what was expected.
    Good(T),
    /// It was mended; the text says how.
    Mended(T, String),
    /// It cannot be used; the text says what is expected.
    Bad(String),
}

use Taken::{Bad, Good, Mended};

/// How one attribute is read and written.
pub(crate) trait Kind<T> {
    /// Reads the text of the attribute.
    fn take(&self, text: &str) -> Taken<T>;
    /// The text that reads back as `value`; `None` when the attribute is to be left out.
    fn give(&self, value: &T) -> Option<String>;
}

/// A closed set of words.
pub(crate) trait Word: Copy + PartialEq + 'static {
    /// Every spelling; the first of each value is the canonical one.
    const ALL: &'static [(&'static str, Self)];
    /// The canonical spelling.
    fn spelling(self) -> &'static str;
}

/// Declares a closed set of words as an enum.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$word_meta:meta])* $word:ident = $text:literal $(| $alias:literal)*,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$word_meta])* $word,)* }

        impl $name {
            /// Every word.
            pub const ALL: &'static [Self] = &[$($name::$word,)*];

            /// The word as it is written in a document.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$word => $text,)* }
            }
        }

        impl $crate::attribute::Word for $name {
            const ALL: &'static [(&'static str, Self)] = &[
                $(($text, $name::$word), $(($alias, $name::$word),)*)*
            ];
            fn spelling(self) -> &'static str { self.as_str() }
        }
    };
}

/// Declares a verb or noun: its attributes as a table, then what stands between its tags.
///
/// A row reads `field: Type = default, "attribute", kind, code of a bad value;`.
macro_rules! element {
    ($(#[$meta:meta])* pub struct $name:ident in $tag:literal {
        $($(#[$row_meta:meta])* $field:ident: $ty:ty = $default:expr, $attribute:literal, $kind:expr, $code:literal;)*
    } holds {
        $($(#[$content_meta:meta])* $content:ident: $content_ty:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$row_meta])* pub $field: $ty,)*
            $($(#[$content_meta])* pub $content: $content_ty,)*
        }

        impl $name {
            /// The names of its attributes.
            pub const ATTRIBUTES: &'static [&'static str] = &[$($attribute),*];
        }

        impl Default for $name {
            /// Every attribute as if it were not written, and nothing between the tags.
            fn default() -> Self {
                $name {
                    $($field: $default,)*
                    $($content: Default::default(),)*
                }
            }
        }

        impl $crate::read::Attributes for $name {
            const TAG: &'static str = $tag;

            #[allow(unused_variables, clippy::match_single_binding)]
            fn take_attributes(&mut self, reader: &mut $crate::read::Reader<'_>, node: $crate::read::Node<'_>) {
                for attribute in node.attributes() {
                    match $crate::read::written_name(&attribute).as_ref() {
                        $($attribute => reader.value(node, &attribute, $code, &$kind, &mut self.$field),)*
                        _ => reader.unknown_attribute(node, &attribute, &[$($attribute),*]),
                    }
                }
            }

            #[allow(unused_variables)]
            fn give_attributes(&self, printer: &mut $crate::print::Printer) {
                let unwritten = Self::default();
                $(if self.$field != unwritten.$field {
                    printer.attribute($attribute, &$kind, &self.$field);
                })*
            }
        }
    };
}

/// Declares a set of elements of which one may stand somewhere.
macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$arm_meta:meta])* $arm:ident($ty:ty),)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant)]
        pub enum $name { $($(#[$arm_meta])* $arm($ty),)* }

        impl $name {
            /// The name of the element, as it is written in a document.
            pub fn name(&self) -> &'static str {
                match self { $($name::$arm(_) => <$ty as $crate::read::Attributes>::TAG,)* }
            }
        }

        impl $crate::read::Choice for $name {
            const TAGS: &'static [&'static str] = &[$(<$ty as $crate::read::Attributes>::TAG),*];

            fn take(reader: &mut $crate::read::Reader<'_>, node: $crate::read::Node<'_>) -> Option<Self> {
                $(if node.tag_name().name() == <$ty as $crate::read::Attributes>::TAG {
                    return <$ty as $crate::read::Element>::take(reader, node).map($name::$arm);
                })*
                None
            }

            fn give(&self, printer: &mut $crate::print::Printer) {
                match self { $($name::$arm(element) => $crate::read::Element::give(element, printer),)* }
            }
        }
    };
}

/// How often a Say or Play is heard (`loop`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// This many times, 1 to 1000.
    Times(u16),
    /// Until the call ends or something else takes over; written `0`.
    Forever,
}

/// Any text; trimmed.
pub(crate) struct Text;
/// Any text of at most this many characters.
pub(crate) struct TextUpTo(pub usize);
/// A URL or a reference to one; kept as written.
pub(crate) struct UrlReference;
/// A URL of a web socket: `wss://`, or `ws://` for a server in one's own network.
pub(crate) struct SocketUrl;
/// `GET` or `POST`.
pub(crate) struct MethodName;
/// `true` or `false`, in any case.
pub(crate) struct Flag;
/// Whole seconds within bounds; outside them the nearer bound is used.
pub(crate) struct Seconds(pub u32, pub u32);
/// Whole milliseconds within bounds; outside them the nearer bound is used.
pub(crate) struct Millis(pub u32, pub u32);
/// A whole number within bounds; outside them the nearer bound is used.
pub(crate) struct Count(pub u32, pub u32);
/// `loop`.
pub(crate) struct Loop;
/// Keys to press: digits, `A`-`D`, `*`, `#`, `w` and `W` (pauses of 0.5 s and 1 s).
pub(crate) struct Dtmf;
/// At most one key of `0-9 * #`; empty for none.
pub(crate) struct OneKey;
/// Any keys of `0-9 * #`; empty for none.
pub(crate) struct Keys;
/// One word of a closed set.
pub(crate) struct OneWord;
/// Words of a closed set, separated by spaces (commas are forgiven).
pub(crate) struct WordList;
/// `machineDetection`, of which the word `none` means that there is none.
pub(crate) struct Detection;
/// Like the kind inside, but may be absent.
pub(crate) struct Maybe<K>(pub K);

impl<T, K: Kind<T>> Kind<Option<T>> for Maybe<K> {
    fn take(&self, text: &str) -> Taken<Option<T>> {
        match self.0.take(text) {
            Good(value) => Good(Some(value)),
            Mended(value, how) => Mended(Some(value), how),
            Bad(expected) => Bad(expected),
        }
    }
    fn give(&self, value: &Option<T>) -> Option<String> {
        value.as_ref().and_then(|value| self.0.give(value))
    }
}

impl Kind<String> for Text {
    fn take(&self, text: &str) -> Taken<String> {
        Good(text.trim().to_owned())
    }
    fn give(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }
}

impl Kind<String> for TextUpTo {
    fn take(&self, text: &str) -> Taken<String> {
        let text = text.trim();
        if text.chars().count() > self.0 {
            return Bad(format!("at most {} characters", self.0));
        }
        Good(text.to_owned())
    }
    fn give(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }
}

/// Whether `text` can be resolved against an `http` document, or stand alone.
pub(crate) fn is_url_reference(text: &str) -> bool {
    let Ok(base) = url::Url::parse("http://localhost/") else {
        return false;
    };
    !text.chars().any(|c| c.is_control()) && base.join(text).is_ok()
}

impl Kind<String> for UrlReference {
    fn take(&self, text: &str) -> Taken<String> {
        let text = text.trim();
        if is_url_reference(text) {
            Good(text.to_owned())
        } else {
            Bad("a URL such as https://example.com/next, or one relative to this document".into())
        }
    }
    fn give(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }
}

impl Kind<String> for SocketUrl {
    fn take(&self, text: &str) -> Taken<String> {
        let text = text.trim();
        match url::Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "wss" | "ws") && url.has_host() => {
                Good(text.to_owned())
            }
            _ => Bad("a web socket URL such as wss://example.com/audio".into()),
        }
    }
    fn give(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }
}

impl Kind<Method> for MethodName {
    fn take(&self, text: &str) -> Taken<Method> {
        match text.trim().parse() {
            Ok(method) => Good(method),
            Err(()) => Bad("GET or POST".into()),
        }
    }
    fn give(&self, value: &Method) -> Option<String> {
        Some(value.as_str().to_owned())
    }
}

impl Kind<bool> for Flag {
    fn take(&self, text: &str) -> Taken<bool> {
        match text.trim() {
            t if t.eq_ignore_ascii_case("true") => Good(true),
            t if t.eq_ignore_ascii_case("false") => Good(false),
            _ => Bad("true or false".into()),
        }
    }
    fn give(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }
}

/// A whole number, brought within bounds. Digits only: no sign, no fraction.
fn whole(text: &str, least: u32, most: u32, unit: &str) -> Taken<u32> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Bad(format!("a whole number{unit} from {least} to {most}"));
    }
    // All digits: the only failure left is a number beyond 32 bits, which is above any bound.
    let number = text.parse().unwrap_or(u32::MAX);
    if number < least {
        Mended(least, format!("the least is {least}, which is used"))
    } else if number > most {
        Mended(most, format!("the most is {most}, which is used"))
    } else {
        Good(number)
    }
}

fn map<T, U>(taken: Taken<T>, f: impl FnOnce(T) -> U) -> Taken<U> {
    match taken {
        Good(value) => Good(f(value)),
        Mended(value, how) => Mended(f(value), how),
        Bad(expected) => Bad(expected),
    }
}

impl Kind<Duration> for Seconds {
    fn take(&self, text: &str) -> Taken<Duration> {
        map(whole(text, self.0, self.1, " of seconds"), |n| {
            Duration::from_secs(n.into())
        })
    }
    fn give(&self, value: &Duration) -> Option<String> {
        Some(value.as_secs().to_string())
    }
}

impl Kind<Duration> for Millis {
    fn take(&self, text: &str) -> Taken<Duration> {
        map(whole(text, self.0, self.1, " of milliseconds"), |n| {
            Duration::from_millis(n.into())
        })
    }
    fn give(&self, value: &Duration) -> Option<String> {
        Some(value.as_millis().to_string())
    }
}

impl Kind<u32> for Count {
    fn take(&self, text: &str) -> Taken<u32> {
        whole(text, self.0, self.1, "")
    }
    fn give(&self, value: &u32) -> Option<String> {
        Some(value.to_string())
    }
}

impl Kind<Repeat> for Loop {
    fn take(&self, text: &str) -> Taken<Repeat> {
        map(whole(text, 0, 1000, ""), |n| match n {
            0 => Repeat::Forever,
            // `whole` has brought it to 1000 at most.
            n => Repeat::Times(u16::try_from(n).unwrap_or(1000)),
        })
    }
    fn give(&self, value: &Repeat) -> Option<String> {
        Some(match value {
            Repeat::Forever => "0".to_owned(),
            Repeat::Times(n) => n.to_string(),
        })
    }
}

impl Kind<String> for Dtmf {
    fn take(&self, text: &str) -> Taken<String> {
        let text = text.trim();
        let known =
            |c: char| matches!(c, '0'..='9' | 'A'..='D' | 'a'..='d' | '*' | '#' | 'w' | 'W');
        if text.is_empty() || !text.chars().all(known) {
            return Bad("keys from 0-9, A-D, * and #, with w for a pause".into());
        }
        Good(text.to_owned())
    }
    fn give(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }
}

fn is_key(c: char) -> bool {
    matches!(c, '0'..='9' | '*' | '#')
}

impl Kind<Option<char>> for OneKey {
    fn take(&self, text: &str) -> Taken<Option<char>> {
        let mut keys = text.trim().chars();
        match (keys.next(), keys.next()) {
            (None, _) => Good(None),
            (Some(key), None) if is_key(key) => Good(Some(key)),
            _ => Bad("one key of 0-9, * and #, or nothing".into()),
        }
    }
    fn give(&self, value: &Option<char>) -> Option<String> {
        Some(value.map(String::from).unwrap_or_default())
    }
}

impl Kind<String> for Keys {
    fn take(&self, text: &str) -> Taken<String> {
        let text = text.trim();
        if text.chars().all(is_key) {
            Good(text.to_owned())
        } else {
            Bad("keys from 0-9, * and #, or nothing".into())
        }
    }
    fn give(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }
}

impl Kind<Option<MachineDetection>> for Detection {
    fn take(&self, text: &str) -> Taken<Option<MachineDetection>> {
        if text.trim().eq_ignore_ascii_case("none") {
            return Good(None);
        }
        Maybe(OneWord).take(text)
    }
    fn give(&self, value: &Option<MachineDetection>) -> Option<String> {
        value.map(|word| word.as_str().to_owned())
    }
}

/// Every canonical spelling of a set, for a message.
fn spellings<W: Word>() -> String {
    let mut words: Vec<&str> = W::ALL.iter().map(|(_, word)| word.spelling()).collect();
    words.dedup();
    words.join(", ")
}

fn find<W: Word>(text: &str) -> Option<W> {
    W::ALL
        .iter()
        .find(|(spelling, _)| spelling.eq_ignore_ascii_case(text))
        .map(|(_, word)| *word)
}

impl<W: Word> Kind<W> for OneWord {
    fn take(&self, text: &str) -> Taken<W> {
        match find(text.trim()) {
            Some(word) => Good(word),
            None => Bad(format!("one of {}", spellings::<W>())),
        }
    }
    fn give(&self, value: &W) -> Option<String> {
        Some(value.spelling().to_owned())
    }
}

impl<W: Word> Kind<Vec<W>> for WordList {
    fn take(&self, text: &str) -> Taken<Vec<W>> {
        let mut words = Vec::new();
        let mut unknown = false;
        for part in text
            .split([' ', ',', '\t', '\n', '\r'])
            .filter(|p| !p.is_empty())
        {
            match find(part) {
                // Each word once, so the list is never longer than the set.
                Some(word) if !words.contains(&word) => words.push(word),
                Some(_) => {}
                None => unknown = true,
            }
        }
        let expected = || format!("words from {}, separated by spaces", spellings::<W>());
        match (words.is_empty(), unknown) {
            (true, true) => Bad(expected()),
            (false, true) => Mended(
                words,
                format!("expected {}; the unknown are left out", expected()),
            ),
            _ => Good(words),
        }
    }
    fn give(&self, value: &Vec<W>) -> Option<String> {
        let words: Vec<&str> = value.iter().map(|word| word.spelling()).collect();
        Some(words.join(" "))
    }
}
