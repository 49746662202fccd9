//! Telephone numbers: how they are read and shown, the ones an account owns, the ones it may show.

use std::{fmt, str::FromStr};

use crate::method::Method;
use crate::now::Wall;
use crate::sid::{AccountSid, ApplicationSid, PhoneNumberSid, TrunkSid};

/// A number in E.164: `+`, then a country code that does not begin with 0, at most 15 digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneNumber(String);

/// Why a text is not a telephone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a telephone number: expected + and up to 15 digits, like +14158675310")]
pub struct PhoneNumberError;

impl PhoneNumber {
    /// Reads E.164, and besides what people in the United States write: ten digits, or 1 and ten
    /// digits, with spaces, dots, dashes and parentheses (as upstream does).
    pub fn lenient(text: &str) -> Result<Self, PhoneNumberError> {
        let text = text.trim();
        if text.len() > 64 {
            return Err(PhoneNumberError);
        }
        let bare: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/'))
            .collect();
        if bare.starts_with('+') {
            return bare.parse();
        }
        let national = match bare.len() {
            11 => bare.strip_prefix('1'),
            10 => Some(bare.as_str()),
            _ => None,
        };
        // A North American area code begins with 2 to 9; otherwise +1 would be a guess.
        national
            .filter(|digits| digits.starts_with(|c| ('2'..='9').contains(&c)))
            .map(|digits| format!("+1{digits}"))
            .ok_or(PhoneNumberError)?
            .parse()
    }

    /// `+` and the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As people read it; see [`formatted`].
    pub fn formatted(&self) -> String {
        formatted(&self.0)
    }
}

/// `(415) 867-5308` for a North American number; every other party as it is.
pub fn formatted(party: &str) -> String {
    let national = party
        .strip_prefix("+1")
        .filter(|digits| digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    match national {
        Some(d) => format!("({}) {}-{}", &d[..3], &d[3..6], &d[6..]),
        None => party.to_owned(),
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneNumberError;

    fn from_str(text: &str) -> Result<Self, PhoneNumberError> {
        let digits = text.strip_prefix('+').ok_or(PhoneNumberError)?;
        let valid = (2..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if valid {
            Ok(PhoneNumber(text.to_owned()))
        } else {
            Err(PhoneNumberError)
        }
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for PhoneNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for PhoneNumber {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a number can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Capabilities {
    /// Calls.
    pub voice: bool,
    /// Text messages.
    pub sms: bool,
    /// Messages with media.
    pub mms: bool,
    /// Facsimile.
    pub fax: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Capabilities {
            voice: true,
            sms: false,
            mms: false,
            fax: false,
        }
    }
}

/// The kind of number, which decides under which of the four lists it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NumberType {
    /// Of a place.
    #[default]
    Local,
    /// Of a mobile network.
    Mobile,
    /// Free for the caller.
    TollFree,
}

crate::words!(NumberType {
    Local = "local",
    Mobile = "mobile",
    TollFree = "toll-free",
});

/// What answers an incoming call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VoiceReceiveMode {
    /// A program.
    #[default]
    Voice,
    /// A facsimile.
    Fax,
}

crate::words!(VoiceReceiveMode {
    Voice = "voice",
    Fax = "fax",
});

/// A number that an account owns. Who answers a call to it: the trunk, else the voice
/// application, else the voice URL.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IncomingPhoneNumber {
    /// Its identifier.
    pub sid: PhoneNumberSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The number; unique.
    pub phone_number: PhoneNumber,
    /// What people call it; its display form when nobody said otherwise.
    pub friendly_name: String,
    /// Which of the lists it belongs to.
    pub number_type: NumberType,
    /// What it can carry.
    pub capabilities: Capabilities,
    /// Whether it is new to the platform.
    pub beta: bool,
    /// Hands calls on, before everything below.
    pub trunk: Option<TrunkSid>,
    /// Answers calls; then the voice URLs below are ignored.
    pub voice_application: Option<ApplicationSid>,
    /// Asked for TwiML when a call comes in.
    pub voice_url: Option<String>,
    /// How the voice URL is asked.
    pub voice_method: Method,
    /// Asked when the voice URL fails.
    pub voice_fallback_url: Option<String>,
    /// How the voice fallback is asked.
    pub voice_fallback_method: Method,
    /// Told when a call ended.
    pub status_callback: Option<String>,
    /// How the status callback is told.
    pub status_callback_method: Method,
    /// Whether callers' names are looked up.
    pub voice_caller_id_lookup: bool,
    /// What answers an incoming call.
    pub voice_receive_mode: VoiceReceiveMode,
    /// Answers messages; then the message URLs below are ignored.
    pub sms_application: Option<ApplicationSid>,
    /// Asked when a message comes in.
    pub sms_url: Option<String>,
    /// How the message URL is asked.
    pub sms_method: Method,
    /// Asked when the message URL fails.
    pub sms_fallback_url: Option<String>,
    /// How the message fallback is asked.
    pub sms_fallback_method: Method,
    /// Address record (AD…), kept and shown, without effect.
    pub address_sid: Option<String>,
    /// Identity record (RI…), kept and shown, without effect.
    pub identity_sid: Option<String>,
    /// Regulatory bundle (BU…), kept and shown, without effect.
    pub bundle_sid: Option<String>,
    /// Whether emergency calls are routed.
    pub emergency_active: bool,
    /// Emergency address record (AD…), kept and shown, without effect.
    pub emergency_address_sid: Option<String>,
    /// When it was bought.
    pub created: Wall,
    /// When it last changed.
    pub updated: Wall,
}

impl IncomingPhoneNumber {
    /// A voice number that nobody answers yet.
    pub fn new(
        sid: PhoneNumberSid,
        account: AccountSid,
        phone_number: PhoneNumber,
        created: Wall,
    ) -> Self {
        IncomingPhoneNumber {
            sid,
            account,
            friendly_name: phone_number.formatted(),
            phone_number,
            number_type: NumberType::Local,
            capabilities: Capabilities::default(),
            beta: false,
            trunk: None,
            voice_application: None,
            voice_url: None,
            voice_method: Method::Post,
            voice_fallback_url: None,
            voice_fallback_method: Method::Post,
            status_callback: None,
            status_callback_method: Method::Post,
            voice_caller_id_lookup: false,
            voice_receive_mode: VoiceReceiveMode::Voice,
            sms_application: None,
            sms_url: None,
            sms_method: Method::Post,
            sms_fallback_url: None,
            sms_fallback_method: Method::Post,
            address_sid: None,
            identity_sid: None,
            bundle_sid: None,
            emergency_active: false,
            emergency_address_sid: None,
            created,
            updated: created,
        }
    }
}

/// A number that an account proved to be its own, and may show as caller.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OutgoingCallerId {
    /// Its identifier; PN like that of an owned number.
    pub sid: PhoneNumberSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The number; once in an account.
    pub phone_number: PhoneNumber,
    /// What people call it.
    pub friendly_name: String,
    /// When it was verified.
    pub created: Wall,
    /// When it last changed.
    pub updated: Wall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn american_habits_are_understood() {
        for text in [
            "+14158675310",
            "4158675310",
            "1 415 867 5310",
            "(415) 867-5310",
            "415.867.5310",
            " +1 (415) 867-5310 ",
        ] {
            let number = PhoneNumber::lenient(text).expect(text);
            assert_eq!(number.as_str(), "+14158675310");
            assert_eq!(number.formatted(), "(415) 867-5310");
        }
    }

    #[test]
    fn other_texts_are_not_numbers() {
        for text in [
            "",
            "+",
            "+1",
            "+0123",
            "+1234567890123456",
            "0301234567",
            "1154",
            "+１２３４",
            "sip:a@b",
            "+12a",
        ] {
            assert_eq!(PhoneNumber::lenient(text), Err(PhoneNumberError), "{text}");
        }
        assert!("4158675310".parse::<PhoneNumber>().is_err());
    }

    #[test]
    fn only_north_america_is_formatted() {
        assert_eq!(formatted("+4930123456"), "+4930123456");
        assert_eq!(formatted("client:joey"), "client:joey");
        assert_eq!(formatted("+1415é67531"), "+1415é67531");
    }
}
