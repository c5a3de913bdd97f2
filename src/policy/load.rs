//! Loading: from a source and a service's parameters to a version that can be asked.
//!
//! The source is parsed as written and linted; then it is compiled a second time with the
//! parameters as constants, which Rhai puts in place of their names, inside functions too.

use super::{
    coverage,
    diagnose::Findings,
    engine, limits,
    lint::{self, Linted},
    params,
    running::Running,
};
use crate::model::{Diagnostic, Param, Params, PolicyText, Service};
use rhai::Engine;
use std::{borrow::Cow, collections::BTreeSet};

/// What loading gives.
pub(super) struct Loaded {
    pub(super) running: Running,
    pub(super) windows_ms: i64,
    pub(super) params: Params,
    pub(super) warnings: Vec<Diagnostic>,
}

/// The engines that load: one runs what it compiled, the other only parses.
pub(super) struct Engines<'a> {
    pub(super) engine: &'a Engine,
    pub(super) parser: &'a Engine,
    /// Whether scripts note which statements run.
    pub(super) covers: bool,
}

/// Loads a source for a service.
pub(super) fn load(
    engines: &Engines<'_>,
    service: &Service,
    text: &PolicyText,
) -> Result<Loaded, Vec<Diagnostic>> {
    let mut findings = Findings::new(&text.name, &text.source);
    let loaded = compile(engines, service, &mut findings);
    let (errors, warnings) = findings.finish();
    match loaded {
        Some((running, linted, params)) if errors.is_empty() => Ok(Loaded {
            running,
            windows_ms: linted.windows_ms,
            params,
            warnings,
        }),
        _ => Err(errors),
    }
}

/// The names of a source's parameters.
pub(super) fn constants(parser: &Engine, text: &PolicyText) -> BTreeSet<String> {
    let mut findings = Findings::new(&text.name, &text.source);
    let tree = parser.compile(&*text.source);
    let knobs = tree.map(|tree| params::knobs(&tree, &mut findings));
    knobs.unwrap_or_default().into_keys().collect()
}

/// `None` where the findings have an error.
fn compile(
    engines: &Engines<'_>,
    service: &Service,
    findings: &mut Findings<'_>,
) -> Option<(Running, Linted, Params)> {
    let source = findings.source();
    if source.len() > limits::SOURCE_BYTES {
        let message = format!(
            "{} bytes; a policy has at most {}",
            source.len(),
            limits::SOURCE_BYTES
        );
        findings.error(rhai::Position::NONE, message);
        return None;
    }
    let tree = match engines.parser.compile(source) {
        Ok(tree) => tree,
        Err(error) => {
            findings.parse_error(&error);
            return None;
        }
    };
    let knobs = params::knobs(&tree, findings);
    let values = params::settle(&knobs, &service.params, findings);
    let linted = lint::lint(&tree, &knobs, &values, service, findings);
    drop(tree);
    if !findings.errors.is_empty() {
        return None;
    }
    let mut scope = engine::units();
    for (name, value) in &values {
        match value {
            Param::Int(value) => scope.push_constant(name.as_str(), *value),
            Param::Bool(value) => scope.push_constant(name.as_str(), *value),
            Param::Text(value) => scope.push_constant(name.as_str(), value.clone()),
        };
    }
    let (source, places) = if engines.covers {
        match coverage::noting(source) {
            Ok((text, places)) => (Cow::Owned(text), places),
            Err(why) => {
                let message = format!("its coverage cannot be measured: {why}");
                findings.error(rhai::Position::NONE, message);
                return None;
            }
        }
    } else {
        (Cow::Borrowed(source), Vec::new())
    };
    match engines.engine.compile_with_scope(&scope, &source) {
        Ok(tree) => {
            // Constants are in place; the statements that declared them never run.
            let running = Running::new(
                tree.clone_functions_only(),
                linted.decide_line,
                linted.deciding.clone(),
            );
            let running = if engines.covers {
                running.covered(places)
            } else {
                running
            };
            Some((running, linted, values))
        }
        Err(error) => {
            findings.parse_error(&error);
            None
        }
    }
}
