//! `policies/NAME.test.toml`: the tests of a policy, read into stories.
//!
//! Every key of a `[[test]]` that is none of [`v1::TEST`] is a row: the timeline of a target
//! (`primary`), or of a target as another vantage sees it (`primary@ns2`). Rows may end early, but
//! one must reach the last expectation. Running a story is not known here.

use super::{
    document::{Document, Field, shown, syntax},
    monitor::{INTERVALS_MS, TIMEOUTS_MS},
    names::name_error,
    service,
    table::{Entry, Table},
    timeline::timeline,
    v1,
};
use crate::model::{
    Diagnostic, Severity, TargetName,
    diagnostic::did_you_mean,
    duration::format_ms,
    service::default_ttl_ms,
    story::{Cell, Story, StoryExpectation, StoryFreshness, StoryRequest, StoryRow},
    time::{HOUR_MS, SECOND_MS},
};
use std::{collections::BTreeMap, ops::RangeInclusive};
use toml::de::DeTable;

const MAX_TESTS: usize = 1_000;
const MAX_ROWS: usize = 256;
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
        let (table, rows) = Table::open_part(&doc, test, v1::TEST);
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

/// Reads one test; `None` where it was refused.
fn story<'t>(table: &Table<'t>, rows: &[Entry<'t>]) -> Option<Story> {
    let doc = table.doc;
    table.needs(&["name", "interval", "expect"], "a test");
    let interval = table.duration("interval", INTERVALS_MS);
    let interval_ms = interval.map_or(SECOND_MS, |one| one.value);
    let timeout_ms = timeout_ms(table, interval_ms);
    let rows = self::rows(table, rows, timeout_ms)?;
    let mut targets: Vec<TargetName> = Vec::new();
    for row in &rows {
        if !targets.contains(&row.target) {
            targets.push(row.target.clone());
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
        params: table
            .table("params")
            .map(|params| service::params(doc, params))
            .unwrap_or_default(),
        freshness: freshness(table, &targets),
        asked: asked(table, end_ms),
        expect: expect(table, &targets, end_ms),
        targets,
        rows,
    })
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

/// Reads the rows; `None` where there is none to go on with.
fn rows(table: &Table<'_>, entries: &[Entry<'_>], timeout_ms: i64) -> Option<Vec<StoryRow>> {
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
    let rows: Vec<StoryRow> = entries
        .iter()
        .filter_map(|&entry| row(doc, entry, timeout_ms))
        .collect();
    // With a row missing, what is expected of it would be reported as unknown.
    (!rows.is_empty() && rows.len() == entries.len()).then_some(rows)
}

fn row(doc: &Document<'_>, entry: Entry<'_>, timeout_ms: i64) -> Option<StoryRow> {
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
    let (target, vantage) = match key.value.split_once('@') {
        Some((target, vantage)) => (target, Some(vantage)),
        None => (key.value, None),
    };
    for name in [Some(target), vantage].into_iter().flatten() {
        if let Some(error) = name_error(name) {
            doc.error(key.at, error);
            return None;
        }
    }
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
    Some(StoryRow {
        target: target.into(),
        vantage: vantage.map(Into::into),
        timeline: read,
    })
}

fn freshness(table: &Table<'_>, targets: &[TargetName]) -> BTreeMap<TargetName, StoryFreshness> {
    let mut all = BTreeMap::new();
    for (name, word) in table.text_table("freshness") {
        let value = match word.value {
            "fresh" => StoryFreshness::Fresh,
            "stale" => StoryFreshness::Stale,
            "unknown" => StoryFreshness::Unknown,
            other => {
                let other = shown(other);
                let message = format!("'{other}' is no freshness: write fresh, stale or unknown");
                table.doc.error(word.at, message);
                continue;
            }
        };
        if is_target(table.doc, name, targets) {
            all.insert(name.value.into(), value);
        }
    }
    all
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

fn asked(table: &Table<'_>, end_ms: i64) -> Vec<StoryRequest> {
    let mut asked = Vec::new();
    for item in items(table, "asked", "an item of `asked`", v1::ASKED) {
        item.needs(&["at", "what"], "an item of `asked`");
        let at = instant(&item, end_ms);
        let what = item.word("what", &[("failback", "failback")]);
        if let (Some(at), Some(what)) = (at, what) {
            asked.push(StoryRequest {
                at_ms: at.value,
                what: what.to_owned(),
            });
        }
    }
    asked.sort_by_key(|one| one.at_ms);
    asked
}

fn expect(table: &Table<'_>, targets: &[TargetName], end_ms: i64) -> Vec<StoryExpectation> {
    let doc = table.doc;
    let mut expect: Vec<StoryExpectation> = Vec::new();
    for item in items(table, "expect", "an item of `expect`", v1::EXPECT) {
        item.needs(&["at", "serve"], "an item of `expect`");
        let at = instant(&item, end_ms);
        let serve = serve(&item, targets);
        let (Some(at), Some(serve)) = (at, serve) else {
            continue;
        };
        if expect.last().is_some_and(|last| last.at_ms > at.value) {
            let message = "earlier than the expectation before it: write them in the order of time";
            doc.error(at.at, message);
        }
        expect.push(StoryExpectation {
            at_ms: at.value,
            serve,
            reason: item.text("reason").map(|text| text.value.to_owned()),
            ttl_ms: service::ttl(&item),
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

/// The targets of `serve`: one as text, or a list.
fn serve(item: &Table<'_>, targets: &[TargetName]) -> Option<Vec<TargetName>> {
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
        .filter(|&&name| is_target(item.doc, name, targets));
    Some(known.map(|name| name.value.into()).collect())
}
