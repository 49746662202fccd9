//! The two methods with which a customer's server is asked.

use std::{fmt, str::FromStr};

/// `GET` or `POST`, as configured beside every URL.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub enum Method {
    /// Parameters travel in the query.
    #[serde(rename = "GET")]
    Get,
    /// Parameters travel as a form; the default everywhere.
    #[default]
    #[serde(rename = "POST")]
    Post,
}

impl Method {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = ();

    /// Case does not matter, as upstream.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            _ if text.eq_ignore_ascii_case("GET") => Ok(Method::Get),
            _ if text.eq_ignore_ascii_case("POST") => Ok(Method::Post),
            _ => Err(()),
        }
    }
}
