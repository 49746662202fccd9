//! `[[trunk]]`: the ways to and from carriers, as the configuration file has them.

use std::fmt::Write as _;

use model::ip_access_control_list::IpNetwork;
use model::pii::Pii;
use model::trunk::{Transport, TrunkMedia};
use serde::Deserialize;

use super::Invalid;
use super::layers::unknown_key;

/// A trunk of the configuration file: the way to and from a carrier.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkSetting {
    /// What people call it; a name appears once.
    pub name: String,
    /// Host name or address of the carrier.
    pub host: String,
    /// Its port; without one, that of the transport.
    pub port: Option<u16>,
    /// What SIP travels on.
    #[serde(default)]
    pub transport: Transport,
    /// User name for the carrier's challenge.
    pub username: Option<String>,
    /// Password for the carrier's challenge.
    pub password: Option<Pii<String>>,
    /// Addresses from which the carrier sends us calls.
    #[serde(default)]
    pub sources: Vec<IpNetwork>,
    /// The beginnings of numbers it takes, like `+49`.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Whether it takes the numbers that no prefix claims.
    #[serde(default)]
    pub default: bool,
    /// Where its sound is taken from.
    #[serde(default)]
    pub media: TrunkMedia,
}

/// The keys of a `[[trunk]]`, for messages about unknown ones.
const TRUNK_KEYS: [&str; 10] = [
    "name",
    "host",
    "port",
    "transport",
    "username",
    "password",
    "sources",
    "prefixes",
    "default",
    "media",
];

/// How one is written; in the example file as a comment.
pub(super) const EXAMPLE: &str = "\
A trunk is the way to and from a carrier. There may be several; each has a heading of its own.
`prefixes` are the beginnings of numbers that it takes, the longest of all trunks wins; one trunk
may be the `default` for all other numbers. `sources` are the addresses from which the carrier
sends calls: calls from elsewhere are challenged. `transport` is udp, tcp or tls. Without `port`,
it is 5060, and 5061 for tls. `media` says where its sound is taken from: `symmetric`, from where
it comes, as behind address translation it must be, or `described`, only from the address that the
carrier's description names. Default: no trunk; calls to telephone numbers then fail.

[[trunk]]
name = \"carrier\"
host = \"sip.carrier.example\"
port = 5060
transport = \"udp\"
username = \"customer\"
password = \"secret\"
sources = [\"192.0.2.0/24\"]
prefixes = [\"+49\"]
default = true
media = \"symmetric\"
";

/// Reads all of them.
pub(super) fn read(value: toml::Value) -> Result<Vec<TrunkSetting>, Invalid> {
    let toml::Value::Array(all) = value else {
        return Err(Invalid(
            "write each trunk under a heading of its own, [[trunk]]".to_owned(),
        ));
    };
    let numbered = all.into_iter().enumerate();
    let read = numbered.map(|(at, trunk)| {
        read_one(trunk).map_err(|wrong| Invalid(format!("[[trunk]] number {}: {wrong}", at + 1)))
    });
    read.collect()
}

fn read_one(trunk: toml::Value) -> Result<TrunkSetting, String> {
    let mut keys = trunk.as_table().into_iter().flat_map(toml::Table::keys);
    if let Some(unknown) = keys.find(|key| !TRUNK_KEYS.contains(&key.as_str())) {
        return Err(unknown_key(unknown, TRUNK_KEYS));
    }
    trunk.try_into().map_err(|error: toml::de::Error| {
        format!(
            "{}; `switchboard config --example` shows one",
            error.to_string().trim_end()
        )
    })
}

/// What must hold for all of them together, and what the types cannot say.
pub(super) fn check(trunks: &[TrunkSetting]) -> Result<(), Invalid> {
    let mut names: Vec<&str> = Vec::new();
    for trunk in trunks {
        let name = &trunk.name;
        let wrong = |cure: &str| Err(Invalid(format!("trunk `{name}`: {cure}")));
        if name.is_empty() || names.contains(&name.as_str()) {
            return wrong("give every trunk a name of its own");
        }
        if trunk.host.is_empty() || trunk.host.contains(|c: char| c == '/' || c.is_whitespace()) {
            return wrong("host is a host name or an address, like sip.carrier.example");
        }
        if trunk.password.is_some() && trunk.username.is_none() {
            return wrong("a password needs a username");
        }
        let plain = |prefix: &String| {
            prefix
                .strip_prefix('+')
                .is_some_and(|rest| rest.len() <= 15 && rest.bytes().all(|b| b.is_ascii_digit()))
        };
        if let Some(prefix) = trunk.prefixes.iter().find(|prefix| !plain(prefix)) {
            return wrong(&format!(
                "`{prefix}` is not the beginning of a number; write something like +49"
            ));
        }
        names.push(name);
    }
    if trunks.iter().filter(|trunk| trunk.default).count() > 1 {
        return Err(Invalid(
            "two trunks say `default = true`; only one can take the numbers that no prefix claims"
                .to_owned(),
        ));
    }
    Ok(())
}

impl TrunkSetting {
    /// As the configuration file has it. The password is not shown.
    pub(super) fn write(&self, out: &mut String) {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let sources: Vec<String> = self.sources.iter().map(ToString::to_string).collect();
        let port = self.port.unwrap_or(self.transport.default_port());
        let _ = writeln!(
            out,
            "\n[[trunk]]\nname = {}\nhost = {}\nport = {port}",
            quoted(&self.name),
            quoted(&self.host)
        );
        let _ = writeln!(out, "transport = \"{}\"", self.transport);
        if let Some(username) = &self.username {
            let _ = writeln!(out, "username = {}", quoted(username));
        }
        if self.password.is_some() {
            let _ = writeln!(out, "# password is set and not shown");
        }
        let _ = writeln!(out, "sources = {}", toml::Value::from(sources));
        let _ = writeln!(
            out,
            "prefixes = {}",
            toml::Value::from(self.prefixes.clone())
        );
        let _ = writeln!(out, "default = {}", self.default);
        let _ = writeln!(out, "media = \"{}\"", self.media);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::tests::{file, refused};
    use crate::config::{Config, Mode};

    #[test]
    fn trunks_are_read_checked_and_their_passwords_hidden() {
        let text = "[[trunk]]\nname = \"a\"\nhost = \"sip.a.example\"\ntransport = \"tls\"\nusername = \"u\"\npassword = \"opensesame\"\nsources = [\"192.0.2.0/24\"]\nprefixes = [\"+49\"]\ndefault = true\n";
        let resolved = Config::resolve(Mode::Production, &file(text)).unwrap();
        assert_eq!(resolved.config.trunks[0].transport, Transport::Tls);
        assert!(!format!("{resolved:?}{}", resolved.toml()).contains("opensesame"));
        let twice = |name: &str| {
            format!(
                "{text}\n{}",
                text.replace("name = \"a\"", &format!("name = \"{name}\""))
            )
        };
        assert!(refused(Mode::Production, &file(&twice("a"))).contains("a name of its own"));
        assert!(refused(Mode::Production, &file(&twice("b"))).contains("two trunks"));
        assert!(refused(Mode::Production, &file(&text.replace("+49", "49"))).contains("like +49"));
        assert!(
            refused(
                Mode::Production,
                &file(&text.replace("username = \"u\"\n", ""))
            )
            .contains("needs a username")
        );
        assert!(
            refused(Mode::Production, &file(&text.replace("\"tls\"", "\"tsl\"")))
                .contains("udp, tcp, tls")
        );
    }
}
