//! The virtual telephones: a simulated public network on a socket of its own.
//!
//! To Switchboard it is a carrier like any other: calls reach it over a trunk as real SIP and real
//! RTP, and come from it the same way. A number that is no telephone of the network is carried
//! back to Switchboard, as a carrier would, so that one of our numbers can call another.
//!
//! One task owns everything, like the call engine's; speech and files come back as [`Word`]s.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::control::phones::{Knobs, Phone, PhoneFault};
use api::live::Answering;
use media::{Command, PlaybackId, RecordDirection, RecordingId, Sound, Source};
use model::phone_number::PhoneNumber;
use sip::header::NameAddr;
use sip::{Admission, DialogKey, Event, Invitation, RequestFacts, Transport, Uri};
use tokio::sync::{mpsc, oneshot};
use twiml::ssml::Spoken;

use crate::drivers::sip::{Arrival, Wires};
use crate::media_port::{MediaPort, MediaRoom};
use crate::sounds::{self, Sounds};

/// Set in the port numbers of the network, to tell its media events from ours.
pub const FAMILY: u64 = 1 << 62;
/// How long a telephone rings before somebody picks it up, unless told otherwise.
const PICK_UP: Duration = Duration::from_millis(500);
/// The longest call whose sound is kept: ten minutes, 10 MB.
const KEPT: Duration = Duration::from_secs(600);
/// What all telephones together keep of what they heard, in samples: 200 MB. Beyond it, who heard
/// something longest ago forgets it.
const MOST_HEARD: usize = 100_000_000;
/// Most telephones.
const MOST: usize = 1000;

/// Everything that can reach the network.
#[derive(Debug)]
pub enum Word {
    /// From its socket.
    Sip(Arrival),
    /// From the media threads.
    Media(media::Event),
    /// What a telephone is to say is ready.
    Spoken(DialogKey, Arc<Sound>),
    /// A question of the API.
    Ask(Question),
    /// The process ends.
    Stop,
}

/// A question of the API.
#[derive(Debug)]
pub enum Question {
    /// All telephones.
    List(oneshot::Sender<Vec<Phone>>),
    /// Sets the knobs of one.
    Set(
        PhoneNumber,
        Box<Knobs>,
        oneshot::Sender<Result<Phone, PhoneFault>>,
    ),
    /// Lets one dial.
    Dial(
        PhoneNumber,
        String,
        oneshot::Sender<Result<String, PhoneFault>>,
    ),
    /// What one heard last.
    Heard(PhoneNumber, oneshot::Sender<Result<Arc<Sound>, PhoneFault>>),
}

/// What a telephone does when its time comes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    PickUp,
    Press(String),
    HangUp,
}

/// One telephone.
#[derive(Debug, Default)]
struct Telephone {
    knobs: Knobs,
    state: &'static str,
}

/// What telephones heard in their last calls, oldest first.
#[derive(Debug, Default)]
struct Heard(VecDeque<(PhoneNumber, Arc<Sound>)>);

impl Heard {
    /// Keeps the newest, and of the others as many as there is room for.
    fn keep(&mut self, number: PhoneNumber, sound: Sound, room: usize) {
        self.0.retain(|(whose, _)| *whose != number);
        self.0.push_back((number, Arc::new(sound)));
        let mut all: usize = (self.0.iter()).map(|(_, sound)| sound.samples.len()).sum();
        while all > room && self.0.len() > 1 {
            if let Some((_, sound)) = self.0.pop_front() {
                all -= sound.samples.len();
            }
        }
    }

    fn of(&self, number: &PhoneNumber) -> Option<Arc<Sound>> {
        let (_, sound) = self.0.iter().find(|(whose, _)| whose == number)?;
        Some(Arc::clone(sound))
    }
}

/// A telephone's call.
#[derive(Debug)]
struct Call {
    number: PhoneNumber,
    media: MediaPort,
    /// The answer to Switchboard's offer; empty when the telephone dialled.
    description: String,
}

/// The network.
pub struct Network {
    sip: sip::Endpoint,
    wires: Wires<Word>,
    media: MediaRoom,
    sounds: Sounds,
    /// Where Switchboard listens.
    switchboard: SocketAddr,
    telephones: BTreeMap<PhoneNumber, Telephone>,
    heard: Heard,
    calls: HashMap<DialogKey, Call>,
    /// Both halves of a call that is carried back to Switchboard.
    carried: HashMap<DialogKey, DialogKey>,
    acts: BinaryHeap<Reverse<(Instant, u64, DialogKey, Act)>>,
    /// Whose call a recording is.
    recordings: HashMap<u64, PhoneNumber>,
    last: u64,
    me: mpsc::Sender<Word>,
}

impl Network {
    /// A network with these telephones, on a socket that is bound already.
    pub fn new(
        wires: Wires<Word>,
        me: mpsc::Sender<Word>,
        media: MediaRoom,
        sounds: Sounds,
        switchboard: SocketAddr,
        numbers: impl IntoIterator<Item = PhoneNumber>,
    ) -> Self {
        let config = sip::Config {
            user_agent: "Virtual telephone".to_owned(),
            session_expires: Duration::ZERO,
            ..sip::Config::default()
        };
        let telephones = numbers
            .into_iter()
            .map(|number| {
                (
                    number,
                    Telephone {
                        state: "idle",
                        ..Telephone::default()
                    },
                )
            })
            .collect();
        let mut sip = sip::Endpoint::new(config, rand::random());
        let home = switchboard.ip();
        sip.trust(move |source| source == home);
        Self {
            sip,
            wires,
            media: media.family(FAMILY),
            sounds,
            switchboard,
            telephones,
            heard: Heard::default(),
            calls: HashMap::new(),
            carried: HashMap::new(),
            acts: BinaryHeap::new(),
            recordings: HashMap::new(),
            last: 0,
            me,
        }
    }

    /// Runs until it is told to stop.
    pub async fn run(mut self, mut words: mpsc::Receiver<Word>) {
        loop {
            let due = [
                self.sip.poll_timeout(),
                self.acts.peek().map(|Reverse((at, ..))| *at),
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
                word = words.recv() => match word {
                    None | Some(Word::Stop) => return,
                    Some(word) => self.handle(word),
                },
                () = sleep => {}
            }
            let now = Instant::now();
            if self.sip.poll_timeout().is_some_and(|at| at <= now) {
                self.sip.handle_timeout(now);
            }
            while self.acts.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
                if let Some(Reverse((_, _, dialog, act))) = self.acts.pop() {
                    self.act(dialog, act);
                }
            }
            while let Some(event) = self.sip.poll_event() {
                self.handle_sip(event);
            }
            while let Some(transmit) = self.sip.poll_transmit() {
                self.wires.send(transmit);
            }
        }
    }

    fn handle(&mut self, word: Word) {
        match word {
            Word::Sip(Arrival::Datagram(flow, bytes)) => {
                self.sip.handle_datagram(Instant::now(), flow, &bytes)
            }
            // The network speaks UDP only.
            Word::Sip(_) | Word::Stop => {}
            Word::Media(media::Event::RecordingEnded {
                recording, sound, ..
            }) => {
                if let Some(number) = self.recordings.remove(&recording.0) {
                    self.heard.keep(number, sound, MOST_HEARD);
                }
            }
            Word::Media(_) => {}
            Word::Spoken(dialog, sound) => self.play(dialog, Source::Pcm(sound)),
            Word::Ask(question) => self.answer(question),
        }
    }

    fn answer(&mut self, question: Question) {
        // Whoever asked may have gone away; then nobody needs the answer.
        match question {
            Question::List(answer) => {
                let _ = answer.send(
                    self.telephones
                        .iter()
                        .map(|(number, telephone)| telephone.shown(number))
                        .collect(),
                );
            }
            Question::Set(number, knobs, answer) => {
                let known = self.telephones.contains_key(&number);
                let _ = answer.send(if known || self.telephones.len() < MOST {
                    let telephone =
                        self.telephones
                            .entry(number.clone())
                            .or_insert_with(|| Telephone {
                                state: "idle",
                                ..Telephone::default()
                            });
                    telephone.knobs = *knobs;
                    Ok(telephone.shown(&number))
                } else {
                    Err(PhoneFault::Refused(format!(
                        "there are {MOST} telephones already"
                    )))
                });
            }
            Question::Dial(number, to, answer) => {
                let _ = answer.send(self.dial(number, &to));
            }
            Question::Heard(number, answer) => {
                let heard = self.heard.of(&number);
                let _ = answer.send(heard.ok_or(PhoneFault::Unknown));
            }
        }
    }

    fn dial(&mut self, number: PhoneNumber, to: &str) -> Result<String, PhoneFault> {
        if !self.telephones.contains_key(&number) {
            return Err(PhoneFault::Unknown);
        }
        let to: PhoneNumber =
            PhoneNumber::lenient(to).map_err(|fault| PhoneFault::Refused(fault.to_string()))?;
        let mut media = self
            .media
            .open()
            .map_err(|error| PhoneFault::Refused(format!("no media port: {error}")))?;
        let offer = media.offer(false);
        let verstat = (self.telephones.get(&number)).and_then(|known| known.knobs.verstat.clone());
        let dialog = self.invite(number.as_str(), to.as_str(), offer, verstat);
        let call_id = self.sip.call_id(dialog).unwrap_or_default().to_owned();
        self.begin(
            dialog,
            Call {
                number,
                media,
                description: String::new(),
            },
        );
        Ok(call_id)
    }

    /// Calls Switchboard.
    fn invite(
        &mut self,
        from: &str,
        to: &str,
        offer: String,
        verstat: Option<String>,
    ) -> DialogKey {
        let host = self.wires.local.ip().to_string();
        let uri = Uri::sip(
            Some(to),
            &self.switchboard.ip().to_string(),
            Some(self.switchboard.port()),
        );
        self.sip.invite(
            Instant::now(),
            Invitation {
                request_uri: uri.clone(),
                to: NameAddr::new(uri),
                from: NameAddr::new(Uri::sip(Some(from), &host, None)),
                destination: sip::invitation::Destination::Address {
                    transport: Transport::Udp,
                    local: self.wires.local,
                    remote: self.switchboard,
                },
                route_set: Vec::new(),
                offer,
                // As carriers pass on what they have verified (3GPP TS 24.229 section 7.2A.20).
                headers: verstat
                    .map(|word| format!("<tel:{from};verstat={word}>"))
                    .map(|party| ("P-Asserted-Identity".to_owned(), party))
                    .into_iter()
                    .collect(),
                credentials: None,
                contact_user: Some(from.to_owned()),
                timeout: Some(Duration::from_secs(180)),
                patience: None,
            },
        )
    }

    fn handle_sip(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            // Only Switchboard may use the network.
            Event::AuthenticationNeeded {
                challenge, facts, ..
            } => {
                let known =
                    facts.flow.remote == self.switchboard && facts.method == sip::Method::Invite;
                let refusal = Admission::Refuse {
                    status: 403,
                    reason: String::new(),
                    headers: Vec::new(),
                };
                self.sip.admit(
                    now,
                    challenge,
                    if known { Admission::Allow } else { refusal },
                );
            }
            Event::Invited {
                key, facts, offer, ..
            } => self.ring(key, &facts, offer.unwrap_or_default()),
            Event::Progressed { key, sdp, .. } => {
                if let Some(&other) = self.carried.get(&key) {
                    self.sip.ring(now, other, sdp);
                }
            }
            Event::Answered { key, sdp, .. } => {
                let sdp = sdp.unwrap_or_default();
                if let Some(&other) = self.carried.get(&key) {
                    self.sip.answer(now, other, sdp);
                } else if let Some(call) = self.calls.get_mut(&key) {
                    if let Err(error) = call.media.accept(&sdp, self.switchboard, false) {
                        tracing::warn!(%error, "a virtual telephone cannot use the answer");
                    }
                    self.talk(key);
                }
            }
            Event::Rejected { key, status, .. } => {
                if let Some(other) = self.part(key) {
                    self.sip.reject(now, other, status, "");
                }
                self.end(key);
            }
            Event::Canceled { key, .. } | Event::Ended { key, .. } => {
                if let Some(other) = self.part(key) {
                    self.sip.hang_up(now, other);
                }
                self.end(key);
            }
            Event::Reoffered { key, offer } => {
                let answer = self.calls.get_mut(&key).and_then(|call| match offer {
                    Some(offer) => call.media.answer(&offer, self.switchboard).ok(),
                    None => Some(call.media.offer(false)),
                });
                match answer {
                    Some(description) => self.sip.answer_reoffer(now, key, description),
                    None => self.sip.reject_reoffer(now, key, 488),
                }
            }
            _ => {}
        }
    }

    /// A call for one of the telephones, or for a number elsewhere.
    fn ring(&mut self, dialog: DialogKey, facts: &RequestFacts, offer: String) {
        let now = Instant::now();
        let called = facts.request_uri.user_name().unwrap_or_default();
        let number = called
            .parse()
            .ok()
            .filter(|number| self.telephones.contains_key(number));
        let Some(number) = number else {
            // Not one of ours: carried back, with the sound going straight between the two ends.
            let from = facts.from.uri.user_name().unwrap_or_default();
            let other = self.invite(&from, &called, offer, None);
            self.carried.insert(dialog, other);
            self.carried.insert(other, dialog);
            return;
        };
        let knobs = &self.telephones[&number].knobs;
        let refusal = if knobs.busy {
            Some(486)
        } else {
            knobs.reject.then_some(603)
        };
        if let Some(status) = refusal {
            return self.sip.reject(now, dialog, status, "");
        }
        let pick_up = (!knobs.no_answer)
            .then(|| knobs.answer_after_ms.map_or(PICK_UP, Duration::from_millis));
        let answered = self
            .media
            .open()
            .map_err(|error| error.to_string())
            .and_then(|mut media| {
                let description = media
                    .answer(&offer, self.switchboard)
                    .map_err(|error| error.to_string())?;
                Ok((media, description))
            });
        match answered {
            Ok((media, description)) => {
                self.begin(
                    dialog,
                    Call {
                        number,
                        media,
                        description,
                    },
                );
                self.sip.ring(now, dialog, None);
                if let Some(after) = pick_up {
                    self.plan(after, dialog, Act::PickUp);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a virtual telephone cannot take a call");
                self.sip.reject(now, dialog, 488, "");
            }
        }
    }

    fn begin(&mut self, dialog: DialogKey, call: Call) {
        if let Some(telephone) = self.telephones.get_mut(&call.number) {
            telephone.state = "ringing";
        }
        self.calls.insert(dialog, call);
    }

    /// The call is up: listen, and do what the knobs say.
    fn talk(&mut self, dialog: DialogKey) {
        let Some(call) = self.calls.get(&dialog) else {
            return;
        };
        let Some(telephone) = self.telephones.get_mut(&call.number) else {
            return;
        };
        telephone.state = "talking";
        let knobs = telephone.knobs.clone();
        self.last += 1;
        self.recordings.insert(self.last, call.number.clone());
        call.media.apply(Command::Record {
            port: call.media.port,
            recording: RecordingId(self.last),
            direction: RecordDirection::Heard,
            max: KEPT,
            silence: None,
        });
        if let Some(text) = knobs.speak {
            let (sounds, me) = (self.sounds.clone(), self.me.clone());
            tokio::spawn(async move {
                if let Ok(sound) = sounds.speech(&[Spoken::Words(text)], None, None).await {
                    let _ = me.send(Word::Spoken(dialog, sound.on(false))).await;
                }
            });
        }
        if let Some(path) = knobs.play {
            let me = self.me.clone();
            tokio::spawn(async move {
                match read_file(path.clone().into()).await {
                    Ok(sound) => {
                        let _ = me.send(Word::Spoken(dialog, Arc::new(sound))).await;
                    }
                    Err(error) => {
                        tracing::warn!(path, error, "a virtual telephone cannot play its file")
                    }
                }
            });
        }
        for press in knobs.digits {
            self.plan(
                Duration::from_millis(press.at_ms),
                dialog,
                Act::Press(press.digits),
            );
        }
        if let Some(after) = knobs.hang_up_after_ms {
            self.plan(Duration::from_millis(after), dialog, Act::HangUp);
        }
    }

    fn plan(&mut self, after: Duration, dialog: DialogKey, act: Act) {
        self.last += 1;
        self.acts
            .push(Reverse((Instant::now() + after, self.last, dialog, act)));
    }

    fn act(&mut self, dialog: DialogKey, act: Act) {
        // Its call may be over by now.
        let Some(call) = self.calls.get_mut(&dialog) else {
            return;
        };
        match act {
            Act::PickUp => {
                let description = std::mem::take(&mut call.description);
                call.media.keep_open();
                self.sip.answer(Instant::now(), dialog, description);
                self.talk(dialog);
            }
            Act::Press(digits) => self.play(dialog, Source::Digits(digits)),
            Act::HangUp => {
                self.sip.hang_up(Instant::now(), dialog);
                self.end(dialog);
            }
        }
    }

    fn play(&mut self, dialog: DialogKey, source: Source) {
        let Some(call) = self.calls.get(&dialog) else {
            return;
        };
        self.last += 1;
        call.media.apply(Command::Play {
            port: call.media.port,
            playback: PlaybackId(self.last),
            source,
            loops: 1,
        });
    }

    fn end(&mut self, dialog: DialogKey) {
        // Dropping the call closes its port, which hands over what it heard.
        if let Some(call) = self.calls.remove(&dialog)
            && let Some(telephone) = self.telephones.get_mut(&call.number)
        {
            telephone.state = "idle";
        }
    }

    /// Parts the halves of a carried call; the other one.
    fn part(&mut self, dialog: DialogKey) -> Option<DialogKey> {
        let other = self.carried.remove(&dialog)?;
        self.carried.remove(&other);
        Some(other)
    }
}

impl Telephone {
    fn shown(&self, number: &PhoneNumber) -> Phone {
        Phone {
            number: number.clone(),
            knobs: self.knobs.clone(),
            state: self.state.to_owned(),
        }
    }
}

async fn read_file(path: PathBuf) -> Result<Sound, String> {
    let bytes = tokio::fs::read(path)
        .await
        .map_err(|error| error.to_string())?;
    // The kinds that `Play` knows.
    let sound = sounds::decode("", &bytes);
    sound.ok_or_else(|| "it holds no sound that we can read".to_owned())
}

/// The network as the API reaches it.
pub struct Handle(pub mpsc::Sender<Word>);

impl Handle {
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (answer, reply) = oneshot::channel();
        self.0.send(Word::Ask(question(answer))).await.ok()?;
        reply.await.ok()
    }
}

/// In production, and while the process ends, there are no telephones.
fn none<T>() -> Result<T, PhoneFault> {
    Err(PhoneFault::Unknown)
}

impl api::control::phones::Phones for Handle {
    fn list(&self) -> Answering<'_, Vec<Phone>> {
        Box::pin(async { self.ask(Question::List).await.unwrap_or_default() })
    }

    fn set(&self, number: PhoneNumber, knobs: Knobs) -> Answering<'_, Result<Phone, PhoneFault>> {
        Box::pin(async move {
            if usize::from(knobs.busy) + usize::from(knobs.reject) + usize::from(knobs.no_answer)
                > 1
            {
                let text = "busy, reject, no_answer: a telephone does one of them; set one";
                return Err(PhoneFault::Refused(text.to_owned()));
            }
            if let Some(path) = &knobs.play {
                // Told now, to who can mend it, and not by silence in the call.
                read_file(path.into()).await.map_err(|error| {
                    let cure = "name a WAV, MP3, AIFF or AU file that the server can read";
                    PhoneFault::Refused(format!("play: {path}: {error}; {cure}"))
                })?;
            }
            self.ask(|answer| Question::Set(number, Box::new(knobs), answer))
                .await
                .unwrap_or_else(none)
        })
    }

    fn dial(&self, number: PhoneNumber, to: String) -> Answering<'_, Result<String, PhoneFault>> {
        Box::pin(async move {
            self.ask(|answer| Question::Dial(number, to, answer))
                .await
                .unwrap_or_else(none)
        })
    }

    fn heard(&self, number: PhoneNumber) -> Answering<'_, Result<Vec<u8>, PhoneFault>> {
        Box::pin(async move {
            let sound = self
                .ask(|answer| Question::Heard(number, answer))
                .await
                .unwrap_or_else(none)?;
            Ok(media::wav::write(&sound, None))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_longest_ago_makes_room() {
        let number = |last: u8| PhoneNumber::lenient(&format!("+1500555012{last}")).unwrap();
        let sound = |length: usize| Sound::new(8000, vec![0; length]);
        let mut heard = Heard::default();
        heard.keep(number(1), sound(40), 100);
        heard.keep(number(2), sound(40), 100);
        // A second call of the first one: that is now the newest.
        heard.keep(number(1), sound(50), 100);
        assert!(heard.of(&number(2)).is_some());
        heard.keep(number(3), sound(40), 100);
        let kept = [1, 2, 3].map(|last| heard.of(&number(last)).map(|sound| sound.samples.len()));
        assert_eq!(kept, [Some(50), None, Some(40)]);
        // The newest is kept whatever its length.
        heard.keep(number(4), sound(200), 100);
        assert_eq!(heard.0.len(), 1);
    }
}
