//! Datagrams on a stream, each behind its length (RFC 4571 section 2): what ICE sends over TCP
//! (RFC 6544 section 10.1).

/// Bytes of a length.
const LENGTH: usize = 2;

/// A datagram announces more bytes than are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong(pub usize);

/// What has come of a stream and was not taken yet.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// What of them was taken.
    taken: usize,
}

impl Frames {
    /// More has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next datagram, once it is there as a whole. One of more than `most` bytes is an error,
    /// after which nothing in the stream can be found any more.
    pub fn take(&mut self, most: usize) -> Result<Option<&[u8]>, TooLong> {
        loop {
            let rest = &self.bytes[self.taken..];
            let [high, low, ..] = rest else {
                return Ok(None);
            };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if length > most {
                return Err(TooLong(length));
            }
            if rest.len() < LENGTH + length {
                return Ok(None);
            }
            let start = self.taken + LENGTH;
            self.taken = start + length;
            // A null packet means nothing.
            if length > 0 {
                return Ok(Some(&self.bytes[start..start + length]));
            }
        }
    }
}

/// A datagram behind its length; `None` if it is longer than a length can say.
pub fn framed(datagram: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(datagram.len()).ok()?;
    let mut frame = Vec::with_capacity(LENGTH + datagram.len());
    frame.extend(length.to_be_bytes());
    frame.extend_from_slice(datagram);
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_out_as_they_went_in_however_the_stream_is_cut() {
        let datagrams: Vec<Vec<u8>> = [1, 200, 1, 1200]
            .iter()
            .map(|length| vec![*length as u8; *length])
            .collect();
        let mut stream = vec![0, 0];
        for datagram in &datagrams {
            stream.extend(framed(datagram).unwrap());
        }
        for piece in [1, 2, 3, 7, 201, stream.len()] {
            let mut frames = Frames::default();
            let mut out = Vec::new();
            for bytes in stream.chunks(piece) {
                frames.push(bytes);
                while let Some(datagram) = frames.take(1500).unwrap() {
                    out.push(datagram.to_vec());
                }
            }
            assert_eq!(out, datagrams, "{piece}");
            frames.push(&[]);
            assert!(frames.bytes.is_empty());
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_is_waited_for() {
        let mut frames = Frames::default();
        frames.push(&[0x16, 3]);
        assert_eq!(frames.take(1500), Err(TooLong(0x1603)));
        assert_eq!(framed(&vec![0; 65_536]), None);
        assert_eq!(
            framed(&vec![0; 65_535]).map(|frame| frame.len()),
            Some(65_537)
        );
    }
}
