//! Policies: Rhai scripts that propose what DNS should answer.
//!
//! A script is compiled and linted by [`Library::candidate`] and asked by the fold through
//! [`crate::failover::Policy`]. It reads [`crate::failover::ServiceView`] and nothing else, and
//! every limit that it runs under is counted, never timed, so that a replay decides as live did.
//!
//! This is the only module that knows Rhai.

mod api;
pub mod condition;
pub mod coverage;
mod diagnose;
mod engine;
mod fault;
mod ledger;
pub mod library;
pub mod limits;
mod lint;
mod load;
mod params;
mod running;
pub mod tracer;

pub use api::definitions;
pub use condition::{Figure, condition};
pub use coverage::Coverage;
pub use library::{Candidate, Library};
pub use tracer::{Traced, Tracer};

/// Version of the engine, for the journal.
pub const RHAI_VERSION: &str = "1.27.0";
/// Version of the API that scripts see.
pub const API_VERSION: u32 = 1;
/// The built-in policy, used where a service names none and where all else faults.
pub const BUILTIN_SOURCE: &str = include_str!("../../policies/failover.rhai");
