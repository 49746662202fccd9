//! What was said with a customer's server, as the customer sees it: in `Calls/{sid}/Events`, and in the
//! alert about what was wrong with it.

use model::alert::Alert;
use model::event::Event;
use model::now::Wall;
use model::sid::{AccountSid, CallSid};
use webhook::exchange::Exchange;
use webhook::form::Parameters;

/// What a call asked for last, to be shown beside what was wrong with the answer.
#[derive(Debug)]
pub struct LastExchange {
    /// The address as the program has it, and the one that answered.
    urls: [String; 2],
    exchange: Exchange,
}

impl LastExchange {
    /// The program said `asked`; redirects may have led to `answered`.
    pub fn new(asked: String, answered: String, exchange: Exchange) -> Self {
        LastExchange {
            urls: [asked, answered],
            exchange,
        }
    }

    /// Puts itself into an alert about it, or about what came of it.
    pub fn show_in(&self, alert: &mut Alert) {
        let url = alert
            .request_url
            .get_or_insert_with(|| self.urls[1].clone());
        if !self.urls.contains(url) {
            return;
        }
        alert.request_method.get_or_insert(self.exchange.method);
        show_in(&self.exchange, alert);
    }
}

/// Shows an exchange in an alert (contract 3.2; compat rest-8).
pub fn show_in(exchange: &Exchange, alert: &mut Alert) {
    alert.request_variables = Some(Parameters(exchange.parameters.clone()).to_form());
    if exchange.status.is_none() {
        return;
    }
    let headers = exchange.headers.iter();
    alert.response_headers = Some(
        headers
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect(),
    );
    alert.response_body = Some(exchange.body.clone());
}

/// An exchange as `Calls/{sid}/Events` shows it.
pub fn event(account: AccountSid, call: CallSid, exchange: Exchange, began: Wall) -> Event {
    Event {
        account,
        call,
        url: exchange.url,
        method: exchange.method,
        parameters: exchange.parameters,
        response_code: exchange.status,
        duration_ms: exchange.duration_ms,
        content_type: exchange.content_type,
        response_body: Some(exchange.body),
        created: began,
    }
}
