//! Spans of time: [from, to), in order, apart from each other.

use crate::model::Timestamp;

/// Spans of time: [from, to), in order, apart from each other; the last may be open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    closed: Vec<(Timestamp, Timestamp)>,
    open: Option<Timestamp>,
}

impl Spans {
    /// Of these, in order and apart.
    pub fn of(closed: Vec<(Timestamp, Timestamp)>) -> Self {
        let mut spans = Self::default();
        for (from, to) in closed {
            spans.add(from, to);
        }
        spans
    }

    fn add(&mut self, from: Timestamp, to: Timestamp) {
        if from >= to {
            return;
        }
        match self.closed.last_mut() {
            Some(last) if last.1 >= from => last.1 = last.1.max(to),
            _ => self.closed.push((from, to)),
        }
    }

    /// Begins a span, where none is open.
    pub(super) fn open(&mut self, at: Timestamp) {
        self.open.get_or_insert(at);
    }

    /// Whether a span is open.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Ends the open span, where one is.
    pub(super) fn close(&mut self, at: Timestamp) {
        if let Some(from) = self.open.take() {
            self.add(from, at);
        }
    }

    /// The spans that are closed.
    pub fn all(&self) -> &[(Timestamp, Timestamp)] {
        &self.closed
    }

    /// Whether an instant lies in one.
    pub fn contains(&self, at: Timestamp) -> bool {
        let count = self.closed.partition_point(|(from, _)| *from <= at);
        self.closed[..count].last().is_some_and(|(_, to)| at < *to)
    }

    /// Those parts of them that are in [from, to).
    pub(super) fn within(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let first = self.closed.partition_point(|(_, end)| *end <= from);
        self.closed[first..]
            .iter()
            .take_while(move |(begin, _)| *begin < to)
            .map(move |(begin, end)| ((*begin).max(from), (*end).min(to)))
    }

    /// How much of [from, to) they cover, ms.
    pub fn within_ms(&self, from: Timestamp, to: Timestamp) -> i64 {
        self.within(from, to)
            .map(|(begin, end)| end.since_ms(begin))
            .sum()
    }

    /// Where either is.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        combine(&[self, other], |inside| inside >= 1)
    }

    /// Where both are.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        combine(&[self, other], |inside| inside == 2)
    }
}

/// Where so many of `all` are that `holds`.
fn combine(all: &[&Spans], holds: impl Fn(usize) -> bool) -> Spans {
    let mut edges: Vec<(Timestamp, bool)> = Vec::new();
    for spans in all {
        for &(from, to) in &spans.closed {
            edges.extend([(from, true), (to, false)]);
        }
    }
    edges.sort_unstable();
    let (mut inside, mut found) = (0_usize, Spans::default());
    for (index, &(at, begins)) in edges.iter().enumerate() {
        inside = if begins {
            inside + 1
        } else {
            inside.saturating_sub(1)
        };
        if edges.get(index + 1).is_some_and(|next| next.0 == at) {
            continue;
        }
        if holds(inside) {
            found.open(at);
        } else {
            found.close(at);
        }
    }
    found
}

/// Where a majority, ⌊n/2⌋+1, of the n vantages that know say that it is down: pairs of when a
/// vantage knew and when it said so.
pub(super) fn majority(vantages: &[(Spans, Spans)]) -> Spans {
    let mut edges: Vec<(Timestamp, i64, i64)> = Vec::new();
    for (known, down) in vantages {
        for &(from, to) in &known.closed {
            edges.extend([(from, 1, 0), (to, -1, 0)]);
        }
        for &(from, to) in &down.closed {
            edges.extend([(from, 0, 1), (to, 0, -1)]);
        }
    }
    edges.sort_unstable();
    let (mut known, mut down, mut found) = (0, 0, Spans::default());
    for (index, &(at, knows, says)) in edges.iter().enumerate() {
        (known, down) = (known + knows, down + says);
        if edges.get(index + 1).is_some_and(|next| next.0 == at) {
            continue;
        }
        if down * 2 > known && down > 0 {
            found.open(at);
        } else {
            found.close(at);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(i64, i64)]) -> Spans {
        Spans::of(
            pairs
                .iter()
                .map(|&(from, to)| (Timestamp(from), Timestamp(to)))
                .collect(),
        )
    }

    #[test]
    fn spans_are_joined_cut_and_measured() {
        let a = spans(&[(0, 10), (20, 30)]);
        let b = spans(&[(5, 25), (30, 40)]);
        assert_eq!(a.or(&b), spans(&[(0, 40)]));
        assert_eq!(a.and(&b), spans(&[(5, 10), (20, 25)]));
        assert_eq!(a.within_ms(Timestamp(5), Timestamp(22)), 7);
        assert_eq!(a.within_ms(Timestamp(10), Timestamp(20)), 0);
        assert!(a.contains(Timestamp(0)) && !a.contains(Timestamp(10)));
    }

    #[test]
    fn a_majority_of_those_that_know_decides() {
        let always = spans(&[(0, 100)]);
        let one = (always.clone(), spans(&[(10, 50)]));
        let two = (always, spans(&[(20, 60)]));
        let well = (spans(&[(0, 30)]), Spans::default());
        assert_eq!(majority(std::slice::from_ref(&one)), spans(&[(10, 50)]));
        assert_eq!(majority(&[one.clone(), two.clone()]), spans(&[(20, 50)]));
        // The third is silent from 30 on, and it takes both of the others all the same.
        assert_eq!(
            majority(&[one.clone(), two, well.clone()]),
            spans(&[(20, 50)])
        );
        assert_eq!(majority(&[one, well]), spans(&[(30, 50)]));
    }
}
