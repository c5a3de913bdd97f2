//! The stage of a story: the configuration in which it plays, its series, and what happens on it
//! beside results of probes.

use super::{
    lane::Lane,
    runner::{BEGIN, Rehearsal},
};
use crate::failover::{
    Freshness, Input,
    input::{ClockChange, Command, DriftReport, FreshnessReport},
};
use crate::model::{
    Config, Monitor, MonitorName, OnFault, OnReload, PolicyText, ProbeKind, Require, Service,
    ServiceName, Target, TargetName, TcpProbe, Timestamp, WitnessConfig,
    config::WitnessAddress,
    service::default_history_ms,
    story::{Happening, Story, StoryFreshness, StoryRow},
};
use std::net::{IpAddr, Ipv4Addr};

/// 198.18.0.0/15 is for tests (RFC 2544). Address n of target i is 198.18.(n-1).i.
const FIRST_ADDRESS: u32 = 0xC612_0000;
/// Room for targets between a target's addresses.
const TARGETS: u32 = 256;

/// The series of a row.
pub(super) fn lane(config: &Config, row: &StoryRow) -> Lane {
    let addresses = config.targets.get(&row.target).map(|t| &t.addresses[..]);
    let place = usize::from(row.address).saturating_sub(1);
    let address = addresses.and_then(|all| all.get(place)).copied();
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let vantage = row.vantage.as_ref().unwrap_or(&config.server.name).clone();
    let place = (row.target.clone(), row.monitor.clone(), address, vantage);
    Lane::new(place, (1, 0), BEGIN)
}

/// Lets something happen, `at_ms` after the story's begin.
pub(super) fn happen(
    rehearsal: &mut Rehearsal<'_>,
    service: &ServiceName,
    at_ms: i64,
    what: &Happening,
) {
    let service = service.clone();
    let offset_ms = rehearsal.state().world().wall_offset_ms;
    let until = |for_ms: Option<i64>| -> Option<Timestamp> {
        let begin = BEGIN.plus_ms(at_ms).plus_ms(offset_ms);
        for_ms.map(|for_ms| begin.plus_ms(for_ms))
    };
    let command = match what.clone() {
        Happening::Switch { target, for_ms } => Command::Switch {
            service,
            target,
            until: until(for_ms),
        },
        Happening::Hold { for_ms } => Command::Hold {
            service,
            until: until(for_ms),
        },
        Happening::Release => Command::Release { service },
        Happening::Failback => Command::Failback { service },
        Happening::Drain { target, for_ms } => Command::Drain {
            target,
            until: until(for_ms),
        },
        Happening::Undrain { target } => Command::Undrain { target },
        Happening::Freeze { for_ms } => Command::Freeze {
            until: until(for_ms),
        },
        Happening::Thaw => Command::Thaw,
        Happening::Witnesses { answer } => return rehearsal.witnesses(at_ms, answer),
        Happening::Freshness { target, is, age_ms } => {
            let report = report(target, is, age_ms);
            return rehearsal.report(at_ms, report);
        }
        Happening::Drift {
            target,
            differences,
        } => {
            let report = DriftReport {
                target,
                differences,
            };
            return rehearsal.feed(at_ms, Input::Drift(report));
        }
        Happening::Clock { by_ms } => {
            let offset_ms = offset_ms.saturating_add(by_ms);
            return rehearsal.feed(at_ms, Input::Clock(ClockChange { offset_ms }));
        }
    };
    rehearsal.order(at_ms, command);
}

fn report(target: TargetName, is: StoryFreshness, data_age_ms: i64) -> FreshnessReport {
    let freshness = match is {
        StoryFreshness::Fresh => Freshness::Fresh,
        StoryFreshness::Stale => Freshness::Stale,
        StoryFreshness::Unknown => Freshness::Unknown,
    };
    FreshnessReport {
        target,
        freshness,
        data_age_ms,
    }
}

/// The configuration in which a story plays. There is a witness where the story tells of it.
pub(super) fn config(
    story: &Story,
    text: &PolicyText,
    keep_ms: i64,
    service: &ServiceName,
) -> Config {
    let targets = (1..).zip(&story.targets);
    let targets = targets.map(|(number, name)| (name.clone(), target(story, number, name)));
    let monitors = story.monitors.iter();
    let monitors = monitors.map(|name| (name.clone(), monitor(story, name)));
    let service = Service {
        name: service.clone(),
        names: vec!["story.test".into()],
        ttl_ms: story.ttl_ms,
        targets: story.targets.clone(),
        monitors: story.monitors.clone(),
        policy: text.name.clone(),
        params: story.params.clone(),
        history_ms: default_history_ms(),
        keep_ms,
        max_switches: story.max_switches,
        on_fault: OnFault::Hold,
        rto_ms: None,
        reload: OnReload::Apply,
        shadow: None,
    };
    let mut happens = story.happens.iter();
    let witnessed = happens.any(|one| matches!(one.what, Happening::Witnesses { .. }));
    Config {
        witness: witnessed.then(|| WitnessConfig {
            addresses: vec![WitnessAddress::Icmp(Ipv4Addr::new(198, 19, 0, 1).into())],
            need: 1,
        }),
        targets: targets.collect(),
        monitors: monitors.collect(),
        services: [(service.name.clone(), service)].into(),
        ..Config::default()
    }
}

fn monitor(story: &Story, name: &MonitorName) -> Monitor {
    Monitor {
        name: name.clone(),
        probe: ProbeKind::Tcp(TcpProbe {
            port: 80,
            send: None,
            expect: None,
        }),
        interval_ms: story.interval_ms,
        timeout_ms: story.timeout_ms,
        interval_suspect_ms: None,
        family: None,
    }
}

fn target(story: &Story, number: u32, name: &TargetName) -> Target {
    let rows = story.rows.iter().filter(|row| row.target == *name);
    let most = rows.map(|row| row.address).max().unwrap_or(1).max(1);
    let address = |n: u8| -> IpAddr {
        let above = u32::from(n).saturating_mul(TARGETS).wrapping_add(number);
        Ipv4Addr::from(FIRST_ADDRESS.wrapping_add(above)).into()
    };
    let mut target = Target::bare(name.clone(), (0..most).map(address).collect());
    if story.any.contains(name) {
        target.require = Require::Any;
    }
    target
}
