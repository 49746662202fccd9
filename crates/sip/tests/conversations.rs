//! Conversations between two endpoints, with losses and crossings placed exactly.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;
use common::*;
use sip::*;
use std::time::Duration;

fn rejected(events: &[Event]) -> Option<u16> {
    events.iter().find_map(|e| match e {
        Event::Rejected { status, .. } => Some(*status),
        _ => None,
    })
}

#[test]
fn a_call_is_answered_and_hung_up() {
    let mut w = World::plain();
    let (a, _) = w.call_up();
    let Some(Event::Invited { facts, offer, .. }) = w.events[1].first() else {
        panic!("{:?}", w.events[1]);
    };
    assert_eq!(facts.headers.named("x-test"), Some("yes"));
    assert_eq!(offer.as_deref(), Some(SDP));
    w.ends[0].hang_up(w.now, a);
    w.soon();
    assert_eq!(w.ended(0), [EndReason::HungUpHere]);
    assert_eq!(w.ended(1), [EndReason::HungUpThere]);
    assert_eq!(
        w.log,
        [
            "> INVITE",
            "< 100 INVITE",
            "< 200 INVITE",
            "> ACK",
            "> BYE",
            "< 200 BYE"
        ]
    );
    w.seconds(40);
    w.assert_empty();
}

#[test]
fn the_other_side_may_hang_up() {
    let mut w = World::plain();
    let (_, b) = w.call_up();
    w.ends[1].hang_up(w.now, b);
    w.soon();
    assert_eq!(w.ended(0), [EndReason::HungUpThere]);
    w.seconds(40);
    w.assert_empty();
}

#[test]
fn ringing_then_refused() {
    let mut w = World::plain();
    let invitation = w.invitation(0);
    w.ends[0].invite(w.now, invitation);
    w.soon();
    let b = w.invited(1);
    w.ends[1].ring(w.now, b, None);
    w.soon();
    assert!(has(&w.events[0], |e| matches!(
        e,
        Event::Progressed { status: 180, .. }
    )));
    w.ends[1].reject_with(w.now, b, 486, "", vec![("Retry-After".into(), "7".into())]);
    w.soon();
    assert!(has(&w.events[0], |e| matches!(
        e,
        Event::Rejected { status: 486, retry_after: Some(d), reason, .. }
            if *d == Duration::from_secs(7) && reason == "Busy Here"
    )));
    assert!(w.ended(0).is_empty() && w.ended(1).is_empty());
    w.seconds(40);
    w.assert_empty();
}

#[test]
fn canceled_while_ringing() {
    let mut w = World::plain();
    let invitation = w.invitation(0);
    let a = w.ends[0].invite(w.now, invitation);
    w.soon();
    w.ends[0].hang_up_with(w.now, a, "SIP;cause=200");
    w.soon();
    assert!(has(&w.events[1], |e| matches!(
        e,
        Event::Canceled { reason: Some(r), .. } if r == "SIP;cause=200"
    )));
    assert_eq!(w.ended(0), [EndReason::HungUpHere]);
    assert_eq!(
        (
            w.sent("> CANCEL"),
            w.sent("< 200 CANCEL"),
            w.sent("< 487 INVITE"),
            w.sent("> ACK")
        ),
        (1, 1, 1, 1)
    );
    w.seconds(40);
    w.assert_empty();
}

#[test]
fn cancel_waits_for_a_sign_of_life() {
    let mut w = World::plain();
    let mut lost = 0;
    w.passes = Box::new(move |line, _| {
        lost += usize::from(line == "INVITE");
        line != "INVITE" || lost > 1
    });
    let invitation = w.invitation(0);
    let a = w.ends[0].invite(w.now, invitation);
    w.ends[0].hang_up(w.now, a);
    w.soon();
    assert_eq!(w.sent("> CANCEL"), 0);
    w.seconds(1);
    assert_eq!(w.sent("> CANCEL"), 1);
    assert!(has(&w.events[1], |e| matches!(e, Event::Canceled { .. })));
    w.seconds(40);
    w.assert_empty();
}

/// A2, A3: the answer is on its way when the caller gives up.
#[test]
fn cancel_crosses_the_answer() {
    let mut w = World::plain();
    let invitation = w.invitation(0);
    let a = w.ends[0].invite(w.now, invitation);
    w.soon();
    let b = w.invited(1);
    w.ends[1].answer(w.now, b, sdp(2));
    w.ends[0].hang_up(w.now, a);
    w.soon();
    assert_eq!(w.sent("< 487 INVITE"), 0, "never 487 after 200");
    assert_eq!(
        (w.sent("> CANCEL"), w.sent("> ACK"), w.sent("> BYE")),
        (1, 1, 1)
    );
    assert_eq!(w.ended(0), [EndReason::HungUpHere]);
    assert_eq!(w.ended(1), [EndReason::HungUpThere]);
    assert!(!has(&w.events[0], |e| matches!(e, Event::Answered { .. })));
    w.seconds(40);
    w.assert_empty();
}

#[test]
fn byes_cross() {
    let mut w = World::plain();
    let (a, b) = w.call_up();
    w.ends[0].hang_up(w.now, a);
    w.ends[1].hang_up(w.now, b);
    w.soon();
    assert_eq!((w.ended(0).len(), w.ended(1).len()), (1, 1));
    assert_eq!((w.sent("< 200 BYE"), w.sent("> 200 BYE")), (1, 1));
    w.seconds(40);
    w.assert_empty();
}

/// A9: each kind of message is lost once; nothing happens twice.
#[test]
fn losses_are_made_good() {
    for victim in [
        "INVITE",
        "100 INVITE",
        "200 INVITE",
        "ACK",
        "BYE",
        "200 BYE",
    ] {
        let mut w = World::plain();
        let mut left = 1;
        w.passes = Box::new(move |line, _| {
            if line == victim && left > 0 {
                left -= 1;
                return false;
            }
            true
        });
        let invitation = w.invitation(0);
        let a = w.ends[0].invite(w.now, invitation);
        w.seconds(2);
        let b = w.invited(1);
        w.ends[1].answer(w.now, b, sdp(2));
        w.seconds(2);
        w.ends[0].hang_up(w.now, a);
        w.seconds(2);
        let count = |end: usize, test: fn(&Event) -> bool| -> usize {
            w.events[end].iter().filter(|e| test(e)).count()
        };
        assert_eq!(
            count(1, |e| matches!(e, Event::Invited { .. })),
            1,
            "{victim}"
        );
        assert_eq!(
            count(0, |e| matches!(e, Event::Answered { .. })),
            1,
            "{victim}"
        );
        assert_eq!(
            count(1, |e| matches!(e, Event::Acknowledged { .. })),
            1,
            "{victim}"
        );
        assert_eq!(w.ended(0).len() + w.ended(1).len(), 2, "{victim}");
        w.seconds(40);
        w.assert_empty();
    }
}

/// A11.
#[test]
fn an_answer_without_ack_ends_after_32_seconds() {
    let mut w = World::plain();
    w.passes = Box::new(|line, _| line != "ACK");
    let invitation = w.invitation(0);
    w.ends[0].invite(w.now, invitation);
    w.soon();
    let b = w.invited(1);
    w.ends[1].answer(w.now, b, sdp(2));
    w.seconds(31);
    // 0.5, 1.5, 3.5, 7.5, then every 4 s: RFC 3261 section 13.3.1.4.
    assert_eq!(w.sent("< 200 INVITE"), 10);
    assert!(w.ended(1).is_empty());
    w.seconds(2);
    assert_eq!(w.ended(1), [EndReason::NoAck]);
    assert_eq!(w.ended(0), [EndReason::HungUpThere]);
    w.seconds(70);
    w.assert_empty();
}

#[test]
fn nobody_there() {
    let mut w = World::plain();
    w.passes = Box::new(|_, _| false);
    let invitation = w.invitation(0);
    w.ends[0].invite(w.now, invitation);
    w.seconds(31);
    assert_eq!(rejected(&w.events[0]), None);
    w.seconds(2);
    assert_eq!(rejected(&w.events[0]), Some(408));
    // Timer A doubles: 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5.
    assert_eq!(w.sent("> INVITE"), 7);
    w.assert_empty();
}

#[test]
fn an_unanswered_call_times_out() {
    let mut w = World::plain();
    let mut invitation = w.invitation(0);
    invitation.timeout = Some(Duration::from_secs(20));
    w.ends[0].invite(w.now, invitation);
    w.seconds(19);
    assert_eq!(rejected(&w.events[0]), None);
    w.seconds(2);
    assert_eq!(rejected(&w.events[0]), Some(408));
    assert!(has(&w.events[1], |e| matches!(e, Event::Canceled { .. })));
    w.seconds(40);
    w.assert_empty();
}

#[test]
fn hold_and_back() {
    let mut w = World::plain();
    let (a, b) = w.call_up();
    let hold = format!("{}a=sendonly\r\n", sdp(3));
    w.ends[0].reoffer(w.now, a, hold.clone());
    w.soon();
    assert!(has(&w.events[1], |e| matches!(
        e,
        Event::Reoffered { offer: Some(o), .. } if *o == hold
    )));
    w.ends[1].answer_reoffer(w.now, b, sdp(4));
    w.soon();
    assert!(has(&w.events[0], |e| matches!(
        e,
        Event::ReofferAnswered { sdp: Some(_), .. }
    )));
    w.ends[1].reoffer(w.now, b, sdp(5));
    w.soon();
    w.ends[0].reject_reoffer(w.now, a, 488);
    w.soon();
    assert!(has(&w.events[1], |e| matches!(
        e,
        Event::ReofferRejected { status: 488, .. }
    )));
    assert!(w.ended(0).is_empty());
    w.ends[0].hang_up(w.now, a);
    w.seconds(40);
    w.assert_empty();
}

/// A7.
#[test]
fn glare_is_resolved() {
    let mut w = World::plain();
    let (a, b) = w.call_up();
    w.ends[0].reoffer(w.now, a, sdp(7));
    w.ends[1].reoffer(w.now, b, sdp(8));
    for _ in 0..60 {
        w.soon();
        for (end, key) in [(0, a), (1, b)] {
            let asked = w.events[end]
                .iter()
                .filter(|e| matches!(e, Event::Reoffered { .. }))
                .count();
            for _ in 0..asked {
                w.ends[end].answer_reoffer(w.now, key, sdp(9));
            }
        }
    }
    assert_eq!(w.sent("> 491 INVITE") + w.sent("< 491 INVITE"), 2);
    for end in 0..2 {
        let answered = w.events[end]
            .iter()
            .filter(|e| matches!(e, Event::ReofferAnswered { .. }))
            .count();
        assert_eq!(answered, 1);
    }
    w.ends[0].hang_up(w.now, a);
    w.seconds(40);
    w.assert_empty();
}

/// A6.
#[test]
fn bye_crosses_a_reoffer() {
    let mut w = World::plain();
    let (a, b) = w.call_up();
    w.ends[0].reoffer(w.now, a, sdp(3));
    w.ends[1].hang_up(w.now, b);
    w.seconds(1);
    assert_eq!(w.ended(0), [EndReason::HungUpThere]);
    assert_eq!(w.ended(1), [EndReason::HungUpHere]);
    assert_eq!(w.sent("< 481 INVITE"), 1);
    w.seconds(70);
    w.assert_empty();
}

/// A6: the other side rang for the re-INVITE, and its answer never comes.
#[test]
fn a_reoffer_that_is_left_hanging_leaves_nothing() {
    let mut w = World::plain();
    let (a, _) = w.call_up();
    w.passes =
        Box::new(|line, forth| forth || !line.ends_with("INVITE") || line.starts_with("100"));
    w.ends[0].reoffer(w.now, a, sdp(3));
    w.soon();
    w.ends[0].hang_up(w.now, a);
    w.seconds(200);
    assert_eq!(w.ended(0), [EndReason::HungUpHere]);
    w.assert_empty();
}

#[test]
fn sessions_are_refreshed_and_run_out() {
    let config = Config {
        session_expires: Duration::from_secs(120),
        ..Config::default()
    };
    let mut w = World::new(config.clone(), config);
    let (_, _) = w.call_up();
    w.seconds(600);
    assert!(w.ended(0).is_empty() && w.ended(1).is_empty());
    assert!(w.sent("< UPDATE") + w.sent("> UPDATE") >= 9, "{:?}", w.log);
    // The line is cut: whoever refreshes finds out by 408, the other by the timer.
    w.passes = Box::new(|_, _| false);
    w.seconds(200);
    assert_eq!((w.ended(0).len(), w.ended(1).len()), (1, 1));
    let both = [w.ended(0), w.ended(1)].concat();
    assert!(both.contains(&EndReason::SessionExpired) && both.contains(&EndReason::Lost));
    w.assert_empty();
}

#[test]
fn too_short_a_session_is_asked_again() {
    let a = Config {
        session_expires: Duration::from_secs(90),
        ..Config::default()
    };
    let b = Config {
        min_se: Duration::from_secs(300),
        ..Config::default()
    };
    let mut w = World::new(a, b);
    let (a, _) = w.call_up();
    assert_eq!((w.sent("< 422 INVITE"), w.sent("> INVITE")), (1, 2));
    w.ends[0].hang_up(w.now, a);
    w.seconds(40);
    w.assert_empty();
}

#[test]
fn early_media_is_acknowledged() {
    let config = Config {
        reliable_provisional: true,
        ..Config::default()
    };
    let mut w = World::new(Config::default(), config);
    let mut lost = 0;
    w.passes = Box::new(move |line, _| {
        lost += usize::from(line == "183 INVITE");
        line != "183 INVITE" || lost > 1
    });
    let invitation = w.invitation(0);
    let a = w.ends[0].invite(w.now, invitation);
    w.soon();
    let b = w.invited(1);
    w.ends[1].ring(w.now, b, Some(sdp(2)));
    // Not before the PRACK (RFC 3262 section 3).
    w.ends[1].answer(w.now, b, sdp(2));
    w.soon();
    assert_eq!(w.sent("< 200 INVITE"), 0);
    w.seconds(1);
    assert_eq!(
        (
            w.sent("> PRACK"),
            w.sent("< 200 PRACK"),
            w.sent("< 200 INVITE")
        ),
        (1, 1, 1)
    );
    assert!(has(&w.events[0], |e| matches!(
        e,
        Event::Progressed {
            status: 183,
            sdp: Some(_),
            ..
        }
    )));
    w.ends[0].hang_up(w.now, a);
    w.seconds(40);
    w.assert_empty();
}

#[test]
fn early_media_that_nobody_acknowledges() {
    let config = Config {
        reliable_provisional: true,
        ..Config::default()
    };
    let mut w = World::new(Config::default(), config);
    w.passes = Box::new(|line, _| line != "PRACK");
    let invitation = w.invitation(0);
    w.ends[0].invite(w.now, invitation);
    w.soon();
    let b = w.invited(1);
    w.ends[1].ring(w.now, b, Some(sdp(2)));
    w.seconds(33);
    assert_eq!(w.ended(1), [EndReason::NoPrack]);
    assert_eq!(rejected(&w.events[0]), Some(504));
    w.seconds(70);
    w.assert_empty();
}

#[test]
fn a_full_house_says_when_to_come_back() {
    let mut config = Config::default();
    config.limits.calls = 1;
    config.limits.retry_after = 9;
    let mut w = World::new(Config::default(), config);
    let (a, _) = w.call_up();
    let invitation = w.invitation(0);
    w.ends[0].invite(w.now, invitation);
    w.soon();
    assert!(has(&w.events[0], |e| matches!(
        e,
        Event::Rejected { status: 503, retry_after: Some(d), .. } if d.as_secs() == 9
    )));
    w.ends[0].hang_up(w.now, a);
    w.seconds(40);
    w.assert_empty();
}

#[test]
fn a_full_transaction_table_keeps_nothing() {
    let mut config = Config::default();
    config.limits.transactions = 0;
    let mut w = World::new(Config::default(), config);
    let invitation = w.invitation(0);
    w.ends[0].invite(w.now, invitation);
    w.soon();
    assert_eq!(rejected(&w.events[0]), Some(503));
    assert_eq!(w.ends[1].tables(), Tables::default());
}

#[test]
fn a_challenge_is_answered_once() {
    for (password, expected) in [("right", None), ("wrong", Some(401))] {
        let mut w = World::plain();
        w.open = false;
        w.passwords.insert("alice".into(), "right".into());
        let mut invitation = w.invitation(0);
        invitation.credentials = Some(Credentials {
            username: "alice".into(),
            secret: Secret::Password(password.into()),
            realm: Some("switchboard".into()),
        });
        let a = w.ends[0].invite(w.now, invitation);
        w.soon();
        assert_eq!(rejected(&w.events[0]), expected);
        assert_eq!(w.sent("> INVITE"), 2);
        if expected.is_none() {
            assert!(matches!(
                w.events[1].first(),
                Some(Event::Invited { user: Some(u), .. }) if u == "alice"
            ));
            let b = w.invited(1);
            w.ends[1].answer(w.now, b, sdp(2));
            w.soon();
            w.ends[0].hang_up(w.now, a);
        }
        w.seconds(400);
        w.assert_empty();
    }
}

#[test]
fn info_carries_digits_and_refer_is_declined() {
    let mut w = World::plain();
    let (a, _) = w.call_up();
    w.ends[0].info(
        w.now,
        a,
        "application/dtmf-relay",
        b"Signal=11\r\nDuration=160\r\n".to_vec(),
    );
    w.ends[0].refer(w.now, a, "sip:carol@example.com");
    w.soon();
    assert!(has(&w.events[1], |e| matches!(
        e,
        Event::Info {
            digit: Some('#'),
            ..
        }
    )));
    assert!(has(&w.events[0], |e| matches!(
        e,
        Event::ReferProgressed { status: 603, .. }
    )));
    w.ends[0].hang_up(w.now, a);
    w.seconds(40);
    w.assert_empty();
}

/// The same seeds and the same clock give the same bytes.
#[test]
fn runs_repeat_themselves() {
    let run = || {
        let mut w = World::plain();
        let (a, _) = w.call_up();
        w.ends[0].hang_up(w.now, a);
        w.seconds(40);
        (w.log, w.bytes)
    };
    assert_eq!(run(), run());
}

#[test]
fn ten_thousand_calls_leave_nothing() {
    let mut config = Config::default();
    config.limits.requests_per_second = 100_000;
    config.limits.burst = 100_000;
    config.limits.calls = 100_000;
    let mut w = World::new(config.clone(), config);
    let mut up = Vec::new();
    for round in 0..100 {
        for _ in 0..100 {
            let invitation = w.invitation(0);
            up.push(w.ends[0].invite(w.now, invitation));
        }
        w.run(Duration::from_millis(30));
        let came: Vec<DialogKey> = w.events[1]
            .drain(..)
            .filter_map(|e| match e {
                Event::Invited { key, .. } => Some(key),
                _ => None,
            })
            .collect();
        assert_eq!(came.len(), 100, "round {round}");
        for (at, key) in came.into_iter().enumerate() {
            match at % 4 {
                0 => w.ends[1].reject(w.now, key, 486, ""),
                1 => {}
                _ => w.ends[1].answer(w.now, key, sdp(2)),
            }
        }
        w.run(Duration::from_millis(30));
        for key in up.drain(..) {
            w.ends[0].hang_up(w.now, key);
        }
        w.run(Duration::from_millis(30));
        w.events[0].clear();
        w.log.clear();
    }
    w.seconds(70);
    w.assert_empty();
}
