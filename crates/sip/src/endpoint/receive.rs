//! A message came: whose is it, and may it pass? The order of checks is RFC 3261 section 8.2's.

use super::Endpoint;
use crate::event::DialogKey;
use crate::fault::Fault;
use crate::flow::Flow;
use crate::limiter::Verdict;
use crate::message::parse::{self, Essentials};
use crate::message::{HeaderName, Headers, Message, Method, Request, Response};
use crate::options::{ALLOW, supports};
use crate::transaction::server::{answer_flow, key_of, response_to};
use std::time::Instant;

impl Endpoint {
    pub(super) fn receive(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        if bytes.len() > self.config.limits.message {
            if let Err(rejected) = parse::parse(bytes)
                && let Some((method, headers)) = rejected.request
            {
                self.refuse_malformed(now, flow, &method, headers, &Fault::TooLarge);
            }
            return;
        }
        match parse::parse(bytes) {
            Ok(Message::Response(response)) => self.handle_response(now, flow, response),
            Ok(Message::Request(request)) => match parse::essentials(&request) {
                Ok(essentials) => self.handle_request(now, flow, request, essentials),
                Err(fault) => {
                    self.refuse_malformed(now, flow, &request.method, request.headers, &fault);
                }
            },
            Err(rejected) => {
                if let Some((method, headers)) = rejected.request {
                    self.refuse_malformed(now, flow, &method, headers, &rejected.fault);
                }
            }
        }
    }

    /// Answers without keeping anything; only when there is a Via to answer to.
    fn refuse_malformed(
        &mut self,
        now: Instant,
        flow: Flow,
        method: &Method,
        mut headers: Headers,
        fault: &Fault,
    ) {
        if *method == Method::Ack || self.limiter.judge(now, flow.remote.ip()) == Verdict::Drop {
            return;
        }
        let Some(via) = stamp(&mut headers, flow) else {
            return;
        };
        let (status, reason) = match fault {
            Fault::Version => (505, ""),
            Fault::TooLarge => (513, ""),
            Fault::Malformed(why) => (400, *why),
            _ => (400, ""),
        };
        let flow = answer_flow(flow, &via);
        self.respond_stateless(flow, &headers, status, reason, None);
    }

    /// The tag depends on the request alone, so that repetitions get the same answer
    /// (RFC 3261 section 8.2.7).
    fn respond_stateless(
        &mut self,
        flow: Flow,
        headers: &Headers,
        status: u16,
        reason: &str,
        extra: Option<(HeaderName, String)>,
    ) {
        let part = |name| headers.value(name).unwrap_or("").as_bytes();
        let tag = self.chance.derive(&[
            part(HeaderName::Via),
            part(HeaderName::CallId),
            part(HeaderName::CSeq),
        ]);
        let mut response: Response = response_to(headers, status, reason, &tag);
        if let Some((name, value)) = extra {
            response.headers.push(name, value);
        }
        self.transmit(flow, response.print());
    }

    fn handle_request(
        &mut self,
        now: Instant,
        source: Flow,
        mut request: Request,
        mut essentials: Essentials,
    ) {
        let Some(via) = stamp(&mut request.headers, source) else {
            return;
        };
        let key = key_of(&request, &essentials, &request.method);
        essentials.via = via;
        if request.method == Method::Ack {
            self.handle_ack(now, &key, &request, &essentials);
            return;
        }
        if let Some(&id) = self.server_keys.get(key.as_str()) {
            self.server_again(now, id);
            return;
        }
        let in_dialog = essentials.to.tag().is_some();
        // What belongs to a call or a request of which we know is not counted against its sender,
        // and gets in as long as there is any room; a made-up To tag helps nobody.
        let known = if request.method == Method::Cancel {
            self.server_keys
                .contains_key(key_of(&request, &essentials, &Method::Invite).as_str())
        } else {
            essentials.to.tag().is_some_and(|tag| {
                self.find_call(&essentials.call_id, tag, essentials.from.tag())
                    .is_some()
            })
        };
        let overload = if known || (self.trusted)(source.remote.ip()) {
            Verdict::Take
        } else {
            self.limiter.judge(now, source.remote.ip())
        };
        let limit = self.config.limits.transactions;
        let weight = self.config.limits.finished_bytes;
        let spare = |limit: usize| if known { limit + limit / 8 } else { limit };
        let full = (self.busy && !known)
            || self.servers.len() >= spare(limit)
            || self.finished_weight >= spare(weight);
        if full || overload != Verdict::Take {
            if overload != Verdict::Drop {
                let after = self.config.limits.retry_after.to_string();
                let flow = answer_flow(source, &essentials.via);
                self.respond_stateless(
                    flow,
                    &request.headers,
                    503,
                    "",
                    Some((HeaderName::RetryAfter, after)),
                );
            }
            return;
        }
        if request.method == Method::Cancel {
            self.handle_cancel(now, source, request, essentials, key);
            return;
        }
        let merge_key = (!in_dialog).then(|| {
            format!(
                "{}|{}|{}|{}",
                essentials.call_id,
                essentials.from.tag().unwrap_or(""),
                essentials.cseq.number,
                request.method
            )
        });
        let merged = merge_key.as_ref().is_some_and(|k| {
            essentials.from.tag().is_some() && self.merges.contains_key(k.as_str())
        });
        let method = request.method.clone();
        let merge_key = if merged { None } else { merge_key };
        let id = self.start_server(source, request, essentials, key, merge_key);
        if let Some((status, extra)) = self.inspect(id, merged) {
            match extra {
                Some((name, value)) => self.respond_with(now, id, status, name, value),
                None => self.respond_plain(now, id, status, ""),
            }
            return;
        }
        if in_dialog {
            self.handle_inside(now, id, &method);
        } else {
            match method {
                Method::Invite | Method::Register => self.ask_admission(now, id),
                Method::Options => self.options(now, id),
                Method::Bye | Method::Prack | Method::Update | Method::Info | Method::Notify => {
                    self.respond_plain(now, id, 481, "")
                }
                Method::Refer => self.respond_plain(now, id, 603, ""),
                // `inspect` has refused all others.
                _ => self.respond_plain(now, id, 501, ""),
            }
        }
    }

    /// What is wrong with a request that is well-formed.
    fn inspect(&self, id: u64, merged: bool) -> Option<(u16, Option<(HeaderName, String)>)> {
        let tx = self.servers.get(&id)?;
        let request = &tx.request;
        let headers = &request.headers;
        match request.method {
            Method::Other(_) => return Some((501, Some((HeaderName::Allow, ALLOW.to_owned())))),
            Method::Subscribe => return Some((489, None)),
            Method::Message | Method::Publish => {
                return Some((405, Some((HeaderName::Allow, ALLOW.to_owned()))));
            }
            _ => {}
        }
        if !matches!(request.uri.scheme.as_str(), "sip" | "sips" | "tel") {
            return Some((416, None));
        }
        if merged {
            return Some((482, None));
        }
        let unknown: Vec<&str> = headers
            .list(HeaderName::Require)
            .into_iter()
            .filter(|o| !supports(o))
            .collect();
        if !unknown.is_empty() {
            return Some((420, Some((HeaderName::Unsupported, unknown.join(", ")))));
        }
        if tx.essentials.max_forwards == Some(0) && !self.is_ours(request) {
            return Some((483, None));
        }
        if request.method == Method::Invite {
            let content_type = headers.value(HeaderName::ContentType).unwrap_or("");
            let kind = content_type
                .split(';')
                .next()
                .unwrap_or("")
                .trim()
                .to_ascii_lowercase();
            let readable = request.body.is_empty()
                || kind == "application/sdp"
                || (kind.starts_with("multipart/") && request.sdp().is_some());
            if !readable
                || headers.value(HeaderName::ContentEncoding).is_some_and(|e| {
                    !e.eq_ignore_ascii_case("identity") && !request.body.is_empty()
                })
            {
                return Some((
                    415,
                    Some((HeaderName::Accept, "application/sdp".to_owned())),
                ));
            }
            let accepts = headers.list(HeaderName::Accept);
            let sdp_accepted = accepts.iter().any(|a| {
                let kind = a.split(';').next().unwrap_or("").trim();
                ["application/sdp", "application/*", "*/*"]
                    .iter()
                    .any(|k| kind.eq_ignore_ascii_case(k))
            });
            if !accepts.is_empty() && !sdp_accepted {
                return Some((406, None));
            }
            if headers.value(HeaderName::Contact).is_none() {
                return Some((400, None));
            }
        }
        None
    }

    /// Whether the Request-URI names us.
    fn is_ours(&self, request: &Request) -> bool {
        let domains = &self.config.domains;
        domains.is_empty()
            || request.uri.scheme == "tel"
            || domains
                .iter()
                .any(|d| d.eq_ignore_ascii_case(&request.uri.host))
    }

    fn handle_ack(&mut self, now: Instant, key: &str, request: &Request, essentials: &Essentials) {
        if let Some(&id) = self.server_keys.get(key) {
            self.server_acknowledged(now, id);
        }
        // A stray ACK finds no call and is ignored.
        if let Some(tag) = essentials.to.tag()
            && let Some(call) = self.find_call(&essentials.call_id, tag, essentials.from.tag())
        {
            self.answer_acknowledged(now, call, essentials.cseq.number, request.sdp());
        }
    }

    fn handle_cancel(
        &mut self,
        now: Instant,
        source: Flow,
        request: Request,
        essentials: Essentials,
        key: String,
    ) {
        let reason = request.headers.value(HeaderName::Reason).map(str::to_owned);
        let invite = self
            .server_keys
            .get(key_of(&request, &essentials, &Method::Invite).as_str())
            .copied();
        let id = self.start_server(source, request, essentials, key, None);
        let Some(invite) = invite else {
            self.respond_plain(now, id, 481, "");
            return;
        };
        // Both answers carry the same tag (RFC 3261 section 9.2).
        let open = self.servers.get(&invite).map(|tx| &tx.tag);
        let tag = open.or_else(|| self.finished.get(&invite).map(|tx| &tx.tag));
        if let Some(tag) = tag.cloned()
            && let Some(tx) = self.servers.get_mut(&id)
        {
            tx.tag = tag;
        }
        self.respond_plain(now, id, 200, "");
        self.canceled(now, invite, reason);
    }

    /// A request inside a dialog.
    fn handle_inside(&mut self, now: Instant, id: u64, method: &Method) {
        let Some(tx) = self.servers.get(&id) else {
            return;
        };
        let essentials = &tx.essentials;
        let found = essentials
            .to
            .tag()
            .and_then(|tag| self.find_call(&essentials.call_id, tag, essentials.from.tag()));
        let Some(key) = found else {
            self.respond_plain(now, id, 481, "");
            return;
        };
        let number = essentials.cseq.number;
        if !self.in_order(key, number) {
            // RFC 3261 section 12.2.2.
            self.respond_plain(now, id, 500, "");
            return;
        }
        if let Some(tx) = self.servers.get_mut(&id) {
            tx.call = Some(key);
        }
        match method {
            Method::Invite | Method::Update => self.their_reoffer(now, key, id),
            Method::Bye => self.their_bye(now, key, id),
            Method::Prack => self.their_prack(now, key, id),
            Method::Info => self.their_info(now, key, id),
            Method::Notify => self.their_notify(now, key, id),
            Method::Options => self.options(now, id),
            Method::Refer => self.respond_plain(now, id, 603, ""),
            _ => self.respond_plain(now, id, 501, ""),
        }
    }

    fn in_order(&mut self, key: DialogKey, number: u32) -> bool {
        let Some(call) = self.calls.get_mut(&key) else {
            return false;
        };
        if call.remote_cseq.is_some_and(|last| number <= last) {
            return false;
        }
        call.remote_cseq = Some(number);
        true
    }
}

/// Writes received and rport into the topmost Via.
fn stamp(headers: &mut Headers, source: Flow) -> Option<crate::header::Via> {
    let line = headers.first_mut(&HeaderName::Via)?;
    let first_len = crate::message::headers::split_outside_quotes(line, ',')
        .first()
        .map_or(0, |f| f.len());
    let mut via = crate::header::Via::parse(&line[..first_len]).ok()?;
    via.stamp(source.remote);
    let rest = line[first_len..].to_owned();
    *line = format!("{via}{rest}");
    Some(via)
}
