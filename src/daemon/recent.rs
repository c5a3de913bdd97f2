//! What happened lately, in memory: the last facts that were folded in, for the reload gate.
//!
//! A ring of chunks: a full chunk is shared with whoever asks and never copied, so that handing
//! all of it out costs the fold little.

use crate::{
    failover::{Command, Event, What, input::ClockChange, rehearsal::gate},
    model::{Service, ServiceName, TargetName},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// How many facts are kept at least, once there were as many.
pub const FACTS_MAX: usize = 20_000;
/// Facts of a chunk: as many more than that may be kept.
const CHUNK: usize = 500;

/// The ring.
#[derive(Debug)]
pub struct Recent {
    full: VecDeque<Arc<Vec<Event>>>,
    filling: Vec<Event>,
    /// How far the wall clock was ahead of the fold's before the oldest of them, ms.
    offset_ms: i64,
}

/// A copy of the ring.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    chunks: Vec<Arc<Vec<Event>>>,
    /// How far the wall clock was ahead of the fold's before the oldest of them, ms.
    pub offset_ms: i64,
}

impl Recent {
    /// An empty ring; the wall clock is so far ahead now.
    pub fn new(offset_ms: i64) -> Self {
        Self {
            full: VecDeque::new(),
            filling: Vec::with_capacity(CHUNK),
            offset_ms,
        }
    }

    /// Takes what is a fact.
    pub fn take(&mut self, event: Event) {
        if !gate::is_fact(&event.what) {
            return;
        }
        self.filling.push(event);
        if self.filling.len() < CHUNK {
            return;
        }
        let filled = std::mem::replace(&mut self.filling, Vec::with_capacity(CHUNK));
        self.full.push_back(Arc::new(filled));
        if self.full.len() * CHUNK > FACTS_MAX
            && let Some(oldest) = self.full.pop_front()
        {
            let mut jumps = oldest.iter().filter_map(|event| match &event.what {
                What::Clock(ClockChange { offset_ms }) => Some(*offset_ms),
                _ => None,
            });
            self.offset_ms = jumps.next_back().unwrap_or(self.offset_ms);
        }
    }

    /// All of them.
    pub fn facts(&self) -> Facts {
        let filling = Arc::new(self.filling.clone());
        Facts {
            chunks: self.full.iter().cloned().chain([filling]).collect(),
            offset_ms: self.offset_ms,
        }
    }
}

impl Facts {
    /// The same by what they concern.
    pub fn index(&self) -> Index<'_> {
        let mut index = Index {
            facts: self.chunks.iter().flat_map(|chunk| chunk.iter()).collect(),
            ..Index::default()
        };
        for (place, fact) in index.facts.iter().enumerate() {
            let of = match &fact.what {
                What::Probe(seen) => index.of_target.entry(&seen.target).or_default(),
                What::Freshness(report) => index.of_target.entry(&report.target).or_default(),
                What::Drift(report) => index.of_target.entry(&report.target).or_default(),
                What::Resolved(report) => index.of_target.entry(&report.target).or_default(),
                What::Operator(order) => match &order.command {
                    Command::Switch { service, .. }
                    | Command::Hold { service, .. }
                    | Command::Release { service }
                    | Command::Failback { service } => index.of_service.entry(service).or_default(),
                    Command::Drain { target, .. } | Command::Undrain { target } => {
                        index.of_target.entry(target).or_default()
                    }
                    Command::Freeze { .. } | Command::Thaw => &mut index.of_all,
                },
                _ => &mut index.of_all,
            };
            of.push(place);
        }
        index
    }
}

/// Facts by what they concern, each by its place.
#[derive(Debug, Default)]
pub struct Index<'f> {
    facts: Vec<&'f Event>,
    of_target: BTreeMap<&'f TargetName, Vec<usize>>,
    of_service: BTreeMap<&'f ServiceName, Vec<usize>>,
    of_all: Vec<usize>,
}

impl<'f> Index<'f> {
    /// The last facts that concern a service, in their order.
    pub fn last_of(&self, service: &Service, most: usize) -> Vec<&'f Event> {
        let targets = service.targets.iter();
        let of_targets = targets.filter_map(|target| self.of_target.get(target));
        let own = self.of_service.get(&service.name);
        let of_all = [Some(&self.of_all), own].into_iter().flatten();
        let mut places: Vec<usize> = of_targets.chain(of_all).flatten().copied().collect();
        places.sort_unstable();
        let facts = places.into_iter().map(|place| self.facts[place]);
        let mut facts: Vec<&Event> = facts
            .filter(|fact| match &fact.what {
                What::Probe(seen) => service.monitors.contains(&seen.monitor),
                _ => true,
            })
            .collect();
        facts.drain(..facts.len().saturating_sub(most));
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use serde_json::json;

    fn event(seq: u64, what: serde_json::Value) -> Event {
        Event {
            at: Timestamp(i64::try_from(seq).unwrap()),
            seq,
            what: serde_json::from_value(what).unwrap(),
        }
    }

    fn probe(target: &str) -> serde_json::Value {
        json!({ "probe": { "target": target, "monitor": "tcp", "vantage": "ns1", "ok": true } })
    }

    #[test]
    fn the_last_facts_are_kept_and_nothing_else() {
        let mut recent = Recent::new(5);
        recent.take(event(1, json!({ "clock": { "offset_ms": 7 } })));
        recent.take(event(2, json!({ "ended": { "freeze": {} } })));
        for seq in 3..25_000 {
            recent.take(event(seq, json!({ "tick": {} })));
        }
        let facts = recent.facts();
        let seqs: Vec<u64> = facts.index().facts.iter().map(|fact| fact.seq).collect();
        assert!(
            (FACTS_MAX..FACTS_MAX + CHUNK).contains(&seqs.len()),
            "{}",
            seqs.len()
        );
        assert_eq!(seqs.last(), Some(&24_999));
        assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        assert_eq!(
            facts.offset_ms, 7,
            "the jump that fell out is not forgotten"
        );
    }

    #[test]
    fn a_service_is_shown_what_concerns_it() {
        let mut recent = Recent::new(0);
        let all = [
            probe("one"),
            probe("other"),
            json!({ "tick": {} }),
            json!({ "operator": { "by": "a", "reason": "b", "command": "hold", "service": "www" } }),
            json!({ "operator": { "by": "a", "reason": "b", "command": "hold", "service": "shop" } }),
            json!({ "operator": { "by": "a", "reason": "b", "command": "drain", "target": "one" } }),
            json!({ "drift": { "target": "one", "differences": 1 } }),
        ];
        for (seq, what) in (1..).zip(all) {
            recent.take(event(seq, what));
        }
        let service: Service = serde_json::from_value(json!({ "name": "www",
            "names": ["www.example.com"], "targets": ["one"], "monitors": ["tcp"] }))
        .unwrap();
        let facts = recent.facts();
        let seqs = |most| -> Vec<u64> {
            let last = facts.index().last_of(&service, most);
            last.iter().map(|fact| fact.seq).collect()
        };
        assert_eq!(seqs(100), [1, 3, 4, 6, 7]);
        assert_eq!(seqs(2), [6, 7]);
    }
}
