//! The API's word for browser phones, carried to the owner.

use std::time::Duration;

use api::browsers::{
    Browsers, Client, Impairment, NotReached, Receipt, Revoked, Subscribed, Subscription,
    UserDefinedMessage, Way,
};
use api::live::Answering;
use browser::Credential;
use browser::impairment::Impairment as Network;
use model::now::{Now, Wall};
use model::sid::{AccountSid, CallSid, UserDefinedMessageSubscriptionSid};
use tokio::sync::oneshot;

use crate::drivers::switch::{Happening, Node};
use crate::drivers::webrtc::Impairments;
use crate::rim::Rim;

/// What the API asks of the owner, and where the answer goes.
#[derive(Debug)]
#[allow(missing_docs, reason = "the methods of the port say what each is")]
pub enum Asked {
    Revoke(Revoked, oneshot::Sender<()>),
    Send(
        Box<UserDefinedMessage>,
        oneshot::Sender<Result<Receipt, NotReached>>,
    ),
    Subscribe(
        Box<Subscription>,
        oneshot::Sender<Result<Subscribed, NotReached>>,
    ),
    Unsubscribe(
        CallSid,
        UserDefinedMessageSubscriptionSid,
        oneshot::Sender<bool>,
    ),
    Clients(AccountSid, oneshot::Sender<Vec<Client>>),
    Impair(
        CallSid,
        Box<Impairment>,
        oneshot::Sender<Result<(), NotReached>>,
    ),
}

/// Browser phones, through the owner's queue.
pub struct Pages(pub Rim);

impl Pages {
    /// Asks, and waits; nothing while the process ends.
    async fn ask<T>(&self, asked: impl FnOnce(oneshot::Sender<T>) -> Asked) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.0.tell(Happening::Pages(asked(answer))).await;
        answered.await.ok()
    }
}

impl Browsers for Pages {
    fn revoke(&self, revoked: Revoked) -> Answering<'_, ()> {
        Box::pin(async move {
            self.ask(|answer| Asked::Revoke(revoked, answer)).await;
        })
    }

    fn send(&self, message: UserDefinedMessage) -> Answering<'_, Result<Receipt, NotReached>> {
        Box::pin(async move {
            self.ask(|answer| Asked::Send(Box::new(message), answer))
                .await
                .unwrap_or(Err(NotReached::NotLive))
        })
    }

    fn subscribe(
        &self,
        subscription: Subscription,
    ) -> Answering<'_, Result<Subscribed, NotReached>> {
        Box::pin(async move {
            self.ask(|answer| Asked::Subscribe(Box::new(subscription), answer))
                .await
                .unwrap_or(Err(NotReached::NotLive))
        })
    }

    fn unsubscribe(
        &self,
        call: CallSid,
        sid: UserDefinedMessageSubscriptionSid,
    ) -> Answering<'_, bool> {
        Box::pin(async move {
            self.ask(|answer| Asked::Unsubscribe(call, sid, answer))
                .await
                .unwrap_or(false)
        })
    }

    fn clients(&self, account: AccountSid) -> Answering<'_, Vec<Client>> {
        Box::pin(async move {
            let clients = self.ask(|answer| Asked::Clients(account, answer)).await;
            clients.unwrap_or_default()
        })
    }

    fn impair(
        &self,
        call: CallSid,
        impairment: Impairment,
    ) -> Answering<'_, Result<(), NotReached>> {
        Box::pin(async move {
            self.ask(|answer| Asked::Impair(call, Box::new(impairment), answer))
                .await
                .unwrap_or(Err(NotReached::NotLive))
        })
    }
}

impl Node {
    /// Does what the API asks. Who asked may be gone; the thing is done all the same.
    pub fn handle_pages(&mut self, now: Now, asked: Asked) {
        match asked {
            Asked::Revoke(revoked, answer) => {
                let signalling = &mut self.browsers.signalling;
                match revoked {
                    Revoked::Key(key) => signalling.revoke(now.instant, Credential::Key(key)),
                    Revoked::Account(account) => signalling.suspend(now.instant, account),
                }
                let _ = answer.send(());
            }
            Asked::Send(message, answer) => {
                let _ = answer.send(self.send_to_page(*message));
            }
            Asked::Subscribe(subscription, answer) => {
                let _ = answer.send(self.subscribe_to_page(*subscription));
            }
            Asked::Unsubscribe(call, sid, answer) => {
                let _ = answer.send(self.browsers.messages.unsubscribe(call, sid));
            }
            Asked::Clients(account, answer) => {
                let shown = |device: browser::Registered| Client {
                    identity: device.identity,
                    sdk: device.sdk.to_string(),
                    user_agent: device.agent,
                    since: Wall(
                        now.wall.0
                            - now
                                .instant
                                .saturating_duration_since(device.opened)
                                .as_micros() as i64,
                    ),
                    calls: device.calls,
                };
                let devices = self.browsers.signalling.registered(account);
                let _ = answer.send(devices.into_iter().map(shown).collect());
            }
            Asked::Impair(call, impairment, answer) => {
                let leg = self.leg_of(call).and_then(|id| self.legs.leg(id));
                let impaired = leg.map(|leg| leg.media.impair(of_api(&impairment)));
                let _ = answer.send(impaired.ok_or(NotReached::NoPage));
            }
        }
    }
}

fn of_api(impairment: &Impairment) -> Impairments {
    let network = Network {
        loss: impairment.loss,
        delay: Duration::from_millis(impairment.delay_ms),
        jitter: Duration::from_millis(impairment.jitter_ms),
        silence: impairment.silence,
        constant: impairment.constant,
    };
    let towards = |way| {
        if impairment.direction == way || impairment.direction == Way::Both {
            network
        } else {
            Network::default()
        }
    };
    Impairments {
        to_browser: towards(Way::ToBrowser),
        from_browser: towards(Way::FromBrowser),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_way_stays_good() {
        let bad = |direction| {
            let impairments = of_api(&Impairment {
                loss: 5.0,
                direction,
                ..Impairment::default()
            });
            (impairments.to_browser.loss, impairments.from_browser.loss)
        };
        assert_eq!(bad(Way::ToBrowser), (5.0, 0.0));
        assert_eq!(bad(Way::FromBrowser), (0.0, 5.0));
        assert_eq!(bad(Way::Both), (5.0, 5.0));
    }
}
