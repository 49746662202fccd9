//! The codes that a page is told, and what each SDK makes of them.

use crate::sdk::Sdk;
use serde_json::{Value, json};

/// An error for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The number; what the SDK shows for it is a matter of its version.
    pub code: u32,
    /// What happened and what to do about it.
    pub message: String,
    /// After how many seconds to come back, from 2.18 and only during a call.
    pub retry_after: Option<u64>,
}

/// The codes that this crate sends by itself.
pub mod code {
    /// Nobody answered in time.
    pub const TIMEOUT: u32 = 31003;
    /// The call was ended for a reason that its text tells.
    pub const CANCELLED: u32 = 31008;
    /// A frame that lacks something.
    pub const MALFORMED: u32 = 31100;
    /// The parameters of a call are too long.
    pub const PARAMETERS_TOO_LONG: u32 = 31103;
    /// The token does not allow it.
    pub const UNAUTHORIZED: u32 = 31201;
    /// The signature of the token is wrong.
    pub const SIGNATURE: u32 = 31202;
    /// The account does not exist or is closed.
    pub const NO_ACCOUNT: u32 = 31203;
    /// The token is no token.
    pub const INVALID_TOKEN: u32 = 31204;
    /// The token has expired.
    pub const TOKEN_EXPIRED: u32 = 31205;
    /// Too many requests.
    pub const RATE: u32 = 31206;
    /// The token would live for longer than is allowed.
    pub const TOKEN_TOO_LONG: u32 = 31207;
    /// The call to come back to is over, or the token for it is not good.
    pub const RECONNECT: u32 = 31209;
    /// The type of a call message is not allowed.
    pub const MESSAGE_TYPE: u32 = 31210;
    /// A call message is too long.
    pub const MESSAGE_TOO_LONG: u32 = 31212;
    /// The server is full.
    pub const UNAVAILABLE: u32 = 31480;
    /// This device is in a call already.
    pub const BUSY: u32 = 31486;
    /// The session description cannot be used.
    pub const DESCRIPTION: u32 = 53402;
    /// The media connection failed.
    pub const MEDIA: u32 = 53405;
}

impl Fault {
    /// A code and its text.
    pub fn new(code: u32, message: impl Into<String>) -> Fault {
        Fault {
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(seconds) = self.retry_after {
            error["retryAfter"] = json!(seconds);
        }
        error
    }
}

/// The code that the application sees on its Device for an `error` frame. `precise` is the option
/// `enableImprovedSignalingErrorPrecision`, which exists from 2.8.
pub fn seen_on_device(sdk: Sdk, code: u32, precise: bool) -> u32 {
    if sdk.major < 2 {
        return code;
    }
    match code {
        code::UNAUTHORIZED => 20151,
        code::INVALID_TOKEN => 20101,
        code::TOKEN_EXPIRED => 20104,
        _ if known(sdk, code) => code,
        _ if vague(code) && precise && sdk >= Sdk::new(2, 8, 0) => code,
        _ => 53000,
    }
}

/// The code that the application sees on its Call for the error in a `hangup`.
pub fn seen_on_call(sdk: Sdk, code: u32, precise: bool) -> u32 {
    let mapped = matches!(
        code,
        code::UNAUTHORIZED | code::INVALID_TOKEN | code::TOKEN_EXPIRED
    );
    match () {
        () if sdk.major < 2 => code,
        () if sdk < Sdk::new(2, 8, 0) => 31005,
        () if known(sdk, code) => code,
        () if precise && (mapped || vague(code)) => code,
        () => 31005,
    }
}

/// Codes that have a class of their own in the SDK.
fn known(sdk: Sdk, code: u32) -> bool {
    match code {
        20101 | 20104 | 20151 | 31000 | 31005 | 31008 | 31009 | 31400..=31402 => true,
        53000 | 53001 | 53400 | 53402 | 53405 => true,
        31100 | 31206 | 31209 => sdk >= Sdk::new(2, 2, 0),
        31210 | 31212 => sdk >= Sdk::new(2, 12, 1),
        _ => false,
    }
}

/// Codes that are shown only to who asked for precision.
fn vague(code: u32) -> bool {
    matches!(
        code,
        31001..=31003
            | 31101..=31105
            | 31107
            | 31202
            | 31203
            | 31207
            | 31404
            | 31480
            | 31486
            | 31603
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: Sdk = Sdk::new(1, 15, 1);
    const V2_0: Sdk = Sdk::new(2, 0, 1);
    const V2_7: Sdk = Sdk::new(2, 7, 1);
    const V2_8: Sdk = Sdk::new(2, 9, 0);
    const V2_12: Sdk = Sdk::new(2, 12, 4);

    #[test]
    fn the_table_of_the_device_by_generation() {
        for (sdk, code, precise, seen) in [
            (V1, 31202, false, 31202),
            (V1, 31205, false, 31205),
            (V2_0, 31205, false, 20104),
            (V2_12, 31201, false, 20151),
            (V2_12, 31204, false, 20101),
            (V2_12, 31202, false, 53000),
            (V2_12, 31202, true, 31202),
            (V2_7, 31202, true, 53000),
            (V2_0, 31206, false, 53000),
            (V2_7, 31206, false, 31206),
            (V2_8, 31212, false, 53000),
            (V2_12, 31212, false, 31212),
            (V2_12, 99999, true, 53000),
        ] {
            assert_eq!(seen_on_device(sdk, code, precise), seen, "{sdk} {code}");
        }
    }

    #[test]
    fn the_table_of_the_call_by_generation() {
        for (sdk, code, precise, seen) in [
            (V1, 31003, false, 31003),
            (V1, 31008, false, 31008),
            (V2_7, 31008, false, 31005),
            (V2_8, 31008, false, 31008),
            (V2_8, 31003, false, 31005),
            (V2_8, 31003, true, 31003),
            (V2_7, 31209, false, 31005),
            (V2_8, 31209, false, 31209),
            (V2_12, 31205, true, 31205),
            (V2_12, 99999, true, 31005),
        ] {
            assert_eq!(seen_on_call(sdk, code, precise), seen, "{sdk} {code}");
        }
    }
}
