//! `sidestep whatif`: what would follow, as a list of times from now, or every failure in a table.

use super::{
    Look, by_sentence,
    layout::{Cell, Paint, clean, instant, table, wrapped},
    rail_word,
};
use crate::{
    failover::{
        By, Rail,
        rehearsal::{Course, Happened, Injected},
    },
    model::{ServiceName, TargetName, Timestamp, duration::format_ms},
};

/// Columns of a time from now.
const TIME: usize = 10;
/// Decisions that are listed.
const LISTED_MAX: usize = 40;
/// Index of WHY, which is cut where rows would not fit.
const WHY: usize = 4;

/// One run, with what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Whose answer.
    pub service: ServiceName,
    /// Where it begins, by the wall clock.
    pub at: Timestamp,
    /// What was told otherwise.
    pub injected: Injected,
    /// What followed.
    pub course: Course,
    /// What stands or is missing: a sentence each.
    pub notes: Vec<String>,
}

/// One run as a list of times from now, and what it comes to.
pub fn what_if(run: &Run, look: Look) -> String {
    let (injected, course) = (&run.injected, &run.course);
    let name = format!("{}  ", clean(&run.service));
    let question = format!(
        "what if {}, for {}",
        told(injected),
        format_ms(injected.for_ms)
    );
    let place = format!(
        "from {} on; {} is answered, TTL {}",
        instant(run.at),
        names(&course.serving),
        format_ms(course.ttl_ms)
    );
    let mut text = wrapped(&name, Paint::Bold, &question, look);
    text += &wrapped("", Paint::Plain, &place, look);
    text.push('\n');
    text += &list(run, look);
    text.push('\n');
    text += &wrapped("answer     ", Paint::Dim, &left(injected, course), look);
    text += &wrapped("home       ", Paint::Dim, &home(injected, course), look);
    text + notes(run, look).as_str()
}

fn told(injected: &Injected) -> String {
    let mut said = Vec::new();
    match injected.fail.as_slice() {
        [] => {}
        [one] => said.push(format!("{one} fails")),
        all => said.push(format!("{} fail", names(all))),
    }
    for (target, rtt_ms) in &injected.slow {
        said.push(match rtt_ms {
            Some(ms) => format!("{target} takes {}", format_ms(*ms)),
            None => format!("{target} answers just within its timeout"),
        });
    }
    said.join(", and ")
}

/// The decisions, with the end of what was injected in its place.
fn list(run: &Run, look: Look) -> String {
    let end = run.injected.for_ms;
    let mut text = String::new();
    let mut said_end = false;
    let mut all = run.course.happened.iter();
    let mut shown = 0;
    for happened in all.by_ref().take(LISTED_MAX) {
        shown += 1;
        if happened.decision.at_ms > end && !said_end {
            text += &ended(run, look);
            said_end = true;
        }
        let paint = match (happened.switched, happened.held_by()) {
            (true, _) => Paint::Bold,
            (false, Some(_)) => Paint::Yellow,
            (false, None) => Paint::Dim,
        };
        text += &at(happened.decision.at_ms, &sentence(happened), paint, look);
    }
    if shown == 0 {
        text += &at(0, "nothing changes", Paint::Dim, look);
    }
    let left = all.count();
    if left > 0 {
        text += &format!("{:TIME$}and {left} more decisions\n", "");
    } else if !said_end && run.course.ran_ms >= end {
        text += &ended(run, look);
    }
    text
}

fn ended(run: &Run, look: Look) -> String {
    let mut injected = run.injected.fail.clone();
    injected.extend(run.injected.slow.iter().map(|(target, _)| target.clone()));
    let verb = if injected.len() == 1 { "is" } else { "are" };
    let said = format!("{} {verb} well again", names(&injected));
    at(run.injected.for_ms, &said, Paint::Green, look)
}

/// A line of the list: the time is coloured.
fn at(ms: i64, said: &str, paint: Paint, look: Look) -> String {
    let time = format!("+{}", format_ms(ms));
    wrapped(&format!("{time:<TIME$}"), paint, said, look)
}

fn sentence(happened: &Happened) -> String {
    let decision = &happened.decision;
    let place = match (decision.by, decision.line) {
        (By::Policy, 0) => String::new(),
        (By::Policy, line) => format!(" (line {line})"),
        (by, _) => format!(" (by {})", by_sentence(by)),
    };
    let what = match (happened.switched, decision.guard) {
        (true, _) => format!("-> {}", names(&decision.serve)),
        (false, Some(Rail::Override | Rail::Freeze) | None) => {
            format!("stays on {}", names(&decision.serve))
        }
        (false, Some(rail)) => {
            let serve = names(&decision.serve);
            format!("stays on {serve}, held by '{}'", rail_word(rail))
        }
    };
    format!("{what}: {}{place}", decision.reason)
}

fn left(injected: &Injected, course: &Course) -> String {
    let failed = injected
        .fail
        .iter()
        .any(|target| course.serving.contains(target));
    let ttl_ms = course.ttl_ms;
    match course.left_ms {
        Some(ms) => format!(
            "leaves what failed after {}; with the TTL of {} the last client follows after {}",
            format_ms(ms),
            format_ms(ttl_ms),
            format_ms(ms.saturating_add(ttl_ms))
        ),
        None if failed => "never leaves what failed".to_owned(),
        None if course.happened.iter().any(|one| one.switched) => {
            format!(
                "settles on {} after {}",
                names(&course.settled),
                format_ms(course.settled_ms)
            )
        }
        None => "does not change".to_owned(),
    }
}

fn home(injected: &Injected, course: &Course) -> String {
    let away = course.happened.iter().any(|one| one.switched);
    match course.home_ms {
        Some(ms) => format!(
            "after {}, {} after all was well again",
            format_ms(ms),
            format_ms(ms.saturating_sub(injected.for_ms))
        ),
        None if away => format!("not within {}", format_ms(course.ran_ms)),
        None => format!("{} is answered throughout", names(&course.serving)),
    }
}

fn notes(run: &Run, look: Look) -> String {
    let mut said: Vec<String> = run.notes.clone();
    for target in &run.course.silent {
        said.push(format!(
            "no series of {target} is fresh: it counts for nothing, whatever is supposed of it"
        ));
    }
    let faults = run.course.faults.iter();
    said.extend(faults.map(|fault| format!("the policy faults on the way: {fault}")));
    if said.is_empty() {
        return String::new();
    }
    let lines = said
        .iter()
        .map(|said| wrapped("! ", Paint::Yellow, said, look));
    format!("\n{}", lines.collect::<String>())
}

/// Every run of a table in one row; those that leave nothing up stand last.
pub fn what_if_table(runs: &[Run], left_out: usize, look: Look) -> String {
    let Some(first) = runs.first() else {
        return "the service has no targets\n".to_owned();
    };
    let name = format!("{}  ", clean(&first.service));
    let place = format!(
        "what if targets fail, for {}; from {} on, {} is answered, TTL {}",
        format_ms(first.injected.for_ms),
        instant(first.at),
        names(&first.course.serving),
        format_ms(first.course.ttl_ms)
    );
    let mut text = wrapped(&name, Paint::Bold, &place, look) + "\n";
    let (down, up): (Vec<&Run>, Vec<&Run>) = runs.iter().partition(|run| run.course.all_down);
    let rows: Vec<Vec<Cell>> = up.iter().chain(&down).map(|run| row(run)).collect();
    text += &table(
        &["FAIL", "THEN ANSWERED", "AFTER", "LINE", "WHY"],
        &rows,
        WHY,
        look,
    );
    text.push('\n');
    let sentence = match down.len() {
        0 => format!("none of {} leaves nothing up", runs.len()),
        some => format!(
            "{some} of {} leave nothing up: every target that is answered is down",
            runs.len()
        ),
    };
    text += &wrapped("", Paint::Plain, &sentence, look);
    if left_out > 0 {
        text += &format!("{left_out} targets are left out: their failures are not in the table\n");
    }
    text + notes(first, look).as_str()
}

fn row(run: &Run) -> Vec<Cell> {
    let course = &run.course;
    let switches = || course.happened.iter().filter(|one| one.switched);
    let last = switches().next_back().or_else(|| course.happened.last());
    let changed = switches().next().is_some();
    let (line, why) = match last {
        Some(last) => (last.decision.line, last.decision.reason.clone()),
        None => (0, "nothing changes".to_owned()),
    };
    let paint = if course.all_down {
        Paint::Red
    } else {
        Paint::Plain
    };
    let served = match course.all_down {
        true => format!("{} (down)", names(&course.settled)),
        false => names(&course.settled),
    };
    vec![
        Cell(names(&run.injected.fail), Paint::Bold),
        Cell(served, paint),
        Cell::plain(if changed {
            format_ms(course.settled_ms)
        } else {
            "-".to_owned()
        }),
        Cell::plain(if line > 0 {
            line.to_string()
        } else {
            "-".to_owned()
        }),
        Cell::plain(why),
    ]
}

/// `a`, `a and b`.
fn names(targets: &[TargetName]) -> String {
    let names: Vec<&str> = targets.iter().map(|name| name.as_str()).collect();
    names.join(" and ")
}
