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
    model::{ServiceName, Timestamp},
    replay::explain::{Decided, Past, explain, from_journal},
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

/// What was recorded of a service up to an instant, from wherever it is asked to be read.
pub(super) fn past(
    arguments: &PastArguments,
    until: Option<Timestamp>,
) -> Result<(Past, Decided), Failed> {
    let service = ServiceName::from(arguments.service.as_str());
    let text = config::read(&arguments.config).map_err(|found| found.to_string())?;
    let folder = config::data_folder(&arguments.config, &text);
    let past = from_journal(&folder, &service, until)?;
    Ok((past, Decided::Recorded))
}
