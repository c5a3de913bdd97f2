//! `policies/NAME.test.toml`: the tests of a policy, read into stories.
//!
//! Every key of a `[[test]]` that is none of [`v1::TEST`] is a row: the timeline of a target
//! (`primary`), or of one of its series (`primary[2]/https@ns2`). Rows may end early, but one must
//! reach the last expectation. A test on a recording has no rows. Running a story is not known
//! here, nor what a recording is.

mod happens;
mod rows;

use super::{
    document::{Document, Field, shown, syntax},
    monitor::{INTERVALS_MS, TIMEOUTS_MS},
    names::name_error,
    service,
    table::{Entry, Table},
    timeline::timeline,
    v1,
};
use crate::failover::Rail;
use crate::model::{
    Diagnostic, MonitorName, Params, Severity, TargetName, Timestamp,
    duration::{format_ms, parse_ms},
    service::default_ttl_ms,
    story::{Story, StoryExpectation, StoryRecording},
    time::{HOUR_MS, SECOND_MS},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};
use toml::de::DeTable;

const MAX_TESTS: usize = 1_000;
const MAX_ITEMS: usize = 10_000;
/// Instants of a story: as far as the longest timeline at the longest interval reaches.
const INSTANTS_MS: RangeInclusive<i64> = 0..=1_000_000 * HOUR_MS;

/// Reads the tests of a policy; `file` is their file's name in messages.
///
/// # Errors
/// Everything that is wrong, at most a hundred findings, in the order of the file; of a file that
/// is no TOML, where it is none.
pub fn parse_stories(file: &str, text: &str) -> Result<Vec<Story>, Vec<Diagnostic>> {
    let root = syntax(file, text)?;
    let doc = Document::new(file, text);
    let root = Field {
        value: root.get_ref(),
        at: 0,
    };
    let top = Table::open(&doc, root, "a file of tests", &[v1::TESTS]);
    let tests = top.tables("test");
    if tests.is_empty() && !top.is_written("test") {
        doc.error_whole("there is no [[test]]: write one, or remove the file");
    }
    if tests.len() > MAX_TESTS {
        let count = tests.len();
        doc.error_whole(format!(
            "there are {count} tests; at most {MAX_TESTS} are allowed"
        ));
    }
    let mut names = BTreeMap::new();
    let mut stories = Vec::new();
    for test in tests.into_iter().take(MAX_TESTS) {
        let (table, rows) = Table::open_part(&doc, test, &keys(test.value));
        if let Some(name) = table.text("name") {
            name_is_free(&doc, name, &mut names);
        }
        stories.extend(story(&table, &rows));
    }
    if doc.has_errors() {
        return Err(doc.found(Severity::Error));
    }
    Ok(stories)
}

fn name_is_free<'t>(
    doc: &Document<'_>,
    name: Field<&'t str>,
    names: &mut BTreeMap<&'t str, usize>,
) {
    if name.value.trim().is_empty() {
        doc.error(name.at, "the name is empty: say what the policy does");
    }
    if let Some(&first) = names.get(name.value) {
        let (word, line) = (shown(name.value), doc.line(first));
        doc.error(
            name.at,
            format!("test '{word}' is there already, on line {line}: choose another name"),
        );
    } else {
        names.insert(name.value, name.at);
    }
}

/// The keys of a test. `require`, `happens`, `recording` and `service` were names of targets before
/// they were keys, and still are where their value is a timeline.
fn keys(test: &DeTable<'_>) -> Vec<v1::Key> {
    let is_row = |name: &str| {
        let text = test.get(name).and_then(|value| value.get_ref().as_str());
        text.is_some_and(|text| timeline(text).is_ok())
    };
    let on_recording = test.contains_key("recording") && !is_row("recording");
    let is_key = |key: &&v1::Key| match key.name {
        "service" => on_recording || !is_row("service"),
        "require" | "happens" | "recording" => !is_row(key.name),
        _ => true,
    };
    v1::TEST.iter().filter(is_key).copied().collect()
}

/// Reads one test; `None` where it was refused.
fn story<'t>(table: &Table<'t>, rows: &[Entry<'t>]) -> Option<Story> {
    if table.is_written("recording") {
        return on_recording(table, rows);
    }
    let doc = table.doc;
    if table.is_written("service") {
        let message = "`service` is of a test on a recording: write `recording`, or remove it";
        doc.error(table.at_key("service"), message);
    }
    table.needs(&["name", "interval", "expect"], "a test");
    let interval = table.duration("interval", INTERVALS_MS);
    let interval_ms = interval.map_or(SECOND_MS, |one| one.value);
    let timeout_ms = timeout_ms(table, interval_ms);
    let rows = rows::rows(table, rows, timeout_ms)?;
    let mut targets: Vec<TargetName> = Vec::new();
    let mut monitors: Vec<MonitorName> = Vec::new();
    for row in &rows {
        if !targets.contains(&row.target) {
            targets.push(row.target.clone());
        }
        if !monitors.contains(&row.monitor) {
            monitors.push(row.monitor.clone());
        }
    }
    let longest = rows.iter().map(|row| row.timeline.len()).max();
    let end_ms = match interval {
        Some(interval) => i64::from(longest.unwrap_or(0)) * interval.value,
        None => i64::MAX,
    };
    Some(Story {
        name: table.text("name").map_or("", |name| name.value).to_owned(),
        line: doc.line(table.at),
        interval_ms,
        timeout_ms,
        ttl_ms: service::ttl(table).unwrap_or_else(default_ttl_ms),
        max_switches: service::max_switches(table),
        params: params(table),
        any: any(table, &targets),
        freshness: happens::freshness(table, &targets),
        happens: happens::happens(table, &targets, end_ms),
        expect: expect(table, Some((&targets, end_ms))),
        targets,
        monitors,
        rows,
        recording: None,
    })
}

/// Keys of a test on a recording; whatever else there is to know is in the recording.
const ON_RECORDING: [&str; 5] = ["name", "recording", "service", "params", "expect"];

/// Reads a test on a recording.
fn on_recording<'t>(table: &Table<'t>, rows: &[Entry<'t>]) -> Option<Story> {
    let doc = table.doc;
    table.needs(&["name", "expect"], "a test");
    for row in rows {
        let word = shown(row.key.value);
        let message = format!(
            "row '{word}' of a test on a recording: the results are in the recording, remove it"
        );
        doc.error(row.key.at, message);
    }
    let others = v1::TEST.iter().map(|key| key.name);
    for name in others.filter(|name| !ON_RECORDING.contains(name)) {
        if table.is_written(name) {
            let message =
                format!("`{name}` of a test on a recording is in the recording: remove it");
            doc.error(table.at_key(name), message);
        }
    }
    let path = table.text("recording")?;
    let named = table.text("service");
    if let Some(error) = named.and_then(|name| name_error(name.value)) {
        doc.error(table.at_key("service"), error);
    }
    Some(Story {
        name: table.text("name").map_or("", |name| name.value).to_owned(),
        line: doc.line(table.at),
        params: params(table),
        expect: expect(table, None),
        recording: Some(StoryRecording {
            path: path.value.to_owned(),
            service: named.map(|name| name.value.into()),
        }),
        ..Story::default()
    })
}

fn params(table: &Table<'_>) -> Params {
    let params = table.table("params");
    params.map_or_else(Params::new, |params| service::params(table.doc, params))
}

/// Reads `require = { primary = "any" }`.
fn any(table: &Table<'_>, targets: &[TargetName]) -> BTreeSet<TargetName> {
    let mut any = BTreeSet::new();
    for (name, word) in table.text_table("require") {
        if !is_target(table.doc, name, targets) {
            continue;
        }
        match word.value {
            "any" => {
                any.insert(name.value.into());
            }
            "all" => {}
            other => {
                let other = shown(other);
                let message = format!("'{other}' is nothing to require: write all or any");
                table.doc.error(word.at, message);
            }
        }
    }
    any
}

fn timeout_ms(table: &Table<'_>, interval_ms: i64) -> i64 {
    let default_ms = (2 * SECOND_MS).min(interval_ms - 1);
    let Some(timeout) = table.duration("timeout", TIMEOUTS_MS) else {
        return default_ms;
    };
    if timeout.value >= interval_ms {
        let (timeout_text, interval) = (format_ms(timeout.value), format_ms(interval_ms));
        table.doc.error(
            timeout.at,
            format!(
                "timeout {timeout_text} is not below interval {interval}: set a shorter `timeout`"
            ),
        );
    }
    timeout.value
}

fn is_target(doc: &Document<'_>, name: Field<&str>, targets: &[TargetName]) -> bool {
    let known = targets.iter().any(|target| target.as_str() == name.value);
    if !known {
        doc.unknown(
            "target",
            name,
            targets.iter().map(TargetName::as_str),
            || ": no row of this test has this name".to_owned(),
        );
    }
    known
}

/// The tables of a list, with their keys held against `keys`.
fn items<'t>(table: &Table<'t>, key: &str, what: &str, keys: &[v1::Key]) -> Vec<Table<'t>> {
    let doc = table.doc;
    let Some((at, items)) = table.list(key) else {
        return Vec::new();
    };
    if items.len() > MAX_ITEMS {
        let count = items.len();
        doc.error(
            at,
            format!("`{key}` has {count} items; at most {MAX_ITEMS} are allowed"),
        );
        return Vec::new();
    }
    let open = |(at, value): (usize, Option<&'t DeTable<'t>>)| match value {
        Some(value) => Some(Table::open(doc, Field { value, at }, what, &[keys])),
        None => {
            let message =
                format!("every item of `{key}` must be a table, such as {{ at = \"8s\" }}");
            doc.error(at, message);
            None
        }
    };
    let tables = items.iter();
    tables
        .map(|item| (item.span().start, item.get_ref().as_table()))
        .filter_map(open)
        .collect()
}

/// Reads `at`; reports an instant that no row reaches.
fn instant(item: &Table<'_>, end_ms: i64) -> Option<Field<i64>> {
    let at = item.duration("at", INSTANTS_MS)?;
    if at.value > end_ms {
        let end = format_ms(end_ms);
        item.doc.error(
            at.at,
            format!("this is after the longest row, which ends at {end}: lengthen a row"),
        );
    }
    Some(at)
}

/// Reads `expect`. Names and instants are held against the rows, where there are rows.
fn expect(table: &Table<'_>, told: Option<(&[TargetName], i64)>) -> Vec<StoryExpectation> {
    let doc = table.doc;
    let mut expect: Vec<StoryExpectation> = Vec::new();
    for item in items(table, "expect", "an item of `expect`", v1::EXPECT) {
        item.needs(&["at", "serve"], "an item of `expect`");
        let at = match told {
            Some((_, end_ms)) => instant(&item, end_ms).map(|at| (at, false)),
            None => dated(&item),
        };
        let serve = serve(&item, told.map(|(targets, _)| targets));
        let guard = guard(&item);
        let (Some((at, dated)), Some(serve)) = (at, serve) else {
            continue;
        };
        let earlier = |last: &StoryExpectation| last.dated == dated && last.at_ms > at.value;
        if expect.last().is_some_and(earlier) {
            let message = "earlier than the expectation before it: write them in the order of time";
            doc.error(at.at, message);
        }
        expect.push(StoryExpectation {
            at_ms: at.value,
            dated,
            serve,
            reason: item.text("reason").map(|text| text.value.to_owned()),
            ttl_ms: service::ttl(&item),
            guard,
            alert: item.text("alert").map(|text| text.value.to_owned()),
            line: doc.line(item.at),
        });
    }
    if let Some((at, _)) = table.list("expect").filter(|(_, items)| items.is_empty()) {
        doc.error(
            at,
            "`expect` is empty: a test that expects nothing cannot fail",
        );
    }
    expect
}

/// Reads `at` of a test on a recording: a date, or how long after its begin.
fn dated(item: &Table<'_>) -> Option<(Field<i64>, bool)> {
    let text = item.text("at")?;
    let at = text.at;
    if let Ok(date) = Timestamp::parse_utc(text.value) {
        return Some((Field { value: date.0, at }, true));
    }
    if let Ok(ms) = parse_ms(text.value)
        && INSTANTS_MS.contains(&ms)
    {
        return Some((Field { value: ms, at }, false));
    }
    let word = shown(text.value);
    let message = format!(
        "'{word}' is no instant of a recording: write \"2026-11-22T18:49:46Z\", or \"10m\" after its begin"
    );
    item.doc.error(at, message);
    None
}

/// Reads `guard`: the word of a rail, or `none`.
fn guard(item: &Table<'_>) -> Option<String> {
    let words = Rail::ALL.map(|rail| (rail.word(), rail.word()));
    let words: Vec<_> = words.into_iter().chain([("none", "none")]).collect();
    item.word("guard", &words).map(str::to_owned)
}

/// The targets of `serve`: one as text, or a list.
fn serve(item: &Table<'_>, targets: Option<&[TargetName]>) -> Option<Vec<TargetName>> {
    let names = match item.text("serve") {
        Some(one) => vec![one],
        None => item.texts("serve")?.value,
    };
    if names.is_empty() {
        let message = "`serve` is empty: something is always served";
        item.doc.error(item.at_key("serve"), message);
    }
    let known = names
        .iter()
        .filter(|&&name| targets.is_none_or(|targets| is_target(item.doc, name, targets)));
    Some(known.map(|name| name.value.into()).collect())
}
