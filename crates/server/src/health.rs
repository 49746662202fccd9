//! Whether the node is well, and its figures for Prometheus.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::control::health::Health;
use api::live::Answering;
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::counters;
use crate::drivers::switch::{Figures, Happening};
use crate::media_port::MediaRoom;
use crate::memory::{self, Lull};
use crate::rim::Rim;

/// How long the owner may take to answer before the node counts as stuck.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the owner, and remembers what it said last.
#[derive(Clone)]
pub struct Pulse {
    owner: mpsc::Sender<Happening>,
    last: Arc<Mutex<(Figures, u64)>>,
    rim: Rim,
    media: MediaRoom,
}

impl Pulse {
    /// Figures of this owner.
    pub fn new(owner: mpsc::Sender<Happening>, rim: Rim, media: MediaRoom) -> Self {
        Self {
            owner,
            last: Arc::default(),
            rim,
            media,
        }
    }

    /// Takes the pulse every second, so that `/metrics` never waits.
    pub async fn run(self) {
        let mut lull = Lull::default();
        loop {
            let calls = self.take().await.map_or(0, |figures| figures.calls);
            if calls > 0 {
                // Should this be the last pulse, the calls ended now.
                let alive = self.rim.store.calls().live_at(clock::now().wall).await;
                if let Err(error) = alive {
                    tracing::error!(%error, "the pulse cannot be written down");
                }
            }
            if lull.passes(calls) {
                memory::rest(&self.rim.store, &self.media).await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn take(&self) -> Result<Figures, String> {
        let (answer, reply) = oneshot::channel();
        let asked = async {
            self.owner.send(Happening::Figures(answer)).await.ok()?;
            reply.await.ok()
        };
        let figures = tokio::time::timeout(PATIENCE, asked).await.ok().flatten();
        let figures = figures.ok_or("the call engine does not answer")?;
        let owed = self
            .rim
            .store
            .outbox()
            .count()
            .await
            .map_err(|error| error.to_string())?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (figures, owed);
        Ok(figures)
    }
}

impl Health for Pulse {
    fn ready(&self) -> Answering<'_, Result<(), String>> {
        Box::pin(async { self.take().await.map(|_| ()) })
    }

    fn metrics(&self) -> String {
        let (figures, owed) = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        let sip = figures.sip;
        let browsers = figures.browsers;
        #[rustfmt::skip]
        let rows = [
            ("switchboard_calls", figures.calls, "Calls that live now."),
            ("switchboard_legs", figures.legs, "Legs that exist now."),
            ("switchboard_registrations", sip.registrations, "Addresses of record with a phone."),
            ("switchboard_uncommitted_batches", figures.uncommitted, "Batches of effects that wait for the disk."),
            ("switchboard_owed_callbacks", owed as usize, "Status callbacks not delivered yet."),
            ("switchboard_sip_dialogs", sip.calls, "Calls that SIP keeps."),
            ("switchboard_sip_server_transactions", sip.server_transactions, "Requests of others that SIP remembers."),
            ("switchboard_sip_client_transactions", sip.client_transactions, "Requests of ours that SIP remembers."),
            ("switchboard_sip_timers", sip.timers, "Timers of SIP that run."),
            ("switchboard_sip_connections", sip.connections, "Open connections of SIP."),
            ("switchboard_browser_sockets", browsers.connections, "Open sockets of browser phones."),
            ("switchboard_browser_registrations", browsers.registrations, "Browser phones that can be called."),
            ("switchboard_browser_identities", browsers.identities, "Names that browser phones can be called by."),
            ("switchboard_browser_calls", browsers.calls, "Calls of browser phones that live now."),
            ("switchboard_browser_tombstones", browsers.tombstones, "Calls of browser phones that are over and still known."),
        ];
        for (name, value, help) in rows {
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
            );
        }
        counters::write(&mut text);
        text
    }
}
