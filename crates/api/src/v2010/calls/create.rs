//! `POST …/Calls`: the checks, in the order in which upstream makes them, and the acceptance.

use std::time::Duration;

use model::alert::{Alert, Level};
use model::application::Application;
use model::call::{CallRecord, Direction};
use model::error_code::ErrorCode;
use model::event::Event;
use model::method::Method;
use model::phone_number::PhoneNumber;
use model::sid::{ApplicationSid, CallSid, NotificationSid, PhoneNumberSid};
use store::{Change, KeyedRequest, QueuedCall};

use super::endpoint::Endpoint;
use crate::ask::{Ask, Reply};
use crate::error::Refusal;
use crate::form::{Form, party, shorten};
use crate::live::{CallEvents, Instructions, Originate};
use crate::render::Answer;
use crate::v2010::applications;

/// Longest `Twiml` (32018).
const MAX_TWIML: usize = 4000;
/// Most digits of `SendDigits` (21206).
const MAX_DIGITS: usize = 32;
/// Longest the far end may ring, in seconds (21208).
const MAX_TIMEOUT: u64 = 600;
/// SIP user names and passwords are shorter than this (21221, 21223).
const MAX_SIP_AUTH: usize = 256;

/// `POST …/Calls`: 201, status `queued`. The record, its queue entry and its first event are stored
/// in one transaction before the answer; dialling happens later.
pub async fn create(ask: Ask) -> Reply {
    if let Some(answer) = asked_before(&ask).await? {
        return Ok(answer);
    }
    let form = &ask.form;
    let to = form.text("To").ok_or(ErrorCode::NO_TO)?;
    let from = form.text("From").ok_or(ErrorCode::NO_FROM)?;
    let mut warnings = Vec::new();
    let (instructions, application) = instructions(&ask, &mut warnings).await?;
    let to = Endpoint::parse(to)?;
    let (from, phone_number) = shown_as(&ask, from, &to, ErrorCode::INVALID_FROM).await?;
    let caller_id = match form.text("CallerId") {
        None => None,
        Some(text) => Some(shown_as(&ask, text, &to, ErrorCode::INVALID_FROM).await?.0),
    };
    let send_digits = send_digits(form)?;
    let timeout = form
        .integer("Timeout", 1..=MAX_TIMEOUT, ErrorCode::INVALID_TIMEOUT)?
        .unwrap_or(60);
    let time_limit = time_limit(&ask)?.unwrap_or(ask.app.settings.max_call_duration);
    machine_detection(form, &mut warnings)?;
    recording(form, &mut warnings)?;
    let sip_auth = sip_auth(form)?;
    byoc(form, &mut warnings)?;
    unavailable(form, &mut warnings)?;

    let sid = CallSid::from_bytes(ask.app.draw());
    let record = CallRecord {
        to: to.text().to_owned(),
        from,
        phone_number,
        application,
        ..CallRecord::new(sid, ask.account_sid(), Direction::OutboundApi, ask.now)
    };
    let originate = Originate {
        record,
        instructions,
        timeout: Duration::from_secs(timeout),
        time_limit,
        send_digits,
        caller_id,
        sip_auth,
        words: to.words().to_vec(),
        delay: Duration::ZERO,
        parameters: without_secrets(form),
    };
    let alerts = warnings
        .into_iter()
        .map(|(code, text)| warning(&ask, Some(sid), code, text))
        .collect();
    let event = event(&ask, sid, &ask.uri(format_args!("/Calls")), 201);
    let shown = super::wire(&ask, &originate.record);
    let mut change = Change {
        events: vec![event],
        alerts,
        ..Change::default()
    };
    if let Some(key) = &ask.idempotency_key {
        change.requests.push(KeyedRequest {
            account: ask.account_sid(),
            key: key.clone(),
            body: body(&ask)?,
            call: sid,
            created: ask.now,
        });
    }
    match accept(&ask, originate, change).await {
        Ok(()) => Ok(Answer::made("Call", shown)),
        // The same request was faster, by a hair.
        Err(refusal) if refusal.code.code == ErrorCode::CONFLICT.code => {
            asked_before(&ask).await?.ok_or(refusal)
        }
        Err(refusal) => Err(refusal),
    }
}

/// What came of a request of the same name, if there was one (reliability B9): the call as it is
/// now. Something else under that name is refused.
async fn asked_before(ask: &Ask) -> Result<Option<Answer>, Refusal> {
    let Some(key) = &ask.idempotency_key else {
        return Ok(None);
    };
    let calls = ask.app.store.calls();
    let Some(before) = calls.requested(ask.account_sid(), key, ask.now).await? else {
        return Ok(None);
    };
    let refused = |text| Err(Refusal::new(ErrorCode::CONFLICT, text));
    if before.body != body(ask)? {
        return refused("Another request was made under this Idempotency-Key: draw a fresh one");
    }
    match calls.find(ask.account_sid(), before.call).await? {
        Some(call) => Ok(Some(Answer::made("Call", super::wire(ask, &call)))),
        None => refused("The call that was made under this Idempotency-Key was deleted"),
    }
}

/// What a request asks for, to tell it from another.
fn body(ask: &Ask) -> Result<String, Refusal> {
    serde_json::to_string(&without_secrets(&ask.form)).map_err(|error| {
        tracing::error!(%error, "a form could not be written as JSON");
        Refusal::from(ErrorCode::INTERNAL_ERROR)
    })
}

/// Stores an accepted call and everything that belongs to it, or nothing; then it is begun.
///
/// Both in a task of their own: a client that goes away between the two drops our future, and the
/// call would lie in the queue until the next start.
pub(crate) async fn accept(
    ask: &Ask,
    originate: Originate,
    mut change: Change,
) -> Result<(), Refusal> {
    let payload = serde_json::to_string(&originate).map_err(|error| {
        tracing::error!(%error, "a call could not be written as JSON");
        Refusal::from(ErrorCode::INTERNAL_ERROR)
    })?;
    let record = originate.record.clone();
    change.queued.push(QueuedCall {
        account: record.account,
        call: record.sid,
        created: record.created,
        payload,
    });
    change.calls.push(record);
    let app = ask.app.clone();
    let begun = tokio::spawn(async move {
        app.store.calls().save(change).await?;
        // Nothing may fail from here on: the call is accepted, and a client that saw an error
        // would ask again and ring twice (contract 1.3, retries).
        app.live.originate(originate).await;
        Ok::<(), store::Error>(())
    });
    match begun.await {
        Ok(saved) => Ok(saved?),
        Err(error) => {
            tracing::error!(%error, "beginning a call failed");
            Err(ErrorCode::INTERNAL_ERROR.into())
        }
    }
}

/// The program and the reports: `ApplicationSid`, else `Url`, else `Twiml`.
async fn instructions(
    ask: &Ask,
    warnings: &mut Vec<(ErrorCode, String)>,
) -> Result<(Instructions, Option<ApplicationSid>), Refusal> {
    let form = &ask.form;
    if let Some(text) = form.text("ApplicationSid") {
        let code = ErrorCode::INVALID_APPLICATION_SID;
        let application = applications::named(ask, "ApplicationSid", text, code).await?;
        let sid = application.sid;
        return Ok((of_application(application), Some(sid)));
    }
    let url = form.url("Url", ErrorCode::INVALID_URL)?.flatten();
    let twiml = form.text("Twiml");
    if twiml.is_some_and(|twiml| twiml.chars().count() > MAX_TWIML) {
        return Err(ErrorCode::TWIML_TOO_LONG.into());
    }
    if url.is_none() && twiml.is_none() {
        return Err(Refusal::new(
            ErrorCode::INVALID_URL,
            "One of Url, Twiml and ApplicationSid is required",
        ));
    }
    if url.is_some() && twiml.is_some() {
        warnings.push((
            ErrorCode::URL_AND_TWIML,
            ErrorCode::URL_AND_TWIML.text.into(),
        ));
    }
    let instructions = Instructions {
        twiml: twiml.filter(|_| url.is_none()).map(str::to_owned),
        url,
        method: form
            .method("Method", ErrorCode::INVALID_METHOD)?
            .unwrap_or_default(),
        fallback_url: form.url("FallbackUrl", ErrorCode::INVALID_URL)?.flatten(),
        fallback_method: form
            .method("FallbackMethod", ErrorCode::INVALID_METHOD)?
            .unwrap_or_default(),
        status_callback: form
            .url("StatusCallback", ErrorCode::INVALID_URL)?
            .flatten(),
        status_callback_method: form
            .method("StatusCallbackMethod", ErrorCode::INVALID_METHOD)?
            .unwrap_or_default(),
        status_callback_events: events(form, warnings),
    };
    Ok((instructions, None))
}

/// An application's own URLs replace those of the request (contract 3.2, precedence).
fn of_application(application: Application) -> Instructions {
    Instructions {
        twiml: None,
        url: application.voice_url,
        method: application.voice_method,
        fallback_url: application.voice_fallback_url,
        fallback_method: application.voice_fallback_method,
        status_callback_events: CallEvents {
            completed: application.status_callback.is_some(),
            ..CallEvents::default()
        },
        status_callback: application.status_callback,
        status_callback_method: application.status_callback_method,
    }
}

/// `StatusCallbackEvent`, repeated, or several words in one; `completed` when none is known.
fn events(form: &Form, warnings: &mut Vec<(ErrorCode, String)>) -> CallEvents {
    let mut events = CallEvents::default();
    let mut any = false;
    let words = form
        .all("StatusCallbackEvent")
        .flat_map(|value| value.split([' ', ',']))
        .filter(|word| !word.is_empty());
    for word in words {
        any = true;
        match word {
            "initiated" => events.initiated = true,
            "ringing" => events.ringing = true,
            "answered" => events.answered = true,
            "completed" => events.completed = true,
            other => warnings.push((
                ErrorCode::UNKNOWN_PARAMETER,
                format!(
                    "StatusCallbackEvent '{}' is unknown and ignored",
                    shorten(other)
                ),
            )),
        }
    }
    if !any || events == CallEvents::default() {
        events.completed = true;
    }
    events
}

/// What is shown as caller. Towards the telephone network only a number that the account owns or
/// has verified; towards SIP and clients anything.
async fn shown_as(
    ask: &Ask,
    text: &str,
    to: &Endpoint,
    code: ErrorCode,
) -> Result<(String, Option<PhoneNumberSid>), Refusal> {
    let text = party(text);
    let number = PhoneNumber::lenient(&text);
    let owned = match &number {
        Ok(number) => ask
            .app
            .store
            .phone_numbers()
            .find_by_number(number)
            .await?
            .filter(|owned| owned.account == ask.account_sid()),
        Err(_) => None,
    };
    if matches!(to, Endpoint::Number(_)) {
        let number = number.map_err(|_| {
            Refusal::new(
                code,
                format!("'From' {} is not a phone number", shorten(&text)),
            )
        })?;
        let verified = owned.is_some()
            || ask
                .app
                .store
                .caller_ids()
                .find_by_number(ask.account_sid(), &number)
                .await?
                .is_some();
        if !verified {
            return Err(Refusal::new(
                ErrorCode::FROM_NOT_VERIFIED,
                format!(
                    "The source phone number provided, {number}, is not yet verified for your \
                     account. You may only make calls from phone numbers that you've verified or \
                     purchased"
                ),
            ));
        }
        return Ok((number.as_str().to_owned(), owned.map(|owned| owned.sid)));
    }
    if text.is_empty() || text.len() > 1024 || text.chars().any(char::is_control) {
        return Err(code.into());
    }
    let shown = match number {
        Ok(number) => number.as_str().to_owned(),
        Err(_) => text,
    };
    Ok((shown, owned.map(|owned| owned.sid)))
}

fn send_digits(form: &Form) -> Result<Option<String>, Refusal> {
    let Some(text) = form.text("SendDigits") else {
        return Ok(None);
    };
    let text = party(text).replace('+', "");
    let valid = (1..=MAX_DIGITS).contains(&text.len())
        && text
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'D' | b'*' | b'#' | b'w' | b'W'));
    if !valid {
        return Err(Refusal::new(
            ErrorCode::INVALID_SEND_DIGITS,
            format!("SendDigits must be up to {MAX_DIGITS} of 0-9 A-D * # w W"),
        ));
    }
    Ok(Some(text))
}

/// `TimeLimit`, at most what the account may have.
pub(super) fn time_limit(ask: &Ask) -> Result<Option<Duration>, Refusal> {
    let limit = ask.form.integer(
        "TimeLimit",
        1..=u64::from(u32::MAX),
        ErrorCode::INVALID_PARAMETER,
    )?;
    Ok(limit.map(|seconds| Duration::from_secs(seconds).min(ask.app.settings.max_call_duration)))
}

/// Machine detection: values are checked (21234, 21207); the detection itself does not run, and a
/// warning says so.
fn machine_detection(form: &Form, warnings: &mut Vec<(ErrorCode, String)>) -> Result<(), Refusal> {
    let code = ErrorCode::INVALID_MACHINE_DETECTION;
    let mut wanted = false;
    if let Some(value) = form.text("MachineDetection") {
        if !matches!(value, "Enable" | "DetectMessageEnd") {
            return Err(Refusal::new(
                code,
                "MachineDetection must be Enable or DetectMessageEnd",
            ));
        }
        wanted = true;
    }
    if let Some(value) = form.text("IfMachine") {
        if !matches!(value, "Continue" | "Hangup") {
            return Err(ErrorCode::INVALID_IF_MACHINE.into());
        }
        wanted = true;
    }
    form.integer("MachineDetectionTimeout", 3..=59, code)?;
    form.integer("MachineDetectionSpeechThreshold", 1000..=6000, code)?;
    form.integer("MachineDetectionSpeechEndThreshold", 500..=5000, code)?;
    form.integer("MachineDetectionSilenceTimeout", 2000..=10_000, code)?;
    form.boolean_or("AsyncAmd", code)?;
    form.url("AsyncAmdStatusCallback", ErrorCode::INVALID_URL)?;
    form.method("AsyncAmdStatusCallbackMethod", ErrorCode::INVALID_METHOD)?;
    if wanted {
        warnings.push((
            ErrorCode::MACHINE_DETECTION_IGNORED,
            "Machine detection is not available; the call proceeds without it".into(),
        ));
    }
    Ok(())
}

/// `Record` and what belongs to it: values are checked; the recording itself is not made here, and
/// a warning says so.
fn recording(form: &Form, warnings: &mut Vec<(ErrorCode, String)>) -> Result<(), Refusal> {
    let one_of = |name: &str, words: &[&str]| match form.text(name) {
        Some(value) if !words.contains(&value) => Err(Refusal::new(
            ErrorCode::INVALID_PARAMETER,
            format!("{name} must be one of: {}", words.join(", ")),
        )),
        _ => Ok(()),
    };
    let record = form.boolean("Record")?.unwrap_or(false);
    one_of("RecordingChannels", &["mono", "dual"])?;
    one_of("RecordingTrack", &["inbound", "outbound", "both"])?;
    one_of("Trim", &["trim-silence", "do-not-trim"])?;
    form.url("RecordingStatusCallback", ErrorCode::INVALID_URL)?;
    let words = form
        .all("RecordingStatusCallbackEvent")
        .flat_map(|value| value.split([' ', ',']));
    for word in words.filter(|word| !word.is_empty()) {
        if !matches!(word, "in-progress" | "completed" | "absent") {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARAMETER,
                "RecordingStatusCallbackEvent must be of: in-progress, completed, absent",
            ));
        }
    }
    form.method("RecordingStatusCallbackMethod", ErrorCode::INVALID_METHOD)?;
    if record {
        warnings.push((
            ErrorCode::UNKNOWN_PARAMETER,
            "Record is not available yet, neither here nor as a verb; the call proceeds without it"
                .into(),
        ));
    }
    Ok(())
}

/// `Byoc` names a trunk of a product that is not here: its form is checked, and a warning says that
/// the call goes out as any other.
fn byoc(form: &Form, warnings: &mut Vec<(ErrorCode, String)>) -> Result<(), Refusal> {
    let Some(text) = form.text("Byoc") else {
        return Ok(());
    };
    let digits = text.strip_prefix("BY").unwrap_or_default();
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refusal::new(
            ErrorCode::INVALID_SID,
            format!("Byoc {} is not a trunk's SID", shorten(text)),
        ));
    }
    warnings.push((
        ErrorCode::UNKNOWN_PARAMETER,
        "Byoc is not available; the call goes out over the trunk that claims its number".into(),
    ));
    Ok(())
}

/// What is read and has no effect here: a warning says so.
fn unavailable(form: &Form, warnings: &mut Vec<(ErrorCode, String)>) -> Result<(), Refusal> {
    form.url("ClientNotificationUrl", ErrorCode::INVALID_URL)?;
    for (name, why) in [
        ("ClientNotificationUrl", "no push notification is sent yet"),
        (
            "CallReason",
            "no network here can show the called party a reason",
        ),
        (
            "CallToken",
            "the caller is shown as From says, forwarded or not",
        ),
    ] {
        if form.text(name).is_some() {
            warnings.push((
                ErrorCode::UNKNOWN_PARAMETER,
                format!("{name} has no effect: {why}"),
            ));
        }
    }
    Ok(())
}

fn sip_auth(form: &Form) -> Result<Option<(String, String)>, Refusal> {
    let (name, password) = (form.text("SipAuthUsername"), form.text("SipAuthPassword"));
    let legal = |text: &str| {
        text.bytes()
            .all(|b| (0x21..=0x7e).contains(&b) && b != b'"' && b != b'\\')
    };
    if let Some(name) = name {
        if name.len() >= MAX_SIP_AUTH {
            return Err(ErrorCode::SIP_USERNAME_TOO_LONG.into());
        }
        if !legal(name) {
            return Err(ErrorCode::SIP_USERNAME_CHARACTERS.into());
        }
    }
    if let Some(password) = password {
        if password.len() >= MAX_SIP_AUTH {
            return Err(ErrorCode::SIP_PASSWORD_TOO_LONG.into());
        }
        if !legal(password) {
            return Err(ErrorCode::SIP_PASSWORD_CHARACTERS.into());
        }
    }
    match (name, password) {
        (Some(name), Some(password)) => Ok(Some((name.to_owned(), password.to_owned()))),
        (Some(_), None) => Err(ErrorCode::SIP_PASSWORD_REQUIRED.into()),
        (None, _) => Ok(None),
    }
}

/// The parameters without the password.
pub(super) fn without_secrets(form: &Form) -> Vec<(String, String)> {
    form.pairs()
        .iter()
        .filter(|(name, _)| name != "SipAuthPassword")
        .cloned()
        .collect()
}

/// The request itself as an entry of the call's events.
pub(crate) fn event(ask: &Ask, call: CallSid, path: &str, status: u16) -> Event {
    Event {
        account: ask.account_sid(),
        call,
        url: format!("{}{path}", ask.origin),
        method: Method::Post,
        parameters: without_secrets(&ask.form),
        response_code: Some(status),
        duration_ms: 0,
        content_type: None,
        response_body: None,
        created: ask.now,
    }
}

/// A warning for the debugger.
pub(crate) fn warning(ask: &Ask, call: Option<CallSid>, code: ErrorCode, text: String) -> Alert {
    let sid = NotificationSid::from_bytes(ask.app.draw());
    Alert {
        call,
        request_url: Some(format!("{}{}.json", ask.origin, ask.path)),
        request_method: Some(Method::Post),
        ..Alert::new(sid, ask.account_sid(), code, Level::Warning, text, ask.now)
    }
}
