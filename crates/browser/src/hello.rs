//! A DTLS hello that no browser sends: it would end a handshake that has not begun.
//!
//! Whoever can write a browser's address into a datagram can put a ClientHello before the
//! browser's own. One that lacks what we insist on would be an error, and end the call
//! (`reliability.md` V12).

/// Content type of a handshake record (RFC 6347 section 4.1).
const HANDSHAKE: u8 = 22;
/// Handshake type of a ClientHello (RFC 5246 section 7.4).
const CLIENT_HELLO: u8 = 1;
/// Bytes of a record's header, and of a handshake message's.
const RECORD: usize = 13;
const MESSAGE: usize = 12;
/// Extensions: use_srtp (RFC 5764), extended_master_secret (RFC 7627), supported_versions (RFC 8446).
const USE_SRTP: u16 = 14;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SUPPORTED_VERSIONS: u16 = 43;

/// Whether a datagram is a ClientHello in one piece that cannot be a browser's: every browser
/// offers SRTP keys and, up to DTLS 1.2, the extended master secret.
pub(crate) fn is_hopeless(datagram: &[u8]) -> bool {
    let [HANDSHAKE, rest @ ..] = datagram else {
        return false;
    };
    // Later epochs are encrypted, and checked by the handshake.
    if rest.get(2..4) != Some(&[0, 0]) {
        return false;
    }
    let Some([CLIENT_HELLO, message @ ..]) = datagram.get(RECORD..) else {
        return false;
    };
    let Some((header, body)) = message.split_at_checked(MESSAGE - 1) else {
        return true;
    };
    // What comes in fragments is put together before anybody can look at it.
    if header[..3] != header[8..11] {
        return false;
    }
    match extensions(body) {
        Some(kinds) => {
            let has = |kind| kinds.contains(&kind);
            !has(USE_SRTP) || !has(EXTENDED_MASTER_SECRET) && !has(SUPPORTED_VERSIONS)
        }
        None => true,
    }
}

/// The kinds of the extensions of a ClientHello's body; `None` when it is malformed.
fn extensions(body: &[u8]) -> Option<Vec<u16>> {
    // Version and random, then three or four vectors: session, cookie, suites, compression.
    let mut rest = body.get(34..)?;
    for wide in [false, false, true, false] {
        let (length, width) = match wide {
            true => (number(rest)?, 2),
            false => (usize::from(*rest.first()?), 1),
        };
        rest = rest.get(width + length..)?;
    }
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let mut list = rest.get(2..2 + number(rest)?)?;
    let mut kinds = Vec::new();
    while !list.is_empty() {
        kinds.push(u16::try_from(number(list)?).ok()?);
        list = list.get(4 + number(list.get(2..)?)?..)?;
    }
    Some(kinds)
}

fn number(bytes: &[u8]) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes([
        *bytes.first()?,
        *bytes.get(1)?,
    ])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(extensions: &[u16]) -> Vec<u8> {
        let mut body = vec![254, 253];
        body.extend([9; 32]);
        body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
        if !extensions.is_empty() {
            body.extend(
                u16::try_from(extensions.len() * 4)
                    .expect("few")
                    .to_be_bytes(),
            );
        }
        for kind in extensions {
            body.extend(kind.to_be_bytes());
            body.extend([0, 0]);
        }
        let length = u8::try_from(body.len()).expect("short");
        let mut datagram = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, length + 12];
        datagram.extend([1, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, length]);
        datagram.extend(body);
        datagram
    }

    #[test]
    fn what_every_browser_offers_is_required() {
        assert!(!is_hopeless(&hello(&[23, 10, 14])));
        assert!(!is_hopeless(&hello(&[43, 14])));
        assert!(is_hopeless(&hello(&[23, 10])));
        assert!(is_hopeless(&hello(&[14, 10])));
        assert!(is_hopeless(&hello(&[])));
    }

    #[test]
    fn what_is_cut_short_is_hopeless_and_what_is_no_hello_is_not_judged() {
        let whole = hello(&[23, 14]);
        for end in 14..whole.len() {
            assert!(is_hopeless(&whole[..end]), "{end}");
        }
        let mut fragment = whole.clone();
        fragment[24] = 9;
        assert!(!is_hopeless(&fragment));
        let mut later = whole;
        later[4] = 1;
        assert!(!is_hopeless(&later));
        for noise in [&[][..], &[22], &[0x80; 40], &[20; 60]] {
            assert!(!is_hopeless(noise));
        }
    }
}
