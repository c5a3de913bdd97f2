//! What is the same of all foreign formats: points, and a header made from what was seen.
//!
//! The header says what a configuration would: every target with an address that nobody has
//! (RFC 2544), every monitor with the median spacing of its results as its interval, and one
//! service of all of them.

use super::{Header, Reading, Seen, SeriesKey, series::Series};
use crate::model::{
    Config, FailureReason, Monitor, MonitorName, MonitorPatch, Service, Target, TargetName,
    Timestamp, config::ServerConfig, diagnostic::did_you_mean,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

/// Points in the order of their time.
pub(super) type Points = Box<dyn Iterator<Item = Result<Point, super::RecordingError>> + Send>;

/// One probe result of a foreign format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) at: Timestamp,
    /// Index among the series.
    pub(super) series: usize,
    pub(super) ok: bool,
    pub(super) rtt_us: Option<u32>,
}

impl Point {
    pub(super) fn seen(self, at: Timestamp, seq: u64) -> Seen {
        Seen {
            at,
            seq,
            series: self.series,
            ok: self.ok,
            rtt_us: self.rtt_us.filter(|_| self.ok),
            // Somebody else's program said so, and did not say why.
            error: (!self.ok).then_some(FailureReason::Plugin),
            late: false,
            local: None,
            cert_days: None,
            value: None,
        }
    }
}

/// Spacings that are kept of one series: enough for a median.
const SPACINGS_MAX: usize = 1_024;
/// The interval of a monitor that was never seen twice.
const INTERVAL_MS: i64 = 60_000;
/// The longest timeout that is supposed.
const TIMEOUT_MS: i64 = 2_000;
/// The name of a monitor where none is said.
pub(super) const MONITOR: &str = "probe";
/// The most targets: as many addresses as there are in 198.18.0.0/15.
const TARGETS_MAX: usize = (1 << 17) - 2;

/// What was seen, without the results.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    series: Series,
    seen: Vec<SeenOf>,
}

#[derive(Debug, Default)]
struct SeenOf {
    count: u64,
    last_at: Option<Timestamp>,
    spacings_ms: Vec<i64>,
}

/// A header, its series, and where each gathered series went.
pub(super) struct Made {
    pub(super) header: Header,
    pub(super) series: Series,
    pub(super) places: Vec<Option<usize>>,
    pub(super) left_out: BTreeMap<String, u64>,
}

impl Gathered {
    /// The number of the series of these three.
    pub(super) fn series(&mut self, target: &str, monitor: &str, vantage: &str) -> usize {
        // Without an address nothing can be wrong with it.
        let index = self.series.index([target, monitor, vantage], None);
        let index = index.unwrap_or_default();
        if self.seen.len() <= index {
            self.seen.resize_with(index + 1, SeenOf::default);
        }
        index
    }

    /// Counts a result; results come in the order of their time.
    pub(super) fn saw(&mut self, series: usize, at: Timestamp) {
        let Some(seen) = self.seen.get_mut(series) else {
            return;
        };
        seen.count += 1;
        if let Some(last) = seen.last_at.replace(at)
            && at > last
            && seen.spacings_ms.len() < SPACINGS_MAX
        {
            seen.spacings_ms.push(at.since_ms(last));
        }
    }

    /// The header of what was gathered.
    ///
    /// # Errors
    /// A sentence: a target of `order` that nobody saw, or more targets than there are addresses.
    pub(super) fn make(mut self, by: &str, reading: &Reading) -> Result<Made, String> {
        let mut left_out = BTreeMap::new();
        let places = self.settle_monitors(&mut left_out);
        let mut series = Series::default();
        let mut spacings: BTreeMap<(MonitorName, TargetName), Vec<i64>> = BTreeMap::new();
        let mut order: Vec<TargetName> = Vec::new();
        let mut finals = Vec::with_capacity(places.len());
        for (index, place) in places.into_iter().enumerate() {
            let Some(key) = place else {
                finals.push(None);
                continue;
            };
            let found = std::mem::take(&mut self.seen[index].spacings_ms);
            let one = spacings.entry((key.monitor.clone(), key.target.clone()));
            one.or_default().extend(found);
            order.push(key.target.clone());
            finals.push(Some(series.add(key)));
        }
        let targets = in_order(&order, &reading.order)?;
        let config = config(&targets, spacings, series.keys());
        let header = Header {
            by: by.to_owned(),
            config,
            policies: Vec::new(),
        };
        Ok(Made {
            header,
            series,
            places: finals,
            left_out,
        })
    }

    /// A monitor that knows nothing of a target counts as bad for it, so every monitor must know
    /// every target: where each target has one monitor these become one, else what does not know
    /// all is left out.
    fn settle_monitors(&self, left_out: &mut BTreeMap<String, u64>) -> Vec<Option<SeriesKey>> {
        let keys = self.series.keys();
        let mut by_target: BTreeMap<&TargetName, BTreeSet<&MonitorName>> = BTreeMap::new();
        for key in keys {
            by_target
                .entry(&key.target)
                .or_default()
                .insert(&key.monitor);
        }
        let all: BTreeSet<&MonitorName> = keys.iter().map(|key| &key.monitor).collect();
        let everywhere =
            |monitor: &&MonitorName| by_target.values().all(|has| has.contains(*monitor));
        let full: BTreeSet<&MonitorName> = all.iter().copied().filter(everywhere).collect();
        if full == all {
            return keys.iter().cloned().map(Some).collect();
        }
        let one_each = by_target.values().all(|monitors| monitors.len() == 1);
        if one_each || full.is_empty() {
            let merged = |key: &SeriesKey| SeriesKey {
                monitor: MONITOR.into(),
                ..key.clone()
            };
            return keys.iter().map(merged).map(Some).collect();
        }
        let kept = |(index, key): (usize, &SeriesKey)| {
            if full.contains(&key.monitor) {
                return Some(key.clone());
            }
            let why = format!("monitor '{}' does not probe every target", key.monitor);
            *left_out.entry(why).or_default() += self.seen.get(index).map_or(0, |seen| seen.count);
            None
        };
        keys.iter().enumerate().map(kept).collect()
    }
}

/// Targets in the order that was asked for, then in that of their appearance.
fn in_order(seen: &[TargetName], order: &[TargetName]) -> Result<Vec<TargetName>, String> {
    let mut targets: Vec<TargetName> = Vec::new();
    let known: BTreeSet<&TargetName> = seen.iter().collect();
    for name in order {
        if !known.contains(name) {
            let names = || known.iter().map(|name| name.as_str());
            let hint = match did_you_mean(name, names()) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None => {
                    let some: Vec<&str> = names().take(20).collect();
                    format!("there are {}", some.join(", "))
                }
            };
            return Err(format!("no target '{name}' to put in order: {hint}"));
        }
    }
    let mut taken = BTreeSet::new();
    for name in order.iter().chain(seen) {
        if taken.insert(name.clone()) {
            targets.push(name.clone());
        }
    }
    if targets.len() > TARGETS_MAX {
        return Err(format!(
            "{} targets: at most {TARGETS_MAX} can be told apart",
            targets.len()
        ));
    }
    Ok(targets)
}

fn config(
    order: &[TargetName],
    mut spacings: BTreeMap<(MonitorName, TargetName), Vec<i64>>,
    keys: &[SeriesKey],
) -> Config {
    let mut config = Config::default();
    if let Some(first) = keys.first() {
        let name = first.vantage.clone();
        config.server = ServerConfig {
            name,
            ..ServerConfig::default()
        };
    }
    for (index, name) in (1_u32..).zip(order) {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + index);
        config
            .targets
            .insert(name.clone(), target(name, address.into()));
    }
    let monitors: BTreeSet<MonitorName> = keys.iter().map(|key| key.monitor.clone()).collect();
    for name in &monitors {
        let of_it = spacings
            .iter_mut()
            .filter(|((monitor, _), _)| monitor == name);
        let mut whole: Vec<i64> = Vec::new();
        let mut each = Vec::new();
        for ((_, target), spacings_ms) in of_it {
            whole.extend(&*spacings_ms);
            each.push((target.clone(), median_ms(spacings_ms)));
        }
        let interval_ms = median_ms(&mut whole).unwrap_or(INTERVAL_MS);
        for (target, own_ms) in each {
            // A target that is probed at another pace; a few ms are none.
            let own_ms = own_ms
                .filter(|own_ms| own_ms.abs_diff(interval_ms) > interval_ms.unsigned_abs() / 10);
            if let (Some(own_ms), Some(target)) = (own_ms, config.targets.get_mut(&target)) {
                let patch = MonitorPatch {
                    interval_ms: Some(own_ms),
                    timeout_ms: Some(timeout_ms(own_ms)),
                    ..MonitorPatch::default()
                };
                target.monitor.insert(name.clone(), patch);
            }
        }
        config.monitors.insert(
            name.clone(),
            Monitor::bare(name.clone(), interval_ms, timeout_ms(interval_ms)),
        );
    }
    if !order.is_empty() {
        let monitors = monitors.into_iter().collect();
        let service = Service::bare(
            "imported".into(),
            "imported.example".into(),
            order.to_vec(),
            monitors,
        );
        config.services.insert(service.name.clone(), service);
    }
    config
}

fn target(name: &TargetName, address: IpAddr) -> Target {
    Target::bare(name.clone(), vec![address])
}

fn timeout_ms(interval_ms: i64) -> i64 {
    (interval_ms.saturating_mul(4) / 5).clamp(1, TIMEOUT_MS)
}

fn median_ms(spacings_ms: &mut [i64]) -> Option<i64> {
    let middle = spacings_ms.len() / 2;
    if spacings_ms.is_empty() {
        return None;
    }
    Some(*spacings_ms.select_nth_unstable(middle).1)
}

/// Points that are all in memory, in the order of their time; those of series without a place go.
pub(super) fn in_memory(mut points: Vec<Point>, places: Vec<Option<usize>>) -> Points {
    points.sort_by_key(|point| point.at);
    Box::new(points.into_iter().filter_map(move |point| {
        let series = places.get(point.series).copied().flatten()?;
        Some(Ok(Point { series, ..point }))
    }))
}

/// A round-trip time in µs from ms; `None` where it is none that is believed.
pub(super) fn rtt_us(ms: f64) -> Option<u32> {
    let us = (ms * 1_000.0).round();
    // Rounded and within range: nothing is cut.
    (0.0..=f64::from(u32::MAX))
        .contains(&us)
        .then_some(us as u32)
}
