//! Delivers what is owed: in order within a call's family, families side by side, over outages and
//! restarts (D10). What is owed and when it may be tried is the store's; how long to wait is
//! decided by `webhook::retry`; this only asks, sends and writes the result down.

use std::time::Duration;

use model::alert::{Alert, Level};
use model::error_code::ErrorCode;
use model::sid::{CallSid, NotificationSid};
use store::{Change, Outstanding};
use tokio::sync::mpsc;
use webhook::client::Request;
use webhook::cookie::Jar;
use webhook::dispatch::Dispatch;
use webhook::form::Parameters;
use webhook::retry::{Delivery, Outcome, callback};

use crate::clock;
use crate::rim::Rim;

/// Deliveries under way at once, all receivers together.
const AT_ONCE: usize = 64;
/// How long nothing may be due before the outbox is looked at again, when nobody knocked.
const IDLE: Duration = Duration::from_millis(500);

/// Runs for as long as the process does. `knock` says that something new is owed.
pub async fn run(rim: Rim, mut knock: mpsc::Receiver<()>) {
    let (done, mut finished) = mpsc::channel::<(i64, CallSid)>(AT_ONCE);
    let mut dispatch = Dispatch::new(AT_ONCE);
    loop {
        let (now, limit) = (clock::now().wall, dispatch.asks_for());
        let due = match rim.store.outbox().due(now, limit).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read");
                Vec::new()
            }
        };
        for outstanding in due {
            if !dispatch.begin(outstanding.id, outstanding.owed.stream) {
                continue;
            }
            let (rim, done) = (rim.clone(), done.clone());
            tokio::spawn(async move {
                let (id, stream) = (outstanding.id, outstanding.owed.stream);
                deliver(&rim, outstanding).await;
                let _ = done.send((id, stream)).await;
            });
        }
        tokio::select! {
            Some((id, stream)) = finished.recv() => {
                dispatch.finished(id, stream);
                while let Ok((id, stream)) = finished.try_recv() {
                    dispatch.finished(id, stream);
                }
            }
            word = knock.recv(), if dispatch.has_room() => if word.is_none() { return },
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}

/// One attempt, and what follows from it.
async fn deliver(rim: &Rim, outstanding: Outstanding) {
    let owed = &outstanding.owed;
    let began = clock::now().wall;
    let request = Request::callback(owed.method, &owed.url, Parameters(owed.parameters.clone()))
        .signed(owed.account.to_string(), rim.token(owed.account).await)
        .idempotent(&outstanding.token);
    let (outcome, exchange, problem) = match rim.client.fetch(&request, &mut Jar::default()).await {
        Ok(response) => (Outcome::Answered(response.status), response.exchange, None),
        Err(failure) => (
            failure.outcome(),
            *failure.exchange,
            Some((failure.code, failure.message)),
        ),
    };
    rim.keep(owed.account, owed.call, &exchange, began);
    let age = Duration::from_secs(began.seconds_since(owed.created));
    let outbox = rim.store.outbox();
    let written = match callback(outcome, outstanding.attempts + 1, age, rand::random()) {
        Delivery::Delivered { alert } => {
            if let Some(code) = alert {
                let text = problem
                    .map(|(_, message)| message)
                    .unwrap_or_else(|| "the receiver refused a status callback".to_owned());
                tell(rim, &outstanding, code, text).await;
            }
            outbox.delivered(outstanding.id).await
        }
        Delivery::Again(wait) => {
            outbox
                .postpone(outstanding.id, clock::now().wall.after(wait))
                .await
        }
        Delivery::GivenUp => {
            let (code, message) = problem.unwrap_or((
                15003,
                "the receiver was out of reach for 24 hours".to_owned(),
            ));
            tell(rim, &outstanding, code, message).await;
            outbox.give_up(outstanding.id).await
        }
    };
    if let Err(error) = written {
        // It stays owed and is sent again with the same token.
        tracing::error!(%error, "the result of a callback was not written down");
    }
}

async fn tell(rim: &Rim, outstanding: &Outstanding, code: u32, text: String) {
    let Some(code) = ErrorCode::find(code) else {
        return;
    };
    let owed = &outstanding.owed;
    let alert = Alert {
        sid: NotificationSid::from_bytes(rand::random()),
        account: owed.account,
        call: Some(owed.call),
        code,
        level: Level::Error,
        text,
        request_url: Some(owed.url.clone()),
        request_method: Some(owed.method),
        request_variables: Some(Parameters(owed.parameters.clone()).to_form()),
        response_headers: None,
        response_body: None,
        created: clock::now().wall,
    };
    if let Err(error) = rim
        .store
        .calls()
        .save(Change {
            alerts: vec![alert],
            ..Change::default()
        })
        .await
    {
        tracing::error!(%error, "an alert was not written down");
    }
}
