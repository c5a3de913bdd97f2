//! Composing the report: what the runs found, put together in the order of the services.

use super::{
    Against, Request, Verdict,
    divergence::{LISTED_MAX, divergences},
    figures::{Counts, Figures},
    input::InputReport,
    plan::Parts,
    recorded::Fidelity,
    report::{Differences, Picture, Report, ServiceReport, Swept, TruthReport},
    timeline::{Served, Timeline},
    truth::{Home, Truth},
};
use crate::model::{Config, Params, ServiceName, TargetName, Timestamp};
use std::collections::BTreeMap;

/// The report.
pub(super) fn put_together(
    input: InputReport,
    config: &Config,
    services: &[ServiceName],
    request: &Request,
    sets: &[Params],
    parts: Parts,
) -> Report {
    let window = (input.from, input.to);
    let mut reports = BTreeMap::new();
    let mut sweeps: Vec<Vec<Figures>> = vec![Vec::new(); sets.len()];
    let (mut fidelity, mut found) = (None, Vec::new());
    let mut truths = Vec::new();
    for (service, part) in parts.0 {
        let truth = match &request.incidents {
            Some((incidents, _)) => incidents.truth(&part.truth),
            None => part.truth,
        };
        for (figures, (timeline, counts)) in sweeps.iter_mut().zip(part.swept) {
            figures.push(Figures::of(&timeline, &truth, window, counts));
        }
        let (candidate, counts) = part.candidate;
        let candidate_figures = Figures::of(&candidate, &truth, window, counts);
        let mut recorded = part.recorded.map(|(timeline, counts, faithful)| {
            merge(&mut fidelity, faithful);
            (timeline, counts)
        });
        match &request.against {
            None | Some(Against::Recorded) => {}
            Some(Against::Primary) => {
                recorded = Some((always_primary(&part.homes, window.0), Counts::default()));
            }
            Some(Against::Policy(_)) => recorded = part.against,
        }
        let recorded_figures = recorded
            .as_ref()
            .map(|(timeline, counts)| Figures::of(timeline, &truth, window, counts.clone()));
        if let Some((timeline, _)) = &recorded {
            let ttl = request.against != Some(Against::Primary);
            found.extend(divergences(&service, (timeline, &candidate), window, ttl));
        }
        let configured = config.services.get(&service);
        truths.push(truth.clone());
        let report = ServiceReport {
            recorded: recorded_figures,
            candidate: candidate_figures,
            targets: configured
                .map(|service| service.targets.clone())
                .unwrap_or_else(|| truth.down.keys().cloned().collect()),
            picture: Picture {
                lanes: part.lanes,
                truth,
                recorded: recorded.map(|(timeline, _)| timeline),
                candidate,
            },
        };
        reports.insert(service, report);
    }
    let compared = reports.values().any(|report| report.recorded.is_some());
    let recorded =
        compared.then(|| Figures::sum(reports.values().filter_map(|r| r.recorded.as_ref())));
    let candidate = Figures::sum(reports.values().map(|report| &report.candidate));
    let verdict = match (compared, found.is_empty()) {
        (false, _) => Verdict::Alone,
        (true, true) => Verdict::Same,
        (true, false) => Verdict::Different,
    };
    if !input.services_left_out.is_empty()
        && request.service.is_none()
        && let Some(fidelity) = &mut fidelity
    {
        fidelity.guaranteed = false;
    }
    let left_out = found.len().saturating_sub(LISTED_MAX);
    found.truncate(LISTED_MAX);
    Report {
        replay: 1,
        truth: truth_report(&truths, window, request),
        policy: policy_in_words(request, config, services, fidelity.is_some()),
        fidelity,
        against: compared.then(|| against_in_words(request)),
        difference: recorded
            .as_ref()
            .map(|old| Differences::of(old, &candidate)),
        limits: limits(&input, request, verdict, &reports),
        input,
        recorded,
        candidate,
        services: reports,
        divergences: found,
        divergences_left_out: left_out as u64,
        sweep: swept(sets, &sweeps),
        verdict,
    }
}

fn merge(all: &mut Option<Fidelity>, one: Fidelity) {
    let Some(all) = all else {
        *all = Some(one);
        return;
    };
    all.decisions += one.decisions;
    all.reproduced += one.reproduced;
    all.unverified += one.unverified;
    all.extra += one.extra;
    all.guaranteed &= one.guaranteed;
    let earlier = match (&all.first_difference, &one.first_difference) {
        (Some(known), Some(new)) => new.at < known.at,
        (None, Some(_)) => true,
        _ => false,
    };
    if earlier {
        all.first_difference = one.first_difference;
    }
    all.notes.extend(one.notes);
}

/// No failover: the primary of the time, from the first answer on.
fn always_primary(homes: &[Home], from: Timestamp) -> Timeline {
    let mut timeline = Timeline::default();
    for (index, home) in homes.iter().enumerate() {
        timeline.push(Served {
            at: if index == 0 {
                home.at.min(from)
            } else {
                home.at
            },
            serve: home.primary.iter().cloned().collect(),
            place: if home.primary.is_some() {
                0
            } else {
                usize::MAX
            },
            ttl_ms: home.ttl_ms,
            reason: "always the primary".to_owned(),
            line: 0,
            by: crate::failover::By::Guard,
            guard: None,
            evidence: Vec::new(),
        });
    }
    timeline
}

fn truth_report(
    truths: &[Truth],
    (from, to): (Timestamp, Timestamp),
    request: &Request,
) -> TruthReport {
    let mut report = TruthReport {
        truth: request.measure.truth,
        slow_ms: request.measure.slow_ms,
        incidents: request.incidents.as_ref().map(|(_, file)| file.clone()),
        ..TruthReport::default()
    };
    // Services that share a target may use other monitors: it was down where any of them says so.
    let mut all = Truth::default();
    for truth in truths {
        for (kind, of) in [(&mut all.down, &truth.down), (&mut all.slow, &truth.slow)] {
            for (target, spans) in of {
                let known = kind.entry(target.clone()).or_default();
                *known = known.or(spans);
            }
        }
    }
    for (target, spans) in &all.down {
        let mut inside = spans.all().to_vec();
        inside.retain(|(begin, end)| *end > from && *begin < to);
        report.outages.insert(target.clone(), inside.len() as u64);
        report
            .down_ms
            .insert(target.clone(), spans.within_ms(from, to));
    }
    for (target, spans) in &all.slow {
        report
            .slow_for_ms
            .insert(target.clone(), spans.within_ms(from, to));
    }
    report
}

fn swept(sets: &[Params], sweeps: &[Vec<Figures>]) -> Vec<Swept> {
    let sums: Vec<Figures> = sweeps.iter().map(|all| Figures::sum(all.iter())).collect();
    let beats = |one: &Figures, other: &Figures| {
        let (a, b) = (
            (one.down_served_ms, one.switches),
            (other.down_served_ms, other.switches),
        );
        a.0 <= b.0 && a.1 <= b.1 && a != b
    };
    let best: Vec<bool> = sums
        .iter()
        .map(|one| !sums.iter().any(|other| beats(other, one)))
        .collect();
    let runs = sets.iter().zip(sums).zip(best);
    runs.map(|((set, figures), best)| Swept {
        set: set.clone(),
        best,
        figures,
    })
    .collect()
}

fn policy_in_words(
    request: &Request,
    config: &Config,
    services: &[ServiceName],
    recorded: bool,
) -> String {
    let candidate = &request.candidate;
    let mut words = match &candidate.policy {
        Some(text) => text.name.to_string(),
        None => {
            let own = services.iter().filter_map(|name| config.services.get(name));
            let mut names: Vec<&str> = own.map(|service| service.policy.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let as_recorded = if recorded { " as recorded" } else { "" };
            format!("{}{as_recorded}", names.join(", "))
        }
    };
    for (name, value) in &candidate.set {
        words += &format!(", {name} = {value}");
    }
    if !candidate.order.is_empty() {
        let order: Vec<&str> = candidate.order.iter().map(TargetName::as_str).collect();
        words += &format!(", targets {}", order.join(", "));
    }
    if let Some(budget) = candidate.max_switches {
        words += &format!(", at most {} switches", String::from(budget));
    }
    if let Some(vantage) = &candidate.without_vantage {
        words += &format!(", without vantage {vantage}");
    }
    if candidate.thin > 1 {
        words += &format!(", one of {} results", candidate.thin);
    }
    words
}

fn against_in_words(request: &Request) -> String {
    match &request.against {
        None | Some(Against::Recorded) => "recorded".to_owned(),
        Some(Against::Primary) => "none".to_owned(),
        Some(Against::Policy(text)) => text.name.to_string(),
    }
}

fn limits(
    input: &InputReport,
    request: &Request,
    verdict: Verdict,
    reports: &BTreeMap<ServiceName, ServiceReport>,
) -> Vec<String> {
    let mut limits = Vec::new();
    let alone = reports
        .iter()
        .filter(|(_, report)| report.recorded.is_none());
    let alone: Vec<&str> = alone.map(|(name, _)| name.as_str()).collect();
    if verdict != Verdict::Alone && !alone.is_empty() {
        limits.push(format!(
            "no decisions of {} are recorded: they are in the candidate's figures alone",
            alone.join(" and ")
        ));
    }
    if !input.services_left_out.is_empty() && request.service.is_none() {
        let names: Vec<&str> = input
            .services_left_out
            .iter()
            .map(ServiceName::as_str)
            .collect();
        limits.push(format!(
            "{} came by a reload later on: a replay has the services that it begins with, so begin \
             later with --since",
            names.join(" and ")
        ));
    }
    if verdict == Verdict::Different {
        limits.push(
            "a switch that did not happen would have changed who carries the load: from the first \
             divergence on, latencies are inferred from targets that carried another load"
                .to_owned(),
        );
    }
    limits.push(
        "intervals shorter than recorded cannot be tried; longer ones can, with --thin".to_owned(),
    );
    if input.silent_stretches > 0 || !input.gaps.is_empty() {
        limits.push("while there are no results nobody knows whether a target was up".to_owned());
    }
    if request.candidate.policy.is_some() || !request.candidate.set.is_empty() {
        limits.push(
            "instants that only the candidate remembers bring no ticks: it is asked at recorded inputs"
                .to_owned(),
        );
    }
    limits
}
