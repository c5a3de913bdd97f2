//! `sidestep check`: everything that can be known without starting, as a checklist.

mod advice;
mod timing;
mod witnesses;

use super::{Failed, Outcome, arguments::CheckArguments, print};
use crate::{
    daemon::{Accepted, Case, Judge, Sources, case},
    model::{Diagnostic, Severity},
};
use std::path::Path;

/// What was looked at and what came of it.
#[derive(Default)]
struct Checklist {
    /// What is in order, a line each.
    good: Vec<String>,
    /// What is not, in the order it was found.
    findings: Vec<Diagnostic>,
}

impl Checklist {
    fn has_errors(&self) -> bool {
        self.findings
            .iter()
            .any(|found| found.severity == Severity::Error)
    }
}

/// Prints the checklist; fails where there are errors.
pub(super) fn run(arguments: &CheckArguments) -> Outcome {
    let checklist = check(&arguments.config);
    if arguments.json {
        let json = serde_json::json!({ "good": checklist.good, "findings": checklist.findings });
        print(&format!("{json}\n"))?;
    } else {
        print(&render(&checklist))?;
    }
    if checklist.has_errors() {
        Err(Failed::Said)
    } else {
        Ok(())
    }
}

fn check(path: &Path) -> Checklist {
    let mut checklist = Checklist::default();
    let mut judge = Judge::default();
    match judged(path, &mut judge) {
        Err(findings) => checklist.findings = findings,
        Ok((case, accepted)) => {
            let config = &accepted.config;
            checklist.good.push(format!(
                "{}: {}, {}, {}, {}",
                path.display(),
                counted(config.services.len(), "service"),
                counted(config.targets.len(), "target"),
                counted(config.monitors.len(), "monitor"),
                counted(config.zones.len(), "zone")
            ));
            checklist.findings.extend(accepted.warnings.iter().cloned());
            advice::policies(&case, &accepted, &judge, &mut checklist);
            advice::static_names(&case, &accepted, &mut checklist);
            witnesses::silent(&case, &accepted, &mut checklist);
            advice::hostnames(&case, &accepted, &mut checklist);
            timing::measure(&case, &accepted, &judge, &mut checklist);
        }
    }
    checklist
}

fn judged(path: &Path, judge: &mut Judge) -> Result<(Case, Accepted), Vec<Diagnostic>> {
    let (sources, parsed) = Sources::read(path, None);
    if let Err(found) = &sources.config {
        return Err(vec![found.clone()]);
    }
    let loaded = parsed.unwrap_or_else(|| Err(Vec::new()))?;
    let case = case(path, loaded, &sources)?;
    let accepted = judge.judge(&case)?;
    Ok((case, accepted))
}

fn render(checklist: &Checklist) -> String {
    let mut text = String::new();
    for good in &checklist.good {
        let mut lines = good.lines();
        text.push_str(&format!("ok       {}\n", lines.next().unwrap_or_default()));
        for line in lines {
            text.push_str(&format!("         {line}\n"));
        }
    }
    let of = |severity| {
        checklist
            .findings
            .iter()
            .filter(move |found: &&Diagnostic| found.severity == severity)
    };
    for (mark, severity) in [("warning", Severity::Warning), ("error", Severity::Error)] {
        for found in of(severity) {
            text.push_str(&format!("{mark:<8} {found}\n"));
        }
    }
    let (errors, warnings) = (of(Severity::Error).count(), of(Severity::Warning).count());
    text.push_str(&format!(
        "{}, {}\n",
        counted(errors, "error"),
        counted(warnings, "warning")
    ));
    text
}

/// `1 service`, `2 services`.
fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
