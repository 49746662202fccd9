//! The variables by which unmodified programs find the way: a proxy, an authority to trust, and
//! credentials where there are none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::authority::Authority;
use crate::cli::client::Found;
use crate::cli::dotenv::DotEnv;

/// Files with authorities.
pub struct Bundles {
    /// Ours, and those that the user adds to node's own.
    additional: PathBuf,
    /// Ours and the system's: for programs that trust nothing but the file.
    whole: PathBuf,
}

impl Bundles {
    /// Writes them into the data folder.
    pub fn write(
        data: &Path,
        authority: &Authority,
        environment: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let mut additional = authority.pem.clone();
        if let Some(theirs) = environment.get("NODE_EXTRA_CA_CERTS") {
            additional += &std::fs::read_to_string(theirs).unwrap_or_default();
        }
        // Looks at SSL_CERT_FILE, too, so that what the user trusts stays trusted.
        let mut whole = additional.clone();
        for certificate in rustls_native_certs::load_native_certs().certs {
            whole += &pem(&certificate);
        }
        let write = |name: &str, text: String| {
            let path = data.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))
                .map(|()| path)
        };
        Ok(Bundles {
            additional: write("additional-authorities.pem", additional)?,
            whole: write("authorities.pem", whole)?,
        })
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// Hosts that are reached without the proxy.
const DIRECT: &str = "localhost,127.0.0.1,::1";

/// What is set for the program.
pub fn variables(
    environment: &BTreeMap<String, String>,
    dotenv: &DotEnv,
    found: &Found,
    proxy: &str,
    bundles: &Bundles,
) -> Vec<(String, String)> {
    let mut set = Vec::new();
    let mut put = |name: &str, value: &str| set.push((name.to_owned(), value.to_owned()));
    // Node's helper library looks at HTTP_PROXY for HTTPS, everybody else at HTTPS_PROXY; curl and
    // many others only at the lower case of the former.
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        put(name, proxy);
    }
    let direct = match environment.get("NO_PROXY").or(environment.get("no_proxy")) {
        Some(theirs) if !theirs.is_empty() => format!("{theirs},{DIRECT}"),
        _ => DIRECT.to_owned(),
    };
    for name in ["NO_PROXY", "no_proxy"] {
        put(name, &direct);
    }
    // From version 24 on node's own clients heed the proxy variables when they are told to.
    put("NODE_USE_ENV_PROXY", "1");
    put("NODE_EXTRA_CA_CERTS", &bundles.additional.to_string_lossy());
    for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
        put(name, &bundles.whole.to_string_lossy());
    }
    // All or nothing: an account of theirs with a key of ours would be a riddle.
    let theirs = environment.keys().any(|name| credential(name)) || dotenv.names().any(credential);
    if !theirs {
        let yours = found.numbers.get("yours");
        for (name, value) in [
            ("TWILIO_ACCOUNT_SID", Some(&found.account_sid)),
            ("TWILIO_AUTH_TOKEN", Some(&found.auth_token)),
            ("TWILIO_API_KEY", Some(&found.api_key_sid)),
            ("TWILIO_API_SECRET", Some(&found.api_key_secret)),
            ("TWILIO_TWIML_APP_SID", Some(&found.application_sid)),
            ("TWILIO_CALLER_ID", yours),
        ] {
            if let Some(value) = value
                && !value.is_empty()
            {
                put(name, value);
            }
        }
    }
    set
}

/// Whether a variable says who the program is.
fn credential(name: &str) -> bool {
    ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_API_KEY"]
        .iter()
        .any(|known| name.starts_with(known))
}

/// A value as a shell takes it.
pub fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.:_-,@+=%".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(environment: &[(&str, &str)], dotenv: &str) -> BTreeMap<String, String> {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let found = Found {
            account_sid: "AC1".to_owned(),
            auth_token: "token".to_owned(),
            api_key_sid: "SK1".to_owned(),
            api_key_secret: "secret".to_owned(),
            application_sid: "AP1".to_owned(),
            numbers: [("yours".to_owned(), "+15005550110".to_owned())].into(),
            ..Found::default()
        };
        let bundles = Bundles {
            additional: "/a.pem".into(),
            whole: "/w.pem".into(),
        };
        let dotenv = DotEnv::parse(dotenv);
        variables(
            &environment,
            &dotenv,
            &found,
            "http://x:y@127.0.0.1:1",
            &bundles,
        )
        .into_iter()
        .collect()
    }

    #[test]
    fn a_program_without_credentials_gets_ours_and_one_with_keeps_its_own() {
        let bare = set(&[], "PORT=3000\n");
        assert_eq!(bare["TWILIO_ACCOUNT_SID"], "AC1");
        assert_eq!(bare["TWILIO_API_SECRET"], "secret");
        assert_eq!(bare["TWILIO_CALLER_ID"], "+15005550110");
        for theirs in [
            set(&[("TWILIO_ACCOUNT_SID", "AC2")], ""),
            set(&[], "TWILIO_API_KEY=SK2\n"),
        ] {
            assert!(!theirs.keys().any(|name| name.starts_with("TWILIO_")));
        }
    }

    #[test]
    fn what_the_user_reaches_directly_stays_direct() {
        assert_eq!(set(&[], "")["NO_PROXY"], DIRECT);
        let kept = set(&[("NO_PROXY", "intranet")], "");
        assert_eq!(kept["no_proxy"], format!("intranet,{DIRECT}"));
        assert_eq!(kept["HTTP_PROXY"], kept["https_proxy"]);
        assert_eq!(kept["NODE_EXTRA_CA_CERTS"], "/a.pem");
        assert_eq!(kept["REQUESTS_CA_BUNDLE"], "/w.pem");
    }

    #[test]
    fn a_shell_understands_the_values() {
        assert_eq!(quoted("http://a:b@127.0.0.1:1"), "http://a:b@127.0.0.1:1");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
