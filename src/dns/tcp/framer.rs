//! From the octets of a TCP connection to DNS messages: each follows its length in two octets
//! (RFC 1035 section 4.2.2, RFC 7766 section 8).
//!
//! Does not know sockets, time or DNS. Contract: the same octets give the same messages however
//! they are split; nothing is held between messages; what is held grows with what came, never
//! with what a length promises.

/// What is held grows by at most so much beyond what came.
const STEP_OCTETS: usize = 4_096;

/// Takes octets as they come, gives messages as they become complete.
///
/// Holds at most one incomplete message (65,536 octets) and what was pushed since `message` last
/// gave `None`.
#[derive(Debug, Default)]
pub struct Framer {
    held: Vec<u8>,
    /// So many octets of `held` were given out.
    given: usize,
}

impl Framer {
    /// Holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what came next; any number of octets.
    pub fn push(&mut self, octets: &[u8]) {
        self.forget_given();
        let free = self.held.capacity() - self.held.len();
        if free < octets.len() {
            // Doubled while small, so that single octets cost little; then step by step.
            let more = self.held.len().min(STEP_OCTETS);
            self.held.reserve_exact(octets.len().max(more));
        }
        self.held.extend_from_slice(octets);
    }

    /// The next message, of 0 to 65,535 octets and without its length; `None` until it is complete.
    pub fn message(&mut self) -> Option<&[u8]> {
        let Some(end) = self.end() else {
            self.forget_given();
            if self.held.capacity() > self.held.len() + STEP_OCTETS {
                self.held.shrink_to_fit();
            }
            return None;
        };
        let start = self.given + 2;
        self.given = end;
        Some(&self.held[start..end])
    }

    /// Whether the next message has begun: octets are held that no message had.
    pub fn is_within_message(&self) -> bool {
        self.given < self.held.len()
    }

    /// Memory that is held, octets.
    pub fn held_octets(&self) -> usize {
        self.held.capacity()
    }

    /// Where in `held` the next message ends, once all of it came.
    fn end(&self) -> Option<usize> {
        let rest = &self.held[self.given..];
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        (rest.len() >= length).then_some(self.given + 2 + length)
    }

    fn forget_given(&mut self) {
        if self.given == self.held.len() {
            // Most connections wait between messages, and hold nothing then.
            self.held = Vec::new();
        } else {
            self.held.drain(..self.given);
        }
        self.given = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
        let mut octets = Vec::new();
        for message in messages {
            octets.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
            octets.extend(message);
        }
        octets
    }

    fn taken(framer: &mut Framer) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        while let Some(message) = framer.message() {
            messages.push(message.to_vec());
        }
        messages
    }

    #[test]
    fn nothing_is_held_between_messages_and_little_of_a_promise() {
        let mut framer = Framer::new();
        assert_eq!(framer.message(), None);
        assert_eq!(framer.held_octets(), 0);
        framer.push(&[0xff]);
        assert!(framer.is_within_message());
        framer.push(&[0xff, 1]);
        assert_eq!(framer.message(), None);
        assert!(framer.held_octets() < 16, "{framer:?}");
        for _ in 0..65_533 {
            framer.push(&[1]);
            assert_eq!(framer.message(), None);
            assert!(framer.held_octets() <= framer.held.len() + STEP_OCTETS);
        }
        framer.push(&[1, 0, 0, 0]);
        assert_eq!(framer.message().map(<[u8]>::len), Some(65_535));
        assert_eq!(framer.message(), Some(&[][..]));
        assert!(framer.is_within_message(), "half a length");
        assert_eq!(framer.message(), None);
        assert!(framer.held_octets() <= STEP_OCTETS);
        framer.push(&[0]);
        assert_eq!(framer.message(), Some(&[][..]));
        assert!(!framer.is_within_message());
        assert_eq!(framer.message(), None);
        assert_eq!(framer.held_octets(), 0);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_messages(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
            is_taken in any::<bool>(),
            unfinished in 0_usize..3,
        ) {
            let mut octets = framed(&messages);
            let whole = octets.len();
            octets.extend([[0, 7].as_slice(), &[0], &[]][unfinished]);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
            cuts.extend([0, octets.len()]);
            cuts.sort_unstable();
            let mut framer = Framer::new();
            let mut found = Vec::new();
            for pair in cuts.windows(2) {
                framer.push(&octets[pair[0]..pair[1]]);
                if is_taken {
                    found.extend(taken(&mut framer));
                }
            }
            found.extend(taken(&mut framer));
            prop_assert_eq!(found, messages);
            prop_assert_eq!(framer.is_within_message(), octets.len() > whole);
        }
    }
}
