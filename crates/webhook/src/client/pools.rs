//! Sets of kept connections, one for each kind of connection settings that a URL's fragment can ask for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Settings, resolver::Resolver};
use crate::{failure::Cause, overrides::Overrides};

/// Most differing connection settings for which connections are kept at a time.
const MOST_POOLS: usize = 32;
/// How long an idle connection is used again. Applications close theirs after 5 s (node, Apache,
/// uvicorn) or 2 s (gunicorn), and a request that crosses the close is lost: ours go first.
const IDLE: Duration = Duration::from_millis(1500);

/// All of them.
pub(super) struct Pools {
    settings: Settings,
    resolver: Arc<Resolver>,
    usual: reqwest::Client,
    /// By time to connect, and whether TLS says the name.
    others: Mutex<HashMap<(Duration, bool), reqwest::Client>>,
}

impl Pools {
    pub fn new(settings: &Settings) -> Result<Self, reqwest::Error> {
        let resolver = Arc::new(Resolver {
            policy: settings.egress.clone(),
            hosts: settings.hosts.clone(),
        });
        let usual = Overrides::default();
        let usual = pool(settings, resolver.clone(), usual.connect, usual.sni)?;
        Ok(Self {
            settings: settings.clone(),
            resolver,
            usual,
            others: Mutex::default(),
        })
    }

    /// The connections for these settings.
    pub fn pool(&self, overrides: &Overrides) -> Result<reqwest::Client, Cause> {
        let usual = Overrides::default();
        let key = (overrides.connect, overrides.sni);
        if key == (usual.connect, usual.sni) {
            return Ok(self.usual.clone());
        }
        let pools = || self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pools().get(&key) {
            return Ok(known.clone());
        }
        // Made outside the lock: reading the trust store takes milliseconds.
        let made = pool(&self.settings, self.resolver.clone(), key.0, key.1).map_err(|error| {
            tracing::error!(%error, "no HTTP client for connection overrides");
            Cause::Connection
        })?;
        let mut pools = pools();
        if pools.len() >= MOST_POOLS {
            pools.clear();
        }
        pools.insert(key, made.clone());
        Ok(made)
    }
}

/// A set of connections with these settings.
fn pool(
    settings: &Settings,
    resolver: Arc<Resolver>,
    connect: Duration,
    sni: bool,
) -> Result<reqwest::Client, reqwest::Error> {
    let authorities = settings
        .authorities
        .iter()
        .map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // A proxy named in the environment would resolve names past the egress policy.
        .no_proxy()
        .referer(false)
        .dns_resolver(resolver)
        .connect_timeout(connect)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(64)
        .tls_sni(sni)
        .tls_danger_accept_invalid_certs(!settings.verify_certificates);
    if !authorities.is_empty() {
        builder = builder.tls_certs_merge(authorities);
    }
    builder.build()
}
