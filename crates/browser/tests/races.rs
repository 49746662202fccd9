//! What happens at the same moment, in either order: the races of `docs/races.md` that belong to
//! signalling (A1, A2, A20, E1 to E4).

mod common;

use browser::{Event, LateAnswer, Reason, SocketId};
use common::{GENERATIONS, World, device, key, named, pass, sdp};
use serde_json::json;
use std::time::Duration;

#[test]
fn a1_n_devices_answer_at_once_and_one_wins() {
    for version in GENERATIONS {
        for winner in 0..4 {
            let mut world = World::new();
            let phones: Vec<SocketId> = (0..4).map(|_| world.phone(version, "alice")).collect();
            let call = world.call("alice");
            for phone in &phones {
                assert_eq!(world.heard(*phone), ["invite"]);
            }
            world.events();
            for at in 0..4 {
                world.answer(phones[(winner + at) % 4], call);
            }
            let events = world.events();
            let answered: Vec<_> = events
                .iter()
                .filter_map(|event| match event {
                    Event::Answered { device, losers, .. } => Some((*device, losers.len())),
                    _ => None,
                })
                .collect();
            assert_eq!(answered, [(device(phones[winner]), 3)], "exactly one");
            let late = events
                .iter()
                .filter(|event| matches!(event, Event::AnsweredLate { .. }))
                .count();
            assert_eq!(late, 3);
            for at in 1..4 {
                let heard = world.heard(phones[(winner + at) % 4]);
                assert_eq!(
                    heard,
                    ["answered-elsewhere", "hangup", "cancel"],
                    "told once"
                );
            }
            assert!(world.heard(phones[winner]).is_empty());
        }
    }
}

#[test]
fn a1_who_answers_late_sees_what_the_setting_says() {
    for (behaviour, version, told) in [
        (
            LateAnswer::HangupThenCancel,
            "2.12.4",
            vec!["hangup", "cancel"],
        ),
        (LateAnswer::Cancel, "2.12.4", vec!["cancel"]),
        (LateAnswer::Cancel, "1.10.3", vec!["cancel"]),
        (LateAnswer::Cancel, "1.10.2", vec!["hangup", "cancel"]),
        (LateAnswer::Cancel, "strange", vec!["hangup", "cancel"]),
        (
            LateAnswer::Timeout,
            "1.15.1",
            vec!["hangup 31003", "cancel"],
        ),
        (
            LateAnswer::Cancelled,
            "2.12.4",
            vec!["hangup 31008", "cancel"],
        ),
        (LateAnswer::Silence, "2.12.4", vec![]),
    ] {
        let mut world = World::with(browser::Config {
            late_answer: behaviour,
            notices: browser::Notices::None,
            ..browser::Config::default()
        });
        let one = world.phone(version, "alice");
        let two = world.phone(version, "alice");
        let call = world.call("alice");
        world.frames(two);
        world.answer(one, call);
        world.answer(two, call);
        world.live(&[one, two], 5);
        assert_eq!(world.heard(two), told, "{behaviour:?} {version}");
        let late = world
            .events()
            .into_iter()
            .any(|event| matches!(event, Event::AnsweredLate { told, .. } if told == behaviour));
        assert!(late);
    }
}

#[test]
fn a1_silence_still_stops_those_who_only_ring() {
    let mut world = World::with(browser::Config {
        late_answer: LateAnswer::Silence,
        ..browser::Config::default()
    });
    let one = world.phone("2.12.4", "alice");
    let two = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.answer(one, call);
    world.frames(two);
    world.live(&[one, two], 2);
    assert_eq!(world.heard(two), ["cancel"]);
}

#[test]
fn a1_two_identities_answer_and_the_engine_decides() {
    let mut world = World::new();
    let alice = world.phone("2.12.4", "alice");
    let bob = world.phone("1.15.1", "bob");
    let first = world.call("alice");
    let second = world.call("bob");
    world.answer(alice, first);
    world.answer(bob, second);
    world.frames(bob);
    let by = "client:alice".to_owned();
    let reason = Reason::AnsweredElsewhere { by };
    world.machine.hang_up(world.now, second, &reason);
    assert_eq!(world.heard(bob), ["answered-elsewhere", "hangup", "cancel"]);
    assert_eq!(world.machine.winner(first), Some(device(alice)));
    assert_eq!(world.machine.winner(second), None);
}

#[test]
fn a2_the_caller_gives_up_while_an_answer_is_on_its_way() {
    for version in GENERATIONS {
        // The hang-up first: the answer that crosses is late.
        let mut world = World::new();
        let socket = world.phone(version, "alice");
        let call = world.call("alice");
        world.frames(socket);
        world.events();
        world.machine.hang_up(world.now, call, &Reason::HungUp);
        world.answer(socket, call);
        assert_eq!(world.heard(socket), ["hangup", "cancel"], "{version}");
        assert_eq!(world.happened(), ["AnsweredLate"]);
        // The answer first: an ordinary end.
        let call = world.call("alice");
        world.frames(socket);
        world.answer(socket, call);
        world.machine.hang_up(world.now, call, &Reason::HungUp);
        assert_eq!(world.heard(socket), ["hangup"]);
    }
}

#[test]
fn a2_both_sides_hang_up() {
    let mut world = World::new();
    let socket = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.answer(socket, call);
    world.frames(socket);
    world.events();
    world.machine.hang_up(world.now, call, &Reason::HungUp);
    world.say(socket, "hangup", json!({"callsid": call.to_string()}));
    assert_eq!(world.heard(socket), ["hangup"]);
    assert!(world.happened().is_empty(), "one end");
}

#[test]
fn a20_an_ice_restart_against_a_hang_up() {
    let mut world = World::new();
    let socket = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.answer(socket, call);
    world.frames(socket);
    let offer = json!({"callsid": call.to_string(), "sdp": sdp("page1")});
    world.say(socket, "reinvite", offer.clone());
    world.events();
    world.machine.hang_up(world.now, call, &Reason::HungUp);
    world.machine.answer_reinvite(call, sdp("server"));
    assert_eq!(world.heard(socket), ["hangup"], "the hang-up wins");
    world.say(socket, "reinvite", offer.clone());
    assert_eq!(world.heard(socket), ["hangup"], "and is said again");
    assert!(world.happened().is_empty());
    world.live(&[socket], 61);
    world.say(socket, "reinvite", offer);
    assert_eq!(
        world.heard(socket),
        ["hangup 31209"],
        "nobody knows it any more"
    );
}

#[test]
fn e1_a_token_expires_or_its_key_is_deleted_in_mid_call() {
    for deleted in [false, true] {
        let mut world = World::new();
        let socket = world.open();
        let check = world.listen(socket, "2.12.4");
        let mut short = pass("alice");
        short.ttl = Duration::from_secs(20);
        world.verdict(socket, check, Ok(short));
        world.frames(socket);
        world.register(socket);
        let call = world.call("alice");
        world.answer(socket, call);
        world.frames(socket);
        world.events();
        if deleted {
            world.machine.revoke(world.now, key());
            world.machine.revoke(world.now, key());
            assert_eq!(world.heard(socket), ["error 31204", "offline"], "once");
        } else {
            world.live(&[socket], 21);
            assert_eq!(world.heard(socket), ["error 31205", "offline"]);
        }
        assert_eq!(world.happened(), ["Unregistered"]);
        assert_eq!(world.machine.winner(call), Some(device(socket)));
        // No new call, no registration.
        world.say(
            socket,
            "invite",
            json!({"callsid": "TJS1", "sdp": sdp("p"), "twilio": {}}),
        );
        world.say(socket, "register", json!({"media": {"audio": true}}));
        let code = if deleted { 31204 } else { 31205 };
        assert_eq!(
            world.heard(socket),
            [
                format!("hangup {code}"),
                format!("error {code}"),
                "offline".to_owned()
            ]
        );
        // The call goes on and ends as ever.
        world.say(
            socket,
            "dtmf",
            json!({"callsid": call.to_string(), "dtmf": "1"}),
        );
        world.say(socket, "hangup", json!({"callsid": call.to_string()}));
        assert_eq!(world.happened(), ["Dtmf", "HungUp"]);
        // H11: a new token, and it registers by itself.
        world.pass_time(Duration::from_secs(16));
        world.listen_again(socket, "2.12.4", "alice");
        world.register(socket);
    }
}

#[test]
fn e3_a_suspended_account_is_not_called_and_cannot_call() {
    let mut world = World::new();
    let socket = world.phone("1.15.1", "alice");
    let late = world.open();
    let check = world.listen(late, "1.15.1");
    world.machine.suspend(world.now, common::account());
    assert_eq!(world.heard(socket), ["error 31203", "offline"]);
    assert!(world.machine.devices(&named("alice")).is_empty());
    world.events();
    world.verdict(late, check, Ok(pass("bob")));
    assert_eq!(world.heard(late), ["error 31203", "close"]);
    // A token that was looked at after that is the owner's to judge: the account may be back.
    world.phone("1.15.1", "carol");
}

#[test]
fn e3_who_was_sent_offline_with_the_account_comes_back_with_it() {
    for version in ["1.15.1", "2.12.4"] {
        let mut world = World::new();
        let alice = world.phone(version, "alice");
        let expired = world.phone(version, "bob");
        let late = world.open();
        let check = world.listen(late, version);
        let fault = browser::Fault::new(31205, "expired");
        let again = world.listen(expired, version);
        world.verdict(expired, again, Err(fault));
        world.machine.suspend(world.now, common::account());
        world.machine.activate(world.now, common::account());
        world.drain();
        assert_eq!(world.closed.get(&alice), Some(&1012), "{version}");
        // What was looked at meanwhile is not held against anybody.
        world.verdict(late, check, Ok(pass("carol")));
        assert_eq!(world.heard(late), ["connected"]);
        let back = world.phone(version, "alice");
        let call = world.call("alice");
        assert_eq!(world.heard(back), ["invite"]);
        world.machine.hang_up(world.now, call, &Reason::HungUp);
        world.machine.activate(world.now, common::account());
        world.drain();
        assert_eq!(
            world.closed.get(&back),
            None,
            "who was not sent offline stays"
        );
    }
}

#[test]
fn who_is_registered_can_be_seen() {
    let mut world = World::new();
    let one = world.phone("1.15.1", "alice");
    world.phone("2.12.4", "alice");
    world.page("2.12.4", "bob");
    world.call("alice");
    let seen = world.machine.registered(common::account());
    let seen: Vec<_> = (seen.iter())
        .map(|device| {
            (
                device.identity.as_str(),
                device.sdk.to_string(),
                device.calls,
            )
        })
        .collect();
    let both = [
        ("alice", "1.15.1".to_owned(), 1),
        ("alice", "2.12.4".to_owned(), 1),
    ];
    assert_eq!(seen, both);
    world.close(one);
    assert_eq!(world.machine.registered(common::account()).len(), 1);
    let stranger = model::sid::AccountSid::from_bytes([9; 16]);
    assert_eq!(world.machine.registered(stranger), []);
}

#[test]
fn e4_the_old_socket_closes_after_the_new_one_opened() {
    let mut world = World::new();
    let old = world.phone("2.12.4", "alice");
    let new = world.page("2.12.4", "alice");
    world.say(new, "register", json!({"media": {"audio": true}}));
    world.frames(new);
    let Some(Event::Registered { devices, .. }) = world.events().pop() else {
        panic!("registered");
    };
    assert_eq!(devices, 2);
    world.close(old);
    let Some(Event::Unregistered { devices, .. }) = world.events().pop() else {
        panic!("unregistered");
    };
    assert_eq!(devices, 1, "never offline");
    let call = world.call("alice");
    assert_eq!(world.heard(new), ["invite"], "once");
    world.machine.hang_up(world.now, call, &Reason::HungUp);
}

#[test]
fn e4_a_ringing_call_follows_the_page_to_its_new_socket() {
    // The old socket closes before the new one opens, and after.
    for late in [false, true] {
        let mut world = World::new();
        let old = world.phone("2.12.4", "alice");
        let call = world.call("alice");
        world.frames(old);
        if !late {
            world.close(old);
        }
        let new = world.page("2.12.4", "alice");
        world.say(new, "register", json!({"media": {"audio": true}}));
        if late {
            assert_eq!(world.heard(new), ["ready"]);
            world.close(old);
            assert_eq!(world.heard(new), ["cancel", "invite"]);
        } else {
            assert_eq!(world.heard(new), ["ready", "cancel", "invite"]);
        }
        world.events();
        world.answer(new, call);
        let Some(Event::Answered { device: winner, .. }) = world.events().pop() else {
            panic!("answered");
        };
        assert_eq!(winner, device(old), "the same part, with the same media");
    }
}
