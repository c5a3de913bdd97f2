//! Explaining and what-if from outside: events in, facts, flips, screens and courses out.

mod commands;
mod flips;
mod suppositions;
mod what_if;

use crate::policy::world::{World, config};
use sidestep::{
    failover::{Event, Input, State},
    model::Config,
    policy::BUILTIN_SOURCE,
    replay::explain::{Decided, Explanation, Flip, Past, explain},
};

/// A world of which every event is kept.
struct Recorded {
    world: World,
    events: Vec<Event>,
}

impl Recorded {
    /// Primary, backup and third under the shipped policy, probed each second.
    fn shipped() -> Self {
        Self::with(config(&["primary", "backup", "third"]), BUILTIN_SOURCE)
    }

    fn with(config: Config, source: &str) -> Self {
        let mut recorded = Self {
            world: World::with(config, source),
            events: Vec::new(),
        };
        // Put in force once more: the first time was not kept.
        recorded.world.state = State::default();
        let reload = recorded.world.reload_input(source);
        recorded.input(reload);
        recorded
    }

    fn input(&mut self, input: Input) -> &mut Self {
        let events = self.world.step(input);
        self.events.extend(events);
        self
    }

    /// Rounds of results, a second apart: `Some(ms)` good, `None` bad.
    fn rounds(&mut self, count: usize, results: &[(&str, Option<u32>)]) -> &mut Self {
        for _ in 0..count {
            self.world.at += 1_000;
            for (target, rtt_ms) in results {
                let seen = self.world.seen(target, *rtt_ms);
                self.input(Input::Probe(seen));
            }
        }
        self
    }

    /// Everything folded again.
    fn past(&self) -> Past {
        let mut past = Past::new("www".into(), State::default());
        self.events.iter().for_each(|event| past.event(event));
        past
    }

    fn explained(&self) -> Explanation {
        explain(&self.past(), Decided::Recorded).unwrap()
    }
}

/// `primary.failures 2 -> 3 => backup:17`.
fn flip(flip: &Flip) -> String {
    let value = |value: &Option<sidestep::model::Param>| {
        value
            .as_ref()
            .map_or_else(|| "()".to_owned(), ToString::to_string)
    };
    let supposed: Vec<String> = flip
        .suppose
        .iter()
        .map(|one| {
            let argument = one.argument.as_ref().map(|a| format!("({a})"));
            let argument = argument.unwrap_or_default();
            let (was, were) = (value(&one.was), value(&one.were));
            format!("{}.{}{argument} {was} -> {were}", one.of, one.word)
        })
        .collect();
    let serve: Vec<&str> = flip.serve.iter().map(|name| name.as_str()).collect();
    format!(
        "{} => {}:{}",
        supposed.join(", "),
        serve.join(" "),
        flip.line
    )
}

fn all(explained: &Explanation) -> Vec<String> {
    explained.flips.iter().map(flip).collect()
}
