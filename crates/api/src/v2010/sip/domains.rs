//! `…/SIP/Domains`: host names under which devices register and call in.

use axum::extract::Path;
use model::error_code::ErrorCode;
use model::method::Method;
use model::sid::{AccountSid, PhoneNumberSid, SipDomainSid};
use model::sip_domain::{SipDomain, auth_type};
use serde_json::{Value, json};

use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::error::{Refusal, coded};
use crate::page;
use crate::render::{Answer, Listing};
use crate::router::not_found;
use crate::v2010::applications::set;

/// Names of the list.
const DOMAINS: Listing = Listing {
    key: "domains",
    elements: "Domains",
    element: "Domain",
};

/// Longest name.
const MAX_NAME: usize = 64;

/// A field that clears when the parameter is empty, and stays when it is absent.
type Clearable = Option<Option<String>>;

/// What a request says; what it does not mention stays.
struct Wanted {
    domain_name: Option<String>,
    friendly_name: Option<String>,
    voice_url: Clearable,
    voice_method: Option<Method>,
    voice_fallback_url: Clearable,
    voice_fallback_method: Option<Method>,
    voice_status_callback_url: Clearable,
    voice_status_callback_method: Option<Method>,
    sip_registration: Option<bool>,
    emergency_calling_enabled: Option<bool>,
    secure: Option<bool>,
    byoc_trunk_sid: Clearable,
    emergency_caller: Option<Option<PhoneNumberSid>>,
}

impl Wanted {
    fn read(ask: &Ask) -> Result<Self, Refusal> {
        const INVALID: ErrorCode = ErrorCode::DOMAIN_VALIDATION;
        let form = &ask.form;
        let friendly_name = form.text("FriendlyName").map(str::to_owned);
        if friendly_name
            .as_ref()
            .is_some_and(|name| name.chars().count() > MAX_NAME)
        {
            return Err(Refusal::new(
                INVALID,
                format!("FriendlyName must not exceed {MAX_NAME} characters"),
            ));
        }
        let emergency_caller = match form.raw("EmergencyCallerSid") {
            None => None,
            Some("") => Some(None),
            Some(text) => Some(Some(text.parse().map_err(|_| ErrorCode::INVALID_SID)?)),
        };
        Ok(Wanted {
            domain_name: form
                .text("DomainName")
                .map(|name| domain_name(ask, name))
                .transpose()?,
            friendly_name,
            voice_url: form.url("VoiceUrl", INVALID)?,
            voice_method: form.method("VoiceMethod", INVALID)?,
            voice_fallback_url: form.url("VoiceFallbackUrl", INVALID)?,
            voice_fallback_method: form.method("VoiceFallbackMethod", INVALID)?,
            voice_status_callback_url: form.url("VoiceStatusCallbackUrl", INVALID)?,
            voice_status_callback_method: form.method("VoiceStatusCallbackMethod", INVALID)?,
            sip_registration: form.boolean_or("SipRegistration", INVALID)?,
            emergency_calling_enabled: form.boolean_or("EmergencyCallingEnabled", INVALID)?,
            secure: form.boolean_or("Secure", INVALID)?,
            byoc_trunk_sid: form.clearable("ByocTrunkSid"),
            emergency_caller,
        })
    }

    fn apply(self, to: &mut SipDomain) {
        set(&mut to.domain_name, self.domain_name);
        set(&mut to.friendly_name, self.friendly_name);
        set(&mut to.voice_url, self.voice_url);
        set(&mut to.voice_method, self.voice_method);
        set(&mut to.voice_fallback_url, self.voice_fallback_url);
        set(&mut to.voice_fallback_method, self.voice_fallback_method);
        set(
            &mut to.voice_status_callback_url,
            self.voice_status_callback_url,
        );
        set(
            &mut to.voice_status_callback_method,
            self.voice_status_callback_method,
        );
        set(&mut to.sip_registration, self.sip_registration);
        set(
            &mut to.emergency_calling_enabled,
            self.emergency_calling_enabled,
        );
        set(&mut to.secure, self.secure);
        set(&mut to.byoc_trunk_sid, self.byoc_trunk_sid);
        set(&mut to.emergency_caller, self.emergency_caller);
    }
}

/// `<label>.sip.<base domain>`; the original's domain is always one of the base domains.
fn domain_name(ask: &Ask, text: &str) -> Result<String, Refusal> {
    let name = text.to_ascii_lowercase();
    let ours = format!(".sip.{}", ask.app.settings.base_domain.to_ascii_lowercase());
    let labels = [ours.as_str(), ".sip.twilio.com"]
        .into_iter()
        .find_map(|suffix| name.strip_suffix(suffix));
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 253 && labels.is_some_and(|labels| labels.split('.').all(label)) {
        return Ok(name);
    }
    Err(Refusal::new(
        ErrorCode::INVALID_DOMAIN_NAME,
        format!("DomainName must be letters, digits and dashes, then {ours}"),
    ))
}

/// `POST …/SIP/Domains`.
pub async fn create(ask: Ask) -> Reply {
    let wanted = Wanted::read(&ask)?;
    let Some(domain_name) = wanted.domain_name.clone() else {
        return Err(Refusal::new(
            ErrorCode::INVALID_DOMAIN_NAME,
            "DomainName is required",
        ));
    };
    let mut domain = SipDomain {
        sid: SipDomainSid::from_bytes(ask.app.draw()),
        account: ask.account_sid(),
        friendly_name: domain_name.clone(),
        domain_name,
        voice_url: None,
        voice_method: Method::Post,
        voice_fallback_url: None,
        voice_fallback_method: Method::Post,
        voice_status_callback_url: None,
        voice_status_callback_method: Method::Post,
        sip_registration: false,
        emergency_calling_enabled: false,
        secure: false,
        byoc_trunk_sid: None,
        emergency_caller: None,
        created: ask.now,
        updated: ask.now,
    };
    wanted.apply(&mut domain);
    coded(
        ask.app.store.sip_domains().insert(domain.clone()).await,
        ErrorCode::INVALID_DOMAIN_NAME,
        ErrorCode::CONFLICT,
        ErrorCode::TOO_MANY_DOMAINS,
    )?;
    Ok(Answer::made("Domain", wire(&ask, &domain, "")))
}

/// `GET …/SIP/Domains`.
pub async fn list(ask: Ask) -> Reply {
    let request = page::wanted(&ask)?;
    let domains = ask.app.store.sip_domains();
    let found = domains.list(ask.account_sid(), &request).await?;
    let mut items = Vec::with_capacity(found.items.len());
    for domain in found.items {
        let auth = auth_type(&domains.mappings(domain.sid).await?);
        items.push((domain, auth));
    }
    let found = model::page::Page {
        items,
        next: found.next,
        previous: found.previous,
        total: found.total,
    };
    page::list(&ask, DOMAINS, found, |(domain, auth)| {
        wire(&ask, domain, auth)
    })
}

/// `GET …/SIP/Domains/{sid}`.
pub async fn fetch(ask: Ask, Path((_, sid)): Path<(AccountSid, SipDomainSid)>) -> Reply {
    let domain = existing(&ask, sid).await?;
    shown(&ask, &domain).await
}

/// `POST …/SIP/Domains/{sid}`.
pub async fn update(ask: Ask, Path((_, sid)): Path<(AccountSid, SipDomainSid)>) -> Reply {
    let wanted = Wanted::read(&ask)?;
    let now = ask.now;
    let changed = coded(
        ask.app
            .store
            .sip_domains()
            .update(ask.account_sid(), sid, move |domain| {
                wanted.apply(domain);
                domain.updated = now;
            })
            .await,
        ErrorCode::INVALID_DOMAIN_NAME,
        ErrorCode::CONFLICT,
        ErrorCode::TOO_MANY_DOMAINS,
    )?;
    let domain = changed.ok_or_else(|| not_found(&ask.path))?;
    shown(&ask, &domain).await
}

/// `DELETE …/SIP/Domains/{sid}`.
pub async fn delete(ask: Ask, Path((_, sid)): Path<(AccountSid, SipDomainSid)>) -> Reply {
    if ask
        .app
        .store
        .sip_domains()
        .remove(ask.account_sid(), sid)
        .await?
    {
        Ok(Answer::Nothing)
    } else {
        Err(not_found(&ask.path))
    }
}

/// A domain of this account.
pub(super) async fn existing(ask: &Ask, sid: SipDomainSid) -> Result<SipDomain, Refusal> {
    let found = ask
        .app
        .store
        .sip_domains()
        .find(ask.account_sid(), sid)
        .await?;
    found.ok_or_else(|| not_found(&ask.path))
}

async fn shown(ask: &Ask, domain: &SipDomain) -> Reply {
    let mappings = ask.app.store.sip_domains().mappings(domain.sid).await?;
    Ok(Answer::found(
        "Domain",
        wire(ask, domain, auth_type(&mappings)),
    ))
}

fn wire(ask: &Ask, domain: &SipDomain, auth: &str) -> Value {
    let sid = domain.sid;
    let below = |name: &str| ask.uri(format_args!("/SIP/Domains/{sid}/{name}"));
    json!({
        "sid": sid,
        "account_sid": domain.account,
        "api_version": "2010-04-01",
        "domain_name": domain.domain_name,
        "friendly_name": domain.friendly_name,
        "auth_type": auth,
        "voice_url": domain.voice_url,
        "voice_method": domain.voice_method,
        "voice_fallback_url": domain.voice_fallback_url,
        "voice_fallback_method": domain.voice_fallback_method,
        "voice_status_callback_url": domain.voice_status_callback_url,
        "voice_status_callback_method": domain.voice_status_callback_method,
        "sip_registration": domain.sip_registration,
        "emergency_calling_enabled": domain.emergency_calling_enabled,
        "secure": domain.secure,
        "byoc_trunk_sid": domain.byoc_trunk_sid,
        "emergency_caller_sid": domain.emergency_caller,
        "date_created": rfc2822(domain.created),
        "date_updated": rfc2822(domain.updated),
        "uri": ask.uri(format_args!("/SIP/Domains/{sid}")),
        "subresource_uris": {
            "ip_access_control_list_mappings": below("IpAccessControlListMappings"),
            "credential_list_mappings": below("CredentialListMappings"),
            "auth_calls_credential_list_mappings": below("Auth/Calls/CredentialListMappings"),
            "auth_calls_ip_access_control_list_mappings":
                below("Auth/Calls/IpAccessControlListMappings"),
            "auth_registrations_credential_list_mappings":
                below("Auth/Registrations/CredentialListMappings"),
        },
    })
}
