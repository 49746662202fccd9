//! What the errors of the HTTP library mean.

use std::{error::Error, io};

use rustls::CertificateError;

use super::resolver::{Forbidden, NoHost};
use crate::failure::Cause;

/// What a failure to send or to receive the head of the answer means.
pub(super) fn of_head(error: &reqwest::Error) -> Cause {
    let mut inner: Option<&(dyn Error + 'static)> = Some(error);
    let mut io_seen = false;
    while let Some(current) = inner {
        if current.is::<Forbidden>() {
            return Cause::Forbidden;
        }
        if current.is::<NoHost>() {
            return Cause::NoHost;
        }
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return of_tls(tls);
        }
        // An io::Error hides the error it wraps from `source`.
        if let Some(io) = current.downcast_ref::<io::Error>() {
            io_seen = true;
            if let Some(tls) = io.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
                return of_tls(tls);
            }
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return Cause::Refused,
                io::ErrorKind::TimedOut if error.is_connect() => return Cause::ConnectTimeout,
                _ => {}
            }
        }
        inner = within(current);
    }
    if error.is_connect() {
        if error.is_timeout() {
            Cause::ConnectTimeout
        } else {
            Cause::Connection
        }
    } else if io_seen || error.is_timeout() || closed(error) {
        Cause::BrokenOff
    } else if error.is_builder() {
        Cause::InvalidUrl
    } else {
        Cause::Protocol
    }
}

/// What a failure to receive the body means. An end before its time is the line's fault, wrong
/// chunk sizes and broken compression are the sender's.
pub(super) fn of_body(error: &reqwest::Error) -> Cause {
    let mut inner: Option<&(dyn Error + 'static)> = Some(error);
    let mut connection = false;
    while let Some(current) = inner {
        let kind = current.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) = kind {
            return Cause::Protocol;
        }
        // hyper's error, whose type is not ours to name. Without it, the body came as it was sent.
        connection |= current
            .to_string()
            .contains("reading a body from connection");
        inner = within(current);
    }
    match connection {
        true => Cause::BrokenOff,
        false => Cause::Protocol,
    }
}

/// The error inside another: an `io::Error` hides the one it wraps from `source`.
fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// Whether the connection was closed before the answer was complete. hyper says so in words only
/// (its error type is not ours to name).
fn closed(error: &reqwest::Error) -> bool {
    let mut inner: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = inner {
        let text = current.to_string();
        if text.contains("before message completed") || text.contains("connection closed") {
            return true;
        }
        inner = within(current);
    }
    false
}

fn of_tls(error: &rustls::Error) -> Cause {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return Cause::Tls;
    };
    match certificate {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Cause::CertificateName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Cause::CertificateExpired,
        _ => Cause::CertificatePath,
    }
}
