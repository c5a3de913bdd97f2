//! A story on a recording: its inputs through the fold under the policy that is tested.
//!
//! Nothing is made up, ticks neither. What is expected at an instant is what is served once
//! everything was told that the recording has up to and including it; where the recording does
//! not reach an instant, or has a gap there, the expectation fails.

use super::{
    runner::Rehearsal,
    story::{StoryOutcome, otherwise},
};
use crate::failover::{Input, Policy, Reload, State, narrowed};
use crate::model::{
    Config, OnFault, PolicyText, ServiceName, Timestamp,
    story::{Story, StoryExpectation},
};
use std::sync::Arc;

/// A story on a recording under way.
pub struct RecordedStory<'a> {
    story: &'a Story,
    text: &'a PolicyText,
    keep_ms: i64,
    service: ServiceName,
    rehearsal: Rehearsal<'a>,
    begin: Timestamp,
    /// When the last thing was told.
    last: Timestamp,
    /// When a gap began that has not ended.
    gap: Option<Timestamp>,
    /// What is expected, by time since the begin.
    expect: Vec<StoryExpectation>,
    expected: usize,
    outcome: StoryOutcome,
}

impl<'a> RecordedStory<'a> {
    /// Begins at the first instant of the recording, under its configuration then, or going on
    /// from everything that was known. `None` where there is no such service.
    pub fn new(
        story: &'a Story,
        service: &ServiceName,
        text: &'a PolicyText,
        keep_ms: i64,
        policy: &'a dyn Policy,
        begin: (Timestamp, &Config, Option<&State>),
    ) -> Option<Self> {
        let (begin, config, known) = begin;
        let config = tested(config, service, story, text, keep_ms)?;
        let rehearsal = match known.and_then(|state| state.narrowed(service)) {
            Some(state) => {
                let mut on = Rehearsal::going_on(&state, service, policy);
                let seq = state.world().seq;
                on.told(begin, seq, reload(config, text));
                on
            }
            None => Rehearsal::beginning(config, service, text, policy, begin),
        };
        let mut expect = story.expect.clone();
        for one in expect.iter_mut().filter(|one| one.dated) {
            one.at_ms = Timestamp(one.at_ms).since_ms(begin);
        }
        expect.sort_by_key(|one| one.at_ms);
        let mut recorded = Self {
            story,
            text,
            keep_ms,
            service: service.clone(),
            rehearsal,
            begin,
            last: begin,
            gap: None,
            expect,
            expected: 0,
            outcome: StoryOutcome::new(story),
        };
        recorded.too_early();
        Some(recorded)
    }

    fn too_early(&mut self) {
        while let Some(one) = self.expect.get(self.expected).filter(|one| one.at_ms < 0) {
            let at = self.begin.plus_ms(one.at_ms);
            let begin = self.begin;
            let message =
                format!("the recording begins at {begin}, after what is expected at {at}");
            self.outcome.fail(one.at_ms, one.line, message);
            self.expected += 1;
        }
    }

    /// An input, under the number that it has in the recording.
    pub fn take(&mut self, at: Timestamp, seq: u64, input: Input) {
        let at = self.until(at);
        self.rehearsal.told(at, seq, input);
    }

    /// The configuration changed. The service keeps the policy that is tested.
    pub fn configured(&mut self, at: Timestamp, seq: u64, config: &Config) {
        let at = self.until(at);
        match tested(config, &self.service, self.story, self.text, self.keep_ms) {
            Some(config) => self.rehearsal.told(at, seq, reload(config, self.text)),
            None => {
                let message = format!("service {} ends in the recording at {at}", self.service);
                let at_ms = at.since_ms(self.begin);
                self.outcome.fail(at_ms, self.story.line, message);
            }
        }
    }

    /// Events are missing between the last thing told and the next.
    pub fn gap(&mut self) {
        self.gap.get_or_insert(self.last);
    }

    /// What is expected before an instant, held against what was told until then.
    fn until(&mut self, at: Timestamp) -> Timestamp {
        let at = at.max(self.last);
        while let Some(one) = self.expect.get(self.expected) {
            let expected_at = self.begin.plus_ms(one.at_ms);
            if expected_at >= at {
                break;
            }
            let message = match self.gap {
                Some(from) if expected_at > from => Some(format!(
                    "the recording has a gap from {from} to {at}, where something is expected at {expected_at}"
                )),
                _ => self.otherwise(one),
            };
            if let Some(message) = message {
                self.outcome.fail(one.at_ms, one.line, message);
            }
            self.expected += 1;
        }
        self.last = at;
        self.gap = None;
        at
    }

    fn otherwise(&self, expected: &StoryExpectation) -> Option<String> {
        let shown = |at_ms: i64| self.begin.plus_ms(at_ms).to_string();
        otherwise(&self.rehearsal, &self.service, expected, &shown)
    }

    /// The end of the recording; `broken` says why nothing more can be read.
    pub fn end(mut self, broken: Option<String>) -> StoryOutcome {
        let last = self.last;
        while let Some(one) = self.expect.get(self.expected) {
            let at = self.begin.plus_ms(one.at_ms);
            let message = match at <= last {
                true => self.otherwise(one),
                false => Some(format!(
                    "the recording ends at {last}, before what is expected at {at}"
                )),
            };
            if let Some(message) = message {
                self.outcome.fail(one.at_ms, one.line, message);
            }
            self.expected += 1;
        }
        if let Some(why) = broken {
            let at_ms = last.since_ms(self.begin);
            self.outcome.fail(at_ms, self.story.line, why);
        }
        self.outcome.length_ms = last.since_ms(self.begin);
        self.outcome.begin = self.begin;
        self.outcome.ended(&self.rehearsal, self.story.line);
        self.outcome
    }
}

/// What of a configuration concerns the service, with the policy and the parameters of the test.
fn tested(
    config: &Config,
    service: &ServiceName,
    story: &Story,
    text: &PolicyText,
    keep_ms: i64,
) -> Option<Config> {
    let mut config = narrowed(config, service)?;
    let service = config.services.get_mut(service)?;
    service.policy = text.name.clone();
    service.params = story.params.clone();
    service.keep_ms = keep_ms;
    service.on_fault = OnFault::Hold;
    Some(config)
}

fn reload(config: Config, text: &PolicyText) -> Input {
    Input::Reload(Reload {
        by: "rehearsal".into(),
        config: Arc::new(config),
        policies: vec![text.clone()],
        zones: Vec::new(),
    })
}
