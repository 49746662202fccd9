//! A client of the API on one kept connection.

use std::io::{BufReader, Write};
use std::net::TcpStream;

use anyhow::{Context, bail};
use serde_json::Value;

use super::application::message;

/// The connection.
pub struct Client {
    reader: BufReader<TcpStream>,
    host: String,
    authorization: String,
}

impl Client {
    /// Connects; `api` is like `http://127.0.0.1:8460`.
    pub fn new(api: &str, user: &str, password: &str) -> anyhow::Result<Self> {
        let host = api
            .strip_prefix("http://")
            .context("the API has a plain address")?;
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        let authorization = base64(format!("{user}:{password}").as_bytes());
        Ok(Self {
            reader: BufReader::new(stream),
            host: host.to_owned(),
            authorization,
        })
    }

    /// Posts a form; the answer's object. An error unless it was accepted.
    pub fn post(&mut self, path: &str, form: &str) -> anyhow::Result<Value> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Basic {}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            self.host,
            self.authorization,
            form.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())?;
        let (first, body) = message(&mut self.reader).context("the API closed the connection")?;
        if !first.starts_with("HTTP/1.1 2") {
            bail!("{path}: {}: {body}", first.trim());
        }
        serde_json::from_str(&body).with_context(|| format!("{}: {body}", first.trim()))
    }
}

/// RFC 4648, section 4.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at)) as usize & 63;
            text.push(if at <= group.len() {
                char::from(ALPHABET[index])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
