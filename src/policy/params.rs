//! Parameters: the top-level constants of a policy, and the values that a service gives them.
//!
//! A parameter is an int, string or bool literal, or arithmetic on the time units. Anything else
//! at the top level is refused: a constant that is computed from a parameter would not follow it.

use super::{
    diagnose::{Findings, suggestion},
    engine::UNITS,
};
use crate::model::{Param, Params, duration::parse_ms};
use rhai::{AST, ASTFlags, Expr, Position, Stmt};
use std::collections::BTreeMap;

/// A parameter as the script declares it.
#[derive(Clone, Debug)]
pub(super) struct Knob {
    pub(super) position: Position,
    pub(super) default: Param,
    /// Whether it is written as a number without a unit.
    pub(super) bare: bool,
}

/// All parameters of a script, by name.
pub(super) type Knobs = BTreeMap<String, Knob>;

/// Reads the top level of a tree that was not optimized.
pub(super) fn knobs(tree: &AST, findings: &mut Findings<'_>) -> Knobs {
    let mut knobs = Knobs::new();
    for statement in tree.statements() {
        match statement {
            Stmt::Var(declared, flags, _) if flags.contains(ASTFlags::CONSTANT) => {
                let (name, value) = (&declared.0, &declared.1);
                knob(&mut knobs, name.name.as_str(), name.pos, value, findings);
            }
            Stmt::Noop(_) => {}
            other => findings.error(
                other.position(),
                "only constants and functions stand outside functions",
            ),
        }
    }
    knobs
}

fn knob(
    knobs: &mut Knobs,
    name: &str,
    position: Position,
    value: &Expr,
    findings: &mut Findings<'_>,
) {
    if unit(name).is_some() {
        findings.error(
            position,
            format!("{name} is a unit of time; choose another name"),
        );
        return;
    }
    if let Some(known) = knobs.get(name) {
        let line = known.position.line().unwrap_or(0);
        findings.error(
            position,
            format!("{name} is declared at line {line} already"),
        );
        return;
    }
    let known = knobs.keys().map(String::as_str);
    let default = evaluate(value, &unit).map_err(|refusal| refusal.say(name, known));
    let default = default.unwrap_or_else(|(at, message)| {
        findings.error(at, message);
        Param::Int(0)
    });
    let bare = matches!(value, Expr::IntegerConstant(..));
    let knob = Knob {
        position,
        default,
        bare,
    };
    knobs.insert(name.to_owned(), knob);
}

/// The value of a time unit.
pub(super) fn unit(name: &str) -> Option<Param> {
    let found = UNITS.iter().find(|(unit, _)| *unit == name);
    found.map(|(_, ms)| Param::Int(*ms))
}

/// Why an expression has no value at load time.
pub(super) enum Refusal {
    /// It names something that `known` does not.
    Unknown(String, Position),
    /// It is no literal and no arithmetic.
    Other(Position),
    /// Its value is no 64-bit number.
    Overflow(Position),
}

impl Refusal {
    /// What is wrong with the constant `name`, and where.
    fn say<'k>(self, name: &str, known: impl Iterator<Item = &'k str>) -> (Position, String) {
        match self {
            Self::Unknown(other, at) if { known }.any(|known| known == other) => (
                at,
                format!(
                    "{name} refers to the parameter {other} and would not follow it; compute it in a function"
                ),
            ),
            Self::Unknown(other, at) => {
                let near = suggestion(&other, UNITS.iter().map(|(unit, _)| *unit));
                (at, format!("unknown constant '{other}'{near}"))
            }
            Self::Other(at) => (
                at,
                format!(
                    "{name} must be an int, a string, a bool, or arithmetic on SECOND MINUTE HOUR DAY"
                ),
            ),
            Self::Overflow(at) => (at, format!("{name} is beyond 64 bits")),
        }
    }
}

/// The value of a literal, of a known name, or of arithmetic on these.
pub(super) fn evaluate(
    expression: &Expr,
    known: &dyn Fn(&str) -> Option<Param>,
) -> Result<Param, Refusal> {
    let position = expression.position();
    match expression {
        Expr::IntegerConstant(value, _) => Ok(Param::Int(*value)),
        Expr::BoolConstant(value, _) => Ok(Param::Bool(*value)),
        Expr::StringConstant(value, _) => Ok(Param::Text(value.to_string())),
        Expr::Variable(variable, ..) => {
            let name = variable.1.as_str();
            known(name).ok_or_else(|| Refusal::Unknown(name.to_owned(), position))
        }
        Expr::FnCall(call, _) if call.is_operator_call() => {
            let mut numbers = Vec::new();
            for argument in &call.args {
                match evaluate(argument, known)? {
                    Param::Int(value) => numbers.push(value),
                    Param::Bool(_) | Param::Text(_) => return Err(Refusal::Other(position)),
                }
            }
            let value = match (call.name.as_str(), numbers.as_slice()) {
                ("-", [a]) => a.checked_neg(),
                ("+", [a]) => Some(*a),
                ("+", [a, b]) => a.checked_add(*b),
                ("-", [a, b]) => a.checked_sub(*b),
                ("*", [a, b]) => a.checked_mul(*b),
                ("/", [a, b]) => a.checked_div(*b),
                ("%", [a, b]) => a.checked_rem(*b),
                _ => return Err(Refusal::Other(position)),
            };
            value.map(Param::Int).ok_or(Refusal::Overflow(position))
        }
        _ => Err(Refusal::Other(position)),
    }
}

/// The values in force: the defaults under a service's overrides.
pub(super) fn settle(knobs: &Knobs, overrides: &Params, findings: &mut Findings<'_>) -> Params {
    let defaults = knobs.iter();
    let mut values: Params = defaults
        .map(|(name, knob)| (name.clone(), knob.default.clone()))
        .collect();
    for (name, value) in overrides {
        let Some(knob) = knobs.get(name) else {
            let near = suggestion(name, knobs.keys().map(String::as_str));
            let file = findings.file();
            findings.param_error(name, format!("{file} has no parameter {name}{near}"));
            continue;
        };
        match convert(&knob.default, value) {
            Ok(value) => {
                values.insert(name.clone(), value);
            }
            Err(wanted) => findings.param_error(name, format!("{name} is {wanted}, not {value}")),
        }
    }
    values
}

/// A value of the type of `default`; a duration serves where an int does.
fn convert(default: &Param, value: &Param) -> Result<Param, &'static str> {
    match (default, value) {
        (Param::Int(_), Param::Text(text)) => parse_ms(text)
            .map(Param::Int)
            .map_err(|_| "an int or a duration such as \"10m\""),
        (Param::Int(_), Param::Int(_))
        | (Param::Bool(_), Param::Bool(_))
        | (Param::Text(_), Param::Text(_)) => Ok(value.clone()),
        (Param::Int(_), Param::Bool(_)) => Err("an int or a duration such as \"10m\""),
        (Param::Bool(_), _) => Err("true or false"),
        (Param::Text(_), _) => Err("a string"),
    }
}
