//! One browser's media: `str0m`'s connection behind the words of a leg. Plain RTP goes in and
//! comes out; ICE-lite, DTLS-SRTP and RTCP stay in here.
//!
//! ```text
//! shared UDP socket, ──► handle_datagram ┐           ┌─► Output::Transmit ──► where it came from
//! or a TCP stream
//!                                        ├─► Rtc ────┤
//! media port ──► send (plain RTP) ───────┘           └─► Output::Packet (plain RTP) ──► media port
//! ```
//!
//! The SDKs never trickle and never take an offer in mid-call (`voice-client.md` 3.1, 3.2): every
//! description of ours carries all candidates, and whoever offers first is settled for good,
//! except for the browser's ICE restarts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::hello::Role;
use crate::quality::{Gauge, Sample};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::format::{Codec, CodecSpec, FormatParams, PayloadParams};
use str0m::ice::StunMessage;
use str0m::media::{Direction, Frequency, MediaKind, Mid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{RtpPacket, RtpWrite, SeqNo};
use str0m::{Candidate, IceConnectionState, Input, Rtc, RtcConfig, RtcError};

/// Payload type that we offer telephone-event with.
const TELEPHONE_EVENT: u8 = 101;
/// Bytes of an RTP header without sources and extensions (RFC 3550 section 5.1).
const HEADER: usize = 12;
/// How often it is measured how the sound is.
const MEASURED: Duration = Duration::from_secs(1);
/// The largest description that is read; the SDKs' are about 4 kB.
const LONGEST: usize = 32 * 1024;

/// What all peers of a process share.
#[derive(Clone)]
pub struct Identity {
    certificate: DtlsCert,
    provider: Arc<CryptoProvider>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// A certificate for every DTLS handshake, made by the provider's own random source.
    pub fn generate() -> Result<Self, PeerError> {
        let provider = Arc::new(str0m::crypto::from_feature_flags());
        let certificate = provider
            .dtls_provider
            .generate_certificate()
            .ok_or(PeerError::Certificate)?;
        Ok(Self {
            certificate,
            provider,
        })
    }
}

/// Why a description or a packet cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Not a session description, or none that we can follow.
    #[error("the browser's description cannot be used: {0}")]
    Description(String),
    /// Nothing that both sides can speak.
    #[error("the browser and we have no codec in common")]
    NoCodec,
    /// An answer that nothing was offered for.
    #[error("an answer came although nothing is on offer")]
    NothingOffered,
    /// The cryptography library could not make a certificate.
    #[error("no DTLS certificate could be made")]
    Certificate,
}

impl From<RtcError> for PeerError {
    fn from(error: RtcError) -> Self {
        PeerError::Description(error.to_string())
    }
}

/// A codec as the two sides have named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// RTP payload type, the same both ways.
    pub payload_type: u8,
    /// The codec's name as in `a=rtpmap`.
    pub name: &'static str,
    /// Clock rate in Hz.
    pub clock_rate: u32,
}

/// What offer and answer settled on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// What may be sent either way, the browser's favourite first.
    pub codecs: Vec<Payload>,
    /// Payload type of telephone-event at 8000 Hz, if agreed.
    pub telephone_event: Option<u8>,
    /// What the browser asks of our Opus.
    pub opus: Wishes,
    /// Milliseconds of sound that the browser wants in a packet (`a=ptime`, RFC 8866 section 6.4).
    pub packet_time: Option<u32>,
}

/// What the receiver of Opus asks of its sender (RFC 7587 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes {
    /// `maxaveragebitrate`: most bits per second on average.
    pub max_bitrate: Option<u32>,
    /// `useinbandfec`: it can repair a lost packet from the one after it.
    pub fec: bool,
}

impl Wishes {
    /// Reads the parameters (`a=fmtp`) of a payload type.
    fn of(description: &str, payload_type: u8) -> Wishes {
        let mut wishes = Wishes::default();
        let start = format!("a=fmtp:{payload_type} ");
        let parameters = description
            .lines()
            .find_map(|line| line.strip_prefix(&start));
        for parameter in parameters.unwrap_or_default().split(';') {
            match parameter.trim().split_once('=') {
                // Not outside of what the RFC allows.
                Some(("maxaveragebitrate", bits)) => {
                    wishes.max_bitrate = bits
                        .parse()
                        .ok()
                        .map(|bits: u32| bits.clamp(6_000, 510_000));
                }
                Some(("useinbandfec", "1")) => wishes.fec = true,
                _ => {}
            }
        }
        wishes
    }
}

/// What a datagram travels on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// By itself.
    Udp,
    /// In a stream that the browser opened, behind its length ([`crate::framing`]).
    Tcp,
}

/// A way to a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// On what.
    pub transport: Transport,
    /// The browser's address.
    pub address: SocketAddr,
}

impl From<SocketAddr> for Path {
    fn from(address: SocketAddr) -> Path {
        Path {
            transport: Transport::Udp,
            address,
        }
    }
}

impl Path {
    /// A stream.
    pub fn tcp(address: SocketAddr) -> Path {
        Path {
            transport: Transport::Tcp,
            address,
        }
    }

    fn protocol(self) -> Protocol {
        match self.transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        }
    }
}

/// What a peer wants done, or has to tell.
#[derive(Debug)]
pub enum Output {
    /// Send this from the shared socket, or on the browser's stream.
    Transmit {
        /// To whom.
        to: Path,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// A plain RTP packet from the browser.
    Packet(Vec<u8>),
    /// ICE and DTLS are up: sound can flow. Told again after a restart.
    Connected,
    /// The path is gone. It may come back, by itself or by an ICE restart.
    Disconnected,
    /// DTLS was closed by the browser, or failed. Final.
    Closed,
    /// How the last second was; told while connected.
    Measured(Sample),
    /// Nothing to do until then.
    Wait(Instant),
}

/// One browser's media.
pub struct Peer {
    rtc: Rtc,
    provider: Arc<CryptoProvider>,
    /// Tells a browser that waits to be led that we shall not.
    conflict: Option<(Path, Vec<u8>)>,
    pending: Option<SdpPendingOffer>,
    mid: Option<Mid>,
    agreed: Option<Agreed>,
    /// Extends the port's 16 bit sequence numbers (RFC 3711 section 3.3.1).
    sent: Option<u64>,
    local: SocketAddr,
    role: Role,
    closed: bool,
    gauge: Gauge,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peer({:?})", self.agreed)
    }
}

impl Peer {
    /// A peer behind the shared socket. `announced` are the addresses that the browser is told, for
    /// UDP and for TCP, the first being the one that datagrams count as received on.
    pub fn new(identity: &Identity, announced: &[SocketAddr], now: Instant) -> Self {
        let mut config = RtcConfig::new()
            .set_crypto_provider(identity.provider.clone())
            .set_dtls_cert(identity.certificate.clone())
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_stats_interval(Some(MEASURED))
            .clear_codecs()
            .clear_extension_map()
            // PCMU first: two browsers without a preference then share it with every telephone.
            .enable_pcmu(true, false)
            .enable_opus(true, false);
        config.codec_config().add_config(
            TELEPHONE_EVENT.into(),
            None,
            Codec::Tele,
            Frequency::EIGHT_KHZ,
            None,
            FormatParams::parse_line("0-16"),
        );
        let mut rtc = config.build(now);
        for address in announced {
            if let Ok(candidate) = Candidate::host(*address, Protocol::Udp) {
                rtc.add_local_candidate(candidate);
            }
            // RFC 6544 section 4.5: for who has no UDP. Its priority is below that of UDP.
            let stream = Candidate::builder().tcp().host(*address);
            if let Ok(candidate) = stream.tcptype(TcpType::Passive).build() {
                rtc.add_local_candidate(candidate);
            }
        }
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        Self {
            rtc,
            pending: None,
            mid: None,
            agreed: None,
            sent: None,
            provider: identity.provider.clone(),
            conflict: None,
            local: announced.first().copied().unwrap_or(unspecified),
            role: Role::default(),
            closed: false,
            gauge: Gauge::default(),
        }
    }

    /// The name by which the browser's STUN requests ask for this peer (RFC 8445 section 7.2.2).
    /// It changes with an ICE restart.
    pub fn fragment(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Offers a call to the browser.
    pub fn offer(&mut self) -> String {
        let mut change = self.rtc.sdp_api();
        let mid = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        self.mid = Some(mid);
        let (offer, pending) = change.apply().expect("an added medium needs an offer");
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    /// Takes the browser's answer to our offer.
    pub fn accept(&mut self, answer: &str) -> Result<Agreed, PeerError> {
        let pending = self.pending.take().ok_or(PeerError::NothingOffered)?;
        let description = bounded(answer)?;
        let answer = SdpAnswer::from_sdp_string(description)
            .map_err(|error| PeerError::Description(error.to_string()))?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.settle(description)
    }

    /// Answers the browser's offer: a new call, or the same call after an ICE restart.
    pub fn answer(&mut self, offer: &str) -> Result<(String, Agreed), PeerError> {
        let description = bounded(offer)?;
        // It leaves to us who begins the handshake: we do.
        let passive = description.replace("a=setup:actpass", "a=setup:passive");
        if passive != description {
            self.role = Role::Client;
        }
        let offer = SdpOffer::from_sdp_string(&passive)
            .map_err(|error| PeerError::Description(error.to_string()))?;
        let answer = self.rtc.sdp_api().accept_offer(offer)?.to_sdp_string();
        if self.mid.is_none() {
            // The medium is announced by an event too, but only once it is connected.
            self.mid = answer
                .lines()
                .find_map(|line| line.strip_prefix("a=mid:"))
                .map(Mid::from);
        }
        let agreed = self.settle(description)?;
        Ok((mirrored(answer, &agreed), agreed))
    }

    /// What was settled on; `None` before.
    pub fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// Takes a datagram if it is for this peer: it names our fragment, or comes from where the browser
    /// has proven to be, and fits the handshake. Anything else, a stranger's DTLS hello above all, is
    /// none of ours, nor is a hello that somebody else has sent in the browser's name.
    pub fn handle_datagram(&mut self, now: Instant, from: Path, bytes: &[u8]) -> bool {
        let Ok(receive) = Receive::new(from.protocol(), from.address, self.local, bytes) else {
            return false;
        };
        let input = Input::Receive(now, receive);
        if !self.rtc.accepts(&input) || !self.role.admits(bytes) {
            return false;
        }
        if let Some(reply) = self.role_conflict(bytes) {
            self.conflict = Some((from, reply));
        } else if self.rtc.handle_input(input).is_err() {
            self.closed = true;
        }
        true
    }

    /// The answer to a request of a browser that believes itself controlled, as with the SDKs' option
    /// `forceAggressiveIceNomination`, which hides from it that we are lite: it must lead (RFC 8445
    /// sections 6.1.1 and 7.3.1.1), and not a number drawn by each decide, as between equals.
    fn role_conflict(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        // A binding request (RFC 8489 section 5).
        if datagram.get(..2) != Some(&[0, 1]) {
            return None;
        }
        let request = StunMessage::parse(datagram).ok()?;
        request.ice_controlled()?;
        let reply = StunMessage::binding_role_conflict_reply(request.trans_id());
        let password = self.rtc.direct_api().local_ice_credentials().pass;
        let mut bytes = vec![0; 256];
        let hmac = self.provider.sha1_hmac_provider;
        let length = reply
            .to_bytes(Some(password.as_bytes()), &mut bytes, |key, parts| {
                hmac.sha1_hmac(key, parts)
            })
            .ok()?;
        bytes.truncate(length);
        Some(bytes)
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.rtc.handle_input(Input::Timeout(now)).is_err() {
            self.closed = true;
        }
    }

    /// Sends a plain RTP packet (RFC 3550) of an agreed payload type. Thrown away until connected,
    /// as the network would.
    pub fn send(&mut self, now: Instant, packet: &[u8]) {
        let (Some(mid), true) = (self.mid, packet.len() > HEADER) else {
            return;
        };
        if !self.rtc.is_connected() {
            return;
        }
        let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        let number = extended(self.sent, word(2));
        self.sent = Some(number);
        let timestamp = u32::from(word(4)) << 16 | u32::from(word(6));
        let payload_type = packet[1] & 0x7f;
        let mut direct = self.rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(mid, None) else {
            return;
        };
        stream.write_rtp(
            RtpWrite::new(
                payload_type.into(),
                SeqNo::from(number),
                timestamp,
                now,
                &packet[HEADER..],
            )
            .marker(packet[1] & 0x80 != 0),
        );
        self.gauge.sent();
    }

    /// Ends: RTCP BYE and DTLS close are left to be polled.
    pub fn close(&mut self) {
        // A connection that never was has nothing to say goodbye to.
        let _ = self.rtc.close();
    }

    /// What is to be done next. Ask until it says [`Output::Wait`].
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if std::mem::take(&mut self.closed) {
                return Some(Output::Closed);
            }
            if let Some((to, bytes)) = self.conflict.take() {
                return Some(Output::Transmit { to, bytes });
            }
            if !self.rtc.is_alive() {
                return None;
            }
            match self.rtc.poll_output() {
                Ok(str0m::Output::Timeout(at)) => return Some(Output::Wait(at)),
                Ok(str0m::Output::Transmit(transmit)) => {
                    let transport = match transmit.proto {
                        Protocol::Udp => Transport::Udp,
                        _ => Transport::Tcp,
                    };
                    return Some(Output::Transmit {
                        to: Path {
                            transport,
                            address: transmit.destination,
                        },
                        bytes: transmit.contents.into(),
                    });
                }
                Ok(str0m::Output::Event(event)) => {
                    if let Some(output) = self.translate(event) {
                        return Some(output);
                    }
                }
                Err(_) => {
                    self.rtc.disconnect();
                    return Some(Output::Closed);
                }
            }
        }
    }

    fn translate(&mut self, event: str0m::Event) -> Option<Output> {
        use str0m::Event as E;
        match event {
            E::RtpPacket(packet) => {
                let kind = *packet.header.payload_type;
                let mut codecs = self.agreed.iter().flat_map(|agreed| &agreed.codecs);
                if let Some(codec) = codecs.find(|codec| codec.payload_type == kind) {
                    let (at, number) = (packet.timestamp, *packet.seq_no);
                    self.gauge
                        .arrived(at, number, packet.header.timestamp, codec.clock_rate);
                }
                Some(Output::Packet(plain(&packet)))
            }
            E::MediaEgressStats(stats) => {
                self.gauge.rtt = stats.rtt;
                self.gauge.lost_there = stats.loss.map(|fraction| fraction * 100.0);
                None
            }
            E::PeerStats(_) if self.rtc.is_connected() => {
                Some(Output::Measured(self.gauge.sample()))
            }
            E::Connected => Some(Output::Connected),
            E::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                Some(Output::Disconnected)
            }
            E::IceConnectionStateChange(
                IceConnectionState::Connected | IceConnectionState::Completed,
            ) if self.rtc.is_connected() => Some(Output::Connected),
            E::Closed => Some(Output::Closed),
            _ => None,
        }
    }

    /// Reads what was agreed from the negotiated session, and from the browser's `description` what
    /// the session does not keep.
    fn settle(&mut self, description: &str) -> Result<Agreed, PeerError> {
        let mid = self.mid.ok_or(PeerError::NoCodec)?;
        let media = self.rtc.media(mid).ok_or(PeerError::NoCodec)?;
        let params = self.rtc.codec_config().params();
        let of = |payload_type| {
            params
                .iter()
                .find(|p: &&PayloadParams| p.pt() == payload_type)
        };
        let listed: Vec<(u8, CodecSpec)> = media
            .remote_pts()
            .iter()
            .filter_map(|payload_type| Some((**payload_type, of(*payload_type)?.spec())))
            .collect();
        let mut codecs: Vec<Payload> = listed
            .iter()
            .filter_map(|(payload_type, spec)| {
                let name = match spec.codec {
                    Codec::PCMU => "PCMU",
                    Codec::Opus => "opus",
                    _ => return None,
                };
                Some(Payload {
                    payload_type: *payload_type,
                    name,
                    clock_rate: spec.clock_rate.get(),
                })
            })
            .collect();
        if codecs.is_empty() {
            return Err(PeerError::NoCodec);
        }
        // The medium's own list tells what the browser prefers, and sends (RFC 8866 section 5.14); the
        // session has them in the order of their descriptions, which the SDKs leave alone.
        let preferred: Vec<&str> = description
            .lines()
            .find_map(|line| line.strip_prefix("m=audio "))
            .map_or_else(Vec::new, |line| line.split_whitespace().skip(2).collect());
        codecs.sort_by_key(|codec| {
            let payload_type = codec.payload_type.to_string();
            let place = preferred.iter().position(|listed| **listed == payload_type);
            place.unwrap_or(preferred.len())
        });
        let telephone_event = listed
            .iter()
            .find(|(_, spec)| spec.codec == Codec::Tele && spec.clock_rate == Frequency::EIGHT_KHZ)
            .map(|(payload_type, _)| *payload_type);
        let opus = codecs.iter().find(|codec| codec.name == "opus");
        let agreed = Agreed {
            opus: opus.map_or_else(Wishes::default, |opus| {
                Wishes::of(description, opus.payload_type)
            }),
            packet_time: description
                .lines()
                .find_map(|line| line.strip_prefix("a=ptime:")?.trim().parse().ok()),
            codecs,
            telephone_event,
        };
        self.agreed = Some(agreed.clone());
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, None) {
            // The port paces by its tick already; resending late sound is of no use.
            stream.set_unpaced(true);
            stream.set_rtx_cache(0, Duration::ZERO, None);
        }
        Ok(agreed)
    }
}

/// Our answer with the browser's own limit of Opus: a page limits what it sends by asking us to ask it
/// (`voice-client.md` 3.3).
fn mirrored(answer: String, agreed: &Agreed) -> String {
    let opus = agreed.codecs.iter().find(|codec| codec.name == "opus");
    let (Some(opus), Some(bits)) = (opus, agreed.opus.max_bitrate) else {
        return answer;
    };
    let start = format!("a=fmtp:{} ", opus.payload_type);
    answer
        .split_inclusive("\r\n")
        .map(|line| match line.strip_suffix("\r\n") {
            Some(line) if line.starts_with(&start) => {
                format!("{line};maxaveragebitrate={bits}\r\n")
            }
            _ => line.to_owned(),
        })
        .collect()
}

/// A description short enough to be read.
fn bounded(description: &str) -> Result<&str, PeerError> {
    if description.len() > LONGEST {
        return Err(PeerError::Description("it is too long".to_owned()));
    }
    Ok(description)
}

/// The number that continues `before` and ends in `low`.
fn extended(before: Option<u64>, low: u16) -> u64 {
    let Some(before) = before else {
        return low.into();
    };
    let step = low.wrapping_sub(before as u16) as i16;
    before.saturating_add_signed(step.into())
}

/// An RTP packet as a media port reads it: header without extensions, then the payload.
fn plain(packet: &RtpPacket) -> Vec<u8> {
    let header = &packet.header;
    let mut bytes = Vec::with_capacity(HEADER + packet.payload.len());
    bytes.push(0x80);
    bytes.push(u8::from(header.marker) << 7 | *header.payload_type);
    bytes.extend(header.sequence_number.to_be_bytes());
    bytes.extend(header.timestamp.to_be_bytes());
    bytes.extend(header.ssrc.to_be_bytes());
    bytes.extend_from_slice(&packet.payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::extended;

    #[test]
    fn sequence_numbers_grow_past_sixteen_bits_and_may_step_back() {
        assert_eq!(extended(None, 65_535), 65_535);
        assert_eq!(extended(Some(65_535), 0), 65_536);
        assert_eq!(extended(Some(65_536), 65_535), 65_535);
        assert_eq!(extended(Some(0), 65_535), 0);
    }
}
