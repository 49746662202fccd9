//! How a browser leg sounds, measured once a second: what arrived, what was missing, how unevenly,
//! and what the browser's receiver reports say of the other direction.

use std::time::{Duration, Instant};

/// One second of a leg.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Sound packets that came from the browser.
    pub received: u32,
    /// Those that were missing among them.
    pub lost: u32,
    /// Sound packets that went to the browser.
    pub sent: u32,
    /// How unevenly the browser's packets came, in milliseconds (RFC 3550 section 6.4.1).
    pub jitter_ms: f32,
    /// From us to the browser and back, in milliseconds, as its last report tells.
    pub rtt_ms: Option<f32>,
    /// Percent of our packets that the browser missed, as its last reports tell.
    pub lost_there: Option<f32>,
    /// Mean opinion score of what came from the browser, 1 to 4.5, by the SDKs' own formula.
    pub mos: f32,
}

/// Counts what goes by, and makes a sample of it when asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge {
    received: u32,
    sent: u32,
    /// The highest number that came, and that of the last sample.
    highest: Option<u64>,
    base: Option<u64>,
    /// When the last packet came, with its timestamp.
    last: Option<(Instant, u32)>,
    jitter_ms: f32,
    pub(crate) rtt: Option<Duration>,
    pub(crate) lost_there: Option<f32>,
}

impl Gauge {
    /// A sound packet came; `number` is its extended sequence number.
    pub(crate) fn arrived(&mut self, at: Instant, number: u64, timestamp: u32, clock_rate: u32) {
        self.received = self.received.saturating_add(1);
        self.base.get_or_insert(number.saturating_sub(1));
        // What comes out of order says nothing about the gaps between packets.
        if self.highest.is_some_and(|highest| number <= highest) {
            return;
        }
        self.highest = Some(number);
        if let Some((before, earlier)) = self.last.replace((at, timestamp)) {
            let steps = timestamp.wrapping_sub(earlier) as i32;
            let spoken = steps as f32 * 1000.0 / clock_rate.max(1) as f32;
            let came = at.saturating_duration_since(before).as_secs_f32() * 1000.0;
            // A pause is not jitter: its first packet is marked by a jump that both clocks see.
            let off = (came - spoken).abs().min(1000.0);
            self.jitter_ms += (off - self.jitter_ms) / 16.0;
        }
    }

    /// A sound packet went.
    pub(crate) fn sent(&mut self) {
        self.sent = self.sent.saturating_add(1);
    }

    /// What it was like since the last sample.
    pub(crate) fn sample(&mut self) -> Sample {
        let received = std::mem::take(&mut self.received);
        let expected = match (self.highest, self.base) {
            (Some(highest), Some(base)) => highest.saturating_sub(base),
            _ => 0,
        };
        self.base = self.highest.or(self.base);
        let lost = expected
            .saturating_sub(received.into())
            .min(u32::MAX.into()) as u32;
        let rtt_ms = self.rtt.map(|rtt| rtt.as_secs_f32() * 1000.0);
        let percent = match received + lost {
            0 => 0.0,
            all => lost as f32 * 100.0 / all as f32,
        };
        Sample {
            received,
            lost,
            sent: std::mem::take(&mut self.sent),
            jitter_ms: self.jitter_ms,
            rtt_ms,
            lost_there: self.lost_there,
            mos: mos(rtt_ms.unwrap_or(0.0), self.jitter_ms, percent),
        }
    }
}

/// Mean opinion score by the SDKs' formula (`voice-client.md` 6.6): a simplified E-model of ITU-T
/// G.107. Milliseconds and percent.
pub fn mos(rtt_ms: f32, jitter_ms: f32, lost_percent: f32) -> f32 {
    let latency = rtt_ms + 2.0 * jitter_ms + 10.0;
    let factor = if latency < 160.0 {
        94.768 - latency / 40.0
    } else if latency < 1000.0 {
        94.768 - (latency - 120.0) / 10.0
    } else {
        0.0
    };
    let factor = if lost_percent <= factor / 2.5 {
        (factor - 2.5 * lost_percent).max(6.52)
    } else {
        0.0
    };
    1.0 + 0.035 * factor + 0.000_007 * factor * (factor - 60.0) * (100.0 - factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_falls_with_delay_jitter_and_loss() {
        for (rtt, jitter, lost, wanted) in [
            (20.0, 2.0, 0.0, 4.42),
            (500.0, 2.0, 0.0, 2.86),
            (20.0, 2.0, 20.0, 2.26),
            (2000.0, 2.0, 0.0, 1.0),
            (20.0, 2.0, 100.0, 1.0),
        ] {
            let got = mos(rtt, jitter, lost);
            assert!((got - wanted).abs() < 0.05, "{rtt} {jitter} {lost}: {got}");
        }
    }

    #[test]
    fn what_is_missing_is_counted_once_and_a_late_packet_is_not_missing() {
        let mut gauge = Gauge::default();
        let began = Instant::now();
        let mut packet = |number: u64, ms: u64| {
            let timestamp = number as u32 * 160;
            gauge.arrived(began + Duration::from_millis(ms), number, timestamp, 8000);
        };
        for (at, number) in [1, 2, 4, 3, 7, 8].into_iter().enumerate() {
            packet(number, at as u64 * 20);
        }
        let sample = gauge.sample();
        assert_eq!((sample.received, sample.lost), (6, 2));
        let sample = gauge.sample();
        assert_eq!((sample.received, sample.lost), (0, 0));
        gauge.arrived(began, 9, 9 * 160, 8000);
        assert_eq!((gauge.sample().received, gauge.sample().lost), (1, 0));
    }

    #[test]
    fn an_even_stream_has_no_jitter_and_an_uneven_one_has_what_it_is_off() {
        let measure = |late: u64| {
            let mut gauge = Gauge::default();
            let began = Instant::now();
            for number in 0..500_u64 {
                let ms = number * 20 + if number % 2 == 0 { late } else { 0 };
                let at = began + Duration::from_millis(ms);
                gauge.arrived(at, number, number as u32 * 160, 8000);
            }
            gauge.sample().jitter_ms
        };
        assert!(measure(0) < 0.01);
        assert!((measure(15) - 15.0).abs() < 0.5);
    }
}
