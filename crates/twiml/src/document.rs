//! A document: verbs in order, each with its position in the text.

use crate::problem::{Placed, Position, Problem, Severity};
use crate::read::{Choice, Node, PROBLEM_LIMIT, Reader, quoted};
use crate::verb::Verb;

/// A TwiML document that can be executed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// The verbs that can be executed, in order. A verb that lacks what it needs is not
    /// here; it is named among the problems.
    pub verbs: Vec<Placed<Verb>>,
    /// Everything that was ignored, mended or left out, in order of the text.
    pub problems: Vec<Problem>,
}

/// How much one document may hold. The size of the body (64 kB) is limited where it is
/// fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Verbs directly inside Response; those beyond are ignored with warning 12200.
    pub verbs: usize,
    /// Elements, texts and comments; a document with more is refused with 12100.
    pub nodes: u32,
    /// Elements inside each other; a document with more is refused with 12100.
    pub depth: usize,
}

impl Default for Limits {
    /// 1,000 verbs, 50,000 nodes, 32 levels.
    fn default() -> Self {
        Limits {
            verbs: 1_000,
            nodes: 50_000,
            depth: 32,
        }
    }
}

/// Where a document is executed, which decides the verbs it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// The call's own document: everything.
    Call,
    /// `url` of Number, Client or Sip: heard by the party called before it is connected.
    Whisper,
    /// `url` of a dialled Queue: heard by the caller taken from the queue.
    QueueUrl,
    /// `waitUrl`, `holdUrl` or `announceUrl` of a Conference.
    ConferenceWait,
    /// `waitUrl` of Enqueue.
    EnqueueWait,
}

impl Document {
    /// Reads a document within the usual [`Limits`].
    ///
    /// # Errors
    /// 12100 when the text is not well-formed XML or larger than the limits allow, 12102
    /// when its root is not `Response`. The customer must act.
    pub fn parse(text: &str) -> Result<Document, Problem> {
        Document::parse_within(text, Limits::default())
    }

    /// Reads a document within `limits`.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_within(text: &str, limits: Limits) -> Result<Document, Problem> {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        // Without a DTD there are no entities but the five of XML itself, so nothing can
        // grow, and nothing can be fetched.
        let options = roxmltree::ParsingOptions {
            allow_dtd: false,
            nodes_limit: limits.nodes,
            ..roxmltree::ParsingOptions::default()
        };
        let xml = roxmltree::Document::parse_with_options(text, options)
            .map_err(|error| not_well_formed(text, &error))?;
        let root = xml.root_element();
        let mut reader = Reader::new(text);
        if root.tag_name().name() != "Response" {
            let name = quoted(root.tag_name().name());
            return Err(Problem {
                code: 12102,
                severity: Severity::Error,
                position: reader.position_of(root),
                message: format!("the root element is {name}; it must be Response, written so"),
            });
        }
        if let Some(deep) = deeper_than(&xml, limits.depth) {
            return Err(Problem {
                code: 12100,
                severity: Severity::Error,
                position: reader.position_of(deep),
                message: format!("elements are nested deeper than {} levels", limits.depth),
            });
        }
        for attribute in root.attributes() {
            reader.unknown_attribute(root, &attribute, &[]);
        }
        reader.no_text(root);
        let mut verbs: Vec<Placed<Verb>> = Vec::new();
        let mut seen = 0;
        // Reject refuses a call, which only works before anything has answered it.
        let mut answered = false;
        for node in root.children().filter(|node| node.is_element()) {
            if !Verb::TAGS.contains(&node.tag_name().name()) {
                reader.unknown_element(node, "Response", 12200, Verb::TAGS);
                continue;
            }
            seen += 1;
            if seen > limits.verbs {
                let limit = limits.verbs;
                reader.warn(
                    node,
                    12200,
                    format!("Response holds more than {limit} verbs, the rest is ignored; go on with Redirect"),
                );
                break;
            }
            let position = reader.position_of(node);
            let Some(verb) = Verb::take(&mut reader, node) else {
                continue;
            };
            match &verb {
                Verb::Pause(_) => {}
                Verb::Reject(_) if answered => reader.warn(
                    node,
                    12200,
                    "Reject comes after a verb that answers the call; only Pause may come before it",
                ),
                _ => answered = true,
            }
            verbs.push(Placed::new(verb, position));
        }
        Ok(Document {
            verbs,
            problems: reader.into_problems(),
        })
    }

    /// Removes the verbs that may not run in `context`, and says which. The problems are
    /// returned, not added to the document's own.
    pub fn restrict(&mut self, context: Context) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.verbs.retain(|placed| {
            if context.allows(&placed.value) {
                return true;
            }
            if problems.len() < PROBLEM_LIMIT {
                problems.push(context.refusal(placed));
            }
            false
        });
        problems
    }
}

impl Context {
    /// Whether `verb` may run here (docs/compat/twiml-document.md, document-9).
    pub fn allows(self, verb: &Verb) -> bool {
        use Verb::{Gather, Hangup, Leave, Pause, Play, Redirect, Say};
        match self {
            Context::Call => true,
            Context::Whisper => {
                matches!(
                    verb,
                    Say(_) | Play(_) | Pause(_) | Gather(_) | Hangup(_) | Redirect(_)
                )
            }
            Context::QueueUrl | Context::ConferenceWait => {
                matches!(verb, Say(_) | Play(_) | Pause(_) | Redirect(_))
            }
            Context::EnqueueWait => matches!(
                verb,
                Say(_) | Play(_) | Pause(_) | Gather(_) | Hangup(_) | Redirect(_) | Leave(_)
            ),
        }
    }

    fn refusal(self, placed: &Placed<Verb>) -> Problem {
        let name = placed.value.name();
        let (code, severity, place, allowed) = match (self, &placed.value) {
            (Context::Whisper, Verb::Dial(_)) => (
                13201,
                Severity::Error,
                "a document for the party being dialled",
                "Say, Play, Pause, Gather, Hangup, Redirect",
            ),
            (Context::Whisper, _) => (
                12200,
                Severity::Warning,
                "a document for the party being dialled",
                "Say, Play, Pause, Gather, Hangup, Redirect",
            ),
            (Context::ConferenceWait, _) => (
                13238,
                Severity::Error,
                "a conference's waiting or announcement document",
                "Say, Play, Pause, Redirect",
            ),
            (Context::QueueUrl, _) => (
                12200,
                Severity::Warning,
                "the document for a caller taken from a queue",
                "Say, Play, Pause, Redirect",
            ),
            (Context::EnqueueWait | Context::Call, _) => (
                12200,
                Severity::Warning,
                "a queue's waiting document",
                "Say, Play, Pause, Gather, Hangup, Redirect, Leave",
            ),
        };
        Problem {
            code,
            severity,
            position: placed.position,
            message: format!("{name} is skipped: {place} may hold {allowed}"),
        }
    }
}

fn not_well_formed(text: &str, error: &roxmltree::Error) -> Problem {
    let place = error.pos();
    let mend = match error {
        roxmltree::Error::DtdDetected => "leave out the document type declaration".to_owned(),
        roxmltree::Error::UnexpectedDeclaration(_) | roxmltree::Error::InvalidName(_)
            if text.starts_with(char::is_whitespace) && text.trim_start().starts_with("<?xml") =>
        {
            "nothing, not even a blank line, may come before <?xml".to_owned()
        }
        roxmltree::Error::NodesLimitReached => "the document holds too many elements".to_owned(),
        other => other.to_string(),
    };
    Problem {
        code: 12100,
        severity: Severity::Error,
        position: Position {
            line: place.row,
            column: place.col,
        },
        message: format!("the document is not well-formed XML: {mend}"),
    }
}

/// The first element nested deeper than `limit`. Without recursion: the depth of the
/// document is the customer's choice.
fn deeper_than<'a>(xml: &'a roxmltree::Document<'a>, limit: usize) -> Option<Node<'a>> {
    let mut node = xml.root_element();
    let mut depth = 1;
    loop {
        if depth > limit && node.is_element() {
            return Some(node);
        }
        if let Some(child) = node.first_child() {
            node = child;
            depth += 1;
            continue;
        }
        loop {
            if let Some(next) = node.next_sibling().filter(|_| depth > 1) {
                node = next;
                break;
            }
            if depth <= 1 {
                return None;
            }
            node = node.parent()?;
            depth -= 1;
        }
    }
}
