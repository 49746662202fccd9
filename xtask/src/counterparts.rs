//! The suites with real counterparts: helper libraries and telephones that others made.
//!
//! A suite is a script under `counterparts/`. It is given a running Switchboard by environment and
//! prints one line per test: `ok NAME`, `not ok NAME: why` or `not run NAME: why`.
//!
//! | variable | value |
//! |---|---|
//! | `SWITCHBOARD_READY` | the file with the first line of `switchboard dev --json` |
//! | `SIGNATURES` | a file of signed requests made by our own `webhook` crate, one JSON object a line |
//! | `LIBRARY` | the folder the helper library is installed in; those of further ones lie beside it |
//! | `TOOLS` | the folders of all tools of the suite, joined by commas |
//! | `OUT` | a folder for what the suite leaves behind |
//! | `QUICKSTART` | the checkout of the vendor's published quickstart, for the suite about it |
//! | `SWITCHBOARD` | the program, for suites about its command line and those that start one of their own |
//!
//! and the settings of the suite, which the server is given too. For a look at something, the browser
//! suites take from the environment of `cargo xtask` in place of their own: `ONLY` (their parts),
//! `ROUNDS` (of the race), `SDKS` (versions, joined by commas) and `TESTS` (a pattern of names).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::command;
use crate::install::Tool;
use crate::report::{Outcome, Tally};
use crate::switchboard::Switchboard;

/// No suite may take longer.
const LIMIT: Duration = Duration::from_secs(480);
/// No nightly suite may take longer.
const NIGHTLY_LIMIT: Duration = Duration::from_secs(2400);
/// How many signed requests the helper libraries validate.
const SIGNATURES: &str = "1000";

/// A suite with a real counterpart.
pub struct Suite {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it needs.
    pub tools: &'static [Tool],
    /// Its script.
    script: &'static str,
    /// Only with `--nightly`.
    pub nightly: bool,
    /// What the script and the server are told beside, by environment.
    settings: &'static [(&'static str, &'static str)],
}

const NODE_NEWEST: Tool = Tool::Node {
    folder: "node-newest",
    package: "twilio@latest",
};
const NODE_3: Tool = Tool::Node {
    folder: "node-3",
    package: "twilio@3",
};
const PYTHON_NEWEST: Tool = Tool::Python {
    folder: "python-newest",
    package: "twilio",
};
const PYTHON_6: Tool = Tool::Python {
    folder: "python-6",
    package: "twilio<7",
};
const PYTHON: Tool = Tool::Debian {
    program: "python3",
    package: "python3",
};
const SIPP: Tool = Tool::Debian {
    program: "sipp",
    package: "sip-tester",
};
const BARESIP: Tool = Tool::Debian {
    program: "baresip",
    package: "baresip-core",
};

const PUPPETEER: Tool = Tool::Node {
    folder: "puppeteer",
    package: "puppeteer-core@25",
};
const CHROMIUM: Tool = Tool::Debian {
    program: "chromium",
    package: "chromium",
};

const CERTUTIL: Tool = Tool::Debian {
    program: "certutil",
    package: "libnss3-tools",
};
/// What the page of the published quickstart loads from elsewhere.
const JQUERY: Tool = Tool::Node {
    folder: "jquery",
    package: "jquery@3.4.1",
};
/// The vendor's published quickstart.
const QUICKSTART: Tool = Tool::Git {
    folder: "quickstart",
    repository: "https://github.com/TwilioDevEd/voice-javascript-sdk-quickstart-node",
    commit: "b1cb14a30da7bc243431e6c1167797bf1fc2cb37",
    variable: "QUICKSTART",
};

/// A browser SDK: `twilio-client` up to 1.15, `@twilio/voice-sdk` from 2.0.
const fn sdk(folder: &'static str, package: &'static str) -> Tool {
    Tool::Node { folder, package }
}

/// The newest of the first generation.
const SDK_1: Tool = sdk("sdk-1.15.1", "twilio-client@1.15.1");
/// The newest.
const SDK_2: Tool = sdk("sdk-newest", "@twilio/voice-sdk@latest");

/// Calls are begun as fast as a suite likes.
const FREELY: (&str, &str) = ("SWITCHBOARD_CALLS_PER_SECOND", "100");

/// All of them, in the order in which they run.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "node-newest",
        tools: &[NODE_NEWEST],
        script: "node/library.mjs",
        nightly: false,
        settings: &[],
    },
    Suite {
        name: "node-3",
        tools: &[NODE_3],
        script: "node/library.mjs",
        nightly: false,
        settings: &[],
    },
    Suite {
        name: "python-newest",
        tools: &[PYTHON_NEWEST],
        script: "python/library.py",
        nightly: false,
        settings: &[],
    },
    Suite {
        name: "python-6",
        tools: &[PYTHON_6],
        script: "python/library.py",
        nightly: false,
        settings: &[],
    },
    Suite {
        name: "sipp",
        tools: &[PYTHON, SIPP],
        script: "sipp/suite.py",
        nightly: false,
        settings: &[],
    },
    Suite {
        name: "baresip",
        tools: &[PYTHON, BARESIP],
        script: "baresip/suite.py",
        nightly: false,
        settings: &[],
    },
    Suite {
        name: "examples",
        tools: &[PYTHON_NEWEST, NODE_NEWEST],
        script: "examples/suite.py",
        nightly: false,
        settings: &[],
    },
    Suite {
        name: "browser",
        tools: &[NODE_NEWEST, PUPPETEER, CHROMIUM, SDK_1, SDK_2],
        script: "browser/suite.mjs",
        nightly: false,
        settings: &[
            ("ONLY", "calls,opus,telemetry,revocation,race"),
            ("ROUNDS", "20"),
            FREELY,
        ],
    },
    Suite {
        name: "softphone",
        tools: &[PUPPETEER, CHROMIUM],
        script: "browser/softphone.mjs",
        nightly: false,
        settings: &[],
    },
    Suite {
        name: "quickstart",
        tools: &[
            NODE_NEWEST,
            NODE_3,
            PYTHON_NEWEST,
            PUPPETEER,
            CHROMIUM,
            CERTUTIL,
            SDK_2,
        ],
        script: "quickstart/suite.mjs",
        nightly: false,
        settings: &[("TESTS", "^(?!the published)")],
    },
    Suite {
        name: "quickstart-published",
        tools: &[NODE_NEWEST, PUPPETEER, CHROMIUM, JQUERY, QUICKSTART],
        script: "quickstart/suite.mjs",
        nightly: false,
        settings: &[("TESTS", "^the published")],
    },
    Suite {
        name: "browser-versions",
        tools: &[
            NODE_NEWEST,
            PUPPETEER,
            CHROMIUM,
            sdk("sdk-1.6.0", "twilio-client@1.6.0"),
            sdk("sdk-1.9.7", "twilio-client@1.9.7"),
            sdk("sdk-1.10.3", "twilio-client@1.10.3"),
            sdk("sdk-1.13.1", "twilio-client@1.13.1"),
            sdk("sdk-2.0.1", "@twilio/voice-sdk@2.0.1"),
            sdk("sdk-2.5.0", "@twilio/voice-sdk@2.5.0"),
            sdk("sdk-2.12.4", "@twilio/voice-sdk@2.12.4"),
        ],
        script: "browser/suite.mjs",
        nightly: true,
        settings: &[
            (
                "ONLY",
                "calls,opus,telemetry,tokens,revocation,devices,media,drops,silence,late,options,race",
            ),
            ("ROUNDS", "10"),
            FREELY,
        ],
    },
    Suite {
        name: "browser-parties",
        tools: &[NODE_NEWEST, PUPPETEER, CHROMIUM, BARESIP, SDK_1, SDK_2],
        script: "browser/suite.mjs",
        nightly: false,
        settings: &[("ONLY", "tokens,devices,drops,options,telephones"), FREELY],
    },
    Suite {
        name: "browser-race",
        tools: &[NODE_NEWEST, PUPPETEER, CHROMIUM, SDK_1, SDK_2],
        script: "browser/suite.mjs",
        nightly: true,
        settings: &[
            ("ONLY", "media,silence,late,race"),
            ("ROUNDS", "200"),
            FREELY,
        ],
    },
    Suite {
        name: "browser-warnings",
        tools: &[NODE_NEWEST, PUPPETEER, CHROMIUM, SDK_1, SDK_2],
        script: "browser/suite.mjs",
        nightly: true,
        settings: &[("ONLY", "telemetry"), ("WARNINGS", "1"), FREELY],
    },
];

/// Runs one suite against a fresh Switchboard. `programs` is where cargo put what it built.
pub fn run(root: &Path, programs: &Path, suite: &Suite) -> anyhow::Result<Outcome> {
    if let Some(missing) = suite.tools.iter().find(|tool| !tool.present(root)) {
        return Ok(Outcome::NotRun(missing.missing()));
    }
    let folder = programs.join("counterparts").join(suite.name);
    let program = programs.join("switchboard");
    let switchboard = Switchboard::start(&program, &folder, suite.settings)?;
    let script = root.join("counterparts").join(suite.script);
    let mut command = match suite.tools[0] {
        Tool::Node { .. } => Command::new("node"),
        Tool::Python { .. } => Command::new(suite.tools[0].folder(root).join("bin/python")),
        Tool::Debian { program, .. } => Command::new(program),
        Tool::Git { .. } => bail!("a checkout runs no script"),
    };
    command
        .arg(&script)
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SWITCHBOARD_READY", switchboard.ready())
        .env("SIGNATURES", signatures(programs)?)
        .env("LIBRARY", suite.tools[0].folder(root))
        .env("TOOLS", folders(suite))
        .env("OUT", &folder)
        .env("SWITCHBOARD", &program)
        .envs(suite.tools.iter().filter_map(|tool| tool.checkout(root)))
        .envs(
            suite
                .settings
                .iter()
                .filter(|(name, _)| !overridden(name))
                .copied(),
        );
    let limit = if suite.nightly { NIGHTLY_LIMIT } else { LIMIT };
    let mut tally = command::count(&mut command, limit)?;
    if tally.failed > 0 {
        println!(
            "-- the end of switchboard's log:\n{}\n--",
            switchboard.log()
        );
    }
    if tally == Tally::default() {
        bail!("the suite tested nothing");
    }
    let ended = switchboard.end();
    match &ended {
        Ok(()) => println!("ok switchboard ends on SIGTERM"),
        Err(error) => println!("not ok switchboard ends on SIGTERM: {error:#}"),
    }
    tally.add(Tally::one(ended.is_ok()));
    Ok(Outcome::Ran(tally))
}

/// Whether the caller of `cargo xtask` chose otherwise: the script has it from the environment.
fn overridden(setting: &str) -> bool {
    ["ONLY", "ROUNDS", "TESTS"].contains(&setting) && std::env::var_os(setting).is_some()
}

/// The folders under `.tools` that a suite needs.
fn folders(suite: &Suite) -> String {
    let folders: Vec<_> = suite
        .tools
        .iter()
        .filter_map(|tool| match tool {
            Tool::Node { folder, .. } | Tool::Python { folder, .. } => Some(*folder),
            Tool::Debian { .. } | Tool::Git { .. } => None,
        })
        .collect();
    folders.join(",")
}

/// Random requests signed by our own crate; made once, the same on every run.
fn signatures(programs: &Path) -> anyhow::Result<PathBuf> {
    let path = programs.join("counterparts/signatures.jsonl");
    let status = Command::new(programs.join("sign"))
        .arg(SIGNATURES)
        .stdin(Stdio::null())
        .stdout(File::create(&path)?)
        .status()
        .context("starting the program `sign`")?;
    if !status.success() {
        bail!("`sign` ended with {status}");
    }
    Ok(path)
}
