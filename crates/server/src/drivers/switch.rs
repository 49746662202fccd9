//! The owner of the call engine, of the SIP endpoint and of the legs that bind the two.
//!
//! One task, one queue of [`Happening`]s: an event takes effect when it is taken from the queue
//! (rule 1 of the design), so nothing here is locked. What takes time (the database, customers'
//! servers, speech, look-ups) is spawned, and comes back as another happening.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::PortId;
use model::application::ToBrowsers;
use model::call::CallStatus;
use model::ip_access_control_list::IpNetwork;
use model::now::Now;
use model::sid::{AccountSid, ApplicationSid, CallSid};
use sip::{Admission, BranchId, ChallengeId, DialogKey};
use tokio::sync::mpsc;
use voice::input::{LegEvent, LegId, Modify, PlaybackId, RequestId};
use voice::{Input, Switch};
use webhook::cookie::Jar;

use crate::browsers::port::Asked;
use crate::browsers::{Applied, Browsers};
use crate::clock;
use crate::drivers::sip::{Arrival, Wires};
use crate::drivers::webrtc::Link;
use crate::drivers::websocket;
use crate::effects::Waiting;
use crate::exchange::LastExchange;
use crate::inbound::Verdict;
use crate::legs::Legs;
use crate::media_port::MediaRoom;
use crate::outbound::{Destination, Found, RouteFailure};
use crate::registrations::Registrations;
use crate::rim::Rim;
use crate::sounds::{NoSound, Playable};

/// Happenings that may wait; datagrams beyond are dropped, everything else waits for room.
pub const QUEUE: usize = 16_384;
/// From how many on requests that begin something are refused, so that those of calls find room.
const BEHIND: usize = QUEUE / 4 * 3;
/// Look-ups of who may register or call, and of what answers, that may be under way; beyond, further
/// requests are refused.
const LOOKUPS: usize = 4_096;
/// How long calls may take to end when the process does: their ends are one commit away.
const LEAVE: Duration = Duration::from_secs(1);

/// Everything that can reach the owner.
#[derive(Debug)]
pub enum Happening {
    /// From SIP's sockets.
    Sip(Arrival),
    /// From a browser's socket.
    Browser(websocket::Arrival),
    /// A browser's token was looked at.
    TokenChecked(
        browser::SocketId,
        browser::CheckId,
        Result<Box<browser::Pass>, browser::Fault>,
    ),
    /// The program of a browser's call was looked up.
    Applied(Box<Applied>),
    /// The answer to a browser's ICE restart.
    Restarted(CallSid, String),
    /// The API asks something of browser phones.
    Pages(Asked),
    /// From the media threads.
    Media(media::Event),
    /// From the media threads: the link to a browser changed.
    Link(PortId, Link),
    /// For the engine, from the API or from a finished fetch.
    Engine(Box<Input>),
    /// An account may call again, or no more.
    Activated(AccountSid, bool),
    /// From where trunks send, looked up for the so manieth time.
    Trusted(u64, Vec<IpNetwork>),
    /// What the browsers of an application are told that answer too late.
    ToBrowsers(ApplicationSid, ToBrowsers),
    /// Who may register or call was looked up.
    Admitted(ChallengeId, Admission),
    /// Whose call it is was looked up.
    Resolved(DialogKey, Box<Verdict>),
    /// Where a call goes was looked up.
    Routed(LegId, Result<Box<Destination>, RouteFailure>),
    /// Where the contacts of a redirection are was looked up.
    Located(LegId, BranchId, Vec<Found>),
    /// Speech or audio is ready to be played, or is not to be had.
    Sound(LegId, PlaybackId, u32, Result<Playable, NoSound>),
    /// Everything up to the change with this number is on disk.
    Committed(u64),
    /// A fetch is over; the cookies that its call has now.
    Fetched(CallSid, Jar, Option<Box<LastExchange>>, Box<Input>),
    /// A sound is not to be had, and this is how its server answered; told before that.
    Unheard(CallSid, Box<LastExchange>),
    /// Somebody asks for figures.
    Figures(tokio::sync::oneshot::Sender<Figures>),
    /// The process ends: hang everything up.
    Stop(tokio::sync::oneshot::Sender<()>),
}

/// What the owner can be asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Calls that the engine holds.
    pub calls: usize,
    /// Legs that exist.
    pub legs: usize,
    /// Batches that wait for their commit.
    pub uncommitted: usize,
    /// What SIP keeps.
    pub sip: sip::Tables,
    /// What browser phones keep.
    pub browsers: browser::Tables,
}

/// The owner.
pub struct Node {
    /// The call engine.
    pub switch: Switch,
    /// The SIP endpoint.
    pub sip: sip::Endpoint,
    /// Browser phones.
    pub browsers: Browsers,
    /// SIP's sockets.
    pub wires: Wires<Happening>,
    /// What binds the two vocabularies.
    pub legs: Legs,
    /// Where media ports are opened.
    pub media: MediaRoom,
    /// Everything that takes time.
    pub rim: Rim,
    /// Registrations on disk.
    pub registrations: Registrations,
    /// Effects that wait for the commit that justifies them, oldest first (rule 4).
    pub waiting: Waiting,
    /// The cookies of each call, while none of its fetches is under way.
    pub jars: HashMap<CallSid, Jar>,
    /// What calls asked for last, while it is judged: gone when everything is said about it.
    pub exchanges: HashMap<CallSid, LastExchange>,
    /// Playbacks whose sound is still being made or fetched.
    pub preparing: HashSet<(LegId, PlaybackId)>,
    /// Shared by all look-ups that are under way.
    pub lookups: Arc<()>,
    /// The newest of the look-ups from where trunks send.
    pub trusted: u64,
}

impl Node {
    /// Runs until it is told to stop.
    pub async fn run(mut self, mut queue: mpsc::Receiver<Happening>) {
        let mut batch = Vec::new();
        // Who waits for the end, and until when.
        let mut leaving: Option<(tokio::sync::oneshot::Sender<()>, Instant)> = None;
        loop {
            if let Some((done, _)) =
                leaving.take_if(|(_, until)| self.is_quiet() || *until <= Instant::now())
            {
                self.stop();
                let _ = done.send(());
                return;
            }
            let due = [
                self.switch.poll_timeout().map(|(at, _)| at),
                self.sip.poll_timeout(),
                self.browsers.poll_timeout(),
                leaving.as_ref().map(|(_, until)| *until),
            ]
            .into_iter()
            .flatten()
            .min();
            let sleep = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                count = queue.recv_many(&mut batch, 256) => if count == 0 { return },
                () = sleep => {}
            }
            let lookups = Arc::strong_count(&self.lookups) - 1;
            self.sip.set_busy(queue.len() > BEHIND || lookups > LOOKUPS);
            for happening in batch.drain(..) {
                if let Happening::Stop(done) = happening {
                    self.guarded(|node| node.end_calls(None));
                    leaving = Some((done, Instant::now() + LEAVE));
                    continue;
                }
                self.guarded(|node| {
                    node.handle(happening);
                    node.settle();
                });
            }
            self.guarded(|node| {
                let now = clock::now();
                if node
                    .switch
                    .poll_timeout()
                    .is_some_and(|(at, _)| at <= now.instant)
                {
                    node.switch.handle_timeout(now);
                }
                if node.sip.poll_timeout().is_some_and(|at| at <= now.instant) {
                    node.sip.handle_timeout(now.instant);
                }
                if node
                    .browsers
                    .poll_timeout()
                    .is_some_and(|at| at <= now.instant)
                {
                    node.handle_browser_timeout(now);
                }
                node.settle();
            });
        }
    }

    /// A bug ends one call, never the process: the engine buries the call that it was working on.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(self)));
        if worked.is_err() {
            let call = self.switch.drop_poisoned(clock::now());
            tracing::error!(?call, "a bug ended a call; please report the lines above");
            self.settle();
        }
    }

    /// Carries what the machines want to say to where it belongs, until all are silent.
    fn settle(&mut self) {
        loop {
            while let Some(event) = self.sip.poll_event() {
                self.handle_telephone(clock::now(), event);
            }
            while let Some(event) = self.browsers.signalling.poll_event() {
                self.handle_browser(clock::now(), event);
            }
            let mut effects = Vec::new();
            while let Some(effect) = self.switch.poll_effect() {
                effects.push(effect);
            }
            let silent = effects.is_empty();
            self.carry_out(effects);
            while let Some(transmit) = self.sip.poll_transmit() {
                self.wires.send(transmit);
            }
            self.browsers.transmit();
            if silent {
                return;
            }
        }
    }

    fn handle(&mut self, happening: Happening) {
        let now = clock::now();
        match happening {
            Happening::Sip(arrival) => self.handle_telephone_arrival(now.instant, arrival),
            Happening::Browser(arrival) => self.handle_browser_arrival(now.instant, arrival),
            Happening::TokenChecked(socket, check, verdict) => {
                let verdict = verdict.map(|pass| *pass);
                let signalling = &mut self.browsers.signalling;
                signalling.token_checked(now.instant, socket, check, verdict);
            }
            Happening::Applied(applied) => self.handle_applied(now, *applied),
            Happening::Restarted(call, answer) => {
                self.browsers.signalling.answer_reinvite(call, answer)
            }
            Happening::Pages(asked) => self.handle_pages(now, asked),
            Happening::Media(event) => self.handle_media(now, event),
            Happening::Link(port, link) => self.handle_link(now, port, link),
            Happening::Engine(input) => self.switch.handle_input(now, *input),
            Happening::Activated(account, true) => {
                self.switch.handle_input(now, Input::Activated(account));
                self.browsers.signalling.activate(now.instant, account);
            }
            Happening::Activated(account, false) => {
                self.switch.handle_input(now, Input::Suspended(account));
                self.browsers.signalling.suspend(now.instant, account);
                if self.rim.config.end_calls_of_suspended {
                    self.end_calls(Some(account));
                }
            }
            Happening::Trusted(number, _) if number < self.trusted => {}
            Happening::Trusted(number, networks) => {
                self.trusted = number;
                (self.sip).trust(move |source| networks.iter().any(|one| one.contains(source)));
            }
            Happening::ToBrowsers(application, told) => {
                self.browsers.set_to_browsers(application, told)
            }
            Happening::Admitted(challenge, admission) => {
                self.sip.admit(now.instant, challenge, admission)
            }
            Happening::Resolved(dialog, verdict) => self.handle_verdict(now, dialog, *verdict),
            Happening::Routed(leg, Ok(destination)) => self.invite(now, leg, destination),
            Happening::Routed(leg, Err(failure)) => self.failed(now, leg, failure),
            Happening::Located(leg, branch, found) => self.located(now, leg, branch, &found),
            Happening::Sound(leg, playback, loops, sound) => {
                let failed = sound.is_err();
                self.handle_sound(now, leg, playback, loops, sound);
                if failed {
                    self.settle();
                    self.exchanges.clear();
                }
            }
            Happening::Committed(number) => self.release(number),
            Happening::Unheard(call, last) => {
                // Only a call that lives will say what is wrong with it.
                if self.switch.is_live(call) {
                    self.exchanges.insert(call, *last);
                }
            }
            Happening::Fetched(call, jar, last, input) => {
                self.jars.insert(call, jar);
                self.exchanges.extend(last.map(|last| (call, *last)));
                self.switch.handle_input(now, *input);
                if !self.switch.is_live(call) {
                    self.jars.remove(&call);
                    self.rim.let_go(call);
                }
                self.settle();
                self.exchanges.remove(&call);
            }
            Happening::Figures(answer) => {
                let _ = answer.send(Figures {
                    calls: self.switch.live_calls(),
                    legs: self.legs.len(),
                    uncommitted: self.waiting.len(),
                    sip: self.sip.tables(),
                    browsers: self.browsers.signalling.tables(),
                });
            }
            Happening::Stop(_) => unreachable!("taken by the loop"),
        }
    }

    fn handle_media(&mut self, now: Now, event: media::Event) {
        let leg = |legs: &Legs, port: PortId| legs.of_port(port);
        match event {
            media::Event::PlaybackEnded {
                port,
                playback,
                reason: media::PlaybackEnd::Finished,
            } => {
                if let Some(id) = leg(&self.legs, port) {
                    self.tell(now, id, LegEvent::PlaybackEnded(PlaybackId(playback.0)));
                }
            }
            media::Event::Digit { port, digit, .. } => {
                if let Some(id) = leg(&self.legs, port) {
                    self.tell(now, id, LegEvent::Digit(digit));
                }
            }
            media::Event::Latched { port, address } => {
                tracing::debug!(port = port.0, %address, "media follows its source")
            }
            // Stopped playbacks were stopped by the engine, which has forgotten them.
            media::Event::PlaybackEnded { .. } | media::Event::RecordingEnded { .. } => {}
            // Before the answer nobody has to send anything.
            media::Event::MediaTimeout { port } => {
                let id = leg(&self.legs, port);
                if let Some(id) = id.filter(|id| self.legs.leg(*id).is_some_and(|leg| leg.answered))
                {
                    self.tell(now, id, LegEvent::Silent);
                }
            }
            media::Event::FirstPacket { .. } | media::Event::Bye { .. } => {}
            media::Event::Statistics { .. } => {}
        }
    }

    fn handle_sound(
        &mut self,
        now: Now,
        id: LegId,
        playback: PlaybackId,
        loops: u32,
        sound: Result<Playable, NoSound>,
    ) {
        // Stopped in the meantime, or its leg is gone.
        if !self.preparing.remove(&(id, playback)) {
            return;
        }
        match sound {
            Ok(sound) => {
                let Some(leg) = self.legs.leg(id) else { return };
                let sound = sound.on(leg.media.is_wide());
                self.play(id, playback, loops, media::Source::Pcm(sound));
            }
            Err((code, message)) => self.tell(
                now,
                id,
                LegEvent::PlaybackFailed {
                    playback,
                    code,
                    message,
                },
            ),
        }
    }

    /// Plays what is ready.
    pub fn play(&mut self, id: LegId, playback: PlaybackId, loops: u32, source: media::Source) {
        let Some(leg) = self.legs.leg(id) else { return };
        let playback = media::PlaybackId(playback.0);
        leg.media.apply(media::Command::Play {
            port: leg.media.port,
            playback,
            source,
            loops,
        });
    }

    /// Tells the engine what happened on a leg.
    pub fn tell(&mut self, now: Now, leg: LegId, event: LegEvent) {
        self.switch.handle_input(now, Input::Leg(leg, event));
    }

    /// Ends what has begun, so that its record and its last callback are true. What waits for its
    /// turn stays queued, and is called after the next start. Of one account, or of all.
    fn end_calls(&mut self, of: Option<AccountSid>) {
        let mut begun: Vec<_> = (self.switch.calls())
            .filter(|view| of.is_none_or(|account| view.record.account == account))
            .filter(|view| view.record.status != CallStatus::Queued)
            .map(|view| (view.record.parent.is_some(), view.record.sid))
            .collect();
        // A `Dial` ends its children; the other way round it would go on to its next verb.
        begun.sort_unstable_by_key(|(child, _)| *child);
        for (_, call) in begun {
            let (request, change) = (RequestId(rand::random()), Modify::Complete);
            let input = Input::Modify {
                call,
                request,
                change,
            };
            self.switch.handle_input(clock::now(), input);
            self.settle();
        }
    }

    /// Whether nothing is left to be ended or written down.
    fn is_quiet(&self) -> bool {
        let ended = (self.switch.calls()).all(|view| view.record.status == CallStatus::Queued);
        ended && self.waiting.len() == 0
    }

    fn stop(&mut self) {
        let now = clock::now();
        for dialog in self.legs.dialogs() {
            self.sip.hang_up(now.instant, dialog);
        }
        while let Some(transmit) = self.sip.poll_transmit() {
            self.wires.send(transmit);
        }
        self.browsers.signalling.shut_down(now.instant);
        self.browsers.transmit();
        self.media.stop();
    }
}
