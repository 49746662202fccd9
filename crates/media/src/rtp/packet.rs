//! The RTP packet (RFC 3550 section 5.1).

/// A parsed packet; the payload still lies in the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// First packet of a talkspurt, or of an event.
    pub marker: bool,
    /// What the payload is, 0 to 127.
    pub payload_type: u8,
    /// Counts packets, wrapping.
    pub sequence: u16,
    /// Counts samples of the format's clock, wrapping.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
    /// The sound or event.
    pub payload: &'a [u8],
}

/// Bytes of the header we send.
pub const HEADER: usize = 12;

/// Whether a datagram is RTCP rather than RTP (RFC 5761 section 4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|byte| (192..=223).contains(byte))
}

/// Length of header, CSRC list and extension; `None` if it is not RTP or is cut short.
pub fn header_len(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < HEADER || bytes[0] >> 6 != 2 {
        return None;
    }
    let mut length = HEADER + usize::from(bytes[0] & 15) * 4;
    if bytes[0] & 0x10 != 0 {
        let words = bytes.get(length + 2..length + 4)?;
        length += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
    }
    (length <= bytes.len()).then_some(length)
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` if it is none.
    pub fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let start = header_len(bytes)?;
        let mut end = bytes.len();
        if bytes[0] & 0x20 != 0 {
            let padding = usize::from(*bytes.last()?);
            if padding == 0 || start + padding > end {
                return None;
            }
            end -= padding;
        }
        Some(Packet {
            marker: bytes[1] & 0x80 != 0,
            payload_type: bytes[1] & 0x7f,
            sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
            timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            ssrc: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            payload: &bytes[start..end],
        })
    }

    /// Appends the packet to `out`.
    pub fn print(&self, out: &mut Vec<u8>) {
        out.push(0x80);
        out.push(u8::from(self.marker) << 7 | (self.payload_type & 0x7f));
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(self.payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_is_parsed() {
        let packet = Packet {
            marker: true,
            payload_type: 101,
            sequence: 65535,
            timestamp: 7,
            ssrc: 0xdead_beef,
            payload: &[1, 2, 3],
        };
        let mut bytes = Vec::new();
        packet.print(&mut bytes);
        assert_eq!(Packet::parse(&bytes), Some(packet));
    }

    #[test]
    fn csrc_extension_and_padding_are_skipped() {
        let mut bytes = vec![0x80 | 0x20 | 0x10 | 1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend([9; 4]); // CSRC
        bytes.extend([0xbe, 0xde, 0, 1, 7, 7, 7, 7]); // extension
        bytes.extend([42, 43, 0, 2]); // payload, padding
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.payload, [42, 43]);
    }

    #[test]
    fn every_cut_and_flip_is_survived() {
        let mut bytes = vec![0x80 | 0x20 | 0x10 | 15, 0x80, 0, 1];
        bytes.extend([0xff; 100]);
        for end in 0..bytes.len() {
            let _ = Packet::parse(&bytes[..end]);
        }
        assert_eq!(Packet::parse(&bytes), None);
        assert_eq!(Packet::parse(&[0x40; 20]), None);
        assert!(is_rtcp(&[0x80, 200]) && !is_rtcp(&[0x80, 0x80 | 101]) && !is_rtcp(&[]));
    }
}
