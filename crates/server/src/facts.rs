//! What a running system tells of itself: printed by `switchboard dev`, as text or as JSON.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

use crate::config::{Config, Mode};
use crate::seed;

/// What a program or a person needs to know to use this system.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    /// `http://127.0.0.1:PORT`.
    pub api: String,
    /// `https://127.0.0.1:PORT`.
    pub api_tls: Option<String>,
    /// SHA-256 of the public key of TLS, base64, as `--ignore-certificate-errors-spki-list` of
    /// Chromium takes it.
    pub tls_key_sha256: String,
    /// `127.0.0.1:PORT`, UDP and TCP.
    pub sip: String,
    /// `127.0.0.1:PORT`, TLS.
    pub sip_tls: Option<String>,
    /// The account; in production, empty: it is not ours to show.
    pub account_sid: String,
    /// Its token.
    pub auth_token: String,
    /// An API key.
    pub api_key_sid: String,
    /// Its secret.
    pub api_key_secret: String,
    /// The TwiML application of the number `yours`.
    pub application_sid: String,
    /// The application for the SDKs' preflight test.
    pub preflight_application_sid: String,
    /// Purpose to number.
    pub numbers: BTreeMap<String, String>,
    /// The virtual telephones.
    pub phones: Vec<String>,
    /// The SIP domain to register with; `localhost` stands for it.
    pub sip_domain: String,
    /// A user who may register.
    pub sip_user: String,
    /// That user's password.
    pub sip_password: String,
}

impl Facts {
    /// Of a system that listens at these addresses.
    pub fn new(
        config: &Config,
        api: String,
        api_tls: Option<String>,
        tls_key_sha256: String,
        sip: SocketAddr,
        sip_tls: Option<SocketAddr>,
    ) -> Self {
        let development = config.mode == Mode::Development;
        let known = |text: String| if development { text } else { String::new() };
        Facts {
            api,
            api_tls,
            tls_key_sha256,
            sip: sip.to_string(),
            sip_tls: sip_tls.map(|address| address.to_string()),
            account_sid: known(seed::account_sid().to_string()),
            auth_token: known(seed::TOKEN.to_owned()),
            api_key_sid: known(seed::key_sid().to_string()),
            api_key_secret: known(seed::TOKEN.to_owned()),
            application_sid: known(seed::application_sid().to_string()),
            preflight_application_sid: known(seed::preflight_application_sid().to_string()),
            numbers: if development {
                seed::numbers()
            } else {
                BTreeMap::new()
            },
            phones: if development {
                seed::phones().iter().map(ToString::to_string).collect()
            } else {
                Vec::new()
            },
            sip_domain: known(seed::DOMAIN.to_owned()),
            sip_user: known(seed::SIP_USERS[0].to_owned()),
            sip_password: known(seed::SIP_PASSWORD.to_owned()),
        }
    }
}
