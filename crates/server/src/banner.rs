//! What `switchboard dev` prints to a person: where everything is, and four things to try.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::net::SocketAddr;

use crate::facts::Facts;

/// Widest line, in columns of a terminal.
const WIDTH: usize = 80;
/// Where values begin.
const INDENT: usize = 15;

/// Languages of the banner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Japanese.
    Ja,
}

impl Language {
    /// The language asked for, else that of the environment, in the order of POSIX.
    pub fn wanted(flag: Option<&str>, env: impl Fn(&str) -> Option<String>) -> Self {
        let locale = || {
            ["LC_ALL", "LC_MESSAGES", "LANG"]
                .into_iter()
                .filter_map(env)
                .find(|set| !set.is_empty())
        };
        let japanese = match flag {
            Some(flag) => flag == "ja",
            None => locale().is_some_and(|locale| locale == "ja" || locale.starts_with("ja_")),
        };
        if japanese { Language::Ja } else { Language::En }
    }

    /// The text of the language.
    pub fn pick<'a>(self, en: &'a str, ja: &'a str) -> &'a str {
        match self {
            Language::En => en,
            Language::Ja => ja,
        }
    }
}

/// Whether the standard output takes colour: a terminal, unless `NO_COLOR` says no (no-color.org).
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

/// What the banner tells besides the facts.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The data folder, as it was named.
    pub data: String,
    /// How this program is started from the folder that we are in.
    pub program: String,
    /// Whether the developer's own program is there already.
    pub listens: bool,
    /// Usual addresses that others have, each with the process where it is known.
    pub taken: Vec<(SocketAddr, Option<String>)>,
}

/// How a person starts this program from here: by its name if the shell finds it, else by its path.
pub fn program() -> String {
    const NAME: &str = "switchboard";
    let Ok(own) = std::env::current_exe() else {
        return NAME.to_owned();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(NAME))
        .find_map(|program| program.canonicalize().ok());
    if found.is_some() && found == own.canonicalize().ok() {
        return NAME.to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let path = match own.strip_prefix(here) {
        // One folder deep at least, or the shell would look for a name.
        Ok(below) if below.components().count() > 1 => below,
        _ => &own,
    };
    quoted(&path.to_string_lossy())
}

/// The banner. Identifiers and commands are the same in every language, and can be pasted.
pub fn banner(facts: &Facts, around: &Surroundings, language: Language, colour: bool) -> String {
    let Surroundings {
        data,
        program,
        listens,
        taken,
    } = around;
    let mut out = String::new();
    let t = |en: &'static str, ja: &'static str| language.pick(en, ja);
    let bold = |text: &str| {
        if colour {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let version = env!("CARGO_PKG_VERSION");
    let mode = t(
        "development mode, only this computer can connect",
        "開発モード（このコンピューターからのみ接続できます）",
    );
    let _ = writeln!(out, "{}  {mode}", bold(&format!("Switchboard {version}")));
    let kept = t("Everything is kept in", "データの保存先:");
    let _ = writeln!(out, "{kept} {data}");
    for (address, holder) in taken {
        let another = t("another program", "他のプログラム");
        let holder = holder.as_deref().unwrap_or(another);
        let _ = match language {
            Language::En => writeln!(out, "{address} is taken by {holder}: another port is used"),
            Language::Ja => writeln!(
                out,
                "{address} は {holder} が使用中のため、別のポートを使います"
            ),
        };
    }
    out.push('\n');

    let mut row = |name: &str, values: &[&str]| push_wrapped(&mut out, name, values);
    row("API", &[&facts.api]);
    if let Some(tls) = &facts.api_tls {
        row(
            "",
            &[
                tls,
                t(
                    "(`switchboard trust` makes browsers accept it)",
                    "（`switchboard trust` でブラウザーに信頼させます）",
                ),
            ],
        );
    }
    row("SIP", &[&facts.sip, "udp tcp"]);
    if let Some(tls) = &facts.sip_tls {
        row("", &[tls, "tls"]);
    }
    row("Account SID", &[&facts.account_sid]);
    row("Auth Token", &[&facts.auth_token]);
    row("API Key", &[&facts.api_key_sid]);
    row(t("  secret", "  シークレット"), &[&facts.api_key_secret]);
    row("TwiML App", &[&facts.application_sid]);

    let numbers: Vec<String> = facts
        .numbers
        .iter()
        .map(|(purpose, number)| format!("{number} {purpose}"))
        .collect();
    row(
        t("Numbers", "電話番号"),
        &numbers.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    if let (Some(first), Some(last)) = (facts.phones.first(), facts.phones.last()) {
        let span = format!("{first} {} {last}", t("to", "～"));
        row(t("Virtual phones", "仮想電話機"), &[&span]);
    }
    let register = format!("sip:{}@{}", facts.sip_user, facts.sip);
    row(
        t("SIP user", "SIP ユーザー"),
        &[&register, t("password", "パスワード"), &facts.sip_password],
    );
    out.push('\n');

    let _ = writeln!(out, "{}", bold(t("Four things to try", "試してみましょう")));
    let phone = facts.phones.first().map_or("+15005550120", String::as_str);
    let number = |purpose: &str| facts.numbers.get(purpose).map_or("", String::as_str);
    let from = if number("demo").is_empty() {
        facts.numbers.values().next().map_or("", String::as_str)
    } else {
        number("demo")
    };
    let _ = writeln!(
        out,
        "\n  1  {}\n",
        t(
            "Open this page and press its button: two softphones call each other:",
            "このページを開いてボタンを押す（2 台のソフトフォンが通話します）:"
        )
    );
    let _ = writeln!(out, "{}/", facts.api);
    let _ = writeln!(
        out,
        "\n  2  {}\n",
        t(
            "Call a virtual phone with curl:",
            "curl で仮想電話機に発信する:"
        )
    );
    // With the SID in a variable, no line is too long to be pasted.
    let _ = writeln!(out, "A={}", facts.account_sid);
    let _ = writeln!(out, "curl -u $A:{} \\", facts.auth_token);
    let _ = writeln!(out, "  {}/2010-04-01/Accounts/$A/Calls.json \\", facts.api);
    let _ = writeln!(
        out,
        "  --data-urlencode To={phone} --data-urlencode From={from} \\"
    );
    let _ = writeln!(
        out,
        "  --data-urlencode Url={}{}",
        facts.api,
        crate::demo::WELCOME
    );
    let _ = writeln!(
        out,
        "\n  3  {}\n",
        t(
            "Make it say your words, and listen to what the phone heard:",
            "好きな言葉を話させて、電話機に届いた音声を聞く:"
        )
    );
    let _ = writeln!(
        out,
        "{program} call --to {phone} \\\n  --speak \"Hello\" --wav heard.wav{}",
        folder_flag(data)
    );
    let yours = t(
        "Call your own program, which answers at http://localhost:3000/voice:",
        "http://localhost:3000/voice で応答する自分のプログラムを呼び出す:",
    );
    let _ = writeln!(out, "\n  4  {yours}");
    if !listens {
        let not_yet = t(
            "(nothing listens there yet; examples/menu has one to start from)",
            "（まだ何も待ち受けていません。examples/menu が手本になります）",
        );
        let _ = writeln!(out, "     {not_yet}");
    }
    out.push('\n');
    let _ = write!(
        out,
        "{program} phone dial {phone} \\\n  --to {}{}",
        number("yours"),
        folder_flag(data)
    );
    out
}

/// The flag that other commands need if the folder is not the usual one. On a line of its own: a
/// path may be long.
fn folder_flag(data: &str) -> String {
    if data == ".switchboard" {
        return String::new();
    }
    format!(" \\\n  --data {}", quoted(data))
}

/// Quoted for the shell, where a quote ends, is escaped and begins again.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A row: its name, then values, as many to a line as fit.
fn push_wrapped(out: &mut String, name: &str, values: &[&str]) {
    const GAP: &str = "  ";
    let mut line = format!("{GAP}{name}");
    pad(&mut line, INDENT + GAP.len());
    let start = width(&line);
    for value in values {
        let used = width(&line);
        if used > start && used + GAP.len() + width(value) > WIDTH {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(start);
        } else if used > start {
            line.push_str(GAP);
        }
        line.push_str(value);
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

fn pad(line: &mut String, until: usize) {
    let missing = until.saturating_sub(width(line));
    line.extend(std::iter::repeat_n(' ', missing.max(1)));
}

/// Columns of a terminal: East Asian wide and fullwidth characters take two (Unicode UAX 11, the
/// blocks that the banner uses).
fn width(text: &str) -> usize {
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}');
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Facts as a fresh system has them, with the longest port numbers.
    pub fn facts() -> Facts {
        let numbers = [
            ("echo", 100),
            ("menu", 101),
            ("demo", 102),
            ("failures", 105),
            ("yours", 110),
        ];
        let one = "00000000000000000000000000000001";
        Facts {
            api: "http://127.0.0.1:65535".to_owned(),
            api_tls: Some("https://127.0.0.1:65534".to_owned()),
            tls_key_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned(),
            sip: "127.0.0.1:65533".to_owned(),
            sip_tls: Some("127.0.0.1:65532".to_owned()),
            account_sid: format!("AC{one}"),
            auth_token: "0123456789abcdef0123456789abcdef".to_owned(),
            api_key_sid: format!("SK{one}"),
            api_key_secret: "0123456789abcdef0123456789abcdef".to_owned(),
            application_sid: format!("AP{one}"),
            preflight_application_sid: format!("AP{:032}", 3),
            numbers: numbers
                .into_iter()
                .map(|(purpose, last)| (purpose.to_owned(), format!("+15005550{last}")))
                .collect::<BTreeMap<_, _>>(),
            phones: (120..130).map(|last| format!("+15005550{last}")).collect(),
            sip_domain: "local.sip.twilio.com".to_owned(),
            sip_user: "alice".to_owned(),
            sip_password: "switchboard".to_owned(),
        }
    }

    fn around(data: &str) -> Surroundings {
        Surroundings {
            data: data.to_owned(),
            program: "target/release/switchboard".to_owned(),
            listens: false,
            taken: Vec::new(),
        }
    }

    #[test]
    fn a_taken_port_is_named_with_who_has_it() {
        let mut around = around(".switchboard");
        let address = "127.0.0.1:8460".parse().unwrap();
        around.taken = vec![(address, Some("node (pid 7)".to_owned())), (address, None)];
        let en = banner(&facts(), &around, Language::En, false);
        assert!(
            en.contains("127.0.0.1:8460 is taken by node (pid 7)")
                && en.contains("another program"),
            "{en}"
        );
        let ja = banner(&facts(), &around, Language::Ja, false);
        assert!(
            ja.contains("127.0.0.1:8460 は node (pid 7) が使用中"),
            "{ja}"
        );
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        for language in [Language::En, Language::Ja] {
            for line in banner(&facts(), &around("/tmp/a-folder"), language, false).lines() {
                assert!(width(line) <= WIDTH, "{} columns: {line}", width(line));
            }
        }
    }

    #[test]
    fn everything_is_named_in_both_languages() {
        let facts = facts();
        for language in [Language::En, Language::Ja] {
            let banner = banner(&facts, &around(".switchboard"), language, false);
            let api_tls = facts.api_tls.as_ref().unwrap();
            let values = [
                &facts.api,
                api_tls,
                &facts.sip,
                &facts.account_sid,
                &facts.auth_token,
                &facts.api_key_sid,
                &facts.application_sid,
                &facts.sip_user,
            ];
            for value in values
                .into_iter()
                .chain(facts.numbers.values())
                .chain(facts.numbers.keys())
            {
                assert!(
                    banner.contains(value.as_str()),
                    "{value} is missing:\n{banner}"
                );
            }
            assert!(
                !banner.contains('\x1b') && !banner.contains("--data "),
                "{banner}"
            );
        }
    }

    #[test]
    fn the_commands_can_be_pasted() {
        let banner = banner(&facts(), &around("it's here"), Language::Ja, false);
        let curl = banner
            .split("\n\n")
            .find(|block| block.starts_with("A=AC"))
            .unwrap();
        assert!(
            curl.is_ascii()
                && curl.contains("To=+15005550120")
                && curl.contains("From=+15005550102"),
            "{curl}"
        );
        assert!(
            curl.ends_with("Url=http://127.0.0.1:65535/welcome/voice/"),
            "{curl}"
        );
        assert!(banner.contains(r"--data 'it'\''s here'"), "{banner}");
    }

    #[test]
    fn colour_is_an_addition_only() {
        let plain = banner(&facts(), &around(".switchboard"), Language::En, false);
        let coloured = banner(&facts(), &around(".switchboard"), Language::En, true);
        assert_eq!(
            coloured.replace("\x1b[1m", "").replace("\x1b[0m", ""),
            plain
        );
        assert_ne!(coloured, plain);
    }

    #[test]
    fn the_flag_wins_then_the_locale() {
        let wanted = |flag, set: &'static [(&str, &str)]| {
            Language::wanted(flag, |name| {
                set.iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(wanted(None, &[("LANG", "ja_JP.UTF-8")]), Language::Ja);
        assert_eq!(
            wanted(None, &[("LC_ALL", "C"), ("LANG", "ja_JP.UTF-8")]),
            Language::En
        );
        assert_eq!(
            wanted(None, &[("LC_ALL", ""), ("LANG", "ja_JP")]),
            Language::Ja
        );
        assert_eq!(wanted(Some("en"), &[("LANG", "ja_JP")]), Language::En);
        assert_eq!(wanted(Some("ja"), &[]), Language::Ja);
        assert_eq!(wanted(None, &[("LANG", "jam")]), Language::En);
    }
}
