//! The HTTP client: timeouts, sizes, redirects, credentials, cookies, egress.

use std::{
    collections::HashMap,
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use model::{method::Method, now::Wall};
use percent_encoding::percent_decode_str;
use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderMap,
};
use rustls::CertificateError;
use url::{Host, Url};

use crate::{
    cache::{Cache, Kept},
    cookie::Jar,
    digest::{Asked, Credentials, authorization},
    document::{DocumentKind, document_kind, document_text},
    egress::EgressPolicy,
    exchange::{Exchange, MOST_BODY, cut, kept_header},
    failure::{Cause, FetchFailure},
    form::Parameters,
    overrides::Overrides,
    retry::fetch_again,
    signature,
};

/// Most redirects followed before 11215.
pub const MOST_REDIRECTS: u32 = 10;
/// Longest TwiML document, in bytes.
pub const MOST_DOCUMENT: usize = 64 * 1024;
/// Most differing connection settings for which connections are kept at a time.
const MOST_POOLS: usize = 32;

/// What of the answer's body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it; more than this many bytes is error 11750.
    Whole(usize),
    /// All of a document; or of sound, which may come in its place and be longer: so many bytes.
    WholeOrSound(usize, usize),
    /// Its start, up to this many bytes: callbacks, whose answers mean nothing.
    Start(usize),
}

impl Wanted {
    /// Most bytes of an answer with these headers, and whether more is an error.
    fn limit(self, headers: &[(String, String)]) -> (usize, bool) {
        match self {
            Self::Start(most) => (most, false),
            Self::Whole(most) => (most, true),
            Self::WholeOrSound(document, sound) => {
                let content_type = headers.iter().find(|(name, _)| name == "content-type");
                let kind = document_kind(content_type.map(|(_, value)| value.as_str()));
                match kind {
                    DocumentKind::Audio => (sound, true),
                    _ => (document, true),
                }
            }
        }
    }
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Parameters: in the query of a GET, in the form of a POST.
    Form(Parameters),
    /// A JSON body, signed by `bodySHA256`; always POST.
    Json(String),
}

/// One request to a customer's server.
#[derive(Clone)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where to, as configured: with user information and connection overrides.
    pub url: String,
    /// With what.
    pub payload: Payload,
    /// Whose resource it is; cached answers are not shared between accounts.
    pub account_sid: String,
    /// The primary token of that account: signs.
    pub auth_token: String,
    /// Equal on every attempt to report the same event.
    pub idempotency_token: String,
    /// What of the body is wanted.
    pub wanted: Wanted,
    /// Replaces what the fragment asks for, where the original does not honour it (chat), or
    /// where a download may take longer.
    pub overrides: Option<Overrides>,
}

impl Request {
    /// A request for a TwiML document of up to 64 kB.
    pub fn document(method: Method, url: impl Into<String>, parameters: Parameters) -> Self {
        Self {
            method,
            url: url.into(),
            payload: Payload::Form(parameters),
            account_sid: String::new(),
            auth_token: String::new(),
            idempotency_token: String::new(),
            wanted: Wanted::Whole(MOST_DOCUMENT),
            overrides: None,
        }
    }

    /// A callback: of the answer, only the status counts.
    pub fn callback(method: Method, url: impl Into<String>, parameters: Parameters) -> Self {
        Self {
            wanted: Wanted::Start(MOST_DOCUMENT),
            ..Self::document(method, url, parameters)
        }
    }

    /// A download of up to `most` bytes, such as audio for `<Play>`.
    pub fn download(url: impl Into<String>, most: usize) -> Self {
        Self {
            wanted: Wanted::Whole(most),
            ..Self::document(Method::Get, url, Parameters::default())
        }
    }

    /// The same; what comes may be sound of up to `most` bytes instead.
    pub fn or_sound(mut self, most: usize) -> Self {
        self.wanted = Wanted::WholeOrSound(MOST_DOCUMENT, most);
        self
    }

    /// The same, for this account, signed with its token.
    pub fn signed(mut self, account_sid: impl Into<String>, token: impl Into<String>) -> Self {
        self.account_sid = account_sid.into();
        self.auth_token = token.into();
        self
    }

    /// The same, with this idempotency token.
    pub fn idempotent(mut self, token: impl Into<String>) -> Self {
        self.idempotency_token = token.into();
        self
    }
}

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
    settings: Settings,
    resolver: Arc<Resolver>,
    usual: reqwest::Client,
    pools: Mutex<HashMap<(Duration, bool), reqwest::Client>>,
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
        let resolver = Arc::new(Resolver {
            policy: settings.egress.clone(),
            hosts: settings.hosts.clone(),
        });
        let usual = Overrides::default();
        let usual = pool(&settings, resolver.clone(), usual.connect, usual.sni)?;
        Ok(Self {
            cache: Mutex::new(Cache::new(settings.cache_bytes)),
            settings,
            resolver,
            usual,
            pools: Mutex::default(),
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
                let (code, message) = (cause.code(), message(&cause, &exchange.url));
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
        let first = first_url(request)?;
        exchange.url = shown(&first);
        let overrides = match request.overrides {
            Some(overrides) => overrides,
            None => Overrides::of_url(&request.url).map_err(Cause::Override)?,
        };
        let pool = self.pool(&overrides)?;
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
        exchange.method = hop.method;
        exchange.url = shown(&hop.url);
        exchange.status = None;
        exchange.headers.clear();
        exchange.content_type = None;
        exchange.body.clear();

        let now = wall();
        let cookies = jar.header(&hop.url, now);
        // An answer made for a cookie's bearer is not kept: it may be his alone.
        let key = (hop.method == Method::Get && cookies.is_none())
            .then(|| format!("{} {}", request.account_sid, hop.url));
        let kept = key.as_ref().and_then(|key| self.cache().find(key));
        if let Some(kept) = kept.as_ref().filter(|kept| kept.fresh_until > now) {
            return cached(kept, request, exchange);
        }

        let mut headers: Vec<(&str, String)> = vec![
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
        if let Some((name, validator)) = kept.as_ref().and_then(Kept::condition) {
            headers.push((name, validator.to_owned()));
        }
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
        let mut response = match tokio::time::timeout(overrides.read, builder.send()).await {
            Err(_) => return Err(Cause::ReadTimeout),
            Ok(Err(error)) => return Err(cause(&error)),
            Ok(Ok(response)) => response,
        };

        let status = response.status().as_u16();
        for cookie in response.headers().get_all("set-cookie") {
            if let Ok(cookie) = cookie.to_str() {
                jar.store(&hop.url, cookie, now);
            }
        }
        let headers = plain(response.headers());
        record(exchange, status, &headers);

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
        let mut body = BytesMut::new();
        loop {
            let chunk = match tokio::time::timeout(overrides.read, response.chunk()).await {
                Err(_) if whole => return Err(Cause::ReadTimeout),
                Ok(Err(error)) if whole => return Err(body_cause(&error)),
                // The status is known and the rest means nothing.
                Err(_) | Ok(Err(_)) | Ok(Ok(None)) => break,
                Ok(Ok(Some(chunk))) => chunk,
            };
            let room = most - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                if whole {
                    record_body(exchange, &body);
                    return Err(Cause::TooLong);
                }
                break;
            }
        }
        let body = body.freeze();
        record_body(exchange, &body);
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
        if self.settings.egress.permits(address) {
            Ok(())
        } else {
            Err(Cause::Forbidden)
        }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        // A cache has no invariant that a panic elsewhere could break.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connections for these settings.
    fn pool(&self, overrides: &Overrides) -> Result<reqwest::Client, Cause> {
        let usual = Overrides::default();
        let key = (overrides.connect, overrides.sni);
        if key == (usual.connect, usual.sni) {
            return Ok(self.usual.clone());
        }
        let pools = || self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pools().get(&key) {
            return Ok(known.clone());
        }
        // Made outside the lock: reading the trust store takes milliseconds.
        let made = pool(&self.settings, self.resolver.clone(), key.0, key.1).map_err(|error| {
            tracing::error!(%error, "no HTTP client for connection overrides");
            Cause::Connection
        })?;
        let mut pools = pools();
        if pools.len() >= MOST_POOLS {
            pools.clear();
        }
        pools.insert(key, made.clone());
        Ok(made)
    }
}

/// How long an idle connection is used again. Applications close theirs after 5 s (node, Apache,
/// uvicorn) or 2 s (gunicorn), and a request that crosses the close is lost: ours go first.
const IDLE: Duration = Duration::from_millis(1500);

/// A set of connections with these settings.
fn pool(
    settings: &Settings,
    resolver: Arc<Resolver>,
    connect: Duration,
    sni: bool,
) -> Result<reqwest::Client, reqwest::Error> {
    let authorities = settings
        .authorities
        .iter()
        .map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // A proxy named in the environment would resolve names past the egress policy.
        .no_proxy()
        .referer(false)
        .dns_resolver(resolver)
        .connect_timeout(connect)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(64)
        .tls_sni(sni)
        .tls_danger_accept_invalid_certs(!settings.verify_certificates);
    if !authorities.is_empty() {
        builder = builder.tls_certs_merge(authorities);
    }
    builder.build()
}

/// Resolves names to the addresses that may be called; the connection goes to just these.
struct Resolver {
    policy: EgressPolicy,
    hosts: HashMap<String, Vec<IpAddr>>,
}

/// All addresses of a name are forbidden.
#[derive(Debug, thiserror::Error)]
#[error("the host's address may not be called")]
struct Forbidden;

/// A name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the host has no address")]
struct NoHost;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let known = self.hosts.get(&name.as_str().to_ascii_lowercase()).cloned();
        let policy = self.policy.clone();
        Box::pin(async move {
            let all: Vec<IpAddr> = match known {
                Some(known) => known,
                None => tokio::net::lookup_host((name.as_str(), 0))
                    .await
                    .map_err(|_| NoHost)?
                    .map(|address| address.ip())
                    .collect(),
            };
            if all.is_empty() {
                return Err(NoHost.into());
            }
            let permitted: Vec<SocketAddr> = all
                .into_iter()
                .filter(|address| policy.permits(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if permitted.is_empty() {
                return Err(Forbidden.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Wall(since.map_or(0, |since| since.as_micros() as i64))
}

/// The URL of the first request: without fragment, with our parameters if it is a GET.
fn first_url(request: &Request) -> Result<Url, Cause> {
    let base = request.url.split('#').next().unwrap_or_default().trim();
    let url = match (&request.payload, request.method) {
        (Payload::Form(parameters), Method::Get) => parameters.append_to(base),
        (Payload::Form(_), Method::Post) => base.to_owned(),
        (Payload::Json(json), _) => signature::with_body_hash(base, json.as_bytes()),
    };
    let url = Url::parse(&url).map_err(|_| Cause::InvalidUrl)?;
    check(&url)?;
    Ok(url)
}

fn check(url: &Url) -> Result<(), Cause> {
    let host = url.host_str().unwrap_or_default();
    if !matches!(url.scheme(), "http" | "https") || host.is_empty() || host.contains('_') {
        return Err(Cause::InvalidUrl);
    }
    Ok(())
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

fn record(exchange: &mut Exchange, status: u16, headers: &[(String, String)]) {
    exchange.status = Some(status);
    exchange.headers = headers
        .iter()
        .map(|(name, value)| (name.clone(), kept_header(name, value)))
        .collect();
    exchange.content_type = headers
        .iter()
        .find(|(name, _)| name == "content-type")
        .map(|(_, value)| value.clone());
}

fn record_body(exchange: &mut Exchange, body: &[u8]) {
    let content_type = exchange.content_type.as_deref();
    if document_kind(content_type) != DocumentKind::Audio {
        let text = document_text(content_type, &body[..body.len().min(MOST_BODY)]);
        exchange.body = cut(&text, MOST_BODY).to_owned();
    }
}

fn cached(kept: &Kept, request: &Request, exchange: &mut Exchange) -> Result<Answer, Cause> {
    let (most, whole) = request.wanted.limit(&kept.headers);
    if whole && kept.body.len() > most {
        return Err(Cause::TooLong);
    }
    record(exchange, 200, &kept.headers);
    record_body(exchange, &kept.body);
    Ok(Answer {
        status: 200,
        headers: kept.headers.clone(),
        body: kept.body.clone(),
        cached: true,
    })
}

/// What a failure to send or to receive the head of the answer means.
fn cause(error: &reqwest::Error) -> Cause {
    let mut inner: Option<&(dyn Error + 'static)> = Some(error);
    let mut io_seen = false;
    while let Some(current) = inner {
        if current.is::<Forbidden>() {
            return Cause::Forbidden;
        }
        if current.is::<NoHost>() {
            return Cause::NoHost;
        }
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return tls_cause(tls);
        }
        // An io::Error hides the error it wraps from `source`.
        if let Some(io) = current.downcast_ref::<io::Error>() {
            io_seen = true;
            if let Some(tls) = io.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
                return tls_cause(tls);
            }
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return Cause::Refused,
                io::ErrorKind::TimedOut if error.is_connect() => return Cause::ConnectTimeout,
                _ => {}
            }
        }
        inner = within(current);
    }
    if error.is_connect() {
        if error.is_timeout() {
            Cause::ConnectTimeout
        } else {
            Cause::Connection
        }
    } else if io_seen || error.is_timeout() || closed(error) {
        Cause::BrokenOff
    } else if error.is_builder() {
        Cause::InvalidUrl
    } else {
        Cause::Protocol
    }
}

/// What a failure to receive the body means. An end before its time is the line's fault, wrong
/// chunk sizes and broken compression are the sender's.
fn body_cause(error: &reqwest::Error) -> Cause {
    let mut inner: Option<&(dyn Error + 'static)> = Some(error);
    let mut connection = false;
    while let Some(current) = inner {
        let kind = current.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) = kind {
            return Cause::Protocol;
        }
        // hyper's error, whose type is not ours to name. Without it, the body came as it was sent.
        connection |= current
            .to_string()
            .contains("reading a body from connection");
        inner = within(current);
    }
    match connection {
        true => Cause::BrokenOff,
        false => Cause::Protocol,
    }
}

/// The error inside another: an `io::Error` hides the one it wraps from `source`.
fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// Whether the connection was closed before the answer was complete. hyper says so in words only
/// (its error type is not ours to name).
fn closed(error: &reqwest::Error) -> bool {
    let mut inner: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = inner {
        let text = current.to_string();
        if text.contains("before message completed") || text.contains("connection closed") {
            return true;
        }
        inner = within(current);
    }
    false
}

fn tls_cause(error: &rustls::Error) -> Cause {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return Cause::Tls;
    };
    match certificate {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Cause::CertificateName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Cause::CertificateExpired,
        _ => Cause::CertificatePath,
    }
}

/// One sentence that says what happened and, where it is not plain, what to do.
fn message(cause: &Cause, url: &str) -> String {
    let url = cut(url, 512);
    match cause {
        Cause::InvalidUrl => format!(
            "{url} is not a URL we can call: use http or https and a host name without underscore"
        ),
        Cause::Override(error) => format!("{error}; correct the fragment of the URL"),
        Cause::Forbidden => format!(
            "the host of {url} is a private or local address; use one that is reachable publicly"
        ),
        Cause::NoHost => format!("the host of {url} has no address"),
        Cause::ConnectTimeout => format!("no connection to {url} in time"),
        Cause::Refused => format!("the connection to {url} was refused: does the program run?"),
        Cause::Connection => format!("the connection to {url} failed"),
        Cause::BrokenOff => format!("the connection to {url} broke before the answer was complete"),
        Cause::Tls => format!("the TLS handshake with {url} failed"),
        Cause::CertificateName => format!("the certificate of {url} is for another host"),
        Cause::CertificateExpired => {
            format!("the certificate of {url} has expired or is not valid yet")
        }
        Cause::CertificatePath => format!("the certificate of {url} is not from a known authority"),
        Cause::ReadTimeout => format!("{url} did not answer in time"),
        Cause::TotalTimeout => format!("the request to {url} took too long in total"),
        Cause::Protocol => format!("the answer of {url} is not valid HTTP"),
        Cause::Status(status) => format!("{url} answered with status {status}"),
        Cause::TooManyRedirects => format!("more than {MOST_REDIRECTS} redirects, last to {url}"),
        Cause::TooLong => format!("the body of {url} is too long"),
        Cause::EmptyChunked => format!("{url} answered with a chunked body without any chunk"),
    }
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
