//! G.722 at 64 kbit/s: 16 kHz sound behind an 8 kHz RTP clock (RFC 3551 section 4.5.2).

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder, Encoder};

use super::Codec;

/// Encoder and decoder state.
pub struct G722 {
    encoder: G722Encoder,
    decoder: G722Decoder,
}

impl G722 {
    /// Fresh state, as both ends of a new stream have it.
    pub fn new() -> Self {
        G722 {
            encoder: G722Encoder::new(),
            decoder: G722Decoder::new(),
        }
    }
}

impl Default for G722 {
    fn default() -> Self {
        G722::new()
    }
}

impl Codec for G722 {
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        let start = out.len();
        out.resize(start + self.decoder.max_decode_samples(payload.len()), 0);
        let written = self
            .decoder
            .decode_into(payload, &mut out[start..])
            .unwrap_or(0);
        out.truncate(start + written);
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.encoder.max_encode_bytes(samples.len()), 0);
        let written = self
            .encoder
            .encode_into(samples, &mut out[start..])
            .unwrap_or(0);
        out.truncate(start + written);
    }
}
