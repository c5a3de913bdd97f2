//! Telling by its content what a file is, and opening it as that.

use super::{
    Body, Notes, Recording, RecordingError, csv_file, header,
    input::{self, Got, Input, Kind},
    kuma,
    lines::{Lines, too_long, unreadable},
    prometheus,
    series::Series,
};
use crate::model::TargetName;
use std::path::Path;

/// How formats are read that do not say everything themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Targets in order of preference; those that are not named follow in order of appearance.
    pub order: Vec<TargetName>,
    /// Which labels of Prometheus say what.
    pub labels: Labels,
}

/// Which labels of Prometheus say what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The target.
    pub target: String,
    /// The monitor.
    pub monitor: String,
    /// The vantage; `None`: all is seen from one, named `prometheus`.
    pub vantage: Option<String>,
}

impl Default for Labels {
    fn default() -> Self {
        Self {
            target: "instance".to_owned(),
            monitor: "job".to_owned(),
            vantage: None,
        }
    }
}

/// What a file may be, for those that are nothing of it.
const TRIED: &str = "no recording, nor anything else that can be read: tried format 1 (its first line begins with {\"recording\":1), a Prometheus range query (data.resultType is \"matrix\"), an Uptime Kuma database (SQLite) and CSV (its first line names the columns time,target,ok,rtt_ms)";

/// Opens a recording: format 1, plain or compressed with zstd, or CSV, the answer of a Prometheus
/// range query, or the database of Uptime Kuma. The content decides, not the name.
///
/// # Errors
/// Where the file cannot be read, is nothing of these, or its beginning is not as it must be.
pub fn open(path: &Path, reading: &Reading) -> Result<Recording, RecordingError> {
    let file = path.display().to_string();
    let wrong = |line: u64, message: String| RecordingError {
        file: file.clone(),
        line,
        message,
    };
    let kind = input::open(path).map_err(|error| wrong(0, format!("cannot be read: {error}")))?;
    let mut input = match kind {
        Kind::Text(input) => input,
        Kind::Sqlite => return kuma::open(path, &file, reading),
        Kind::Gzip => {
            return Err(wrong(
                0,
                "compressed with gzip: unpack it first (gunzip), or compress it with zstd"
                    .to_owned(),
            ));
        }
    };
    let first = first_line(&mut input, &file)?;
    if header::is_one(&first) {
        let header = header::read(&first).map_err(|why| wrong(input.number, why))?;
        let notes = Notes {
            lines: input.number,
            ..Notes::default()
        };
        let body = Body::Lines(Lines::new(input));
        return Ok(Recording::new(
            &file,
            header,
            Series::default(),
            notes,
            body,
        ));
    }
    match first.trim_ascii_start().first() {
        Some(b'{' | b'[') if is_event(&first) => Err(wrong(
            input.number,
            "the first line is no header: a recording begins with {\"recording\":1,\"targets\":[…],\"monitors\":[…],\"services\":[…]}; 'sidestep export' writes one".to_owned(),
        )),
        Some(b'{' | b'[') => prometheus::open(first, input, &file, reading),
        _ if csv_file::is_one(&first) => csv_file::open(path, &file, reading),
        _ => Err(wrong(input.number, TRIED.to_owned())),
    }
}

/// The first line that is not blank.
fn first_line(input: &mut Input, file: &str) -> Result<Vec<u8>, RecordingError> {
    let mut line = Vec::new();
    let wrong = |line: u64, message: String| RecordingError {
        file: file.to_owned(),
        line,
        message,
    };
    loop {
        let got = input.line(&mut line);
        let number = input.number;
        match got.map_err(|error| wrong(number + 1, unreadable(&error)))? {
            Got::Line { .. } if line.trim_ascii().is_empty() => {}
            Got::Line { .. } => return Ok(line),
            Got::End => return Err(wrong(0, "empty: there is nothing in it to read".to_owned())),
            Got::Cut => {
                return Err(wrong(
                    0,
                    "the compressed file is cut before its first line ends: there is nothing in it to read".to_owned(),
                ));
            }
            Got::TooLong => return Err(wrong(number, too_long())),
        }
    }
}

/// Whether a line is an event without the header before it: somebody cut the beginning off.
fn is_event(line: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Line {
        at: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Line>(line).is_ok_and(|line| line.at.is_some())
}

/// What to say of a JSON file that is none of ours.
pub(super) fn tried() -> String {
    TRIED.to_owned()
}
