//! The matrix of worlds that a policy is tried in: what can befall a service, in rounds of probes.
//!
//! Each target in turn, pairs with the primary, all together, and what operators and the calendar
//! do. The matrix is fixed: the same policy has the same trials everywhere.

use super::{
    lane::{Finding, Lane},
    runner::Rehearsal,
};
use crate::failover::{
    Freshness, Input,
    input::{ClockChange, Command, FreshnessReport},
};
use crate::model::{
    FailureReason, ServiceName, TargetName,
    time::{DAY_MS, HOUR_MS},
};

/// A world ends early once it has shown so many faults.
const FAULTS_ENOUGH: usize = 3;
/// Targets that are made to suffer, each in turn.
const SUFFERERS_MAX: usize = 5;
/// Rounds of probes that cover the longest window.
pub(super) const ROUNDS_OF_WINDOW: i64 = 40;

/// How a target does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Dead,
    Slow,
    /// Two rounds well, three rounds dead.
    Flapping,
    /// No results.
    Silent,
}

/// What else happens before a stage.
enum Act {
    Report(TargetName, Freshness),
    Order(Command),
    Witnesses(bool),
    Clock(i64),
}

/// A stretch of a world: how long, who does otherwise than well, and what happens before it.
struct Stage {
    rounds: i64,
    moods: Vec<(TargetName, Mood)>,
    acts: Vec<Act>,
}

/// Stages in a row.
pub(super) struct World {
    /// What happens, in words.
    pub(super) name: String,
    stages: Vec<Stage>,
    /// Whether other vantages see the same as this node.
    everywhere: bool,
}

impl World {
    fn new(name: String) -> Self {
        Self {
            name,
            stages: Vec::new(),
            everywhere: false,
        }
    }

    fn then(mut self, rounds: i64, moods: &[(&TargetName, Mood)]) -> Self {
        let moods = moods.iter().map(|(name, mood)| ((*name).clone(), *mood));
        self.stages.push(Stage {
            rounds,
            moods: moods.collect(),
            acts: Vec::new(),
        });
        self
    }

    fn well(self, rounds: i64) -> Self {
        self.then(rounds, &[])
    }

    /// Before the stage that was added last.
    fn after(mut self, act: Act) -> Self {
        if let Some(stage) = self.stages.last_mut() {
            stage.acts.push(act);
        }
        self
    }

    /// Before the stage that was added last every copy is fresh, but that of `stale`.
    fn reports(self, targets: &[TargetName], stale: &TargetName) -> Self {
        targets.iter().fold(self, |world, target| {
            let freshness = if target == stale {
                Freshness::Stale
            } else {
                Freshness::Fresh
            };
            world.after(Act::Report(target.clone(), freshness))
        })
    }

    /// Two more vantages see the same.
    fn everywhere(mut self) -> Self {
        self.everywhere = true;
        self
    }

    /// Runs all stages, from where the rehearsal stands.
    pub(super) fn play(&self, rehearsal: &mut Rehearsal<'_>, round_ms: i64) {
        if self.everywhere {
            let own = rehearsal.lanes.clone();
            for vantage in ["far", "further"] {
                let there = own.iter().cloned().map(|mut lane| {
                    lane.vantage = vantage.into();
                    lane
                });
                rehearsal.lanes.extend(there);
            }
        }
        let mut until_ms = rehearsal.now_ms();
        for stage in &self.stages {
            for act in &stage.acts {
                act.play(rehearsal, until_ms);
            }
            until_ms += stage.rounds * round_ms;
            let world = |lane: &Lane, at_ms: i64| {
                let mood = stage.moods.iter().find(|(name, _)| *name == lane.target);
                finding(
                    mood.map_or(Mood::Well, |found| found.1),
                    lane,
                    at_ms / round_ms,
                )
            };
            rehearsal.run_while(until_ms, world, |r| r.faults().len() < FAULTS_ENOUGH);
            if rehearsal.faults().len() >= FAULTS_ENOUGH {
                return;
            }
        }
    }
}

impl Act {
    fn play(&self, rehearsal: &mut Rehearsal<'_>, at_ms: i64) {
        match self {
            Self::Report(target, freshness) => rehearsal.report(
                at_ms,
                FreshnessReport {
                    target: target.clone(),
                    freshness: *freshness,
                    data_age_ms: if *freshness == Freshness::Stale {
                        DAY_MS
                    } else {
                        0
                    },
                },
            ),
            Self::Order(command) => rehearsal.order(at_ms, command.clone()),
            Self::Witnesses(ok) => rehearsal.witnesses(at_ms, *ok),
            Self::Clock(offset_ms) => {
                let offset_ms = *offset_ms;
                rehearsal.feed(at_ms, Input::Clock(ClockChange { offset_ms }));
            }
        }
    }
}

fn finding(mood: Mood, lane: &Lane, round: i64) -> Finding {
    match mood {
        Mood::Well => Finding::WELL,
        Mood::Dead => lane.timeout(),
        Mood::Slow => Finding::Good {
            rtt_us: u32::try_from(lane.timeout_ms.saturating_mul(900)).unwrap_or(u32::MAX),
        },
        Mood::Flapping if round % 5 < 2 => Finding::WELL,
        Mood::Flapping => Finding::Bad {
            reason: FailureReason::Refused,
            took_ms: 1,
        },
        Mood::Silent => Finding::Nothing,
    }
}

/// All worlds for a service with these targets.
pub(super) fn matrix(service: &ServiceName, targets: &[TargetName]) -> Vec<World> {
    let mut worlds = Vec::new();
    for target in sufferers(targets) {
        worlds.extend(alone(target, targets));
    }
    let primary = &targets[0];
    for other in sufferers(targets).into_iter().skip(1) {
        let both_dead = [(primary, Mood::Dead), (other, Mood::Dead)];
        let slow = [(primary, Mood::Dead), (other, Mood::Slow)];
        let world = World::new(format!("{primary} and {other} die"));
        worlds.push(world.well(10).then(15, &both_dead).well(10));
        let world = World::new(format!("{primary} is dead and {other} gets slow"));
        worlds.push(
            world
                .well(10)
                .then(10, &[(primary, Mood::Dead)])
                .then(20, &slow)
                // The primary comes back while the backup is still slow.
                .then(20, &[(other, Mood::Slow)]),
        );
    }
    worlds.extend(together(targets));
    worlds.extend(ordered(service, primary));
    worlds
}

/// What can befall one target alone.
fn alone(target: &TargetName, targets: &[TargetName]) -> Vec<World> {
    let primary = &targets[0];
    let world = |what: &str| World::new(format!("{target} {what}"));
    let dead = [(target, Mood::Dead)];
    let drain = Command::Drain {
        target: target.clone(),
        until: None,
    };
    let undrain = Command::Undrain {
        target: target.clone(),
    };
    vec![
        world("is dead from the start").then(15, &dead),
        world("dies and comes back")
            .well(10)
            .then(15, &dead)
            .well(ROUNDS_OF_WINDOW + 5),
        world("is slow").well(10).then(20, &[(target, Mood::Slow)]),
        world("is stale while the primary dies and comes back")
            .well(5)
            .reports(targets, target)
            .then(10, &[(primary, Mood::Dead)])
            .well(ROUNDS_OF_WINDOW),
        world("flaps").then(40, &[(target, Mood::Flapping)]),
        world("is unknown").then(15, &[(target, Mood::Silent)]),
        world("falls silent")
            .well(10)
            .then(10, &[(target, Mood::Silent)]),
        world("is drained and comes back")
            .well(5)
            .well(5)
            .after(Act::Order(drain))
            .well(5)
            .after(Act::Order(undrain)),
    ]
}

/// What can befall all targets at once.
fn together(targets: &[TargetName]) -> Vec<World> {
    let all = |mood| -> Vec<(&TargetName, Mood)> { targets.iter().map(|t| (t, mood)).collect() };
    let world = |what: &str| World::new(what.to_owned());
    vec![
        world("all is well").well(ROUNDS_OF_WINDOW + 5),
        world("all targets die and come back")
            .well(10)
            .then(15, &all(Mood::Dead))
            .well(10),
        world("all targets are dead from the start").then(15, &all(Mood::Dead)),
        world("all targets are slow").then(20, &all(Mood::Slow)),
        world("all targets flap").then(20, &all(Mood::Flapping)),
        world("nothing is known").then(5, &all(Mood::Silent)),
        world("this node is isolated")
            .well(10)
            .after(Act::Witnesses(true))
            .then(10, &all(Mood::Dead))
            .after(Act::Witnesses(false))
            .well(10)
            .after(Act::Witnesses(true)),
    ]
}

/// What operators and the calendar can do.
fn ordered(service: &ServiceName, primary: &TargetName) -> Vec<World> {
    let dead = [(primary, Mood::Dead)];
    let failback = Command::Failback {
        service: service.clone(),
    };
    vec![
        World::new("an operator asks for failback".to_owned())
            .well(10)
            .then(10, &dead)
            .well(10)
            .after(Act::Order(failback))
            .well(5),
        World::new("the primary dies and comes back, seen from three vantages".to_owned())
            .everywhere()
            .well(10)
            .then(10, &dead)
            .well(ROUNDS_OF_WINDOW),
        World::new("the primary dies on a sunday night".to_owned())
            .well(10)
            .after(Act::Clock(6 * DAY_MS + 23 * HOUR_MS))
            .then(10, &dead)
            .well(10),
    ]
}

/// The first targets and the last.
fn sufferers(targets: &[TargetName]) -> Vec<&TargetName> {
    some_of(targets, SUFFERERS_MAX)
}

/// The first `max - 1` and the last.
pub(super) fn some_of(targets: &[TargetName], max: usize) -> Vec<&TargetName> {
    if targets.len() <= max {
        return targets.iter().collect();
    }
    targets[..max - 1].iter().chain(targets.last()).collect()
}
