//! `sidestep explain`: one screen that says why an answer is what it is, and what would change it.

use super::{
    Look, by_sentence,
    layout::{Cell, Paint, WIDTH_MIN, clean, cut, instant, table, wrapped},
    rail_word,
};
use crate::{
    failover::By,
    model::{Param, TargetName, duration::format_ms, time::DAY_MS},
    replay::explain::{Explanation, FactRead, Flip, Found, Guard, SeriesSeen, Supposed},
};

/// Index of FACT, which is cut where rows would not fit.
const FACT: usize = 0;
/// A time longer than this ago never was.
const NEVER_MS: i64 = 20 * 365 * DAY_MS;

/// The screen of an explanation.
pub fn explanation(explained: &Explanation, look: Look) -> String {
    let mut text = title(explained, look);
    text += &wrapped("", Paint::Plain, &explained.summary, look);
    text.push('\n');
    text += &decided(explained, look);
    text += &field("guard", &guard(&explained.guard, explained), look);
    text += &source(explained, look);
    text += &facts(&explained.facts, look);
    text += &flips(explained, look);
    text += &observations(&explained.observations, look);
    if !explained.notes.is_empty() {
        text.push('\n');
    }
    for note in &explained.notes {
        text += &wrapped("! ", Paint::Yellow, note, look);
    }
    text
}

/// A labelled paragraph.
fn field(label: &str, text: &str, look: Look) -> String {
    wrapped(&format!("{label:<11}"), Paint::Dim, text, look)
}

fn title(explained: &Explanation, look: Look) -> String {
    let name = format!("{}  ", clean(&explained.service));
    let mut place = format!("as of {}, event {}", instant(explained.at), explained.seq);
    if let Some(asked_at) = explained.asked_at.filter(|at| *at != explained.at) {
        let before_ms = explained.at.since_ms(asked_at);
        place += &format!("; the policy was asked {} before", format_ms(before_ms));
    }
    if !explained.recorded {
        place += "; no recorded decisions: the policy was run over the observations";
    }
    wrapped(&name, Paint::Bold, &place, look) + "\n"
}

fn decided(explained: &Explanation, look: Look) -> String {
    let mut text = String::new();
    if let Some(switch) = &explained.switch {
        let from = match switch.from.as_slice() {
            [] => String::new(),
            from => format!("{} -> ", names(from)),
        };
        let said = format!(
            "{from}{} at {}, event {}{}: {}",
            names(&switch.decision.serve),
            instant(switch.at),
            switch.seq,
            by(switch.decision.by, switch.decision.line),
            switch.decision.reason
        );
        text += &field("switched", &said, look);
    }
    let Some(decision) = &explained.decision else {
        return text + field("decided", "nothing yet: the first target is answered", look).as_str();
    };
    let is_switch = |seq: u64| explained.switch.as_ref().is_some_and(|one| one.seq == seq);
    let made = decision.at.map(|at| format!(" at {}", instant(at)));
    let woken = decision
        .woken_by
        .as_ref()
        .map(|by| format!(", woken by {by}"));
    let reason = match is_switch(decision.seq) {
        true => "the switch itself".to_owned(),
        false => format!(
            "{}{}",
            decision.decision.reason,
            by(decision.decision.by, decision.decision.line)
        ),
    };
    let said = format!(
        "{reason}; event {}{}{}",
        decision.seq,
        made.unwrap_or_default(),
        woken.unwrap_or_default()
    );
    text + field("decided", &said, look).as_str()
}

/// Who said so: ` (line 18)`, ` (an operator)`.
fn by(by: By, line: u32) -> String {
    match (by, line) {
        (By::Policy, 0) => String::new(),
        (By::Policy, line) => format!(" (line {line})"),
        (other, 0) => format!(" ({})", by_sentence(other)),
        (other, line) => format!(" ({}, line {line})", by_sentence(other)),
    }
}

fn guard(guard: &Guard, explained: &Explanation) -> String {
    let rail = guard.rail.map(rail_word);
    let mut said = vec![match (&explained.evaluation, rail) {
        (None, _) => "not asked again".to_owned(),
        (Some(_), None) => "no rail held".to_owned(),
        // The summary says why, and what follows who and until when.
        (Some(_), Some(rail)) => format!("'{rail}' held"),
    }];
    said.extend(guard.ordered.clone());
    if let Some(isolated) = guard.isolated {
        let word = if isolated { "isolated" } else { "not isolated" };
        said.push(word.to_owned());
    }
    said.extend(guard.witnesses.iter().cloned());
    if let Some((used, of, window_ms)) = guard.budget {
        let window = format_ms(window_ms);
        said.push(format!("{used} of {of} switches in {window}"));
    }
    said.join("; ")
}

fn source(explained: &Explanation, look: Look) -> String {
    let policy = &explained.policy;
    let line = explained.evaluation.as_ref().map_or(0, |again| again.line);
    let again = explained.evaluation.as_ref();
    let place = match line {
        line if again.is_some_and(|again| again.by == By::Builtin) => {
            format!(
                "{} faults; the built-in failover.rhai:{line} decides",
                policy.name
            )
        }
        0 => format!("{}, version {}", policy.name, policy.version.short()),
        line => format!("{}:{line}, version {}", policy.name, policy.version.short()),
    };
    let mut text = field("policy", &place, look);
    for (number, written) in &policy.lines {
        let decided = *number == line;
        let mark = if decided { '>' } else { ' ' };
        let shown = format!("  {mark} {number:>4} | {}", clean(written));
        let shown = cut(shown.trim_end(), look.width.max(WIDTH_MIN));
        let paint = if decided { Paint::Bold } else { Paint::Dim };
        text += &paint.on(&shown, look);
        text.push('\n');
    }
    text.push('\n');
    text
}

fn facts(facts: &[FactRead], look: Look) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<Cell>> = facts
        .iter()
        .map(|fact| {
            let asked = fact.asked.map(|(word, n)| format!("{word}({n})"));
            let line = (fact.line > 0).then(|| fact.line.to_string());
            vec![
                Cell::plain(fact_name(&fact.of, fact.word, fact.argument.as_ref())),
                Cell(value(fact.word, fact.value.as_ref()), Paint::Bold),
                Cell::plain(asked.unwrap_or_default()),
                Cell(line.unwrap_or_default(), Paint::Dim),
            ]
        })
        .collect();
    table(&["FACT", "WAS", "ASKED", "LINE"], &rows, FACT, look) + "\n"
}

fn flips(explained: &Explanation, look: Look) -> String {
    if explained.evaluation.is_none() {
        return String::new();
    }
    let mut text = String::new();
    for flip in &explained.flips {
        text += &wrapped("~ ", Paint::Yellow, &flip_sentence(flip), look);
    }
    if text.is_empty() {
        text += &wrapped(
            "~ ",
            Paint::Dim,
            "no single fact, and no two, would have changed what the policy wants",
            look,
        );
    } else if explained.guard.ordered.is_some() {
        let still = "and even then what an operator ordered would be answered";
        text += &wrapped("  ", Paint::Plain, still, look);
    }
    text + "\n"
}

/// `would serve backup (line 17) if primary.failures were 3; it was 2`.
fn flip_sentence(flip: &Flip) -> String {
    let one = |supposed: &Supposed| {
        let name = fact_name(&supposed.of, supposed.word, supposed.argument.as_ref());
        let word = supposed.word;
        let (were, was) = (supposed.were.as_ref(), supposed.was.as_ref());
        format!(
            "{name} were {}; it was {}",
            value(word, were),
            value(word, was)
        )
    };
    let supposed: Vec<String> = flip.suppose.iter().map(one).collect();
    format!(
        "would serve {}{} if {}",
        names(&flip.serve),
        by(By::Policy, flip.line),
        supposed.join(", and if ")
    )
}

fn observations(seen: &[SeriesSeen], look: Look) -> String {
    let mut text = String::new();
    for series in seen {
        let mut label = format!("{} {}", series.target, series.monitor);
        if let Some(address) = series.address {
            label += &format!(" {address}");
        }
        label += &format!(" from {}", series.vantage);
        let mut said = results(&series.results);
        let numbers = || series.results.iter().filter_map(|found| found.seq);
        if let (Some(first), Some(last)) = (numbers().next(), numbers().next_back()) {
            said += &format!("  (events {first} to {last})");
        }
        if !series.fresh {
            said += "; nothing fresh: it counts for nothing";
        }
        text += &wrapped(&format!("{label}: "), Paint::Dim, &said, look);
    }
    text
}

/// Results in words, the same ones in a row counted: `20ms x5 timeout x3`.
fn results(found: &[Found]) -> String {
    if found.is_empty() {
        return "no result is kept".to_owned();
    }
    let words: Vec<String> = found.iter().map(result).collect();
    let runs = words.chunk_by(|a, b| a == b).map(|run| match run.len() {
        1 => run[0].clone(),
        more => format!("{} x{more}", run[0]),
    });
    runs.collect::<Vec<_>>().join(" ")
}

/// A result in one word.
fn result(found: &Found) -> String {
    let word = match (found.ok, found.rtt_us, found.error) {
        (true, Some(us), _) => format!("{}ms", us.div_ceil(1_000)),
        (true, None, _) => "good".to_owned(),
        (false, _, Some(error)) => error.to_string(),
        (false, _, None) => "bad".to_owned(),
    };
    if found.counts_not {
        format!("({word})")
    } else {
        word
    }
}

/// `primary.failures`, `primary.loss(5m)`, `isolated`.
fn fact_name(of: &str, word: &str, argument: Option<&Param>) -> String {
    let argument = match (word, argument) {
        (_, None) => String::new(),
        ("loss" | "p50" | "p95" | "switches", Some(Param::Int(ms))) => {
            format!("({})", format_ms(*ms))
        }
        (_, Some(argument)) => format!("({argument})"),
    };
    format!("{of}.{word}{argument}")
}

/// A value with its unit.
fn value(word: &str, value: Option<&Param>) -> String {
    match (word, value) {
        (_, None) => "()".to_owned(),
        ("left_for" | "age", Some(Param::Int(ms))) if *ms > NEVER_MS => "never".to_owned(),
        ("data_age", Some(Param::Int(-1))) => "unknown".to_owned(),
        (
            "clean_for" | "dirty_for" | "left_for" | "age" | "since_switch" | "data_age",
            Some(Param::Int(ms)),
        ) => format_ms(*ms),
        ("p50" | "p95", Some(Param::Int(ms))) => format!("{ms}ms"),
        ("loss", Some(Param::Int(loss))) => format!("{loss} of 1000"),
        ("active" | "serving" | "probe", Some(Param::Text(text))) => text.clone(),
        (_, Some(other)) => other.to_string(),
    }
}

/// `a`, `a and b`.
fn names(targets: &[TargetName]) -> String {
    let names: Vec<&str> = targets.iter().map(|name| name.as_str()).collect();
    names.join(" and ")
}
