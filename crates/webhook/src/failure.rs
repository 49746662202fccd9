//! Why a request did not bring what was asked for, with the code the customer is told.

use crate::{
    client::MOST_REDIRECTS,
    exchange::{Exchange, cut},
    overrides::OverrideError,
    retry::Outcome,
};

/// The cause of a failure. Each variant has one code of the original's error dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The URL is none, is not http or https, or its host has an underscore.
    InvalidUrl,
    /// The fragment asks for something impossible.
    Override(OverrideError),
    /// The address is not one we call ([`crate::egress`]).
    Forbidden,
    /// The host has no address.
    NoHost,
    /// TCP or TLS took longer than `ct`.
    ConnectTimeout,
    /// TCP was refused.
    Refused,
    /// TCP or the connection broke otherwise.
    Connection,
    /// TLS failed.
    Tls,
    /// The certificate is for another host.
    CertificateName,
    /// The certificate has expired or is not valid yet.
    CertificateExpired,
    /// No path from the certificate to one we trust.
    CertificatePath,
    /// No answer for longer than `rt`.
    ReadTimeout,
    /// Everything together took longer than `tt`.
    TotalTimeout,
    /// What came is not HTTP.
    Protocol,
    /// The answer's status is not 2xx.
    Status(u16),
    /// More than ten redirects.
    TooManyRedirects,
    /// The body is longer than allowed.
    TooLong,
    /// A chunked body without any chunk.
    EmptyChunked,
    /// The body broke off.
    BrokenOff,
}

impl Cause {
    /// The code of the error dictionary.
    pub fn code(&self) -> u32 {
        match self {
            Self::InvalidUrl => 11100,
            Self::Override(error) => error.code(),
            Self::Forbidden | Self::ReadTimeout | Self::Status(_) => 11200,
            Self::ConnectTimeout => 11201,
            Self::Refused => 11202,
            Self::TotalTimeout => 11203,
            Self::Connection | Self::BrokenOff => 11205,
            Self::Protocol => 11206,
            Self::NoHost => 11210,
            Self::TooManyRedirects => 11215,
            Self::Tls => 11220,
            Self::CertificateName => 11235,
            Self::CertificateExpired => 11236,
            Self::CertificatePath => 11237,
            Self::TooLong => 11750,
            Self::EmptyChunked => 11770,
        }
    }

    /// The same, as far as trying again is concerned.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::InvalidUrl | Self::Override(_) | Self::Forbidden => Outcome::Impossible,
            Self::NoHost
            | Self::ConnectTimeout
            | Self::Refused
            | Self::Connection
            | Self::Tls
            | Self::CertificateName
            | Self::CertificateExpired
            | Self::CertificatePath => Outcome::NoConnection,
            Self::ReadTimeout | Self::TotalTimeout => Outcome::NoAnswer,
            Self::Status(status) => Outcome::Answered(*status),
            // The receiver did answer, ten times over.
            Self::TooManyRedirects => Outcome::Answered(302),
            Self::EmptyChunked => Outcome::Answered(200),
            Self::Protocol | Self::TooLong | Self::BrokenOff => Outcome::BadAnswer,
        }
    }

    /// One sentence that says what happened and, where it is not plain, what to do.
    pub(crate) fn message(&self, url: &str) -> String {
        let url = cut(url, 512);
        match self {
            Self::InvalidUrl => format!(
                "{url} is not a URL we can call: use http or https and a host name without underscore"
            ),
            Self::Override(error) => format!("{error}; correct the fragment of the URL"),
            Self::Forbidden => format!(
                "the host of {url} is a private or local address; use one that is reachable publicly"
            ),
            Self::NoHost => format!("the host of {url} has no address"),
            Self::ConnectTimeout => format!("no connection to {url} in time"),
            Self::Refused => format!("the connection to {url} was refused: does the program run?"),
            Self::Connection => format!("the connection to {url} failed"),
            Self::BrokenOff => {
                format!("the connection to {url} broke before the answer was complete")
            }
            Self::Tls => format!("the TLS handshake with {url} failed"),
            Self::CertificateName => format!("the certificate of {url} is for another host"),
            Self::CertificateExpired => {
                format!("the certificate of {url} has expired or is not valid yet")
            }
            Self::CertificatePath => {
                format!("the certificate of {url} is not from a known authority")
            }
            Self::ReadTimeout => format!("{url} did not answer in time"),
            Self::TotalTimeout => format!("the request to {url} took too long in total"),
            Self::Protocol => format!("the answer of {url} is not valid HTTP"),
            Self::Status(status) => format!("{url} answered with status {status}"),
            Self::TooManyRedirects => {
                format!("more than {MOST_REDIRECTS} redirects, last to {url}")
            }
            Self::TooLong => format!("the body of {url} is too long"),
            Self::EmptyChunked => format!("{url} answered with a chunked body without any chunk"),
        }
    }
}

/// A request that failed, with everything that is known about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct FetchFailure {
    /// The cause.
    pub cause: Cause,
    /// Its code.
    pub code: u32,
    /// One sentence for the customer.
    pub message: String,
    /// What was sent and what came back.
    pub exchange: Box<Exchange>,
}

impl FetchFailure {
    /// How [`crate::retry::callback`] sees it.
    pub fn outcome(&self) -> Outcome {
        self.cause.outcome()
    }
}
