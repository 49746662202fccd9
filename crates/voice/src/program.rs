//! A document being executed: which verb is next.

use std::vec::IntoIter;

use twiml::{Context, Document, Placed, Repeat, Severity, Ssml, Verb, verbs};

use crate::cx::Cx;
use crate::input::{DocumentKind, Fetched};

/// What is spoken when a program cannot go on (contract 4.1).
const APOLOGY: &str = "We are sorry, an application error has occurred. Goodbye.";

/// Code and text of a document that cannot be executed.
type Refusal = (u32, String);

/// The verbs that are still to run.
pub(crate) struct Program {
    verbs: IntoIter<Placed<Verb>>,
    apology: bool,
}

impl Program {
    fn new(verbs: Vec<Verb>) -> Self {
        let placed = verbs
            .into_iter()
            .map(|verb| Placed::new(verb, Default::default()));
        Program {
            verbs: placed.collect::<Vec<_>>().into_iter(),
            apology: false,
        }
    }

    fn say(text: &str) -> Self {
        Program::new(vec![Verb::Say(verbs::Say {
            voice: None,
            language: None,
            repeat: Repeat::Times(1),
            content: vec![Ssml::Text(text.to_owned())],
        })])
    }

    /// Says that we are sorry, then ends the call.
    pub fn apology() -> Self {
        Program {
            apology: true,
            ..Program::say(APOLOGY)
        }
    }

    pub fn is_apology(&self) -> bool {
        self.apology
    }

    pub fn next(&mut self) -> Option<Verb> {
        self.verbs.next().map(|placed| placed.value)
    }

    /// Reads TwiML; what is wrong with it goes to the debugger.
    pub fn twiml(text: &str, cx: &mut Cx) -> Result<Self, Refusal> {
        let mut document =
            Document::parse(text).map_err(|problem| (problem.code, problem.message))?;
        let mut problems = std::mem::take(&mut document.problems);
        if cx.body.parent.is_some() {
            problems.extend(document.restrict(Context::Whisper));
        }
        for problem in problems {
            let error = problem.severity == Severity::Error;
            let text = format!("{}: {}", problem.position, problem.message);
            let url = cx.body.base.clone();
            cx.alert_about(problem.code, error, text, url, None);
        }
        Ok(Program {
            verbs: document.verbs.into_iter(),
            apology: false,
        })
    }

    /// Reads a document of any kind (contract 4.1).
    pub fn fetched(fetched: &Fetched, cx: &mut Cx) -> Result<Self, Refusal> {
        match fetched.kind {
            DocumentKind::Twiml => Program::twiml(&fetched.body, cx),
            DocumentKind::Audio => Ok(Program::new(vec![Verb::Play(verbs::Play {
                repeat: Repeat::Times(1),
                digits: None,
                url: Some(fetched.url.clone()),
            })])),
            DocumentKind::Text => Program::twiml(&fetched.body, cx).or_else(|_| {
                let text = fetched.body.trim();
                Ok(match text.is_empty() {
                    true => Program::new(Vec::new()),
                    false => Program::say(text),
                })
            }),
            DocumentKind::Unknown => Err((
                12300,
                "The answer is neither TwiML nor sound nor text: send Content-Type text/xml"
                    .to_owned(),
            )),
        }
    }
}
