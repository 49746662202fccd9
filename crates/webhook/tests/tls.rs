//! Certificates and compression against a receiver on this machine.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "receiver/receiver.rs"]
mod receiver;

use std::{net::IpAddr, sync::Arc};

use model::method::Method;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use receiver::{Reaction, Receiver};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use webhook::{
    client::{Client, Request, Settings},
    cookie::Jar,
    egress::EgressPolicy,
    failure::Cause,
    form::Parameters,
};

/// Answers every TLS connection once; gives the port and the certificate (PEM).
async fn tls_receiver(name: &str, expired: bool) -> (u16, String) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let key = KeyPair::generate().unwrap();
    let mut certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if expired {
        certificate.not_after = date_time_ymd(2020, 1, 1);
    }
    let certificate = certificate.self_signed(&key).unwrap();
    let pem = certificate.pem();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.ok()?;
                // One read holds the whole of a small request.
                let _ = stream.read(&mut [0; 4096]).await.ok()?;
                let answer = b"HTTP/1.1 200 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                stream.write_all(answer).await.ok()?;
                stream.shutdown().await.ok()
            });
        }
    });
    (port, pem)
}

fn settings() -> Settings {
    let mut settings = Settings::new(EgressPolicy::development());
    let here: IpAddr = "127.0.0.1".parse().unwrap();
    for name in ["right.example", "wrong.example"] {
        settings.hosts.insert(name.into(), vec![here]);
    }
    settings
}

async fn ask(settings: Settings, url: String) -> Result<String, Cause> {
    let client = Client::new(settings).unwrap();
    let request = Request::document(Method::Post, url, Parameters::default());
    match client.fetch(&request, &mut Jar::default()).await {
        Ok(response) => Ok(response.text()),
        Err(failure) => Err(failure.cause),
    }
}

#[tokio::test]
async fn certificates_are_verified() {
    let (port, pem) = tls_receiver("right.example", false).await;
    let right = format!("https://right.example:{port}/");
    let wrong = format!("https://wrong.example:{port}/");

    let unknown = ask(settings(), right.clone()).await;
    assert_eq!(unknown, Err(Cause::CertificatePath));

    let mut trusting = settings();
    trusting.authorities.push(pem);
    assert_eq!(ask(trusting.clone(), right.clone()).await, Ok("ok".into()));
    let other_host = ask(trusting, wrong.clone()).await;
    assert_eq!(other_host, Err(Cause::CertificateName));

    let mut careless = settings();
    careless.verify_certificates = false;
    assert_eq!(ask(careless, wrong).await, Ok("ok".into()));
}

#[tokio::test]
async fn expired_certificates_have_their_own_code() {
    let (port, pem) = tls_receiver("right.example", true).await;
    let mut trusting = settings();
    trusting.authorities.push(pem);
    let expired = ask(trusting, format!("https://right.example:{port}/")).await;
    assert_eq!(expired, Err(Cause::CertificateExpired));
    assert_eq!(Cause::CertificateExpired.code(), 11236);
}

#[tokio::test]
async fn a_receiver_without_tls_fails_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 X\r\n\r\n").await;
        }
    });
    let failed = ask(settings(), format!("https://right.example:{port}/")).await;
    assert_eq!(failed, Err(Cause::Tls));
}

/// `<Response/>`, compressed with gzip.
const COMPRESSED: [u8; 31] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 179, 9, 74, 45, 46, 200, 207, 43, 78, 213, 183, 3, 0, 45, 235,
    30, 23, 11, 0, 0, 0,
];

#[tokio::test]
async fn gzip_is_undone() {
    let receiver = Receiver::start(|got| {
        assert!(got.header("accept-encoding").unwrap().contains("gzip"));
        let mut answer = b"HTTP/1.1 200 X\r\ncontent-type: text/xml\r\n\
            content-encoding: gzip\r\ncontent-length: 31\r\n\r\n"
            .to_vec();
        answer.extend_from_slice(&COMPRESSED);
        Reaction::Send(answer)
    })
    .await;
    let good = ask(settings(), receiver.url("/")).await;
    assert_eq!(good, Ok("<Response/>".into()));
}

/// What is wrong with a compressed body is the sender's fault, not the line's.
#[tokio::test]
async fn broken_compression_is_told_from_a_broken_connection() {
    let damaged = {
        let mut damaged = COMPRESSED;
        damaged[14] ^= 0x55;
        damaged.to_vec()
    };
    let wrong_sum = {
        let mut wrong = COMPRESSED;
        wrong[24] ^= 1;
        wrong.to_vec()
    };
    let bodies = [
        (damaged, Cause::Protocol),
        (wrong_sum, Cause::Protocol),
        (COMPRESSED[..20].to_vec(), Cause::Protocol),
        (b"<Response/>".to_vec(), Cause::Protocol),
    ];
    for (body, cause) in bodies {
        let length = body.len();
        let receiver = Receiver::start(move |_| {
            let head = format!(
                "HTTP/1.1 200 X\r\ncontent-type: text/xml\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            Reaction::Send([head.as_bytes(), &body].concat())
        })
        .await;
        let got = ask(settings(), receiver.url("/")).await;
        assert_eq!(got, Err(cause), "{length} bytes");
    }
    // Here the connection ends before its time.
    let receiver = Receiver::start(|_| {
        let head = "HTTP/1.1 200 X\r\ncontent-encoding: gzip\r\ncontent-length: 31\r\n\r\n";
        Reaction::SendAndClose([head.as_bytes(), &COMPRESSED[..20]].concat())
    })
    .await;
    let got = ask(settings(), receiver.url("/")).await;
    assert_eq!(got, Err(Cause::BrokenOff));
    assert_eq!(Cause::Protocol.code(), 11206);
}
