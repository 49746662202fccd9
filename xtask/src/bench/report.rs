//! What was measured, as a table for people and as one JSON object for programs.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// One figure.
pub struct Figure {
    /// The target's number in the performance plan, like `P1`; empty for figures without one.
    pub target_id: &'static str,
    /// What it is; also its key in the JSON.
    pub name: &'static str,
    /// What it is counted in.
    pub unit: &'static str,
    /// What it should be.
    pub target: Option<Target>,
    /// What it is.
    pub measured: f64,
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Target {
    /// At most this.
    Most(f64),
    /// At least this.
    Least(f64),
}

impl Figure {
    /// A figure without a target.
    pub fn new(name: &'static str, unit: &'static str, measured: f64) -> Self {
        Self {
            target_id: "",
            name,
            unit,
            target: None,
            measured,
        }
    }

    /// The same, with what it should be.
    pub fn against(self, target_id: &'static str, target: Target) -> Self {
        Self {
            target_id,
            target: Some(target),
            ..self
        }
    }

    /// Measured by target; below 1 is better than the target for figures that should be small.
    fn ratio(&self) -> Option<f64> {
        let (Target::Most(target) | Target::Least(target)) = self.target?;
        (target != 0.0).then(|| self.measured / target)
    }

    fn met(&self) -> Option<bool> {
        Some(match self.target? {
            Target::Most(target) => self.measured <= target,
            Target::Least(target) => self.measured >= target,
        })
    }
}

/// What one measurement found.
pub struct Finding {
    /// The measurement, as `--only` calls it.
    pub name: String,
    /// What was done, in one line.
    pub what: String,
    /// The figures.
    pub figures: Vec<Figure>,
    /// Why the figures do not count; empty when they do.
    pub faults: Vec<String>,
}

/// All findings as one object.
pub fn json(findings: &[Finding]) -> Value {
    let number = |value: f64| json!((value * 100_000.0).round() / 100_000.0);
    let measurements: Map<String, Value> = findings
        .iter()
        .map(|finding| {
            let figures: Map<String, Value> = finding
                .figures
                .iter()
                .map(|figure| {
                    let mut object = Map::new();
                    object.insert("measured".to_owned(), number(figure.measured));
                    object.insert("unit".to_owned(), figure.unit.into());
                    if let Some(target) = figure.target {
                        let (Target::Most(value) | Target::Least(value)) = target;
                        let bound = match target {
                            Target::Most(_) => "at most",
                            Target::Least(_) => "at least",
                        };
                        object.insert("target_id".to_owned(), figure.target_id.into());
                        object.insert("target".to_owned(), number(value));
                        object.insert("bound".to_owned(), bound.into());
                        object.insert(
                            "ratio".to_owned(),
                            figure.ratio().map_or(Value::Null, number),
                        );
                        object.insert("met".to_owned(), figure.met().into());
                    }
                    (figure.name.to_owned(), object.into())
                })
                .collect();
            let object =
                json!({"what": finding.what, "figures": figures, "faults": finding.faults});
            (finding.name.clone(), object)
        })
        .collect();
    json!({"machine": machine(), "measurements": measurements})
}

/// What the figures depend on.
fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "processor": model.map(|(_, model)| model),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
    })
}

/// All findings as a table.
pub fn table(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let _ = writeln!(text, "\n{}: {}", finding.name, finding.what);
        let _ = writeln!(
            text,
            "  {:<14} {:<46} {:>14} {:>14} {:>8}",
            "", "", "measured", "target", "ratio"
        );
        for figure in &finding.figures {
            let target = match figure.target {
                Some(Target::Most(target)) => format!("<= {}", shown(target)),
                Some(Target::Least(target)) => format!(">= {}", shown(target)),
                None => String::new(),
            };
            let ratio = figure
                .ratio()
                .map_or(String::new(), |ratio| format!("{ratio:.2}"));
            let label = format!("{}, {}", figure.name.replace('_', " "), figure.unit);
            let _ = writeln!(
                text,
                "  {:<14} {:<46} {:>14} {:>14} {:>8}",
                figure.target_id,
                label,
                shown(figure.measured),
                target,
                ratio
            );
        }
        for fault in &finding.faults {
            let _ = writeln!(text, "  does not count: {fault}");
        }
    }
    text
}

/// Four digits that mean something.
fn shown(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "-".to_owned(),
        size if size >= 1000.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

/// The value below which `share` of all lie; sorts them.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = (values.len() as f64 * share).ceil().max(1.0) as usize - 1;
    values.get(at.min(last)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_held_against_their_targets() {
        let finding = Finding {
            name: "bridge".to_owned(),
            what: "200 calls".to_owned(),
            figures: vec![
                Figure::new("cpu_per_call", "%", 0.06).against("P1", Target::Most(0.05)),
                Figure::new("rate", "per s", 4000.0).against("P3", Target::Least(3000.0)),
                Figure::new("files", "", 7.0),
            ],
            faults: vec!["one was lost".to_owned()],
        };
        let text = table(std::slice::from_ref(&finding));
        for part in [
            "0.0600",
            "<= 0.0500",
            "1.20",
            ">= 3000",
            "does not count: one",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let json = json(&[finding]);
        let figures = &json["measurements"]["bridge"]["figures"];
        assert_eq!(figures["cpu_per_call"]["met"], false);
        assert_eq!(figures["rate"]["met"], true);
        assert!(figures["files"].get("target").is_none());
    }

    #[test]
    fn quantiles() {
        let mut values = [3.0, 1.0, 2.0, 4.0];
        assert_eq!(quantile(&mut values, 0.5), 2.0);
        assert_eq!(quantile(&mut values, 0.99), 4.0);
        assert!(quantile(&mut [], 0.5).is_nan());
    }
}
