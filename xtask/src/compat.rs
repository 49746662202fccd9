//! `cargo xtask compat`: the README's compatibility table, made from the facts that tests name.
//!
//! A page `docs/compat/NAME.md` has numbered facts, each a line of a list that begins with its
//! number in bold: `- **gather-1** …`. A fact is proven when a test names it (in a comment, in its own
//! name: `gather_4_…`, in a scenario), or when the fact's line names a test that exists
//! (`nesting::text_beside_nouns`: the file, then the function). What counts as a test is text in
//! `scenarios/`, in `counterparts/`, in a `tests/` folder of a crate, and below the line
//! `#[cfg(test)]` of any other file.
//!
//! A fact that only suites in `counterparts/` show is counted apart: those need software of others, and
//! say "not run" where it is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

const BEGIN: &str = "<!-- compatibility: written by `cargo xtask compat` -->";
const END: &str = "<!-- end of compatibility -->";

/// What to do with the table.
#[derive(Args)]
pub struct Options {
    /// Change nothing; fail when the table in the README is not the one the tests give.
    #[arg(long)]
    check: bool,
}

/// One page of facts.
#[derive(Debug, Default)]
struct Page {
    title: String,
    facts: Vec<Fact>,
}

/// One fact.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fact {
    /// The whole number: `gather-1`.
    number: String,
    /// The tests its line names: file and function.
    tests: Vec<(String, String)>,
    proven: bool,
    /// No test of our own shows it.
    foreign: bool,
}

/// The part of a file that is test.
struct Tests {
    path: PathBuf,
    text: String,
}

impl Tests {
    /// Whether this is the file a page means and the function is in it.
    fn have(&self, (file, function): &(String, String)) -> bool {
        let path = self.path.with_extension("");
        path.iter().any(|part| part == file.as_str())
            && self.text.contains(&format!("fn {function}("))
    }
}

/// Writes or checks the table.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    if options.check {
        return check(root);
    }
    std::fs::write(root.join("README.md"), renewed(root)?)?;
    println!("README.md: the table is current");
    Ok(())
}

/// Fails when the table in the README is stale.
pub fn check(root: &Path) -> anyhow::Result<()> {
    if renewed(root)? != std::fs::read_to_string(root.join("README.md"))? {
        bail!("the compatibility table in README.md is stale: run `cargo xtask compat`");
    }
    println!("README.md: the table is current");
    Ok(())
}

/// The README with the table that the tests give.
fn renewed(root: &Path) -> anyhow::Result<String> {
    let readme = std::fs::read_to_string(root.join("README.md")).context("README.md")?;
    let marks = "README.md lacks the marks around the table";
    let (before, rest) = readme.split_once(BEGIN).context(marks)?;
    let (_, after) = rest.split_once(END).context(marks)?;
    let mut pages = pages(&root.join("docs/compat"))?;
    let mut files = Vec::new();
    for folder in ["crates", "scenarios", "counterparts"] {
        collect(&root.join(folder), &mut files)?;
    }
    let tests: Vec<Tests> = files
        .into_iter()
        .filter_map(|file| {
            // Sounds and corpora are not text and prove nothing by themselves.
            let text = std::fs::read_to_string(&file).ok()?;
            let path = file.strip_prefix(root).unwrap_or(&file).to_owned();
            let text = tests_in(&path, &text).to_owned();
            Some(Tests { path, text })
        })
        .collect();
    prove(&mut pages, &tests)?;
    Ok(format!("{before}{BEGIN}\n{}{END}{after}", table(&pages)))
}

/// Marks the facts that are proven; an error when a page names a test that is not there.
fn prove(pages: &mut BTreeMap<String, Page>, tests: &[Tests]) -> anyhow::Result<()> {
    let (foreign, own): (Vec<&Tests>, Vec<&Tests>) =
        (tests.iter()).partition(|tests| tests.path.starts_with("counterparts"));
    let all = |tests: Vec<&Tests>| -> BTreeSet<String> {
        tests.iter().flat_map(|tests| named(&tests.text)).collect()
    };
    let (foreign, own) = (all(foreign), all(own));
    for fact in pages.values_mut().flat_map(|page| &mut page.facts) {
        for test in &fact.tests {
            if !tests.iter().any(|tests| tests.have(test)) {
                let (file, function) = test;
                bail!(
                    "{} names the test {file}::{function}, which is not there",
                    fact.number
                );
            }
        }
        let ours = !fact.tests.is_empty() || own.contains(&fact.number);
        fact.foreign = !ours && foreign.contains(&fact.number);
        fact.proven = ours || fact.foreign;
    }
    Ok(())
}

/// The pages and their facts.
fn pages(folder: &Path) -> anyhow::Result<BTreeMap<String, Page>> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    let (mut pages, mut known) = (BTreeMap::new(), BTreeSet::new());
    for file in files {
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name == "README" || file.extension().is_none_or(|end| end != "md") {
            continue;
        }
        let page = page(&name, &std::fs::read_to_string(&file)?);
        for fact in &page.facts {
            if !known.insert(fact.number.clone()) {
                bail!(
                    "{} is there twice, the second time in {}",
                    fact.number,
                    file.display()
                );
            }
        }
        pages.insert(name, page);
    }
    Ok(pages)
}

fn page(name: &str, text: &str) -> Page {
    let title = text
        .lines()
        .find_map(|line| line.strip_prefix("# "))
        .unwrap_or(name);
    Page {
        title: title.trim().to_owned(),
        facts: text.lines().filter_map(fact).collect(),
    }
}

/// A line of a list that begins with a number in bold, if it is one.
fn fact(line: &str) -> Option<Fact> {
    let item = line
        .trim_start()
        .trim_start_matches(|c: char| c.is_ascii_digit());
    let item = item.strip_prefix(['-', '*', '.'])?.trim_start();
    let (number, rest) = item.strip_prefix("**")?.split_once("**")?;
    let (page, digits) = number.rsplit_once('-')?;
    if page.is_empty() || digits.parse::<u32>().is_err() {
        return None;
    }
    let tests = rest
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| {
            let (file, function) = quoted.rsplit_once("::")?;
            let file = file.split("::").next()?;
            let name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            (name(file) && name(function)).then(|| (file.to_owned(), function.to_owned()))
        })
        .collect();
    Some(Fact {
        number: number.to_owned(),
        tests,
        proven: false,
        foreign: false,
    })
}

/// The part of a file that is test.
fn tests_in<'a>(path: &Path, text: &'a str) -> &'a str {
    let all = path.starts_with("scenarios")
        || path.starts_with("counterparts")
        || path.components().any(|part| part.as_os_str() == "tests")
        || path.ends_with("tests.rs");
    match text.find("#[cfg(test)]") {
        _ if all => text,
        Some(at) => &text[at..],
        None => "",
    }
}

/// What may be a fact in a text: `gather-4`, or `gather_4` within the name of a test.
fn named(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')) {
        let word = word.replace('_', "-");
        let parts: Vec<&str> = word.split('-').collect();
        for (at, part) in parts.iter().enumerate().skip(1) {
            if part.parse::<u32>().is_err() {
                continue;
            }
            // A test's name may put words before the page's: every tail of them may be a page.
            for from in 0..at {
                found.insert(parts[from..=at].join("-"));
            }
        }
    }
    found
}

fn table(pages: &BTreeMap<String, Page>) -> String {
    let mut text = String::from(
        "| page | facts | proven by a test | of these only with software of others | not proven |\n|---|---:|---:|---:|---|\n",
    );
    let (mut facts, mut proven, mut foreign) = (0, 0, 0);
    for (name, Page { title, facts: list }) in
        pages.iter().filter(|(_, page)| !page.facts.is_empty())
    {
        let open: Vec<&str> = list
            .iter()
            .filter(|fact| !fact.proven)
            .map(|fact| fact.number.as_str())
            .collect();
        let closed = list.len() - open.len();
        let theirs = list.iter().filter(|fact| fact.foreign).count();
        facts += list.len();
        proven += closed;
        foreign += theirs;
        let open = open.join(", ");
        let line = format!(
            "| [{title}](docs/compat/{name}.md) | {} | {closed} | {theirs} | {open} |\n",
            list.len()
        );
        text.push_str(&line.replace("|  |", "| |"));
    }
    text.push_str(&format!(
        "| **all** | **{facts}** | **{proven}** | **{foreign}** | |\n"
    ));
    text
}

/// All files below a folder, in order; none when there is no folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<anyhow::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        match path.is_dir() {
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_pages() {
        let text = "# Trunks\n\n- **sip-trunk-1** calls\n12. **sip-trunk-12**: more (`calls::by_ip`)\nsee **sip-1**\n";
        let page = page("sip-trunk", text);
        assert_eq!(page.title, "Trunks");
        let numbers: Vec<&str> = page.facts.iter().map(|fact| fact.number.as_str()).collect();
        assert_eq!(numbers, ["sip-trunk-1", "sip-trunk-12"]);
        assert_eq!(
            page.facts[1].tests,
            [("calls".to_owned(), "by_ip".to_owned())]
        );
    }

    #[test]
    fn a_test_that_a_page_names_must_be_there() {
        let tests = [Tests {
            path: "crates/sip/tests/calls.rs".into(),
            text: "fn by_ip() {}".to_owned(),
        }];
        let pages = |quoted: &str| {
            let text = format!("- **sip-1** calls (`{quoted}`)");
            BTreeMap::from([("sip".to_owned(), page("sip", &text))])
        };
        let mut proven = pages("calls::by_ip");
        prove(&mut proven, &tests).expect("it is there");
        assert!(proven["sip"].facts[0].proven);
        assert!(prove(&mut pages("calls::by_i"), &tests).is_err());
        assert!(prove(&mut pages("trunks::by_ip"), &tests).is_err());
    }

    #[test]
    fn what_only_others_show_is_told_apart() {
        let text = "- **sip-1** calls\n- **sip-2** rings\n- **sip-3** ends";
        let mut pages = BTreeMap::from([("sip".to_owned(), page("sip", text))]);
        let tests = |path: &str, text: &str| Tests {
            path: path.into(),
            text: text.to_owned(),
        };
        let tests = [
            tests("counterparts/sipp/suite.py", "# sip-1\n# sip-2"),
            tests("scenarios/rings.call", "# sip-2"),
        ];
        prove(&mut pages, &tests).expect("no test is named");
        let told: Vec<_> = pages["sip"]
            .facts
            .iter()
            .map(|f| (f.proven, f.foreign))
            .collect();
        assert_eq!(told, [(true, true), (true, false), (false, false)]);
    }

    #[test]
    fn tests_name_facts_in_comments_and_in_names() {
        let found = named("// proves gather-4 and sip-trunk-12\nfn an_empty_dial_7_is_next() {}");
        for number in ["gather-4", "sip-trunk-12", "dial-7"] {
            assert!(found.contains(number), "{number}");
        }
        assert!(!found.contains("gather-12"));
    }

    #[test]
    fn only_tests_prove() {
        let text = "// compat say-1\n#[cfg(test)]\nmod tests { /* compat say-2 */ }";
        let source = Path::new("crates/voice/src/say.rs");
        assert!(!tests_in(source, text).contains("say-1"));
        assert!(tests_in(source, text).contains("say-2"));
        assert_eq!(tests_in(source, "// say-3"), "");
        assert_eq!(
            tests_in(Path::new("crates/voice/tests/say.rs"), "// say-3"),
            "// say-3"
        );
    }

    #[test]
    fn an_unproven_fact_is_listed() {
        let fact = |number: &str, proven| Fact {
            number: number.to_owned(),
            proven,
            ..Fact::default()
        };
        let facts = vec![fact("say-1", true), fact("say-2", false)];
        let pages = BTreeMap::from([(
            "say".to_owned(),
            Page {
                title: "Say".to_owned(),
                facts,
            },
        )]);
        let table = table(&pages);
        assert!(
            table.contains("| [Say](docs/compat/say.md) | 2 | 1 | 0 | say-2 |"),
            "{table}"
        );
        assert!(
            table.contains("| **all** | **2** | **1** | **0** | |"),
            "{table}"
        );
    }
}
