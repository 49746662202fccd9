//! What happens at the same moment, in either order: the races of the reliability study that belong
//! to signalling (A1, A2, A20, E1 to E4), dropped sockets, and the hazards of the SDKs (H1 to H11).

mod common;

use browser::{Event, LateAnswer, Reason, SocketId};
use common::{GENERATIONS, World, device, key, named, pass, sdp};
use model::sid::CallSid;
use serde_json::json;
use std::time::Duration;

fn reconnect(world: &mut World, socket: SocketId, call: CallSid, token: &str, who: &str) {
    world.say(
        socket,
        "invite",
        json!({"callsid": call.to_string(), "reconnect": token, "sdp": sdp(who), "twilio": {}}),
    );
}

/// The token in the last frame that had one.
fn token_of(frames: &[serde_json::Value]) -> String {
    frames
        .iter()
        .rev()
        .find_map(|frame| frame["payload"]["reconnect"].as_str())
        .expect("a token")
        .to_owned()
}

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

#[test]
fn version_1_keeps_what_rings_over_a_dropped_socket() {
    let mut world = World::new();
    let old = world.phone("1.15.1", "alice");
    let call = world.call("alice");
    world.close(old);
    world.events();
    // Its answer waited in its queue: it comes right behind `listen`.
    let new = world.open();
    let check = world.listen(new, "1.15.1");
    world.answer(new, call);
    world.verdict(new, check, Ok(pass("alice")));
    world.say(new, "register", json!({"media": {"audio": true}}));
    assert_eq!(world.heard(new), ["connected", "ready"]);
    assert!(world.happened().contains(&"Answered".to_owned()));
    assert_eq!(world.machine.winner(call), Some(device(old)));
    // Or the user answers after it came back.
    let mut world = World::new();
    let old = world.phone("1.15.1", "alice");
    let call = world.call("alice");
    world.close(old);
    let new = world.phone("1.15.1", "alice");
    assert!(world.heard(new).is_empty(), "not offered again");
    world.answer(new, call);
    assert_eq!(world.machine.winner(call), Some(device(old)));
}

#[test]
fn a_ringing_device_that_does_not_come_back_is_gone() {
    let mut world = World::new();
    let one = world.phone("2.12.4", "alice");
    let two = world.phone("2.12.4", "alice");
    world.call("alice");
    world.events();
    world.close(one);
    world.live(&[two], 31);
    assert_eq!(world.happened(), ["Unregistered", "DeviceGone"]);
    world.close(two);
    world.pass_time(Duration::from_secs(31));
    assert_eq!(
        world.happened(),
        ["Unregistered", "DeviceGone", "Unreachable"]
    );
}

#[test]
fn a_loser_whose_socket_was_down_is_told_when_it_is_back() {
    let mut world = World::new();
    let winner = world.phone("2.12.4", "alice");
    let loser = world.phone("1.15.1", "alice");
    let call = world.call("alice");
    world.close(loser);
    world.answer(winner, call);
    let back = world.page("1.15.1", "alice");
    world.say(back, "register", json!({"media": {"audio": true}}));
    assert_eq!(world.heard(back), ["ready", "hangup", "cancel"]);
    world.machine.hang_up(world.now, call, &Reason::HungUp);
    assert_eq!(world.heard(winner).last().unwrap(), "hangup");
    assert!(world.heard(back).is_empty(), "once");
    // And one who answers from its queue, before anybody told it.
    let mut world = World::new();
    let winner = world.phone("2.12.4", "alice");
    let loser = world.phone("1.15.1", "alice");
    let call = world.call("alice");
    world.close(loser);
    world.answer(winner, call);
    let back = world.page("1.15.1", "alice");
    world.answer(back, call);
    assert_eq!(world.heard(back), ["hangup", "cancel"]);
    world.say(back, "hangup", json!({"callsid": call.to_string()}));
    assert_eq!(
        world.machine.winner(call),
        Some(device(winner)),
        "its hang-up is its own"
    );
}

#[test]
fn the_winner_who_comes_back_is_not_taken_for_the_loser() {
    let mut world = World::new();
    let winner = world.phone("1.15.1", "alice");
    let loser = world.phone("1.15.1", "alice");
    let call = world.call("alice");
    world.close(loser);
    world.answer(winner, call);
    world.frames(winner);
    // The winner's old socket only seems to be open; it looks like the loser.
    let back = world.phone("1.15.1", "alice");
    world.live(&[back], 25);
    assert!(
        world.heard(back).is_empty(),
        "the call is not ended by mistake"
    );
    assert_eq!(world.machine.winner(call), Some(device(winner)));
    // The old socket is given up, and the winner is found where it is now.
    world.live(&[back], 10);
    assert!(world.closed.contains_key(&winner));
    assert!(world.happened().contains(&"SignallingBack".to_owned()));
    world.machine.hang_up(world.now, call, &Reason::HungUp);
    assert_eq!(world.heard(back), ["hangup"]);
}

#[test]
fn the_loser_who_comes_back_is_told_once_the_winner_has_spoken_elsewhere() {
    let mut world = World::new();
    let winner = world.phone("1.15.1", "alice");
    let loser = world.phone("1.15.1", "alice");
    let call = world.call("alice");
    world.close(loser);
    world.answer(winner, call);
    world.frames(winner);
    world.pass_time(Duration::from_secs(1));
    let back = world.phone("1.15.1", "alice");
    assert!(world.heard(back).is_empty());
    world.live(&[winner, back], 13);
    assert_eq!(world.heard(back), ["hangup", "cancel"]);
    assert!(world.heard(winner).is_empty());
    assert_eq!(world.machine.winner(call), Some(device(winner)));
}

#[test]
fn a_call_comes_back_with_its_token_and_the_one_before_is_good_too() {
    for outgoing in [true, false] {
        let mut world = World::new();
        let old = world.phone("2.12.4", "alice");
        let call = if outgoing {
            let (call, _) = world.dial(old);
            world.machine.answer(call, Some(sdp("server")));
            call
        } else {
            let call = world.call("alice");
            world.answer(old, call);
            call
        };
        let who = format!("page{}", old.0);
        let first = token_of(&world.frames(old));
        world.close(old);
        assert!(world.happened().contains(&"SignallingLost".to_owned()));
        world.pass_time(Duration::from_secs(20));
        let new = world.page("2.12.4", "alice");
        reconnect(&mut world, new, call, &first, &who);
        let frames = world.frames(new);
        assert_eq!(frames[0]["type"], "answer");
        assert!(frames[0]["payload"].get("sdp").is_none());
        let second = token_of(&frames);
        assert_ne!(first, second);
        assert_eq!(world.happened(), ["SignallingBack"]);
        // Our answer may have been lost with the socket, and that more than once.
        let mut last = new;
        for _ in 0..3 {
            world.close(last);
            last = world.page("2.12.4", "alice");
            reconnect(&mut world, last, call, &first, &who);
            let frames = world.frames(last);
            assert_eq!(token_of(&frames), second);
        }
        // Whoever comes with the newer one has heard of it: the first is too old.
        world.close(last);
        let last = world.page("2.12.4", "alice");
        reconnect(&mut world, last, call, &second, &who);
        assert_eq!(world.heard(last), ["answer"]);
        world.close(last);
        let newest = world.page("2.12.4", "alice");
        reconnect(&mut world, newest, call, &first, &who);
        assert_eq!(world.heard(newest), ["hangup 31209"]);
        assert_eq!(
            world.machine.winner(call),
            Some(device(old)),
            "the call is unharmed"
        );
    }
}

#[test]
fn a_token_update_in_mid_call_is_answered_on_the_same_socket() {
    let mut world = World::new();
    let socket = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.answer(socket, call);
    let token = token_of(&world.frames(socket));
    world.events();
    world.listen_again(socket, "2.12.4", "alice");
    // Even with another description: media is not touched on the same socket.
    reconnect(&mut world, socket, call, &token, "page1");
    assert_eq!(world.heard(socket), ["answer"]);
    assert!(world.happened().is_empty());
}

#[test]
fn a_restart_under_way_is_answered_before_a_reconnect() {
    let mut world = World::new();
    let socket = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.answer(socket, call);
    let token = token_of(&world.frames(socket));
    world.say(
        socket,
        "reinvite",
        json!({"callsid": call.to_string(), "sdp": sdp("page1")}),
    );
    world.close(socket);
    let new = world.page("2.12.4", "alice");
    reconnect(&mut world, new, call, &token, "page1");
    assert!(
        world.heard(new).is_empty(),
        "it would be taken for the restart's"
    );
    world.machine.answer_reinvite(call, sdp("server"));
    let frames = world.frames(new);
    assert_eq!(frames[0]["payload"]["sdp"], sdp("server"));
    assert!(frames[1]["payload"].get("sdp").is_none());
}

#[test]
fn a_token_that_is_not_good_harms_nobody() {
    let mut world = World::new();
    let alice = world.phone("2.12.4", "alice");
    let mallory = world.phone("2.12.4", "mallory");
    let call = world.call("alice");
    world.answer(alice, call);
    let token = token_of(&world.frames(alice));
    for bad in [token.as_str(), "", "0.1.00", "x"] {
        // An empty token is none: the frame is not a reconnect, or not readable.
        if bad.is_empty() {
            continue;
        }
        reconnect(&mut world, mallory, call, bad, "mallory");
        assert_eq!(world.heard(mallory), ["hangup 31209"]);
    }
    let call_text = call.to_string();
    for (kind, payload) in [
        ("hangup", json!({"callsid": call_text})),
        ("dtmf", json!({"callsid": call_text, "dtmf": "1"})),
        ("reject", json!({"callsid": call_text})),
        (
            "message",
            json!({"callsid": call_text, "messagetype": "user-defined-message", "voiceeventsid": "KX1"}),
        ),
    ] {
        world.say(mallory, kind, payload);
    }
    assert!(
        world
            .happened()
            .iter()
            .skip(1)
            .all(|event| event == "Odd" || event == "Ringing" || event == "Answered")
    );
    assert_eq!(world.machine.winner(call), Some(device(alice)));
}

#[test]
fn a_call_that_is_over_cannot_be_had_back() {
    let mut world = World::new();
    let old = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.answer(old, call);
    let token = token_of(&world.frames(old));
    world.close(old);
    world.machine.hang_up(world.now, call, &Reason::HungUp);
    let new = world.page("2.12.4", "alice");
    reconnect(&mut world, new, call, &token, "page1");
    assert_eq!(world.heard(new), ["hangup 31209"]);
}

#[test]
fn version_1_says_nothing_when_it_is_back_and_is_found() {
    for version in ["1.6.0", "1.15.1", "2.0.1"] {
        let mut world = World::new();
        let old = world.page(version, "alice");
        let (call, _) = world.dial(old);
        world.machine.answer(call, Some(sdp("server")));
        world.close(old);
        world.events();
        let new = world.page(version, "alice");
        assert_eq!(world.happened(), ["SignallingBack"]);
        world.say(
            new,
            "dtmf",
            json!({"callsid": call.to_string(), "dtmf": "5"}),
        );
        assert_eq!(world.happened(), ["Dtmf"]);
        world.machine.hang_up(world.now, call, &Reason::HungUp);
        assert_eq!(world.heard(new), ["hangup"]);
        // A hang-up while it was away reaches it when it is back.
        let (call, temp) = world.dial(new);
        world.machine.ring(call, None);
        world.frames(new);
        world.close(new);
        world.machine.hang_up(world.now, call, &Reason::HungUp);
        let newer = world.open();
        let check = world.listen(newer, version);
        world.verdict(newer, check, Ok(pass("alice")));
        let frames = world.frames(newer);
        let names = [temp.as_str(), &call.to_string()].map(str::to_owned);
        assert_eq!(frames[1]["type"], "hangup");
        assert!(names.contains(&frames[1]["payload"]["callsid"].as_str().unwrap().to_owned()));
    }
}

#[test]
fn an_answer_while_version_1_is_away_reaches_it_when_it_is_back() {
    let mut world = World::new();
    let old = world.page("1.15.1", "alice");
    let (call, _) = world.dial(old);
    world.close(old);
    assert!(world.machine.answer(call, Some(sdp("server"))));
    let new = world.open();
    let check = world.listen(new, "1.15.1");
    world.verdict(new, check, Ok(pass("alice")));
    let frames = world.frames(new);
    assert_eq!(frames[1]["payload"]["sdp"], sdp("server"));
}

#[test]
fn a_call_whose_page_does_not_come_back_is_lost_once() {
    let mut world = World::new();
    let socket = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.answer(socket, call);
    world.close(socket);
    world.events();
    world.pass_time(Duration::from_secs(120));
    assert_eq!(
        world.events(),
        [Event::Lost {
            call,
            device: device(socket)
        }]
    );
    // From 2.1 a page that only rings out cannot come back at all.
    let socket = world.page("2.12.4", "alice");
    world.dial(socket);
    world.close(socket);
    assert_eq!(world.happened(), ["Lost"]);
}

#[test]
fn another_device_takes_a_call_over() {
    // While it rings: it answers by that.
    let mut world = World::new();
    let phone = world.phone("2.12.4", "alice");
    let tab = world.page("2.12.4", "alice");
    let call = world.call("alice");
    let token = token_of(&world.frames(phone));
    world.events();
    reconnect(&mut world, tab, call, &token, "tab");
    assert_eq!(
        world.heard(phone),
        ["answered-elsewhere", "hangup", "cancel"]
    );
    let Some(Event::Moved {
        from, to, losers, ..
    }) = world.events().pop()
    else {
        panic!("moved");
    };
    assert_eq!(
        (from, to, losers),
        (device(phone), device(tab), vec![device(phone)])
    );
    assert!(world.machine.answer(call, Some(sdp("server"))));
    assert_eq!(world.heard(tab), ["answer"]);
    assert!(world.heard(phone).is_empty(), "once");
    // While they talk: the old device is told when the new one was answered.
    let mut world = World::new();
    let phone = world.phone("2.12.4", "alice");
    let tab = world.page("2.12.4", "alice");
    let call = world.call("alice");
    world.answer(phone, call);
    let token = token_of(&world.frames(phone));
    world.events();
    reconnect(&mut world, tab, call, &token, "tab");
    assert!(world.heard(phone).is_empty());
    assert_eq!(world.happened(), ["Moved"]);
    assert!(world.machine.answer(call, Some(sdp("server"))));
    let moved = world.frames(tab);
    assert_eq!(moved[0]["payload"]["sdp"], sdp("server"));
    assert_eq!(world.heard(phone), ["cancel"]);
    world.say(phone, "hangup", json!({"callsid": call.to_string()}));
    assert_eq!(world.machine.winner(call), Some(device(tab)));
    // And it can be had back with the new token.
    world.close(tab);
    let back = world.page("2.12.4", "alice");
    reconnect(&mut world, back, call, &token_of(&moved), "tab");
    assert_eq!(world.heard(back), ["answer"]);
    // Hung up before it was answered, both are told.
    let third = world.page("2.12.4", "alice");
    let token = {
        world.close(back);
        let again = world.page("2.12.4", "alice");
        reconnect(&mut world, again, call, &token_of(&moved), "tab");
        token_of(&world.frames(again))
    };
    reconnect(&mut world, third, call, &token, "third");
    world.machine.hang_up(world.now, call, &Reason::HungUp);
    assert_eq!(world.heard(third), ["hangup"]);
}

#[test]
fn h1_no_ringing_where_something_rings() {
    let mut world = World::new();
    let socket = world.phone("1.15.1", "alice");
    let pending = world.call("alice");
    let (call, _) = world.dial(socket);
    world.frames(socket);
    world.machine.ring(call, None);
    assert!(world.heard(socket).is_empty());
    world.machine.answer(call, Some(sdp("server")));
    assert_eq!(world.heard(socket), ["answer"]);
    world.machine.hang_up(world.now, pending, &Reason::HungUp);
}

#[test]
fn h2_one_negotiation_at_a_time_and_a_repeated_invite_is_the_same_call() {
    let mut world = World::new();
    let socket = world.page("2.12.4", "alice");
    let (call, temp) = world.dial(socket);
    let again = json!({"callsid": temp, "sdp": sdp("page"), "twilio": {}});
    world.say(socket, "invite", again.clone());
    assert!(world.happened().is_empty());
    world.say(
        socket,
        "invite",
        json!({"callsid": "TJS2", "sdp": sdp("page"), "twilio": {}}),
    );
    assert_eq!(world.heard(socket), ["hangup 31486"]);
    world.machine.hang_up(world.now, call, &Reason::HungUp);
    world.frames(socket);
    world.say(socket, "invite", again);
    assert_eq!(world.heard(socket), ["hangup 31209"], "it is over");
}

/// H3, H4 and H8 are asserted for every frame of every test, in `common::World::drain`.
#[test]
fn h5_h7_who_rings_is_told_by_cancel_whatever_it_did() {
    for (_, behaviour) in LateAnswer::ALL {
        for version in GENERATIONS {
            let mut world = World::with(browser::Config {
                late_answer: behaviour,
                ..browser::Config::default()
            });
            let socket = world.phone(version, "alice");
            let call = world.call("alice");
            world.frames(socket);
            world.machine.hang_up(world.now, call, &Reason::NoAnswer);
            world.live(&[socket], 2);
            assert_eq!(world.heard(socket).last().unwrap(), "cancel");
        }
    }
}

#[test]
fn h6_who_rejects_is_not_told_even_while_it_is_decided() {
    let mut world = World::new();
    let socket = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.frames(socket);
    world.say(socket, "reject", json!({"callsid": call.to_string()}));
    world.machine.hang_up(world.now, call, &Reason::HungUp);
    world.live(&[socket], 2);
    assert!(world.heard(socket).is_empty());
}

#[test]
fn h9_a_page_that_unloads_is_no_human_who_declines() {
    for closes in [true, false] {
        let mut world = World::new();
        let page = world.phone("2.12.4", "alice");
        let other = world.phone("2.12.4", "alice");
        let call = world.call("alice");
        world.frames(other);
        world.events();
        world.say(page, "reject", json!({"callsid": call.to_string()}));
        if closes {
            world.close(page);
        }
        world.live(&[other], 1);
        if closes {
            assert_eq!(world.happened(), ["Unregistered"]);
            assert!(world.heard(other).is_empty(), "rings on");
            // The page is loaded again, and rings again.
            let again = world.page("2.12.4", "alice");
            world.say(again, "register", json!({"media": {"audio": true}}));
            assert_eq!(world.heard(again), ["ready", "cancel", "invite"]);
        } else {
            assert_eq!(world.happened(), ["Rejected"]);
            assert_eq!(world.heard(other), ["hangup", "cancel"]);
        }
    }
}

#[test]
fn a_page_that_is_closed_ends_what_it_was_the_only_one_to_hear() {
    for version in GENERATIONS {
        // A dropped connection is waited for, a page that goes is not.
        let mut world = World::new();
        let page = world.phone(version, "alice");
        world.call("alice");
        world.events();
        world.close(page);
        world.pass_time(Duration::from_secs(10));
        assert_eq!(world.happened(), ["Unregistered"]);

        let mut world = World::new();
        let page = world.phone(version, "alice");
        let call = world.call("alice");
        world.events();
        world.leave(page);
        world.pass_time(Duration::from_secs(2));
        assert_eq!(world.happened(), ["Unregistered"]);
        // Loaded anew it rings again.
        let again = world.phone(version, "alice");
        assert!(world.machine.winner(call).is_none());
        world.events();
        world.leave(again);
        world.pass_time(Duration::from_secs(4));
        assert_eq!(
            world.happened(),
            ["Unregistered", "DeviceGone", "Unreachable"]
        );

        let mut world = World::new();
        let page = world.phone(version, "alice");
        let call = world.call("alice");
        world.answer(page, call);
        world.events();
        world.leave(page);
        world.pass_time(Duration::from_secs(4));
        assert_eq!(world.happened(), ["Unregistered", "SignallingLost", "Lost"]);
    }
}

#[test]
fn h11_an_unexpected_register_is_no_error() {
    let mut world = World::new();
    let socket = world.phone("2.18.5", "alice");
    world.say(socket, "register", json!({"media": {"audio": false}}));
    assert_eq!(world.heard(socket), ["offline"]);
    world.listen_again(socket, "2.18.5", "alice");
    world.events();
    world.register(socket);
}

#[test]
fn the_oldest_ghost_leaves_for_the_newest_device() {
    let mut world = World::new();
    let first = world.phone("1.15.1", "alice");
    for _ in 0..9 {
        world.phone("1.15.1", "alice");
    }
    let eleventh = world.page("1.15.1", "alice");
    world.say(eleventh, "register", json!({"media": {"audio": true}}));
    assert_eq!(world.heard(eleventh), ["ready"]);
    assert_eq!(world.heard(first), ["offline"]);
    assert_eq!(world.machine.devices(&named("alice")).len(), 10);
}

#[test]
fn an_answer_to_a_call_nobody_knows_leaves_no_microphone_open() {
    let mut world = World::new();
    let socket = world.phone("1.6.0", "alice");
    world.answer(socket, CallSid::from_bytes([9; 16]));
    assert_eq!(world.heard(socket), ["hangup", "cancel"]);
}

#[test]
fn a_page_that_is_closed_takes_nothing_from_its_twin_that_answers() {
    for version in GENERATIONS {
        for order in 0..3 {
            let mut world = World::new();
            let goes = world.phone(version, "alice");
            let stays = world.phone(version, "alice");
            let call = world.call("alice");
            let reject = json!({"callsid": call.to_string()});
            if order == 0 {
                world.say(goes, "reject", reject.clone());
                world.leave(goes);
            }
            world.answer(stays, call);
            if order == 1 {
                world.say(goes, "reject", reject.clone());
            }
            if order > 0 {
                world.leave(goes);
            }
            if world.machine.winner(call).is_none() {
                // Before it is known that nobody declined, a person did.
                assert!(order == 0 && !["2.12.4", "2.18.5"].contains(&version));
                continue;
            }
            world.live(&[stays], 5);
            world.events();
            world.frames(stays);
            world.say(stays, "hangup", json!({"callsid": call.to_string()}));
            assert_eq!(world.happened(), ["HungUp"], "{version} {order}");
        }
    }
}
