//! Telephones that the test plays itself, against the real program.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;
#[path = "harness/telephone.rs"]
mod telephone;

use std::time::Duration;

use harness::{Folder, Receiver, Server};
use sip::HeaderName;
use telephone::Telephone;
use tokio::net::UdpSocket;

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

/// Where the other telephone of a test registers as well.
async fn two(server: &Server) -> (Telephone, Telephone) {
    let (mut first, mut second) = (Telephone::of("alice").await, Telephone::of("alice").await);
    first.register(server).await;
    second.register(server).await;
    (first, second)
}

// sip-registration-2
#[tokio::test]
async fn every_telephone_of_a_user_rings_and_the_others_stop_when_one_answers() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let (first, second) = two(&server).await;
    let sid = calls(&server, "alice").await;
    let (one, from) = first.request("INVITE").await;
    let (other, _) = second.request("INVITE").await;
    assert_ne!(
        one.headers.value(HeaderName::CallId),
        other.headers.value(HeaderName::CallId)
    );
    first.answer(&one, from, "180 Ringing", "", "").await;
    second.answer(&other, from, "180 Ringing", "", "").await;
    server.reaches(&sid, "ringing").await;
    second.pick_up(&other, from).await;
    second.request("ACK").await;
    let (cancel, _) = first.request("CANCEL").await;
    assert_eq!(
        cancel.headers.value(HeaderName::Reason),
        Some("SIP;cause=200;text=\"Call completed elsewhere\"")
    );
    first.answer(&cancel, from, "200 OK", "", "").await;
    first
        .answer(&one, from, "487 Request Terminated", "", "")
        .await;
    first.request("ACK").await;
    server.reaches(&sid, "in-progress").await;
    server.change(&sid, &[("Status", "completed")]).await;
    second.request("BYE").await;
    server.reaches(&sid, "completed").await;
}

// sip-registration-3
#[tokio::test]
async fn of_two_telephones_that_answer_at_once_the_later_is_hung_up_on() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let (first, second) = two(&server).await;
    let receiver = Receiver::with(&[]).await;
    let to = format!("sip:alice@{}", server.fact("sip_domain"));
    let status = receiver.url("/status");
    for _ in 0..5 {
        let sid = server
            .call(&[
                ("To", &to),
                ("From", server.number("demo")),
                ("Twiml", "<Response><Pause length=\"60\"/></Response>"),
                ("StatusCallback", &status),
                ("StatusCallbackEvent", "answered"),
                ("StatusCallbackEvent", "completed"),
            ])
            .await;
        let (one, from) = first.request("INVITE").await;
        let (other, _) = second.request("INVITE").await;
        tokio::join!(first.pick_up(&one, from), second.pick_up(&other, from));
        // Both are acknowledged; one is hung up on at once, the other only when we say so.
        first.request("ACK").await;
        second.request("ACK").await;
        let (loser, winner, bye) = tokio::select! {
            (bye, _) = first.request("BYE") => (&first, &second, bye),
            (bye, _) = second.request("BYE") => (&second, &first, bye),
        };
        loser.answer(&bye, from, "200 OK", "", "").await;
        server.reaches(&sid, "in-progress").await;
        let quiet = winner.hear_within(Duration::from_millis(300)).await;
        assert!(quiet.is_none(), "the winner hears {quiet:?}");
        server.change(&sid, &[("Status", "completed")]).await;
        let (bye, _) = winner.request("BYE").await;
        winner.answer(&bye, from, "200 OK", "", "").await;
        let reports = receiver.until("/status", &sid, "completed").await;
        let told: Vec<_> = reports.iter().map(|got| got.get("CallStatus")).collect();
        assert_eq!(told, ["in-progress", "completed"]);
    }
}

// sip-registration-2
#[tokio::test]
async fn a_call_ends_with_the_best_refusal_once_all_telephones_have_refused() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let (first, second) = two(&server).await;
    let sid = calls(&server, "alice").await;
    let (one, from) = first.request("INVITE").await;
    let (other, _) = second.request("INVITE").await;
    first.answer(&one, from, "486 Busy Here", "", "").await;
    first.request("ACK").await;
    second
        .answer(&other, from, "480 Temporarily Unavailable", "", "")
        .await;
    server.reaches(&sid, "busy").await;

    // Hung up before anybody answers: all stop ringing.
    let sid = calls(&server, "alice").await;
    let (one, _) = first.request("INVITE").await;
    let (other, _) = second.request("INVITE").await;
    first.answer(&one, from, "180 Ringing", "", "").await;
    second.answer(&other, from, "180 Ringing", "", "").await;
    server.reaches(&sid, "ringing").await;
    server.change(&sid, &[("Status", "canceled")]).await;
    first.request("CANCEL").await;
    second.request("CANCEL").await;
    server.reaches(&sid, "canceled").await;
}

// sip-calls-1
#[tokio::test]
async fn a_redirection_is_followed_to_another_telephone() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let mut first = Telephone::of("alice").await;
    first.register(&server).await;
    let elsewhere = Telephone::of("bob").await;
    let sid = calls(&server, "alice").await;
    let (invite, from) = first.request("INVITE").await;
    let contacts = format!(
        "Contact: <sip:nobody@127.0.0.1:1;transport=sctp>;q=0.9, <sip:bob@{}>;q=0.5\r\n",
        elsewhere.address
    );
    first
        .answer(&invite, from, "302 Moved Temporarily", &contacts, "")
        .await;
    first.request("ACK").await;
    let (invite, from) = elsewhere.request("INVITE").await;
    assert_eq!(invite.uri.user.as_deref(), Some("bob"));
    elsewhere.pick_up(&invite, from).await;
    server.reaches(&sid, "in-progress").await;
    server.change(&sid, &[("Status", "completed")]).await;
    elsewhere.request("BYE").await;

    // A telephone that sends the call back to itself does not get it again.
    let sid = calls(&server, "alice").await;
    let (invite, from) = first.request("INVITE").await;
    let contacts = format!("Contact: <sip:alice@{}>\r\n", first.address);
    first
        .answer(&invite, from, "302 Moved Temporarily", &contacts, "")
        .await;
    server.reaches(&sid, "failed").await;
}

// sip-registration-4
#[tokio::test]
async fn a_telephone_is_challenged_with_the_algorithms_of_the_setting() {
    for (setting, expected) in [
        (None, "algorithm=MD5"),
        (Some("sha-256"), "algorithm=SHA-256"),
        (Some("sha-256,md5"), "algorithm=SHA-256"),
    ] {
        let folder = Folder::new();
        let variable = setting.map(|value| ("SWITCHBOARD_SIP_DIGEST", value));
        let server = Server::start(&folder, variable.as_slice()).await;
        let mut telephone = Telephone::of("alice").await;
        let challenge = telephone.register(&server).await;
        assert!(challenge.contains(expected), "{setting:?}: {challenge}");
    }
}

/// Whether PCMU has sound in it: a sample beyond a twentieth of full scale (G.711).
fn is_loud(payload: &[u8]) -> bool {
    payload.iter().any(|byte| {
        let code = !byte;
        let magnitude = ((u32::from(code & 0x0f) << 3) + 0x84) << ((code >> 4) & 7);
        magnitude - 0x84 > 1_600
    })
}

/// How many packets with sound come within a time, and how many at all.
async fn sound(ear: &UdpSocket, within: Duration) -> (usize, usize) {
    let (mut loud, mut all) = (0, 0);
    let mut buffer = [0; 2_048];
    let end = tokio::time::Instant::now() + within;
    while let Ok(received) = tokio::time::timeout_at(end, ear.recv_from(&mut buffer)).await {
        let (length, _) = received.unwrap();
        // RTP's header is twelve bytes, and RTCP's types are 200 and above (RFC 5761).
        if length > 12 && buffer[1] < 200 {
            all += 1;
            loud += usize::from(is_loud(&buffer[12..length]));
        }
    }
    (loud, all)
}

// sip-calls-14
#[tokio::test]
async fn a_telephone_holds_and_resumes_and_moves() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let receiver =
        Receiver::with(&[("/voice", "<Say loop=\"0\">Please hold the line.</Say>")]).await;
    let number = "+12065550146";
    let url = receiver.url("/voice");
    let (status, bought) = server
        .api(
            "POST",
            "/IncomingPhoneNumbers.json",
            &[("PhoneNumber", number), ("VoiceUrl", &url)],
        )
        .await;
    assert_eq!(status, 201, "{bought}");
    let mut alice = Telephone::of("alice").await;
    let ear = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let description = |version: u8, ear: &UdpSocket, direction: &str| {
        let port = ear.local_addr().unwrap().port();
        format!(
            "v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\na={direction}\r\n"
        )
    };
    let to = format!("sip:{number}@{}", server.fact("sip_domain"));
    let offer = description(1, &ear, "sendrecv");
    let (answer, mut call) = alice.call(&server, &to, &offer).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let heard = |ear| sound(ear, Duration::from_secs(3));
    assert!(heard(&ear).await.0 > 30);

    let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address);
    let hold = description(2, &ear, "sendonly");
    let held = alice
        .within(&server, &mut call, "INVITE", &contact, &hold)
        .await;
    let body = String::from_utf8_lossy(&held.body).into_owned();
    assert_eq!(held.status, 200, "{held:?}");
    assert!(body.contains("a=recvonly"), "{body}");
    // What was on its way is heard.
    sound(&ear, Duration::from_millis(300)).await;
    assert_eq!(sound(&ear, Duration::from_secs(1)).await.0, 0);

    let back = description(3, &ear, "sendrecv");
    let back = alice
        .within(&server, &mut call, "INVITE", &contact, &back)
        .await;
    assert_eq!(back.status, 200, "{back:?}");
    assert!(heard(&ear).await.0 > 30);

    // By UPDATE, and to another place.
    let moved = description(4, &other, "sendrecv");
    let moved = alice
        .within(&server, &mut call, "UPDATE", &contact, &moved)
        .await;
    assert_eq!(moved.status, 200, "{moved:?}");
    assert!(heard(&other).await.0 > 30);
    sound(&ear, Duration::from_millis(1)).await;
    assert_eq!(sound(&ear, Duration::from_millis(500)).await.1, 0);
    let gone = alice.within(&server, &mut call, "BYE", "", "").await;
    assert_eq!(gone.status, 200, "{gone:?}");
}
