//! The API's word for live calls, carried to the engine: where the two vocabularies meet.

use api::live::{Answering, LiveCalls, Modify, NotModified, Originate, Redirect};
use model::application::ToBrowsers;
use model::call::CallRecord;
use model::sid::{AccountSid, ApplicationSid, CallSid};
use voice::Input;
use voice::effect::Reply;
use voice::input;

use crate::drivers::switch::Happening;
use crate::rim::Rim;

/// Live calls, through the owner's queue.
pub struct Live(pub Rim);

impl LiveCalls for Live {
    fn originate(&self, originate: Originate) -> Answering<'_, ()> {
        let (rim, delay) = (self.0.clone(), originate.delay);
        let begin = async move {
            let input = Input::Originate(Box::new(of_api(originate)));
            rim.tell(Happening::Engine(Box::new(input))).await;
        };
        if !delay.is_zero() {
            // Its entry in the queue is on disk: a restart begins it at once.
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                begin.await;
            });
            return Box::pin(async {});
        }
        Box::pin(begin)
    }

    fn activate(&self, account: AccountSid, active: bool) -> Answering<'_, ()> {
        Box::pin(async move {
            self.0.tell(Happening::Activated(account, active)).await;
        })
    }

    fn to_browsers(&self, application: ApplicationSid, told: ToBrowsers) -> Answering<'_, ()> {
        Box::pin(async move {
            let happening = Happening::ToBrowsers(application, told);
            self.0.tell(happening).await;
        })
    }

    fn trunks_changed(&self) -> Answering<'_, ()> {
        Box::pin(self.0.trust())
    }

    fn modify(
        &self,
        call: CallSid,
        change: Modify,
    ) -> Answering<'_, Result<CallRecord, NotModified>> {
        let change = match change {
            Modify::Cancel => input::Modify::Cancel,
            Modify::Complete => input::Modify::Complete,
            Modify::Change(change) => input::Modify::Change(Box::new(input::Change {
                redirect: change.redirect.map(|redirect| match redirect {
                    Redirect::Url(url, method) => input::Redirect::Url(url, method),
                    Redirect::Twiml(twiml) => input::Redirect::Twiml(twiml),
                }),
                fallback_url: change.fallback_url,
                fallback_method: change.fallback_method,
                status_callback: change.status_callback,
                status_callback_method: change.status_callback_method,
                time_limit: change.time_limit,
            })),
        };
        Box::pin(async move {
            match self.0.ask(call, change).await {
                Some(Reply::Done(record)) => Ok(*record),
                Some(Reply::NotInProgress(_)) => Err(NotModified::NotInProgress),
                Some(Reply::Unknown) | None => Err(NotModified::Unknown),
            }
        })
    }
}

/// A call that the API accepted, now or before a restart.
pub fn of_api(originate: Originate) -> input::Originate {
    let asked = originate.instructions;
    let events = asked.status_callback_events;
    input::Originate {
        record: originate.record,
        instructions: input::Instructions {
            twiml: asked.twiml,
            url: asked.url,
            method: asked.method,
            fallback_url: asked.fallback_url,
            fallback_method: asked.fallback_method,
            status_callback: asked.status_callback,
            status_callback_method: asked.status_callback_method,
            status_callback_events: input::CallEvents {
                initiated: events.initiated,
                ringing: events.ringing,
                answered: events.answered,
                completed: events.completed,
            },
        },
        timeout: originate.timeout,
        time_limit: originate.time_limit,
        send_digits: originate.send_digits,
        caller_id: originate.caller_id,
        sip_auth: originate.sip_auth,
        parameters: originate.words,
    }
}
