//! What arrived: extended sequence numbers, loss and jitter (RFC 3550 appendix A).

/// Jump beyond which a sequence number is not a late or lost packet but a new beginning (RFC 3550 A.1).
const MAX_DROPOUT: i32 = 3000;

/// Reception of one synchronisation source.
#[derive(Debug, Clone, Default)]
pub struct Reception {
    /// The source now listened to.
    pub ssrc: Option<u32>,
    /// Highest extended sequence number, counted from 65536 so that it never goes below 0.
    highest: u64,
    base: u64,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    /// Expected and received of sources listened to before.
    past: (u64, u64),
    transit: Option<u32>,
    /// Jitter scaled by 16, in units of the RTP clock (RFC 3550 A.8).
    jitter: u32,
    suspect: Option<u16>,
}

/// How a packet fits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It belongs to the stream at this extended sequence number.
    Continues(u64),
    /// A stream begins, or begins anew, at this extended sequence number.
    Begins(u64),
    /// It is far out of line; if the next one follows it, the stream begins anew.
    Stray,
}

impl Reception {
    /// Takes note of a packet. `arrival` is the time of arrival in units of the RTP clock;
    /// `timed` is false for packets whose timestamp says nothing about when they were sent.
    pub fn note(
        &mut self,
        ssrc: u32,
        sequence: u16,
        timestamp: u32,
        arrival: u32,
        timed: bool,
    ) -> Arrival {
        let outcome = if self.ssrc == Some(ssrc) {
            let step = i32::from(sequence.wrapping_sub(self.highest as u16) as i16);
            if step.abs() < MAX_DROPOUT {
                self.suspect = None;
                let extended = (self.highest as i64 + i64::from(step)) as u64;
                self.highest = self.highest.max(extended);
                Arrival::Continues(extended)
            } else if self.suspect == Some(sequence) {
                Arrival::Begins(self.begin(ssrc, sequence))
            } else {
                self.suspect = Some(sequence.wrapping_add(1));
                return Arrival::Stray;
            }
        } else {
            Arrival::Begins(self.begin(ssrc, sequence))
        };
        self.received += 1;
        if timed {
            let transit = arrival.wrapping_sub(timestamp);
            if let Some(before) = self.transit.replace(transit) {
                // Bounded, so that one absurd timestamp does not spoil the figure for minutes.
                let difference = (transit.wrapping_sub(before) as i32)
                    .unsigned_abs()
                    .min(1 << 16);
                self.jitter = self
                    .jitter
                    .saturating_add(difference)
                    .saturating_sub((self.jitter + 8) >> 4);
            }
        }
        outcome
    }

    fn begin(&mut self, ssrc: u32, sequence: u16) -> u64 {
        self.past = (self.past.0 + self.expected(), self.past.1 + self.received);
        self.ssrc = Some(ssrc);
        self.base = 65536 + u64::from(sequence);
        self.highest = self.base;
        self.received = 0;
        self.expected_prior = 0;
        self.received_prior = 0;
        self.transit = None;
        self.suspect = None;
        self.base
    }

    fn expected(&self) -> u64 {
        if self.ssrc.is_some() {
            self.highest - self.base + 1
        } else {
            0
        }
    }

    /// Packets lost since the beginning, all sources together; duplicates never make it negative.
    pub fn lost(&self) -> u64 {
        (self.past.0 + self.expected()).saturating_sub(self.past.1 + self.received)
    }

    /// Packets expected since the beginning, all sources together.
    pub fn expected_total(&self) -> u64 {
        self.past.0 + self.expected()
    }

    /// Jitter in units of the RTP clock.
    pub fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// Figures for a report block: fraction lost since the last one in 1/256, cumulative loss
    /// clamped to 24 bits, highest extended sequence number (RFC 3550 A.3).
    pub fn report(&mut self) -> (u8, i32, u32) {
        let expected = self.expected();
        let interval = expected - self.expected_prior.min(expected);
        let got = self.received - self.received_prior.min(self.received);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let missing = interval.saturating_sub(got) * 256;
        let fraction = missing.checked_div(interval).unwrap_or(0).min(255) as u8;
        let lost = (expected as i64 - self.received as i64).clamp(-0x80_0000, 0x7f_ffff) as i32;
        (fraction, lost, (self.highest - 65536) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_reorders_and_counts() {
        let mut reception = Reception::default();
        assert_eq!(
            reception.note(1, 65534, 0, 0, true),
            Arrival::Begins(65536 + 65534)
        );
        assert_eq!(
            reception.note(1, 0, 320, 320, true),
            Arrival::Continues(2 * 65536)
        );
        assert_eq!(reception.lost(), 1);
        assert_eq!(
            reception.note(1, 65535, 160, 330, true),
            Arrival::Continues(65536 + 65535)
        );
        assert_eq!(reception.lost(), 0);
        reception.note(1, 5, 960, 960, true);
        assert_eq!(reception.lost(), 4);
        assert_eq!(reception.report().0, (4 * 256 / 8) as u8);
        assert_eq!(reception.report().0, 0);
        reception.note(1, 5, 960, 960, true);
        assert_eq!(reception.report(), (0, 3, 65536 + 5));
    }

    #[test]
    fn one_stray_packet_does_not_restart_two_do() {
        let mut reception = Reception::default();
        reception.note(1, 10, 0, 0, true);
        assert_eq!(reception.note(1, 30000, 0, 0, true), Arrival::Stray);
        assert_eq!(
            reception.note(1, 11, 0, 0, true),
            Arrival::Continues(65536 + 11)
        );
        assert_eq!(reception.note(1, 30000, 0, 0, true), Arrival::Stray);
        assert_eq!(
            reception.note(1, 30001, 0, 0, true),
            Arrival::Begins(65536 + 30001)
        );
    }

    #[test]
    fn steady_stream_has_no_jitter_uneven_one_has() {
        let mut steady = Reception::default();
        let mut uneven = Reception::default();
        for i in 0..500u32 {
            steady.note(1, i as u16, i * 160, i * 160 + 77, true);
            uneven.note(1, i as u16, i * 160, i * 160 + (i % 2) * 80, true);
        }
        assert_eq!(steady.jitter(), 0);
        assert!((75..=80).contains(&uneven.jitter()), "{}", uneven.jitter());
    }
}
