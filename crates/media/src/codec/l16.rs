//! Linear 16-bit samples in network order (RFC 3551 section 4.5.11).

use super::Codec;

/// L16 needs no memory between packets.
pub struct L16;

impl Codec for L16 {
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        out.extend(
            payload
                .chunks_exact(2)
                .map(|pair| i16::from_be_bytes([pair[0], pair[1]])),
        );
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        for sample in samples {
            out.extend_from_slice(&sample.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_order() {
        let mut bytes = Vec::new();
        L16.encode(&[258, -2], &mut bytes);
        assert_eq!(bytes, [1, 2, 0xff, 0xfe]);
        let mut samples = Vec::new();
        L16.decode(&bytes, &mut samples);
        assert_eq!(samples, [258, -2]);
    }
}
