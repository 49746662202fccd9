//! Sockets that drop while a call rings or is up, pages that come back to it, and devices that take it
//! over.

mod common;

use browser::{Event, Reason, SocketId};
use common::{World, device, pass, sdp};
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
