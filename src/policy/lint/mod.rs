//! The linter: what can be known to be wrong before a script runs.
//!
//! It reads the tree as written. Where the kind of a value is known (`service.active` is a
//! target) its members are checked against that kind, elsewhere against all kinds.

mod calls;
mod ends;
mod vocabulary;
mod walk;

use super::{
    diagnose::{Findings, suggestion},
    engine::UNITS,
    params::Knobs,
};
use crate::model::{Params, Service};
use rhai::{AST, ASTNode, Position};
use std::collections::{BTreeMap, BTreeSet};
use vocabulary::Vocabulary;
use walk::{Kind, Walker};

/// What the linter learned beside its findings.
pub(super) struct Linted {
    /// The line of `fn decide`.
    pub(super) decide_line: u32,
    /// Lines that make a proposal.
    pub(super) deciding: BTreeSet<u32>,
    /// The longest constant window, ms; 0 for none.
    pub(super) windows_ms: i64,
}

/// The functions of a script: each name with its numbers of parameters.
type Functions = BTreeMap<String, BTreeSet<usize>>;

/// Lints a script for one service.
pub(super) fn lint(
    tree: &AST,
    knobs: &Knobs,
    values: &Params,
    service: &Service,
    findings: &mut Findings<'_>,
) -> Linted {
    let words = Vocabulary::new();
    let source = findings.source();
    let mut functions = Functions::new();
    for function in tree.iter_functions() {
        let arities = functions.entry(function.name.to_owned()).or_default();
        arities.insert(function.params.len());
    }
    let decide_line = signatures(tree, &functions, knobs, &words, findings);
    let mut walker = Walker::new(&words, &functions, knobs, values, service, findings);
    // In the order of the source: what Rhai keeps is in the order of hashes.
    let mut ordered: Vec<_> = tree.iter_functions().collect();
    ordered.sort_by_key(|function| {
        (
            function_offset(source, function.name),
            function.params.len(),
        )
    });
    for function in ordered {
        let kind = match function.name {
            "decide" => Kind::Service,
            _ => Kind::Unknown,
        };
        walker.enter(function.name, &function.params, kind);
        let (name, arity) = (function.name, function.params.len());
        let mut alone = tree.clone_functions_only();
        alone.retain_functions(|_, _, other, params| other == name && params == arity);
        walk_body(name, &alone, &mut walker);
    }
    let (used, deciding, windows_ms) = walker.leave();
    for (name, knob) in knobs {
        if !used.contains(name) {
            findings.warning(knob.position, format!("the parameter {name} is not used"));
        }
    }
    Linted {
        decide_line,
        deciding,
        windows_ms,
    }
}

/// Walks the statements of a tree with one function; the value of the last is returned.
fn walk_body(name: &str, alone: &AST, walker: &mut Walker<'_, '_>) {
    let mut statements = 0;
    alone.walk(&mut |path: &[ASTNode<'_>]| {
        statements += usize::from(path.len() == 1);
        true
    });
    let mut seen = 0;
    alone.walk(&mut |path: &[ASTNode<'_>]| {
        if let [ASTNode::Stmt(statement)] = path {
            seen += 1;
            walker.statement(statement, seen == statements);
            if seen == statements
                && let Some(position) = ends::without_value(statement)
                && name == "decide"
            {
                let message = "decide can end here without a proposal; end it with hold(...)";
                walker.findings.warning(position, message);
            }
        }
        true
    });
}

/// Checks `decide` and the names of functions and parameters; returns the line of `decide`.
fn signatures(
    tree: &AST,
    functions: &Functions,
    knobs: &Knobs,
    words: &Vocabulary,
    findings: &mut Findings<'_>,
) -> u32 {
    let source = findings.source();
    match functions.get("decide") {
        None => {
            let near = suggestion("decide", functions.keys().map(String::as_str));
            let message = format!("there is no function decide(service){near}");
            findings.error(Position::NONE, message);
        }
        Some(arities) if !arities.contains(&1) => {
            let arity = arities.first().copied().unwrap_or(0);
            let message = format!("decide takes one parameter, the service, not {arity}");
            findings.error_at(function_offset(source, "decide"), message);
        }
        Some(_) => {}
    }
    for function in tree.iter_functions() {
        let offset = function_offset(source, function.name);
        if words.makes_proposal(function.name) {
            let message = format!(
                "'{}' is a word of the API; choose another name",
                function.name
            );
            findings.error_at(offset, message);
        }
        for parameter in &function.params {
            if constant(parameter, knobs) {
                let within = source.get(offset..).unwrap_or_default();
                let behind = word_offset(within, parameter).unwrap_or(0);
                findings.error_at(offset + behind, shadows(parameter));
            }
        }
    }
    let before = source
        .get(..function_offset(source, "decide"))
        .unwrap_or_default();
    u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX)
}

/// Whether a name is a parameter of the policy or a unit of time.
fn constant(name: &str, knobs: &Knobs) -> bool {
    knobs.contains_key(name) || UNITS.iter().any(|(unit, _)| *unit == name)
}

/// Rhai would put the constant's value in place of the variable.
fn shadows(name: &str) -> String {
    format!("'{name}' is a constant of this policy; choose another name")
}

/// Where the name of a function stands behind its `fn`; 0 where it is not found.
fn function_offset(source: &str, name: &str) -> usize {
    let mut from = 0;
    while let Some(found) = source.get(from..).and_then(|rest| word_offset(rest, name)) {
        let at = from + found;
        if source[..at].trim_end().ends_with("fn")
            && source[at + name.len()..].trim_start().starts_with('(')
        {
            return at;
        }
        from = at + name.len();
    }
    0
}

/// Where a whole word stands.
fn word_offset(text: &str, word: &str) -> Option<usize> {
    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices(word)
        .map(|(at, _)| at)
        .find(|&at| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}
