//! State: everything that is known, and [`State::apply`], the only place where a field changes.
//!
//! `apply` is a function of the state and one event. It asks no policy and reads no clock, so the
//! state after a restart is the fold of `apply` over the journal.

use super::{
    aggregate::Group,
    evaluate::Evaluation,
    event::{ConfigInForce, Decision, Ended, Event, Shadowed, What},
    input::{Command, OperatorCommand, WitnessResult},
    serial,
    service_state::{Override, ServiceState, Stand},
    shadow::Parting,
    target_state::{Drain, TargetState},
};
use crate::model::{
    Config, DnsName, Observation, Param, PolicyName, PolicyText, ServiceName, TargetName,
    Timestamp, ZoneConfig, config::WitnessAddress, time::DAY_MS,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// A remembered int is taken for an instant where it lies at most this far ahead.
const INSTANT_AHEAD_MS: i64 = 366 * DAY_MS;

/// The state of the fold. Script handles hold clones of the world's `Arc`; they are dropped
/// before the next event is applied, so nothing is copied.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct State {
    pub(super) world: Arc<World>,
    /// What each service's last evaluation said, by the service's index: shown to operators, no
    /// part of what is known.
    #[serde(skip)]
    latest: Vec<Option<Evaluation>>,
}

/// Two states are equal where they know the same.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.world == other.world
    }
}
impl Eq for State {}

/// Everything that is known at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// Time of the last event.
    pub at: Timestamp,
    /// Number of the last event.
    pub seq: u64,
    /// Wall clock minus the fold's time, ms.
    pub wall_offset_ms: i64,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Policies by name: those in force, and those that came since for the next configuration.
    pub policies: BTreeMap<PolicyName, PolicyText>,
    /// Targets, ordered by name.
    pub targets: Vec<TargetState>,
    /// Results by target and monitor, ordered so.
    pub groups: Vec<Group>,
    /// Services, ordered by name.
    pub services: Vec<ServiceState>,
    /// Witnesses that were asked.
    pub witnesses: BTreeMap<WitnessAddress, WitnessState>,
    /// An operator froze everything.
    pub freeze: Option<Freeze>,
    /// Wall time at which the next override, drain or freeze ends.
    pub ends_at: Option<Timestamp>,
    /// SOA serials by apex, also of zones that were removed: they never go back.
    pub serials: BTreeMap<DnsName, u32>,
    /// Hash of each zone's static records, by apex.
    pub zone_hashes: BTreeMap<DnsName, String>,
    /// The observation that is being evaluated, where a probe woke the policies.
    pub woken_by: Option<Arc<Observation>>,
    /// How often anything that DNS serves changed.
    pub answers_changed: u64,
    /// The fold of the services' shadows; `None` where no service has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shadow: Option<Box<State>>,
    /// How often services and their shadows parted, by service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) partings: BTreeMap<ServiceName, Parting>,
}

/// The services that an observation concerns, by index.
#[derive(Default)]
pub(super) struct Observed {
    pub(super) services: Vec<usize>,
    /// The same in the fold of the shadows.
    pub(super) shadows: Vec<usize>,
}

/// What is known of a witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessState {
    /// Whether its last result was an answer.
    pub ok: bool,
    /// Whether it ever answered: only then can its silence isolate.
    pub ever_ok: bool,
    /// When it was last asked.
    pub asked_at: Timestamp,
    /// When it last answered.
    pub answered_at: Option<Timestamp>,
    /// Why it did not, last time.
    pub error: Option<String>,
}

/// Nothing changes anywhere until this ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Wall time of its end; `None`: until taken back.
    pub until: Option<Timestamp>,
}

impl State {
    /// A state that knows `world`; nothing was evaluated yet.
    pub(super) fn of(world: World) -> Self {
        Self {
            world: Arc::new(world),
            latest: Vec::new(),
        }
    }

    /// What is known.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What the last evaluation of a service said; `None` before the first since the start.
    pub fn latest(&self, service: &str) -> Option<&Evaluation> {
        let index = self.world.service_index(service)?;
        self.latest.get(index)?.as_ref()
    }

    /// What the last evaluation of a service's shadow said; `None` before the first since the
    /// start.
    pub fn latest_of_shadow(&self, service: &str) -> Option<&Evaluation> {
        self.world.shadow.as_ref()?.latest(service)
    }

    /// Notes what the evaluation of the service of this index said.
    pub(super) fn note(&mut self, index: usize, evaluation: Evaluation) {
        if self.latest.len() <= index {
            self.latest.resize(self.world.services.len(), None);
        }
        self.latest[index] = Some(evaluation);
    }

    /// The same of the shadow of this index.
    pub(super) fn note_shadow(&mut self, index: usize, evaluation: Evaluation) {
        if let Some(shadow) = &mut Arc::make_mut(&mut self.world).shadow {
            shadow.note(index, evaluation);
        }
    }

    /// Folds one event in.
    pub fn apply(&mut self, event: &Event) {
        self.applied(event);
    }

    /// Folds one event in; the services that an observation concerns, by index.
    pub(super) fn applied(&mut self, event: &Event) -> Observed {
        let mut observed = Observed::default();
        let world = Arc::make_mut(&mut self.world);
        world.at = event.at;
        world.seq = event.seq;
        if !matches!(
            event.what,
            What::Decision(_) | What::Fault(_) | What::Ended(_) | What::Shadow(_) | What::Gap(_)
        ) {
            world.woken_by = None;
        }
        match &event.what {
            What::Start(_) | What::Refused(_) | What::Gap(_) => {}
            What::Probe(observation) => observed.services = world.observe(observation),
            What::Tick {} => world.tick(),
            What::Witness(result) => world.witness(result),
            What::Clock(change) => world.wall_offset_ms = change.offset_ms,
            What::Policy(text) => {
                world.policies.insert(text.name.clone(), text.clone());
            }
            What::Config(config) => {
                world.reconfigure(config);
                // Services may have other indexes now, and all of them are evaluated next.
                self.latest.clear();
            }
            What::Operator(command) => world.obey(command),
            What::Freshness(report) => {
                if let Some(target) = world.target_mut(&report.target) {
                    target.freshness = report.freshness;
                    target.data_age_ms = report.data_age_ms;
                }
            }
            What::Drift(report) => {
                if let Some(target) = world.target_mut(&report.target) {
                    target.drift = report.differences;
                }
            }
            What::Resolved(report) => world.resolved(report),
            What::Decision(decision) => world.decided(decision),
            What::Fault(fault) => {
                let at = world.at;
                if let Some(service) = world.service_mut(&fault.service) {
                    service.faults = service.faults.saturating_add(1);
                    service.faulted_at = Some(at);
                }
            }
            What::Ended(ended) => world.ended(ended),
            What::Shadow(Shadowed::Parted(parted)) => world.parted(parted),
            What::Shadow(Shadowed::Decision(_) | Shadowed::Fault(_)) => {}
        }
        if matches!(
            event.what,
            What::Operator(_) | What::Config(_) | What::Ended(_)
        ) {
            world.ends_at = world.next_end();
        }
        if let Some(shadow) = &mut world.shadow {
            observed.shadows = shadow.follow(event);
        }
        observed
    }
}

impl World {
    /// The wall clock: what `now`, `hour`, `weekday` and `until` mean.
    pub fn wall(&self) -> Timestamp {
        self.at.plus_ms(self.wall_offset_ms)
    }

    pub(super) fn next_end(&self) -> Option<Timestamp> {
        let overrides = self.services.iter().filter_map(|s| s.override_.as_ref());
        let drains = self.targets.iter().filter_map(|t| t.drain.as_ref());
        let stands = overrides.map(|override_| &override_.stand);
        let ends = stands.chain(drains.map(|drain| &drain.stand));
        let freeze = self.freeze.iter().filter_map(|freeze| freeze.until);
        ends.filter_map(|stand| stand.until).chain(freeze).min()
    }

    /// A service by name.
    pub fn service(&self, name: &str) -> Option<&ServiceState> {
        self.service_index(name).map(|index| &self.services[index])
    }

    pub(super) fn service_index(&self, name: &str) -> Option<usize> {
        self.services
            .binary_search_by(|service| service.name.as_str().cmp(name))
            .ok()
    }

    pub(super) fn service_mut(&mut self, name: &ServiceName) -> Option<&mut ServiceState> {
        self.service_index(name)
            .map(|index| &mut self.services[index])
    }

    /// A target by name.
    pub fn target(&self, name: &str) -> Option<&TargetState> {
        let place = self.target_place(name)?;
        self.targets.get(place)
    }

    fn target_mut(&mut self, name: &TargetName) -> Option<&mut TargetState> {
        let place = self.target_place(name)?;
        self.targets.get_mut(place)
    }

    /// The index of a target.
    pub(super) fn target_place(&self, name: &str) -> Option<usize> {
        self.targets
            .binary_search_by(|target| target.name.as_str().cmp(name))
            .ok()
    }

    /// Whether no witness answers, so that this vantage trusts no failure of its own.
    pub fn is_isolated(&self) -> bool {
        super::isolation::isolated(self)
    }

    /// The series that an observation belongs to; `None` before its first, or where nothing of
    /// the kind is configured.
    pub fn series_of(&self, observation: &Observation) -> Option<&super::series::Series> {
        let index = self.group_index(&observation.target, &observation.monitor)?;
        let group = &self.groups[index];
        let address = observation.address.or_else(|| match group.addresses[..] {
            [only] => Some(only),
            _ => None,
        })?;
        let mut series = group.series.iter();
        series.find(|series| series.address == address && series.vantage == observation.vantage)
    }

    /// The results of a target under a monitor, by index.
    pub(super) fn group_index(&self, target: &str, monitor: &str) -> Option<usize> {
        self.groups
            .binary_search_by(|group| {
                (group.target.as_str(), group.monitor.as_str()).cmp(&(target, monitor))
            })
            .ok()
    }

    /// Takes an observation; the services that it concerns, by index.
    fn observe(&mut self, observation: &Observation) -> Vec<usize> {
        self.woken_by = Some(Arc::new(observation.clone()));
        let Some(index) = self.group_index(&observation.target, &observation.monitor) else {
            return Vec::new(); // Of a target or monitor that a reload removed meanwhile.
        };
        let trusted =
            observation.vantage != self.config.server.name || !super::isolation::isolated(self);
        let any = self.groups[index].any_address;
        let concerned = self.groups[index].services.clone();
        let before = if any {
            self.answers_of(&concerned)
        } else {
            Vec::new()
        };
        let at = self.at;
        self.groups[index].observe(at, observation, trusted);
        if trusted && !observation.ok {
            self.answered_before(at);
        }
        for &service in &concerned {
            self.services[service].last_input_at = at;
        }
        if any && self.answers_of(&concerned) != before {
            self.answer_changed(&concerned);
        }
        concerned
    }

    /// Services for which a tick at `at` is due, by index: silent for too long, or a remembered
    /// instant came.
    pub(super) fn due(&self, at: Timestamp) -> Vec<usize> {
        let is_due = |&index: &usize| self.deadline_of(&self.services[index]) <= at;
        (0..self.services.len()).filter(is_due).collect()
    }

    /// When a tick is due for a service.
    pub(super) fn deadline_of(&self, service: &ServiceState) -> Timestamp {
        let ahead = |value: &Param| match value {
            Param::Int(wall) => {
                let instant = Timestamp(*wall).minus_ms(self.wall_offset_ms);
                let ahead_ms = instant.since_ms(service.last_input_at);
                (ahead_ms > 0 && ahead_ms <= INSTANT_AHEAD_MS).then_some(instant)
            }
            Param::Bool(_) | Param::Text(_) => None,
        };
        let instants = service.memory.values().filter_map(ahead);
        instants
            .chain([service.idle_until()])
            .min()
            .unwrap_or(service.last_input_at)
    }

    /// SOA serials of the zones in force.
    pub(super) fn serials_in_force(&self) -> BTreeMap<DnsName, u32> {
        let zones = self.config.zones.iter();
        let serial = |zone: &ZoneConfig| {
            let serial = self.serials.get(&zone.name)?;
            Some((zone.name.clone(), *serial))
        };
        zones.filter_map(serial).collect()
    }

    fn tick(&mut self) {
        for index in self.due(self.at) {
            self.services[index].last_input_at = self.at;
        }
    }

    fn witness(&mut self, result: &WitnessResult) {
        let mut configured = self.config.witness.iter().flat_map(|w| &w.addresses);
        let is_ours = result.vantage == self.config.server.name;
        if !is_ours || !configured.any(|address| *address == result.witness) {
            return;
        }
        let known = self.witnesses.get(&result.witness);
        let answered_at = if result.ok {
            Some(self.at)
        } else {
            known.and_then(|state| state.answered_at)
        };
        let state = WitnessState {
            ok: result.ok,
            ever_ok: result.ok || known.is_some_and(|state| state.ever_ok),
            asked_at: self.at,
            answered_at,
            error: result.error.clone(),
        };
        self.witnesses.insert(result.witness, state);
    }

    /// A witness answer of this very instant came before the failure that is folded in: it is
    /// not newer, and counts as of the instant before.
    fn answered_before(&mut self, at: Timestamp) {
        for state in self.witnesses.values_mut() {
            if state.answered_at == Some(at) {
                state.answered_at = Some(at.minus_ms(1));
            }
        }
    }

    fn obey(&mut self, order: &OperatorCommand) {
        let stand = |until: &Option<Timestamp>, at| Stand {
            by: order.by.clone(),
            reason: order.reason.clone(),
            since: at,
            until: *until,
        };
        let at = self.at;
        match &order.command {
            Command::Switch {
                service,
                target,
                until,
            } => {
                if let Some(service) = self.service_mut(service) {
                    let target = Some(target.clone());
                    service.override_ = Some(Override {
                        target,
                        stand: stand(until, at),
                    });
                }
            }
            Command::Hold { service, until } => {
                if let Some(service) = self.service_mut(service) {
                    service.override_ = Some(Override {
                        target: None,
                        stand: stand(until, at),
                    });
                }
            }
            Command::Release { service } => {
                if let Some(service) = self.service_mut(service) {
                    service.override_ = None;
                    service.failback_asked = false;
                }
            }
            Command::Failback { service } => {
                if let Some(service) = self.service_mut(service) {
                    // At home there is nothing to do, and nothing to remember for the next time.
                    service.failback_asked = !service.is_home();
                }
            }
            Command::Drain { target, until } => {
                if let Some(target) = self.target_mut(target) {
                    target.drain = Some(Drain {
                        stand: stand(until, at),
                    });
                }
            }
            Command::Undrain { target } => {
                if let Some(target) = self.target_mut(target) {
                    target.drain = None;
                }
            }
            Command::Freeze { until } => {
                let (by, reason) = (order.by.clone(), order.reason.clone());
                self.freeze = Some(Freeze {
                    by,
                    reason,
                    since: at,
                    until: *until,
                });
            }
            Command::Thaw => self.freeze = None,
        }
    }

    fn ended(&mut self, ended: &Ended) {
        match ended {
            Ended::Override { service, .. } => {
                if let Some(service) = self.service_mut(service) {
                    service.override_ = None;
                }
            }
            Ended::Drain { target } => {
                if let Some(target) = self.target_mut(target) {
                    target.drain = None;
                }
            }
            Ended::Freeze {} => self.freeze = None,
        }
    }

    fn decided(&mut self, decision: &Decision) {
        let Some(index) = self.service_index(&decision.service) else {
            return;
        };
        let before = self.answers_of(&[index]);
        let (at, seq) = (self.at, self.seq);
        self.services[index].decided(at, seq, decision);
        if self.answers_of(&[index]) != before {
            self.answer_changed(&[index]);
        }
    }

    /// Moves the serials of the zones that hold names of these services.
    pub(super) fn answer_changed(&mut self, services: &[usize]) {
        self.answers_changed += 1;
        let mut zones = Vec::new();
        for &index in services {
            let Some(service) = self.config.services.get(&self.services[index].name) else {
                continue;
            };
            for name in &service.names {
                zones.extend(self.config.zone_of(name).cloned());
            }
        }
        zones.sort();
        zones.dedup();
        for zone in zones {
            if let Some(current) = self.serials.get_mut(&zone) {
                *current = serial::next(*current, None);
            }
        }
    }

    /// Puts a configuration in force, with the policies that came before it.
    fn reconfigure(&mut self, new: &ConfigInForce) {
        super::reconfigure::reconfigure(self, new);
        self.reconfigure_shadows(&new.by);
        self.answers_changed += 1;
    }
}
