//! Which document each call runs, and what may come of it: the laws of B1, B3, B4, B5 and B6.
//!
//! ```text
//! nothing ──► asked ──► document, sound ──► asked …        (an answer to another question: no effect)
//!               └─────► failed ──► asked (fallback), apology
//! any of them ── 200 to a redirect ──► sent elsewhere ──► asked
//! ```
//!
//! The world marks what a document can cause with its number and its verb (`d17v2`), so that every
//! sound, question and called party tells where it comes from. Needs no look into the engine.

use std::collections::{BTreeMap, BTreeSet};

use model::sid::CallSid;
use twiml::ssml::Spoken;
use voice::effect::{Effect, Fetch, LegCommand, MediaCommand, Reply, Save, Sound};
use voice::input::{
    DocumentKind, FetchFailure, FetchId, Fetched, Input, LegEvent, LegId, Modify, Redirect,
    RequestId,
};

use crate::simulation::{Verdict, must};

/// Where a sound, a question or a called party comes from: a document and a verb in it, both counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The document.
    pub document: u64,
    /// The verb.
    pub verb: u64,
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "d{}v{}", self.document, self.verb)
    }
}

impl Mark {
    /// As part of a number that can be called; `n` tells the nouns of one verb apart.
    pub fn number(self, n: u64) -> String {
        format!("+1555{:06}{}{n}", self.document, self.verb)
    }

    /// Finds it in a text, a URL or the address of a called party.
    pub fn find(text: &str) -> Option<Mark> {
        if let Some(digits) = text.strip_prefix("+1555") {
            let document = digits.get(..6)?.parse().ok()?;
            let verb = digits.get(6..7)?.parse().ok()?;
            return Some(Mark { document, verb });
        }
        text.match_indices('d').find_map(|(at, _)| {
            let (document, rest) = text[at + 1..].split_once('v')?;
            let end = rest.find(|c: char| !c.is_ascii_digit());
            let verb = rest[..end.unwrap_or(rest.len())].parse().ok()?;
            let document = document.parse().ok()?;
            Some(Mark { document, verb })
        })
    }
}

/// What a call runs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Running {
    /// Nothing yet.
    Nothing,
    Asked(FetchId),
    /// The verb is the last one that did something.
    Document(Mark),
    /// A sound that came in place of a document.
    Sound(String),
    /// What came is of no use.
    Failed,
    /// The API was told that it goes elsewhere; the question must follow at once.
    Sent(RequestId),
    Over,
}

struct Party {
    running: Running,
    parent: Option<CallSid>,
    /// Keys pressed since its document began, and not yet told.
    keys: String,
}

/// What a question of the API wants.
enum Wanted {
    End,
    Change,
    /// To this document, or to one that is to be asked for.
    Redirect(Option<Mark>),
}

/// The laws, with what they must remember.
#[derive(Default)]
pub struct Programs {
    calls: BTreeMap<CallSid, Party>,
    legs: BTreeMap<LegId, CallSid>,
    waiting: BTreeMap<RequestId, (CallSid, Wanted)>,
    /// Every address that a verb had asked; each verb asks once.
    told: BTreeSet<String>,
}

fn parameter<'a>(parameters: &'a [(String, String)], name: &str) -> &'a str {
    let found = parameters.iter().find(|(n, _)| n == name);
    found.map_or("", |(_, value)| value.as_str())
}

/// What is spoken first.
fn words(spoken: &[Spoken]) -> &str {
    match spoken.first() {
        Some(Spoken::Words(words)) => words,
        _ => "",
    }
}

impl Programs {
    fn party(&mut self, call: CallSid) -> &mut Party {
        self.calls.entry(call).or_insert(Party {
            running: Running::Nothing,
            parent: None,
            keys: String::new(),
        })
    }

    fn running(&self, call: CallSid) -> Option<&Running> {
        self.calls.get(&call).map(|party| &party.running)
    }

    fn run(&mut self, call: CallSid, running: Running) {
        let party = self.party(call);
        party.running = running;
        party.keys.clear();
    }

    /// Takes note of what the engine is about to be told.
    pub fn hear(&mut self, input: &Input) {
        match input {
            Input::Incoming(incoming) => {
                self.legs.insert(incoming.leg, incoming.call);
            }
            Input::Originate(originate) => {
                self.party(originate.record.sid);
            }
            Input::Leg(leg, LegEvent::Digit(key)) => {
                let call = self.legs.get(leg).copied();
                // Who was refused at the door never became a call.
                if let Some(party) = call.and_then(|call| self.calls.get_mut(&call)) {
                    party.keys.push(*key);
                }
            }
            Input::Fetched { fetch, result } => self.fetched(*fetch, result),
            Input::Modify {
                call,
                request,
                change,
            } => {
                let wanted = match change {
                    Modify::Cancel | Modify::Complete => Wanted::End,
                    Modify::Change(change) => match &change.redirect {
                        None => Wanted::Change,
                        Some(Redirect::Url(..)) => Wanted::Redirect(None),
                        Some(Redirect::Twiml(text)) => Wanted::Redirect(Mark::find(text)),
                    },
                };
                self.waiting.insert(*request, (*call, wanted));
            }
            _ => {}
        }
    }

    /// An answer counts if it is the one to the newest question of a call.
    fn fetched(&mut self, fetch: FetchId, result: &Result<Fetched, FetchFailure>) {
        let waits = |party: &Party| party.running == Running::Asked(fetch);
        let Some((call, _)) = self.calls.iter().find(|(_, party)| waits(party)) else {
            return;
        };
        let call = *call;
        let running = match result {
            Ok(fetched) => match (fetched.kind, Mark::find(&fetched.body)) {
                (DocumentKind::Audio, _) => Running::Sound(fetched.url.clone()),
                (DocumentKind::Twiml, Some(mark)) => Running::Document(mark),
                _ => Running::Failed,
            },
            Err(_) => Running::Failed,
        };
        self.run(call, running);
    }

    /// Judges one effect.
    ///
    /// # Errors
    /// The law that it breaks.
    pub fn observe(&mut self, effect: &Effect) -> Verdict {
        match effect {
            Effect::Save(save) => self.save(save),
            Effect::Fetch(fetch) => self.fetch(fetch),
            Effect::Leg(leg, LegCommand::Invite(invite)) => {
                self.legs.insert(*leg, invite.call);
                match self.party(invite.call).parent {
                    Some(parent) => self.stems(parent, &invite.to, "calls"),
                    None => Ok(()),
                }
            }
            Effect::Leg(leg, LegCommand::Answer) => {
                let running = self.legs.get(leg).and_then(|call| self.running(*call));
                let may = matches!(running, Some(Running::Document(_) | Running::Sound(_)));
                must(may, || format!("{leg:?} is answered by {running:?}"))
            }
            Effect::Media(leg, command) => self.media(*leg, command),
            Effect::Reply(request, reply) => self.reply(*request, reply),
            _ => Ok(()),
        }
    }

    /// What a verb does comes of the running document, and no earlier verb acts after a later one.
    fn stems(&mut self, call: CallSid, from: &str, what: &str) -> Verdict {
        let mark = Mark::find(from);
        let party = self.party(call);
        match (&mut party.running, mark) {
            (Running::Document(running), Some(mark))
                if running.document == mark.document && running.verb <= mark.verb =>
            {
                *running = mark;
                Ok(())
            }
            (running, _) => Err(format!("{call} {what} {from} but runs {running:?}")),
        }
    }

    fn once(&mut self, url: &str) -> Verdict {
        let first = self.told.insert(url.to_owned());
        must(first, || format!("{url} is asked a second time"))
    }

    fn save(&mut self, save: &Save) -> Verdict {
        let record = &save.record;
        self.party(record.sid).parent = record.parent;
        for owed in &save.owed {
            if parameter(&owed.parameters, "SequenceNumber").is_empty() {
                // The one question that a caller's end leaves behind is how the Dial went.
                let after = owed.url.contains("/after/");
                must(after, || format!("{} is owed after a hang-up", owed.url))?;
                self.stems(record.sid, &owed.url, "still tells")?;
                self.once(&owed.url)?;
            }
        }
        if record.status.is_final() {
            self.run(record.sid, Running::Over);
        }
        Ok(())
    }

    fn fetch(&mut self, fetch: &Fetch) -> Verdict {
        let (call, url) = (fetch.call, fetch.url.as_str());
        let running = self.party(call).running.clone();
        let wrong = || format!("{call} asks {url} but runs {running:?}");
        let path = url.strip_prefix("https://app.test/").ok_or_else(wrong)?;
        match path.split('/').next().unwrap_or_default() {
            "voice" => must(running == Running::Nothing, wrong)?,
            "fallback" => {
                // A document fails, too, when a sound of it cannot be had.
                let failed = matches!(
                    running,
                    Running::Failed | Running::Document(_) | Running::Sound(_)
                );
                must(failed, wrong)?;
            }
            "redirected" => {
                let request = path.rsplit('/').next().and_then(|n| n.parse().ok());
                let sent = request.map(|request| Running::Sent(RequestId(request)));
                must(sent == Some(running.clone()), wrong)?;
                self.once(url)?;
            }
            "whisper" => {
                must(running == Running::Nothing, wrong)?;
                let parent = self.party(call).parent.ok_or_else(wrong)?;
                self.stems(parent, url, "has its child ask")?;
                self.once(url)?;
            }
            _ => {
                self.stems(call, url, "asks")?;
                self.once(url)?;
            }
        }
        if path.starts_with("keys/") {
            let party = self.party(call);
            let mut told = parameter(&fetch.parameters, "Digits").to_owned();
            told.push_str(parameter(&fetch.parameters, "FinishedOnKey"));
            must(party.keys.ends_with(&told), || {
                format!("{call} tells {told} but had {} pressed", party.keys)
            })?;
        }
        self.run(call, Running::Asked(fetch.fetch));
        Ok(())
    }

    fn media(&mut self, leg: LegId, command: &MediaCommand) -> Verdict {
        let call = self.legs.get(&leg).copied();
        let call = call.ok_or_else(|| format!("{leg:?} is nobody's"))?;
        let running = self.party(call).running.clone();
        let wrong = || format!("{call} is to {command:?} but runs {running:?}");
        let document = matches!(running, Running::Document(_));
        match command {
            MediaCommand::Play { sound, .. } => match sound {
                Sound::Say { text, .. } if words(text).starts_with("We are sorry") => {
                    let failed = document || matches!(running, Running::Failed | Running::Sound(_));
                    must(failed, wrong)?;
                    self.run(call, Running::Failed);
                    Ok(())
                }
                Sound::Say { text, .. } => self.stems(call, words(text), "says"),
                Sound::Url { url, .. } => match &running {
                    Running::Sound(asked) => must(asked == url, wrong),
                    _ => self.stems(call, url, "plays"),
                },
                Sound::Digits(_) => must(running == Running::Nothing, wrong),
                Sound::Ringback(_) => must(document, wrong),
            },
            MediaCommand::Echo => must(document, wrong),
            MediaCommand::Bridge(other) => {
                let other = self.legs.get(other).and_then(|call| self.running(*call));
                // Whom nobody asks for anything more: a whisper may be a sound, or none at all.
                let handed = |running: &Running| {
                    let quiet = matches!(running, Running::Nothing | Running::Sound(_));
                    quiet || matches!(running, Running::Document(_))
                };
                let both = handed(&running) && other.is_some_and(handed);
                let dials = document || matches!(other, Some(Running::Document(_)));
                must(both && dials, wrong)
            }
            MediaCommand::Stop(_) | MediaCommand::Unbridge(_) | MediaCommand::EndEcho => Ok(()),
        }
    }

    fn reply(&mut self, request: RequestId, reply: &Reply) -> Verdict {
        let (call, wanted) = (self.waiting.remove(&request))
            .ok_or_else(|| format!("{request:?} is answered twice, or was never asked"))?;
        let running = self.running(call).cloned();
        let over = matches!(running, Some(Running::Over));
        match reply {
            Reply::Done(record) => {
                must(record.sid == call, || {
                    format!("{request:?} is told of {}", record.sid)
                })?;
                let ends = matches!(wanted, Wanted::End);
                must(over == ends && record.status.is_final() == ends, || {
                    format!("{request:?} is done but {call} runs {running:?}")
                })?;
                match wanted {
                    Wanted::Redirect(Some(mark)) => self.run(call, Running::Document(mark)),
                    Wanted::Redirect(None) => self.run(call, Running::Sent(request)),
                    Wanted::End | Wanted::Change => {}
                }
                Ok(())
            }
            Reply::Unknown => must(over || running.is_none(), || {
                format!("{call} is told to be unknown but runs {running:?}")
            }),
            Reply::NotInProgress(_) => must(!over, || format!("{call} has ended long ago")),
        }
    }

    /// After everything that one event causes: who was sent elsewhere is on the way.
    ///
    /// # Errors
    /// The law that is broken.
    pub fn settled(&self) -> Verdict {
        let sent = |party: &Party| matches!(party.running, Running::Sent(_));
        let stays = self.calls.iter().find(|(_, party)| sent(party));
        must(stays.is_none(), || {
            let call = stays.map(|(call, _)| call);
            format!("{call:?} was redirected and does not ask")
        })?;
        must(self.waiting.is_empty(), || {
            "a question of the API has no answer".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::call::{CallRecord, CallStatus, Direction};
    use model::method::Method;
    use model::now::Wall;
    use model::owed::Owed;
    use model::sid::AccountSid;
    use voice::input::{Change, Incoming, PlaybackId};

    const CALL: CallSid = CallSid::from_bytes([1; 16]);
    const ACCOUNT: AccountSid = AccountSid::from_bytes([3; 16]);
    const LEG: LegId = LegId(1);

    fn record(status: CallStatus) -> CallRecord {
        CallRecord {
            to: "+15005550006".to_owned(),
            from: "+15551230001".to_owned(),
            status,
            ..CallRecord::new(CALL, ACCOUNT, Direction::Inbound, Wall(0))
        }
    }

    fn save(status: CallStatus, owed: Option<&str>) -> Effect {
        let owed = owed.map(|url| Owed {
            account: ACCOUNT,
            call: CALL,
            stream: CALL,
            url: url.to_owned(),
            method: Method::Post,
            parameters: Vec::new(),
            created: Wall(0),
        });
        Effect::Save(Box::new(Save {
            record: record(status),
            owed: owed.into_iter().collect(),
            will: None,
            events: Vec::new(),
        }))
    }

    fn asks(fetch: u64, path: &str, digits: &str) -> Effect {
        Effect::Fetch(Box::new(Fetch {
            fetch: FetchId(fetch),
            call: CALL,
            account: ACCOUNT,
            url: format!("https://app.test/{path}"),
            method: Method::Post,
            parameters: vec![("Digits".to_owned(), digits.to_owned())],
        }))
    }

    fn says(text: &str) -> Effect {
        let sound = Sound::Say {
            text: vec![Spoken::Words(text.to_owned())],
            voice: None,
            language: None,
        };
        let play = MediaCommand::Play {
            playback: PlaybackId(1),
            sound,
            loops: 1,
        };
        Effect::Media(LEG, play)
    }

    fn arrives(laws: &mut Programs, fetch: u64, body: &str) {
        laws.hear(&Input::Fetched {
            fetch: FetchId(fetch),
            result: Ok(Fetched {
                url: "https://app.test/voice".to_owned(),
                kind: DocumentKind::Twiml,
                body: body.to_owned(),
            }),
        });
    }

    fn redirects(laws: &mut Programs, request: u64, redirect: Redirect) {
        laws.hear(&Input::Modify {
            call: CALL,
            request: RequestId(request),
            change: Modify::Change(Box::new(Change {
                redirect: Some(redirect),
                ..Change::default()
            })),
        });
    }

    fn done(request: u64, status: CallStatus) -> Effect {
        let record = Box::new(record(status));
        Effect::Reply(RequestId(request), Reply::Done(record))
    }

    /// A caller whose first document, number 1, has come.
    fn in_document_1() -> Programs {
        let mut laws = Programs::default();
        laws.hear(&Input::Incoming(Box::new(Incoming::new(
            CALL, LEG, ACCOUNT,
        ))));
        assert_eq!(laws.observe(&save(CallStatus::Ringing, None)), Ok(()));
        assert_eq!(laws.observe(&asks(1, "voice", "")), Ok(()));
        arrives(&mut laws, 1, "<!--d1v0-->");
        laws
    }

    fn elsewhere() -> Redirect {
        Redirect::Url("https://app.test/redirected/1".to_owned(), Method::Post)
    }

    #[test]
    fn b1_an_old_document_that_goes_on_is_noticed() {
        let mut laws = in_document_1();
        assert_eq!(laws.observe(&says("Hello d1v1")), Ok(()));
        redirects(&mut laws, 1, elsewhere());
        assert_eq!(laws.observe(&done(1, CallStatus::InProgress)), Ok(()));
        assert!(laws.settled().is_err(), "it never asks");
        assert!(laws.observe(&says("Hello d1v2")).is_err(), "after the 200");
        assert!(laws.observe(&asks(2, "next/d1v2", "")).is_err());
        assert_eq!(laws.observe(&asks(2, "redirected/1", "")), Ok(()));
        assert_eq!(laws.settled(), Ok(()));
        arrives(&mut laws, 1, "<!--d2v0-->");
        assert!(laws.observe(&says("Hello d2v1")).is_err(), "a late answer");
        arrives(&mut laws, 2, "<!--d3v0-->");
        assert_eq!(laws.observe(&says("Hello d3v1")), Ok(()));
    }

    #[test]
    fn b3_a_success_after_the_end_is_noticed() {
        let mut laws = in_document_1();
        redirects(&mut laws, 1, elsewhere());
        let unknown = Effect::Reply(RequestId(1), Reply::Unknown);
        assert!(laws.observe(&unknown).is_err(), "it lives");
        redirects(&mut laws, 2, elsewhere());
        assert_eq!(laws.observe(&save(CallStatus::Completed, None)), Ok(()));
        assert!(laws.observe(&done(2, CallStatus::InProgress)).is_err());
        assert!(
            laws.observe(&done(2, CallStatus::InProgress)).is_err(),
            "twice"
        );
    }

    #[test]
    fn b4_verbs_of_two_redirects_are_noticed() {
        let mut laws = in_document_1();
        redirects(&mut laws, 1, Redirect::Twiml("<!--d2v0-->".to_owned()));
        redirects(&mut laws, 2, Redirect::Twiml("<!--d3v0-->".to_owned()));
        assert_eq!(laws.observe(&done(1, CallStatus::InProgress)), Ok(()));
        assert_eq!(laws.observe(&says("Hello d2v1")), Ok(()));
        assert_eq!(laws.observe(&done(2, CallStatus::InProgress)), Ok(()));
        assert_eq!(laws.observe(&says("Hello d3v2")), Ok(()));
        assert!(laws.observe(&says("Hello d2v2")).is_err(), "the loser's");
        assert!(
            laws.observe(&says("Hello d3v1")).is_err(),
            "an earlier verb"
        );
    }

    #[test]
    fn b5_a_second_action_and_keys_of_nobody_are_noticed() {
        let mut laws = in_document_1();
        laws.hear(&Input::Leg(LEG, LegEvent::Digit('7')));
        assert!(laws.observe(&asks(2, "keys/d1v1", "8")).is_err());
        let mut laws = in_document_1();
        laws.hear(&Input::Leg(LEG, LegEvent::Digit('7')));
        assert_eq!(laws.observe(&asks(2, "keys/d1v1", "7")), Ok(()));
        assert!(laws.observe(&asks(3, "keys/d1v1", "7")).is_err(), "again");
        let mut laws = in_document_1();
        let hung_up = save(CallStatus::Completed, Some("https://app.test/keys/d1v1"));
        assert!(laws.observe(&hung_up).is_err(), "after a hang-up");
    }

    #[test]
    fn b6_a_document_beside_the_fallback_is_noticed() {
        let mut laws = in_document_1();
        assert_eq!(laws.observe(&asks(2, "next/d1v1", "")), Ok(()));
        laws.hear(&Input::Fetched {
            fetch: FetchId(2),
            result: Err(FetchFailure {
                code: 11200,
                message: String::new(),
            }),
        });
        assert_eq!(laws.observe(&asks(3, "fallback", "")), Ok(()));
        arrives(&mut laws, 2, "<!--d2v0-->");
        assert!(laws.observe(&says("Hello d2v1")).is_err(), "given up");
        arrives(&mut laws, 3, "<!--d3v0-->");
        assert_eq!(laws.observe(&says("Hello d3v1")), Ok(()));
        assert!(laws.observe(&says("Hello d2v1")).is_err(), "both");
    }
}
