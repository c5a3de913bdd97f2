//! The engine: Rhai with what a policy needs and nothing else.
//!
//! `Engine::new_raw` has no module resolver, prints nowhere and interns nothing. Left out on
//! purpose: `eval`, `import`, `Fn`, `call`, closures (operations of a callback are not counted by
//! Rhai 1.27), `print`, `debug`, `sleep`, `timestamp`, floats.

use super::{api, coverage::RAN, ledger::Ledger, limits};
use crate::model::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use rhai::{
    Engine, INT, OptimizationLevel, Scope,
    packages::{
        ArithmeticPackage, BasicIteratorPackage, BasicStringPackage, LogicPackage, Package,
    },
};

/// Time units that scripts can write.
pub(super) const UNITS: [(&str, i64); 4] = [
    ("SECOND", SECOND_MS),
    ("MINUTE", MINUTE_MS),
    ("HOUR", HOUR_MS),
    ("DAY", DAY_MS),
];

/// Words of Rhai that policies do without.
pub(super) const DISABLED: [&str; 12] = [
    "eval",
    "import",
    "export",
    "Fn",
    "call",
    "curry",
    "print",
    "debug",
    "is_def_var",
    "is_def_fn",
    "is_shared",
    "exit",
];

/// An engine for one thread.
pub(super) fn engine(ledger: &Ledger) -> Engine {
    with_api(ledger, false)
}

/// The same, telling the ledger's lens the line of each fact that is read: slower, and as strict.
pub(super) fn tracing(ledger: &Ledger) -> Engine {
    with_api(ledger, true)
}

fn with_api(ledger: &Ledger, tracing: bool) -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    api::register(&mut engine, ledger, tracing);
    for word in DISABLED {
        engine.disable_symbol(word);
    }
    limit(&mut engine);
    // Strict, and constants are put in place of their names.
    engine.set_strict_variables(true);
    engine.set_optimization_level(OptimizationLevel::Simple);
    engine
}

/// An engine whose scripts note which statements run. A call for each statement is allowed for,
/// so that none meets a limit that it does not meet without.
pub(super) fn covering(ledger: &Ledger) -> Engine {
    let mut engine = engine(ledger);
    let ledger = ledger.clone();
    engine.register_fn(RAN, move |number: INT| {
        if let Ok(number) = usize::try_from(number) {
            ledger.runs(number);
        }
    });
    engine.set_max_operations(limits::OPERATIONS * limits::COVERED);
    engine.set_max_expr_depths(2 * limits::NESTING, 2 * limits::NESTING);
    engine
}

/// An engine that only parses: the tree stays as written, unknown names are allowed.
pub(super) fn parser() -> Engine {
    let mut engine = Engine::new_raw();
    for word in DISABLED {
        engine.disable_symbol(word);
    }
    limit(&mut engine);
    engine.set_optimization_level(OptimizationLevel::None);
    engine
}

fn limit(engine: &mut Engine) {
    engine.set_allow_anonymous_fn(false);
    engine.set_fail_on_invalid_map_property(true);
    engine.set_max_operations(limits::OPERATIONS);
    // The call of `decide` from outside is a level too.
    engine.set_max_call_levels(limits::CALL_LEVELS + 1);
    engine.set_max_expr_depths(limits::NESTING, limits::NESTING);
    engine.set_max_variables(limits::VARIABLES);
    engine.set_max_functions(limits::FUNCTIONS);
    engine.set_max_string_size(limits::STRING_BYTES);
    engine.set_max_array_size(limits::LIST_ITEMS);
    engine.set_max_map_size(limits::MAP_ENTRIES);
}

/// The time units as constants.
pub(super) fn units() -> Scope<'static> {
    let mut scope = Scope::new();
    for (name, ms) in UNITS {
        scope.push_constant(name, ms);
    }
    scope
}
