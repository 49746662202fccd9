//! The trunks of the configuration file, made into the same records that the control plane makes.

use model::now::Wall;
use model::pii::Pii;
use model::sid::TrunkSid;
use model::trunk::Trunk;
use store::{Error, Store};

use crate::config::TrunkSetting;

/// Writes down the trunks of the file: known ones, by name, are changed to what it says now. They
/// belong to the oldest account, whose subaccounts may use them too. One that is taken out of the
/// file stays until it is removed in the control plane.
pub async fn write_trunks(
    store: &Store,
    now: Wall,
    settings: &[TrunkSetting],
) -> Result<(), Error> {
    if settings.is_empty() {
        return Ok(());
    }
    let Some(account) = store.accounts().oldest().await? else {
        tracing::warn!(
            "the trunks of the file wait for an account: run 'switchboard account', then start again"
        );
        return Ok(());
    };
    let known = store.trunks().all().await?;
    for setting in settings {
        let old = known
            .iter()
            .find(|trunk| trunk.account == account.sid && trunk.name == setting.name);
        let trunk = Trunk {
            sid: old.map_or_else(|| TrunkSid::from_bytes(rand::random()), |trunk| trunk.sid),
            account: account.sid,
            name: setting.name.clone(),
            host: setting.host.clone(),
            port: setting.port.unwrap_or(setting.transport.default_port()),
            transport: setting.transport,
            username: setting.username.clone(),
            password: setting
                .password
                .as_ref()
                .map(|password| Pii(password.0.clone())),
            sources: setting.sources.clone(),
            default: setting.default,
            prefixes: setting.prefixes.clone(),
            media: setting.media,
            created: old.map_or(now, |trunk| trunk.created),
            updated: now,
        };
        if old.is_some() {
            store
                .trunks()
                .update(account.sid, trunk.sid, |record| *record = trunk)
                .await?;
        } else {
            store.trunks().insert(trunk).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Location;

    #[tokio::test]
    async fn a_trunk_of_the_file_is_made_once_and_follows_the_file() {
        let (store, writer) = Store::open(Location::Memory).await.unwrap();
        tokio::spawn(writer.run());
        crate::seed::sow(
            &store,
            Wall(1),
            "http://127.0.0.1:1",
            ([127, 0, 0, 1], 9).into(),
        )
        .await
        .unwrap();
        let mut setting = TrunkSetting {
            name: "carrier".to_owned(),
            host: "sip.example.net".to_owned(),
            port: None,
            transport: Default::default(),
            username: None,
            password: None,
            sources: Vec::new(),
            prefixes: vec!["+49".to_owned()],
            media: model::trunk::TrunkMedia::Described,
            default: false,
        };
        for host in ["sip.example.net", "sip2.example.net"] {
            setting.host = host.to_owned();
            write_trunks(&store, Wall(2), std::slice::from_ref(&setting))
                .await
                .unwrap();
            let all = store.trunks().all().await.unwrap();
            let made: Vec<_> = all.iter().filter(|trunk| trunk.name == "carrier").collect();
            assert_eq!(made.len(), 1);
            assert_eq!((made[0].host.as_str(), made[0].port), (host, 5060));
            assert_eq!(made[0].media, model::trunk::TrunkMedia::Described);
        }
    }
}
