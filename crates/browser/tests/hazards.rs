//! What the SDKs make of a frame that comes at the wrong moment (H1 to H11), and pages that are closed.

mod common;

use browser::{LateAnswer, Reason};
use common::{GENERATIONS, World, named, sdp};
use model::sid::CallSid;
use serde_json::json;
use std::time::Duration;

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
