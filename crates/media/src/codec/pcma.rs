//! G.711 A-law, by tables built at compile time from the definition.

use super::Codec;

/// A-law needs no memory between packets.
pub struct Pcma;

const DECODE: [i16; 256] = {
    let mut table = [0i16; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand(code as u8);
        code += 1;
    }
    table
};

/// Indexed by the upper 13 bits of the sample, offset to be positive.
static ENCODE: [u8; 8192] = {
    let mut table = [0u8; 8192];
    let mut index = 0;
    while index < 8192 {
        table[index] = compress(index as i32 - 4096);
        index += 1;
    }
    table
};

const fn expand(code: u8) -> i16 {
    let code = code ^ 0x55;
    let exponent = (code >> 4) & 7;
    let mantissa = (code & 15) as i32;
    let magnitude = if exponent == 0 {
        (mantissa << 4) + 8
    } else {
        ((mantissa << 4) + 0x108) << (exponent - 1)
    };
    if code & 0x80 != 0 {
        magnitude as i16
    } else {
        -(magnitude as i16)
    }
}

/// `value` has 13 bits, sign included.
const fn compress(value: i32) -> u8 {
    let (sign, magnitude) = if value >= 0 {
        (0x80, value)
    } else {
        (0, -value - 1)
    };
    let code = if magnitude < 32 {
        magnitude >> 1
    } else {
        let exponent = (31 - (magnitude as u32).leading_zeros()) as i32 - 4;
        (exponent << 4) | ((magnitude >> exponent) & 15)
    };
    ((sign | code) as u8) ^ 0x55
}

/// The linear value of one code.
pub fn decode(code: u8) -> i16 {
    DECODE[usize::from(code)]
}

/// The code of one linear value.
pub fn encode(sample: i16) -> u8 {
    ENCODE[((i32::from(sample) >> 3) + 4096) as usize]
}

impl Codec for Pcma {
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
            assert_eq!(encode(decode(code)), code);
        }
    }

    #[test]
    fn known_values() {
        assert_eq!(decode(0xd5), 8);
        assert_eq!(decode(0x55), -8);
        assert_eq!(decode(0xaa), 32256);
        assert_eq!(encode(0), 0xd5);
        assert_eq!(encode(i16::MAX), 0xaa);
        assert_eq!(encode(i16::MIN), 0x2a);
    }
}
