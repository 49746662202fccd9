//! The subset of SSML 1.1 that Say takes.

use std::time::Duration;

use crate::print::Printer;
use crate::read::{Node, Reader, written_name};

/// SSML elements inside each other; deeper ones lose their tags, not their text.
const DEPTH_LIMIT: usize = 16;

/// A piece of what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ssml {
    /// Words.
    Text(String),
    /// Silence.
    Break {
        /// `none`, `x-weak`, `weak`, `medium`, `strong` or `x-strong`; absent: `medium`.
        strength: Option<String>,
        /// How long, at most 10 s; it overrules `strength`.
        time: Option<Duration>,
    },
    /// Everything else: an element with words inside.
    Span {
        /// Which, with its attributes.
        kind: Span,
        /// What it is about.
        content: Vec<Ssml>,
    },
}

/// What a voice is given that understands no SSML: words, and silence between them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Spoken {
    /// Words, with single blanks between them.
    Words(String),
    /// Nothing for a while.
    Silence(Duration),
}

/// An SSML element that has words inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// `emphasis`.
    Emphasis {
        /// `strong`, `moderate` or `reduced`; absent: `moderate`.
        level: Option<String>,
    },
    /// `lang`: another language.
    Lang {
        /// `xml:lang`, such as `fr-FR`.
        language: Option<String>,
    },
    /// `p`: a paragraph.
    Paragraph,
    /// `phoneme`: how it is pronounced.
    Phoneme {
        /// `ipa` or `x-sampa`; absent: `ipa`.
        alphabet: Option<String>,
        /// The pronunciation.
        ph: Option<String>,
    },
    /// `prosody`: how it is spoken.
    Prosody {
        /// Loudness.
        volume: Option<String>,
        /// Speed.
        rate: Option<String>,
        /// Height.
        pitch: Option<String>,
    },
    /// `s`: a sentence.
    Sentence,
    /// `say-as`: how it is read out.
    SayAs {
        /// `date`, `digits`, `telephone` …
        interpret_as: Option<String>,
        /// The order of day, month and year.
        format: Option<String>,
    },
    /// `sub`: other words are said instead.
    Sub {
        /// The words.
        alias: Option<String>,
    },
    /// `w`: a word whose role matters.
    Word {
        /// Its role, such as `amazon:VB`.
        role: Option<String>,
    },
}

/// The elements Say may hold, for messages.
const TAGS: &[&str] = &[
    "break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w",
];

/// The attributes of an element, each with the place for its value.
type Slots<'s> = Vec<(&'static str, &'s mut Option<String>)>;

impl Span {
    /// The element of this name, without attributes.
    fn named(tag: &str) -> Option<Span> {
        Some(match tag {
            "emphasis" => Span::Emphasis { level: None },
            "lang" => Span::Lang { language: None },
            "p" => Span::Paragraph,
            "phoneme" => Span::Phoneme {
                alphabet: None,
                ph: None,
            },
            "prosody" => Span::Prosody {
                volume: None,
                rate: None,
                pitch: None,
            },
            "s" => Span::Sentence,
            "say-as" => Span::SayAs {
                interpret_as: None,
                format: None,
            },
            "sub" => Span::Sub { alias: None },
            "w" => Span::Word { role: None },
            _ => return None,
        })
    }

    /// The name of the element, as it is written.
    pub fn tag(&self) -> &'static str {
        match self {
            Span::Emphasis { .. } => "emphasis",
            Span::Lang { .. } => "lang",
            Span::Paragraph => "p",
            Span::Phoneme { .. } => "phoneme",
            Span::Prosody { .. } => "prosody",
            Span::Sentence => "s",
            Span::SayAs { .. } => "say-as",
            Span::Sub { .. } => "sub",
            Span::Word { .. } => "w",
        }
    }

    fn slots(&mut self) -> Slots<'_> {
        match self {
            Span::Emphasis { level } => vec![("level", level)],
            Span::Lang { language } => vec![("xml:lang", language)],
            Span::Paragraph | Span::Sentence => vec![],
            Span::Phoneme { alphabet, ph } => vec![("alphabet", alphabet), ("ph", ph)],
            Span::Prosody {
                volume,
                rate,
                pitch,
            } => {
                vec![("volume", volume), ("rate", rate), ("pitch", pitch)]
            }
            Span::SayAs {
                interpret_as,
                format,
            } => {
                vec![("interpret-as", interpret_as), ("format", format)]
            }
            Span::Sub { alias } => vec![("alias", alias)],
            Span::Word { role } => vec![("role", role)],
        }
    }

    /// Whether the element may not stand inside these.
    fn is_forbidden_inside(&self, around: &[&'static str]) -> bool {
        match self {
            Span::Word { .. } => around.contains(&"w"),
            Span::Paragraph => around.contains(&"s"),
            _ => false,
        }
    }
}

/// Reads what stands inside a Say. Elements that may not stand there lose their tags only:
/// the words are what the caller came to hear.
pub(crate) fn take(reader: &mut Reader<'_>, node: Node<'_>) -> Vec<Ssml> {
    let mut content = Vec::new();
    take_inside(reader, node, &mut Vec::new(), &mut content);
    if let Some(Ssml::Text(first)) = content.first_mut() {
        *first = first.trim_start().to_owned();
    }
    if let Some(Ssml::Text(last)) = content.last_mut() {
        *last = last.trim_end().to_owned();
    }
    content.retain(|piece| !matches!(piece, Ssml::Text(text) if text.is_empty()));
    content
}

fn take_inside(
    reader: &mut Reader<'_>,
    node: Node<'_>,
    around: &mut Vec<&'static str>,
    content: &mut Vec<Ssml>,
) {
    for child in node.children() {
        if child.is_text() {
            push_text(content, child.text().unwrap_or_default());
            continue;
        }
        if !child.is_element() {
            continue;
        }
        let tag = child.tag_name().name();
        if around.len() >= DEPTH_LIMIT {
            reader.warn(
                child,
                12200,
                format!("SSML is nested deeper than {DEPTH_LIMIT}; the tags inside are ignored"),
            );
            for inner in child.descendants().filter(|inner| inner.is_text()) {
                push_text(content, inner.text().unwrap_or_default());
            }
            continue;
        }
        if tag == "break" {
            content.push(take_break(reader, child));
            continue;
        }
        let Some(mut kind) = Span::named(tag) else {
            // `speak` is what SSML written for other engines begins with.
            if tag != "speak" {
                reader.warn(
                    child,
                    12200,
                    format!(
                        "Say holds no element \"{tag}\", its tags are ignored; it may hold {}",
                        TAGS.join(", ")
                    ),
                );
            }
            around.push("speak");
            take_inside(reader, child, around, content);
            around.pop();
            continue;
        };
        for attribute in child.attributes() {
            let name = written_name(&attribute);
            let mut slots = kind.slots();
            match slots.iter_mut().find(|(slot, _)| *slot == name) {
                Some((_, value)) => **value = Some(attribute.value().trim().to_owned()),
                None => {
                    let known: Vec<&str> = slots.iter().map(|(slot, _)| *slot).collect();
                    reader.unknown_attribute(child, &attribute, &known);
                }
            }
        }
        if kind.is_forbidden_inside(around) {
            reader.warn(
                child,
                12200,
                format!("\"{tag}\" may not stand inside w or s here, its tags are ignored"),
            );
            around.push("speak");
            take_inside(reader, child, around, content);
            around.pop();
            continue;
        }
        let mut inner = Vec::new();
        around.push(kind.tag());
        take_inside(reader, child, around, &mut inner);
        around.pop();
        content.push(Ssml::Span {
            kind,
            content: inner,
        });
    }
}

fn take_break(reader: &mut Reader<'_>, node: Node<'_>) -> Ssml {
    let (mut strength, mut time) = (None, None);
    for attribute in node.attributes() {
        match written_name(&attribute).as_ref() {
            "strength" => strength = Some(attribute.value().trim().to_owned()),
            "time" => match break_time(attribute.value()) {
                Some(length) => time = Some(length),
                None => reader.warn(
                    node,
                    12200,
                    "break time is ignored; write it like 500ms or 2s, at most 10s",
                ),
            },
            _ => reader.unknown_attribute(node, &attribute, &["strength", "time"]),
        }
    }
    reader.nothing_inside(node);
    Ssml::Break { strength, time }
}

/// Reads `500ms`, `2s` or `1.5s`; at most 10 s.
fn break_time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, milliseconds) = match text.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => (text.strip_suffix('s')?, 1_000.0),
    };
    if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let length = number.parse::<f64>().ok()? * milliseconds;
    // Within 0 to 10,000 the conversion is exact enough and cannot overflow.
    (0.0..=10_000.0)
        .contains(&length)
        .then(|| Duration::from_millis(length.round() as u64))
}

/// Adds words, with every run of white space made one blank, also across a comment.
fn push_text(content: &mut Vec<Ssml>, text: &str) {
    if !matches!(content.last(), Some(Ssml::Text(_))) {
        content.push(Ssml::Text(String::new()));
    }
    let Some(Ssml::Text(all)) = content.last_mut() else {
        return;
    };
    for c in text.chars() {
        match c.is_whitespace() {
            true if all.ends_with(' ') => {}
            true => all.push(' '),
            false => all.push(c),
        }
    }
    if all.is_empty() {
        content.pop();
    }
}

/// How long a break is (compat say-8): a comma's pause, a sentence's, a paragraph's.
fn break_length(strength: Option<&str>, time: Option<Duration>) -> Duration {
    time.unwrap_or(Duration::from_millis(match strength {
        Some("none" | "x-weak") => 0,
        Some("strong") => 500,
        Some("x-strong") => 1000,
        _ => 250,
    }))
}

/// The words alone. A `sub` gives its alias; a break and a paragraph part words.
pub(crate) fn plain_text(content: &[Ssml]) -> String {
    let pieces = spoken(content).into_iter().filter_map(|piece| match piece {
        Spoken::Words(words) => Some(words),
        Spoken::Silence(_) => None,
    });
    pieces.collect::<Vec<_>>().join(" ")
}

/// The words with their breaks; see [`plain_text`].
pub(crate) fn spoken(content: &[Ssml]) -> Vec<Spoken> {
    let (mut pieces, mut text) = (Vec::new(), String::new());
    gather_text(content, &mut text, &mut pieces);
    push_words(&text, &mut pieces);
    pieces
}

fn push_words(text: &str, pieces: &mut Vec<Spoken>) {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !words.is_empty() {
        pieces.push(Spoken::Words(words));
    }
}

fn gather_text(content: &[Ssml], text: &mut String, pieces: &mut Vec<Spoken>) {
    for piece in content {
        match piece {
            Ssml::Text(words) => text.push_str(words),
            Ssml::Break { strength, time } => {
                text.push(' ');
                let length = break_length(strength.as_deref(), *time);
                if !length.is_zero() {
                    push_words(&std::mem::take(text), pieces);
                    pieces.push(Spoken::Silence(length));
                }
            }
            Ssml::Span {
                kind: Span::Sub { alias: Some(alias) },
                ..
            } => text.push_str(alias),
            Ssml::Span { kind, content } => {
                let parted = matches!(kind, Span::Paragraph | Span::Sentence);
                if parted {
                    text.push(' ');
                }
                gather_text(content, text, pieces);
                if parted {
                    text.push(' ');
                }
            }
        }
    }
}

/// Prints what stands inside a Say.
pub(crate) fn give(content: &[Ssml], printer: &mut Printer) {
    for piece in content {
        match piece {
            Ssml::Text(words) => printer.text(words),
            Ssml::Break { strength, time } => {
                printer.open("break");
                if let Some(strength) = strength {
                    printer.plain_attribute("strength", strength);
                }
                if let Some(time) = time {
                    printer.plain_attribute("time", &format!("{}ms", time.as_millis()));
                }
                printer.close("break");
            }
            Ssml::Span { kind, content } => {
                printer.open(kind.tag());
                for (name, value) in kind.clone().slots() {
                    if let Some(value) = value {
                        printer.plain_attribute(name, value);
                    }
                }
                give(content, printer);
                printer.close(kind.tag());
            }
        }
    }
}
