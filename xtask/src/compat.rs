//! `cargo xtask compat`: the README's compatibility table, made from the facts that tests name.
//!
//! A page `docs/compat/NAME.md` has numbered facts, each a line `- **NAME-1** …`. A test proves a
//! fact by naming it: in a comment, in its own name (`gather_4_…`), in a scenario. What counts as a
//! test is text in `scenarios/`, in `counterparts/`, in a `tests/` folder of a crate, and below the
//! line `#[cfg(test)]` of any other file. A fact nobody names is listed as not proven.

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
    /// Number of the fact, and how many files prove it.
    facts: BTreeMap<u32, usize>,
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
    let (before, rest) = readme
        .split_once(BEGIN)
        .context("README.md lacks the mark that begins the table")?;
    let (_, after) = rest
        .split_once(END)
        .context("README.md lacks the mark that ends the table")?;
    let mut pages = pages(&root.join("docs/compat"))?;
    let mut files = Vec::new();
    for folder in ["crates", "scenarios", "counterparts"] {
        collect(&root.join(folder), &mut files)?;
    }
    for file in files {
        let relative = file.strip_prefix(root).unwrap_or(&file).to_owned();
        // Sounds and corpora are not text and prove nothing by themselves.
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        for (page, number) in named(tests_in(&relative, &text)) {
            if let Some(count) = pages
                .get_mut(&page)
                .and_then(|page| page.facts.get_mut(&number))
            {
                *count += 1;
            }
        }
    }
    Ok(format!("{before}{BEGIN}\n{}{END}{after}", table(&pages)))
}

/// The pages and their facts.
fn pages(folder: &Path) -> anyhow::Result<BTreeMap<String, Page>> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    let mut pages = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "md"))
    {
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name == "README" {
            continue;
        }
        let page = page(&name, &std::fs::read_to_string(file)?);
        if page.facts.is_empty() {
            bail!(
                "{} has no fact: its lines begin with `- **{name}-1**`",
                file.display()
            );
        }
        pages.insert(name, page);
    }
    Ok(pages)
}

fn page(name: &str, text: &str) -> Page {
    let title = text
        .lines()
        .find_map(|line| line.strip_prefix("# "))
        .unwrap_or(name)
        .trim()
        .to_owned();
    let facts = text
        .lines()
        .filter_map(|line| {
            let rest = line.trim_start().trim_start_matches(['-', '*', ' ', '`']);
            let rest = rest.strip_prefix(name)?.strip_prefix('-')?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok().map(|number| (number, 0))
        })
        .collect();
    Page { title, facts }
}

/// The part of a file that is test.
fn tests_in<'a>(path: &Path, text: &'a str) -> &'a str {
    let all = path.starts_with("scenarios")
        || path.starts_with("counterparts")
        || path.components().any(|part| part.as_os_str() == "tests");
    match text.find("#[cfg(test)]") {
        _ if all => text,
        Some(at) => &text[at..],
        None if path.ends_with("tests.rs") => text,
        None => "",
    }
}

/// The facts a text names: `gather-4`, or `gather_4` within the name of a test.
fn named(text: &str) -> BTreeSet<(String, u32)> {
    let mut found = BTreeSet::new();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')) {
        let word = word.replace('_', "-");
        let parts: Vec<&str> = word.split('-').collect();
        for (at, part) in parts.iter().enumerate().skip(1) {
            let Ok(number) = part.parse::<u32>() else {
                continue;
            };
            // A test's name may put words before the page's: every tail of them may be a page.
            for from in 0..at {
                found.insert((parts[from..at].join("-"), number));
            }
        }
    }
    found
}

fn table(pages: &BTreeMap<String, Page>) -> String {
    let mut text =
        String::from("| page | facts | proven by a test | not proven |\n|---|---:|---:|---|\n");
    let (mut facts, mut proven) = (0, 0);
    for (name, page) in pages {
        let open: Vec<String> = page
            .facts
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(number, _)| number.to_string())
            .collect();
        facts += page.facts.len();
        proven += page.facts.len() - open.len();
        let line = format!(
            "| [{}](docs/compat/{name}.md) | {} | {} | {} |\n",
            page.title,
            page.facts.len(),
            page.facts.len() - open.len(),
            open.join(", ")
        );
        text.push_str(&line.replace("|  |", "| |"));
    }
    text.push_str(&format!("| **all** | **{facts}** | **{proven}** | |\n"));
    text
}

/// All files below a folder, in order; none when there is no folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
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
        let page = page(
            "sip-trunk",
            "# Trunks\n\n- **sip-trunk-1** calls\n- **sip-trunk-12**: more\nsee sip-1\n",
        );
        assert_eq!(page.title, "Trunks");
        assert_eq!(page.facts.keys().copied().collect::<Vec<_>>(), [1, 12]);
    }

    #[test]
    fn tests_name_facts_in_comments_and_in_names() {
        let found = named("// proves gather-4 and sip-trunk-12\nfn an_empty_dial_7_is_next() {}");
        for (page, number) in [("gather", 4), ("sip-trunk", 12), ("dial", 7)] {
            assert!(
                found.contains(&(page.to_owned(), number)),
                "{page}-{number}"
            );
        }
        assert!(!found.contains(&("gather".to_owned(), 12)));
    }

    #[test]
    fn only_tests_prove() {
        let text = "// compat say-1\n#[cfg(test)]\nmod tests { /* compat say-2 */ }";
        assert!(!tests_in(Path::new("crates/voice/src/say.rs"), text).contains("say-1"));
        assert!(tests_in(Path::new("crates/voice/src/say.rs"), text).contains("say-2"));
        assert_eq!(
            tests_in(Path::new("crates/voice/src/say.rs"), "// say-3"),
            ""
        );
        assert_eq!(
            tests_in(Path::new("crates/voice/tests/say.rs"), "// say-3"),
            "// say-3"
        );
    }

    #[test]
    fn an_unproven_fact_is_listed() {
        let mut pages = BTreeMap::new();
        pages.insert(
            "say".to_owned(),
            Page {
                title: "Say".to_owned(),
                facts: [(1, 2), (2, 0)].into(),
            },
        );
        assert!(table(&pages).contains("| [Say](docs/compat/say.md) | 2 | 1 | 2 |"));
        assert!(table(&pages).contains("| **all** | **2** | **1** | |"));
    }
}
