//! What happens in a test beside the results of probes: `asked` and `happens`.

use super::super::{
    document::{Document, shown},
    table::Table,
    v1,
};
use super::{INSTANTS_MS, instant, is_target, items};
use crate::model::{
    TargetName,
    duration::parse_ms,
    story::{Happening, StoryFreshness, StoryHappening},
    time::{DAY_MS, SECOND_MS},
};
use std::collections::BTreeMap;

const WHAT: &str = "an item of `happens`";
/// Keys that say how, not what.
const HOW: [&str; 3] = ["at", "for", "age"];

/// Reads `asked` and `happens`, in the order of time; at one instant as they are written.
pub(super) fn happens(
    table: &Table<'_>,
    targets: &[TargetName],
    end_ms: i64,
) -> Vec<StoryHappening> {
    let mut all = asked(table, end_ms);
    for item in items(table, "happens", WHAT, v1::HAPPENS) {
        item.needs(&["at"], WHAT);
        let at = instant(&item, end_ms);
        let what = what(&item, targets);
        let at_ms = at.map_or(0, |at| at.value);
        all.extend(what.into_iter().map(|what| StoryHappening { at_ms, what }));
    }
    all.sort_by_key(|one| one.at_ms);
    all
}

fn asked(table: &Table<'_>, end_ms: i64) -> Vec<StoryHappening> {
    let mut asked = Vec::new();
    for item in items(table, "asked", "an item of `asked`", v1::ASKED) {
        item.needs(&["at", "what"], "an item of `asked`");
        let at = instant(&item, end_ms);
        let what = item.word("what", &[("failback", ())]);
        if let (Some(at), Some(())) = (at, what) {
            asked.push(StoryHappening {
                at_ms: at.value,
                what: Happening::Failback,
            });
        }
    }
    asked
}

/// What one item says: one thing, of one target or several.
fn what(item: &Table<'_>, targets: &[TargetName]) -> Vec<Happening> {
    let doc = item.doc;
    let named = v1::HAPPENS.iter().map(|key| key.name);
    let named: Vec<&str> = named
        .filter(|name| !HOW.contains(name) && item.is_written(name))
        .collect();
    let word = match named[..] {
        [] => {
            let message = format!("{WHAT} needs what happens, such as `drain = \"backup\"`");
            doc.error(item.at, message);
            return Vec::new();
        }
        [one] => one,
        [one, other, ..] => {
            let message = format!("`{one}` and `{other}` are two items: write them one by one");
            doc.error(item.at_key(other), message);
            return Vec::new();
        }
    };
    let for_ms = item.duration("for", SECOND_MS..=*INSTANTS_MS.end());
    if item.is_written("for") && !matches!(word, "switch" | "hold" | "drain" | "freeze") {
        let message = format!("`for` goes with switch, hold, drain and freeze, not with `{word}`");
        doc.error(item.at_key("for"), message);
    }
    if item.is_written("age") && word != "freshness" {
        let message = format!("`age` goes with freshness, not with `{word}`");
        doc.error(item.at_key("age"), message);
    }
    let for_ms = for_ms.map(|one| one.value);
    let one = match word {
        "switch" => target(item, word, targets).map(|target| Happening::Switch { target, for_ms }),
        "drain" => target(item, word, targets).map(|target| Happening::Drain { target, for_ms }),
        "undrain" => target(item, word, targets).map(|target| Happening::Undrain { target }),
        "hold" => said(item, word).then_some(Happening::Hold { for_ms }),
        "freeze" => said(item, word).then_some(Happening::Freeze { for_ms }),
        "release" => said(item, word).then_some(Happening::Release),
        "failback" => said(item, word).then_some(Happening::Failback),
        "thaw" => said(item, word).then_some(Happening::Thaw),
        "witnesses" => item
            .word(word, &[("silent", false), ("answer", true)])
            .map(|answer| Happening::Witnesses { answer }),
        "clock" => clock(item),
        "freshness" => return measured(item, targets),
        _ => return drift(item, targets),
    };
    one.into_iter().collect()
}

fn target(item: &Table<'_>, word: &str, targets: &[TargetName]) -> Option<TargetName> {
    let name = item.text(word)?;
    is_target(item.doc, name, targets).then(|| name.value.into())
}

/// `hold = true`; to say that something does not happen is to leave it out.
fn said(item: &Table<'_>, word: &str) -> bool {
    let said = item.flag(word);
    if said == Some(false) {
        let message = format!("`{word} = false` is nothing that happens: leave the item out");
        item.doc.error(item.at_key(word), message);
    }
    said == Some(true)
}

/// `"+1h"` or `"-5m"`.
fn clock(item: &Table<'_>) -> Option<Happening> {
    let text = item.text("clock")?;
    let (sign, rest) = match text.value.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => (0, text.value),
    };
    match parse_ms(rest) {
        Ok(ms) if sign != 0 && ms <= *INSTANTS_MS.end() => {
            Some(Happening::Clock { by_ms: sign * ms })
        }
        _ => {
            let word = shown(text.value);
            let message = format!("'{word}' is no jump of a clock: write \"+1h\" or \"-5m\"");
            item.doc.error(text.at, message);
            None
        }
    }
}

fn measured(item: &Table<'_>, targets: &[TargetName]) -> Vec<Happening> {
    let unknown = item.text("age").is_some_and(|age| age.value == "unknown");
    let age = match unknown {
        true => Some(-1),
        false => item.duration("age", INSTANTS_MS).map(|age| age.value),
    };
    let one = |(target, is): (TargetName, StoryFreshness)| Happening::Freshness {
        target,
        is,
        age_ms: age.unwrap_or(age_ms(is)),
    };
    freshness(item, targets).into_iter().map(one).collect()
}

/// How far behind a copy is of which only that is said.
pub(super) fn age_ms(freshness: StoryFreshness) -> i64 {
    match freshness {
        StoryFreshness::Fresh => 0,
        StoryFreshness::Stale => DAY_MS,
        StoryFreshness::Unknown => -1,
    }
}

/// Reads `freshness = { backup = "stale" }` of a test or of an item.
pub(super) fn freshness(
    table: &Table<'_>,
    targets: &[TargetName],
) -> BTreeMap<TargetName, StoryFreshness> {
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

fn drift(item: &Table<'_>, targets: &[TargetName]) -> Vec<Happening> {
    let Some(table) = item.table("drift") else {
        return Vec::new();
    };
    let doc: &Document<'_> = item.doc;
    let mut all = Vec::new();
    for entry in Table::open_free(doc, table).entries() {
        match entry.integer().filter(|&number| number >= 0) {
            None => {
                let at = entry.value_at();
                doc.error(at, "`drift` is how many differences, 0 or more");
            }
            Some(differences) if is_target(doc, entry.key, targets) => {
                all.push(Happening::Drift {
                    target: entry.key.value.into(),
                    differences,
                });
            }
            Some(_) => {}
        }
    }
    all
}
