//! Carriers that the test plays itself: who is trusted over TLS, and where calls go.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;
#[path = "harness/telephone.rs"]
mod telephone;

use std::sync::Arc;

use harness::{Folder, Server};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// An authority, and a server's certificate from it for a name.
fn vouched(name: &str) -> (String, TlsAcceptor) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (pem, TlsAcceptor::from(Arc::new(server)))
}

/// A carrier that is always busy; the first INVITE of each connection is answered.
async fn busy(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = acceptor.accept(stream).await else {
            continue;
        };
        let mut bytes = vec![0; 65_536];
        let mut length = 0;
        while !bytes[..length].windows(4).any(|four| four == b"\r\n\r\n") {
            length += stream.read(&mut bytes[length..]).await.unwrap();
        }
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        assert!(text.starts_with("INVITE sip:+49151"), "{text}");
        let kept: String = text
            .split("\r\n")
            .filter(|line| {
                ["Via:", "From:", "Call-ID:", "CSeq:", "To:"]
                    .iter()
                    .any(|name| line.starts_with(name))
            })
            .map(|line| {
                let tag = if line.starts_with("To:") {
                    ";tag=t"
                } else {
                    ""
                };
                format!("{line}{tag}\r\n")
            })
            .collect();
        let answer = format!("SIP/2.0 486 Busy Here\r\n{kept}Content-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        // Held until the ACK has come.
        let _ = stream.read(&mut bytes).await;
    }
}

/// How a call over a TLS trunk to `localhost` ends whose carrier has a certificate for `name`.
async fn over_tls(name: &str, trusted: bool) -> String {
    let folder = Folder::new();
    let (authority, acceptor) = vouched(name);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let carrier = tokio::spawn(busy(listener, acceptor));
    let (ca, file) = (folder.0.join("ca.pem"), folder.0.join("switchboard.toml"));
    std::fs::write(&ca, authority).unwrap();
    let setting = if trusted {
        format!("sip-ca-file = \"{}\"\n", ca.display())
    } else {
        String::new()
    };
    let trunk = format!(
        "{setting}[[trunk]]\nname = \"carrier\"\nhost = \"localhost\"\nport = {port}\ntransport = \"tls\"\nprefixes = [\"+49\"]\n"
    );
    std::fs::write(&file, trunk).unwrap();
    let server = Server::start(&folder, &[("SWITCHBOARD_CONFIG", file.to_str().unwrap())]).await;
    let sid = server
        .call(&[
            ("To", "+4915112345678"),
            ("From", server.number("demo")),
            ("Twiml", "<Response/>"),
        ])
        .await;
    let ended = harness::eventually("the call ends", harness::SOON, async || {
        let call = server.record(&sid).await;
        let status = call["status"].as_str().unwrap().to_owned();
        harness::is_final(&status).then_some(status)
    })
    .await;
    carrier.abort();
    ended
}

// sip-calls-2
#[tokio::test]
async fn a_carrier_over_tls_is_believed_when_its_authority_vouches_for_its_name() {
    assert_eq!(over_tls("localhost", true).await, "busy");
}

// sip-calls-2
#[tokio::test]
async fn a_carrier_over_tls_with_the_certificate_of_another_is_not_called() {
    assert_eq!(over_tls("carrier.example", true).await, "failed");
}

// sip-calls-2
#[tokio::test]
async fn a_carrier_over_tls_that_nobody_we_know_vouches_for_is_not_called() {
    assert_eq!(over_tls("localhost", false).await, "failed");
}
