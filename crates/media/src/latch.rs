//! From whom packets are taken (reliability V10): the described address first; else one other
//! address learnt once, within a window, then kept until the next negotiation.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::command::Latching;

/// Packets in unbroken order a stranger must have sent before it is believed.
const BELIEVED_AFTER: u32 = 4;
/// Time they must span, so that a burst of sprayed packets does not suffice.
const BELIEVED_SPAN: Duration = Duration::from_millis(60);

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is from the peer.
    Accept,
    /// It is from the peer, who is now known to be at this address.
    Latched,
    /// It is not, or not yet, believed.
    Refuse,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    address: SocketAddr,
    ssrc: u32,
    next: u16,
    count: u32,
    since: Instant,
    last: Instant,
}

/// The latch of one port.
#[derive(Debug, Clone)]
pub struct Latch {
    described: Option<SocketAddr>,
    /// Learnt before a renegotiation that did not change the description.
    previous: Option<SocketAddr>,
    policy: Latching,
    opened: Instant,
    current: Option<SocketAddr>,
    candidate: Option<Candidate>,
}

impl Latch {
    /// A latch for a description, which replaces `before`.
    pub fn new(
        now: Instant,
        described: Option<SocketAddr>,
        policy: Latching,
        before: Option<&Latch>,
    ) -> Latch {
        // An unspecified address (0.0.0.0) or port 0 describes nobody.
        let described =
            described.filter(|address| !address.ip().is_unspecified() && address.port() != 0);
        let previous = before
            .filter(|before| before.described == described)
            .and_then(|before| before.current);
        Latch {
            described,
            previous,
            policy,
            opened: now,
            current: None,
            candidate: None,
        }
    }

    /// Where to send: the address latched to, else the described one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.current.or(self.previous).or(self.described)
    }

    /// The address latched to.
    #[cfg(test)]
    pub fn current(&self) -> Option<SocketAddr> {
        self.current
    }

    /// Judges an RTP packet. `authentic` is true if its SRTP tag proved the sender has the key.
    pub fn judge(
        &mut self,
        now: Instant,
        from: SocketAddr,
        ssrc: u32,
        sequence: u16,
        authentic: bool,
    ) -> Verdict {
        if self.current == Some(from) {
            return Verdict::Accept;
        }
        let learning = match self.policy {
            Latching::DescriptionOnly => None,
            Latching::Learn { window, expected } => {
                (now.saturating_duration_since(self.opened) < window).then_some(expected)
            }
        };
        let described = self.described == Some(from);
        if let Some(current) = self.current {
            // Only the described address may take over, and only from a stranger in the window.
            if !described || self.described == Some(current) || learning.is_none() {
                return Verdict::Refuse;
            }
        }
        if described || (self.current.is_none() && self.previous == Some(from)) {
            return self.latch(from);
        }
        let Some(expected) = learning.filter(|_| self.current.is_none()) else {
            return Verdict::Refuse;
        };
        if authentic {
            return self.latch(from);
        }
        if !self.is_plausible(from.ip(), expected) {
            return Verdict::Refuse;
        }
        match &mut self.candidate {
            Some(known) if known.address == from && known.ssrc == ssrc => {
                known.count = if known.next == sequence {
                    known.count + 1
                } else {
                    1
                };
                if known.count == 1 {
                    known.since = now;
                }
                known.next = sequence.wrapping_add(1);
                known.last = now;
                if known.count >= BELIEVED_AFTER
                    && now.saturating_duration_since(known.since) >= BELIEVED_SPAN
                {
                    return self.latch(from);
                }
            }
            // One candidate at a time; another only once this one has fallen silent.
            Some(known)
                if now.saturating_duration_since(known.last) < Duration::from_millis(100) => {}
            slot => {
                *slot = Some(Candidate {
                    address: from,
                    ssrc,
                    next: sequence.wrapping_add(1),
                    count: 1,
                    since: now,
                    last: now,
                });
            }
        }
        Verdict::Refuse
    }

    /// With the signalling peer's address known, nobody else's is learnt.
    fn is_plausible(&self, from: IpAddr, expected: Option<IpAddr>) -> bool {
        expected.is_none_or(|expected| expected == from)
            || self
                .described
                .is_some_and(|described| described.ip() == from)
    }

    fn latch(&mut self, address: SocketAddr) -> Verdict {
        self.current = Some(address);
        self.candidate = None;
        Verdict::Latched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn learn(expected: Option<&str>) -> Latching {
        Latching::Learn {
            window: Duration::from_secs(3),
            expected: expected.map(|e| e.parse().unwrap()),
        }
    }

    #[test]
    fn the_described_address_locks_at_once() {
        let start = Instant::now();
        let mut latch = Latch::new(start, Some(address("192.0.2.1:4000")), learn(None), None);
        assert_eq!(
            latch.judge(start, address("192.0.2.1:4000"), 1, 1, false),
            Verdict::Latched
        );
        for i in 0..500 {
            assert_eq!(
                latch.judge(
                    at(start, i * 20),
                    address("198.51.100.1:4000"),
                    9,
                    i as u16,
                    false
                ),
                Verdict::Refuse
            );
        }
        assert_eq!(latch.address(), Some(address("192.0.2.1:4000")));
    }

    #[test]
    fn a_peer_behind_nat_is_learnt_once_and_only_in_the_window() {
        let start = Instant::now();
        let peer = address("198.51.100.1:40000");
        let mut latch = Latch::new(start, Some(address("10.0.0.1:4000")), learn(None), None);
        let verdicts: Vec<Verdict> = (0..6)
            .map(|i| latch.judge(at(start, i * 20), peer, 7, i as u16, false))
            .collect();
        use Verdict::{Accept, Latched, Refuse};
        assert_eq!(verdicts, [Refuse, Refuse, Refuse, Latched, Accept, Accept]);
        for i in 0..500 {
            assert_eq!(
                latch.judge(
                    at(start, i * 20),
                    address("203.0.113.9:5"),
                    9,
                    i as u16,
                    false
                ),
                Refuse
            );
        }
        // After the window not even the described address takes over.
        assert_eq!(
            latch.judge(at(start, 5000), address("10.0.0.1:4000"), 7, 9, false),
            Refuse
        );

        let mut late = Latch::new(start, Some(address("10.0.0.1:4000")), learn(None), None);
        for i in 0..100 {
            assert_eq!(
                late.judge(at(start, 3000 + i * 20), peer, 7, i as u16, false),
                Refuse
            );
        }
    }

    #[test]
    fn the_described_address_takes_over_inside_the_window() {
        let start = Instant::now();
        let mut latch = Latch::new(start, Some(address("192.0.2.1:4000")), learn(None), None);
        for i in 0..10 {
            latch.judge(
                at(start, i * 20),
                address("203.0.113.9:5"),
                9,
                i as u16,
                false,
            );
        }
        assert_eq!(latch.current(), Some(address("203.0.113.9:5")));
        assert_eq!(
            latch.judge(at(start, 400), address("192.0.2.1:4000"), 1, 1, false),
            Verdict::Latched
        );
        assert_eq!(
            latch.judge(at(start, 420), address("203.0.113.9:5"), 9, 10, false),
            Verdict::Refuse
        );
    }

    #[test]
    fn bursts_and_unexpected_hosts_are_not_learnt() {
        let start = Instant::now();
        let mut latch = Latch::new(start, None, learn(Some("198.51.100.1")), None);
        for i in 0..50 {
            assert_eq!(
                latch.judge(at(start, i), address("198.51.100.1:7"), 9, 0, false),
                Verdict::Refuse
            );
            assert_eq!(
                latch.judge(
                    at(start, i * 20),
                    address("203.0.113.9:5"),
                    9,
                    i as u16,
                    false
                ),
                Verdict::Refuse
            );
        }
        assert_eq!(latch.address(), None);
        // The key proves the peer.
        assert_eq!(
            latch.judge(start, address("203.0.113.9:5"), 9, 1, true),
            Verdict::Latched
        );
    }

    #[test]
    fn renegotiation_opens_the_window_again() {
        let start = Instant::now();
        let described = Some(address("10.0.0.1:4000"));
        let mut first = Latch::new(start, described, learn(None), None);
        for i in 0..6 {
            first.judge(
                at(start, i * 20),
                address("198.51.100.1:1"),
                7,
                i as u16,
                false,
            );
        }
        let mut second = Latch::new(at(start, 9000), described, learn(None), Some(&first));
        assert_eq!(second.address(), Some(address("198.51.100.1:1")));
        assert_eq!(
            second.judge(at(start, 9010), address("198.51.100.1:1"), 7, 9, false),
            Verdict::Latched
        );
        let moved = Latch::new(
            at(start, 9000),
            Some(address("10.0.0.2:4000")),
            learn(None),
            Some(&first),
        );
        assert_eq!(moved.address(), Some(address("10.0.0.2:4000")));
    }
}
