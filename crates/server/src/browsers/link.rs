//! Whether a browser can hear and be heard: its link to the media thread, how long it is waited for,
//! and when two parties hear each other.

use std::time::{Duration, Instant};

use browser::error::code;
use browser::{Fault, Reason};
use media::PortId;
use model::now::Now;
use voice::input::LegId;

use super::Browsers;
use crate::drivers::switch::Node;
use crate::drivers::webrtc::Link;

/// How long a browser's sound may take to arrive: as long as generation 1 tries, which then ends the
/// call itself (`voice-client.md` 4.4).
const SOUND: Duration = Duration::from_secs(15);
/// How long it may be gone before it is given up: as long as the SDKs try to bring it back
/// (`voice-client.md` 3.8).
const GONE: Duration = Duration::from_secs(30);
/// How long the word of a hang-up may come behind the end of its media: an SDK ends both, by two ways
/// to us. As long as a page that was closed is waited for.
const WORD: Duration = Duration::from_secs(3);

/// What a browser is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// Its sound, for the first time or again.
    Sound,
    /// That it hangs up: its media is closed for good.
    Word,
}

impl Browsers {
    /// A leg of which something should have come by now.
    fn due(&mut self, now: Instant) -> Option<LegId> {
        let first = self.awaited.first().copied();
        let (at, id) = first.filter(|(at, _)| *at <= now)?;
        self.awaited.remove(&(at, id));
        Some(id)
    }
}

impl Node {
    /// Gives up the browsers of which nothing came in time.
    pub(super) fn give_up_browsers(&mut self, now: Now) {
        while let Some(id) = self.browsers.due(now.instant) {
            let part = self.legs.leg(id).and_then(|leg| leg.browser.as_deref());
            let awaited = part.and_then(|part| part.awaited);
            match awaited.filter(|(until, _)| *until <= now.instant) {
                Some((_, Awaited::Sound)) => {
                    let message = "No sound arrived; is UDP blocked on the way?";
                    let fault = Reason::Fault(Fault::new(code::MEDIA, message));
                    self.lose(now, id, &fault, "no sound came from the browser");
                }
                Some((_, Awaited::Word)) => {
                    self.lose(now, id, &Reason::HungUp, "the browser closed its media");
                }
                None => {}
            }
        }
    }

    /// Something must come of a browser within that time.
    fn wait_for(&mut self, now: Instant, id: LegId, what: Awaited, patience: Duration) {
        let part = self.legs.leg_mut(id).and_then(|leg| leg.browser.as_mut());
        let Some(part) = part else { return };
        part.awaited = Some((now + patience, what));
        self.browsers.awaited.insert((now + patience, id));
    }

    /// The sound of a call that was answered is on the way, unless it has come already.
    pub(super) fn wait_for_sound(&mut self, now: Instant, id: LegId) {
        let leg = self.legs.leg(id).and_then(|leg| leg.browser.as_ref());
        if leg.is_some_and(|part| !part.up) {
            self.wait_for(now, id, Awaited::Sound, SOUND);
        }
    }

    /// The link between a browser and the media thread changed.
    pub fn handle_link(&mut self, now: Now, port: PortId, link: Link) {
        let Some(id) = self.legs.of_port(port) else {
            return;
        };
        let Some(part) = self.legs.leg_mut(id).and_then(|leg| leg.browser.as_mut()) else {
            return;
        };
        match link {
            Link::Up => {
                part.up = true;
                part.awaited = None;
                self.hear_each_other(id);
            }
            // Sound that has not come yet is waited for as long as before.
            Link::Down if !part.up => {}
            Link::Down => {
                part.up = false;
                self.wait_for(now.instant, id, Awaited::Sound, GONE);
            }
            // It hangs up, and the word is on its way; or the page is gone, or closed its media alone.
            Link::Closed => {
                part.up = false;
                self.wait_for(now.instant, id, Awaited::Word, WORD);
            }
        }
    }

    /// Two legs were joined by the media thread.
    pub fn bridged(&mut self, a: LegId, b: LegId) {
        for (id, other) in [(a, b), (b, a)] {
            if let Some(part) = self.legs.leg_mut(id).and_then(|leg| leg.browser.as_mut()) {
                part.hears = Some(other);
                part.told = false;
            }
        }
        self.hear_each_other(a);
        self.hear_each_other(b);
    }

    /// A leg was taken out of its bridge.
    pub fn parted(&mut self, id: LegId) {
        let Some(part) = self.legs.leg_mut(id).and_then(|leg| leg.browser.as_mut()) else {
            return;
        };
        let other = part.hears.take();
        let other = other.and_then(|id| self.legs.leg_mut(id)?.browser.as_mut());
        if let Some(part) = other {
            part.hears = None;
        }
    }

    /// Tells the browsers of a bridge that the parties hear each other, once they do: what the
    /// original never says (`voice-client.md` 4.5). A telephone can hear from its answer on, a
    /// browser from when its link is up.
    fn hear_each_other(&mut self, id: LegId) {
        let up = |node: &Self, id| {
            let leg = node.legs.leg(id);
            leg.is_some_and(|leg| leg.browser.as_ref().map_or(leg.answered, |part| part.up))
        };
        let own = self.legs.leg(id).and_then(|leg| leg.browser.as_ref());
        let Some(other) = own.and_then(|part| part.hears) else {
            return;
        };
        if !up(self, id) || !up(self, other) {
            return;
        }
        for id in [id, other] {
            let part = self.legs.leg_mut(id).and_then(|leg| leg.browser.as_mut());
            let Some(part) = part.filter(|part| !part.told) else {
                continue;
            };
            part.told = true;
            let call = part.about.call;
            let Some(peer) = self.switch.connected(call) else {
                continue;
            };
            let called = peer.parent == Some(call);
            let with = if called { &peer.to } else { &peer.from };
            let group = self.switch.group(if called { peer.sid } else { call });
            let mut body = serde_json::Map::new();
            body.insert("with".to_owned(), with.as_str().into());
            body.insert("withCallSid".to_owned(), peer.sid.to_string().into());
            body.insert("members".to_owned(), group.into());
            self.browsers.signalling.notice(call, "bridged", &body);
        }
    }
}
