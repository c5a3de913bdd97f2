//! The answer of a Prometheus range query: `probe_success` and `probe_duration_seconds`, as the
//! blackbox exporter names them, joined by their labels and their time.
//!
//! One answer, a list of answers, or one answer a line. All of it is held in memory.

use super::{
    Body, Notes, Reading, Recording, RecordingError,
    foreign::{self, Gathered, MONITOR, Point},
    input::Input,
    open::tried,
};
use crate::model::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

const SUCCESS: &str = "probe_success";
const DURATION: &str = "probe_duration_seconds";
const NAME: &str = "__name__";
const VANTAGE: &str = "prometheus";

#[derive(Deserialize)]
struct Answer {
    data: Option<Answered>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

#[derive(Deserialize)]
struct Matrix {
    metric: Metric,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

type Metric = BTreeMap<String, String>;

/// Opens an answer whose first line was read.
///
/// # Errors
/// As [`super::open()`].
pub(super) fn open(
    first: Vec<u8>,
    input: Input,
    file: &str,
    reading: &Reading,
) -> Result<Recording, RecordingError> {
    let wrong = |line: u64, message: String| RecordingError {
        file: file.to_owned(),
        line,
        message,
    };
    let (skipped, mut found) = (input.number.saturating_sub(1), Found::default());
    let bytes = std::io::Cursor::new(first)
        .chain(&b"\n"[..])
        .chain(input.rest());
    let answers = serde_json::Deserializer::from_reader(bytes).into_iter::<Value>();
    for value in answers {
        let value = value.map_err(|error| {
            let line = skipped + error.line() as u64;
            wrong(line, format!("no JSON: {error}; {}", tried()))
        })?;
        let values = match value {
            Value::Array(values) => values,
            one => vec![one],
        };
        for value in values {
            found.answer(value).map_err(|why| wrong(0, why))?;
        }
    }
    found.recording(file, reading).map_err(|why| wrong(0, why))
}

/// What the answers say, by labels without the name.
#[derive(Default)]
struct Found {
    success: BTreeMap<Metric, BTreeMap<i64, f64>>,
    duration: BTreeMap<Metric, BTreeMap<i64, f64>>,
    points: u64,
    left_out: BTreeMap<String, u64>,
}

impl Found {
    fn leave(&mut self, why: impl Into<String>, count: usize) {
        if count > 0 {
            *self.left_out.entry(why.into()).or_default() += count as u64;
        }
    }

    fn answer(&mut self, value: Value) -> Result<(), String> {
        let answer: Answer = serde_json::from_value(value).map_err(|_| tried())?;
        let Some(data) = answer.data else {
            return Err(match answer.error {
                Some(error) => format!("Prometheus answered with an error: {error}"),
                None => tried(),
            });
        };
        if data.kind != "matrix" {
            return Err(format!(
                "a Prometheus answer of type \"{}\": ask /api/v1/query_range, whose answer is a \"matrix\"",
                data.kind.escape_debug()
            ));
        }
        let series: Vec<Matrix> = serde_json::from_value(data.result)
            .map_err(|error| format!("no matrix of Prometheus: {error}"))?;
        for mut one in series {
            self.points += one.values.len() as u64;
            let name = one.metric.remove(NAME).unwrap_or_default();
            let by_time = match name.as_str() {
                SUCCESS => &mut self.success,
                DURATION => &mut self.duration,
                _ => {
                    let why = format!("neither {SUCCESS} nor {DURATION}");
                    self.leave(why, one.values.len());
                    continue;
                }
            };
            let by_time = by_time.entry(one.metric).or_default();
            let (mut stale, mut outside) = (0, 0);
            for (seconds, value) in one.values {
                let value = value.parse().unwrap_or(f64::NAN);
                if value.is_nan() {
                    stale += 1;
                    continue;
                }
                let at = (seconds * 1_000.0).round() as i64;
                if super::is_time(Timestamp(at)) {
                    by_time.insert(at, value);
                } else {
                    outside += 1;
                }
            }
            self.leave("no time from 1970 to 9999", outside);
            self.leave("no number (NaN)", stale);
        }
        Ok(())
    }

    fn recording(mut self, file: &str, reading: &Reading) -> Result<Recording, String> {
        let (mut gathered, mut points) = (Gathered::default(), Vec::new());
        let (success, mut duration) = (
            std::mem::take(&mut self.success),
            std::mem::take(&mut self.duration),
        );
        let mut taken = BTreeSet::new();
        for (metric, by_time) in success {
            let durations = duration.remove(&metric).unwrap_or_default();
            let Some((target, monitor, vantage)) = self.place(&metric, by_time.len(), reading)
            else {
                continue;
            };
            let series = gathered.series(target, monitor, vantage);
            if !taken.insert(series) {
                let why = format!(
                    "a second series of target '{target}', monitor '{monitor}' and vantage '{vantage}': name the label that tells them apart as the vantage's"
                );
                self.leave(why, by_time.len());
                continue;
            }
            let mut neither = 0;
            for (at, value) in by_time {
                if value != 0.0 && value != 1.0 {
                    neither += 1;
                    continue;
                }
                let rtt_us = durations
                    .get(&at)
                    .and_then(|it| foreign::rtt_us(it * 1_000.0));
                let at = Timestamp(at);
                gathered.saw(series, at);
                points.push(Point {
                    at,
                    series,
                    ok: value == 1.0,
                    rtt_us,
                });
            }
            self.leave(format!("{SUCCESS} that is neither 0 nor 1"), neither);
        }
        let alone = duration.values().map(BTreeMap::len).sum();
        self.leave(format!("{DURATION} without {SUCCESS}"), alone);
        if points.is_empty() {
            return Err(self.nothing());
        }
        let made = gathered.make("prometheus", reading)?;
        for (why, count) in made.left_out {
            self.leave(why, usize::try_from(count).unwrap_or(usize::MAX));
        }
        let notes = Notes {
            left_out: self.left_out,
            ..Notes::default()
        };
        let body = Body::Points(foreign::in_memory(points, made.places));
        Ok(Recording::new(file, made.header, made.series, notes, body))
    }

    /// Target, monitor and vantage by their labels.
    fn place<'m>(
        &mut self,
        metric: &'m Metric,
        count: usize,
        reading: &'m Reading,
    ) -> Option<(&'m str, &'m str, &'m str)> {
        let labels = &reading.labels;
        let value = |label: &str| metric.get(label).map(String::as_str);
        let Some(target) = value(&labels.target).filter(|target| !target.is_empty()) else {
            self.leave(format!("no label '{}'", labels.target), count);
            return None;
        };
        let monitor = value(&labels.monitor).unwrap_or(MONITOR);
        let vantage = labels.vantage.as_deref().and_then(value).unwrap_or(VANTAGE);
        Some((target, monitor, vantage))
    }

    fn nothing(&self) -> String {
        let whys: Vec<String> = self
            .left_out
            .iter()
            .map(|(why, count)| format!("{count}: {why}"))
            .collect();
        let whys = match whys.as_slice() {
            [] => "it is empty".to_owned(),
            _ => whys.join("; "),
        };
        format!(
            "no {SUCCESS} in the answer of Prometheus ({whys}): ask for {{__name__=~\"{SUCCESS}|{DURATION}\"}} over a range"
        )
    }
}
