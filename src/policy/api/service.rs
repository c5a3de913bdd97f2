//! What a script reads of its service, and of the probe that woke it.

use super::{
    fault,
    list::targets,
    registry::{On, Registry},
};
use crate::{
    failover::ServiceView,
    model::{Observation, Param},
};
use rhai::{Dynamic, INT, ImmutableString};

/// The observation that woke the policy.
#[derive(Clone)]
struct Probe {
    service: ServiceView,
    seen: Observation,
}

pub(super) fn register(registry: &mut Registry<'_>) {
    registry
        .engine
        .register_type_with_name::<ServiceView>("service");
    registry.engine.register_type_with_name::<Probe>("probe");
    targets_of(registry);
    times(registry);
    facts(registry);
    probe(registry);
}

fn targets_of(registry: &mut Registry<'_>) {
    use On::Service;
    type S = ServiceView;
    registry.property(
        Service,
        "active",
        "target",
        "The target that is answered now; the first of them.",
        |s: &mut S| s.active(),
    );
    registry.property(
        Service,
        "serving",
        "list",
        "All targets that are answered now.",
        |s: &mut S| targets(s.serving()),
    );
    registry.property(
        Service,
        "primary",
        "target",
        "The first target in order.",
        |s: &mut S| s.primary(),
    );
    registry.property(
        Service,
        "targets",
        "list",
        "The targets that may be served now, in order: not drained, not in maintenance.",
        |s: &mut S| targets(s.targets()),
    );
    registry.property(
        Service,
        "backups",
        "list",
        "The same without the primary.",
        |s: &mut S| targets(s.backups()),
    );
    registry.property(
        Service,
        "all_targets",
        "list",
        "All targets, in order.",
        |s: &mut S| targets(s.all_targets()),
    );
    registry.function(
        Service,
        "up",
        ("n: int", "list"),
        "Those of `targets` that have seen `n` good probes in a row, in order.",
        |s: &mut S, n: INT| targets(s.up(n)),
    );
    registry.function(
        Service,
        "target",
        ("name: string", "target"),
        "A target by name.",
        |s: &mut S, name: ImmutableString| {
            s.target(&name)
                .ok_or_else(|| fault(format!("no target '{name}' in service {}", s.name())))
        },
    );
}

fn times(registry: &mut Registry<'_>) {
    use On::Service;
    type S = ServiceView;
    registry.property(
        Service,
        "since_switch",
        "int",
        "ms since the served set changed.",
        |s: &mut S| s.since_switch_ms(),
    );
    registry.function(
        Service,
        "switches",
        ("window: int", "int"),
        "How often the served set changed in the last `window` ms, at most a day.",
        |s: &mut S, window: INT| s.switches(window),
    );
    registry.property(
        Service,
        "now",
        "int",
        "Time of the input, ms since 1970-01-01 UTC.",
        |s: &mut S| s.now().0,
    );
    registry.property(
        Service,
        "hour",
        "int",
        "Hour of the day, 0-23, UTC.",
        |s: &mut S| s.hour(),
    );
    registry.property(
        Service,
        "weekday",
        "int",
        "Day of the week, 1-7, Monday is 1, UTC.",
        |s: &mut S| s.weekday(),
    );
}

fn facts(registry: &mut Registry<'_>) {
    use On::Service;
    type S = ServiceView;
    registry.property(
        Service,
        "name",
        "string",
        "The name of the service.",
        |s: &mut S| text(s.name().as_str()),
    );
    registry.property(
        Service,
        "isolated",
        "bool",
        "Whether no witness answers, so that failures may be our own.",
        |s: &mut S| s.isolated(),
    );
    registry.property(
        Service,
        "probe",
        "probe",
        "The probe that woke the policy; () on ticks, reloads and operator commands.",
        |s: &mut S| {
            let seen = s.probe().cloned();
            seen.map_or(Dynamic::UNIT, |seen| {
                Dynamic::from(Probe {
                    service: s.clone(),
                    seen,
                })
            })
        },
    );
    registry.function(
        Service,
        "asked",
        ("what: string", "bool"),
        "Whether an operator asked for \"failback\" and it was not done yet.",
        |s: &mut S, what: ImmutableString| s.asked(&what),
    );
    registry.function(
        Service,
        "recall",
        ("key: string, default: T", "T"),
        "What a former decision remembered under `key`, else `default`.",
        |s: &mut S, key: ImmutableString, default: Dynamic| s.recall(&key).map_or(default, value),
    );
}

fn probe(registry: &mut Registry<'_>) {
    use On::Probe as OnProbe;
    registry.property(
        OnProbe,
        "target",
        "target",
        "The target that was probed.",
        |p: &mut Probe| {
            let name = p.seen.target.as_str();
            p.service
                .target(name)
                .map_or_else(|| text(name).into(), Dynamic::from)
        },
    );
    registry.property(
        OnProbe,
        "monitor",
        "string",
        "The monitor that probed.",
        |p: &mut Probe| text(p.seen.monitor.as_str()),
    );
    registry.property(
        OnProbe,
        "address",
        "string",
        "The address that was probed, \"\" where it was not said.",
        |p: &mut Probe| {
            p.seen
                .address
                .map_or_else(ImmutableString::new, |address| address.to_string().into())
        },
    );
    registry.property(
        OnProbe,
        "vantage",
        "string",
        "The node that probed.",
        |p: &mut Probe| text(p.seen.vantage.as_str()),
    );
    registry.property(
        OnProbe,
        "ok",
        "bool",
        "Whether the probe was good.",
        |p: &mut Probe| p.seen.ok,
    );
    registry.property(
        OnProbe,
        "rtt",
        "int",
        "Round-trip ms of a good probe, rounded up; () of a bad one.",
        |p: &mut Probe| {
            p.seen
                .rtt_us
                .map_or(Dynamic::UNIT, |us| INT::from(us.div_ceil(1_000)).into())
        },
    );
    registry.property(
        OnProbe,
        "error",
        "string",
        "Why the probe was bad, \"\" for a good one.",
        |p: &mut Probe| text(p.seen.error.map_or("", |reason| reason.word())),
    );
}

/// A text as scripts have it.
pub(super) fn text(text: &str) -> ImmutableString {
    text.into()
}

fn value(param: &Param) -> Dynamic {
    match param {
        Param::Bool(value) => (*value).into(),
        Param::Int(value) => (*value).into(),
        Param::Text(value) => text(value).into(),
    }
}
