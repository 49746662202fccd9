//! Names to the addresses that may be called; the connection goes to just these, so that a name cannot
//! mean another address the second time it is looked up.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::egress::EgressPolicy;

/// Looks names up.
pub(super) struct Resolver {
    pub policy: EgressPolicy,
    /// Names that are not asked of the system's resolver.
    pub hosts: HashMap<String, Vec<IpAddr>>,
}

/// All addresses of a name are forbidden.
#[derive(Debug, thiserror::Error)]
#[error("the host's address may not be called")]
pub(super) struct Forbidden;

/// A name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the host has no address")]
pub(super) struct NoHost;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let known = self.hosts.get(&name.as_str().to_ascii_lowercase()).cloned();
        let policy = self.policy.clone();
        Box::pin(async move {
            let all: Vec<IpAddr> = match known {
                Some(known) => known,
                None => tokio::net::lookup_host((name.as_str(), 0))
                    .await
                    .map_err(|_| NoHost)?
                    .map(|address| address.ip())
                    .collect(),
            };
            if all.is_empty() {
                return Err(NoHost.into());
            }
            let permitted: Vec<SocketAddr> = all
                .into_iter()
                .filter(|address| policy.permits(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if permitted.is_empty() {
                return Err(Forbidden.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}
