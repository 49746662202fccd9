//! Builds everything, top to bottom: the one place that knows all crates.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::App;
use axum::Router;
use model::account::AccountStatus;
use store::{Location, Store};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use voice::{Input, Policy, Switch};
use webhook::client::Client;
use webhook::egress::EgressPolicy;

use crate::browsers::{self, Browsers};
use crate::config::{Config, Mode};
use crate::drivers::port_pool::PortPool;
use crate::drivers::rtp::{MediaThread, Report};
use crate::drivers::sip::{Bounds, Wires, bind_both, bind_pair};
use crate::drivers::switch::{Happening, Node, QUEUE};
use crate::drivers::webrtc::Bound;
use crate::drivers::{callbacks, http, websocket};
use crate::effects::Waiting;
use crate::facts::Facts;
use crate::health::Pulse;
use crate::legs::Legs;
use crate::live::{self, Live};
use crate::media_port::MediaRoom;
use crate::phones::{self, Handle, Network, Word};
use crate::registrations::Registrations;
use crate::rim::Rim;
use crate::sounds::Sounds;
use crate::speech::flite::Flite;
use crate::{
    adopted, announced, clock, configured, demo, forget, interrupted, open_files, seed, softphone,
    tls,
};

/// A running system.
pub struct Running {
    /// How to reach it.
    pub facts: Facts,
    owner: mpsc::Sender<Happening>,
    network: mpsc::Sender<Word>,
    store: Store,
    writer: JoinHandle<()>,
    serving: Vec<JoinHandle<()>>,
}

/// The longest that the last writes may take: a slow disk's time.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// How long the database may take to be closed in good order. It need not be: what was committed
/// is on the disk.
const CLOSE: Duration = Duration::from_millis(100);

impl Running {
    /// Hangs up, writes down what is left, and ends.
    pub async fn stop(self) {
        self.serving.iter().for_each(JoinHandle::abort);
        let (done, stopped) = oneshot::channel();
        if self.owner.send(Happening::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
        let _ = self.network.send(Word::Stop).await;
        drop(self.owner);
        // Writes are made in the order in which they were handed over: once this one is on the
        // disk, all are.
        match tokio::time::timeout(LAST_WRITES, self.store.check()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the last changes were not written down"),
            Err(_) => tracing::error!("the disk did not take the last changes in time"),
        }
        // The writer ends with the last handle on the store; a request under way to a customer's
        // server holds one for as long as that takes, and is not waited for.
        drop(self.store);
        let _ = tokio::time::timeout(CLOSE, self.writer).await;
    }
}

/// Starts everything. Returns once every socket is open.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    open_files::provide(&config);
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("cannot make the data folder {}", config.data.display()))?;
    if config.mode == Mode::Development {
        leave_no_trace(&config.data);
    }
    let tls = tls::prepare(&config, tls::hosts(&config))?;

    let (store, writer) = Store::open(Location::File(config.data.join("switchboard.db")))
        .await
        .context("cannot open the database")?;
    let writer = tokio::spawn(writer.run());

    let http = listen(config.http, "the API").await?;
    let https = match config.https {
        Some(address) => Some(listen(address, "the API over TLS").await?),
        None => None,
    };
    let api = format!("http://{}", http.local_addr()?);

    let (owner, queue) = mpsc::channel(QUEUE);
    let (udp, tcp) = bind_both(config.sip)
        .with_context(|| format!("cannot listen on {} for SIP over UDP and TCP", config.sip))?;
    let mut wires =
        Wires::of(udp, owner.clone(), Happening::Sip).context("cannot read the socket for SIP")?;
    let local = wires.local;
    wires
        .listen(
            tcp,
            config.sips.map(|address| (address, tls.acceptor.clone())),
            Some(tls.connector),
            Bounds::default(),
        )
        .await
        .context("cannot listen for SIP over TLS")?;
    let local_tls = wires.local_tls;
    let told_ip = announced::address(config.public_host.as_deref(), local.ip()).await;

    let (network, words) = mpsc::channel(QUEUE);
    let (socket, listener) = bind_pair(config.webrtc).with_context(|| {
        format!(
            "cannot listen on {} for the sound of browsers over UDP and TCP",
            config.webrtc
        )
    })?;
    let announced = announced::for_browsers(
        &config.webrtc_announce,
        config.public_host.as_deref(),
        socket.local_addr()?,
    )
    .await?;
    let bound = Bound { socket, listener };
    let threads = media_threads(bound, &owner, &network, &store)?;
    let (first, last) = config.media_ports;
    let identity = browser::peer::Identity::generate()?;
    let pool = PortPool::new(local.ip(), first, last);
    let media = MediaRoom::new(threads, pool, told_ip, identity, announced);

    let config = Arc::new(config);
    let egress = egress(&config)?;
    let settings = webhook::client::Settings {
        verify_certificates: config.mode == Mode::Production,
        ..webhook::client::Settings::new(egress.clone())
    };
    let client = Client::new(settings)?;
    let sounds = Sounds::new(Arc::new(Flite));
    let (owed, told) = mpsc::channel(QUEUE);
    let rim = Rim::new(
        store.clone(),
        Arc::new(client),
        egress,
        sounds.clone(),
        config.clone(),
        local,
        told_ip,
        owner.clone(),
        owed,
    );

    if let Some(address) = config.phones {
        let wires = Wires::bind(address, network.clone(), Word::Sip)
            .await
            .context("cannot bind the virtual telephones")?;
        seed::sow(&store, clock::now().wall, &api, wires.local)
            .await
            .context("cannot seed the development account")?;
        let telephones = Network::new(
            wires,
            network.clone(),
            media.clone(),
            sounds,
            local,
            seed::phones(),
        );
        tokio::spawn(telephones.run(words));
    }

    configured::write_trunks(&store, clock::now().wall, &config.trunks)
        .await
        .context("cannot write the trunks of the configuration down")?;
    let mut endpoint = sip::Endpoint::new(
        sip_config(&config, told_ip, local, local_tls),
        rand::random(),
    );
    let trusted = rim.sources().await?;
    endpoint.trust(move |source| trusted.iter().any(|network| network.contains(source)));
    let registrations = Registrations::restore(&store, clock::now(), local, &mut endpoint)
        .await
        .context("cannot read the registrations")?;
    let policy = Policy {
        calls_per_second: config.calls_per_second,
        calls: config.max_calls,
        ..Policy::default()
    };
    let signals = browser::Config {
        late_answer: config.late_answer,
        notices: config.notices,
        home: config.browser_home.clone(),
        pinned_edge: config.browser_edge.clone(),
        ..browser::Config::default()
    };
    let signalling = browser::Signalling::new(signals, rand::random());
    let mut browsers = Browsers::new(signalling);
    for (application, told) in store.applications().to_browsers().await? {
        browsers.set_to_browsers(application, told);
    }
    let node = Node {
        browsers,
        switch: Switch::new(policy, rand::random()),
        sip: endpoint,
        wires,
        legs: Legs::default(),
        media: media.clone(),
        rim: rim.clone(),
        registrations,
        waiting: Waiting::default(),
        jars: Default::default(),
        exchanges: Default::default(),
        preparing: Default::default(),
        lookups: Default::default(),
        trusted: 0,
    };
    interrupted::end(&store).await?;
    tokio::spawn(node.run(queue));
    resume(&store, &owner).await?;

    let pulse = Pulse::new(owner.clone(), rim.clone(), media.clone());
    let app = App {
        store: store.clone(),
        live: Arc::new(Live(rim.clone())),
        browsers: Arc::new(browsers::port::Pages(rim.clone())),
        phones: Arc::new(Handle(network.clone())),
        health: Arc::new(pulse.clone()),
        settings: Arc::new(api_settings(&config, &api)?),
        clock: Arc::new(clock::now),
        random: Arc::new(|bytes: &mut [u8]| rand::fill(bytes)),
    };
    let page = match config.mode {
        Mode::Development => softphone::router(rim.clone()).merge(adopted::router(store.clone())),
        // What it gives away is nobody's to have.
        Mode::Production => Router::new(),
    };
    let router = demo::router()
        .merge(page)
        .merge(browsers::sounds::router())
        .merge(browsers::telemetry::router(rim.clone()))
        .merge(websocket::router(owner.clone()))
        .merge(api::router(app));
    let api_tls = https
        .as_ref()
        .map(|listener| {
            listener
                .local_addr()
                .map(|address| format!("https://{address}"))
        })
        .transpose()?;
    let mut serving = vec![
        tokio::spawn(http::serve(
            http,
            None,
            router.clone(),
            http::Limits::default(),
        )),
        tokio::spawn(callbacks::run(rim, told)),
        tokio::spawn(pulse.run()),
        tokio::spawn(forget::run(store.clone(), config.keep_days)),
    ];
    if let Some(listener) = https {
        serving.push(tokio::spawn(http::serve(
            listener,
            Some(tls.acceptor),
            router,
            http::Limits::default(),
        )));
    }
    let facts = Facts::new(&config, api, api_tls, tls.key_sha256, local, local_tls);
    Ok(Running {
        facts,
        owner,
        network,
        store,
        writer,
        serving,
    })
}

/// A thread for the sound of each core; the first has the socket of the browsers.
fn media_threads(
    bound: Bound,
    owner: &mpsc::Sender<Happening>,
    network: &mpsc::Sender<Word>,
    store: &Store,
) -> anyhow::Result<Vec<MediaThread>> {
    let mut bound = Some(bound);
    // Sound keeps every core busy before anything else does.
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    (0..cores)
        .map(|_| {
            let (owner, network) = (owner.clone(), network.clone());
            let (store, runtime) = (store.clone(), tokio::runtime::Handle::current());
            // Called on the media thread, which has no runtime. Both queues hold more than a second
            // of the busiest system; a full one means that their owner is stuck, and is waited for.
            MediaThread::start(rand::random(), bound.take(), move |report| {
                let _ = match report {
                    Report::Media(event) if port_of(&event) & phones::FAMILY != 0 => {
                        network.blocking_send(Word::Media(event)).map_err(drop)
                    }
                    Report::Media(event) => {
                        owner.blocking_send(Happening::Media(event)).map_err(drop)
                    }
                    Report::Measured(about, samples) => {
                        runtime.spawn(browsers::telemetry::keep(store.clone(), about, samples));
                        Ok(())
                    }
                    Report::Link(port, link) => owner
                        .blocking_send(Happening::Link(port, link))
                        .map_err(drop),
                };
            })
        })
        .collect::<std::io::Result<Vec<_>>>()
        .context("cannot start the media threads")
}

async fn listen(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address} for {what}"))
}

/// What the API may know of the settings; `api` is where it listens.
fn api_settings(config: &Config, api: &str) -> anyhow::Result<api::Settings> {
    let turn_secret = config.turn_secret_file.as_deref().map(turn_secret);
    Ok(api::Settings {
        max_call_duration: Duration::from_secs(config.max_call_secs),
        // In production nothing may be fetched from this computer.
        demo_url: (config.mode == Mode::Development).then(|| format!("{api}{}", demo::WELCOME)),
        ice_servers: config.ice_servers.clone(),
        turn_secret: turn_secret.transpose()?,
        development: config.mode == Mode::Development,
        public_origin: config.public_url.clone(),
        validate_caller_ids_at_once: !config.verify_caller_ids,
        ..api::Settings::default()
    })
}

fn turn_secret(file: &std::path::Path) -> anyhow::Result<String> {
    let secret = std::fs::read_to_string(file).with_context(|| {
        format!(
            "cannot read the secret of the TURN servers in {}; turn-secret-file names a file that this user can read",
            file.display()
        )
    })?;
    Ok(secret.trim().to_owned())
}

/// Keeps the data folder out of the repository of the project that it stands in: it holds secrets,
/// and `git status` is to stay clean. Without it everything works, too.
fn leave_no_trace(data: &std::path::Path) {
    let file = data.join(".gitignore");
    if !file.exists() {
        let _ = std::fs::write(file, "*\n");
    }
}

fn port_of(event: &media::Event) -> u64 {
    use media::Event as E;
    match event {
        E::PlaybackEnded { port, .. }
        | E::Digit { port, .. }
        | E::RecordingEnded { port, .. }
        | E::Latched { port, .. }
        | E::FirstPacket { port }
        | E::MediaTimeout { port }
        | E::Bye { port }
        | E::Statistics { port, .. } => port.0,
    }
}

/// Which addresses webhooks may reach.
pub fn egress(config: &Config) -> anyhow::Result<EgressPolicy> {
    let mut policy = match config.mode {
        Mode::Development => EgressPolicy::development(),
        Mode::Production => EgressPolicy::public(),
    };
    for network in &config.egress_allow {
        policy.allow.push(network.parse().with_context(|| {
            format!("egress_allow: '{network}' is not a network like 10.0.0.0/8")
        })?);
    }
    Ok(policy)
}

fn sip_config(
    config: &Config,
    told_ip: IpAddr,
    local: SocketAddr,
    local_tls: Option<SocketAddr>,
) -> sip::Config {
    let defaults = sip::Config::default();
    let mut limits = defaults.limits.clone();
    limits.calls = config.max_calls * 2;
    limits.requests_per_second = config.sip_requests_per_second;
    limits.burst = config.sip_requests_at_once;
    // Streams that we open leave from a port that nobody listens on, and a socket bound to every
    // address has none of its own: what we announce is where we listen.
    let announced = |listening: SocketAddr| match &config.public_host {
        Some(host) => Some(format!("{host}:{}", listening.port())),
        None if listening.ip().is_unspecified() => {
            Some(SocketAddr::new(told_ip, listening.port()).to_string())
        }
        None => Some(listening.to_string()),
    };
    sip::Config {
        algorithms: config.sip_digest.clone(),
        advertised: sip::Advertised {
            udp: announced(local),
            tcp: announced(local),
            tls: local_tls.and_then(announced),
        },
        realm: config
            .public_host
            .clone()
            .unwrap_or_else(|| "switchboard".to_owned()),
        limits,
        ..defaults
    }
}

/// Goes on with calls that waited for their turn when the last run ended.
async fn resume(store: &Store, owner: &mpsc::Sender<Happening>) -> anyhow::Result<()> {
    for (account, _) in store.queued_calls().accounts().await? {
        // B10: it may have been suspended while they waited.
        let record = store.accounts().find(account).await?;
        if record.is_none_or(|account| account.status != AccountStatus::Active) {
            let _ = owner.send(Happening::Activated(account, false)).await;
        }
        for queued in store.queued_calls().first(account, u16::MAX).await? {
            match serde_json::from_str::<api::live::Originate>(&queued.payload) {
                Ok(originate) => {
                    let _ = owner
                        .send(Happening::Engine(Box::new(Input::Originate(Box::new(
                            live::of_api(originate),
                        )))))
                        .await;
                }
                Err(error) => {
                    tracing::error!(call = %queued.call, %error, "a waiting call cannot be read and is left alone")
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn customers_reach_this_computer_in_development_only() {
        let permits = |config: &Config, address: &str| {
            egress(config).unwrap().permits(address.parse().unwrap())
        };
        let development = Config::development(PathBuf::new(), crate::config::Ports::USUAL);
        assert!(permits(&development, "127.0.0.1") && permits(&development, "::1"));
        assert!(!permits(&development, "10.0.0.1") && !permits(&development, "169.254.169.254"));
        let mut production = Config::production();
        for inside in ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "fd00::1"] {
            assert!(!permits(&production, inside), "{inside}");
        }
        assert!(permits(&production, "93.184.215.14"));
        production.egress_allow = vec!["10.0.0.0/8".to_owned()];
        assert!(permits(&production, "10.0.0.1") && !permits(&production, "127.0.0.1"));
        production.egress_allow = vec!["nowhere".to_owned()];
        assert!(egress(&production).is_err());
    }

    #[test]
    fn caller_ids_are_verified_by_a_call_in_production() {
        assert!(Config::production().verify_caller_ids);
        let development = Config::development(PathBuf::new(), crate::config::Ports::USUAL);
        assert!(!development.verify_caller_ids);
    }
}
