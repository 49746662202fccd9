//! The older form of every list: well-formed, and with the same names and values as in JSON.
#![allow(clippy::unwrap_used)]

#[path = "common/world.rs"]
mod common;

use std::collections::BTreeSet;

use common::{MAIN, NUMBER, World};
use roxmltree::{Document, Node};
use serde_json::Value;

/// A list: its path, the key in JSON, and the elements in XML of the list and of one of it.
type List = (String, &'static str, &'static str, &'static str);

/// One of everything that can be listed.
async fn furnished(world: &World) -> Vec<List> {
    let made = async |path: &str, form: &[(&str, &str)]| {
        let reply = world.post(path, form).await;
        assert!(reply.status.is_success(), "{path}: {}", reply.text);
        reply.json()["sid"].as_str().unwrap_or_default().to_owned()
    };
    let call = [
        ("To", "+14155550123"),
        ("From", NUMBER),
        ("Url", "http://example.com/?a=1&b=<2>"),
        ("Twiml", "<Response/>"),
    ];
    let call = made("/Calls.json", &call).await;
    for (path, form) in [
        ("/Applications.json", ("FriendlyName", "A & B")),
        ("/Keys.json", ("FriendlyName", "<K>")),
        ("/OutgoingCallerIds.json", ("PhoneNumber", "+493023125000")),
    ] {
        made(path, &[form]).await;
    }
    let domain = made("/SIP/Domains.json", &[("DomainName", "a.sip.twilio.com")]).await;
    let names = [("FriendlyName", "l")];
    let list = made("/SIP/CredentialLists.json", &names).await;
    let form = [("Username", "carol"), ("Password", "Secret-Secret-1")];
    let credentials = format!("/SIP/CredentialLists/{list}/Credentials");
    made(&format!("{credentials}.json"), &form).await;
    let control = made("/SIP/IpAccessControlLists.json", &names).await;
    let form = [("FriendlyName", "i"), ("IpAddress", "192.0.2.7")];
    let addresses = format!("/SIP/IpAccessControlLists/{control}/IpAddresses");
    made(&format!("{addresses}.json"), &form).await;
    let of = |rest: &str| format!("/SIP/Domains/{domain}{rest}");
    let (by_list, by_address) = (
        ("CredentialListSid", list.as_str()),
        ("IpAccessControlListSid", control.as_str()),
    );
    let mut lists = vec![
        (
            "/Applications".to_owned(),
            "applications",
            "Applications",
            "Application",
        ),
        (
            "/AvailablePhoneNumbers".to_owned(),
            "countries",
            "Countries",
            "Country",
        ),
        (
            "/AvailablePhoneNumbers/US/Local".to_owned(),
            "available_phone_numbers",
            "AvailablePhoneNumbers",
            "AvailablePhoneNumber",
        ),
        ("/Calls".to_owned(), "calls", "Calls", "Call"),
        (format!("/Calls/{call}/Events"), "events", "Events", "Event"),
        (
            format!("/Calls/{call}/Notifications"),
            "notifications",
            "Notifications",
            "Notification",
        ),
        (
            "/Notifications".to_owned(),
            "notifications",
            "Notifications",
            "Notification",
        ),
        (
            "/IncomingPhoneNumbers".to_owned(),
            "incoming_phone_numbers",
            "IncomingPhoneNumbers",
            "IncomingPhoneNumber",
        ),
        (
            "/IncomingPhoneNumbers/Local".to_owned(),
            "incoming_phone_numbers",
            "IncomingPhoneNumbers",
            "IncomingPhoneNumber",
        ),
        ("/Keys".to_owned(), "keys", "Keys", "Key"),
        (
            "/SigningKeys".to_owned(),
            "signing_keys",
            "SigningKeys",
            "SigningKey",
        ),
        (
            "/OutgoingCallerIds".to_owned(),
            "outgoing_caller_ids",
            "OutgoingCallerIds",
            "OutgoingCallerId",
        ),
        ("/SIP/Domains".to_owned(), "domains", "Domains", "Domain"),
        (
            "/SIP/CredentialLists".to_owned(),
            "credential_lists",
            "CredentialLists",
            "CredentialList",
        ),
        (credentials, "credentials", "Credentials", "Credential"),
        (
            "/SIP/IpAccessControlLists".to_owned(),
            "ip_access_control_lists",
            "IpAccessControlLists",
            "IpAccessControlList",
        ),
        (addresses, "ip_addresses", "IpAddresses", "IpAddress"),
    ];
    for (rest, form, names) in [
        (
            "/CredentialListMappings",
            by_list,
            (
                "credential_list_mappings",
                "CredentialListMappings",
                "CredentialListMapping",
            ),
        ),
        (
            "/IpAccessControlListMappings",
            by_address,
            (
                "ip_access_control_list_mappings",
                "IpAccessControlListMappings",
                "IpAccessControlListMapping",
            ),
        ),
        (
            "/Auth/Calls/CredentialListMappings",
            by_list,
            (
                "contents",
                "CredentialListMappings",
                "CredentialListMapping",
            ),
        ),
        (
            "/Auth/Calls/IpAccessControlListMappings",
            by_address,
            (
                "contents",
                "IpAccessControlListMappings",
                "IpAccessControlListMapping",
            ),
        ),
        (
            "/Auth/Registrations/CredentialListMappings",
            by_list,
            (
                "contents",
                "CredentialListMappings",
                "CredentialListMapping",
            ),
        ),
    ] {
        let reply = world.post(&format!("{}.json", of(rest)), &[form]).await;
        // The old paths show the mappings of calls: that of the list is there already.
        let status = reply.status.as_u16();
        assert!(matches!(status, 201 | 400 | 409), "{rest}: {}", reply.text);
        lists.push((of(rest), names.0, names.1, names.2));
    }
    lists
}

/// `phone_number_sid` as an element.
fn camel(key: &str) -> String {
    key.split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}

/// A record says in XML what it says in JSON.
fn assert_same(path: &str, node: Node<'_, '_>, value: &Value) {
    match value {
        Value::Object(fields) => {
            let (names, children): (Vec<_>, Vec<_>) = fields
                .keys()
                .map(|key| camel(key))
                .zip(node.children())
                .unzip();
            assert_eq!(children.len(), node.children().count(), "{path}: {value}");
            for ((name, child), value) in names.iter().zip(children).zip(fields.values()) {
                assert_eq!(child.tag_name().name(), name, "{path}");
                assert_same(path, child, value);
            }
        }
        Value::Array(items) => {
            assert_eq!(items.len(), node.children().count(), "{path}: {value}");
            for (child, item) in node.children().zip(items) {
                assert_same(path, child, item);
            }
        }
        Value::Null => assert_eq!(node.text(), None, "{path}"),
        Value::String(text) => {
            let shown = node.text().unwrap_or_default();
            let bare = text.replacen(".json", "", 1);
            assert!(shown == text || shown == bare, "{path}: {shown} for {text}");
        }
        other => assert_eq!(node.text(), Some(other.to_string().as_str()), "{path}"),
    }
}

// rest-14
#[tokio::test]
async fn each_list_is_a_document_with_the_names_of_its_resource() {
    let world = World::new().await;
    let account = format!("/2010-04-01/Accounts/{MAIN}");
    let mut lists: Vec<List> = furnished(&world)
        .await
        .into_iter()
        .map(|(path, key, list, one)| (format!("{account}{path}"), key, list, one))
        .collect();
    lists.push((
        "/2010-04-01/Accounts".to_owned(),
        "accounts",
        "Accounts",
        "Account",
    ));
    let mut seen = BTreeSet::new();
    for (path, key, list, one) in &lists {
        let json = world.get(&format!("{path}.json")).await.ok(200);
        let records = json[*key]
            .as_array()
            .unwrap_or_else(|| panic!("{path}: {json}"));
        assert!(!records.is_empty(), "{path} is empty");
        let reply = world.get(path).await;
        assert_eq!(
            reply.headers["content-type"],
            "application/xml;charset=utf-8"
        );
        let document =
            Document::parse(&reply.text).unwrap_or_else(|fault| panic!("{path}: {fault}"));
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "TwilioResponse");
        let shown = root.first_element_child().unwrap();
        assert_eq!(shown.tag_name().name(), *list, "{path}");
        assert_eq!(shown.children().count(), records.len(), "{path}");
        for (node, record) in shown.children().zip(records) {
            assert_eq!(node.tag_name().name(), *one, "{path}");
            assert_same(path, node, record);
        }
        seen.insert(*list);
    }
    assert_eq!(seen.len(), 18, "{seen:?}");
}

#[tokio::test]
async fn a_call_is_made_in_xml() {
    let world = World::new().await;
    let form = [
        ("To", "+14155550123"),
        ("From", NUMBER),
        ("Url", "http://example.com/"),
    ];
    let reply = world.post("/Calls", &form).await;
    assert_eq!(reply.status.as_u16(), 201);
    let document = Document::parse(&reply.text).unwrap();
    let call = document.root_element().first_element_child().unwrap();
    assert_eq!(call.tag_name().name(), "Call");
    let text = |name: &str| {
        let found = call.children().find(|node| node.has_tag_name(name));
        found.unwrap().text().unwrap_or_default().to_owned()
    };
    assert_eq!(
        (text("Status"), text("To")),
        ("queued".into(), "+14155550123".into())
    );
    let below = call
        .children()
        .find(|node| node.has_tag_name("SubresourceUris"));
    let below = below.unwrap();
    assert_eq!(below.children().count(), 11);
    for uri in below.children() {
        let uri = uri.text().unwrap();
        assert!(
            uri.starts_with("/2010-04-01/") && !uri.ends_with(".json"),
            "{uri}"
        );
    }
}
