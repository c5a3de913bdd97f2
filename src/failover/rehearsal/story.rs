//! Stories: policy tests run through the fold.
//!
//! Cell i of a row, from 1, is the result at i × interval. What is expected at an instant is what
//! is served once everything up to and including that instant happened: results first, then
//! what operators ask for, then ticks. A fault of the policy fails its story.

use super::{
    chart::chart,
    lane::{Finding, Lane},
    runner::{Change, Rehearsal},
};
use crate::failover::{
    Freshness, Input, Policy,
    input::{Command, FreshnessReport},
};
use crate::model::{
    Config, FailureReason, Monitor, OnFault, OnReload, PolicyText, PolicyVersion, ProbeKind,
    Require, Service, ServiceName, Target, TargetName, TcpProbe,
    duration::format_ms,
    story::{Cell, Story, StoryExpectation, StoryFreshness, StoryRow},
};
use std::{collections::BTreeMap, net::IpAddr, net::Ipv4Addr};

/// Round-trip time of a good probe of which the story says none.
const RTT_MS: u32 = 20;
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
        text.push_str(&chart(story, &self.changes, first.at_ms));
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
    let config = config(story, text, keep_ms, &service);
    let mut outcome = StoryOutcome {
        name: story.name.clone(),
        failures: Vec::new(),
        changes: Vec::new(),
        length_ms: i64::from(story.cells()).saturating_mul(story.interval_ms),
    };
    let Some(rehearsal) = Rehearsal::new(&config, &service, text, policy) else {
        outcome.fail(0, story.line, "the story has no target".into());
        return outcome;
    };
    let mut run = Run {
        story,
        rehearsal,
        service,
        asked: 0,
        expected: 0,
        outcome,
    };
    run.all(&config);
    run.outcome
}

impl StoryOutcome {
    fn fail(&mut self, at_ms: i64, line: usize, message: String) {
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
    /// How many requests were made.
    asked: usize,
    /// How many expectations were looked at.
    expected: usize,
    outcome: StoryOutcome,
}

impl Run<'_> {
    fn all(&mut self, config: &Config) {
        self.freshness();
        let mut rows: Vec<_> = self.story.rows.iter().collect();
        rows.retain(|row| config.targets.contains_key(&row.target));
        let lanes: Vec<Lane> = rows.iter().map(|row| lane(config, row)).collect();
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
        self.outcome.changes = self.rehearsal.changes().to_vec();
        self.faults();
    }

    fn freshness(&mut self) {
        for (target, freshness) in &self.story.freshness {
            let (freshness, data_age_ms) = match freshness {
                StoryFreshness::Fresh => (Freshness::Fresh, 0),
                StoryFreshness::Stale => (Freshness::Stale, crate::model::time::DAY_MS),
                StoryFreshness::Unknown => (Freshness::Unknown, -1),
            };
            let report = FreshnessReport {
                target: target.clone(),
                freshness,
                data_age_ms,
            };
            self.rehearsal.report(0, report);
        }
    }

    /// Requests and expectations up to and including an instant.
    fn up_to(&mut self, until_ms: i64) {
        let story = self.story;
        loop {
            let request = story.asked.get(self.asked);
            let request = request.filter(|request| request.at_ms <= until_ms);
            let expectation = story.expect.get(self.expected);
            let expectation = expectation.filter(|expectation| expectation.at_ms <= until_ms);
            match (request, expectation) {
                (Some(request), other) if other.is_none_or(|e| request.at_ms <= e.at_ms) => {
                    self.asked += 1;
                    let service = self.service.clone();
                    if request.what == "failback" {
                        let order = Command::Failback { service };
                        self.rehearsal.order(request.at_ms, order);
                    }
                }
                (_, Some(expectation)) => {
                    self.expected += 1;
                    self.rehearsal.pass(expectation.at_ms);
                    if let Some(message) = self.otherwise(expectation) {
                        self.outcome
                            .fail(expectation.at_ms, expectation.line, message);
                    }
                }
                _ => return,
            }
        }
    }

    /// What differs from an expectation now.
    fn otherwise(&self, expected: &StoryExpectation) -> Option<String> {
        let at = format_ms(expected.at_ms);
        let last = self.rehearsal.changes().last();
        let since = last.map_or(0, |change| change.at_ms);
        let why = last.map_or("", |change| &change.reason);
        let served = format!(
            "{} is served since {} because \"{why}\" (line {})",
            join(self.rehearsal.serving()),
            format_ms(since),
            last.map_or(0, |change| change.line),
        );
        if self.rehearsal.serving() != expected.serve {
            return Some(format!(
                "expected {} at {at}, but {served}",
                join(&expected.serve)
            ));
        }
        if let Some(part) = &expected.reason {
            // What moved the answer there, or what keeps it there now: both are its reason.
            let now = self.rehearsal.state().latest(&self.service);
            let now = now.map_or("", |evaluation| &evaluation.reason);
            if !why.contains(part.as_str()) && !now.contains(part.as_str()) {
                return Some(format!(
                    "expected a reason with \"{part}\" at {at}, but {served}, now \"{now}\""
                ));
            }
        }
        let ttl_ms = self.rehearsal.decision().map_or(0, |d| d.ttl_ms);
        let expected_ms = expected.ttl_ms?;
        (ttl_ms != expected_ms).then(|| {
            format!(
                "expected a TTL of {} at {at}, but it is {}",
                format_ms(expected_ms),
                format_ms(ttl_ms)
            )
        })
    }

    fn faults(&mut self) {
        let mut seen = Vec::new();
        for fault in self.rehearsal.faults() {
            if seen.contains(fault) {
                continue;
            }
            seen.push(fault.clone());
            let message = format!(
                "the policy faulted at line {}: {}",
                fault.line, fault.message
            );
            self.outcome.fail(0, self.story.line, message);
        }
    }
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

fn lane(config: &Config, row: &StoryRow) -> Lane {
    let address = config.targets.get(&row.target).map(|t| t.addresses[0]);
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let vantage = row.vantage.as_ref().unwrap_or(&config.server.name).clone();
    let place = (row.target.clone(), MONITOR.into(), address, vantage);
    Lane::new(place, (1, 0), super::BEGIN)
}

/// The one monitor of a story.
const MONITOR: &str = "story";

/// The configuration in which a story plays.
fn config(story: &Story, text: &PolicyText, keep_ms: i64, service: &ServiceName) -> Config {
    let monitor = Monitor {
        name: MONITOR.into(),
        probe: ProbeKind::Tcp(TcpProbe {
            port: 80,
            send: None,
            expect: None,
        }),
        interval_ms: story.interval_ms,
        timeout_ms: story.timeout_ms,
        interval_suspect_ms: None,
        family: None,
    };
    let targets = (1..).zip(&story.targets).map(|(number, name)| {
        // 198.18.0.0/15 is for tests (RFC 2544).
        let address = Ipv4Addr::from(0xC612_0000_u32.wrapping_add(number));
        let target = Target {
            name: name.clone(),
            addresses: vec![address.into()],
            probe_at: Vec::new(),
            require: Require::All,
            labels: BTreeMap::new(),
            drained: false,
            monitor: BTreeMap::new(),
        };
        (name.clone(), target)
    });
    let service = Service {
        name: service.clone(),
        names: vec!["story.test".into()],
        ttl_ms: story.ttl_ms,
        targets: story.targets.clone(),
        monitors: vec![monitor.name.clone()],
        policy: text.name.clone(),
        params: story.params.clone(),
        history_ms: crate::model::service::default_history_ms(),
        keep_ms,
        max_switches: story.max_switches,
        on_fault: OnFault::Hold,
        rto_ms: None,
        reload: OnReload::Apply,
        shadow: None,
    };
    Config {
        targets: targets.collect(),
        monitors: [(monitor.name.clone(), monitor)].into(),
        services: [(service.name.clone(), service)].into(),
        ..Config::default()
    }
}
