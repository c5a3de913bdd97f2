//! The daemon in one line, for `systemctl status`: pure text of an overview.

use crate::{
    failover::overview::{Overview, ServiceOverview},
    model::Timestamp,
};

/// Services that are named one by one; the others are counted.
const NAMED_MAX: usize = 5;

/// `3 services: mail on BACKUP web2 since 2026-11-22T12:01Z, 2 on their primary`, and what else
/// an operator should hear first. One line whatever the names are.
pub(super) fn status_line(overview: &Overview) -> String {
    let mut parts = vec![services(&overview.services)];
    if overview.isolated {
        parts.push("isolated: no witness answers".to_owned());
    }
    if let Some(freeze) = &overview.freeze {
        parts.push(format!("frozen by {}", freeze.by));
    }
    if let Some(daemon) = &overview.daemon {
        match daemon.refused.len() {
            0 => {}
            1 => parts.push("1 file refused".to_owned()),
            more => parts.push(format!("{more} files refused")),
        }
        if daemon.pending.is_some() {
            parts.push("a reload waits".to_owned());
        }
        if daemon
            .journal
            .as_ref()
            .is_some_and(|j| j.degraded.is_some())
        {
            parts.push("journal degraded".to_owned());
        }
    }
    let line = parts.join("; ");
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn services(services: &[ServiceOverview]) -> String {
    let counted = match services.len() {
        0 => return "no services".to_owned(),
        1 => "1 service".to_owned(),
        more => format!("{more} services"),
    };
    let away = |service: &&ServiceOverview| service.active != service.primary;
    let all_named = services.len() <= NAMED_MAX;
    let named = services.iter().filter(|service| all_named || away(service));
    let mut said: Vec<String> = named.take(NAMED_MAX).map(one).collect();
    let away_count = services.iter().filter(away).count();
    if !all_named {
        if away_count > NAMED_MAX {
            said.push(format!("{} more on a backup", away_count - NAMED_MAX));
        }
        said.push(format!("{} on their primary", services.len() - away_count));
    }
    format!("{counted}: {}", said.join(", "))
}

fn one(service: &ServiceOverview) -> String {
    if service.active == service.primary {
        format!("{} on {}", service.name, service.active)
    } else {
        format!(
            "{} on BACKUP {} since {}",
            service.name,
            service.active,
            minute(service.since)
        )
    }
}

/// `2026-11-22T12:01Z`.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..16)
        .map_or(text.clone(), |minute| format!("{minute}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::{
        State, overview,
        overview::{DaemonPart, Degraded, JournalPart, Order},
    };

    fn service(name: &str, active: &str) -> ServiceOverview {
        serde_json::from_value(serde_json::json!({
            "name": name, "names": [], "active": active, "serving": [active], "answers": [],
            "ttl_secs": 30, "since_ms": 1_763_800_000_000_i64, "mode": "auto",
            "primary": "web", "backups": [], "policy": "failover.rhai", "policy_version": "",
            "switches_last_hour": 0, "switches_last_day": 0, "targets": [],
        }))
        .expect("an overview is read")
    }

    fn line(services: Vec<ServiceOverview>) -> String {
        let mut overview = overview(&State::default());
        overview.services = services;
        status_line(&overview)
    }

    #[test]
    fn few_services_are_named_and_many_are_counted() {
        assert_eq!(line(Vec::new()), "no services");
        assert_eq!(
            line(vec![service("www", "web"), service("mail", "web2")]),
            "2 services: www on web, mail on BACKUP web2 since 2025-11-22T08:26Z"
        );
        let named = |n: usize, active| service(&format!("s{n}"), active);
        let mut many: Vec<_> = (0..100).map(|n| named(n, "web")).collect();
        assert_eq!(line(many.clone()), "100 services: 100 on their primary");
        many.extend((100..107).map(|n| named(n, "web2")));
        let line = line(many);
        assert!(
            line.starts_with("107 services: s100 on BACKUP web2"),
            "{line}"
        );
        assert!(
            line.ends_with(", 2 more on a backup, 100 on their primary"),
            "{line}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_on_one_line() {
        let mut overview = overview(&State::default());
        overview.isolated = true;
        overview.freeze = Some(Order {
            by: "ann\nX=1".to_owned(),
            reason: String::new(),
            target: None,
            since: None,
            until: None,
        });
        let degraded = Some(Degraded {
            since_ms: Timestamp(0),
            why: "the disk is full".to_owned(),
        });
        overview.daemon = Some(DaemonPart {
            journal: Some(JournalPart {
                degraded,
                ..JournalPart::default()
            }),
            ..DaemonPart::default()
        });
        assert_eq!(
            status_line(&overview),
            "no services; isolated: no witness answers; frozen by ann X=1; journal degraded"
        );
    }
}
