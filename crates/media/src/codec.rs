//! Codecs: one trait, one registry, one file a codec.

pub mod g722;
pub mod l16;
pub mod opus;
pub mod pcma;
pub mod pcmu;

/// One direction of one stream in one format: keeps what the format remembers between packets.
pub trait Codec: Send {
    /// Appends the sound of one payload. Any bytes are allowed.
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>);
    /// Appends the payload for `samples`.
    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>);
    /// Appends `samples` of sound in place of a packet that is lost; `following` is the payload of
    /// the packet after it, if that is here. False if the format knows no better than to repeat.
    fn conceal(&mut self, samples: usize, following: Option<&[u8]>, out: &mut Vec<i16>) -> bool {
        let _ = (samples, following, out);
        false
    }
}

/// What a codec is made for, where the format leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Rate of the samples that go in or come out, in Hz: one of the format's.
    pub sample_rate: u32,
    /// Most bits per second that the receiver wants on average.
    pub max_bitrate: Option<u32>,
    /// Whether the receiver can repair a lost packet from the one after it.
    pub fec: bool,
}

/// A format that can be offered in a session description.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Encoding name as in `a=rtpmap`, upper case.
    pub name: &'static str,
    /// RTP clock rate in Hz as in `a=rtpmap`.
    pub clock_rate: u32,
    /// Usual sample rate in Hz. Differs from the clock for G.722 (RFC 3551 section 4.5.2) and Opus
    /// (RFC 7587 section 4.1).
    pub sample_rate: u32,
    /// Every sample rate the codec can work at.
    sample_rates: &'static [u32],
    /// Payload type assigned by RFC 3551, if any.
    pub payload_type: Option<u8>,
    milliseconds: fn(&[u8]) -> u32,
    make: fn(&Parameters) -> Box<dyn Codec>,
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.clock_rate == other.clock_rate
    }
}

impl Format {
    /// A fresh encoder or decoder at the usual rate.
    pub fn codec(&self) -> Box<dyn Codec> {
        self.codec_with(&Parameters {
            sample_rate: self.sample_rate,
            max_bitrate: None,
            fec: true,
        })
    }

    /// A fresh encoder or decoder.
    pub fn codec_with(&self, parameters: &Parameters) -> Box<dyn Codec> {
        (self.make)(parameters)
    }

    /// The rate to work at when `wanted` would spare a conversion.
    pub fn rate_for(&self, wanted: u32) -> u32 {
        if self.sample_rates.contains(&wanted) {
            wanted
        } else {
            self.sample_rate
        }
    }

    /// Milliseconds of sound in a payload; 0 if it is none.
    pub fn payload_ms(&self, payload: &[u8]) -> u32 {
        (self.milliseconds)(payload)
    }

    /// The format an `a=rtpmap` names; names compare without case (RFC 8866 section 6.6).
    pub fn from_rtpmap(name: &str, clock_rate: u32) -> Option<Format> {
        REGISTRY
            .iter()
            .find(|format| {
                format.name.eq_ignore_ascii_case(name) && format.clock_rate == clock_rate
            })
            .copied()
    }

    /// The format a static payload type means without `a=rtpmap` (RFC 3551 section 6).
    pub fn from_payload_type(payload_type: u8) -> Option<Format> {
        REGISTRY
            .iter()
            .find(|format| format.payload_type == Some(payload_type))
            .copied()
    }
}

/// G.711 mu-law.
pub const PCMU: Format = Format {
    name: "PCMU",
    clock_rate: 8000,
    sample_rate: 8000,
    sample_rates: &[8000],
    payload_type: Some(0),
    milliseconds: |payload| (payload.len() / 8) as u32,
    make: |_| Box::new(pcmu::Pcmu),
};
/// G.711 A-law.
pub const PCMA: Format = Format {
    name: "PCMA",
    clock_rate: 8000,
    sample_rate: 8000,
    sample_rates: &[8000],
    payload_type: Some(8),
    milliseconds: |payload| (payload.len() / 8) as u32,
    make: |_| Box::new(pcma::Pcma),
};
/// G.722 at 64 kbit/s.
pub const G722: Format = Format {
    name: "G722",
    clock_rate: 8000,
    sample_rate: 16000,
    sample_rates: &[16000],
    payload_type: Some(9),
    milliseconds: |payload| (payload.len() / 8) as u32,
    make: |_| Box::new(g722::G722::new()),
};
/// Linear 16-bit at 16 kHz, dynamic payload type.
pub const L16: Format = Format {
    name: "L16",
    clock_rate: 16000,
    sample_rate: 16000,
    sample_rates: &[16000],
    payload_type: None,
    milliseconds: |payload| (payload.len() / 32) as u32,
    make: |_| Box::new(l16::L16),
};
/// Opus, mono. 16 kHz is all that speech needs and half the work of 48 kHz; beside a leg of 8 kHz it
/// works at that rate, and nothing has to be converted.
pub const OPUS: Format = Format {
    name: "OPUS",
    clock_rate: 48000,
    sample_rate: 16000,
    sample_rates: &[8000, 16000],
    payload_type: None,
    milliseconds: opus::milliseconds,
    make: |parameters| Box::new(opus::Opus::new(parameters)),
};

/// Every format we speak, best first.
pub const REGISTRY: &[Format] = &[OPUS, G722, PCMU, PCMA, L16];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_by_name_and_number() {
        assert_eq!(Format::from_rtpmap("pcmu", 8000), Some(PCMU));
        assert_eq!(Format::from_rtpmap("PCMU", 16000), None);
        assert_eq!(Format::from_payload_type(9), Some(G722));
        assert_eq!(Format::from_payload_type(18), None);
    }

    #[test]
    fn twenty_milliseconds_have_the_stated_size_and_survive() {
        for format in REGISTRY {
            let n = format.sample_rate as usize / 50;
            let mut encoder = format.codec();
            let mut decoder = format.codec();
            let mut worst = 0.0f64;
            let mut sent = Vec::new();
            let mut heard = Vec::new();
            for frame in 0..50 {
                let samples: Vec<i16> = (0..n)
                    .map(|i| {
                        let t = (frame * n + i) as f64 / f64::from(format.sample_rate);
                        ((t * 440.0 * std::f64::consts::TAU).sin() * 8000.0) as i16
                    })
                    .collect();
                let mut payload = Vec::new();
                encoder.encode(&samples, &mut payload);
                assert_eq!(format.payload_ms(&payload), 20, "{}", format.name);
                decoder.decode(&payload, &mut heard);
                sent.extend(samples);
            }
            assert_eq!(heard.len(), sent.len(), "{}", format.name);
            // G.722 and Opus delay by their filters; level is compared instead of waveform.
            let level = |s: &[i16]| {
                (s.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / s.len() as f64).sqrt()
            };
            worst = worst.max((level(&sent[n * 5..]) - level(&heard[n * 5..])).abs());
            let allowed = if *format == OPUS { 300.0 } else { 150.0 };
            assert!(worst < allowed, "{}: {worst}", format.name);
        }
    }

    #[test]
    fn noise_never_panics() {
        for format in REGISTRY {
            let mut codec = format.codec();
            let mut out = Vec::new();
            for n in 0..200usize {
                let noise: Vec<u8> = (0..n).map(|i| (i * 7919 + n * 104_729) as u8).collect();
                format.payload_ms(&noise);
                codec.conceal(160, Some(&noise), &mut out);
                codec.decode(&noise, &mut out);
            }
            let mut payload = Vec::new();
            codec.encode(&[1, -32768, 32767], &mut payload);
        }
    }
}
