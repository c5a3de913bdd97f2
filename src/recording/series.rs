//! Series by their names: four texts in, one number out, at next to no cost.
//!
//! Probes come in rounds, so what followed a series the last time is tried first: four comparisons
//! of texts, no hash and no allocation.

use super::SeriesKey;
use std::{collections::BTreeMap, net::IpAddr};

/// All series of a recording.
#[derive(Debug, Default)]
pub(super) struct Series {
    keys: Vec<SeriesKey>,
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
    pub(super) fn keys(&self) -> &[SeriesKey] {
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

    /// The number of the series of a key.
    pub(super) fn add(&mut self, key: SeriesKey) -> usize {
        // Only for spellings that were never met: a few hundred in the longest recording.
        let known = self.keys.iter().position(|known| *known == key);
        known.unwrap_or_else(|| {
            self.keys.push(key);
            self.keys.len() - 1
        })
    }
}
