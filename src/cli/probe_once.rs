//! `sidestep probe`: one round now, with a trace of each probe.

use super::{Failed, Outcome, arguments::ProbeArguments, hostnames, print};
use crate::{
    config,
    daemon::sources::resolve_paths,
    model::{ServiceName, diagnostic::did_you_mean},
    probe::{self, Outcome as Found, TracedOutcome, round as one_round},
};
use std::{
    io,
    path::{Path, PathBuf},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Probes once.
pub(super) fn run(arguments: &ProbeArguments) -> Outcome {
    let default = PathBuf::from("sidestep.toml");
    let (path, service) = match (&arguments.config_or_service, &arguments.service) {
        (None, _) => (default, None),
        (Some(path), Some(service)) => (path.into(), Some(service)),
        // One word alone is a file where there is one or where it looks like one; a folder is none.
        (Some(word), None)
            if Path::new(word).is_file() || word.ends_with(".toml") || word.contains('/') =>
        {
            (word.into(), None)
        }
        (Some(word), None) => (default, Some(word)),
    };
    round(&path, service.map(String::as_str), arguments.json)
}

/// Probes what the configuration at `path` asks for, of one service or of all; fails where a
/// probe is not good.
pub(super) fn round(path: &Path, service: Option<&str>, json: bool) -> Outcome {
    let loaded = config::load(path).map_err(|errors| {
        errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    let mut config = loaded.config;
    resolve_paths(&config::Paths::of(path), &mut config);
    let service: Option<ServiceName> = service.map(Into::into);
    if let Some(name) = &service
        && !config.services.contains_key(name)
    {
        let known: Vec<&str> = config.services.keys().map(|name| name.as_str()).collect();
        let hint = did_you_mean(name, known.iter().copied()).map_or_else(
            || format!("there are {}", known.join(", ")),
            |meant| format!("did you mean '{meant}'?"),
        );
        let path = path.display();
        return Err(format!("{path}: no service '{name}': {hint}").into());
    }
    let problems = probe::problems(&config);
    if !problems.is_empty() {
        return Err(problems.join("\n").into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let found = runtime.block_on(async {
        // Programs have groups of their own: what ends us does not end them. So this listens
        // before the first of them starts.
        let mut end = Ending::listen().map_err(|error| format!("signals: {error}"))?;
        let failed = tokio::select! {
            failed = hostnames::resolve(&mut config) => failed,
            () = end.told() => return Err("interrupted before anything was probed".to_owned()),
        };
        if let Some((target, why)) = failed.first() {
            return Err(format!("target {target}: {why}"));
        }
        tokio::select! {
            found = one_round(&config, service.as_ref()) => Ok(found),
            () = end.told() => Err("interrupted: the probes were ended".to_owned()),
        }
    })?;
    if json {
        print(&as_json(&found))?;
    } else {
        print(&as_text(&found))?;
    }
    let good = found
        .iter()
        .all(|one| matches!(one.outcome, Found::Good { .. }));
    if good { Ok(()) } else { Err(Failed::Said) }
}

/// The signals that end a round.
struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn as_text(found: &[TracedOutcome]) -> String {
    let mut text = String::new();
    for one in found {
        let verdict = match &one.outcome {
            Found::Good {
                rtt_us,
                cert_days,
                value,
            } => {
                let days = match cert_days {
                    None => String::new(),
                    Some(days @ ..0) => {
                        format!(", certificate expired {} days ago", days.unsigned_abs())
                    }
                    Some(days) => format!(", certificate for {days} days"),
                };
                format!("good in {}{days}{}", ms(*rtt_us), value_of(*value))
            }
            Found::Bad { reason, value, .. } => format!("bad: {reason}{}", value_of(*value)),
            Found::NoResult { local } => format!("no result: {local}"),
        };
        let note = one
            .trace
            .note
            .as_ref()
            .map_or_else(String::new, |note| format!(" ({note})"));
        text.push_str(&format!(
            "{:<12} {:<10} {:<24} {verdict}{note}\n",
            one.place.target,
            one.place.monitor,
            one.at.to_string()
        ));
        let steps = steps(one);
        let steps = steps.iter().map(|(step, us)| match *step {
            "resolve" => "resolve nothing (the target's own address)".to_owned(),
            step => format!("{step} {}", ms(*us)),
        });
        let steps: Vec<String> = steps.collect();
        if !steps.is_empty() {
            text.push_str(&format!("    {}\n", steps.join(" -> ")));
        }
        for (word, seen) in &one.trace.seen {
            text.push_str(&format!("    {word}: {seen}\n"));
        }
    }
    text
}

/// The steps of a probe, each with its length in µs; none where nothing was begun. Names are
/// never looked up, which is said, since everybody else's probe begins with it.
fn steps(one: &TracedOutcome) -> Vec<(&'static str, u32)> {
    match one.trace.verdict_us {
        0 => Vec::new(),
        _ => [vec![("resolve", 0)], one.trace.steps()].concat(),
    }
}

fn as_json(found: &[TracedOutcome]) -> String {
    let lines = found.iter().map(|one| {
        let observation = one.outcome.clone().observation(&one.place, false);
        let steps: serde_json::Map<String, serde_json::Value> = steps(one)
            .into_iter()
            .map(|(step, us)| (format!("{}_us", step.replace(' ', "_")), us.into()))
            .collect();
        let seen = one.trace.seen.iter();
        let seen: Vec<_> = seen
            .map(|(word, seen)| serde_json::json!({ "word": word, "text": seen }))
            .collect();
        serde_json::json!({
            "probe": observation,
            "at": one.at.to_string(),
            "trace": steps,
            "note": one.trace.note,
            "seen": seen,
        })
    });
    let all: Vec<serde_json::Value> = lines.collect();
    format!("{}\n", serde_json::Value::from(all))
}

fn value_of(value: Option<i64>) -> String {
    value.map_or_else(String::new, |value| format!(", value {value}"))
}

/// µs as ms with one decimal.
fn ms(us: u32) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}
