//! The reload gate: what a candidate does with what is known now and with what happened lately.
//!
//! Stands between the judge and the fold: a policy that would fault today is refused today, and
//! what it would have decided differently is told. Without a present (a first start, `check`)
//! there is nothing to face.

use super::{
    fold::{Present, names},
    judge::Accepted,
    recent::FACTS_MAX,
};
use crate::{
    failover::{
        Event, PolicyFault,
        overview::GateReport,
        rehearsal::gate::{self, Compared, Contender, Run},
    },
    model::{Config, PolicyText, PolicyVersion, Service, ServiceName, Timestamp},
    policy::Library,
};
use std::{collections::BTreeMap, thread};

/// What candidates face.
#[derive(Debug, Default)]
pub(super) struct ReloadGate {
    present: Option<Present>,
    /// By service and version: each attempt of a reload judges what others took again.
    faced: BTreeMap<String, Faced>,
}

/// How a candidate did.
#[derive(Clone, Debug, Default)]
pub(super) struct Faced {
    /// `None` where nothing could be compared.
    pub(super) compared: Option<Compared>,
    /// Its faults, each with where it came.
    pub(super) faults: Vec<(String, PolicyFault)>,
}

impl ReloadGate {
    /// Candidates face this from now on; `None` is nothing.
    pub(super) fn face(&mut self, present: Option<Present>) {
        self.present = present;
        self.faced.clear();
    }

    /// How each candidate did whose version is another than that in force.
    pub(super) fn run<'s>(
        &mut self,
        library: &Library,
        config: &Config,
        scripts: impl Iterator<Item = (&'s Service, &'s PolicyText)>,
    ) -> Vec<(&'s PolicyText, Faced)> {
        let Some(present) = &self.present else {
            return Vec::new();
        };
        let world = present.state.world();
        let changed = scripts.filter(|(service, text)| {
            let version = PolicyVersion::of(&text.source, &service.params);
            let known = world.service(&service.name);
            known.is_some_and(|known| known.policy != version)
        });
        let changed: Vec<_> = changed.collect();
        // Each service has its share: a reload of all takes no longer than that of one.
        let most = FACTS_MAX / changed.len().max(1);
        let key = |service: &Service, text: &PolicyText| {
            let version = PolicyVersion::of(&text.source, &service.params);
            format!("{service:?} {version}")
        };
        let known = &self.faced;
        let new = changed.iter().copied();
        let new: Vec<_> = new
            .filter(|(service, text)| !known.contains_key(&key(service, text)))
            .map(|(service, text)| Contender { service, text })
            .collect();
        let faced = face_all(present, most, config, &new, library);
        for (candidate, faced) in new.iter().zip(faced) {
            self.faced
                .insert(key(candidate.service, candidate.text), faced);
        }
        let how = |(service, text)| Some((text, self.faced.get(&key(service, text))?.clone()));
        changed.into_iter().filter_map(how).collect()
    }
}

/// How each of the candidates did. The versions in force run beside them on a thread of their own:
/// whoever saved a policy waits for it.
fn face_all(
    present: &Present,
    most: usize,
    config: &Config,
    candidates: &[Contender<'_>],
    library: &Library,
) -> Vec<Faced> {
    if candidates.is_empty() {
        return Vec::new();
    }
    // What hostnames were resolved to when the facts came is what they are now.
    let config = &present.state.with_hostnames(config);
    let world = present.state.world();
    let offset_ms = present.facts.offset_ms;
    let index = present.facts.index();
    let facts = candidates.iter();
    let facts: Vec<Vec<&Event>> = facts
        .map(|candidate| index.last_of(candidate.service, most))
        .collect();
    let in_force = |candidate: &Contender<'_>| {
        let service = world.config.services.get(&candidate.service.name)?;
        let text = world.policies.get(&service.policy)?;
        Some(Contender { service, text })
    };
    let in_force: Vec<Option<Contender<'_>>> = candidates.iter().map(in_force).collect();
    let run_in_force = || {
        let library = Library::new();
        let run = |(contender, facts): (&Option<Contender<'_>>, &Vec<&Event>)| {
            let contender = (*contender)?;
            // What does not compile beside the new targets holds, and the difference shows.
            if let Ok(known) = library.candidate(contender.service, contender.text) {
                library.adopt(&known);
            }
            gate::run(facts, offset_ms, config, contender, &library)
        };
        in_force.iter().zip(&facts).map(run).collect::<Vec<_>>()
    };
    let (ours, theirs) = thread::scope(|scope| {
        let theirs = thread::Builder::new().spawn_scoped(scope, run_in_force);
        let run = |(candidate, facts): (&Contender<'_>, &Vec<&Event>)| {
            gate::run(facts, offset_ms, config, *candidate, library)
        };
        let ours: Vec<Option<Run>> = candidates.iter().zip(&facts).map(run).collect();
        // Without the other runs there is nothing to compare; faults are found all the same.
        let theirs = theirs.ok().and_then(|theirs| theirs.join().ok());
        (ours, theirs.unwrap_or_default())
    });
    let mut theirs = theirs.into_iter();
    let mut all = Vec::new();
    for (index, (candidate, ours)) in candidates.iter().zip(ours).enumerate() {
        let theirs = theirs.next().flatten();
        let mut faced = faces_now(present, config, *candidate, library);
        if let Some(ours) = ours {
            faced.add_faults(&candidate.service.name, &ours);
            if let (Some(in_force), Some(theirs)) = (in_force[index], theirs) {
                let (ours, theirs) = ((*candidate, &ours), (in_force, &theirs));
                faced.compared = Some(Compared::of(ours, theirs, facts[index].len()));
            }
        }
        all.push(faced);
    }
    all
}

/// What a candidate does with what is known.
fn faces_now(
    present: &Present,
    config: &Config,
    candidate: Contender<'_>,
    library: &Library,
) -> Faced {
    let mut faced = Faced::default();
    let (name, wall) = (&candidate.service.name, present.wall());
    let now = gate::now(&present.state, present.at, config, candidate, library);
    for fault in now.into_iter().flat_map(|now| now.faults) {
        let place = format!("with the state at {wall} of service {name}");
        faced.faults.push((place, fault));
    }
    faced
}

impl Faced {
    /// Adds faults that are not known yet.
    fn add_faults(&mut self, service: &ServiceName, run: &Run) {
        for (at, fault) in &run.faults {
            if !self.faults.iter().any(|(_, known)| known == fault) {
                let place = format!("with what was known at {at} of service {service}");
                self.faults.push((place, fault.clone()));
            }
        }
    }
}

/// What changed policies would have decided differently; said aloud. `None` where none changed.
pub(super) fn report(by: &str, at: Timestamp, accepted: &Accepted) -> Option<GateReport> {
    for compared in &accepted.compared {
        let (service, policy, facts) = (&compared.service, &compared.policy, compared.facts);
        for one in &compared.differences {
            tracing::warn!(
                %service, %policy, from = %one.from, to = one.to.map(tracing::field::display),
                candidate = names(&one.candidate.serve), line = one.candidate.line,
                reason = %one.candidate.reason, in_force = names(&one.in_force.serve),
                "the gate: this would have been decided differently"
            );
        }
        let (count, version) = (compared.count(), compared.version.short());
        tracing::info!(%service, %policy, version, facts, count, "the gate: differences lately");
    }
    (!accepted.compared.is_empty()).then(|| GateReport {
        by: by.to_owned(),
        at,
        services: accepted.compared.clone(),
    })
}
