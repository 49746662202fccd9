//! The gate, and the tables of routes behind it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_TYPE, HOST, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use model::account::{Account, AccountStatus};
use model::error_code::ErrorCode;
use model::sid::{AccountSid, RequestSid};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::app::App;
use crate::ask::Ask;
use crate::auth;
use crate::error::Refusal;
use crate::form::Form;
use crate::product::{self, Product};
use crate::render::{self, Format};
use crate::{control, monitor_v1, v2010};

/// Longest body of a request (20413 beyond).
const MAX_BODY: usize = 1 << 20;
/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(30);
/// Longest name that a client may give to a request.
const MAX_KEY: usize = 255;

/// Marks a request that came over TLS: the socket puts it into the extensions.
#[derive(Debug, Clone, Copy)]
pub struct Secure;

/// The whole API as one service.
pub fn router(app: App) -> Router {
    let gate = Gate {
        v2010: v2010::routes(),
        monitor: monitor_v1::routes(),
        control: control::routes(),
        room: Semaphore::new(app.settings.requests_at_once),
        app,
    };
    Router::new().fallback(enter).with_state(Arc::new(gate))
}

/// What stands between the network and the handlers.
struct Gate {
    app: App,
    v2010: Router,
    monitor: Router,
    control: Router,
    /// For requests under way.
    room: Semaphore,
}

async fn enter(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let began = (gate.app.clock)().instant;
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        match request.uri().path() {
            "/healthz" | "/readyz" | "/metrics" => {
                control::health::answer(&gate.app, request.uri().path()).await
            }
            _ => match gate.room.try_acquire() {
                Ok(_place) => gate.pass(request).await,
                Err(_) => gate.busy(request.uri().path()),
            },
        }
    };
    let took = (gate.app.clock)().instant.saturating_duration_since(began);
    gate.stamp(&mut response, &format!("{:.3}", took.as_secs_f64()));
    response
}

impl Gate {
    /// Nothing of the request is done: it may be made again (contract 2.7).
    fn busy(&self, path: &str) -> Response {
        let refusal = Refusal::new(
            ErrorCode::TOO_MANY_REQUESTS,
            format!(
                "More than {} requests are under way; make this one again in a moment",
                self.app.settings.requests_at_once
            ),
        );
        let xml = path.starts_with("/2010-04-01") && !path.ends_with(".json");
        let format = if xml { Format::Xml } else { Format::Json };
        let mut response = render::write(refusal.into_response(), format);
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }

    /// Product, format, credentials, form, handler, body.
    async fn pass(&self, request: Request) -> Response {
        let host = host(request.headers(), request.uri());
        let path = request.uri().path().to_owned();
        let (product, path) = product::of(&host, &self.app.settings.base_domain, &path);
        let path = match path {
            "/" => path,
            path => path.strip_suffix('/').unwrap_or(path),
        };
        let (path, format) = match (product, path.strip_suffix(".json")) {
            (Product::Api, Some(path)) => (path, Format::Json),
            (Product::Api, None) if path.starts_with("/2010-04-01") => (path, Format::Xml),
            _ => (path, Format::Json),
        };
        let response = match self.handle(product, path, format, &host, request).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        };
        let mut response = render::write(named(response, path), format);
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Twilio API\""),
            );
        }
        response
    }

    async fn handle(
        &self,
        product: Product,
        path: &str,
        format: Format,
        host: &str,
        request: Request,
    ) -> Result<Response, Refusal> {
        let routes = match product {
            Product::Api => &self.v2010,
            Product::Monitor => &self.monitor,
            Product::Control => &self.control,
            Product::Absent => return Err(not_found(path)),
        };
        let (parts, body) = request.into_parts();
        let caller = auth::caller(&self.app, &parts.headers).await?;
        let account = match product {
            Product::Api => self.account_of_path(&caller, path, &parts.method).await?,
            _ => caller.account.clone(),
        };
        let query = Form::parse(parts.uri.query().unwrap_or_default().as_bytes())?;
        let body = tokio::time::timeout(BODY, to_bytes(body, MAX_BODY))
            .await
            .map_err(|_| {
                Refusal::new(
                    ErrorCode::INVALID_PARAMETER,
                    format!("The body did not come within {} s", BODY.as_secs()),
                )
            })?
            .map_err(|_| ErrorCode::REQUEST_TOO_LARGE)?;
        let form = match product {
            Product::Control => Form::default(),
            _ => form(&parts.headers, &body)?,
        };
        let ask = Ask {
            account,
            method: parts.method.clone(),
            path: path.to_owned(),
            format,
            origin: self.origin(&parts, host),
            query,
            form,
            body,
            idempotency_key: idempotency_key(&parts.headers)?,
            now: self.app.now(),
            app: self.app.clone(),
            caller,
        };
        let mut inner = axum::http::Request::new(Body::empty());
        *inner.method_mut() = parts.method;
        *inner.uri_mut() = path.parse::<Uri>().map_err(|_| not_found(path))?;
        inner.extensions_mut().insert(Arc::new(ask));
        match routes.clone().oneshot(inner).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }

    /// `/2010-04-01/Accounts/{sid}/…`: an account that the caller cannot reach does not exist. One
    /// that is not active can be read, and its own record changed, by its owner; no more.
    async fn account_of_path(
        &self,
        caller: &auth::Caller,
        path: &str,
        method: &Method,
    ) -> Result<Account, Refusal> {
        let Some(rest) = path.strip_prefix("/2010-04-01/Accounts/") else {
            return Ok(caller.account.clone());
        };
        let (sid, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let sid: AccountSid = sid.parse().map_err(|_| not_found(path))?;
        let account = auth::reachable(&self.app, caller, sid)
            .await?
            .ok_or_else(|| not_found(path))?;
        if account.status != AccountStatus::Active && !rest.is_empty() && method != Method::GET {
            return Err(ErrorCode::ACCOUNT_INACTIVE.into());
        }
        Ok(account)
    }

    /// Scheme and host that the client used.
    fn origin(&self, parts: &Parts, host: &str) -> String {
        let headers = &parts.headers;
        if let Some(origin) = &self.app.settings.public_origin {
            return origin.trim_end_matches('/').to_owned();
        }
        let scheme = match forwarded(headers, "x-forwarded-proto") {
            Some("https") => "https",
            // Nobody stands in between who would say it.
            None if parts.extensions.get::<Secure>().is_some() => "https",
            _ => "http",
        };
        match forwarded(headers, "x-forwarded-port") {
            Some(port) if !host.contains(':') && !matches!(port, "80" | "443") => {
                format!("{scheme}://{host}:{port}")
            }
            _ => format!("{scheme}://{host}"),
        }
    }

    /// Headers that every answer carries (contract 2.3).
    fn stamp(&self, response: &mut Response, seconds: &str) {
        let request = RequestSid::from_bytes(self.app.draw()).to_string();
        let headers = response.headers_mut();
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (
                ACCESS_CONTROL_ALLOW_METHODS,
                "GET, POST, PUT, DELETE, OPTIONS",
            ),
            (
                ACCESS_CONTROL_ALLOW_HEADERS,
                "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, \
                 If-None-Match, If-Unmodified-Since, Idempotency-Key, X-Twilio-Client, \
                 X-Pre-Auth-Context, X-Target-Region, X-Twilio-Token",
            ),
            (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
            (
                ACCESS_CONTROL_EXPOSE_HEADERS,
                "ETag, Twilio-Request-Id, Twilio-Request-Duration",
            ),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in [
            ("twilio-request-id", request.as_str()),
            ("twilio-request-duration", seconds),
            ("x-home-region", self.app.settings.region.as_str()),
            ("x-api-domain", self.app.settings.base_domain.as_str()),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// Gives a body to the answers that the route table makes by itself: no such path, no such method,
/// an identifier that is none.
fn named(response: Response, path: &str) -> Response {
    let ours = response.extensions().get::<Refusal>().is_some()
        || response.extensions().get::<render::Carried>().is_some();
    if ours {
        return response;
    }
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            let allow = response.headers().get(axum::http::header::ALLOW).cloned();
            let mut refused = Refusal::from(ErrorCode::METHOD_NOT_ALLOWED).into_response();
            if let Some(allow) = allow {
                refused
                    .headers_mut()
                    .insert(axum::http::header::ALLOW, allow);
            }
            refused
        }
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => not_found(path).into_response(),
        StatusCode::INTERNAL_SERVER_ERROR => {
            Refusal::from(ErrorCode::INTERNAL_ERROR).into_response()
        }
        _ => response,
    }
}

/// 20404 with the path in its message.
pub(crate) fn not_found(path: &str) -> Refusal {
    Refusal::new(
        ErrorCode::NOT_FOUND,
        format!("The requested resource {path} was not found"),
    )
}

/// The form of a body: urlencoded or nothing (contract 2.3).
fn form(headers: &HeaderMap, body: &Bytes) -> Result<Form, Refusal> {
    if body.is_empty() {
        return Ok(Form::default());
    }
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    match kind {
        Some(kind) if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") => {
            Form::parse(body)
        }
        _ => Err(Refusal::new(
            ErrorCode::INVALID_PARAMETER,
            "Content-Type must be application/x-www-form-urlencoded",
        )),
    }
}

/// The name of a request: `Idempotency-Key`, or the header that the original sends with its own
/// requests. The original takes neither (reliability B9).
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let names = ["idempotency-key", "i-twilio-idempotency-token"];
    let Some(value) = names.iter().find_map(|name| headers.get(*name)) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=MAX_KEY).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Refusal::new(
            ErrorCode::INVALID_PARAMETER,
            format!("Idempotency-Key must have 1 to {MAX_KEY} visible characters"),
        )),
    }
}

fn forwarded<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)?
        .to_str()
        .ok()?
        .split(',')
        .next()
        .map(str::trim)
}

/// The host name that the client used.
fn host(headers: &HeaderMap, uri: &Uri) -> String {
    forwarded(headers, "x-forwarded-host")
        .or_else(|| headers.get(HOST).and_then(|value| value.to_str().ok()))
        .or_else(|| uri.authority().map(|authority| authority.as_str()))
        .unwrap_or("localhost")
        .to_owned()
}
