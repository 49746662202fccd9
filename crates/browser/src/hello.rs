//! A DTLS hello that no browser sends: it would end a handshake that has not begun.
//!
//! Whoever can write a browser's address into a datagram can put a ClientHello before the
//! browser's own. One that lacks what we insist on would be an error, and end the call
//! (`reliability.md` V12). One that has it all would be taken for the browser's, so that we are the
//! DTLS client wherever we may choose, as the original is (`voice-client.md` 3.2).

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

/// Which side of DTLS we are, and whose handshake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Role {
    /// We begin, and answer no hello at all.
    Client,
    /// The browser begins; nobody has yet.
    #[default]
    Server,
    /// The browser began, with this random; what is in another name is not its.
    ServerOf {
        random: [u8; 32],
        /// Bytes of its hello, if that came in fragments.
        fragmented: Option<usize>,
    },
}

impl Role {
    /// Whether a datagram from the browser's address can be the browser's: a handshake in clear can
    /// be written by anybody who knows that address, and the library would mix it with the browser's.
    pub fn admits(&mut self, datagram: &[u8]) -> bool {
        let mut rest = datagram;
        // Others than these have no such header (RFC 9147 section 4.1).
        while let [kind @ 20..=26, header @ ..] = rest {
            let (Some(epoch), Some(length)) = (header.get(2..4), header.get(10..).and_then(number))
            else {
                return true;
            };
            let Some(mut messages) = rest.get(RECORD..RECORD + length) else {
                return true;
            };
            if *kind == HANDSHAKE && epoch == [0, 0] {
                while let Some(header) = messages.get(..MESSAGE) {
                    let fragment = long(&header[9..]);
                    let body = messages.get(MESSAGE..MESSAGE + fragment).unwrap_or(&[]);
                    if header[0] == CLIENT_HELLO
                        && !self.admits_hello(long(&header[1..]), long(&header[6..]), body)
                    {
                        return false;
                    }
                    messages = messages.get(MESSAGE + fragment..).unwrap_or(&[]);
                }
            }
            rest = &rest[RECORD + length..];
        }
        true
    }

    /// A fragment, or the whole, of a hello of so many bytes.
    fn admits_hello(&mut self, length: usize, offset: usize, body: &[u8]) -> bool {
        let random = body.get(2..34).and_then(|random| random.try_into().ok());
        match (*self, random) {
            (Role::Client, _) => false,
            (Role::Server, Some(random)) if offset == 0 => {
                *self = Role::ServerOf {
                    random,
                    fragmented: (body.len() < length).then_some(length),
                };
                true
            }
            (Role::ServerOf { random, .. }, Some(theirs)) if offset == 0 => random == theirs,
            // The second hello is longer by its cookie.
            (Role::ServerOf { fragmented, .. }, _) if offset > 0 => {
                fragmented.is_some_and(|first| length >= first)
            }
            _ => false,
        }
    }
}

/// A number of three bytes, of which there are that many.
fn long(bytes: &[u8]) -> usize {
    bytes[..3]
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
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
    fn a_client_takes_no_hello_and_a_server_those_of_one_browser() {
        let hello = |random: u8| {
            let mut hello = hello(&[23, 14]);
            hello[27..59].fill(random);
            hello
        };
        let behind = |datagram: &[u8]| {
            let mut first = vec![20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
            first.extend(datagram);
            first
        };
        let mut client = Role::Client;
        assert!(!client.admits(&hello(1)) && !client.admits(&behind(&hello(1))));
        for other in [&[20; 60][..], &[0x80; 40], &[], &[22], &[22; 20]] {
            assert!(client.admits(other));
        }
        let mut server = Role::Server;
        assert!(server.admits(&hello(1)) && server.admits(&hello(1)));
        assert!(!server.admits(&hello(2)) && !server.admits(&behind(&hello(2))));
        let mut later = hello(2);
        later[4] = 1;
        assert!(server.admits(&later), "encrypted");
        let mut fragment = hello(1);
        fragment[21] = 9;
        assert!(!server.admits(&fragment), "the browser's came whole");
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
