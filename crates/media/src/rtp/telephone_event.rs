//! DTMF as events (RFC 4733).

/// Clock rate in Hz that we describe telephone-event with, whatever the sound beside it has: browsers
/// and telephones all know this one.
pub const CLOCK_RATE: u32 = 8000;

/// Payload of one event packet (RFC 4733 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// 0-9, then * # A B C D as 10-15.
    pub event: u8,
    /// Whether the key has been released.
    pub end: bool,
    /// Level in -dBm0, 0 to 63.
    pub volume: u8,
    /// Length so far in units of [`CLOCK_RATE`].
    pub duration: u16,
}

const DIGITS: &[u8; 16] = b"0123456789*#ABCD";

/// The digit of an event code.
pub fn digit(event: u8) -> Option<char> {
    DIGITS.get(usize::from(event)).map(|&byte| char::from(byte))
}

/// The event code of a digit, letters in either case.
pub fn event(digit: char) -> Option<u8> {
    let digit = digit.to_ascii_uppercase();
    DIGITS
        .iter()
        .position(|&byte| char::from(byte) == digit)
        .map(|code| code as u8)
}

impl Payload {
    /// Reads a payload. Longer ones hold redundant events, which later packets repeat anyway.
    pub fn parse(bytes: &[u8]) -> Option<Payload> {
        let bytes = bytes.get(..4)?;
        Some(Payload {
            event: bytes[0],
            end: bytes[1] & 0x80 != 0,
            volume: bytes[1] & 63,
            duration: u16::from_be_bytes([bytes[2], bytes[3]]),
        })
    }

    /// The payload's bytes.
    pub fn print(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [
            self.event,
            u8::from(self.end) << 7 | (self.volume & 63),
            high,
            low,
        ]
    }
}

/// Hears events: each is reported once, however many packets tell of it.
#[derive(Debug, Clone, Default)]
pub struct Listener {
    /// Timestamp, event and duration of the key now held.
    held: Option<(u32, u8, u16)>,
    /// Timestamp of the last key reported.
    done: Option<u32>,
}

impl Listener {
    /// Takes a packet. The answer is a key now known to be released, with its duration in units
    /// of the RTP clock. If the end of one event is lost, the next event ends it.
    pub fn hear(&mut self, timestamp: u32, payload: Payload) -> Option<(char, u16)> {
        // Late packets of a key already reported, and of those before it.
        if self.done.is_some_and(|done| {
            (timestamp.wrapping_sub(done) as i32) <= 0
                && timestamp.wrapping_sub(done) as i32 > -80_000
        }) {
            return None;
        }
        digit(payload.event)?;
        let mut released = None;
        match self.held {
            Some((held, event, duration)) if held == timestamp => {
                self.held = Some((timestamp, event, duration.max(payload.duration)));
            }
            Some((held, _, _))
                if (timestamp.wrapping_sub(held) as i32) < 0
                    && timestamp.wrapping_sub(held) as i32 > -80_000 =>
            {
                return None;
            }
            _ => {
                released = self.release();
                self.held = Some((timestamp, payload.event, payload.duration));
            }
        }
        if payload.end {
            // Both at once only when one end was lost and the next key came in a single packet.
            let now = self.release();
            released = released.or(now);
        }
        released
    }

    /// Whether a key is held: then someone must call [`Listener::release`] if packets stop.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Takes the key now held as released.
    pub fn release(&mut self) -> Option<(char, u16)> {
        let (timestamp, event, duration) = self.held.take()?;
        self.done = Some(timestamp);
        Some((digit(event)?, duration))
    }

    /// Forgets timestamps when the source changes.
    pub fn restart(&mut self) -> Option<(char, u16)> {
        let released = self.release();
        self.done = None;
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(event: u8, end: bool, duration: u16) -> Payload {
        Payload {
            event,
            end,
            volume: 10,
            duration,
        }
    }

    #[test]
    fn printed_is_parsed() {
        let p = payload(11, true, 1600);
        assert_eq!(Payload::parse(&p.print()), Some(p));
        assert_eq!(Payload::parse(&[1, 2, 3]), None);
        for c in "0123456789*#ABCD".chars() {
            assert_eq!(digit(event(c).unwrap()), Some(c));
        }
        assert_eq!(digit(16), None);
        assert_eq!(event('x'), None);
    }

    #[test]
    fn reported_once_in_spite_of_repeats_and_reordering() {
        let mut listener = Listener::default();
        assert_eq!(listener.hear(1000, payload(5, false, 160)), None);
        assert_eq!(listener.hear(1000, payload(5, false, 480)), None);
        assert_eq!(listener.hear(1000, payload(5, false, 320)), None);
        assert_eq!(listener.hear(1000, payload(5, true, 800)), Some(('5', 800)));
        assert_eq!(listener.hear(1000, payload(5, true, 800)), None);
        assert_eq!(listener.hear(1000, payload(5, false, 640)), None);
        assert_eq!(listener.hear(3000, payload(5, true, 800)), Some(('5', 800)));
    }

    #[test]
    fn a_lost_end_is_made_up_for() {
        let mut listener = Listener::default();
        listener.hear(1000, payload(1, false, 160));
        assert_eq!(
            listener.hear(4000, payload(2, false, 160)),
            Some(('1', 160))
        );
        assert!(listener.is_held());
        assert_eq!(listener.release(), Some(('2', 160)));
        assert_eq!(listener.hear(4000, payload(2, true, 800)), None);
    }

    #[test]
    fn events_that_are_no_digits_are_passed_over() {
        let mut listener = Listener::default();
        assert_eq!(listener.hear(1000, payload(16, true, 160)), None);
        assert!(!listener.is_held());
    }
}
