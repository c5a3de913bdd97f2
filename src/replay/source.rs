//! What a replay reads: a recording, or a journal beside the daemon that writes it.

use crate::{
    config,
    failover::{Event, State, What},
    journal::{self, Begin, Passage, Stretch},
    model::{Config, PolicyText, Timestamp},
    recording::{self, Header, Item, Notes, Reading, Recording, Seen, Series, SeriesKey},
};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Pieces of a journal that are looked at for its first configuration; it is among the first few.
const LOOKED_AT_MAX: usize = 10_000;

/// A recording or a journal, item by item. Ends after the first error.
#[derive(Debug)]
pub struct Source {
    from: From,
}

#[derive(Debug)]
enum From {
    Recording(Box<Recording>),
    Journal(Box<FromJournal>),
}

#[derive(Debug)]
struct FromJournal {
    header: Header,
    stretch: Stretch,
    /// Read already, for the header.
    ahead: VecDeque<Passage>,
    series: Series,
    notes: Notes,
}

impl Source {
    /// Opens a recording of any format, or the journal of a data folder, of its file, or of the
    /// configuration that names it. From a journal it begins at the last snapshot at or before
    /// `from`; a recording begins where it begins.
    ///
    /// # Errors
    /// A sentence with the file: what is wrong with it and what to do.
    pub fn open(path: &Path, reading: &Reading, from: Option<Timestamp>) -> Result<Self, String> {
        let from = match journal_folder(path)? {
            Some(folder) => From::Journal(Box::new(FromJournal::open(&folder, from)?)),
            None => {
                let recording = recording::open(path, reading);
                From::Recording(Box::new(recording.map_err(|error| error.to_string())?))
            }
        };
        Ok(Self { from })
    }

    /// What it begins with. Of a journal: the configuration in force at its beginning.
    pub fn header(&self) -> &Header {
        match &self.from {
            From::Recording(recording) => recording.header(),
            From::Journal(journal) => &journal.header,
        }
    }

    /// The series met so far. More come while it is read; the index of one stays.
    pub fn series(&self) -> &[SeriesKey] {
        match &self.from {
            From::Recording(recording) => recording.series(),
            From::Journal(journal) => journal.series.keys(),
        }
    }

    /// What was noticed so far; complete at the end.
    pub fn notes(&self) -> &Notes {
        match &self.from {
            From::Recording(recording) => recording.notes(),
            From::Journal(journal) => &journal.notes,
        }
    }
}

impl Iterator for Source {
    type Item = Result<Item, String>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.from {
            From::Recording(recording) => {
                let next = recording.next()?;
                Some(next.map_err(|error| error.to_string()))
            }
            From::Journal(journal) => journal.next_item(),
        }
    }
}

/// The folder of the journal that is meant; `None` where a recording is.
fn journal_folder(path: &Path) -> Result<Option<PathBuf>, String> {
    if path.is_dir() {
        return Ok(Some(path.to_owned()));
    }
    if path.file_name().is_some_and(|name| name == journal::FILE) {
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        return Ok(Some(folder.unwrap_or(Path::new(".")).to_owned()));
    }
    if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        let text = config::read(path).map_err(|found| found.to_string())?;
        return Ok(Some(config::data_folder(path, &text)));
    }
    Ok(None)
}

impl FromJournal {
    fn open(folder: &Path, from: Option<Timestamp>) -> Result<Self, String> {
        let said = |error: journal::ReadError| error.to_string();
        let mut stretch = journal::stretch(folder, Begin::Whole(from)).map_err(said)?;
        let (ahead, begin) = beginning(&mut stretch)?;
        let config = begin.as_ref().map(Beginning::config);
        let policies = match begin {
            Some(Beginning::State(state)) => texts_beside(folder, &state)?,
            _ => Vec::new(),
        };
        Ok(Self {
            header: header(config.as_ref(), policies),
            stretch,
            ahead,
            series: Series::default(),
            notes: Notes::default(),
        })
    }

    fn next_item(&mut self) -> Option<Result<Item, String>> {
        let passage = match self.ahead.pop_front() {
            Some(passage) => passage,
            None => match self.stretch.next()? {
                Ok(passage) => passage,
                Err(error) => return Some(Err(error.to_string())),
            },
        };
        self.notes.lines += 1;
        Some(Ok(match passage {
            Passage::State(state) => Item::State(state),
            Passage::Event(event) => match *event {
                Event {
                    at,
                    seq,
                    what: What::Probe(seen),
                } => Item::Probe(Seen::of(at, seq, self.series.of(&seen), seen)),
                event => Item::Event(Box::new(event)),
            },
        }))
    }
}

/// What a journal says first of its configuration.
pub(crate) enum Beginning {
    /// A state.
    State(Box<State>),
    /// The first configuration of all.
    Config(Arc<Config>),
}

impl Beginning {
    /// The configuration in force.
    pub(crate) fn config(&self) -> Config {
        match self {
            Self::State(state) => (*state.world().config).clone(),
            Self::Config(config) => (**config).clone(),
        }
    }
}

/// Reads on to the first configuration; what was read, and what that is.
pub(crate) fn beginning(
    stretch: &mut Stretch,
) -> Result<(VecDeque<Passage>, Option<Beginning>), String> {
    let (mut read, mut found) = (VecDeque::new(), None);
    while found.is_none() && read.len() < LOOKED_AT_MAX {
        let Some(passage) = stretch.next() else { break };
        let passage = passage.map_err(|error| error.to_string())?;
        found = match &passage {
            Passage::State(state) => Some(Beginning::State(state.clone())),
            Passage::Event(event) => match &event.what {
                What::Config(config) => Some(Beginning::Config(Arc::clone(&config.config))),
                _ => None,
            },
        };
        read.push_back(passage);
    }
    Ok((read, found))
}

/// The header of a recording of our own; zones are nothing that is decided.
pub(crate) fn header(config: Option<&Config>, policies: Vec<PolicyText>) -> Header {
    let config = config.map(|config| Config {
        zones: Vec::new(),
        ..config.clone()
    });
    Header {
        by: format!("sidestep {}", env!("CARGO_PKG_VERSION")),
        config: config.unwrap_or_default(),
        policies,
    }
}

/// Texts of versions that a state names and does not hold: those before the ones in force.
pub(crate) fn texts_beside(folder: &Path, state: &State) -> Result<Vec<PolicyText>, String> {
    let versions = journal::versions(folder, state).map_err(|error| error.to_string())?;
    let held = &state.world().policies;
    let mut texts: Vec<PolicyText> = Vec::new();
    for (text, _) in versions.into_values() {
        if held.get(&text.name) != Some(&text) && !texts.contains(&text) {
            texts.push(text);
        }
    }
    Ok(texts)
}
