//! What happened, a line for each thing that an operator wants to hear of.
//!
//! A log is the fold again: each event is applied to a state, and what it says follows from the
//! state before and after, so that a line never tells another story than the daemon lived
//! through. Asks no policy, reads no clock and no file; costs a probe that changes nothing little
//! more than applying it.

use super::changes::{self, InForce};
use crate::{
    cli::show::{by_sentence, layout::Paint, rail_word},
    failover::{
        By, Command, Decision, Event, Rail, State, What, World,
        event::{Ended, Fault},
        input::{ClockChange, FreshnessReport, OperatorCommand, Resolved, Start, WitnessResult},
    },
    model::{
        MonitorName, Observation, ServiceName, TargetName, Timestamp, VantageName,
        config::WitnessAddress, duration::format_ms,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    net::IpAddr,
    sync::Arc,
};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, by the wall clock.
    pub at: Timestamp,
    /// `decision`, `probe`, …: a closed list of at most nine letters.
    pub kind: &'static str,
    /// What happened, in one sentence; may hold whatever policies and programs say.
    pub said: String,
    pub(super) paint: Paint,
}

/// The fold that lines are read from.
#[derive(Debug)]
pub struct Log {
    pub(super) state: State,
    /// Only what concerns this service.
    only: Option<ServiceName>,
    in_force: InForce,
    isolated_since: Option<Timestamp>,
    silent_since: BTreeMap<WitnessAddress, Timestamp>,
    /// Series without results for this machine's own shortage.
    short: BTreeSet<(TargetName, MonitorName, Option<IpAddr>, VantageName)>,
}

/// What was known of a series before a probe.
#[derive(Clone, Copy)]
enum Known {
    Nothing,
    Good(u32, Timestamp),
    Bad(u32, Timestamp),
}

impl Log {
    /// A log from `state` on; [`State::default`] at the beginning of a journal.
    pub fn new(state: State, only: Option<ServiceName>) -> Self {
        let world = state.world();
        let silent = world.witnesses.iter().filter(|(_, known)| !known.ok);
        let silent = silent.map(|(&witness, known)| (witness, known.asked_at));
        Self {
            only,
            in_force: in_force(world),
            isolated_since: world.is_isolated().then_some(world.wall()),
            silent_since: silent.collect(),
            short: BTreeSet::new(),
            state,
        }
    }

    /// Goes on from `state`, where events before it are missing.
    pub fn resume(&mut self, state: State) {
        let known = Self::new(state, self.only.take());
        let isolated_since = known
            .isolated_since
            .map(|now| self.isolated_since.unwrap_or(now));
        *self = Self {
            isolated_since,
            short: std::mem::take(&mut self.short),
            ..known
        };
    }

    /// What is known after the last event.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Folds an event in, and says what there is to say of it.
    pub fn event(&mut self, event: &Event) -> Vec<Line> {
        match &event.what {
            What::Probe(seen) => self.probe(event, seen),
            What::Tick {} | What::Policy(_) | What::Drift(_) => {
                self.state.apply(event);
                Vec::new()
            }
            What::Decision(decision) => self.decision(event, decision),
            What::Witness(result) => self.witness(event, result),
            What::Config(config) => self.reload(event, &config.by),
            What::Operator(order) => self.operator(event, order),
            What::Ended(ended) => self.ended(event, ended),
            What::Clock(change) => self.clock(event, *change),
            What::Start(start) => self.start(event, start),
            What::Fault(fault) => self.fault(event, fault),
            What::Refused(refused) => {
                self.state.apply(event);
                let said = format!(
                    "the reload by {}: {}",
                    refused.by,
                    refused.findings.join("; ")
                );
                self.say("refused", Paint::Red, said)
            }
            What::Gap(gap) => {
                self.state.apply(event);
                let (from, to) = (gap.from_seq, gap.to_seq);
                let lost = gap.lost;
                let said = format!("{lost} events of {from} to {to} are missing: {}", gap.why);
                self.say("gap", Paint::Red, said)
            }
            What::Freshness(report) => self.freshness(event, report),
            What::Resolved(report) => self.resolved(event, report),
            What::Shadow(shadowed) => self.shadow(event, shadowed),
        }
    }

    fn start(&mut self, event: &Event, start: &Start) -> Vec<Line> {
        let (last, seq) = (self.world().at, self.world().seq);
        self.state.apply(event);
        let mut said = format!(
            "{} started (Rhai {}, policy API {})",
            start.program, start.rhai, start.api
        );
        if seq > 0 {
            let silent = format_ms(event.at.since_ms(last).max(0));
            said += &format!(", {silent} after the last event before it");
        }
        self.say("start", Paint::Bold, said)
    }

    fn freshness(&mut self, event: &Event, report: &FreshnessReport) -> Vec<Line> {
        let before = self.world().target(&report.target).map(|t| t.freshness);
        self.state.apply(event);
        if before == Some(report.freshness) || !self.concerns_target(&report.target) {
            return Vec::new();
        }
        let word = report.freshness.word();
        let mut said = format!("{}: its copy of the data is {word}", report.target);
        if report.data_age_ms >= 0 {
            said += &format!(", {} behind", format_ms(report.data_age_ms));
        }
        self.say("freshness", Paint::Yellow, said)
    }

    fn resolved(&mut self, event: &Event, report: &Resolved) -> Vec<Line> {
        let known = |world: &World| {
            world
                .target(&report.target)
                .and_then(|t| t.hostname.clone())
        };
        let before = known(self.world());
        self.state.apply(event);
        if before == known(self.world()) || !self.concerns_target(&report.target) {
            return Vec::new();
        }
        let addresses: Vec<String> = report.addresses.iter().map(ToString::to_string).collect();
        let (target, hostname) = (&report.target, &report.hostname);
        match &report.error {
            Some(error) => {
                let said = format!("{target}: {hostname} cannot be resolved: {error}");
                self.say("resolved", Paint::Yellow, said)
            }
            None => {
                let said = format!("{target}: {hostname} is {}", addresses.join(" "));
                self.say("resolved", Paint::Dim, said)
            }
        }
    }

    pub(super) fn world(&self) -> &World {
        self.state.world()
    }

    /// A line of now.
    pub(super) fn say(&self, kind: &'static str, paint: Paint, said: String) -> Vec<Line> {
        vec![self.line(kind, paint, said)]
    }

    fn line(&self, kind: &'static str, paint: Paint, said: String) -> Line {
        let at = self.world().wall();
        Line {
            at,
            kind,
            said,
            paint,
        }
    }

    pub(super) fn concerns(&self, service: &str) -> bool {
        self.only.as_ref().is_none_or(|only| &**only == service)
    }

    fn concerns_target(&self, target: &TargetName) -> bool {
        let Some(only) = &self.only else { return true };
        let service = self.world().config.services.get(only);
        service.is_some_and(|service| service.targets.contains(target))
    }

    fn concerns_series(&self, seen: &Observation) -> bool {
        let Some(only) = &self.only else { return true };
        let service = self.world().config.services.get(only);
        service.is_some_and(|service| {
            service.targets.contains(&seen.target) && service.monitors.contains(&seen.monitor)
        })
    }

    /// A series that turned bad or good; most probes turn nothing.
    fn probe(&mut self, event: &Event, seen: &Observation) -> Vec<Line> {
        let before = self.known(seen);
        self.state.apply(event);
        let after = self.known(seen);
        if let Some(short) = self.shortage(seen) {
            return short;
        }
        let at = self.world().at;
        let lasted = |count: u32, word: &str, since: Timestamp| match since.0 {
            0 => format!("after {count} {word}"),
            _ => format!("after {count} {word} in {}", format_ms(at.since_ms(since))),
        };
        let (paint, said) = match (before, after) {
            (Known::Nothing, Known::Good(..)) => {
                (Paint::Green, "good for the first time".to_owned())
            }
            (Known::Nothing, Known::Bad(..)) => {
                (Paint::Red, format!("bad from the beginning: {}", why(seen)))
            }
            (Known::Good(count, since), Known::Bad(..)) => (
                Paint::Red,
                format!("bad: {}, {}", why(seen), lasted(count, "good", since)),
            ),
            (Known::Bad(count, since), Known::Good(..)) => {
                let rtt = seen.rtt_us.map_or_else(String::new, |us| {
                    format!(" ({}.{}ms)", us / 1_000, us % 1_000 / 100)
                });
                (
                    Paint::Green,
                    format!("good again{rtt}, {}", lasted(count, "bad", since)),
                )
            }
            _ => return Vec::new(),
        };
        if !self.concerns_series(seen) {
            return Vec::new();
        }
        self.say("probe", paint, format!("{}: {said}", self.series(seen)))
    }

    fn known(&self, seen: &Observation) -> Known {
        let Some(series) = self.world().series_of(seen) else {
            return Known::Nothing;
        };
        match (series.failures, series.successes) {
            (0, 0) if series.last_at.is_none() => Known::Nothing,
            (0, count) => {
                let since = series.last_bad_at.unwrap_or_default();
                Known::Good(count, series.began_at.max(since))
            }
            (count, _) => Known::Bad(count, series.failing_since.unwrap_or_default()),
        }
    }

    /// A series that cannot be probed from here, when that begins and ends.
    fn shortage(&mut self, seen: &Observation) -> Option<Vec<Line>> {
        if seen.local.is_none() && self.short.is_empty() {
            return None;
        }
        let key = (
            seen.target.clone(),
            seen.monitor.clone(),
            seen.address,
            seen.vantage.clone(),
        );
        let Some(local) = &seen.local else {
            return self.short.remove(&key).then(|| {
                let said = format!("{}: there are results again", self.series(seen));
                self.of_series(seen, Paint::Green, said)
            });
        };
        if !self.short.insert(key) {
            return Some(Vec::new());
        }
        let said = format!(
            "{}: no result for a shortage of our own: {local}",
            self.series(seen)
        );
        Some(self.of_series(seen, Paint::Yellow, said))
    }

    fn of_series(&self, seen: &Observation, paint: Paint, said: String) -> Vec<Line> {
        if self.concerns_series(seen) {
            self.say("probe", paint, said)
        } else {
            Vec::new()
        }
    }

    /// `primary https 192.0.2.10`, and from where, where that is not this node.
    fn series(&self, seen: &Observation) -> String {
        let mut text = format!("{} {}", seen.target, seen.monitor);
        if let Some(address) = seen.address {
            text += &format!(" {address}");
        }
        if seen.vantage != self.world().config.server.name {
            text += &format!(" from {}", seen.vantage);
        }
        text
    }

    fn decision(&mut self, event: &Event, decision: &Decision) -> Vec<Line> {
        let before = self.world().service(&decision.service);
        let serving = before
            .map(|service| service.serving.clone())
            .unwrap_or_default();
        let ttl_ms = before.and_then(|service| Some(service.decision.as_ref()?.ttl_ms));
        self.state.apply(event);
        if !self.concerns(&decision.service) {
            return Vec::new();
        }
        let moved = serving != decision.serve;
        let held = decision.guard.is_some_and(is_refusal) && !moved;
        let mut said = if moved {
            let (from, to) = (names(&serving), names(&decision.serve));
            format!("{}: {from} -> {to}: {}", decision.service, decision.reason)
        } else {
            let names = names(&decision.serve);
            format!("{} stays on {names}: {}", decision.service, decision.reason)
        };
        said += &format!(" ({})", self.place(decision));
        if let Some(before_ms) = ttl_ms.filter(|&before_ms| before_ms != decision.ttl_ms) {
            let (old, new) = (format_ms(before_ms), format_ms(decision.ttl_ms));
            said += &format!(", TTL {old} -> {new}");
        }
        if let Some(alert) = &decision.alert {
            said += &format!(", alert: {alert}");
        }
        let paint = match (moved, held) {
            (true, _) => Paint::Bold,
            (false, true) => Paint::Yellow,
            (false, false) => Paint::Plain,
        };
        let kind = if held { "refused" } else { "decision" };
        self.say(kind, paint, said)
    }

    /// Which line of which version of what decided, whose word it was, and which rail held.
    fn place(&self, decision: &Decision) -> String {
        let service = self.world().config.services.get(&decision.service);
        place(
            service.map_or("policy", |service| &*service.policy),
            decision,
        )
    }

    fn witness(&mut self, event: &Event, result: &WitnessResult) -> Vec<Line> {
        self.state.apply(event);
        let witness = result.witness;
        let mut lines = Vec::new();
        if result.ok {
            if let Some(since) = self.silent_since.remove(&witness) {
                let lasted = format_ms(event.at.since_ms(since).max(0));
                let said = format!("{witness} answers again, after {lasted}");
                lines.push(self.line("witness", Paint::Green, said));
            }
        } else if let Entry::Vacant(silent) = self.silent_since.entry(witness) {
            silent.insert(event.at);
            let error = result.error.as_deref().unwrap_or("no answer");
            let said = format!("{witness} does not answer: {error}");
            lines.push(self.line("witness", Paint::Yellow, said));
        }
        lines.extend(self.isolation());
        lines
    }

    /// Isolation that began or ended.
    fn isolation(&mut self) -> Option<Line> {
        let now = self.world().wall();
        match (self.isolated_since, self.world().is_isolated()) {
            (None, true) => {
                self.isolated_since = Some(now);
                let said = "no witness answers: failures may be our own network's, \
                            and no target is left for them";
                Some(self.line("isolated", Paint::Red, said.to_owned()))
            }
            (Some(since), false) => {
                self.isolated_since = None;
                let lasted = format_ms(now.since_ms(since).max(0));
                Some(self.line("isolated", Paint::Green, format!("over, after {lasted}")))
            }
            _ => None,
        }
    }

    fn reload(&mut self, event: &Event, by: &str) -> Vec<Line> {
        self.state.apply(event);
        let first = self.in_force.config.services.is_empty();
        let now = in_force(self.world());
        let changes = changes::changes(&self.in_force, &now);
        self.in_force = now;
        let mut lines = Vec::new();
        let concerns = |change: &changes::Change| match (&self.only, &change.concerns) {
            (None, _) | (_, None) => true,
            (Some(only), Some(services)) => services.contains(only),
        };
        let said: Vec<&str> = changes
            .iter()
            .filter(|change| concerns(change))
            .map(|change| change.said.as_str())
            .collect();
        let text = match (first, said.as_slice()) {
            (true, _) => {
                let services: Vec<&str> =
                    self.in_force.config.services.keys().map(|s| &**s).collect();
                Some(format!("by {by}: in force with {}", services.join(", ")))
            }
            (false, []) if self.only.is_some() => None,
            (false, []) => Some(format!("by {by}: nothing changed")),
            (false, said) => Some(format!("by {by}: {}", said.join("; "))),
        };
        lines.extend(text.map(|text| self.line("reload", Paint::Bold, text)));
        lines.extend(self.isolation());
        lines
    }

    fn operator(&mut self, event: &Event, order: &OperatorCommand) -> Vec<Line> {
        self.state.apply(event);
        let concerned = match &order.command {
            Command::Switch { service, .. }
            | Command::Hold { service, .. }
            | Command::Release { service }
            | Command::Failback { service } => self.concerns(service),
            Command::Drain { target, .. } | Command::Undrain { target } => {
                self.concerns_target(target)
            }
            Command::Freeze { .. } | Command::Thaw => true,
        };
        if !concerned {
            return Vec::new();
        }
        let until = order.command.until();
        let until = until.map_or_else(String::new, |until| format!(" until {until}"));
        let said = format!("{}: {}{until}: {}", order.by, order.command, order.reason);
        self.say("operator", Paint::Bold, said)
    }

    fn ended(&mut self, event: &Event, ended: &Ended) -> Vec<Line> {
        let (concerned, said) = match ended {
            Ended::Override { service, why } => {
                let state = self.world().service(service);
                let by = state.and_then(|state| Some(state.override_.as_ref()?.stand.by.clone()));
                let by = by.map_or_else(String::new, |by| format!(" by {by}"));
                let said = format!("the override of {service}{by}: {why}");
                (self.concerns(service), said)
            }
            Ended::Drain { target } => {
                let drain = self.world().target(target).and_then(|t| t.drain.as_ref());
                let by = drain.map_or_else(String::new, |drain| format!(" by {}", drain.stand.by));
                let said = format!("the drain of {target}{by}: its time is up");
                (self.concerns_target(target), said)
            }
            Ended::Freeze {} => {
                let freeze = self.world().freeze.as_ref();
                let by = freeze.map_or_else(String::new, |freeze| format!(" by {}", freeze.by));
                (true, format!("the freeze{by}: its time is up"))
            }
        };
        self.state.apply(event);
        if concerned {
            self.say("ended", Paint::Yellow, said)
        } else {
            Vec::new()
        }
    }

    fn clock(&mut self, event: &Event, change: ClockChange) -> Vec<Line> {
        let before_ms = self.world().wall_offset_ms;
        self.state.apply(event);
        let jump_ms = change.offset_ms.saturating_sub(before_ms);
        let direction = if jump_ms < 0 { "back" } else { "ahead" };
        let length = format_ms(jump_ms.saturating_abs());
        let said = format!("the wall clock jumped {length} {direction}");
        self.say("clock", Paint::Yellow, said)
    }

    fn fault(&mut self, event: &Event, fault: &Fault) -> Vec<Line> {
        self.state.apply(event);
        if !self.concerns(&fault.service) {
            return Vec::new();
        }
        let service = self.world().config.services.get(&fault.service);
        let policy = service.map_or("its policy", |service| &*service.policy);
        let line = match fault.line {
            0 => String::new(),
            line => format!(":{line}"),
        };
        let said = format!(
            "{}: {policy}{line}, version {}: {}",
            fault.service,
            fault.policy.short(),
            fault.message
        );
        self.say("fault", Paint::Red, said)
    }
}

fn in_force(world: &World) -> InForce {
    let texts = world.policies.iter();
    InForce {
        config: Arc::clone(&world.config),
        texts: texts
            .map(|(name, text)| (name.clone(), Arc::clone(&text.source)))
            .collect(),
        zones: world.zone_hashes.clone(),
    }
}

/// Why a probe was bad.
fn why(seen: &Observation) -> &'static str {
    seen.error.map_or("no reason given", |error| error.word())
}

/// Rails that refuse what a policy wants; the others carry out what an operator wants.
fn is_refusal(rail: Rail) -> bool {
    match rail {
        Rail::Fault
        | Rail::Isolated
        | Rail::AskingWitnesses
        | Rail::NeverWorse
        | Rail::SwitchBudget => true,
        Rail::Override | Rail::Freeze | Rail::Gone => false,
    }
}

pub(super) fn names(serving: &[TargetName]) -> String {
    let names: Vec<&str> = serving.iter().map(TargetName::as_str).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        names => names.join(" and "),
    }
}

/// The same of a decision of the policy of this name.
pub(super) fn place(policy: &str, decision: &Decision) -> String {
    let mut parts = Vec::new();
    if matches!(decision.by, By::Policy | By::Previous) {
        let version = decision.policy.short();
        parts.push(match decision.line {
            0 => format!("{policy}, version {version}"),
            line => format!("{policy}:{line}, version {version}"),
        });
    }
    if decision.by != By::Policy {
        parts.push(format!("by {}", by_sentence(decision.by)));
    }
    // Whose override or freeze it is, the reason says.
    let said = [Some(Rail::Override), Some(Rail::Freeze)].contains(&decision.guard);
    if let Some(rail) = decision.guard.filter(|_| !said) {
        parts.push(format!("rail: {}", rail_word(rail)));
    }
    parts.join("; ")
}
