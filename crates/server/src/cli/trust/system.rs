//! The system's store, as Debian and its kin keep it (`update-ca-certificates`, package
//! ca-certificates): what OpenSSL, GnuTLS, curl, python and go look at.

use std::path::{Path, PathBuf};

use super::{Step, TrustStore, on_path};
use crate::authority::Authority;
use crate::banner::Language;

const PROGRAM: &str = "update-ca-certificates";
/// What the names of our files begin with.
const PREFIX: &str = "switchboard-";

/// The store of one system.
pub struct System {
    root: PathBuf,
}

impl System {
    /// That of the system below this folder.
    pub fn of(root: &Path) -> Self {
        System {
            root: root.to_owned(),
        }
    }

    fn local(&self) -> PathBuf {
        self.root.join("usr/local/share/ca-certificates")
    }

    fn file(&self, authority: &Authority) -> PathBuf {
        self.local()
            .join(format!("{PREFIX}{}.crt", authority.mark()))
    }

    /// Collects what is in the folder; what is gone is forgotten with `--fresh` only.
    fn update(&self, fresh: bool) -> Step {
        let mut arguments = Vec::new();
        if fresh {
            arguments.push("--fresh".to_owned());
        }
        if self.root != Path::new("/") {
            for (flag, path) in [
                ("--localcertsdir", "usr/local/share/ca-certificates"),
                ("--etccertsdir", "etc/ssl/certs"),
                ("--certsdir", "usr/share/ca-certificates"),
                ("--certsconf", "etc/ca-certificates.conf"),
                ("--hooksdir", "etc/ca-certificates/update.d"),
            ] {
                arguments.push(flag.to_owned());
                arguments.push(self.root.join(path).display().to_string());
            }
        }
        Step::Run(PROGRAM, arguments)
    }
}

impl TrustStore for System {
    fn kind(&self) -> &'static str {
        "system"
    }

    fn place(&self) -> PathBuf {
        self.local()
    }

    fn obstacle(&self, language: Language) -> Option<String> {
        if self.local().is_dir() && on_path(PROGRAM) {
            return None;
        }
        let cure = language.pick(
            "this system has no store that is known here (Debian's package ca-certificates); NODE_EXTRA_CA_CERTS, SSL_CERT_FILE and REQUESTS_CA_BUNDLE, as `switchboard run` sets them, do without",
            "対応しているシステムストア（Debian の ca-certificates パッケージ）がありません。`switchboard run` が設定する NODE_EXTRA_CA_CERTS、SSL_CERT_FILE、REQUESTS_CA_BUNDLE を使えば不要です",
        );
        Some(cure.to_owned())
    }

    fn has(&self, authority: &Authority) -> bool {
        std::fs::read_to_string(self.file(authority)).is_ok_and(|there| there == authority.pem)
    }

    fn install(&self, authority: &Authority) -> Vec<Step> {
        vec![
            Step::Write(self.file(authority), authority.pem.clone()),
            self.update(false),
        ]
    }

    fn remove(&self, authority: Option<&Authority>) -> Vec<Step> {
        let files = match authority {
            Some(authority) => vec![self.file(authority)],
            None => ours(&self.local()),
        };
        if files.is_empty() {
            return Vec::new();
        }
        let mut steps: Vec<_> = files.into_iter().map(Step::Delete).collect();
        steps.push(self.update(true));
        steps
    }
}

/// Our files in the folder.
fn ours(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(".crt"))
        })
        .collect();
    files.sort();
    files
}
