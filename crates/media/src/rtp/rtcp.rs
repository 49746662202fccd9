//! RTCP: sender and receiver reports, SDES and BYE in compounds (RFC 3550 section 6).

/// What a report says about one of our streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source reported on.
    pub ssrc: u32,
    /// Loss since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Loss since the beginning, signed 24 bits.
    pub lost: i32,
    /// Highest extended sequence number received.
    pub highest: u32,
    /// Jitter in units of the RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report, 0 for none.
    pub last_sr: u32,
    /// Time since then in 1/65536 s.
    pub delay: u32,
}

/// What we sent, for a sender report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// NTP time now.
    pub ntp: u64,
    /// RTP timestamp of the same moment.
    pub timestamp: u32,
    /// Packets sent, wrapping.
    pub packets: u32,
    /// Payload bytes sent, wrapping.
    pub bytes: u32,
}

/// Appends a compound: SR or RR, SDES with the CNAME, and BYE if asked for.
pub fn print(
    ssrc: u32,
    cname: &str,
    sender: Option<SenderInfo>,
    block: Option<ReportBlock>,
    bye: bool,
    out: &mut Vec<u8>,
) {
    let blocks = u8::from(block.is_some());
    let words = 1 + if sender.is_some() { 5 } else { 0 } + if block.is_some() { 6 } else { 0 };
    header(out, blocks, if sender.is_some() { 200 } else { 201 }, words);
    out.extend_from_slice(&ssrc.to_be_bytes());
    if let Some(sender) = sender {
        out.extend_from_slice(&sender.ntp.to_be_bytes());
        for word in [sender.timestamp, sender.packets, sender.bytes] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    if let Some(block) = block {
        out.extend_from_slice(&block.ssrc.to_be_bytes());
        out.push(block.fraction_lost);
        out.extend_from_slice(&block.lost.to_be_bytes()[1..]);
        for word in [block.highest, block.jitter, block.last_sr, block.delay] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    let mut end = cname.len().min(255);
    while !cname.is_char_boundary(end) {
        end -= 1;
    }
    let cname = &cname.as_bytes()[..end];
    // Source, item, and at least one zero to end the list, filled up to a word.
    let chunk = 4 + 2 + cname.len() + 1;
    let padded = chunk.div_ceil(4) * 4;
    header(out, 1, 202, (padded / 4) as u16);
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.push(1);
    out.push(cname.len() as u8);
    out.extend_from_slice(cname);
    out.resize(out.len() + padded - chunk + 1, 0);
    if bye {
        header(out, 1, 203, 1);
        out.extend_from_slice(&ssrc.to_be_bytes());
    }
}

fn header(out: &mut Vec<u8>, count: u8, kind: u8, words: u16) {
    out.push(0x80 | count);
    out.push(kind);
    out.extend_from_slice(&words.to_be_bytes());
}

/// Something a compound says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A sender report's own part: source, middle 32 bits of its NTP time.
    Sender {
        /// The source.
        ssrc: u32,
        /// Middle 32 bits of the NTP time.
        ntp: u32,
    },
    /// A report block.
    Block(ReportBlock),
    /// A source leaves.
    Bye(u32),
}

/// Calls `each` for what a compound says that concerns us; false if it is malformed. What came
/// before the fault has been reported then.
pub fn parse(bytes: &[u8], mut each: impl FnMut(Item)) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        if rest.len() < 4 || rest[0] >> 6 != 2 {
            return false;
        }
        let length = 4 + usize::from(u16::from_be_bytes([rest[2], rest[3]])) * 4;
        if length > rest.len() {
            return false;
        }
        let (count, kind) = (usize::from(rest[0] & 31), rest[1]);
        let body = &rest[4..length];
        rest = &rest[length..];
        let blocks = match kind {
            200 => {
                if body.len() < 24 {
                    return false;
                }
                each(Item::Sender {
                    ssrc: word(body, 0),
                    ntp: word(body, 6),
                });
                &body[24..]
            }
            201 => {
                if body.len() < 4 {
                    return false;
                }
                &body[4..]
            }
            203 => {
                for source in body.chunks_exact(4).take(count) {
                    each(Item::Bye(word(source, 0)));
                }
                continue;
            }
            _ => continue,
        };
        for block in blocks.chunks_exact(24).take(count) {
            let lost = word(block, 4);
            each(Item::Block(ReportBlock {
                ssrc: word(block, 0),
                fraction_lost: (lost >> 24) as u8,
                // Sign extended from 24 bits.
                lost: (lost << 8) as i32 >> 8,
                highest: word(block, 8),
                jitter: word(block, 12),
                last_sr: word(block, 16),
                delay: word(block, 20),
            }));
        }
    }
    true
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_is_parsed() {
        let block = ReportBlock {
            ssrc: 9,
            fraction_lost: 3,
            lost: -2,
            highest: 70000,
            jitter: 4,
            last_sr: 5,
            delay: 6,
        };
        for cname in ["", "a", "ab", "abc", "abcd", "ü@example"] {
            for sender in [
                None,
                Some(SenderInfo {
                    ntp: 0x0102_0304_0506_0708,
                    timestamp: 1,
                    packets: 2,
                    bytes: 3,
                }),
            ] {
                let mut bytes = Vec::new();
                print(77, cname, sender, Some(block), true, &mut bytes);
                assert_eq!(bytes.len() % 4, 0);
                let mut items = Vec::new();
                assert!(parse(&bytes, |item| items.push(item)));
                let mut expected = vec![Item::Block(block), Item::Bye(77)];
                if sender.is_some() {
                    expected.insert(
                        0,
                        Item::Sender {
                            ssrc: 77,
                            ntp: 0x0304_0506,
                        },
                    );
                }
                assert_eq!(items, expected);
            }
        }
    }

    #[test]
    fn cut_and_noisy_compounds_are_survived() {
        let mut bytes = Vec::new();
        print(
            77,
            "x",
            None,
            Some(ReportBlock::default()),
            true,
            &mut bytes,
        );
        for end in 1..bytes.len() {
            parse(&bytes[..end], |_| {});
        }
        assert!(!parse(&bytes[..bytes.len() - 1], |_| {}));
        for i in 0..bytes.len() {
            let mut copy = bytes.clone();
            copy[i] ^= 0xff;
            parse(&copy, |_| {});
        }
    }
}
