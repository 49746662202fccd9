//! A session description as a value.

use std::net::IpAddr;

/// Which way media flows, as seen by the side that wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From the writer only.
    SendOnly,
    /// To the writer only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The attribute.
    pub fn word(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// Reads an attribute.
    pub fn parse(word: &str) -> Option<Direction> {
        match word {
            "sendrecv" => Some(Direction::SendRecv),
            "sendonly" => Some(Direction::SendOnly),
            "recvonly" => Some(Direction::RecvOnly),
            "inactive" => Some(Direction::Inactive),
            _ => None,
        }
    }

    /// The same as seen by the other side.
    pub fn reversed(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            same => same,
        }
    }

    /// Whether the writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the writer receives.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// What is left when each side states its wish.
    pub fn and(self, other: Direction) -> Direction {
        match (
            self.sends() && other.sends(),
            self.receives() && other.receives(),
        ) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
}

/// A media format: rtpmap and fmtp of one payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// 0 to 127.
    pub payload_type: u8,
    /// The encoding name, such as `PCMU`.
    pub name: String,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Channels, 1 when not written.
    pub channels: u8,
    /// The format parameters, raw.
    pub fmtp: Option<String>,
}

impl Format {
    /// A format with one channel and no parameters.
    pub fn new(payload_type: u8, name: &str, clock_rate: u32) -> Format {
        Format {
            payload_type,
            name: name.to_owned(),
            clock_rate,
            channels: 1,
            fmtp: None,
        }
    }

    /// The same with format parameters.
    pub fn with_fmtp(mut self, fmtp: &str) -> Format {
        self.fmtp = Some(fmtp.to_owned());
        self
    }

    /// Whether both name the same encoding, whatever the payload type.
    pub fn same_encoding(&self, other: &Format) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels
    }

    /// The formats with fixed numbers of RFC 3551 that a description may use without rtpmap.
    pub fn fixed(payload_type: u8) -> Option<Format> {
        let (name, clock_rate) = match payload_type {
            0 => ("PCMU", 8000),
            3 => ("GSM", 8000),
            4 => ("G723", 8000),
            8 => ("PCMA", 8000),
            // RFC 3551 section 4.5.2: an old mistake fixed G722's RTP clock at 8000.
            9 => ("G722", 8000),
            13 => ("CN", 8000),
            15 => ("G728", 8000),
            18 => ("G729", 8000),
            _ => return None,
        };
        Some(Format::new(payload_type, name, clock_rate))
    }
}

/// One `a=crypto` line (RFC 4568).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// The tag that answers refer to.
    pub tag: u32,
    /// `AES_CM_128_HMAC_SHA1_80`.
    pub suite: String,
    /// The key and salt, base64, without `inline:` and without lifetime.
    pub key: String,
    /// Session parameters after the key; an offer with any must be refused when not understood.
    pub parameters: Option<String>,
}

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, ...
    pub kind: String,
    /// The RTP port; 0: refused.
    pub port: u16,
    /// `RTP/AVP`, `RTP/SAVP`, ...
    pub protocol: String,
    /// The format list as written.
    pub format_list: Vec<String>,
    /// The formats with a known encoding, in order of preference.
    pub formats: Vec<Format>,
    /// Its own `c=` address; falls back to the session's.
    pub address: Option<IpAddr>,
    /// `a=ptime`, in milliseconds.
    pub ptime: Option<u16>,
    /// `a=maxptime`, in milliseconds.
    pub maxptime: Option<u16>,
    /// The direction, when written here.
    pub direction: Option<Direction>,
    /// `a=crypto` lines.
    pub crypto: Vec<Crypto>,
    /// `a=rtcp-mux`.
    pub rtcp_mux: bool,
    /// The port of `a=rtcp`.
    pub rtcp_port: Option<u16>,
    /// Other attributes: name, value.
    pub attributes: Vec<(String, Option<String>)>,
}

/// A whole description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Number of the session, in `o=`.
    pub session_id: u64,
    /// Its version, which grows with each change.
    pub version: u64,
    /// The address in `o=`.
    pub origin: IpAddr,
    /// `s=`.
    pub name: String,
    /// `c=` of the session.
    pub address: Option<IpAddr>,
    /// The direction, when written for the session.
    pub direction: Option<Direction>,
    /// Other session attributes.
    pub attributes: Vec<(String, Option<String>)>,
    /// The media sections, in order.
    pub media: Vec<Media>,
}

impl Description {
    /// The position of the audio section to use: the first that is not refused.
    pub fn audio_index(&self) -> Option<usize> {
        self.media
            .iter()
            .position(|m| m.kind.eq_ignore_ascii_case("audio") && m.port != 0)
    }

    /// That section.
    pub fn audio(&self) -> Option<&Media> {
        self.audio_index().map(|at| &self.media[at])
    }

    /// The address media of a section goes to.
    pub fn address_of(&self, media: &Media) -> Option<IpAddr> {
        media.address.or(self.address)
    }

    /// The direction of a section; the null address of RFC 2543 means hold.
    pub fn direction_of(&self, media: &Media) -> Direction {
        let written = media.direction.or(self.direction).unwrap_or_default();
        match self.address_of(media) {
            Some(ip) if ip.is_unspecified() => written.and(Direction::SendOnly),
            _ => written,
        }
    }

    /// Whether the writer asks us to be silent: it does not receive audio.
    pub fn holds(&self) -> bool {
        self.audio()
            .is_some_and(|audio| !self.direction_of(audio).receives())
    }
}
