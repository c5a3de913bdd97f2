//! The plan of an order: it is obeyed on copies of the state, and what they answer is compared.

use super::{Answered, OrderPlan, Overridden, PolicySays, Replaced, ServicePlan, TargetPlan};
use crate::failover::{
    answers::answer_of,
    event::Rail,
    guard,
    input::{Command, Freshness, Input, OperatorCommand},
    overview::{Health, Order, health, order_of, order_of_freeze},
    policy::Policy,
    service_state::ServiceState,
    state::{State, World},
    step::step,
    target_state::TargetState,
};
use crate::model::{ServiceName, TargetName, Timestamp, duration::format_ms};
use std::net::IpAddr;

/// What an order that was admitted (see [`super::admit`]) would do at `at`, by the fold's time.
pub fn plan(
    state: &State,
    at: Timestamp,
    order: &OperatorCommand,
    policy: &dyn Policy,
) -> OrderPlan {
    let mut tried = state.clone();
    step(&mut tried, at, Input::Operator(order.clone()), policy);
    let ended = taken_back(&order.command).map(|command| {
        let mut ended = tried.clone();
        let back = OperatorCommand {
            command,
            ..order.clone()
        };
        step(&mut ended, at, Input::Operator(back), policy);
        ended
    });
    let concerned = concerned(state, &order.command);
    let trial = Trial {
        now: state,
        tried: &tried,
        ended: ended.as_ref(),
        command: &order.command,
    };
    let services: Vec<ServicePlan> = concerned
        .iter()
        .filter_map(|name| trial.of_service(name))
        .collect();
    OrderPlan {
        order: order.command.to_string(),
        reason: order.reason.clone(),
        at: tried.world.wall(),
        until: order.command.until(),
        taken_back_by: order.taken_back_by(),
        replaces: replaced(state.world(), &order.command),
        warnings: trial.warnings(&services),
        services,
    }
}

/// The services that an order concerns, ordered by name.
pub fn concerned(state: &State, command: &Command) -> Vec<ServiceName> {
    let world = state.world();
    let concerns = |service: &&ServiceState| match command {
        Command::Switch { service: name, .. }
        | Command::Hold { service: name, .. }
        | Command::Release { service: name }
        | Command::Failback { service: name } => service.name == *name,
        Command::Drain { target, .. } | Command::Undrain { target } => {
            service.position(target).is_some()
        }
        Command::Freeze { .. } | Command::Thaw => true,
    };
    let services = world.services.iter().filter(concerns);
    services.map(|service| service.name.clone()).collect()
}

/// What a service answers, and why; `None` for an unknown one.
pub fn answered(state: &State, name: &ServiceName) -> Option<Answered> {
    let world = state.world();
    let service = world.service(name)?;
    let answer = answer_of(world, service);
    let decided = service.decision.as_ref().map(|decision| &decision.reason);
    let latest = state.latest(name).map(|latest| &latest.reason);
    Some(Answered {
        targets: service.serving.clone(),
        addresses: answer.addresses,
        records: answer.records,
        cname: answer.cname,
        ttl_secs: answer.ttl_secs,
        reason: latest.or(decided).cloned().unwrap_or_default(),
    })
}

/// The order that takes this one back.
pub(super) fn taken_back(command: &Command) -> Option<Command> {
    match command {
        Command::Switch { service, .. } | Command::Hold { service, .. } => Some(Command::Release {
            service: service.clone(),
        }),
        Command::Drain { target, .. } => Some(Command::Undrain {
            target: target.clone(),
        }),
        Command::Freeze { .. } => Some(Command::Thaw),
        // A failback is a request: it is done, or a warning says how to forget it.
        Command::Failback { .. }
        | Command::Release { .. }
        | Command::Undrain { .. }
        | Command::Thaw => None,
    }
}

/// What stands where this order would: it is replaced or ended.
fn replaced(world: &World, command: &Command) -> Option<Replaced> {
    match command {
        Command::Switch { service, .. }
        | Command::Hold { service, .. }
        | Command::Release { service } => {
            let override_ = world.service(service)?.override_.as_ref()?;
            let stand = Order {
                target: override_.target.clone(),
                ..order_of(world, &override_.stand)
            };
            let order = match &stand.target {
                Some(target) => format!("switch {service} to {target}"),
                None => format!("hold {service}"),
            };
            Some(Replaced { order, stand })
        }
        Command::Failback { .. } => None,
        Command::Drain { target, .. } | Command::Undrain { target } => {
            let drain = world.target(target)?.drain.as_ref()?;
            Some(Replaced {
                order: format!("drain {target}"),
                stand: order_of(world, &drain.stand),
            })
        }
        Command::Freeze { .. } | Command::Thaw => {
            let freeze = world.freeze.as_ref()?;
            Some(Replaced {
                order: "freeze".to_owned(),
                stand: order_of_freeze(world, freeze),
            })
        }
    }
}

/// The state as it is, after the order, and after it was taken back again.
struct Trial<'s> {
    now: &'s State,
    tried: &'s State,
    ended: Option<&'s State>,
    command: &'s Command,
}

impl Trial<'_> {
    fn of_service(&self, name: &ServiceName) -> Option<ServicePlan> {
        let (now, then) = (answered(self.now, name)?, answered(self.tried, name)?);
        let if_ended = self.ended.and_then(|ended| answered(ended, name));
        let targets = self.targets(name, &then);
        Some(ServicePlan {
            service: name.clone(),
            overrides: self.overridden(name, &now, &then),
            policy: self.policy_says(name),
            warnings: self.warnings_of(name, &now, &then, &targets),
            if_ended,
            targets,
            now,
            then,
        })
    }

    /// The rails that would hold a policy that asked for the same.
    fn overridden(&self, name: &ServiceName, now: &Answered, then: &Answered) -> Vec<Overridden> {
        let own_word = matches!(self.command, Command::Switch { .. } | Command::Drain { .. });
        let world = self.now.world();
        let Some(index) = world.service_index(name).filter(|_| own_word) else {
            return Vec::new();
        };
        let mut over: Vec<Overridden> = Vec::new();
        if now.targets != then.targets {
            let objections = guard::objections(world, index, &then.targets);
            over.extend(
                objections
                    .into_iter()
                    .map(|(rail, why)| Overridden { rail, why }),
            );
        }
        for target in then
            .targets
            .iter()
            .filter(|target| is_withdrawn(world, target))
        {
            over.push(Overridden {
                rail: Rail::Gone,
                why: format!("{target} is withdrawn"),
            });
        }
        over
    }

    /// The targets that the order names, then those that would be answered.
    fn targets(&self, name: &ServiceName, then: &Answered) -> Vec<TargetPlan> {
        let service = self.now.world().service(name);
        let named = match self.command {
            Command::Switch { target, .. }
            | Command::Drain { target, .. }
            | Command::Undrain { target } => Some(target),
            Command::Failback { .. } => service
                .and_then(|service| service.targets.first())
                .map(|slot| &slot.target),
            Command::Hold { .. }
            | Command::Release { .. }
            | Command::Freeze { .. }
            | Command::Thaw => None,
        };
        let mut names: Vec<&TargetName> = named.into_iter().collect();
        for target in &then.targets {
            if !names.contains(&target) {
                names.push(target);
            }
        }
        let plans = names
            .into_iter()
            .filter_map(|target| self.target(name, target));
        plans.collect()
    }

    fn target(&self, service: &ServiceName, name: &TargetName) -> Option<TargetPlan> {
        // As measured now: the trial is later by nothing but the order.
        let world = self.tried.world();
        let view = self.tried.view(service)?.target(name)?;
        let before = self.now.world();
        let drain = before.target(name).and_then(|target| target.drain.as_ref());
        let health = health(view.failures(), view.successes());
        let bad = matches!(health, Health::Failing | Health::Down);
        let since = guard::bad_since(world, world.service(service)?, name);
        let age_ms = view.data_age_ms();
        Some(TargetPlan {
            name: name.clone(),
            health,
            bad_since: since
                .filter(|_| bad)
                .map(|since| since.plus_ms(world.wall_offset_ms)),
            error: view.error().filter(|_| bad),
            freshness: view.freshness(),
            data_age_ms: (age_ms >= 0).then_some(age_ms),
            drained: is_withdrawn(before, name),
            drain: drain.map(|drain| order_of(before, &drain.stand)),
        })
    }

    /// What the policy says, where an order keeps it from being done.
    fn policy_says(&self, name: &ServiceName) -> Option<PolicySays> {
        let service = self.tried.world().service(name)?;
        let silenced = service.override_.is_some() || self.tried.world().freeze.is_some();
        let latest = self.tried.latest(name).filter(|_| silenced)?;
        Some(PolicySays {
            wants: latest.wanted.clone(),
            reason: latest
                .overruled
                .clone()
                .unwrap_or_else(|| latest.reason.clone()),
        })
    }

    fn warnings_of(
        &self,
        name: &ServiceName,
        now: &Answered,
        then: &Answered,
        targets: &[TargetPlan],
    ) -> Vec<String> {
        let mut said = Vec::new();
        if let Some(freeze) = &self.tried.world().freeze
            && !matches!(self.command, Command::Freeze { .. })
        {
            said.push(format!(
                "everything is frozen by {}: {name} changes nothing before 'sidestep thaw'",
                freeze.by
            ));
        }
        if let Some(service) = self.tried.world().service(name) {
            self.of_the_drain(service, then, &mut said);
            self.of_the_failback(service, then, &mut said);
        }
        let answered = targets.iter().filter(|t| then.targets.contains(&t.name));
        for target in answered {
            said.extend(doubts(target, self.tried.world().wall()));
        }
        if let Command::Switch { target, .. } = self.command
            && now.targets.as_slice() == std::slice::from_ref(target)
        {
            said.push(format!(
                "{name} answers {target} already: the order keeps the policy from leaving it"
            ));
        }
        let has = |answered: &Answered, family: fn(&IpAddr) -> bool| {
            answered.addresses.iter().any(family)
        };
        for (word, family) in [
            ("IPv4", IpAddr::is_ipv4 as fn(&IpAddr) -> bool),
            ("IPv6", IpAddr::is_ipv6),
        ] {
            if has(now, family) && !has(then, family) {
                said.push(format!("{name} answers no {word} address then"));
            }
        }
        said
    }

    fn of_the_drain(&self, service: &ServiceState, then: &Answered, said: &mut Vec<String>) {
        let Command::Drain { target, .. } = self.command else {
            return;
        };
        let (world, name) = (self.tried.world(), &service.name);
        let mut left = service.targets.iter().map(|slot| &slot.target);
        if left.all(|target| is_withdrawn(world, target)) {
            said.push(format!(
                "{name} has no target left that is not withdrawn: it stays on {}, and no failover \
                 is possible",
                names(&then.targets)
            ));
            return;
        }
        if let Some(override_) = &service.override_
            && then.targets.contains(target)
        {
            said.push(format!(
                "the override by {} serves {target}: the drain moves nothing before it ends",
                override_.stand.by
            ));
        }
        let spare = |other: &TargetName| {
            let view = self.tried.view(name).and_then(|view| view.target(other));
            let up =
                view.is_some_and(|view| health(view.failures(), view.successes()) == Health::Up);
            up && !is_withdrawn(world, other) && !then.targets.contains(other)
        };
        if !service.targets.iter().any(|slot| spare(&slot.target)) {
            said.push(format!("nothing is left that could take {name} over"));
        }
    }

    fn of_the_failback(&self, service: &ServiceState, then: &Answered, said: &mut Vec<String>) {
        if matches!(self.command, Command::Failback { .. }) && !service.is_home() {
            said.push(format!(
                "the policy is asked and stays for now: {}; the request stands until the primary is \
                 served, or 'sidestep release {}'",
                then.reason, service.name
            ));
        }
    }

    /// What concerns the order as a whole.
    fn warnings(&self, services: &[ServicePlan]) -> Vec<String> {
        let mut said = Vec::new();
        match self.command {
            Command::Drain { target, .. } | Command::Undrain { target } if services.is_empty() => {
                said.push(format!("no service has the target {target}"));
            }
            Command::Undrain { target } => {
                let known = self.tried.world().target(target);
                if known.is_some_and(|target| target.drained_by_config) {
                    said.push(format!("{target} stays withdrawn by the configuration"));
                }
            }
            Command::Freeze { .. } => {
                said.push("no failover happens anywhere while it stands".to_owned());
            }
            _ => {}
        }
        said
    }
}

/// What speaks against answering a target.
fn doubts(target: &TargetPlan, wall: Timestamp) -> Vec<String> {
    let name = &target.name;
    let error = target
        .error
        .map_or_else(String::new, |error| format!(": {}", error.word()));
    let since = target.bad_since.map_or_else(String::new, |since| {
        format!(" for {}", format_ms(wall.since_ms(since).max(0)))
    });
    let mut said = Vec::new();
    match target.health {
        Health::Up => {}
        Health::Down => said.push(format!("{name} is down{since}{error}")),
        Health::Failing => said.push(format!("{name} fails{since}{error}")),
        Health::Unknown => said.push(format!("nothing fresh is known of {name}")),
    }
    if target.freshness == Freshness::Stale {
        let age = target
            .data_age_ms
            .map_or_else(String::new, |ms| format!(": {} behind", format_ms(ms)));
        said.push(format!("the data of {name} is stale{age}"));
    }
    said
}

fn names(targets: &[TargetName]) -> String {
    let names: Vec<&str> = targets.iter().map(TargetName::as_str).collect();
    names.join(" and ")
}

/// Whether a target is withdrawn from answers.
fn is_withdrawn(world: &World, target: &TargetName) -> bool {
    world.target(target).is_some_and(TargetState::is_drained)
}
