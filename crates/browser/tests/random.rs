//! Ten thousand short worlds each: pages that answer, reject and are cancelled over slow wires, and
//! strangers who say anything at any time. A failing world is named by its seed.

mod common;

use browser::{Config, Event, LateAnswer, Limits, Reason, Sdk, SocketId, Transmit};
use common::{World, named, pass, sdp};
use model::sid::CallSid;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const SEEDS: u64 = 10_000;

/// Splitmix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// What the SDK does with one incoming call, as the laboratory saw it (`voice-client.md` 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Pending,
    /// "Accept" was clicked, getUserMedia is under way.
    Asking,
    Open,
    /// Before 1.10.3: a `cancel` crossed the answer, and nothing closes the microphone any more.
    Zombie,
    Over,
}

struct Page {
    socket: SocketId,
    sdk: Sdk,
    phase: Phase,
}

enum Step {
    ToPage(usize, Value),
    FromPage(usize, &'static str, Value),
    Click(usize),
    Microphone(usize),
    Reject(usize),
    PageHangsUp(usize),
    CallerHangsUp,
}

/// What was reached, so that the test cannot pass by never racing.
#[derive(Debug, Default)]
struct Reach {
    answered: u32,
    late: u32,
    rejected: u32,
    gave_up: u32,
    two_open: u32,
}

fn wire(dice: &mut Dice) -> u64 {
    1 + dice.below(40)
}

fn race(seed: u64, reach: &mut Reach) {
    let mut dice = Dice(seed);
    // Silence is for pages to find out by themselves, after half a minute.
    let (_, behaviour) = LateAnswer::ALL[dice.below(4) as usize];
    let mut world = World::with(Config {
        late_answer: behaviour,
        ..Config::default()
    });
    let count = 2 + dice.below(4) as usize;
    let mut pages: Vec<Page> = (0..count)
        .map(|_| {
            let version = dice.one_of(&common::GENERATIONS);
            let socket = world.phone(version, "alice");
            Page {
                socket,
                sdk: version.parse().expect("a version"),
                phase: Phase::Idle,
            }
        })
        .collect();
    let start = world.now;
    let call = world.call("alice");
    let name = json!(call.to_string());
    let mut steps: BTreeMap<(u64, u64), Step> = BTreeMap::new();
    let mut number = 0;
    let mut plan = |steps: &mut BTreeMap<(u64, u64), Step>, at: u64, step: Step| {
        number += 1;
        steps.insert((at, number), step);
    };
    for at in 0..count {
        let when = 45 + dice.below(60);
        match dice.below(10) {
            0 => plan(&mut steps, when, Step::Reject(at)),
            1 => {}
            _ => plan(&mut steps, when, Step::Click(at)),
        }
    }
    let gives_up = 45 + dice.below(200);
    plan(&mut steps, gives_up, Step::CallerHangsUp);
    let (mut winners, mut ends, mut over) = (0, 0, false);
    let mut arrives = vec![0_u64; count];
    let mut told = vec![0_u32; count];
    let mut by_itself = vec![false; count];
    let mut now = 0;
    loop {
        // What the machine says travels. Wires keep their order, and what was said in one breath
        // arrives in one: between `hangup` and `cancel` there is no time for a microphone.
        for at in 0..count {
            let delay = wire(&mut dice);
            let frames = world.frames(pages[at].socket);
            // `hangup` and `cancel` in one breath are one end.
            let ends = |frame: &Value| {
                ["hangup", "cancel"].contains(&frame["type"].as_str().expect("type"))
            };
            told[at] += u32::from(frames.iter().any(ends));
            for frame in frames {
                arrives[at] = arrives[at].max(now + delay);
                plan(&mut steps, arrives[at], Step::ToPage(at, frame));
            }
        }
        for event in world.events() {
            match event {
                Event::Answered { .. } => {
                    winners += 1;
                    reach.answered += 1;
                }
                Event::AnsweredLate { .. } => reach.late += 1,
                Event::Rejected { .. } => {
                    ends += 1;
                    over = true;
                    reach.rejected += 1;
                }
                Event::HungUp { .. } | Event::Unreachable { .. } => {
                    ends += 1;
                    over = true;
                }
                _ => {}
            }
        }
        assert!(winners <= 1 && ends <= 1, "seed {seed}: {winners} {ends}");
        let Some(((at, _), step)) = steps.pop_first() else {
            break;
        };
        now = at;
        world.pass_time((start + Duration::from_millis(at)).saturating_duration_since(world.now));
        match step {
            Step::ToPage(page, frame) => {
                let page = &mut pages[page];
                page.phase = match (frame["type"].as_str().expect("type"), page.phase) {
                    ("invite", Phase::Idle) => Phase::Pending,
                    ("cancel", Phase::Pending | Phase::Asking) => Phase::Over,
                    ("cancel", Phase::Open) if page.sdk < Sdk::new(1, 10, 3) => Phase::Zombie,
                    ("cancel" | "hangup", Phase::Open) => Phase::Over,
                    (_, phase) => phase,
                };
            }
            Step::FromPage(page, kind, payload) => world.say(pages[page].socket, kind, payload),
            Step::Click(page) if pages[page].phase == Phase::Pending => {
                pages[page].phase = Phase::Asking;
                plan(&mut steps, now + 5 + dice.below(60), Step::Microphone(page));
            }
            Step::Microphone(page) if pages[page].phase == Phase::Asking => {
                pages[page].phase = Phase::Open;
                if pages
                    .iter()
                    .filter(|page| page.phase == Phase::Open)
                    .count()
                    > 1
                {
                    reach.two_open += 1;
                }
                let payload = json!({"callsid": name, "sdp": sdp(&format!("page{page}"))});
                let at = now + wire(&mut dice);
                plan(&mut steps, at, Step::FromPage(page, "answer", payload));
                // The wire keeps its order: the hang-up is behind the answer.
                if dice.below(4) == 0 {
                    plan(&mut steps, at + 1 + dice.below(90), Step::PageHangsUp(page));
                }
            }
            Step::Reject(page) if pages[page].phase == Phase::Pending => {
                by_itself[page] = true;
                pages[page].phase = Phase::Over;
                let payload = json!({"callsid": name});
                plan(
                    &mut steps,
                    now + wire(&mut dice),
                    Step::FromPage(page, "reject", payload),
                );
            }
            Step::PageHangsUp(page) if pages[page].phase == Phase::Open => {
                by_itself[page] = true;
                pages[page].phase = Phase::Over;
                let payload = json!({"callsid": name});
                plan(
                    &mut steps,
                    now + wire(&mut dice),
                    Step::FromPage(page, "hangup", payload),
                );
            }
            Step::CallerHangsUp => {
                if !over && winners == 0 {
                    reach.gave_up += 1;
                }
                over = true;
                world.machine.hang_up(world.now, call, &Reason::HungUp);
            }
            Step::Click(_) | Step::Microphone(_) | Step::Reject(_) | Step::PageHangsUp(_) => {}
        }
    }
    assert!(over);
    for (at, page) in pages.iter().enumerate() {
        assert_eq!(
            page.phase,
            Phase::Over,
            "seed {seed}: page {at}, {}, {behaviour:?}",
            page.sdk
        );
    }
    for at in 0..count {
        assert!(
            told[at] <= 1 && (told[at] == 1 || by_itself[at]),
            "seed {seed}: told {told:?}"
        );
    }
    assert!(now < 1000, "seed {seed}: everybody knew within a second");
    let sockets: Vec<SocketId> = pages.iter().map(|page| page.socket).collect();
    for socket in sockets {
        world.close(socket);
    }
    world.pass_time(Duration::from_secs(200));
    assert_eq!(
        world.machine.tables(),
        browser::Tables::default(),
        "seed {seed}"
    );
}

#[test]
fn pages_race_and_one_wins_and_no_microphone_stays_open() {
    let mut reach = Reach::default();
    for seed in 0..SEEDS {
        race(seed, &mut reach);
    }
    let least = SEEDS as u32 / 20;
    for reached in [
        reach.answered,
        reach.late,
        reach.rejected,
        reach.gave_up,
        reach.two_open,
    ] {
        assert!(reached > least, "{reach:?}");
    }
}

/// What the noise saw of one call.
#[derive(Default)]
struct Seen {
    answered: u32,
    over: bool,
}

struct Noise {
    dice: Dice,
    world: World,
    sockets: Vec<SocketId>,
    calls: Vec<CallSid>,
    names: Vec<String>,
    tokens: Vec<String>,
    checks: Vec<(SocketId, browser::CheckId)>,
    seen: BTreeMap<CallSid, Seen>,
    /// How often a call was offered on a socket, answered there, and ended there by `cancel`.
    offered: BTreeMap<(SocketId, String), u32>,
    said: BTreeMap<(SocketId, String), u32>,
    told: BTreeMap<(SocketId, String), u32>,
    trace: Vec<String>,
}

const WORDS: [&str; 4] = ["alice", "bob", "carol", "dave"];

impl Noise {
    fn payload(&mut self) -> Value {
        let call = match self.dice.below(8) {
            0 => json!("TJS1"),
            1 => json!(format!("TJS{}", self.dice.below(4))),
            2 => json!(7),
            3 => json!(CallSid::from_bytes([0xee; 16]).to_string()),
            _ if self.names.is_empty() => json!("CA"),
            _ => json!(self.dice.one_of(&self.names).clone()),
        };
        let who = *self.dice.one_of(&WORDS);
        let mut payload = json!({"callsid": call, "sdp": sdp(who), "dtmf": "1w#", "twilio": {"params": "a=1"},
            "media": {"audio": self.dice.below(4) != 0}, "messagetype": "user-defined-message",
            "voiceeventsid": format!("KX{}", self.dice.below(9)), "content": {"a": [1]},
            "token": "t", "reconnectTimeout": 60, "message": "m"});
        let version = *self.dice.one_of(&common::GENERATIONS);
        payload["browserinfo"] = json!({"v": version, "browser": {"userAgent": "x"}});
        if self.dice.below(20) == 0 {
            payload["sdp"] = json!("v=0");
        }
        payload
    }

    fn frame(&mut self, socket: SocketId) {
        const KINDS: [&str; 12] = [
            "listen",
            "register",
            "invite",
            "answer",
            "answer",
            "reinvite",
            "dtmf",
            "hangup",
            "reject",
            "message",
            "reconnect",
            "roster",
        ];
        let kind = *self.dice.one_of(&KINDS);
        let mut payload = self.payload();
        let mut word = kind;
        if kind == "reconnect" {
            word = "invite";
            payload["reconnect"] = match self.tokens.is_empty() {
                true => json!("x"),
                false => json!(self.dice.one_of(&self.tokens).clone()),
            };
        }
        let mut text = json!({"type": word, "version": "1.5", "payload": payload}).to_string();
        match self.dice.below(40) {
            0 => text.truncate(text.len() / 2),
            1 => text = "\n".to_owned(),
            2 => text = "null".to_owned(),
            3 => text = text.replace('"', "'"),
            _ => {}
        }
        if word == "answer"
            && let Some(name) = payload["callsid"].as_str()
        {
            let said = self.said.entry((socket, name.to_owned())).or_default();
            *said += 1;
        }
        self.trace.push(format!("{socket:?} {kind}"));
        self.world
            .machine
            .handle_text(self.world.now, socket, &text);
    }

    fn command(&mut self) {
        let kind = self.dice.below(9);
        self.trace.push(format!("command {kind}"));
        if kind <= 1 || self.calls.is_empty() {
            let name = *self.dice.one_of(&WORDS[..2]);
            let call = CallSid::from_bytes([self.calls.len() as u8; 16]);
            let devices = self.world.machine.devices(&named(name));
            self.world.machine.invite(browser::Invitation {
                call,
                owner: named(name),
                parameters: Vec::new(),
                members: Vec::new(),
                late_answer: None,
                notices: None,
                offers: devices.into_iter().map(|d| (d, sdp("server"))).collect(),
            });
            self.enter(call);
            return;
        }
        let call = *self.dice.one_of(&self.calls);
        let who = *self.dice.one_of(&WORDS);
        let machine = &mut self.world.machine;
        match kind {
            2 => machine.ring(call, (self.dice.below(2) == 0).then(|| sdp(who))),
            3 | 4 => {
                machine.answer(call, Some(sdp(who)));
            }
            5 => machine.answer_reinvite(call, sdp(who)),
            6 => {
                let by = who.to_owned();
                let reason = match self.dice.below(3) {
                    0 => Reason::AnsweredElsewhere { by },
                    1 => Reason::HungUp,
                    _ => Reason::Fault(browser::Fault::new(31486, by)),
                };
                machine.hang_up(self.world.now, call, &reason);
                self.seen.entry(call).or_default().over = true;
            }
            7 => machine.notice(call, "bridged", &serde_json::Map::new()),
            _ => machine.revoke(
                self.world.now,
                browser::Credential::AuthToken(common::account()),
            ),
        }
    }

    fn enter(&mut self, call: CallSid) {
        self.calls.push(call);
        self.names.push(call.to_string());
    }

    fn look(&mut self, seed: u64) {
        let trace = |noise: &Noise| format!("seed {seed}: {:#?}", noise.trace);
        while let Some(transmit) = self.world.machine.poll_transmit() {
            let (socket, text) = match transmit {
                Transmit::Text { socket, text } => (socket, text),
                Transmit::Close { socket, .. } => {
                    self.sockets.retain(|open| *open != socket);
                    continue;
                }
            };
            if text == "\n" {
                continue;
            }
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            let name = frame["payload"]["callsid"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            if let Some(token) = frame["payload"]["reconnect"].as_str() {
                self.tokens.push(token.to_owned());
            }
            match frame["type"].as_str() {
                Some("invite") => *self.offered.entry((socket, name)).or_default() += 1,
                Some("cancel") => *self.told.entry((socket, name)).or_default() += 1,
                _ => {}
            }
        }
        while let Some(event) = self.world.machine.poll_event() {
            let (call, ends) = match &event {
                Event::TokenToCheck { socket, check, .. } => {
                    self.checks.push((*socket, *check));
                    continue;
                }
                Event::Invited(invited) => {
                    let call = invited.call;
                    self.enter(call);
                    continue;
                }
                Event::Answered { call, .. } | Event::Moved { call, .. } => {
                    let seen = self.seen.entry(*call).or_default();
                    seen.answered += u32::from(matches!(event, Event::Answered { .. }));
                    (*call, false)
                }
                Event::HungUp { call, .. }
                | Event::Rejected { call, .. }
                | Event::Unreachable { call } => (*call, true),
                Event::Dtmf { call, .. }
                | Event::Reinvited { call, .. }
                | Event::MessageReceived { call, .. }
                | Event::SignallingLost { call, .. }
                | Event::Lost { call, .. } => (*call, false),
                _ => continue,
            };
            let over = self.seen.entry(call).or_default().over;
            assert!(!over, "{event:?} after the end, {}", trace(self));
            let seen = self.seen.entry(call).or_default();
            seen.over |= ends;
            assert!(seen.answered <= 1, "{}", trace(self));
        }
        let tables = self.world.machine.tables();
        assert!(
            tables.connections <= 5
                && tables.calls <= 6
                && tables.tombstones <= 8
                && tables.temps <= 14,
            "{tables:?} {}",
            trace(self)
        );
    }
}

fn noise(seed: u64) -> (u32, u32) {
    let (_, behaviour) = LateAnswer::ALL[seed as usize % 5];
    let limits = Limits {
        connections: 5,
        devices: 3,
        calls: 6,
        tombstones: 8,
        queue: 8,
        ..Limits::default()
    };
    let mut noise = Noise {
        dice: Dice(seed),
        world: World::with(Config {
            late_answer: behaviour,
            limits,
            ..Config::default()
        }),
        sockets: Vec::new(),
        calls: Vec::new(),
        names: Vec::new(),
        tokens: Vec::new(),
        checks: Vec::new(),
        seen: BTreeMap::new(),
        offered: BTreeMap::new(),
        said: BTreeMap::new(),
        told: BTreeMap::new(),
        trace: Vec::new(),
    };
    // Some who are there already, so that the rest has somebody to talk about.
    for at in 0..3 {
        let version = *noise.dice.one_of(&common::GENERATIONS);
        let socket = noise.world.phone(version, WORDS[at % 2]);
        noise.sockets.push(socket);
    }
    let mut next = 100;
    for _ in 0..50 {
        match noise.dice.below(20) {
            0 => {
                next += 1;
                let socket = SocketId(next);
                if noise.world.machine.handle_opened(noise.world.now, socket) {
                    noise.sockets.push(socket);
                }
            }
            1 if !noise.sockets.is_empty() => {
                let at = noise.dice.below(noise.sockets.len() as u64) as usize;
                let socket = noise.sockets.remove(at);
                noise.trace.push(format!("{socket:?} closes"));
                noise.world.machine.handle_closed(noise.world.now, socket);
            }
            2 => {
                let span = *noise.dice.one_of(&[1, 400, 1100, 31_000]);
                noise.trace.push(format!("{span} ms"));
                let end = noise.world.now + Duration::from_millis(span);
                while let Some(at) = noise.world.machine.poll_timeout().filter(|at| *at <= end) {
                    noise.world.now = noise.world.now.max(at);
                    noise.world.machine.handle_timeout(noise.world.now);
                    noise.look(seed);
                }
                noise.world.now = end;
            }
            3..=6 => noise.command(),
            _ if !noise.checks.is_empty() => {
                let (socket, check) = noise.checks.remove(0);
                let name = *noise.dice.one_of(&WORDS[..2]);
                let verdict = match noise.dice.below(6) {
                    0 => Err(browser::Fault::new(31202, "forged")),
                    _ => Ok(pass(name)),
                };
                noise.trace.push(format!("verdict {socket:?} {name}"));
                noise
                    .world
                    .machine
                    .token_checked(noise.world.now, socket, check, verdict);
            }
            _ if !noise.sockets.is_empty() => {
                let socket = *noise.dice.one_of(&noise.sockets);
                noise.frame(socket);
            }
            _ => {}
        }
        noise.look(seed);
    }
    // Everything ends, and nothing is kept.
    for call in noise.calls.clone() {
        noise
            .world
            .machine
            .hang_up(noise.world.now, call, &Reason::HungUp);
        noise.seen.entry(call).or_default().over = true;
    }
    noise.look(seed);
    let tables = noise.world.machine.tables();
    assert_eq!(tables.calls, 0, "seed {seed}");
    for (part, told) in &noise.told {
        // Offered anew after a dropped socket: `cancel`, `invite`, and the end; once what was owed
        // from another socket; and once for each answer that has no call.
        let offered = noise.offered.get(part).copied().unwrap_or(0);
        let said = noise.said.get(part).copied().unwrap_or(0);
        assert!(
            *told <= 2 * offered + said + 1,
            "seed {seed}: {part:?} {told} {offered} {said} {:#?}",
            noise.trace
        );
    }
    let sockets: BTreeSet<SocketId> = noise.sockets.iter().copied().collect();
    for socket in sockets {
        noise.world.machine.handle_closed(noise.world.now, socket);
    }
    noise.world.pass_time(Duration::from_secs(200));
    assert_eq!(
        noise.world.machine.tables(),
        browser::Tables::default(),
        "seed {seed}: {:#?}",
        noise.trace
    );
    let answered = noise.seen.values().map(|seen| seen.answered).sum();
    (answered, noise.tokens.len() as u32)
}

#[test]
fn whatever_is_said_at_whatever_time() {
    let (mut answered, mut tokens) = (0, 0);
    for seed in 0..SEEDS {
        let (a, t) = noise(seed);
        answered += a;
        tokens += t;
    }
    assert!(
        answered > SEEDS as u32 / 10 && tokens > SEEDS as u32,
        "{answered} {tokens}"
    );
}

/// The reader meets frames that somebody broke, a byte or a span at a time.
#[test]
fn broken_frames_are_read_or_refused() {
    let whole = [
        r#"{"type":"listen","version":"1.6","payload":{"token":"eyJ","browserinfo":{"p":"browser","v":"2.18.5","browser":{"userAgent":"M"},"plugin":"rtc"},"reconnectTimeout":30}}"#,
        r#"{"type":"invite","version":"1.6","payload":{"callsid":"TJS1","sdp":"v=0","twilio":{"params":"To=%2B1&x=1"}}}"#,
        r#"{"type":"message","payload":{"callsid":"CA","content":{"a":[1,2.5e9,null]},"voiceeventsid":"KX"}}"#,
        r#"{"type":"register","payload":{"media":{"audio":false}}}"#,
    ];
    let (mut read, mut refused) = (0, 0);
    for seed in 0..20_000 {
        let mut dice = Dice(seed);
        let mut bytes = dice.one_of(&whole).as_bytes().to_vec();
        for _ in 0..=dice.below(3) {
            let at = dice.below(bytes.len() as u64) as usize;
            match dice.below(4) {
                0 => bytes[at] = dice.next() as u8,
                1 => bytes.truncate(at.max(1)),
                2 => bytes[at] = *dice.one_of(b"{}[]\",:0n"),
                _ => {
                    let span = bytes[at..].to_vec();
                    bytes.extend(span);
                }
            }
        }
        match browser::FromBrowser::parse(&String::from_utf8_lossy(&bytes)) {
            Ok(frame) => {
                read += 1;
                assert!(frame.kind().chars().count() <= 64);
            }
            Err(why) => {
                refused += 1;
                assert!(why.to_string().len() < 512, "{why}");
            }
        }
    }
    assert!(read > 500 && refused > 5000, "{read} {refused}");
}

#[test]
fn the_same_seed_says_the_same() {
    let say = || {
        let mut world = World::new();
        let socket = world.page("2.12.4", "alice");
        let (call, _) = world.dial(socket);
        world.machine.answer(call, Some(sdp("server")));
        format!("{:?}", world.frames(socket))
    };
    assert_eq!(say(), say());
}
