//! `sidestep explain`: why a service answers what it answers, now or at an instant of the past.

use super::{
    Failed, Outcome,
    arguments::{ExplainArguments, PastArguments},
    log::now,
    print,
    show::{self, Look},
};
use crate::{
    config,
    model::{Param, PolicyText, ServiceName, Timestamp},
    replay::explain::{Decided, File, Past, Under, explain, from_journal, from_recording},
};

/// Prints the explanation.
pub(super) fn run(arguments: &ExplainArguments) -> Outcome {
    let until = arguments.at.map(|when| when.at(now()));
    let (past, decided) = past(&arguments.past, until)?;
    let explained = explain(&past, decided)?;
    if arguments.past.json {
        let json = serde_json::to_string(&explained).map_err(|error| error.to_string())?;
        return print(&format!("{json}\n"));
    }
    print(&show::explanation(&explained, Look::of_stdout()))
}

/// What was recorded of a service up to an instant, from wherever it is asked to be read, under the
/// policy that is asked for.
pub(super) fn past(
    arguments: &PastArguments,
    until: Option<Timestamp>,
) -> Result<(Past, Decided), Failed> {
    let service = ServiceName::from(arguments.service.as_str());
    let under = under(arguments)?;
    let (mut past, decided) = match &arguments.recording {
        None => {
            let text = config::read(&arguments.config).map_err(|found| found.to_string())?;
            let folder = config::data_folder(&arguments.config, &text);
            (from_journal(&folder, &service, until)?, Decided::Recorded)
        }
        Some(path) if path.is_dir() => (from_journal(path, &service, until)?, Decided::Recorded),
        Some(path) => {
            let reading = &arguments.reading.reading();
            from_recording(File { path, reading }, &service, until, &under)?
        }
    };
    if under.is_any() && decided == Decided::Recorded {
        past.under(&under)?;
    }
    Ok((past, decided))
}

/// The policy and the parameters that are asked for.
fn under(arguments: &PastArguments) -> Result<Under, Failed> {
    let text = match &arguments.policy {
        None => None,
        Some(path) => {
            let source = config::read(path).map_err(|found| found.to_string())?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Some(PolicyText {
                name: name.as_ref().into(),
                source: source.into(),
            })
        }
    };
    let params = arguments.set.iter().map(|set| parameter(set));
    Ok(Under {
        text,
        params: params.collect::<Result<_, _>>()?,
    })
}

/// `FALL=5`, `FAILBACK=10m`, `STRICT=true`.
fn parameter(text: &str) -> Result<(String, Param), Failed> {
    let Some((name, value)) = text.split_once('=') else {
        let why = format!("--set {text}: write NAME=VALUE, such as FALL=5 or FAILBACK=10m");
        return Err(Failed::Usage(why));
    };
    let value = match (value.parse::<i64>(), value.parse::<bool>()) {
        (Ok(value), _) => Param::Int(value),
        (_, Ok(value)) => Param::Bool(value),
        _ => Param::Text(value.to_owned()),
    };
    Ok((name.trim().to_owned(), value))
}
