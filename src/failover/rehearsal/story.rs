//! Stories: policy tests run through the fold.
//!
//! Cell i of a row, from 1, is the result at i × interval. What is expected at an instant is what
//! is served once everything up to and including that instant happened: results first, then
//! the witness, then what else happens, then ticks. A fault of the policy fails its story.

use super::{
    chart::chart,
    lane::{Finding, Lane},
    runner::{Change, Rehearsal},
    stage,
};
use crate::failover::{Input, Policy, Rail};
use crate::model::{
    Config, FailureReason, PolicyText, PolicyVersion, ServiceName, TargetName, Timestamp,
    duration::format_ms,
    story::{Cell, Happening, Story, StoryExpectation, StoryFreshness},
    time::DAY_MS,
};

/// Round-trip time of a good probe of which the story says none.
const RTT_MS: u32 = 20;
/// A failed story on a recording shows this many changes at most.
const CHANGES_SHOWN: usize = 20;
/// A failed story says this many of its failures at most.
const FAILURES_MAX: usize = 20;

/// What became of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryOutcome {
    /// The story's name.
    pub name: String,
    /// What went otherwise than expected; empty where it passed.
    pub failures: Vec<StoryFailure>,
    /// The first answer and every change of the served set, oldest first.
    pub changes: Vec<Change>,
    /// How long the story is, ms.
    pub length_ms: i64,
    /// When it begins.
    pub begin: Timestamp,
}

/// One expectation that was not met, or a fault of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryFailure {
    /// When, ms from the story's begin.
    pub at_ms: i64,
    /// Where the expectation stands in its file, from 1; the story's line for a fault.
    pub line: usize,
    /// What was expected and what was served, in one sentence.
    pub message: String,
}

impl StoryOutcome {
    /// Whether everything went as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// A failed story for people: each failure, and the timeline around the first of them with
    /// what was served under it, at most 100 columns wide. Empty where it passed.
    pub fn report(&self, story: &Story) -> String {
        let Some(first) = self.failures.first() else {
            return String::new();
        };
        let mut text = format!("{}\n", self.name);
        for failure in &self.failures {
            text.push_str(&format!("  {}\n", failure.message));
        }
        text.push('\n');
        if story.recording.is_some() {
            text.push_str(&self.dated());
        } else {
            text.push_str(&chart(story, &self.changes, first.at_ms));
        }
        text
    }

    /// What was served when, of a story on a recording; the last of it.
    fn dated(&self) -> String {
        let mut text = String::new();
        let skipped = self.changes.len().saturating_sub(CHANGES_SHOWN);
        for change in &self.changes[skipped..] {
            let at = self.begin.plus_ms(change.at_ms);
            let (serve, line, reason) = (join(&change.serve), change.line, &change.reason);
            text.push_str(&format!("  {at} -> {serve} (line {line}): {reason}\n"));
        }
        text
    }
}

/// The version under which a story's policy is asked: its text with the story's parameters.
pub fn story_version(story: &Story, text: &PolicyText) -> PolicyVersion {
    PolicyVersion::of(&text.source, &story.params)
}

/// Runs a story under the policy `text`, which `policy` must know as [`story_version`].
/// `keep_ms` is the longest constant window of the policy: results are kept for that long.
pub fn run_story(
    story: &Story,
    text: &PolicyText,
    keep_ms: i64,
    policy: &dyn Policy,
) -> StoryOutcome {
    let service = ServiceName::from("story");
    let config = stage::config(story, text, keep_ms, &service);
    let mut outcome = StoryOutcome::new(story);
    let Some(rehearsal) = Rehearsal::new(&config, &service, text, policy) else {
        outcome.fail(0, story.line, "the story has no target".into());
        return outcome;
    };
    let mut run = Run {
        story,
        rehearsal,
        service,
        happened: 0,
        expected: 0,
        answers: config.witness.is_some().then_some(true),
        outcome,
    };
    run.all(&config);
    run.outcome
}

impl StoryOutcome {
    pub(super) fn new(story: &Story) -> Self {
        Self {
            name: story.name.clone(),
            failures: Vec::new(),
            changes: Vec::new(),
            length_ms: i64::from(story.cells()).saturating_mul(story.interval_ms),
            begin: super::BEGIN,
        }
    }

    /// A story that could not be run, and why.
    pub fn failed(story: &Story, why: String) -> Self {
        let mut outcome = Self::new(story);
        outcome.fail(0, story.line, why);
        outcome
    }

    /// Keeps what was served, and adds each fault of the policy once.
    pub(super) fn ended(&mut self, rehearsal: &Rehearsal<'_>, line: usize) {
        self.changes = rehearsal.changes().to_vec();
        let mut seen = Vec::new();
        for fault in rehearsal.faults() {
            if seen.contains(&fault) {
                continue;
            }
            seen.push(fault);
            let message = format!(
                "the policy faulted at line {}: {}",
                fault.line, fault.message
            );
            self.fail(0, line, message);
        }
    }

    pub(super) fn fail(&mut self, at_ms: i64, line: usize, message: String) {
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(StoryFailure {
                at_ms,
                line,
                message,
            });
        }
    }
}

/// A story under way.
struct Run<'a> {
    story: &'a Story,
    rehearsal: Rehearsal<'a>,
    service: ServiceName,
    /// How many happenings there were.
    happened: usize,
    /// How many expectations were looked at.
    expected: usize,
    /// Whether the witness answers now; `None` where there is none.
    answers: Option<bool>,
    outcome: StoryOutcome,
}

impl Run<'_> {
    fn all(&mut self, config: &Config) {
        self.begin();
        let mut rows: Vec<_> = self.story.rows.iter().collect();
        rows.retain(|row| config.targets.contains_key(&row.target));
        let lanes: Vec<Lane> = rows.iter().map(|row| stage::lane(config, row)).collect();
        let mut cells: Vec<_> = rows.iter().map(|row| row.timeline.cells()).collect();
        for number in 1..=i64::from(self.story.cells()) {
            let at_ms = number.saturating_mul(self.story.interval_ms);
            self.up_to(at_ms - 1);
            for (lane, cells) in lanes.iter().zip(&mut cells) {
                let finding = cells.next().map_or(Finding::Nothing, finding);
                if let Some(seen) = lane.observation(finding) {
                    self.rehearsal.feed(at_ms, Input::Probe(seen));
                }
            }
            if let Some(answers) = self.answers {
                self.rehearsal.witnesses(at_ms, answers);
            }
        }
        let length_ms = self.outcome.length_ms;
        self.up_to(length_ms);
        for expectation in &self.story.expect[self.expected..] {
            let message = format!(
                "the timelines end at {}, before what is expected at {}: add cells",
                format_ms(length_ms),
                format_ms(expectation.at_ms)
            );
            self.outcome
                .fail(expectation.at_ms, expectation.line, message);
        }
        self.outcome.ended(&self.rehearsal, self.story.line);
    }

    /// What is known before the first result: how fresh copies are, and that the witness answers.
    fn begin(&mut self) {
        for (target, &is) in &self.story.freshness {
            let age_ms = match is {
                StoryFreshness::Fresh => 0,
                StoryFreshness::Stale => DAY_MS,
                StoryFreshness::Unknown => -1,
            };
            let target = target.clone();
            let what = Happening::Freshness { target, is, age_ms };
            stage::happen(&mut self.rehearsal, &self.service, 0, &what);
        }
        if let Some(answers) = self.answers {
            self.rehearsal.witnesses(0, answers);
        }
    }

    /// Happenings and expectations up to and including an instant.
    fn up_to(&mut self, until_ms: i64) {
        let story = self.story;
        loop {
            let happening = story.happens.get(self.happened);
            let happening = happening.filter(|happening| happening.at_ms <= until_ms);
            let expectation = story.expect.get(self.expected);
            let expectation = expectation.filter(|expectation| expectation.at_ms <= until_ms);
            match (happening, expectation) {
                (Some(happening), other) if other.is_none_or(|e| happening.at_ms <= e.at_ms) => {
                    self.happened += 1;
                    if let Happening::Witnesses { answer } = happening.what {
                        self.answers = Some(answer);
                    }
                    let at_ms = happening.at_ms;
                    stage::happen(&mut self.rehearsal, &self.service, at_ms, &happening.what);
                }
                (_, Some(expectation)) => {
                    self.expected += 1;
                    self.rehearsal.pass(expectation.at_ms);
                    let message =
                        otherwise(&self.rehearsal, &self.service, expectation, &format_ms);
                    if let Some(message) = message {
                        self.outcome
                            .fail(expectation.at_ms, expectation.line, message);
                    }
                }
                _ => return,
            }
        }
    }
}

/// What differs from an expectation now; `shown` writes an instant, ms after the begin.
pub(super) fn otherwise(
    rehearsal: &Rehearsal<'_>,
    service: &ServiceName,
    expected: &StoryExpectation,
    shown: &dyn Fn(i64) -> String,
) -> Option<String> {
    let at = shown(expected.at_ms);
    let last = rehearsal.changes().last();
    let since = last.map_or(0, |change| change.at_ms);
    let why = last.map_or("", |change| &change.reason);
    let served = format!(
        "{} is served since {} because \"{why}\" (line {})",
        join(rehearsal.serving()),
        shown(since),
        last.map_or(0, |change| change.line),
    );
    if rehearsal.serving() != expected.serve {
        return Some(format!(
            "expected {} at {at}, but {served}",
            join(&expected.serve)
        ));
    }
    let now = rehearsal.state().latest(service);
    if let Some(part) = &expected.reason {
        // What moved the answer there, or what keeps it there now: both are its reason.
        let now = now.map_or("", |evaluation| &evaluation.reason);
        if !why.contains(part.as_str()) && !now.contains(part.as_str()) {
            return Some(format!(
                "expected a reason with \"{part}\" at {at}, but {served}, now \"{now}\""
            ));
        }
    }
    if let Some(rail) = &expected.guard {
        let holds = now.and_then(|evaluation| evaluation.guard);
        let holds = holds.map_or("none", Rail::word);
        if holds != rail {
            return Some(format!(
                "expected the guard to say \"{rail}\" at {at}, but it says \"{holds}\"; {served}"
            ));
        }
    }
    if let Some(part) = &expected.alert {
        // What was said with the switch, or what stands now.
        let switched = last.and_then(|change| change.alert.as_deref());
        let stands = rehearsal.decision().and_then(|d| d.alert.as_deref());
        let mut alerts = [switched, stands].into_iter().flatten();
        if !alerts.any(|alert| alert.contains(part.as_str())) {
            let alert = stands.or(switched);
            let stands = alert.map_or("there is none".into(), |alert| format!("it is \"{alert}\""));
            return Some(format!(
                "expected an alert with \"{part}\" at {at}, but {stands}"
            ));
        }
    }
    let ttl_ms = rehearsal.decision().map_or(0, |d| d.ttl_ms);
    let expected_ms = expected.ttl_ms?;
    (ttl_ms != expected_ms).then(|| {
        format!(
            "expected a TTL of {} at {at}, but it is {}",
            format_ms(expected_ms),
            format_ms(ttl_ms)
        )
    })
}

/// Names in a sentence: `a`, `a, b`.
pub(super) fn join(names: &[TargetName]) -> String {
    let names: Vec<&str> = names.iter().map(TargetName::as_str).collect();
    names.join(", ")
}

fn finding(cell: Cell) -> Finding {
    match cell {
        Cell::Good { rtt_ms } => Finding::Good {
            rtt_us: rtt_ms.unwrap_or(RTT_MS).saturating_mul(1_000),
        },
        Cell::Bad => Finding::Bad {
            reason: FailureReason::Timeout,
            took_ms: 0,
        },
        Cell::NoResult => Finding::Nothing,
    }
}
