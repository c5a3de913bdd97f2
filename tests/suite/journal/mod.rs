//! The journal on real files: what was written comes back, whatever happens in between.

mod damage;
mod durable;
mod gaps;
mod retention;
mod workload;
pub(crate) mod world;

use sidestep::{
    failover::{Event, State},
    journal::{self, Journal, Kept, Opened, Recovered, Settings},
};
use std::{path::Path, time::Duration};

/// A limit, never a pace.
const LIMIT: Duration = Duration::from_secs(20);

fn open(folder: &Path, settings: Settings) -> Opened {
    journal::open(folder, settings).unwrap()
}

fn start(folder: &Path, settings: Settings) -> (Recovered, Journal) {
    open(folder, settings).start(Box::new(|_| {})).unwrap()
}

/// Writes these steps, each a list of events, and stops.
fn record(folder: &Path, steps: &[Vec<Event>]) {
    let (_, journal) = start(folder, Settings::default());
    for step in steps {
        journal.write(step.clone(), None);
    }
    journal.stop();
    let last = steps.iter().flatten().last().map_or(0, |event| event.seq);
    assert_eq!(journal.committed(), last, "{:?}", journal.health());
}

/// What a start finds; it writes nothing.
fn recovered(folder: &Path) -> Recovered {
    open(folder, Settings::default()).recovered
}

fn folded<'a>(events: impl IntoIterator<Item = &'a Event>) -> State {
    let mut state = State::default();
    for event in events {
        state.apply(event);
    }
    state
}

fn kept(text: &str) -> Kept {
    let key = ("config".to_owned(), "sidestep.toml".to_owned());
    Kept {
        files: [(key, text.into())].into(),
    }
}
