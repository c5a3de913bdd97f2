//! Chance from a seed: the same numbers on every machine, for ever.

use super::Labels;

/// A sequence of numbers (splitmix64).
#[derive(Clone, Debug)]
pub(in super::super) struct Chance(u64);

impl Chance {
    pub(in super::super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(in super::super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is at least 1.
    pub(in super::super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }

    /// True once in `times`.
    pub(in super::super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(in super::super) fn pick<'c, T>(&mut self, from: &'c [T]) -> &'c T {
        &from[self.below(from.len())]
    }

    /// The name with the case of its letters thrown.
    pub(in super::super) fn any_case(&mut self, name: &Labels) -> Labels {
        // Mostly as it is: a name whose case is mixed everywhere meets no compression.
        if !self.one_in(3) {
            return name.clone();
        }
        let mut name = name.clone();
        for octet in name.0.iter_mut().flatten() {
            if self.one_in(2) {
                octet.make_ascii_uppercase();
            }
        }
        name
    }
}
