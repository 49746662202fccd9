//! `switchboard open URL`: a page as it is, in a browser for which the vendor's hosts are here.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::client::facts;
use super::run::address_of;
use super::{DataFolder, Failure, Outcome, say};
use crate::banner::Language;

/// Names of browsers that know the switches, best first.
const BROWSERS: [&str; 6] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "brave-browser",
];

/// Open a page in Chromium or Chrome, with the vendor's hosts led to the running `switchboard dev`.
///
/// The page needs no change: its SDK finds Switchboard under the vendor's own names. The browser has
/// a profile of its own in the data folder, and accepts the certificate of this one server and no
/// other untrusted one.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard open http://localhost:3000\nExample: switchboard open --print http://localhost:3000"
)]
pub struct Open {
    /// The page
    #[arg(value_name = "URL")]
    url: String,
    /// Print the command, and do not run it
    #[arg(long)]
    print: bool,
    /// Print one JSON object with the program and its arguments
    #[arg(long)]
    json: bool,
    /// Without a window and with a microphone that beeps, for tests; waits for the end
    #[arg(long)]
    headless: bool,
    /// Wait until the browser is closed
    #[arg(long)]
    wait: bool,
    /// The browser to use; without it, the first Chromium or Chrome that is found
    #[arg(long, value_name = "PROGRAM", env = "SWITCHBOARD_BROWSER")]
    browser: Option<PathBuf>,
    /// Language of messages, `en` or `ja`; without it, that of LANG
    #[arg(long, value_name = "LANGUAGE", value_parser = ["en", "ja"])]
    lang: Option<String>,
    #[command(flatten)]
    data: DataFolder,
    /// More switches for the browser, after `--`
    #[arg(value_name = "SWITCH", last = true)]
    switches: Vec<String>,
}

impl Open {
    /// Opens it.
    pub async fn run(self) -> Outcome {
        let language = Language::wanted(self.lang.as_deref(), |name| std::env::var(name).ok());
        if !["http://", "https://"]
            .iter()
            .any(|scheme| self.url.starts_with(scheme))
        {
            let cure = "name the whole address of the page, like http://localhost:3000";
            return Err(Failure::new(Failure::USAGE, cure));
        }
        let found = facts(&self.data.data)?;
        let Some(https) = found.api_tls.as_deref().and_then(address_of) else {
            let cure = "the server does not serve HTTPS, which SDKs insist on; start it without `--https off`";
            return Err(Failure::new(Failure::FAILED, cure));
        };
        let program = match self.browser.clone().or_else(first_browser) {
            Some(program) => program,
            None => {
                return Err(Failure::new(
                    Failure::FAILED,
                    language.pick(
                        "no Chromium or Chrome is found; install one, or name it with --browser",
                        "Chromium も Chrome も見つかりません。インストールするか --browser で指定してください",
                    ),
                ));
            }
        };
        let data = std::path::absolute(&self.data.data).unwrap_or(self.data.data.clone());
        let mut arguments = switches(&data, https, &found.tls_key_sha256);
        if self.headless {
            arguments.extend(HEADLESS.map(str::to_owned));
        }
        if root() {
            arguments.push("--no-sandbox".to_owned());
        }
        arguments.extend(self.switches.iter().cloned());
        arguments.push(self.url.clone());
        if self.json {
            say(&json!({ "program": program, "arguments": arguments }).to_string());
        } else if self.print {
            let words = std::iter::once(program.to_string_lossy().into_owned())
                .chain(arguments.iter().cloned());
            let words: Vec<_> = words.map(|word| super::run::quoted(&word)).collect();
            say(&words.join(" "));
        }
        if self.print {
            return Ok(());
        }
        start(&program, &arguments, self.wait || self.headless)
    }
}

/// Runs the browser; with `wait`, to its end.
fn start(program: &Path, arguments: &[String], wait: bool) -> Outcome {
    let failed = |error: std::io::Error| {
        let cure = "name a Chromium or Chrome with --browser";
        Failure::new(
            Failure::FAILED,
            format!("{}: {error}; {cure}", program.display()),
        )
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    if wait {
        let status = command.status().map_err(failed)?;
        return match status.success() {
            true => Ok(()),
            false => Err(Failure::new(
                Failure::FAILED,
                format!("the browser ended with {status}"),
            )),
        };
    }
    // Its own noise would be in the way of whoever goes on typing.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map(drop).map_err(failed)
}

/// Switches of tests: no window, no question for the microphone, sound without a click.
const HEADLESS: [&str; 4] = [
    "--headless=new",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
];

/// Where the vendor's hosts are, which certificate is good, and a profile that leaves the user's
/// own alone: the list of certificates is heeded only with one.
fn switches(data: &Path, https: std::net::SocketAddr, key: &str) -> Vec<String> {
    let rules = ["*.twilio.com", "*.twiliocdn.com"].map(|host| format!("MAP {host}:443 {https}"));
    vec![
        format!("--user-data-dir={}", data.join("browser").display()),
        format!("--host-resolver-rules={}", rules.join(", ")),
        format!("--ignore-certificate-errors-spki-list={key}"),
        "--no-first-run".to_owned(),
        "--no-default-browser-check".to_owned(),
    ]
}

fn first_browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    BROWSERS.iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|program| program.is_file())
    })
}

/// Chromium's sandbox does not work for root.
fn root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_hosts_are_here_and_only_our_certificate_is_excused() {
        let switches = switches(Path::new("/d"), "127.0.0.1:8461".parse().unwrap(), "KEY=");
        assert_eq!(
            switches[..3],
            [
                "--user-data-dir=/d/browser",
                "--host-resolver-rules=MAP *.twilio.com:443 127.0.0.1:8461, MAP *.twiliocdn.com:443 127.0.0.1:8461",
                "--ignore-certificate-errors-spki-list=KEY=",
            ]
        );
        assert!(
            !switches
                .iter()
                .any(|switch| switch == "--ignore-certificate-errors")
        );
    }
}
