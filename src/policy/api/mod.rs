//! The API of policies: every word, its parameters, its result and one sentence about it.
//!
//! Registration and documentation are one: a word cannot be registered without being described,
//! so the linter and `policies/api.d.rhai` know exactly what the engine knows.

mod list;
mod proposal;
mod registry;
mod service;
mod target;

pub(super) use proposal::Made;
pub use registry::definitions;
pub(super) use registry::{Entry, On, entries};

use super::ledger::Ledger;
use registry::Registry;
use rhai::{Dynamic, Engine, EvalAltResult, Position};

/// What a registered function returns where it can fault.
type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// Why a word of the API refused, in our own words.
#[derive(Clone, Debug)]
pub(super) struct Refusal(pub(super) String);

/// A refusal as Rhai's error; Rhai adds the place of the call.
fn fault(message: impl Into<String>) -> Box<EvalAltResult> {
    let refusal = Dynamic::from(Refusal(message.into()));
    Box::new(EvalAltResult::ErrorRuntime(refusal, Position::NONE))
}

/// Registers the whole API; returns what was registered. Where it is for `tracing`, words that
/// read facts tell the ledger their line first.
pub(super) fn register(engine: &mut Engine, ledger: &Ledger, tracing: bool) -> Vec<Entry> {
    let mut registry = Registry::new(engine, tracing.then(|| ledger.clone()));
    service::register(&mut registry);
    target::register(&mut registry, ledger);
    list::register(&mut registry);
    proposal::register(&mut registry, ledger);
    registry.into_entries()
}
