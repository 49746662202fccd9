//! `…/IncomingPhoneNumbers`: the numbers that an account owns (contract 3.7).

use axum::extract::Path;
use model::account::AccountStatus;
use model::error_code::ErrorCode;
use model::method::Method;
use model::phone_number::{IncomingPhoneNumber, NumberType, PhoneNumber, VoiceReceiveMode};
use model::sid::{AccountSid, ApplicationSid, PhoneNumberSid, TrunkSid};
use serde_json::{Value, json};
use store::{Change, PhoneNumberFilter};

use super::applications::{self, set};
use super::available_numbers;
use super::calls::create::warning;
use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::error::{Refusal, coded};
use crate::form::{party, shorten};
use crate::page;
use crate::render::{Answer, Listing};
use crate::router::not_found;

/// Names of the list.
const NUMBERS: Listing = Listing {
    key: "incoming_phone_numbers",
    elements: "IncomingPhoneNumbers",
    element: "IncomingPhoneNumber",
};

/// Longest name.
const MAX_NAME: usize = 64;

/// A field that clears when the parameter is empty, and stays when it is absent.
type Clearable = Option<Option<String>>;

/// What a request says; what it does not mention stays.
#[derive(Clone)]
struct Wanted {
    friendly_name: Option<String>,
    trunk: Option<Option<TrunkSid>>,
    voice_application: Option<Option<ApplicationSid>>,
    voice_url: Clearable,
    voice_method: Option<Method>,
    voice_fallback_url: Clearable,
    voice_fallback_method: Option<Method>,
    status_callback: Clearable,
    status_callback_method: Option<Method>,
    voice_caller_id_lookup: Option<bool>,
    voice_receive_mode: Option<VoiceReceiveMode>,
    sms_application: Option<Option<ApplicationSid>>,
    sms_url: Clearable,
    sms_method: Option<Method>,
    sms_fallback_url: Clearable,
    sms_fallback_method: Option<Method>,
    address_sid: Clearable,
    identity_sid: Clearable,
    bundle_sid: Clearable,
    emergency_active: Option<bool>,
    emergency_address_sid: Clearable,
}

impl Wanted {
    async fn read(ask: &Ask) -> Result<Self, Refusal> {
        let form = &ask.form;
        let url = |name| form.url(name, ErrorCode::NUMBER_URL);
        let method = |name| form.method(name, ErrorCode::NUMBER_METHOD);
        let friendly_name = form.text("FriendlyName").map(str::to_owned);
        if friendly_name
            .as_ref()
            .is_some_and(|name| name.chars().count() > MAX_NAME)
        {
            return Err(Refusal::new(
                ErrorCode::INVALID_FRIENDLY_NAME,
                format!("FriendlyName must not exceed {MAX_NAME} characters"),
            ));
        }
        let word = |name: &str, text: &str| {
            Refusal::new(
                ErrorCode::INVALID_PARAMETER,
                format!("{name} cannot be '{}'", shorten(text)),
            )
        };
        Ok(Wanted {
            friendly_name,
            trunk: trunk(ask).await?,
            voice_application: application(ask, "VoiceApplicationSid").await?,
            voice_url: url("VoiceUrl")?,
            voice_method: method("VoiceMethod")?,
            voice_fallback_url: url("VoiceFallbackUrl")?,
            voice_fallback_method: method("VoiceFallbackMethod")?,
            status_callback: form.url("StatusCallback", ErrorCode::INVALID_STATUS_CALLBACK)?,
            status_callback_method: method("StatusCallbackMethod")?,
            voice_caller_id_lookup: form
                .boolean_or("VoiceCallerIdLookup", ErrorCode::INVALID_CALLER_ID_LOOKUP)?,
            voice_receive_mode: form
                .text("VoiceReceiveMode")
                .map(|text| text.parse().map_err(|()| word("VoiceReceiveMode", text)))
                .transpose()?,
            sms_application: application(ask, "SmsApplicationSid").await?,
            sms_url: url("SmsUrl")?,
            sms_method: method("SmsMethod")?,
            sms_fallback_url: url("SmsFallbackUrl")?,
            sms_fallback_method: method("SmsFallbackMethod")?,
            address_sid: form.clearable("AddressSid"),
            identity_sid: form.clearable("IdentitySid"),
            bundle_sid: form.clearable("BundleSid"),
            emergency_active: match form.text("EmergencyStatus") {
                None => None,
                Some("Active") => Some(true),
                Some("Inactive") => Some(false),
                Some(text) => return Err(word("EmergencyStatus", text)),
            },
            emergency_address_sid: form.clearable("EmergencyAddressSid"),
        })
    }

    fn apply(self, to: &mut IncomingPhoneNumber) {
        set(&mut to.friendly_name, self.friendly_name);
        set(&mut to.trunk, self.trunk);
        set(&mut to.voice_application, self.voice_application);
        set(&mut to.voice_url, self.voice_url);
        set(&mut to.voice_method, self.voice_method);
        set(&mut to.voice_fallback_url, self.voice_fallback_url);
        set(&mut to.voice_fallback_method, self.voice_fallback_method);
        set(&mut to.status_callback, self.status_callback);
        set(&mut to.status_callback_method, self.status_callback_method);
        set(&mut to.voice_caller_id_lookup, self.voice_caller_id_lookup);
        set(&mut to.voice_receive_mode, self.voice_receive_mode);
        set(&mut to.sms_application, self.sms_application);
        set(&mut to.sms_url, self.sms_url);
        set(&mut to.sms_method, self.sms_method);
        set(&mut to.sms_fallback_url, self.sms_fallback_url);
        set(&mut to.sms_fallback_method, self.sms_fallback_method);
        set(&mut to.address_sid, self.address_sid);
        set(&mut to.identity_sid, self.identity_sid);
        set(&mut to.bundle_sid, self.bundle_sid);
        set(&mut to.emergency_active, self.emergency_active);
        set(&mut to.emergency_address_sid, self.emergency_address_sid);
    }
}

/// Warns of what is kept and has no effect.
async fn told(ask: &Ask, wanted: &Wanted) {
    let unheeded = [
        (
            matches!(wanted.trunk, Some(Some(_))),
            "TrunkSid is kept, but calls to this number are not sent to a trunk: its application \
             or VoiceUrl answers them",
        ),
        (
            wanted.voice_caller_id_lookup == Some(true),
            "VoiceCallerIdLookup is kept, but no names of callers are looked up",
        ),
    ];
    let alerts: Vec<_> = unheeded
        .into_iter()
        .filter(|(said, _)| *said)
        .map(|(_, text)| warning(ask, None, ErrorCode::UNKNOWN_PARAMETER, text.to_owned()))
        .collect();
    if alerts.is_empty() {
        return;
    }
    let change = Change {
        alerts,
        ..Change::default()
    };
    // The number is as it was asked for, whether or not this succeeds.
    if let Err(error) = ask.app.store.calls().save(change).await {
        tracing::warn!(%error, "a warning could not be stored");
    }
}

/// A fallback without what it falls back from is a mistake (21405), if the request makes it.
fn check_fallback(wanted: &Wanted, number: &IncomingPhoneNumber) -> Result<(), Refusal> {
    let new = |field: &Clearable| matches!(field, Some(Some(_)));
    let voice = new(&wanted.voice_fallback_url)
        && number.voice_url.is_none()
        && number.voice_application.is_none();
    let sms = new(&wanted.sms_fallback_url)
        && number.sms_url.is_none()
        && number.sms_application.is_none();
    if voice || sms {
        return Err(ErrorCode::FALLBACK_WITHOUT_URL.into());
    }
    Ok(())
}

async fn application(ask: &Ask, name: &str) -> Result<Option<Option<ApplicationSid>>, Refusal> {
    let Some(text) = ask.form.raw(name) else {
        return Ok(None);
    };
    if text.is_empty() {
        return Ok(Some(None));
    }
    let code = ErrorCode::APPLICATION_NOT_ACCESSIBLE;
    let application = applications::named(ask, name, text, code).await?;
    Ok(Some(Some(application.sid)))
}

async fn trunk(ask: &Ask) -> Result<Option<Option<TrunkSid>>, Refusal> {
    let Some(text) = ask.form.raw("TrunkSid") else {
        return Ok(None);
    };
    if text.is_empty() {
        return Ok(Some(None));
    }
    let refused = || {
        Refusal::new(
            ErrorCode::INVALID_SID,
            format!("TrunkSid {} is not a trunk of this account", shorten(text)),
        )
    };
    let sid: TrunkSid = text.parse().map_err(|_| refused())?;
    let found = ask.app.store.trunks().find(ask.account_sid(), sid).await?;
    Ok(Some(Some(found.ok_or_else(refused)?.sid)))
}

/// `POST …/IncomingPhoneNumbers`: by `PhoneNumber`, or any of an `AreaCode`.
pub async fn create(ask: Ask) -> Reply {
    bought(ask, None).await
}

/// `POST …/IncomingPhoneNumbers/Local` and its siblings: by `PhoneNumber`.
pub async fn create_of(ask: Ask, kind: NumberType) -> Reply {
    bought(ask, Some(kind)).await
}

async fn bought(ask: Ask, kind: Option<NumberType>) -> Reply {
    let (phone_number, by_area) = match (ask.form.text("PhoneNumber"), ask.form.text("AreaCode")) {
        (Some(text), _) => {
            let number = PhoneNumber::lenient(&party(text)).map_err(|_| {
                Refusal::new(
                    ErrorCode::PHONE_NUMBER_INVALID,
                    format!("PhoneNumber {} is not valid", shorten(text)),
                )
            })?;
            (number, false)
        }
        (None, Some(area)) if kind.is_none() => {
            (available_numbers::any_of(&ask, area).await?, true)
        }
        (None, _) => {
            return Err(Refusal::new(
                ErrorCode::PHONE_NUMBER_INVALID,
                "PhoneNumber or AreaCode is required",
            ));
        }
    };
    let wanted = Wanted::read(&ask).await?;
    let sid = PhoneNumberSid::from_bytes(ask.app.draw());
    let mut number = IncomingPhoneNumber::new(sid, ask.account_sid(), phone_number, ask.now);
    number.number_type = kind.unwrap_or_else(|| available_numbers::kind_of(&number.phone_number));
    wanted.clone().apply(&mut number);
    check_fallback(&wanted, &number)?;
    // compat rest-numbers-10: it is never silent, unless an empty VoiceUrl asks for that.
    if wanted.voice_url.is_none() && number.voice_application.is_none() && number.trunk.is_none() {
        number.voice_url = ask.app.settings.demo_url.clone();
    }
    let taken = if by_area {
        ErrorCode::NO_NUMBERS_FOUND
    } else {
        ErrorCode::PHONE_NUMBER_UNAVAILABLE
    };
    coded(
        ask.app.store.phone_numbers().insert(number.clone()).await,
        taken,
        ErrorCode::CONFLICT,
        ErrorCode::NUMBER_NOT_AVAILABLE,
    )?;
    told(&ask, &wanted).await;
    Ok(Answer::made("IncomingPhoneNumber", wire(&number)))
}

/// `GET …/IncomingPhoneNumbers`, by `PhoneNumber` (with `*`), `FriendlyName`, `Beta`, `Origin`.
pub async fn list(ask: Ask) -> Reply {
    listed(ask, None).await
}

/// `GET …/IncomingPhoneNumbers/Local` and its siblings.
pub async fn list_of(ask: Ask, kind: NumberType) -> Reply {
    listed(ask, Some(kind)).await
}

async fn listed(ask: Ask, number_type: Option<NumberType>) -> Reply {
    let filter = PhoneNumberFilter {
        phone_number: ask.query.text("PhoneNumber").map(party),
        friendly_name: ask.query.text("FriendlyName").map(str::to_owned),
        beta: ask.query.boolean("Beta")?,
        number_type,
    };
    let request = page::wanted(&ask)?;
    // All our numbers are of one origin; asking for another finds none.
    let found = match ask.query.text("Origin") {
        None | Some("twilio") => {
            ask.app
                .store
                .phone_numbers()
                .list(ask.account_sid(), &filter, &request)
                .await?
        }
        Some(_) => model::page::Page {
            items: Vec::new(),
            next: None,
            previous: None,
            total: request.counted.then_some(0),
        },
    };
    page::list(&ask, NUMBERS, found, wire)
}

/// `GET …/IncomingPhoneNumbers/{sid}`.
pub async fn fetch(ask: Ask, Path((_, sid)): Path<(AccountSid, PhoneNumberSid)>) -> Reply {
    Ok(Answer::found(
        "IncomingPhoneNumber",
        wire(&existing(&ask, sid).await?),
    ))
}

/// `POST …/IncomingPhoneNumbers/{sid}`; `AccountSid` moves it to another account of the owner.
pub async fn update(ask: Ask, Path((_, sid)): Path<(AccountSid, PhoneNumberSid)>) -> Reply {
    let wanted = Wanted::read(&ask).await?;
    let mut preview = existing(&ask, sid).await?;
    wanted.clone().apply(&mut preview);
    check_fallback(&wanted, &preview)?;
    let to = transfer(&ask).await?;
    let (now, said) = (ask.now, wanted.clone());
    let changed = ask
        .app
        .store
        .phone_numbers()
        .update(ask.account_sid(), sid, move |number| {
            wanted.apply(number);
            if let Some(to) = to.filter(|to| *to != number.account) {
                number.account = to;
                // They belong to the account that it leaves.
                number.voice_application = None;
                number.sms_application = None;
                number.trunk = None;
            }
            number.updated = now;
        })
        .await?;
    let number = changed.ok_or_else(|| not_found(&ask.path))?;
    told(&ask, &said).await;
    Ok(Answer::found("IncomingPhoneNumber", wire(&number)))
}

/// `DELETE …/IncomingPhoneNumbers/{sid}`: gives it back.
pub async fn delete(ask: Ask, Path((_, sid)): Path<(AccountSid, PhoneNumberSid)>) -> Reply {
    if ask
        .app
        .store
        .phone_numbers()
        .remove(ask.account_sid(), sid)
        .await?
    {
        Ok(Answer::Nothing)
    } else {
        Err(not_found(&ask.path))
    }
}

/// Where the number is to go (21470 to 21474).
async fn transfer(ask: &Ask) -> Result<Option<AccountSid>, Refusal> {
    let Some(text) = ask.form.text("AccountSid") else {
        return Ok(None);
    };
    let sid: AccountSid = text
        .parse()
        .map_err(|_| ErrorCode::TRANSFER_ACCOUNT_INVALID)?;
    if sid == ask.account_sid() {
        return Ok(None);
    }
    if ask.caller.account.is_subaccount() {
        return Err(ErrorCode::TRANSFER_NOT_OWNER.into());
    }
    let to = ask.app.store.accounts().find(sid).await?;
    let to = to.ok_or(ErrorCode::TRANSFER_ACCOUNT_MISSING)?;
    // A main account owns itself, so this is true for the caller's own account too.
    if to.owner != ask.caller.account.sid {
        return Err(ErrorCode::TRANSFER_ACCOUNT_UNRELATED.into());
    }
    if to.status != AccountStatus::Active {
        return Err(ErrorCode::TRANSFER_ACCOUNT_INACTIVE.into());
    }
    Ok(Some(sid))
}

async fn existing(ask: &Ask, sid: PhoneNumberSid) -> Result<IncomingPhoneNumber, Refusal> {
    let found = ask
        .app
        .store
        .phone_numbers()
        .find(ask.account_sid(), sid)
        .await?;
    found.ok_or_else(|| not_found(&ask.path))
}

fn wire(number: &IncomingPhoneNumber) -> Value {
    let account = number.account;
    json!({
        "sid": number.sid,
        "account_sid": account,
        "phone_number": number.phone_number,
        "friendly_name": number.friendly_name,
        "api_version": "2010-04-01",
        "date_created": rfc2822(number.created),
        "date_updated": rfc2822(number.updated),
        "capabilities": {
            "voice": number.capabilities.voice,
            "sms": number.capabilities.sms,
            "mms": number.capabilities.mms,
            "fax": number.capabilities.fax,
        },
        "beta": number.beta,
        "origin": "twilio",
        "status": "in-use",
        "type": number.number_type,
        "address_requirements": "none",
        "address_sid": number.address_sid,
        "identity_sid": number.identity_sid,
        "bundle_sid": number.bundle_sid,
        "trunk_sid": number.trunk,
        "voice_application_sid": number.voice_application,
        "voice_url": number.voice_url,
        "voice_method": number.voice_method,
        "voice_fallback_url": number.voice_fallback_url,
        "voice_fallback_method": number.voice_fallback_method,
        "voice_caller_id_lookup": number.voice_caller_id_lookup,
        "voice_receive_mode": number.voice_receive_mode,
        "status_callback": number.status_callback,
        "status_callback_method": number.status_callback_method,
        "sms_application_sid": number.sms_application,
        "sms_url": number.sms_url,
        "sms_method": number.sms_method,
        "sms_fallback_url": number.sms_fallback_url,
        "sms_fallback_method": number.sms_fallback_method,
        "emergency_status": if number.emergency_active { "Active" } else { "Inactive" },
        "emergency_address_sid": number.emergency_address_sid,
        "emergency_address_status": "unregistered",
        "uri": format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{}.json", number.sid),
    })
}
