//! Made-up outages: the recording of a scenario, the same bytes for the same scenario.
//!
//! Chance is SplitMix64 (Steele, Lea, Flood, 2014), one stream for each series, two numbers for
//! each probe whatever happens: an event more or less changes nothing but what it is about.
//!
//! Every series is probed once an interval, all of them spread over it. A result comes when its
//! round trip or its timeout is over. This node asks its witnesses once at the beginning, and after
//! every round in which a probe of its failed or they did not answer, as a daemon does.

use crate::{
    failover::{
        Event, Freshness, What,
        input::{ClockChange, FreshnessReport, WitnessResult},
    },
    model::{
        Config, FailureReason, Monitor, Observation, Service, SwitchBudget, Target, WitnessConfig,
        config::ServerConfig,
        scenario::{Happening, Scenario, ScenarioTarget},
    },
    recording::Header,
};
use std::{collections::VecDeque, net::Ipv4Addr};

/// How long a witness takes to answer, ms.
const WITNESS_MS: i64 = 15;
/// No answer is quicker than this, µs.
const QUICKEST_US: i64 = 100;

/// What the recording begins with: one service of all targets under the default policy, with the
/// default switch budget.
pub fn header(scenario: &Scenario) -> Header {
    let mut config = Config::default();
    if let Some(first) = scenario.vantages.first() {
        config.server = ServerConfig {
            name: first.clone(),
            ..ServerConfig::default()
        };
    }
    config.witness = (!scenario.witnesses.is_empty()).then(|| WitnessConfig {
        addresses: scenario.witnesses.clone(),
        need: 1,
    });
    for (index, target) in (1_u32..).zip(&scenario.targets) {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + index);
        let target = Target::bare(target.name.clone(), vec![address.into()]);
        config.targets.insert(target.name.clone(), target);
    }
    for name in &scenario.monitors {
        let (interval_ms, timeout_ms) = (scenario.interval_ms, scenario.timeout_ms);
        let monitor = Monitor::bare(name.clone(), interval_ms, timeout_ms);
        config.monitors.insert(name.clone(), monitor);
    }
    let targets = scenario.targets.iter().map(|target| target.name.clone());
    let monitors = scenario.monitors.clone();
    let service = Service {
        max_switches: Some(SwitchBudget::default()),
        ..Service::bare(
            "www".into(),
            "www.example.com".into(),
            targets.collect(),
            monitors,
        )
    };
    config.services.insert(service.name.clone(), service);
    Header {
        by: format!("sidestep {}", env!("CARGO_PKG_VERSION")),
        config,
        policies: Vec::new(),
    }
}

/// Everything that is recorded, in order, numbered from 1.
pub fn events(scenario: &Scenario) -> impl Iterator<Item = Event> {
    Generator::new(scenario)
}

/// SplitMix64.
#[derive(Clone, Copy, Debug)]
struct Chance(u64);

impl Chance {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The stream of a number: the seed's own streams lie far apart.
    fn stream(seed: u64, number: u64) -> Self {
        let mut of_seed = Self(seed);
        Self(of_seed.next() ^ Self(number).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::STEP);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// One series.
struct Probed {
    target: usize,
    monitor: usize,
    vantage: usize,
    offset_ms: i64,
    chance: Chance,
}

struct Generator<'s> {
    scenario: &'s Scenario,
    series: Vec<Probed>,
    round: i64,
    /// What came out and is later than the round that is over, ms after the start.
    carried: Vec<(i64, What)>,
    ready: VecDeque<(i64, What)>,
    /// Whether the witnesses answered this node last time.
    heard: bool,
    seq: u64,
}

impl<'s> Generator<'s> {
    fn new(scenario: &'s Scenario) -> Self {
        let sizes = (
            scenario.targets.len(),
            scenario.monitors.len(),
            scenario.vantages.len(),
        );
        let mut series = Vec::new();
        for vantage in 0..sizes.2 {
            for monitor in 0..sizes.1 {
                for target in 0..sizes.0 {
                    series.push(Probed {
                        target,
                        monitor,
                        vantage,
                        offset_ms: 0,
                        chance: Chance::stream(scenario.seed, series.len() as u64),
                    });
                }
            }
        }
        let count = series.len() as i64;
        for (index, probed) in (0_i64..).zip(&mut series) {
            probed.offset_ms = index * scenario.interval_ms / count.max(1);
        }
        let mut generator = Self {
            scenario,
            series,
            round: 0,
            carried: Vec::new(),
            ready: VecDeque::new(),
            heard: true,
            seq: 0,
        };
        generator.ask_witnesses(0);
        generator.reports();
        generator
    }

    /// What is known beforehand: copies that fall behind and catch up, jumps of the clock.
    fn reports(&mut self) {
        let scenario = self.scenario;
        let report = |target: &ScenarioTarget, freshness, data_age_ms| {
            What::Freshness(FreshnessReport {
                target: target.name.clone(),
                freshness,
                data_age_ms,
            })
        };
        let is_stale = |kind: &Happening| matches!(kind, Happening::Stale { .. });
        if scenario.events.iter().any(|event| is_stale(&event.kind)) {
            for target in &scenario.targets {
                self.carried.push((0, report(target, Freshness::Fresh, 0)));
            }
        }
        for event in &scenario.events {
            let (from_ms, to_ms) = (event.from_ms, event.to_ms);
            match event.kind {
                Happening::Stale { data_age_ms } => {
                    let hit = |target: &&ScenarioTarget| {
                        event.targets.is_empty() || event.targets.contains(&target.name)
                    };
                    for target in scenario.targets.iter().filter(hit) {
                        let stale = report(target, Freshness::Stale, data_age_ms);
                        self.carried.push((from_ms, stale));
                        self.carried
                            .push((to_ms, report(target, Freshness::Fresh, 0)));
                    }
                }
                Happening::Clock { ahead_ms } => {
                    let clock = |offset_ms| What::Clock(ClockChange { offset_ms });
                    self.carried.push((from_ms, clock(ahead_ms)));
                    self.carried.push((to_ms, clock(0)));
                }
                _ => {}
            }
        }
        self.carried
            .retain(|(at_ms, _)| *at_ms < scenario.length_ms);
    }

    fn is_on(&self, at_ms: i64, probed: &Probed, wanted: fn(&Happening) -> bool) -> bool {
        let target = &self.scenario.targets[probed.target].name;
        let vantage = &self.scenario.vantages[probed.vantage];
        let mut events = self.scenario.events.iter();
        events.any(|event| wanted(&event.kind) && event.concerns(at_ms, target, vantage))
    }

    /// One probe of every series, and what follows from it for the witnesses.
    fn probe_all(&mut self) {
        let begin_ms = self.round * self.scenario.interval_ms;
        let (mut failed_ms, mut awake) = (None, false);
        for index in 0..self.series.len() {
            let probed = &mut self.series[index];
            let at_ms = begin_ms + probed.offset_ms;
            let draws = [probed.chance.next(), probed.chance.next()];
            let probed = &self.series[index];
            let suspended = |kind: &Happening| *kind == Happening::Suspended;
            if at_ms >= self.scenario.length_ms || self.is_on(at_ms, probed, suspended) {
                continue;
            }
            let (result, after_ms) = self.outcome(at_ms, probed, draws);
            let is_ours = probed.vantage == 0;
            awake |= is_ours;
            if is_ours && result.is_err() {
                failed_ms = failed_ms.max(Some(at_ms + after_ms));
            }
            let seen = What::Probe(self.observation(probed, result));
            self.carried.push((at_ms + after_ms, seen));
        }
        let again_ms = (!self.heard && awake).then_some(begin_ms);
        if let Some(at_ms) = failed_ms.or(again_ms) {
            self.ask_witnesses(at_ms);
        }
    }

    /// The round-trip time in µs or why there is none, and how long that took, ms.
    fn outcome(
        &self,
        at_ms: i64,
        probed: &Probed,
        draws: [u64; 2],
    ) -> (Result<u32, FailureReason>, i64) {
        let scenario = self.scenario;
        let target = &scenario.targets[probed.target];
        let vantage = &scenario.vantages[probed.vantage];
        let jitter_us = target.jitter_ms * 1_000;
        let spread = 2 * jitter_us.unsigned_abs() + 1;
        // Below twice the jitter and one: it fits.
        let mut rtt_us = target.rtt_ms * 1_000 - jitter_us + (draws[0] % spread) as i64;
        let mut failed = None;
        let on = scenario.events.iter();
        for event in on.filter(|event| event.concerns(at_ms, &target.name, vantage)) {
            let since_ms = at_ms - event.from_ms;
            let fails = match event.kind {
                Happening::Down(reason) => Some(reason),
                Happening::Flap {
                    period_ms,
                    down_ms,
                    reason,
                } => (since_ms % period_ms.max(1) < down_ms).then_some(reason),
                Happening::Loss { per_mille } => {
                    (draws[1] % 1_000 < per_mille).then_some(FailureReason::Timeout)
                }
                Happening::Cut => Some(FailureReason::Timeout),
                Happening::Ramp { rtt_ms } => {
                    let grown_us = (rtt_ms - target.rtt_ms) * 1_000;
                    rtt_us += grown_us * since_ms / (event.to_ms - event.from_ms).max(1);
                    None
                }
                Happening::Stale { .. } | Happening::Clock { .. } | Happening::Suspended => None,
            };
            failed = failed.or(fails);
        }
        let rtt_us = rtt_us.max(QUICKEST_US);
        let took_ms = (rtt_us + 999) / 1_000;
        match failed {
            Some(FailureReason::Timeout) => (Err(FailureReason::Timeout), scenario.timeout_ms),
            _ if took_ms >= scenario.timeout_ms => {
                (Err(FailureReason::Timeout), scenario.timeout_ms)
            }
            Some(reason) => (Err(reason), took_ms),
            None => match u32::try_from(rtt_us) {
                Ok(rtt_us) => (Ok(rtt_us), took_ms),
                Err(_) => (Err(FailureReason::Timeout), scenario.timeout_ms),
            },
        }
    }

    fn observation(&self, probed: &Probed, result: Result<u32, FailureReason>) -> Observation {
        Observation {
            target: self.scenario.targets[probed.target].name.clone(),
            monitor: self.scenario.monitors[probed.monitor].clone(),
            address: None,
            vantage: self.scenario.vantages[probed.vantage].clone(),
            ok: result.is_ok(),
            rtt_us: result.ok(),
            error: result.err(),
            late: false,
            local: None,
            cert_days: None,
            value: None,
        }
    }

    /// Asks at an instant; the answer comes a little later, or never.
    fn ask_witnesses(&mut self, at_ms: i64) {
        let scenario = self.scenario;
        let Some(node) = scenario.vantages.first() else {
            return;
        };
        let cut = |event: &crate::model::scenario::ScenarioEvent| {
            event.kind == Happening::Cut
                && (event.from_ms..event.to_ms).contains(&at_ms)
                && (event.vantages.is_empty() || event.vantages.contains(node))
        };
        self.heard = !scenario.events.iter().any(cut);
        let after_ms = if self.heard {
            WITNESS_MS
        } else {
            scenario.timeout_ms
        };
        for witness in &scenario.witnesses {
            let result = What::Witness(WitnessResult {
                vantage: node.clone(),
                witness: *witness,
                ok: self.heard,
                error: (!self.heard).then(|| "timeout".to_owned()),
            });
            self.carried.push((at_ms + after_ms, result));
        }
    }
}

impl Iterator for Generator<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            let begin_ms = self.round.checked_mul(self.scenario.interval_ms)?;
            if begin_ms < self.scenario.length_ms {
                self.probe_all();
            } else if self.carried.is_empty() {
                return None;
            }
            self.round += 1;
            // What later rounds give is not before this.
            let end_ms = self.round * self.scenario.interval_ms;
            self.carried.sort_by_key(|(at_ms, _)| *at_ms);
            let over = self.carried.partition_point(|(at_ms, _)| *at_ms < end_ms);
            self.ready.extend(self.carried.drain(..over));
        }
        let (at_ms, what) = self.ready.pop_front()?;
        self.seq += 1;
        Some(Event {
            at: self.scenario.start.plus_ms(at_ms),
            seq: self.seq,
            what,
        })
    }
}
