//! Telephones that the test plays itself, against the real program.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;
#[path = "harness/telephone.rs"]
mod telephone;

use harness::{Folder, Server};
use telephone::Telephone;

async fn calls(server: &Server, user: &str) -> String {
    let to = format!("sip:{user}@{}", server.fact("sip_domain"));
    server
        .call(&[
            ("To", &to),
            ("From", server.number("demo")),
            ("Twiml", "<Response><Pause length=\"60\"/></Response>"),
        ])
        .await
}

// sip-registration-1
#[tokio::test]
async fn a_telephone_that_registered_before_a_crash_is_called_after_it() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let mut telephone = Telephone::of("alice").await;
    telephone.register(&server).await;
    let sid = calls(&server, "alice").await;
    let (invite, from) = telephone.request("INVITE").await;
    telephone
        .answer(&invite, from, "486 Busy Here", "", "")
        .await;
    server.reaches(&sid, "busy").await;
    server.kill();

    let server = Server::start(&folder, &[]).await;
    let sid = calls(&server, "alice").await;
    let (invite, from) = telephone.request("INVITE").await;
    assert_eq!(from.to_string(), server.fact("sip"));
    telephone
        .answer(&invite, from, "486 Busy Here", "", "")
        .await;
    server.reaches(&sid, "busy").await;
}
