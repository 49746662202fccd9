//! Everything that takes time, spawned so that the owner never waits: commits, fetches, speech,
//! routes. Each comes back to the owner as a [`Happening`].

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use model::error_code::ErrorCode;
use model::now::Wall;
use model::owed::Owed;
use model::sid::{AccountSid, CallSid};
use store::{Change, IdempotencyToken, Outstanding, Store};
use tokio::sync::{mpsc, oneshot};
use voice::Input;
use voice::effect::{Fetch, Invite, Reply, Sound};
use voice::input::{DocumentKind, FetchFailure, Fetched, LegId, PlaybackId, RequestId};
use webhook::client::{Client, Request, Response};
use webhook::cookie::Jar;
use webhook::egress::EgressPolicy;
use webhook::exchange::Exchange;
use webhook::form::Parameters;

use crate::alerts;
use crate::clock;
use crate::config::Config;
use crate::counters;
use crate::drivers::switch::Happening;
use crate::exchange::{self, LastExchange};
use crate::outbound;
use crate::resolver::Resolver;
use crate::sounds::{LARGEST_FILE, Sounds};
use crate::validation;

/// What the slow work needs. Cheap to clone.
#[derive(Clone)]
pub struct Rim {
    /// The database.
    pub store: Store,
    /// The way to customers' servers.
    pub client: Arc<Client>,
    /// Speech and audio files.
    pub sounds: Sounds,
    /// Settings.
    pub config: Arc<Config>,
    /// The way to the DNS.
    pub resolver: Resolver,
    /// Which addresses customers may make us call.
    pub egress: EgressPolicy,
    /// Where SIP is bound.
    pub local: SocketAddr,
    /// The address that others are told, where no name is set.
    pub told_ip: IpAddr,
    owner: mpsc::Sender<Happening>,
    /// To whoever delivers callbacks.
    owed: mpsc::Sender<Vec<Outstanding>>,
    /// Sound that came in place of a document, until it is played.
    fetched: Arc<Mutex<HashMap<CallSid, FetchedSound>>>,
    /// Questions of the API that wait for the engine's reply.
    questions: Arc<Mutex<HashMap<RequestId, oneshot::Sender<Reply>>>>,
    /// Counts how often it was asked who is trusted.
    asked: Arc<AtomicU64>,
    of_strangers: Arc<alerts::OfStrangers>,
}

/// Sound that came in place of a document.
struct FetchedSound {
    /// Where it came from in the end: what the engine plays then.
    url: String,
    content_type: String,
    body: Bytes,
}

impl Rim {
    /// `owner` gets the results, `owed` the callbacks that are newly owed.
    #[allow(
        clippy::too_many_arguments,
        reason = "the wiring hands over what it has built, once"
    )]
    pub fn new(
        store: Store,
        client: Arc<Client>,
        egress: EgressPolicy,
        sounds: Sounds,
        config: Arc<Config>,
        local: SocketAddr,
        told_ip: IpAddr,
        owner: mpsc::Sender<Happening>,
        owed: mpsc::Sender<Vec<Outstanding>>,
    ) -> Self {
        Self {
            store,
            client,
            resolver: Resolver::of_system(),
            egress,
            sounds,
            config,
            local,
            told_ip,
            owner,
            owed,
            fetched: Arc::default(),
            questions: Arc::default(),
            asked: Arc::default(),
            of_strangers: Arc::default(),
        }
    }

    /// Tells the owner.
    pub async fn tell(&self, happening: Happening) {
        // Closed only when the process ends.
        let _ = self.owner.send(happening).await;
    }

    /// Tells the owner from where trunks send now.
    pub async fn trust(&self) {
        // Taken before the look-up: of two changes at once the higher number has seen both.
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        match self.sources().await {
            Ok(sources) => self.tell(Happening::Trusted(number, sources)).await,
            Err(error) => {
                tracing::error!(%error, "a changed trunk is held to the limit of strangers until the next start");
            }
        }
    }

    /// Writes a change down; reported by its number. Whatever waits goes into one transaction, in
    /// order.
    pub fn commit(&self, number: u64, change: Change) {
        let (owner, deliveries) = (self.owner.clone(), self.owed.clone());
        // Runs on the writer's thread: the owner and the deliveries are woken by it directly.
        self.store.calls().hand_over(change, move |written| {
            match written {
                Ok(owed) if owed.is_empty() => {}
                // What finds no room is found in the outbox.
                Ok(owed) => drop(deliveries.try_send(owed)),
                // The calls go on: a full disk must not cut people off in mid-sentence. What was
                // owed is lost, and said so where the operator looks.
                Err(error) => {
                    tracing::error!(%error, "a change was not written down; make room on the disk");
                }
            }
            let committed = Happening::Committed(number);
            if let Err(mpsc::error::TrySendError::Full(committed)) = owner.try_send(committed)
                && tokio::runtime::Handle::try_current().is_err()
            {
                let _ = owner.blocking_send(committed);
            }
        });
    }

    /// Writes down that reports are owed; they go out in this order.
    pub fn owe(&self, owed: Vec<Owed>) {
        if owed.is_empty() {
            return;
        }
        let token = || IdempotencyToken::from_bytes(rand::random());
        let change = Change {
            owed: owed.into_iter().map(|owed| (owed, token())).collect(),
            ..Change::default()
        };
        let deliveries = self.owed.clone();
        self.store
            .calls()
            .hand_over(change, move |written| match written {
                // What finds no room is found in the outbox.
                Ok(owed) => drop(deliveries.try_send(owed)),
                Err(error) => {
                    tracing::error!(%error, "a report was not written down; make room on the disk");
                }
            });
    }

    /// Tells an account what a stranger brought about, once in a while.
    pub fn alert(&self, account: AccountSid, code: ErrorCode, text: String) {
        let Some(alert) = self.of_strangers.raise(account, code, text) else {
            return;
        };
        let change = Change {
            alerts: vec![alert],
            ..Change::default()
        };
        self.write_down(change, |_| {});
    }

    /// Writes down what the owner does not wait for; `then` is told whether it is on disk.
    pub fn write_down(&self, change: Change, then: impl FnOnce(bool) + Send + 'static) {
        self.store.calls().hand_over(change, |written| {
            if let Err(error) = &written {
                tracing::error!(%error, "an exchange was not written down; make room on the disk");
            }
            then(written.is_ok());
        });
    }

    /// Asks a customer's server for a document.
    pub fn fetch(&self, fetch: Fetch, jar: Jar) {
        let rim = self.clone();
        tokio::spawn(async move {
            let (call, id) = (fetch.call, fetch.fetch);
            let mut jar = jar;
            let (result, last) = match validation::is_ours(&fetch.url) {
                true => (validation::answer(&rim.store, &fetch).await, None),
                false => {
                    let (result, last) = rim.document(fetch, &mut jar).await;
                    (result, Some(Box::new(last)))
                }
            };
            let input = Box::new(Input::Fetched { fetch: id, result });
            rim.tell(Happening::Fetched(call, jar, last, input)).await;
        });
    }

    async fn document(
        &self,
        fetch: Fetch,
        jar: &mut Jar,
    ) -> (Result<Fetched, FetchFailure>, LastExchange) {
        let began = clock::now().wall;
        let asked = fetch.url.clone();
        let request = Request::document(fetch.method, fetch.url, Parameters(fetch.parameters))
            .or_sound(LARGEST_FILE)
            .signed(fetch.account.to_string(), self.token(fetch.account).await)
            .idempotent(token());
        let (result, answered, exchange) = match self.client.fetch(&request, jar).await {
            Ok(mut response) => {
                counters::DOCUMENTS_ANSWERED.count();
                let exchange = std::mem::take(&mut response.exchange);
                let answered = response.url.clone();
                let fetched = self.fetched_document(fetch.call, response);
                (Ok(fetched), answered, exchange)
            }
            Err(failure) => {
                counters::DOCUMENTS_FAILED.count();
                let (code, message) = (failure.code, failure.message);
                let answered = failure.exchange.url.clone();
                (
                    Err(FetchFailure { code, message }),
                    answered,
                    *failure.exchange,
                )
            }
        };
        self.keep(fetch.account, fetch.call, exchange.clone(), began);
        (result, LastExchange::new(asked, answered, exchange))
    }

    /// An answer in the engine's words. Of sound it only learns that it is there.
    fn fetched_document(&self, call: CallSid, mut response: Response) -> Fetched {
        let kind = match response.kind() {
            webhook::document::DocumentKind::Twiml => DocumentKind::Twiml,
            webhook::document::DocumentKind::Audio => DocumentKind::Audio,
            webhook::document::DocumentKind::Text => DocumentKind::Text,
            webhook::document::DocumentKind::Unknown => DocumentKind::Unknown,
        };
        let body = if kind == DocumentKind::Audio {
            // Kept for the playback: asked again, and by GET, the application may have something
            // else to say (contract 4.1).
            let sound = FetchedSound {
                url: response.url.clone(),
                content_type: response.content_type.take().unwrap_or_default(),
                body: std::mem::take(&mut response.body),
            };
            self.fetched().insert(call, sound);
            String::new()
        } else {
            response.text()
        };
        Fetched {
            url: response.url,
            kind,
            body,
        }
    }

    /// Makes speech, or gets audio.
    pub fn prepare(&self, leg: LegId, playback: PlaybackId, loops: u32, sound: Sound) {
        let rim = self.clone();
        tokio::spawn(async move {
            let ready = match sound {
                Sound::Say {
                    text,
                    voice,
                    language,
                } => {
                    rim.sounds
                        .speech(&text, voice.as_deref(), language.as_deref())
                        .await
                }
                Sound::Url { account, call, url } => match rim.take_fetched(call, &url) {
                    Some(sound) => rim.sounds.file(&sound.content_type, sound.body).await,
                    None => {
                        let token = rim.token(account).await;
                        let began = clock::now().wall;
                        let (ready, exchange) = rim
                            .sounds
                            .audio(&rim.client, &url, &account.to_string(), &token)
                            .await;
                        if let Some(exchange) = exchange {
                            rim.keep(account, call, exchange.clone(), began);
                            if ready.is_err() {
                                let last = LastExchange::new(url, exchange.url.clone(), exchange);
                                rim.tell(Happening::Unheard(call, Box::new(last))).await;
                            }
                        }
                        ready
                    }
                },
                // The owner plays these itself.
                Sound::Digits(_) | Sound::Ringback(_) => return,
            };
            rim.tell(Happening::Sound(leg, playback, loops, ready))
                .await;
        });
    }

    /// Drops what was fetched for a call and never played.
    pub fn let_go(&self, call: CallSid) {
        self.fetched().remove(&call);
    }

    /// What came in place of a document, if it is this that is to be played.
    fn take_fetched(&self, call: CallSid, url: &str) -> Option<FetchedSound> {
        let mut fetched = self.fetched();
        match fetched.get(&call) {
            Some(sound) if sound.url == url => fetched.remove(&call),
            _ => None,
        }
    }

    fn fetched(&self) -> std::sync::MutexGuard<'_, HashMap<CallSid, FetchedSound>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for the way to a called party.
    pub fn route(&self, leg: LegId, invite: Invite) {
        let rim = self.clone();
        tokio::spawn(async move {
            let route = outbound::route(&rim, invite).await.map(Box::new);
            rim.tell(Happening::Routed(leg, route)).await;
        });
    }

    /// Looks for the ways to the contacts of a redirection.
    pub fn locate(&self, leg: LegId, branch: sip::BranchId, contacts: Vec<sip::Uri>) {
        let rim = self.clone();
        tokio::spawn(async move {
            let found = outbound::locate(&rim, contacts).await;
            rim.tell(Happening::Located(leg, branch, found)).await;
        });
    }

    /// Asks the engine on behalf of the API.
    pub async fn ask(&self, call: CallSid, change: voice::input::Modify) -> Option<Reply> {
        let request = RequestId(rand::random());
        let (answer, reply) = oneshot::channel();
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(request, answer);
        self.tell(Happening::Engine(Box::new(Input::Modify {
            call,
            request,
            change,
        })))
        .await;
        reply.await.ok()
    }

    /// Hands the engine's reply to who asked.
    pub fn answer(&self, request: RequestId, reply: Reply) {
        let question = self
            .questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&request);
        if let Some(question) = question {
            let _ = question.send(reply);
        }
    }

    /// The token that signs an account's requests; empty for an account that is gone, whose
    /// receivers then refuse what we send.
    pub async fn token(&self, account: AccountSid) -> String {
        match self.store.accounts().find(account).await {
            Ok(Some(account)) => account.auth_token.into_inner(),
            Ok(None) => String::new(),
            Err(error) => {
                tracing::error!(%error, "the account's token cannot be read");
                String::new()
            }
        }
    }

    /// Keeps an exchange for `Calls/{sid}/Events`.
    pub fn keep(&self, account: AccountSid, call: CallSid, exchange: Exchange, began: Wall) {
        // Nothing waits for it: it is written with whatever else is.
        let change = Change {
            events: vec![exchange::event(account, call, exchange, began)],
            ..Change::default()
        };
        self.write_down(change, |_| {});
    }
}

/// A token for one request.
pub fn token() -> String {
    rand::random::<[u8; 16]>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
