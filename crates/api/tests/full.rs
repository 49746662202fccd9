//! What happens when there is no room for one more.
#![allow(clippy::unwrap_used)]

#[path = "common/world.rs"]
mod common;

use common::World;

/// Posts until there is no room, which must be after `limit`.
async fn fill(
    world: &World,
    path: &str,
    limit: u32,
    code: u32,
    form: impl Fn(u32) -> Vec<(&'static str, String)>,
) {
    let post = async |index: u32| {
        let form = form(index);
        let form: Vec<_> = form
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        world.post(path, &form).await
    };
    for index in 0..limit {
        post(index).await.ok(201);
    }
    post(limit).await.refused(400, code);
}

#[tokio::test]
async fn a_resource_that_is_full_says_so_with_its_code() {
    let world = World::new().await;
    let made = |path: &'static str| world.post(path, &[("FriendlyName", "full")]);
    let list = made("/SIP/CredentialLists.json").await.ok(201);
    let path = format!(
        "/SIP/CredentialLists/{}/Credentials.json",
        list["sid"].as_str().unwrap()
    );
    fill(&world, &path, 1000, 21242, |index| {
        vec![
            ("Username", format!("user{index}")),
            ("Password", "Password12345".into()),
        ]
    })
    .await;
    let list = made("/SIP/IpAccessControlLists.json").await.ok(201);
    let path = format!(
        "/SIP/IpAccessControlLists/{}/IpAddresses.json",
        list["sid"].as_str().unwrap()
    );
    fill(&world, &path, 1000, 21237, |index| {
        let address = format!("10.0.{}.{}", index / 250, index % 250);
        vec![("FriendlyName", "one".into()), ("IpAddress", address)]
    })
    .await;
}
