//! The ledger of one evaluation: proposals made, operations charged for windows, lines reached,
//! and, where that is wanted, statements that ran.
//!
//! Registered functions hold the ledger; [`super::running`] opens it before and reads it after a
//! call. It holds no view, so nothing of the state outlives the call.

use crate::{
    failover::lens::Lens,
    policy::limits::{OPERATIONS, RESULTS_PER_OPERATION},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
};

/// What the registered functions note of one evaluation. A clone is the same ledger.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Rc<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// The line of each proposal, in the order in which they were made.
    made: RefCell<Vec<u32>>,
    charged: Cell<u64>,
    /// Statements that ran, by number, each once.
    ran: RefCell<BTreeSet<usize>>,
    /// Whom to tell the line that reads a fact; only a tracing engine does.
    lens: RefCell<Option<Rc<Lens>>>,
}

impl Ledger {
    /// Facts are read through `lens` from now on, or through none.
    pub(super) fn trace(&self, lens: Option<Rc<Lens>>) {
        *self.0.lens.borrow_mut() = lens;
    }

    /// The script is at a line, about to read a fact.
    pub(super) fn at_line(&self, line: u32) {
        if let Some(lens) = &*self.0.lens.borrow() {
            lens.at_line(line);
        }
    }

    /// A fresh page for the next evaluation.
    pub(super) fn open(&self) {
        self.0.made.borrow_mut().clear();
        self.0.charged.set(0);
        self.0.ran.borrow_mut().clear();
    }

    /// Notes a statement that runs.
    pub(super) fn runs(&self, number: usize) {
        self.0.ran.borrow_mut().insert(number);
    }

    /// Statements that ran.
    pub(super) fn ran(&self) -> BTreeSet<usize> {
        self.0.ran.borrow().clone()
    }

    /// Notes a proposal made at a line; returns its number.
    pub(super) fn made(&self, line: u32) -> usize {
        let mut made = self.0.made.borrow_mut();
        made.push(line);
        made.len() - 1
    }

    /// The line of the first proposal that was made and is not number `returned`.
    pub(super) fn dropped(&self, returned: Option<usize>) -> Option<u32> {
        let made = self.0.made.borrow();
        let mut others = made.iter().enumerate();
        others.find_map(|(number, &line)| (Some(number) != returned).then_some(line))
    }

    /// Charges a look through `results`; false once that alone is more than an evaluation may do.
    pub(super) fn charge(&self, results: usize) -> bool {
        let results = u64::try_from(results).unwrap_or(u64::MAX);
        let charged = self.0.charged.get() + results.div_ceil(RESULTS_PER_OPERATION);
        self.0.charged.set(charged);
        charged <= OPERATIONS
    }

    /// Operations charged for windows.
    pub(super) fn charged(&self) -> u64 {
        self.0.charged.get()
    }

    /// Lines of all proposals made.
    pub(super) fn lines(&self) -> Vec<u32> {
        self.0.made.borrow().clone()
    }
}
