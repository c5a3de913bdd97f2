//! Views: what a policy may read of a service and its targets.
//!
//! A view is a handle: `'static`, cheap to clone, and dropped before the next event is applied.
//! Everything here is computed from recorded inputs; nothing here knows a script language.
//! Times are ms. Windows are (now − window, now].

use super::{
    lens::{Fact, Lens, Subject, Value, of_probe},
    service_state::ServiceState,
    state::{State, World},
};
use crate::model::{Observation, Param, ServiceName, Timestamp};
use std::{rc::Rc, sync::Arc};

pub use super::{target_view::TargetView, target_windows::NoFigure};

/// A service as its policy sees it.
#[derive(Clone, Debug)]
pub struct ServiceView {
    pub(super) world: Arc<World>,
    index: usize,
    /// What is supposed and noted; `None` shows the world as it is.
    pub(super) lens: Option<Rc<Lens>>,
}

impl State {
    /// A view of a service.
    pub fn view(&self, service: &str) -> Option<ServiceView> {
        let index = self.world.service_index(service)?;
        Some(self.view_at(index))
    }

    /// A view of the service of this index.
    pub(super) fn view_at(&self, index: usize) -> ServiceView {
        ServiceView {
            world: Arc::clone(&self.world),
            index,
            lens: None,
        }
    }
}

impl ServiceView {
    /// The same through a lens.
    #[must_use]
    pub fn through(self, lens: Rc<Lens>) -> Self {
        Self {
            lens: Some(lens),
            ..self
        }
    }

    /// A fact of the service, as it is or is supposed to be.
    fn read(&self, word: &'static str, argument: Option<i64>, real: i64) -> i64 {
        let Some(lens) = &self.lens else {
            return real;
        };
        let value = lens.read(fact(word, argument.map(Param::Int)), real.into(), None);
        value.int().unwrap_or(real)
    }

    /// The same of a bool.
    fn read_bool(&self, word: &'static str, argument: Option<Param>, real: bool) -> bool {
        let Some(lens) = &self.lens else {
            return real;
        };
        match lens.read(fact(word, argument), real.into(), None) {
            Value::Is(Param::Bool(value)) => value,
            Value::Is(_) | Value::Nothing => real,
        }
    }

    /// Notes a fact of which nothing else is supposed.
    fn note(&self, word: &'static str, argument: Option<Param>, value: impl FnOnce() -> Value) {
        if let Some(lens) = &self.lens {
            lens.note(fact(word, argument), value(), None);
        }
    }

    pub(super) fn state(&self) -> &ServiceState {
        &self.world.services[self.index]
    }

    fn target_at(&self, position: usize) -> TargetView {
        TargetView::new(self.clone(), position)
    }

    fn servable(&self, position: usize) -> bool {
        let slot = &self.state().targets[position];
        let supposed = self
            .lens
            .as_ref()
            .and_then(|lens| lens.drained(&slot.target));
        !supposed.unwrap_or_else(|| self.world.targets[slot.index].is_drained())
    }

    /// The service's name.
    pub fn name(&self) -> &ServiceName {
        &self.state().name
    }

    /// The target answered now: the first of them.
    pub fn active(&self) -> TargetView {
        let active = self.state().serving.first();
        let position = active.and_then(|name| self.state().position(name));
        self.note("active", None, || {
            active.map_or(Value::Nothing, |name| Value::from(name.as_str()))
        });
        self.target_at(position.unwrap_or(0))
    }

    /// All targets answered now.
    pub fn serving(&self) -> Vec<TargetView> {
        self.note("serving", None, || {
            let serving = &self.state().serving;
            let names: Vec<&str> = serving.iter().map(|name| name.as_str()).collect();
            Value::from(names.join(" ").as_str())
        });
        let positions = self
            .state()
            .serving
            .iter()
            .filter_map(|name| self.state().position(name));
        positions.map(|position| self.target_at(position)).collect()
    }

    /// The first target in order.
    pub fn primary(&self) -> TargetView {
        self.target_at(0)
    }

    /// Targets that may be served now, in order.
    pub fn targets(&self) -> Vec<TargetView> {
        let all = 0..self.state().targets.len();
        all.filter(|&position| self.servable(position))
            .map(|p| self.target_at(p))
            .collect()
    }

    /// The same without the primary.
    pub fn backups(&self) -> Vec<TargetView> {
        let all = 1..self.state().targets.len();
        all.filter(|&position| self.servable(position))
            .map(|p| self.target_at(p))
            .collect()
    }

    /// All targets, in order.
    pub fn all_targets(&self) -> Vec<TargetView> {
        (0..self.state().targets.len())
            .map(|position| self.target_at(position))
            .collect()
    }

    /// Those of `targets` that have seen `n` good probes in a row.
    pub fn up(&self, n: i64) -> Vec<TargetView> {
        let mut up = self.targets();
        up.retain(|target| target.is_among_up(n));
        up
    }

    /// A target by name.
    pub fn target(&self, name: &str) -> Option<TargetView> {
        self.state()
            .position(name)
            .map(|position| self.target_at(position))
    }

    /// ms since the served set changed; since the service began where it never did.
    pub fn since_switch_ms(&self) -> i64 {
        let state = self.state();
        let since = state.switched_at.unwrap_or(state.began_at);
        self.read("since_switch", None, self.world.at.since_ms(since))
    }

    /// How often the served set changed in the window; at most a day is remembered.
    pub fn switches(&self, window_ms: i64) -> i64 {
        let switches = self.state().switches_in(self.world.at, window_ms);
        let switches = i64::try_from(switches).unwrap_or(i64::MAX);
        self.read("switches", Some(window_ms), switches)
    }

    /// Whether this vantage cannot tell a dead target from its own dead network.
    pub fn isolated(&self) -> bool {
        self.read_bool("isolated", None, super::isolation::isolated(&self.world))
    }

    /// Wall time of the input that is evaluated.
    pub fn now(&self) -> Timestamp {
        let now = self.world.wall();
        Timestamp(self.read("now", None, now.0))
    }

    /// Hour of the day of that time, 0–23, UTC.
    pub fn hour(&self) -> i64 {
        self.read("hour", None, self.world.wall().hour())
    }

    /// Day of the week of that time, 1–7, Monday is 1, UTC.
    pub fn weekday(&self) -> i64 {
        self.read("weekday", None, self.world.wall().weekday())
    }

    /// The observation that woke the policy; `None` on ticks, reloads and operator inputs.
    pub fn probe(&self) -> Option<&Observation> {
        let seen = self.world.woken_by.as_deref();
        // The end of an override can wake a service together with a probe of another's target.
        let seen = seen.filter(|seen| {
            let group = self.world.group_index(&seen.target, &seen.monitor);
            group.is_some_and(|group| self.world.groups[group].services.contains(&self.index))
        });
        self.note("probe", None, || of_probe(seen));
        seen
    }

    /// Whether an operator asked for `what` (`"failback"`) and it was not done yet.
    pub fn asked(&self, what: &str) -> bool {
        let asked = what == "failback" && self.state().failback_asked;
        if self.lens.is_none() {
            return asked;
        }
        self.read_bool("asked", Some(Param::Text(what.to_owned())), asked)
    }

    /// What a former decision remembered.
    pub fn recall(&self, key: &str) -> Option<&Param> {
        let value = self.state().memory.get(key);
        self.note("recall", Some(Param::Text(key.to_owned())), || {
            value.map_or(Value::Nothing, |value| Value::Is(value.clone()))
        });
        value
    }

    /// How long results are kept for windows, ms.
    pub fn kept_ms(&self) -> i64 {
        self.world
            .config
            .services
            .get(self.name())
            .map_or(0, crate::model::Service::kept_ms)
    }
}

/// A fact of the service.
fn fact(word: &'static str, argument: Option<Param>) -> Fact {
    Fact {
        of: Subject::Service,
        word,
        argument,
    }
}
