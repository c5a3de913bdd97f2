//! The decision: facts in, one function decides, one function applies.
//!
//! [`step`] takes one input and returns the events that follow; it asks policies and lets the
//! guard dispose. [`State::apply`] folds one event in and is the only place where a field of the
//! state changes. [`answers`] projects the state to what DNS serves; [`next_deadline`] says when
//! the fold wants a tick. Live, recovery and dry-run are this same fold with different ends.
//!
//! Nothing here has a clock, I/O, chance, hash order or floats, and nothing here knows Rhai: time
//! and every fact are arguments, a policy is the trait [`Policy`].
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_arithmetic,
    clippy::iter_over_hash_type
)]

pub mod again;
pub mod aggregate;
pub mod answers;
pub mod evaluate;
pub mod event;
mod guard;
pub mod hostname;
pub mod input;
mod isolation;
pub mod lens;
mod narrow;
pub mod operations;
pub mod orders;
pub mod overview;
pub mod policy;
mod reconfigure;
pub mod rehearsal;
pub mod serial;
pub mod series;
pub mod service_state;
pub mod shadow;
mod soundness;
pub mod state;
mod step;
pub mod target_state;
mod target_view;
mod target_windows;
pub mod view;

pub use answers::{AnswerTable, ServiceAnswer, answers};
pub use evaluate::Evaluation;
pub use event::{By, Decision, Event, Rail, What};
pub use input::{Command, Freshness, Input, Reload};
pub use narrow::narrowed;
pub use operations::{OperationError, Operations};
pub use overview::{Overview, overview};
pub use policy::{Action, Policy, PolicyFault, Proposal};
pub use state::{State, World};
pub use step::{next_deadline, step, step_numbered};
pub use view::{NoFigure, ServiceView, TargetView};
