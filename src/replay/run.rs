//! A run: one service replayed under one variant, and what it served.

use super::{
    entry::Entry,
    figures::Counts,
    fold::Fold,
    timeline::{Served, Timeline},
    variant::{Variant, VariantError},
};
use crate::{
    failover::{Event, State, What},
    model::{PolicyText, ServiceName, Timestamp},
    policy::Library,
    recording::SeriesKey,
};
use std::{rc::Rc, sync::Arc};

/// One service under one variant.
pub(super) struct Run {
    fold: Fold,
    timeline: Timeline,
}

impl Run {
    pub(super) fn new(
        service: ServiceName,
        variant: Variant,
        library: Rc<Library>,
        since: Option<Timestamp>,
        beside: Arc<[PolicyText]>,
    ) -> Self {
        Self {
            fold: Fold::new(service, variant, library, since, beside),
            timeline: Timeline::default(),
        }
    }

    pub(super) fn add_series(&mut self, key: &SeriesKey) {
        self.fold.add_series(key);
    }

    /// Takes what comes next.
    ///
    /// # Errors
    /// The variant cannot be run.
    pub(super) fn take(
        &mut self,
        entry: &Entry,
        whole: Option<&State>,
    ) -> Result<(), VariantError> {
        if let (false, Some((at, seq))) = (self.fold.runs(), entry.place()) {
            let events = self.fold.begin_by(at, seq)?;
            if self.fold.runs() {
                self.begin(self.fold.since().unwrap_or(at));
                self.keep(&events);
            }
        }
        let events = match entry {
            Entry::Probe(seen) => self.fold.probe(seen),
            Entry::Event(event) => {
                let events = self.fold.event(event, whole)?;
                if matches!(event.what, What::Config(_)) && !self.fold.is_configured() {
                    self.timeline.push(nobody(event.at));
                }
                events
            }
            Entry::State(state) => {
                let begins = self.timeline.changes.is_empty();
                let events = self.fold.known(state)?;
                if begins && self.fold.runs() {
                    self.begin(state.world().at);
                }
                events
            }
            Entry::Unknown => return Ok(()),
        };
        if self.fold.runs() {
            self.keep(&events);
        }
        Ok(())
    }

    /// What was served when the replay begins.
    fn begin(&mut self, at: Timestamp) {
        if let Some(served) = self.fold.serving(at) {
            self.timeline.push(served);
        }
    }

    fn keep(&mut self, events: &[Event]) {
        for event in events.iter().skip(1) {
            if let What::Decision(decision) = &event.what {
                self.timeline.say(event.at, decision);
                let left = self.timeline.changes.last();
                let served = self.fold.served(event.at, decision, left);
                self.timeline.push(served);
            }
        }
    }

    /// What it came to, up to an instant.
    pub(super) fn end(mut self, at: Timestamp) -> (Timeline, Counts) {
        self.fold.end_hold(at);
        (self.timeline, self.fold.counts)
    }
}

/// Nothing is served: the service is not configured.
pub(super) fn nobody(at: Timestamp) -> Served {
    Served {
        at,
        serve: Vec::new(),
        place: usize::MAX,
        ttl_ms: 0,
        reason: "the service is not configured".to_owned(),
        line: 0,
        by: crate::failover::By::Guard,
        guard: None,
        evidence: Vec::new(),
    }
}
