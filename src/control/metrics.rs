//! What `/metrics` shows: an overview and the daemon's counters as metric families.
//!
//! Names and labels are promised. Base units (seconds), instants as Unix time in seconds; labels
//! are names of things in the configuration and words of closed lists, so that their number is
//! bounded. A figure that is not known has no sample.

use super::exposition::{Exposition, Seconds};
use crate::{
    failover::{
        By,
        overview::{Health, Metrics, Mode, Overview, ServiceOverview, TargetOverview},
    },
    model::time::DAY_MS,
};

/// The text of `/metrics`.
pub(super) fn render(overview: &Overview, counters: &Metrics) -> String {
    let mut out = Exposition::default();
    node(&mut out, overview);
    services(&mut out, overview);
    targets(&mut out, overview);
    deciding(&mut out, counters);
    traffic(&mut out, overview, counters);
    out.finish()
}

fn flag(value: bool) -> u8 {
    u8::from(value)
}

fn node(out: &mut Exposition, overview: &Overview) {
    if let Some(daemon) = &overview.daemon {
        out.family("sidestep_build_info", "gauge", "Which version runs; 1.");
        let labels = [
            ("version", daemon.version.as_str()),
            ("node", &overview.node),
        ];
        out.sample(&labels, 1);
        out.family(
            "sidestep_start_timestamp_seconds",
            "gauge",
            "When it started.",
        );
        out.sample(&[], Seconds::Ms(daemon.started_at.0));
        out.family(
            "sidestep_files_refused",
            "gauge",
            "Files whose last saved text is not in force.",
        );
        out.sample(&[], daemon.refused.len());
        out.family(
            "sidestep_reload_pending",
            "gauge",
            "Whether a reload waits for an operator.",
        );
        out.sample(&[], flag(daemon.pending.is_some()));
    }
    out.family(
        "sidestep_last_input_timestamp_seconds",
        "gauge",
        "When the last input was decided upon.",
    );
    out.sample(&[], Seconds::Ms(overview.at.0));
    out.family(
        "sidestep_isolated",
        "gauge",
        "Whether no witness answers, so that nothing is left for its failures.",
    );
    out.sample(&[], flag(overview.isolated));
    out.family(
        "sidestep_frozen",
        "gauge",
        "Whether an operator froze everything.",
    );
    out.sample(&[], flag(overview.freeze.is_some()));
    out.family(
        "sidestep_advisories",
        "gauge",
        "Sentences in the status that deserve attention.",
    );
    out.sample(&[], overview.advisories.len());
    out.family(
        "sidestep_witness_up",
        "gauge",
        "Whether the witness answered when last asked.",
    );
    for witness in &overview.witnesses {
        if witness.asked_at.is_some() {
            out.sample(
                &[("address", &witness.address.to_string())],
                flag(witness.ok),
            );
        }
    }
}

fn services(out: &mut Exposition, overview: &Overview) {
    let mut each = |name, help, value: &dyn Fn(&ServiceOverview) -> String| {
        out.family(name, "gauge", help);
        for service in &overview.services {
            out.sample(&[("service", &service.name)], value(service));
        }
    };
    each(
        "sidestep_service_on_primary",
        "Whether the primary is answered.",
        &|service| flag(service.active == service.primary).to_string(),
    );
    each(
        "sidestep_service_since_timestamp_seconds",
        "When the served set last changed.",
        &|service| Seconds::Ms(service.since.0).to_string(),
    );
    each(
        "sidestep_service_ttl_seconds",
        "TTL of the answer.",
        &|service| service.ttl_secs.to_string(),
    );
    each(
        "sidestep_override_active",
        "Whether an operator's override is in force.",
        &|service| flag(service.mode == Mode::Override).to_string(),
    );
    each(
        "sidestep_policy_faults_in_a_row",
        "Faults of the policy since it last decided without one.",
        &|service| service.faults.to_string(),
    );
    out.family(
        "sidestep_policy_info",
        "gauge",
        "Which policy version is in force; 1.",
    );
    for service in &overview.services {
        let labels = [
            ("service", service.name.as_str()),
            ("policy", &service.policy),
            ("version", service.policy_version.short()),
        ];
        out.sample(&labels, 1);
    }
    out.family(
        "sidestep_service_active",
        "gauge",
        "1 for targets that are answered now, 0 for the others.",
    );
    for (service, target) in pairs(overview) {
        let labels = [("service", service.name.as_str()), ("target", &target.name)];
        out.sample(&labels, flag(service.serving.contains(&target.name)));
    }
}

fn pairs(overview: &Overview) -> impl Iterator<Item = (&ServiceOverview, &TargetOverview)> {
    let services = overview.services.iter();
    services.flat_map(|service| service.targets.iter().map(move |target| (service, target)))
}

fn targets(out: &mut Exposition, overview: &Overview) {
    let seconds = |ms: i64| Seconds::Ms(ms).to_string();
    let mut each = |name, help, value: &dyn Fn(&TargetOverview) -> Option<String>| {
        out.family(name, "gauge", help);
        for (service, target) in pairs(overview) {
            if let Some(value) = value(target) {
                let labels = [("service", service.name.as_str()), ("target", &target.name)];
                out.sample(&labels, value);
            }
        }
    };
    each(
        "sidestep_target_up",
        "Whether the last probe was good under every monitor; no sample where that is not known.",
        &|target| {
            let known = target.health != Health::Unknown;
            known.then(|| flag(target.health == Health::Up).to_string())
        },
    );
    each(
        "sidestep_target_vantages",
        "Vantages with a fresh result; 0 where nothing is known.",
        &|target| Some(target.vantages.to_string()),
    );
    each(
        "sidestep_target_failures",
        "Bad probes in a row.",
        &|target| Some(target.failures.to_string()),
    );
    each(
        "sidestep_target_successes",
        "Good probes in a row.",
        &|target| Some(target.successes.to_string()),
    );
    each(
        "sidestep_target_drained",
        "Whether it is withdrawn from answers.",
        &|target| Some(flag(target.drained).to_string()),
    );
    each(
        "sidestep_target_result_age_seconds",
        "Age of the last result.",
        &|target| target.age_ms.map(seconds),
    );
    each(
        "sidestep_probe_duration_seconds",
        "Round-trip time of the last good probe.",
        &|target| {
            let us = target.rtt_us?;
            Some(Seconds::Us(u64::from(us)).to_string())
        },
    );
    each(
        "sidestep_sync_lag_seconds",
        "How far the copy of the data is behind.",
        &|target| target.data_age_ms.map(seconds),
    );
    each(
        "sidestep_cert_expiry_timestamp_seconds",
        "When the certificate expires, to the day.",
        &|target| {
            let ahead_ms = target.cert_days?.saturating_mul(DAY_MS);
            Some(seconds(overview.at.plus_ms(ahead_ms).0))
        },
    );
}

fn deciding(out: &mut Exposition, counters: &Metrics) {
    out.family(
        "sidestep_decisions_total",
        "counter",
        "Decisions, by whose word they were.",
    );
    for ((service, by), count) in &counters.decisions {
        out.sample(&[("service", service), ("by", by_word(*by))], count);
    }
    let per_service = [
        (
            "sidestep_switches_total",
            "Changes of the served set.",
            &counters.switches,
        ),
        (
            "sidestep_policy_errors_total",
            "Faults of policies.",
            &counters.policy_errors,
        ),
    ];
    for (name, help, counts) in per_service {
        out.family(name, "counter", help);
        for (service, count) in counts {
            out.sample(&[("service", service)], count);
        }
    }
    out.family(
        "sidestep_policy_eval_seconds",
        "summary",
        "Time spent evaluating policies.",
    );
    out.suffixed("_sum", &[], Seconds::Us(counters.evaluations_us));
    out.suffixed("_count", &[], counters.evaluations);
    out.family(
        "sidestep_config_last_reload_successful",
        "gauge",
        "Whether the last reload was taken whole.",
    );
    out.sample(&[], flag(counters.last_reload_ok));
    if let Some(at) = counters.last_reload_at {
        out.family(
            "sidestep_config_last_reload_success_timestamp_seconds",
            "gauge",
            "When a reload was last taken whole.",
        );
        out.sample(&[], Seconds::Ms(at.0));
    }
}

fn traffic(out: &mut Exposition, overview: &Overview, counters: &Metrics) {
    out.family(
        "sidestep_probe_total",
        "counter",
        "Probes, by monitor and result.",
    );
    for probes in &counters.probes {
        let labels = [
            ("monitor", probes.monitor.as_str()),
            ("result", &probes.result),
        ];
        out.sample(&labels, probes.count);
    }
    out.family(
        "sidestep_dns_queries_total",
        "counter",
        "DNS queries, by transport and response code.",
    );
    for queries in &counters.queries {
        let labels = [
            ("transport", queries.transport.as_str()),
            ("rcode", &queries.rcode),
        ];
        out.sample(&labels, queries.count);
    }
    out.family("sidestep_zone_serial", "gauge", "SOA serial of the zone.");
    for (zone, serial) in &overview.serials {
        out.sample(&[("zone", zone)], serial);
    }
}

fn by_word(by: By) -> &'static str {
    match by {
        By::Policy => "policy",
        By::Previous => "previous",
        By::Builtin => "builtin",
        By::Operator => "operator",
        By::Guard => "guard",
    }
}
