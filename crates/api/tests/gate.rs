//! What holds for every resource: credentials, formats, headers, paths; and keys, accounts, SIP.
#![allow(clippy::unwrap_used)]

#[path = "common/world.rs"]
mod common;

use axum::body::Body;
use axum::http::Request;
use common::{MAIN, STRANGER, SUB, World, basic};
use model::account::KeyClass;
use model::pii::Pii;
use serde_json::json;

fn calls_of(account: model::sid::AccountSid) -> String {
    format!("/2010-04-01/Accounts/{account}/Calls.json")
}

#[tokio::test]
async fn credentials_reach_their_own_account_and_its_subaccounts() {
    let world = World::new().await;
    let second = |account: &mut model::account::Account| {
        account.secondary_auth_token = Some(Pii("second".into()));
    };
    world.store.accounts().update(MAIN, second).await.unwrap();
    let main_key = world.key(7, KeyClass::Main).await;
    for (who, account, status) in [
        (format!("{MAIN}:main"), MAIN, 200),
        (format!("{MAIN}:second"), MAIN, 200),
        (format!("{MAIN}:main"), SUB, 200),
        (format!("{main_key}:secret"), MAIN, 200),
        (format!("{main_key}:secret"), SUB, 200),
        (format!("{SUB}:sub"), SUB, 200),
        (format!("{SUB}:sub"), MAIN, 404),
        (format!("{MAIN}:main"), STRANGER, 404),
        (format!("{STRANGER}:stranger"), MAIN, 404),
        (format!("{MAIN}:wrong"), MAIN, 401),
        (format!("{MAIN}:"), MAIN, 401),
        (format!("{MAIN}:sub"), MAIN, 401),
        (format!("{main_key}:main"), MAIN, 401),
        ("nobody:main".to_owned(), MAIN, 401),
        ("no colon".to_owned(), MAIN, 401),
    ] {
        let reply = world.asks(&who, "GET", &calls_of(account), &[]).await;
        assert_eq!(
            reply.status.as_u16(),
            status,
            "{who} {account}: {}",
            reply.text
        );
        match status {
            401 => {
                reply.refused(401, 20003);
                let challenge = reply.headers.get("www-authenticate").unwrap();
                assert_eq!(challenge, "Basic realm=\"Twilio API\"");
            }
            404 => reply.refused(404, 20404),
            _ => {}
        }
    }
    let request = Request::get(calls_of(MAIN)).body(Body::empty()).unwrap();
    world.raw(request).await.refused(401, 20003);
}

#[tokio::test]
async fn standard_keys_touch_neither_accounts_nor_keys() {
    let world = World::new().await;
    let standard = world.key(6, KeyClass::Standard).await;
    let main = world.key(7, KeyClass::Main).await;
    for path in ["", "/Keys", "/SigningKeys"] {
        let path = format!("/2010-04-01/Accounts/{MAIN}{path}.json");
        world
            .asks(&format!("{standard}:secret"), "GET", &path, &[])
            .await
            .refused(401, 20003);
        world
            .asks(&format!("{main}:secret"), "GET", &path, &[])
            .await
            .ok(200);
    }
    let all = "/2010-04-01/Accounts.json";
    world
        .asks(&format!("{standard}:secret"), "GET", all, &[])
        .await
        .refused(401, 20003);
    world
        .asks(&format!("{standard}:secret"), "GET", &calls_of(MAIN), &[])
        .await
        .ok(200);
}

#[tokio::test]
async fn a_key_shows_its_secret_once_and_works_until_it_is_deleted() {
    let world = World::new().await;
    let key = world
        .post("/Keys.json", &[("FriendlyName", "CI")])
        .await
        .ok(201);
    let (sid, secret) = (
        key["sid"].as_str().unwrap(),
        key["secret"].as_str().unwrap(),
    );
    assert!(secret.len() == 32 && secret.bytes().all(|b| b.is_ascii_alphanumeric()));
    let shown = world.get(&format!("/SigningKeys/{sid}.json")).await.ok(200);
    assert_eq!(shown["friendly_name"], "CI");
    assert!(shown.get("secret").is_none());
    let who = format!("{sid}:{secret}");
    world.asks(&who, "GET", &calls_of(MAIN), &[]).await.ok(200);
    assert_eq!(
        world
            .delete(&format!("/Keys/{sid}.json"))
            .await
            .status
            .as_u16(),
        204
    );
    world
        .asks(&who, "GET", &calls_of(MAIN), &[])
        .await
        .refused(401, 20003);
}

#[tokio::test]
async fn subaccounts_are_made_suspended_and_closed_by_their_owner() {
    let world = World::new().await;
    let made = world
        .post("/2010-04-01/Accounts.json", &[("FriendlyName", "Child")])
        .await
        .ok(201);
    assert_eq!(
        (&made["owner_account_sid"], &made["type"]),
        (&json!(MAIN), &json!("Full"))
    );
    let path = format!("/2010-04-01/Accounts/{}", made["sid"].as_str().unwrap());
    let who = format!(
        "{}:{}",
        made["sid"].as_str().unwrap(),
        made["auth_token"].as_str().unwrap()
    );
    let own = format!("{path}.json");
    world
        .asks(&who, "POST", "/2010-04-01/Accounts.json", &[])
        .await
        .refused(400, 21101);
    world
        .asks(&who, "POST", &own, &[("Status", "closed")])
        .await
        .refused(400, 21478);
    let listed = world
        .get("/2010-04-01/Accounts.json?FriendlyName=Child")
        .await
        .ok(200);
    assert_eq!(listed["accounts"].as_array().unwrap().len(), 1);
    let main = format!("/2010-04-01/Accounts/{MAIN}.json");
    world
        .post(&main, &[("Status", "closed")])
        .await
        .refused(400, 21476);
    world
        .post(&own, &[("Status", "gone")])
        .await
        .refused(400, 21475);
    world.post(&own, &[("Status", "suspended")]).await.ok(200);
    world.asks(&who, "GET", &own, &[]).await.refused(403, 20005);
    let numbers = format!("{path}/Keys.json");
    world.post(&numbers, &[]).await.refused(403, 20005);
    world.get(&numbers).await.ok(200);
    world.post(&own, &[("Status", "closed")]).await.ok(200);
    world
        .post(&own, &[("Status", "active")])
        .await
        .refused(400, 21477);
}

/// An attribute of the list in an XML answer.
fn attribute(text: &str, name: &str) -> String {
    let begin = format!(" {name}=\"");
    let rest = &text[text
        .find(&begin)
        .unwrap_or_else(|| panic!("{name}: {text}"))
        + begin.len()..];
    rest[..rest.find('"').unwrap()].replace("&amp;", "&")
}

#[tokio::test]
async fn paths_without_json_are_xml() {
    let world = World::new().await;
    let path = format!("/2010-04-01/Accounts/{MAIN}/Applications");
    world.post(&path, &[("FriendlyName", "A & B")]).await;
    let reply = world.get(&path).await;
    assert_eq!(
        reply.headers["content-type"],
        "application/xml;charset=utf-8"
    );
    let list = format!(
        "<TwilioResponse><Applications page=\"0\" numpages=\"1\" pagesize=\"50\" total=\"1\" start=\"0\" end=\"0\" \
         uri=\"{path}?PageSize=50&amp;Page=0\" firstpageuri=\"{path}?PageSize=50&amp;Page=0\" \
         nextpageuri=\"\" previouspageuri=\"\" lastpageuri=\"{path}?PageSize=50&amp;Page=0\"><Application><Sid>"
    );
    assert!(reply.text.contains(&list), "{}", reply.text);
    assert!(
        reply
            .text
            .contains("<FriendlyName>A &amp; B</FriendlyName><VoiceUrl/>")
    );
    // rest-4: the second of three pages, with a filter.
    for name in ["A & B", "A & B", "A & B", "A & B", "B"] {
        world.post(&path, &[("FriendlyName", name)]).await;
    }
    let first = world
        .get(&format!("{path}?FriendlyName=A%20%26%20B&PageSize=2"))
        .await
        .text;
    let next = attribute(&first, "nextpageuri");
    let second = world.get(&next).await.text;
    let filters = "FriendlyName=A%20%26%20B&PageSize=2";
    for (name, value) in [
        ("page", "1".to_owned()),
        ("numpages", "3".into()),
        ("pagesize", "2".into()),
        ("total", "5".into()),
        ("start", "2".into()),
        ("end", "3".into()),
        ("uri", next.clone()),
        ("firstpageuri", format!("{path}?{filters}&Page=0")),
    ] {
        assert_eq!(attribute(&second, name), value, "{name}: {second}");
    }
    let third = world.get(&attribute(&second, "nextpageuri")).await.text;
    assert_eq!(attribute(&third, "start"), "4");
    assert_eq!(attribute(&third, "end"), "4");
    assert_eq!(attribute(&third, "nextpageuri"), "");
    assert_eq!(third.matches("<Application>").count(), 1);
    // The last page has what is left, and a way back.
    for page in [&first, &second, &third] {
        let last = world.get(&attribute(page, "lastpageuri")).await.text;
        for name in ["page", "start", "end", "nextpageuri", "total"] {
            assert_eq!(attribute(&last, name), attribute(&third, name), "{name}");
        }
        let shown = |text: &str| text.split_once("<Application>").unwrap().1.to_owned();
        assert_eq!(shown(&last), shown(&third));
        let before = world.get(&attribute(&last, "previouspageuri")).await.text;
        assert_eq!(shown(&before), shown(&second));
    }
    let back = world.get(&attribute(&second, "previouspageuri")).await.text;
    assert_eq!(back.matches("<Application>").count(), 2);
    let shown = |text: &str| text.split("<Application>").nth(1).unwrap().to_owned();
    assert_eq!(shown(&back), shown(&first));
    let page = world.get(&format!("{path}.json")).await.ok(200);
    assert!(page.get("total").is_none() && page.get("num_pages").is_none());
    let missing = world.get(&format!("{path}/AP{}", "0".repeat(32))).await;
    assert_eq!(missing.status.as_u16(), 404);
    assert!(
        missing
            .text
            .contains("<TwilioResponse><RestException><Code>20404</Code><Message>")
    );
    assert!(
        missing
            .text
            .contains("<Status>404</Status></RestException></TwilioResponse>")
    );
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_refused_in_json() {
    let world = World::new().await;
    for path in [
        "/calls.json",
        "/Nothing.json",
        "/Calls/CA1.json",
        "/Calls/x/y/z.json",
    ] {
        world.get(path).await.refused(404, 20404);
    }
    assert_eq!(world.get("/Calls.csv").await.status.as_u16(), 404);
    world.get("/Calls.json/").await.ok(200);
    world.delete("/Calls.json").await.refused(405, 20004);
    let who = format!("{MAIN}:main");
    world
        .asks(&who, "PUT", &calls_of(MAIN), &[])
        .await
        .refused(405, 20004);
    world
        .get("/2010-04-01/Elsewhere.json")
        .await
        .refused(404, 20404);
}

#[tokio::test]
async fn only_forms_are_read() {
    let world = World::new().await;
    for kind in [
        None,
        Some("application/json"),
        Some("multipart/form-data; boundary=x"),
    ] {
        let mut request =
            Request::post(calls_of(MAIN)).header("authorization", basic(&format!("{MAIN}:main")));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let request = request.body(Body::from("To=1")).unwrap();
        world.raw(request).await.refused(400, 20422);
    }
    let request = Request::post(calls_of(MAIN))
        .header("authorization", basic(&format!("{MAIN}:main")))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(vec![b'a'; (1 << 20) + 1]))
        .unwrap();
    world.raw(request).await.refused(413, 20413);
}

#[tokio::test]
async fn browsers_may_ask_and_every_answer_is_named() {
    let world = World::new().await;
    let request = Request::options(calls_of(MAIN))
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization, content-type",
        )
        .body(Body::empty())
        .unwrap();
    let options = world.raw(request).await;
    assert_eq!(options.status.as_u16(), 204);
    assert_eq!(options.text, "");
    let stranger = world
        .asks("nobody:nothing", "GET", &calls_of(MAIN), &[])
        .await;
    assert_eq!(stranger.status.as_u16(), 401);
    for reply in [
        options,
        world.get("/Calls.json").await,
        world.get("/Nothing.json").await,
        stranger,
    ] {
        let named = |header: &str, name: &str| {
            let all = reply.headers[header].to_str().unwrap();
            all.split(',')
                .any(|one| one.trim().eq_ignore_ascii_case(name))
        };
        for name in ["Authorization", "Content-Type", "Idempotency-Key"] {
            assert!(named("access-control-allow-headers", name), "{name}");
        }
        for name in ["Twilio-Request-Id", "Twilio-Request-Duration"] {
            assert!(named("access-control-expose-headers", name), "{name}");
        }
        assert_eq!(reply.headers["access-control-allow-credentials"], "true");
        assert_eq!(reply.headers["access-control-allow-origin"], "*");
        assert_eq!(
            reply.headers["access-control-allow-methods"],
            "GET, POST, PUT, DELETE, OPTIONS"
        );
        let id = reply.headers["twilio-request-id"].to_str().unwrap();
        assert!(id.starts_with("RQ") && id.len() == 34);
        assert!(reply.headers.contains_key("twilio-request-duration"));
    }
}

#[tokio::test]
async fn the_host_name_chooses_the_product() {
    let world = World::new().await;
    for (host, path, status) in [
        ("api.twilio.com", calls_of(MAIN), 200),
        ("api.dublin.ie1.twilio.com", calls_of(MAIN), 200),
        ("monitor.twilio.com", "/v1/Alerts".into(), 200),
        ("monitor.twilio.com", calls_of(MAIN), 404),
        ("chat.twilio.com", "/v2/Services".into(), 404),
        ("localhost:3000", "/v1/Alerts".into(), 200),
        ("localhost:3000", "/monitor/v1/Alerts".into(), 200),
    ] {
        let request = Request::get(&path)
            .header("host", host)
            .header("x-forwarded-proto", "https")
            .header("authorization", basic(&format!("{MAIN}:main")))
            .body(Body::empty())
            .unwrap();
        let reply = world.raw(request).await;
        assert_eq!(
            reply.status.as_u16(),
            status,
            "{host}{path}: {}",
            reply.text
        );
        if status == 404 {
            reply.refused(404, 20404);
        } else if path == "/v1/Alerts" {
            let url = reply.json()["meta"]["url"].as_str().unwrap().to_owned();
            assert_eq!(url, format!("https://{host}/v1/Alerts?PageSize=50&Page=0"));
        }
    }
}

#[tokio::test]
async fn a_sip_domain_consults_lists_and_says_how() {
    let world = World::new().await;
    let form = [
        ("DomainName", "Acme.sip.twilio.com"),
        ("SipRegistration", "true"),
    ];
    let domain = world.post("/SIP/Domains.json", &form).await.ok(201);
    assert_eq!(domain["domain_name"], "acme.sip.twilio.com");
    world
        .post("/SIP/Domains.json", &form)
        .await
        .refused(400, 21232);
    world
        .post("/SIP/Domains.json", &[("DomainName", "acme.com")])
        .await
        .refused(400, 21232);
    let domain_path = format!("/SIP/Domains/{}", domain["sid"].as_str().unwrap());

    world
        .post("/SIP/CredentialLists.json", &[])
        .await
        .refused(400, 21240);
    let list = world
        .post("/SIP/CredentialLists.json", &[("FriendlyName", "Desk")])
        .await
        .ok(201);
    let cl = list["sid"].as_str().unwrap();
    let members = format!("/SIP/CredentialLists/{cl}/Credentials.json");
    for (name, password) in [
        ("joey", "short1A"),
        ("joey", "alllowercase1"),
        ("", "Password12345"),
    ] {
        let form = [("Username", name), ("Password", password)];
        world.post(&members, &form).await.refused(400, 21243);
    }
    let form = [("Username", "joey"), ("Password", "Password12345")];
    let member = world.post(&members, &form).await;
    assert!(!member.text.contains("Password12345"));
    member.ok(201);
    world.post(&members, &form).await.refused(400, 21243);

    let acl = world
        .post(
            "/SIP/IpAccessControlLists.json",
            &[("FriendlyName", "Hall")],
        )
        .await
        .ok(201);
    let al = acl["sid"].as_str().unwrap();
    let addresses = format!("/SIP/IpAccessControlLists/{al}/IpAddresses.json");
    let form = [
        ("FriendlyName", "a"),
        ("IpAddress", "192.0.2.1"),
        ("CidrPrefixLength", "33"),
    ];
    world.post(&addresses, &form).await.refused(400, 21235);
    let address = world.post(&addresses, &form[..2]).await.ok(201);
    assert_eq!(
        (&address["ip_address"], &address["cidr_prefix_length"]),
        (&json!("192.0.2.1"), &json!(32))
    );

    let auth = |body: &serde_json::Value| body["auth_type"].as_str().unwrap().to_owned();
    let map = format!("{domain_path}/Auth/Calls/CredentialListMappings.json");
    let old = format!("{domain_path}/CredentialListMappings.json");
    let register = format!("{domain_path}/Auth/Registrations/CredentialListMappings.json");
    world
        .post(&register, &[("CredentialListSid", cl)])
        .await
        .ok(201);
    assert_eq!(
        auth(&world.get(&format!("{domain_path}.json")).await.ok(200)),
        ""
    );
    world.post(&map, &[("CredentialListSid", cl)]).await.ok(201);
    world
        .post(&old, &[("CredentialListSid", cl)])
        .await
        .refused(400, 21231);
    world
        .post(&old, &[("CredentialListSid", "CL1")])
        .await
        .refused(400, 21231);
    let hall = format!("{domain_path}/IpAccessControlListMappings.json");
    world
        .post(&hall, &[("IpAccessControlListSid", al)])
        .await
        .ok(201);
    let shown = world.get(&format!("{domain_path}.json")).await.ok(200);
    assert_eq!(auth(&shown), "CREDENTIAL_LIST,IP_ACL");
    assert_eq!(
        world.get(&map).await.ok(200)["contents"][0]["friendly_name"],
        "Desk"
    );
    assert_eq!(
        world.get(&old).await.ok(200)["credential_list_mappings"][0]["sid"],
        cl
    );

    let list_path = format!("/SIP/CredentialLists/{cl}.json");
    world.delete(&list_path).await.refused(400, 21241);
    world
        .delete(&format!("/SIP/IpAccessControlLists/{al}.json"))
        .await
        .refused(400, 21236);
    assert_eq!(
        world
            .delete(&map.replace(".json", &format!("/{cl}.json")))
            .await
            .status,
        204
    );
    assert_eq!(
        world
            .delete(&register.replace(".json", &format!("/{cl}.json")))
            .await
            .status,
        204
    );
    assert_eq!(world.delete(&list_path).await.status, 204);
    assert_eq!(
        world.delete(&format!("{domain_path}.json")).await.status,
        204
    );
}

#[tokio::test]
async fn the_control_plane_speaks_json() {
    let world = World::new().await;
    let send = async |method: &str, path: &str, body: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", basic(&format!("{MAIN}:main")))
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        world.raw(request).await
    };
    let trunks = "/_switchboard/v1/trunks";
    let body =
        r#"{"host":"192.0.2.9","password":"hush","prefixes":["+49"],"sources":["192.0.2.0/24"]}"#;
    let made = send("POST", trunks, body).await;
    assert!(!made.text.contains("hush"));
    let made = made.ok(201);
    assert_eq!(
        (&made["port"], &made["password_set"]),
        (&json!(5060), &json!(true))
    );
    let one = format!("{trunks}/{}", made["sid"].as_str().unwrap());
    let changed = send("POST", &one, r#"{"transport":"tls","password":null}"#)
        .await
        .ok(200);
    assert_eq!(
        (&changed["port"], &changed["password_set"]),
        (&json!(5061), &json!(false))
    );
    send("POST", trunks, r#"{"name":"x"}"#)
        .await
        .refused(400, 20422);
    send("POST", trunks, r#"{"host":"a b"}"#)
        .await
        .refused(400, 20422);
    assert_eq!(
        send("GET", trunks, "").await.ok(200)["trunks"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(send("DELETE", &one, "").await.status.as_u16(), 204);

    let phone = "/_switchboard/v1/phones/+15550001111";
    let set = send(
        "POST",
        phone,
        r#"{"busy":true,"digits":[{"at_ms":5,"digits":"1#"}]}"#,
    )
    .await;
    assert_eq!(set.ok(200)["knobs"]["busy"], true);
    send("POST", phone, r#"{"digits":[{"at_ms":5,"digits":"x"}]}"#)
        .await
        .refused(400, 20422);
    send("POST", &format!("{phone}/calls"), r#"{"to":"+1"}"#)
        .await
        .refused(400, 20422);
    assert_eq!(
        send("GET", &format!("{phone}/heard.wav"), "").await.text,
        "RIFF"
    );
    let request = Request::get(trunks).body(Body::empty()).unwrap();
    world.raw(request).await.refused(401, 20003);
    for path in ["/healthz", "/readyz", "/metrics"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(world.raw(request).await.status.as_u16(), 200, "{path}");
    }
}

#[tokio::test]
async fn more_requests_than_there_is_room_for_are_refused() {
    let world = World::with(api::Settings {
        requests_at_once: 1,
        ..api::Settings::default()
    })
    .await;
    let (word, body) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let body = Body::from_stream(futures_util::stream::unfold(body, async |mut body| {
        body.recv().await.map(|piece| (piece, body))
    }));
    let slow = Request::post(calls_of(MAIN))
        .header("authorization", basic(&format!("{MAIN}:main")))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .unwrap();
    let second = async {
        // The first is under way: its body has begun.
        word.send(Ok(b"To=%2B14155550123".to_vec())).await.unwrap();
        tokio::task::yield_now().await;
        let busy = world.get("/Calls.json").await;
        let xml = world.get("/Calls").await;
        drop(word);
        (busy, xml)
    };
    let (first, (busy, xml)) = tokio::join!(world.raw(slow), second);
    busy.refused(429, 20429);
    assert_eq!(busy.headers["retry-after"], "1");
    assert!(xml.text.contains("<Code>20429</Code>"), "{}", xml.text);
    // The first was served, and there is room again.
    first.refused(400, 21213);
    world.get("/Calls.json").await.ok(200);
}
