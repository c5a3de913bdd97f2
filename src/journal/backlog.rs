//! What waits for the disk: steps in order, never split, bounded whatever the disk does.
//!
//! Past its cap observations, ticks and witness results are let go, and past the cap once more the
//! oldest of the rest. What went is a gap: from then on nothing may be written but together with
//! a snapshot that covers it. Knows no disk and no thread.

use super::{Kept, record::is_light};
use crate::{
    failover::{Event, State, What, event::Gap},
    model::Timestamp,
};
use std::{collections::VecDeque, mem};

/// Events in one transaction, where nothing forces more together.
const EVENTS_MAX: usize = 8_192;

/// The events of one step and what they put in force.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) events: Vec<Event>,
    pub(super) kept: Option<Kept>,
    last_seq: u64,
}

impl Step {
    fn light(&self) -> usize {
        let light = self.events.iter().filter(|event| is_light(&event.what));
        light.count()
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.kept.is_none()
    }
}

/// What is committed in one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) gap: Option<Lost>,
    pub(super) steps: Vec<Step>,
    pub(super) snapshot: Option<State>,
    /// The last event that is durable once this is.
    pub(super) last_seq: u64,
}

/// Events that were let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) from_seq: u64,
    pub(super) to_seq: u64,
    pub(super) lost: u64,
    /// When the last of them happened.
    pub(super) at: Timestamp,
    pub(super) why: String,
}

impl Lost {
    /// The event that stands for them.
    pub(super) fn event(&self) -> Event {
        Event {
            at: self.at,
            seq: self.to_seq,
            what: What::Gap(Gap {
                from_seq: self.from_seq,
                to_seq: self.to_seq,
                lost: self.lost,
                why: self.why.clone(),
            }),
        }
    }

    fn merge(&mut self, other: &Self) {
        if other.to_seq > self.to_seq {
            (self.to_seq, self.at) = (other.to_seq, other.at);
        }
        self.from_seq = self.from_seq.min(other.from_seq);
        self.lost += other.lost;
        if self.why != other.why {
            self.why = format!("{}; {}", self.why, other.why);
        }
    }
}

/// Steps that wait, the gap before them, and the snapshot that was given.
#[derive(Debug)]
pub(super) struct Backlog {
    steps: VecDeque<Step>,
    light: usize,
    heavy: usize,
    /// Events that the writer has taken and not committed yet.
    in_flight: usize,
    max: usize,
    gap: Option<Lost>,
    snapshot: Option<State>,
    /// Gaps and lost events since the start.
    pub(super) gaps: u64,
    pub(super) lost: u64,
}

impl Backlog {
    pub(super) fn new(max: usize) -> Self {
        Self {
            steps: VecDeque::new(),
            light: 0,
            heavy: 0,
            in_flight: 0,
            max,
            gap: None,
            snapshot: None,
            gaps: 0,
            lost: 0,
        }
    }

    /// How many events wait.
    pub(super) fn waiting(&self) -> usize {
        self.light + self.heavy + self.in_flight
    }

    /// Whether nothing is left that can be written without more from outside.
    pub(super) fn is_over(&self) -> bool {
        self.is_blocked() || (self.is_empty() && self.snapshot.is_none())
    }

    /// Whether nothing waits, neither here nor in the writer's hands.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.in_flight == 0 && self.gap.is_none()
    }

    /// Whether a transaction's worth waits.
    pub(super) fn overflows(&self) -> bool {
        self.light > EVENTS_MAX.min(self.max / 4)
    }

    /// Whether something waits that should not wait for more.
    pub(super) fn is_urgent(&self) -> bool {
        self.heavy > 0 || self.overflows() || self.steps.iter().any(|step| step.kept.is_some())
    }

    /// Takes a step; `why` is what a gap would be for.
    pub(super) fn push(&mut self, events: Vec<Event>, kept: Option<Kept>, why: &str) {
        let last_seq = events.last().map_or(0, |event| event.seq);
        let step = Step {
            events,
            kept,
            last_seq,
        };
        self.count(&step);
        self.steps.push_back(step);
        self.trim(why);
    }

    fn count(&mut self, step: &Step) {
        let light = step.light();
        self.light += light;
        self.heavy += step.events.len() - light;
    }

    fn uncount(&mut self, step: &Step) {
        let light = step.light();
        self.light -= light;
        self.heavy -= step.events.len() - light;
    }

    fn trim(&mut self, why: &str) {
        if self.waiting() > self.max {
            self.let_light_go(why);
        }
        while self.heavy > self.max {
            self.let_oldest_go(why);
        }
    }

    /// From the back, since what was trimmed before has nothing light any more.
    fn let_light_go(&mut self, why: &str) {
        let mut index = self.steps.len();
        let mut gone = Vec::new();
        while self.light > 0 && index > 0 {
            index -= 1;
            let step = &mut self.steps[index];
            let (light, heavy): (Vec<_>, Vec<_>) = mem::take(&mut step.events)
                .into_iter()
                .partition(|event| is_light(&event.what));
            step.events = heavy;
            self.light -= light.len();
            gone.extend(light);
        }
        while self.steps.back().is_some_and(Step::is_empty) {
            self.steps.pop_back();
        }
        if self.steps.len() > index {
            self.steps.retain(|step| !step.is_empty());
        }
        self.went(&gone, why);
    }

    fn let_oldest_go(&mut self, why: &str) {
        let Some(step) = self.steps.pop_front() else {
            return;
        };
        self.uncount(&step);
        self.went(&step.events, why);
        if let Some(kept) = step.kept {
            // The files in force are kept whatever else goes.
            match self.steps.front_mut() {
                Some(next) => next.kept = next.kept.take().or(Some(kept)),
                None => self.steps.push_front(Step {
                    events: Vec::new(),
                    kept: Some(kept),
                    last_seq: step.last_seq,
                }),
            }
        }
    }

    fn went(&mut self, gone: &[Event], why: &str) {
        let last = gone.iter().max_by_key(|event| event.seq);
        let Some(last) = last else { return };
        let from_seq = gone.iter().map(|event| event.seq).min();
        self.lost += gone.len() as u64;
        self.miss(Lost {
            from_seq: from_seq.unwrap_or(last.seq),
            to_seq: last.seq,
            lost: gone.len() as u64,
            at: last.at,
            why: why.to_owned(),
        });
    }

    /// Notes that events are missing before what waits.
    pub(super) fn miss(&mut self, lost: Lost) {
        match &mut self.gap {
            Some(gap) => gap.merge(&lost),
            None => {
                self.gaps += 1;
                self.gap = Some(lost);
            }
        }
    }

    /// Where the gap begins, if there is one.
    pub(super) fn gap_from(&self) -> Option<u64> {
        self.gap.as_ref().map(|gap| gap.from_seq)
    }

    /// Takes the state as of the last event that was pushed.
    pub(super) fn snapshot(&mut self, state: State) {
        self.snapshot = Some(state);
    }

    pub(super) fn has_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Whether there is a gap and no snapshot that covers it.
    pub(super) fn is_blocked(&self) -> bool {
        let until = self.snapshot.as_ref().map(|state| state.world().seq);
        let gap = self.gap.as_ref();
        gap.is_some_and(|gap| until.is_none_or(|until| until < gap.to_seq))
    }

    /// What is to be committed next: a transaction's worth, or all that a gap forces together.
    pub(super) fn take(&mut self) -> Option<Batch> {
        if self.is_blocked() {
            return None;
        }
        let until = self.snapshot.as_ref().map(|state| state.world().seq);
        let next = self.steps.front().map(|step| step.last_seq);
        let mut batch = Batch::default();
        if self.gap.is_some() || next.is_none_or(|next| until.is_some_and(|until| next > until)) {
            batch.snapshot = self.snapshot.take();
            batch.last_seq = until.unwrap_or(0);
            batch.snapshot.as_ref()?;
        }
        batch.gap = self.gap.take();
        let alone = batch.snapshot.is_some() && batch.gap.is_none();
        let mut events = 0;
        while let Some(step) = self.steps.front() {
            let covered = until.is_none_or(|until| step.last_seq <= until);
            let room = batch.gap.is_some() || events < EVENTS_MAX;
            if !covered || !room || alone {
                break;
            }
            events += step.events.len();
            batch.last_seq = batch.last_seq.max(step.last_seq);
            if let Some(step) = self.steps.pop_front() {
                self.uncount(&step);
                batch.steps.push(step);
            }
        }
        self.in_flight = events;
        Some(batch)
    }

    /// The batch is on disk.
    pub(super) fn done(&mut self) {
        self.in_flight = 0;
    }

    /// The batch could not be written: it is in front again.
    pub(super) fn give_back(&mut self, batch: Batch, why: &str) {
        self.in_flight = 0;
        for step in batch.steps.into_iter().rev() {
            self.count(&step);
            self.steps.push_front(step);
        }
        if let Some(mut gap) = batch.gap {
            if let Some(newer) = self.gap.take() {
                gap.merge(&newer);
            }
            self.gap = Some(gap);
        }
        self.snapshot = self.snapshot.take().or(batch.snapshot);
        self.trim(why);
    }

    /// Forgets what is on disk already, up to `seq`: a commit that was said to have failed.
    pub(super) fn forget_until(&mut self, seq: u64) {
        // Files without events stay: written again, they are the same.
        let stays = |step: &Step| step.events.is_empty() || step.last_seq > seq;
        let (stay, gone) = mem::take(&mut self.steps).into_iter().partition(stays);
        self.steps = stay;
        let gone: VecDeque<Step> = gone;
        for step in &gone {
            self.uncount(step);
        }
        if self.gap.as_ref().is_some_and(|gap| gap.to_seq <= seq) {
            self.gap = None;
        }
        if let Some(gap) = &mut self.gap {
            gap.from_seq = gap.from_seq.max(seq.saturating_add(1));
            gap.lost = gap.lost.min(gap.to_seq - gap.from_seq + 1);
        }
    }
}
