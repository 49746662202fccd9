//! Who can be called where: identity to registered sockets.

use crate::event::{Owner, SocketId};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Registry {
    /// In the order of their registration.
    devices: BTreeMap<Owner, Vec<SocketId>>,
}

impl Registry {
    /// Adds a device. When there are more than `most`, the oldest is taken out and given back:
    /// who reloads a page ten times must not be locked out by his own ghosts.
    pub fn add(&mut self, owner: &Owner, socket: SocketId, most: usize) -> Option<SocketId> {
        let devices = self.devices.entry(owner.clone()).or_default();
        if devices.contains(&socket) {
            return None;
        }
        devices.push(socket);
        (devices.len() > most.max(1)).then(|| devices.remove(0))
    }

    /// Whether it was there.
    pub fn remove(&mut self, owner: &Owner, socket: SocketId) -> bool {
        let Some(devices) = self.devices.get_mut(owner) else {
            return false;
        };
        let before = devices.len();
        devices.retain(|device| *device != socket);
        let there = devices.len() < before;
        if devices.is_empty() {
            self.devices.remove(owner);
        }
        there
    }

    pub fn devices(&self, owner: &Owner) -> &[SocketId] {
        self.devices.get(owner).map_or(&[], Vec::as_slice)
    }

    pub fn all(&self) -> impl Iterator<Item = (&Owner, &Vec<SocketId>)> {
        self.devices.iter()
    }

    pub fn identities(&self) -> usize {
        self.devices.len()
    }

    pub fn registrations(&self) -> usize {
        self.devices.values().map(Vec::len).sum()
    }
}
