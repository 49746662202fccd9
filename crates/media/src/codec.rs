//! Codecs: one trait, one registry, one file a codec.

pub mod g722;
pub mod l16;
pub mod pcma;
pub mod pcmu;

/// One direction of one stream in one format: keeps what the format remembers between packets.
pub trait Codec: Send {
    /// Appends the sound of one payload. Any bytes are allowed.
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>);
    /// Appends the payload for `samples`.
    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>);
}

/// A format that can be offered in a session description.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Encoding name as in `a=rtpmap`, upper case.
    pub name: &'static str,
    /// RTP clock rate in Hz as in `a=rtpmap`.
    pub clock_rate: u32,
    /// Real sample rate in Hz. Differs from the clock for G.722 (RFC 3551 section 4.5.2).
    pub sample_rate: u32,
    /// Payload type assigned by RFC 3551, if any.
    pub payload_type: Option<u8>,
    /// Payload bytes of one millisecond.
    pub bytes_per_ms: usize,
    make: fn() -> Box<dyn Codec>,
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.clock_rate == other.clock_rate
    }
}

impl Format {
    /// A fresh encoder or decoder.
    pub fn codec(&self) -> Box<dyn Codec> {
        (self.make)()
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
    payload_type: Some(0),
    bytes_per_ms: 8,
    make: || Box::new(pcmu::Pcmu),
};
/// G.711 A-law.
pub const PCMA: Format = Format {
    name: "PCMA",
    clock_rate: 8000,
    sample_rate: 8000,
    payload_type: Some(8),
    bytes_per_ms: 8,
    make: || Box::new(pcma::Pcma),
};
/// G.722 at 64 kbit/s.
pub const G722: Format = Format {
    name: "G722",
    clock_rate: 8000,
    sample_rate: 16000,
    payload_type: Some(9),
    bytes_per_ms: 8,
    make: || Box::new(g722::G722::new()),
};
/// Linear 16-bit at 16 kHz, dynamic payload type.
pub const L16: Format = Format {
    name: "L16",
    clock_rate: 16000,
    sample_rate: 16000,
    payload_type: None,
    bytes_per_ms: 32,
    make: || Box::new(l16::L16),
};

/// Every format we speak, best first.
pub const REGISTRY: &[Format] = &[G722, PCMU, PCMA, L16];

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
                assert_eq!(payload.len(), format.bytes_per_ms * 20, "{}", format.name);
                decoder.decode(&payload, &mut heard);
                sent.extend(samples);
            }
            assert_eq!(heard.len(), sent.len(), "{}", format.name);
            // G.722 delays by its filter banks; level is compared instead of waveform.
            let level = |s: &[i16]| {
                (s.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / s.len() as f64).sqrt()
            };
            worst = worst.max((level(&sent[n * 5..]) - level(&heard[n * 5..])).abs());
            assert!(worst < 150.0, "{}: {worst}", format.name);
        }
    }

    #[test]
    fn noise_never_panics() {
        for format in REGISTRY {
            let mut codec = format.codec();
            let mut out = Vec::new();
            for n in 0..200usize {
                let noise: Vec<u8> = (0..n).map(|i| (i * 7919 + n * 104_729) as u8).collect();
                codec.decode(&noise, &mut out);
            }
            let mut payload = Vec::new();
            codec.encode(&[1, -32768, 32767], &mut payload);
        }
    }
}
