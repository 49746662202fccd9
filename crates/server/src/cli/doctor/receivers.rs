//! Names that must have an address, and customers' programs that must be reachable.
//!
//! A program is connected to, not asked: a request would be one that it must answer for.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use url::Url;

use super::{Finding, State, t};
use crate::banner::Language;
use crate::cli::client::Client;
use crate::config::Config;
use crate::run;

/// How long a name or a connection may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most programs that are tried: the rest would take longer than anybody waits.
const MOST: usize = 20;

/// `localhost`, our own name and the carriers'.
pub async fn names(config: &Config, language: Language) -> Vec<Finding> {
    let own = config
        .public_host
        .as_deref()
        .map(|host| ("public-host", host));
    let trunks = config
        .trunks
        .iter()
        .map(|trunk| ("trunk", trunk.host.as_str()));
    let mut findings = Vec::new();
    for (setting, host) in [("hosts file", "localhost")]
        .into_iter()
        .chain(own)
        .chain(trunks)
    {
        let found = match addresses(host, 0).await {
            Ok(addresses) => {
                let first = addresses[0].ip();
                Finding::ok(
                    "dns",
                    t(
                        language,
                        format!("{host} is {first}"),
                        format!("{host} は {first} です"),
                    ),
                )
            }
            Err(error) => Finding::ill(
                "dns",
                State::Wrong,
                format!("{host}: {error}"),
                t(
                    language,
                    format!(
                        "correct the name ({setting}), or let this computer's resolver know it"
                    ),
                    format!(
                        "名前（{setting}）を直すか、このコンピューターで名前解決できるようにしてください"
                    ),
                ),
            ),
        };
        findings.push(found);
    }
    findings
}

/// The programs named, and those of the development server that runs with this data folder.
pub async fn programs(
    config: &Config,
    named: Vec<String>,
    running: bool,
    language: Language,
) -> Vec<Finding> {
    // What was named must work; what is merely configured may be meant for later.
    let mut wanted: Vec<(String, State)> =
        (named.into_iter()).map(|url| (url, State::Wrong)).collect();
    if running {
        let configured = configured(config).await;
        wanted.extend(configured.into_iter().map(|url| (url, State::Warning)));
    }
    let mut findings = Vec::new();
    for (url, bad) in wanted.into_iter().take(MOST) {
        findings.push(program(config, &url, bad, language).await);
    }
    findings
}

/// The voice URLs of the running server's numbers and applications, without its own demo programs.
async fn configured(config: &Config) -> BTreeSet<String> {
    let Ok(client) = Client::of_folder(&config.data) else {
        return BTreeSet::new();
    };
    let mut urls = BTreeSet::new();
    for (resource, list) in [
        ("IncomingPhoneNumbers", "incoming_phone_numbers"),
        ("Applications", "applications"),
    ] {
        let path = client.of_account(&format!("/{resource}.json?PageSize=100"));
        let Ok(page) = client.fetch(&path).await else {
            continue;
        };
        let all = page[list].as_array().into_iter().flatten();
        urls.extend(
            all.filter_map(|one| one["voice_url"].as_str())
                .filter(|url| !url.is_empty() && !url.contains("/_switchboard/demo/"))
                .map(str::to_owned),
        );
    }
    urls
}

async fn program(config: &Config, text: &str, bad: State, language: Language) -> Finding {
    let check = "receiver";
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some((url, port)) = url.and_then(|url| {
        let port = url.port_or_known_default()?;
        Some((url, port))
    }) else {
        return Finding::ill(
            check,
            bad,
            t(
                language,
                format!("{text} is no URL of the web"),
                format!("{text} は URL ではありません"),
            ),
            t(
                language,
                "write it like https://app.example.org/voice",
                "https://app.example.org/voice のように書いてください",
            ),
        );
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let addresses = match addresses(host, port).await {
        Ok(addresses) => addresses,
        Err(error) => {
            let cure = t(
                language,
                "correct the host in the URL, or let this computer's resolver know it",
                "URL のホスト名を直すか、名前解決できるようにしてください",
            );
            return Finding::ill(check, bad, format!("{text}: {error}"), cure);
        }
    };
    let permitted: Vec<SocketAddr> = match run::egress(config) {
        Ok(policy) => (addresses.iter().copied())
            .filter(|address| policy.permits(address.ip()))
            .collect(),
        Err(error) => {
            let cure = t(
                language,
                "write networks like 10.0.0.0/8",
                "10.0.0.0/8 のように書いてください",
            );
            return Finding::ill("egress-allow", State::Wrong, error.to_string(), cure);
        }
    };
    if permitted.is_empty() {
        let ip = addresses[0].ip();
        return Finding::ill(
            check,
            bad,
            t(
                language,
                format!("{text} is at {ip}, which webhooks may not reach (error 11200)"),
                format!("{text} のアドレス {ip} にはウェブフックを送れません（エラー 11200）"),
            ),
            t(
                language,
                format!(
                    "if it is yours, set --egress-allow {ip}/{}",
                    if ip.is_ipv4() { 32 } else { 128 }
                ),
                format!(
                    "自分のサーバーなら --egress-allow {ip}/{} を設定してください",
                    if ip.is_ipv4() { 32 } else { 128 }
                ),
            ),
        );
    }
    match tokio::time::timeout(PATIENCE, TcpStream::connect(permitted.as_slice())).await {
        Ok(Ok(_)) => Finding::ok(
            check,
            t(
                language,
                format!("{text} takes connections"),
                format!("{text} に接続できます"),
            ),
        ),
        Ok(Err(error)) => Finding::ill(
            check,
            bad,
            format!("{text}: {error}"),
            t(
                language,
                format!("start the program that is to listen on port {port}, or correct the URL"),
                format!("ポート {port} で待ち受けるプログラムを起動するか、URL を直してください"),
            ),
        ),
        Err(_) => Finding::ill(
            check,
            bad,
            t(
                language,
                format!("{text}: no connection within {} s", PATIENCE.as_secs()),
                format!("{text}: {} 秒以内に接続できません", PATIENCE.as_secs()),
            ),
            t(
                language,
                "look at the firewalls on the way, and at the address",
                "途中のファイアウォールとアドレスを確認してください",
            ),
        ),
    }
}

/// At least one address, or why there is none.
async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::time::timeout(PATIENCE, lookup_host((host, port)))
        .await
        .map_err(|_| {
            format!(
                "no answer from the resolver within {} s",
                PATIENCE.as_secs()
            )
        })?
        .map_err(|error| error.to_string())?;
    let found: Vec<SocketAddr> = found.collect();
    match found.is_empty() {
        true => Err("the name has no address".to_owned()),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[tokio::test]
    async fn a_program_is_connected_to_and_its_absence_has_a_cure() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/voice", listener.local_addr().unwrap());
        let found = program(&config(), &url, State::Wrong, Language::En).await;
        assert_eq!(found.state, State::Ok, "{found:?}");
        drop(listener);
        let found = program(&config(), &url, State::Warning, Language::En).await;
        assert_eq!(found.state, State::Warning, "{found:?}");
        assert!(found.cure.unwrap().contains("start the program"));
    }

    #[tokio::test]
    async fn production_names_the_setting_that_lets_a_private_address_be_reached() {
        let found = program(
            &Config::production(),
            "http://127.0.0.1:3000/",
            State::Wrong,
            Language::En,
        )
        .await;
        assert!(found.cure.unwrap().contains("--egress-allow 127.0.0.1/32"));
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_wrong() {
        let mut config = config();
        config.public_host = Some("no-such-name.invalid".to_owned());
        let found = names(&config, Language::En).await;
        assert_eq!(found[0].state, State::Ok, "{found:?}");
        assert_eq!(found[1].state, State::Wrong, "{found:?}");
    }
}
