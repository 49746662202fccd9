//! A TwiML application: a set of URLs under one name.

use crate::late_answer::LateAnswer;
use crate::method::Method;
use crate::notices::Notices;
use crate::now::Wall;
use crate::sid::{AccountSid, ApplicationSid};

/// A TwiML application. Methods default to POST, addresses to nothing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Application {
    /// Its identifier.
    pub sid: ApplicationSid,
    /// Whose it is.
    pub account: AccountSid,
    /// What people call it; up to 64 characters.
    pub friendly_name: Option<String>,
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
    /// Asked when a message comes in.
    pub sms_url: Option<String>,
    /// How the message URL is asked.
    pub sms_method: Method,
    /// Asked when the message URL fails.
    pub sms_fallback_url: Option<String>,
    /// How the message fallback is asked.
    pub sms_fallback_method: Method,
    /// Told of sent messages; the older name.
    pub sms_status_callback: Option<String>,
    /// Told of sent messages.
    pub message_status_callback: Option<String>,
    /// Whether other accounts may dial it with `<Dial><Application>`.
    pub public_application_connect_enabled: bool,
    /// What its browsers are told that answer too late; else as the installation says. Ours.
    #[serde(default)]
    pub late_answer: Option<LateAnswer>,
    /// How its browsers learn what the original does not tell; else as the installation says. Ours.
    #[serde(default)]
    pub notices: Option<Notices>,
    /// When it was made.
    pub created: Wall,
    /// When it last changed.
    pub updated: Wall,
}

/// What the browsers of an application are told otherwise than the installation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ToBrowsers {
    /// When they answer too late.
    pub late_answer: Option<LateAnswer>,
    /// Of what the original does not tell.
    pub notices: Option<Notices>,
}

impl Application {
    /// What its browsers are told otherwise.
    pub fn to_browsers(&self) -> ToBrowsers {
        ToBrowsers {
            late_answer: self.late_answer,
            notices: self.notices,
        }
    }

    /// An application that does nothing yet.
    pub fn new(sid: ApplicationSid, account: AccountSid, created: Wall) -> Self {
        Application {
            sid,
            account,
            friendly_name: None,
            voice_url: None,
            voice_method: Method::Post,
            voice_fallback_url: None,
            voice_fallback_method: Method::Post,
            status_callback: None,
            status_callback_method: Method::Post,
            voice_caller_id_lookup: false,
            sms_url: None,
            sms_method: Method::Post,
            sms_fallback_url: None,
            sms_fallback_method: Method::Post,
            sms_status_callback: None,
            message_status_callback: None,
            public_application_connect_enabled: false,
            late_answer: None,
            notices: None,
            created,
            updated: created,
        }
    }
}
