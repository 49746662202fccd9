//! What the owner wants done with calls.

use super::Signalling;
use crate::call::{Active, Call, Offered, Origin, Part, Phase, Reinvite, State, Told};
use crate::connection::Rate;
use crate::event::{DeviceId, Event, Owner, SocketId};
use crate::frame::{Message, ToBrowser};
use crate::late_answer::{LateAnswer, Notices, Reason};
use model::sid::CallSid;
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::time::Instant;

/// A call to an identity.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Its name; all devices of the identity see the same.
    pub call: CallSid,
    /// Who is called.
    pub owner: Owner,
    /// What the page reads in `call.parameters`: `AccountSid`, `ApiVersion`, `From`, `To`, and
    /// `Params` (names raw, values percent-encoded). `CallSid` is added.
    pub parameters: Vec<(String, String)>,
    /// Everybody who is called together, this identity included; told to losers.
    pub members: Vec<String>,
    /// What who answers too late is told; None: as configured.
    pub late_answer: Option<LateAnswer>,
    /// How pages learn what the original does not tell; None: as configured.
    pub notices: Option<Notices>,
    /// An offer for each device that `devices` named, each with credentials of its own.
    pub offers: Vec<(DeviceId, String)>,
}

impl Signalling {
    /// Calls an identity at its devices. Followed by [`Event::Ringing`] with those that were still
    /// there, or by [`Event::Unreachable`]. A CallSid that is known is not called again.
    pub fn invite(&mut self, invitation: Invitation) {
        let Invitation {
            call: sid,
            owner,
            mut parameters,
            members,
            late_answer,
            notices,
            offers,
        } = invitation;
        if self.calls.contains_key(&sid) {
            return;
        }
        let mut parts = Vec::new();
        let room = self.tables().calls < self.config.limits.calls;
        for (device, sdp) in offers {
            let socket = SocketId(device.0);
            let here = self.registry.devices(&owner).contains(&socket);
            let Some(connection) = self.connections.get(&socket).filter(|_| here && room) else {
                continue;
            };
            // E4: each device once.
            if self.is_full(connection) || parts.iter().any(|p: &Part| p.device == device) {
                continue;
            }
            parts.push(Part {
                device,
                socket: Some(socket),
                sdk: connection.sdk,
                agent: connection.agent.clone(),
                state: State::Offered(Offered {
                    sdp,
                    declining: None,
                }),
                known_as: sid.to_string(),
                number: 0,
                grace: None,
            });
        }
        if parts.is_empty() {
            self.events.push_back(Event::Unreachable { call: sid });
            return;
        }
        if !parameters.iter().any(|(name, _)| name == "CallSid") {
            parameters.insert(0, ("CallSid".to_owned(), sid.to_string()));
        }
        let devices: Vec<DeviceId> = parts.iter().map(|part| part.device).collect();
        let call = Call {
            owner,
            late_answer: late_answer.unwrap_or(self.config.late_answer),
            notices: notices.unwrap_or(self.config.notices),
            phase: Phase::Ringing,
            parts,
            origin: Origin::Platform {
                parameters,
                members,
            },
            messages: VecDeque::new(),
            message_rate: Rate::default(),
        };
        self.insert(sid, call);
        for device in &devices {
            let sdp = match self.part_mut(sid, *device).map(|part| &part.state) {
                Some(State::Offered(offered)) => offered.sdp.clone(),
                _ => continue,
            };
            self.send_invite(sid, *device, SocketId(device.0), sdp);
        }
        self.events.push_back(Event::Ringing { call: sid, devices });
    }

    /// It rings where the browser called, with early media or without. Version 1 would take a
    /// description for the answer; it gets it with the answer.
    pub fn ring(&mut self, sid: CallSid, sdp: Option<String>) {
        let Some(part) = self
            .calls
            .get_mut(&sid)
            .and_then(|call| call.parts.first_mut())
        else {
            return;
        };
        let (device, sdk, socket) = (part.device, part.sdk, part.socket);
        let State::Dialling(dialling) = &mut part.state else {
            return;
        };
        if sdp.is_some() && !dialling.described {
            dialling.held = sdp;
        }
        let Some(socket) = socket else {
            return;
        };
        let early = dialling.held.is_some() && !sdk.early_media_is_answer();
        // H1: it would give this CallSid to what rings at the page.
        if (dialling.rung && !early) || self.rings_at(socket) {
            return;
        }
        let Some(part) = self.part_mut(sid, device) else {
            return;
        };
        part.known_as = sid.to_string();
        let State::Dialling(dialling) = &mut part.state else {
            return;
        };
        dialling.rung = true;
        let sdp = if early { dialling.held.take() } else { None };
        dialling.described |= sdp.is_some();
        let frame = ToBrowser::Ringing {
            call: sid.to_string(),
            sdp,
        };
        self.send(socket, &frame);
    }

    fn rings_at(&self, socket: SocketId) -> bool {
        let Some(connection) = self.connections.get(&socket) else {
            return false;
        };
        connection.calls.iter().any(|sid| {
            self.calls.get(sid).is_some_and(|call| {
                call.parts
                    .iter()
                    .any(|p| p.socket == Some(socket) && matches!(p.state, State::Offered(_)))
            })
        })
    }

    /// The other side answered the browser's call, or the description for a device that takes a
    /// call over is ready. None: the one given to `ring`. False: there is nothing to answer, or
    /// nothing to answer it with.
    pub fn answer(&mut self, sid: CallSid, sdp: Option<String>) -> bool {
        let Some(call) = self.calls.get_mut(&sid) else {
            return false;
        };
        let device = match call.phase {
            Phase::Answered(device) => device,
            Phase::Ringing => match call.parts.first() {
                Some(part) => part.device,
                None => return false,
            },
            Phase::Over => return false,
        };
        let Some(part) = call.part_mut(device) else {
            return false;
        };
        let socket = part.socket;
        let mut unrung = false;
        let mut moved_from = None;
        let mut reconnect_due = false;
        let sdp = match &mut part.state {
            State::Dialling(dialling) => {
                let sdp = match sdp.or_else(|| dialling.held.take()) {
                    None if !dialling.described => return false,
                    // The page applies the first description only.
                    Some(_) if dialling.described => None,
                    sdp => sdp,
                };
                unrung = !dialling.rung;
                part.state = State::Active(Active {
                    author: std::mem::take(&mut dialling.author),
                    ..Active::default()
                });
                call.phase = Phase::Answered(device);
                sdp
            }
            State::Active(active) if active.moving_from.is_some() && sdp.is_some() => {
                moved_from = active.moving_from.take();
                reconnect_due = std::mem::take(&mut active.reconnect_due);
                sdp
            }
            _ => return false,
        };
        if let Some(part) = self.part_mut(sid, device) {
            part.known_as = sid.to_string();
        }
        // Every call rings, if only for a moment, as upstream; but for H1.
        if let Some(socket) = socket.filter(|socket| unrung && !self.rings_at(*socket)) {
            let call = sid.to_string();
            self.send(socket, &ToBrowser::Ringing { call, sdp: None });
        }
        self.deliver(sid, device, socket, sdp, reconnect_due);
        if let Some(from) = moved_from {
            self.end_move(sid, from);
        }
        true
    }

    /// An answer to a page, now or when it is back; behind it, the answer to a reconnect that had
    /// to wait.
    fn deliver(
        &mut self,
        sid: CallSid,
        device: DeviceId,
        socket: Option<SocketId>,
        sdp: Option<String>,
        reconnect_due: bool,
    ) {
        let Some(socket) = socket else {
            if let Some(active) = self.active_mut(sid, device) {
                active.undelivered = Some(sdp);
            }
            return;
        };
        let mut frame = ToBrowser::Answer {
            call: sid.to_string(),
            sdp,
            reconnect: self.token(sid, device),
        };
        self.send(socket, &frame);
        if reconnect_due {
            if let ToBrowser::Answer { sdp, .. } = &mut frame {
                *sdp = None;
            }
            self.send(socket, &frame);
        }
    }

    /// The device that a call was taken from is told, once.
    pub(super) fn end_move(&mut self, sid: CallSid, from: DeviceId) {
        let Some(call) = self.calls.get_mut(&sid) else {
            return;
        };
        let called = matches!(call.origin, Origin::Platform { .. });
        let Some(part) = call.part_mut(from) else {
            return;
        };
        let State::Tombstone(told @ Told::AfterMove, _) = &mut part.state else {
            return;
        };
        let Some(socket) = part.socket else {
            *told = Told::Owed;
            return;
        };
        *told = Told::On(socket);
        let call = part.known_as.clone();
        // Who takes over is 2.11 or newer, and so is who is taken from: `cancel` closes its media.
        let frame = if called {
            ToBrowser::Cancel { call }
        } else {
            ToBrowser::Hangup { call, fault: None }
        };
        self.send(socket, &frame);
    }

    /// The answer to [`Event::Reinvited`]. If a newer offer came meanwhile, that one is asked about
    /// next and this answer is dropped.
    pub fn answer_reinvite(&mut self, sid: CallSid, sdp: String) {
        let Some(device) = self.winner(sid) else {
            return;
        };
        let Some(part) = self.part_mut(sid, device) else {
            return;
        };
        let socket = part.socket;
        let State::Active(active) = &mut part.state else {
            return;
        };
        match &mut active.reinvite {
            Reinvite::None => {}
            Reinvite::Asked { newer } => match newer.take() {
                Some(sdp) => self.events.push_back(Event::Reinvited {
                    call: sid,
                    device,
                    sdp,
                }),
                None => {
                    active.reinvite = Reinvite::None;
                    let reconnect_due = std::mem::take(&mut active.reconnect_due);
                    self.deliver(sid, device, socket, Some(sdp), reconnect_due);
                }
            },
        }
    }

    /// Ends a call, whatever its state. It is over for the owner; late words of devices are met
    /// with the same end.
    pub fn hang_up(&mut self, now: Instant, sid: CallSid, reason: &Reason) {
        let Some(call) = self.calls.get(&sid) else {
            return;
        };
        match call.phase {
            Phase::Over => return,
            Phase::Answered(device) => {
                let moving_from = self
                    .active_mut(sid, device)
                    .and_then(|active| active.moving_from);
                self.lose(now, sid, device, reason);
                if let Some(from) = moving_from {
                    self.end_move(sid, from);
                }
            }
            Phase::Ringing => {
                let devices: Vec<DeviceId> = call.parts.iter().map(|part| part.device).collect();
                for device in devices {
                    self.lose(now, sid, device, reason);
                }
            }
        }
        self.end(now, sid);
    }

    /// Sends a call message to the devices that have or ring for a call, or call and know its name
    /// already, and know messages (2.2).
    /// Its `call` and, if empty, its `voice_event_sid` are filled in. To how many it went.
    pub fn send_message(&mut self, sid: CallSid, mut message: Message) -> usize {
        if message.voice_event_sid.is_empty() {
            message.voice_event_sid = self.chance.voice_event_sid();
        }
        message.call = sid.to_string();
        let frame = ToBrowser::Message(Box::new(message));
        let Some(call) = self.calls.get(&sid) else {
            return 0;
        };
        let sockets: Vec<SocketId> = call
            .parts
            .iter()
            .filter(|part| {
                part.sdk.knows_messages()
                    && match &part.state {
                        State::Active(_) | State::Offered(_) => true,
                        State::Dialling(dialling) => dialling.rung,
                        _ => false,
                    }
            })
            .filter_map(|part| part.socket)
            .collect();
        for socket in &sockets {
            self.send(*socket, &frame);
        }
        sockets.len()
    }

    /// How the pages of a call from a browser learn what the original does not tell.
    pub fn set_notices(&mut self, sid: CallSid, notices: Notices) {
        if let Some(call) = self.calls.get_mut(&sid) {
            call.notices = notices;
        }
    }

    /// Tells whoever has the call, in the way set for it, something that the original does not
    /// tell: `bridged` with the other party, at the moment when the two hear each other.
    pub fn notice(&mut self, sid: CallSid, kind: &'static str, body: &Map<String, Value>) {
        if let Some(device) = self.winner(sid) {
            self.tell(sid, device, kind, body);
        }
    }
}
