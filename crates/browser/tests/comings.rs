//! Ten thousand short lives of one page, each move of it and of its account drawn by chance: the page
//! connects anew before or after its old connection ends, its key is deleted, its account suspended
//! and let in again, ICE restarts, and somebody hangs up. What it is told after each move is
//! foretold: races A20, E1, E3 and E4 in every order.

mod common;

use browser::{Credential, Fault, Pass, Reason, Sdk, SocketId, Tables};
use common::{GENERATIONS, World, account, device, key, named, pass, sdp};
use model::sid::{CallSid, KeySid};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const SEEDS: u64 = 10_000;
const MOVES: u64 = 16;

/// A small generator, for the same dice each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }
}

/// What the page may still do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Good,
    /// Its key was deleted; it gets another when it asks anew.
    Deleted,
    Suspended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Called {
    No,
    Rings,
    Talks,
}

struct Life {
    dice: Dice,
    world: World,
    sdk: Sdk,
    socket: SocketId,
    standing: Standing,
    /// How many keys it had; each is deleted once.
    keys: u8,
    call: CallSid,
    called: Called,
    /// Of the call, as the page has it.
    token: Value,
    /// An ICE restart was asked for, and not answered.
    restarts: bool,
    /// Behind it waits the answer to a reconnect.
    waits: bool,
    told: Vec<String>,
    /// It has just connected anew.
    comes: bool,
    trace: Vec<String>,
    reached: BTreeMap<&'static str, u32>,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut dice = Dice(seed);
        let version = GENERATIONS[dice.below(GENERATIONS.len() as u64) as usize];
        let mut world = World::new();
        let socket = world.phone(version, "alice");
        Life {
            dice,
            world,
            sdk: version.parse().expect("a version"),
            socket,
            standing: Standing::Good,
            keys: 1,
            call: CallSid::from_bytes([0; 16]),
            called: Called::No,
            token: Value::Null,
            restarts: false,
            waits: false,
            told: Vec::new(),
            comes: false,
            trace: vec![format!("{seed}: {version}")],
            reached: BTreeMap::new(),
        }
    }

    fn reach(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    /// What the page was told since the last look; it keeps each token.
    fn look(&mut self) {
        let mut frames = self.world.frames(self.socket);
        if self.comes {
            // Ends that it may not have heard are told again; it knows nothing of such calls.
            let over = |frame: &Value| {
                let of = frame["payload"]["callsid"].as_str();
                let known = self.called != Called::No && of == Some(&self.call.to_string());
                ["hangup", "cancel"].contains(&frame["type"].as_str().unwrap_or_default()) && !known
            };
            frames.retain(|frame| !over(frame));
        }
        for frame in &frames {
            if let Some(token) = frame["payload"].get("reconnect") {
                self.token = token.clone();
            }
        }
        self.told = (frames.iter())
            .map(|frame| {
                let kind = frame["type"].as_str().expect("a type");
                let described = frame["payload"].get("sdp").is_some();
                match frame["payload"]["error"]["code"].as_u64() {
                    Some(code) => format!("{kind} {code}"),
                    None if kind == "answer" && described => "description".to_owned(),
                    None => kind.to_owned(),
                }
            })
            .collect();
    }

    fn is_told(&mut self, what: &[&str]) {
        self.look();
        assert_eq!(self.told, what, "{:#?}", self.trace);
    }

    fn happens(&mut self, what: &[&str]) {
        let happened = self.world.happened();
        assert_eq!(happened, what, "{:#?}", self.trace);
    }

    fn pass(&self) -> Pass {
        Pass {
            credential: self.key(),
            ..pass("alice")
        }
    }

    fn key(&self) -> Credential {
        match self.keys {
            1 => key(),
            number => Credential::Key(KeySid::from_bytes([number; 16])),
        }
    }

    fn say(&mut self, kind: &str, sdp: Option<String>) {
        let mut payload = json!({"callsid": self.call.to_string()});
        if let Some(sdp) = sdp {
            payload["sdp"] = json!(sdp);
        }
        self.world.say(self.socket, kind, payload);
    }

    fn moves(&mut self) {
        let kind = self.dice.below(14);
        self.trace.push(format!(
            "{kind} {:?} {:?} restarts {}",
            self.standing, self.called, self.restarts
        ));
        // Nothing happens in no time.
        self.world.live(&[self.socket], self.dice.below(3));
        let wait = 1 + self.dice.below(50);
        self.world.pass_time(Duration::from_millis(wait));
        match kind {
            0 | 1 if self.called == Called::No => self.is_called(),
            0..=2 => self.answers(),
            3 | 11 | 12 => self.restarts_ice(),
            4 => self.is_answered(),
            5 => self.hangs_up(),
            6 => self.is_hung_up(),
            7 => self.loses_its_key(),
            8 => self.loses_its_account(),
            _ => self.connects_anew(),
        }
        let there = self.world.machine.devices(&named("alice"));
        let wanted = match self.standing {
            Standing::Good => vec![device(self.socket)],
            _ => Vec::new(),
        };
        assert_eq!(there, wanted, "{:#?}", self.trace);
        let winner = self.world.machine.winner(self.call).is_some();
        assert_eq!(winner, self.called == Called::Talks, "{:#?}", self.trace);
    }

    fn is_called(&mut self) {
        self.call = self.world.call("alice");
        (self.restarts, self.waits) = (false, false);
        if self.standing == Standing::Good {
            self.is_told(&["invite"]);
            self.happens(&["Ringing"]);
            self.called = Called::Rings;
        } else {
            self.is_told(&[]);
            self.happens(&["Unreachable"]);
            // Nor can it call.
            let temp = "TJS00000000-0000-4000-8000-000000000000";
            let offer = json!({"callsid": temp, "sdp": sdp("page"), "twilio": {}});
            self.world.say(self.socket, "invite", offer);
            let code = match self.standing {
                Standing::Suspended => "hangup 31203",
                _ => "hangup 31204",
            };
            self.is_told(&[code]);
            self.happens(&[]);
        }
    }

    fn answers(&mut self) {
        if self.called != Called::Rings {
            return;
        }
        if self.standing != Standing::Good {
            self.reach("E1 a call that rings is answered without its key");
        }
        self.say("answer", Some(sdp("page")));
        self.is_told(&[]);
        self.happens(&["Answered"]);
        self.called = Called::Talks;
    }

    fn restarts_ice(&mut self) {
        if self.called != Called::Talks || self.restarts {
            return;
        }
        self.say("reinvite", Some(sdp("page")));
        self.is_told(&[]);
        self.happens(&["Reinvited"]);
        self.restarts = true;
    }

    /// The media thread has an answer to the restart.
    fn is_answered(&mut self) {
        self.world.machine.answer_reinvite(self.call, sdp("server"));
        match (self.called, self.restarts, self.waits) {
            (Called::Talks, true, true) => {
                self.reach("a reconnect waits for a restart");
                // The page takes the first for the answer to its restart.
                self.is_told(&["description", "answer"]);
            }
            (Called::Talks, true, false) => self.is_told(&["description"]),
            (_, true, _) => {
                self.reach("A20 a hang-up, then the answer to a restart");
                self.is_told(&[]);
            }
            (_, false, _) => self.is_told(&[]),
        }
        self.happens(&[]);
        (self.restarts, self.waits) = (false, false);
    }

    fn hangs_up(&mut self) {
        if self.called != Called::Talks {
            return;
        }
        if self.standing != Standing::Good {
            self.reach("E1 a page without a key hangs up");
        }
        self.say("hangup", None);
        self.is_told(&[]);
        self.happens(&["HungUp"]);
        self.called = Called::No;
        if self.restarts {
            // Its own restart crosses on the wire.
            self.say("reinvite", Some(sdp("page")));
            self.is_told(&["hangup"]);
            self.happens(&[]);
        }
    }

    fn is_hung_up(&mut self) {
        self.world
            .machine
            .hang_up(self.world.now, self.call, &Reason::HungUp);
        match self.called {
            Called::No => self.is_told(&[]),
            // Safe in every phase.
            Called::Rings => self.is_told(&["hangup", "cancel"]),
            Called::Talks => self.is_told(&["hangup"]),
        }
        self.happens(&[]);
        if self.called == Called::Talks {
            self.say("reinvite", Some(sdp("page")));
            self.is_told(&["hangup"]);
            self.reach("A20 a hang-up, then a restart");
        }
        self.called = Called::No;
    }

    fn loses_its_key(&mut self) {
        let (key, now) = (self.key(), self.world.now);
        // A verdict that was found before must not let it in.
        let late = (self.dice.below(2) == 0).then(|| {
            let socket = self.world.open();
            (socket, self.world.listen(socket, &self.sdk.to_string()))
        });
        self.world.machine.revoke(now, key);
        if let Some((socket, check)) = late {
            let pass = self.pass();
            self.world.verdict(socket, check, Ok(pass));
            let wanted = ["error 31204", "close"];
            assert_eq!(self.world.heard(socket), wanted, "{:#?}", self.trace);
            self.world.close(socket);
            self.reach("E1 a verdict crosses the deletion");
        }
        if self.standing == Standing::Good {
            self.is_told(&["error 31204", "offline"]);
            self.happens(&["Unregistered"]);
            self.standing = Standing::Deleted;
            match self.called {
                Called::No => {}
                Called::Rings => self.reach("E1 a key is deleted while it rings"),
                Called::Talks => self.reach("E1 a key is deleted in a call"),
            }
        } else {
            // It knows.
            self.is_told(&[]);
            self.happens(&[]);
        }
    }

    fn loses_its_account(&mut self) {
        let now = self.world.now;
        if self.standing != Standing::Suspended {
            self.world.machine.suspend(now, account());
            if self.standing == Standing::Good {
                self.is_told(&["error 31203", "offline"]);
                self.happens(&["Unregistered"]);
                self.standing = Standing::Suspended;
                self.reach("E3 an account is suspended");
            } else {
                self.is_told(&[]);
                self.happens(&[]);
                self.world.machine.activate(now, account());
            }
            return;
        }
        // Sent away, it comes back by itself.
        self.world.machine.activate(now, account());
        self.world.drain();
        assert_eq!(self.world.closed.remove(&self.socket), Some(1012));
        self.world.events();
        if self.called != Called::No {
            self.reach("E3 a page comes back with its account, in a call");
        }
        self.standing = Standing::Good;
        self.opens();
        let wanted = self.settles();
        self.come_back(&wanted);
    }

    fn connects_anew(&mut self) {
        match self.standing {
            Standing::Good => {}
            // A page with a new token tells it on the socket that it has, or on the next.
            Standing::Deleted => self.keys += 1,
            Standing::Suspended => return self.is_refused(),
        }
        let old = self.socket;
        let first = self.dice.below(2) == 0;
        let present = self.standing == Standing::Good;
        if first {
            self.world.close(old);
            self.reach("E4 the old socket closes before the new one opens");
        } else {
            self.reach("E4 the old socket closes after the new one opened");
        }
        self.standing = Standing::Good;
        self.opens();
        if !first {
            if present {
                // Never offline in between.
                let there = self.world.machine.devices(&named("alice"));
                assert_eq!(there, [device(old), device(self.socket)]);
            }
            self.world.close(old);
        }
        let wanted = self.settles();
        self.come_back(&wanted);
    }

    /// What it is told behind `connected` and `ready`.
    fn settles(&self) -> Vec<&'static str> {
        match self.called {
            // Dead in the page, which is told of it anew.
            Called::Rings if self.sdk.reconnects() => vec!["cancel", "invite"],
            _ => Vec::new(),
        }
    }

    fn come_back(&mut self, wanted: &[&str]) {
        let mut all = vec!["connected", "ready"];
        all.extend(wanted);
        self.comes = true;
        self.is_told(&all);
        self.comes = false;
        let happened = self.world.events();
        let rang = happened
            .iter()
            .any(|event| format!("{event:?}").starts_with("Ringing"));
        assert!(!rang, "the same call: {:#?}", self.trace);
        if self.called != Called::Talks || !self.sdk.reconnects() {
            return;
        }
        let again =
            json!({"callsid": self.call.to_string(), "sdp": sdp("page"), "reconnect": self.token});
        self.world.say(self.socket, "invite", again);
        if self.restarts {
            self.waits = true;
            self.is_told(&[]);
        } else {
            self.is_told(&["answer"]);
        }
        self.world.events();
    }

    fn opens(&mut self) {
        self.world.pass_time(Duration::from_millis(5));
        let version = self.sdk.to_string();
        self.socket = self.world.open();
        let check = self.world.listen(self.socket, &version);
        let pass = self.pass();
        self.world.verdict(self.socket, check, Ok(pass));
        let register = json!({"media": {"audio": true}});
        self.world.say(self.socket, "register", register);
    }

    /// A suspended account's page knocks once more.
    fn is_refused(&mut self) {
        let socket = self.world.open();
        let check = self.world.listen(socket, &self.sdk.to_string());
        let fault = Fault::new(31203, "The account is not active");
        self.world.verdict(socket, check, Err(fault));
        assert_eq!(self.world.heard(socket), ["error 31203", "close"]);
        self.world.close(socket);
        self.is_told(&[]);
        self.happens(&[]);
    }
}

#[test]
fn whatever_becomes_of_a_page_is_told_and_harms_no_call() {
    let mut reached: BTreeMap<&'static str, u32> = BTreeMap::new();
    for seed in 0..SEEDS {
        let mut life = Life::new(seed);
        for _ in 0..MOVES {
            life.moves();
        }
        life.world
            .machine
            .hang_up(life.world.now, life.call, &Reason::HungUp);
        life.world.close(life.socket);
        life.world.pass_time(Duration::from_secs(200));
        let left = life.world.machine.tables();
        assert_eq!(left, Tables::default(), "{:#?}", life.trace);
        for (what, times) in life.reached {
            *reached.entry(what).or_default() += times;
        }
    }
    println!("{reached:#?}");
    assert_eq!(reached.len(), 12, "{reached:?}");
    for (what, times) in reached {
        assert!(times > SEEDS as u32 / 200, "{what}: {times}");
    }
}
