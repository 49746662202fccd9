//! The stores of Chromium and Firefox: databases of NSS, worked with its own `certutil`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Step, TrustStore, on_path};
use crate::authority::{Authority, NAME};
use crate::banner::Language;

const PROGRAM: &str = "certutil";
/// Programs that look at the user's shared database, and would if there were one.
const CHROMIUM: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// One database.
pub struct Database {
    folder: PathBuf,
}

/// The databases in somebody's home: the shared one of Chromium, and one for each profile of Firefox.
pub fn databases(home: &Path) -> Vec<Database> {
    let shared = home.join(".pki/nssdb");
    let mut folders = Vec::new();
    if shared.is_dir() || CHROMIUM.into_iter().any(on_path) {
        folders.push(shared);
    }
    for profiles in [
        ".mozilla/firefox",
        "snap/firefox/common/.mozilla/firefox",
        ".config/mozilla/firefox",
    ] {
        let entries = std::fs::read_dir(home.join(profiles));
        let mut found: Vec<_> = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|folder| folder.join("cert9.db").is_file())
            .collect();
        found.sort();
        folders.append(&mut found);
    }
    folders
        .into_iter()
        .map(|folder| Database { folder })
        .collect()
}

impl Database {
    fn exists(&self) -> bool {
        self.folder.join("cert9.db").is_file()
    }

    fn step(&self, words: &[&str]) -> Step {
        let mut arguments = vec!["-d".to_owned(), format!("sql:{}", self.folder.display())];
        arguments.extend(words.iter().map(ToString::to_string));
        Step::Run(PROGRAM, arguments)
    }

    /// What it says about one certificate or, without a name, about all.
    fn list(&self, words: &[&str]) -> Option<String> {
        if !self.exists() {
            return None;
        }
        let output = Command::new(PROGRAM)
            .arg("-d")
            .arg(format!("sql:{}", self.folder.display()))
            .arg("-L")
            .args(words)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let said = String::from_utf8(output.stdout).ok()?;
        output.status.success().then_some(said)
    }

    fn delete(&self, name: &str) -> Step {
        self.step(&["-D", "-n", name])
    }
}

impl TrustStore for Database {
    fn kind(&self) -> &'static str {
        "nss"
    }

    fn place(&self) -> PathBuf {
        self.folder.clone()
    }

    fn obstacle(&self, language: Language) -> Option<String> {
        if on_path(PROGRAM) {
            return None;
        }
        let cure = language.pick(
            "certutil is missing: install libnss3-tools (Debian) or nss-tools, then try again; `switchboard open` does without",
            "certutil がありません。libnss3-tools（Debian）または nss-tools を入れてから再実行してください。`switchboard open` なら不要です",
        );
        Some(cure.to_owned())
    }

    fn has(&self, authority: &Authority) -> bool {
        let there = self.list(&["-n", &authority.name(), "-a"]);
        let lines = |text: &str| text.lines().map(str::trim).collect::<String>();
        there.is_some_and(|there| lines(&there) == lines(&authority.pem))
    }

    fn install(&self, authority: &Authority) -> Vec<Step> {
        let file = authority.path.display().to_string();
        let mut steps = Vec::new();
        if !self.exists() {
            let folder = self.folder.display().to_string();
            steps.push(Step::Run("mkdir", vec!["-p".to_owned(), folder]));
            steps.push(self.step(&["-N", "--empty-password"]));
        }
        // `C`: may vouch for servers, and for nothing else.
        steps.push(self.step(&["-A", "-t", "C,,", "-n", &authority.name(), "-i", &file]));
        steps
    }

    fn remove(&self, authority: Option<&Authority>) -> Vec<Step> {
        match authority {
            Some(authority) => vec![self.delete(&authority.name())],
            None => {
                let listed = self.list(&[]).unwrap_or_default();
                names(&listed).map(|name| self.delete(name)).collect()
            }
        }
    }
}

/// Our names in a listing: each line has a name, then what it is trusted for.
fn names(listed: &str) -> impl Iterator<Item = &str> {
    listed
        .lines()
        .filter(|line| line.starts_with(NAME))
        .filter_map(|line| {
            Some(
                line.trim_end()
                    .rsplit_once(char::is_whitespace)?
                    .0
                    .trim_end(),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_are_found_in_a_listing() {
        let listed = "\nCertificate Nickname                                         Trust Attributes\n                                                             SSL,S/MIME,JAR/XPI\n\nSomebody's authority                                         C,,  \nSwitchboard local authority 1a2b3c4d                         C,,  \n";
        let found: Vec<_> = names(listed).collect();
        assert_eq!(found, ["Switchboard local authority 1a2b3c4d"]);
    }

    #[test]
    fn the_shared_database_and_each_profile_are_found() {
        let home = std::env::temp_dir().join(format!("switchboard-nss-{}", std::process::id()));
        let profile = home.join(".mozilla/firefox/abc.default");
        std::fs::create_dir_all(home.join(".pki/nssdb")).unwrap();
        std::fs::create_dir_all(&profile).unwrap();
        std::fs::create_dir_all(home.join(".mozilla/firefox/Crash Reports")).unwrap();
        std::fs::write(profile.join("cert9.db"), "").unwrap();
        let found: Vec<_> = databases(&home)
            .into_iter()
            .map(|database| database.folder)
            .collect();
        assert_eq!(found, [home.join(".pki/nssdb"), profile]);
        std::fs::remove_dir_all(home).unwrap();
    }
}
