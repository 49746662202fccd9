//! CSeq (RFC 3261 section 20.16).

use crate::fault::Fault;
use crate::message::Method;

/// A sequence number and the method it was given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Less than 2^31 (RFC 3261 section 8.1.1.5).
    pub number: u32,
    /// The method.
    pub method: Method,
}

impl CSeq {
    /// Reads a value.
    pub fn parse(text: &str) -> Result<CSeq, Fault> {
        let bad = Fault::Malformed("a bad CSeq");
        let mut words = text.split_ascii_whitespace();
        let (Some(number), Some(method), None) = (words.next(), words.next(), words.next()) else {
            return Err(bad);
        };
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad);
        }
        let number: u32 = number.parse().map_err(|_| bad.clone())?;
        if number >= 1 << 31 {
            return Err(bad);
        }
        Ok(CSeq {
            number,
            method: Method::parse(method),
        })
    }
}
