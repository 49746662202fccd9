//! Secure RTP (RFC 3711) with the two suites of RFC 4568.

/// An SDES cipher suite (RFC 4568 section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// AES-128 counter mode, 80-bit tags.
    AesCm128HmacSha1_80,
    /// AES-128 counter mode, 32-bit tags on RTP; RTCP still has 80 bits.
    AesCm128HmacSha1_32,
}
