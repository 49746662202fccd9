//! Being asked to end, in the middle of everything: quickly, politely, and with nothing forgotten.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;

use std::collections::BTreeSet;
use std::time::Duration;

use harness::{Folder, Receiver, SOON, Server};
use tokio::net::{TcpListener, UdpSocket};

/// Longest that an end may take while calls are up. It takes a tenth of that on an idle computer.
const QUICK: Duration = Duration::from_secs(3);

/// A telephone of another make: answers a call, and says so when it is hung up.
async fn answers(socket: UdpSocket) {
    let port = socket.local_addr().unwrap().port();
    let mut bytes = vec![0; 65_536];
    loop {
        let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
        let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let mut kept = String::new();
        for line in request.lines().take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default();
            if ["Via", "From", "Call-ID", "CSeq"].contains(&name) {
                kept += &format!("{line}\r\n");
            } else if name == "To" {
                let tag = if line.contains("tag=") {
                    ""
                } else {
                    ";tag=phone"
                };
                kept += &format!("{line}{tag}\r\n");
            }
        }
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        );
        let body = match request.split(' ').next() {
            Some("INVITE") => format!(
                "Contact: <sip:phone@127.0.0.1:{port}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
                sdp.len()
            ),
            Some("BYE") => "Content-Length: 0\r\n\r\n".to_owned(),
            _ => continue,
        };
        let answer = format!("SIP/2.0 200 OK\r\n{kept}{body}");
        socket.send_to(answer.as_bytes(), from).await.unwrap();
        if request.starts_with("BYE ") {
            return;
        }
    }
}

#[tokio::test]
async fn it_ends_quickly_with_calls_up_and_forgets_nothing() {
    let folder = Folder::new();
    let mut receiver = Receiver::with(&[]).await;
    let server = Server::start(&folder, &[("SWITCHBOARD_CALLS_PER_SECOND", "0.5")]).await;
    let callback = receiver.url("/status");

    // A program that never answers: its request is under way at the end.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let asks = format!("http://{}/voice", silent.local_addr().unwrap());
    let telephone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let foreign = format!("sip:phone@{}", telephone.local_addr().unwrap());
    let hung_up = tokio::spawn(answers(telephone));
    let call = async |to: &str, program: (&str, &str)| {
        let form = [
            ("To", to),
            ("From", server.number("demo")),
            program,
            ("StatusCallback", &callback),
            ("StatusCallbackEvent", "completed"),
        ];
        server.call(&form).await
    };
    let pause = "<Response><Pause length=\"60\"/></Response>";
    let talking = call(&foreign, ("Twiml", pause)).await;
    let asking = call(server.phone(0), ("Url", &asks)).await;
    server.reaches(&talking, "in-progress").await;
    server.reaches(&asking, "in-progress").await;
    let (_held, _) = tokio::time::timeout(SOON, silent.accept())
        .await
        .expect("the program is asked")
        .unwrap();
    // These wait for their turn, one of them for longer than the test lasts.
    let words = ("Twiml", "<Response><Hangup/></Response>");
    let waiting = [
        call(server.phone(1), words).await,
        call(server.phone(2), words).await,
    ];
    // The receiver is away, so that everything that is owed now stays owed.
    receiver.go_down().await;

    let (status, took) = server.end().await;
    assert_eq!(status.code(), Some(0));
    assert!(took < QUICK, "{took:?}");
    tokio::time::timeout(SOON, hung_up)
        .await
        .expect("the telephone is told with a BYE")
        .unwrap();

    receiver.come_up().await;
    let server = Server::start(&folder, &[]).await;
    for sid in [&talking, &asking] {
        let record = server.record(sid).await;
        assert_eq!(record["status"], "completed", "{record}");
        let seconds: u64 = record["duration"].as_str().unwrap().parse().unwrap();
        assert!(seconds < 20, "ended when it was told to: {record}");
    }
    for sid in &waiting {
        server.reaches(sid, "completed").await;
    }
    for sid in waiting.iter().chain([&talking, &asking]) {
        let told = receiver.until("/status", sid, "completed").await;
        let tokens: BTreeSet<_> = told.iter().map(harness::Got::token).collect();
        assert_eq!(tokens.len(), 1, "{sid} is reported once");
        assert!(
            told.iter()
                .all(|got| got.is_signed(server.fact("auth_token")))
        );
    }
    let (status, took) = server.end().await;
    assert_eq!(status.code(), Some(0));
    assert!(took < QUICK, "{took:?}");
    let log = std::fs::read_to_string(folder.0.join("log")).unwrap();
    assert!(!log.contains("ERROR"), "{log}");
}
