//! The loader's thread: something changed on disk, or somebody asked; what is good goes in force.
//!
//! Each change retries everything that was refused, together. Where that fails, the configuration
//! is taken whole or not at all, and each policy and zone that loads alone is taken. What is
//! refused stays refused aloud, with what is still running.

use super::{
    answering::Answering,
    case::{case, changes},
    first,
    fold::{Message, Present, Reloaded},
    judge::{Accepted, Case, Judge},
    kept,
    promote::Promote,
    reload_gate,
    sources::{Sources, Text},
    tally::Tally,
    watch::{self, Watcher},
};
use crate::{
    config::{Loaded, Paths},
    failover::{
        OperationError, input,
        orders::Promotion,
        overview::{GateReport, PendingReload, Refused, ReloadReport},
    },
    journal::Kept,
    model::{Config, Diagnostic, PolicyName, PolicyVersion, Service, config::ServerConfig},
};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

/// How often, and after which pause, a file that was emptied is read again: an editor that
/// truncates and writes needs a moment.
const HALF_SAVED_PAUSES: [Duration; 4] = [Duration::from_millis(50); 4];

/// What the loader is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Something changed in a watched folder.
    Changed,
    /// Somebody wants a reload now, and to know what became of it.
    Reload {
        /// Who.
        by: String,
        /// Also where a service with `reload = "ask"` would move.
        apply_pending: bool,
        /// Where to say so; `None` where nobody waits.
        reply: Option<SyncSender<ReloadReport>>,
    },
    /// Somebody wants a shadow promoted.
    Promote {
        /// Who, which, why.
        asked: Promote,
        /// Where to say what became of it.
        reply: SyncSender<Result<Promotion, OperationError>>,
    },
    /// The end.
    Stop,
}

/// What operators are shown of the loader.
#[derive(Clone, Debug, Default)]
pub(super) struct Loading {
    /// What is refused now.
    pub refused: Vec<Refused>,
    /// What waits for an operator: it would move services that want to be asked.
    pub pending: Option<PendingReload>,
    /// What policies of the last reload that changed any would have decided differently.
    pub gate: Option<GateReport>,
    /// Keys of `[server]` in force on disk alone: they need a restart.
    pub needs_restart: Vec<String>,
    /// Why there is no control socket.
    pub no_control: Option<String>,
}

/// The loader.
pub(super) struct Loader {
    pub(super) path: PathBuf,
    /// What the daemon started with: sockets and folders stay as they are.
    pub(super) started_with: ServerConfig,
    pub(super) answering: Answering,
    pub(super) judge: Judge,
    /// What is in force.
    pub(super) in_force: Case,
    pub(super) accepted: Arc<Accepted>,
    /// What was last read, in force or not.
    pub(super) seen: Sources,
    /// The configuration of `seen` where it parses: its folders are watched, too.
    pub(super) candidate: Option<Config>,
    /// Files that zone files include, of the zones in force and of refused ones.
    pub(super) included: BTreeSet<PathBuf>,
    pub(super) fold: SyncSender<Message>,
    pub(super) watcher: Option<Watcher>,
    pub(super) shown: Arc<Mutex<Loading>>,
    pub(super) tally: Arc<Tally>,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The configuration as it was parsed; `None` where it could not be read.
type Parsed = Option<Result<Loaded, Vec<Diagnostic>>>;

/// What could be taken of what was read.
struct Plucked {
    accepted: Option<(Case, Accepted)>,
    refused: Vec<Diagnostic>,
}

impl Loader {
    /// Puts what was loaded first in force. Where it would move a service that wants to be asked,
    /// what was in force `before` the restart goes on, and the loader offers the rest again.
    pub(super) fn start(&mut self, before: Option<Kept>) {
        if let Some(Reloaded::Pending { .. }) = self.put_first(before.is_none()) {
            if let Some(kept) = before {
                self.go_back_to(&kept);
            }
            self.put_first(true);
        }
    }

    /// Offers what was loaded first to the fold; `None` where the daemon is stopping.
    fn put_first(&mut self, apply_pending: bool) -> Option<Reloaded> {
        let (reply, replied) = sync_channel(1);
        let message = Message::Reload {
            accepted: Arc::clone(&self.accepted),
            kept: kept::keep(&self.in_force, self.judge.passed()),
            by: "start".to_owned(),
            apply_pending,
            reply,
        };
        self.fold.send(message).ok()?;
        replied.recv().ok()
    }

    /// Takes the files that were in force before in the place of those on disk, where they differ.
    fn go_back_to(&mut self, kept: &Kept) {
        let first = match first::last_in_force(&self.path, kept) {
            Ok(first) => first,
            Err(found) => {
                tracing::error!(?found, "the files that were last in force do not load");
                return;
            }
        };
        if changes(&first.case, &self.in_force).is_empty() {
            return;
        }
        self.included = first.accepted.included.keys().cloned().collect();
        self.seen = first.sources;
        self.in_force = first.case;
        self.accepted = Arc::new(first.accepted);
    }

    /// Runs until told to stop. `orders` is where [`Order::Changed`] comes from, too.
    pub(super) fn run(mut self, inbox: &Receiver<Order>) {
        self.watch();
        // What was saved after it was read and before it was watched.
        let mut next = Some(Order::Changed);
        loop {
            let Some(order) = next.take().or_else(|| inbox.recv().ok()) else {
                return;
            };
            match order {
                Order::Stop => return,
                Order::Changed => {
                    next = watch::settle(inbox, |order| matches!(order, Order::Changed));
                    let (now, parsed) = self.settled();
                    if now != self.seen {
                        self.seen = now;
                        self.reload(parsed, "watch", false);
                    }
                }
                Order::Reload {
                    by,
                    apply_pending,
                    reply,
                } => {
                    let report = self.reload_now(&by, apply_pending);
                    if let Some(reply) = reply {
                        // Whoever asked may have gone.
                        let _ = reply.send(report);
                    }
                }
                Order::Promote { asked, reply } => {
                    // Whoever asked may have gone.
                    let _ = reply.send(self.promote(&asked));
                }
            }
            // A folder that was replaced is watched anew; what was saved there meanwhile counts.
            if self.watch() && next.is_none() {
                next = Some(Order::Changed);
            }
        }
    }

    /// Reads everything again and reloads.
    pub(super) fn reload_now(&mut self, by: &str, apply_pending: bool) -> ReloadReport {
        let (now, parsed) = self.settled();
        self.seen = now;
        self.reload(parsed, by, apply_pending)
    }

    /// The sources, once no file is in the middle of being saved.
    pub(super) fn settled(&self) -> (Sources, Parsed) {
        let mut read = self.read();
        for pause in HALF_SAVED_PAUSES {
            if !read.0.is_half_saved(&self.seen) {
                break;
            }
            thread::sleep(pause);
            read = self.read();
        }
        read
    }

    fn read(&self) -> (Sources, Parsed) {
        let config = &self.in_force.loaded.config;
        let (mut sources, parsed) = Sources::read(&self.path, Some(config));
        sources.read_included(&self.included);
        (sources, parsed)
    }

    /// Judges what was read and puts in force what is good.
    fn reload(&mut self, parsed: Parsed, by: &str, apply_pending: bool) -> ReloadReport {
        let parsed_config = match &parsed {
            Some(Ok(loaded)) => Some(loaded.config.clone()),
            _ => None,
        };
        self.candidate = parsed_config;
        let present = self.changes_policies().then(|| self.present()).flatten();
        let now = present.as_ref().map(Present::wall);
        self.judge.face(present);
        let Plucked { accepted, refused } = self.pluck(parsed);
        // Held no longer than needed: the fold copies what others hold.
        self.judge.face(None);
        let refused: Vec<Refused> = refused.into_iter().map(|found| self.kept(found)).collect();
        for refused in &refused {
            tracing::error!(kept = %refused.kept, "refused: {}", refused.diagnostic);
        }
        let mut report = ReloadReport {
            refused,
            ..ReloadReport::default()
        };
        if let Some((case, accepted)) = accepted {
            report.gate = now.and_then(|at| reload_gate::report(by, at, &accepted));
            self.put_in_force(case, Arc::new(accepted), by, apply_pending, &mut report);
        }
        self.include();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mended = !shown.refused.is_empty() && report.refused.is_empty();
        if !report.refused.is_empty() && shown.refused != report.refused {
            self.note_refused(by, &report.refused);
        }
        shown.refused.clone_from(&report.refused);
        shown.pending.clone_from(&report.pending);
        if report.gate.is_some() {
            shown.gate.clone_from(&report.gate);
        }
        drop(shown);
        if mended {
            tracing::info!(%by, "nothing is refused any more");
        }
        if by != "watch" && report.taken.is_empty() && report.refused.is_empty() {
            tracing::info!(%by, "a reload was asked for: nothing new is in force");
        }
        self.tally.reloaded(report.refused.is_empty());
        report
    }

    /// What is known now; `None` where the daemon is stopping.
    pub(super) fn present(&self) -> Option<Present> {
        let (reply, replied) = sync_channel(1);
        self.fold.send(Message::Present { reply }).ok()?;
        replied.recv().ok()
    }

    /// Whether what was read may change any policy or its parameters.
    fn changes_policies(&self) -> bool {
        let mut read = self.seen.policies.iter();
        let is_new = |(name, text): (&PolicyName, &Text)| {
            let known = self.in_force.policies.get(name);
            text.as_ref().is_ok_and(|text| known != Some(text))
        };
        let config = self.candidate.as_ref();
        config.is_some_and(|config| *config != self.in_force.loaded.config) || read.any(is_new)
    }

    /// Has it written into the journal that files were refused.
    fn note_refused(&self, by: &str, refused: &[Refused]) {
        let findings = refused.iter().map(|one| one.diagnostic.headline());
        let refused = input::Refused {
            by: by.to_owned(),
            findings: findings.collect(),
        };
        // Where it cannot be told, the daemon is stopping.
        let _ = self.fold.send(Message::Refused(refused));
    }

    /// Notes what zone files include now. What was not read with the others is read here, and
    /// compared with what was judged at the next look.
    fn include(&mut self) {
        self.included = self.judge.take_included();
        self.included.extend(self.accepted.included.keys().cloned());
        for (file, text) in &self.accepted.included {
            let judged = || Ok(Arc::clone(text));
            self.seen.beside.entry(file.clone()).or_insert_with(judged);
        }
        let unread = |file: &&PathBuf| !self.seen.beside.contains_key(*file);
        let unread: Vec<_> = self.included.iter().filter(unread).cloned().collect();
        self.seen.read_included(&unread);
    }

    fn put_in_force(
        &mut self,
        case: Case,
        accepted: Arc<Accepted>,
        by: &str,
        apply_pending: bool,
        report: &mut ReloadReport,
    ) {
        let mut changed = changes(&self.in_force, &case);
        if changed.is_empty() && self.accepted.zone_versions == accepted.zone_versions {
            // Comments moved lines, or a test changed: findings are to point at the text of now.
            self.in_force = case;
            return;
        }
        // What was said at the last reload is known.
        let known = &self.accepted.warnings;
        let new = accepted.warnings.iter();
        for warning in new.filter(|warning| !known.contains(warning)) {
            tracing::warn!("{}", warning.headline());
        }
        let (reply, replied) = sync_channel(1);
        let message = Message::Reload {
            accepted: Arc::clone(&accepted),
            kept: kept::keep(&case, self.judge.passed()),
            by: by.to_owned(),
            apply_pending,
            reply,
        };
        // An error on either side means that the daemon is stopping.
        if self.fold.send(message).is_err() {
            return;
        }
        match replied.recv() {
            Err(_) => {}
            Ok(Reloaded::Pending { would_move, since }) => {
                for moves in &would_move {
                    tracing::warn!(
                        "a reload waits: it would move {moves}; `sidestep reload --apply`"
                    );
                }
                let waiting = PendingReload {
                    by: by.to_owned(),
                    since,
                    moves: would_move,
                };
                // Asked again, it waits since it was asked first.
                let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
                let before = shown.pending.clone();
                let same = before.filter(|before| before.moves == waiting.moves);
                report.pending = Some(same.unwrap_or(waiting));
            }
            Ok(Reloaded::InForce { moved }) => {
                changed.extend(self.waits_for_restart(&case.loaded.config.server));
                self.answering.publish(&case.loaded.config.server);
                report.taken = changed;
                report.moved = moved;
                self.in_force = case;
                let read = &self.seen.beside;
                self.in_force
                    .beside
                    .retain(|file, _| read.contains_key(file));
                let included = accepted.included.clone();
                self.in_force.beside.extend(included);
                self.accepted = accepted;
            }
        }
    }

    /// Notes and says what of `[server]` is in force at the next start alone.
    fn waits_for_restart(&self, now: &ServerConfig) -> Option<String> {
        let waits = needs_restart(&self.started_with, now);
        let keys = waits.join(" and ");
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.needs_restart = waits;
        if keys.is_empty() {
            return None;
        }
        tracing::warn!("{keys} of [server] needs a restart: the rest is in force");
        Some(format!("all but {keys} of [server], which needs a restart"))
    }

    /// The largest part of what was read that loads.
    fn pluck(&mut self, parsed: Parsed) -> Plucked {
        let sources = self.seen.clone();
        let mut refused = Vec::new();
        let whole = match parsed {
            Some(Ok(loaded)) => Some(loaded),
            Some(Err(found)) => {
                refused.extend(found);
                None
            }
            None => {
                refused.extend(sources.config.clone().err());
                None
            }
        };
        if let Some(loaded) = whole.clone() {
            match case(&self.path, loaded, &sources).and_then(|case| {
                let accepted = self.judge.judge(&case)?;
                Ok((case, accepted))
            }) {
                Ok(accepted) => {
                    return Plucked {
                        accepted: Some(accepted),
                        refused,
                    };
                }
                Err(found) => refused.extend(found),
            }
        } else {
            // Nobody else says what else cannot be read.
            let in_force = self.in_force.loaded.clone();
            refused.extend(
                case(&self.path, in_force, &sources)
                    .err()
                    .unwrap_or_default(),
            );
        }
        Plucked {
            accepted: self.piecemeal(whole, &sources, &mut refused),
            refused,
        }
    }

    /// Takes the configuration alone, then each policy and zone that loads alone. What does not
    /// is refused for what is wrong with it alone: together, one error may have hidden it.
    fn piecemeal(
        &mut self,
        whole: Option<Loaded>,
        sources: &Sources,
        refused: &mut Vec<Diagnostic>,
    ) -> Option<(Case, Accepted)> {
        let mut best: Option<(Case, Accepted)> = None;
        let mut attempt =
            |best: &mut Option<(Case, Accepted)>, case: Case| match self.judge.judge(&case) {
                Ok(accepted) => *best = Some((case, accepted)),
                Err(found) => add_new(refused, found),
            };
        let in_force = &self.in_force;
        let base = |best: &Option<(Case, Accepted)>| {
            best.as_ref()
                .map_or_else(|| in_force.clone(), |(case, _)| case.clone())
        };
        if let Some(loaded) = whole {
            let mut case = in_force.clone();
            case.loaded = loaded;
            case.add_missing(sources);
            attempt(&mut best, case);
        }
        for name in sources.policies.keys() {
            let mut case = base(&best);
            if case.uses(name) && case.take_policy(name, sources) {
                attempt(&mut best, case);
            }
        }
        for (apex, text) in &sources.zones {
            let mut case = base(&best);
            let Ok(text) = text else { continue };
            if case.zones.get(apex).is_some_and(|old| old != text) {
                case.zones.insert(apex.clone(), Arc::clone(text));
                case.take_beside(sources);
                attempt(&mut best, case);
            }
        }
        let mut case = base(&best);
        if case.take_beside(sources) {
            attempt(&mut best, case);
        }
        best
    }

    /// A refused finding with what goes on running instead.
    fn kept(&self, found: Diagnostic) -> Refused {
        let config = &self.in_force.loaded.config;
        let paths = Paths::of(&self.path);
        let version = |service: &Service| {
            let file = paths.policy(config, &service.policy);
            let source = self.in_force.policies.get(&service.policy)?;
            let version = PolicyVersion::of(source, &service.params);
            (file.display().to_string() == found.file).then(|| version.short().to_owned())
        };
        // Services that share a policy may run it with other parameters.
        let services = self.accepted.config.services.values();
        let shadows: Vec<Service> = services.filter_map(Service::as_shadow).collect();
        let services = config.services.values().chain(&shadows);
        let versions: BTreeSet<String> = services.filter_map(version).collect();
        let versions: Vec<String> = versions.into_iter().collect();
        let kept = match versions.len() {
            0 => "still running what was in force".to_owned(),
            1 => format!("still running version {}", versions[0]),
            _ => format!("still running versions {}", versions.join(", ")),
        };
        Refused {
            file: found.file.clone(),
            diagnostic: found,
            kept,
        }
    }

    /// Watches every folder that matters; whether one is new.
    fn watch(&mut self) -> bool {
        let configs: Vec<_> = [Some(&self.in_force.loaded.config), self.candidate.as_ref()]
            .into_iter()
            .flatten()
            .collect();
        let folders = self.seen.folders(&configs);
        self.watcher
            .as_mut()
            .is_some_and(|watcher| watcher.watch(&folders))
    }
}

/// Which keys of `[server]` are not as the daemon started with them.
fn needs_restart(started: &ServerConfig, now: &ServerConfig) -> Vec<String> {
    let keys = [
        ("dns", started.dns != now.dns),
        ("http", started.http != now.http),
        ("data", started.data != now.data),
        ("udp_threads", started.udp_threads != now.udp_threads),
    ];
    let changed = keys.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(key, _)| key.to_owned()).collect()
}

/// Adds findings that say something new.
fn add_new(refused: &mut Vec<Diagnostic>, found: Vec<Diagnostic>) {
    for found in found {
        let same =
            |known: &Diagnostic| (&known.file, &known.message) == (&found.file, &found.message);
        if !refused.iter().any(same) {
            refused.push(found);
        }
    }
}
