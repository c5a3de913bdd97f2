//! `sidestep replay`: a policy tried on what was recorded.

mod text;

use super::{
    Failed, Outcome,
    arguments::{ReplayArguments, ReportFormat},
    complain, print,
    show::Look,
};
use crate::{
    model::{PolicyText, Timestamp},
    policy::{Figure, condition},
    replay::{
        Against, ReplayError, Report, Request, Source, Variant, Verdict,
        incidents::Incidents,
        replay_whole,
        report::{Differences, Figures, html, markdown, words},
        truth::Measure,
    },
};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{IsTerminal as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

/// Between two words on how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Replays, reports, and compares.
pub(super) fn run(arguments: &ReplayArguments) -> Outcome {
    let now = super::log::now();
    let request = request(arguments, now)?;
    let reading = arguments.reading.reading();
    let open = || Source::open(&arguments.recording, &reading, request.since);
    let name = arguments.recording.display().to_string();
    let report = match replay_whole(&open, &name, &request, &progress()) {
        Ok(report) => report,
        Err(ReplayError::UnknownParam(why)) => return Err(Failed::Usage(why)),
        Err(ReplayError::Failed(why)) => return Err(Failed::Because(why)),
    };
    let failed = match &arguments.fail_if {
        Some(text) => condition(text, &named(&report))?.then_some(text),
        None => None,
    };
    write(arguments, &report)?;
    if let Some(text) = failed {
        complain(&format!("it holds: {text}"));
        return Err(Failed::Said);
    }
    match report.verdict {
        Verdict::Different => Err(Failed::Differs),
        Verdict::Same | Verdict::Alone => Ok(()),
    }
}

fn request(arguments: &ReplayArguments, now: Timestamp) -> Result<Request, Failed> {
    let since = arguments.since.map(|when| when.at(now));
    let until = arguments.until.map(|when| when.at(now));
    if since
        .zip(until)
        .is_some_and(|(since, until)| since >= until)
    {
        let why = "--since is not before --until: nothing can be between them";
        return Err(Failed::Because(why.to_owned()));
    }
    let policy = arguments.policy.as_deref().map(policy_text).transpose()?;
    let against = match arguments.against.as_deref() {
        None => None,
        Some("recorded") => Some(Against::Recorded),
        Some("none") => Some(Against::Primary),
        Some(file) => Some(Against::Policy(policy_text(Path::new(file))?)),
    };
    let incidents = match &arguments.incidents {
        Some(path) => Some((Incidents::read(path)?, path.display().to_string())),
        None => None,
    };
    Ok(Request {
        later: BTreeSet::new(),
        service: arguments.service.as_deref().map(Into::into),
        since,
        until,
        candidate: Variant {
            policy,
            set: arguments.set.iter().cloned().collect(),
            order: arguments.reading.reading().order,
            max_switches: arguments.max_switches,
            without_vantage: arguments.without_vantage.as_deref().map(Into::into),
            thin: arguments.thin.unwrap_or(1),
        },
        against,
        sweeps: arguments.sweep.clone(),
        measure: Measure {
            truth: arguments.truth,
            slow_ms: arguments.slow,
        },
        incidents,
    })
}

fn policy_text(path: &Path) -> Result<PolicyText, String> {
    let source =
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    Ok(PolicyText {
        name: name.to_string_lossy().as_ref().into(),
        source: source.into(),
    })
}

/// Says on a terminal how far it is.
fn progress() -> impl Fn(u64, Timestamp) {
    let shown = std::io::stderr().is_terminal();
    let last = Cell::new(Instant::now());
    move |observations, at| {
        if !shown || last.get().elapsed() < PROGRESS_EVERY {
            return;
        }
        last.set(Instant::now());
        let observations = words::grouped(observations);
        // Nobody misses it.
        let _ = write!(
            std::io::stderr(),
            "\r{observations} observations, {} \x1b[K\r",
            at.to_the_second()
        );
    }
}

fn write(arguments: &ReplayArguments, report: &Report) -> Outcome {
    let to_file = arguments.output.is_some();
    let look = if to_file {
        Look::PLAIN
    } else {
        Look::of_stdout()
    };
    let text = match arguments.format {
        ReportFormat::Text => text::text(report, look),
        ReportFormat::Json => {
            let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
            json + "\n"
        }
        ReportFormat::Html => html(report),
        ReportFormat::Md => markdown(report),
    };
    match &arguments.output {
        None => print(&text),
        Some(path) => {
            fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(())
        }
    }
}

/// What a condition can name: the candidate's figures, and `recorded` and `difference`.
fn named(report: &Report) -> BTreeMap<String, Figure> {
    let mut named = figures(&serde_json::to_value(&report.candidate).unwrap_or_default());
    let group = |value: Option<serde_json::Value>| {
        value.map_or(Figure::None, |value| Figure::Group(figures(&value)))
    };
    let recorded = report
        .recorded
        .as_ref()
        .map(|one: &Figures| serde_json::to_value(one).unwrap_or_default());
    let difference = report
        .difference
        .as_ref()
        .map(|one: &Differences| serde_json::to_value(one).unwrap_or_default());
    named.insert("recorded".to_owned(), group(recorded));
    named.insert("difference".to_owned(), group(difference));
    named
}

fn figures(value: &serde_json::Value) -> BTreeMap<String, Figure> {
    let entries = value.as_object().into_iter().flatten();
    let one = |value: &serde_json::Value| match value {
        serde_json::Value::Number(number) => number.as_i64().map_or(Figure::None, Figure::Int),
        serde_json::Value::Object(_) => Figure::Group(figures(value)),
        _ => Figure::None,
    };
    entries
        .map(|(name, value)| (name.clone(), one(value)))
        .collect()
}
