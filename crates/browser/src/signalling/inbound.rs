//! What browsers say about calls.
//!
//! A call belongs to an identity, never to a socket. What somebody says about a call that is not
//! his is passed over; what he says about one that is over is met with its end.

use super::Signalling;
use super::socket::error;
use crate::call::{Active, Call, Dialling, Origin, Part, Phase, Reinvite, State, Told};
use crate::connection::{Connection, Listening, Rate};
use crate::error::{Fault, code};
use crate::event::{DeviceId, Event, Invited, Oddity, Owner, SocketId};
use crate::frame::{FromBrowser, Invite, Message, ToBrowser, USER_DEFINED};
use crate::late_answer::{LateAnswer, Reason, farewell};
use crate::sdp::{Author, usable};
use model::sid::CallSid;
use percent_encoding::percent_decode_str;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many names of messages a call remembers.
const REMEMBERED: usize = 32;
const MOST_DIGITS: usize = 256;
const MOST_TEMP: usize = 64;
/// Devices that can take one call over, one after another.
const MOST_PARTS: usize = 64;

impl Signalling {
    pub(super) fn about_a_call(&mut self, now: Instant, socket: SocketId, frame: FromBrowser) {
        match frame {
            FromBrowser::Invite(invite) => self.invited(socket, *invite),
            FromBrowser::Reconnect { call, token, sdp } => {
                self.reconnecting(now, socket, &call, &token, sdp);
            }
            FromBrowser::Answer { call, sdp } => self.answered(now, socket, &call, sdp),
            FromBrowser::Reinvite { call, sdp } => self.reinvited(now, socket, &call, sdp),
            FromBrowser::Dtmf { call, digits } => self.dtmf(socket, &call, digits),
            FromBrowser::Hangup { call, message } => self.hung_up(now, socket, &call, message),
            FromBrowser::Reject { call } => {
                let offered = |s: &State| matches!(s, State::Offered(_) | State::Tombstone(..));
                match self.speaker(socket, &call, offered) {
                    Some((sid, device)) => self.reject(now, sid, device),
                    None => self.misplaced(socket, "reject"),
                }
            }
            FromBrowser::Message(message) => self.message(now, socket, *message),
            FromBrowser::Beat
            | FromBrowser::Listen(_)
            | FromBrowser::Register { .. }
            | FromBrowser::Unknown(_) => {}
        }
    }

    fn misplaced(&mut self, socket: SocketId, kind: &str) {
        self.odd(socket, Oddity::Misplaced(kind.to_owned()));
    }

    fn owner(&self, socket: SocketId) -> Option<&Owner> {
        self.connections.get(&socket)?.owner()
    }

    /// The call with a name that the sender may use for it.
    fn named(&self, socket: SocketId, name: &str) -> Option<CallSid> {
        let owner = self.owner(socket)?;
        let sid = match name.parse::<CallSid>() {
            Ok(sid) => sid,
            Err(_) => *self.temps.get(&(owner.clone(), name.to_owned()))?,
        };
        let call = self.calls.get(&sid)?;
        // A page that changed its name still has the calls it had.
        let here = call.parts.iter().any(|part| part.socket == Some(socket));
        (here || call.owner == *owner).then_some(sid)
    }

    /// The call, and whose words about it these are; the part goes on at this socket.
    fn speaker(
        &mut self,
        socket: SocketId,
        name: &str,
        fits: impl Fn(&State) -> bool,
    ) -> Option<(CallSid, DeviceId)> {
        let sid = self.named(socket, name)?;
        let connection = self.connections.get(&socket)?;
        let call = self.calls.get(&sid)?;
        let device = call.speaker(socket, connection.sdk, &connection.agent, fits)?;
        self.bind(sid, device, socket);
        Some((sid, device))
    }

    fn end_here(&mut self, socket: SocketId, call: &str, code: u32, message: &str) {
        let frame = ToBrowser::Hangup {
            call: call.to_owned(),
            fault: Some(Fault::new(code, message)),
        };
        self.send(socket, &frame);
    }

    /// A browser calls.
    fn invited(&mut self, socket: SocketId, invite: Invite) {
        let Some(connection) = self.connections.get(&socket) else {
            return;
        };
        let Some(listening) = connection.listening() else {
            return;
        };
        if invite.temp.len() > MOST_TEMP || !invite.temp.starts_with("TJS") {
            let fault = Fault::new(
                code::MALFORMED,
                "An 'invite' needs a callsid TJS and a UUID",
            );
            self.send(socket, &error(fault));
            return;
        }
        let owner = listening.owner.clone();
        if let Some(sid) = self.temps.get(&(owner.clone(), invite.temp.clone())) {
            // Sent once more after a dropped socket.
            return self.invited_again(*sid, socket);
        }
        let refusal = self.refusal(socket, connection, listening, &invite);
        let outgoing = match (refusal, listening.pass.outgoing.clone()) {
            (None, Some(outgoing)) => outgoing,
            (fault, _) => {
                let call = invite.temp;
                self.send(socket, &ToBrowser::Hangup { call, fault });
                return;
            }
        };
        let device = DeviceId(socket.0);
        let part = Part {
            device,
            socket: Some(socket),
            sdk: connection.sdk,
            agent: connection.agent.clone(),
            state: State::Dialling(Dialling {
                author: Author::of(&invite.sdp),
                ..Dialling::default()
            }),
            known_as: invite.temp.clone(),
            number: 0,
            grace: None,
        };
        let sdk = connection.sdk;
        let sid = self.chance.call_sid();
        let call = Call {
            owner: owner.clone(),
            late_answer: LateAnswer::default(),
            notices: self.config.notices,
            phase: Phase::Ringing,
            parts: vec![part],
            origin: Origin::Browser { temp: invite.temp },
            messages: VecDeque::new(),
            message_rate: Rate::default(),
        };
        self.insert(sid, call);
        self.events.push_back(Event::Invited(Box::new(Invited {
            call: sid,
            device,
            owner,
            outgoing,
            parameters: parameters(&invite.params),
            sdp: invite.sdp,
            preflight: invite.preflight,
            sdk,
        })));
    }

    /// Why a browser may not make this call, if it may not.
    fn refusal(
        &self,
        socket: SocketId,
        connection: &Connection,
        listening: &Listening,
        invite: &Invite,
    ) -> Option<Fault> {
        let limits = &self.config.limits;
        let negotiates = connection.calls.iter().any(|sid| {
            self.calls.get(sid).is_some_and(|call| {
                call.parts
                    .iter()
                    .any(|p| p.socket == Some(socket) && matches!(p.state, State::Dialling(_)))
            })
        });
        match &listening.pass.outgoing {
            _ if listening.refused.is_some() => listening.refused.clone(),
            None => Some(Fault::new(
                code::UNAUTHORIZED,
                "The token does not allow outgoing calls; give it a TwiML application",
            )),
            Some(_) if !usable(&invite.sdp, limits.description) => Some(Fault::new(
                code::DESCRIPTION,
                "The session description has no audio or is too long",
            )),
            Some(_) if invite.params.len() > limits.parameters => Some(Fault::new(
                code::PARAMETERS_TOO_LONG,
                format!("At most {} bytes of parameters", limits.parameters),
            )),
            // H2: the page applies a description to whatever it negotiates.
            Some(_) if negotiates => Some(Fault::new(
                code::BUSY,
                "Another call is being set up on this device",
            )),
            Some(_) if self.is_full(connection) || self.tables().calls >= limits.calls => Some(
                Fault::new(code::UNAVAILABLE, "Too many calls; try again later"),
            ),
            Some(_) => None,
        }
    }

    fn invited_again(&mut self, sid: CallSid, socket: SocketId) {
        let Some(call) = self.calls.get(&sid) else {
            return;
        };
        let Some(first) = call.parts.first() else {
            return;
        };
        let (device, known_as) = (first.device, first.known_as.clone());
        if call.phase == Phase::Over {
            self.end_here(socket, &known_as, code::RECONNECT, "The call is over");
        } else if matches!(first.state, State::Dialling(_)) {
            self.bind(sid, device, socket);
        }
    }

    /// A device answers.
    fn answered(&mut self, now: Instant, socket: SocketId, name: &str, sdp: String) {
        let called = |s: &State| matches!(s, State::Offered(_) | State::Tombstone(..));
        let Some((sid, device)) = self.speaker(socket, name, called) else {
            self.misplaced(socket, "answer");
            // Whatever it believes to have, it has not: no microphone stays open.
            if let Some(connection) = self.connections.get(&socket) {
                let sdk = connection.sdk;
                for frame in farewell(LateAnswer::default(), sdk, name, &Reason::HungUp) {
                    self.send(socket, &frame);
                }
            }
            return;
        };
        let most = self.config.limits.description;
        let Some(call) = self.calls.get_mut(&sid) else {
            return;
        };
        let behaviour = call.late_answer;
        let ringing = call.phase == Phase::Ringing;
        let Some(part) = call.part_mut(device) else {
            return;
        };
        match &mut part.state {
            State::Offered(_) if ringing && usable(&sdp, most) => {
                self.timers.cancel(&mut part.grace);
                if let State::Offered(offered) = &mut part.state {
                    self.timers.cancel(&mut offered.declining);
                }
                part.state = State::Active(Active {
                    author: Author::of(&sdp),
                    ..Active::default()
                });
                // The only place, with `moved`, where a ringing call gets its one winner.
                call.phase = Phase::Answered(device);
                let by = format!("client:{}", call.owner.identity.name());
                let reason = Reason::AnsweredElsewhere { by };
                let losers = self.lose_offered(now, sid, Some(device), &reason);
                self.events.push_back(Event::Answered {
                    call: sid,
                    device,
                    sdp,
                    losers,
                });
            }
            State::Offered(_) => {
                let fault = Fault::new(code::DESCRIPTION, "The answer has no audio or is too long");
                self.lose(now, sid, device, &Reason::Fault(fault.clone()));
                let left = self
                    .calls
                    .get(&sid)
                    .is_some_and(|call| call.offered().next().is_some());
                if left {
                    self.device_gone(now, sid, device);
                } else {
                    self.end(now, sid);
                    self.events.push_back(Event::Rejected {
                        call: sid,
                        device,
                        fault: Some(fault),
                    });
                }
            }
            State::Tombstone(told, _) => {
                let again = match *told {
                    // Our words and its answer crossed: they end it in any phase.
                    Told::On(before) => before != socket,
                    Told::Owed => true,
                    Told::Withheld(timer) => {
                        self.timers.cancel(&mut Some(timer));
                        *told = Told::Never;
                        false
                    }
                    Told::Never | Told::AfterMove => false,
                };
                if again {
                    self.lose_again(sid, device, socket);
                }
                self.events.push_back(Event::AnsweredLate {
                    call: sid,
                    device,
                    told: behaviour,
                });
            }
            // Sent again after a dropped socket, or by somebody who declined.
            State::Active(_) | State::Dialling(_) | State::Quiet => {}
        }
    }

    /// A device hangs up.
    fn hung_up(&mut self, now: Instant, socket: SocketId, name: &str, message: Option<String>) {
        let any = |state: &State| !matches!(state, State::Quiet);
        let Some((sid, device)) = self.speaker(socket, name, any) else {
            self.misplaced(socket, "hangup");
            return;
        };
        let Some(part) = self.part_mut(sid, device) else {
            return;
        };
        match &part.state {
            State::Dialling(_) | State::Active(_) => {
                let moving_from = match &part.state {
                    State::Active(active) => active.moving_from,
                    _ => None,
                };
                self.silence(sid, device);
                if let Some(from) = moving_from {
                    self.end_move(sid, from);
                }
                self.end(now, sid);
                self.events.push_back(Event::HungUp {
                    call: sid,
                    device,
                    message: message.map(|text| text.chars().take(256).collect()),
                });
            }
            // It clicked "accept" and thought better of it before its microphone was there.
            State::Offered(_) => self.declined(now, sid, device, None),
            State::Tombstone(Told::AfterMove, _) | State::Quiet => {}
            State::Tombstone(..) => self.silence(sid, device),
        }
    }

    fn dtmf(&mut self, socket: SocketId, name: &str, digits: String) {
        let active = |state: &State| matches!(state, State::Active(_));
        let legal = |c: char| matches!(c, '0'..='9' | '*' | '#' | 'w');
        match self.speaker(socket, name, active) {
            Some((sid, device))
                if self.active_mut(sid, device).is_some()
                    && digits.len() <= MOST_DIGITS
                    && digits.chars().all(legal) =>
            {
                self.events.push_back(Event::Dtmf { call: sid, digits });
            }
            _ => self.misplaced(socket, "dtmf"),
        }
    }

    /// A device restarts ICE.
    fn reinvited(&mut self, now: Instant, socket: SocketId, name: &str, sdp: String) {
        let any = |state: &State| matches!(state, State::Active(_) | State::Tombstone(..));
        let (usable, most) = (
            usable(&sdp, self.config.limits.description),
            self.config.limits.reinvites_per_minute,
        );
        let Some((sid, device)) = self.speaker(socket, name, any) else {
            self.misplaced(socket, "reinvite");
            // Nothing else ends a page whose call we do not know any more.
            self.end_here(socket, name, code::RECONNECT, "The call is over");
            return;
        };
        let Some(part) = self.part_mut(sid, device) else {
            return;
        };
        match &mut part.state {
            State::Active(active) if usable && active.moving_from.is_none() => {
                let minute = Duration::from_secs(60);
                if !active.reinvite_rate.admit(now, minute, most) {
                    let message = "ICE restarts without end".to_owned();
                    let fault = Fault::new(code::MEDIA, message.clone());
                    self.lose(now, sid, device, &Reason::Fault(fault));
                    self.end(now, sid);
                    self.events.push_back(Event::HungUp {
                        call: sid,
                        device,
                        message: Some(message),
                    });
                    return;
                }
                active.author = Author::of(&sdp);
                match &mut active.reinvite {
                    // A burst of twenty comes where no media does: only the newest counts.
                    Reinvite::Asked { newer } => *newer = Some(sdp),
                    Reinvite::None => {
                        active.reinvite = Reinvite::Asked { newer: None };
                        self.events.push_back(Event::Reinvited {
                            call: sid,
                            device,
                            sdp,
                        });
                    }
                }
            }
            State::Tombstone(Told::Never | Told::AfterMove, _) => {}
            State::Tombstone(..) | State::Quiet => {
                let call = part.known_as.clone();
                self.send(socket, &ToBrowser::Hangup { call, fault: None });
            }
            _ => self.misplaced(socket, "reinvite"),
        }
    }

    /// A call message.
    fn message(&mut self, now: Instant, socket: SocketId, mut message: Message) {
        let live =
            |s: &State| matches!(s, State::Active(_) | State::Offered(_) | State::Dialling(_));
        let named = message.call.clone();
        let speaker = self.speaker(socket, &named, live);
        let limits = &self.config.limits;
        let Some((sid, device, call)) = speaker.and_then(|(sid, device)| {
            let call = self.calls.get_mut(&sid)?;
            live(&call.part(device)?.state).then_some((sid, device, call))
        }) else {
            self.misplaced(socket, "message");
            return;
        };
        let second = Duration::from_secs(1);
        let event_sid = &message.voice_event_sid;
        let fault = if event_sid.is_empty() || event_sid.len() > 64 {
            Some((code::MALFORMED, "A message needs a voiceeventsid"))
        } else if call.messages.contains(event_sid) {
            None
        } else if message.message_type != USER_DEFINED {
            Some((
                code::MESSAGE_TYPE,
                "The type of a message is 'user-defined-message'",
            ))
        } else if message.content.to_string().len() > limits.message
            || message.content_type.len() > 128
        {
            Some((code::MESSAGE_TOO_LONG, "The message is too long"))
        } else if !call
            .message_rate
            .admit(now, second, limits.messages_per_second)
        {
            Some((code::RATE, "Too many messages; send them more slowly"))
        } else {
            None
        };
        if let Some((code, text)) = fault {
            let frame = ToBrowser::Error {
                fault: Fault::new(code, text),
                call: Some(sid.to_string()),
                voice_event_sid: Some(message.voice_event_sid.chars().take(64).collect()),
            };
            self.send(socket, &frame);
            return;
        }
        let known = call.messages.contains(&message.voice_event_sid);
        if !known {
            call.messages.push_back(message.voice_event_sid.clone());
            if call.messages.len() > REMEMBERED {
                call.messages.pop_front();
            }
        }
        let ack = ToBrowser::Ack {
            call: sid.to_string(),
            voice_event_sid: message.voice_event_sid.clone(),
        };
        self.send(socket, &ack);
        if !known {
            message.call = sid.to_string();
            self.events.push_back(Event::MessageReceived {
                call: sid,
                device,
                message: Box::new(message),
            });
        }
    }

    /// A page asks for its call back, or for that of another device.
    fn reconnecting(
        &mut self,
        now: Instant,
        socket: SocketId,
        name: &str,
        token: &str,
        sdp: String,
    ) {
        let found = name.parse::<CallSid>().ok().and_then(|sid| {
            let owner = self.owner(socket)?;
            let call = self.calls.get(&sid).filter(|call| call.owner == *owner)?;
            let (device, number) = self.reconnect.read(owner, sid, token)?;
            let part = call.part(device)?;
            // The one before is accepted too: our answer may have been lost.
            let good = number == part.number || number.wrapping_add(1) == part.number;
            (good && call.phase != Phase::Over).then_some((sid, device, number))
        });
        // An `error` alone would leave the page reconnecting.
        let Some((sid, device, number)) = found else {
            self.end_here(socket, name, code::RECONNECT, "The call is over");
            return;
        };
        let Some(part) = self.part_mut(sid, device) else {
            return;
        };
        let on = part.socket;
        match &part.state {
            State::Active(active)
                if on == Some(socket) || active.author.same(&Author::of(&sdp)) =>
            {
                self.came_back(sid, device, socket, number);
            }
            State::Active(_) | State::Offered(_) => self.moved(now, sid, device, socket, sdp),
            State::Dialling(_) | State::Tombstone(..) | State::Quiet => {
                self.end_here(socket, name, code::RECONNECT, "The call is over");
            }
        }
    }

    fn came_back(&mut self, sid: CallSid, device: DeviceId, socket: SocketId, number: u32) {
        self.bind(sid, device, socket);
        let Some(part) = self.part_mut(sid, device) else {
            return;
        };
        // Who comes with the one before has not heard of the newest, however often that was told.
        if number == part.number {
            part.number = part.number.wrapping_add(1);
        }
        let State::Active(active) = &mut part.state else {
            return;
        };
        // The page would take ours for the answer to its `reinvite`.
        if matches!(active.reinvite, Reinvite::Asked { .. }) || active.moving_from.is_some() {
            active.reconnect_due = true;
            return;
        }
        let frame = ToBrowser::Answer {
            call: sid.to_string(),
            sdp: None,
            reconnect: self.token(sid, device),
        };
        self.send(socket, &frame);
    }

    /// `connectToken`: another device takes the call.
    fn moved(&mut self, now: Instant, sid: CallSid, from: DeviceId, socket: SocketId, sdp: String) {
        let most = self.config.limits.description;
        let Some(connection) = self.connections.get(&socket) else {
            return;
        };
        let (sdk, agent) = (connection.sdk, connection.agent.clone());
        let Some(call) = self.calls.get_mut(&sid) else {
            return;
        };
        let busy = call.parts.iter().any(
            |part| matches!(&part.state, State::Active(active) if active.moving_from.is_some()),
        );
        let to = DeviceId(socket.0);
        // The device may ring itself, or may have had the call before.
        let again = call.part(to).is_some();
        if from == to || !usable(&sdp, most) || busy || (!again && call.parts.len() >= MOST_PARTS) {
            let name = sid.to_string();
            self.end_here(socket, &name, code::RECONNECT, "The call cannot be moved");
            return;
        }
        let mut part = Part {
            device: to,
            socket: Some(socket),
            sdk,
            agent,
            state: State::Quiet,
            known_as: sid.to_string(),
            number: 0,
            grace: None,
        };
        if again {
            // Its tokens of before are no longer good.
            part.number = call.part(to).map_or(0, |p| p.number).wrapping_add(2);
            self.silence(sid, to);
        }
        let Some(call) = self.calls.get_mut(&sid) else {
            return;
        };
        call.parts.retain(|part| part.device != to);
        let by = format!("client:{}", call.owner.identity.name());
        let reason = Reason::AnsweredElsewhere { by };
        if let Some(old) = call.part_mut(from)
            && matches!(old.state, State::Active(_))
        {
            self.timers.cancel(&mut old.grace);
            old.state = State::Tombstone(Told::AfterMove, reason.clone());
        }
        // A ringing call is answered by this; who rang is told at once, like any loser.
        call.phase = Phase::Answered(to);
        part.state = State::Active(Active {
            author: Author::of(&sdp),
            moving_from: Some(from),
            ..Active::default()
        });
        call.parts.push(part);
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.calls.insert(sid);
        }
        let losers = self.lose_offered(now, sid, Some(to), &reason);
        self.events.push_back(Event::Moved {
            call: sid,
            from,
            to,
            sdp,
            losers,
        });
    }
}

/// `k=v&…`, each part as `encodeURIComponent` writes it, so that a plus is a plus.
fn parameters(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_in_order() {
        let read = parameters("To=%2B15551234567&x=1%20a+b&flag&=&%FF=%26");
        let read: Vec<(&str, &str)> = read
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            read,
            [
                ("To", "+15551234567"),
                ("x", "1 a+b"),
                ("flag", ""),
                ("", ""),
                ("\u{fffd}", "&"),
            ]
        );
        assert!(parameters("").is_empty());
    }
}
