//! What shadows would do: where it differs from what is done, and where they fault.

use super::lines::{Line, Log, names, place};
use crate::{
    cli::show::layout::Paint,
    failover::{
        Decision, Event,
        event::{Fault, Parted, Shadowed},
    },
};

impl Log {
    /// What a shadow concluded.
    pub(super) fn shadow(&mut self, event: &Event, shadowed: &Shadowed) -> Vec<Line> {
        match shadowed {
            Shadowed::Decision(decision) => self.shadow_decides(event, decision),
            Shadowed::Fault(fault) => self.shadow_faults(event, fault),
            Shadowed::Parted(parted) => self.shadow_parts(event, parted),
        }
    }

    /// `shadow next.rhai` of a service.
    fn shadow_name(&self, service: &str) -> String {
        let service = self.world().config.services.get(service);
        let shadow = service.and_then(|service| service.shadow.as_ref());
        shadow.map_or_else(
            || "its shadow".to_owned(),
            |shadow| format!("shadow {}", shadow.policy),
        )
    }

    /// What a shadow would serve, where that changes.
    fn shadow_decides(&mut self, event: &Event, decision: &Decision) -> Vec<Line> {
        let service = &decision.service;
        let before = self.world().shadow_of(service);
        let same = before.is_some_and(|before| before.serving == decision.serve);
        self.state.apply(event);
        if same || !self.concerns(service) {
            return Vec::new();
        }
        let name = self.shadow_name(service);
        let policy = name.trim_start_matches("shadow ");
        let said = format!(
            "{service}: {name} would serve {}: {} ({})",
            names(&decision.serve),
            decision.reason,
            place(policy, decision)
        );
        self.say("shadow", Paint::Dim, said)
    }

    fn shadow_faults(&mut self, event: &Event, fault: &Fault) -> Vec<Line> {
        self.state.apply(event);
        if !self.concerns(&fault.service) {
            return Vec::new();
        }
        let said = format!(
            "{}: {}, line {}, faulted: {}",
            fault.service,
            self.shadow_name(&fault.service),
            fault.line,
            fault.message
        );
        self.say("shadow", Paint::Yellow, said)
    }

    fn shadow_parts(&mut self, event: &Event, parted: &Parted) -> Vec<Line> {
        self.state.apply(event);
        let service = &parted.service;
        if !self.concerns(service) {
            return Vec::new();
        }
        let name = self.shadow_name(service);
        let serving = names(&parted.serving);
        let said = if parted.apart {
            let times = self
                .world()
                .parting(service)
                .map_or(0, |parting| parting.count);
            let shadow = names(&parted.shadow);
            format!(
                "{service} serves {serving}, {name} would serve {shadow}: they part, {times}x so far"
            )
        } else {
            format!("{service} and {name} agree again, on {serving}")
        };
        self.say("shadow", Paint::Yellow, said)
    }
}
