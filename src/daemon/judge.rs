//! Judging a candidate: configuration, policies, tests and zones together, or everything that is
//! wrong with them. The same for a start, a reload and `sidestep check`.

mod zones;

use super::{fold::Present, reload_gate::ReloadGate};
use crate::{
    config::{Loaded, Paths},
    dns::Zones,
    failover::{
        self,
        input::ZoneVersion,
        rehearsal::{self, gate::Compared},
    },
    model::{
        Config, Diagnostic, DnsName, Monitor, MonitorName, PolicyName, PolicyText, PolicyVersion,
        Service, Target,
    },
    policy::Library,
    probe,
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    path::PathBuf,
    sync::Arc,
};

/// What is to be judged: every text is there.
#[derive(Clone, Debug)]
pub struct Case {
    /// The configuration's path.
    pub path: PathBuf,
    /// The configuration.
    pub loaded: Loaded,
    /// Policies by name.
    pub policies: BTreeMap<PolicyName, Arc<str>>,
    /// Tests by policy.
    pub tests: BTreeMap<PolicyName, Arc<str>>,
    /// Zone files by apex.
    pub zones: BTreeMap<DnsName, Arc<str>>,
    /// Other files that were read with them; what a zone file includes and is not here is read
    /// when it is judged.
    pub beside: BTreeMap<PathBuf, Arc<str>>,
}

/// What was found good, ready to be in force.
#[derive(Debug)]
pub struct Accepted {
    /// The configuration, with how long results must be kept for the policies' windows.
    pub config: Arc<Config>,
    /// Every policy that it uses.
    pub policies: Vec<PolicyText>,
    /// The same as each service needs it compiled; shadows as [`Service::as_shadow`] has them.
    pub scripts: Vec<(Service, PolicyText)>,
    /// The zones.
    pub zones: Arc<Zones>,
    /// Their serials and hashes.
    pub zone_versions: Vec<ZoneVersion>,
    /// What policies that changed would have decided differently lately; empty where that is not
    /// known.
    pub compared: Vec<Compared>,
    /// What an operator should know.
    pub warnings: Vec<Diagnostic>,
    /// Files that zone files include, as they were judged.
    pub included: BTreeMap<PathBuf, Arc<str>>,
}

impl Accepted {
    /// The scripts without those of shadows: what decides.
    pub fn deciding(&self) -> impl Iterator<Item = (&Service, &PolicyText)> {
        deciding(&self.config, &self.scripts)
    }
}

fn deciding<'s>(
    config: &Config,
    scripts: &'s [(Service, PolicyText)],
) -> impl Iterator<Item = (&'s Service, &'s PolicyText)> {
    let decides = |service: &Service| config.services.get(&service.name) == Some(service);
    scripts
        .iter()
        .filter(move |(service, _)| decides(service))
        .map(|(service, text)| (service, text))
}

/// Judges cases; remembers what was tried, so that a reload tries only what changed.
pub struct Judge {
    library: Library,
    /// Digests of trials and tests that passed.
    passed: Passed,
    /// Files that zone files include, there or not, good or not.
    included: BTreeSet<PathBuf>,
    /// What is wrong beyond the text itself is a warning.
    lenient: bool,
    /// What candidates face besides.
    gate: ReloadGate,
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge")
            .field("passed", &self.passed.len())
            .finish_non_exhaustive()
    }
}

/// More is forgotten: what passed is tried again, which costs time and nothing else.
const PASSED_MAX: usize = 100_000;

/// Digests of trials and tests that passed.
pub type Passed = BTreeSet<[u8; 32]>;

impl Default for Judge {
    fn default() -> Self {
        Self::remembering(Passed::new())
    }
}

impl Judge {
    /// A judge that need not try again what passed before.
    pub fn remembering(passed: Passed) -> Self {
        Self {
            library: Library::new(),
            passed,
            included: BTreeSet::new(),
            lenient: false,
            gate: ReloadGate::default(),
        }
    }

    /// Candidates face what is known now, too; `None` is nothing.
    pub(super) fn face(&mut self, present: Option<Present>) {
        self.gate.face(present);
    }

    /// The same, for files that were in force before: a monitor that cannot run here any more,
    /// for a file of authorities that is gone, is no reason to answer nothing; nor is a trial
    /// that another version of this program did not know.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// What zone files have included since the last call, also where they were refused: a change
    /// of it may mend them.
    pub fn take_included(&mut self) -> BTreeSet<PathBuf> {
        mem::take(&mut self.included)
    }

    /// What passed.
    pub fn passed(&self) -> &Passed {
        &self.passed
    }

    /// Judges a case.
    ///
    /// # Errors
    /// Everything that is wrong with it, each finding with its file.
    pub fn judge(&mut self, case: &Case) -> Result<Accepted, Vec<Diagnostic>> {
        if self.passed.len() > PASSED_MAX {
            self.passed.clear();
        }
        let mut config = case.loaded.config.clone();
        // Hostnames are not resolved here, and are probed all the same.
        let probed = failover::hostname::stood_in(&config);
        let mut errors = placed(case, probe::problems(&probed));
        let mut warnings = case.loaded.warnings.clone();
        let mut of_zones = Vec::new();
        let included = &mut self.included;
        let zones = zones::zones(case, &config, &mut warnings, &mut of_zones, included);
        let built = zones.as_ref().map(|built| &built.zones);
        zones::records(case, &config, built, &mut warnings, &mut errors);
        if self.lenient {
            warnings.append(&mut errors);
        }
        let lacking = placed(case, probe::advice(&probed));
        warnings.extend(lacking.into_iter().map(Diagnostic::warning));
        let scripts = self
            .compile(case, &mut config, &mut warnings)
            .map_err(|mut found| {
                errors.append(&mut found);
            });
        errors.append(&mut of_zones);
        let scripts = scripts.unwrap_or_default();
        if errors.is_empty() {
            self.try_policies(case, &config, &scripts, &mut errors);
            self.run_tests(case, &mut errors);
            if self.lenient {
                warnings.append(&mut errors);
            }
        }
        let mut compared = Vec::new();
        if errors.is_empty() {
            let deciding = deciding(&config, &scripts);
            for (text, faced) in self.gate.run(&self.library, &config, deciding) {
                compared.extend(faced.compared);
                for (place, fault) in faced.faults {
                    let line = usize::try_from(fault.line).unwrap_or(0);
                    let message = format!("{} (in the gate: {place})", fault.message);
                    let found = Diagnostic::error("", &text.source, line, 0, message);
                    errors.push(case.in_policy(&text.name, found));
                }
            }
        }
        let used: Vec<PolicyVersion> = scripts
            .iter()
            .map(|(service, text)| PolicyVersion::of(&text.source, &service.params))
            .collect();
        self.library.retain(&used);
        match zones {
            Some(zones) if errors.is_empty() => Ok(Accepted {
                policies: policies(case),
                config: Arc::new(config),
                scripts,
                zone_versions: zones.versions,
                zones: Arc::new(zones.zones),
                included: zones.included,
                compared,
                warnings,
            }),
            _ => Err(deduplicated(errors)),
        }
    }

    /// The compiled policies of the last case, for those who measure with them.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Compiles every service's policy; sets how long results are kept.
    fn compile(
        &mut self,
        case: &Case,
        config: &mut Config,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Vec<(Service, PolicyText)>, Vec<Diagnostic>> {
        let (mut scripts, mut errors) = (Vec::new(), Vec::new());
        let mut load = |service: &Service| {
            let text = case.text(&service.policy)?;
            match self.library.candidate(service, &text) {
                Ok(candidate) => {
                    let named = candidate.warnings.iter().cloned();
                    warnings.extend(named.map(|found| case.in_policy(&service.policy, found)));
                    self.library.adopt(&candidate);
                    Some((text, service.history_ms.max(candidate.windows_ms)))
                }
                Err(found) => {
                    let place = |found| case.of_service(service, found);
                    errors.extend(found.into_iter().map(place));
                    None
                }
            }
        };
        for service in config.services.values_mut() {
            settle_shadow(&self.library, case, service);
            let as_shadow = service.as_shadow();
            if let Some((text, keep_ms)) = as_shadow.as_ref().and_then(&mut load)
                && let Some(shadow) = &mut service.shadow
            {
                shadow.keep_ms = keep_ms;
                scripts.extend(service.as_shadow().map(|as_shadow| (as_shadow, text)));
            }
            if let Some((text, keep_ms)) = load(service) {
                service.keep_ms = keep_ms;
                scripts.push((service.clone(), text));
            }
        }
        if errors.is_empty() {
            Ok(scripts)
        } else {
            Err(errors)
        }
    }

    /// Runs every policy in the worlds of the trials.
    fn try_policies(
        &mut self,
        case: &Case,
        config: &Config,
        scripts: &[(Service, PolicyText)],
        errors: &mut Vec<Diagnostic>,
    ) {
        for (service, text) in scripts {
            let digest = digest(&[&format!("{:?}", shape(config, service)), &text.source]);
            if self.passed.contains(&digest) {
                continue;
            }
            let of_shadow = config.services.get(&service.name) != Some(service);
            let shadowed = of_shadow.then(|| with(config, service));
            let config = shadowed.as_ref().unwrap_or(config);
            self.library.record_lines(true);
            let report = rehearsal::trials(config, &service.name, text, &self.library);
            self.library.record_lines(false);
            if report.faults.is_empty() {
                self.passed.insert(digest);
            }
            for (world, fault) in report.faults {
                let line = usize::try_from(fault.line).unwrap_or(0);
                let message = format!(
                    "{} (in the trial \"{world}\" of service {})",
                    fault.message, service.name
                );
                let found = Diagnostic::error("", &text.source, line, 0, message);
                errors.push(case.in_policy(&text.name, found));
            }
        }
    }

    /// Runs the tests of every policy of the case.
    fn run_tests(&mut self, case: &Case, errors: &mut Vec<Diagnostic>) {
        for (policy, tests) in &case.tests {
            let Some(source) = case.policies.get(policy) else {
                continue;
            };
            let digest = digest(&["tests", source, tests]);
            if self.passed.contains(&digest) {
                continue;
            }
            let text = PolicyText {
                name: policy.clone(),
                source: Arc::clone(source),
            };
            let file = Paths::of(&case.path).policy_test(&case.loaded.config, policy);
            let file = file.display().to_string();
            let before = errors.len();
            match super::stories::run(&self.library, &file, tests, &text) {
                Err(found) => errors.extend(found),
                Ok(outcomes) => {
                    for (story, outcome) in outcomes {
                        for failure in outcome.failures {
                            let message =
                                format!("the test \"{}\" fails: {}", story.name, failure.message);
                            errors.push(Diagnostic::error(&*file, tests, failure.line, 0, message));
                        }
                    }
                }
            }
            if errors.len() == before {
                self.passed.insert(digest);
            }
        }
    }
}

impl Case {
    /// The text of a policy; `None` where it could not be read.
    fn text(&self, name: &PolicyName) -> Option<PolicyText> {
        let source = Arc::clone(self.policies.get(name)?);
        Some(PolicyText {
            name: name.clone(),
            source,
        })
    }

    /// A finding in a policy, under the path that its operator knows.
    pub fn in_policy(&self, policy: &PolicyName, mut found: Diagnostic) -> Diagnostic {
        let path = Paths::of(&self.path).policy(&self.loaded.config, policy);
        found.file = path.display().to_string();
        found
    }

    /// A finding about a service's policy or its parameters.
    fn of_service(&self, service: &Service, found: Diagnostic) -> Diagnostic {
        match found.file.strip_prefix("params.") {
            Some(_) => self
                .loaded
                .places
                .service(&service.name, &found.file, found.message),
            None => self.in_policy(&service.policy, found),
        }
    }
}

/// What the probes found, each at its monitor.
fn placed(case: &Case, problems: Vec<String>) -> Vec<Diagnostic> {
    let place = |problem: String| {
        let monitors = case.loaded.config.monitors.keys();
        let of = |name: &&MonitorName| problem.starts_with(&format!("monitor {name}: "));
        let places = &case.loaded.places;
        match monitors.into_iter().find(of) {
            Some(name) => places.monitor(name, problem_key(&problem), &*problem),
            None => Diagnostic::error(case.path.display().to_string(), "", 0, 0, &*problem),
        }
    };
    problems.into_iter().map(place).collect()
}

/// The key of a monitor that a problem with it is about.
fn problem_key(problem: &str) -> &'static str {
    let keys = ["ca", "sni", "question", "expect"];
    let is_about = |key: &&str| {
        let words = [format!(": {key} "), format!(": {key}.")];
        words.iter().any(|word| problem.contains(word))
    };
    let kinds = [(": cannot start ", "command"), (" ICMP", "kind")];
    let of_kind = kinds.iter().find(|(words, _)| problem.contains(words));
    let named = keys.into_iter().find(is_about);
    named.or(of_kind.map(|&(_, key)| key)).unwrap_or("url")
}

/// Every policy that the configuration uses.
fn policies(case: &Case) -> Vec<PolicyText> {
    let used: BTreeSet<&PolicyName> = case
        .loaded
        .config
        .services
        .values()
        .flat_map(Service::policies)
        .collect();
    used.into_iter()
        .filter_map(|name| case.text(name))
        .collect()
}

/// Gives a shadow those parameters of its service that it has a constant for.
fn settle_shadow(library: &Library, case: &Case, service: &mut Service) {
    let params = service.params.clone();
    let Some(shadow) = &mut service.shadow else {
        return;
    };
    shadow.params = params;
    if let Some(text) = case.text(&shadow.policy) {
        let known = library.constants(&text);
        shadow.params.retain(|name, _| known.contains(name));
    }
}

/// The part of a configuration that concerns a service, which is another than it says.
fn with(config: &Config, service: &Service) -> Config {
    let mut config = failover::narrowed(config, &service.name).unwrap_or_default();
    config
        .services
        .insert(service.name.clone(), service.clone());
    config
}

/// What of a service a trial's outcome depends on: services alike are tried once.
fn shape(config: &Config, service: &Service) -> (Service, Vec<Target>, Vec<Monitor>, bool) {
    let alike = Service {
        name: "".into(),
        names: Vec::new(),
        rto_ms: None,
        // Tried apart.
        shadow: None,
        ..service.clone()
    };
    let targets = service
        .targets
        .iter()
        .filter_map(|name| config.targets.get(name));
    let monitors = service
        .monitors
        .iter()
        .filter_map(|name| config.monitors.get(name));
    (
        alike,
        targets.cloned().collect(),
        monitors.cloned().collect(),
        config.witness.is_some(),
    )
}

fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Services that share a policy find the same things wrong with it.
fn deduplicated(findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::new();
    for found in findings {
        if !kept.contains(&found) {
            kept.push(found);
        }
    }
    kept
}
