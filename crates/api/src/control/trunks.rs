//! `/_switchboard/v1/trunks`: the ways to and from carriers. Ours; JSON in and out.

use axum::extract::Path;
use axum::http::StatusCode;
use model::error_code::ErrorCode;
use model::ip_access_control_list::IpNetwork;
use model::pii::Pii;
use model::sid::TrunkSid;
use model::trunk::{Transport, Trunk, TrunkMedia};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::{Ask, Reply};
use crate::date::iso8601;
use crate::error::Refusal;
use crate::page;
use crate::render::Answer;
use crate::router::not_found;

/// Most sources, and most prefixes, of a trunk.
const MAX_ENTRIES: usize = 200;

/// What a request says of a trunk; what it does not mention stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    transport: Option<Transport>,
    #[serde(default, deserialize_with = "super::mentioned")]
    username: Option<Option<String>>,
    #[serde(default, deserialize_with = "super::mentioned")]
    password: Option<Option<String>>,
    sources: Option<Vec<IpNetwork>>,
    default: Option<bool>,
    prefixes: Option<Vec<String>>,
    media: Option<TrunkMedia>,
}

impl Wanted {
    fn checked(self) -> Result<Self, Refusal> {
        let refuse = |text: &str| Err(Refusal::new(ErrorCode::INVALID_PARAMETER, text));
        let host = |host: &str| {
            !host.is_empty()
                && host.len() <= 253
                && host.bytes().all(|b| {
                    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']')
                })
        };
        if self.host.as_deref().is_some_and(|text| !host(text)) {
            return refuse("host must be a host name or an address");
        }
        if self.port == Some(0) {
            return refuse("port must be within 1 and 65535");
        }
        let prefix = |text: &String| {
            text.strip_prefix('+').is_some_and(|digits| {
                digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit())
            })
        };
        if self
            .prefixes
            .as_ref()
            .is_some_and(|all| !all.iter().all(prefix))
        {
            return refuse("prefixes must look like +49");
        }
        let too_many = self
            .prefixes
            .as_ref()
            .is_some_and(|all| all.len() > MAX_ENTRIES)
            || self
                .sources
                .as_ref()
                .is_some_and(|all| all.len() > MAX_ENTRIES);
        if too_many {
            return refuse("too many sources or prefixes");
        }
        Ok(self)
    }

    fn apply(self, trunk: &mut Trunk) {
        let port_given = self.port.is_some();
        if let Some(name) = self.name {
            trunk.name = name;
        }
        if let Some(host) = self.host {
            trunk.host = host;
        }
        if let Some(transport) = self.transport {
            // A port that was only the default of the old transport follows the new one.
            if !port_given && trunk.port == trunk.transport.default_port() {
                trunk.port = transport.default_port();
            }
            trunk.transport = transport;
        }
        if let Some(port) = self.port {
            trunk.port = port;
        }
        if let Some(username) = self.username {
            trunk.username = username;
        }
        if let Some(password) = self.password {
            trunk.password = password.map(Pii);
        }
        if let Some(sources) = self.sources {
            trunk.sources = sources;
        }
        if let Some(default) = self.default {
            trunk.default = default;
        }
        if let Some(prefixes) = self.prefixes {
            trunk.prefixes = prefixes;
        }
        if let Some(media) = self.media {
            trunk.media = media;
        }
    }
}

/// `GET /_switchboard/v1/trunks`.
pub async fn list(ask: Ask) -> Reply {
    let request = page::wanted(&ask)?;
    let found = ask
        .app
        .store
        .trunks()
        .list(ask.account_sid(), &request)
        .await?;
    page::list_with_meta(&ask, "trunks", found, wire)
}

/// `POST /_switchboard/v1/trunks`.
pub async fn create(ask: Ask) -> Reply {
    ask.main_only()?;
    let wanted = ask.json::<Wanted>()?.checked()?;
    let Some(host) = wanted.host.clone() else {
        return Err(Refusal::new(
            ErrorCode::INVALID_PARAMETER,
            "host is required",
        ));
    };
    let mut trunk = Trunk {
        sid: TrunkSid::from_bytes(ask.app.draw()),
        account: ask.account_sid(),
        name: host.clone(),
        host,
        port: Transport::default().default_port(),
        transport: Transport::default(),
        username: None,
        password: None,
        sources: Vec::new(),
        default: false,
        prefixes: Vec::new(),
        media: TrunkMedia::default(),
        created: ask.now,
        updated: ask.now,
    };
    wanted.apply(&mut trunk);
    ask.app.store.trunks().insert(trunk.clone()).await?;
    ask.app.live.trunks_changed().await;
    Ok(Answer::Json(StatusCode::CREATED, wire(&trunk)))
}

/// `GET /_switchboard/v1/trunks/{sid}`.
pub async fn fetch(ask: Ask, Path(sid): Path<TrunkSid>) -> Reply {
    let found = ask.app.store.trunks().find(ask.account_sid(), sid).await?;
    let trunk = found.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::Json(StatusCode::OK, wire(&trunk)))
}

/// `POST /_switchboard/v1/trunks/{sid}`: what is not mentioned stays, `null` clears.
pub async fn update(ask: Ask, Path(sid): Path<TrunkSid>) -> Reply {
    ask.main_only()?;
    let wanted = ask.json::<Wanted>()?.checked()?;
    let now = ask.now;
    let changed = ask
        .app
        .store
        .trunks()
        .update(ask.account_sid(), sid, move |trunk| {
            wanted.apply(trunk);
            trunk.updated = now;
        })
        .await?;
    let trunk = changed.ok_or_else(|| not_found(&ask.path))?;
    ask.app.live.trunks_changed().await;
    Ok(Answer::Json(StatusCode::OK, wire(&trunk)))
}

/// `DELETE /_switchboard/v1/trunks/{sid}`.
pub async fn delete(ask: Ask, Path(sid): Path<TrunkSid>) -> Reply {
    ask.main_only()?;
    if ask
        .app
        .store
        .trunks()
        .remove(ask.account_sid(), sid)
        .await?
    {
        ask.app.live.trunks_changed().await;
        Ok(Answer::Nothing)
    } else {
        Err(not_found(&ask.path))
    }
}

/// The record as it is shown: whether there is a password, never which.
fn wire(trunk: &Trunk) -> Value {
    json!({
        "sid": trunk.sid,
        "account_sid": trunk.account,
        "name": trunk.name,
        "host": trunk.host,
        "port": trunk.port,
        "transport": trunk.transport,
        "username": trunk.username,
        "password_set": trunk.password.is_some(),
        "sources": trunk.sources,
        "default": trunk.default,
        "prefixes": trunk.prefixes,
        "media": trunk.media,
        "date_created": iso8601(trunk.created),
        "date_updated": iso8601(trunk.updated),
    })
}
