//! A journal as a recording: all of it or a stretch, every service or one.
//!
//! A stretch begins with the state that it needs: the fold of what came before it.

use super::{
    cut::Cut,
    source::{beginning, header, texts_beside},
};
use crate::{
    failover::{Event, State, What, narrowed},
    journal::{self, Begin, Passage, Stretch},
    model::{Config, ServiceName, Timestamp, diagnostic::did_you_mean},
    recording::{Header, Writer},
};
use std::{
    collections::BTreeSet,
    fmt,
    io::{self, Write},
    path::Path,
};

/// Which part of a journal is exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only what concerns this service.
    pub service: Option<ServiceName>,
    /// Events at or after it.
    pub since: Option<Timestamp>,
    /// Events before it.
    pub until: Option<Timestamp>,
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many events.
    pub events: u64,
    /// How many states.
    pub states: u64,
}

/// Why nothing, or not all, was exported.
#[derive(Debug)]
pub enum ExportError {
    /// The journal: a sentence.
    Journal(String),
    /// What is written to.
    Out(io::Error),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(why) => f.write_str(why),
            Self::Out(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ExportError {}

impl From<String> for ExportError {
    fn from(why: String) -> Self {
        Self::Journal(why)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Out(error)
    }
}

/// Writes a part of the journal in `folder` to what `begin` makes of its header.
///
/// # Errors
/// Where the journal cannot be read, knows no such service, or the recording cannot be written.
pub fn export<W: Write>(
    folder: &Path,
    wanted: &Wanted,
    begin: impl FnOnce(&Header) -> io::Result<Writer<W>>,
) -> Result<(Writer<W>, Exported), ExportError> {
    let mut start = Start::find(folder, wanted)?;
    let writer = begin(&start.header)?;
    let mut out = Out {
        writer,
        cut: start.cut.take(),
        wanted,
        exported: Exported::default(),
    };
    if let Some(state) = start.state.take() {
        out.state(&state)?;
    }
    let ahead = std::mem::take(&mut start.ahead).into_iter().map(Ok);
    for passage in ahead.chain(&mut start.stretch) {
        let more = match passage.map_err(|error| error.to_string())? {
            Passage::State(state) => out.passed_state(&state)?,
            Passage::Event(event) => out.event(*event)?,
        };
        if !more {
            break;
        }
    }
    for event in out.cut.take().map_or(Vec::new(), Cut::rest) {
        out.write(&event)?;
    }
    Ok((out.writer, out.exported))
}

/// Whether a passage is what an input before it came to.
fn follows(passage: &Passage) -> bool {
    matches!(passage, Passage::Event(event) if matches!(
        event.what,
        What::Decision(_) | What::Fault(_) | What::Ended(_) | What::Shadow(_)
    ))
}

/// Where an export begins.
struct Start {
    header: Header,
    cut: Option<Cut>,
    /// What is known there, where it is not the beginning of everything.
    state: Option<State>,
    /// Read already.
    ahead: Vec<Passage>,
    stretch: Stretch,
}

impl Start {
    fn find(folder: &Path, wanted: &Wanted) -> Result<Self, ExportError> {
        let said = |error: journal::ReadError| ExportError::Journal(error.to_string());
        let mut stretch = journal::stretch(folder, Begin::Whole(wanted.since)).map_err(said)?;
        let (mut ahead, found) = beginning(&mut stretch)?;
        let config = found.map(|found| found.config()).unwrap_or_default();
        let since = wanted.since.unwrap_or(Timestamp(i64::MIN));
        let early = |passage: &Passage| match passage {
            Passage::State(_) => true,
            Passage::Event(event) => event.at < since,
        };
        let is_there = |config: &Config| match &wanted.service {
            Some(service) => config.services.contains_key(service),
            None => true,
        };
        let (mut state, mut begun) = (State::default(), false);
        let mut known: BTreeSet<ServiceName> = config.services.keys().cloned().collect();
        if ahead.front().is_some_and(early) || !is_there(&config) {
            loop {
                let next = match ahead.pop_front() {
                    Some(passage) => Some(passage),
                    None => stretch.next().transpose().map_err(said)?,
                };
                let Some(passage) = next else { break };
                // What follows from an input is part of what is known with it.
                let whole = !early(&passage) && !follows(&passage);
                if whole && is_there(&state.world().config) {
                    ahead.push_front(passage);
                    break;
                }
                begun = true;
                match passage {
                    Passage::State(whole) => state = *whole,
                    Passage::Event(event) => state.apply(&event),
                }
                known.extend(state.world().config.services.keys().cloned());
            }
        }
        let config = if begun {
            &state.world().config
        } else {
            &config
        };
        let (config, state) = match &wanted.service {
            None => (config.clone(), begun.then_some(state.clone())),
            Some(service) => {
                let part = narrowed(config, service).ok_or_else(|| unknown(service, &known))?;
                (part, begun.then(|| state.narrowed(service)).flatten())
            }
        };
        let policies = match &state {
            Some(state) => texts_beside(folder, state)?,
            None => Vec::new(),
        };
        Ok(Self {
            cut: wanted
                .service
                .clone()
                .map(|service| Cut::new(service, &config)),
            header: header(Some(&config), policies),
            state,
            ahead: ahead.into(),
            stretch,
        })
    }
}

fn unknown(service: &ServiceName, known: &BTreeSet<ServiceName>) -> ExportError {
    let names: Vec<&str> = known.iter().map(ServiceName::as_str).collect();
    let hint = match (
        did_you_mean(service, names.iter().copied()),
        names.as_slice(),
    ) {
        (Some(meant), _) => format!("did you mean '{meant}'?"),
        (None, []) => "it knows none".to_owned(),
        (None, names) => format!("there are {}", names.join(", ")),
    };
    ExportError::Journal(format!("the journal knows no service '{service}': {hint}"))
}

/// Where an export goes.
struct Out<'w, W: Write> {
    writer: Writer<W>,
    cut: Option<Cut>,
    wanted: &'w Wanted,
    exported: Exported,
}

impl<W: Write> Out<'_, W> {
    /// Whether more is wanted after what was given.
    fn event(&mut self, event: Event) -> Result<bool, ExportError> {
        if self.wanted.until.is_some_and(|until| event.at >= until) {
            return Ok(false);
        }
        let through = match &mut self.cut {
            Some(cut) => cut.through(event),
            None => vec![event],
        };
        for event in &through {
            self.write(event)?;
        }
        Ok(true)
    }

    fn passed_state(&mut self, state: &State) -> Result<bool, ExportError> {
        if self
            .wanted
            .until
            .is_some_and(|until| state.world().at >= until)
        {
            return Ok(false);
        }
        match &self.wanted.service {
            None => self.state(state)?,
            Some(service) => {
                if let Some(part) = state.narrowed(service) {
                    self.cut = Some(Cut::new(service.clone(), &part.world().config));
                    self.state(&part)?;
                }
            }
        }
        Ok(true)
    }

    fn state(&mut self, state: &State) -> Result<(), ExportError> {
        self.exported.states += 1;
        Ok(self.writer.state(state)?)
    }

    fn write(&mut self, event: &Event) -> Result<(), ExportError> {
        self.exported.events += 1;
        Ok(self.writer.event(event)?)
    }
}
