//! How the sound of a call was, as its page and we have measured it; Insights are made of it.

use crate::now::Wall;
use crate::sid::{AccountSid, CallSid};

/// Something that was measured or noticed in a call.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Telemetry {
    /// Whose call it is about.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// What it is.
    pub kind: TelemetryKind,
    /// It, as it is shown.
    pub content: serde_json::Value,
    /// When it came here.
    pub created: Wall,
}

/// Who measured what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TelemetryKind {
    /// An event of the page: an object with `group`, `name`, `level`, `timestamp` and `payload`.
    Event,
    /// Samples of the page, one a second: a list.
    Metrics,
    /// What we measured of a leg, one sample a second: an object with `samples`.
    Media,
}

impl TelemetryKind {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            TelemetryKind::Event => "event",
            TelemetryKind::Metrics => "metrics",
            TelemetryKind::Media => "media",
        }
    }

    /// The most entries of this kind that are kept of one call. Metrics come in batches of ten
    /// seconds, and a call lasts at most four hours.
    pub fn most(self) -> u64 {
        match self {
            TelemetryKind::Event => 500,
            TelemetryKind::Metrics => 1_500,
            TelemetryKind::Media => 16,
        }
    }
}
