//! The step: one input in, the events that follow from it out.

use super::{
    evaluate::{Woken, evaluate},
    event::{ConfigInForce, Ended, Event, What},
    input::{Command, Input},
    policy::Policy,
    state::{State, World},
};
use crate::model::{TargetName, Timestamp};

/// Takes one input, asks the policies that it concerns, and returns what became true, in order.
/// The state has the events applied. `at` earlier than the last event counts as that event's.
pub fn step(state: &mut State, at: Timestamp, input: Input, policy: &dyn Policy) -> Vec<Event> {
    let seq = state.world.seq.saturating_add(1);
    step_numbered(state, at, seq, input, policy)
}

/// The same, where the input has a number already: a replay keeps those of its recording, so that
/// what it says can be looked up there. Several facts of one input are numbered on from `seq`.
pub fn step_numbered(
    state: &mut State,
    at: Timestamp,
    seq: u64,
    input: Input,
    policy: &dyn Policy,
) -> Vec<Event> {
    let mut events = Vec::new();
    let at = at.max(state.world.at);
    let due = if input == Input::Tick {
        state.world.due(at)
    } else {
        Vec::new()
    };
    let moved_by = match &input {
        Input::Reload(reload) => Some(reload.by.clone()),
        _ => None,
    };
    let ordered = matches!(input, Input::Operator(_) | Input::Reload(_));
    let scope = Scope::of(&input);
    let mut observed = Vec::new();
    let mut number = seq;
    for what in facts(input) {
        observed = emit_as(state, at, number, what, &mut events);
        number = number.saturating_add(1);
    }
    let cause = state.world.seq;
    let mut concerned = match scope {
        Scope::Due => due,
        Scope::Observed => observed,
        _ => scope.services(&state.world),
    };
    let mut lost = Vec::new();
    let facts = events.len();
    // Most inputs end nothing, and there may be thousands of targets to look at.
    if ordered
        || state
            .world
            .ends_at
            .is_some_and(|end| end <= state.world.wall())
    {
        lost = end_what_is_over(state, &mut concerned, &mut events);
    }
    let woken = Woken {
        cause,
        moved_by,
        at_once: ordered || events.len() > facts,
        lost,
    };
    concerned.sort_unstable();
    concerned.dedup();
    for index in concerned {
        evaluate(state, policy, index, &woken, &mut events);
    }
    events
}

/// When a [`Input::Tick`] is due: a service was silent for its longest interval plus timeout, an
/// override, drain or freeze ends, or a remembered instant comes. `None` without services.
pub fn next_deadline(state: &State) -> Option<Timestamp> {
    let world = &state.world;
    let services = world
        .services
        .iter()
        .map(|service| world.deadline_of(service));
    let end = world
        .ends_at
        .map(|wall| wall.minus_ms(world.wall_offset_ms));
    services.chain(end).min()
}

/// Applies `what` as the next event of this instant.
pub(super) fn emit(state: &mut State, what: What, events: &mut Vec<Event>) {
    let seq = state.world.seq.saturating_add(1);
    emit_as(state, state.world.at, seq, what, events);
}

/// The same at another instant, under a number; the services that an observation concerns, by
/// index.
fn emit_as(
    state: &mut State,
    at: Timestamp,
    seq: u64,
    what: What,
    events: &mut Vec<Event>,
) -> Vec<usize> {
    let event = Event { at, seq, what };
    let observed = state.applied(&event);
    events.push(event);
    observed
}

/// The input as events: each is one, but a reload is a `policy` for each text and a `config`.
fn facts(input: Input) -> Vec<What> {
    let what = match input {
        Input::Start(start) => What::Start(start),
        Input::Probe(observation) => What::Probe(observation),
        Input::Tick => What::Tick {},
        Input::Witness(result) => What::Witness(result),
        Input::Clock(change) => What::Clock(change),
        Input::Reload(reload) => {
            let mut facts: Vec<What> = reload.policies.into_iter().map(What::Policy).collect();
            facts.push(What::Config(ConfigInForce {
                by: reload.by,
                config: reload.config,
                zone_versions: reload.zones,
            }));
            return facts;
        }
        Input::Operator(command) => What::Operator(command),
        Input::Freshness(report) => What::Freshness(report),
        Input::Drift(report) => What::Drift(report),
        Input::Refused(refused) => What::Refused(refused),
    };
    vec![what]
}

/// Which services an input concerns.
enum Scope {
    All,
    Due,
    Nobody,
    /// Those that the observation concerned when it was folded in.
    Observed,
    Service(crate::model::ServiceName),
    Target(TargetName),
}

impl Scope {
    fn of(input: &Input) -> Self {
        match input {
            Input::Start(_) | Input::Refused(_) => Self::Nobody,
            Input::Tick => Self::Due,
            Input::Witness(_) | Input::Clock(_) | Input::Reload(_) => Self::All,
            Input::Probe(_) => Self::Observed,
            Input::Freshness(report) => Self::Target(report.target.clone()),
            Input::Drift(report) => Self::Target(report.target.clone()),
            Input::Operator(order) => match &order.command {
                Command::Switch { service, .. }
                | Command::Hold { service, .. }
                | Command::Release { service }
                | Command::Failback { service } => Self::Service(service.clone()),
                Command::Drain { target, .. } | Command::Undrain { target } => {
                    Self::Target(target.clone())
                }
                Command::Freeze { .. } | Command::Thaw => Self::All,
            },
        }
    }

    /// The services, by index; an input of something unknown concerns nobody.
    fn services(&self, world: &World) -> Vec<usize> {
        match self {
            Self::All => (0..world.services.len()).collect(),
            // Known from elsewhere.
            Self::Nobody | Self::Due | Self::Observed => Vec::new(),
            Self::Service(name) => world.service_index(name).into_iter().collect(),
            Self::Target(name) => with_target(world, name),
        }
    }
}

fn with_target(world: &World, target: &TargetName) -> Vec<usize> {
    let has = |&index: &usize| world.services[index].position(target).is_some();
    (0..world.services.len()).filter(has).collect()
}

/// Ends overrides, drains and the freeze whose time has come or whose target is gone; returns
/// the services whose override lost its target, by index, and what is to be said about it.
fn end_what_is_over(
    state: &mut State,
    concerned: &mut Vec<usize>,
    events: &mut Vec<Event>,
) -> Vec<(usize, String)> {
    let mut lost = Vec::new();
    let world = &state.world;
    let wall = world.wall();
    let over = |until: Option<Timestamp>| until.is_some_and(|until| until <= wall);
    let mut ended = Vec::new();
    for (index, service) in world.services.iter().enumerate() {
        let Some(override_) = &service.override_ else {
            continue;
        };
        let gone = override_
            .target
            .as_ref()
            .filter(|target| service.position(target).is_none());
        let why = match gone {
            Some(target) => {
                let why = format!("{target} is no target of {}", service.name);
                lost.push((index, format!("the override ended: {why}")));
                why
            }
            None if over(override_.stand.until) => "its time is up".to_owned(),
            None => continue,
        };
        ended.push(Ended::Override {
            service: service.name.clone(),
            why,
        });
        concerned.push(index);
    }
    for target in &world.targets {
        if target
            .drain
            .as_ref()
            .is_some_and(|drain| over(drain.stand.until))
        {
            ended.push(Ended::Drain {
                target: target.name.clone(),
            });
            concerned.extend(with_target(world, &target.name));
        }
    }
    if world
        .freeze
        .as_ref()
        .is_some_and(|freeze| over(freeze.until))
    {
        ended.push(Ended::Freeze {});
        concerned.extend(0..world.services.len());
    }
    for what in ended {
        emit(state, What::Ended(what), events);
    }
    lost
}
