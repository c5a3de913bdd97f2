//! One version that can be asked: the compiled script and what Rhai keeps between calls.
//!
//! Function resolutions stay cached from call to call; nothing else does. Every call starts with
//! the counters at zero and an empty scope, and leaves no handle on the state behind.

use super::{
    api::Made,
    coverage::{Coverage, Place},
    fault,
    ledger::Ledger,
    limits::{COVERED, OPERATIONS},
};
use crate::failover::{PolicyFault, Proposal, ServiceView};
use rhai::{AST, ASTNode, Caches, Dynamic, Engine, EvalContext, Expr, GlobalRuntimeState, Scope};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// A compiled version.
pub(super) struct Running {
    tree: AST,
    /// The line of `fn decide`: where a wrong return is reported.
    decide_line: u32,
    /// Lines that make a proposal.
    pub(super) deciding: BTreeSet<u32>,
    /// Those that made one while reached lines were recorded.
    pub(super) reached: RefCell<BTreeSet<u32>>,
    /// Where its statements are and which of them ran; `None` where it does not note them.
    statements: Option<(Vec<Place>, RefCell<BTreeSet<usize>>)>,
    /// Taken while a call runs: a panic leaves nothing half done behind.
    kept: Cell<Option<Box<Kept>>>,
    /// The most operations that one call took.
    pub(super) operations_max: Cell<u64>,
    /// Those of the last call.
    pub(super) operations_of_last: Cell<u64>,
}

/// What Rhai keeps between calls.
struct Kept {
    global: GlobalRuntimeState,
    caches: Caches,
    scope: Scope<'static>,
}

impl Running {
    pub(super) fn new(tree: AST, decide_line: u32, deciding: BTreeSet<u32>) -> Self {
        Self {
            tree,
            decide_line,
            deciding,
            reached: RefCell::default(),
            statements: None,
            kept: Cell::default(),
            operations_max: Cell::new(0),
            operations_of_last: Cell::new(0),
        }
    }

    /// The same, where the tree notes its statements, which are at these places.
    pub(super) fn covered(self, places: Vec<Place>) -> Self {
        Self {
            statements: Some((places, RefCell::default())),
            ..self
        }
    }

    /// Which statements ran so far; `None` where they are not noted.
    pub(super) fn coverage(&self) -> Option<Coverage> {
        let (places, ran) = self.statements.as_ref()?;
        let ran = ran.borrow();
        Some(Coverage::of(places, |number| ran.contains(&number)))
    }

    /// Every whole number in the tree: parameters are in place of their names.
    pub(super) fn numbers(&self) -> BTreeSet<i64> {
        let mut numbers = BTreeSet::new();
        self.tree.walk(&mut |path: &[ASTNode<'_>]| {
            if let Some(ASTNode::Expr(Expr::IntegerConstant(number, _))) = path.last() {
                numbers.insert(*number);
            }
            true
        });
        numbers
    }

    /// Calls `decide`.
    pub(super) fn decide(
        &self,
        engine: &Engine,
        ledger: &Ledger,
        service: ServiceView,
    ) -> Result<Proposal, PolicyFault> {
        ledger.open();
        let called = catch_unwind(AssertUnwindSafe(|| self.call(engine, ledger, service)));
        if let Some((_, ran)) = &self.statements {
            ran.borrow_mut().append(&mut ledger.ran());
        }
        called.unwrap_or_else(|_| {
            Err(PolicyFault {
                message: "the script engine panicked".to_owned(),
                line: self.decide_line,
            })
        })
    }

    fn call(
        &self,
        engine: &Engine,
        ledger: &Ledger,
        service: ServiceView,
    ) -> Result<Proposal, PolicyFault> {
        let mut kept = self.kept.take().unwrap_or_else(|| self.fresh(engine));
        let mut service = Dynamic::from(service);
        let result = EvalContext::new(
            engine,
            &mut kept.global,
            &mut kept.caches,
            &mut kept.scope,
            None,
        )
        .call_fn_raw("decide", false, false, &mut [&mut service]);
        drop(service);
        let operations = kept.global.num_operations + ledger.charged();
        kept.global.num_operations = 0;
        kept.global.level = 0;
        kept.global.scope_level = 0;
        kept.scope.clear();
        self.kept.set(Some(kept));
        self.operations_of_last.set(operations);
        self.operations_max
            .set(self.operations_max.get().max(operations));
        let returned = result.map_err(|error| {
            let mut fault = fault::of(&error);
            // Rhai keeps no place of a limit that `decide` itself exceeds.
            if fault.line == 0 {
                fault.line = self.decide_line;
            }
            fault
        })?;
        let allowed = match self.statements {
            Some(_) => OPERATIONS * COVERED,
            None => OPERATIONS,
        };
        if operations > allowed {
            return Err(PolicyFault {
                message: fault::too_many_operations(),
                line: self.decide_line,
            });
        }
        self.returned(ledger, returned)
    }

    /// What `decide` returned must be a proposal, and the only one that was made.
    fn returned(&self, ledger: &Ledger, returned: Dynamic) -> Result<Proposal, PolicyFault> {
        let given = fault::type_word(&returned);
        let Some(made) = returned.try_cast::<Made>() else {
            if let Some(line) = ledger.dropped(None) {
                return Err(not_returned(line));
            }
            let message =
                format!("decide returned {given}, not serve(), first_of(), serve_all() or hold()");
            return Err(PolicyFault {
                message,
                line: self.decide_line,
            });
        };
        match ledger.dropped(Some(made.number)) {
            Some(line) => Err(not_returned(line)),
            None => Ok(made.proposal),
        }
    }

    fn fresh(&self, engine: &Engine) -> Box<Kept> {
        let mut global = engine.new_global_runtime_state();
        global.lib.push(self.tree.shared_lib().clone());
        let mut caches = Caches::new();
        caches.push_fn_resolution_cache();
        Box::new(Kept {
            global,
            caches,
            scope: Scope::new(),
        })
    }
}

fn not_returned(line: u32) -> PolicyFault {
    PolicyFault {
        message: format!("the proposal made at line {line} was not returned"),
        line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        failover::{Input, Reload, State, step},
        model::{Config, Service, Target, Timestamp},
        policy::{Library, engine},
    };
    use std::sync::Arc;

    fn state(library: &Library) -> State {
        let target = serde_json::json!({"name": "a", "addresses": ["192.0.2.1"]});
        let target: Target = serde_json::from_value(target).unwrap();
        let service =
            serde_json::json!({"name": "www", "names": [], "targets": ["a"], "monitors": []});
        let service: Service = serde_json::from_value(service).unwrap();
        let config = Config {
            targets: [(target.name.clone(), target)].into(),
            services: [(service.name.clone(), service)].into(),
            ..Config::default()
        };
        let reload = Reload {
            by: "test".into(),
            config: Arc::new(config),
            policies: Vec::new(),
            zones: Vec::new(),
        };
        let mut state = State::default();
        step(&mut state, Timestamp(1), Input::Reload(reload), library);
        state
    }

    #[test]
    fn a_panic_is_a_fault_and_the_next_call_is_well() {
        let ledger = Ledger::default();
        let mut engine = engine::engine(&ledger);
        engine.register_fn("boom", |name: &str| assert_ne!(name, "a", "boom"));
        let source = "fn decide(service) {\n boom(service.recall(\"k\", service.active.name)); hold(\"x\") }";
        let tree = engine.compile(source).unwrap();
        let running = Running::new(tree, 1, BTreeSet::new());
        let quiet = "fn decide(service) { hold(\"well\") }";
        let well = Running::new(engine.compile(quiet).unwrap(), 1, BTreeSet::new());
        let library = Library::new();
        let state = state(&library);
        for _ in 0..2 {
            let fault = running.decide(&engine, &ledger, state.view("www").unwrap());
            assert_eq!(fault.unwrap_err().message, "the script engine panicked");
            let proposal = well.decide(&engine, &ledger, state.view("www").unwrap());
            assert_eq!(proposal.unwrap().reason, "well");
        }
    }
}
