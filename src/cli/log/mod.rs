//! `sidestep log`: what happened, from the journal, with the daemon running or not.
//!
//! Reads on, one event after the other, and keeps no more than the state that they lead to: a
//! journal may be of any length. Changes nothing.

mod changes;
mod lines;
pub(super) mod when;

pub use lines::{Line, Log};

use super::{
    Failed, Outcome,
    arguments::LogArguments,
    complain,
    show::{
        Look,
        layout::{Paint, clean},
    },
};
use crate::{
    config,
    failover::{Event, State, What},
    journal::{self, Begin, Passage},
    model::{ServiceName, Timestamp, diagnostic::did_you_mean, time::DAY_MS},
};
use std::{
    collections::BTreeSet,
    io::{self, BufWriter, Write},
    path::Path,
    time::SystemTime,
};

/// Letters of the longest kind.
const KIND_WIDTH: usize = 9;

/// Which part of a log is shown, and how.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// Events before it are folded, and not shown.
    pub from: Timestamp,
    /// Events at or after it are not shown.
    pub until: Timestamp,
    /// As recording lines instead of text.
    pub json: bool,
    /// How text looks.
    pub look: Look,
}

/// Prints what happened.
pub(super) fn run(arguments: &LogArguments) -> Outcome {
    let config = config::read(&arguments.config).map_err(|found| found.to_string())?;
    let folder = config::data_folder(&arguments.config, &config);
    let now = now();
    let since = arguments.since.map(|when| when.at(now));
    let until = arguments.until.map(|when| when.at(now));
    let shown = Shown {
        from: since.unwrap_or_else(|| until.unwrap_or(now).minus_ms(DAY_MS)),
        until: until.unwrap_or(Timestamp(i64::MAX)),
        json: arguments.json,
        look: Look::of_stdout(),
    };
    if shown.from >= shown.until {
        return Err(Failed::Because(
            "--since is not before --until: nothing can be between them".to_owned(),
        ));
    }
    if since.is_none() {
        complain(&format!(
            "one day, from {}: --since 7d shows more",
            shown.from
        ));
    }
    let only = arguments.service.as_deref().map(ServiceName::from);
    if print_log(&folder, only, &shown)? == 0 {
        complain(&format!("nothing happened from {} on", shown.from));
    }
    Ok(())
}

impl From<journal::ReadError> for Failed {
    fn from(error: journal::ReadError) -> Self {
        Self::Because(error.to_string())
    }
}

/// Streams the journal to stdout; how many lines that were.
fn print_log(folder: &Path, only: Option<ServiceName>, shown: &Shown) -> Result<usize, Failed> {
    let ahead_ms = ahead_ms(folder)?;
    let from = shown.from.min(shown.from.minus_ms(ahead_ms));
    let until = shown.until.max(shown.until.minus_ms(ahead_ms));
    let before = journal::state_before(folder, from)?;
    if let Some(only) = &only {
        is_known(folder, only, before.as_ref())?;
    }
    let mut log = Log::new(State::default(), only);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut lines = 0;
    for passage in journal::stretch(folder, Begin::Left(from))? {
        let event = match passage? {
            Passage::State(state) => {
                log.resume(*state);
                continue;
            }
            Passage::Event(event) => event,
        };
        if event.at > until {
            break;
        }
        match tell(&mut log, &event, shown, &mut out) {
            Ok(more) => lines += more,
            Err(error) => return gone(&error).map(|()| lines.max(1)),
        }
    }
    out.flush().or_else(|error| gone(&error))?;
    Ok(lines)
}

/// How far the wall clock is ahead of the fold's time, in whose order a journal is, ms.
pub(super) fn ahead_ms(folder: &Path) -> Result<i64, Failed> {
    let latest = journal::state_before(folder, Timestamp(i64::MAX))?;
    Ok(latest.map_or(0, |state| state.world().wall_offset_ms))
}

/// A reader that went away (`| head`) is no failure.
pub(super) fn gone(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failed::Because(format!("stdout: {error}"))),
    }
}

/// That the journal knew the service at some time; else, which ones it knew.
fn is_known(folder: &Path, only: &ServiceName, before: Option<&State>) -> Outcome {
    let known = before.map(|state| state.world().config.services.keys().cloned());
    let mut names: BTreeSet<ServiceName> = known.into_iter().flatten().collect();
    if names.contains(only) {
        return Ok(());
    }
    for event in journal::read(folder, None, None)? {
        if let What::Config(config) = event?.what {
            names.extend(config.config.services.keys().cloned());
            if names.contains(only) {
                return Ok(());
            }
        }
    }
    let names: Vec<&str> = names.iter().map(ServiceName::as_str).collect();
    let hint = match (did_you_mean(only, names.iter().copied()), names.as_slice()) {
        (Some(meant), _) => format!("did you mean '{meant}'?"),
        (None, []) => "it knows none".to_owned(),
        (None, names) => format!("there are {}", names.join(", ")),
    };
    Err(Failed::Because(format!(
        "the journal knows no service '{only}': {hint}"
    )))
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    Timestamp(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// One line of text with its end; control characters are blanks in it.
pub fn text(line: &Line, look: Look) -> String {
    let at = Paint::Dim.on(&line.at.to_string(), look);
    let kind = line.paint.on(line.kind, look);
    let pad = " ".repeat(KIND_WIDTH.saturating_sub(line.kind.len()));
    format!("{at}  {kind}{pad}  {}\n", clean(&line.said))
}

/// Folds an event into the log and writes what there is to say of it; how many lines that were.
///
/// # Errors
/// As `out` says.
pub fn tell(
    log: &mut Log,
    event: &Event,
    shown: &Shown,
    out: &mut impl Write,
) -> io::Result<usize> {
    let lines = log.event(event);
    let in_part = |line: &Line| line.at >= shown.from && line.at < shown.until;
    let lines: Vec<&Line> = lines.iter().filter(|line| in_part(line)).collect();
    if shown.json && !lines.is_empty() {
        serde_json::to_writer(&mut *out, event)?;
        out.write_all(b"\n")?;
    }
    if !shown.json {
        for line in &lines {
            out.write_all(text(line, shown.look).as_bytes())?;
        }
    }
    Ok(lines.len())
}
