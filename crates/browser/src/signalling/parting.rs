//! Devices that lose their part in a call, sockets that are lost, and sockets that come back.
//!
//! Every device that was offered a call is told its end once on a socket: at once, or when it comes
//! back, or not at all if it ended its part itself.

use super::{ECHO, GRACE, RELOAD, Signalling, TOMBSTONE, UNLOAD, WITHHELD};
use crate::call::{Call, Origin, Part, Phase, State, Told};
use crate::connection::Connection;
use crate::error::Fault;
use crate::event::{DeviceId, Event, Owner, SocketId};
use crate::frame::{Message, ToBrowser};
use crate::late_answer::{LateAnswer, Reason, farewell};
use crate::timers::Timer;
use model::sid::CallSid;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

impl Signalling {
    /// A part is over, not by its device's will.
    pub(super) fn lose(&mut self, now: Instant, sid: CallSid, device: DeviceId, reason: &Reason) {
        let Some(call) = self.calls.get_mut(&sid) else {
            return;
        };
        let behaviour = call.late_answer;
        let Some(part) = call.part_mut(device) else {
            return;
        };
        self.timers.cancel(&mut part.grace);
        let (socket, sdk, known_as) = (part.socket, part.sdk, part.known_as.clone());
        let mut answered = false;
        match &mut part.state {
            State::Tombstone(..) | State::Quiet => return,
            // H6: who declined would show a second end.
            State::Offered(offered) if offered.declining.is_some() => {
                self.timers.cancel(&mut offered.declining);
                part.state = State::Quiet;
                return;
            }
            State::Offered(_) => {}
            State::Dialling(_) => answered = true,
            State::Active(_) => {
                answered = !matches!(reason, Reason::AnsweredElsewhere { .. });
            }
        }
        let asked = matches!(part.state, State::Active(_)) && !answered;
        let told = match socket {
            None => Told::Owed,
            Some(_) if behaviour == LateAnswer::Silence && asked => Told::Never,
            Some(_) if behaviour == LateAnswer::Silence && !answered => Told::Withheld(
                self.timers
                    .set(now + WITHHELD, Timer::Withheld(sid, device)),
            ),
            Some(socket) => Told::On(socket),
        };
        part.state = State::Tombstone(told, reason.clone());
        if let Reason::AnsweredElsewhere { by } = reason {
            self.tell_who_won(sid, device, by, reason.word());
        }
        if let Told::On(socket) = told {
            let frames = if answered {
                // Its phase is known: it listens to `hangup`.
                vec![ToBrowser::Hangup {
                    call: known_as,
                    fault: reason.fault(),
                }]
            } else {
                farewell(behaviour, sdk, &known_as, reason)
            };
            for frame in frames {
                self.send(socket, &frame);
            }
        }
        if asked {
            self.events.push_back(Event::AnsweredLate {
                call: sid,
                device,
                told: behaviour,
            });
        }
    }

    /// Tells a page who answered in its place: what the original does not say (`voice-client.md` 4.4).
    fn tell_who_won(&mut self, sid: CallSid, device: DeviceId, by: &str, word: &str) {
        let Some(call) = self.calls.get(&sid) else {
            return;
        };
        let members = match &call.origin {
            Origin::Platform { members, .. } => members.clone(),
            Origin::Browser { .. } => Vec::new(),
        };
        let mut body = Map::new();
        body.insert("by".to_owned(), json!(by));
        body.insert("members".to_owned(), json!(members));
        body.insert("reason".to_owned(), json!(word));
        // Several devices may bear the name that won: nothing else tells them apart.
        if let Phase::Answered(winner) = call.phase
            && let Some(winner) = call.part(winner)
        {
            let (sdk, agent) = (winner.sdk.to_string(), &winner.agent);
            let device = json!({"sdk": sdk, "userAgent": agent});
            body.insert("device".to_owned(), device);
        }
        self.tell(sid, device, "answered-elsewhere", &body);
    }

    /// Every device that still rings loses. Who they were.
    pub(super) fn lose_offered(
        &mut self,
        now: Instant,
        sid: CallSid,
        but: Option<DeviceId>,
        reason: &Reason,
    ) -> Vec<DeviceId> {
        let losers: Vec<DeviceId> = self
            .calls
            .get(&sid)
            .map(|call| call.offered().filter(|d| Some(*d) != but).collect())
            .unwrap_or_default();
        for device in &losers {
            self.lose(now, sid, *device, reason);
        }
        losers
    }

    /// The end of a tombstone's part again, at a socket that may not have heard it.
    pub(super) fn lose_again(&mut self, sid: CallSid, device: DeviceId, socket: SocketId) {
        let Some(call) = self.calls.get_mut(&sid) else {
            return;
        };
        let behaviour = call.late_answer;
        let Some(part) = call.part_mut(device) else {
            return;
        };
        let State::Tombstone(told, reason) = &mut part.state else {
            return;
        };
        if let Told::Withheld(timer) = *told {
            self.timers.cancel(&mut Some(timer));
        }
        *told = Told::On(socket);
        for frame in farewell(behaviour, part.sdk, &part.known_as, reason) {
            self.send(socket, &frame);
        }
    }

    /// A device is told something that the original does not tell.
    pub(super) fn tell(
        &mut self,
        sid: CallSid,
        device: DeviceId,
        kind: &'static str,
        body: &Map<String, Value>,
    ) {
        let Some(call) = self.calls.get(&sid) else {
            return;
        };
        let (notices, part) = (call.notices, call.part(device));
        let Some((Some(socket), sdk)) = part.map(|part| (part.socket, part.sdk)) else {
            return;
        };
        if notices.stream() {
            let frame = ToBrowser::Notice {
                kind,
                body: body.clone(),
                call: sid.to_string(),
            };
            self.send(socket, &frame);
        }
        if notices.message() && sdk.knows_messages() {
            let message = Message {
                call: sid.to_string(),
                content: Value::Object(body.clone()),
                content_type: "application/json".to_owned(),
                message_type: kind.to_owned(),
                voice_event_sid: self.chance.voice_event_sid(),
            };
            self.send(socket, &ToBrowser::Message(Box::new(message)));
        }
    }

    /// A call is over as a whole; it is known for a while longer.
    pub(super) fn end(&mut self, now: Instant, sid: CallSid) {
        let Some(call) = self.calls.get_mut(&sid) else {
            return;
        };
        if call.phase == Phase::Over {
            return;
        }
        call.phase = Phase::Over;
        for part in &mut call.parts {
            self.timers.cancel(&mut part.grace);
        }
        self.timers.set(now + TOMBSTONE, Timer::Forget(sid));
        self.over.push_back(sid);
        if self.over.len() > self.config.limits.tombstones.max(1)
            && let Some(oldest) = self.over.front().copied()
        {
            self.forget(oldest);
        }
    }

    /// A device said `reject`.
    pub(super) fn reject(&mut self, now: Instant, sid: CallSid, device: DeviceId) {
        let Some(part) = self.part_mut(sid, device) else {
            return;
        };
        let unloads = part.sdk.rejects_on_unload();
        match &mut part.state {
            State::Offered(offered) if offered.declining.is_some() => {}
            // H9: a page that is closed says the same, and its socket closes behind it.
            State::Offered(_) if unloads => {
                let timer = self.timers.set(now + UNLOAD, Timer::Declined(sid, device));
                if let Some(part) = self.part_mut(sid, device)
                    && let State::Offered(offered) = &mut part.state
                {
                    offered.declining = Some(timer);
                }
            }
            State::Offered(_) => self.declined(now, sid, device, None),
            State::Tombstone(..) => self.silence(sid, device),
            _ => {}
        }
    }

    /// A device ended its part itself: nothing is owed to it.
    pub(super) fn silence(&mut self, sid: CallSid, device: DeviceId) {
        let Some(call) = self.calls.get_mut(&sid) else {
            return;
        };
        let Some(part) = call.part_mut(device) else {
            return;
        };
        if let State::Tombstone(Told::Withheld(timer), _) = part.state {
            self.timers.cancel(&mut Some(timer));
        }
        if let State::Offered(offered) = &mut part.state {
            self.timers.cancel(&mut offered.declining);
        }
        self.timers.cancel(&mut part.grace);
        part.state = State::Quiet;
    }

    /// One device declined, which decides for its identity.
    pub(super) fn declined(
        &mut self,
        now: Instant,
        sid: CallSid,
        device: DeviceId,
        fault: Option<Fault>,
    ) {
        if !self
            .calls
            .get(&sid)
            .is_some_and(|call| call.offered().any(|offered| offered == device))
        {
            return;
        }
        self.silence(sid, device);
        self.lose_offered(now, sid, None, &Reason::Declined);
        self.end(now, sid);
        self.events.push_back(Event::Rejected {
            call: sid,
            device,
            fault,
        });
    }

    /// A device is out of a ringing call; if it was the last, so is the call.
    pub(super) fn device_gone(&mut self, now: Instant, sid: CallSid, device: DeviceId) {
        self.events
            .push_back(Event::DeviceGone { call: sid, device });
        let Some(call) = self.calls.get(&sid) else {
            return;
        };
        if call.phase == Phase::Ringing && call.offered().next().is_none() {
            self.end(now, sid);
            self.events.push_back(Event::Unreachable { call: sid });
        }
    }

    /// A device's socket did not come back.
    pub(super) fn grace_over(&mut self, now: Instant, sid: CallSid, device: DeviceId) {
        let Some(part) = self.part_mut(sid, device) else {
            return;
        };
        part.grace = None;
        match part.state {
            State::Offered(_) => {
                part.state = State::Tombstone(Told::Owed, Reason::NoAnswer);
                self.device_gone(now, sid, device);
            }
            State::Dialling(_) | State::Active(_) => {
                self.events.push_back(Event::Lost { call: sid, device });
            }
            State::Tombstone(..) | State::Quiet => {}
        }
    }

    /// No answer crossed ours: a page that only rings must stop.
    pub(super) fn withheld_over(&mut self, sid: CallSid, device: DeviceId) {
        let Some(part) = self.part_mut(sid, device) else {
            return;
        };
        let State::Tombstone(told @ Told::Withheld(_), _) = &mut part.state else {
            return;
        };
        *told = Told::Owed;
        if let Some(socket) = part.socket {
            self.lose_again(sid, device, socket);
        }
    }

    /// A socket is gone that had a part in this call.
    pub(super) fn socket_lost(
        &mut self,
        now: Instant,
        sid: CallSid,
        socket: SocketId,
        lost: &Connection,
    ) {
        let Some(call) = self.calls.get_mut(&sid) else {
            return;
        };
        let over = call.phase == Phase::Over;
        let grace = if lost.left { RELOAD } else { GRACE };
        let mut waits = Vec::new();
        for part in &mut call.parts {
            if part.socket != Some(socket) {
                continue;
            }
            part.socket = None;
            let device = part.device;
            match &mut part.state {
                State::Offered(offered) => {
                    // H9: a `reject` with the end of its socket behind it was no human's.
                    let unloads = offered.declining.is_some();
                    self.timers.cancel(&mut offered.declining);
                    waits.push((device, if unloads { RELOAD } else { grace }));
                }

                // Without a token, which a ringing call cannot have, the page cannot come back.
                State::Dialling(_) if part.sdk.reconnects() => {
                    self.events.push_back(Event::Lost { call: sid, device });
                }
                State::Dialling(_) => waits.push((device, grace)),
                State::Active(_) => {
                    self.events
                        .push_back(Event::SignallingLost { call: sid, device });
                    let hint = Duration::from_secs(lost.reconnect_timeout);
                    waits.push((device, grace.max(hint)));
                }
                // Whether the words arrived is not known.
                State::Tombstone(told @ Told::On(_), _) => *told = Told::Owed,
                State::Tombstone(told @ Told::Withheld(_), _) => {
                    if let Told::Withheld(timer) = std::mem::replace(told, Told::Owed) {
                        self.timers.cancel(&mut Some(timer));
                    }
                }
                State::Tombstone(..) | State::Quiet => {}
            }
        }
        if over {
            return;
        }
        let owner = call.owner.clone();
        for (device, wait) in waits {
            let timer = self.timers.set(now + wait, Timer::Grace(sid, device));
            if let Some(part) = self.part_mut(sid, device) {
                part.grace = Some(timer);
            }
        }
        // The page may be back already, on a socket that was open before this one ended.
        let back: Vec<SocketId> = self.registry.devices(&owner).to_vec();
        for other in back {
            self.adopt_offer(sid, other);
            // Version 1 says nothing of its calls; a page opens its new socket after its last word
            // on the old one.
            let later = self
                .connections
                .get(&other)
                .is_some_and(|connection| connection.opened >= lost.heartbeat.last());
            if later {
                self.adopt_one_running(sid, other);
            }
        }
    }

    /// A socket belongs to somebody else now: what rings there is out.
    pub(super) fn abandon_offers(&mut self, now: Instant, socket: SocketId) {
        let calls: Vec<CallSid> = self
            .connections
            .get(&socket)
            .map(|connection| connection.calls.iter().copied().collect())
            .unwrap_or_default();
        for sid in calls {
            let device = self.calls.get(&sid).and_then(|call| {
                call.parts
                    .iter()
                    .find(|p| p.socket == Some(socket) && matches!(p.state, State::Offered(_)))
                    .map(|part| part.device)
            });
            if let Some(device) = device {
                self.lose(now, sid, device, &Reason::HungUp);
                self.device_gone(now, sid, device);
            }
        }
    }

    /// A part goes on at this socket.
    pub(super) fn bind(&mut self, sid: CallSid, device: DeviceId, socket: SocketId) {
        let Some(part) = self
            .calls
            .get_mut(&sid)
            .and_then(|call| call.part_mut(device))
        else {
            return;
        };
        if part.socket == Some(socket) {
            return;
        }
        self.timers.cancel(&mut part.grace);
        let before = part.socket.replace(socket);
        let mut undelivered = None;
        if let State::Active(active) = &mut part.state {
            undelivered = active.undelivered.take();
            if before.is_none() {
                self.events
                    .push_back(Event::SignallingBack { call: sid, device });
            }
        }
        if let Some(connection) = before.and_then(|socket| self.connections.get_mut(&socket)) {
            connection.calls.remove(&sid);
        }
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.calls.insert(sid);
        }
        if let Some(sdp) = undelivered {
            let frame = ToBrowser::Answer {
                call: sid.to_string(),
                sdp,
                reconnect: self.token(sid, device),
            };
            self.send(socket, &frame);
        }
    }

    /// A page of version 1 or 2.0 came back, which says nothing about its calls.
    pub(super) fn adopt_running(&mut self, socket: SocketId, owner: &Owner) {
        for sid in self.calls_of(owner) {
            self.adopt_one_running(sid, socket);
        }
    }

    fn adopt_one_running(&mut self, sid: CallSid, socket: SocketId) {
        let (Some(call), Some(connection)) = (self.calls.get(&sid), self.connections.get(&socket))
        else {
            return;
        };
        if connection.calls.contains(&sid) || connection.sdk.reconnects() {
            return;
        }
        let called = matches!(call.origin, Origin::Platform { .. });
        let found = call.parts.iter().find(|part| {
            part.socket.is_none()
                && connection.looks_like(part.sdk, &part.agent)
                && match &part.state {
                    State::Dialling(_) | State::Active(_) => true,
                    State::Tombstone(Told::Owed, _) => !called,
                    _ => false,
                }
        });
        let Some((device, owed)) =
            found.map(|part| (part.device, matches!(part.state, State::Tombstone(..))))
        else {
            return;
        };
        self.bind(sid, device, socket);
        if owed {
            self.lose_again(sid, device, socket);
        }
    }

    /// A device registered: what rang at a socket that is gone rings here.
    pub(super) fn adopt_offers(&mut self, socket: SocketId, owner: &Owner) {
        for sid in self.calls_of(owner) {
            self.adopt_offer(sid, socket);
        }
    }

    fn adopt_offer(&mut self, sid: CallSid, socket: SocketId) {
        let (Some(call), Some(connection)) = (self.calls.get(&sid), self.connections.get(&socket))
        else {
            return;
        };
        if call.phase != Phase::Ringing
            || connection.calls.contains(&sid)
            || self.is_full(connection)
        {
            return;
        }
        let adrift = || {
            call.parts
                .iter()
                .filter(|p| p.socket.is_none() && matches!(p.state, State::Offered(_)))
        };
        let alike = |part: &&Part| connection.looks_like(part.sdk, &part.agent);
        let Some(part) = adrift().find(alike).or_else(|| adrift().next()) else {
            return;
        };
        let device = part.device;
        // Version 1 keeps what rings over a dropped socket; from 2.1 it is dead until offered anew.
        let still_rings = alike(&part) && !part.sdk.reconnects();
        let (sdk, agent) = (connection.sdk, connection.agent.clone());
        self.bind(sid, device, socket);
        if still_rings {
            return;
        }
        let Some(part) = self.part_mut(sid, device) else {
            return;
        };
        (part.sdk, part.agent) = (sdk, agent);
        part.number = part.number.wrapping_add(1);
        let State::Offered(offered) = &part.state else {
            return;
        };
        let sdp = offered.sdp.clone();
        let call = sid.to_string();
        self.send(socket, &ToBrowser::Cancel { call });
        self.send_invite(sid, device, socket, sdp);
    }

    pub(super) fn send_invite(
        &mut self,
        sid: CallSid,
        device: DeviceId,
        socket: SocketId,
        sdp: String,
    ) {
        let Some(Call {
            origin: Origin::Platform { parameters, .. },
            ..
        }) = self.calls.get(&sid)
        else {
            return;
        };
        let frame = ToBrowser::Invite {
            call: sid.to_string(),
            sdp,
            parameters: parameters.clone(),
            reconnect: self.token(sid, device),
        };
        self.send(socket, &frame);
    }

    /// A device registered: ends that were owed to a socket that is gone are told here. A call that
    /// somebody has is spared while this may be the winner coming back under the same CallSid.
    pub(super) fn settle(&mut self, now: Instant, socket: SocketId, owner: &Owner) {
        let mut doubtful = false;
        for sid in self.calls_of(owner) {
            let (Some(call), Some(connection)) =
                (self.calls.get(&sid), self.connections.get(&socket))
            else {
                return;
            };
            if connection.calls.contains(&sid) {
                continue;
            }
            let alike = |part: &Part| connection.looks_like(part.sdk, &part.agent);
            let owed = call
                .parts
                .iter()
                .find(|p| matches!(p.state, State::Tombstone(Told::Owed, _)) && alike(p))
                .map(|part| part.device);
            let Some(device) = owed else {
                continue;
            };
            if let Phase::Answered(winner) = call.phase
                && let Some(winner) = call.part(winner).filter(|part| alike(part))
            {
                // Who has spoken elsewhere since this socket opened is somebody else.
                let elsewhere = winner
                    .socket
                    .and_then(|socket| self.connections.get(&socket))
                    .is_some_and(|theirs| theirs.heartbeat.last() > connection.opened);
                if !elsewhere {
                    doubtful = true;
                    continue;
                }
            }
            self.bind(sid, device, socket);
            self.lose_again(sid, device, socket);
        }
        if doubtful {
            self.timers.set(now + ECHO, Timer::Settle(socket));
        }
    }

    pub(super) fn settle_again(&mut self, now: Instant, socket: SocketId) {
        let owner = self
            .connections
            .get(&socket)
            .and_then(|connection| connection.owner().cloned());
        if let Some(owner) = owner {
            self.settle(now, socket, &owner);
        }
    }

    /// Whether this socket has as many calls as it may.
    pub(super) fn is_full(&self, connection: &Connection) -> bool {
        let live = connection
            .calls
            .iter()
            .filter(|sid| {
                self.calls
                    .get(sid)
                    .is_some_and(|call| call.phase != Phase::Over)
            })
            .count();
        live >= self.config.limits.calls_per_socket
    }
}
