//! What `/metrics` shows: an overview and the daemon's counters as metric families.
//!
//! Names and labels are promised. Base units (seconds), instants as Unix time in seconds; labels
//! are names of things in the configuration and words of closed lists, so that their number is
//! bounded. A figure that is not known has no sample.

use super::exposition::{Exposition, Seconds};
use crate::{
    failover::{
        By, Freshness,
        overview::{
            Distribution, Health, Metrics, Order, Overview, ServiceOverview, TargetOverview,
        },
    },
    model::time::DAY_MS,
};

/// The text of `/metrics`.
pub(super) fn render(overview: &Overview, counters: &Metrics) -> String {
    let mut out = Exposition::default();
    node(&mut out, overview);
    services(&mut out, overview);
    shadows(&mut out, overview);
    targets(&mut out, overview);
    verdicts(&mut out, overview);
    journal(&mut out, overview);
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
            "sidestep_restart_needed",
            "gauge",
            "Whether something of [server] changed on disk that needs a restart.",
        );
        out.sample(&[], flag(!daemon.needs_restart.is_empty()));
        out.family(
            "sidestep_reload_pending",
            "gauge",
            "Whether a reload waits for an operator.",
        );
        out.sample(&[], flag(daemon.pending.is_some()));
    }
    fold(out, overview);
}

fn fold(out: &mut Exposition, overview: &Overview) {
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
        "sidestep_engine_frozen",
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
        "sidestep_policy_faults_in_a_row",
        "Faults of the policy since it last decided without one.",
        &|service| service.faults.to_string(),
    );
    out.family(
        "sidestep_override_active",
        "gauge",
        "Whether an operator's override is in force: a switch to a target, or a hold.",
    );
    for service in &overview.services {
        let holds = |order: &Order| order.target.is_none();
        let is_hold = service.override_.as_ref().map(holds);
        for (kind, active) in [("switch", Some(false)), ("hold", Some(true))] {
            let labels = [("service", service.name.as_str()), ("kind", kind)];
            out.sample(&labels, flag(is_hold == active));
        }
    }
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

/// Where what is answered and what shadows would answer part.
fn shadows(out: &mut Exposition, overview: &Overview) {
    let shadows = || {
        let services = overview.services.iter();
        services.filter_map(|service| Some((service, service.shadow.as_ref()?)))
    };
    out.family(
        "sidestep_shadow_partings_total",
        "counter",
        "How often what is answered and what the shadow would answer began to differ, under the \
         versions of now.",
    );
    for (service, shadow) in shadows() {
        out.sample(&[("service", &service.name)], shadow.parted.count);
    }
    out.family(
        "sidestep_shadow_differs",
        "gauge",
        "Whether the shadow would answer something else.",
    );
    for (service, shadow) in shadows() {
        out.sample(
            &[("service", &service.name)],
            flag(shadow.parted.since.is_some()),
        );
    }
}

fn pairs(overview: &Overview) -> impl Iterator<Item = (&ServiceOverview, &TargetOverview)> {
    let services = overview.services.iter();
    services.flat_map(|service| service.targets.iter().map(move |target| (service, target)))
}

fn targets(out: &mut Exposition, overview: &Overview) {
    let mut each = |name, help, value: &dyn Fn(&TargetOverview) -> Option<String>| {
        of_targets(out, overview, name, help, value);
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
    measured(out, overview);
}

/// A gauge with a sample for each target that has a value.
fn of_targets(
    out: &mut Exposition,
    overview: &Overview,
    name: &'static str,
    help: &str,
    value: &dyn Fn(&TargetOverview) -> Option<String>,
) {
    out.family(name, "gauge", help);
    for (service, target) in pairs(overview) {
        if let Some(value) = value(target) {
            let labels = [("service", service.name.as_str()), ("target", &target.name)];
            out.sample(&labels, value);
        }
    }
}

/// What was measured of each target, where it is known.
fn measured(out: &mut Exposition, overview: &Overview) {
    let seconds = |ms: i64| Seconds::Ms(ms).to_string();
    let mut each = |name, help, value: &dyn Fn(&TargetOverview) -> Option<String>| {
        of_targets(out, overview, name, help, value);
    };
    each(
        "sidestep_target_result_age_seconds",
        "Age of the last result.",
        &|target| target.age_ms.map(seconds),
    );
    each(
        "sidestep_target_rtt_seconds",
        "Round-trip time of the last good probe.",
        &|target| {
            let us = target.rtt_us?;
            Some(Seconds::Us(u64::from(us)).to_string())
        },
    );
    each(
        "sidestep_target_late_results",
        "Late results in the series that are kept: this machine was too busy.",
        &|target| Some(target.late.to_string()),
    );
    each(
        "sidestep_target_local_results",
        "Probes without a result for a shortage of this machine's own, in the series that are kept.",
        &|target| Some(target.local.to_string()),
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

/// What each monitor says of each target, and how recent the copies of the data are.
fn verdicts(out: &mut Exposition, overview: &Overview) {
    out.family(
        "sidestep_probe_success",
        "gauge",
        "Whether the last probe was good under this monitor; no sample where that is not known.",
    );
    for (service, target) in pairs(overview) {
        for one in &target.monitors {
            if one.failures > 0 || one.successes > 0 {
                let labels = [
                    ("service", service.name.as_str()),
                    ("target", &target.name),
                    ("monitor", &one.monitor),
                ];
                out.sample(&labels, flag(one.failures == 0));
            }
        }
    }
    out.family(
        "sidestep_sync_state",
        "gauge",
        "1 for the state that the copy of the data is in, 0 for the others.",
    );
    for (service, target) in pairs(overview) {
        for state in [Freshness::Fresh, Freshness::Stale, Freshness::Unknown] {
            let labels = [
                ("service", service.name.as_str()),
                ("target", &target.name),
                ("state", state.word()),
            ];
            out.sample(&labels, flag(target.freshness == state));
        }
    }
}

fn journal(out: &mut Exposition, overview: &Overview) {
    let daemon = overview.daemon.as_ref();
    let Some(journal) = daemon.and_then(|daemon| daemon.journal.as_ref()) else {
        return;
    };
    let mut one = |name, kind, help, value: u64| {
        out.family(name, kind, help);
        out.sample(&[], value);
    };
    one(
        "sidestep_journal_degraded",
        "gauge",
        "Whether nothing can be written to the journal at present.",
        u64::from(journal.degraded.is_some()),
    );
    one(
        "sidestep_journal_backlog_events",
        "gauge",
        "Events that wait for the disk.",
        journal.backlog,
    );
    one(
        "sidestep_journal_committed_seq",
        "gauge",
        "Number of the last event on disk.",
        journal.committed,
    );
    one(
        "sidestep_journal_gaps_total",
        "counter",
        "Gaps in the journal since the start.",
        journal.gaps,
    );
    one(
        "sidestep_journal_lost_events_total",
        "counter",
        "Events lost in gaps since the start.",
        journal.lost,
    );
    one(
        "sidestep_journal_bytes",
        "gauge",
        "What the journal takes on disk.",
        journal.bytes,
    );
    one(
        "sidestep_journal_alarms",
        "gauge",
        "Damages of the journal that were found at the start.",
        journal.alarms.len() as u64,
    );
    if let Some(oldest) = journal.oldest_at_ms {
        out.family(
            "sidestep_journal_oldest_timestamp_seconds",
            "gauge",
            "When the oldest observation in the journal came.",
        );
        out.sample(&[], Seconds::Ms(oldest.0));
    }
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
        "sidestep_decision_publish_seconds",
        "histogram",
        "From taking an input to the published answers that it changed.",
    );
    histogram(out, &[], &counters.publishing);
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
        "sidestep_probe_duration_seconds",
        "histogram",
        "How long good probes took, by monitor.",
    );
    for (monitor, durations) in &counters.probe_durations {
        histogram(out, &[("monitor", monitor)], durations);
    }
    out.family(
        "sidestep_probe_late_total",
        "counter",
        "Probes that fired or ended too late to count against a target, by monitor.",
    );
    for (monitor, count) in &counters.probes_late {
        out.sample(&[("monitor", monitor)], count);
    }
    out.family(
        "sidestep_probe_schedule_lag_seconds",
        "histogram",
        "How long after they were due probes fired.",
    );
    histogram(out, &[], &counters.schedule_lag);
    dns(out, counters);
    tcp(out, counters);
    out.family("sidestep_zone_serial", "gauge", "SOA serial of the zone.");
    for (zone, serial) in &overview.serials {
        out.sample(&[("zone", zone)], serial);
    }
}

fn dns(out: &mut Exposition, counters: &Metrics) {
    out.family(
        "sidestep_dns_queries_total",
        "counter",
        "DNS messages received, by transport.",
    );
    for (transport, count) in &counters.queries {
        out.sample(&[("transport", transport)], count);
    }
    out.family(
        "sidestep_dns_replies_total",
        "counter",
        "DNS replies, by response code.",
    );
    for (rcode, count) in &counters.replies {
        out.sample(&[("rcode", rcode)], count);
    }
    let totals = [
        (
            "sidestep_dns_truncated_total",
            "DNS replies that said to ask again over TCP.",
            counters.truncated,
        ),
        (
            "sidestep_dns_slipped_total",
            "Truncated DNS replies that rate limiting sent in place of an answer.",
            counters.slipped,
        ),
        (
            "sidestep_dns_fast_total",
            "DNS replies over UDP that were made of prepared octets.",
            counters.fast,
        ),
    ];
    for (name, help, count) in totals {
        out.family(name, "counter", help);
        out.sample(&[], count);
    }
    out.family(
        "sidestep_dns_dropped_total",
        "counter",
        "DNS messages that got no reply, by reason; with the replies they are all that came.",
    );
    for (reason, count) in &counters.dropped {
        out.sample(&[("reason", reason)], count);
    }
}

fn tcp(out: &mut Exposition, counters: &Metrics) {
    out.family(
        "sidestep_dns_tcp_connections",
        "gauge",
        "TCP connections of DNS that are open.",
    );
    out.sample(&[], counters.tcp_open);
    out.family(
        "sidestep_dns_tcp_opened_total",
        "counter",
        "TCP connections of DNS that were accepted.",
    );
    out.sample(&[], counters.tcp_opened);
    out.family(
        "sidestep_dns_tcp_closed_total",
        "counter",
        "TCP connections of DNS that ended, by reason: idle, timeout (a query incomplete or answers not taken for as long), limit (made room), client, error or stop.",
    );
    for (reason, count) in &counters.tcp_closed {
        out.sample(&[("reason", reason)], count);
    }
}

/// The samples of one histogram: classes are cumulative, the last bound is without limit.
fn histogram(out: &mut Exposition, labels: &[(&str, &str)], of: &Distribution) {
    let mut count = 0;
    let bounds = Distribution::BOUNDS_US.iter();
    let bounds = bounds.map(|&us| Seconds::Us(us).to_string());
    let bounds = bounds.chain(["+Inf".to_owned()]);
    for (bound, class) in bounds.zip(of.counts) {
        count += class;
        let mut labels = labels.to_vec();
        labels.push(("le", &bound));
        out.suffixed("_bucket", &labels, count);
    }
    out.suffixed("_sum", labels, Seconds::Us(of.sum_us));
    out.suffixed("_count", labels, count);
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
