//! Whether an order makes sense now: names, times, and what stands already.

use super::Force;
use crate::failover::{
    input::{Command, OperatorCommand},
    operations::OperationError,
    overview::{Health, health},
    service_state::{Override, ServiceState},
    state::{State, World},
};
use crate::model::{ServiceName, TargetName, Timestamp, diagnostic::did_you_mean};

/// The longest reason and the longest name of whoever orders, bytes.
const WORDS_MAX: usize = 512;

type Refusable<T> = Result<T, OperationError>;

/// The order as it is to be obeyed at wall time `wall`: the same, or of a forced failback the
/// switch that it becomes.
///
/// # Errors
/// [`OperationError::NotFound`] for a name that nothing has; [`OperationError::Refused`] for what
/// would do nothing, ended before it began, or needs force.
pub fn admit(
    state: &State,
    wall: Timestamp,
    order: &OperatorCommand,
    force: Option<Force>,
) -> Refusable<OperatorCommand> {
    worded("reason", &order.reason)?;
    worded("name of whoever orders", &order.by)?;
    let mut order = order.clone();
    match &order.command {
        Command::Failback { service } => {
            order.command = failback(state, known(state, service)?, force)?;
        }
        _ if force.is_some() => return refused("only a failback can be forced".to_owned()),
        command => makes_sense(state.world(), command, |name| known(state, name))?,
    }
    match order.command.until() {
        Some(until) if until <= wall => refused(format!(
            "the order would end at {until}, which is past: it is {wall} now"
        )),
        _ => Ok(order),
    }
}

fn refused<T>(why: String) -> Refusable<T> {
    Err(OperationError::Refused(why))
}

/// That an operator's words, such as a `reason`, are one line that says something.
///
/// # Errors
/// [`OperationError::Refused`] where they are not.
pub fn worded(what: &str, text: &str) -> Refusable<()> {
    if text.trim().is_empty() {
        return refused(format!(
            "the {what} is empty: say it, whoever reads the log wants to know"
        ));
    }
    if text.len() > WORDS_MAX || text.chars().any(char::is_control) {
        return refused(format!(
            "the {what} is one line of at most {WORDS_MAX} bytes without control characters"
        ));
    }
    Ok(())
}

fn makes_sense<'s>(
    world: &World,
    command: &Command,
    known: impl Fn(&ServiceName) -> Refusable<&'s ServiceState>,
) -> Refusable<()> {
    match command {
        Command::Switch {
            service, target, ..
        } => of_service(world, known(service)?, target),
        Command::Hold { service, .. } | Command::Failback { service } => known(service).map(drop),
        Command::Release { service } => {
            let service = known(service)?;
            if service.override_.is_none() && !service.failback_asked {
                let name = &service.name;
                return refused(format!("no override stands for {name}: nothing to release"));
            }
            Ok(())
        }
        Command::Drain { target, .. } => known_target(world, target),
        Command::Undrain { target } => drained(world, target),
        Command::Freeze { .. } => Ok(()),
        Command::Thaw if world.freeze.is_some() => Ok(()),
        Command::Thaw => refused("nothing is frozen: nothing to thaw".to_owned()),
    }
}

fn known<'s>(state: &'s State, name: &ServiceName) -> Refusable<&'s ServiceState> {
    let world = state.world();
    world.service(name).ok_or_else(|| {
        let names = world.services.iter().map(|service| service.name.as_str());
        OperationError::NotFound(missing("service", name, &names.collect::<Vec<_>>()))
    })
}

fn known_target(world: &World, name: &TargetName) -> Refusable<()> {
    if world.target(name).is_some() {
        return Ok(());
    }
    let names = world.targets.iter().map(|target| target.name.as_str());
    let why = missing("target", name, &names.collect::<Vec<_>>());
    Err(OperationError::NotFound(why))
}

/// That nothing has this name, and what may have been meant.
pub fn missing(kind: &str, name: &str, names: &[&str]) -> String {
    let hint = match did_you_mean(name, names.iter().copied()) {
        Some(meant) => format!("did you mean '{meant}'?"),
        None if names.is_empty() => "there is none".to_owned(),
        None => format!("there are {}", names.join(", ")),
    };
    format!("no {kind} '{name}': {hint}")
}

fn of_service(world: &World, service: &ServiceState, target: &TargetName) -> Refusable<()> {
    if service.position(target).is_some() {
        return Ok(());
    }
    let own: Vec<&str> = service
        .targets
        .iter()
        .map(|slot| slot.target.as_str())
        .collect();
    if world.target(target).is_some() {
        let (name, own) = (&service.name, own.join(", "));
        return refused(format!("{target} is no target of {name}, which has {own}"));
    }
    let why = missing(&format!("target of {}", service.name), target, &own);
    Err(OperationError::NotFound(why))
}

fn drained(world: &World, name: &TargetName) -> Refusable<()> {
    known_target(world, name)?;
    match world.target(name) {
        Some(target) if target.drain.is_some() => Ok(()),
        Some(target) if target.drained_by_config => refused(format!(
            "{name} is withdrawn by the configuration: take `drained = true` away there"
        )),
        _ => refused(format!("{name} is not drained: nothing to undrain")),
    }
}

/// What a failback comes to: the request to the policy, or by force a switch.
fn failback(state: &State, service: &ServiceState, force: Option<Force>) -> Refusable<Command> {
    let name = service.name.clone();
    let Some(primary) = service.targets.first().map(|slot| slot.target.clone()) else {
        return refused(format!("{name} has no targets"));
    };
    if let Some(Force { until }) = force {
        return Ok(Command::Switch {
            service: name,
            target: primary,
            until,
        });
    }
    if let Some(Override { target, stand }) = &service.override_ {
        let what = target.as_ref().map_or_else(
            || "holds what is served".to_owned(),
            |target| format!("serves {target}"),
        );
        return refused(format!(
            "an override by {} {what}: end it with 'sidestep release {name}', then the policy decides",
            stand.by
        ));
    }
    if service.is_home() {
        return refused(format!(
            "{name} serves its primary {primary} already: nothing to do"
        ));
    }
    let by_force = "--force serves it all the same, as an override";
    let view = state.view(&name).map(|view| view.primary());
    if view.as_ref().is_some_and(|primary| primary.drained()) {
        return refused(format!("the primary {primary} is withdrawn: {by_force}"));
    }
    let error = view.as_ref().and_then(|primary| primary.error());
    let measured = view.map(|primary| health(primary.failures(), primary.successes()));
    let why = match measured {
        Some(Health::Up) => return Ok(Command::Failback { service: name }),
        Some(Health::Down) => "is down",
        Some(Health::Failing) => "fails",
        Some(Health::Unknown) | None => "is not known to be well",
    };
    let reason = error.map_or_else(String::new, |error| format!(" ({})", error.word()));
    refused(format!("the primary {primary} {why}{reason}: {by_force}"))
}
