//! Delivers what is owed: in order within a call's family, families side by side, over outages and
//! restarts (D10). What is newly owed is told here when it is on disk, and delivered without being
//! read again. The outbox is asked for what is not known here: what an earlier run left, and what
//! is tried again after a failure. Which may leave is decided by `webhook::dispatch`, how long to
//! wait by `webhook::retry`; this only asks, sends and writes the result down.

use std::time::Duration;

use model::sid::CallSid;
use store::{Change, Outstanding, Standing};
use tokio::sync::mpsc;
use webhook::client::Request;
use webhook::cookie::Jar;
use webhook::dispatch::{Dispatch, Ending};
use webhook::form::Parameters;
use webhook::retry::{Delivery, Outcome, callback};

use crate::alerts;
use crate::clock;
use crate::counters;
use crate::exchange;
use crate::rim::Rim;
use crate::validation;

/// Deliveries under way at once, all receivers together.
const AT_ONCE: usize = 64;
/// Callbacks known here at most, some 2 kB each.
const KNOWN: usize = 8192;
/// How often the outbox is asked for what is not known here.
const IDLE: Duration = Duration::from_millis(500);

/// After what time a step is tried again that the disk did not take.
const AGAIN: Duration = Duration::from_secs(10);

/// A delivery that is over.
type Over = (CallSid, Ending);

/// Runs for as long as the process does. `told` says what is newly owed.
pub async fn run(rim: Rim, mut told: mpsc::Receiver<Vec<Outstanding>>) {
    let (done, mut finished) = mpsc::unbounded_channel::<Over>();
    let mut dispatch = Dispatch::new(AT_ONCE, KNOWN);
    let mut idle = tokio::time::interval(IDLE);
    idle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut asks = true;
    loop {
        if std::mem::take(&mut asks) {
            let (now, limit) = (clock::now().wall, dispatch.asks_for());
            match rim.store.outbox().due(now, limit).await {
                Ok(due) => due
                    .into_iter()
                    .for_each(|one| dispatch.found(one.owed.stream, one)),
                Err(error) => tracing::error!(%error, "the outbox cannot be read"),
            }
        }
        while let Some(outstanding) = dispatch.take() {
            tokio::spawn(deliver(rim.clone(), outstanding, done.clone()));
        }
        let mut news = None;
        let mut over = None;
        tokio::select! {
            more = told.recv() => match more {
                Some(more) => news = Some(more),
                None => return,
            },
            one = finished.recv() => over = one,
            _ = idle.tick() => asks = true,
        }
        // What came meanwhile is taken as well: one look serves it all.
        while let Some(more) = news.take().or_else(|| told.try_recv().ok()) {
            more.into_iter()
                .for_each(|one| dispatch.told(one.owed.stream, one));
        }
        while let Some((stream, ending)) = over.take().or_else(|| finished.try_recv().ok()) {
            asks |= dispatch.finished(stream, ending);
        }
    }
}

/// One attempt, and what follows from it.
async fn deliver(rim: Rim, outstanding: Outstanding, done: mpsc::UnboundedSender<Over>) {
    let Outstanding { id, attempts, .. } = outstanding;
    let stream = outstanding.owed.stream;
    let end = move |ending| {
        // Nobody listens when the process ends.
        let _ = done.send((stream, ending));
    };
    // Only the outbox knows whether its call was deleted meanwhile (B12).
    match rim.store.outbox().standing(id, attempts) {
        Ok(Standing::Next) => {}
        Ok(Standing::Later) => return end(Ending::Later),
        Ok(Standing::Gone) => return end(Ending::Struck),
        Err(error) => {
            tracing::error!(%error, "the outbox cannot be read");
            return end(Ending::Kept);
        }
    }
    let mut owed = outstanding.owed;
    if validation::is_ours(&owed.url) {
        return end(concluded(&rim, id, owed.call).await);
    }
    let began = clock::now().wall;
    let age = Duration::from_secs(began.seconds_since(owed.created));
    let parameters = Parameters(std::mem::take(&mut owed.parameters));
    let request = Request::callback(owed.method, &owed.url, parameters)
        .signed(owed.account.to_string(), rim.token(owed.account).await)
        .idempotent(outstanding.token);
    let (outcome, exchange, problem) = match rim.client.fetch(&request, &mut Jar::default()).await {
        Ok(response) => (Outcome::Answered(response.status), response.exchange, None),
        Err(failure) => (
            failure.outcome(),
            *failure.exchange,
            Some((failure.code, failure.message)),
        ),
    };
    let delivery = callback(outcome, attempts + 1, age, rand::random());
    match &delivery {
        Delivery::Delivered { .. } => counters::CALLBACKS_DELIVERED.count(),
        Delivery::Again(_) => counters::CALLBACKS_AGAIN.count(),
        Delivery::GivenUp => counters::CALLBACKS_GIVEN_UP.count(),
    }
    let told = match &delivery {
        Delivery::Delivered { alert } => alert.map(|code| {
            let refused = || "the receiver refused a status callback".to_owned();
            (code, problem.map_or_else(refused, |(_, message)| message))
        }),
        Delivery::Again(_) => None,
        Delivery::GivenUp => {
            let unreachable = "the receiver was out of reach for 24 hours";
            Some(problem.unwrap_or((15003, unreachable.to_owned())))
        }
    };
    let alert = told.and_then(|(code, text)| alerts::of_callback(&owed, &exchange, code, text));
    // What was said, and that it is owed no more, in one piece.
    let mut change = Change {
        events: vec![exchange::event(owed.account, owed.call, exchange, began)],
        alerts: alert.into_iter().collect(),
        ..Change::default()
    };
    if let Delivery::Again(wait) = delivery {
        rim.write_down(change, |_| {});
        let next = clock::now().wall.after(wait);
        if let Err(error) = rim.store.outbox().postpone(id, next).await {
            tracing::error!(%error, "the result of a callback was not written down");
        }
        return end(Ending::Kept);
    }
    change.struck.push(id);
    rim.write_down(change, move |written| {
        end(match written {
            true => Ending::Struck,
            // It stays owed and is sent again with the same token.
            false => Ending::Kept,
        });
    });
}

/// The call of a validation request is over.
async fn concluded(rim: &Rim, id: i64, call: CallSid) -> Ending {
    let struck = Change {
        struck: vec![id],
        ..Change::default()
    };
    let done = match validation::over(&rim.store, call).await {
        Ok(()) => rim.store.calls().save(struck).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ending::Struck,
        Err(error) => {
            tracing::error!(%error, "the end of a validation request was not written down");
            let next = clock::now().wall.after(AGAIN);
            // If this fails too, it is found again at once.
            let _ = rim.store.outbox().postpone(id, next).await;
            Ending::Kept
        }
    }
}
