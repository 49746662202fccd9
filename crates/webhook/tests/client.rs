//! The client against a receiver on this machine.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "receiver/receiver.rs"]
mod receiver;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use model::method::Method;
use rand::{Rng, SeedableRng, rngs::StdRng};
use receiver::{Reaction, Receiver, answer, twiml};
use webhook::{
    client::{Client, Payload, Request, Settings},
    cookie::Jar,
    document::DocumentKind,
    egress::EgressPolicy,
    failure::{Cause, FetchFailure},
    form::Parameters,
    retry::Outcome,
};

const TOKEN: &str = "12345678901234567890123456789012";

fn client() -> Client {
    Client::new(Settings::new(EgressPolicy::development())).unwrap()
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    Parameters(
        pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
    )
}

fn post(url: String) -> Request {
    Request::document(Method::Post, url, parameters(&[("CallSid", "CA1")]))
        .signed("AC1", TOKEN)
        .idempotent("token-1")
}

fn get(url: String) -> Request {
    Request {
        method: Method::Get,
        ..post(url)
    }
}

async fn failure(request: Request) -> FetchFailure {
    client()
        .fetch(&request, &mut Jar::default())
        .await
        .unwrap_err()
}

/// Written from the published description alone, the way helper libraries do it.
fn helper_library_signature(url: &str, form: &[u8]) -> String {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(form) {
        values.entry(name.into()).or_default().insert(value.into());
    }
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    for (name, values) in values {
        for value in values {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn a_thousand_random_requests_verify_at_the_receiver() {
    let receiver = Receiver::start(|_| answer(200, &[], b"")).await;
    let client = client();
    let mut random = StdRng::seed_from_u64(7);
    let alphabet: Vec<char> = "abcXYZ019 +&=%#?/~*-._'\"<>é€😀\n\t,;:@!$()"
        .chars()
        .collect();
    let mut text = |most: usize| -> String {
        (0..random.random_range(0..=most))
            .map(|_| alphabet[random.random_range(0..alphabet.len())])
            .collect()
    };
    for round in 0..1000 {
        let count = text(12).chars().count();
        let mut pairs: Vec<(String, String)> = (0..count).map(|_| (text(3), text(20))).collect();
        pairs.extend(pairs.first().cloned());
        let url = receiver.url(&format!("/p{}?q=%20a+b&x", round % 3));
        let mut request = if round % 2 == 0 { post(url) } else { get(url) };
        request.payload = Payload::Form(Parameters(pairs.clone()));
        client.fetch(&request, &mut Jar::default()).await.unwrap();
        let got = receiver.received.lock().unwrap().pop().unwrap();
        let url = receiver.url(&got.target);
        let expected = helper_library_signature(&url, &got.body);
        assert_eq!(
            got.header("x-twilio-signature"),
            Some(expected.as_str()),
            "{got:?}"
        );
        let decoded = if got.method == "POST" {
            Parameters::from_form(&got.body)
        } else {
            let (_, query) = got.target.split_once("?q=%20a+b&x").unwrap();
            Parameters::from_form(query.trim_start_matches('&').as_bytes())
        };
        assert_eq!(decoded.0, pairs);
    }
}

#[tokio::test]
async fn the_headers_of_a_request() {
    let receiver = Receiver::start(|_| twiml()).await;
    let mut jar = Jar::default();
    let response = client()
        .fetch(&post(receiver.url("/a?b=c#rc=0&unknown")), &mut jar)
        .await
        .unwrap();
    assert_eq!(response.kind(), DocumentKind::Twiml);
    assert_eq!(response.text(), "<Response/>");
    assert_eq!(response.url, receiver.url("/a?b=c"));
    let got = &receiver.received()[0];
    assert_eq!(got.target, "/a?b=c");
    assert_eq!(got.body, b"CallSid=CA1");
    for (name, value) in [
        ("user-agent", "TwilioProxy/1.1"),
        ("accept", "*/*"),
        (
            "content-type",
            "application/x-www-form-urlencoded; charset=UTF-8",
        ),
        ("i-twilio-idempotency-token", "token-1"),
    ] {
        assert_eq!(got.header(name), Some(value));
    }
    assert_eq!(response.exchange.status, Some(200));
    assert_eq!(response.exchange.body, "<Response/>");
    assert_eq!(response.exchange.requests, 1);
}

#[tokio::test]
async fn a_json_body_is_signed_by_its_hash() {
    let receiver = Receiver::start(|_| answer(200, &[], b"{}")).await;
    let mut request = post(receiver.url("/j"));
    request.payload = Payload::Json("{\"a\":1}".into());
    client().fetch(&request, &mut Jar::default()).await.unwrap();
    let got = &receiver.received()[0];
    assert!(got.target.starts_with("/j?bodySHA256="));
    assert_eq!(got.body, b"{\"a\":1}");
    let expected = helper_library_signature(&receiver.url(&got.target), b"");
    assert_eq!(got.header("x-twilio-signature"), Some(expected.as_str()));
}

#[tokio::test]
async fn redirects_change_the_method_as_upstream() {
    for (status, method, body) in [
        (301, "GET", ""),
        (302, "GET", ""),
        (303, "GET", ""),
        (307, "POST", "CallSid=CA1"),
        (308, "POST", "CallSid=CA1"),
    ] {
        let receiver = Receiver::start(move |got| match got.target.as_str() {
            "/a" => answer(status, &[("location", "b?x=1#f")], b""),
            _ => twiml(),
        })
        .await;
        let response = client()
            .fetch(&post(receiver.url("/a")), &mut Jar::default())
            .await
            .unwrap();
        assert_eq!(response.url, receiver.url("/b?x=1"));
        let got = receiver.received().pop().unwrap();
        assert_eq!(got.target, "/b?x=1");
        assert_eq!(
            (got.method.as_str(), got.body.as_slice()),
            (method, body.as_bytes())
        );
        let expected = helper_library_signature(&receiver.url("/b?x=1"), &got.body);
        assert_eq!(got.header("x-twilio-signature"), Some(expected.as_str()));
    }
}

#[tokio::test]
async fn ten_redirects_and_no_more() {
    let receiver = Receiver::start(|got| {
        let left: u32 = got.target[1..].parse().unwrap();
        match left {
            0 => twiml(),
            _ => answer(302, &[("location", &format!("/{}", left - 1))], b""),
        }
    })
    .await;
    let ten = client()
        .fetch(
            &get(receiver.url("/10")).without_parameters(),
            &mut Jar::default(),
        )
        .await;
    assert!(ten.is_ok());
    let eleven = failure(get(receiver.url("/11")).without_parameters()).await;
    assert_eq!(
        (eleven.code, eleven.cause),
        (11215, Cause::TooManyRedirects)
    );
}

trait WithoutParameters {
    fn without_parameters(self) -> Self;
}

impl WithoutParameters for Request {
    fn without_parameters(mut self) -> Self {
        self.payload = Payload::Form(Parameters::default());
        self
    }
}

#[tokio::test]
async fn forbidden_addresses_in_every_spelling_get_no_socket() {
    let receiver = Receiver::start(|_| twiml()).await;
    let port = receiver.port;
    let mut settings = Settings::new(EgressPolicy::public());
    let inside: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    settings.hosts.insert("rebound.example".into(), inside);
    let client = Client::new(settings).unwrap();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "rebound.example",
        "Rebound.Example",
        "public.example@127.0.0.1",
        "8.8.8.8:80@127.0.0.1",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "%31%32%37.0.0.1",
        "１２７.０.０.１",
        "127。0。0。1",
    ] {
        let request = post(format!("http://{host}:{port}/"));
        let failure = client
            .fetch(&request, &mut Jar::default())
            .await
            .unwrap_err();
        // Not every system's resolver knows the name with the dot.
        if host != "localhost." || failure.cause != Cause::NoHost {
            assert_eq!(failure.cause, Cause::Forbidden, "{host}: {failure}");
            assert_eq!(failure.code, 11200);
        }
    }
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_redirect_does_not_lead_inside() {
    for location in [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "//192.168.1.1/",
        "http://[fd00:ec2::254]/",
        "http://[::ffff:169.254.169.254]/",
        "http://inside.example/",
    ] {
        let receiver = Receiver::start(move |_| answer(307, &[("location", location)], b"")).await;
        let mut settings = Settings::new(EgressPolicy::development());
        settings.hosts.insert(
            "inside.example".into(),
            vec!["169.254.169.254".parse().unwrap()],
        );
        let client = Client::new(settings).unwrap();
        let request = post(receiver.url("/"));
        let failure = client
            .fetch(&request, &mut Jar::default())
            .await
            .unwrap_err();
        assert_eq!(failure.cause, Cause::Forbidden, "{location}");
    }
    for location in [
        "file:///etc/passwd",
        "gopher://h/",
        "ftp://h/",
        "http://a_b.example/",
    ] {
        let receiver = Receiver::start(move |_| answer(302, &[("location", location)], b"")).await;
        assert_eq!(
            failure(post(receiver.url("/"))).await.code,
            11100,
            "{location}"
        );
    }
}

#[tokio::test]
async fn impossible_requests() {
    for (url, code) in [
        ("", 11100),
        ("/relative", 11100),
        ("ftp://h/", 11100),
        ("http://", 11100),
        ("http://a_b.example/", 11100),
        ("http://h/#ct=1", 11100),
        ("http://h/#e=", 11240),
        ("http://h/#rp=x", 11243),
    ] {
        let failure = failure(post(url.into())).await;
        assert_eq!(failure.code, code, "{url}");
        assert_eq!(failure.outcome(), Outcome::Impossible);
        assert_eq!(failure.exchange.requests, 0);
    }
}

#[tokio::test]
async fn sizes() {
    let receiver = Receiver::start(|got| match got.target.as_str() {
        "/fits" => answer(200, &[], &vec![b'x'; 64 * 1024]),
        "/chunked" => Reaction::Send(
            b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        ),
        "/endless" => {
            let mut bytes = b"HTTP/1.1 200 X\r\n\r\n".to_vec();
            bytes.resize(1024 * 1024, b'x');
            Reaction::Send(bytes)
        }
        _ => answer(200, &[], &vec![b'x'; 64 * 1024 + 1]),
    })
    .await;
    let fits = client()
        .fetch(&post(receiver.url("/fits")), &mut Jar::default())
        .await
        .unwrap();
    assert_eq!(fits.body.len(), 64 * 1024);
    assert_eq!(failure(post(receiver.url("/more"))).await.code, 11750);
    assert_eq!(failure(post(receiver.url("/endless"))).await.code, 11750);
    assert_eq!(failure(post(receiver.url("/chunked"))).await.code, 11770);
    let download = Request::download(receiver.url("/more"), 1024 * 1024);
    let audio = client()
        .fetch(&download, &mut Jar::default())
        .await
        .unwrap();
    assert_eq!(audio.body.len(), 64 * 1024 + 1);
    for path in ["/more", "/chunked"] {
        let callback = Request::callback(Method::Post, receiver.url(path), Parameters::default());
        let response = client()
            .fetch(&callback, &mut Jar::default())
            .await
            .unwrap();
        assert_eq!(response.status, 200);
    }
}

#[tokio::test]
async fn times_and_broken_answers() {
    let hang = Receiver::start(|_| Reaction::Hang).await;
    let cut = Receiver::start(|_| {
        Reaction::SendAndClose(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nabc".to_vec())
    })
    .await;
    let silent = Receiver::start(|_| Reaction::SendAndClose(Vec::new())).await;
    let garbage = Receiver::start(|_| Reaction::SendAndClose(b"SSH-2.0-x\r\n\r\n".to_vec())).await;
    let slow = Receiver::start(|_| {
        Reaction::Send(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nabc".to_vec())
    })
    .await;
    let refused = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    for (url, code, requests) in [
        (hang.url("/#rt=200"), 11200, 1),
        (hang.url("/#rt=200&rp=rt&rc=2"), 11200, 3),
        (hang.url("/#tt=200"), 11203, 1),
        (slow.url("/#rt=200"), 11200, 1),
        (cut.url("/"), 11205, 1),
        (cut.url("/#rp=all&rc=5"), 11205, 1),
        (silent.url("/"), 11205, 1),
        (garbage.url("/"), 11206, 1),
        (refused.clone(), 11202, 2),
        (format!("{refused}#rc=0"), 11202, 1),
        (format!("{refused}#rc=5"), 11202, 6),
        (format!("{refused}#rc=5&rp=5xx"), 11202, 1),
    ] {
        let started = Instant::now();
        let failure = failure(post(url.clone())).await;
        assert_eq!(failure.code, code, "{url}: {failure}");
        assert_eq!(failure.exchange.requests, requests, "{url}");
        assert!(started.elapsed() < Duration::from_secs(3), "{url}");
    }
}

#[tokio::test]
async fn a_connection_that_does_not_come_about() {
    // A full backlog drops further connections silently, as a dead host does.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    for _ in 0..8 {
        let connect = tokio::net::TcpStream::connect(address);
        filling.push(tokio::time::timeout(Duration::from_millis(50), connect).await);
    }
    let failure = failure(post(format!("http://{address}/#ct=200&rc=1"))).await;
    assert_eq!(
        (failure.code, &failure.cause),
        (11201, &Cause::ConnectTimeout)
    );
    assert_eq!(failure.exchange.requests, 2);
    assert_eq!(failure.outcome(), Outcome::NoConnection);
}

#[tokio::test]
async fn bad_statuses() {
    let receiver =
        Receiver::start(|got| answer(got.target[1..].parse().unwrap(), &[], b"no")).await;
    for status in [400, 404, 500, 503] {
        let failed = failure(post(receiver.url(&format!("/{status}")))).await;
        assert_eq!(
            (failed.code, failed.outcome()),
            (11200, Outcome::Answered(status))
        );
        assert_eq!(failed.exchange.body, "no");
        assert_eq!(failed.exchange.requests, 1);
    }
    let retried = failure(post(receiver.url("/503#rp=5xx&rc=3"))).await;
    assert_eq!(retried.exchange.requests, 4);
    let tokens: Vec<_> = receiver.received();
    assert!(
        tokens
            .iter()
            .all(|got| got.header("i-twilio-idempotency-token") == Some("token-1"))
    );
}

#[tokio::test]
async fn credentials_only_after_a_challenge_and_only_to_their_host() {
    let other = Receiver::start(|got| match got.target.as_str() {
        "/challenge" => answer(401, &[("www-authenticate", "Basic realm=x")], b""),
        _ => twiml(),
    })
    .await;
    let away = other.url("/challenge");
    let receiver = Receiver::start(move |got| {
        let challenge = match got.target.as_str() {
            "/basic" => "Basic realm=\"r\"",
            "/digest" => "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256",
            _ => return answer(302, &[("location", &away)], b""),
        };
        match got.header("authorization") {
            None => answer(401, &[("www-authenticate", challenge)], b""),
            Some("Basic dXM6cCB3") => twiml(),
            Some(digest) if digest.starts_with("Digest ") && digest.contains("nc=00000001") => {
                twiml()
            }
            Some(_) => answer(403, &[], b""),
        }
    })
    .await;
    for path in ["/basic", "/digest"] {
        let url = format!("http://us:p%20w@127.0.0.1:{}{path}", receiver.port);
        let response = client()
            .fetch(&post(url.clone()), &mut Jar::default())
            .await
            .unwrap();
        let got = receiver.received();
        let [first, second] = &got[got.len() - 2..] else {
            unreachable!()
        };
        assert_eq!(first.header("authorization"), None);
        assert!(second.header("authorization").is_some());
        // The user information is signed as configured.
        let expected = helper_library_signature(&url, &second.body);
        assert_eq!(second.header("x-twilio-signature"), Some(expected.as_str()));
        let shown = format!("{:?}", response.exchange.request_headers);
        assert!(shown.contains("(\"authorization\", \"***\")"), "{shown}");
        assert!(!response.exchange.url.contains("us:"));
    }
    let url = format!("http://us:p%20w@127.0.0.1:{}/away", receiver.port);
    assert_eq!(failure(post(url)).await.cause, Cause::Status(401));
    assert!(
        other
            .received()
            .iter()
            .all(|got| got.header("authorization").is_none())
    );
    let wrong = format!("http://us:wrong@127.0.0.1:{}/basic", receiver.port);
    assert_eq!(failure(post(wrong)).await.cause, Cause::Status(403));
}

#[tokio::test]
async fn cookies_last_for_the_call() {
    let receiver = Receiver::start(|got| match got.target.as_str() {
        "/a" => answer(
            302,
            &[("set-cookie", "one=1; Path=/"), ("location", "/b")],
            b"",
        ),
        _ => answer(200, &[("set-cookie", "two=2")], b""),
    })
    .await;
    let (client, mut jar) = (client(), Jar::default());
    client
        .fetch(&post(receiver.url("/a")), &mut jar)
        .await
        .unwrap();
    client
        .fetch(&post(receiver.url("/c")), &mut jar)
        .await
        .unwrap();
    client
        .fetch(&post(receiver.url("/d")), &mut Jar::default())
        .await
        .unwrap();
    let cookies: Vec<_> = receiver
        .received()
        .iter()
        .map(|got| got.header("cookie").map(str::to_owned))
        .collect();
    let expected = [None, Some("one=1"), Some("one=1; two=2"), None];
    assert_eq!(cookies, expected.map(|cookie| cookie.map(str::to_owned)));
}

#[tokio::test]
async fn answers_to_get_are_used_again_and_asked_about() {
    let receiver = Receiver::start(|got| match got.target.as_str() {
        "/fresh" => answer(200, &[("cache-control", "max-age=60")], b"fresh"),
        _ if got.header("if-none-match") == Some("\"v1\"") => {
            Reaction::Send(b"HTTP/1.1 304 X\r\netag: \"v1\"\r\n\r\n".to_vec())
        }
        _ => answer(
            200,
            &[("etag", "\"v1\""), ("content-type", "audio/mpeg")],
            b"sound",
        ),
    })
    .await;
    let client = client();
    let load = async |path: &str, account: &str| {
        let request = Request::download(receiver.url(path), 1 << 20).signed(account, TOKEN);
        let response = client.fetch(&request, &mut Jar::default()).await.unwrap();
        (response.body, response.cached, response.content_type)
    };
    let audio = Some("audio/mpeg".to_owned());
    assert_eq!(
        load("/etag", "AC1").await,
        ("sound".into(), false, audio.clone())
    );
    assert_eq!(load("/etag", "AC1").await, ("sound".into(), true, audio));
    assert_eq!(receiver.received().len(), 2);
    assert!(!load("/fresh", "AC1").await.1);
    assert!(load("/fresh", "AC1").await.1);
    assert_eq!(receiver.received().len(), 3);
    assert!(!load("/fresh", "AC2").await.1, "accounts share nothing");
    client
        .fetch(&post(receiver.url("/fresh")), &mut Jar::default())
        .await
        .unwrap();
    client
        .fetch(&post(receiver.url("/fresh")), &mut Jar::default())
        .await
        .unwrap();
    assert_eq!(receiver.received().len(), 6);
}

#[tokio::test]
async fn one_slow_receiver_delays_no_other() {
    let slow = Receiver::start(|_| Reaction::Hang).await;
    let quick = Receiver::start(|_| twiml()).await;
    let client = std::sync::Arc::new(client());
    for _ in 0..50 {
        let (client, request) = (client.clone(), post(slow.url("/")));
        tokio::spawn(async move { client.fetch(&request, &mut Jar::default()).await.is_ok() });
    }
    tokio::task::yield_now().await;
    let started = Instant::now();
    client
        .fetch(&post(quick.url("/")), &mut Jar::default())
        .await
        .unwrap();
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_connection_is_given_up_before_an_application_would_close_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (opened, mut connections) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            opened.send(()).unwrap();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while socket.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    socket.write_all(answer).await.unwrap();
                }
            });
        }
    });
    let client = client();
    let used = |after| {
        let (client, request) = (&client, get(url.clone()));
        async move {
            tokio::time::sleep(Duration::from_millis(after)).await;
            client.fetch(&request, &mut Jar::default()).await.unwrap();
        }
    };
    used(0).await;
    used(0).await;
    assert_eq!(connections.len(), 1, "at once it is used again");
    used(1800).await;
    assert_eq!(connections.len(), 2, "gunicorn closes after 2 s");
    connections.close();
}
