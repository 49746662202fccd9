//! SIP domains: where devices register and call in, and which lists let them.

use crate::method::Method;
use crate::now::Wall;
use crate::sid::{
    AccountSid, CredentialListSid, IpAccessControlListSid, PhoneNumberSid, SipDomainSid,
};

/// A SIP domain.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SipDomain {
    /// Its identifier.
    pub sid: SipDomainSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The host name, lowercase; unique over all accounts (21232).
    pub domain_name: String,
    /// What people call it.
    pub friendly_name: String,
    /// Asked for TwiML when a call comes in.
    pub voice_url: Option<String>,
    /// How the voice URL is asked.
    pub voice_method: Method,
    /// Asked when the voice URL fails.
    pub voice_fallback_url: Option<String>,
    /// How the voice fallback is asked.
    pub voice_fallback_method: Method,
    /// Told when a call ended.
    pub voice_status_callback_url: Option<String>,
    /// How the status callback is told.
    pub voice_status_callback_method: Method,
    /// Whether devices may register.
    pub sip_registration: bool,
    /// Whether emergency calls are routed.
    pub emergency_calling_enabled: bool,
    /// Whether only TLS and SRTP will do.
    pub secure: bool,
    /// BYOC trunk (BY…), kept and shown, without effect.
    pub byoc_trunk_sid: Option<String>,
    /// Number shown on emergency calls.
    pub emergency_caller: Option<PhoneNumberSid>,
    /// When it was made.
    pub created: Wall,
    /// When it last changed.
    pub updated: Wall,
}

/// What a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MappingUse {
    /// Calls into the domain; the older, unnamed mappings are these too.
    Calls,
    /// Registrations.
    Registrations,
}

crate::words!(MappingUse {
    Calls = "calls",
    Registrations = "registrations",
});

/// The list that is consulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum MappedList {
    /// User names and passwords.
    Credentials(CredentialListSid),
    /// Source addresses.
    IpAccessControl(IpAccessControlListSid),
}

/// "This domain consults this list for that."
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SipDomainMapping {
    /// The domain.
    pub domain: SipDomainSid,
    /// What for.
    pub purpose: MappingUse,
    /// The list.
    pub list: MappedList,
    /// When it was made.
    pub created: Wall,
}

/// The computed `auth_type` of a domain with these mappings: the kinds of lists that calls
/// consult, alphabetical, separated by a comma; empty when there is none.
pub fn auth_type(mappings: &[SipDomainMapping]) -> &'static str {
    let calls = || mappings.iter().filter(|m| m.purpose == MappingUse::Calls);
    let credentials = calls().any(|m| matches!(m.list, MappedList::Credentials(_)));
    let addresses = calls().any(|m| matches!(m.list, MappedList::IpAccessControl(_)));
    match (credentials, addresses) {
        (false, false) => "",
        (false, true) => "IP_ACL",
        (true, false) => "CREDENTIAL_LIST",
        (true, true) => "CREDENTIAL_LIST,IP_ACL",
    }
}
