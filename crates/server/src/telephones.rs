//! Telephones at the owner: what the SIP endpoint tells becomes words for the engine, what the engine
//! wants done becomes requests of SIP.
//!
//! The route of a call: `drivers/sip.rs` brings a datagram, `sip::Endpoint` reads it, its event comes
//! here; `inbound.rs` finds the program, `outbound.rs` the way to whom is called. Browser phones are
//! the same in `browsers.rs`.

use std::collections::HashMap;
use std::time::Instant;

use model::now::Now;
use sip::{BranchId, DialogKey, EndReason, HeaderName, Headers, NameAddr, ResponseContext, Step};
use voice::Input;
use voice::input::{LegEvent, LegId, SipResponse};

use crate::drivers::sip::Arrival;
use crate::drivers::switch::{Happening, Node};
use crate::inbound::{self, Verdict};
use crate::legs::{Dialling, Leg, Offered};
use crate::outbound::{Destination, Found, RouteFailure};

/// Why the other places stop ringing (RFC 3326).
pub const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

impl Node {
    /// Something came from a socket of SIP.
    pub fn handle_telephone_arrival(&mut self, now: Instant, arrival: Arrival) {
        match arrival {
            Arrival::Datagram(flow, bytes) => self.sip.handle_datagram(now, flow, &bytes),
            Arrival::Opened(flow, writer) => {
                self.wires.opened(flow, writer);
                self.sip.handle_stream_opened(now, flow);
            }
            Arrival::Bytes(connection, bytes) => {
                if !self.sip.handle_stream_bytes(now, connection, &bytes) {
                    self.wires.closed(connection);
                }
            }
            Arrival::Closed(connection) => {
                self.wires.closed(connection);
                self.sip.handle_stream_closed(now, connection);
            }
            Arrival::Unreachable(remote) => {
                self.wires.unreachable(remote);
                self.sip.handle_unreachable(now, remote);
            }
        }
    }

    /// Something happened at a telephone.
    pub fn handle_telephone(&mut self, now: Now, event: sip::Event) {
        use sip::Event as E;
        match event {
            E::AuthenticationNeeded {
                challenge,
                username,
                facts,
            } => {
                let (rim, pending) = (self.rim.clone(), self.lookups.clone());
                tokio::spawn(async move {
                    let admission = inbound::admit(&rim, username.as_deref(), &facts).await;
                    rim.tell(Happening::Admitted(challenge, admission)).await;
                    drop(pending);
                });
            }
            E::Invited {
                key,
                facts,
                offer,
                user,
            } => {
                let (rim, pending) = (self.rim.clone(), self.lookups.clone());
                tokio::spawn(async move {
                    let verdict = inbound::resolve(&rim, *facts, offer, user).await;
                    rim.tell(Happening::Resolved(key, Box::new(verdict))).await;
                    drop(pending);
                });
            }
            E::Progressed {
                key, status, sdp, ..
            } => self.progressed(now, key, status, sdp),
            E::Answered { key, sdp, headers } => self.answered(now, key, sdp, &headers),
            E::Acknowledged { key, sdp } => {
                // The caller made no offer: ours was in the 200, and here is their answer.
                if let (Some(id), Some(_)) = (self.legs.of_dialog(key), &sdp) {
                    self.accept(id, key, sdp);
                }
            }
            E::Rejected {
                key,
                status,
                headers,
                ..
            } => {
                // Of several devices that refuse, the last is shown.
                if let Some(id) = self.legs.of_dialog(key) {
                    self.tell(now, id, LegEvent::Response(shown(&headers)));
                }
                self.refused(now, key, status, contacts(&headers));
            }
            E::Canceled { key, .. } => self.gone(now, key, LegEvent::HungUp),
            // Of several places one broke the protocol: the others go on.
            E::Ended { key, .. } if self.rings(key) => self.refused(now, key, 500, Vec::new()),
            E::Ended { key, reason } => self.gone(now, key, ended(reason)),
            E::Reoffered { key, offer } => self.reoffered(now.instant, key, offer),
            E::Info {
                key,
                digit: Some(digit),
                ..
            } => {
                if let Some(id) = self.legs.of_dialog(key) {
                    self.tell(now, id, LegEvent::Digit(digit));
                }
            }
            E::Registered {
                aor, contact, new, ..
            } => {
                if new {
                    tracing::info!(%aor, "phone registered");
                }
                let bindings = self.sip.bindings(&aor);
                if let Some(binding) = bindings.iter().find(|one| one.contact == contact) {
                    self.registrations.registered(now, &aor, binding);
                }
            }
            E::Unregistered {
                aor,
                contact,
                expired,
            } => {
                tracing::info!(%aor, expired, "phone gone");
                self.registrations.unregistered(&aor, &contact);
            }
            // Nothing of ours asks for these, or their effect was told by the calls themselves.
            E::Info { .. } | E::ReofferAnswered { .. } | E::ReofferRejected { .. } => {}
            E::StreamUseless { connection } => self.wires.closed(connection),
            E::ReferProgressed { .. } | E::Unreachable { .. } => {}
        }
    }

    /// A place that is called says how far it is.
    fn progressed(&mut self, now: Now, key: DialogKey, status: u16, sdp: Option<String>) {
        let Some(id) = self.legs.of_dialog(key) else {
            return;
        };
        let mut early_media = false;
        if let Some(dialling) = self.dialling(id) {
            dialling.context.progressed(key);
            let alone = dialling.context.alone();
            if let Some(offered) = dialling.offered.get_mut(&key)
                && sdp.is_some()
            {
                offered.early.clone_from(&sdp);
                early_media = alone && self.accept(id, key, sdp);
            }
        }
        if status == 180 || status == 183 {
            self.tell(now, id, LegEvent::Ringing { early_media });
        }
    }

    /// A place that is called answered: the call is its, unless another was faster.
    fn answered(&mut self, now: Now, key: DialogKey, sdp: Option<String>, headers: &Headers) {
        let Some(id) = self.legs.of_dialog(key) else {
            return;
        };
        let Some(dialling) = self.dialling(id) else {
            return;
        };
        if !dialling.context.answered(key) {
            return self.sip.hang_up(now.instant, key);
        }
        self.dial(now, id);
        let agreed = self.accept(id, key, sdp);
        if let Some(leg) = self.legs.leg_mut(id) {
            leg.answered = true;
            leg.dialog = Some(key);
            leg.dialling = None;
        }
        self.tell(now, id, LegEvent::Response(shown(headers)));
        if agreed {
            self.tell(now, id, LegEvent::Answered);
        } else {
            self.sip.hang_up(now.instant, key);
            let unusable = RouteFailure {
                sip_status: 488,
                code: None,
            };
            self.failed(now, id, unusable);
        }
    }

    /// Takes the far end's answer to our offer, or the one that came early; false when it cannot be
    /// used.
    fn accept(&mut self, id: LegId, key: DialogKey, sdp: Option<String>) -> bool {
        let Some(leg) = self.legs.leg_mut(id) else {
            return false;
        };
        let place = leg.dialling.as_ref().and_then(|all| all.offered.get(&key));
        let secure = place.map_or(leg.media.secure(), |place| place.secure);
        if let Some(place) = place {
            leg.signalling = place.signalling;
        }
        let early = place.and_then(|place| place.early.clone());
        let Some(sdp) = sdp.or(early) else {
            return true;
        };
        match leg.media.accept(&sdp, leg.signalling, secure) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(leg = id.0, %error, "the far end's answer cannot be used");
                false
            }
        }
    }

    /// A changed session: hold, resume, a moved address, another codec.
    fn reoffered(&mut self, now: Instant, key: DialogKey, offer: Option<String>) {
        let Some(leg) = self
            .legs
            .of_dialog(key)
            .and_then(|id| self.legs.leg_mut(id))
        else {
            return self.sip.reject_reoffer(now, key, 481);
        };
        let answer = match offer {
            Some(offer) => leg.media.answer(&offer, leg.signalling),
            None => Ok(leg.media.offer_again()),
        };
        match answer {
            Ok(description) => self.sip.answer_reoffer(now, key, description),
            Err(error) => {
                tracing::warn!(%error, "a changed offer was refused");
                self.sip.reject_reoffer(now, key, 488);
            }
        }
    }

    /// A dialog is over, and its leg with it.
    fn gone(&mut self, now: Now, key: DialogKey, event: LegEvent) {
        if let Some(id) = self.legs.of_dialog(key) {
            self.legs.remove(id);
            self.tell(now, id, event);
        }
    }

    /// What becomes of a call that comes in was found.
    pub fn handle_verdict(&mut self, now: Now, dialog: DialogKey, verdict: Verdict) {
        let (mut incoming, offer, signalling, described, secure) = match verdict {
            Verdict::Refuse { status, error } => {
                let headers = error.map(inbound::twilio_error).into_iter().collect();
                return (self.sip).reject_with(now.instant, dialog, status, "", headers);
            }
            Verdict::Take {
                incoming,
                offer,
                signalling,
                described,
                secure,
            } => (incoming, offer, signalling, described, secure),
        };
        let mut media = match self.media.open() {
            Ok(media) => media,
            Err(error) => {
                tracing::error!(%error, "no media port for a call; widen media.ports");
                return self.sip.reject(now.instant, dialog, 503, "");
            }
        };
        media.described = described;
        media.encrypted = secure;
        let description = match offer {
            Some(offer) => match media.answer(&offer, signalling) {
                Ok(description) => description,
                Err(error) => {
                    tracing::warn!(%error, "an offer was refused");
                    return self.sip.reject(now.instant, dialog, 488, "");
                }
            },
            None => media.offer(secure),
        };
        let id = self.legs.incoming_id();
        incoming.leg = id;
        self.legs.insert(
            id,
            Leg {
                dialog: Some(dialog),
                dialling: None,
                browser: None,
                media,
                signalling,
                description,
                answered: false,
            },
        );
        self.switch.handle_input(now, Input::Incoming(incoming));
    }

    /// Places the call of a leg whose route was found.
    pub fn invite(&mut self, now: Now, id: LegId, destination: Box<Destination>) {
        let targets = destination.targets(self.wires.local, &self.sip);
        // The leg may have been hung up while its route was looked for.
        let Some(leg) = self.legs.leg_mut(id) else {
            return;
        };
        match targets {
            Ok(targets) => {
                leg.dialling = Some(Dialling {
                    destination,
                    context: ResponseContext::new(targets),
                    offered: HashMap::new(),
                });
                self.dial(now, id);
            }
            Err(failure) => self.failed(now, id, failure),
        }
    }

    /// Takes the next steps of a leg that is being dialled.
    fn dial(&mut self, now: Now, id: LegId) {
        while let Some(leg) = self.legs.leg_mut(id)
            && let Some(dialling) = &mut leg.dialling
            && let Some(step) = dialling.context.poll()
        {
            match step {
                Step::Invite {
                    branch,
                    uri,
                    way,
                    trusted,
                    spare,
                } => {
                    let secure = dialling.destination.secure(&way);
                    let signalling = match way {
                        sip::Destination::Flow(flow) => flow.remote,
                        sip::Destination::Address {
                            remote, transport, ..
                        } => {
                            if transport == sip::Transport::Tls {
                                self.wires.name(remote.ip(), &uri.host);
                            }
                            remote
                        }
                    };
                    leg.media.described = dialling.destination.described;
                    let offer = leg.media.offer(secure);
                    let invitation = dialling
                        .destination
                        .invitation(uri, way, trusted, spare, offer);
                    let key = self.sip.invite(now.instant, invitation);
                    dialling.context.placed(branch, key);
                    dialling.offered.insert(
                        key,
                        Offered {
                            secure,
                            signalling,
                            early: None,
                        },
                    );
                    self.legs.bind(id, key);
                }
                Step::Locate { branch, contacts } => self.rim.locate(id, branch, contacts),
                Step::Cancel(key) => {
                    dialling.offered.remove(&key);
                    self.legs.unbind(key);
                    self.sip.hang_up_with(now.instant, key, ELSEWHERE);
                }
                Step::Failed(sip_status) => {
                    let code = None;
                    self.failed(now, id, RouteFailure { sip_status, code });
                }
            }
        }
    }

    /// It was looked up where a contact is.
    pub fn located(&mut self, now: Now, id: LegId, branch: BranchId, found: &[Found]) {
        let targets = found
            .iter()
            .flat_map(|found| found.targets(self.wires.local, &self.sip, false))
            .collect();
        if let Some(dialling) = self.dialling(id) {
            dialling.context.located(branch, targets);
            self.dial(now, id);
        }
    }

    fn dialling(&mut self, id: LegId) -> Option<&mut Dialling> {
        self.legs.leg_mut(id)?.dialling.as_mut()
    }

    /// Whether a dialog is one of a leg that is not answered yet.
    fn rings(&mut self, key: DialogKey) -> bool {
        let leg = self.legs.of_dialog(key);
        leg.is_some_and(|id| self.dialling(id).is_some())
    }

    /// One place refused a call.
    fn refused(&mut self, now: Now, key: DialogKey, status: u16, contacts: Vec<sip::Uri>) {
        let Some(id) = self.legs.of_dialog(key) else {
            return;
        };
        self.legs.unbind(key);
        if let Some(dialling) = self.dialling(id) {
            dialling.offered.remove(&key);
            dialling.context.rejected(key, status, contacts);
            self.dial(now, id);
        }
    }

    /// A leg came to nothing.
    pub fn failed(&mut self, now: Now, id: LegId, failure: RouteFailure) {
        if self.legs.remove(id).is_some() {
            let RouteFailure { sip_status, code } = failure;
            self.tell(now, id, LegEvent::Failed { sip_status, code });
        }
    }
}

/// How an established call ended.
fn ended(reason: EndReason) -> LegEvent {
    let reason = match reason {
        EndReason::HungUpThere | EndReason::HungUpHere => return LegEvent::HungUp,
        EndReason::NoAck => "the answer was never acknowledged",
        EndReason::SessionExpired => "the session timer ran out",
        EndReason::Lost => "the far end knows the call no more",
        EndReason::NoPrack => "a reliable response was never acknowledged",
        EndReason::Protocol(_) => "the far end broke the protocol",
    };
    LegEvent::Lost { reason }
}

/// What a customer is shown of a final response: its Call-ID, and its custom headers, the first of
/// them.
fn shown(headers: &Headers) -> SipResponse {
    let custom = headers
        .iter()
        .map(|(name, value)| (name.word(), value))
        .filter(|(name, _)| {
            name.get(..2)
                .is_some_and(|start| start.eq_ignore_ascii_case("x-"))
        })
        .take(32);
    SipResponse {
        call_id: headers
            .value(HeaderName::CallId)
            .unwrap_or_default()
            .to_owned(),
        headers: custom
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

/// The contacts of a 3xx, the one with the highest `q` first (RFC 3261 section 20.10).
fn contacts(headers: &Headers) -> Vec<sip::Uri> {
    let mut all: Vec<(f32, sip::Uri)> = headers
        .list(HeaderName::Contact)
        .into_iter()
        .filter_map(|text| NameAddr::parse(text).ok())
        .map(|contact| {
            let q = contact.params.value("q").and_then(|q| q.parse().ok());
            (q.unwrap_or(1.0), contact.uri)
        })
        .collect();
    all.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    all.into_iter().map(|(_, uri)| uri).collect()
}
