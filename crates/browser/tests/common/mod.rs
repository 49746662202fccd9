//! A world of scripted browsers around the machine.
#![allow(dead_code)]

use browser::{
    CheckId, Config, Credential, DeviceId, Event, Fault, Identity, Invitation, Outgoing, Owner,
    Pass, Signalling, SocketId, Transmit,
};
use model::sid::{AccountSid, ApplicationSid, CallSid, KeySid};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One of each generation that differs.
pub const GENERATIONS: [&str; 8] = [
    "1.6.0", "1.10.2", "1.14.0", "1.15.1", "2.0.1", "2.7.1", "2.12.4", "2.18.5",
];

pub struct World {
    pub machine: Signalling,
    pub now: Instant,
    frames: BTreeMap<SocketId, Vec<Value>>,
    pub beats: BTreeMap<SocketId, usize>,
    pub closed: BTreeMap<SocketId, u16>,
    events: Vec<Event>,
    sockets: u64,
    calls: u8,
}

pub fn account() -> AccountSid {
    AccountSid::from_bytes([0xaa; 16])
}

pub fn key() -> Credential {
    Credential::Key(KeySid::from_bytes([1; 16]))
}

pub fn named(name: &str) -> Owner {
    Owner {
        account: account(),
        identity: Identity::Named(name.to_owned()),
    }
}

pub fn pass(name: &str) -> Pass {
    Pass {
        account: account(),
        identity: Some(name.to_owned()),
        incoming: true,
        outgoing: Some(Outgoing {
            application: ApplicationSid::from_bytes([2; 16]),
            parameters: vec![("team".to_owned(), "red".to_owned())],
        }),
        ttl: Duration::from_secs(3600),
        credential: key(),
    }
}

/// A description of somebody with this certificate.
pub fn sdp(who: &str) -> String {
    format!(
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=ice-ufrag:{who}\r\na=fingerprint:sha-256 {who}\r\n"
    )
}

impl World {
    pub fn new() -> World {
        World::with(Config::default())
    }

    pub fn with(config: Config) -> World {
        World {
            machine: Signalling::new(config, [7; 32]),
            now: Instant::now(),
            frames: BTreeMap::new(),
            beats: BTreeMap::new(),
            closed: BTreeMap::new(),
            events: Vec::new(),
            sockets: 0,
            calls: 0,
        }
    }

    /// Takes out what the machine has to say.
    pub fn drain(&mut self) {
        while let Some(transmit) = self.machine.poll_transmit() {
            match transmit {
                Transmit::Text { socket, text } if text == "\n" => {
                    *self.beats.entry(socket).or_default() += 1;
                }
                Transmit::Text { socket, text } => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    assert!(frame["payload"].is_object(), "H8 {frame}");
                    let kind = frame["type"].as_str().expect("a type");
                    if ["hangup", "cancel", "ringing", "answer", "invite"].contains(&kind) {
                        assert!(frame["payload"]["callsid"].is_string(), "H3, H4 {frame}");
                    }
                    self.frames.entry(socket).or_default().push(frame);
                }
                Transmit::Close { socket, code } => {
                    assert!(![1006, 1015].contains(&code), "raises an error in the page");
                    self.closed.insert(socket, code);
                }
            }
        }
        while let Some(event) = self.machine.poll_event() {
            self.events.push(event);
        }
    }

    pub fn open(&mut self) -> SocketId {
        self.sockets += 1;
        let socket = SocketId(self.sockets);
        assert!(self.machine.handle_opened(self.now, socket));
        socket
    }

    pub fn text(&mut self, socket: SocketId, text: &str) {
        self.machine.handle_text(self.now, socket, text);
        self.drain();
    }

    pub fn say(&mut self, socket: SocketId, kind: &str, payload: Value) {
        let frame = json!({"type": kind, "version": "1.6", "payload": payload});
        self.text(socket, &frame.to_string());
    }

    pub fn listen(&mut self, socket: SocketId, version: &str) -> CheckId {
        self.say(
            socket,
            "listen",
            json!({"token": "t", "browserinfo": {"p": "browser", "v": version,
                   "browser": {"userAgent": "Chromium", "platform": "Linux"}, "plugin": "rtc"}}),
        );
        match self.events.pop() {
            Some(Event::TokenToCheck {
                check, socket: s, ..
            }) if s == socket => check,
            other => panic!("{other:?}"),
        }
    }

    pub fn verdict(&mut self, socket: SocketId, check: CheckId, verdict: Result<Pass, Fault>) {
        self.machine.token_checked(self.now, socket, check, verdict);
        self.drain();
    }

    /// A page that listens.
    pub fn page(&mut self, version: &str, name: &str) -> SocketId {
        let socket = self.open();
        self.listen_again(socket, version, name);
        socket
    }

    pub fn listen_again(&mut self, socket: SocketId, version: &str, name: &str) {
        let check = self.listen(socket, version);
        self.verdict(socket, check, Ok(pass(name)));
        assert_eq!(self.heard(socket), ["connected"]);
    }

    /// A page that is registered.
    pub fn phone(&mut self, version: &str, name: &str) -> SocketId {
        let socket = self.page(version, name);
        self.register(socket);
        socket
    }

    pub fn register(&mut self, socket: SocketId) {
        self.say(socket, "register", json!({"media": {"audio": true}}));
        assert_eq!(self.heard(socket)[0], "ready");
        let registered = self.events();
        assert!(
            matches!(registered.last(), Some(Event::Registered { .. })),
            "{registered:?}"
        );
    }

    pub fn close(&mut self, socket: SocketId) {
        self.machine.handle_closed(self.now, socket);
        self.drain();
    }

    /// The page itself is closed.
    pub fn leave(&mut self, socket: SocketId) {
        self.machine.handle_left(self.now, socket);
        self.drain();
    }

    pub fn pass_time(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.machine.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Time in which every open page echoes.
    pub fn live(&mut self, sockets: &[SocketId], seconds: u64) {
        for _ in 0..seconds {
            self.pass_time(Duration::from_secs(1));
            for socket in sockets {
                self.text(*socket, "\n");
            }
        }
    }

    /// Frames of this page since the last look.
    pub fn frames(&mut self, socket: SocketId) -> Vec<Value> {
        self.drain();
        self.frames.remove(&socket).unwrap_or_default()
    }

    /// Their types; an error with its code.
    pub fn heard(&mut self, socket: SocketId) -> Vec<String> {
        self.frames(socket)
            .iter()
            .map(|frame| {
                let kind = frame["type"].as_str().expect("type").to_owned();
                match frame["payload"]["error"]["code"].as_u64() {
                    Some(code) => format!("{kind} {code}"),
                    None => kind,
                }
            })
            .collect()
    }

    pub fn events(&mut self) -> Vec<Event> {
        self.drain();
        std::mem::take(&mut self.events)
    }

    /// The names of the events since the last look.
    pub fn happened(&mut self) -> Vec<String> {
        self.events()
            .iter()
            .map(|event| {
                let text = format!("{event:?}");
                text.split([' ', '(']).next().unwrap_or_default().to_owned()
            })
            .collect()
    }

    pub fn new_call(&mut self) -> CallSid {
        self.calls += 1;
        CallSid::from_bytes([self.calls; 16])
    }

    /// Calls a name at all its devices.
    pub fn call(&mut self, name: &str) -> CallSid {
        self.call_with(name, |_| {})
    }

    pub fn call_with(&mut self, name: &str, change: impl FnOnce(&mut Invitation)) -> CallSid {
        let call = self.new_call();
        let offers = self
            .machine
            .devices(&named(name))
            .into_iter()
            .map(|device| (device, sdp(&format!("server{}", device.0))))
            .collect();
        let mut invitation = Invitation {
            call,
            owner: named(name),
            parameters: vec![("From".to_owned(), "+15551234567".to_owned())],
            members: vec![name.to_owned()],
            late_answer: None,
            notices: None,
            offers,
        };
        change(&mut invitation);
        self.machine.invite(invitation);
        self.drain();
        call
    }

    pub fn answer(&mut self, socket: SocketId, call: CallSid) {
        let sdp = sdp(&format!("page{}", socket.0));
        self.say(
            socket,
            "answer",
            json!({"callsid": call.to_string(), "sdp": sdp}),
        );
    }

    /// A page calls; the call and the TempSid.
    pub fn dial(&mut self, socket: SocketId) -> (CallSid, String) {
        let temp = format!(
            "TJS00000000-0000-4000-8000-{:012}",
            self.events.len() as u64 + socket.0 * 1000 + u64::from(self.calls)
        );
        self.calls += 1;
        self.say(
            socket,
            "invite",
            json!({"callsid": temp, "sdp": sdp(&format!("page{}", socket.0)),
                   "twilio": {"params": "To=%2B15551234567"}}),
        );
        match self.events.pop() {
            Some(Event::Invited(invited)) => (invited.call, temp),
            other => panic!("{other:?}"),
        }
    }
}

pub fn device(socket: SocketId) -> DeviceId {
    DeviceId(socket.0)
}
