//! Alerts: what a customer's debugger shows (`Notifications`, Monitor `Alerts`), by what brought them
//! about, and how often strangers may.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::alert::{Alert, Level};
use model::call::CallRecord;
use model::error_code::ErrorCode;
use model::now::Wall;
use model::owed::Owed;
use model::sid::{AccountSid, NotificationSid};
use voice::will;
use webhook::exchange::Exchange;

use crate::clock;
use crate::exchange;

/// How long an account is not told the same of strangers again.
const QUIET: Duration = Duration::from_secs(60);
/// How many such alerts are remembered; beyond, further ones are not told.
const MOST_TOLD: usize = 10_000;

/// The engine found something wrong with a call's program, or with what came of it.
pub fn of_engine(alert: &voice::effect::Alert) -> Alert {
    let level = match alert.error {
        true => Level::Error,
        false => Level::Warning,
    };
    // A code that the table lacks is our fault; the customer is told all the same.
    let code = ErrorCode::find(alert.code).unwrap_or(ErrorCode::TWIML_SCHEMA);
    let text = alert.message.clone();
    Alert {
        call: Some(alert.call),
        request_url: alert.url.clone(),
        request_method: alert.method,
        ..Alert::new(sid(), alert.account, code, level, text, clock::now().wall)
    }
}

/// A status callback went wrong.
pub fn of_callback(owed: &Owed, exchange: &Exchange, code: u32, text: String) -> Option<Alert> {
    let code = ErrorCode::find(code)?;
    let now = clock::now().wall;
    let mut alert = Alert {
        call: Some(owed.call),
        request_url: Some(owed.url.clone()),
        request_method: Some(owed.method),
        ..Alert::new(sid(), owed.account, code, Level::Error, text, now)
    };
    exchange::show_in(exchange, &mut alert);
    Some(alert)
}

/// A crash cut a call short.
pub fn of_interrupted(call: &CallRecord, now: Wall) -> Alert {
    let code = ErrorCode::find(will::CODE).unwrap_or(ErrorCode::TWIML_INTERNAL);
    let text = will::REASON.to_owned();
    Alert {
        call: Some(call.sid),
        ..Alert::new(sid(), call.account, code, Level::Error, text, now)
    }
}

/// What strangers brought about: the same once a minute, since they can repeat it as often as they
/// like.
#[derive(Default)]
pub struct OfStrangers {
    told: Mutex<HashMap<(AccountSid, u32), Instant>>,
}

impl OfStrangers {
    /// What to tell `account`, unless it was told just now.
    pub fn raise(&self, account: AccountSid, code: ErrorCode, text: String) -> Option<Alert> {
        let now = clock::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| now.instant.saturating_duration_since(*at) < QUIET);
        if told.len() >= MOST_TOLD || told.contains_key(&(account, code.code)) {
            return None;
        }
        told.insert((account, code.code), now.instant);
        drop(told);
        let level = Level::Error;
        Some(Alert::new(sid(), account, code, level, text, now.wall))
    }
}

fn sid() -> NotificationSid {
    NotificationSid::from_bytes(rand::random())
}
