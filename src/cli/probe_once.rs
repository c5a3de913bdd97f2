//! `sidestep probe`: one round now, with a trace of each probe.

use super::{Failed, Outcome, arguments::ProbeArguments, print};
use crate::{
    config,
    daemon::sources::resolve_authorities,
    model::{ServiceName, diagnostic::did_you_mean},
    probe::{self, Outcome as Found, TracedOutcome, round as one_round},
};
use std::path::{Path, PathBuf};

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
    resolve_authorities(&config::Paths::of(path), &mut config);
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
    let found = runtime.block_on(one_round(&config, service.as_ref()));
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

fn as_text(found: &[TracedOutcome]) -> String {
    let mut text = String::new();
    for one in found {
        let verdict = match &one.outcome {
            Found::Good { rtt_us, cert_days } => {
                let days = cert_days
                    .map_or_else(String::new, |days| format!(", certificate for {days} days"));
                format!("good in {}{days}", ms(*rtt_us))
            }
            Found::Bad { reason, .. } => format!("bad: {reason}"),
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
        let steps: Vec<String> = one
            .trace
            .steps()
            .iter()
            .map(|(step, us)| format!("{step} {}", ms(*us)))
            .collect();
        text.push_str(&format!("    {}\n", steps.join(" -> ")));
    }
    text
}

fn as_json(found: &[TracedOutcome]) -> String {
    let lines = found.iter().map(|one| {
        let observation = one.outcome.clone().observation(&one.place, false);
        let steps: serde_json::Map<String, serde_json::Value> = one
            .trace
            .steps()
            .iter()
            .map(|(step, us)| (format!("{step}_us"), (*us).into()))
            .collect();
        serde_json::json!({ "probe": observation, "trace": steps, "note": one.trace.note })
    });
    let all: Vec<serde_json::Value> = lines.collect();
    format!("{}\n", serde_json::Value::from(all))
}

/// µs as ms with one decimal.
fn ms(us: u32) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}
