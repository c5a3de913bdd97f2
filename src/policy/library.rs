//! The library: every policy version that may be asked, on one thread.
//!
//! A candidate is compiled and linted and belongs to nobody; adopting it makes its version
//! known, which is harmless, since only a reload of the fold makes a service ask it.

use super::{BUILTIN_SOURCE, coverage::Coverage, engine, ledger::Ledger, load, running::Running};
use crate::{
    failover::{Policy, PolicyFault, Proposal, ServiceView, State},
    model::{
        Diagnostic, Params, PolicyText, PolicyVersion, Service, ServiceName, service,
        service::OnFault,
    },
};
use rhai::Engine;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// A version that was compiled and linted for a service, and is not known to the library yet.
pub struct Candidate {
    /// Which version it is.
    pub version: PolicyVersion,
    /// The longest constant window that it asks for, ms: for [`Service::keep_ms`]. 0 for none.
    pub windows_ms: i64,
    /// Every parameter with its value in force.
    pub params: Params,
    /// What the operator should know.
    pub warnings: Vec<Diagnostic>,
    running: Rc<Running>,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate")
            .field("version", &self.version)
            .field("windows_ms", &self.windows_ms)
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library")
            .field("versions", &self.len())
            .finish_non_exhaustive()
    }
}

/// Policy versions by name. `!Send`: it lives on the thread of the fold.
pub struct Library {
    engine: Engine,
    parser: Engine,
    ledger: Ledger,
    versions: RefCell<BTreeMap<PolicyVersion, Rc<Running>>>,
    builtin: PolicyVersion,
    recording: Cell<bool>,
    operations_of_last: Cell<u64>,
    /// Whether its scripts note which statements run.
    covers: bool,
}

impl Default for Library {
    fn default() -> Self {
        Self::new()
    }
}

impl Library {
    /// A library with the built-in policy.
    pub fn new() -> Self {
        Self::over(engine::engine, false)
    }

    /// A library whose policies note which of their statements run. They decide as they do in
    /// any other, more slowly and with more room for operations.
    pub fn covering() -> Self {
        Self::over(engine::covering, true)
    }

    fn over(engine: fn(&Ledger) -> Engine, covers: bool) -> Self {
        let ledger = Ledger::default();
        let library = Self {
            engine: engine(&ledger),
            parser: engine::parser(),
            ledger,
            versions: RefCell::default(),
            builtin: PolicyVersion::of(BUILTIN_SOURCE, &Params::new()),
            recording: Cell::new(false),
            operations_of_last: Cell::new(0),
            covers,
        };
        let text = PolicyText {
            name: service::default_policy(),
            source: BUILTIN_SOURCE.into(),
        };
        let candidate = library
            .candidate(&nobody(), &text)
            .unwrap_or_else(|found| unreachable!("the built-in policy loads: {found:?}"));
        library.adopt(&candidate);
        library
    }

    /// The policies of these services, compiled anew for this thread. Versions that decided before are
    /// not among them: where a policy faults, the built-in one stands in.
    pub fn of(state: &State, services: &[ServiceName]) -> Self {
        let (world, library) = (state.world(), Self::new());
        let mut adopted = BTreeSet::new();
        for name in services {
            let version = world.service(name).map(|known| &known.policy);
            let Some(configured) = world.config.services.get(name) else {
                continue;
            };
            if adopted.insert(version)
                && let Some(text) = world.policies.get(&configured.policy)
                && let Ok(candidate) = library.candidate(configured, text)
            {
                library.adopt(&candidate);
            }
        }
        library
    }

    /// Compiles and lints a source with the parameters of a service.
    ///
    /// # Errors
    /// Everything that refuses it, by place. What is wrong with the service's parameters and not
    /// with the script has `params.NAME` for its file.
    pub fn candidate(
        &self,
        service: &Service,
        text: &PolicyText,
    ) -> Result<Candidate, Vec<Diagnostic>> {
        let engines = load::Engines {
            engine: &self.engine,
            parser: &self.parser,
            covers: self.covers,
        };
        let loaded = load::load(&engines, service, text)?;
        Ok(Candidate {
            version: PolicyVersion::of(&text.source, &service.params),
            windows_ms: loaded.windows_ms,
            params: loaded.params,
            warnings: loaded.warnings,
            running: Rc::new(loaded.running),
        })
    }

    /// The names of a source's parameters; none where it does not parse.
    pub fn constants(&self, text: &PolicyText) -> BTreeSet<String> {
        load::constants(&self.parser, text)
    }

    /// Makes a candidate's version known. Adopting a known version changes nothing.
    pub fn adopt(&self, candidate: &Candidate) {
        self.versions
            .borrow_mut()
            .entry(candidate.version.clone())
            .or_insert_with(|| Rc::clone(&candidate.running));
    }

    /// Forgets every version but these and the built-in one.
    pub fn retain(&self, used: &[PolicyVersion]) {
        let kept = |version: &PolicyVersion| *version == self.builtin || used.contains(version);
        self.versions
            .borrow_mut()
            .retain(|version, _| kept(version));
    }

    /// Whether a version can be asked.
    pub fn knows(&self, version: &PolicyVersion) -> bool {
        self.versions.borrow().contains_key(version)
    }

    /// How many versions are known.
    pub fn len(&self) -> usize {
        self.versions.borrow().len()
    }

    /// Never: the built-in version is always known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most operations that one evaluation of a version took; 0 before the first.
    pub fn operations_max(&self, version: &PolicyVersion) -> u64 {
        self.running(version)
            .map_or(0, |running| running.operations_max.get())
    }

    /// The operations of the last evaluation, of whatever version.
    pub fn operations_of_last(&self) -> u64 {
        self.operations_of_last.get()
    }

    /// Switches recording of reached lines on or off, for trials; off at first.
    pub fn record_lines(&self, on: bool) {
        self.recording.set(on);
    }

    /// Lines of a version that made a proposal while lines were recorded.
    pub fn reached_lines(&self, version: &PolicyVersion) -> BTreeSet<u32> {
        self.running(version)
            .map(|running| running.reached.borrow().clone())
            .unwrap_or_default()
    }

    /// Lines of a version that make a proposal and never did while lines were recorded.
    pub fn unreached_lines(&self, version: &PolicyVersion) -> BTreeSet<u32> {
        let reached = self.reached_lines(version);
        self.running(version)
            .map(|running| running.deciding.difference(&reached).copied().collect())
            .unwrap_or_default()
    }

    /// Which statements of a version ran so far. `None` where it is not known, and in a library
    /// that is not [`covering`](Self::covering).
    pub fn coverage(&self, version: &PolicyVersion) -> Option<Coverage> {
        self.running(version)?.coverage()
    }

    fn running(&self, version: &PolicyVersion) -> Option<Rc<Running>> {
        self.versions.borrow().get(version).map(Rc::clone)
    }
}

impl Policy for Library {
    fn propose(
        &self,
        version: &PolicyVersion,
        service: ServiceView,
    ) -> Result<Proposal, PolicyFault> {
        let Some(running) = self.running(version) else {
            return Err(PolicyFault {
                message: format!("policy version {} is not loaded", version.short()),
                line: 0,
            });
        };
        let proposed = running.decide(&self.engine, &self.ledger, service);
        self.operations_of_last
            .set(running.operations_of_last.get());
        if self.recording.get() {
            running.reached.borrow_mut().extend(self.ledger.lines());
        }
        proposed
    }

    fn builtin(&self) -> &PolicyVersion {
        &self.builtin
    }
}

/// A service without anything: the built-in policy is loaded for it.
fn nobody() -> Service {
    Service {
        name: ServiceName::from("builtin"),
        names: Vec::new(),
        ttl_ms: service::default_ttl_ms(),
        targets: Vec::new(),
        monitors: Vec::new(),
        policy: service::default_policy(),
        params: Params::new(),
        history_ms: service::default_history_ms(),
        keep_ms: 0,
        max_switches: None,
        on_fault: OnFault::Fallback,
        rto_ms: None,
        reload: crate::model::OnReload::Apply,
        shadow: None,
    }
}
