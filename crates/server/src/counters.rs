//! What has happened since the start, counted where it happens and told by `/metrics`.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often something happened.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Counter(AtomicU64::new(0))
    }

    /// It happened once more.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one name, told apart by a label.
struct Family {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    counters: &'static [(&'static str, &'static Counter)],
}

/// Calls that ended as `completed`.
pub static CALLS_COMPLETED: Counter = Counter::new();
/// Calls that ended as `busy`.
pub static CALLS_BUSY: Counter = Counter::new();
/// Calls that ended as `no-answer`.
pub static CALLS_NO_ANSWER: Counter = Counter::new();
/// Calls that ended as `canceled`.
pub static CALLS_CANCELED: Counter = Counter::new();
/// Calls that ended as `failed`.
pub static CALLS_FAILED: Counter = Counter::new();
/// Documents that arrived.
pub static DOCUMENTS_ANSWERED: Counter = Counter::new();
/// Documents that were asked for in vain.
pub static DOCUMENTS_FAILED: Counter = Counter::new();
/// Status callbacks that were delivered.
pub static CALLBACKS_DELIVERED: Counter = Counter::new();
/// Attempts at a status callback after which it is tried again.
pub static CALLBACKS_AGAIN: Counter = Counter::new();
/// Status callbacks that were given up.
pub static CALLBACKS_GIVEN_UP: Counter = Counter::new();
/// SIP datagrams that nobody read because the queue was full.
pub static DATAGRAMS_DROPPED: Counter = Counter::new();

const FAMILIES: &[Family] = &[
    Family {
        name: "switchboard_calls_ended_total",
        help: "Calls that ended, by their last status.",
        label: "status",
        counters: &[
            ("completed", &CALLS_COMPLETED),
            ("busy", &CALLS_BUSY),
            ("no-answer", &CALLS_NO_ANSWER),
            ("canceled", &CALLS_CANCELED),
            ("failed", &CALLS_FAILED),
        ],
    },
    Family {
        name: "switchboard_documents_total",
        help: "Documents asked for, by what came of it.",
        label: "result",
        counters: &[
            ("answered", &DOCUMENTS_ANSWERED),
            ("failed", &DOCUMENTS_FAILED),
        ],
    },
    Family {
        name: "switchboard_callback_attempts_total",
        help: "Attempts at status callbacks, by what came of it.",
        label: "result",
        counters: &[
            ("delivered", &CALLBACKS_DELIVERED),
            ("again", &CALLBACKS_AGAIN),
            ("given-up", &CALLBACKS_GIVEN_UP),
        ],
    },
    Family {
        name: "switchboard_sip_datagrams_dropped_total",
        help: "SIP datagrams dropped because too many waited.",
        label: "",
        counters: &[("", &DATAGRAMS_DROPPED)],
    },
];

/// All of them in the text format of Prometheus.
pub fn write(text: &mut String) {
    for family in FAMILIES {
        let Family { name, help, .. } = family;
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        for (value, counter) in family.counters {
            let count = counter.value();
            let _ = match family.label {
                "" => writeln!(text, "{name} {count}"),
                label => writeln!(text, "{name}{{{label}=\"{value}\"}} {count}"),
            };
        }
    }
}
