//! The schedule keeps its rhythm, whatever happens to its probes.

use proptest::prelude::*;
use sidestep::probe::schedule::{Fired, Rhythm, Schedule};

const SECOND_US: u64 = 1_000_000;

fn every(interval_us: u64) -> Rhythm {
    Rhythm {
        interval_us,
        suspect_us: None,
    }
}

proptest! {
    /// A sick runner wakes late and its probes take long: due times stay on the grid, two
    /// starts are half an interval apart, nothing overlaps and nothing is forgotten.
    #[test]
    fn due_times_keep_to_a_grid(
        seed: u64,
        interval_us in 1_u64..20 * SECOND_US,
        // In thousandths of the interval: how late it wakes, how long a probe takes.
        wakes in prop::collection::vec((0_u64..4_000, 0_u64..3_000), 2..60),
    ) {
        let mut schedule = Schedule::new(seed);
        schedule.insert(7, every(interval_us), 1_000);
        let mut started: Vec<(u64, u64)> = Vec::new();
        let mut now_us = 1_000;
        let mut over_us = None;
        for (late, takes) in wakes {
            let due_us = schedule.next_due_us().expect("a series is always due again");
            now_us = due_us.max(now_us) + interval_us * late / 1_000;
            if over_us.is_some_and(|over_us| over_us <= now_us) {
                schedule.landed(7, Some(true), now_us);
                over_us = None;
            }
            if let Some(fired) = schedule.fire(now_us) {
                prop_assert!(over_us.is_none(), "one in flight");
                started.push((fired.due_us, now_us));
                over_us = Some(now_us + interval_us * takes / 1_000);
            }
            prop_assert_eq!(schedule.fire(now_us), None, "no burst after a pause");
            prop_assert!(schedule.next_due_us() > Some(now_us));
        }
        prop_assert!(started[0].0 <= 1_000 + interval_us);
        for pair in started.windows(2).skip(1) {
            let ((due_us, at_us), (next_due_us, next_at_us)) = (pair[0], pair[1]);
            prop_assert_eq!((next_due_us - due_us) % interval_us, 0, "on the grid");
            prop_assert!(next_at_us - at_us >= interval_us / 2, "no bunching");
        }
    }

    /// Any number of series of one interval is spread over it evenly.
    #[test]
    fn phases_are_spread(seed: u64, count in 50_u64..2_000) {
        let mut schedule = Schedule::new(seed);
        for id in 0..count {
            schedule.insert(id, every(5 * SECOND_US), 0);
        }
        let mut tenths = [0; 10];
        for &(due_us, _) in schedule.due() {
            tenths[usize::try_from(due_us / (SECOND_US / 2)).unwrap()] += 1;
        }
        for tenth in tenths {
            prop_assert!((count / 10 - 3..=count / 10 + 3).contains(&tenth), "{tenths:?}");
        }
    }
}

/// Plays results at their due times and returns the steps between them in ms.
fn steps(rhythm: Rhythm, results: &str) -> Vec<u64> {
    let mut schedule = Schedule::new(0);
    schedule.insert(0, rhythm, 0);
    let mut starts_us = Vec::new();
    for result in results.chars() {
        let due_us = schedule.next_due_us().unwrap();
        assert_eq!(schedule.fire(due_us), Some(Fired { id: 0, due_us }));
        starts_us.push(due_us);
        let verdict = match result {
            '.' => Some(true),
            'x' => Some(false),
            _ => None,
        };
        schedule.landed(0, verdict, due_us + 50_000);
    }
    starts_us
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) / 1_000)
        .collect()
}

#[test]
fn doubt_quickens_until_five_equal_results() {
    let rhythm = Rhythm {
        interval_us: 5 * SECOND_US,
        suspect_us: Some(SECOND_US),
    };
    let cases: [(&str, &[u64]); 7] = [
        ("....", &[5_000; 3]),
        // The first result is bad: doubt, until the fifth.
        ("xxxxx", &[1_000; 4]),
        ("xxxxxxx", &[1_000, 1_000, 1_000, 1_000, 1_000, 5_000]),
        (".x.....", &[5_000, 1_000, 1_000, 1_000, 1_000, 1_000]),
        // No result is no news, neither way.
        (".-.-.", &[5_000; 4]),
        (
            ".x-xxxx.",
            &[5_000, 1_000, 1_000, 1_000, 1_000, 1_000, 5_000],
        ),
        // Off its grid, it comes back to it.
        (
            ".x.x......",
            &[
                5_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 3_000,
            ],
        ),
    ];
    for (results, expected) in cases {
        assert_eq!(steps(rhythm, results), expected, "{results}");
    }
    assert_eq!(steps(every(5 * SECOND_US), "..xx.."), [5_000; 5]);
}

#[test]
fn a_long_interval_has_its_first_result_soon() {
    for id in 0..100 {
        let mut schedule = Schedule::new(3);
        schedule.insert(id, every(3_600 * SECOND_US), 0);
        let due_us = schedule.next_due_us().unwrap();
        assert!(due_us <= 5 * SECOND_US);
        schedule.fire(due_us).unwrap();
        let next_us = schedule.next_due_us().unwrap();
        assert!(next_us <= due_us + 2 * 3_600 * SECOND_US);
    }
}

#[test]
fn what_is_removed_leaves_nothing() {
    let mut schedule = Schedule::new(1);
    for id in 0..10_000 {
        schedule.insert(id, every(SECOND_US), id);
        schedule.fire(id + SECOND_US);
        schedule.remove(id);
        schedule.landed(id, Some(false), id);
    }
    assert!(schedule.is_empty() && schedule.due().is_empty());
    assert_eq!(schedule.next_due_us(), None);
}
