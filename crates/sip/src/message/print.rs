//! Messages to bytes. Content-Length is always written, and always right.

use super::{HeaderName, Headers, Request, Response};
use std::fmt::Write as _;

impl Request {
    /// The bytes of the request.
    pub fn print(&self) -> Vec<u8> {
        let mut head = String::with_capacity(512 + self.body.len());
        let _ = write!(head, "{} {} SIP/2.0\r\n", self.method, self.uri);
        finish(head, &self.headers, &self.body)
    }
}

impl Response {
    /// The bytes of the response.
    pub fn print(&self) -> Vec<u8> {
        let mut head = String::with_capacity(512 + self.body.len());
        let _ = write!(head, "SIP/2.0 {} {}\r\n", self.status, self.reason);
        finish(head, &self.headers, &self.body)
    }
}

fn finish(mut head: String, headers: &Headers, body: &[u8]) -> Vec<u8> {
    for (name, value) in headers.iter() {
        if *name != HeaderName::ContentLength {
            head.push_str(name.word());
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
    }
    let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
