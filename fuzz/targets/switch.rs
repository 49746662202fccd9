//! The call engine: any order of events, with documents made of known and of unknown text. When
//! nobody does anything any more, every call ends and nothing of it is kept.
//!
//! The input is a sequence of small numbers: what happens, to whom, with what.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use model::call::{CallRecord, Direction};
use model::now::{Now, Wall};
use model::sid::{AccountSid, CallSid};
use voice::effect::{Effect, LegCommand, MediaCommand};
use voice::input::{
    CallEvents, Change, DocumentKind, FetchFailure, FetchId, Fetched, Incoming, Input,
    Instructions, LegEvent, LegId, Modify, Originate, PlaybackId, Redirect, RequestId,
};
use voice::{Policy, Switch};

/// What the programs are made of.
const VERBS: &[&str] = &[
    "<Say>Hello</Say>",
    "<Play loop=\"2\">a.wav</Play>",
    "<Play digits=\"1w2\"/>",
    "<Pause length=\"2\"/>",
    "<Gather numDigits=\"2\" action=\"/g\"><Say loop=\"0\">Press</Say></Gather>",
    "<Gather timeout=\"1\" finishOnKey=\"\" actionOnEmptyResult=\"true\"/>",
    "<Dial>+15551230001</Dial>",
    "<Dial action=\"/d\" timeout=\"5\" hangupOnStar=\"true\"><Number url=\"/w\">+1555</Number><Sip>sip:a@b</Sip></Dial>",
    "<Dial sequential=\"true\" timeLimit=\"3\" answerOnBridge=\"true\"><Client>bob</Client><Number>+1556</Number></Dial>",
    "<Redirect method=\"GET\">/next</Redirect>",
    "<Reject reason=\"busy\"/>",
    "<Hangup/>",
    "<Record/>",
    "<Enqueue>q</Enqueue>",
];

struct World {
    switch: Switch,
    now: Now,
    calls: Vec<CallSid>,
    legs: Vec<LegId>,
    fetches: Vec<FetchId>,
    playbacks: Vec<(LegId, PlaybackId)>,
    began: u8,
}

impl World {
    fn feed(&mut self, input: Input) {
        self.switch.handle_input(self.now, input);
        self.look();
    }

    fn look(&mut self) {
        while let Some(effect) = self.switch.poll_effect() {
            match effect {
                Effect::Fetch(fetch) => self.fetches.push(fetch.fetch),
                Effect::Leg(leg, LegCommand::Invite(_)) => self.legs.push(leg),
                Effect::Media(leg, MediaCommand::Play { playback, .. }) => {
                    self.playbacks.push((leg, playback));
                }
                _ => {}
            }
        }
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
        self.switch.handle_timeout(self.now);
        self.look();
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=9)? {
            0 if self.began < 6 => self.begin(u)?,
            0 | 1 => {
                let seconds = [0, 1, 2, 5, 30, 100][u.choose_index(6)?];
                self.wait(Duration::from_secs(seconds));
            }
            2..=4 if !self.fetches.is_empty() => {
                // Some answers come twice.
                let at = u.choose_index(self.fetches.len())?;
                let fetch = match u.arbitrary::<bool>()? {
                    true => self.fetches[at],
                    false => self.fetches.swap_remove(at),
                };
                let result = answer(u)?;
                self.feed(Input::Fetched { fetch, result });
            }
            5 if !self.playbacks.is_empty() => {
                let at = u.choose_index(self.playbacks.len())?;
                let (leg, playback) = self.playbacks.swap_remove(at);
                let event = match u.arbitrary::<bool>()? {
                    true => LegEvent::PlaybackEnded(playback),
                    false => LegEvent::PlaybackFailed {
                        playback,
                        code: 11_200,
                        message: "gone".to_owned(),
                    },
                };
                self.feed(Input::Leg(leg, event));
            }
            6 if !self.calls.is_empty() => {
                let call = *u.choose(&self.calls)?;
                let change = modify(u)?;
                self.feed(Input::Modify {
                    call,
                    request: RequestId(1),
                    change,
                });
            }
            _ if !self.legs.is_empty() => {
                let leg = *u.choose(&self.legs)?;
                let event = match u.int_in_range(0..=6)? {
                    0 => LegEvent::Ringing {
                        early_media: u.arbitrary()?,
                    },
                    1 | 2 => LegEvent::Answered,
                    3 => LegEvent::Failed {
                        sip_status: u.int_in_range(300..=699)?,
                        code: None,
                    },
                    4 => LegEvent::HungUp,
                    5 => LegEvent::Digit(*u.choose(&['1', '*', '#', 'A'])?),
                    _ => LegEvent::Lost { reason: "fuzz" },
                };
                self.feed(Input::Leg(leg, event));
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        self.began += 1;
        let call = CallSid::from_bytes([self.began; 16]);
        let account = AccountSid::from_bytes([u.int_in_range(1..=2)?; 16]);
        let inline = u.arbitrary::<bool>()?;
        let instructions = Instructions {
            twiml: if inline { Some(document(u)?) } else { None },
            url: (!inline).then(|| "https://app.test/voice".to_owned()),
            fallback_url: Some("https://app.test/fallback".to_owned()),
            status_callback: Some("https://app.test/status".to_owned()),
            status_callback_events: CallEvents {
                initiated: true,
                ringing: true,
                answered: true,
                completed: true,
            },
            ..Instructions::default()
        };
        self.calls.push(call);
        if u.arbitrary()? {
            let leg = LegId(u64::from(self.began));
            self.legs.push(leg);
            self.feed(Input::Incoming(Box::new(Incoming {
                from: "+15551230001".to_owned(),
                to: "+15005550006".to_owned(),
                instructions,
                ..Incoming::new(call, leg, account)
            })));
            return Ok(());
        }
        let record = CallRecord {
            to: "+15551230009".to_owned(),
            from: "+15005550006".to_owned(),
            ..CallRecord::new(call, account, Direction::OutboundApi, self.now.wall)
        };
        let send_digits = u.arbitrary::<bool>()?.then(|| "ww1".to_owned());
        self.feed(Input::Originate(Box::new(Originate {
            record,
            instructions,
            timeout: Duration::from_secs(10),
            time_limit: Duration::from_secs(100),
            send_digits,
            caller_id: None,
            sip_auth: None,
            parameters: Vec::new(),
        })));
        Ok(())
    }
}

fn document(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = "<Response>".to_owned();
    for _ in 0..u.int_in_range(0..=4)? {
        text.push_str(u.choose(VERBS)?);
    }
    text.push_str("</Response>");
    Ok(text)
}

fn answer(u: &mut Unstructured<'_>) -> Result<std::result::Result<Fetched, FetchFailure>> {
    let fetched = |kind, body| {
        Ok(Fetched {
            url: "https://app.test/voice".to_owned(),
            kind,
            body,
        })
    };
    Ok(match u.int_in_range(0..=7)? {
        0 => Err(FetchFailure {
            code: 11_200,
            message: "gone".to_owned(),
        }),
        1 => fetched(DocumentKind::Audio, String::new()),
        2 => fetched(DocumentKind::Unknown, String::new()),
        3 => fetched(DocumentKind::Text, u.arbitrary()?),
        _ => fetched(DocumentKind::Twiml, document(u)?),
    })
}

fn modify(u: &mut Unstructured<'_>) -> Result<Modify> {
    Ok(match u.int_in_range(0..=3)? {
        0 => Modify::Cancel,
        1 => Modify::Complete,
        2 => Modify::Change(Box::new(Change {
            redirect: Some(Redirect::Twiml(document(u)?)),
            ..Change::default()
        })),
        _ => Modify::Change(Box::new(Change {
            redirect: Some(Redirect::Url(
                "https://app.test/new".to_owned(),
                model::method::Method::Get,
            )),
            time_limit: Some(Duration::from_secs(u.int_in_range(0..=20)?)),
            ..Change::default()
        })),
    })
}

fuzz_target!(|bytes: &[u8]| {
    let policy = Policy {
        documents_per_call: 8,
        calls: 5,
        ..Policy::default()
    };
    let mut world = World {
        switch: Switch::new(policy, [1; 32]),
        now: Now {
            instant: Instant::now(),
            wall: Wall(1_767_225_600_000_000),
        },
        calls: Vec::new(),
        legs: Vec::new(),
        fetches: Vec::new(),
        playbacks: Vec::new(),
        began: 0,
    };
    let mut u = Unstructured::new(bytes);
    for _ in 0..100 {
        if u.is_empty() || world.step(&mut u).is_err() {
            break;
        }
    }
    // The world ends: no server answers, every telephone hangs up, the clock runs on.
    for _ in 0..1_000 {
        for fetch in std::mem::take(&mut world.fetches) {
            let result = Err(FetchFailure {
                code: 11_200,
                message: "gone".to_owned(),
            });
            world.feed(Input::Fetched { fetch, result });
        }
        for leg in std::mem::take(&mut world.legs) {
            world.feed(Input::Leg(leg, LegEvent::HungUp));
        }
        let Some((at, _)) = world.switch.poll_timeout() else {
            break;
        };
        let wait = at.saturating_duration_since(world.now.instant);
        world.wait(wait);
    }
    assert_eq!(world.switch.live_calls(), 0, "every call ends");
    assert_eq!(world.switch.kept(), 0, "nothing outlives the calls");
});
