//! Every browser's media behind one UDP socket, and the streams of those without UDP: whose datagram is this, and whose turn is it?
//!
//! A datagram belongs to the peer whose fragment a STUN request names, or to the peer that has
//! accepted its source address before. What belongs to nobody is dropped unread, so that a stranger
//! who knows the port can neither begin a handshake nor disturb one (`reliability.md` 3).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use crate::hello;
use crate::peer::{Output, Path, Peer, PeerError};

/// One browser's media. The number is chosen by the caller and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// Addresses that one peer may be known by. A browser has a handful of them; the oldest is
/// forgotten, and found again by its next STUN request.
const ADDRESSES: usize = 16;

/// Magic cookie of STUN messages (RFC 8489 section 5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// USERNAME attribute (RFC 8489 section 14.3).
const USERNAME: u16 = 0x0006;

struct Entry {
    peer: Peer,
    fragment: String,
    wait: Option<Instant>,
    addresses: VecDeque<Path>,
}

/// What is to be done, and when to look again.
#[derive(Default)]
struct Agenda {
    waiting: BTreeSet<(Instant, PeerId)>,
    outputs: VecDeque<(PeerId, Output)>,
}

/// All peers of one socket.
#[derive(Default)]
pub struct Peers {
    entries: HashMap<PeerId, Entry>,
    by_fragment: HashMap<String, PeerId>,
    by_address: HashMap<Path, PeerId>,
    agenda: Agenda,
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peers({})", self.entries.len())
    }
}

impl Peers {
    /// Takes over a peer whose descriptions are exchanged.
    pub fn insert(&mut self, now: Instant, id: PeerId, mut peer: Peer) {
        let fragment = peer.fragment();
        self.by_fragment.insert(fragment.clone(), id);
        let mut entry = Entry {
            peer,
            fragment,
            wait: None,
            addresses: VecDeque::new(),
        };
        entry.advance(now, id, &mut self.agenda);
        self.entries.insert(id, entry);
    }

    /// Ends a peer and forgets it; its goodbyes are left to be polled.
    pub fn remove(&mut self, now: Instant, id: PeerId) {
        let Some(mut entry) = self.entries.remove(&id) else {
            return;
        };
        entry.peer.close();
        entry.advance(now, id, &mut self.agenda);
        self.by_fragment.remove(&entry.fragment);
        for address in entry.addresses {
            self.by_address.remove(&address);
        }
        if let Some(at) = entry.wait {
            self.agenda.waiting.remove(&(at, id));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Answers the browser's offer of an ICE restart (`voice-client.md` 3.8).
    pub fn restart(&mut self, now: Instant, id: PeerId, offer: &str) -> Result<String, PeerError> {
        let entry = self.entries.get_mut(&id).ok_or(PeerError::NothingOffered)?;
        let (answer, _) = entry.peer.answer(offer)?;
        let fragment = entry.peer.fragment();
        if fragment != entry.fragment {
            self.by_fragment.remove(&entry.fragment);
            self.by_fragment.insert(fragment.clone(), id);
            entry.fragment = fragment;
        }
        entry.advance(now, id, &mut self.agenda);
        Ok(answer)
    }

    /// Whose a datagram seems to be, before anything is proven.
    pub fn whose(&self, from: impl Into<Path>, bytes: &[u8]) -> Option<PeerId> {
        let from = from.into();
        let named = stun_username(bytes)
            .and_then(|name| name.split(':').next())
            .and_then(|fragment| self.by_fragment.get(fragment));
        named.or_else(|| self.by_address.get(&from)).copied()
    }

    /// Takes a datagram; false when it was nobody's.
    pub fn handle_datagram(&mut self, now: Instant, from: impl Into<Path>, bytes: &[u8]) -> bool {
        let from = from.into();
        if hello::is_hopeless(bytes) {
            return false;
        }
        let Some(id) = self.whose(from, bytes) else {
            return false;
        };
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        // Only what proves to know the password is taken, and only then is its source remembered.
        if !entry.peer.handle_datagram(now, from, bytes) {
            return false;
        }
        if !(is_sound(bytes) && entry.hear(id, &mut self.agenda)) {
            entry.advance(now, id, &mut self.agenda);
        }
        // Nothing but a request can come from where nothing came from before.
        if is_request(bytes) && self.by_address.get(&from) != Some(&id) {
            if entry.addresses.len() == ADDRESSES
                && let Some(oldest) = entry.addresses.pop_front()
            {
                self.by_address.remove(&oldest);
            }
            entry.addresses.push_back(from);
            // The browser closed one call and began the next on the same port.
            if let Some(before) = self.by_address.insert(from, id)
                && let Some(before) = self.entries.get_mut(&before)
            {
                before.addresses.retain(|address| *address != from);
            }
        }
        true
    }

    /// Sends a plain RTP packet to a browser.
    pub fn send(&mut self, now: Instant, id: PeerId, packet: &[u8]) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.peer.send(now, packet);
            // The queue inside hands a packet out when it is told the time.
            entry.peer.handle_timeout(now);
            entry.advance(now, id, &mut self.agenda);
        }
    }

    /// When [`Peers::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.agenda.waiting.first().map(|(at, _)| *at)
    }

    /// Lets time pass for those whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Each once: a peer that asks for the same moment again waits for the next turn.
        for _ in 0..self.entries.len() {
            let Some(&(at, id)) = self.agenda.waiting.first() else {
                return;
            };
            if at > now {
                return;
            }
            let Some(entry) = self.entries.get_mut(&id) else {
                self.agenda.waiting.pop_first();
                continue;
            };
            entry.peer.handle_timeout(now);
            entry.advance(now, id, &mut self.agenda);
        }
    }

    /// What is to be done next, and for whom. Never [`Output::Wait`].
    pub fn poll_output(&mut self) -> Option<(PeerId, Output)> {
        self.agenda.outputs.pop_front()
    }
}

impl Entry {
    /// Takes a packet that has come, and leaves to the next turn what else there may be: reports, which
    /// have time until then. False if there is no packet and no next turn that is known of.
    fn hear(&mut self, id: PeerId, agenda: &mut Agenda) -> bool {
        while self.wait.is_some() {
            match self.peer.poll_output() {
                None | Some(Output::Wait(_)) => return false,
                Some(output) => {
                    let heard = matches!(output, Output::Packet(_));
                    agenda.outputs.push_back((id, output));
                    if heard {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Takes the peer's outputs and notes when it wants to be woken.
    fn advance(&mut self, now: Instant, id: PeerId, agenda: &mut Agenda) {
        let mut wait = None;
        while let Some(output) = self.peer.poll_output() {
            if let Output::Wait(at) = output {
                // Never in the past, which would be asked for over and over again.
                wait = Some(at.max(now));
                break;
            }
            agenda.outputs.push_back((id, output));
        }
        // Most packets change nothing about it.
        if wait != self.wait {
            if let Some(before) = self.wait {
                agenda.waiting.remove(&(before, id));
            }
            if let Some(at) = wait {
                agenda.waiting.insert((at, id));
            }
            self.wait = wait;
        }
    }
}

/// Whether it is a STUN binding request (RFC 8489 section 5).
fn is_request(bytes: &[u8]) -> bool {
    bytes.len() >= 20 && bytes[..2] == [0, 1] && bytes[4..8] == COOKIE
}

/// Whether it is SRTP, and not SRTCP (RFC 7983 section 7, RFC 5761 section 4).
fn is_sound(bytes: &[u8]) -> bool {
    matches!(bytes, [128..=191, kind, ..] if !(192..=223).contains(kind))
}

/// The user name of a STUN binding request (RFC 8489 section 5); `None` for anything else.
fn stun_username(bytes: &[u8]) -> Option<&str> {
    if !is_request(bytes) {
        return None;
    }
    let mut rest = &bytes[20..];
    while let [kind_high, kind_low, length_high, length_low, value @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        let text = value.get(..length)?;
        if u16::from_be_bytes([*kind_high, *kind_low]) == USERNAME {
            return std::str::from_utf8(text).ok();
        }
        rest = value.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::stun_username;

    fn request(attributes: &[u8]) -> Vec<u8> {
        [
            &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..],
            &[0; 12],
            attributes,
        ]
        .concat()
    }

    #[test]
    fn the_user_name_is_found_behind_other_attributes() {
        let request = request(&[
            0x80, 0x22, 0, 3, b'a', b'b', b'c', 0, // SOFTWARE, padded
            0, 6, 0, 5, b'u', b's', b':', b'm', b'e', 0, 0, 0,
        ]);
        assert_eq!(stun_username(&request), Some("us:me"));
    }

    #[test]
    fn noise_has_no_user_name() {
        for noise in [
            &[][..],
            &[0; 20],
            &request(&[0, 6, 0xff, 0xff, 1]),
            &request(&[0, 6, 0, 1, 0xff]),
            &request(&[0, 6]),
        ] {
            assert_eq!(stun_username(noise), None);
        }
    }
}
