//! `switchboard trust` and `untrust`: the local authority in the stores of this computer, and out of
//! them again.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::{DataFolder, Failure, Outcome, say};
use crate::authority::{ADDRESSES, Authority, DOMAINS};
use crate::banner::Language;

mod nss;
mod system;

/// Let this computer's programs and browsers accept Switchboard's certificate.
///
/// Makes an authority of this computer's own in the data folder, where it is missing, and puts its
/// certificate into the system's store and those of Chromium and Firefox. It can vouch only for
/// localhost and for the vendor's names that are led here in tests; its key never leaves the data
/// folder. `switchboard untrust` takes it out again.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard trust --dry-run\nExample: sudo switchboard trust --yes --data /home/me/project/.switchboard"
)]
pub struct Trust {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Say which stores have it, and end with 1 if one has not
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

/// Take the authority out of every store that `switchboard trust` put it into.
///
/// The authority itself stays in the data folder, where nobody trusts it any more.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard untrust\nExample: switchboard untrust --all --dry-run"
)]
pub struct Untrust {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Take out every authority of Switchboard's, also those of data folders that are gone
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Common {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Language, `en` or `ja`; without it, that of LANG
    #[arg(long, value_name = "LANGUAGE", value_parser = ["en", "ja"])]
    lang: Option<String>,
    /// The system whose store is meant, when it is not this one but, say, that of a container
    #[arg(
        long,
        value_name = "DIR",
        env = "SWITCHBOARD_TRUST_ROOT",
        default_value = "/"
    )]
    root: PathBuf,
    #[command(flatten)]
    data: DataFolder,
}

/// What is, or was done, with one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// It is in the store, and was before.
    Trusted,
    /// It is not in the store, and was not before.
    NotTrusted,
    /// It was put in.
    Installed,
    /// It was taken out.
    Removed,
    /// It would be put in.
    WouldInstall,
    /// It would be taken out.
    WouldRemove,
    /// A program or a right is missing; the cure names it.
    NotPossible,
}

/// What is said about one store.
#[derive(Debug, Clone, Serialize)]
struct Entry {
    store: &'static str,
    place: PathBuf,
    state: State,
    /// The files written or removed and the commands run, as a person would type them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

/// What is to be done with a store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Look,
    Install { really: bool },
    Remove { really: bool, all: bool },
}

/// A place that holds trusted authorities.
trait TrustStore {
    /// Which kind.
    fn kind(&self) -> &'static str;
    /// Where.
    fn place(&self) -> PathBuf;
    /// Why nothing can be done here, as a cure, in the language.
    fn obstacle(&self, language: Language) -> Option<String>;
    /// Whether it has the authority.
    fn has(&self, authority: &Authority) -> bool;
    /// The steps that put it in.
    fn install(&self, authority: &Authority) -> Vec<Step>;
    /// The steps that take it out; all of Switchboard's if there is none given.
    fn remove(&self, authority: Option<&Authority>) -> Vec<Step>;
}

/// One thing that is done to a store.
enum Step {
    Write(PathBuf, String),
    Delete(PathBuf),
    Run(&'static str, Vec<String>),
}

impl Step {
    fn shown(&self) -> String {
        match self {
            Step::Write(path, _) => format!("write {}", path.display()),
            Step::Delete(path) => format!("rm {}", path.display()),
            Step::Run(program, arguments) => {
                let quoted = arguments.iter().map(|argument| {
                    if argument.is_empty() || argument.contains(' ') {
                        format!("'{argument}'")
                    } else {
                        argument.clone()
                    }
                });
                std::iter::once((*program).to_owned())
                    .chain(quoted)
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        }
    }

    fn take(&self) -> Result<(), String> {
        match self {
            Step::Write(path, text) => {
                std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
            }
            Step::Delete(path) => match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(format!("{}: {error}", path.display()))
                }
                _ => Ok(()),
            },
            Step::Run(program, arguments) => {
                let output = std::process::Command::new(program)
                    .args(arguments)
                    .stdin(std::process::Stdio::null())
                    .output()
                    .map_err(|error| format!("{program}: {error}"))?;
                if output.status.success() {
                    return Ok(());
                }
                let said = String::from_utf8_lossy(&output.stderr);
                let said = said.lines().last().unwrap_or_default();
                Err(format!("{program} ended with {}: {said}", output.status))
            }
        }
    }
}

/// Carries a wish out in one store.
fn carry_out(
    store: &dyn TrustStore,
    authority: Option<&Authority>,
    wish: Wish,
    language: Language,
) -> Entry {
    let mut entry = Entry {
        store: store.kind(),
        place: store.place(),
        state: State::NotPossible,
        steps: Vec::new(),
        cure: store.obstacle(language),
    };
    if entry.cure.is_some() {
        return entry;
    }
    let has = authority.is_some_and(|authority| store.has(authority));
    let was = if has {
        State::Trusted
    } else {
        State::NotTrusted
    };
    let (steps, really, done, would) = match (wish, authority) {
        (Wish::Look, _) | (Wish::Install { .. }, None) => {
            entry.state = was;
            return entry;
        }
        (Wish::Install { really }, Some(authority)) => {
            let steps = if has {
                Vec::new()
            } else {
                store.install(authority)
            };
            (steps, really, State::Installed, State::WouldInstall)
        }
        (Wish::Remove { really, all }, authority) => {
            let steps = match all {
                true => store.remove(None),
                false if has => store.remove(authority),
                false => Vec::new(),
            };
            (steps, really, State::Removed, State::WouldRemove)
        }
    };
    if steps.is_empty() {
        entry.state = was;
        return entry;
    }
    entry.steps = steps.iter().map(Step::shown).collect();
    if !really {
        entry.state = would;
        return entry;
    }
    match steps.iter().try_for_each(Step::take) {
        Ok(()) => entry.state = done,
        Err(error) => {
            let again = language.pick(
                "; do it with the right to write there (`sudo`), naming the data folder with --data",
                "。書き込み権限のあるユーザーで（`sudo`）、--data でデータフォルダーを指定して実行してください",
            );
            entry.cure = Some(error + again);
        }
    }
    entry
}

/// Every store of this computer.
fn stores(common: &Common) -> Vec<Box<dyn TrustStore>> {
    let mut stores: Vec<Box<dyn TrustStore>> = vec![Box::new(system::System::of(&common.root))];
    let home = std::env::var_os("HOME").map(PathBuf::from);
    for database in home.iter().flat_map(|home| nss::databases(home)) {
        stores.push(Box::new(database));
    }
    stores
}

impl Trust {
    /// Puts it in.
    pub async fn run(self) -> Outcome {
        let common = &self.common;
        let language = Language::wanted(common.lang.as_deref(), |name| std::env::var(name).ok());
        let failed = |error: anyhow::Error| Failure::new(Failure::FAILED, format!("{error:#}"));
        let looking = self.check || self.dry_run;
        let authority = match looking {
            // Looking changes nothing, so what is missing is shown as it would be.
            true => Authority::find(&common.data.data).map_err(failed)?,
            false => Some(Authority::find_or_make(&common.data.data).map_err(failed)?),
        };
        let stores = stores(common);
        let all = |wish| -> Vec<Entry> {
            let each = stores.iter();
            each.map(|store| carry_out(store.as_ref(), authority.as_ref(), wish, language))
                .collect()
        };
        if self.check || (self.dry_run && authority.is_none()) {
            let entries = all(Wish::Look);
            let well = entries.iter().any(|entry| entry.state == State::Trusted)
                && entries.iter().all(|entry| entry.state != State::NotTrusted);
            report(common, authority.as_ref(), &entries, language);
            if self.dry_run && !common.json {
                say(language.pick(
                    "There is no authority yet: it would be made, and put into these stores.",
                    "認証局はまだありません。作成したうえで、これらのストアに登録します。",
                ));
            }
            return match self.dry_run || well {
                true => Ok(()),
                false => Err(Failure::new(Failure::FAILED, "")),
            };
        }
        let planned = all(Wish::Install { really: false });
        if self.dry_run {
            report(common, authority.as_ref(), &planned, language);
            return Ok(());
        }
        let changes = planned
            .iter()
            .any(|entry| entry.state == State::WouldInstall);
        if changes && !self.yes {
            report(common, authority.as_ref(), &planned, language);
            asked(language)?;
        }
        let entries = all(Wish::Install { really: true });
        report(common, authority.as_ref(), &entries, language);
        finish(&entries)
    }
}

impl Untrust {
    /// Takes it out.
    pub async fn run(self) -> Outcome {
        let common = &self.common;
        let language = Language::wanted(common.lang.as_deref(), |name| std::env::var(name).ok());
        let authority = Authority::find(&common.data.data)
            .map_err(|error| Failure::new(Failure::FAILED, format!("{error:#}")))?;
        if authority.is_none() && !self.all {
            let cure = language.pick(
                "there is no authority in the data folder; --data names another, --all takes out every one of Switchboard's",
                "データフォルダーに認証局がありません。--data で別のフォルダーを指定するか、--all で Switchboard のものをすべて取り除いてください",
            );
            return Err(Failure::new(Failure::FAILED, cure));
        }
        let wish = Wish::Remove {
            really: !self.dry_run,
            all: self.all,
        };
        let entries: Vec<_> = stores(common)
            .iter()
            .map(|store| carry_out(store.as_ref(), authority.as_ref(), wish, language))
            .collect();
        report(common, authority.as_ref(), &entries, language);
        finish(&entries)
    }
}

/// Whoever types it into a terminal is asked; a script says `--yes`.
fn asked(language: Language) -> Outcome {
    if !std::io::stdin().is_terminal() {
        let cure = language.pick(
            "nothing was installed: nobody is there to be asked; --yes means yes",
            "何もインストールしていません。確認できる端末がないため、よければ --yes を付けてください",
        );
        return Err(Failure::new(Failure::USAGE, cure));
    }
    let question = language.pick(
        "Put it into these stores? [y/N] ",
        "これらのストアに登録しますか？ [y/N] ",
    );
    eprint!("{question}");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::new(
            Failure::FAILED,
            language.pick("nothing was installed", "何もインストールしていません"),
        )),
    }
}

/// A store in which nothing could be done is told, and is a failure only if it was tried.
fn finish(entries: &[Entry]) -> Outcome {
    let tried = |entry: &&Entry| entry.state == State::NotPossible && !entry.steps.is_empty();
    match entries.iter().find(tried) {
        Some(_) => Err(Failure::new(Failure::FAILED, "")),
        None => Ok(()),
    }
}

fn report(common: &Common, authority: Option<&Authority>, entries: &[Entry], language: Language) {
    if common.json {
        let made = authority.map(|authority| {
            serde_json::json!({
                "certificate": authority.path,
                "name": authority.name(),
                "sha256": authority.fingerprint,
                "domains": DOMAINS,
                "addresses": ADDRESSES,
            })
        });
        say(&serde_json::json!({ "authority": made, "stores": entries }).to_string());
        return;
    }
    if let Some(authority) = authority {
        say(&format!(
            "{}  {}",
            authority.name(),
            authority.path.display()
        ));
        say(&format!("SHA-256 {}", authority.fingerprint));
        let may = language.pick("may vouch only for", "証明できる名前:");
        let names: Vec<_> = DOMAINS
            .iter()
            .map(ToString::to_string)
            .chain(ADDRESSES.iter().map(ToString::to_string))
            .collect();
        say(&format!("{may} {}", names.join(", ")));
        say("");
    }
    for entry in entries {
        let state = match entry.state {
            State::Trusted => language.pick("trusts it", "登録済み"),
            State::NotTrusted => language.pick("does not have it", "未登録"),
            State::Installed => language.pick("trusts it now", "登録しました"),
            State::Removed => language.pick("has it no longer", "取り除きました"),
            State::WouldInstall => language.pick("would get it", "登録します"),
            State::WouldRemove => language.pick("would lose it", "取り除きます"),
            State::NotPossible => language.pick("was left alone", "変更していません"),
        };
        say(&format!(
            "{} {}: {state}",
            entry.store,
            entry.place.display()
        ));
        for step in &entry.steps {
            say(&format!("    {step}"));
        }
        if let Some(cure) = &entry.cure {
            say(&format!("    {cure}"));
        }
    }
    let changed = |wanted| entries.iter().any(|entry| entry.state == wanted);
    if changed(State::Installed) {
        say(language.pick(
            "\nPrograms that run already see it at their next start. `switchboard untrust` undoes all of this.",
            "\n実行中のプログラムには次回の起動から反映されます。元に戻すには `switchboard untrust` を実行してください。",
        ));
    }
}

/// Whether the shell would find a program.
fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
