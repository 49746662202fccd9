//! G.711 mu-law, by tables built at compile time from the definition.

use super::Codec;

/// Mu-law needs no memory between packets.
pub struct Pcmu;

const DECODE: [i16; 256] = {
    let mut table = [0i16; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand(code as u8);
        code += 1;
    }
    table
};

/// Indexed by the upper 14 bits of the sample, offset to be positive.
static ENCODE: [u8; 16384] = {
    let mut table = [0u8; 16384];
    let mut index = 0;
    while index < 16384 {
        table[index] = compress(((index as i32 - 8192) * 4) as i16);
        index += 1;
    }
    table
};

const fn expand(code: u8) -> i16 {
    let code = !code;
    let exponent = (code >> 4) & 7;
    let mantissa = (code & 15) as i32;
    let magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84;
    if code & 0x80 != 0 {
        -(magnitude as i16)
    } else {
        magnitude as i16
    }
}

const fn compress(sample: i16) -> u8 {
    let negative = sample < 0;
    let mut magnitude = if negative {
        -(sample as i32)
    } else {
        sample as i32
    };
    if magnitude > 32635 {
        magnitude = 32635;
    }
    magnitude += 0x84;
    let exponent = (31 - (magnitude as u32).leading_zeros()) as i32 - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 15;
    let code = ((exponent << 4) | mantissa) as u8;
    !(if negative { code | 0x80 } else { code })
}

/// The linear value of one code.
pub fn decode(code: u8) -> i16 {
    DECODE[usize::from(code)]
}

/// The code of one linear value.
pub fn encode(sample: i16) -> u8 {
    ENCODE[((i32::from(sample) >> 2) + 8192) as usize]
}

impl Codec for Pcmu {
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        out.extend(payload.iter().map(|&code| decode(code)));
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        out.extend(samples.iter().map(|&sample| encode(sample)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives() {
        for code in 0..=255u8 {
            // 0x7F and 0xFF both mean zero; positive zero is the one sent.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(encode(decode(code)), expected);
        }
    }

    #[test]
    fn known_values() {
        assert_eq!(decode(0x80), 32124);
        assert_eq!(decode(0x00), -32124);
        assert_eq!(encode(0), 0xff);
        assert_eq!(encode(i16::MIN), 0x00);
        assert_eq!(encode(i16::MAX), 0x80);
    }
}
