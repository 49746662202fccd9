//! Call messages between customers' servers and pages: kept for as long as the call lives, since
//! they are about nothing else.

use std::collections::{HashMap, VecDeque};

use api::browsers::{NotReached, Receipt, Subscribed, Subscription, UserDefinedMessage};
use api::date::rfc2822;
use browser::Message;
use browser::frame::USER_DEFINED;
use model::now::Now;
use model::owed::Owed;
use model::sid::{CallSid, UserDefinedMessageSubscriptionSid};

use crate::drivers::switch::Node;

/// Most subscriptions of one call.
const SUBSCRIPTIONS: usize = 10;
/// Idempotency keys that are remembered of one call.
const KEYS: usize = 100;

/// What is known of the messages of live calls.
#[derive(Debug, Default)]
pub struct Messages {
    calls: HashMap<CallSid, OfCall>,
    /// At so many calls those that are over are thrown out.
    full: usize,
}

#[derive(Debug, Default)]
struct OfCall {
    subscriptions: Vec<Subscription>,
    /// Messages that came from the page.
    received: u64,
    /// Messages to the page that must not be sent twice.
    sent: VecDeque<(String, Receipt)>,
}

impl Messages {
    /// What is known of a call; `lives` says which calls do.
    fn of(&mut self, call: CallSid, lives: impl Fn(CallSid) -> bool) -> &mut OfCall {
        if self.calls.len() >= self.full {
            self.calls.retain(|call, _| lives(*call));
            self.full = self.calls.len() * 2 + 64;
        }
        self.calls.entry(call).or_default()
    }

    /// Ends a subscription; whether there was one.
    pub fn unsubscribe(&mut self, call: CallSid, sid: UserDefinedMessageSubscriptionSid) -> bool {
        let Some(of_call) = self.calls.get_mut(&call) else {
            return false;
        };
        let before = of_call.subscriptions.len();
        of_call.subscriptions.retain(|one| one.sid != sid);
        of_call.subscriptions.len() < before
    }
}

impl OfCall {
    /// Adds a subscription, once for each key.
    fn subscribe(&mut self, subscription: Subscription) -> Result<Subscribed, NotReached> {
        let known = self.subscriptions.iter().find(|known| {
            known.idempotency_key.is_some() && known.idempotency_key == subscription.idempotency_key
        });
        let made = |one: &Subscription| Subscribed {
            sid: one.sid,
            created: one.created,
        };
        if let Some(known) = known {
            return Ok(made(known));
        }
        if self.subscriptions.len() == SUBSCRIPTIONS {
            return Err(NotReached::Full);
        }
        let subscribed = made(&subscription);
        self.subscriptions.push(subscription);
        Ok(subscribed)
    }

    /// What was sent under a key before.
    fn sent_before(&self, key: Option<&String>) -> Option<Receipt> {
        let (_, receipt) = self.sent.iter().find(|(known, _)| Some(known) == key)?;
        Some(*receipt)
    }

    /// Remembers what was sent under a key.
    fn sent(&mut self, key: Option<String>, receipt: Receipt) {
        let Some(key) = key else { return };
        if self.sent.len() == KEYS {
            self.sent.pop_front();
        }
        self.sent.push_back((key, receipt));
    }

    /// What is owed for a message from the page: a report to each subscriber.
    fn report(&mut self, now: Now, call: CallSid, message: &Message) -> Vec<Owed> {
        self.received += 1;
        let parameters = |one: &Subscription| {
            [
                ("AccountSid", one.account.to_string()),
                ("CallSid", call.to_string()),
                ("Sid", message.voice_event_sid.clone()),
                ("Content", message.content.to_string()),
                ("ContentType", message.content_type.clone()),
                ("SequenceNumber", self.received.to_string()),
                ("DateCreated", rfc2822(now.wall)),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
        };
        let owed = |one: &Subscription| Owed {
            account: one.account,
            call,
            stream: call,
            url: one.url.clone(),
            method: one.method,
            parameters: parameters(one),
            created: now.wall,
        };
        self.subscriptions.iter().map(owed).collect()
    }
}

impl Node {
    /// Sends a customer's message to the page of a call.
    pub fn send_to_page(&mut self, message: UserDefinedMessage) -> Result<Receipt, NotReached> {
        let switch = &self.switch;
        if !switch.is_live(message.call) {
            return Err(NotReached::NotLive);
        }
        let lives = |call| switch.is_live(call);
        let of_call = self.browsers.messages.of(message.call, lives);
        if let Some(receipt) = of_call.sent_before(message.idempotency_key.as_ref()) {
            return Ok(receipt);
        }
        let receipt = Receipt {
            sid: message.sid,
            created: message.created,
        };
        let frame = Message {
            call: message.call.to_string(),
            content: message.content,
            content_type: "application/json".to_owned(),
            message_type: USER_DEFINED.to_owned(),
            voice_event_sid: message.sid.to_string(),
        };
        if self.browsers.signalling.send_message(message.call, frame) == 0 {
            return Err(NotReached::NoPage);
        }
        of_call.sent(message.idempotency_key, receipt);
        Ok(receipt)
    }

    /// Has the messages of a call's page told.
    pub fn subscribe_to_page(
        &mut self,
        subscription: Subscription,
    ) -> Result<Subscribed, NotReached> {
        let switch = &self.switch;
        if !switch.is_live(subscription.call) {
            return Err(NotReached::NotLive);
        }
        let lives = |call| switch.is_live(call);
        let of_call = self.browsers.messages.of(subscription.call, lives);
        of_call.subscribe(subscription)
    }

    /// A page said something.
    pub fn message_received(&mut self, now: Now, call: CallSid, message: &Message) {
        if let Some(of_call) = self.browsers.messages.calls.get_mut(&call) {
            let owed = of_call.report(now, call, message);
            self.rim.owe(owed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::method::Method;
    use model::now::Wall;
    use model::sid::{AccountSid, UserDefinedMessageSid};
    use std::time::Instant;

    const CALL: CallSid = CallSid::from_bytes([1; 16]);

    fn subscription(byte: u8, key: Option<&str>) -> Subscription {
        Subscription {
            sid: UserDefinedMessageSubscriptionSid::from_bytes([byte; 16]),
            account: AccountSid::from_bytes([2; 16]),
            call: CALL,
            url: format!("https://app.test/{byte}"),
            method: Method::Post,
            idempotency_key: key.map(str::to_owned),
            created: Wall(byte.into()),
        }
    }

    #[test]
    fn each_subscriber_is_told_each_message_with_its_number() {
        let mut messages = Messages::default();
        let of_call = messages.of(CALL, |_| true);
        for byte in [1, 2] {
            assert!(of_call.subscribe(subscription(byte, None)).is_ok());
        }
        let now = Now {
            instant: Instant::now(),
            wall: Wall(1_600_000_000_000_000),
        };
        let message = |content| Message {
            call: CALL.to_string(),
            content,
            content_type: "application/json".to_owned(),
            message_type: USER_DEFINED.to_owned(),
            voice_event_sid: "KX1".to_owned(),
        };
        of_call.report(now, CALL, &message(1.into()));
        let owed = of_call.report(now, CALL, &message(serde_json::json!({"a": 1})));
        let urls: Vec<_> = owed.iter().map(|owed| owed.url.as_str()).collect();
        assert_eq!(urls, ["https://app.test/1", "https://app.test/2"]);
        let value = |name: &str| {
            let mut all = owed[0].parameters.iter();
            all.find(|(known, _)| known == name).map(|(_, v)| v.clone())
        };
        assert_eq!(value("Content").as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(value("ContentType").as_deref(), Some("application/json"));
        assert_eq!(value("Sid").as_deref(), Some("KX1"));
        assert_eq!(value("SequenceNumber").as_deref(), Some("2"));
        let date = "Sun, 13 Sep 2020 12:26:40 +0000";
        assert_eq!(value("DateCreated").as_deref(), Some(date));
        assert_eq!(value("CallSid"), Some(CALL.to_string()));
        assert!(messages.unsubscribe(CALL, subscription(1, None).sid));
        assert!(!messages.unsubscribe(CALL, subscription(1, None).sid));
        let last = message(2.into());
        assert_eq!(
            messages.of(CALL, |_| true).report(now, CALL, &last).len(),
            1
        );
    }

    #[test]
    fn a_repetition_makes_nothing_new_and_the_number_is_bounded() {
        let mut of_call = OfCall::default();
        let first = of_call.subscribe(subscription(0, Some("k")));
        assert_eq!(of_call.subscribe(subscription(9, Some("k"))), first);
        for byte in 1..SUBSCRIPTIONS as u8 {
            assert!(of_call.subscribe(subscription(byte, None)).is_ok());
        }
        let more = of_call.subscribe(subscription(99, None));
        assert_eq!(more, Err(NotReached::Full));

        for number in 0..KEYS + 5 {
            let receipt = Receipt {
                sid: UserDefinedMessageSid::from_bytes([number as u8; 16]),
                created: Wall(number as i64),
            };
            of_call.sent(Some(number.to_string()), receipt);
        }
        assert_eq!(of_call.sent.len(), KEYS);
        let before = of_call.sent_before(Some(&"104".to_owned()));
        assert_eq!(before.map(|receipt| receipt.created), Some(Wall(104)));
        assert_eq!(of_call.sent_before(Some(&"4".to_owned())), None);
        assert_eq!(of_call.sent_before(None), None);
    }

    #[test]
    fn what_is_known_of_calls_that_are_over_goes() {
        let mut messages = Messages::default();
        for number in 0..10_000_u32 {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            messages.of(CallSid::from_bytes(bytes), |_| false);
            assert!(messages.calls.len() <= 65);
        }
    }
}
