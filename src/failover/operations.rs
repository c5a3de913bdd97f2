//! Operations: what the control interfaces need done. The daemon implements it, `control/` asks.
//!
//! No async here: every method says whether it may block, and `control/` calls those that may
//! from a thread that is allowed to. No method panics.

use super::{
    input::OperatorCommand,
    orders::{Force, OrderPlan, Ordered, Promotion},
    overview::{Metrics, Overview, ReloadReport},
};
use crate::model::ServiceName;
use std::{fmt, sync::Arc};

/// What control needs done.
pub trait Operations: Send + Sync + 'static {
    /// What operators are shown: a copy that may be up to 1 s old, older where the fold is busy,
    /// which an advisory says. Cheap; blocks for 1 s at most.
    fn overview(&self) -> Arc<Overview>;

    /// The same of one service, of this moment, with [`super::overview::DaemonPart::next`]
    /// filled in; where the fold does not answer in time as [`Operations::overview`]. May block
    /// until the daemon's own deadline, at most 10 s.
    ///
    /// # Errors
    /// No such service.
    fn overview_of(&self, service: &ServiceName) -> Result<Overview, OperationError>;

    /// Loads every file again and puts in force what is good. `by` is who asked. With
    /// `apply_pending`, a reload that waits for an operator is applied. Blocks until it is done.
    fn reload(&self, by: &str, apply_pending: bool) -> ReloadReport;

    /// What an order would do, were it given now; nothing changes. `force` is for a failback
    /// though the primary fails. May block as [`Operations::overview_of`].
    ///
    /// # Errors
    /// Unknown names, an order that makes no sense now, or the fold did not answer in time.
    fn plan(
        &self,
        order: &OperatorCommand,
        force: Option<Force>,
    ) -> Result<OrderPlan, OperationError>;

    /// Gives an order. Returns once it is answered by DNS and once it is durable, or cannot soon
    /// be. Blocks meanwhile, at most 10 s.
    ///
    /// # Errors
    /// As [`Operations::plan`]. Nothing was done, but where the fold did not answer in time.
    fn order(
        &self,
        order: &OperatorCommand,
        force: Option<Force>,
    ) -> Result<Ordered, OperationError>;

    /// Puts the text of a service's shadow in the place of its policy and reloads; with `dry_run`
    /// says what that would do. Blocks until it is done.
    ///
    /// # Errors
    /// No such service, no shadow, a policy that others use, files that are not what is in force
    /// or cannot be written, a text that would be refused. Nothing was changed.
    fn promote(
        &self,
        by: &str,
        reason: &str,
        service: &ServiceName,
        dry_run: bool,
    ) -> Result<Promotion, OperationError>;

    /// Counters since the start. Cheap and does not block.
    fn metrics(&self) -> Metrics;

    /// Whether the daemon works: the fold takes inputs. Cheap and does not block.
    ///
    /// # Errors
    /// Why it should be restarted, in one sentence.
    fn live(&self) -> Result<(), String>;

    /// Whether it answers: every listener is bound and the first answer table is published.
    /// Cheap and does not block.
    ///
    /// # Errors
    /// What is missing, in one sentence.
    fn ready(&self) -> Result<(), String>;
}

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationError {
    /// There is no such thing: one sentence that names it, and what may have been meant.
    NotFound(String),
    /// It makes no sense as things are, or needs force: one sentence. Nothing was done.
    Refused(String),
    /// The daemon could not do it now: one sentence.
    Unavailable(String),
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(why) | Self::Refused(why) | Self::Unavailable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for OperationError {}
