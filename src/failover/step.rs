//! The step: one input in, the events that follow from it out.

use super::{
    evaluate::{Woken, evaluate},
    event::{Ended, Event, Shadowed, What},
    input::{Command, Input},
    policy::Policy,
    shadow::newly_parted,
    state::{Observed, State, World},
};
use crate::model::{ServiceName, TargetName, Timestamp};

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
    let woken = take(state, at.max(state.world.at), seq, input, &mut events);
    conclude(state, policy, woken, &mut events);
    events
}

/// What an input comes to before any policy is asked.
struct Taken {
    woken: Woken,
    /// For which of them something ended by itself: they are asked at once, as after an order.
    ended: Observed,
    /// The services to evaluate, by index.
    concerned: Vec<usize>,
    /// The same in the fold of the shadows.
    shadows: Vec<usize>,
}

/// Folds the facts of an input in, with what ends by itself.
fn take(
    state: &mut State,
    at: Timestamp,
    seq: u64,
    input: Input,
    events: &mut Vec<Event>,
) -> Taken {
    let scope = Scope::of(&input);
    let mut found = match scope {
        Scope::Due => Observed {
            services: state.world.due(at),
            shadows: state
                .world
                .shadow
                .iter()
                .flat_map(|s| s.world.due(at))
                .collect(),
        },
        _ => Observed::default(),
    };
    let moved_by = match &input {
        Input::Reload(reload) => Some(reload.by.clone()),
        _ => None,
    };
    let ordered = matches!(input, Input::Operator(_) | Input::Reload(_));
    let mut number = seq;
    for what in input.facts() {
        let observed = emit_as(state, at, number, what, events);
        if matches!(scope, Scope::Observed) {
            found = observed;
        }
        number = number.saturating_add(1);
    }
    let cause = state.world.seq;
    if !matches!(scope, Scope::Due | Scope::Observed) {
        let shadow = state.world.shadow.as_ref();
        found = Observed {
            services: scope.services(&state.world),
            shadows: shadow.map_or_else(Vec::new, |shadow| scope.services(&shadow.world)),
        };
    }
    let (mut lost, mut ended) = (Vec::new(), Observed::default());
    let facts = events.len();
    // Most inputs end nothing, and there may be thousands of targets to look at.
    let ends_at = state.world.ends_at;
    if ordered || ends_at.is_some_and(|end| end <= state.world.wall()) {
        lost = end_what_is_over(state, events);
        for event in &events[facts..] {
            ended.services.extend(ended_for(&state.world, event));
            if let Some(shadow) = &state.world.shadow {
                ended.shadows.extend(ended_for(&shadow.world, event));
            }
        }
        found.services.extend(&ended.services);
        found.shadows.extend(&ended.shadows);
    }
    Taken {
        woken: Woken {
            cause,
            moved_by,
            at_once: ordered,
            lost,
        },
        ended,
        concerned: found.services,
        shadows: found.shadows,
    }
}

/// Asks the policies that are concerned, and those of the shadows.
fn conclude(state: &mut State, policy: &dyn Policy, taken: Taken, events: &mut Vec<Event>) {
    let Taken {
        mut woken,
        ended,
        mut concerned,
        mut shadows,
    } = taken;
    concerned.sort_unstable();
    concerned.dedup();
    let ordered = woken.at_once;
    for index in concerned {
        woken.at_once = ordered || ended.services.contains(&index);
        if let Some(conclusion) = evaluate(state, policy, index, &woken) {
            let fault = conclusion.fault.map(What::Fault);
            let decision = conclusion.decision.map(What::Decision);
            for what in fault.into_iter().chain(decision) {
                emit(state, what, events);
            }
            state.note(index, conclusion.evaluation);
        }
    }
    if state.world.shadow.is_none() {
        return;
    }
    shadows.sort_unstable();
    shadows.dedup();
    for index in shadows {
        woken.at_once = ordered || ended.shadows.contains(&index);
        let shadow = state.world.shadow.as_ref();
        if let Some(conclusion) = shadow.and_then(|s| evaluate(s, policy, index, &woken)) {
            let fault = conclusion.fault.map(Shadowed::Fault);
            let decision = conclusion.decision.map(Shadowed::Decision);
            for what in fault.into_iter().chain(decision) {
                emit(state, What::Shadow(what), events);
            }
            state.note_shadow(index, conclusion.evaluation);
        }
    }
    for parted in newly_parted(&state.world, events) {
        emit(state, What::Shadow(Shadowed::Parted(parted)), events);
    }
}

/// When a [`Input::Tick`] is due: a service was silent for its longest interval plus timeout, an
/// override, drain or freeze ends, or a remembered instant comes. `None` without services.
pub fn next_deadline(state: &State) -> Option<Timestamp> {
    let world = &state.world;
    let deadlines = |world: &World| {
        let services = world.services.iter();
        services.map(|service| world.deadline_of(service)).min()
    };
    let shadows = world.shadow.as_ref();
    let shadows = shadows.and_then(|shadow| deadlines(&shadow.world));
    let end = world
        .ends_at
        .map(|wall| wall.minus_ms(world.wall_offset_ms));
    deadlines(world).into_iter().chain(shadows).chain(end).min()
}

/// Applies `what` as the next event of this instant.
fn emit(state: &mut State, what: What, events: &mut Vec<Event>) {
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
) -> Observed {
    let event = Event { at, seq, what };
    let observed = state.applied(&event);
    events.push(event);
    observed
}

/// Which services an input concerns.
enum Scope {
    All,
    Due,
    Nobody,
    /// Those that the observation concerned when it was folded in.
    Observed,
    Service(ServiceName),
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
            Input::Resolved(report) => Self::Target(report.target.clone()),
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
            Self::Target(name) => world.services_with(name),
        }
    }
}

/// The services that the end of an override, drain or freeze concerns, by index.
fn ended_for(world: &World, event: &Event) -> Vec<usize> {
    match &event.what {
        What::Ended(Ended::Override { service, .. }) => {
            world.service_index(service).into_iter().collect()
        }
        What::Ended(Ended::Drain { target }) => world.services_with(target),
        What::Ended(Ended::Freeze {}) => (0..world.services.len()).collect(),
        _ => Vec::new(),
    }
}

/// Ends overrides, drains and the freeze whose time has come or whose target is gone; returns
/// the services whose override lost its target, and what is to be said about it.
fn end_what_is_over(state: &mut State, events: &mut Vec<Event>) -> Vec<(ServiceName, String)> {
    let mut lost = Vec::new();
    let world = &state.world;
    let wall = world.wall();
    let over = |until: Option<Timestamp>| until.is_some_and(|until| until <= wall);
    let mut ended = Vec::new();
    for service in &world.services {
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
                lost.push((service.name.clone(), format!("the override ended: {why}")));
                why
            }
            None if over(override_.stand.until) => "its time is up".to_owned(),
            None => continue,
        };
        ended.push(Ended::Override {
            service: service.name.clone(),
            why,
        });
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
        }
    }
    if world
        .freeze
        .as_ref()
        .is_some_and(|freeze| over(freeze.until))
    {
        ended.push(Ended::Freeze {});
    }
    for what in ended {
        emit(state, What::Ended(what), events);
    }
    lost
}
