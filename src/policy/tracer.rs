//! The tracer: one policy version, asked again with every fact noted that it reads.
//!
//! It has an engine of its own, so that the engine that decides pays nothing for it. Both run the
//! same text under the same limits; where nothing is supposed, both propose the same.

use super::{engine, ledger::Ledger, load, running::Running};
use crate::{
    failover::{
        PolicyFault, Proposal, ServiceView,
        lens::{Lens, Read, Suppositions},
    },
    model::{Diagnostic, Params, PolicyText, PolicyVersion, Service},
};
use rhai::Engine;
use std::{collections::BTreeSet, rc::Rc};

/// One version of a policy under a lens.
pub struct Tracer {
    engine: Engine,
    ledger: Ledger,
    running: Running,
    version: PolicyVersion,
    params: Params,
    numbers: BTreeSet<i64>,
}

/// What a policy proposed, and what it read before it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// What it proposed, or why it could not.
    pub proposal: Result<Proposal, PolicyFault>,
    /// The facts, each with each comparison once, in order.
    pub reads: Vec<Read>,
}

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracer")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Tracer {
    /// Compiles and lints a source with the parameters of a service.
    ///
    /// # Errors
    /// Everything that refuses it, as [`super::Library::candidate`] says.
    pub fn new(service: &Service, text: &PolicyText) -> Result<Self, Vec<Diagnostic>> {
        let ledger = Ledger::default();
        let engine = engine::tracing(&ledger);
        let engines = load::Engines {
            engine: &engine,
            parser: &engine::parser(),
            covers: false,
        };
        let loaded = load::load(&engines, service, text)?;
        Ok(Self {
            version: PolicyVersion::of(&text.source, &service.params),
            numbers: loaded.running.numbers(),
            running: loaded.running,
            params: loaded.params,
            engine,
            ledger,
        })
    }

    /// Which version it is.
    pub fn version(&self) -> &PolicyVersion {
        &self.version
    }

    /// Every parameter with its value in force.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Every whole number that the text has once its parameters are in place: what facts are
    /// compared with is among them.
    pub fn numbers(&self) -> &BTreeSet<i64> {
        &self.numbers
    }

    /// What it proposes where these facts are supposed, and which facts it reads on the way.
    pub fn ask(&self, service: ServiceView, supposed: Suppositions) -> Traced {
        let lens = Rc::new(Lens::supposing(supposed));
        self.ledger.trace(Some(Rc::clone(&lens)));
        let view = service.through(Rc::clone(&lens));
        let proposal = self.running.decide(&self.engine, &self.ledger, view);
        self.ledger.trace(None);
        Traced {
            proposal,
            reads: lens.reads(),
        }
    }
}
