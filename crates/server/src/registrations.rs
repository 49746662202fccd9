//! Registrations on disk: a telephone that registered before a restart can be called after it.
//!
//! A refresh changes nothing but the time, and there are many: it is written only when the time on
//! disk is [`LAG`] behind. What is put back lives so much longer than what was written.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use model::binding::Binding;
use model::now::{Now, Wall};
use sip::{Endpoint, Flow, Transport, Uri};
use store::{BindingChange, Error, Store};
use tokio::sync::mpsc;

/// By how much the time on disk may be behind.
const LAG: Duration = Duration::from_secs(600);
/// Changes that may wait for the disk; one beyond is not written, and its telephone is reachable
/// again with its next refresh after a restart.
const QUEUE: usize = 16_384;

/// What is on disk, and the way there.
#[derive(Debug)]
pub struct Registrations {
    /// When each ends as it is written, and where it is, by address of record and contact. Bounded
    /// as the registrar is: one that ends is taken out.
    written: HashMap<(String, String), (Wall, SocketAddr)>,
    changes: mpsc::Sender<BindingChange>,
}

impl Registrations {
    /// Puts back into `endpoint` what is on disk; `local` is our address for UDP.
    pub async fn restore(
        store: &Store,
        now: Now,
        local: SocketAddr,
        endpoint: &mut Endpoint,
    ) -> Result<Self, Error> {
        let mut written = HashMap::new();
        let kept = store
            .bindings()
            .after(Wall(now.wall.0 - LAG.as_micros() as i64))
            .await?;
        for binding in kept {
            let Ok(contact) = Uri::parse(&binding.contact) else {
                continue;
            };
            let left = binding.expires.after(LAG).0 - now.wall.0;
            let left = Duration::from_micros(left.max(0) as u64).min(endpoint.config().max_expires);
            endpoint.restore_binding(
                now.instant,
                &binding.aor,
                sip::Binding {
                    contact,
                    flow: Flow {
                        transport: Transport::Udp,
                        local,
                        remote: binding.remote,
                        connection: None,
                    },
                    expires_at: now.instant + left,
                    call_id: binding.call_id,
                    cseq: binding.cseq,
                    user_agent: binding.user_agent,
                },
            );
            written.insert(
                (binding.aor, binding.contact),
                (binding.expires, binding.remote),
            );
        }
        if !written.is_empty() {
            tracing::info!(contacts = written.len(), "registrations are put back");
        }
        let (changes, queue) = mpsc::channel(QUEUE);
        tokio::spawn(write(store.clone(), queue));
        Ok(Self { written, changes })
    }

    /// A telephone registered, newly, again or from elsewhere.
    pub fn registered(&mut self, now: Now, aor: &str, binding: &sip::Binding) {
        if binding.flow.transport != Transport::Udp {
            return;
        }
        let left = binding.expires_at.saturating_duration_since(now.instant);
        let expires = now.wall.after(left);
        let key = (aor.to_owned(), binding.contact.to_string());
        let remote = binding.flow.remote;
        let current = self.written.get(&key).is_some_and(|(known, from)| {
            *from == remote && *known <= expires && known.after(LAG) >= expires
        });
        if current {
            return;
        }
        let put = BindingChange::Put(Binding {
            aor: key.0.clone(),
            contact: key.1.clone(),
            remote,
            expires,
            call_id: binding.call_id.clone(),
            cseq: binding.cseq,
            user_agent: binding.user_agent.clone(),
        });
        self.written.insert(key, (expires, remote));
        self.send(put);
    }

    /// A contact is gone.
    pub fn unregistered(&mut self, aor: &str, contact: &Uri) {
        let key = (aor.to_owned(), contact.to_string());
        if self.written.remove(&key).is_some() {
            let (aor, contact) = key;
            self.send(BindingChange::Remove { aor, contact });
        }
    }

    fn send(&self, change: BindingChange) {
        if self.changes.try_send(change).is_err() {
            tracing::warn!("a registration is not written down: the disk is too slow");
        }
    }
}

/// Writes what waits, in order, as one change.
async fn write(store: Store, mut queue: mpsc::Receiver<BindingChange>) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, 256).await > 0 {
        if let Err(error) = store.bindings().save(std::mem::take(&mut waiting)).await {
            tracing::error!(%error, "registrations were not written down; make room on the disk");
        }
    }
}
