//! What shadows would do, in sentences.

use super::{
    Look,
    layout::{Paint, instant, wrapped},
};
use crate::{
    failover::overview::{Overview, ShadowOverview},
    model::TargetName,
};

/// What a shadow would serve, why and by which line; its fault where it faults.
pub(super) fn would_serve(shadow: &ShadowOverview) -> String {
    let names: Vec<&str> = shadow.serving.iter().map(TargetName::as_str).collect();
    let mut text = format!("would serve {}", names.join(" and "));
    if let Some(fault) = &shadow.fault {
        text += &format!(", and faults at line {}: {fault}", shadow.line);
        if shadow.faults > 1 {
            text += &format!(" ({} times in a row)", shadow.faults);
        }
    } else if !shadow.reason.is_empty() {
        text += &match shadow.line {
            0 => format!(": {}", shadow.reason),
            line => format!(" (line {line}): {}", shadow.reason),
        };
    }
    text
}

/// How often it parted from what is served, and whether it is apart now.
pub(super) fn parted(shadow: &ShadowOverview) -> String {
    let times = match shadow.parted.count {
        0 => return "never parted from what is served".to_owned(),
        1 => "once".to_owned(),
        more => format!("{more} times"),
    };
    match shadow.parted.since {
        Some(since) => format!(
            "parted from what is served {times}, is apart since {}",
            instant(since)
        ),
        None => format!("parted from what is served {times}, serves the same now"),
    }
}

/// A line for each shadow that is apart from what is served, or faults.
pub(super) fn apart(overview: &Overview, look: Look) -> String {
    let mut text = String::new();
    for service in &overview.services {
        let Some(shadow) = &service.shadow else {
            continue;
        };
        if shadow.parted.since.is_some() || shadow.fault.is_some() {
            let sentence = format!(
                "{}: shadow {} {}; {}",
                service.name,
                shadow.policy,
                would_serve(shadow),
                parted(shadow)
            );
            text += &wrapped("~ ", Paint::Dim, &sentence, look);
        }
    }
    text
}
