//! Descriptions to text.

use super::description::Description;
use std::fmt;
use std::net::IpAddr;

struct Connection(IpAddr);

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.0.is_ipv4() { 4 } else { 6 };
        write!(f, "IN IP{family} {}", self.0)
    }
}

fn attribute(f: &mut fmt::Formatter<'_>, name: &str, value: Option<&str>) -> fmt::Result {
    match value {
        Some(value) => write!(f, "a={name}:{value}\r\n"),
        None => write!(f, "a={name}\r\n"),
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "v=0\r\no=- {} {} {}\r\ns={}\r\n",
            self.session_id,
            self.version,
            Connection(self.origin),
            self.name
        )?;
        if let Some(address) = self.address {
            write!(f, "c={}\r\n", Connection(address))?;
        }
        f.write_str("t=0 0\r\n")?;
        for (name, value) in &self.attributes {
            attribute(f, name, value.as_deref())?;
        }
        if let Some(direction) = self.direction {
            attribute(f, direction.word(), None)?;
        }
        for media in &self.media {
            write!(f, "m={} {} {}", media.kind, media.port, media.protocol)?;
            for format in &media.format_list {
                write!(f, " {format}")?;
            }
            f.write_str("\r\n")?;
            if let Some(address) = media.address {
                write!(f, "c={}\r\n", Connection(address))?;
            }
            for format in media.formats.iter().filter(|m| !m.name.is_empty()) {
                write!(
                    f,
                    "a=rtpmap:{} {}/{}",
                    format.payload_type, format.name, format.clock_rate
                )?;
                if format.channels != 1 {
                    write!(f, "/{}", format.channels)?;
                }
                f.write_str("\r\n")?;
                if let Some(fmtp) = &format.fmtp {
                    write!(f, "a=fmtp:{} {fmtp}\r\n", format.payload_type)?;
                }
            }
            for crypto in &media.crypto {
                write!(
                    f,
                    "a=crypto:{} {} inline:{}",
                    crypto.tag, crypto.suite, crypto.key
                )?;
                if let Some(parameters) = &crypto.parameters {
                    write!(f, " {parameters}")?;
                }
                f.write_str("\r\n")?;
            }
            if let Some(ptime) = media.ptime {
                write!(f, "a=ptime:{ptime}\r\n")?;
            }
            if let Some(maxptime) = media.maxptime {
                write!(f, "a=maxptime:{maxptime}\r\n")?;
            }
            if let Some(port) = media.rtcp_port {
                write!(f, "a=rtcp:{port}\r\n")?;
            }
            if media.rtcp_mux {
                attribute(f, "rtcp-mux", None)?;
            }
            for (name, value) in &media.attributes {
                attribute(f, name, value.as_deref())?;
            }
            if let Some(direction) = media.direction {
                attribute(f, direction.word(), None)?;
            }
        }
        Ok(())
    }
}
