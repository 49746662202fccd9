//! A customer's server that is away for a while misses nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::harness::{Folder, Reaction, Receiver, SOON, Server, eventually, is_final};

/// Calls under way during the outage.
const CALLS: usize = 6;

/// How long the receiver is away: long enough that every call ends in the meantime, and that
/// attempts have grown rare.
const OUTAGE: Duration = Duration::from_secs(60);

/// Two more ways of being out of reach than a refused connection: a gateway that has lost its
/// server, and no answer at all. By the SID, so that calls of all kinds are there.
fn first_is_lost(sid: &str) -> Option<Reaction> {
    match sid.as_bytes().last().copied().unwrap_or_default() % 3 {
        0 => Some(Reaction::Status(503)),
        1 => Some(Reaction::Silence),
        _ => None,
    }
}

#[tokio::test]
async fn every_callback_arrives_after_an_outage_in_order_and_once() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[("SWITCHBOARD_CALLS_PER_SECOND", "20")]).await;
    let mut receiver = Receiver::start(|got, before| {
        let known = before
            .iter()
            .any(|earlier| earlier.get("CallSid") == got.get("CallSid"));
        match first_is_lost(got.get("CallSid")) {
            Some(reaction) if !known => reaction,
            _ => Reaction::Empty,
        }
    })
    .await;
    let mut sids = Vec::new();
    for at in 0..CALLS {
        let form = [
            ("To", server.phone(at)),
            ("From", server.number("demo")),
            ("Twiml", "<Response><Pause length=\"3\"/></Response>"),
            ("StatusCallback", &receiver.url("/status")),
            ("StatusCallbackEvent", "initiated"),
            ("StatusCallbackEvent", "ringing"),
            ("StatusCallbackEvent", "answered"),
            ("StatusCallbackEvent", "completed"),
        ];
        sids.push(server.call(&form).await);
    }
    // All of them run, and none has ended.
    for sid in &sids {
        eventually("a first attempt for each call", SOON, async || {
            receiver
                .got("/status")
                .iter()
                .any(|got| got.get("CallSid") == sid)
                .then_some(())
        })
        .await;
    }
    receiver.go_down().await;
    let down = Instant::now();
    let before: Vec<_> = receiver.got("/status");
    assert!(
        !before.iter().any(|got| is_final(got.get("CallStatus"))),
        "the outage began too late to tell anything"
    );
    // Calls do not depend on whether anybody listens to their reports.
    for sid in &sids {
        server.reaches(sid, "completed").await;
    }
    tokio::time::sleep(OUTAGE.saturating_sub(down.elapsed())).await;
    assert_eq!(
        receiver.got("/status").len(),
        before.len(),
        "nothing can arrive while connections are refused"
    );
    receiver.come_up().await;
    let up = Instant::now();

    // The next attempt is at most 15 s away, and each callback then follows the one before it.
    let served = eventually("all callbacks", Duration::from_secs(30), async || {
        let served: Vec<_> = receiver
            .got("/status")
            .into_iter()
            .filter(|got| got.served)
            .collect();
        (served.len() >= CALLS * 4).then_some(served)
    })
    .await;
    println!("all callbacks arrived {:?} after the outage", up.elapsed());
    assert_eq!(served.len(), CALLS * 4, "each was taken once");

    let mut tokens = BTreeMap::new();
    for sid in &sids {
        let all: Vec<_> = receiver
            .got("/status")
            .into_iter()
            .filter(|got| got.get("CallSid") == sid)
            .collect();
        assert!(
            all.iter()
                .all(|got| got.is_signed(server.fact("auth_token")))
        );
        let taken: Vec<_> = all.iter().filter(|got| got.served).collect();
        let steps: Vec<_> = taken
            .iter()
            .map(|got| (got.get("SequenceNumber"), got.get("CallStatus")))
            .collect();
        assert_eq!(
            steps,
            [
                ("0", "initiated"),
                ("1", "ringing"),
                ("2", "in-progress"),
                ("3", "completed")
            ],
            "{sid}"
        );
        // The one that was lost on the way came again as the same one.
        let lost: Vec<_> = all.iter().filter(|got| !got.served).collect();
        assert_eq!(lost.len(), usize::from(first_is_lost(sid).is_some()));
        for lost in lost {
            assert_eq!(lost.get("SequenceNumber"), "0");
            assert_eq!(lost.token(), taken[0].token());
            assert_eq!(lost.form, taken[0].form);
        }
        for got in taken {
            assert!(!got.token().is_empty());
            let earlier = tokens.insert(got.token().to_owned(), got.form.clone());
            assert_eq!(earlier, None, "one token for two callbacks");
        }
    }
    assert_eq!(tokens.len(), CALLS * 4);
}
