//! Building the overview from the state, advisories included.

use super::{
    DecisionOverview, EvaluationOverview, Health, Mode, MonitorOverview, Order, Overview,
    PartedOverview, ServiceOverview, ShadowOverview, TargetOverview, WitnessOverview,
};
use crate::failover::{
    aggregate::Group,
    answers::{AnswerTable, answers},
    evaluate::{self, Evaluation},
    event::{Decision, Rail},
    isolation,
    service_state::{ServiceState, Slot, Stand},
    state::{Freeze, State, World},
    target_state::TargetState,
    view::TargetView,
};
use crate::model::{
    DnsName, PolicyName, ServiceName, Timestamp,
    duration::format_ms,
    time::{DAY_MS, HOUR_MS, MINUTE_MS},
};

/// Bad probes in a row that the guard calls down.
const DOWN_AFTER: i64 = 3;

/// What operators are shown of `state`, as of its last event. Without the daemon's part.
pub fn overview(state: &State) -> Overview {
    let world = state.world();
    let table = answers(state);
    let mut services: Vec<ServiceOverview> = world
        .services
        .iter()
        .filter_map(|service| of_service(state, service, &table))
        .collect();
    for service in &mut services {
        service.advisories = of_service_said(service, world.wall());
    }
    let mut overview = Overview {
        at: world.wall(),
        seq: world.seq,
        node: world.config.server.name.clone(),
        services,
        witnesses: witnesses(world),
        isolated: isolation::isolated(world),
        freeze: world
            .freeze
            .as_ref()
            .map(|freeze| order_of_freeze(world, freeze)),
        serials: world.serials_in_force(),
        advisories: Vec::new(),
        daemon: None,
    };
    overview.advisories = advisories(world, &overview);
    overview
}

/// An instant of the fold as the wall clock shows it.
fn wall(world: &World, at: Timestamp) -> Timestamp {
    at.plus_ms(world.wall_offset_ms)
}

fn of_service(
    state: &State,
    service: &ServiceState,
    table: &AnswerTable,
) -> Option<ServiceOverview> {
    let world = state.world();
    let view = state.view(&service.name)?;
    let configured = world.config.services.get(&service.name);
    let answer = table.services.get(&service.name)?;
    let mut order = service.targets.iter().map(|slot| slot.target.clone());
    let mode = match (&world.freeze, &service.override_) {
        (Some(_), _) => Mode::Frozen,
        (None, Some(_)) => Mode::Override,
        (None, None) => Mode::Auto,
    };
    let switches = |window_ms| service.switches_in(world.at, window_ms) as u64;
    let targets = view.all_targets();
    let targets = targets.iter().zip(&service.targets);
    Some(ServiceOverview {
        name: service.name.clone(),
        names: configured.map_or_else(Vec::<DnsName>::new, |service| service.names.clone()),
        active: service.serving.first()?.clone(),
        serving: service.serving.clone(),
        answers: answer.addresses.clone(),
        records: answer.records.clone(),
        cname: answer.cname.clone(),
        ttl_secs: answer.ttl_secs,
        since: wall(world, service.switched_at.unwrap_or(service.began_at)),
        mode,
        override_: service.override_.as_ref().map(|override_| Order {
            target: override_.target.clone(),
            ..order_of(world, &override_.stand)
        }),
        primary: order.next()?,
        backups: order.collect(),
        policy: configured.map_or_else(|| PolicyName::from(""), |service| service.policy.clone()),
        policy_version: service.policy.clone(),
        decision: service
            .decision
            .as_ref()
            .map(|decision| of_decision(world, service, decision)),
        latest: state
            .latest(&service.name)
            .map(|latest| of_evaluation(world, latest)),
        switches_last_hour: switches(HOUR_MS),
        switches_last_day: switches(DAY_MS),
        faults: service.faults,
        failback_asked: service.failback_asked,
        shadow: of_shadow(state, service),
        targets: targets
            .map(|(target, slot)| of_target(world, target, slot))
            .collect(),
        advisories: Vec::new(),
    })
}

pub(in crate::failover) fn order_of(world: &World, stand: &Stand) -> Order {
    Order {
        by: stand.by.clone(),
        reason: stand.reason.clone(),
        target: None,
        since: Some(wall(world, stand.since)),
        until: stand.until,
    }
}

pub(in crate::failover) fn order_of_freeze(world: &World, freeze: &Freeze) -> Order {
    Order {
        by: freeze.by.clone(),
        reason: freeze.reason.clone(),
        target: None,
        since: Some(wall(world, freeze.since)),
        until: freeze.until,
    }
}

fn of_decision(world: &World, service: &ServiceState, decision: &Decision) -> DecisionOverview {
    DecisionOverview {
        reason: decision.reason.clone(),
        line: decision.line,
        policy_version: decision.policy.clone(),
        by: decision.by,
        guard: decision.guard,
        alert: decision.alert.clone(),
        cause: decision.cause,
        seq: service.decision_seq,
        at: service.decided_at.map(|at| wall(world, at)),
        durable: false,
    }
}

fn of_evaluation(world: &World, latest: &Evaluation) -> EvaluationOverview {
    EvaluationOverview {
        at: wall(world, latest.at),
        reason: latest.reason.clone(),
        wanted: latest.wanted.clone(),
        overruled: latest.overruled.clone(),
        line: latest.line,
        by: latest.by,
        guard: latest.guard,
        fault: latest.fault.clone(),
    }
}

/// What the shadow of a service would do.
fn of_shadow(state: &State, service: &ServiceState) -> Option<ShadowOverview> {
    let world = state.world();
    let shadow = world.shadow_of(&service.name)?;
    let configured = world.config.services.get(&service.name)?;
    let latest = state.latest_of_shadow(&service.name);
    let decision = shadow.decision.as_ref();
    // Before its first evaluation its decision is the one that it began with.
    let decision = decision.filter(|decision| decision.policy == shadow.policy);
    let reason = latest.map(|latest| &latest.reason);
    let parting = world.parting(&service.name);
    Some(ShadowOverview {
        policy: configured.shadow.as_ref()?.policy.clone(),
        version: shadow.policy.clone(),
        serving: shadow.serving.clone(),
        reason: reason
            .or(decision.map(|decision| &decision.reason))
            .cloned()
            .unwrap_or_default(),
        line: latest
            .map(|latest| latest.line)
            .or(decision.map(|decision| decision.line))
            .unwrap_or_default(),
        parted: parting.map_or_else(PartedOverview::default, |parting| PartedOverview {
            count: parting.count,
            since: parting.since.map(|since| wall(world, since)),
        }),
        faults: shadow.faults,
        fault: latest.and_then(|latest| latest.fault.clone()),
    })
}

fn of_target(world: &World, target: &TargetView, slot: &Slot) -> TargetOverview {
    let state = &world.targets[slot.index];
    let groups = || slot.groups.iter().map(|&index| &world.groups[index]);
    let series = || groups().flat_map(|group| &group.series);
    let (failures, successes) = (target.failures(), target.successes());
    let newest = series().filter(|series| series.rtt_us.is_some());
    let known = |value: i64| (value >= 0).then_some(value);
    TargetOverview {
        name: target.name().clone(),
        addresses: target.addresses().to_vec(),
        cname: state.hostname.as_ref().map(|known| known.name.clone()),
        unresolved: state
            .hostname
            .as_ref()
            .and_then(|known| known.error.clone()),
        health: health(failures, successes),
        failures,
        successes,
        vantages: target.vantages(),
        error: target.error(),
        failed_at: series()
            .filter_map(|series| series.last_bad_at)
            .max()
            .map(|at| wall(world, at)),
        age_ms: series()
            .any(|s| s.last_at.is_some())
            .then(|| target.age_ms()),
        rtt_us: newest
            .max_by_key(|series| series.last_good_at)
            .and_then(|series| series.rtt_us),
        p50_1m_ms: target.percentile_ms(MINUTE_MS, 50).ok(),
        loss_1m_per_mille: target.loss(MINUTE_MS).ok(),
        drained: target.drained(),
        drain: state
            .drain
            .as_ref()
            .map(|drain| order_of(world, &drain.stand)),
        freshness: target.freshness(),
        data_age_ms: known(target.data_age_ms()),
        // Not `target.cert_days()`: its -1 for "unknown" is also a certificate that expired yesterday.
        cert_days: groups()
            .flat_map(|group| group.fresh(world.at, None))
            .filter_map(|series| series.cert_days)
            .min()
            .map(i64::from),
        late: series().map(|series| series.late).sum(),
        local: series().map(|series| series.local).sum(),
        monitors: groups()
            .filter_map(|group| of_monitor(target, group))
            .collect(),
    }
}

fn of_monitor(target: &TargetView, group: &Group) -> Option<MonitorOverview> {
    let alone = target.monitor(&group.monitor)?;
    let seen = group.series.iter().any(|series| series.last_at.is_some());
    Some(MonitorOverview {
        monitor: group.monitor.clone(),
        failures: alone.failures(),
        successes: alone.successes(),
        error: alone.error(),
        age_ms: seen.then(|| alone.age_ms()),
    })
}

pub(in crate::failover) fn health(failures: i64, successes: i64) -> Health {
    match (failures, successes) {
        (0, 0) => Health::Unknown,
        (0, _) => Health::Up,
        (DOWN_AFTER.., _) => Health::Down,
        (_, _) => Health::Failing,
    }
}

fn witnesses(world: &World) -> Vec<WitnessOverview> {
    let configured = world
        .config
        .witness
        .iter()
        .flat_map(|witness| &witness.addresses);
    let one = |&address| {
        let known = world.witnesses.get(&address);
        WitnessOverview {
            address,
            ok: known.is_some_and(|state| state.ok),
            ever_ok: known.is_some_and(|state| state.ever_ok),
            asked_at: known.map(|state| wall(world, state.asked_at)),
            error: known.and_then(|state| state.error.clone()),
        }
    };
    configured.map(one).collect()
}

/// What deserves attention: what stops failovers first, then each service, then this machine.
fn advisories(world: &World, overview: &Overview) -> Vec<String> {
    let mut said = Vec::new();
    if overview.isolated {
        said.push(
            "isolated: no witness answers, so no target is left for its failures: \
             this may be our own network"
                .to_owned(),
        );
    }
    if let Some(freeze) = &overview.freeze {
        said.push(format!(
            "everything is frozen by {}: {}",
            freeze.by, freeze.reason
        ));
    }
    for service in &overview.services {
        said.extend(service.advisories.iter().cloned());
    }
    for witness in &overview.witnesses {
        if witness.asked_at.is_some() && !witness.ever_ok {
            said.push(format!(
                "witness {} never answered, so its silence proves nothing: is the address right?",
                witness.address
            ));
        }
    }
    for target in &world.targets {
        said.extend(of_hostname(world, target));
    }
    for group in &world.groups {
        local_shortage(world, group, &mut said);
    }
    said
}

/// A hostname that cannot be resolved, and what stands in its place.
fn of_hostname(world: &World, target: &TargetState) -> Option<String> {
    let hostname = target.hostname.as_ref()?;
    let (error, since) = (hostname.error.as_ref()?, hostname.failing_since?);
    let (name, hostname, known) = (&target.name, &hostname.name, &hostname.addresses);
    let stands = if known.is_empty() {
        "it never was: it is not probed, and answered nowhere but as a CNAME".to_owned()
    } else {
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        format!("what it was before stands, {}", known.join(" "))
    };
    let for_ms = world.at.since_ms(since).max(0);
    Some(format!(
        "{name}: {hostname} cannot be resolved for {} ({error}): {stands}",
        format_ms(for_ms)
    ))
}

fn of_service_said(service: &ServiceOverview, wall: Timestamp) -> Vec<String> {
    let mut said = Vec::new();
    let name: &ServiceName = &service.name;
    if let Some(order) = &service.override_
        && let (Some(since), None) = (order.since, order.until)
        && wall.since_ms(since) > DAY_MS
    {
        said.push(format!(
            "{name}: the override by {} stands for {} and has no end: 'sidestep release {name}' \
             ends it",
            order.by,
            format_ms(wall.since_ms(since))
        ));
    }
    let fault = service.latest.as_ref().and_then(|l| l.fault.as_ref());
    let alert = service.decision.as_ref().and_then(|d| d.alert.as_ref());
    match (alert, fault) {
        // Said below, with the way out.
        (Some(alert), _) if is_of_override(service, alert) => {}
        (Some(alert), _) => said.push(format!("{name}: {alert}")),
        (None, Some(fault)) => said.push(format!("{name}: the policy faulted: {fault}")),
        (None, None) => {}
    }
    if service.faults > 1 {
        said.push(format!(
            "{name}: its policy faulted {} times in a row",
            service.faults
        ));
    }
    let rail = service.latest.as_ref().and_then(|latest| latest.guard);
    if let (Some(Rail::NeverWorse | Rail::SwitchBudget), Some(latest)) = (rail, &service.latest) {
        said.push(format!("{name} stays where it is: {}", latest.reason));
    }
    for target in &service.targets {
        let served = service.serving.contains(&target.name);
        let why = target.error.map_or("", |error| error.word());
        match target.health {
            // By an override the same is said with the way out.
            Health::Down if served && service.mode == Mode::Override => said.push(format!(
                "{name} serves {}, which is down ({why}), by an override: 'sidestep release \
                 {name}' ends it",
                target.name
            )),
            Health::Down if served => {
                said.push(format!(
                    "{name} serves {}, which is down: {why}",
                    target.name
                ));
            }
            // The failover that fails is the one whose backup died unseen.
            Health::Down if target.name != service.primary => said.push(format!(
                "{name}: backup {} is down ({why}): {}",
                target.name,
                redundancy(service)
            )),
            _ => {}
        }
    }
    if service.active != service.primary && spare(service) == 0 {
        said.push(format!(
            "{name} is on backup {}, and nothing is left to take over",
            service.active
        ));
    }
    said
}

/// Whether an alert says nothing but that an override serves what is down.
fn is_of_override(service: &ServiceOverview, alert: &str) -> bool {
    let down = service.serving.iter().filter(|serving| {
        let mut targets = service.targets.iter();
        targets.any(|target| target.name == **serving && target.health == Health::Down)
    });
    let mut down = down.map(evaluate::override_serves_down);
    service.mode == Mode::Override && down.any(|said| said == alert)
}

/// How many targets could take over: healthy, not withdrawn, not answered already.
fn spare(service: &ServiceOverview) -> usize {
    let spare = service.targets.iter().filter(|target| {
        target.health == Health::Up && !target.drained && !service.serving.contains(&target.name)
    });
    spare.count()
}

fn redundancy(service: &ServiceOverview) -> String {
    match spare(service) {
        0 => "nothing is left to take over".to_owned(),
        1 => "1 target is left to take over".to_owned(),
        more => format!("{more} targets are left to take over"),
    }
}

/// A series of which nothing is known because this machine could not probe.
fn local_shortage(world: &World, group: &Group, said: &mut Vec<String>) {
    for series in &group.series {
        if series.local > 0 && !series.is_fresh(world.at, group.fresh_for_ms()) {
            said.push(format!(
                "{} at {} is not known under {}: {} could not probe it for a shortage of its own \
                 (descriptors, permission, no route for the family), {} times",
                group.target, series.address, group.monitor, series.vantage, series.local
            ));
        }
    }
}
