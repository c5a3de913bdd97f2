//! Conditions on figures, such as `flaps > 0 || down_served_ms > recorded.down_served_ms + 60000`:
//! one expression in the language of policies, over numbers that the caller names.

use super::{engine, limits};
use rhai::{Dynamic, Engine, Map, Scope};
use std::collections::BTreeMap;

/// What a condition can name: a number, a group of them, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figure {
    /// A number.
    Int(i64),
    /// Numbers by name: `recorded.flaps`.
    Group(BTreeMap<String, Self>),
    /// There is none: every comparison with it but `!=` is false.
    None,
}

impl Figure {
    fn value(&self) -> Dynamic {
        match self {
            Self::Int(number) => (*number).into(),
            Self::Group(group) => {
                let entries = group
                    .iter()
                    .map(|(name, one)| (name.as_str().into(), one.value()));
                entries.collect::<Map>().into()
            }
            Self::None => Dynamic::UNIT,
        }
    }
}

/// Whether a condition holds.
///
/// # Errors
/// What is wrong with it, in a sentence with its column.
pub fn condition(text: &str, figures: &BTreeMap<String, Figure>) -> Result<bool, String> {
    let mut engine = engine::engine(&super::ledger::Ledger::default());
    engine.set_max_operations(limits::OPERATIONS);
    // An optimised group answers for names that it does not have.
    engine.set_optimization_level(rhai::OptimizationLevel::None);
    comparisons(&mut engine);
    let mut scope = Scope::new();
    for (name, figure) in figures {
        scope.push_constant_dynamic(name.as_str(), figure.value());
    }
    let names: Vec<&str> = figures.keys().map(String::as_str).collect();
    let wrong = |error: &dyn std::fmt::Display| {
        format!(
            "the condition '{text}' cannot be read: {error}; it can name {}",
            names.join(", ")
        )
    };
    let tree = engine
        .compile_expression_with_scope(&scope, text)
        .map_err(|error| wrong(&error))?;
    let value: Dynamic = engine
        .eval_ast_with_scope(&mut scope, &tree)
        .map_err(|error| wrong(&error))?;
    value
        .as_bool()
        .map_err(|kind| format!("the condition '{text}' is no yes or no but a {kind}"))
}

/// A figure that is not there compares as false.
fn comparisons(engine: &mut Engine) {
    for word in ["<", "<=", ">", ">="] {
        engine.register_fn(word, |(): (), _: i64| false);
        engine.register_fn(word, |_: i64, (): ()| false);
        engine.register_fn(word, |(): (), (): ()| false);
    }
    for word in ["+", "-"] {
        engine.register_fn(word, |(): (), _: i64| ());
        engine.register_fn(word, |_: i64, (): ()| ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> BTreeMap<String, Figure> {
        let recorded = [
            ("flaps".to_owned(), Figure::Int(2)),
            ("max".to_owned(), Figure::None),
        ];
        [
            ("flaps".to_owned(), Figure::Int(3)),
            ("recorded".to_owned(), Figure::Group(recorded.into())),
        ]
        .into()
    }

    #[test]
    fn conditions_compare_figures() {
        for (text, holds) in [
            ("flaps > 0", true),
            ("flaps > recorded.flaps + 1", false),
            ("flaps > 9 || recorded.flaps == 2", true),
            ("recorded.max > 5", false),
            ("recorded.max + 5 <= flaps", false),
        ] {
            assert_eq!(condition(text, &figures()), Ok(holds), "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_said() {
        for (text, part) in [
            ("flips > 0", "it can name flaps, recorded"),
            ("flaps +", "cannot be read"),
            ("flaps", "is no yes or no but a i64"),
            ("while true {}", "cannot be read"),
            ("recorded.flips > 0", "cannot be read"),
        ] {
            let why = condition(text, &figures()).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
