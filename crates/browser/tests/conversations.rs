//! Scripted browsers of each generation against the machine: what is said, and what is answered.

mod common;

use browser::{Event, Fault, Message, Notices, Reason};
use common::{GENERATIONS, World, device, key, named, pass, sdp};
use serde_json::{Map, json};
use std::time::Duration;

#[test]
fn a_phone_registers_is_kept_and_leaves() {
    for version in GENERATIONS {
        let mut world = World::new();
        let socket = world.open();
        let check = world.listen(socket, version);
        world.verdict(socket, check, Ok(pass("alice")));
        let connected = &world.frames(socket)[0];
        assert_eq!(connected["payload"]["token"]["identity"], "alice");
        assert_eq!(connected["payload"]["token"]["ttl"], 3600);
        assert_eq!(connected["payload"]["region"], "US_EAST_VIRGINIA");
        world.register(socket);
        assert_eq!(world.machine.devices(&named("alice")), [device(socket)]);
        // Renewed every 30 s, without another `ready`: version 1 would raise it each time.
        for _ in 0..10 {
            world.live(&[socket], 30);
            world.say(socket, "register", json!({"media": {"audio": true}}));
            assert!(world.heard(socket).is_empty());
        }
        assert!(world.beats[&socket] >= 29, "a line feed every 10 s");
        world.say(socket, "register", json!({"media": {"audio": false}}));
        assert_eq!(world.heard(socket), ["offline"]);
        assert_eq!(world.happened(), ["Unregistered"]);
        assert!(world.machine.devices(&named("alice")).is_empty());
        world.register(socket);
        world.close(socket);
        assert_eq!(world.happened(), ["Unregistered"]);
        assert_eq!(world.machine.tables(), browser::Tables::default());
    }
}

#[test]
fn a_registration_that_is_not_renewed_ends() {
    let mut world = World::new();
    let socket = world.phone("1.15.1", "alice");
    // A page in the background renews once a minute.
    for _ in 0..3 {
        world.live(&[socket], 61);
        world.say(socket, "register", json!({"media": {"audio": true}}));
    }
    assert!(world.heard(socket).is_empty() && world.happened().is_empty());
    world.live(&[socket], 136);
    assert_eq!(world.happened(), ["Unregistered"]);
    assert_eq!(world.heard(socket), ["offline"], "the page knows");
    world.register(socket);
}

#[test]
fn a_peer_that_says_nothing_is_dropped_after_30_seconds() {
    let mut world = World::new();
    let socket = world.phone("2.12.4", "alice");
    world.pass_time(Duration::from_secs(29));
    assert!(world.closed.is_empty());
    world.pass_time(Duration::from_secs(2));
    assert_eq!(world.closed.get(&socket), Some(&1001));
    assert_eq!(world.happened(), ["Odd", "Unregistered"]);
    assert_eq!(world.machine.tables(), browser::Tables::default());
}

#[test]
fn a_socket_without_listen_is_closed() {
    let mut world = World::new();
    let socket = world.open();
    world.pass_time(Duration::from_secs(11));
    assert_eq!(world.closed.get(&socket), Some(&1008));
}

#[test]
fn what_is_flushed_behind_listen_waits_for_the_verdict_in_order() {
    let mut world = World::new();
    let socket = world.open();
    let check = world.listen(socket, "1.15.1");
    world.say(socket, "register", json!({"media": {"audio": true}}));
    world.say(
        socket,
        "invite",
        json!({"callsid": "TJS1", "sdp": sdp("p"), "twilio": {}}),
    );
    world.say(socket, "hangup", json!({"callsid": "TJS1"}));
    assert!(world.heard(socket).is_empty());
    assert!(world.happened().is_empty());
    world.verdict(socket, check, Ok(pass("alice")));
    assert_eq!(world.heard(socket), ["connected", "ready"]);
    assert_eq!(world.happened(), ["Registered", "Invited", "HungUp"]);
}

#[test]
fn a_verdict_that_does_not_come_sends_the_page_away_to_come_again() {
    let mut world = World::new();
    let socket = world.open();
    let check = world.listen(socket, "2.12.4");
    world.pass_time(Duration::from_secs(11));
    assert_eq!(world.closed.get(&socket), Some(&1011));
    world.verdict(socket, check, Ok(pass("alice")));
    assert!(world.heard(socket).is_empty(), "a late verdict is dropped");
}

#[test]
fn a_bad_token_is_told_its_error_and_sent_away() {
    for code in [31202, 31203, 31204, 31205, 31207, 31201, 31105] {
        let mut world = World::new();
        let socket = world.open();
        let check = world.listen(socket, "2.12.4");
        world.verdict(socket, check, Err(Fault::new(code, "no")));
        assert_eq!(
            world.heard(socket),
            [format!("error {code}"), "close".to_owned()]
        );
        world.say(socket, "register", json!({}));
        assert!(world.heard(socket).is_empty());
        world.pass_time(Duration::from_secs(6));
        assert_eq!(world.closed.get(&socket), Some(&1000));
    }
}

#[test]
fn a_new_token_keeps_what_was_and_a_bad_one_costs_nothing() {
    let mut world = World::new();
    let socket = world.phone("1.15.1", "alice");
    world.listen_again(socket, "1.15.1", "alice");
    // Version 1 registers after each `connected` and waits for `ready`.
    world.say(socket, "register", json!({"media": {"audio": true}}));
    assert_eq!(world.heard(socket), ["ready"]);
    assert!(world.happened().is_empty(), "it never was offline");
    let check = world.listen(socket, "1.15.1");
    world.verdict(socket, check, Err(Fault::new(31202, "forged")));
    assert_eq!(world.heard(socket), ["error 31202"]);
    assert_eq!(world.machine.devices(&named("alice")), [device(socket)]);
}

#[test]
fn another_name_on_the_same_socket_is_another_presence() {
    let mut world = World::new();
    let socket = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.frames(socket);
    world.events();
    let check = world.listen(socket, "2.12.4");
    world.verdict(socket, check, Ok(pass("bob")));
    assert_eq!(world.heard(socket), ["hangup", "cancel", "connected"]);
    assert_eq!(
        world.happened(),
        ["Unregistered", "DeviceGone", "Unreachable"]
    );
    assert_eq!(world.machine.winner(call), None);
    world.register(socket);
    assert!(world.machine.devices(&named("alice")).is_empty());
    assert_eq!(world.machine.devices(&named("bob")), [device(socket)]);
}

#[test]
fn a_page_calls_hears_ringing_is_answered_and_hangs_up() {
    for version in GENERATIONS {
        let mut world = World::new();
        let socket = world.page(version, "alice");
        world.say(
            socket,
            "invite",
            json!({"callsid": "TJSx", "sdp": sdp("page"),
                   "twilio": {"params": "To=%2B15551234567&x=1%20a"}, "preflight": false}),
        );
        let Some(Event::Invited(invited)) = world.events().pop() else {
            panic!("invited");
        };
        assert_eq!(
            invited.parameters,
            [
                ("To".to_owned(), "+15551234567".to_owned()),
                ("x".to_owned(), "1 a".to_owned())
            ]
        );
        assert_eq!(invited.outgoing.parameters[0].0, "team");
        assert_eq!(invited.owner, named("alice"));
        let call = invited.call;
        world.machine.ring(call, None);
        let ringing = world.frames(socket);
        assert_eq!(ringing[0]["payload"]["callsid"], call.to_string());
        assert!(ringing[0]["payload"].get("sdp").is_none());
        world.machine.ring(call, None);
        assert!(world.heard(socket).is_empty(), "once");
        assert!(world.machine.answer(call, Some(sdp("server"))));
        let answer = world.frames(socket);
        assert_eq!(answer[0]["type"], "answer");
        assert_eq!(answer[0]["payload"]["sdp"], sdp("server"));
        assert!(answer[0]["payload"]["reconnect"].is_string(), "always");
        assert!(!world.machine.answer(call, Some(sdp("again"))));
        world.say(
            socket,
            "dtmf",
            json!({"callsid": call.to_string(), "dtmf": "1w#"}),
        );
        assert_eq!(
            world.events(),
            [Event::Dtmf {
                call,
                digits: "1w#".to_owned()
            }]
        );
        world.say(socket, "hangup", json!({"callsid": call.to_string()}));
        assert_eq!(
            world.events(),
            [Event::HungUp {
                call,
                device: device(socket),
                message: None
            }]
        );
        world.machine.hang_up(world.now, call, &Reason::HungUp);
        assert!(world.heard(socket).is_empty(), "nothing is sent back");
        world.live(&[socket], 61);
        let tables = world.machine.tables();
        assert_eq!((tables.calls, tables.tombstones, tables.temps), (0, 0, 0));
    }
}

#[test]
fn a_call_that_fails_before_it_rings_is_ended_under_the_name_that_the_page_knows() {
    let mut world = World::new();
    let socket = world.page("2.12.4", "alice");
    let (call, temp) = world.dial(socket);
    let busy = Reason::Fault(Fault::new(31486, "Busy"));
    world.machine.hang_up(world.now, call, &busy);
    let frames = world.frames(socket);
    assert_eq!(frames[0]["payload"]["callsid"], temp);
    assert_eq!(frames[0]["payload"]["error"]["code"], 31486);
    // And after ringing under the CallSid.
    let (call, _) = world.dial(socket);
    world.machine.ring(call, None);
    world.machine.hang_up(world.now, call, &Reason::HungUp);
    let frames = world.frames(socket);
    assert_eq!(frames[1]["payload"]["callsid"], call.to_string());
    assert!(frames[1]["payload"].get("error").is_none());
}

#[test]
fn a_page_gives_up_under_either_name() {
    let mut world = World::new();
    let socket = world.page("1.14.0", "alice");
    let (call, temp) = world.dial(socket);
    world.say(socket, "hangup", json!({"callsid": temp}));
    assert_eq!(world.happened(), ["HungUp"]);
    world.machine.ring(call, None);
    assert!(!world.machine.answer(call, Some(sdp("server"))));
    assert!(world.heard(socket).is_empty(), "it is over");
}

#[test]
fn early_media_is_kept_from_version_1_which_would_take_it_for_the_answer() {
    for (version, early) in [
        ("1.6.0", false),
        ("1.15.1", false),
        ("2.0.1", true),
        ("2.12.4", true),
    ] {
        let mut world = World::new();
        let socket = world.page(version, "alice");
        let (call, _) = world.dial(socket);
        world.machine.ring(call, Some(sdp("server")));
        let ringing = world.frames(socket);
        assert_eq!(
            ringing[0]["payload"].get("sdp").is_some(),
            early,
            "{version}"
        );
        assert!(world.machine.answer(call, None));
        let answer = world.frames(socket);
        assert_eq!(
            answer[0]["payload"].get("sdp").is_some(),
            !early,
            "{version}"
        );
    }
}

#[test]
fn a_token_without_an_application_cannot_call() {
    let mut world = World::new();
    let socket = world.open();
    let check = world.listen(socket, "1.15.1");
    let mut pass = pass("alice");
    pass.outgoing = None;
    world.verdict(socket, check, Ok(pass));
    world.frames(socket);
    world.say(
        socket,
        "invite",
        json!({"callsid": "TJS1", "sdp": sdp("p"), "twilio": {}}),
    );
    let frames = world.frames(socket);
    assert_eq!(frames[0]["type"], "hangup");
    assert_eq!(frames[0]["payload"]["callsid"], "TJS1");
    assert_eq!(frames[0]["payload"]["error"]["code"], 31201);
}

#[test]
fn a_token_without_incoming_registers_and_is_not_called() {
    let mut world = World::new();
    let socket = world.open();
    let check = world.listen(socket, "2.12.4");
    let mut pass = pass("alice");
    pass.incoming = false;
    world.verdict(socket, check, Ok(pass));
    world.say(socket, "register", json!({"media": {"audio": true}}));
    assert_eq!(world.heard(socket), ["connected", "ready"]);
    assert!(world.machine.devices(&named("alice")).is_empty());
    world.call("alice");
    assert_eq!(world.happened(), ["Unreachable"]);
}

#[test]
fn anonymous_can_call_and_is_nobody_else() {
    let mut world = World::new();
    let mut nobody = pass("x");
    nobody.identity = None;
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let socket = world.open();
        let check = world.listen(socket, "1.6.0");
        world.verdict(socket, check, Ok(nobody.clone()));
        let connected = &world.frames(socket)[0];
        assert_eq!(connected["payload"]["token"]["identity"], "Anonymous");
        sockets.push(socket);
    }
    let (call, temp) = world.dial(sockets[0]);
    world.machine.answer(call, Some(sdp("server")));
    for name in [call.to_string(), temp] {
        world.say(sockets[1], "hangup", json!({"callsid": name}));
    }
    assert_eq!(world.happened(), ["Odd", "Odd"], "not his call");
    assert_eq!(world.machine.winner(call), Some(device(sockets[0])));
}

#[test]
fn a_phone_is_called_answers_and_either_side_hangs_up() {
    for version in GENERATIONS {
        for page_ends in [true, false] {
            let mut world = World::new();
            let socket = world.phone(version, "alice");
            let call = world.call("alice");
            let invite = &world.frames(socket)[0]["payload"];
            assert_eq!(invite["callsid"], call.to_string());
            assert_eq!(invite["parameters"]["CallSid"], call.to_string());
            assert_eq!(invite["parameters"]["From"], "+15551234567");
            assert!(invite["reconnect"].is_string());
            assert_eq!(world.happened(), ["Ringing"]);
            world.answer(socket, call);
            let Some(Event::Answered {
                device: winner,
                losers,
                ..
            }) = world.events().pop()
            else {
                panic!("answered");
            };
            assert_eq!((winner, losers.len()), (device(socket), 0));
            if page_ends {
                world.say(
                    socket,
                    "hangup",
                    json!({"callsid": call.to_string(), "message": "Connection with Twilio was interrupted."}),
                );
                let Some(Event::HungUp { message, .. }) = world.events().pop() else {
                    panic!("hung up");
                };
                assert!(message.is_some());
                assert!(world.heard(socket).is_empty());
            } else {
                world.machine.hang_up(world.now, call, &Reason::HungUp);
                assert_eq!(world.heard(socket), ["hangup"]);
                world.machine.hang_up(world.now, call, &Reason::HungUp);
                assert!(world.heard(socket).is_empty());
            }
        }
    }
}

#[test]
fn the_caller_gives_up_while_it_rings() {
    for version in GENERATIONS {
        let mut world = World::new();
        let socket = world.phone(version, "alice");
        let call = world.call("alice");
        world.frames(socket);
        world.machine.hang_up(world.now, call, &Reason::HungUp);
        assert_eq!(world.heard(socket), ["hangup", "cancel"], "{version}");
    }
}

#[test]
fn a_reject_ends_the_call_for_the_identity() {
    for version in ["1.6.0", "1.15.1", "2.0.1", "2.7.1"] {
        let mut world = World::new();
        let one = world.phone(version, "alice");
        let two = world.phone(version, "alice");
        let call = world.call("alice");
        world.frames(one);
        world.frames(two);
        world.events();
        world.say(one, "reject", json!({"callsid": call.to_string()}));
        assert_eq!(
            world.events(),
            [Event::Rejected {
                call,
                device: device(one),
                fault: None
            }]
        );
        assert!(
            world.heard(one).is_empty(),
            "H6: who rejects is told nothing"
        );
        assert_eq!(world.heard(two), ["hangup", "cancel"]);
    }
}

#[test]
fn who_accepts_and_hangs_up_before_the_microphone_is_there_declines() {
    let mut world = World::new();
    let socket = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.events();
    world.say(socket, "hangup", json!({"callsid": call.to_string()}));
    assert_eq!(world.happened(), ["Rejected"]);
}

#[test]
fn an_answer_without_sound_is_refused_and_the_others_ring_on() {
    let mut world = World::new();
    let one = world.phone("2.12.4", "alice");
    let two = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.frames(one);
    world.events();
    let nonsense = json!({"callsid": call.to_string(), "sdp": "v=0\r\n"});
    world.say(one, "answer", nonsense.clone());
    assert_eq!(world.heard(one), ["hangup 53402", "cancel"]);
    assert_eq!(world.happened(), ["DeviceGone"]);
    world.answer(two, call);
    assert_eq!(world.happened(), ["Answered"]);
    let call = world.call("alice");
    world.events();
    world.machine.hang_up(world.now, call, &Reason::NoAnswer);
    world.close(one);
    let call = world.call("alice");
    world.events();
    world.say(
        two,
        "answer",
        json!({"callsid": call.to_string(), "sdp": "junk"}),
    );
    let Some(Event::Rejected { fault, .. }) = world.events().pop() else {
        panic!("rejected");
    };
    assert_eq!(fault.map(|fault| fault.code), Some(53402));
}

#[test]
fn ice_restarts_come_one_at_a_time_and_only_the_newest_counts() {
    let mut world = World::new();
    let socket = world.phone("2.18.5", "alice");
    let call = world.call("alice");
    world.answer(socket, call);
    world.frames(socket);
    world.events();
    let offer = |n: usize| json!({"callsid": call.to_string(), "sdp": sdp(&format!("page{}\r\nx:{n}", socket.0))});
    for n in 0..21 {
        world.say(socket, "reinvite", offer(n));
    }
    assert_eq!(world.happened(), ["Reinvited"], "a burst is one question");
    world.machine.answer_reinvite(call, sdp("stale"));
    let Some(Event::Reinvited { sdp: newest, .. }) = world.events().pop() else {
        panic!("the newest is asked about");
    };
    assert!(newest.contains("x:20"));
    assert!(world.heard(socket).is_empty(), "a stale answer is dropped");
    world.machine.answer_reinvite(call, sdp("server"));
    let frames = world.frames(socket);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["payload"]["sdp"], sdp("server"));
    assert!(frames[0]["payload"]["reconnect"].is_string());
    world.machine.answer_reinvite(call, sdp("server"));
    assert!(world.heard(socket).is_empty());
    // Without end it is no call any more.
    for n in 0..200 {
        world.say(socket, "reinvite", offer(n));
        world.machine.answer_reinvite(call, sdp("server"));
        world.pass_time(Duration::from_millis(100));
    }
    assert!(world.heard(socket).contains(&"hangup 53405".to_owned()));
    assert!(world.happened().contains(&"HungUp".to_owned()));
}

#[test]
fn call_messages_are_acknowledged_once_seen_and_refused_with_their_error() {
    let mut world = World::new();
    let socket = world.phone("2.12.4", "alice");
    let call = world.call("alice");
    world.frames(socket);
    world.events();
    let message = |sid: &str, kind: &str, content: &str| {
        json!({"callsid": call.to_string(), "content": {"a": content}, "contenttype": "application/json",
               "messagetype": kind, "voiceeventsid": sid})
    };
    // While it rings, too.
    world.say(
        socket,
        "message",
        message("KX1", "user-defined-message", "x"),
    );
    let ack = &world.frames(socket)[0];
    assert_eq!(ack["type"], "ack");
    assert_eq!(ack["payload"]["acktype"], "message");
    assert_eq!(ack["payload"]["voiceeventsid"], "KX1");
    assert_eq!(world.happened(), ["MessageReceived"]);
    // Flushed again after a dropped socket.
    world.say(
        socket,
        "message",
        message("KX1", "user-defined-message", "x"),
    );
    assert_eq!(world.heard(socket), ["ack"]);
    assert!(world.happened().is_empty());
    world.say(
        socket,
        "message",
        message("KX2", "not-a-valid-message-type", "x"),
    );
    world.say(
        socket,
        "message",
        message("KX3", "user-defined-message", &"x".repeat(11_000)),
    );
    world.say(socket, "message", message("", "user-defined-message", "x"));
    world.say(
        socket,
        "message",
        message("KX4", "user-defined-message", &"x".repeat(100_000)),
    );
    let frames = world.frames(socket);
    assert_eq!(frames[0]["payload"]["voiceeventsid"], "KX2");
    assert_eq!(frames[0]["payload"]["error"]["code"], 31210);
    assert_eq!(frames[1]["payload"]["error"]["code"], 31212);
    assert_eq!(frames[2]["payload"]["error"]["code"], 31100);
    assert_eq!(frames[3]["payload"]["error"]["code"], 31212);
    assert!(world.closed.is_empty(), "far too long is no reason to go");
    for n in 0..25 {
        world.say(
            socket,
            "message",
            message(&format!("KXn{n}"), "user-defined-message", "x"),
        );
    }
    assert!(world.heard(socket).contains(&"error 31206".to_owned()));
    world.machine.hang_up(world.now, call, &Reason::HungUp);
    world.frames(socket);
    world.events();
    world.say(
        socket,
        "message",
        message("KX9", "user-defined-message", "x"),
    );
    assert!(world.heard(socket).is_empty());
}

#[test]
fn messages_to_pages_go_to_those_that_know_them() {
    let mut world = World::new();
    let old = world.phone("2.0.1", "alice");
    let new = world.phone("2.2.0", "alice");
    let call = world.call("alice");
    world.frames(old);
    world.frames(new);
    let message = Message {
        call: String::new(),
        content: json!({"hello": 1}),
        content_type: "application/json".to_owned(),
        message_type: "user-defined-message".to_owned(),
        voice_event_sid: String::new(),
    };
    // Also while it calls, from when it knows the call's name.
    let caller = world.page("2.12.4", "carol");
    let (calling, _) = world.dial(caller);
    assert_eq!(world.machine.send_message(calling, message.clone()), 0);
    world.machine.ring(calling, None);
    assert_eq!(world.machine.send_message(calling, message.clone()), 1);
    assert_eq!(world.heard(caller), ["ringing", "message"]);
    assert_eq!(world.machine.send_message(call, message), 1);
    assert!(world.heard(old).is_empty());
    let frames = world.frames(new);
    assert_eq!(frames[0]["payload"]["callsid"], call.to_string());
    let sid = frames[0]["payload"]["voiceeventsid"].as_str().unwrap();
    assert!(sid.starts_with("KX") && sid.len() == 34, "{sid}");
}

#[test]
fn the_winner_is_told_when_they_hear_each_other_and_the_loser_who_won() {
    for (notices, version, kinds) in [
        (Notices::None, "2.12.4", vec![]),
        (Notices::Stream, "1.15.1", vec!["answered-elsewhere"]),
        (Notices::Message, "2.12.4", vec!["message"]),
        (Notices::Message, "1.15.1", vec![]),
        (
            Notices::Both,
            "2.12.4",
            vec!["answered-elsewhere", "message"],
        ),
    ] {
        let mut world = World::with(browser::Config {
            notices,
            ..browser::Config::default()
        });
        let one = world.phone(version, "alice");
        let two = world.phone(version, "alice");
        let call = world.call("alice");
        world.answer(one, call);
        world.frames(one);
        let told = world.frames(two);
        let before_the_end: Vec<&str> = told[1..told.len() - 2]
            .iter()
            .map(|frame| frame["type"].as_str().unwrap())
            .collect();
        assert_eq!(before_the_end, kinds, "{version} {notices:?}");
        for frame in &told[1..told.len() - 2] {
            let body = match frame["type"].as_str() {
                Some("message") => &frame["payload"]["content"],
                _ => &frame["payload"],
            };
            assert_eq!(body["by"], "client:alice");
            assert_eq!(body["members"], json!(["alice"]));
            assert_eq!(body["reason"], "answered-elsewhere");
            let device = json!({"sdk": version, "userAgent": "Chromium"});
            assert_eq!(body["device"], device);
        }
        let mut body = Map::new();
        body.insert("with".to_owned(), json!("+15551234567"));
        world.machine.notice(call, "bridged", &body);
        assert_eq!(world.heard(one).len(), kinds.len());
    }
}

#[test]
fn two_calls_ring_at_one_operator_and_one_cancelled_leaves_the_other() {
    for version in GENERATIONS {
        let mut world = World::new();
        let socket = world.phone(version, "operator");
        let first = world.call("operator");
        let second = world.call("operator");
        assert_eq!(world.heard(socket), ["invite", "invite"]);
        world.machine.hang_up(world.now, first, &Reason::HungUp);
        for frame in world.frames(socket) {
            assert_eq!(frame["payload"]["callsid"], first.to_string());
        }
        world.events();
        world.answer(socket, second);
        assert_eq!(world.happened(), ["Answered"]);
        assert_eq!(world.machine.winner(second), Some(device(socket)));
    }
}

#[test]
fn a_call_can_have_its_own_way_of_telling() {
    let mut world = World::new();
    let one = world.phone("2.12.4", "alice");
    let two = world.phone("2.12.4", "alice");
    let call = world.call_with("alice", |invitation| {
        invitation.notices = Some(Notices::Message);
    });
    world.answer(one, call);
    assert_eq!(world.heard(two), ["invite", "message", "hangup", "cancel"]);
    world.frames(one);
    world.machine.set_notices(call, Notices::Both);
    world.machine.notice(call, "bridged", &Map::new());
    assert_eq!(world.heard(one), ["bridged", "message"]);
}

/// voice-client-100, voice-client-101
#[test]
fn who_was_given_a_host_goes_nowhere_else() {
    let connected = |version: &str, host: Option<&str>, config: browser::Config| {
        let mut world = World::with(config);
        let socket = world.open();
        if let Some(host) = host {
            world.machine.asked_for(socket, host);
        }
        let check = world.listen(socket, version);
        world.verdict(socket, check, Ok(pass("alice")));
        let payload = world.frames(socket)[0]["payload"].clone();
        ["home", "edge"].map(|name| payload[name].as_str().unwrap().to_owned())
    };
    let usual = browser::Config::default;
    for (version, host, home, edge) in [
        (
            "2.5.0",
            "here.example:8461",
            "here.example:8461/insights?h=",
            "here.example:8461/signal?",
        ),
        (
            "2.18.5",
            "here.example",
            "here.example/insights?h=",
            "ashburn",
        ),
        (
            "2.18.5",
            "voice-js.here.example",
            "here.example/insights?h=",
            "here.example/signal?",
        ),
        (
            "1.15.1",
            "voice-js.here.example",
            "here.example/insights?h=",
            "ashburn",
        ),
        // The vendor's own names lead here, all of them.
        ("2.5.0", "voice-js.roaming.twilio.com", "us1", "ashburn"),
        ("2.5.0", "192.0.2.1:8461", "invalid/insights?h=", "ashburn"),
    ] {
        assert_eq!(
            connected(version, Some(host), usual()),
            [home, edge],
            "{version} {host}"
        );
    }
    let nowhere = "invalid/insights?h=";
    assert_eq!(connected("2.5.0", None, usual()), [nowhere, "ashburn"]);
    let set = browser::Config {
        home: Some("a/?".to_owned()),
        pinned_edge: Some("b/?".to_owned()),
        ..usual()
    };
    for host in ["here.example", "voice-js.here.example", "127.0.0.1"] {
        assert_eq!(connected("2.5.0", Some(host), set.clone()), ["a/?", "b/?"]);
    }
}

#[test]
fn a_page_that_asked_for_an_edge_is_told_that_it_is_there() {
    for (version, host) in [
        ("1.10.3", "chunderw-vpc-gll-au1.twilio.com"),
        ("1.15.1", "chunderw-vpc-gll-au1.twilio.com"),
        ("2.18.5", "voice-js.sydney.twilio.com"),
    ] {
        let mut world = World::new();
        let socket = world.open();
        world.machine.asked_for(socket, host);
        let check = world.listen(socket, version);
        world.verdict(socket, check, Ok(pass("alice")));
        let payload = &world.frames(socket)[0]["payload"];
        assert_eq!(
            [&payload["edge"], &payload["region"]],
            ["sydney", "ASIAPAC_SYDNEY"],
            "{version}"
        );
    }
}

/// An application that shows "ringing" sees it, if only for a moment.
#[test]
fn a_call_that_is_answered_at_once_rings_before() {
    for version in GENERATIONS {
        let mut world = World::new();
        let socket = world.page(version, "alice");
        let (call, _) = world.dial(socket);
        assert!(world.machine.answer(call, Some(sdp("ours"))));
        world.drain();
        let frames = world.frames(socket);
        let kinds: Vec<_> = frames.iter().map(|frame| &frame["type"]).collect();
        assert_eq!(kinds, ["ringing", "answer"], "{version}");
        for frame in &frames {
            assert_eq!(frame["payload"]["callsid"], call.to_string());
        }
        // Version 1 would take a description in `ringing` for the answer.
        assert!(frames[0]["payload"].get("sdp").is_none());
        assert!(frames[1]["payload"]["sdp"].is_string());
    }
}

#[test]
fn the_edge_that_some_versions_pin_can_be_crafted() {
    let config = browser::Config {
        pinned_edge: Some("voice.example.com/signal?".to_owned()),
        ..browser::Config::default()
    };
    for (version, pinned) in [
        ("2.0.1", false),
        ("2.1.0", true),
        ("2.12.1", true),
        ("2.12.4", false),
    ] {
        let mut world = World::with(config.clone());
        let socket = world.open();
        let check = world.listen(socket, version);
        world.verdict(socket, check, Ok(pass("alice")));
        let edge = &world.frames(socket)[0]["payload"]["edge"];
        assert_eq!(edge == "voice.example.com/signal?", pinned, "{version}");
    }
}

#[test]
fn a_server_that_stops_sends_pages_away_without_an_error() {
    let mut world = World::new();
    let socket = world.phone("2.12.4", "alice");
    world.machine.shut_down(world.now);
    world.drain();
    assert_eq!(world.closed.get(&socket), Some(&1012));
    assert_eq!(world.machine.tables().connections, 0);
}

#[test]
fn floods_and_nonsense_cost_the_socket() {
    let mut world = World::new();
    let flood = world.page("2.12.4", "alice");
    for _ in 0..300 {
        world.text(flood, "\n");
    }
    assert_eq!(world.closed.get(&flood), Some(&1008));
    let nonsense = world.page("2.12.4", "alice");
    for _ in 0..25 {
        world.text(nonsense, "{");
    }
    assert_eq!(world.closed.get(&nonsense), Some(&1008));
    let long = world.page("2.12.4", "alice");
    world.text(long, &"x".repeat(140_000));
    assert_eq!(world.closed.get(&long), Some(&1009));
    // Nobody knows yet who says it.
    for undecided in [false, true] {
        let long = world.open();
        if undecided {
            world.listen(long, "2.12.4");
        }
        world.text(long, &"x".repeat(70_000));
        assert_eq!(world.closed.get(&long), Some(&1009));
    }
    let queue = world.open();
    world.listen(queue, "2.12.4");
    for _ in 0..100 {
        world.say(queue, "register", json!({}));
    }
    assert_eq!(world.closed.get(&queue), Some(&1008));
    let early = world.open();
    world.say(early, "register", json!({}));
    assert_eq!(world.heard(early), ["error 31204"]);
    world.say(early, "roster", json!({}));
    assert!(
        world.heard(early).is_empty(),
        "unknown types are passed over"
    );
}

#[test]
fn what_is_too_much_has_its_answer() {
    let mut world = World::with(browser::Config {
        limits: browser::Limits {
            connections: 2,
            calls: 2,
            parameters: 20,
            ..browser::Limits::default()
        },
        ..browser::Config::default()
    });
    let one = world.page("2.12.4", "alice");
    let _two = world.page("2.12.4", "bob");
    assert!(
        !world
            .machine
            .handle_opened(world.now, browser::SocketId(99))
    );
    let (call, _) = world.dial(one);
    world.machine.answer(call, Some(sdp("server")));
    let (call, _) = world.dial(one);
    world.machine.answer(call, Some(sdp("server")));
    world.frames(one);
    let invite = |params: &str, sdp: String| json!({"callsid": "TJS9", "sdp": sdp, "twilio": {"params": params}});
    world.say(one, "invite", invite("a=1", sdp("page")));
    world.say(one, "invite", invite("a=1234567890123456789", sdp("page")));
    world.say(one, "invite", invite("", "v=0".to_owned()));
    world.say(one, "invite", json!({"callsid": "CA1", "sdp": sdp("page")}));
    assert_eq!(
        world.heard(one),
        [
            "hangup 31480",
            "hangup 31103",
            "hangup 53402",
            "error 31100"
        ]
    );
    assert!(world.happened().is_empty());
}

#[test]
fn a_page_that_is_revoked_while_its_verdict_is_on_the_way_is_refused() {
    let mut world = World::new();
    let socket = world.open();
    let check = world.listen(socket, "2.12.4");
    world.machine.revoke(world.now, key());
    world.verdict(socket, check, Ok(pass("alice")));
    assert_eq!(world.heard(socket), ["error 31204", "close"]);
}
