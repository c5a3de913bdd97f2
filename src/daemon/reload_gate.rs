//! The reload gate: what a candidate does with what is known now and with what happened lately.
//!
//! Stands between the judge and the fold: a policy that would fault today is refused today, and
//! what it would have decided differently is told. Without a present (a first start, `check`)
//! there is nothing to face.

use super::{
    fold::{Present, names},
    judge::Accepted,
    recent::{FACTS_MAX, Index},
};
use crate::{
    failover::{
        PolicyFault,
        overview::GateReport,
        rehearsal::gate::{self, Compared, Contender},
    },
    model::{Config, PolicyText, PolicyVersion, Service, Timestamp},
    policy::Library,
};
use std::collections::BTreeMap;

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
        let index = present.facts.index();
        let mut all = Vec::new();
        for (service, text) in changed {
            let key = format!(
                "{service:?} {}",
                PolicyVersion::of(&text.source, &service.params)
            );
            let faced = self.faced.entry(key).or_insert_with(|| {
                let candidate = Contender { service, text };
                faced(present, &index, most, config, candidate, library)
            });
            all.push((text, faced.clone()));
        }
        all
    }
}

fn faced(
    present: &Present,
    index: &Index<'_>,
    most: usize,
    config: &Config,
    candidate: Contender<'_>,
    library: &Library,
) -> Faced {
    let mut faced = Faced::default();
    let name = &candidate.service.name;
    let world = present.state.world();
    let wall = present.wall();
    let now = gate::now(&present.state, present.at, config, candidate, library);
    for fault in now.into_iter().flat_map(|now| now.faults) {
        let place = format!("with the state at {wall} of service {name}");
        faced.faults.push((place, fault));
    }
    let in_force = world.config.services.get(name).and_then(|service| {
        let text = world.policies.get(&service.policy)?;
        Some(Contender { service, text })
    });
    let Some(in_force) = in_force else {
        return faced;
    };
    // Where it does not compile beside the candidate's targets, it holds, and the difference shows.
    if let Ok(known) = library.candidate(in_force.service, in_force.text) {
        library.adopt(&known);
    }
    let facts = index.last_of(candidate.service, most);
    let both = (candidate, in_force);
    let lately = gate::lately(&facts, present.facts.offset_ms, config, both, library);
    if let Some((compared, faults)) = lately {
        for (at, fault) in faults {
            if !faced.faults.iter().any(|(_, known)| *known == fault) {
                let place = format!("with what was known at {at} of service {name}");
                faced.faults.push((place, fault));
            }
        }
        faced.compared = Some(compared);
    }
    faced
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
