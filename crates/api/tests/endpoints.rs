//! Every path of 2010 that the contract lists, against what is routed (`endpoints.tsv`).
#![allow(clippy::unwrap_used)]

#[path = "common/world.rs"]
mod common;

use std::collections::BTreeSet;

use common::{MAIN, SUB, World};
use model::account::KeyClass;
use model::sid::{AccountSid, KeySid};

/// A line of the table: the path as a template, and its methods; none if it is not there.
struct Endpoint {
    template: &'static str,
    methods: BTreeSet<&'static str>,
}

impl Endpoint {
    /// A path of this kind, below this account, with identifiers of the right form.
    fn path(&self, account: AccountSid) -> String {
        let account = format!("/2010-04-01/Accounts/{account}");
        match self.template {
            ".." => return "/2010-04-01/Accounts.json".into(),
            "." => return format!("{account}.json"),
            _ => {}
        }
        let mut path = account;
        let mut before = "";
        for part in self.template.split('/').skip(1) {
            path.push('/');
            let (name, ending) = part
                .strip_suffix(".json")
                .map_or((part, ""), |name| (name, ".json"));
            match name {
                "{CountryCode}" => path.push_str("US"),
                name if name.starts_with('{') => {
                    let prefix = match before {
                        "Applications" => "AP",
                        "Calls" => "CA",
                        "Keys" | "SigningKeys" => "SK",
                        "Notifications" => "NO",
                        "IncomingPhoneNumbers" | "OutgoingCallerIds" => "PN",
                        "Domains" => "SD",
                        "CredentialLists" | "CredentialListMappings" => "CL",
                        "IpAccessControlLists" | "IpAccessControlListMappings" => "AL",
                        "Credentials" => "CR",
                        "IpAddresses" => "IP",
                        "UserDefinedMessageSubscriptions" => "ZY",
                        _ => "XX",
                    };
                    path.push_str(&format!("{prefix}{}", "0".repeat(32)));
                }
                name => path.push_str(name),
            }
            path.push_str(ending);
            before = name;
        }
        path
    }

    /// What only a main key may touch (contract 2.1).
    fn of_main_keys(&self) -> bool {
        ["/Keys", "/SigningKeys"]
            .iter()
            .any(|start| self.template.starts_with(start))
            || self.template.starts_with('.')
    }
}

fn table() -> Vec<Endpoint> {
    include_str!("endpoints.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (template, says) = line.split_once('\t').unwrap();
            let methods = match says {
                "later" | "removed" => BTreeSet::new(),
                methods => methods.split(',').collect(),
            };
            Endpoint { template, methods }
        })
        .collect()
}

// rest-1
#[tokio::test]
async fn each_path_has_its_methods_and_the_others_are_not_there() {
    let table = table();
    assert!(table.iter().filter(|e| !e.methods.is_empty()).count() >= 52);
    let world = World::new().await;
    let who = format!("{MAIN}:main");
    for endpoint in &table {
        for path in [
            endpoint.path(MAIN),
            endpoint.path(MAIN).replace(".json", ""),
        ] {
            if endpoint.methods.is_empty() {
                for method in ["GET", "POST"] {
                    let reply = world.asks(&who, method, &path, &[]).await;
                    assert_eq!(reply.status.as_u16(), 404, "{path}: {}", reply.text);
                    assert!(reply.text.contains("20404"), "{path}: {}", reply.text);
                }
                continue;
            }
            // A method that no resource has: the answer names those that this one has.
            let reply = world.asks(&who, "PATCH", &path, &[]).await;
            assert_eq!(reply.status.as_u16(), 405, "{path}: {}", reply.text);
            assert!(reply.text.contains("20004"), "{path}: {}", reply.text);
            let allow = reply.headers["allow"].to_str().unwrap();
            let allowed: BTreeSet<_> = allow.split(',').filter(|m| *m != "HEAD").collect();
            assert_eq!(allowed, endpoint.methods, "{path}");
        }
    }
}

// rest-2
#[tokio::test]
async fn a_standard_key_may_do_all_but_touch_accounts_and_keys() {
    let world = World::new().await;
    let keys: [KeySid; 2] = [
        world.key(6, KeyClass::Standard).await,
        world.key(7, KeyClass::Main).await,
    ];
    let mut refused = 0;
    for endpoint in table() {
        for method in &endpoint.methods {
            for account in [MAIN, SUB] {
                for key in keys {
                    let path = endpoint.path(account);
                    let reply = world
                        .asks(&format!("{key}:secret"), method, &path, &[])
                        .await;
                    if key == keys[0] && endpoint.of_main_keys() {
                        reply.refused(401, 20003);
                        refused += 1;
                    } else {
                        let status = reply.status.as_u16();
                        assert!(
                            !matches!(status, 401 | 403 | 405 | 500..),
                            "{method} {path}: {}",
                            reply.text
                        );
                    }
                }
            }
        }
    }
    // Two paths of accounts with two methods, two views of keys with five, for two accounts.
    assert_eq!(refused, (4 + 10) * 2);
}

// rest-3
#[tokio::test]
async fn the_version_names_the_accounts_and_nobody_is_charged() {
    let world = World::new().await;
    let version = world.get("/2010-04-01.json").await.ok(200);
    assert_eq!(
        version["subresource_uris"]["accounts"],
        "/2010-04-01/Accounts.json"
    );
    let balance = world.get("/Balance.json").await.ok(200);
    assert_eq!(balance["balance"], "0.00");
    assert_eq!(balance["currency"], "USD");
    assert_eq!(balance["account_sid"], MAIN.to_string());
}
