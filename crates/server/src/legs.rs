//! Leg id to signalling and media: the one binding table.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;

use media::PortId;
use sip::{DialogKey, ResponseContext};
use voice::input::LegId;

use crate::browsers::BrowserPart;
use crate::media_port::MediaPort;
use crate::outbound::Destination;

/// One leg as the shell knows it. Dropping it closes its media port.
#[derive(Debug)]
pub struct Leg {
    /// Its SIP dialog; `None` for one that we dial until it is answered.
    pub dialog: Option<DialogKey>,
    /// Where it is being dialled; `None` for one that comes in, and while a route is looked for.
    pub dialling: Option<Dialling>,
    /// The browser at its other end, if one is there.
    pub browser: Option<Box<BrowserPart>>,
    /// Its media.
    pub media: MediaPort,
    /// Where its signalling comes from.
    pub signalling: SocketAddr,
    /// The answer to the caller's offer, sent with 200; empty for legs that we dial.
    pub description: String,
    /// Whether 200 was sent or received.
    pub answered: bool,
}

impl Leg {
    /// Its dialogs: one, or one for each place where it rings.
    pub fn dialogs(&self) -> Vec<DialogKey> {
        let ringing = self.dialling.iter().flat_map(|all| all.context.dialogs());
        self.dialog.into_iter().chain(ringing).collect()
    }
}

/// A leg that rings in one place or in several.
#[derive(Debug)]
pub struct Dialling {
    /// Whom is called, and how.
    pub destination: Box<Destination>,
    /// Where it rings, and what comes next.
    pub context: ResponseContext,
    /// What each place was offered.
    pub offered: HashMap<DialogKey, Offered>,
}

/// What one place was offered.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Whether sound must be encrypted.
    pub secure: bool,
    /// Where its signalling comes from.
    pub signalling: SocketAddr,
    /// Its answer, when that came with a 1xx; the 200 need not repeat it (RFC 3262 section 5).
    pub early: Option<String>,
}

/// Gives back the room that a table took in busier times; the work is spread over the removals.
fn slim<K: Eq + Hash, V>(table: &mut HashMap<K, V>) {
    if table.capacity() > 1024 && table.len() < table.capacity() / 8 {
        table.shrink_to(table.len() * 2);
    }
}

/// Every leg of this node.
#[derive(Debug, Default)]
pub struct Legs {
    legs: HashMap<LegId, Leg>,
    by_dialog: HashMap<DialogKey, LegId>,
    by_port: HashMap<PortId, LegId>,
    last: u64,
}

impl Legs {
    /// A fresh id for a leg that comes in; the engine numbers those that it dials.
    pub fn incoming_id(&mut self) -> LegId {
        self.last += 1;
        LegId(self.last)
    }

    /// Binds a leg.
    pub fn insert(&mut self, id: LegId, leg: Leg) {
        if let Some(dialog) = leg.dialog {
            self.by_dialog.insert(dialog, id);
        }
        self.by_port.insert(leg.media.port, id);
        self.legs.insert(id, leg);
    }

    /// A dialog was begun for a leg.
    pub fn bind(&mut self, id: LegId, dialog: DialogKey) {
        self.by_dialog.insert(dialog, id);
    }

    /// A dialog of a leg is over, and the leg goes on.
    pub fn unbind(&mut self, dialog: DialogKey) {
        self.by_dialog.remove(&dialog);
    }

    /// Forgets a leg.
    pub fn remove(&mut self, id: LegId) -> Option<Leg> {
        let leg = self.legs.remove(&id)?;
        for dialog in leg.dialogs() {
            self.by_dialog.remove(&dialog);
        }
        self.by_port.remove(&leg.media.port);
        slim(&mut self.legs);
        slim(&mut self.by_dialog);
        slim(&mut self.by_port);
        Some(leg)
    }

    /// A leg by its id.
    pub fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.get(&id)
    }

    /// A leg to be changed.
    pub fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.get_mut(&id)
    }

    /// The leg of a dialog.
    pub fn of_dialog(&self, dialog: DialogKey) -> Option<LegId> {
        self.by_dialog.get(&dialog).copied()
    }

    /// The leg of a media port.
    pub fn of_port(&self, port: PortId) -> Option<LegId> {
        self.by_port.get(&port).copied()
    }

    /// Every dialog, to end them all.
    pub fn dialogs(&self) -> Vec<DialogKey> {
        self.by_dialog.keys().copied().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.legs.len()
    }
}
