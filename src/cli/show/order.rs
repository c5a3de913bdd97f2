//! An operator's order: what it would do, and what it did.

use super::{
    Look, answers, health_paint,
    layout::{Paint, clean, instant, wrapped},
    rail_word,
};
use crate::{
    failover::{
        Freshness,
        orders::{Answered, OrderPlan, Ordered, ServicePlan, TargetPlan},
        overview::Order,
    },
    model::{Timestamp, duration::format_ms},
};

/// Services beyond these are counted, not shown: a freeze concerns all there are.
const SERVICES_SHOWN: usize = 20;

/// What an order would do.
pub fn plan(plan: &OrderPlan, look: Look) -> String {
    let head = format!("{}: {}", plan.order, plan.reason);
    let mut text = Paint::Bold.on(&clean(&head), look);
    text.push('\n');
    for service in plan.services.iter().take(SERVICES_SHOWN) {
        text.push('\n');
        text += &of_service(plan, service, look);
    }
    text.push('\n');
    text += &more(plan.services.len(), look);
    if let Some(old) = &plan.replaces {
        let word = if plan.taken_back_by.is_some() {
            "replaces"
        } else {
            "ends"
        };
        let what = format!("{}, {}", old.order, order(&old.stand));
        text += &field(word, &what, look);
    }
    text += &end(
        plan.until,
        plan.taken_back_by.as_deref(),
        Some(plan.at),
        look,
    );
    for warning in &plan.warnings {
        text += &wrapped("! ", Paint::Yellow, warning, look);
    }
    text
}

fn of_service(plan: &OrderPlan, service: &ServicePlan, look: Look) -> String {
    let mut text = format!("{}\n", Paint::Bold.on(&clean(&service.service), look));
    let (now, then) = (&service.now, &service.then);
    text += &field("now", &answer(now), look);
    let what = if now == then || unmoved(now, then) {
        "the same".to_owned()
    } else {
        answer(then)
    };
    text += &field("then", &what, look);
    text += &field("", &then.reason, look);
    if now.targets != then.targets {
        let ttl = format_ms(i64::from(now.ttl_secs) * 1_000);
        let caches = format!("resolvers may go on with the old answer for up to {ttl}");
        text += &field("", &caches, look);
    }
    for target in &service.targets {
        text += &measured(plan, target, look);
    }
    for over in &service.overrides {
        let rail = format!("{}: {}", rail_word(over.rail), over.why);
        text += &field("overrides", &rail, look);
    }
    if let Some(policy) = &service.policy {
        let wants = match &policy.wants {
            Some(wants) => format!("would serve {}", joined(wants)),
            None => "would hold".to_owned(),
        };
        text += &field("policy", &format!("{wants}: {}", policy.reason), look);
    }
    if let Some(ended) = &service.if_ended {
        let after = format!("{}: {}", joined(&ended.targets), ended.reason);
        text += &field("if ended", &after, look);
    }
    for warning in &service.warnings {
        text += &wrapped("! ", Paint::Yellow, warning, look);
    }
    text
}

/// What an order did.
pub fn ordered(ordered: &Ordered, look: Look) -> String {
    let head = format!("{}, by {}", ordered.order, ordered.by);
    let mut text = Paint::Bold.on(&clean(&head), look);
    text.push('\n');
    for service in ordered.services.iter().take(SERVICES_SHOWN) {
        let (before, now) = (&service.before, &service.now);
        let moved = if before.targets == now.targets {
            String::new()
        } else {
            format!(" (before: {})", joined(&before.targets))
        };
        let name = &service.service;
        let said = format!("{name} answers {}{moved}: {}", answer(now), now.reason);
        text += &wrapped("+ ", Paint::Green, &said, look);
        if let Some(alert) = &service.alert {
            text += &wrapped("! ", Paint::Yellow, &format!("{name}: {alert}"), look);
        }
    }
    text += &more(ordered.services.len(), look);
    text += &end(ordered.until, ordered.taken_back_by.as_deref(), None, look);
    let disk = match (&ordered.not_durable, ordered.durable) {
        (_, true) => format!("event {} is on disk", ordered.seq),
        (Some(why), false) => format!("event {} is not on disk: {why}", ordered.seq),
        (None, false) => format!("event {} is not on disk yet", ordered.seq),
    };
    let paint = if ordered.durable {
        Paint::Dim
    } else {
        Paint::Yellow
    };
    text + wrapped(&format!("{:<11}", "journal"), paint, &disk, look).as_str()
}

/// A labelled paragraph.
fn field(label: &str, text: &str, look: Look) -> String {
    wrapped(&format!("{label:<11}"), Paint::Dim, text, look)
}

/// Whether the same is answered, whatever the reason says.
fn unmoved(now: &Answered, then: &Answered) -> bool {
    let answered = |one: &Answered| Answered {
        reason: String::new(),
        ..one.clone()
    };
    answered(now) == answered(then)
}

fn answer(answered: &Answered) -> String {
    let said = answers(
        &answered.addresses,
        answered.cname.as_ref(),
        &answered.records,
    );
    format!(
        "{}: {}, TTL {}",
        joined(&answered.targets),
        clean(&said),
        format_ms(i64::from(answered.ttl_secs) * 1_000)
    )
}

fn joined(targets: &[crate::model::TargetName]) -> String {
    let names: Vec<&str> = targets.iter().map(|target| target.as_str()).collect();
    names.join(" and ")
}

/// How a target is, as measured.
fn measured(plan: &OrderPlan, target: &TargetPlan, look: Look) -> String {
    let mut said = format!("{} is {}", target.name, target.health.word());
    if let Some(error) = target.error {
        said += &format!(" ({})", error.word());
    }
    if let Some(since) = target.bad_since {
        let ago = format_ms(plan.at.since_ms(since).max(0));
        said += &format!(" since {} ({ago})", instant(since));
    }
    if target.freshness != Freshness::Unknown {
        said += &format!(", its data {}", target.freshness.word());
        if let Some(ms) = target.data_age_ms {
            said += &format!(" ({} behind)", format_ms(ms));
        }
    }
    match &target.drain {
        Some(drain) => said += &format!(", drained {}", order(drain)),
        None if target.drained => said += ", drained by the configuration",
        None => {}
    }
    let label = format!("{:<11}", "target");
    wrapped(&label, health_paint(target.health), &said, look)
}

fn order(order: &Order) -> String {
    let mut said = format!("by {}", order.by);
    if let Some(since) = order.since {
        said += &format!(" since {}", instant(since));
    }
    said += &match order.until {
        Some(until) => format!(" until {}", instant(until)),
        None => " until taken back".to_owned(),
    };
    format!("{said}: {}", order.reason)
}

/// When an order ends, and what takes it back.
fn end(until: Option<Timestamp>, back: Option<&str>, at: Option<Timestamp>, look: Look) -> String {
    let Some(back) = back else {
        return String::new();
    };
    let said = match until {
        Some(until) => {
            // The plan was made a moment after the end was counted out.
            let secs = |at| until.since_ms(at).saturating_add(999) / 1_000;
            let left = at.map(|at| format!(" (for {})", format_ms(secs(at) * 1_000)));
            let left = left.unwrap_or_default();
            format!("{}{left}, or '{back}'", instant(until))
        }
        None => format!("taken back: it stands until '{back}'"),
    };
    field("until", &said, look)
}

fn more(services: usize, look: Look) -> String {
    match services.saturating_sub(SERVICES_SHOWN) {
        0 => String::new(),
        hidden => wrapped(
            "  ",
            Paint::Plain,
            &format!("and {hidden} services more"),
            look,
        ),
    }
}
