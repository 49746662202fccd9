//! `…/Applications`: sets of URLs under one name (contract 3.6).

use axum::extract::Path;
use model::application::{Application, ToBrowsers};
use model::error_code::ErrorCode;
use model::method::Method;
use model::sid::{AccountSid, ApplicationSid};
use serde_json::{Value, json};
use store::ApplicationFilter;

use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::error::Refusal;
use crate::form::{Form, shorten};
use crate::page;
use crate::render::{Answer, Listing};
use crate::router::not_found;

/// Names of the list.
const APPLICATIONS: Listing = Listing {
    key: "applications",
    elements: "Applications",
    element: "Application",
};

/// Longest name.
const MAX_NAME: usize = 64;

/// A field that clears when the parameter is empty, and stays when it is absent.
type Clearable = Option<Option<String>>;

/// What a request says; what it does not mention stays.
struct Wanted {
    friendly_name: Clearable,
    voice_url: Clearable,
    voice_method: Option<Method>,
    voice_fallback_url: Clearable,
    voice_fallback_method: Option<Method>,
    status_callback: Clearable,
    status_callback_method: Option<Method>,
    voice_caller_id_lookup: Option<bool>,
    sms_url: Clearable,
    sms_method: Option<Method>,
    sms_fallback_url: Clearable,
    sms_fallback_method: Option<Method>,
    sms_status_callback: Clearable,
    message_status_callback: Clearable,
    public_application_connect_enabled: Option<bool>,
}

impl Wanted {
    fn read(form: &Form) -> Result<Self, Refusal> {
        let url = |name| form.url(name, ErrorCode::NUMBER_URL);
        let method = |name| form.method(name, ErrorCode::NUMBER_METHOD);
        let friendly_name = form.clearable("FriendlyName");
        if let Some(Some(name)) = &friendly_name
            && name.chars().count() > MAX_NAME
        {
            return Err(Refusal::new(
                ErrorCode::INVALID_FRIENDLY_NAME,
                format!("FriendlyName must not exceed {MAX_NAME} characters"),
            ));
        }
        Ok(Wanted {
            friendly_name,
            voice_url: url("VoiceUrl")?,
            voice_method: method("VoiceMethod")?,
            voice_fallback_url: url("VoiceFallbackUrl")?,
            voice_fallback_method: method("VoiceFallbackMethod")?,
            status_callback: url("StatusCallback")?,
            status_callback_method: method("StatusCallbackMethod")?,
            voice_caller_id_lookup: form
                .boolean_or("VoiceCallerIdLookup", ErrorCode::INVALID_CALLER_ID_LOOKUP)?,
            sms_url: url("SmsUrl")?,
            sms_method: method("SmsMethod")?,
            sms_fallback_url: url("SmsFallbackUrl")?,
            sms_fallback_method: method("SmsFallbackMethod")?,
            sms_status_callback: url("SmsStatusCallback")?,
            message_status_callback: url("MessageStatusCallback")?,
            public_application_connect_enabled: form.boolean("PublicApplicationConnectEnabled")?,
        })
    }

    fn apply(self, to: &mut Application) {
        set(&mut to.friendly_name, self.friendly_name);
        set(&mut to.voice_url, self.voice_url);
        set(&mut to.voice_method, self.voice_method);
        set(&mut to.voice_fallback_url, self.voice_fallback_url);
        set(&mut to.voice_fallback_method, self.voice_fallback_method);
        set(&mut to.status_callback, self.status_callback);
        set(&mut to.status_callback_method, self.status_callback_method);
        set(&mut to.voice_caller_id_lookup, self.voice_caller_id_lookup);
        set(&mut to.sms_url, self.sms_url);
        set(&mut to.sms_method, self.sms_method);
        set(&mut to.sms_fallback_url, self.sms_fallback_url);
        set(&mut to.sms_fallback_method, self.sms_fallback_method);
        set(&mut to.sms_status_callback, self.sms_status_callback);
        set(
            &mut to.message_status_callback,
            self.message_status_callback,
        );
        set(
            &mut to.public_application_connect_enabled,
            self.public_application_connect_enabled,
        );
    }
}

/// The application that the parameter `name` says, if it is one of this account.
pub(crate) async fn named(
    ask: &Ask,
    name: &str,
    text: &str,
    code: ErrorCode,
) -> Result<Application, Refusal> {
    let refused = || {
        let text = shorten(text);
        Refusal::new(
            code,
            format!("{name} {text} is not an application of this account"),
        )
    };
    let sid: ApplicationSid = text.parse().map_err(|_| refused())?;
    let applications = ask.app.store.applications();
    let found = applications.find(ask.account_sid(), sid).await?;
    found.ok_or_else(refused)
}

/// Overwrites a field if something was said.
pub(crate) fn set<T>(field: &mut T, wanted: Option<T>) {
    if let Some(value) = wanted {
        *field = value;
    }
}

/// `POST …/Applications`.
pub async fn create(ask: Ask) -> Reply {
    let wanted = Wanted::read(&ask.form)?;
    let sid = ApplicationSid::from_bytes(ask.app.draw());
    let mut application = Application::new(sid, ask.account_sid(), ask.now);
    wanted.apply(&mut application);
    ask.app
        .store
        .applications()
        .insert(application.clone())
        .await?;
    Ok(Answer::made("Application", wire(&ask, &application)))
}

/// `GET …/Applications`, by `FriendlyName`.
pub async fn list(ask: Ask) -> Reply {
    let filter = ApplicationFilter {
        friendly_name: ask.query.text("FriendlyName").map(str::to_owned),
    };
    let request = page::wanted(&ask)?;
    let found = ask
        .app
        .store
        .applications()
        .list(ask.account_sid(), &filter, &request)
        .await?;
    page::list(&ask, APPLICATIONS, found, |application| {
        wire(&ask, application)
    })
}

/// `GET …/Applications/{sid}`.
pub async fn fetch(ask: Ask, Path((_, sid)): Path<(AccountSid, ApplicationSid)>) -> Reply {
    let found = ask
        .app
        .store
        .applications()
        .find(ask.account_sid(), sid)
        .await?;
    let application = found.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::found("Application", wire(&ask, &application)))
}

/// `POST …/Applications/{sid}`.
pub async fn update(ask: Ask, Path((_, sid)): Path<(AccountSid, ApplicationSid)>) -> Reply {
    let wanted = Wanted::read(&ask.form)?;
    let now = ask.now;
    let changed = ask
        .app
        .store
        .applications()
        .update(ask.account_sid(), sid, move |application| {
            wanted.apply(application);
            application.updated = now;
        })
        .await?;
    let application = changed.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::found("Application", wire(&ask, &application)))
}

/// `DELETE …/Applications/{sid}`.
pub async fn delete(ask: Ask, Path((_, sid)): Path<(AccountSid, ApplicationSid)>) -> Reply {
    if ask
        .app
        .store
        .applications()
        .remove(ask.account_sid(), sid)
        .await?
    {
        let live = &ask.app.live;
        live.to_browsers(sid, ToBrowsers::default()).await;
        Ok(Answer::Nothing)
    } else {
        Err(not_found(&ask.path))
    }
}

fn wire(ask: &Ask, app: &Application) -> Value {
    json!({
        "sid": app.sid,
        "account_sid": app.account,
        "api_version": "2010-04-01",
        "date_created": rfc2822(app.created),
        "date_updated": rfc2822(app.updated),
        "friendly_name": app.friendly_name,
        "voice_url": app.voice_url,
        "voice_method": app.voice_method,
        "voice_fallback_url": app.voice_fallback_url,
        "voice_fallback_method": app.voice_fallback_method,
        "status_callback": app.status_callback,
        "status_callback_method": app.status_callback_method,
        "voice_caller_id_lookup": app.voice_caller_id_lookup,
        "sms_url": app.sms_url,
        "sms_method": app.sms_method,
        "sms_fallback_url": app.sms_fallback_url,
        "sms_fallback_method": app.sms_fallback_method,
        "sms_status_callback": app.sms_status_callback,
        "message_status_callback": app.message_status_callback,
        "public_application_connect_enabled": app.public_application_connect_enabled,
        "uri": ask.uri(format_args!("/Applications/{}", app.sid)),
    })
}
