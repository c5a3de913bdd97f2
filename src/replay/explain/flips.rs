//! The nearest flips: which facts would have made a policy propose another served set.
//!
//! For each fact that was read, values are supposed that could turn a comparison: the thresholds
//! that it was asked with and one less, every number of the policy's text with its parameters in
//! place and one more and less, 0, the other words and the other bool, a figure where there was
//! none. Between a value that turns the proposal and the nearest one known not to, the boundary is
//! found by halving. For a served set that no single fact leads to, two are supposed together, the
//! second among those that are read once the first is supposed.
//!
//! Flips are ordered by distance: the difference between the values, per mille of the larger of
//! the two; 1,000 where there is no difference to speak of (words, bools, `()`); the sum for two
//! facts. Equal ones stand in the order in which their facts were read.

use crate::{
    failover::{
        State,
        again::wanted,
        lens::{Fact, Read, Subject, Suppositions, Value},
    },
    model::{Param, ServiceName, TargetName},
    policy::{Traced, Tracer},
};
use serde::Serialize;
use std::{cell::Cell, collections::BTreeSet};

/// The most flips that are listed.
const FLIPS_MAX: usize = 5;
/// The most evaluations of one search; what is found by then is listed.
const EVALUATIONS_MAX: usize = 2_000;

/// One or two facts that would have changed what the policy proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// What would have to be different.
    pub suppose: Vec<Supposed>,
    /// What the policy would want served then.
    pub serve: Vec<TargetName>,
    /// Its reason.
    pub reason: String,
    /// Its line.
    pub line: u32,
    /// How far from what was; see the module.
    pub distance: i64,
}

/// A fact as it was and as it would have to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Supposed {
    /// Of what: `service`, `backup`, `backup@ns2`.
    pub of: String,
    /// The word of the API.
    pub word: &'static str,
    /// What it is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<Param>,
    /// What it was; `null` for `()`.
    pub was: Option<Param>,
    /// What it would have to be.
    pub were: Option<Param>,
}

/// What a search came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flips {
    /// The nearest first, at most five.
    pub found: Vec<Flip>,
    /// How often the policy was asked.
    pub evaluations: usize,
}

/// A policy asked about one instant.
pub(super) struct Search<'a> {
    pub(super) tracer: &'a Tracer,
    pub(super) state: &'a State,
    pub(super) service: &'a ServiceName,
    /// What it proposed, and what it read.
    pub(super) base: &'a Traced,
    pub(super) evaluations: Cell<usize>,
}

/// A fact with its value in a search.
type Known = (Fact, Value);

impl Search<'_> {
    /// Looks for flips.
    pub(super) fn flips(&self) -> Flips {
        let facts = facts_of(&self.base.reads);
        let mut found = Vec::new();
        for known in &facts {
            found.extend(self.of_one(known, &self.base.reads, &Suppositions::new()));
        }
        // What no single fact leads to may take two.
        let reached: Vec<Vec<TargetName>> = found.iter().map(|flip| flip.serve.clone()).collect();
        let by_two = self.of_two(&facts).into_iter();
        found.extend(by_two.filter(|flip| !reached.contains(&flip.serve)));
        found.sort_by_key(|flip| flip.distance);
        found.truncate(FLIPS_MAX);
        Flips {
            found,
            evaluations: self.evaluations.get(),
        }
    }

    /// The policy asked again; `None` once it was asked too often.
    fn ask(&self, supposed: &Suppositions) -> Option<Traced> {
        let asked = self.evaluations.get();
        if asked >= EVALUATIONS_MAX {
            return None;
        }
        self.evaluations.set(asked + 1);
        let view = self.state.view(self.service)?;
        Some(self.tracer.ask(view, supposed.clone()))
    }

    /// What would be served where it is not what the policy proposed. A fault is no proposal.
    fn turned(&self, supposed: &Suppositions) -> Option<(Vec<TargetName>, String, u32)> {
        let proposal = self.ask(supposed)?.proposal.ok()?;
        let serve = wanted(self.state, self.service, &proposal.action);
        let before = self.base.proposal.as_ref().ok();
        let before = before.map(|base| wanted(self.state, self.service, &base.action));
        (before.as_ref() != Some(&serve)).then_some((serve, proposal.reason, proposal.line))
    }

    /// Flips by one fact while `others` are supposed: the nearest on each side.
    fn of_one(&self, known: &Known, reads: &[Read], others: &Suppositions) -> Vec<Flip> {
        let (fact, was) = known;
        // The flips, and whether each is a boundary between values.
        let mut found: Vec<(Flip, bool)> = Vec::new();
        for side in sides(&self.candidates(fact, was, reads), was) {
            let turns = |value: &Value| {
                let mut supposed = others.clone();
                supposed.insert(fact.clone(), value.clone());
                self.turned(&supposed)
            };
            let Some(index) = side.iter().position(|value| turns(value).is_some()) else {
                continue;
            };
            let before = index.checked_sub(1).map_or(was, |before| &side[before]);
            let were = nearest(before, &side[index], &|value| turns(value).is_some());
            let Some((serve, reason, line)) = turns(&were) else {
                continue;
            };
            let flip = Flip {
                distance: distance(was, &were),
                suppose: vec![Supposed::of(fact, was, &were)],
                serve,
                reason,
                line,
            };
            found.push((flip, index > 0 || was.int().is_some()));
        }
        // Where there was no figure, the first one that turns says less than where turning begins.
        let any = found.iter().any(|(_, boundary)| *boundary);
        found.retain(|(_, boundary)| *boundary || !any);
        found.dedup_by(|a, b| a.0 == b.0);
        found.into_iter().map(|(flip, _)| flip).collect()
    }

    /// Flips by two facts: one that leads the policy elsewhere, and one that it reads there.
    fn of_two(&self, facts: &[Known]) -> Vec<Flip> {
        let mut found: Vec<Flip> = Vec::new();
        for (fact, was) in facts {
            for value in self.candidates(fact, was, &self.base.reads) {
                let supposed: Suppositions = [(fact.clone(), value.clone())].into();
                let Some(traced) = self.ask(&supposed) else {
                    return found;
                };
                let there = facts_of(&traced.reads);
                let new = |(other, _): &&Known| facts.iter().all(|(known, _)| known != other);
                for known in there.iter().filter(new) {
                    for mut flip in self.of_one(known, &traced.reads, &supposed) {
                        flip.distance += distance(was, &value);
                        flip.suppose.insert(0, Supposed::of(fact, was, &value));
                        keep_nearer(&mut found, flip);
                    }
                }
            }
        }
        found
    }

    /// Values that could turn a comparison of a fact, the nearest first.
    fn candidates(&self, fact: &Fact, was: &Value, reads: &[Read]) -> Vec<Value> {
        let figure = matches!(fact.word, "loss" | "p50" | "p95");
        let mut values: BTreeSet<Value> = match (fact.word, was) {
            // What these are is a matter of the answer, the clock or a text.
            ("active" | "serving" | "probe" | "recall" | "error" | "now", _) => BTreeSet::new(),
            ("freshness", _) => ["fresh", "stale", "unknown"].map(Value::from).into(),
            (_, Value::Is(Param::Bool(value))) => [Value::from(!value)].into(),
            (_, Value::Nothing) if !figure => BTreeSet::new(),
            (_, Value::Nothing) => self.numbers(fact, None, reads),
            (_, Value::Is(Param::Int(value))) => self.numbers(fact, Some(*value), reads),
            (_, Value::Is(Param::Text(_))) => BTreeSet::new(),
        };
        if figure {
            values.insert(Value::Nothing);
        }
        values.remove(was);
        let mut values: Vec<Value> = values.into_iter().collect();
        values.sort_by_key(|value| distance(was, value));
        values
    }

    fn numbers(&self, fact: &Fact, was: Option<i64>, reads: &[Read]) -> BTreeSet<Value> {
        let own = reads.iter().filter(|read| read.fact == *fact);
        let asked = own.filter_map(|read| read.asked);
        let asked = asked.flat_map(|(_, n)| [n, n.saturating_sub(1)]);
        let around = |n: i64| [n.saturating_sub(1), n, n.saturating_add(1)];
        let of_text = self.tracer.numbers().iter().copied().chain(was);
        let all = of_text.flat_map(around).chain(asked).chain([0]);
        let can_be = range(fact.word);
        all.filter(|n| can_be.contains(n))
            .map(Value::from)
            .collect()
    }
}

impl Supposed {
    fn of(fact: &Fact, was: &Value, were: &Value) -> Self {
        let param = |value: &Value| match value {
            Value::Nothing => None,
            Value::Is(param) => Some(param.clone()),
        };
        Self {
            of: fact.of.to_string(),
            word: fact.word,
            argument: fact.argument.clone(),
            was: param(was),
            were: param(were),
        }
    }
}

/// The values that a fact can have at all.
fn range(word: &str) -> std::ops::RangeInclusive<i64> {
    match word {
        "hour" => 0..=23,
        "weekday" => 1..=7,
        "loss" => 0..=1_000,
        "vantages" | "vantages_failing" | "vantages_passing" => 0..=64,
        "failures" | "successes" => 0..=i64::from(u32::MAX),
        "data_age" | "cert_days" | "value" => -1..=i64::MAX,
        _ => 0..=i64::MAX,
    }
}

/// Each fact once, with its value.
fn facts_of(reads: &[Read]) -> Vec<Known> {
    let mut facts: Vec<Known> = Vec::new();
    for read in reads {
        if facts.iter().all(|(fact, _)| *fact != read.fact) {
            facts.push((read.fact.clone(), read.value.clone()));
        }
    }
    facts
}

/// Candidates below, above and beside what was, each in its order.
fn sides(candidates: &[Value], was: &Value) -> Vec<Vec<Value>> {
    let side = |value: &Value| match (value.int(), was.int()) {
        (Some(value), Some(was)) => value.cmp(&was) as i8,
        (Some(_), None) | (None, _) => 2,
    };
    let sides = [-1, 1].map(|wanted| {
        let on_it = candidates.iter().filter(|value| side(value) == wanted);
        on_it.cloned().collect()
    });
    let beside = candidates.iter().filter(|value| side(value) == 2);
    let mut sides: Vec<Vec<Value>> = sides.into();
    if was.int().is_none() {
        // From nothing to a figure: from the smallest up and from the largest down.
        let mut beside: Vec<Value> = beside.cloned().collect();
        beside.sort();
        let reversed = beside.iter().rev().cloned().collect();
        sides.extend([beside, reversed]);
    } else {
        sides.extend(beside.map(|value| vec![value.clone()]));
    }
    sides
}

/// The value nearest to `not` that turns, where `turning` does and `not` does not.
fn nearest(not: &Value, turning: &Value, turns: &dyn Fn(&Value) -> bool) -> Value {
    let (Some(mut not), Some(mut turning)) = (not.int(), turning.int()) else {
        return turning.clone();
    };
    while not.abs_diff(turning) > 1 {
        let middle = i64::midpoint(not, turning);
        match turns(&middle.into()) {
            true => turning = middle,
            false => not = middle,
        }
    }
    turning.into()
}

/// How far apart two values are, per mille of the larger.
fn distance(was: &Value, were: &Value) -> i64 {
    let (Some(was), Some(were)) = (was.int(), were.int()) else {
        return 1_000;
    };
    let larger = u128::from(was.unsigned_abs().max(were.unsigned_abs()).max(1));
    let apart = u128::from(was.abs_diff(were)) * 1_000;
    i64::try_from(apart.div_ceil(larger)).unwrap_or(i64::MAX)
}

/// Keeps a flip by two facts where none by the same facts is nearer.
fn keep_nearer(found: &mut Vec<Flip>, flip: Flip) {
    fn facts(flip: &Flip) -> Vec<(&str, &str, Option<&Param>)> {
        let supposed = flip.suppose.iter();
        supposed
            .map(|one| (one.of.as_str(), one.word, one.argument.as_ref()))
            .collect()
    }
    match found.iter_mut().find(|known| facts(known) == facts(&flip)) {
        Some(known) if known.distance > flip.distance => *known = flip,
        Some(_) => {}
        None => found.push(flip),
    }
}

/// The target that a fact is of; `None` for the service.
pub(super) fn target_of(fact: &Fact) -> Option<&TargetName> {
    match &fact.of {
        Subject::Target { name, .. } => Some(name),
        Subject::Service => None,
    }
}
