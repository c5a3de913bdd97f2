//! `SCENARIO.toml`: what `sidestep synth` makes a recording of.
//!
//! ```toml
//! seed = 1
//! length = "2h"
//! interval = "5s"
//! [[target]]
//! name = "primary"
//! rtt = "40ms"
//! [[event]]
//! kind = "down"
//! target = "primary"
//! from = "30m"
//! to = "42m"
//! ```

use super::{
    document::{Document, Field, syntax},
    monitor::{INTERVALS_MS, TIMEOUTS_MS},
    names::Seen,
    table::Table,
    v1::{Key, Takes, key},
};
use crate::model::{
    Diagnostic, FailureReason, Severity, Timestamp,
    diagnostic::did_you_mean,
    scenario::{Happening, Scenario, ScenarioEvent, ScenarioTarget},
    time::{DAY_MS, SECOND_MS},
};
use std::ops::RangeInclusive;

/// The file.
const SCENARIO: &[Key] = &[
    key("seed", Takes::Integer, "what chance is made of; default 1"),
    key(
        "start",
        Takes::Text,
        "when it begins; default \"2026-01-05T00:00:00Z\", a Monday",
    ),
    key(
        "length",
        Takes::Duration,
        "how long it goes on, at most two years; needed",
    ),
    key(
        "interval",
        Takes::Duration,
        "of every monitor; default \"5s\"",
    ),
    key(
        "timeout",
        Takes::Duration,
        "of every monitor, below the interval; default \"2s\"",
    ),
    key(
        "vantages",
        Takes::Texts,
        "from where probes come; the first is this node; default [\"ns1\"]",
    ),
    key("monitors", Takes::Texts, "what probes; default [\"https\"]"),
    key(
        "witness",
        Takes::Texts,
        "whom this node asks whether it is alone: \"192.0.2.53:53\"; default nobody",
    ),
    key(
        "target",
        Takes::Tables,
        "in order of preference; at least one",
    ),
    key("event", Takes::Tables, "what happens"),
];

/// `[[target]]` of a scenario.
const TARGET: &[Key] = &[
    key("name", Takes::Text, "unique; needed"),
    key(
        "rtt",
        Takes::Duration,
        "how long it takes to answer; default \"20ms\"",
    ),
    key(
        "jitter",
        Takes::Duration,
        "by how much that varies to either side; default \"5ms\"",
    ),
];

/// `[[event]]` of a scenario.
const EVENT: &[Key] = &[
    key(
        "kind",
        Takes::Text,
        "down flap ramp loss cut stale clock suspended; needed",
    ),
    key("from", Takes::Duration, "after the start; needed"),
    key("to", Takes::Duration, "after the start; default the end"),
    key("target", Takes::TextOrTexts, "to which; default all"),
    key(
        "vantage",
        Takes::TextOrTexts,
        "as seen from where; default everywhere",
    ),
    key(
        "reason",
        Takes::Text,
        "of down and flap: why probes fail; default \"timeout\"",
    ),
    key(
        "period",
        Takes::Duration,
        "of flap: how long one turn is; needed there",
    ),
    key(
        "duty",
        Takes::Integer,
        "of flap: per cent of a turn in which it is down, its first; default 50",
    ),
    key(
        "rtt",
        Takes::Duration,
        "of ramp: what the round-trip time has grown to in the end; needed there",
    ),
    key(
        "per_mille",
        Takes::Integer,
        "of loss: how many probes in a thousand fail; needed there",
    ),
    key(
        "data_age",
        Takes::Duration,
        "of stale: how far the copy is behind; default \"1h\"",
    ),
    key(
        "ahead",
        Takes::Duration,
        "of clock: how far it goes ahead; this or back is needed there",
    ),
    key("back", Takes::Duration, "of clock: how far it goes back"),
];

const LENGTHS_MS: RangeInclusive<i64> = 1..=2 * 366 * DAY_MS;
const INSTANTS_MS: RangeInclusive<i64> = 0..=2 * 366 * DAY_MS;
const RTTS_MS: RangeInclusive<i64> = 0..=DAY_MS;
const MOST: usize = 64;
const EVENTS_MAX: usize = 10_000;
/// 2026-01-05T00:00:00Z.
const START: Timestamp = Timestamp(1_767_571_200_000);

const REASONS: [(&str, FailureReason); 12] = [
    ("timeout", FailureReason::Timeout),
    ("refused", FailureReason::Refused),
    ("unreachable", FailureReason::Unreachable),
    ("reset", FailureReason::Reset),
    ("tls", FailureReason::Tls),
    ("expired", FailureReason::Expired),
    ("hostname", FailureReason::Hostname),
    ("status", FailureReason::Status),
    ("body", FailureReason::Body),
    ("dns", FailureReason::Dns),
    ("plugin", FailureReason::Plugin),
    ("closed", FailureReason::Closed),
];

/// Reads a scenario; `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong, at most a hundred findings, in the order of the file; of a file that
/// is no TOML, where it is none.
pub fn scenario(file: &str, text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    let root = syntax(file, text)?;
    let doc = Document::new(file, text);
    let root = Field {
        value: root.get_ref(),
        at: 0,
    };
    let top = Table::open(&doc, root, "a scenario", &[SCENARIO]);
    let read = read(&top);
    if doc.has_errors() {
        return Err(doc.found(Severity::Error));
    }
    Ok(read)
}

fn read(top: &Table<'_>) -> Scenario {
    top.needs(&["length", "target"], "a scenario");
    let duration = |name, range, default: i64| {
        let found = top.duration(name, range);
        found.map_or(default, |one| one.value)
    };
    let interval_ms = duration("interval", INTERVALS_MS, 5 * SECOND_MS);
    let default_ms = (2 * SECOND_MS).min(interval_ms - 1);
    let timeout_ms = duration("timeout", TIMEOUTS_MS, default_ms);
    if timeout_ms >= interval_ms {
        let at = top.at_key("timeout");
        top.doc.error(at, "`timeout` must be below `interval`");
    }
    let length_ms = duration("length", LENGTHS_MS, SECOND_MS);
    let seed = top.integer("seed", 0..=i64::MAX);
    let mut scenario = Scenario {
        seed: seed.map_or(1, |seed| seed.value.unsigned_abs()),
        start: start(top),
        length_ms,
        interval_ms,
        timeout_ms,
        vantages: names(top, "vantages", "vantage", "ns1")
            .into_iter()
            .map(Into::into)
            .collect(),
        monitors: names(top, "monitors", "monitor", "https")
            .into_iter()
            .map(Into::into)
            .collect(),
        witnesses: witnesses(top),
        targets: targets(top),
        events: Vec::new(),
    };
    let events = top.tables("event");
    if events.len() > EVENTS_MAX {
        let message = format!("at most {EVENTS_MAX} events are allowed");
        top.doc.error(top.at_key("event"), message);
    }
    for event in events.into_iter().take(EVENTS_MAX) {
        let table = Table::open(top.doc, event, "an event", &[EVENT]);
        scenario.events.extend(self::event(&table, &scenario));
    }
    scenario
}

fn start(top: &Table<'_>) -> Timestamp {
    let Some(text) = top.text("start") else {
        return START;
    };
    Timestamp::parse_utc(text.value).unwrap_or_else(|why| {
        top.doc.error(text.at, why);
        START
    })
}

fn names(top: &Table<'_>, key: &str, what: &'static str, default: &str) -> Vec<String> {
    if !top.is_written(key) {
        return vec![default.to_owned()];
    }
    let mut seen = Seen::new(what);
    let texts = top.needed_texts(key, "a scenario", MOST);
    for text in &texts {
        seen.take(top.doc, *text);
    }
    texts.iter().map(|text| text.value.to_owned()).collect()
}

fn witnesses(top: &Table<'_>) -> Vec<crate::model::config::WitnessAddress> {
    let texts = top.texts("witness").map(|texts| texts.value);
    let one = |text: Field<&str>| match text.value.to_owned().try_into() {
        Ok(address) => Some(address),
        Err(why) => {
            let why: String = why;
            top.doc.error(text.at, why);
            None
        }
    };
    texts
        .unwrap_or_default()
        .into_iter()
        .filter_map(one)
        .collect()
}

fn targets(top: &Table<'_>) -> Vec<ScenarioTarget> {
    let (mut seen, mut targets) = (Seen::new("target"), Vec::new());
    for table in top.tables("target") {
        let table = Table::open(top.doc, table, "a target", &[TARGET]);
        let Some(name) = table.needed_text("name", "a target") else {
            continue;
        };
        seen.take(top.doc, name);
        let ms = |key, default| {
            let found = table.duration(key, RTTS_MS);
            found.map_or(default, |one| one.value)
        };
        targets.push(ScenarioTarget {
            name: name.value.into(),
            rtt_ms: ms("rtt", 20),
            jitter_ms: ms("jitter", 5),
        });
    }
    if targets.len() > MOST {
        let message = format!("at most {MOST} targets are allowed");
        top.doc.error(top.at_key("target"), message);
    }
    targets
}

fn event(table: &Table<'_>, scenario: &Scenario) -> Option<ScenarioEvent> {
    table.needs(&["kind", "from"], "an event");
    let kind = kind(table);
    let from = table.duration("from", INSTANTS_MS);
    let from_ms = from.map_or(0, |from| from.value);
    let to = table.duration("to", INSTANTS_MS);
    let to_ms = to.map_or(scenario.length_ms, |to| to.value);
    if from.is_some() && to_ms <= from_ms {
        let message = "`to` must be after `from`";
        table.doc.error(table.at_key("to"), message);
    }
    let targets = scenario.targets.iter().map(|target| target.name.as_str());
    let vantages = scenario.vantages.iter().map(|vantage| vantage.as_str());
    let targets: Vec<&str> = named(table, "target", &targets.collect::<Vec<_>>());
    let vantages: Vec<&str> = named(table, "vantage", &vantages.collect::<Vec<_>>());
    Some(ScenarioEvent {
        from_ms,
        to_ms,
        targets: targets.into_iter().map(Into::into).collect(),
        vantages: vantages.into_iter().map(Into::into).collect(),
        kind: kind?,
    })
}

fn kind(table: &Table<'_>) -> Option<Happening> {
    const KINDS: [&str; 8] = [
        "down",
        "flap",
        "ramp",
        "loss",
        "cut",
        "stale",
        "clock",
        "suspended",
    ];
    let words: Vec<(&str, &str)> = KINDS.iter().map(|&kind| (kind, kind)).collect();
    let reason = table
        .word("reason", &REASONS)
        .unwrap_or(FailureReason::Timeout);
    let needed = |key: &str| table.needs(&[key], "an event of this kind");
    Some(match table.word("kind", &words)? {
        "down" => Happening::Down(reason),
        "flap" => {
            needed("period");
            let period_ms = table.duration("period", 1..=DAY_MS)?.value;
            let duty = table.integer("duty", 1..=99).map_or(50, |duty| duty.value);
            Happening::Flap {
                period_ms,
                down_ms: period_ms * duty / 100,
                reason,
            }
        }
        "ramp" => {
            needed("rtt");
            let rtt_ms = table.duration("rtt", RTTS_MS)?.value;
            Happening::Ramp { rtt_ms }
        }
        "loss" => {
            needed("per_mille");
            let per_mille = table.integer("per_mille", 1..=1_000)?.value.unsigned_abs();
            Happening::Loss { per_mille }
        }
        "cut" => Happening::Cut,
        "stale" => {
            let age = table.duration("data_age", 0..=366 * DAY_MS);
            let data_age_ms = age.map_or(3_600 * SECOND_MS, |age| age.value);
            Happening::Stale { data_age_ms }
        }
        "clock" => {
            let ahead = table.duration("ahead", 1..=366 * DAY_MS);
            let back = table.duration("back", 1..=366 * DAY_MS);
            match (ahead, back) {
                (Some(ahead), None) => Happening::Clock {
                    ahead_ms: ahead.value,
                },
                (None, Some(back)) => Happening::Clock {
                    ahead_ms: -back.value,
                },
                _ => {
                    let message = "an event of this kind needs `ahead` or `back`";
                    table.doc.error(table.at, message);
                    return None;
                }
            }
        }
        _ => Happening::Suspended,
    })
}

/// Names of one kind, one as text or a list; each must be among `known`.
fn named<'t>(table: &Table<'t>, key: &str, known: &[&str]) -> Vec<&'t str> {
    let texts = match table.text(key) {
        Some(one) => vec![one],
        None => table
            .texts(key)
            .map(|texts| texts.value)
            .unwrap_or_default(),
    };
    for text in &texts {
        if !known.contains(&text.value) {
            let hint = match did_you_mean(text.value, known.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("there are {}", known.join(", ")),
            };
            let word = super::document::shown(text.value);
            table
                .doc
                .error(text.at, format!("unknown {key} '{word}': {hint}"));
        }
    }
    texts.into_iter().map(|text| text.value).collect()
}
