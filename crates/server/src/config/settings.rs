//! The table of settings: what each is called, what it does and what it is by default. The flags, the
//! variables, the example file and the reference are made from it.

use std::fmt::Write as _;

use super::trunk;

/// A setting as people see it.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in the file; with two dashes before it, its flag.
    pub key: &'static str,
    /// What to write, in TOML. Where there is a default, it is this.
    pub sample: &'static str,
    /// What it does, its default, and what follows from changing it. The first line stands alone.
    pub doc: &'static [&'static str],
}

impl Setting {
    /// Its name in the environment.
    pub fn env(&self) -> String {
        format!(
            "SWITCHBOARD_{}",
            self.key.to_ascii_uppercase().replace('-', "_")
        )
    }
}

/// Makes the table of settings from doc comments, so that a setting is described in one place.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $key:literal = $sample:literal;)*) => {
        /// All settings except trunks, in the order in which they are shown.
        pub const SETTINGS: [Setting; [$($key),*].len()] =
            [$(Setting { key: $key, sample: $sample, doc: &[$($doc),+] }),*];
    };
}

settings! {
    /// The folder where everything is kept.
    /// Default: `/var/lib/switchboard`, and `.switchboard` for `switchboard dev`. One process at a
    /// time can use a folder. Deleting it loses every account, number and call record.
    "data" = "\"/var/lib/switchboard\"";
    /// Address and port of the API over plain HTTP.
    /// Default: `127.0.0.1:8460`, this computer only. Credentials cross this port unencrypted: open
    /// it to a network only behind something that adds TLS, or use `https`.
    "http" = "\"127.0.0.1:8460\"";
    /// Address and port of the API over HTTPS, or `off`.
    /// Default: `127.0.0.1:8461`. The certificate is made on the first start and kept in `data`;
    /// clients must be told to trust it.
    "https" = "\"127.0.0.1:8461\"";
    /// Address and port of SIP over UDP and TCP.
    /// Default: `127.0.0.1:5070`. For carriers and telephones of other computers, bind an address
    /// that they can reach, usually with port 5060.
    "sip" = "\"127.0.0.1:5070\"";
    /// Address and port of SIP over TLS, or `off`.
    /// Default: `127.0.0.1:5071`.
    "sips" = "\"127.0.0.1:5071\"";
    /// The algorithms that digest challenges of SIP offer, in this order: `md5`, `sha-256`.
    /// Default: `["md5"]`, which every telephone knows. With both, telephones that take the first
    /// challenge or stop at one they do not know still get in if `md5` is first; `["sha-256"]` alone
    /// refuses the rest.
    "sip-digest" = "[\"md5\"]";
    /// SIP requests that one address may send in a second on average, to begin something.
    /// Default: `100`, and `5000` for `switchboard dev`. Trunks may send as many as they like.
    "sip-requests-per-second" = "100";
    /// How many of them one address may send at once.
    /// Default: `300`, and `10000` for `switchboard dev`. Further ones are refused, then ignored.
    "sip-requests-at-once" = "300";
    /// A file of authorities (PEM) that vouch for carriers and servers reached over TLS.
    /// Default: none; the authorities of the system are trusted, and stay so beside these. For
    /// carriers whose certificates come from an authority of their own.
    "sip-ca-file" = "\"/etc/switchboard/carriers.pem\"";
    /// The certificate chain (PEM) of HTTPS and of SIP over TLS, the server's own certificate first.
    /// Default: none; one of our own making, kept in `data` as `tls.crt`. Read at start.
    "tls-certificate" = "\"/etc/switchboard/tls.crt\"";
    /// The key (PEM) of `tls-certificate`.
    /// Default: none; `tls.key` in `data`. Only its owner should be able to read it.
    "tls-key" = "\"/etc/switchboard/tls.key\"";
    /// Address and port of the sound of all browsers, UDP and TCP.
    /// Default: `127.0.0.1:8462`. Browsers of other computers need an address that they can reach:
    /// see `webrtc-announce`.
    "webrtc" = "\"127.0.0.1:8462\"";
    /// Where browsers are told that their sound goes: addresses or names, with a port where it is not
    /// that of `webrtc`; for example `["203.0.113.4", "192.168.1.5:8462"]`, so that those in the same
    /// network take the short way.
    /// Default: `[]`; the address of `public-host`, else that of `webrtc`. Names are looked up at
    /// start.
    "webrtc-announce" = "[]";
    /// STUN and TURN servers that `Tokens` lists, for pages that ask there.
    /// Default: `[]`; a page needs none, since the sound is on an address of its own, for UDP and TCP,
    /// and a server of others would learn of its calls.
    "ice-servers" = "[]";
    /// A file with the secret that the TURN servers of `ice-servers` share with us (`use-auth-secret`
    /// of coturn); each token then carries credentials for as long as it is good.
    /// Default: none.
    "turn-secret-file" = "\"/etc/switchboard/turn\"";
    /// What becomes of the live calls of an account that is suspended or closed: `go-on` or `end`.
    /// Default: `go-on`; nothing new begins, and what has begun ends by itself. With `end` each is
    /// hung up, and reported as completed.
    "suspended-calls" = "\"go-on\"";
    /// What a browser is told that answers a call a moment after another did.
    /// Default: `hangup-then-cancel`, which ends the call in every version of the SDK: it reads
    /// `accept`, then `disconnect`. `cancel`: `accept`, then `cancel`. `error-31003`, `error-31008`:
    /// an error with that code before the end. `silence`: nothing, to see what a page does with a
    /// call without sound. An application can have its own:
    /// `POST /_switchboard/v1/applications/AP…` with `{"late_answer": "cancel"}`.
    "late-answer" = "\"hangup-then-cancel\"";
    /// How pages learn what the original does not tell: who answered in their place and which
    /// device that was, and when two parties hear each other.
    /// Default: `stream`, a frame of a type of its own (`answered-elsewhere`, `bridged`) for who
    /// listens on the SDK's `device.stream` (`device._stream` before 2.0). `message`: a call
    /// message, event `messageReceived` of the call, from 2.2. `both`, or `none`. An application can
    /// have its own: `POST /_switchboard/v1/applications/AP…` with `{"notices": "message"}`.
    "notices" = "\"stream\"";
    /// Where SDKs from 2.1 on are sent with their telemetry: `eventgw.`, this, and `.twilio.com`.
    /// Default: none; each page is sent where it came from: one with `chunderw: 'HOST:PORT'` to
    /// `https://eventgw.HOST:PORT/insights`, so that `eventgw.HOST` must be a name of this server,
    /// also in its certificate. One that came by an address sends it nowhere. Telemetry carries the
    /// page's token: it never goes to the vendor.
    "browser-home" = "\"voice.example.org/insights?h=\"";
    /// Where SDKs 2.1.0 to 2.12.1 come back to when their connection drops in mid-call, if they were
    /// told to try (`maxCallSignalingTimeoutMs`): `voice-js.`, this, and `.twilio.com`.
    /// Default: none; each page comes back where it came from, so that `voice-js.HOST` must be a
    /// name of this server. The same holds for every SDK from 2.1 on that was given an `edge`.
    "browser-edge" = "\"voice.example.org/signal?\"";
    /// First and last UDP port for sound.
    /// Default: `20000-32000`. A call leg takes two ports, so that this is also a limit on calls.
    /// The firewall must let these ports through.
    "media-ports" = "\"20000-32000\"";
    /// The host name or address that others reach us by.
    /// Default: none; the address of `sip` is announced. Behind address translation set the public
    /// one, or others answer to an address that leads nowhere.
    "public-host" = "\"voice.example.org\"";
    /// Scheme and host under which customers reach the API; the beginning of addresses in answers.
    /// Default: none; the host that a request names, with `https` where it came over TLS or
    /// `X-Forwarded-Proto` says so.
    "public-url" = "\"https://voice.example.org\"";
    /// Networks that webhooks may reach although they are not public.
    /// Default: none, and loopback for `switchboard dev`. Whoever controls a number's URL can then
    /// reach these networks from this computer.
    "egress-allow" = "[]";
    /// Calls that the REST API starts in a second, for each account.
    /// Default: `1.0`, like upstream. What comes faster waits in a queue; nothing is refused.
    "calls-per-second" = "1.0";
    /// Most calls at once, all accounts together.
    /// Default: `10000`. Further calls are refused, so that those in progress keep their quality.
    "max-calls" = "10000";
    /// How long one call may last, in seconds.
    /// Default: `14400`, four hours. A call that is still up then is ended.
    "max-call-secs" = "14400";
    /// How an account proves that a caller id is its own: `call`, or `at-once` without any proof.
    /// Default: `call`, and `at-once` for `switchboard dev`. The call goes to the number and asks for
    /// a code; it shows a number that the account owns. With `at-once` accounts can show any number
    /// to the telephone network.
    "verify-caller-ids" = "\"call\"";
    /// For how many days a call is kept after its end, with its events and notifications, or `off`.
    /// Default: `400`, some thirteen months. Older ones are deleted every day. With `off` the
    /// database grows without end.
    "keep-days" = "400";
    /// Which log lines are written: a level, or levels for parts, like `info,sip=debug`.
    /// Default: `RUST_LOG` if it is set, else `info`. Levels: error, warn, info, debug, trace.
    "log" = "\"info\"";
    /// How log lines look: `text` for people, `json` for programs, one object a line.
    /// Default: `text`. Logs go to the standard error output in both cases.
    "log-format" = "\"text\"";
}

/// The commented example, which is also the reference: every setting with its doc comment.
pub fn example() -> String {
    let mut out = String::from(
        "# Settings of Switchboard. This file is written by `switchboard config --example`.\n\
         #\n\
         # Every line is a comment: as it stands, the file changes nothing. Each setting is also a flag\n\
         # (`--media-ports`) and a variable of the environment (`SWITCHBOARD_MEDIA_PORTS`; lists with\n\
         # commas). The flag wins over the environment, the environment over this file.\n",
    );
    for setting in &SETTINGS {
        out.push('\n');
        for line in setting.doc {
            let _ = writeln!(out, "#{line}");
        }
        let _ = writeln!(out, "# {} = {}", setting.key, setting.sample);
    }
    out.push('\n');
    for line in trunk::EXAMPLE.lines() {
        let _ = writeln!(out, "{}", format!("# {line}").trim_end());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::tests::file;
    use crate::config::{Config, Mode};

    #[test]
    fn samples_are_the_defaults() {
        let config = Config::production();
        let unset = [
            "browser-edge",
            "browser-home",
            "public-host",
            "public-url",
            "sip-ca-file",
            "tls-certificate",
            "tls-key",
            "turn-secret-file",
        ];
        for setting in SETTINGS
            .iter()
            .filter(|setting| !unset.contains(&setting.key))
        {
            assert_eq!(
                config.shown(setting.key).as_deref(),
                Some(setting.sample),
                "{}",
                setting.key
            );
            assert!(
                setting.doc.iter().any(|line| line.contains("Default: ")),
                "{}",
                setting.key
            );
        }
    }

    #[test]
    fn the_example_file_is_current_and_valid() {
        let kept = include_str!("../../../../config.example.toml");
        assert_eq!(
            kept,
            example(),
            "write it anew: switchboard config --example > config.example.toml"
        );
        // With the comment signs before settings taken away, it is a file that works.
        let live: String = kept
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.contains(" = ") && !line.contains('`') || *line == "[[trunk]]")
            .map(|line| format!("{line}\n"))
            .collect();
        let config = Config::resolve(Mode::Production, &file(&live))
            .unwrap()
            .config;
        assert_eq!(config.public_host.as_deref(), Some("voice.example.org"));
        assert_eq!(config.trunks.len(), 1);
    }
}
