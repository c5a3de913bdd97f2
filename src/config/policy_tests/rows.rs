//! Rows of a test: `primary`, `primary@ns2`, `primary[2]/https@ns2`, each with its timeline.
//!
//! A target's name, then the number of its address, the monitor and the vantage, each only where
//! it matters. Where one row names a monitor all do, and where one row of a target names an
//! address all of that target do: nothing is probed that no row names.

use super::super::{
    document::{Document, Field, shown},
    names::name_error,
    table::{Entry, Table},
    timeline::timeline,
    v1,
};
use crate::model::{
    diagnostic::did_you_mean,
    duration::format_ms,
    story::{Cell, MONITOR, StoryRow},
};

const MAX_ROWS: usize = 256;
/// The most addresses of a target that a test may tell of.
const MAX_ADDRESS: u8 = 16;

/// Where the results of a row come from, as it is written.
struct Place<'t> {
    target: &'t str,
    address: Option<u8>,
    monitor: Option<&'t str>,
    vantage: Option<&'t str>,
}

impl Place<'_> {
    /// How it is written.
    fn label(&self) -> String {
        let mut text = self.target.to_owned();
        if let Some(number) = self.address {
            text += &format!("[{number}]");
        }
        if let Some(monitor) = self.monitor {
            text += &format!("/{monitor}");
        }
        if let Some(vantage) = self.vantage {
            text += &format!("@{vantage}");
        }
        text
    }
}

/// Reads the rows; `None` where there is none to go on with.
pub(super) fn rows(
    table: &Table<'_>,
    entries: &[Entry<'_>],
    timeout_ms: i64,
) -> Option<Vec<StoryRow>> {
    let doc = table.doc;
    if entries.is_empty() {
        let message = "a test needs a row for each target, such as primary = \"..... x*60\"";
        doc.error(table.at, message);
    }
    if entries.len() > MAX_ROWS {
        let count = entries.len();
        let message = format!("a test with {count} rows; at most {MAX_ROWS} are allowed");
        doc.error(table.at, message);
        return None;
    }
    let read = entries
        .iter()
        .filter_map(|&entry| row(doc, entry, timeout_ms));
    let read: Vec<(Field<Place<'_>>, StoryRow)> = read.collect();
    if read.is_empty() || read.len() < entries.len() {
        // With a row missing, what is expected of it would be reported as unknown.
        return None;
    }
    let places: Vec<_> = read.iter().map(|(place, _)| place).collect();
    let agree = alike(doc, &places);
    let rows = read.into_iter().map(|(_, row)| row);
    agree.then(|| rows.collect())
}

/// Reports rows that leave out what others of their kind name.
fn alike(doc: &Document<'_>, places: &[&Field<Place<'_>>]) -> bool {
    let mut agree = true;
    for place in places {
        let own = &place.value;
        let named = |other: &&&Field<Place<'_>>| other.value.monitor.is_some();
        let with_monitor = places.iter().find(named);
        let numbered = |other: &&&Field<Place<'_>>| {
            other.value.target == own.target && other.value.address.is_some()
        };
        let with_address = places.iter().find(numbered);
        let (what, other) = match (with_monitor, with_address) {
            (Some(other), _) if own.monitor.is_none() => ("monitor", other),
            (_, Some(other)) if own.address.is_none() => ("address", other),
            _ => continue,
        };
        let whole = Place {
            target: own.target,
            address: own.address.or(with_address.map(|_| 1)),
            monitor: own.monitor.or(with_monitor.and_then(|o| o.value.monitor)),
            vantage: own.vantage,
        };
        let (label, other, whole) = (own.label(), other.value.label(), whole.label());
        doc.error(
            place.at,
            format!("row '{label}' names no {what}, and '{other}' names one: write \"{whole}\""),
        );
        agree = false;
    }
    agree
}

fn row<'t>(
    doc: &Document<'_>,
    entry: Entry<'t>,
    timeout_ms: i64,
) -> Option<(Field<Place<'t>>, StoryRow)> {
    let key = entry.key;
    // Whatever is no key is a row: a key that is misspelt ends up here.
    let names = v1::TEST.iter().map(|key| key.name);
    let hint = match did_you_mean(key.value, names) {
        Some(near) => format!(", did you mean the key '{near}'?"),
        None => String::new(),
    };
    let word = shown(key.value);
    let Some(text) = entry.text() else {
        let message = format!("row '{word}' must be text in quotes, such as \"..... x*60\"{hint}");
        doc.error(key.at, message);
        return None;
    };
    let place = match place(key.value) {
        Ok(place) => place,
        Err(error) => {
            doc.error(key.at, error);
            return None;
        }
    };
    let read = match timeline(text.value) {
        Ok(read) => read,
        Err((index, error)) => {
            doc.error(doc.at_index(text, index), format!("{error}{hint}"));
            return None;
        }
    };
    for &(cell, _) in read.runs() {
        match cell {
            Cell::Good { rtt_ms: Some(ms) } if i64::from(ms) > timeout_ms => {
                let timeout = format_ms(timeout_ms);
                doc.error(
                    text.at,
                    format!(
                        "~{ms} is longer than the timeout of {timeout}: set `timeout`, or write 'x'"
                    ),
                );
                return None;
            }
            Cell::Good { .. } | Cell::Bad | Cell::NoResult => {}
        }
    }
    let row = StoryRow {
        label: key.value.to_owned(),
        target: place.target.into(),
        address: place.address.unwrap_or(1),
        monitor: place.monitor.unwrap_or(MONITOR).into(),
        vantage: place.vantage.map(Into::into),
        timeline: read,
    };
    let at = key.at;
    Some((Field { value: place, at }, row))
}

/// Reads the key of a row.
fn place(key: &str) -> Result<Place<'_>, String> {
    let (rest, vantage) = split(key, '@');
    let (rest, monitor) = split(rest, '/');
    let (target, number) = split(rest, '[');
    for name in [Some(target), monitor, vantage].into_iter().flatten() {
        if let Some(error) = name_error(name) {
            return Err(error);
        }
    }
    let address = match number {
        None => None,
        Some(number) => Some(address(number).ok_or_else(|| {
            let word = shown(rest);
            format!(
                "'{word}' is no address of a target: write its number, 1 to {MAX_ADDRESS}, such as \"{target}[2]\""
            )
        })?),
    };
    Ok(Place {
        target,
        address,
        monitor,
        vantage,
    })
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    }
}

/// `2]`, from 1, without zeros before it.
fn address(text: &str) -> Option<u8> {
    let digits = text.strip_suffix(']')?;
    let number = digits.parse().ok()?;
    let plain = (1..=MAX_ADDRESS).contains(&number) && digits == number.to_string();
    plain.then_some(number)
}
