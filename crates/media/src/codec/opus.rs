//! Opus (RFC 6716) in RTP (RFC 7587): mono, for speech.

use opus_pure::{Application, OpusDecoder, OpusEncoder, packet};

use super::{Codec, Parameters};

/// How hard the encoder tries, 0 to 10. From here to 3 the work grows by half at 8 kHz and doubles at
/// 16 kHz, while speech decoded again comes no nearer to what was said, in spectrum or in shape.
const COMPLEXITY: i32 = 1;
/// Bits per second at 8 kHz and above it: RFC 7587 section 3.1.1, and room for the copies (FEC).
const NARROW_BITRATE: u32 = 16_000;
const WIDE_BITRATE: u32 = 28_000;
/// Bounds of `maxaveragebitrate` (RFC 7587 section 6.1).
const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=510_000;
/// Loss the encoder prepares for, in per cent: what it takes to make it send copies at all.
const EXPECTED_LOSS: i32 = 5;
/// The largest packet of one frame (RFC 6716 section 3.2.1).
const LARGEST: usize = 1275;
/// The longest packet is 120 ms (RFC 6716 section 3.2.5).
const LONGEST_MS: u32 = 120;

/// Encoder and decoder state. Each is made when it is first used: either is over 100 kB.
pub struct Opus {
    parameters: Parameters,
    encoder: Option<Box<OpusEncoder>>,
    decoder: Option<Box<OpusDecoder>>,
}

/// Milliseconds of sound in a packet, as its first byte tells; 0 if it is none.
pub fn milliseconds(payload: &[u8]) -> u32 {
    packet::samples_48k(payload).map_or(0, |samples| (samples / 48) as u32)
}

impl Opus {
    /// Fresh state. 8, 12, 16, 24 and 48 kHz are possible.
    pub fn new(parameters: &Parameters) -> Self {
        Opus {
            parameters: *parameters,
            encoder: None,
            decoder: None,
        }
    }

    fn encoder(&mut self) -> Option<&mut OpusEncoder> {
        if self.encoder.is_none() {
            let rate = self.parameters.sample_rate;
            let mut encoder = OpusEncoder::new(rate as i32, 1, Application::Voip).ok()?;
            let usual = if rate > 8000 {
                WIDE_BITRATE
            } else {
                NARROW_BITRATE
            };
            let most = self.parameters.max_bitrate.unwrap_or(usual);
            encoder.bitrate_bps = most.clamp(*BITRATES.start(), *BITRATES.end()).min(usual) as i32;
            encoder.complexity = COMPLEXITY;
            encoder.use_inband_fec = self.parameters.fec;
            encoder.packet_loss_perc = if self.parameters.fec {
                EXPECTED_LOSS
            } else {
                0
            };
            self.encoder = Some(Box::new(encoder));
        }
        self.encoder.as_deref_mut()
    }

    fn decoder(&mut self) -> Option<&mut OpusDecoder> {
        if self.decoder.is_none() {
            // One channel: packets in stereo are mixed down.
            let decoder = OpusDecoder::new(self.parameters.sample_rate as i32, 1).ok()?;
            self.decoder = Some(Box::new(decoder));
        }
        self.decoder.as_deref_mut()
    }
}

impl Codec for Opus {
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        let rate = self.parameters.sample_rate;
        // An empty payload would be taken for a loss.
        let Ok(samples) = packet::samples(payload, rate as i32) else {
            return;
        };
        let Some(decoder) = self.decoder() else {
            return;
        };
        let start = out.len();
        out.resize(start + samples, 0);
        let written = decoder
            .decode_s16(payload, samples, &mut out[start..])
            .unwrap_or(0);
        out.truncate(start + written);
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        let Some(encoder) = self.encoder() else {
            return;
        };
        let start = out.len();
        out.resize(start + LARGEST, 0);
        let written = encoder
            .encode_s16(samples, samples.len(), &mut out[start..])
            .unwrap_or(0);
        out.truncate(start + written);
    }

    fn conceal(&mut self, samples: usize, following: Option<&[u8]>, out: &mut Vec<i16>) -> bool {
        // In steps of 2.5 ms, as the decoder counts.
        let step = self.parameters.sample_rate as usize / 400;
        let longest = (self.parameters.sample_rate * LONGEST_MS / 1000) as usize;
        let samples = samples.min(longest) / step.max(1) * step;
        let Some(decoder) = self.decoder() else {
            return false;
        };
        let start = out.len();
        out.resize(start + samples, 0);
        let sound = &mut out[start..];
        let written = match following.filter(|payload| !payload.is_empty()) {
            Some(payload) => decoder.decode_fec_s16(payload, samples, sound),
            None => decoder.decode_s16(&[], samples, sound),
        };
        out.truncate(start + written.unwrap_or(0));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(sample_rate: u32, max_bitrate: Option<u32>, fec: bool) -> Opus {
        Opus::new(&Parameters {
            sample_rate,
            max_bitrate,
            fec,
        })
    }

    /// Two seconds of something like a voice: a hum with overtones, swelling five times a second.
    fn voice(rate: u32) -> Vec<i16> {
        (0..rate * 2)
            .map(|i| {
                let t = f64::from(i) / f64::from(rate) * std::f64::consts::TAU;
                let hum: f64 = (1..8)
                    .map(|n| (t * 150.0 * f64::from(n)).sin() / f64::from(n))
                    .sum();
                (hum * (1.2 + (t * 5.0).sin()) * 4000.0) as i16
            })
            .collect()
    }

    fn packets(codec: &mut Opus, sound: &[i16], frame: usize) -> Vec<Vec<u8>> {
        sound
            .chunks_exact(frame)
            .map(|samples| {
                let mut packet = Vec::new();
                codec.encode(samples, &mut packet);
                packet
            })
            .collect()
    }

    fn level(sound: &[i16]) -> f64 {
        (sound.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / sound.len() as f64).sqrt()
    }

    #[test]
    fn any_duration_is_understood_and_decodes_to_any_rate() {
        for ms in [10, 20, 40, 60] {
            let sound = voice(16_000);
            let packets = packets(&mut codec(16_000, None, true), &sound, 16 * ms);
            for rate in [8_000, 16_000, 48_000] {
                let mut decoder = codec(rate, None, true);
                let mut heard = Vec::new();
                for packet in &packets {
                    assert_eq!(milliseconds(packet), ms as u32);
                    decoder.decode(packet, &mut heard);
                }
                assert_eq!(heard.len(), packets.len() * ms * rate as usize / 1000);
                let ratio = level(&heard) / level(&sound);
                assert!((0.9..1.1).contains(&ratio), "{ms} ms at {rate}: {ratio}");
            }
        }
    }

    #[test]
    fn stereo_is_mixed_down() {
        let sound: Vec<i16> = voice(48_000).iter().flat_map(|&s| [s, s]).collect();
        let mut encoder = OpusEncoder::new(48_000, 2, Application::Audio).unwrap();
        let mut decoder = codec(8_000, None, true);
        let mut heard = Vec::new();
        for samples in sound.chunks_exact(1920) {
            let mut packet = [0; LARGEST];
            let length = encoder.encode_s16(samples, 960, &mut packet).unwrap();
            decoder.decode(&packet[..length], &mut heard);
        }
        assert_eq!(heard.len(), 16_000);
        let ratio = level(&heard) / level(&sound);
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
    }

    #[test]
    fn the_receiver_bounds_the_bit_rate() {
        let sound = voice(16_000);
        let bits = |max| {
            let packets = packets(&mut codec(16_000, max, true), &sound, 320);
            packets.iter().map(Vec::len).sum::<usize>() as u32 * 8 / 2
        };
        assert!((20_000..30_000).contains(&bits(None)), "{}", bits(None));
        assert!(bits(Some(12_000)) <= 12_000, "{}", bits(Some(12_000)));
        assert!(bits(Some(1)) <= 6_000, "{}", bits(Some(1)));
        assert_eq!(bits(Some(500_000)), bits(None));
    }

    #[test]
    fn a_lost_packet_is_repaired_from_the_one_after_it() {
        let sound = voice(16_000);
        let heard = |fec, repair: bool| {
            let packets = packets(&mut codec(16_000, None, fec), &sound, 320);
            let (mut whole, mut broken) = (codec(16_000, None, fec), codec(16_000, None, fec));
            let (mut expected, mut heard) = (Vec::new(), Vec::new());
            for (number, packet) in packets.iter().enumerate() {
                whole.decode(packet, &mut expected);
                if number % 10 == 5 {
                    let following = packets.get(number + 1).map(Vec::as_slice);
                    assert!(broken.conceal(320, following.filter(|_| repair), &mut heard));
                } else {
                    broken.decode(packet, &mut heard);
                }
            }
            assert_eq!(heard.len(), expected.len());
            let error: Vec<i16> = heard
                .iter()
                .zip(&expected)
                .map(|(a, b)| a.saturating_sub(*b))
                .collect();
            (
                level(&heard) / level(&expected),
                level(&error) / level(&expected),
            )
        };
        let (repaired, concealed) = (heard(true, true), heard(true, false));
        for (level, _) in [repaired, concealed] {
            assert!((0.8..1.1).contains(&level), "{level}");
        }
        assert!(repaired.1 < concealed.1 * 0.8, "{repaired:?} {concealed:?}");
    }

    #[test]
    fn a_stream_that_stops_fades_out() {
        let sound = voice(8_000);
        let mut decoder = codec(8_000, None, true);
        let mut heard = Vec::new();
        for packet in packets(&mut codec(8_000, None, true), &sound, 160) {
            decoder.decode(&packet, &mut heard);
        }
        heard.clear();
        for _ in 0..50 {
            decoder.conceal(160, None, &mut heard);
        }
        assert_eq!(heard.len(), 8_000);
        // What is left is the decoder's idea of the noise behind the voice.
        assert!(level(&heard[7_000..]) < level(&sound) / 5.0);
    }
}
