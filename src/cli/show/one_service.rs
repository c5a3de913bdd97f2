//! `sidestep status SERVICE`: one screen that says what is answered, why, and what comes next.

use super::{
    Look, answers, by_sentence, footnotes, health_paint,
    layout::{Cell, Paint, clean, instant, table, wrapped},
    orders::{is_undurable, order},
    rail_word,
    shadows::{parted, would_serve},
};
use crate::{
    failover::{
        By, Freshness, Rail,
        overview::{DecisionOverview, Overview, ServiceOverview, TargetOverview, WitnessOverview},
    },
    model::{Timestamp, duration::format_ms},
};

/// Index of NOTES, which is cut where rows would not fit.
const NOTES: usize = 9;

/// The screen of the first service of an overview: of an answer that was asked for one.
pub fn service(overview: &Overview, look: Look) -> String {
    let Some(service) = overview.services.first() else {
        return "there is no such service\n".to_owned();
    };
    let mut text = title(overview, service, look);
    text.push('\n');
    text += &answered(overview, service, look);
    text += &why(overview, service, look);
    text += &mode(overview, service, look);
    text += &next(overview, service, look);
    text += &shadow(service, look);
    text.push('\n');
    text += &targets(overview, service, look);
    let witnesses = witnesses(overview, look);
    if !witnesses.is_empty() {
        text.push('\n');
        text += &witnesses;
    }
    let notes = footnotes(overview, look);
    if !notes.is_empty() {
        text.push('\n');
        text += &notes;
    }
    text
}

fn title(overview: &Overview, service: &ServiceOverview, look: Look) -> String {
    let names: Vec<&str> = service.names.iter().map(|name| name.as_str()).collect();
    let name = Paint::Bold.on(&clean(&service.name), look);
    let place = format!("on {}, as of {}", overview.node, instant(overview.at));
    format!(
        "{name}  {}\n{}\n",
        clean(&names.join(" ")),
        Paint::Dim.on(&clean(&place), look)
    )
}

/// A labelled paragraph.
fn field(label: &str, text: &str, look: Look) -> String {
    wrapped(&format!("{label:<11}"), Paint::Dim, text, look)
}

fn answered(overview: &Overview, service: &ServiceOverview, look: Look) -> String {
    let serving: Vec<&str> = service.serving.iter().map(|name| name.as_str()).collect();
    let answers = answers(&service.answers, service.cname.as_ref(), &service.records);
    let role = if service.active == service.primary {
        "the primary"
    } else {
        "a backup"
    };
    let what = format!(
        "{} ({role}): {}, TTL {}",
        serving.join(" and "),
        clean(&answers),
        format_ms(i64::from(service.ttl_secs) * 1_000)
    );
    let age_ms = overview.at.since_ms(service.since).max(0);
    let since = format!(
        "{} ({}), {} in the last hour, {} in the last day",
        instant(service.since),
        format_ms(age_ms),
        counted(service.switches_last_hour),
        counted(service.switches_last_day)
    );
    field("answered", &what, look) + field("since", &since, look).as_str()
}

fn counted(switches: u64) -> String {
    match switches {
        0 => "no switch".to_owned(),
        1 => "1 switch".to_owned(),
        more => format!("{more} switches"),
    }
}

fn why(overview: &Overview, service: &ServiceOverview, look: Look) -> String {
    let Some(decision) = &service.decision else {
        return field(
            "why",
            "nothing was decided yet: the first target is answered",
            look,
        );
    };
    let mut text = field("why", &decision.reason, look);
    text += &field("", &place(service, decision), look);
    if is_undurable(overview, service) {
        text += &field("", "not on disk yet: a crash now could take it back", look);
    }
    if let Some(latest) = &service.latest {
        if latest.reason != decision.reason {
            text += &field("now", &latest.reason, look);
        }
        // The guard's sentence ends in the policy's own; an operator's does not.
        let unsaid = |overruled: &&String| !latest.reason.ends_with(overruled.as_str());
        if let Some(overruled) = latest.overruled.as_ref().filter(unsaid) {
            let wanted = latest.wanted.iter().flatten().map(|name| name.as_str());
            let wanted: Vec<&str> = wanted.collect();
            let wants = match wanted.as_slice() {
                [] => "would hold".to_owned(),
                names => format!("would serve {}", names.join(" and ")),
            };
            text += &field("", &format!("the policy {wants}: {overruled}"), look);
        }
    }
    text
}

/// Which line of which version of what decided.
fn place(service: &ServiceOverview, decision: &DecisionOverview) -> String {
    let version = decision.policy_version.short();
    let mut text = match decision.by {
        By::Policy | By::Previous if decision.line > 0 => {
            format!("{}:{}, version {version}", service.policy, decision.line)
        }
        By::Policy | By::Previous => format!("{}, version {version}", service.policy),
        By::Builtin if decision.line > 0 => format!("line {}", decision.line),
        By::Builtin | By::Operator | By::Guard => String::new(),
    };
    if decision.by != By::Policy {
        let by = format!("decided by {}", by_sentence(decision.by));
        text = if text.is_empty() {
            by
        } else {
            format!("{by}, {text}")
        };
    }
    // An override and a freeze have a line of their own.
    let own_line = [Some(Rail::Override), Some(Rail::Freeze)].contains(&decision.guard);
    if let Some(rail) = decision.guard.filter(|_| !own_line) {
        text += &format!("; guard: {}", rail_word(rail));
    }
    text
}

fn mode(overview: &Overview, service: &ServiceOverview, look: Look) -> String {
    let mut text = String::new();
    if let Some(freeze) = &overview.freeze {
        text += &field("frozen", &order(freeze), look);
    }
    if let Some(override_) = &service.override_ {
        let what = match &override_.target {
            Some(target) => format!("serve {target}, {}", order(override_)),
            None => format!("hold, {}", order(override_)),
        };
        text += &field("override", &what, look);
    }
    for target in &service.targets {
        if let Some(drain) = &target.drain {
            text += &field(
                "drained",
                &format!("{}, {}", target.name, order(drain)),
                look,
            );
        }
    }
    if service.failback_asked {
        text += &field("asked", "an operator asked for a failback", look);
    }
    text
}

fn next(overview: &Overview, service: &ServiceOverview, look: Look) -> String {
    let sentences = overview
        .daemon
        .iter()
        .filter_map(|daemon| daemon.next.get(&service.name))
        .flatten();
    let mut text = String::new();
    for sentence in sentences {
        let label = if text.is_empty() { "next" } else { "" };
        text += &field(label, sentence, look);
    }
    text
}

fn shadow(service: &ServiceOverview, look: Look) -> String {
    let Some(shadow) = &service.shadow else {
        return String::new();
    };
    let version = shadow.version.short();
    let what = format!(
        "{}, version {version}, {}",
        shadow.policy,
        would_serve(shadow)
    );
    field("shadow", &what, look) + field("", &parted(shadow), look).as_str()
}

fn targets(overview: &Overview, service: &ServiceOverview, look: Look) -> String {
    let heads = [
        "TARGET", "HEALTH", "BAD", "GOOD", "LAST", "REASON", "RTT", "P50/1m", "LOSS/1m", "NOTES",
    ];
    let rows: Vec<Vec<Cell>> = service
        .targets
        .iter()
        .map(|target| target_row(service, target, overview.at))
        .collect();
    table(&heads, &rows, NOTES, look)
}

fn target_row(service: &ServiceOverview, target: &TargetOverview, at: Timestamp) -> Vec<Cell> {
    let served = service.serving.contains(&target.name);
    let mark = if served { "> " } else { "  " };
    let ms = |ms: i64| format!("{ms}ms");
    let or_dash = |text: Option<String>| Cell::plain(text.unwrap_or_else(|| "-".to_owned()));
    vec![
        Cell(
            format!("{mark}{}", target.name),
            if served { Paint::Bold } else { Paint::Plain },
        ),
        Cell(target.health.word().to_owned(), health_paint(target.health)),
        Cell::plain(target.failures.to_string()),
        Cell::plain(target.successes.to_string()),
        or_dash(target.age_ms.map(|ms| format!("{} ago", format_ms(ms)))),
        or_dash(target.error.map(|error| error.to_string())),
        or_dash(target.rtt_us.map(rtt)),
        or_dash(target.p50_1m_ms.map(ms)),
        or_dash(target.loss_1m_per_mille.map(per_mille)),
        Cell::plain(target_notes(target, at)),
    ]
}

/// µs as ms with one digit.
fn rtt(us: u32) -> String {
    format!("{}.{}ms", us / 1_000, us % 1_000 / 100)
}

/// Per mille as per cent with one digit.
fn per_mille(loss: i64) -> String {
    format!("{}.{}%", loss / 10, loss % 10)
}

fn target_notes(target: &TargetOverview, at: Timestamp) -> String {
    let mut notes = Vec::new();
    match &target.drain {
        Some(_) => notes.push("drained".to_owned()),
        None if target.drained => notes.push("drained by the configuration".to_owned()),
        None => {}
    }
    if target.freshness != Freshness::Unknown {
        let age = target.data_age_ms.map(|ms| format!(" {}", format_ms(ms)));
        let word = target.freshness.word();
        notes.push(format!("data {word}{}", age.unwrap_or_default()));
    }
    if target.vantages > 1 {
        notes.push(format!("{} vantages", target.vantages));
    }
    if target.monitors.len() > 1 {
        let bad = target.monitors.iter().filter(|one| one.failures > 0);
        notes.extend(bad.map(|one| format!("{} fails {} times", one.monitor, one.failures)));
    }
    if let Some(days) = target.cert_days.filter(|days| *days < 30) {
        notes.push(match days {
            ..0 => "certificate expired".to_owned(),
            _ => format!("certificate expires in {days} days"),
        });
    }
    if let (0, Some(failed_at)) = (target.failures, target.failed_at) {
        let ago_ms = at.since_ms(failed_at).max(0) / 1_000 * 1_000;
        notes.push(format!("failed {} ago", format_ms(ago_ms)));
    }
    if target.late > 0 {
        notes.push(format!("{} late", target.late));
    }
    if target.local > 0 {
        notes.push(format!("{} without result", target.local));
    }
    notes.join(", ")
}

fn witnesses(overview: &Overview, look: Look) -> String {
    let mut text = String::new();
    for witness in &overview.witnesses {
        let label = if text.is_empty() { "witnesses" } else { "" };
        text += &field(label, &witness_sentence(witness, overview.at), look);
    }
    text
}

fn witness_sentence(witness: &WitnessOverview, at: Timestamp) -> String {
    let Some(asked_at) = witness.asked_at else {
        return format!("{} was not asked yet", witness.address);
    };
    let ago = format_ms(at.since_ms(asked_at).max(0));
    let error = witness.error.as_deref().unwrap_or("no answer");
    match (witness.ok, witness.ever_ok) {
        (true, _) => format!("{} answered {ago} ago", witness.address),
        (false, true) => format!("{} failed {ago} ago: {error}", witness.address),
        (false, false) => format!("{} never answered: {error}", witness.address),
    }
}
