//! Text to descriptions. Lines we do not know are skipped, as RFC 8866 section 5 asks.

use super::description::{Crypto, Description, Direction, Format, Media};
use crate::fault::Fault;
use std::net::{IpAddr, Ipv4Addr};

/// Media sections beyond this are a fault: no phone has so many.
const MOST_MEDIA: usize = 32;
/// Formats beyond this in one section are not read.
const MOST_FORMATS: usize = 64;

impl Description {
    /// Reads a description. Line ends may be CRLF, LF or CR.
    pub fn parse(text: &str) -> Result<Description, Fault> {
        let mut description = Description {
            session_id: 0,
            version: 0,
            origin: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            name: "-".to_owned(),
            address: None,
            direction: None,
            attributes: Vec::new(),
            media: Vec::new(),
        };
        let mut versioned = false;
        for line in text.split(['\r', '\n']).filter(|l| !l.is_empty()) {
            let Some((kind, value)) = line.split_once('=') else {
                return Err(Fault::Malformed("a line of SDP without ="));
            };
            if !versioned {
                if kind.trim() != "v" {
                    return Err(Fault::Malformed("SDP that does not begin with v="));
                }
                versioned = true;
                continue;
            }
            match kind {
                "o" => {
                    let words: Vec<&str> = value.split_ascii_whitespace().collect();
                    if let [_, id, version, _, _, address, ..] = words[..] {
                        // Numbers longer than 64 bits are legal and of no interest.
                        description.session_id = id.parse().unwrap_or(0);
                        description.version = version.parse().unwrap_or(0);
                        if let Ok(ip) = address.parse() {
                            description.origin = ip;
                        }
                    }
                }
                "s" => value.clone_into(&mut description.name),
                "c" => {
                    let address = connection(value);
                    match description.media.last_mut() {
                        Some(media) => media.address = address,
                        None => description.address = address,
                    }
                }
                "m" => {
                    if description.media.len() == MOST_MEDIA {
                        return Err(Fault::Malformed("too many media sections"));
                    }
                    description.media.push(media(value)?);
                }
                "a" => {
                    let (name, value) = match value.split_once(':') {
                        Some((name, value)) => (name.trim(), Some(value.trim())),
                        None => (value.trim(), None),
                    };
                    match description.media.last_mut() {
                        Some(media) => media_attribute(media, name, value),
                        None => match Direction::parse(name) {
                            Some(direction) => description.direction = Some(direction),
                            None => description
                                .attributes
                                .push((name.to_owned(), value.map(str::to_owned))),
                        },
                    }
                }
                _ => {}
            }
        }
        if versioned {
            Ok(description)
        } else {
            Err(Fault::Malformed("empty SDP"))
        }
    }
}

/// `IN IP4 192.0.2.1`, perhaps with a TTL; a host name gives `None`.
fn connection(value: &str) -> Option<IpAddr> {
    let address = value.split_ascii_whitespace().nth(2)?;
    address.split('/').next()?.parse().ok()
}

fn media(value: &str) -> Result<Media, Fault> {
    let mut words = value.split_ascii_whitespace();
    let bad = Fault::Malformed("a bad m= line");
    let (Some(kind), Some(port), Some(protocol)) = (words.next(), words.next(), words.next())
    else {
        return Err(bad);
    };
    let port = port.split('/').next().unwrap_or(port);
    let format_list: Vec<String> = words.take(MOST_FORMATS).map(str::to_owned).collect();
    let formats = format_list
        .iter()
        .filter_map(|f| f.parse().ok())
        .filter(|f: &u8| *f < 128)
        // A dynamic number gets its name from a later rtpmap; until then it has none.
        .map(|f| Format::fixed(f).unwrap_or_else(|| Format::new(f, "", 0)))
        .collect();
    Ok(Media {
        kind: kind.to_owned(),
        port: port.parse().map_err(|_| bad)?,
        protocol: protocol.to_owned(),
        format_list,
        formats,
        address: None,
        ptime: None,
        maxptime: None,
        direction: None,
        crypto: Vec::new(),
        rtcp_mux: false,
        rtcp_port: None,
        attributes: Vec::new(),
    })
}

fn media_attribute(media: &mut Media, name: &str, value: Option<&str>) {
    let number = |text: &str| text.trim().parse::<f32>().ok().map(|n| n as u16);
    match (name, value) {
        ("rtpmap", Some(value)) => {
            let Some((payload_type, encoding)) = value.split_once([' ', '\t']) else {
                return;
            };
            let mut parts = encoding.trim().split('/');
            let name = parts.next().filter(|name| !name.is_empty());
            let (Ok(payload_type), Some(name)) = (payload_type.parse::<u8>(), name) else {
                return;
            };
            let clock_rate = parts.next().and_then(|r| r.parse().ok()).unwrap_or(8000);
            let channels = parts.next().and_then(|c| c.parse().ok()).unwrap_or(1);
            if let Some(format) = media
                .formats
                .iter_mut()
                .find(|f| f.payload_type == payload_type)
            {
                name.clone_into(&mut format.name);
                format.clock_rate = clock_rate;
                format.channels = channels;
            }
        }
        ("fmtp", Some(value)) => {
            let Some((payload_type, parameters)) = value.split_once([' ', '\t']) else {
                return;
            };
            if let Some(format) = media
                .formats
                .iter_mut()
                .find(|f| f.payload_type.to_string() == payload_type)
            {
                format.fmtp = Some(parameters.trim().to_owned());
            }
        }
        ("ptime", Some(value)) => media.ptime = number(value),
        ("maxptime", Some(value)) => media.maxptime = number(value),
        ("crypto", Some(value)) => {
            let mut words = value.split_ascii_whitespace();
            let (Some(tag), Some(suite), Some(key)) = (words.next(), words.next(), words.next())
            else {
                return;
            };
            let (Ok(tag), Some(key)) = (tag.parse(), key.strip_prefix("inline:")) else {
                return;
            };
            let parameters: Vec<&str> = words.collect();
            media.crypto.push(Crypto {
                tag,
                suite: suite.to_owned(),
                key: key.split(['|', ';']).next().unwrap_or(key).to_owned(),
                parameters: (!parameters.is_empty()).then(|| parameters.join(" ")),
            });
        }
        ("rtcp-mux", None) => media.rtcp_mux = true,
        ("rtcp", Some(value)) => {
            media.rtcp_port = value
                .split_ascii_whitespace()
                .next()
                .and_then(|p| p.parse().ok());
        }
        (name, value) => match Direction::parse(name) {
            Some(direction) => media.direction = Some(direction),
            None => media
                .attributes
                .push((name.to_owned(), value.map(str::to_owned))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rtpmap_without_a_name_changes_nothing() {
        // Found by fuzzing: it took PCMU away from payload type 0.
        let text = "v=0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 /8000\r\n";
        let description = Description::parse(text).expect("it can be read");
        assert_eq!(description.media[0].formats[0].name, "PCMU");
    }
}
