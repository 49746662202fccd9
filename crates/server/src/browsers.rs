//! Browser phones at the owner: what their machine tells becomes words for the engine, what the
//! engine wants done becomes words for their machine.
//!
//! The route of a call: `drivers/websocket.rs` brings a frame, `browser::Signalling` reads it, its
//! event comes here; `inbound.rs` finds the application; the engine's commands come back through
//! `effects.rs`. Descriptions are made by `browser::Peer`, one for each device that rings; the peer
//! of the device that answers moves to the media thread (`drivers/webrtc.rs`).

pub mod link;
pub mod messages;
pub mod pass;
pub mod port;
pub mod sounds;
pub mod telemetry;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

use browser::error::code;
use browser::peer::Peer;
use browser::{
    CheckId, DeviceId, Event, Fault, Identity, Invitation, Invited, Owner, Reason, Signalling,
    SocketId, Transmit,
};
use model::application::ToBrowsers;
use model::now::Now;
use model::sid::{ApplicationSid, CallSid};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::mpsc;
use voice::Input;
use voice::effect::Invite;
use voice::input::{Incoming, LegEvent, LegId};

use crate::drivers::switch::{Happening, Node};
use crate::drivers::webrtc::About;
use crate::drivers::websocket::{Arrival, Outgoing};
use crate::inbound;
use crate::legs::Leg;
use crate::media_port::MediaPort;
use crate::outbound::RouteFailure;

/// A browser at the other end of a leg.
#[derive(Debug)]
pub struct BrowserPart {
    /// Its call, which is also what the signalling knows it by, and whose that is.
    pub about: About,
    /// The media of each device that it rings at.
    ringing: HashMap<DeviceId, Peer>,
    /// Our answer to a call from a browser, until it is sent.
    answer: Option<String>,
    /// Whether sound can flow.
    up: bool,
    /// Until when what must come.
    awaited: Option<(Instant, link::Awaited)>,
    /// The leg that it hears, once the media thread was told so.
    hears: Option<LegId>,
    /// It was told that the two hear each other.
    told: bool,
}

/// All browsers.
pub struct Browsers {
    /// Their protocol.
    pub signalling: Signalling,
    sockets: HashMap<SocketId, mpsc::Sender<Outgoing>>,
    legs: HashMap<CallSid, LegId>,
    /// Calls whose application is being looked for.
    arriving: HashSet<CallSid>,
    /// What the browsers of an application are told otherwise than the settings say.
    to_browsers: HashMap<ApplicationSid, ToBrowsers>,
    /// When it is looked whether what is awaited of a leg has come.
    awaited: BTreeSet<(Instant, LegId)>,
    /// Call messages.
    pub messages: messages::Messages,
}

impl Browsers {
    /// Nobody yet.
    pub fn new(signalling: Signalling) -> Self {
        Self {
            signalling,
            sockets: HashMap::new(),
            legs: HashMap::new(),
            arriving: HashSet::new(),
            to_browsers: HashMap::new(),
            awaited: BTreeSet::new(),
            messages: messages::Messages::default(),
        }
    }

    /// What the browsers of an application are told otherwise than the settings say.
    pub fn set_to_browsers(&mut self, application: ApplicationSid, told: ToBrowsers) {
        if told == ToBrowsers::default() {
            self.to_browsers.remove(&application);
        } else {
            self.to_browsers.insert(application, told);
        }
    }

    fn told(&self, application: Option<ApplicationSid>) -> ToBrowsers {
        let told = application.and_then(|sid| self.to_browsers.get(&sid));
        told.copied().unwrap_or_default()
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let awaited = self.awaited.first().map(|(at, _)| *at);
        [awaited, self.signalling.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Sends what the machine wants sent.
    pub fn transmit(&mut self) {
        while let Some(transmit) = self.signalling.poll_transmit() {
            match transmit {
                Transmit::Text { socket, text } => {
                    let sender = self.sockets.get(&socket);
                    if sender.is_some_and(|sender| sender.try_send(Outgoing::Text(text)).is_err()) {
                        // Too slow to be kept: it comes back, and is told again what it must know.
                        self.sockets.remove(&socket);
                    }
                }
                Transmit::Close { socket, code } => {
                    if let Some(sender) = self.sockets.remove(&socket) {
                        let _ = sender.try_send(Outgoing::Close(code));
                    }
                }
            }
        }
    }

    /// Ends a call at the browser.
    pub fn hang_up(&mut self, now: Instant, part: &BrowserPart, reason: &Reason) {
        self.legs.remove(&part.about.call);
        self.signalling.hang_up(now, part.about.call, reason);
    }
}

/// The program of a call from a browser, or why it has none.
#[derive(Debug)]
pub struct Applied {
    /// The call.
    pub invited: Invited,
    /// For the engine; its leg is not bound yet.
    pub incoming: Result<Box<Incoming>, Fault>,
}

impl Node {
    /// Something came from a socket.
    pub fn handle_browser_arrival(&mut self, now: Instant, arrival: Arrival) {
        let Browsers {
            signalling,
            sockets,
            ..
        } = &mut self.browsers;
        match arrival {
            Arrival::Opened(socket, host, sender) => {
                if signalling.handle_opened(now, socket) {
                    signalling.asked_for(socket, &host);
                    sockets.insert(socket, sender);
                } else {
                    // 1013: try again later.
                    let _ = sender.try_send(Outgoing::Close(1013));
                }
            }
            Arrival::Text(socket, text) => signalling.handle_text(now, socket, &text),
            Arrival::Closed(socket) => {
                sockets.remove(&socket);
                signalling.handle_closed(now, socket);
            }
            Arrival::Left(socket) => {
                sockets.remove(&socket);
                signalling.handle_left(now, socket);
            }
        }
    }

    /// Lets time pass.
    pub fn handle_browser_timeout(&mut self, now: Now) {
        self.browsers.signalling.handle_timeout(now.instant);
        self.give_up_browsers(now);
    }

    /// Something happened at a browser.
    pub fn handle_browser(&mut self, now: Now, event: Event) {
        match event {
            Event::TokenToCheck {
                socket,
                check,
                token,
                ..
            } => {
                self.check_token(socket, check, token.into_inner());
            }
            Event::Invited(invited) => self.invited_by_browser(invited),
            Event::Ringing { call, .. } => {
                if let Some(id) = self.leg_of(call) {
                    self.tell(now, id, LegEvent::Ringing { early_media: false });
                }
            }
            Event::Answered {
                call, device, sdp, ..
            } => self.answered_by_browser(now, call, device, &sdp),
            Event::DeviceGone { call, device } => {
                if let Some(part) = self.part_of(call) {
                    part.ringing.remove(&device);
                }
            }
            // A person who declines is busy to the caller, as upstream; 488 is an answer that
            // nobody could use.
            Event::Rejected { call, fault, .. } => {
                let sip_status = if fault.is_some() { 488 } else { 486 };
                self.browser_failed(now, call, sip_status, None);
            }
            Event::Unreachable { call } => self.browser_failed(now, call, 480, None),
            Event::HungUp { call, message, .. } => {
                if let Some(message) = message {
                    tracing::info!(%call, message, "a browser's sound failed");
                }
                self.browsers.arriving.remove(&call);
                if let Some(id) = self.browsers.legs.remove(&call) {
                    self.legs.remove(id);
                    self.tell(now, id, LegEvent::HungUp);
                }
            }
            Event::Dtmf { call, digits } => {
                if let Some(id) = self.leg_of(call) {
                    // `w` is a pause between keys, which the keys themselves do not need.
                    for digit in digits.chars().filter(|digit| *digit != 'w') {
                        self.tell(now, id, LegEvent::Digit(digit));
                    }
                }
            }
            Event::Reinvited { call, sdp, .. } => self.restart(call, sdp),
            Event::Moved { call, sdp, .. } => self.moved(now, call, &sdp),
            Event::Lost { call, .. } => {
                // Its sound decides: while that flows, two people are talking.
                if let Some(id) = self.leg_of(call)
                    && self.part_of(call).is_some_and(|part| !part.up)
                {
                    self.lose(now, id, &Reason::HungUp, "the browser is gone");
                }
            }
            Event::Registered {
                owner,
                devices,
                sdk,
                ..
            } => {
                tracing::info!(identity = owner.identity.name(), devices, %sdk, "browser phone registered")
            }
            Event::Unregistered { owner, devices, .. } => {
                tracing::info!(
                    identity = owner.identity.name(),
                    devices,
                    "browser phone gone"
                )
            }
            Event::AnsweredLate { call, device, told } => {
                tracing::info!(%call, device = device.0, ?told, "answered too late")
            }
            Event::MessageReceived { call, message, .. } => {
                self.message_received(now, call, &message)
            }
            Event::SignallingLost { call, device } => {
                tracing::info!(%call, device = device.0, "a browser's connection dropped; its call goes on")
            }
            Event::SignallingBack { call, device } => {
                tracing::info!(%call, device = device.0, "a browser's connection is back")
            }
            Event::Odd { socket, oddity } => {
                tracing::debug!(
                    socket = socket.0,
                    ?oddity,
                    "a browser's frame was passed over"
                )
            }
        }
    }

    fn check_token(&mut self, socket: SocketId, check: CheckId, token: String) {
        let rim = self.rim.clone();
        tokio::spawn(async move {
            let verdict = pass::check(&rim, &token).await.map(Box::new);
            rim.tell(Happening::TokenChecked(socket, check, verdict))
                .await;
        });
    }

    /// A browser calls: its application is looked for.
    fn invited_by_browser(&mut self, invited: Box<Invited>) {
        self.browsers.arriving.insert(invited.call);
        let rim = self.rim.clone();
        tokio::spawn(async move {
            let incoming = inbound::apply(&rim, &invited).await.map(Box::new);
            let invited = *invited;
            let applied = Box::new(Applied { invited, incoming });
            rim.tell(Happening::Applied(applied)).await;
        });
    }

    /// An ICE restart: the peer is on the media thread, which answers for it.
    fn restart(&mut self, call: CallSid, offer: String) {
        let leg = self.leg_of(call).and_then(|id| self.legs.leg(id));
        let Some(leg) = leg else { return };
        let answered = leg.media.restart(offer);
        let rim = self.rim.clone();
        tokio::spawn(async move {
            if let Some(answer) = answered.await {
                rim.tell(Happening::Restarted(call, answer)).await;
            }
        });
    }

    /// The application of a call from a browser was found, or not.
    pub fn handle_applied(&mut self, now: Now, applied: Applied) {
        let Applied { invited, incoming } = applied;
        // It may have been given up meanwhile.
        if !self.browsers.arriving.remove(&invited.call) {
            return;
        }
        let refuse = |node: &mut Self, fault| {
            let signalling = &mut node.browsers.signalling;
            signalling.hang_up(now.instant, invited.call, &Reason::Fault(fault));
        };
        let mut incoming = match incoming {
            Ok(incoming) => incoming,
            Err(fault) => return refuse(self, fault),
        };
        let told = self.browsers.told(incoming.application);
        if let Some(notices) = told.notices {
            let signalling = &mut self.browsers.signalling;
            signalling.set_notices(invited.call, notices);
        }
        let about = About {
            account: invited.owner.account,
            call: invited.call,
        };
        let mut peer = self.media.peer();
        let mut media = self.media.open_for_browser();
        let answered = peer
            .answer(&invited.sdp)
            .map_err(|error| error.to_string())
            .and_then(|(answer, _)| {
                media
                    .attach(peer, about)
                    .map_err(|error| error.to_string())?;
                Ok(answer)
            });
        let answer = match answered {
            Ok(answer) => answer,
            Err(message) => return refuse(self, Fault::new(code::DESCRIPTION, message)),
        };
        let id = self.legs.incoming_id();
        incoming.leg = id;
        self.insert_browser_leg(id, about, media, HashMap::new(), Some(answer));
        self.switch.handle_input(now, Input::Incoming(incoming));
    }

    /// Rings at every device of an identity.
    pub fn ring_browsers(
        &mut self,
        id: LegId,
        invite: &Invite,
        identity: &str,
    ) -> Result<(), RouteFailure> {
        let owner = Owner {
            account: invite.account,
            identity: Identity::Named(identity.to_owned()),
        };
        let mut ringing: HashMap<_, _> = HashMap::new();
        let mut offers = Vec::new();
        for device in self.browsers.signalling.devices(&owner) {
            let mut peer = self.media.peer();
            offers.push((device, peer.offer()));
            ringing.insert(device, peer);
        }
        if offers.is_empty() {
            return Err(RouteFailure {
                sip_status: 480,
                code: None,
            });
        }
        let mut parameters: Vec<_> = [
            ("CallSid", invite.call.to_string()),
            ("AccountSid", invite.account.to_string()),
            ("ApiVersion", "2010-04-01".to_owned()),
            ("From", invite.from.clone()),
            ("To", format!("client:{identity}")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        // The SDKs make `callerInfo` of it, from 1.12 (`voice-client.md` 2.8).
        if let Some(verified) = &invite.verified {
            parameters.push(("StirStatus".to_owned(), verified.clone()));
        }
        let custom = custom_parameters(&invite.parameters);
        if !custom.is_empty() {
            parameters.push(("Params".to_owned(), custom));
        }
        let media = self.media.open_for_browser();
        let about = About {
            account: invite.account,
            call: invite.call,
        };
        self.insert_browser_leg(id, about, media, ringing, None);
        let told = self.browsers.told(invite.application);
        self.browsers.signalling.invite(Invitation {
            call: invite.call,
            owner,
            parameters,
            members: invite.group.clone(),
            late_answer: told.late_answer,
            notices: told.notices,
            offers,
        });
        Ok(())
    }

    /// Tells a browser that its call rings; what it is to hear already comes with the answer for the
    /// versions that would take it for that.
    pub fn ring_browser(&mut self, id: LegId, early_media: bool) {
        let part = self.legs.leg_mut(id).and_then(|leg| leg.browser.as_mut());
        let Some(part) = part else { return };
        let answer = part.answer.take_if(|_| early_media);
        self.browsers.signalling.ring(part.about.call, answer);
    }

    /// Answers a call from a browser; false when it is gone.
    pub fn answer_browser(&mut self, now: Instant, id: LegId) -> bool {
        let Some(leg) = self.legs.leg_mut(id) else {
            return false;
        };
        leg.answered = true;
        let Some(part) = &mut leg.browser else {
            return false;
        };
        let (call, answer) = (part.about.call, part.answer.take());
        self.wait_for_sound(now, id);
        self.browsers.signalling.answer(call, answer)
    }

    fn answered_by_browser(&mut self, now: Now, call: CallSid, device: DeviceId, sdp: &str) {
        let Some(id) = self.leg_of(call) else { return };
        let Some(leg) = self.legs.leg_mut(id) else {
            return;
        };
        let Some(part) = &mut leg.browser else { return };
        let peer = part.ringing.remove(&device);
        // The others were told; nothing ever flows to them.
        part.ringing.clear();
        let about = part.about;
        let usable = peer.is_some_and(|mut peer| {
            peer.accept(sdp)
                .inspect_err(
                    |error| tracing::warn!(%call, %error, "a browser's answer cannot be used"),
                )
                .is_ok()
                && leg.media.attach(peer, about).is_ok()
        });
        leg.answered = true;
        if !usable {
            let fault = Fault::new(code::DESCRIPTION, "The description cannot be used");
            self.browsers
                .signalling
                .hang_up(now.instant, call, &Reason::Fault(fault));
            return self.browser_failed(now, call, 488, None);
        }
        self.wait_for_sound(now.instant, id);
        self.tell(now, id, LegEvent::Answered);
    }

    /// Another device of the identity takes a call over (`voice-client.md` 2.10).
    fn moved(&mut self, now: Now, call: CallSid, offer: &str) {
        let mut peer = self.media.peer();
        let Some(id) = self.leg_of(call) else { return };
        let Some(leg) = self.legs.leg_mut(id) else {
            return;
        };
        let Some(part) = &mut leg.browser else { return };
        part.ringing.clear();
        part.up = false;
        let about = part.about;
        let answered = peer.answer(offer).ok().map(|(answer, _)| answer);
        let answer = answered.filter(|_| leg.media.attach(peer, about).is_ok());
        let Some(answer) = answer else {
            let fault = Fault::new(code::DESCRIPTION, "The description cannot be used");
            return self.lose(
                now,
                id,
                &Reason::Fault(fault),
                "a browser's offer cannot be used",
            );
        };
        let newly = !std::mem::replace(&mut leg.answered, true);
        self.browsers.signalling.answer(call, Some(answer));
        self.wait_for_sound(now.instant, id);
        if newly {
            self.tell(now, id, LegEvent::Answered);
        }
    }

    fn insert_browser_leg(
        &mut self,
        id: LegId,
        about: About,
        media: MediaPort,
        ringing: HashMap<DeviceId, Peer>,
        answer: Option<String>,
    ) {
        self.browsers.legs.insert(about.call, id);
        let part = BrowserPart {
            about,
            ringing,
            answer,
            up: false,
            awaited: None,
            hears: None,
            told: false,
        };
        let leg = Leg {
            dialog: None,
            dialling: None,
            browser: Some(Box::new(part)),
            signalling: media.address,
            media,
            description: String::new(),
            answered: false,
        };
        self.legs.insert(id, leg);
    }

    fn browser_failed(&mut self, now: Now, call: CallSid, sip_status: u16, code: Option<u32>) {
        if let Some(id) = self.browsers.legs.remove(&call) {
            self.legs.remove(id);
            self.tell(now, id, LegEvent::Failed { sip_status, code });
        }
    }

    /// Ends a leg that died of itself.
    fn lose(&mut self, now: Now, id: LegId, to_page: &Reason, reason: &'static str) {
        if let Some(leg) = self.legs.remove(id)
            && let Some(part) = leg.browser
        {
            self.browsers.hang_up(now.instant, &part, to_page);
            self.tell(now, id, LegEvent::Lost { reason });
        }
    }

    fn leg_of(&self, call: CallSid) -> Option<LegId> {
        self.browsers.legs.get(&call).copied()
    }

    fn part_of(&mut self, call: CallSid) -> Option<&mut BrowserPart> {
        let id = self.leg_of(call)?;
        self.legs.leg_mut(id)?.browser.as_deref_mut()
    }
}

/// The words for the page, as the SDKs read `Params`: names raw, values percent-encoded
/// (`voice-client.md` 2.8).
fn custom_parameters(parameters: &[(String, String)]) -> String {
    let pairs: Vec<_> = parameters
        .iter()
        .filter(|(name, _)| !name.is_empty() && !name.contains(['&', '=']))
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::custom_parameters;

    #[test]
    fn custom_parameters_are_encoded_as_the_sdks_decode_them() {
        let words = |words: &[(&str, &str)]| {
            let words = words
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            custom_parameters(&words.collect::<Vec<_>>())
        };
        assert_eq!(
            words(&[("hat", "red one"), ("x", ""), ("order", "forty two &")]),
            "hat=red%20one&x=&order=forty%20two%20%26"
        );
        assert_eq!(words(&[("a&b", "1"), ("", "2")]), "");
    }
}
