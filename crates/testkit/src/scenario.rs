//! The transcript runner: inputs at the margin, what the engine does about them indented.
//!
//! ```text
//! number asks https://app.test/voice
//! call from +15551230001 to +15005550006
//!   post   https://app.test/voice CallStatus=ringing
//! app answers <Response><Say>Hello</Say></Response>
//!   leg    caller answer
//!   say    caller "Hello"
//! sound ends
//! ```
//!
//! Expected output is rewritten when `SCENARIOS=rewrite` is set, and then reviewed as a diff. Every
//! effect is judged by the laws as well. Lines that begin with `#` are remarks.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use model::call::{CallRecord, Direction};
use model::method::Method;
use model::now::{Now, Wall};
use model::sid::{AccountSid, CallSid};
use twiml::ssml::Spoken;
use voice::effect::{Alert, Effect, Fetch, LegCommand, MediaCommand, Reason, Reply, Save, Sound};
use voice::input::{
    CallEvents, Change, DocumentKind, FetchFailure, Fetched, Incoming, Input, Instructions,
    LegEvent, LegId, Modify, Originate, PlaybackId, Redirect, RequestId, SipResponse,
};
use voice::{Policy, Switch};

use crate::laws::Laws;

/// Parameters that every request has; shown only after `show all parameters`.
const STANDARD: [&str; 24] = [
    "CallSid",
    "AccountSid",
    "From",
    "To",
    "ApiVersion",
    "Direction",
    "Caller",
    "Called",
    "FromCity",
    "FromState",
    "FromZip",
    "FromCountry",
    "ToCity",
    "ToState",
    "ToZip",
    "ToCountry",
    "CallerCity",
    "CallerState",
    "CallerZip",
    "CallerCountry",
    "CalledCity",
    "CalledState",
    "CalledZip",
    "CalledCountry",
];

/// Runs a transcript; the answer is the transcript as it should be.
pub fn run(script: &str) -> Result<String, String> {
    let mut stage = Stage::new();
    let mut played = String::new();
    for (number, line) in script.lines().enumerate() {
        if line.starts_with(char::is_whitespace) && !line.trim().is_empty() {
            continue;
        }
        played.push_str(line.trim_end());
        played.push('\n');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        stage
            .input(line.trim())
            .map_err(|error| format!("line {}: {line}: {error}", number + 1))?;
        for output in stage.output.drain(..) {
            played.push_str(&format!("  {output}\n"));
        }
    }
    Ok(played)
}

struct Stage {
    switch: Option<Switch>,
    policy: Policy,
    now: Now,
    laws: Laws,
    instructions: Instructions,
    show_all: bool,
    counter: u64,
    fetches: VecDeque<Box<Fetch>>,
    playing: BTreeMap<LegId, PlaybackId>,
    legs: BTreeMap<LegId, String>,
    calls: BTreeMap<CallSid, String>,
    output: Vec<String>,
}

type Done = Result<(), String>;

impl Stage {
    fn new() -> Self {
        Stage {
            switch: None,
            policy: Policy::default(),
            now: Now {
                instant: Instant::now(),
                // 2026-01-01T00:00:00Z
                wall: Wall(1_767_225_600_000_000),
            },
            laws: Laws::default(),
            instructions: Instructions::default(),
            show_all: false,
            counter: 0,
            fetches: VecDeque::new(),
            playing: BTreeMap::new(),
            legs: BTreeMap::new(),
            calls: BTreeMap::new(),
            output: Vec::new(),
        }
    }

    fn switch(&mut self) -> &mut Switch {
        let policy = self.policy.clone();
        self.switch
            .get_or_insert_with(|| Switch::new(policy, [7; 32]))
    }

    fn feed(&mut self, input: Input) -> Done {
        let now = self.now;
        self.switch().handle_input(now, input);
        self.drain()
    }

    fn drain(&mut self) -> Done {
        while let Some(effect) = self.switch().poll_effect() {
            self.laws.observe(&effect)?;
            self.show(effect);
        }
        Ok(())
    }

    fn input(&mut self, line: &str) -> Done {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["show", "all", "parameters"] => {
                self.show_all = true;
                Ok(())
            }
            ["policy", what, number] => self.policy_line(what, number),
            ["number", rest @ ..] => {
                self.instructions = read_instructions(rest, line)?.0;
                Ok(())
            }
            ["call", "from", from, "to", to] => self.incoming(from, to),
            ["api", "calls", to, "from", from, rest @ ..] => self.originate(to, from, rest, line),
            ["account", "is", "suspended"] => self.feed(Input::Suspended(account())),
            ["account", "is", "active"] => self.feed(Input::Activated(account())),
            ["api", verb, party, rest @ ..] => self.modify(verb, party, rest, line),
            ["app", "answers", ..] => self.answer(after(line, "app answers")),
            ["app", "fails", code, ..] => {
                let failure = FetchFailure {
                    code: number(code)?,
                    message: format!("the application failed with {code}"),
                };
                self.fetched(Err(failure))
            }
            [seconds, "s", "later"] => self.later(Duration::from_secs(number(seconds)?)),
            ["sound", "ends"] => self.sound("caller", None),
            ["sound", "fails", code] => self.sound("caller", Some(number(code)?)),
            [party, "sound", "ends"] => self.sound(party, None),
            [party, "sound", "fails", code] => self.sound(party, Some(number(code)?)),
            [party, rest @ ..] => self.party(party, rest),
            [] => Ok(()),
        }
    }

    fn policy_line(&mut self, what: &str, value: &str) -> Done {
        match what {
            "calls" => self.policy.calls = number(value)?,
            "account" => self.policy.calls_per_account = number(value)?,
            "alerts" => self.policy.alerts_per_call = number(value)?,
            "documents" => self.policy.documents_per_call = number(value)?,
            _ => return Err("unknown policy".to_owned()),
        }
        Ok(())
    }

    fn fresh(&mut self) -> CallSid {
        self.counter += 1;
        CallSid::from_bytes(u128::from(self.counter).to_be_bytes())
    }

    fn name(&mut self, call: CallSid, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut again = 2;
        while self.calls.values().any(|taken| *taken == name) {
            name = format!("{wanted}#{again}");
            again += 1;
        }
        self.calls.insert(call, name.clone());
        name
    }

    fn incoming(&mut self, from: &str, to: &str) -> Done {
        let call = self.fresh();
        let leg = LegId(self.counter);
        let name = self.name(call, "caller");
        self.legs.insert(leg, name);
        let instructions = self.instructions.clone();
        let refused = self.policy.calls <= self.switch().live_calls();
        if !refused {
            let wants_end = instructions.status_callback.is_some();
            self.laws.begun(call, Some(leg), wants_end);
        }
        self.feed(Input::Incoming(Box::new(Incoming {
            from: from.to_owned(),
            to: to.to_owned(),
            instructions,
            ..Incoming::new(call, leg, account())
        })))
    }

    fn originate(&mut self, to: &str, from: &str, rest: &[&str], line: &str) -> Done {
        let (instructions, more) = read_instructions(rest, line)?;
        let sid = self.fresh();
        self.name(sid, to);
        let wants_end =
            instructions.status_callback_events.completed && instructions.status_callback.is_some();
        self.laws.begun(sid, None, wants_end);
        let record = CallRecord {
            to: to.to_owned(),
            from: from.to_owned(),
            ..CallRecord::new(sid, account(), Direction::OutboundApi, self.now.wall)
        };
        self.feed(Input::Originate(Box::new(Originate {
            record,
            instructions,
            timeout: Duration::from_secs(more.timeout.unwrap_or(60)),
            time_limit: Duration::from_secs(more.limit.unwrap_or(14_400)),
            send_digits: more.digits,
            caller_id: None,
            sip_auth: None,
            parameters: Vec::new(),
        })))
    }

    fn modify(&mut self, verb: &str, party: &str, rest: &[&str], line: &str) -> Done {
        let call = self.call(party)?;
        let change = match (verb, rest) {
            ("ends", []) => Modify::Complete,
            ("cancels", []) => Modify::Cancel,
            ("redirects", ["to", target, ..]) => {
                let redirect = match target.starts_with('<') {
                    true => Redirect::Twiml(after(line, " to ").to_owned()),
                    false => Redirect::Url((*target).to_owned(), Method::Post),
                };
                Modify::Change(Box::new(Change {
                    redirect: Some(redirect),
                    ..Change::default()
                }))
            }
            ("limits", ["to", seconds, "s"]) => Modify::Change(Box::new(Change {
                time_limit: Some(Duration::from_secs(number(seconds)?)),
                ..Change::default()
            })),
            ("reports", ["to", url]) => Modify::Change(Box::new(Change {
                status_callback: Some(Some((*url).to_owned())),
                ..Change::default()
            })),
            _ => return Err("unknown request".to_owned()),
        };
        self.counter += 1;
        let request = RequestId(self.counter);
        self.feed(Input::Modify {
            call,
            request,
            change,
        })
    }

    fn answer(&mut self, answer: &str) -> Done {
        let url = self.fetches.front().map(|fetch| fetch.url.clone());
        let (kind, body) = match answer.split_once(' ').unwrap_or((answer, "")) {
            ("text", text) => (DocumentKind::Text, text),
            ("audio", _) => (DocumentKind::Audio, ""),
            ("rubbish", _) => (DocumentKind::Unknown, ""),
            _ => (DocumentKind::Twiml, answer),
        };
        self.fetched(Ok(Fetched {
            url: url.unwrap_or_default(),
            kind,
            body: body.to_owned(),
        }))
    }

    fn fetched(&mut self, result: Result<Fetched, FetchFailure>) -> Done {
        let fetch = self.fetches.pop_front().ok_or("nothing was asked for")?;
        self.feed(Input::Fetched {
            fetch: fetch.fetch,
            result,
        })
    }

    fn later(&mut self, duration: Duration) -> Done {
        let until = self.now.after(duration);
        let due = |switch: &Switch| switch.poll_timeout().filter(|(at, _)| *at <= until.instant);
        while let Some((at, _)) = due(self.switch()) {
            self.now = self
                .now
                .after(at.saturating_duration_since(self.now.instant));
            let now = self.now;
            self.switch().handle_timeout(now);
            self.drain()?;
        }
        self.now = until;
        Ok(())
    }

    fn call(&self, party: &str) -> Result<CallSid, String> {
        let found = self.calls.iter().find(|(_, name)| *name == party);
        found
            .map(|(sid, _)| *sid)
            .ok_or_else(|| format!("nobody is called {party}"))
    }

    fn leg_of(&self, party: &str) -> Result<LegId, String> {
        let found = self.legs.iter().find(|(_, name)| *name == party);
        found
            .map(|(leg, _)| *leg)
            .ok_or_else(|| format!("{party} has no telephone"))
    }

    fn sound(&mut self, party: &str, code: Option<u32>) -> Done {
        let leg = self.leg_of(party)?;
        let playback = self
            .playing
            .remove(&leg)
            .ok_or("nothing is playing there")?;
        let event = match code {
            None => LegEvent::PlaybackEnded(playback),
            Some(code) => LegEvent::PlaybackFailed {
                playback,
                code,
                message: format!("the audio failed with {code}"),
            },
        };
        self.feed(Input::Leg(leg, event))
    }

    fn party(&mut self, party: &str, words: &[&str]) -> Done {
        let leg = self.leg_of(party)?;
        let event = match words {
            ["rings"] => LegEvent::Ringing { early_media: false },
            // The Call-ID, and headers as `X-Name=value`.
            ["responds", call_id, headers @ ..] => LegEvent::Response(SipResponse {
                call_id: (*call_id).to_owned(),
                headers: headers
                    .iter()
                    .filter_map(|header| header.split_once('='))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            }),
            ["answers"] => LegEvent::Answered,
            ["hangs", "up"] => LegEvent::HungUp,
            ["is", "silent"] => LegEvent::Silent,
            ["is", "lost"] => LegEvent::Lost { reason: "no media" },
            ["refuses", status] => LegEvent::Failed {
                sip_status: number(status)?,
                code: None,
            },
            ["fails", status, code] => LegEvent::Failed {
                sip_status: number(status)?,
                code: Some(number(code)?),
            },
            ["presses", keys] => {
                for key in keys.chars() {
                    self.feed(Input::Leg(leg, LegEvent::Digit(key)))?;
                }
                return Ok(());
            }
            _ => return Err("what does it do?".to_owned()),
        };
        if let LegEvent::HungUp | LegEvent::Lost { .. } | LegEvent::Failed { .. } = event {
            self.laws.gone(leg);
        }
        self.feed(Input::Leg(leg, event))
    }

    fn who(&self, leg: LegId) -> String {
        self.legs
            .get(&leg)
            .cloned()
            .unwrap_or_else(|| format!("{leg:?}"))
    }

    fn show(&mut self, effect: Effect) {
        match effect {
            Effect::Save(save) => self.show_save(*save),
            Effect::Fetch(fetch) => {
                let method = fetch.method.as_str().to_lowercase();
                let shown = self.parameters(&fetch.parameters);
                self.say(&method, format!("{}{shown}", fetch.url));
                self.fetches.push_back(fetch);
            }
            Effect::Leg(leg, command) => self.show_leg(leg, command),
            Effect::Media(leg, command) => self.show_media(leg, command),
            Effect::Alert(alert) => {
                let Alert {
                    code,
                    error,
                    message,
                    ..
                } = *alert;
                let level = if error { "error" } else { "warning" };
                self.say("alert", format!("{level} {code} {message}"));
            }
            Effect::Reply(_, reply) => {
                let text = match reply {
                    Reply::Done(record) => format!("done {}", record.status),
                    Reply::Unknown => "unknown".to_owned(),
                    Reply::NotInProgress(record) => format!("not in progress: {}", record.status),
                };
                self.say("reply", text);
            }
            Effect::Forget(call) => {
                let name = self.calls.get(&call).cloned().unwrap_or_default();
                self.say("forget", name);
            }
        }
    }

    fn show_save(&mut self, save: Save) {
        let Save {
            record,
            owed,
            events,
            ..
        } = save;
        if !self.calls.contains_key(&record.sid) {
            self.name(record.sid, &record.to);
        }
        let name = self.calls.get(&record.sid).cloned().unwrap_or_default();
        let duration = record
            .duration_secs()
            .map(|s| format!(" after {s} s"))
            .unwrap_or_default();
        self.say("save", format!("{name} {}{duration}", record.status));
        for owed in owed {
            let shown = self.parameters(&owed.parameters);
            let method = owed.method.as_str();
            let method = if method == "POST" { "" } else { "GET " };
            self.say("notify", format!("{method}{}{shown}", owed.url));
        }
        for event in events {
            let shown = self.parameters(&event.parameters);
            self.say("event", format!("{}{shown}", event.url));
        }
    }

    fn show_leg(&mut self, leg: LegId, command: LegCommand) {
        let text = match command {
            LegCommand::Invite(invite) => {
                let name = self.calls.get(&invite.call).cloned().unwrap_or_default();
                // A further address of the same call is a telephone of its own: `NAME/2`.
                let before = self.calls_of(&name);
                let telephone = match before {
                    0 => name,
                    before => format!("{name}/{}", before + 1),
                };
                self.legs.insert(leg, telephone);
                let auth = invite
                    .sip_auth
                    .map(|(user, _)| format!(" as {user}"))
                    .unwrap_or_default();
                let words: String = (invite.parameters.iter())
                    .map(|(name, value)| format!(" {name}={value:?}"))
                    .collect();
                return self.say(
                    "invite",
                    format!("{} from {}{auth}{words}", invite.to, invite.from),
                );
            }
            LegCommand::Ring { early_media: false } => "ring".to_owned(),
            LegCommand::Ring { early_media: true } => "ring with early media".to_owned(),
            LegCommand::Answer => "answer".to_owned(),
            LegCommand::Reject(status) => format!("reject {status}"),
            LegCommand::HangUp(reason) => match reason {
                Reason::HungUp => "hang up".to_owned(),
                Reason::AnsweredElsewhere { by } => format!("hang up: answered by {by}"),
                Reason::Failed { code, .. } => format!("hang up: failed {code}"),
                reason => format!("hang up: {}", reason.word()),
            },
        };
        let who = self.who(leg);
        self.say("leg", format!("{who} {text}"));
    }

    /// How many telephones were called for the call of this name.
    fn calls_of(&self, name: &str) -> usize {
        let of_it = |leg: &&String| {
            leg.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.legs.values().filter(of_it).count()
    }

    fn show_media(&mut self, leg: LegId, command: MediaCommand) {
        let who = self.who(leg);
        match command {
            MediaCommand::Play {
                playback,
                sound,
                loops,
            } => {
                self.playing.insert(leg, playback);
                let times = match loops {
                    1 => String::new(),
                    0 => " for ever".to_owned(),
                    n => format!(" {n} times"),
                };
                let (word, what) = match sound {
                    Sound::Say {
                        text,
                        voice,
                        language,
                    } => {
                        let voice = voice.map(|v| format!(" voice {v}")).unwrap_or_default();
                        let language = language.map(|l| format!(" in {l}")).unwrap_or_default();
                        let text: Vec<String> = text
                            .into_iter()
                            .map(|piece| match piece {
                                Spoken::Words(words) => words,
                                Spoken::Silence(length) => format!("[{length:?}]"),
                            })
                            .collect();
                        ("say", format!("\"{}\"{voice}{language}", text.join(" ")))
                    }
                    Sound::Url { url, .. } => ("play", url),
                    Sound::Digits(digits) => ("keys", digits),
                    Sound::Ringback(tone) => ("tone", format!("ringing of {tone}")),
                };
                self.say(word, format!("{who} {what}{times}"));
            }
            MediaCommand::Stop(_) => {
                self.playing.remove(&leg);
                self.say("stop", who);
            }
            MediaCommand::Echo => self.say("echo", who),
            MediaCommand::EndEcho => self.say("part", format!("{who} from itself")),
            MediaCommand::Bridge(other) => {
                let text = format!("{who} with {}", self.who(other));
                self.say("bridge", text);
            }
            MediaCommand::Unbridge(other) => {
                let text = format!("{who} from {}", self.who(other));
                self.say("part", text);
            }
        }
    }

    fn say(&mut self, word: &str, text: String) {
        self.output.push(format!("{word:<6} {text}"));
    }

    fn parameters(&self, parameters: &[(String, String)]) -> String {
        let mut shown = String::new();
        for (name, value) in parameters {
            if !self.show_all && STANDARD.contains(&name.as_str()) {
                continue;
            }
            if !self.show_all && ["Timestamp", "CallbackSource"].contains(&name.as_str()) {
                continue;
            }
            let sid = value.parse::<CallSid>().ok();
            let value = sid.and_then(|sid| self.calls.get(&sid)).unwrap_or(value);
            let quoted = value.contains(' ');
            shown.push_str(&match quoted {
                true => format!(" {name}=\"{value}\""),
                false => format!(" {name}={value}"),
            });
        }
        shown
    }
}

fn account() -> AccountSid {
    AccountSid::from_bytes([0xac; 16])
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn after<'a>(line: &'a str, words: &str) -> &'a str {
    line.split_once(words).map_or("", |(_, rest)| rest.trim())
}

/// What a call may be given beside its instructions.
#[derive(Default)]
struct More {
    timeout: Option<u64>,
    limit: Option<u64>,
    digits: Option<String>,
}

/// `asks URL`, `fallback URL`, `reports EVENTS to URL`, `timeout N`, `limit N`, `digits D`, and last
/// `runs TWIML`.
fn read_instructions(words: &[&str], line: &str) -> Result<(Instructions, More), String> {
    let mut instructions = Instructions::default();
    let mut more = More::default();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if word == "runs" {
            instructions.twiml = Some(after(line, " runs ").to_owned());
            break;
        }
        let value = words.next().ok_or("a value is missing")?;
        match word {
            "asks" => instructions.url = Some(value.to_owned()),
            "fallback" => instructions.fallback_url = Some(value.to_owned()),
            "timeout" => more.timeout = Some(number(value)?),
            "limit" => more.limit = Some(number(value)?),
            "digits" => more.digits = Some(value.to_owned()),
            "reports" => {
                let has = |event: &str| value.split(',').any(|e| e == event || e == "everything");
                instructions.status_callback_events = CallEvents {
                    initiated: has("initiated"),
                    ringing: has("ringing"),
                    answered: has("answered"),
                    completed: has("completed"),
                };
                if words.next() != Some("to") {
                    return Err("reports EVENTS to URL".to_owned());
                }
                instructions.status_callback = words.next().map(str::to_owned);
            }
            _ => return Err(format!("{word} is not understood")),
        }
    }
    Ok((instructions, more))
}
