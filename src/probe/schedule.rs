//! When each series is due: a plan without clock, sockets or randomness.
//!
//! Every series has a grid: its phase, spread by a seed over the interval, plus multiples of
//! the interval. Whatever a probe takes, the next one is due on the grid; missed slots are
//! skipped, and two probes are never nearer than half a step. One probe of a series is in
//! flight at most: a slot that finds one passes. Instants are µs since an arbitrary start.

use std::collections::{BTreeMap, BTreeSet};

/// A series in this schedule; never used twice.
pub type SeriesId = u64;

/// The first probe of a series comes within this time, however long its interval is.
const START_SPREAD_US: u64 = 5_000_000;
/// The longest step: a year.
const LONGEST_US: u64 = 366 * 86_400 * 1_000_000;
/// So many equal results in a row end a suspicion.
const CALM: u32 = 5;
/// 2^64 over the golden ratio: its multiples spread evenly, however many there are.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// How often a series is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Between two probes; 1 µs to a year, whatever is given.
    pub interval_us: u64,
    /// The same while in doubt, where set.
    pub suspect_us: Option<u64>,
}

/// A probe that is to start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Whose.
    pub id: SeriesId,
    /// When it was due; the first of the slots that were missed.
    pub due_us: u64,
}

/// When each series is due.
#[derive(Debug, Default)]
pub struct Schedule {
    seed: u64,
    due: BTreeSet<(u64, SeriesId)>,
    turns: BTreeMap<SeriesId, Turn>,
}

#[derive(Debug)]
struct Turn {
    rhythm: Rhythm,
    /// An instant of the grid.
    phase_us: u64,
    /// When the last probe that started was due.
    fired_us: u64,
    due_us: u64,
    in_flight: bool,
    last: Option<bool>,
    equal: u32,
    suspect: bool,
}

impl Schedule {
    /// An empty schedule whose phases follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Adds a series at `now_us`. Ids given one after the other spread evenly.
    pub fn insert(&mut self, id: SeriesId, rhythm: Rhythm, now_us: u64) {
        let interval_us = rhythm.interval_us.clamp(1, LONGEST_US);
        let share = self.seed.wrapping_add(id.wrapping_mul(GOLDEN));
        let offset_us = mul_shift(share, interval_us);
        let due_us = now_us + offset_us % START_SPREAD_US;
        let turn = Turn {
            rhythm: Rhythm {
                interval_us,
                suspect_us: rhythm.suspect_us.map(|us| us.clamp(1, LONGEST_US)),
            },
            phase_us: now_us + offset_us,
            fired_us: due_us,
            due_us,
            in_flight: false,
            last: None,
            equal: 0,
            suspect: false,
        };
        self.remove(id);
        self.due.insert((due_us, id));
        self.turns.insert(id, turn);
    }

    /// Forgets a series.
    pub fn remove(&mut self, id: SeriesId) {
        if let Some(turn) = self.turns.remove(&id) {
            self.due.remove(&(turn.due_us, id));
        }
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// When the next probe is due.
    pub fn next_due_us(&self) -> Option<u64> {
        self.due.first().map(|&(due_us, _)| due_us)
    }

    /// All due times in order: each series once.
    pub fn due(&self) -> &BTreeSet<(u64, SeriesId)> {
        &self.due
    }

    /// The next probe that is to start at `now_us`; it is in flight from here on.
    pub fn fire(&mut self, now_us: u64) -> Option<Fired> {
        loop {
            let &(due_us, id) = self.due.first().filter(|&&(due_us, _)| due_us <= now_us)?;
            self.due.remove(&(due_us, id));
            let turn = self.turns.get_mut(&id).expect("what is due has a turn");
            let starts = !turn.in_flight;
            if starts {
                turn.in_flight = true;
                turn.fired_us = due_us;
            }
            turn.due_us = turn.next_after(due_us, now_us);
            self.due.insert((turn.due_us, id));
            if starts {
                return Some(Fired { id, due_us });
            }
        }
    }

    /// The probe of `id` is over: good, bad or without a result (which says nothing).
    pub fn landed(&mut self, id: SeriesId, verdict: Option<bool>, now_us: u64) {
        let Some(turn) = self.turns.get_mut(&id) else {
            return;
        };
        turn.in_flight = false;
        if verdict.is_some_and(|ok| turn.learn(ok)) {
            self.due.remove(&(turn.due_us, id));
            turn.due_us = turn.next_after(turn.fired_us, now_us);
            self.due.insert((turn.due_us, id));
        }
    }
}

impl Turn {
    /// Counts a result; whether the step changed.
    fn learn(&mut self, ok: bool) -> bool {
        let was = self.suspect;
        if self.last == Some(ok) {
            self.equal = self.equal.saturating_add(1);
        } else {
            // A first good result is no news.
            self.suspect = self.last.is_some() || !ok;
            self.equal = 1;
            self.last = Some(ok);
        }
        if self.equal >= CALM {
            self.suspect = false;
        }
        self.rhythm.suspect_us.is_some() && was != self.suspect
    }

    /// The slot after the probe that was due at `due_us`, seen from `now_us`.
    fn next_after(&self, due_us: u64, now_us: u64) -> u64 {
        match self.rhythm.suspect_us {
            Some(step_us) if self.suspect => {
                let earliest_us = (due_us + step_us).max(now_us + step_us.div_ceil(2));
                slot_from(due_us, step_us, earliest_us)
            }
            suspect_us => {
                let step_us = self.rhythm.interval_us;
                let half_us = step_us.div_ceil(2);
                // On the grid this is due + interval; off it (the first probe of a long
                // interval, the end of a suspicion) the way back to the grid is shorter.
                let shortest_us = suspect_us.unwrap_or(step_us).min(step_us).div_ceil(2);
                let missed = now_us > due_us + half_us;
                let from_now_us = if missed { now_us + half_us } else { now_us };
                let earliest_us = (due_us + shortest_us).max(from_now_us);
                slot_from(self.phase_us, step_us, earliest_us)
            }
        }
    }
}

/// The first of `base_us + k × step_us` (k of either sign) that is not before `earliest_us`.
fn slot_from(base_us: u64, step_us: u64, earliest_us: u64) -> u64 {
    if earliest_us >= base_us {
        base_us + (earliest_us - base_us).div_ceil(step_us) * step_us
    } else {
        base_us - (base_us - earliest_us) / step_us * step_us
    }
}

/// `share / 2^64 × whole`.
fn mul_shift(share: u64, whole: u64) -> u64 {
    let product = u128::from(share) * u128::from(whole);
    u64::try_from(product >> 64).expect("a share is less than the whole")
}
