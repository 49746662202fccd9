//! What was acknowledged survives the power failure: the program is killed at random points under
//! load, and started again on the same data.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;
/// Sleeps as long as the lives below take: in one binary the two cost the time of one.
#[path = "crash/outage.rs"]
mod outage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use harness::{Folder, Got, Receiver, SOON, Server, eventually, is_final, nightly};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::net::UdpSocket;

/// How often the program is killed.
const LIVES: u32 = 25;
/// How long a life lasts, in milliseconds.
const LASTS: std::ops::Range<u64> = 200..2_500;
/// Calls begun in one life at most: about as many as can be placed in it, so that the last life does
/// not have to place what all others left.
const LOAD: usize = 10;
/// Seed of the points in time of the normal run; the nightly run takes another every time.
const SEED: u64 = 20_100_401;
/// Quick enough that calls of all ages are there when the end comes, slow enough that some wait.
const RATE: (&str, &str) = ("SWITCHBOARD_CALLS_PER_SECOND", "8");

/// How long a call that will be cut short has lasted, and how long nobody is there then.
const TALK: Duration = Duration::from_millis(2_500);
const DOWN: Duration = Duration::from_secs(4);

/// How long a telephone listens between two looks at its call.
const LISTEN: Duration = Duration::from_millis(100);

/// What is known from outside after all lives but the last one.
#[derive(Default)]
struct Known {
    /// Calls that were acknowledged with 201.
    acknowledged: Vec<String>,
    /// Calls that were seen to be over before the end of a life, and how they ended.
    ended: BTreeMap<String, String>,
    /// How many steps of a call were seen to be written down, and their callbacks with them.
    steps: BTreeMap<String, usize>,
    /// Calls that had begun but not ended when a life ended, as far as the next one tells.
    interrupted: BTreeSet<String>,
}

/// One life: calls are begun and looked at until the end comes after `lasts`.
async fn live(server: Server, receiver: &Receiver, lasts: Duration, known: &mut Known) {
    let begun = Instant::now();
    let callback = receiver.url("/status");
    let load = async {
        for at in 0..LOAD {
            let pause = format!("<Response><Pause length=\"{}\"/></Response>", at % 3);
            let form = [
                ("To", server.phone(at % 10)),
                ("From", server.number("demo")),
                ("Twiml", &pause),
                ("StatusCallback", &callback),
                ("StatusCallbackEvent", "initiated"),
                ("StatusCallbackEvent", "ringing"),
                ("StatusCallbackEvent", "answered"),
                ("StatusCallbackEvent", "completed"),
            ];
            known.acknowledged.push(server.call(&form).await);
            if at % 4 == 3 {
                known.look(&server, false).await;
            }
        }
        loop {
            known.look(&server, false).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // The load stops wherever it is, with a request on the way or not.
    let _ = tokio::time::timeout(lasts.saturating_sub(begun.elapsed()), load).await;
    server.kill();
}

impl Known {
    /// Looks at the calls that were not over yet, or at `all`: what is final never changes.
    async fn look(&mut self, server: &Server, all: bool) {
        for sid in &self.acknowledged {
            let earlier = self.ended.get(sid);
            if earlier.is_some() && !all {
                continue;
            }
            let status = status_of(server, sid).await;
            if let Some(earlier) = earlier {
                assert_eq!(*earlier, status, "{sid} ended twice");
            } else if is_final(&status) {
                self.ended.insert(sid.clone(), status);
            } else {
                let steps = match status.as_str() {
                    "queued" => 0,
                    "initiated" => 1,
                    "ringing" => 2,
                    "in-progress" => 3,
                    other => panic!("{sid} is {other}"),
                };
                let before = self.steps.insert(sid.clone(), steps).unwrap_or(0);
                assert!(
                    before <= steps,
                    "{sid} went back from step {before} to {steps}"
                );
            }
        }
    }

    /// Right after a start: everything acknowledged is there, and what the last life left open is
    /// either over or waits for its turn (or has just had it).
    async fn look_back(&mut self, server: &Server) {
        let earlier = self.ended.clone();
        self.look(server, true).await;
        let new = self.ended.keys().filter(|sid| !earlier.contains_key(*sid));
        self.interrupted.extend(new.cloned());
    }
}

async fn status_of(server: &Server, sid: &str) -> String {
    server.record(sid).await["status"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Callbacks of a call without repetitions, in the order of their first arrival. A repetition is
/// the same callback, and comes before any later one.
fn callbacks(receiver: &Receiver, sid: &str, token: &str) -> Vec<Got> {
    let mut distinct: Vec<Got> = Vec::new();
    for got in receiver.got("/status") {
        if got.get("CallSid") != sid {
            continue;
        }
        assert!(got.is_signed(token));
        match distinct
            .iter()
            .position(|earlier| earlier.token() == got.token())
        {
            None => distinct.push(got),
            Some(at) => {
                assert_eq!(at, distinct.len() - 1, "{sid}: repeated out of turn");
                assert_eq!(distinct[at].form, got.form, "{sid}: repeated and changed");
            }
        }
    }
    distinct
}

/// Several lives and a last one that is not cut short; the server of the last one.
async fn lives(seed: u64, folder: &Folder, receiver: &Receiver) -> (Server, Known) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut known = Known::default();
    for round in 0..LIVES {
        let server = Server::start(folder, &[RATE]).await;
        known.look_back(&server).await;
        let lasts = Duration::from_millis(chance.random_range(LASTS));
        println!("life {round} lasts {lasts:?}");
        live(server, receiver, lasts, &mut known).await;
    }
    let server = Server::start(folder, &[RATE]).await;
    known.look_back(&server).await;
    (server, known)
}

#[tokio::test]
async fn what_was_acknowledged_survives_being_killed() {
    let folder = Folder::new();
    let receiver = Receiver::with(&[]).await;
    let seed = if nightly() { rand::random() } else { SEED };
    println!("seed {seed}");
    let (server, mut known) = lives(seed, &folder, &receiver).await;
    let all = known.acknowledged.clone();
    assert!(all.len() >= LIVES as usize, "no load");

    // None stays open for ever, and those that waited are placed.
    eventually("the end of every call", SOON, async || {
        known.look(&server, true).await;
        (known.ended.len() == all.len()).then_some(())
    })
    .await;
    println!(
        "{} calls, {} of them cut short",
        all.len(),
        known.interrupted.len()
    );

    // What was owed arrives; nothing is owed any more once the last call has told its end.
    let token = server.fact("auth_token").to_owned();
    for sid in all.iter().filter(|sid| !known.interrupted.contains(*sid)) {
        let end = &known.ended[sid];
        receiver.until("/status", sid, end).await;
        let told = callbacks(&receiver, sid, &token);
        let numbers: Vec<_> = told.iter().map(|got| got.get("SequenceNumber")).collect();
        assert_eq!(numbers, ["0", "1", "2", "3"], "{sid} ended as {end}");
        let statuses: Vec<_> = told.iter().map(|got| got.get("CallStatus")).collect();
        assert_eq!(
            statuses,
            ["initiated", "ringing", "in-progress", "completed"],
            "{sid}"
        );
    }
    // Calls that were cut short tell their end too, once, and everything before it without gaps.
    assert!(!known.interrupted.is_empty(), "no life cut a call short");
    for sid in &known.interrupted {
        let end = &known.ended[sid];
        receiver.until("/status", sid, end).await;
        let told = callbacks(&receiver, sid, &token);
        for (at, got) in told.iter().enumerate() {
            assert_eq!(got.get("SequenceNumber"), at.to_string(), "{sid}");
        }
        let ends: Vec<_> = told
            .iter()
            .map(|got| got.get("CallStatus"))
            .filter(|status| is_final(status))
            .collect();
        assert_eq!(ends, [end.as_str()], "{sid} tells its end once");
        let written = known.steps.get(sid).copied().unwrap_or(0);
        assert!(told.len() > written, "{sid} lost a step that was seen");
    }
}

#[tokio::test]
async fn a_call_cut_short_reports_its_end() {
    let folder = Folder::new();
    let receiver = Receiver::with(&[]).await;
    let server = Server::start(&folder, &[]).await;
    let callback = receiver.url("/status");
    let form = [
        ("To", server.phone(0)),
        ("From", server.number("demo")),
        ("Twiml", "<Response><Pause length=\"60\"/></Response>"),
        ("StatusCallback", &callback),
        ("StatusCallbackEvent", "initiated"),
        ("StatusCallbackEvent", "completed"),
    ];
    let sid = server.call(&form).await;
    server.reaches(&sid, "in-progress").await;
    tokio::time::sleep(TALK).await;
    server.kill();
    tokio::time::sleep(DOWN).await;
    let server = Server::start(&folder, &[]).await;
    let record = server.record(&sid).await;
    let status = record["status"].as_str().unwrap().to_owned();
    assert_eq!(status, "completed");
    // rest-calls-18: it lasted until it was last known to live; the time without a process is no
    // part of it.
    let lasted: u64 = record["duration"].as_str().unwrap().parse().unwrap();
    assert!((1..=TALK.as_secs() + 1).contains(&lasted), "{lasted}");
    let told = receiver.until("/status", &sid, &status).await;
    assert!(
        told.iter()
            .all(|got| got.is_signed(server.fact("auth_token")))
    );
    let end = told.last().unwrap();
    assert_eq!(end.get("CallStatus"), status);
    assert_eq!(end.get("CallDuration"), lasted.to_string());
    assert_eq!(end.get("ErrorCode"), "12400");
    let below = format!("/Calls/{sid}/Notifications.json");
    let (_, alerts) = server.api("GET", &below, &[]).await;
    assert_eq!(
        alerts["notifications"][0]["error_code"], "12400",
        "{alerts}"
    );
}

#[tokio::test]
async fn a_call_is_not_placed_twice() {
    let folder = Folder::new();
    let receiver = Receiver::with(&[]).await;
    // A telephone that is reached and never says anything.
    let telephone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = format!("sip:mute@{}", telephone.local_addr().unwrap());
    let server = Server::start(&folder, &[]).await;
    let callback = receiver.url("/status");
    let form = [
        ("To", to.as_str()),
        ("From", server.number("demo")),
        ("Twiml", "<Response><Hangup/></Response>"),
        ("Timeout", "5"),
        ("StatusCallback", &callback),
        ("StatusCallbackEvent", "initiated"),
        ("StatusCallbackEvent", "completed"),
    ];
    let sid = server.call(&form).await;
    let mut invited = BTreeSet::new();
    let first = tokio::time::timeout(SOON, call_id(&telephone)).await;
    invited.insert(first.expect("the telephone is called"));
    server.kill();
    let server = Server::start(&folder, &[]).await;
    eventually("the end of the call", SOON, async || {
        if let Ok(again) = tokio::time::timeout(LISTEN, call_id(&telephone)).await {
            invited.insert(again);
        }
        is_final(&status_of(&server, &sid).await).then_some(())
    })
    .await;
    assert_eq!(invited.len(), 1, "the same person is called again");
    let told = receiver.got("/status");
    let begun = told.iter().filter(|got| got.get("SequenceNumber") == "0");
    let tokens: BTreeSet<_> = begun.map(Got::token).collect();
    assert_eq!(tokens.len(), 1, "one step is reported as two");
}

/// `Call-ID` of the next request that a telephone gets.
async fn call_id(telephone: &UdpSocket) -> String {
    let mut bytes = vec![0; 65_536];
    loop {
        let length = telephone.recv(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if let Some(line) = text.lines().find_map(|line| line.strip_prefix("Call-ID:")) {
            return line.trim().to_owned();
        }
    }
}
