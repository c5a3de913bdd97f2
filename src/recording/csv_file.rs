//! CSV: `time,target,ok,rtt_ms[,monitor,vantage]`, columns in any order, from anybody's monitor.
//!
//! Read twice where its rows are in the order of their time: once for the header, once for the
//! results, so that its length costs no memory. Else its results are sorted in memory.

use super::{
    Body, Notes, Reading, Recording, RecordingError,
    foreign::{self, Gathered, MONITOR, Point, Points},
    input::{self, Got, Kind},
};
use crate::model::{Timestamp, VantageName, config::ServerConfig, diagnostic::did_you_mean};
use csv::{ReaderBuilder, StringRecord, Trim};
use std::{
    io::BufRead,
    path::{Path, PathBuf},
};

const COLUMNS: [&str; 6] = ["time", "target", "ok", "rtt_ms", "monitor", "vantage"];
/// Columns that must be there.
const NEEDED: usize = 3;
const EXAMPLE: &str = "a CSV begins with time,target,ok,rtt_ms and may have monitor,vantage";
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// Whether a first line names columns of ours: two of them at least, however spelt.
pub(super) fn is_one(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line).to_ascii_lowercase();
    let words = text.split([',', ';', '\t']);
    let known = words.filter(|word| COLUMNS.contains(&word.trim_matches([' ', '"', '\r'])));
    known.count() >= 2
}

/// Opens a CSV.
///
/// # Errors
/// As [`super::open()`]; also a row that is not as it must be.
pub(super) fn open(
    path: &Path,
    file: &str,
    reading: &Reading,
) -> Result<Recording, RecordingError> {
    let mut rows = Rows::open(path, file)?;
    let mut gathered = Gathered::default();
    let (mut sorted, mut last, mut count) = (true, Timestamp(i64::MIN), 0);
    while let Some(point) = rows.next(&mut gathered) {
        let point = point?;
        sorted &= point.at >= last;
        last = point.at;
        gathered.saw(point.series, point.at);
        count += 1;
    }
    let mut unsorted: Vec<Point> = Vec::new();
    if !sorted {
        let mut rows = Rows::open(path, file)?;
        gathered = Gathered::default();
        unsorted.reserve(count);
        while let Some(point) = rows.next(&mut gathered) {
            unsorted.push(point?);
        }
        unsorted.sort_by_key(|point| point.at);
        for point in &unsorted {
            gathered.saw(point.series, point.at);
        }
    }
    let made = gathered
        .make("csv", reading)
        .map_err(|message| RecordingError {
            file: file.to_owned(),
            line: 0,
            message,
        })?;
    let points: Points = if sorted {
        let (mut rows, mut again) = (Rows::open(path, file)?, Gathered::default());
        let places = made.places;
        Box::new(std::iter::from_fn(move || {
            loop {
                let point = match rows.next(&mut again)? {
                    Ok(point) => point,
                    Err(error) => return Some(Err(error)),
                };
                // A row that was added meanwhile may be of a series that the header lacks.
                if let Some(series) = places.get(point.series).copied().flatten() {
                    return Some(Ok(Point { series, ..point }));
                }
            }
        }))
    } else {
        foreign::in_memory(unsorted, made.places)
    };
    let notes = Notes {
        lines: 1,
        left_out: made.left_out,
        ..Notes::default()
    };
    let body = Body::Points(points);
    Ok(Recording::new(file, made.header, made.series, notes, body))
}

/// Rows of a file, one after the other.
struct Rows {
    file: String,
    path: PathBuf,
    /// Rows read.
    count: u64,
    reader: csv::Reader<Box<dyn BufRead + Send>>,
    columns: [Option<usize>; 6],
    /// Fields of the first line, and so of every row.
    width: usize,
    row: StringRecord,
    vantage: VantageName,
}

impl Rows {
    fn open(path: &Path, file: &str) -> Result<Self, RecordingError> {
        let wrong = |line: u64, message: String| RecordingError {
            file: file.to_owned(),
            line,
            message,
        };
        let unread = |error: std::io::Error| wrong(0, format!("cannot be read: {error}"));
        let Kind::Text(mut input) = input::open(path).map_err(unread)? else {
            return Err(wrong(
                0,
                "was replaced while it was read: try again".to_owned(),
            ));
        };
        let mut first = Vec::new();
        while first.trim_ascii().is_empty() {
            if input.line(&mut first).map_err(unread)? == Got::End {
                break;
            }
        }
        let skipped = input.number;
        let reader = |bytes: Box<dyn BufRead + Send>| {
            ReaderBuilder::new()
                .delimiter(delimiter(&first))
                .has_headers(false)
                .flexible(true)
                .trim(Trim::All)
                .from_reader(bytes)
        };
        let mut header = StringRecord::new();
        let mut names = reader(Box::new(std::io::Cursor::new(first.clone())));
        names
            .read_record(&mut header)
            .map_err(|error| wrong(skipped, said(&error)))?;
        let columns = columns(&header).map_err(|why| wrong(skipped, why))?;
        let reader = reader(input.rest());
        Ok(Self {
            file: file.to_owned(),
            path: path.to_owned(),
            count: 0,
            reader,
            columns,
            width: header.len(),
            row: header,
            vantage: ServerConfig::default().name,
        })
    }

    fn next(&mut self, gathered: &mut Gathered) -> Option<Result<Point, RecordingError>> {
        self.count += 1;
        let why = match self.reader.read_record(&mut self.row) {
            Ok(true) => match self.point(gathered) {
                Ok(point) => return Some(Ok(point)),
                Err(why) => why,
            },
            Ok(false) => return None,
            Err(error) => said(&error),
        };
        Some(Err(RecordingError {
            file: self.file.clone(),
            line: line_of(&self.path, self.count),
            message: why,
        }))
    }

    fn point(&self, gathered: &mut Gathered) -> Result<Point, String> {
        if self.row.len() != self.width {
            let (found, width) = (self.row.len(), self.width);
            return Err(format!(
                "fields: {found}, where the first line names {width} columns"
            ));
        }
        let text = |column: usize| {
            let index = self.columns.get(column).copied().flatten()?;
            self.row.get(index).filter(|text| !text.is_empty())
        };
        let needed = |column: usize| {
            let name = COLUMNS[column];
            text(column).ok_or_else(|| format!("the {name} is missing"))
        };
        let at = time(needed(0)?)?;
        let target = needed(1)?;
        let ok = verdict(needed(2)?)?;
        let rtt_us = match text(3) {
            Some(ms) => Some(round_trip(ms)?),
            None => None,
        };
        let (monitor, vantage) = (text(4).unwrap_or(MONITOR), text(5));
        let series = gathered.series(target, monitor, vantage.unwrap_or(&self.vantage));
        Ok(Point {
            at,
            series,
            ok,
            rtt_us,
        })
    }
}

/// The line on which a row begins, the first line and blank ones not counted as rows; 0 where that
/// cannot be found out. Only a row that is refused is looked for.
fn line_of(path: &Path, row: u64) -> u64 {
    let Ok(Kind::Text(mut input)) = input::open(path) else {
        return 0;
    };
    let (mut line, mut rows, mut quoted) = (Vec::new(), 0, false);
    while let Ok(Got::Line { .. }) = input.line(&mut line) {
        let begins = !quoted && !line.trim_ascii().is_empty();
        // The first of them names the columns.
        if begins && rows == row {
            return input.number;
        }
        rows += u64::from(begins);
        let quotes = line.iter().filter(|&&byte| byte == b'"').count();
        quoted ^= quotes % 2 == 1;
    }
    0
}

/// The delimiter that stands in the first line most often.
fn delimiter(first: &[u8]) -> u8 {
    let count = |wanted: u8| first.iter().filter(|&&byte| byte == wanted).count();
    let most = DELIMITERS.into_iter().rev().max_by_key(|&one| count(one));
    most.unwrap_or(b',')
}

/// Where each of our columns stands.
fn columns(header: &StringRecord) -> Result<[Option<usize>; 6], String> {
    let names: Vec<String> = header.iter().map(str::to_ascii_lowercase).collect();
    let find = |wanted: &str| names.iter().position(|name| name == wanted);
    let found = COLUMNS.map(find);
    for (column, place) in COLUMNS.iter().zip(found).take(NEEDED) {
        if place.is_none() {
            let near = did_you_mean(column, names.iter().map(String::as_str));
            let hint = near.map_or(String::new(), |near| format!(" (is it '{near}'?)"));
            return Err(format!("there is no column '{column}'{hint}: {EXAMPLE}"));
        }
    }
    Ok(found)
}

/// An instant: RFC 3339, or seconds or ms since the epoch.
fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || {
        let text: String = text.chars().take(60).collect();
        format!(
            "'{}' is no time: write 2026-11-22T18:49:46Z, or seconds or milliseconds since 1970",
            text.escape_debug()
        )
    };
    if let Ok(number) = text.parse::<f64>() {
        // 10¹¹ s is the year 5138, 10¹¹ ms the year 1973; what is larger than 10¹⁴ is µs.
        let ms = match number.abs() {
            seconds if seconds < 1e11 => number * 1_000.0,
            ms if ms < 1e14 => number,
            _ => return Err(wrong()),
        };
        let at = Timestamp(ms.round() as i64);
        return if super::is_time(at) {
            Ok(at)
        } else {
            Err(wrong())
        };
    }
    let (local, ahead_ms) = zone(text).ok_or_else(wrong)?;
    let local = Timestamp::parse_utc(&format!("{local}Z")).map_err(|_| wrong())?;
    Ok(local.minus_ms(ahead_ms))
}

/// A time without its zone, a `T` in its middle, and how far that zone is ahead of UTC, ms.
fn zone(text: &str) -> Option<(String, i64)> {
    let with_t = text.replacen(' ', "T", 1);
    if let Some(local) = with_t.strip_suffix(['Z', 'z']) {
        return Some((local.trim_end().to_owned(), 0));
    }
    let sign_at = with_t.len().checked_sub(6)?;
    let (local, zone) = (with_t.get(..sign_at)?, with_t.get(sign_at..)?);
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let digits = |text: &str| text.parse::<i64>().ok().filter(|_| text.len() == 2);
    let minutes = digits(hours)? * 60 + digits(minutes)?;
    Some((local.to_owned(), sign * minutes * 60_000))
}

fn verdict(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "up" | "ok" => Ok(true),
        "0" | "false" | "down" | "fail" => Ok(false),
        other => {
            let other: String = other.chars().take(60).collect();
            Err(format!(
                "'{}' is no verdict: ok is one of 1 0 true false up down ok fail",
                other.escape_debug()
            ))
        }
    }
}

fn round_trip(text: &str) -> Result<u32, String> {
    let ms = text.parse::<f64>().ok();
    ms.and_then(foreign::rtt_us).ok_or_else(|| {
        let text: String = text.chars().take(60).collect();
        format!(
            "'{}' is no rtt_ms: write milliseconds, such as 41.2, or nothing",
            text.escape_debug()
        )
    })
}

fn said(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "no UTF-8 text: save it as UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => format!("cannot be read: {error}"),
        _ => error.to_string(),
    }
}
