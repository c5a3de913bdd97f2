//! Views: what a policy may read of a service and its targets.
//!
//! A view is a handle: `'static`, cheap to clone, and dropped before the next event is applied.
//! Everything here is computed from recorded inputs; nothing here knows a script language.
//! Times are ms. Windows are (now − window, now].

use super::{
    service_state::ServiceState,
    state::{State, World},
};
use crate::model::{Observation, Param, ServiceName, Timestamp};
use std::sync::Arc;

pub use super::target_view::{NoFigure, TargetView};

/// A service as its policy sees it.
#[derive(Clone, Debug)]
pub struct ServiceView {
    pub(super) world: Arc<World>,
    index: usize,
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
        }
    }
}

impl ServiceView {
    pub(super) fn state(&self) -> &ServiceState {
        &self.world.services[self.index]
    }

    fn target_at(&self, position: usize) -> TargetView {
        TargetView::new(self.clone(), position)
    }

    fn servable(&self, position: usize) -> bool {
        !self.world.targets[self.state().targets[position].index].is_drained()
    }

    /// The service's name.
    pub fn name(&self) -> &ServiceName {
        &self.state().name
    }

    /// The target answered now: the first of them.
    pub fn active(&self) -> TargetView {
        let active = self.state().serving.first();
        let position = active.and_then(|name| self.state().position(name));
        self.target_at(position.unwrap_or(0))
    }

    /// All targets answered now.
    pub fn serving(&self) -> Vec<TargetView> {
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
        up.retain(|target| target.is_up(n));
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
        self.world
            .at
            .since_ms(state.switched_at.unwrap_or(state.began_at))
    }

    /// How often the served set changed in the window; at most a day is remembered.
    pub fn switches(&self, window_ms: i64) -> i64 {
        i64::try_from(self.state().switches_in(self.world.at, window_ms)).unwrap_or(i64::MAX)
    }

    /// Whether this vantage cannot tell a dead target from its own dead network.
    pub fn isolated(&self) -> bool {
        super::isolation::isolated(&self.world)
    }

    /// Wall time of the input that is evaluated.
    pub fn now(&self) -> Timestamp {
        self.world.wall()
    }

    /// The observation that woke the policy; `None` on ticks, reloads and operator inputs.
    pub fn probe(&self) -> Option<&Observation> {
        let seen = self.world.woken_by.as_deref()?;
        let group = self.world.group_index(&seen.target, &seen.monitor)?;
        // The end of an override can wake a service together with a probe of another's target.
        let users = &self.world.groups[group].services;
        users.contains(&self.index).then_some(seen)
    }

    /// Whether an operator asked for `what` (`"failback"`) and it was not done yet.
    pub fn asked(&self, what: &str) -> bool {
        what == "failback" && self.state().failback_asked
    }

    /// What a former decision remembered.
    pub fn recall(&self, key: &str) -> Option<&Param> {
        self.state().memory.get(key)
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
