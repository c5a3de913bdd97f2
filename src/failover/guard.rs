//! The guard: rails that no policy crosses. A policy can be wrong, never dangerous.
//!
//! [`admit`] takes what is wanted and says what is served: the same, or what is served already,
//! with the rail that held. It reads the world and changes nothing. Operators' words are subject to
//! "never empty" only; [`objections`] tells them what they go over.

use super::{
    aggregate::{Worst, over_monitors},
    event::Rail,
    isolation,
    service_state::{SWITCHES_MAX, ServiceState},
    state::World,
};
use crate::model::{
    TargetName, Timestamp,
    time::{DAY_MS, MINUTE_MS, SECOND_MS},
};

/// Bad results in a row that make a target no better than none.
const WORSE_AFTER: i64 = 2;

/// What a rail made of a wanted served set.
pub(super) type Admitted = Result<(), (Rail, String)>;

/// Whether the served set may change from what it is to `wanted`, which differs from it and is
/// not empty. `open` is fail-open: every target that may be served.
pub(super) fn admit(world: &World, index: usize, wanted: &[TargetName], open: bool) -> Admitted {
    let service = &world.services[index];
    trusted(world, service, wanted)?;
    if !open {
        not_worse(world, service, wanted)?;
    }
    within_budget(world, service, wanted)
}

/// Every rail that would keep a policy from changing the served set to `wanted`: what an operator's
/// order goes over. Empty where `wanted` is served already.
pub(super) fn objections(
    world: &World,
    index: usize,
    wanted: &[TargetName],
) -> Vec<(Rail, String)> {
    let service = &world.services[index];
    if service.serving == wanted {
        return Vec::new();
    }
    let rails = [
        trusted(world, service, wanted),
        not_worse(world, service, wanted),
        within_budget(world, service, wanted),
    ];
    rails.into_iter().filter_map(Result::err).collect()
}

/// When the streak of failures of a target began, at any vantage, where it fails.
pub(super) fn bad_since(world: &World, service: &ServiceState, target: &str) -> Option<Timestamp> {
    let since = |group: &super::aggregate::Group| {
        let fresh = group.fresh(world.at, None);
        fresh.filter_map(|series| series.failing_since).min()
    };
    groups(world, service, target).filter_map(since).min()
}

/// No switch while isolated; none away from a failing target before a witness answered.
fn trusted(world: &World, service: &ServiceState, wanted: &[TargetName]) -> Admitted {
    if isolation::isolated(world) {
        return Err((
            Rail::Isolated,
            "no witness answers: this may be our own network".into(),
        ));
    }
    for left in service
        .serving
        .iter()
        .filter(|target| !wanted.contains(target))
    {
        if let Some(since) = failing_since(world, service, left)
            && !isolation::answered_since(world, since)
        {
            return Err((Rail::AskingWitnesses, "asking the witnesses".into()));
        }
    }
    Ok(())
}

/// No switch from a target that answers to one that does not.
pub(super) fn not_worse(world: &World, service: &ServiceState, wanted: &[TargetName]) -> Admitted {
    if !service
        .serving
        .iter()
        .any(|target| successes(world, service, target) > 0)
    {
        return Ok(());
    }
    for added in wanted
        .iter()
        .filter(|target| !service.serving.contains(target))
    {
        if failures_when_last_seen(world, service, added) >= WORSE_AFTER {
            return Err((
                Rail::NeverWorse,
                format!("{added} fails, and what is served answers"),
            ));
        }
        if !ever_good(world, service, added) {
            let why = format!("{added} never passed a probe, and what is served answers");
            return Err((Rail::NeverWorse, why));
        }
    }
    Ok(())
}

/// No more switches than the budget; past it at most one a minute, away from what is down.
fn within_budget(world: &World, service: &ServiceState, wanted: &[TargetName]) -> Admitted {
    let configured = world.config.services.get(&service.name);
    let Some(budget) = configured.and_then(|service| service.max_switches) else {
        return Ok(());
    };
    let oldest = world.at.minus_ms(budget.window_ms);
    let own = service.switches.iter().filter(|switch| !switch.operator);
    let used = own.clone().filter(|switch| switch.at > oldest).count();
    // More than are remembered cannot be counted.
    let most = usize::try_from(budget.count).unwrap_or(usize::MAX);
    if used < most.min(SWITCHES_MAX) {
        return Ok(());
    }
    let minute_ago = world.at.minus_ms(MINUTE_MS);
    let rested = own.clone().all(|switch| switch.at <= minute_ago);
    let down = |target: &&TargetName| successes(world, service, target) == 0;
    let serving = || service.serving.iter();
    let mut left = serving().filter(|target| !wanted.contains(target));
    // Where none leaves, what is served as a whole must be down to be added to.
    let away_from_down = match left.next() {
        Some(first) => down(&first) && left.all(|target| down(&target)),
        None => serving().all(|target| down(&target)),
    };
    if rested && away_from_down {
        return Ok(());
    }
    let text = String::from(budget);
    Err((
        Rail::SwitchBudget,
        format!("the switch budget of {text} is used up"),
    ))
}

/// What is served where what was served is gone: the first target in order that is well, else
/// the first that may be served, else the first. `None` only for a service without targets.
pub(super) fn first_servable(world: &World, index: usize) -> Option<TargetName> {
    let service = &world.services[index];
    let all = || service.targets.iter().map(|slot| &slot.target);
    first_well(world, index)
        .or_else(|| first_undrained(world, index))
        .or_else(|| all().next())
        .cloned()
}

/// The first target in order that may be served and is well.
pub(super) fn first_well(world: &World, index: usize) -> Option<&TargetName> {
    let service = &world.services[index];
    let mut all = service.targets.iter().map(|slot| &slot.target);
    all.find(|target| {
        !is_drained(world, service, target)
            && failures(world, service, target) == 0
            && successes(world, service, target) > 0
    })
}

/// The first target in order that may be served.
fn first_undrained(world: &World, index: usize) -> Option<&TargetName> {
    let mut all = world.services[index].targets.iter();
    all.find(|slot| !world.targets[slot.index].is_drained())
        .map(|slot| &slot.target)
}

/// What a service without history serves: its first target that may be served, whatever is known.
pub(super) fn first_of_all(world: &World, index: usize) -> Option<TargetName> {
    let all = &world.services[index].targets;
    first_undrained(world, index)
        .or_else(|| all.first().map(|slot| &slot.target))
        .cloned()
}

/// Whether a target of a service is withdrawn from answers.
pub(super) fn is_drained(world: &World, service: &ServiceState, target: &str) -> bool {
    // Its slot knows where it is; only what a service lost is looked for among all.
    let found = match service.position(target) {
        Some(position) => world.targets.get(service.targets[position].index),
        None => world.target(target),
    };
    found.is_some_and(super::target_state::TargetState::is_drained)
}

/// TTL as it is answered: whole seconds, rounded down, 1 s – 1 day.
pub(super) fn whole_ttl_secs(ttl_ms: i64) -> u32 {
    u32::try_from(ttl_ms.clamp(SECOND_MS, DAY_MS) / SECOND_MS).unwrap_or(1)
}

/// Bad probes in a row.
pub(super) fn failures(world: &World, service: &ServiceState, target: &str) -> i64 {
    value(world, service, target, Worst::Most, |series| {
        i64::from(series.failures)
    })
}

/// Bad probes in a row when results last came: silence makes nobody better.
fn failures_when_last_seen(world: &World, service: &ServiceState, target: &str) -> i64 {
    let streak = |series: &super::series::Series| i64::from(series.failures);
    let per_monitor = groups(world, service, target).map(|group| {
        let at = group.last_seen(world.at);
        group.per_vantage(at, None, Worst::Most, streak).majority()
    });
    per_monitor.max().unwrap_or(0)
}

/// Good probes in a row.
pub(super) fn successes(world: &World, service: &ServiceState, target: &str) -> i64 {
    value(world, service, target, Worst::Fewest, |series| {
        i64::from(series.successes)
    })
}

fn value(
    world: &World,
    service: &ServiceState,
    target: &str,
    worst: Worst,
    value: impl Fn(&super::series::Series) -> i64 + Copy,
) -> i64 {
    over_monitors(groups(world, service, target), world.at, None, worst, value)
}

fn groups<'a>(
    world: &'a World,
    service: &'a ServiceState,
    target: &str,
) -> impl Iterator<Item = &'a super::aggregate::Group> {
    let slot = service
        .position(target)
        .map(|position| &service.targets[position]);
    slot.into_iter()
        .flat_map(|slot| &slot.groups)
        .map(|&index| &world.groups[index])
        .filter(|group| !group.addresses.is_empty())
}

fn ever_good(world: &World, service: &ServiceState, target: &str) -> bool {
    groups(world, service, target).any(|g| g.series.iter().any(|series| series.ever_good))
}

/// When this vantage's streak of failures of a target began, where it fails: of its worst
/// address, or of its best where any will do.
fn failing_since(world: &World, service: &ServiceState, target: &str) -> Option<Timestamp> {
    let vantage = &world.config.server.name;
    let since = |group: &super::aggregate::Group| {
        let mut fresh = group.fresh(world.at, Some(vantage));
        if group.any_address {
            let first = fresh.next()?.failing_since?;
            fresh.try_fold(first, |last, series| Some(last.max(series.failing_since?)))
        } else {
            fresh.filter_map(|series| series.failing_since).min()
        }
    };
    groups(world, service, target).filter_map(since).min()
}
