//! A promotion: what it would do, and what it did.

use super::{
    Look,
    layout::{Paint, clean, instant, wrapped},
    reload::{self, differently},
};
use crate::{failover::orders::Promotion, model::TargetName};

/// What a promotion would do.
pub fn promotion(plan: &Promotion, look: Look) -> String {
    let head = format!(
        "promote {}: {} in the place of {}: {}",
        plan.service, plan.shadow, plan.policy, plan.reason
    );
    let mut text = Paint::Bold.on(&clean(&head), look);
    text.push_str("\n\n");
    let (old, new) = (plan.policy_version.short(), plan.shadow_version.short());
    text += &field("version", &format!("{old} -> {new}"), look);
    let times = match plan.parted.count {
        0 => "never: it served what was served, ever since both have these texts".to_owned(),
        1 => "once".to_owned(),
        more => format!("{more} times"),
    };
    let since = plan.parted.since;
    let since = since.map_or_else(String::new, |since| {
        format!(", apart since {}", instant(since))
    });
    text += &field("parted", &format!("{times}{since}"), look);
    text += &field("now", &joined(&plan.serving), look);
    let then = if plan.serving == plan.would_serve {
        "the same".to_owned()
    } else {
        joined(&plan.would_serve)
    };
    text += &field("then", &then, look);
    let why = match plan.line {
        0 => plan.why.clone(),
        line => format!("line {line}: {}", plan.why),
    };
    text += &field("", &why, look);
    text += &field(
        "kept",
        &format!("the former text, as {}", plan.kept_as),
        look,
    );
    if let Some(gate) = &plan.gate {
        text += &differently(gate, look);
    }
    text
}

/// What a promotion did.
pub fn promoted(done: &Promotion, look: Look) -> String {
    let mut text = String::new();
    if let Some(report) = &done.report {
        text += &reload::reload(report, look);
    }
    text += &field(
        "kept",
        &format!("the former text is {}", done.kept_as),
        look,
    );
    let rest = format!(
        "{} has the same text now: shadow = \"{}\" can be taken out of the service, or the file \
         be changed for the next try",
        done.shadow, done.shadow
    );
    text + field("shadow", &rest, look).as_str()
}

/// A labelled paragraph.
fn field(label: &str, text: &str, look: Look) -> String {
    wrapped(&format!("{label:<11}"), Paint::Dim, text, look)
}

fn joined(targets: &[TargetName]) -> String {
    let names: Vec<&str> = targets.iter().map(TargetName::as_str).collect();
    names.join(" and ")
}
