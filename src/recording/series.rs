//! Series by their names: four texts in, one number out, at next to no cost.
//!
//! Probes come in rounds, so what followed a series the last time is tried first: four comparisons
//! of texts, no hash and no allocation.

use super::SeriesKey;
use crate::model::Observation;
use std::{collections::BTreeMap, net::IpAddr};

/// All series of a recording.
#[derive(Debug, Default)]
pub struct Series {
    keys: Vec<SeriesKey>,
    by_key: BTreeMap<SeriesKey, usize>,
    /// The series that came after each the last time, where observations are given whole.
    followers: Vec<usize>,
    /// The series of the last of them.
    last_key: usize,
    /// As they were written: two spellings of an address are one series.
    spelt: Vec<Spelt>,
    by_spelling: BTreeMap<Vec<u8>, usize>,
    /// The spelling met last.
    last: usize,
    /// The key of a lookup, its room kept.
    wanted: Vec<u8>,
}

#[derive(Debug)]
struct Spelt {
    place: [Box<str>; 3],
    address: Option<Box<str>>,
    series: usize,
    /// The spelling that came after this one the last time.
    follower: usize,
}

impl Spelt {
    fn is(&self, place: &[&str; 3], address: Option<&str>) -> bool {
        let [target, monitor, vantage] = &self.place;
        **target == *place[0]
            && self.address.as_deref() == address
            && **monitor == *place[1]
            && **vantage == *place[2]
    }
}

impl Series {
    /// All that were met, by number.
    pub fn keys(&self) -> &[SeriesKey] {
        &self.keys
    }

    /// The number of the series at `place`: target, monitor, vantage.
    ///
    /// # Errors
    /// A sentence, where the address is none.
    pub(super) fn index(
        &mut self,
        place: [&str; 3],
        address: Option<&str>,
    ) -> Result<usize, String> {
        let guess = self.spelt.get(self.last).map(|last| last.follower);
        let spelling = match guess {
            Some(guess) if self.spelt[guess].is(&place, address) => guess,
            _ => self.look_up(place, address)?,
        };
        if let Some(last) = self.spelt.get_mut(self.last) {
            last.follower = spelling;
        }
        self.last = spelling;
        Ok(self.spelt[spelling].series)
    }

    fn look_up(&mut self, place: [&str; 3], address: Option<&str>) -> Result<usize, String> {
        self.wanted.clear();
        for part in place.into_iter().chain(address) {
            self.wanted.extend(part.len().to_be_bytes());
            self.wanted.extend(part.as_bytes());
        }
        if let Some(&spelling) = self.by_spelling.get(&self.wanted) {
            return Ok(spelling);
        }
        let parsed: Option<IpAddr> = match address {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                let text: String = text.chars().take(60).collect();
                format!("'{}' is no address", text.escape_debug())
            })?),
        };
        let [target, monitor, vantage] = place;
        let key = SeriesKey {
            target: target.into(),
            monitor: monitor.into(),
            address: parsed,
            vantage: vantage.into(),
        };
        let series = self.add(key);
        let spelling = self.spelt.len();
        self.spelt.push(Spelt {
            place: place.map(Box::from),
            address: address.map(Box::from),
            series,
            follower: spelling,
        });
        self.by_spelling.insert(self.wanted.clone(), spelling);
        Ok(spelling)
    }

    /// The number of the series of an observation.
    pub fn of(&mut self, seen: &Observation) -> usize {
        let guess = self.followers.get(self.last_key).copied();
        let index = match guess.and_then(|guess| Some((guess, self.keys.get(guess)?))) {
            Some((guess, key)) if key.is_of(seen) => guess,
            _ => self.add(SeriesKey {
                target: seen.target.clone(),
                monitor: seen.monitor.clone(),
                address: seen.address,
                vantage: seen.vantage.clone(),
            }),
        };
        if let Some(follower) = self.followers.get_mut(self.last_key) {
            *follower = index;
        }
        self.last_key = index;
        index
    }

    /// The number of the series of a key.
    pub(super) fn add(&mut self, key: SeriesKey) -> usize {
        if let Some(&known) = self.by_key.get(&key) {
            return known;
        }
        let index = self.keys.len();
        self.by_key.insert(key.clone(), index);
        self.keys.push(key);
        self.followers.push(index);
        index
    }
}

impl SeriesKey {
    fn is_of(&self, seen: &Observation) -> bool {
        self.target == seen.target
            && self.address == seen.address
            && self.monitor == seen.monitor
            && self.vantage == seen.vantage
    }
}
