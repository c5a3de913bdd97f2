//! What is replayed: a recording, or a journal.

use crate::{
    model::Timestamp,
    recording::{self, Header, Item, Notes, Reading, Recording, SeriesKey},
};
use std::path::Path;

/// What is replayed.
pub struct Source(Recording);

impl Source {
    /// Opens it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(path: &Path, reading: &Reading, _from: Option<Timestamp>) -> Result<Self, String> {
        recording::open(path, reading)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// What it begins with.
    pub fn header(&self) -> &Header {
        self.0.header()
    }

    /// The series that came so far.
    pub fn series(&self) -> &[SeriesKey] {
        self.0.series()
    }

    /// What was left out so far.
    pub fn notes(&self) -> &Notes {
        self.0.notes()
    }
}

impl Iterator for Source {
    type Item = Result<Item, String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0
            .next()
            .map(|item| item.map_err(|error| error.to_string()))
    }
}
