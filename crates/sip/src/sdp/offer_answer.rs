//! Which formats, which way, to which address, with which keys (RFC 3264).

use super::description::{Crypto, Description, Direction, Format, Media};
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// The suite every SDES phone has.
pub const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

/// What we bring to a negotiation.
#[derive(Clone, Debug)]
pub struct Local {
    /// Our RTP address as the other side can reach it.
    pub address: IpAddr,
    /// Our RTP port.
    pub port: u16,
    /// Supported formats in order of preference, `telephone-event` and `CN` among them.
    pub formats: Vec<Format>,
    /// Packet time in milliseconds.
    pub ptime: u16,
    /// Which way we want media to flow.
    pub direction: Direction,
    /// Our SRTP key and salt, base64 of 30 bytes; `None`: no SRTP.
    pub srtp_key: Option<String>,
    /// Number of the session in `o=`; the same for its whole life.
    pub session_id: u64,
    /// Version in `o=`; one more for each changed description.
    pub version: u64,
}

/// The keys of an SRTP session, base64 of key and salt, 30 bytes each.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    /// What we encrypt with.
    pub local: String,
    /// What they encrypt with.
    pub remote: String,
}

impl std::fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SrtpKeys(..)")
    }
}

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Where to send RTP, by the description; latching on the source is the media's business.
    pub remote: SocketAddr,
    /// Where to send RTCP.
    pub remote_rtcp: SocketAddr,
    /// Audio formats with the payload types to send, best first; never empty.
    pub formats: Vec<Format>,
    /// The payload types to expect for the same formats, in the same order; they may differ from
    /// the ones to send when we made the offer.
    pub receive_payload_types: Vec<u8>,
    /// `telephone-event` as (payload type to send, to expect).
    pub telephone_event: Option<(u8, u8)>,
    /// Payload type of comfort noise (RFC 3389), if both sides have it.
    pub comfort_noise: Option<u8>,
    /// Packet time wanted by the other side, in milliseconds.
    pub ptime: u16,
    /// Which way media flows, as seen by us.
    pub direction: Direction,
    /// SRTP keys.
    pub srtp: Option<SrtpKeys>,
    /// Whether RTCP shares the RTP port.
    pub rtcp_mux: bool,
}

impl Agreed {
    /// Whether the other side does not want to hear us.
    pub fn held(&self) -> bool {
        !self.direction.sends()
    }
}

/// An answer to send and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The description to send.
    pub description: Description,
    /// What was agreed.
    pub agreed: Agreed,
}

/// Why there is nothing to agree on; 488 is the answer to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Disagreement {
    /// No audio section, or only refused ones.
    #[error("the other side offers no audio")]
    NoAudio,
    /// No format in common.
    #[error("the other side has no audio format that we have")]
    NoFormat,
    /// No usable address: a host name, or none.
    #[error("the other side names no address for its audio")]
    NoAddress,
    /// They demand SRTP that we cannot or may not do, or the other way round.
    #[error("the two sides cannot agree on encryption")]
    Encryption,
}

fn is_event(format: &Format) -> bool {
    format.name.eq_ignore_ascii_case("telephone-event")
}

fn is_noise(format: &Format) -> bool {
    format.name.eq_ignore_ascii_case("CN")
}

/// Whether a call can be held in this format alone.
fn is_speech(format: &Format) -> bool {
    !is_event(format) && !is_noise(format)
}

fn plain(kind: &str, port: u16, protocol: &str, formats: Vec<Format>) -> Media {
    Media {
        kind: kind.to_owned(),
        port,
        protocol: protocol.to_owned(),
        format_list: formats.iter().map(|f| f.payload_type.to_string()).collect(),
        formats,
        address: None,
        ptime: None,
        maxptime: None,
        direction: None,
        crypto: Vec::new(),
        rtcp_mux: false,
        rtcp_port: None,
        attributes: Vec::new(),
    }
}

fn describe(local: &Local, media: Vec<Media>) -> Description {
    Description {
        session_id: local.session_id,
        version: local.version,
        origin: local.address,
        name: "-".to_owned(),
        address: Some(local.address),
        direction: None,
        attributes: Vec::new(),
        media,
    }
}

/// An offer of everything we have.
pub fn offer(local: &Local) -> Description {
    let protocol = if local.srtp_key.is_some() {
        "RTP/SAVP"
    } else {
        "RTP/AVP"
    };
    let mut media = plain("audio", local.port, protocol, local.formats.clone());
    media.ptime = Some(local.ptime);
    media.direction = Some(local.direction);
    media.rtcp_mux = true;
    if let Some(key) = &local.srtp_key {
        media.crypto.push(Crypto {
            tag: 1,
            suite: SUITE.to_owned(),
            key: key.clone(),
            parameters: None,
        });
    }
    describe(local, vec![media])
}

fn is_secure(protocol: &str) -> bool {
    protocol.to_ascii_uppercase().starts_with("RTP/SAVP")
}

fn is_rtp(protocol: &str) -> bool {
    let protocol = protocol.to_ascii_uppercase();
    matches!(
        protocol.as_str(),
        "RTP/AVP" | "RTP/AVPF" | "RTP/SAVP" | "RTP/SAVPF"
    )
}

/// Answers an offer: the first audio section that can be used is taken, every other section is
/// refused with port 0. Payload types are the offerer's.
pub fn answer(local: &Local, remote: &Description) -> Result<Answer, Disagreement> {
    let mut why = Disagreement::NoAudio;
    for (at, offered) in remote.media.iter().enumerate() {
        if !offered.kind.eq_ignore_ascii_case("audio")
            || offered.port == 0
            || !is_rtp(&offered.protocol)
        {
            continue;
        }
        match answer_media(local, remote, offered) {
            Ok((taken, agreed)) => {
                let media = remote
                    .media
                    .iter()
                    .enumerate()
                    .map(|(other, m)| {
                        if other == at {
                            taken.clone()
                        } else {
                            refused(m)
                        }
                    })
                    .collect();
                return Ok(Answer {
                    description: describe(local, media),
                    agreed,
                });
            }
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

/// A refused section repeats the format list, which must not be empty (RFC 3264 section 6).
fn refused(offered: &Media) -> Media {
    let mut media = plain(&offered.kind, 0, &offered.protocol, Vec::new());
    media.format_list.clone_from(&offered.format_list);
    media
}

fn answer_media(
    local: &Local,
    remote: &Description,
    offered: &Media,
) -> Result<(Media, Agreed), Disagreement> {
    let address = remote.address_of(offered).ok_or(Disagreement::NoAddress)?;
    let (crypto, srtp) = if is_secure(&offered.protocol) {
        let key = local.srtp_key.as_ref().ok_or(Disagreement::Encryption)?;
        let chosen = offered
            .crypto
            .iter()
            .find(|c| c.suite == SUITE && c.parameters.is_none())
            .ok_or(Disagreement::Encryption)?;
        (
            Some(Crypto {
                tag: chosen.tag,
                suite: SUITE.to_owned(),
                key: key.clone(),
                parameters: None,
            }),
            Some(SrtpKeys {
                local: key.clone(),
                remote: chosen.key.clone(),
            }),
        )
    } else {
        (None, None)
    };
    let mut formats: Vec<Format> = Vec::new();
    for theirs in offered.formats.iter().filter(|f| is_speech(f)) {
        if let Some(ours) = local.formats.iter().find(|f| f.same_encoding(theirs)) {
            formats.push(Format {
                payload_type: theirs.payload_type,
                fmtp: ours.fmtp.clone(),
                ..theirs.clone()
            });
        }
    }
    let rate = formats.first().ok_or(Disagreement::NoFormat)?.clock_rate;
    let event = event_for(&offered.formats, &local.formats, rate);
    let noise = noise_for(&offered.formats, &local.formats);
    let mut described = formats.clone();
    described.extend(noise.clone());
    if let Some(event) = &event {
        described.push(event.clone());
    }
    let direction = remote.direction_of(offered).reversed().and(local.direction);
    let mut media = plain("audio", local.port, &offered.protocol, described);
    media.ptime = Some(offered.ptime.unwrap_or(local.ptime));
    media.direction = Some(direction);
    media.rtcp_mux = offered.rtcp_mux;
    media.crypto.extend(crypto);
    let receive_payload_types = formats.iter().map(|f| f.payload_type).collect();
    Ok((
        media,
        Agreed {
            remote: SocketAddr::new(address, offered.port),
            remote_rtcp: rtcp_of(address, offered, offered.rtcp_mux),
            formats,
            receive_payload_types,
            telephone_event: event.map(|e| (e.payload_type, e.payload_type)),
            comfort_noise: noise.map(|noise| noise.payload_type),
            ptime: offered.ptime.unwrap_or(local.ptime),
            direction,
            srtp,
            rtcp_mux: offered.rtcp_mux,
        },
    ))
}

/// Theirs, at the clock rate of the audio if they have it at several (RFC 4733 section 2.1).
fn event_for(theirs: &[Format], ours: &[Format], rate: u32) -> Option<Format> {
    let mut common = theirs.iter().filter(|f| {
        is_event(f)
            && ours
                .iter()
                .any(|o| is_event(o) && o.clock_rate == f.clock_rate)
    });
    let first = common.clone().next()?;
    let event = common.find(|f| f.clock_rate == rate).unwrap_or(first);
    let mut event = event.clone();
    event.fmtp = Some("0-16".to_owned());
    Some(event)
}

/// Theirs, if we have it too. It fits every format: it is made at the rate of what it follows.
fn noise_for(theirs: &[Format], ours: &[Format]) -> Option<Format> {
    let known = |theirs: &&Format| {
        let mut ours = ours.iter().filter(|ours| is_noise(ours));
        is_noise(theirs) && ours.any(|ours| ours.same_encoding(theirs))
    };
    theirs.iter().find(known).cloned()
}

fn rtcp_of(address: IpAddr, media: &Media, mux: bool) -> SocketAddr {
    let port = if mux {
        media.port
    } else {
        media.rtcp_port.unwrap_or(media.port.saturating_add(1))
    };
    SocketAddr::new(address, port)
}

/// Reads the answer to our offer.
pub fn accept(local: &Local, answer: &Description) -> Result<Agreed, Disagreement> {
    let media = answer.audio().ok_or(Disagreement::NoAudio)?;
    let address = answer.address_of(media).ok_or(Disagreement::NoAddress)?;
    let srtp = match (&local.srtp_key, is_secure(&media.protocol)) {
        (Some(key), true) => {
            let theirs = media
                .crypto
                .iter()
                .find(|c| c.suite == SUITE && c.tag == 1)
                .ok_or(Disagreement::Encryption)?;
            Some(SrtpKeys {
                local: key.clone(),
                remote: theirs.key.clone(),
            })
        }
        (None, false) => None,
        _ => return Err(Disagreement::Encryption),
    };
    let mut formats = Vec::new();
    let mut receive_payload_types = Vec::new();
    for theirs in media.formats.iter().filter(|f| is_speech(f)) {
        if let Some(ours) = local.formats.iter().find(|f| f.same_encoding(theirs)) {
            formats.push(theirs.clone());
            receive_payload_types.push(ours.payload_type);
        }
    }
    let rate = formats.first().ok_or(Disagreement::NoFormat)?.clock_rate;
    let telephone_event = event_for(&media.formats, &local.formats, rate).map(|theirs| {
        let expect = local
            .formats
            .iter()
            .find(|f| f.same_encoding(&theirs))
            .map_or(theirs.payload_type, |f| f.payload_type);
        (theirs.payload_type, expect)
    });
    Ok(Agreed {
        remote: SocketAddr::new(address, media.port),
        remote_rtcp: rtcp_of(address, media, media.rtcp_mux),
        formats,
        receive_payload_types,
        telephone_event,
        comfort_noise: noise_for(&media.formats, &local.formats).map(|noise| noise.payload_type),
        ptime: media.ptime.unwrap_or(local.ptime),
        direction: answer.direction_of(media).reversed().and(local.direction),
        srtp,
        rtcp_mux: media.rtcp_mux,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Local {
        Local {
            address: "192.0.2.1".parse().expect("address"),
            port: 10_000,
            formats: vec![
                Format::new(111, "opus", 48_000),
                Format::new(0, "PCMU", 8000),
                Format::new(8, "PCMA", 8000),
                Format::new(13, "CN", 8000),
                Format::new(101, "telephone-event", 8000).with_fmtp("0-16"),
            ],
            ptime: 20,
            direction: Direction::SendRecv,
            srtp_key: None,
            session_id: 7,
            version: 1,
        }
    }

    fn parse(text: &str) -> Description {
        Description::parse(text).expect("valid")
    }

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\n\
        t=0 0\r\nm=audio 4000 RTP/AVP 18 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\n\
        a=fmtp:96 0-15\r\na=ptime:30\r\nm=video 4002 RTP/AVP 31\r\n";

    #[test]
    fn their_order_their_numbers_no_video() {
        let answer = answer(&local(), &parse(OFFER)).expect("agreed");
        let names: Vec<_> = answer.agreed.formats.iter().map(|f| &*f.name).collect();
        assert_eq!(names, ["PCMA", "PCMU"]);
        assert_eq!(answer.agreed.telephone_event, Some((96, 96)));
        assert_eq!(answer.agreed.remote_rtcp.port(), 4001);
        let text = answer.description.to_string();
        assert!(text.contains("m=audio 10000 RTP/AVP 8 0 96\r\n"), "{text}");
        assert!(text.contains("m=video 0 RTP/AVP 31\r\n"), "{text}");
        assert!(text.contains("a=ptime:30\r\n"), "{text}");
    }

    #[test]
    fn comfort_noise_is_answered_if_offered_and_is_no_speech() {
        let with = OFFER.replace("18 8 0 96", "13 8 96");
        let answered = answer(&local(), &parse(&with)).expect("agreed");
        assert_eq!(answered.agreed.formats.len(), 1);
        assert_eq!(answered.agreed.comfort_noise, Some(13));
        let text = answered.description.to_string();
        assert!(text.contains("m=audio 10000 RTP/AVP 8 13 96\r\n"), "{text}");
        let heard = accept(&local(), &answered.description).expect("agreed");
        assert_eq!(heard.formats.len(), 1);
        assert_eq!(heard.comfort_noise, Some(13));

        let without = answer(&local(), &parse(OFFER)).expect("agreed");
        assert_eq!(without.agreed.comfort_noise, None);
        assert!(!without.description.to_string().contains("CN"));
        // Noise alone is no call.
        let alone = OFFER.replace("18 8 0 96", "13 96");
        assert_eq!(
            answer(&local(), &parse(&alone)),
            Err(Disagreement::NoFormat)
        );
    }

    #[test]
    fn hold_is_mirrored() {
        for (theirs, ours) in [
            ("sendonly", Direction::RecvOnly),
            ("inactive", Direction::Inactive),
            ("recvonly", Direction::SendOnly),
        ] {
            let offer = parse(&OFFER.replace("a=ptime:30", &format!("a={theirs}")));
            assert_eq!(
                answer(&local(), &offer).expect("agreed").agreed.direction,
                ours
            );
        }
        let old = parse(&OFFER.replace("c=IN IP4 198.51.100.1", "c=IN IP4 0.0.0.0"));
        assert!(old.holds());
        assert!(answer(&local(), &old).expect("agreed").agreed.held());
    }

    #[test]
    fn nothing_in_common() {
        let offer = parse("v=0\nm=audio 9 RTP/AVP 18\nc=IN IP4 192.0.2.9\n");
        assert_eq!(answer(&local(), &offer), Err(Disagreement::NoFormat));
        let offer = parse("v=0\nm=video 9 RTP/AVP 31\nc=IN IP4 192.0.2.9\n");
        assert_eq!(answer(&local(), &offer), Err(Disagreement::NoAudio));
    }

    #[test]
    fn an_offer_and_its_answer_agree() {
        let mut ours = local();
        ours.srtp_key = Some("A".repeat(40));
        let mut theirs = local();
        theirs.srtp_key = Some("B".repeat(40));
        theirs.formats.remove(0);
        let offered = parse(&offer(&ours).to_string());
        let answered = answer(&theirs, &offered).expect("agreed");
        let answer_read = parse(&answered.description.to_string());
        let agreed = accept(&ours, &answer_read).expect("agreed");
        assert_eq!(agreed.formats[0].name, "PCMU");
        let keys = agreed.srtp.expect("encrypted");
        assert_eq!((&keys.local[..1], &keys.remote[..1]), ("A", "B"));
        assert_eq!(answered.agreed.srtp.expect("encrypted").remote, keys.local);
    }

    #[test]
    fn encryption_is_never_dropped_silently() {
        let mut ours = local();
        ours.srtp_key = Some("A".repeat(40));
        let secure = parse(&offer(&ours).to_string());
        assert_eq!(answer(&local(), &secure), Err(Disagreement::Encryption));
        let plain = parse(OFFER);
        assert_eq!(accept(&ours, &plain), Err(Disagreement::Encryption));
    }

    #[test]
    fn answers_with_our_numbers_are_understood() {
        let text = "v=0\no=- 1 1 IN IP6 2001:db8::1\ns=-\nc=IN IP6 2001:db8::1\nt=0 0\n\
            m=audio 4000 RTP/AVP 96 97\na=rtpmap:96 opus/48000\na=rtpmap:97 telephone-event/8000\n";
        let agreed = accept(&local(), &parse(text)).expect("agreed");
        assert_eq!(agreed.receive_payload_types, [111]);
        assert_eq!(agreed.formats[0].payload_type, 96);
        assert_eq!(agreed.telephone_event, Some((97, 101)));
    }

    #[test]
    fn rubbish_is_a_fault_not_a_panic() {
        for text in ["", "x", "m=audio", "v=0\nm=audio x RTP/AVP", "v=0\nnothing"] {
            assert!(Description::parse(text).is_err(), "{text}");
        }
        for text in [
            "v=0\na=rtpmap:",
            "v=0\nm=audio 1 RTP/AVP 300 x\na=fmtp:1\na=crypto:1 2",
        ] {
            assert!(Description::parse(text).is_ok(), "{text}");
        }
    }
}
