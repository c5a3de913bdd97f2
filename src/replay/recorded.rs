//! The recorded run: the recorded policies over the recorded inputs, decision by decision compared
//! with what was recorded. That it is the same is what makes a dry-run believable.
//!
//! What was recorded is the truth: where the replay decides otherwise, the recorded decision is
//! applied over it, and each decision after it is judged by itself.

use super::{
    entry::Entry,
    figures::Counts,
    fold::Fold,
    run::nobody,
    timeline::{Served, Timeline},
    variant::Variant,
};
use crate::{
    failover::{Decision, Event, State, What},
    model::{PolicyText, ServiceName, Timestamp},
    policy::Library,
    recording::SeriesKey,
};
use serde::Serialize;
use std::{rc::Rc, sync::Arc};

/// Differences that are kept until a gap may explain them.
const DIFFERENCES_MAX: usize = 1_000;

/// Whether the recorded decisions come again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fidelity {
    /// Decisions recorded.
    pub decisions: u64,
    /// Of these, those that came again: the same served set, TTL, reason, line, rail and cause.
    pub reproduced: u64,
    /// Of these, those that nobody can tell: observations before them are missing.
    pub unverified: u64,
    /// Decisions that came in the replay and are not recorded.
    pub extra: u64,
    /// Whether unknown kinds or missing texts leave it open.
    pub guaranteed: bool,
    /// The first difference that no gap explains.
    pub first_difference: Option<Difference>,
    /// Why it may not be all, in sentences.
    pub notes: Vec<String>,
}

/// A decision that did not come again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Whose.
    pub service: ServiceName,
    /// When.
    pub at: Timestamp,
    /// The number of the event that woke the policy.
    pub cause: u64,
    /// What was recorded, in words.
    pub recorded: Option<String>,
    /// What the replay decided, in words.
    pub replayed: Option<String>,
}

/// The recorded run of one service.
pub(super) struct Recorded {
    fold: Fold,
    since: Option<Timestamp>,
    timeline: Timeline,
    fidelity: Fidelity,
    differences: Vec<Difference>,
    /// The input that was folded last, what the replay decided on it, and what was recorded.
    last: Option<(Timestamp, u64)>,
    replayed: Vec<Event>,
    recorded: Vec<Event>,
    /// The recorded decision in force.
    in_force: Option<Event>,
    /// The configuration was made of the header: what it decides first is not recorded.
    from_header: bool,
    /// Why no policy is asked any more.
    broken: Option<String>,
    /// From when on it counts, until that is reached.
    starts_at: Option<Timestamp>,
}

/// What a recorded run came to; `None` where no decisions are recorded.
pub(super) type Outcome = Option<(Timeline, Counts, Fidelity)>;

impl Recorded {
    pub(super) fn new(
        service: ServiceName,
        library: Rc<Library>,
        since: Option<Timestamp>,
        beside: Arc<[PolicyText]>,
    ) -> Self {
        Self {
            fold: Fold::new(service, Variant::default(), library, None, beside),
            since,
            timeline: Timeline::default(),
            fidelity: Fidelity {
                guaranteed: true,
                ..Fidelity::default()
            },
            differences: Vec::new(),
            last: None,
            replayed: Vec::new(),
            recorded: Vec::new(),
            in_force: None,
            from_header: false,
            broken: None,
            starts_at: since,
        }
    }

    pub(super) fn add_series(&mut self, key: &SeriesKey) {
        self.fold.add_series(key);
    }

    /// Takes what comes next.
    pub(super) fn take(&mut self, entry: &Entry, whole: Option<&State>) {
        if let (Some(since), Some((at, _))) = (self.starts_at, entry.place())
            && at >= since
        {
            self.settle();
            self.fold.count_from(since);
            self.starts_at = None;
        }
        match entry {
            Entry::Event(event) => match &event.what {
                What::Decision(decision) if decision.service == self.fold.service => {
                    self.recorded.push((**event).clone());
                }
                What::Decision(_) | What::Fault(_) | What::Ended(_) | What::Shadow(_) => {
                    self.apply(event);
                }
                _ => self.input(event, whole),
            },
            Entry::Probe(seen) => {
                self.settle();
                self.from_header = false;
                self.last = Some((seen.at, seen.seq));
                self.replayed = decisions(self.fold.probe(seen));
            }
            Entry::State(state) => {
                self.settle();
                let known = self.fold.known(state);
                self.note_broken(known.err().map(|why| why.to_string()));
                self.last = Some((state.world().at, state.world().seq));
                self.in_force = self.fold.in_force().or(self.in_force.take());
                let at = self.since.unwrap_or(state.world().at);
                if self.timeline.changes.is_empty()
                    && let Some(served) = self.fold.serving(at)
                {
                    self.timeline.push(served);
                }
            }
            Entry::Unknown => {
                self.fidelity.guaranteed = false;
            }
        }
    }

    /// Once no policy is asked any more, all that was recorded is applied as it came.
    fn apply(&mut self, event: &Event) {
        if self.broken.is_some() {
            self.fold.state.apply(event);
        }
    }

    fn input(&mut self, event: &Event, whole: Option<&State>) {
        self.settle();
        self.last = Some((event.at, event.seq));
        if let What::Gap(gap) = &event.what {
            self.excuse(gap.from_seq, gap.to_seq);
        }
        self.from_header =
            matches!(&event.what, What::Config(config) if config.by == super::reading::BY_HEADER);
        match self.fold.event(event, whole) {
            Ok(events) => self.replayed = decisions(events),
            Err(why) => self.note_broken(Some(why.to_string())),
        }
        if matches!(event.what, What::Config(_)) && !self.fold.is_configured() {
            self.timeline.push(nobody(event.at));
        }
    }

    fn note_broken(&mut self, why: Option<String>) {
        let Some(why) = why else { return };
        if self.broken.is_none() {
            self.fidelity.notes.push(format!(
                "the recorded policy of {} cannot be asked again: {why}",
                self.fold.service
            ));
            self.fidelity.guaranteed = false;
            self.fold.only_apply();
            self.broken = Some(why);
        }
    }

    /// What was missing explains what differed meanwhile.
    fn excuse(&mut self, from_seq: u64, to_seq: u64) {
        let before = self.differences.len();
        self.differences.retain(|difference| {
            !(from_seq..=to_seq).contains(&difference.cause) || difference.recorded.is_none()
        });
        self.fidelity.unverified += (before - self.differences.len()) as u64;
    }

    /// Compares what was decided on the last input with what was recorded.
    fn settle(&mut self) {
        if self.replayed.is_empty() && self.recorded.is_empty() {
            return;
        }
        let replayed = std::mem::take(&mut self.replayed);
        let recorded = std::mem::take(&mut self.recorded);
        let Some((at, cause)) = self.last else {
            return;
        };
        let counts = self.since.is_none_or(|since| at >= since);
        let pairs = replayed.len().max(recorded.len());
        for index in 0..pairs {
            let (new, old) = (replayed.get(index), recorded.get(index));
            let same = match (new, old) {
                (Some(new), Some(old)) => is_same(new, old),
                _ => false,
            };
            if let Some(old) = old {
                if !same {
                    self.fold.state.apply(old);
                }
                self.in_force = Some(old.clone());
                self.serve(old);
            } else if !self.from_header
                && let Some(in_force) = &self.in_force
                && new.is_some_and(|new| !is_answered_alike(new, in_force))
            {
                // Nothing was decided: what was in force stays.
                self.fold.state.apply(in_force);
            }
            if counts {
                self.count(new, old, same, (at, cause));
            }
        }
        if recorded.is_empty() && self.from_header {
            replayed.iter().for_each(|event| self.serve(event));
        }
    }

    fn count(
        &mut self,
        new: Option<&Event>,
        old: Option<&Event>,
        same: bool,
        (at, cause): (Timestamp, u64),
    ) {
        self.fidelity.decisions += u64::from(old.is_some());
        if same {
            self.fidelity.reproduced += 1;
            return;
        }
        if old.is_none() && self.from_header {
            return;
        }
        if old.is_some() && self.broken.is_some() {
            self.fidelity.unverified += 1;
            return;
        }
        self.fidelity.extra += u64::from(old.is_none());
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(Difference {
                service: self.fold.service.clone(),
                at,
                cause,
                recorded: old.and_then(in_words),
                replayed: new.and_then(in_words),
            });
        }
    }

    fn serve(&mut self, event: &Event) {
        if let What::Decision(decision) = &event.what {
            self.timeline.say(event.at, decision);
            let served: Served = self
                .fold
                .served(event.at, decision, self.timeline.changes.last());
            self.timeline.push(served);
        }
    }

    /// What it came to, up to an instant.
    pub(super) fn end(mut self, at: Timestamp) -> Outcome {
        self.settle();
        self.fold.end_hold(at);
        if self.fidelity.decisions == 0 && self.in_force.is_none() {
            return None;
        }
        if let Some(version) = &self.fold.lacks {
            self.fidelity.guaranteed = false;
            self.fidelity.notes.push(format!(
                "{}: the recording does not hold the text of version {}, which is asked where the policy faults",
                self.fold.service,
                version.short()
            ));
        }
        self.fidelity.first_difference = self.differences.into_iter().next();
        Some((self.timeline, self.fold.counts, self.fidelity))
    }
}

fn decisions(events: Vec<Event>) -> Vec<Event> {
    let mut decisions = events;
    decisions.retain(|event| matches!(event.what, What::Decision(_)));
    decisions
}

/// Whether two decisions are the same in all that a policy and the guard say. The version is not
/// compared: a recording may lack the text that it names.
fn is_same(new: &Event, old: &Event) -> bool {
    let (What::Decision(new), What::Decision(old)) = (&new.what, &old.what) else {
        return false;
    };
    Decision {
        policy: old.policy.clone(),
        ..new.clone()
    } == *old
}

/// Whether DNS answers the same under two decisions.
fn is_answered_alike(new: &Event, old: &Event) -> bool {
    let (What::Decision(new), What::Decision(old)) = (&new.what, &old.what) else {
        return false;
    };
    (&new.serve, new.ttl_ms) == (&old.serve, old.ttl_ms)
}

fn in_words(event: &Event) -> Option<String> {
    let What::Decision(decision) = &event.what else {
        return None;
    };
    let serve: Vec<&str> = decision
        .serve
        .iter()
        .map(|target| target.as_str())
        .collect();
    let rail = decision.guard.map(|rail| format!(", {}", rail.word()));
    let alert = decision
        .alert
        .as_deref()
        .map(|alert| format!(", alert \"{alert}\""));
    let ttl = crate::model::duration::format_ms(decision.ttl_ms);
    Some(format!(
        "{} \"{}\" (line {}, TTL {ttl}{}{})",
        serve.join(" and "),
        decision.reason,
        decision.line,
        rail.unwrap_or_default(),
        alert.unwrap_or_default()
    ))
}
