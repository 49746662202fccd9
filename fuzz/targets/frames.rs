//! What pages say: text frames on three sockets into the signalling of browser phones, in any order,
//! while we call them, answer them and hang up; then silence.
//!
//! The input is cut at line ends. The first byte of a line says which socket and what happens besides;
//! the rest is the frame. `CALL` in it is the newest call.
#![no_main]

use std::time::{Duration, Instant};

use browser::{
    Config, Credential, Event, Identity, Invitation, Outgoing, Owner, Pass, Reason, Signalling,
    SocketId, Transmit,
};
use libfuzzer_sys::fuzz_target;
use model::sid::{AccountSid, ApplicationSid, CallSid, KeySid};

const ACCOUNT: AccountSid = AccountSid::from_bytes([0xaa; 16]);
const SDP: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=ice-ufrag:x\r\na=fingerprint:sha-256 x\r\n";

fn pass() -> Pass {
    Pass {
        account: ACCOUNT,
        identity: Some("alice".to_owned()),
        incoming: true,
        outgoing: Some(Outgoing {
            application: ApplicationSid::from_bytes([2; 16]),
            parameters: Vec::new(),
        }),
        ttl: Duration::from_secs(3600),
        credential: Credential::Key(KeySid::from_bytes([1; 16])),
    }
}

struct World {
    machine: Signalling,
    now: Instant,
    newest: Option<CallSid>,
    calls: u8,
}

impl World {
    fn settle(&mut self) {
        // Whoever is answered may say something again: bounded by what came in.
        for _ in 0..1_000 {
            let mut quiet = true;
            while let Some(transmit) = self.machine.poll_transmit() {
                quiet = false;
                match transmit {
                    Transmit::Text { text, .. } if text == "\n" => {}
                    Transmit::Text { text, .. } => {
                        let frame: serde_json::Value =
                            serde_json::from_str(&text).expect("a frame of ours is JSON");
                        assert!(frame["payload"].is_object(), "{frame}");
                    }
                    Transmit::Close { code, .. } => {
                        assert!(![1006, 1015].contains(&code), "raises an error in the page");
                    }
                }
            }
            while let Some(event) = self.machine.poll_event() {
                quiet = false;
                self.told(event);
            }
            if quiet {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn told(&mut self, event: Event) {
        match event {
            Event::TokenToCheck { socket, check, .. } => {
                let verdict = Ok(pass());
                self.machine
                    .token_checked(self.now, socket, check, verdict);
            }
            Event::Invited(invited) => self.newest = Some(invited.call),
            Event::Moved { call, .. } => {
                self.machine.answer(call, Some(SDP.to_owned()));
            }
            Event::Reinvited { call, .. } => self.machine.answer_reinvite(call, SDP.to_owned()),
            _ => {}
        }
    }

    fn act(&mut self, what: u8) {
        match (what, self.newest) {
            (1, _) => {
                self.calls = self.calls.wrapping_add(1);
                let call = CallSid::from_bytes([self.calls; 16]);
                let owner = Owner {
                    account: ACCOUNT,
                    identity: Identity::Named("alice".to_owned()),
                };
                let devices = self.machine.devices(&owner);
                if devices.is_empty() {
                    return;
                }
                self.newest = Some(call);
                let offers = devices.into_iter().map(|device| (device, SDP.to_owned()));
                self.machine.invite(Invitation {
                    call,
                    owner,
                    parameters: Vec::new(),
                    members: vec!["client:alice".to_owned()],
                    late_answer: None,
                    notices: None,
                    offers: offers.collect(),
                });
            }
            (2, Some(call)) => self.machine.ring(call, None),
            (3, Some(call)) => {
                self.machine.answer(call, Some(SDP.to_owned()));
            }
            (4, Some(call)) => self.machine.hang_up(self.now, call, &Reason::HungUp),
            (5, _) => self.now += Duration::from_millis(200),
            (6, _) => self.now += Duration::from_secs(11),
            _ => {}
        }
        self.machine.handle_timeout(self.now);
    }
}

fuzz_target!(|text: &str| {
    let mut world = World {
        machine: Signalling::new(Config::default(), [1; 32]),
        now: Instant::now(),
        newest: None,
        calls: 0,
    };
    for socket in 0..3 {
        assert!(world.machine.handle_opened(world.now, SocketId(socket)));
    }
    for line in text.split('\n').take(64) {
        let Some(first) = line.chars().next() else {
            continue;
        };
        let how = (first as u32 % 128) as u8;
        world.act(how >> 2 & 7);
        world.settle();
        let socket = SocketId(u64::from(how & 3));
        let frame = &line[first.len_utf8()..];
        match how >> 5 {
            3 => world.machine.handle_closed(world.now, socket),
            _ => {
                let call = world.newest.map(|call| call.to_string());
                let frame = frame.replace("CALL", &call.unwrap_or_default());
                world.machine.handle_text(world.now, socket, &frame);
            }
        }
        world.settle();
    }
    // Everybody leaves: nothing of them is kept but what is remembered for a while.
    for socket in 0..3 {
        world.machine.handle_closed(world.now, SocketId(socket));
    }
    for _ in 0..2_000 {
        world.settle();
        let Some(at) = world.machine.poll_timeout() else {
            break;
        };
        world.now = world.now.max(at);
        world.machine.handle_timeout(world.now);
    }
    let tables = world.machine.tables();
    assert_eq!(tables.connections, 0, "{tables:?}");
    assert_eq!(tables.registrations, 0, "{tables:?}");
});
