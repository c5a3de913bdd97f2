//! Response rate limiting: how many answers about the same a network gets.
//!
//! A token bucket for each network and subject, in a table of fixed size: what is asked by forged
//! addresses may push others out, which then start anew, but takes no memory. Does not know
//! messages nor clocks. Contract: allocates nothing after it was made; at most four buckets are
//! looked at; a valid cookie is its caller's to respect.

use super::{
    clock::Clock,
    fast::Subject,
    network::{NETWORK_OCTETS, network_of},
};
use crate::model::RateLimit;
use siphasher::sip::SipHasher13;
use std::net::IpAddr;

/// Buckets that a network and subject may be in: those of one line of the processor's cache.
const WAYS: usize = 4;
/// 512 KiB for each thread.
const SETS: usize = 1 << 13;
/// A bucket gains its network's answers per second with each millisecond, so that an answer costs
/// so much, times the threads that share it: nothing is ever rounded.
const ANSWER_COST: u32 = 1_000;
/// So many answers per second are as good as no limit, and can be counted.
const MAX_PER_SECOND: u32 = 1_000_000;
/// As many as a configuration may ask for.
const MAX_THREADS: u32 = 256;

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is sent.
    Send,
    /// A truncated one is sent in its place.
    Slip,
    /// Nothing is sent.
    Drop,
}

/// What is left for one network and subject.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Whose it is; 0 is nobody's.
    tag: u32,
    /// When it was filled last, ms of the thread's clock, which wraps.
    filled_ms: u32,
    /// What it holds.
    left: u32,
    /// Answers that were refused since it was full.
    refused: u32,
}

/// The buckets of one thread.
pub(super) struct Limiter {
    hasher: SipHasher13,
    sets: Box<[[Bucket; WAYS]]>,
    /// What an answer costs.
    cost: u32,
}

impl Limiter {
    /// `key` is secret: nobody can choose whose buckets to push out. `threads` share a limit: the
    /// kernel spreads a network's queries over them.
    pub(super) fn new(key: [u8; 16], threads: u32) -> Self {
        Self {
            hasher: SipHasher13::new_with_key(&key),
            sets: vec![[Bucket::default(); WAYS]; SETS].into(),
            cost: ANSWER_COST * threads.clamp(1, MAX_THREADS),
        }
    }

    /// What becomes of an answer to `source` about `subject`.
    pub(super) fn judge(
        &mut self,
        limit: &RateLimit,
        source: IpAddr,
        subject: Subject,
        clock: &Clock,
    ) -> Verdict {
        let is_exempt = || limit.exempt.iter().any(|network| network.contains(source));
        if limit.per_second == 0 || is_exempt() {
            Verdict::Send
        } else {
            self.take(limit, source, subject, clock.now_ms())
        }
    }

    /// Takes one answer to `source` about `subject` out of its bucket at `now_ms`.
    fn take(
        &mut self,
        limit: &RateLimit,
        source: IpAddr,
        subject: Subject,
        now_ms: u32,
    ) -> Verdict {
        let hash = self.hasher.hash(&key(source, subject));
        #[allow(clippy::cast_possible_truncation)]
        let (place, tag) = (hash as usize % SETS, (hash >> 32) as u32 | 1);
        let per_second = limit.per_second.min(MAX_PER_SECOND);
        // A second's worth, and at least one answer.
        let full = (per_second * ANSWER_COST).max(self.cost);
        let bucket = bucket_of(&mut self.sets[place], tag, full, now_ms);
        bucket.fill(per_second, full, now_ms);
        if bucket.left >= self.cost {
            bucket.left -= self.cost;
            return Verdict::Send;
        }
        bucket.refused = bucket.refused.wrapping_add(1);
        if limit.slip > 0 && bucket.refused.is_multiple_of(limit.slip) {
            Verdict::Slip
        } else {
            Verdict::Drop
        }
    }
}

impl Bucket {
    fn fill(&mut self, per_second: u32, full: u32, now_ms: u32) {
        let passed_ms = now_ms.wrapping_sub(self.filled_ms);
        let gained = passed_ms.saturating_mul(per_second);
        self.left = self.left.saturating_add(gained).min(full);
        self.filled_ms = now_ms;
        if self.left == full {
            self.refused = 0;
        }
    }
}

/// The bucket with this tag, or a full one in place of the one that was idle for the longest.
fn bucket_of(set: &mut [Bucket; WAYS], tag: u32, full: u32, now_ms: u32) -> &mut Bucket {
    let idle_ms = |bucket: &Bucket| match bucket.tag {
        0 => u32::MAX,
        _ => now_ms.wrapping_sub(bucket.filled_ms),
    };
    let mut at = 0;
    for (index, bucket) in set.iter().enumerate() {
        if bucket.tag == tag {
            return &mut set[index];
        }
        if idle_ms(bucket) > idle_ms(&set[at]) {
            at = index;
        }
    }
    set[at] = Bucket {
        tag,
        filled_ms: now_ms,
        left: full,
        refused: 0,
    };
    &mut set[at]
}

/// What is hashed: the network, and what the answer is about.
fn key(source: IpAddr, subject: Subject) -> [u8; 16] {
    let mut key = [0; 16];
    let (network, what) = key.split_at_mut(NETWORK_OCTETS);
    network.copy_from_slice(&network_of(source));
    let (kind, about) = match subject {
        Subject::Name(hash) => (0, hash),
        Subject::Nothing(zone) => (1, zone),
        Subject::Referral(hash) => (2, hash),
        Subject::Error => (3, 0),
    };
    what.copy_from_slice(&about.to_le_bytes());
    key[0] |= kind << 1;
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(per_second: u32, slip: u32) -> RateLimit {
        RateLimit {
            per_second,
            slip,
            exempt: Vec::new(),
        }
    }

    fn sent(limiter: &mut Limiter, limit: &RateLimit, source: &str, now_ms: u32) -> bool {
        let source = source.parse().unwrap();
        limiter.take(limit, source, Subject::Name(7), now_ms) == Verdict::Send
    }

    #[test]
    fn a_network_gets_its_rate_and_a_burst_of_a_second() {
        for (threads, per_second) in [(1, 100), (4, 100), (3, 1), (1, 1), (2, 5)] {
            let mut limiter = Limiter::new([1; 16], threads);
            let limit = limit(per_second, 0);
            let share = (per_second / threads).max(1);
            let burst = (0..1_000).filter(|_| sent(&mut limiter, &limit, "192.0.2.1", 0));
            assert_eq!(u32::try_from(burst.count()).unwrap(), share);
            // 100 seconds in steps of a millisecond.
            let more = (1..=100_000).filter(|&ms| sent(&mut limiter, &limit, "192.0.2.9", ms));
            let expected = 100 * per_second / threads;
            let more = u32::try_from(more.count()).unwrap();
            assert!(
                more.abs_diff(expected) <= expected / 100 + 1,
                "{threads} {per_second}: {more} of {expected}"
            );
        }
    }

    #[test]
    fn networks_and_subjects_do_not_share() {
        let mut limiter = Limiter::new([2; 16], 1);
        let limit = limit(1, 0);
        for source in ["192.0.2.1", "192.0.3.1", "2001:db8::1", "2001:db8:0:100::1"] {
            let source: IpAddr = source.parse().unwrap();
            for subject in [
                Subject::Name(0),
                Subject::Name(1),
                Subject::Nothing(0),
                Subject::Referral(0),
                Subject::Error,
            ] {
                let mut take = || limiter.take(&limit, source, subject, 5);
                assert_eq!((take(), take()), (Verdict::Send, Verdict::Drop));
            }
        }
        let mut limiter = Limiter::new([3; 16], 1);
        assert!(sent(&mut limiter, &limit, "2001:db8::1", 5));
        assert!(!sent(&mut limiter, &limit, "2001:db8:0:ff::2", 5));
        assert!(sent(&mut limiter, &limit, "192.0.2.1", 5));
        assert!(!sent(&mut limiter, &limit, "192.0.2.255", 5));
    }

    #[test]
    fn every_so_manieth_refused_slips() {
        for (slip, expect) in [(0, 0), (1, 60), (2, 30), (3, 20)] {
            let mut limiter = Limiter::new([4; 16], 1);
            let limit = limit(1, slip);
            assert!(sent(&mut limiter, &limit, "192.0.2.1", 0));
            let verdicts = (0..60).map(|_| {
                let source = "192.0.2.1".parse().unwrap();
                limiter.take(&limit, source, Subject::Name(7), 0)
            });
            let slipped = verdicts.filter(|verdict| *verdict == Verdict::Slip);
            assert_eq!(slipped.count(), expect);
        }
    }

    #[test]
    fn a_flood_of_forged_networks_forgets_and_does_not_grow() {
        let mut limiter = Limiter::new([5; 16], 1);
        let limit = limit(1, 0);
        for network in 0..200_000_u32 {
            let source = IpAddr::from((network << 8).to_be_bytes());
            assert_eq!(
                limiter.take(&limit, source, Subject::Error, network / 1_000),
                Verdict::Send
            );
        }
    }
}
