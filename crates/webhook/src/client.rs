//! The HTTP client: timeouts, sizes, redirects, credentials, cookies, egress.

mod cause;
mod pools;
mod request;
mod resolver;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use model::{method::Method, now::Wall};
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderMap;
use url::{Host, Url};

use self::{pools::Pools, request::check};
use crate::{
    cache::{Cache, Kept},
    cookie::Jar,
    digest::{Asked, Credentials, authorization},
    document::{DocumentKind, document_kind, document_text},
    egress::EgressPolicy,
    exchange::{Exchange, MOST_BODY, kept_header},
    failure::{Cause, FetchFailure},
    overrides::Overrides,
    retry::fetch_again,
    signature,
};

pub use self::request::{MOST_DOCUMENT, Payload, Request, Wanted};

/// Most redirects followed before 11215.
pub const MOST_REDIRECTS: u32 = 10;

/// A complete answer 2xx.
#[derive(Debug, Clone)]
pub struct Response {
    /// 200 to 299.
    pub status: u16,
    /// Names in lowercase.
    pub headers: Vec<(String, String)>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// The body, decompressed.
    pub body: Bytes,
    /// Where it came from in the end: relative URLs in the document resolve against it.
    pub url: String,
    /// Whether the body came from our cache.
    pub cached: bool,
    /// For the records.
    pub exchange: Exchange,
}

impl Response {
    /// How the document is to be used.
    pub fn kind(&self) -> DocumentKind {
        document_kind(self.content_type.as_deref())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        document_text(self.content_type.as_deref(), &self.body)
    }
}

/// How the client is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which addresses may be called.
    pub egress: EgressPolicy,
    /// Names that are not asked of the system's resolver; [`Settings::egress`] holds for them too.
    pub hosts: HashMap<String, Vec<IpAddr>>,
    /// Certificates (PEM) of private authorities that are trusted besides the system's.
    pub authorities: Vec<String>,
    /// Whether certificates are verified. Yes, except on a developer's machine.
    pub verify_certificates: bool,
    /// Memory for kept answers, in bytes.
    pub cache_bytes: usize,
}

impl Settings {
    /// The usual settings with this egress policy.
    pub fn new(egress: EgressPolicy) -> Self {
        Self {
            egress,
            hosts: HashMap::new(),
            authorities: Vec::new(),
            verify_certificates: true,
            cache_bytes: 64 * 1024 * 1024,
        }
    }
}

/// The client cannot be set up: the operator must mend the settings or the system's trust store.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client: {0}")]
pub struct SetupError(#[from] reqwest::Error);

/// The client for everything that goes to customers' servers. Cheap to share in an `Arc`;
/// requests never wait for one another.
pub struct Client {
    egress: EgressPolicy,
    pools: Pools,
    cache: Mutex<Cache>,
}

/// A request on its way through redirects and challenges.
struct Hop {
    url: Url,
    /// Whether the customer wrote out the standard port of http. It is signed then, as it stands
    /// in his settings (contract 5.1), though it is not sent.
    port_written: bool,
    method: Method,
    /// Whether the payload is sent: not after a redirect that turned into a GET.
    payload: bool,
    credentials: Option<Credentials>,
    authorization: Option<String>,
}

impl Hop {
    /// The URL as it is signed.
    fn text(&self) -> String {
        use url::Position;
        match self.port_written {
            false => self.url.to_string(),
            true => [
                &self.url[..Position::AfterHost],
                ":80",
                &self.url[Position::BeforePath..],
            ]
            .concat(),
        }
    }
}

/// What a hop brought.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    cached: bool,
}

impl Client {
    /// Sets the client up and installs the process's TLS provider if there is none yet.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        // An error means that one is installed already, which serves us as well.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Ok(Self {
            pools: Pools::new(&settings)?,
            cache: Mutex::new(Cache::new(settings.cache_bytes)),
            egress: settings.egress,
        })
    }

    /// Sends a request and brings the answer, with the redirects and the immediate retries that
    /// belong to it. Cookies are read from and written to `jar`.
    pub async fn fetch(&self, request: &Request, jar: &mut Jar) -> Result<Response, FetchFailure> {
        let started = Instant::now();
        let mut exchange = Exchange {
            method: request.method,
            url: request.url.split('#').next().unwrap_or_default().to_owned(),
            parameters: match &request.payload {
                Payload::Form(parameters) => parameters.0.clone(),
                Payload::Json(_) => Vec::new(),
            },
            ..Exchange::default()
        };
        let result = self.attempts(request, jar, &mut exchange).await;
        exchange.duration_ms = started.elapsed().as_millis() as u64;
        match result {
            Ok((url, answer)) => {
                let content_type = exchange.content_type.clone();
                Ok(Response {
                    status: answer.status,
                    headers: answer.headers,
                    content_type,
                    body: answer.body,
                    url,
                    cached: answer.cached,
                    exchange,
                })
            }
            Err(cause) => {
                let (code, message) = (cause.code(), cause.message(&exchange.url));
                exchange.error = Some((code, message.clone()));
                Err(FetchFailure {
                    cause,
                    code,
                    message,
                    exchange: Box::new(exchange),
                })
            }
        }
    }

    async fn attempts(
        &self,
        request: &Request,
        jar: &mut Jar,
        exchange: &mut Exchange,
    ) -> Result<(String, Answer), Cause> {
        let first = request.first_url()?;
        exchange.url = shown(&first);
        let overrides = match request.overrides {
            Some(overrides) => overrides,
            None => Overrides::of_url(&request.url).map_err(Cause::Override)?,
        };
        let pool = self.pools.pool(&overrides)?;
        let deadline = tokio::time::Instant::now() + overrides.total;
        let mut retried = 0;
        loop {
            let attempt = self.attempt(&pool, request, &overrides, first.clone(), jar, exchange);
            match tokio::time::timeout_at(deadline, attempt).await {
                Err(_) => return Err(Cause::TotalTimeout),
                Ok(Err(cause)) if fetch_again(&overrides, retried, cause.outcome()) => retried += 1,
                Ok(result) => return result,
            }
        }
    }

    async fn attempt(
        &self,
        pool: &reqwest::Client,
        request: &Request,
        overrides: &Overrides,
        first: Url,
        jar: &mut Jar,
        exchange: &mut Exchange,
    ) -> Result<(String, Answer), Cause> {
        let mut hop = Hop {
            credentials: credentials(&first),
            port_written: first.port().is_none() && signature::has_port_80(&request.url),
            url: first,
            method: match request.payload {
                Payload::Form(_) => request.method,
                Payload::Json(_) => Method::Post,
            },
            payload: true,
            authorization: None,
        };
        let mut redirects = 0;
        loop {
            let answer = self
                .hop(pool, request, overrides, &hop, jar, exchange)
                .await?;
            let header = |name: &str| {
                answer
                    .headers
                    .iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| value.as_str())
            };
            match answer.status {
                200..=299 => {
                    let chunked = header("transfer-encoding")
                        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
                    let whole = matches!(request.wanted, Wanted::Whole(_));
                    if whole && chunked && answer.body.is_empty() {
                        return Err(Cause::EmptyChunked);
                    }
                    return Ok((hop.url.into(), answer));
                }
                401 if hop.authorization.is_none() => {
                    let answered = hop.credentials.as_ref().and_then(|credentials| {
                        let target = &hop.url[url::Position::BeforePath..];
                        let cnonce = signature::hex(&rand::random::<[u8; 12]>());
                        let asked = Asked {
                            method: hop.method.as_str(),
                            target,
                            cnonce: &cnonce,
                        };
                        strongest(&answer.headers, credentials, asked)
                    });
                    match answered {
                        Some(authorization) => hop.authorization = Some(authorization),
                        None => return Err(Cause::Status(401)),
                    }
                }
                status @ (301 | 302 | 303 | 307 | 308) => {
                    let Some(location) = header("location") else {
                        return Err(Cause::Status(status));
                    };
                    redirects += 1;
                    if redirects > MOST_REDIRECTS {
                        return Err(Cause::TooManyRedirects);
                    }
                    let mut next = hop.url.join(location).map_err(|_| Cause::InvalidUrl)?;
                    next.set_fragment(None);
                    check(&next)?;
                    // Credentials stay with the origin for which they were configured.
                    let same = next.origin() == hop.url.origin();
                    hop.credentials =
                        credentials(&next).or_else(|| hop.credentials.take().filter(|_| same));
                    hop.authorization = None;
                    hop.port_written = false;
                    hop.url = next;
                    if matches!(status, 301..=303) {
                        // As upstream: POST becomes GET, and its parameters are gone.
                        hop.method = Method::Get;
                        hop.payload = false;
                    }
                }
                status => return Err(Cause::Status(status)),
            }
        }
    }

    /// One request and one answer.
    async fn hop(
        &self,
        pool: &reqwest::Client,
        request: &Request,
        overrides: &Overrides,
        hop: &Hop,
        jar: &mut Jar,
        exchange: &mut Exchange,
    ) -> Result<Answer, Cause> {
        self.permit(&hop.url)?;
        exchange.begin(hop.method, shown(&hop.url));

        let now = wall();
        let cookies = jar.header(&hop.url, now);
        // An answer made for a cookie's bearer is not kept: it may be his alone.
        let key = (hop.method == Method::Get && cookies.is_none())
            .then(|| format!("{} {}", request.account_sid, hop.url));
        let kept = key.as_ref().and_then(|key| self.cache().find(key));
        if let Some(kept) = kept.as_ref().filter(|kept| kept.fresh_until > now) {
            return cached(kept, request, exchange);
        }

        let (headers, body) = message(request, hop, cookies, kept.as_ref());
        exchange.request_headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), kept_header(name, value)))
            .collect();

        // User information never goes on the wire by itself: only in answer to a challenge.
        let mut url = hop.url.clone();
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let mut builder = match hop.method {
            Method::Get => pool.get(url),
            Method::Post => pool.post(url),
        };
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = body {
            builder = builder.body(body);
        }
        exchange.requests += 1;
        let response = match tokio::time::timeout(overrides.read, builder.send()).await {
            Err(_) => return Err(Cause::ReadTimeout),
            Ok(Err(error)) => return Err(cause::of_head(&error)),
            Ok(Ok(response)) => response,
        };

        let status = response.status().as_u16();
        for cookie in response.headers().get_all("set-cookie") {
            if let Ok(cookie) = cookie.to_str() {
                jar.store(&hop.url, cookie, now);
            }
        }
        let headers = plain(response.headers());
        exchange.record(status, &headers);

        if let (304, Some(key), Some(mut kept)) = (status, &key, kept) {
            self.cache().freshen(key, &headers, now);
            for (name, value) in headers {
                if matches!(
                    name.as_str(),
                    "etag" | "last-modified" | "cache-control" | "expires"
                ) {
                    kept.headers.retain(|(known, _)| *known != name);
                    kept.headers.push((name, value));
                }
            }
            return cached(&kept, request, exchange);
        }

        let (most, whole) = match (200..300).contains(&status) {
            true => request.wanted.limit(&headers),
            false => (MOST_BODY, false),
        };
        let body = receive(response, most, whole, overrides, exchange).await?;
        if let (200, true, Some(key)) = (status, whole, &key) {
            self.cache().keep(key, &headers, &body, now);
        }
        Ok(Answer {
            status,
            headers,
            body,
            cached: false,
        })
    }

    /// Names are judged when they are resolved; addresses in a URL are never resolved, so here.
    fn permit(&self, url: &Url) -> Result<(), Cause> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return Ok(()),
        };
        if self.egress.permits(address) {
            Ok(())
        } else {
            Err(Cause::Forbidden)
        }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        // A cache has no invariant that a panic elsewhere could break.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The headers and the body of a request.
fn message(
    request: &Request,
    hop: &Hop,
    cookies: Option<String>,
    kept: Option<&Kept>,
) -> (Vec<(&'static str, String)>, Option<String>) {
    let mut headers = vec![
        ("user-agent", "TwilioProxy/1.1".to_owned()),
        ("accept", "*/*".to_owned()),
    ];
    let mut body = None;
    let url = hop.text();
    let url = url.as_str();
    let signed = match &request.payload {
        Payload::Form(parameters) if hop.payload && hop.method == Method::Post => {
            let kind = "application/x-www-form-urlencoded; charset=UTF-8";
            headers.push(("content-type", kind.to_owned()));
            body = Some(parameters.to_form());
            signature::sign_form(&request.auth_token, url, parameters)
        }
        Payload::Json(json) if hop.payload => {
            headers.push(("content-type", "application/json".to_owned()));
            body = Some(json.clone());
            signature::sign_url(&request.auth_token, url)
        }
        _ => signature::sign_url(&request.auth_token, url),
    };
    headers.push((signature::HEADER, signed));
    if !request.idempotency_token.is_empty() {
        let token = request.idempotency_token.clone();
        headers.push(("I-Twilio-Idempotency-Token", token));
    }
    headers.extend(cookies.map(|cookies| ("cookie", cookies)));
    let authorization = hop.authorization.clone();
    headers.extend(authorization.map(|answer| ("authorization", answer)));
    if let Some((name, validator)) = kept.and_then(Kept::condition) {
        headers.push((name, validator.to_owned()));
    }
    (headers, body)
}

/// The body, up to `most` bytes; if it is wanted whole, more is an error.
async fn receive(
    mut response: reqwest::Response,
    most: usize,
    whole: bool,
    overrides: &Overrides,
    exchange: &mut Exchange,
) -> Result<Bytes, Cause> {
    let mut body = BytesMut::new();
    loop {
        let chunk = match tokio::time::timeout(overrides.read, response.chunk()).await {
            Err(_) if whole => return Err(Cause::ReadTimeout),
            Ok(Err(error)) if whole => return Err(cause::of_body(&error)),
            // The status is known and the rest means nothing.
            Err(_) | Ok(Err(_)) | Ok(Ok(None)) => break,
            Ok(Ok(Some(chunk))) => chunk,
        };
        let room = most - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            if whole {
                exchange.record_body(&body);
                return Err(Cause::TooLong);
            }
            break;
        }
    }
    exchange.record_body(&body);
    Ok(body.freeze())
}

fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Wall(since.map_or(0, |since| since.as_micros() as i64))
}

fn credentials(url: &Url) -> Option<Credentials> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    (!url.username().is_empty() || url.password().is_some()).then(|| Credentials {
        user: decoded(url.username()),
        password: decoded(url.password().unwrap_or_default()),
    })
}

/// The answer to the strongest of several challenges: Digest before Basic.
fn strongest(
    headers: &[(String, String)],
    credentials: &Credentials,
    asked: Asked,
) -> Option<String> {
    headers
        .iter()
        .filter(|(name, _)| name == "www-authenticate")
        .filter_map(|(_, challenge)| authorization(challenge, credentials, asked))
        .max_by_key(|answer| answer.starts_with("Digest"))
}

/// A URL without its user information, for the records.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

fn plain(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

fn cached(kept: &Kept, request: &Request, exchange: &mut Exchange) -> Result<Answer, Cause> {
    let (most, whole) = request.wanted.limit(&kept.headers);
    if whole && kept.body.len() > most {
        return Err(Cause::TooLong);
    }
    exchange.record(200, &kept.headers);
    exchange.record_body(&kept.body);
    Ok(Answer {
        status: 200,
        headers: kept.headers.clone(),
        body: kept.body.clone(),
        cached: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_that_the_customer_wrote_is_signed() {
        for configured in [
            "http://u:p@h:80/a?b",
            "http://h:80/",
            "http://h:8080/a",
            "http://h/a",
        ] {
            let url = Url::parse(configured).unwrap();
            let hop = Hop {
                port_written: url.port().is_none() && signature::has_port_80(configured),
                url,
                method: Method::Post,
                payload: true,
                credentials: None,
                authorization: None,
            };
            assert_eq!(hop.text(), configured);
        }
    }
}
