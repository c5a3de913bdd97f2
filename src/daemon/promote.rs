//! Promoting a shadow: files first, each step whole or not at all, then a reload like any other.
//!
//! The former text is written beside the policy as `NAME.rhai.prev`, then the shadow's text is
//! renamed over the policy. A crash between the two leaves the policy as it was. Whatever would
//! keep the reload from taking it is found before any file is touched.

use super::{
    fold::Present,
    judge::{Accepted, Case},
    loader::Loader,
    reload_gate,
    sources::Sources,
};
use crate::{
    config::Paths,
    failover::{
        OperationError,
        orders::{self, Promotion},
        overview::{PartedOverview, overview},
        rehearsal::gate::{self, Contender},
    },
    model::{Config, Diagnostic, PolicyName, PolicyVersion, Service, ServiceName},
};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};

/// Who wants which shadow promoted, and why.
#[derive(Clone, Debug)]
pub(super) struct Promote {
    pub(super) by: String,
    pub(super) reason: String,
    pub(super) service: ServiceName,
    /// Change nothing.
    pub(super) dry_run: bool,
}

type Refusable<T> = Result<T, OperationError>;

fn refused<T>(why: String) -> Refusable<T> {
    Err(OperationError::Refused(why))
}

impl Loader {
    /// Promotes a shadow, or says what that would do.
    pub(super) fn promote(&mut self, asked: &Promote) -> Refusable<Promotion> {
        orders::worded("reason", &asked.reason)?;
        let (now, _) = self.settled();
        let (policy, shadow) = self.promotable(&asked.service, &now)?;
        let present = self.present().ok_or_else(stopping)?;
        let case = self.promoted_case(&policy, &shadow, &now);
        let accepted = self.judged_promotion(&case, &present)?;
        let file = real(&Paths::of(&self.path).policy(&accepted.config, &policy));
        let mut promotion = self.planned(asked, &present, &accepted)?;
        promotion.kept_as = previous(&file).display().to_string();
        drop(present);
        may_write(&file).map_err(|error| cannot(&file, &error))?;
        if asked.dry_run {
            return Ok(promotion);
        }
        let (old, new) = (&self.in_force.policies[&policy], &case.policies[&policy]);
        replace(&previous(&file), &file, old)
            .and_then(|()| replace(&file, &file, new))
            .map_err(|error| cannot(&file, &error))?;
        let by = format!(
            "{} (promotes {shadow} of {}: {})",
            asked.by, asked.service, asked.reason
        );
        // Nothing else waited, and this is what an operator wants now.
        promotion.report = Some(self.reload_now(&by, true));
        Ok(promotion)
    }

    /// The policy and the shadow of a service whose shadow may take its place.
    fn promotable(&self, name: &ServiceName, now: &Sources) -> Refusable<(PolicyName, PolicyName)> {
        let config = &self.in_force.loaded.config;
        let Some(service) = config.services.get(name) else {
            let known: Vec<&str> = config.services.keys().map(|name| &**name).collect();
            return Err(OperationError::NotFound(orders::missing(
                "service", name, &known,
            )));
        };
        let policy = service.policy.clone();
        let Some(shadow) = service.shadow.as_ref().map(|shadow| shadow.policy.clone()) else {
            return refused(format!(
                "{name} has no shadow: write shadow = \"next.rhai\" into its [[service]] first"
            ));
        };
        let others = config
            .services
            .values()
            .filter(|other| other.name != *name && other.policies().any(|used| *used == policy));
        let others: Vec<&str> = others.map(|other| &*other.name).collect();
        if !others.is_empty() {
            return refused(format!(
                "{policy} decides for {} as well, which nobody has tried {shadow} for: give {name} \
                 a policy file of its own, or write policy = \"{shadow}\" into its [[service]]",
                others.join(", ")
            ));
        }
        if self.pending().is_some() {
            return refused(
                "a reload waits for an operator: 'sidestep promote' without a service, or \
                 'sidestep reload --apply', takes it first"
                    .to_owned(),
            );
        }
        for (file, word) in [
            (&shadow, "the shadow that was watched"),
            (&policy, "in force"),
        ] {
            let read = now.policies.get(file).and_then(|text| text.as_ref().ok());
            if read.is_none() || read != self.in_force.policies.get(file) {
                return refused(format!(
                    "{file} as it is saved now is not {word}: it was refused, or saved this \
                     moment; see 'sidestep status', mend or undo it, and promote then"
                ));
            }
        }
        if now.policies.get(&policy) == now.policies.get(&shadow) {
            // A second promotion would keep the new text as the former one.
            return refused(format!(
                "the shadow is the policy already: nothing to promote; shadow = \"{shadow}\" can \
                 be removed"
            ));
        }
        Ok((policy, shadow))
    }

    /// What waits for an operator.
    fn pending(&self) -> Option<crate::failover::overview::PendingReload> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.pending.clone()
    }

    /// What is in force, with the shadow's text in the place of the policy's, and the policy's
    /// tests as they are saved now.
    fn promoted_case(&self, policy: &PolicyName, shadow: &PolicyName, now: &Sources) -> Case {
        let mut case = self.in_force.clone();
        if let Some(text) = self.in_force.policies.get(shadow) {
            case.policies.insert(policy.clone(), Arc::clone(text));
        }
        match now.tests.get(policy) {
            Some(Ok(tests)) => {
                case.tests.insert(policy.clone(), Arc::clone(tests));
            }
            // Those that cannot be read refuse the reload, as they do any.
            Some(Err(_)) => {}
            None => drop(case.tests.remove(policy)),
        }
        case
    }

    /// The case as the reload would judge it.
    fn judged_promotion(&mut self, case: &Case, present: &Present) -> Refusable<Accepted> {
        self.judge.face(Some(present.clone()));
        let judged = self.judge.judge(case);
        self.judge.face(None);
        judged.map_err(|found| {
            let said: Vec<String> = found.iter().map(Diagnostic::headline).collect();
            OperationError::Refused(format!(
                "nothing was changed: in the place of the policy it would be refused: {}",
                said.join("; ")
            ))
        })
    }

    /// What the promotion would do.
    fn planned(
        &self,
        asked: &Promote,
        present: &Present,
        accepted: &Accepted,
    ) -> Refusable<Promotion> {
        let name = &asked.service;
        let mut scripts = accepted.deciding();
        let script = scripts.find(|(service, _)| service.name == *name);
        let candidate = script.map(|(service, text)| Contender { service, text });
        let now = candidate.and_then(|candidate| {
            let (state, at, config) = (&present.state, present.at, &accepted.config);
            gate::now(state, at, config, candidate, self.judge.library())
        });
        let seen = overview(&present.state);
        let (Some(candidate), Some(now), Some(known)) = (candidate, now, seen.service(name)) else {
            return Err(stopping());
        };
        let latest = now.evaluation.as_ref();
        let shadow = known.shadow.as_ref();
        Ok(Promotion {
            service: name.clone(),
            reason: asked.reason.clone(),
            policy: candidate.service.policy.clone(),
            policy_version: known.policy_version.clone(),
            shadow: shadow_of(&accepted.config, name),
            shadow_version: PolicyVersion::of(&candidate.text.source, &candidate.service.params),
            parted: shadow.map_or_else(PartedOverview::default, |shadow| shadow.parted),
            serving: known.serving.clone(),
            would_serve: now.serving,
            why: latest
                .map(|latest| latest.reason.clone())
                .unwrap_or_default(),
            line: latest.map_or(0, |latest| latest.line),
            kept_as: String::new(),
            gate: reload_gate::report(&asked.by, present.wall(), accepted),
            report: None,
        })
    }
}

fn shadow_of(config: &Config, service: &ServiceName) -> PolicyName {
    let service: Option<&Service> = config.services.get(service);
    let shadow = service.and_then(|service| service.shadow.as_ref());
    shadow.map_or_else(|| PolicyName::from(""), |shadow| shadow.policy.clone())
}

fn stopping() -> OperationError {
    OperationError::Unavailable("nothing was changed: the daemon is stopping".to_owned())
}

fn cannot(file: &Path, error: &io::Error) -> OperationError {
    OperationError::Refused(format!(
        "{} cannot be replaced: {error}: the user that runs sidestep must be able to write into \
         its folder; or copy the shadow over it yourself",
        file.display()
    ))
}

/// Where a link points; the path itself where it is none, or not there.
fn real(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_owned())
}

/// `failover.rhai.prev` beside `failover.rhai`.
fn previous(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".prev");
    file.with_file_name(name)
}

/// Whether a new file can be made where `file` lies.
fn may_write(file: &Path) -> io::Result<()> {
    tempfile::NamedTempFile::new_in(folder(file)).map(drop)
}

fn folder(file: &Path) -> &Path {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Writes `text` in the place of `file`, whole or not at all, with the mode of `like`.
fn replace(file: &Path, like: &Path, text: &str) -> io::Result<()> {
    let mut new = tempfile::NamedTempFile::new_in(folder(file))?;
    new.write_all(text.as_bytes())?;
    // The default policy may be built in: then there is nothing to be like.
    if let Ok(known) = fs::metadata(like) {
        new.as_file().set_permissions(known.permissions())?;
    }
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    File::open(folder(file))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("failover.rhai");
        fs::write(&file, "old").unwrap();
        may_write(&file).unwrap();
        replace(&previous(&file), &file, "old").unwrap();
        replace(&file, &file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        let kept = folder.path().join("failover.rhai.prev");
        assert_eq!(fs::read_to_string(kept).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);

        let link = folder.path().join("link.rhai");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(real(&link), fs::canonicalize(&file).unwrap());

        // Its folder takes no file.
        let nowhere = folder.path().join("gone/failover.rhai");
        let error = may_write(&nowhere).unwrap_err();
        assert!(replace(&nowhere, &nowhere, "new").is_err());
        let said = cannot(&nowhere, &error).to_string();
        assert!(
            said.contains("gone/failover.rhai cannot be replaced"),
            "{said}"
        );
    }
}
