//! One service folded again, as recorded or under a variant.
//!
//! Every input of the recording goes through `failover::step`, under the number that it has there.
//! What the recording says of decisions is not read here: it is compared with, elsewhere. Until
//! the replay begins, where it begins later than the recording, what was recorded is applied and
//! no policy is asked.

use super::{
    figures::Counts,
    timeline::Served,
    variant::{Variant, VariantError},
};
use crate::{
    failover::{
        Decision, Event, Input, Policy, PolicyFault, Proposal, Reload, ServiceView, State, What,
        narrowed, step_numbered,
    },
    model::{
        Config, Observation, Params, PolicyName, PolicyText, PolicyVersion, Service, ServiceName,
        TargetName, Timestamp,
    },
    policy::Library,
    recording::{Seen, SeriesKey},
};
use std::{cell::Cell, collections::BTreeMap, rc::Rc, sync::Arc};

/// Numbers of the last observations of a series that are kept as evidence.
const EVIDENCE_OF_SERIES: usize = 4;
/// The most numbers behind one change.
const EVIDENCE_MAX: usize = 12;
/// Reasons with which a policy holds that are told apart.
const REASONS_MAX: usize = 32;

/// One service folded again.
pub(super) struct Fold {
    pub(super) service: ServiceName,
    variant: Variant,
    library: Rc<Library>,
    pub(super) state: State,
    /// Before it only what was recorded is applied.
    since: Option<Timestamp>,
    runs: bool,
    /// The configuration in force, whole.
    config: Option<Arc<Config>>,
    texts: BTreeMap<PolicyName, PolicyText>,
    /// Texts that the recording brings along for versions that are asked where others fault.
    beside: Arc<[PolicyText]>,
    /// A version that may be asked on a fault, and of which there is no text.
    pub(super) lacks: Option<PolicyVersion>,
    series: Vec<Line>,
    in_gap: bool,
    pub(super) counts: Counts,
    held: Option<(String, Timestamp)>,
}

/// A series as this fold sees it.
#[derive(Clone, Debug)]
struct Line {
    /// What an observation of it has in common with the others.
    blank: Observation,
    concerns: bool,
    left_out: bool,
    count: u32,
    recent: [u64; EVIDENCE_OF_SERIES],
}

/// Policies whose evaluations are counted.
struct Counted<'l> {
    library: &'l Library,
    evaluations: Cell<u64>,
    operations_max: Cell<u64>,
}

impl Policy for Counted<'_> {
    fn propose(
        &self,
        version: &PolicyVersion,
        service: ServiceView,
    ) -> Result<Proposal, PolicyFault> {
        let proposal = self.library.propose(version, service);
        self.evaluations.set(self.evaluations.get() + 1);
        let operations = self.library.operations_of_last();
        self.operations_max
            .set(self.operations_max.get().max(operations));
        proposal
    }

    fn builtin(&self) -> &PolicyVersion {
        self.library.builtin()
    }
}

impl Fold {
    pub(super) fn new(
        service: ServiceName,
        variant: Variant,
        library: Rc<Library>,
        since: Option<Timestamp>,
        beside: Arc<[PolicyText]>,
    ) -> Self {
        Self {
            service,
            variant,
            library,
            beside,
            lacks: None,
            state: State::default(),
            since,
            runs: since.is_none(),
            config: None,
            texts: BTreeMap::new(),
            series: Vec::new(),
            in_gap: false,
            counts: Counts::default(),
            held: None,
        }
    }

    /// From when on it is replayed, where that is later than it begins.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Whether the replay began.
    pub(super) fn runs(&self) -> bool {
        self.runs
    }

    /// A new series; its number is how many there were before.
    pub(super) fn add_series(&mut self, key: &SeriesKey) {
        let blank = Observation {
            target: key.target.clone(),
            monitor: key.monitor.clone(),
            address: key.address,
            vantage: key.vantage.clone(),
            ok: false,
            rtt_us: None,
            error: None,
            late: false,
            local: None,
            cert_days: None,
            value: None,
        };
        self.series.push(Line {
            concerns: self.concerns(&blank),
            left_out: self.variant.without_vantage.as_ref() == Some(&key.vantage),
            blank,
            count: 0,
            recent: [0; EVIDENCE_OF_SERIES],
        });
    }

    fn concerns(&self, blank: &Observation) -> bool {
        let config = &self.state.world().config;
        config.targets.contains_key(&blank.target) && config.monitors.contains_key(&blank.monitor)
    }

    fn reconfigured(&mut self) {
        for index in 0..self.series.len() {
            self.series[index].concerns = self.concerns(&self.series[index].blank);
        }
    }

    /// Where the recording is past the instant from which on it is replayed, begins.
    ///
    /// # Errors
    /// The variant cannot be run.
    pub(super) fn begin_by(&mut self, at: Timestamp, seq: u64) -> Result<Vec<Event>, VariantError> {
        if self.runs || self.since.is_some_and(|since| at < since) {
            return Ok(Vec::new());
        }
        self.runs = true;
        self.reload(at, seq.saturating_sub(1), "replay")
    }

    /// Takes a probe result; what followed from it.
    pub(super) fn probe(&mut self, seen: &Seen) -> Vec<Event> {
        let Some(line) = self.series.get_mut(seen.series) else {
            return Vec::new();
        };
        if line.left_out {
            return Vec::new();
        }
        if self.variant.thin > 1 {
            line.count = line.count.wrapping_add(1);
            if !line.count.is_multiple_of(self.variant.thin) {
                return Vec::new();
            }
        }
        // The end of an override waits for no probe of the own targets.
        let world = self.state.world();
        let ends = world
            .ends_at
            .is_some_and(|end| end <= seen.at.plus_ms(world.wall_offset_ms));
        if !line.concerns && !ends {
            return Vec::new();
        }
        line.recent.rotate_left(1);
        line.recent[EVIDENCE_OF_SERIES - 1] = seen.seq;
        let observation = Observation {
            ok: seen.ok,
            rtt_us: seen.rtt_us,
            error: seen.error,
            late: seen.late,
            local: seen.local.as_deref().map(str::to_owned),
            cert_days: seen.cert_days,
            value: seen.value,
            ..line.blank.clone()
        };
        self.input(seen.at, seen.seq, Input::Probe(observation))
    }

    /// Takes any other event; what followed from it. A configuration takes over from the `whole`,
    /// all that was known of every service before it, where that is known. Decisions and their like are applied until
    /// the replay begins, and left alone from then on.
    ///
    /// # Errors
    /// The variant cannot be run on this configuration.
    pub(super) fn event(
        &mut self,
        event: &Event,
        whole: Option<&State>,
    ) -> Result<Vec<Event>, VariantError> {
        match &event.what {
            What::Policy(text) => {
                self.texts.insert(text.name.clone(), text.clone());
                return Ok(Vec::new());
            }
            What::Config(config) => {
                if let Some(whole) = whole.filter(|_| self.config.is_some()) {
                    self.state = self.state.widened(whole);
                }
                self.config = Some(Arc::clone(&config.config));
                return self.reload(event.at, event.seq, &config.by);
            }
            What::Gap(_) => {
                self.in_gap = true;
                return Ok(Vec::new());
            }
            What::Decision(_) | What::Fault(_) | What::Ended(_) => {
                if !self.runs {
                    self.state.apply(event);
                }
                return Ok(Vec::new());
            }
            _ => {}
        }
        let input = event.what.as_input();
        Ok(input.map_or_else(Vec::new, |input| self.input(event.at, event.seq, input)))
    }

    /// Takes everything that was known: at the beginning, and behind a gap.
    ///
    /// # Errors
    /// The variant cannot be run on its configuration.
    pub(super) fn known(&mut self, state: &State) -> Result<Vec<Event>, VariantError> {
        let world = state.world();
        let begins = self.config.is_none();
        if !begins && !self.in_gap {
            return Ok(Vec::new());
        }
        self.in_gap = false;
        self.config = Some(Arc::clone(&world.config));
        let texts = world.policies.iter();
        self.texts
            .extend(texts.map(|(name, text)| (name.clone(), text.clone())));
        let Some(alone) = state.narrowed(&self.service) else {
            return Ok(Vec::new());
        };
        if !begins && !self.variant.is_as_recorded() {
            // Its own decisions and memory stay; what was observed is taken over.
            self.state.catch_up(&alone);
            return Ok(Vec::new());
        }
        self.state = alone;
        self.reconfigured();
        self.know_previous();
        if self.runs && !self.variant.is_as_recorded() {
            return self.reload(world.at, world.seq, "replay");
        }
        // Nothing is put in force again, but the policy must be known.
        if let Some(config) = &self.config {
            self.variant
                .configured(config, &self.service, &self.texts, &self.library)?;
        }
        Ok(Vec::new())
    }

    /// Makes the version known that is asked where the one in force faults.
    fn know_previous(&mut self) {
        let Some(service) = self.state.world().service(&self.service) else {
            return;
        };
        let Some(previous) = service.previous.clone() else {
            return;
        };
        let configured = self.state.world().config.services.get(&self.service);
        let Some(configured) = configured.filter(|_| !self.library.knows(&previous)) else {
            return;
        };
        let bare = Service {
            params: Params::new(),
            ..configured.clone()
        };
        for service in [configured, &bare] {
            let mut texts = self.texts.values().chain(self.beside.iter());
            let text =
                texts.find(|text| PolicyVersion::of(&text.source, &service.params) == previous);
            let candidate = text.and_then(|text| self.library.candidate(service, text).ok());
            if let Some(candidate) = candidate {
                self.library.adopt(&candidate);
                return;
            }
        }
        self.lacks = Some(previous);
    }

    /// Puts the configuration in force as the variant has it; its event is number `seq`.
    fn reload(&mut self, at: Timestamp, seq: u64, by: &str) -> Result<Vec<Event>, VariantError> {
        let Some(config) = self.config.clone() else {
            return Ok(Vec::new());
        };
        if !self.runs {
            let alone = Input::Reload(Reload {
                by: by.to_owned(),
                config: Arc::new(narrowed(&config, &self.service).unwrap_or_default()),
                policies: self.texts.values().cloned().collect(),
                zones: Vec::new(),
            });
            self.input(at, seq, alone);
            self.reconfigured();
            return Ok(Vec::new());
        }
        let configured =
            self.variant
                .configured(&config, &self.service, &self.texts, &self.library)?;
        let first = seq.saturating_sub(configured.policies.len() as u64);
        let reload = Input::Reload(Reload {
            by: by.to_owned(),
            config: configured.config,
            policies: configured.policies,
            zones: Vec::new(),
        });
        let events = self.input(at, first, reload);
        self.reconfigured();
        Ok(events)
    }

    /// One input through the fold.
    fn input(&mut self, at: Timestamp, seq: u64, input: Input) -> Vec<Event> {
        if !self.runs {
            for what in input.facts() {
                self.state.apply(&Event { at, seq, what });
            }
            return Vec::new();
        }
        let policies = Counted {
            library: &self.library,
            evaluations: Cell::new(0),
            operations_max: Cell::new(self.counts.operations_max),
        };
        let events = step_numbered(&mut self.state, at, seq, input, &policies);
        let asked = policies.evaluations.get();
        self.counts.evaluations += asked;
        self.counts.operations_max = policies.operations_max.get();
        if events.len() > 1 {
            let faults = events
                .iter()
                .filter(|event| matches!(event.what, What::Fault(_)));
            self.counts.faults += faults.count() as u64;
        }
        if asked > 0 {
            self.holds(at);
        }
        events
    }

    /// Keeps count of what held, and for how long.
    fn holds(&mut self, at: Timestamp) {
        let Some(latest) = self.state.latest(&self.service) else {
            return;
        };
        let why = match (latest.guard, &latest.wanted) {
            (Some(rail), _) => Some(rail.word()),
            (None, None) => Some(latest.reason.as_str()),
            (None, Some(_)) => None,
        };
        let before = self.held.as_ref().map(|(why, _)| why.as_str());
        if before == why {
            return;
        }
        let next = why.map(|why| (why.to_owned(), at));
        self.end_hold(at);
        self.held = next;
    }

    /// Counts anew from an instant on.
    pub(super) fn count_from(&mut self, at: Timestamp) {
        self.counts = Counts::default();
        if let Some((_, since)) = &mut self.held {
            *since = at;
        }
    }

    /// Counts the hold that is under way up to an instant.
    pub(super) fn end_hold(&mut self, at: Timestamp) {
        let Some((why, since)) = self.held.take() else {
            return;
        };
        let held_ms = &mut self.counts.held_ms;
        let key = if held_ms.contains_key(&why) || held_ms.len() < REASONS_MAX {
            why
        } else {
            "other reasons".to_owned()
        };
        *held_ms.entry(key).or_default() += at.since_ms(since);
    }

    /// A decision of this service as a change of a timeline that stood at `left`.
    pub(super) fn served(
        &self,
        at: Timestamp,
        decision: &Decision,
        left: Option<&Served>,
    ) -> Served {
        let service = self.state.world().service(&self.service);
        let place = |name: &TargetName| service.and_then(|service| service.position(name));
        let place = decision.serve.first().and_then(place);
        let left = left.map_or(&[][..], |left| &left.serve);
        let evidence = self.evidence(decision, left);
        Served::of(at, decision, place.unwrap_or(usize::MAX), evidence)
    }

    /// The last observations of what is left and of what is served, and what woke the policy.
    fn evidence(&self, decision: &Decision, left: &[TargetName]) -> Vec<u64> {
        let mut numbers: Vec<u64> = Vec::new();
        for line in self.series.iter().filter(|line| line.concerns) {
            let target = &line.blank.target;
            if decision.serve.contains(target) || left.contains(target) {
                numbers.extend(line.recent.iter().filter(|&&seq| seq > 0));
            }
        }
        numbers.push(decision.cause);
        numbers.sort_unstable();
        numbers.dedup();
        let cut = numbers.len().saturating_sub(EVIDENCE_MAX);
        numbers.split_off(cut)
    }

    /// What is served now, as the beginning of a timeline.
    pub(super) fn serving(&self, at: Timestamp) -> Option<Served> {
        let decision = self
            .state
            .world()
            .service(&self.service)?
            .decision
            .as_ref()?;
        let mut served = self.served(at, decision, None);
        served
            .serve
            .clone_from(&self.state.world().service(&self.service)?.serving);
        Some(served)
    }

    /// The decision in force, as the event that it was.
    pub(super) fn in_force(&self) -> Option<Event> {
        let service = self.state.world().service(&self.service)?;
        Some(Event {
            at: service.decided_at?,
            seq: service.decision_seq,
            what: What::Decision(service.decision.clone()?),
        })
    }

    /// From now on nothing is asked: what was recorded is applied.
    pub(super) fn only_apply(&mut self) {
        self.runs = false;
    }

    /// Whether the configuration in force has the service.
    pub(super) fn is_configured(&self) -> bool {
        self.state.world().service(&self.service).is_some()
    }
}
