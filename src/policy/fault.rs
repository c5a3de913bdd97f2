//! Faults: what goes wrong while a script runs, in our own words and with its line.

use super::{
    api::{Made, Refusal},
    limits,
};
use crate::failover::{PolicyFault, ServiceView, TargetView};
use rhai::{Dynamic, EvalAltResult, Position};

/// Longest part of a script's own text in a fault, characters.
const QUOTED: usize = 200;

/// The fault of an error, at the innermost line.
pub(super) fn of(error: &EvalAltResult) -> PolicyFault {
    let error = innermost(error);
    PolicyFault {
        message: message(error),
        line: line(error.position()),
    }
}

/// A line as proposals and faults count it: from 1, 0 unknown.
pub(super) fn line(position: Position) -> u32 {
    position
        .line()
        .and_then(|line| u32::try_from(line).ok())
        .unwrap_or(0)
}

pub(super) fn too_many_operations() -> String {
    let operations = limits::OPERATIONS;
    format!(
        "more than {},{:03} operations (an endless loop?)",
        operations / 1_000,
        operations % 1_000
    )
}

/// What a script calls a value: `a string`, `a list`.
pub(super) fn type_word(value: &Dynamic) -> &'static str {
    if value.is::<TargetView>() {
        "a target"
    } else if value.is::<ServiceView>() {
        "a service"
    } else if value.is::<Made>() {
        "a proposal"
    } else if value.is_unit() {
        "nothing"
    } else if value.is_int() {
        "an int"
    } else if value.is_bool() {
        "a bool"
    } else if value.is_string() {
        "a string"
    } else if value.is_array() {
        "a list"
    } else if value.is_map() {
        "a map"
    } else {
        "something else"
    }
}

fn innermost(error: &EvalAltResult) -> &EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => innermost(inner),
        other => other,
    }
}

fn message(error: &EvalAltResult) -> String {
    use EvalAltResult as E;
    match error {
        E::ErrorRuntime(thrown, _) if thrown.is::<Refusal>() => {
            let refusal = thrown.clone().try_cast::<Refusal>();
            refusal.map(|refusal| refusal.0).unwrap_or_default()
        }
        E::ErrorRuntime(thrown, _) => format!("throw: {}", quoted(&thrown.to_string())),
        E::ErrorTooManyOperations(_) | E::ErrorTerminated(..) => too_many_operations(),
        E::ErrorStackOverflow(_) => format!(
            "more than {} functions within each other (endless recursion?)",
            limits::CALL_LEVELS
        ),
        E::ErrorTooManyVariables(_) => format!("more than {} variables", limits::VARIABLES),
        E::ErrorDataTooLarge(what, _) => too_large(what),
        E::ErrorArithmetic(text, _) => arithmetic(text),
        E::ErrorFunctionNotFound(signature, _) => not_callable(signature),
        E::ErrorVariableNotFound(name, _) => format!("no variable '{}'", quoted(name)),
        E::ErrorPropertyNotFound(name, _) => format!("the map has no '{}'", quoted(name)),
        E::ErrorDotExpr(text, _) => lower(text),
        E::ErrorArrayBounds(0, index, _) => format!("no element {index} in an empty list"),
        E::ErrorArrayBounds(len, index, _) => format!("no element {index} in a list of {len}"),
        E::ErrorMismatchDataType(wanted, given, _) => {
            format!("needs {}, not {}", kind(wanted), kind(given))
        }
        E::ErrorFor(_) => "for goes through a list or a range".to_owned(),
        other => {
            let mut plain = other.to_string();
            if let Some(end) = plain.find(" (line ") {
                plain.truncate(end);
            }
            lower(&plain)
        }
    }
}

fn too_large(what: &str) -> String {
    if what.contains("string") {
        format!("a string longer than {} bytes", limits::STRING_BYTES)
    } else if what.contains("map") {
        format!("a map of more than {} entries", limits::MAP_ENTRIES)
    } else {
        format!("a list of more than {} elements", limits::LIST_ITEMS)
    }
}

fn arithmetic(text: &str) -> String {
    let text = lower(text);
    if text.ends_with(" 0") && (text.starts_with("division") || text.starts_with("modulo")) {
        return "division by zero".to_owned();
    }
    if text.contains("overflow") || text.contains("division by zero") {
        return "a number beyond 64 bits".to_owned();
    }
    text
}

/// `is_up (target, string)` → a sentence.
fn not_callable(signature: &str) -> String {
    let signature = signature.replace("&str | ImmutableString | String", "string");
    let Some((name, arguments)) = signature.split_once(" (") else {
        return format!("no function {}", quoted(&signature));
    };
    let arguments: Vec<&str> = arguments
        .trim_end_matches(')')
        .split(", ")
        .map(kind)
        .collect();
    match arguments.as_slice() {
        [a, b] if !name.starts_with(|first: char| first.is_ascii_alphabetic()) => {
            format!("{name} does not work between {a} and {b}")
        }
        _ => format!("{name} does not take ({})", arguments.join(", ")),
    }
}

fn kind(rhai: &str) -> &str {
    match rhai {
        "i64" | "INT" => "int",
        "()" => "nothing",
        "array" => "list",
        other => other,
    }
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).take(QUOTED).collect()
    })
}

fn quoted(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(QUOTED)
        .collect()
}
