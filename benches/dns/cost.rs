//! What a query costs: CPU of the server and queries per second, in turns with the others.

use super::{
    data::Data,
    load::{Beside, Generator, Load, Outcome},
    question::{A, Names, Questions, Wire},
    report::{Spread, fact, limit},
    server::{Kind, Server, ask},
    settings::Settings,
    switching::Switching,
    usage::Cpu,
};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};

/// Asked before anything counts.
const WARM: Duration = Duration::from_millis(100);
const COOKIE_WITHIN: Duration = Duration::from_secs(1);
/// The limit beside gdnsd and Knot.
const AT_MOST: f64 = 1.05;
/// What is asked at a rate that leaves the server idle for most of the time.
const EASY_RATE: f64 = 20_000.0;
/// Changes per second during switches and reloads.
const SWITCHES: f64 = 100.0;
const RELOADS: f64 = 2.0;

/// What disturbs the server meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disturbed {
    Not,
    /// Ours alone can be told to switch; the others go on undisturbed.
    Switches,
    /// All that can reload do.
    Reloads,
}

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
struct Workload {
    what: &'static str,
    name: &'static str,
    wire: Wire,
    names: Names,
    /// At this rate; none: as much as it bears.
    rate: Option<f64>,
    rcode: u8,
    disturbed: Disturbed,
}

impl Workload {
    fn of(what: &'static str, name: &'static str) -> Self {
        Self {
            what,
            name,
            wire: Wire::Plain,
            names: Names::One,
            rate: None,
            rcode: 0,
            disturbed: Disturbed::Not,
        }
    }

    /// The floor denies nothing; of NSD, a reload ends the process that answers, and what it used
    /// with it.
    fn is_for(&self, kind: Kind) -> bool {
        match kind {
            Kind::Floor => self.rcode == 0,
            Kind::Nsd => self.disturbed != Disturbed::Reloads,
            _ => true,
        }
    }

    fn few() -> Vec<Self> {
        let service = |what| Self::of(what, "www");
        let absent = Self {
            names: Names::Unknown,
            rcode: 3,
            ..Self::of("no such name", "")
        };
        vec![
            service("service record"),
            Self {
                rate: Some(EASY_RATE),
                ..service("service record, 20,000/s")
            },
            Self {
                wire: Wire::Edns,
                ..service("service record, EDNS")
            },
            Self {
                wire: Wire::Cookie,
                ..service("service record, EDNS and cookie")
            },
            Self::of("static record", "static"),
            absent,
            Self {
                wire: Wire::Edns,
                what: "no such name, EDNS",
                ..absent
            },
            Self {
                disturbed: Disturbed::Switches,
                ..service("service record, 100 switches/s")
            },
            Self {
                disturbed: Disturbed::Reloads,
                ..service("service record, 2 reloads/s")
            },
        ]
    }

    fn many(names: u32) -> Vec<Self> {
        vec![
            Self::of("many loaded: service record", "www"),
            Self::of("many loaded: static record", "static"),
            Self {
                names: Names::Known(names),
                ..Self::of("many loaded: all at random", "")
            },
            Self {
                names: Names::Known(names),
                wire: Wire::Cookie,
                ..Self::of("many loaded: at random, EDNS and cookie", "")
            },
            Self {
                names: Names::Unknown,
                rcode: 3,
                wire: Wire::Edns,
                ..Self::of("many loaded: no such name, EDNS", "")
            },
        ]
    }
}

/// Measures everything that a query costs.
pub(crate) fn measure(settings: &Settings, folder: &Path, watched_port: u16) {
    let few = Data {
        names: 0,
        watched_port,
        targets: 2,
    };
    let many = Data {
        names: settings.names,
        watched_port,
        targets: 2,
    };
    // Without names there is nothing to ask for at random.
    let large = if many.names == 0 {
        Vec::new()
    } else {
        Workload::many(many.names)
    };
    for (data, workloads) in [(few, Workload::few()), (many, large)] {
        let only = settings.only.as_deref().unwrap_or_default();
        let workloads: Vec<_> = workloads
            .into_iter()
            .filter(|w| w.what.contains(only))
            .collect();
        if !workloads.is_empty() {
            let folder = folder.join(format!("cost-{}", data.names));
            compare(settings, &data, &workloads, &folder);
        }
    }
}

/// One measurement: µs of CPU per answer, and answers per second.
#[derive(Clone, Copy, Debug)]
struct Sample {
    cpu_us: f64,
    per_second: f64,
    unanswered: u64,
    /// Share of the time that the generator waited for the server, %.
    waited: f64,
}

fn compare(settings: &Settings, data: &Data, workloads: &[Workload], folder: &Path) {
    println!("\n{} names", data.names.max(1));
    let servers: Vec<Server> = settings
        .servers
        .iter()
        .zip(settings.port..)
        .filter_map(|(&kind, port)| {
            Server::start(kind, data, folder, port)
                .inspect_err(|why| fact(&format!("{kind} takes part"), false, why))
                .ok()
        })
        .collect();
    // By workload, server and round.
    let mut samples = vec![vec![Vec::new(); servers.len()]; workloads.len()];
    for round in 0..settings.rounds {
        for (workload, samples) in workloads.iter().zip(&mut samples) {
            for turn in 0..servers.len() {
                // Who comes first changes, so that nobody always follows the same.
                let index = (turn + round) % servers.len();
                let server = &servers[index];
                if workload.is_for(server.kind) {
                    samples[index].push(sample(server, data, workload, settings.lasts));
                }
            }
        }
    }
    for (workload, samples) in workloads.iter().zip(&samples) {
        tell(workload, &servers, samples);
    }
}

fn sample(server: &Server, data: &Data, workload: &Workload, lasts: Duration) -> Sample {
    let mut questions = Questions::new(workload.name, A, workload.wire, workload.names);
    if workload.wire == Wire::Cookie
        && let Some(reply) = ask(server.address, questions.template(), COOKIE_WITHIN)
    {
        questions.learn_cookie(&reply);
    }
    let load = match workload.rate {
        Some(rate) => Load::paced(server.address, rate),
        None => Load::full(server.address, workload.rcode),
    };
    let mut generator = Generator::new(load, questions);
    let (outcome, cpu) = match (workload.disturbed, server.kind) {
        (Disturbed::Switches, Kind::Sidestep) => {
            let socket = server.folder.join("data/control.sock");
            let mut switching = Switching::new(&socket, SWITCHES, 2);
            measured(server, &mut generator, lasts, &mut switching)
        }
        (Disturbed::Reloads, _) => {
            let every_ns = (1e9 / RELOADS) as u64;
            let mut reloading = Reloading {
                server,
                data,
                every_ns,
                next_ns: 0,
            };
            measured(server, &mut generator, lasts, &mut reloading)
        }
        _ => measured(server, &mut generator, lasts, &mut ()),
    };
    assert!(
        outcome.wrong * 100 <= outcome.answered,
        "{} answers wrongly: {outcome:?}",
        server.kind
    );
    Sample {
        cpu_us: cpu.as_secs_f64() * 1e6 / outcome.answered.max(1) as f64,
        per_second: outcome.per_second(),
        unanswered: outcome.lost,
        waited: outcome.idle.as_secs_f64() * 100.0 / outcome.took.as_secs_f64(),
    }
}

fn measured(
    server: &Server,
    generator: &mut Generator,
    lasts: Duration,
    beside: &mut impl Beside,
) -> (Outcome, Duration) {
    generator.run(WARM.min(lasts), &mut ());
    let before = Cpu::of(server.pid());
    let outcome = generator.run(lasts, beside);
    (outcome, Cpu::of(server.pid()).since(&before))
}

/// Reloads now and then.
struct Reloading<'s> {
    server: &'s Server,
    data: &'s Data,
    every_ns: u64,
    next_ns: u64,
}

impl Beside for Reloading<'_> {
    fn turn(&mut self, now_ns: u64) {
        if now_ns >= self.next_ns {
            self.next_ns = now_ns + self.every_ns;
            // A zone that is as it was is not loaded by those who look.
            let since = SystemTime::UNIX_EPOCH.elapsed();
            let tenths = since.map_or(2, |since| since.as_millis() / 100);
            self.server
                .renew(self.data, (tenths % 2_000_000_000) as u32);
            self.server.reload().expect("a signal or a command");
        }
    }
}

fn tell(workload: &Workload, servers: &[Server], samples: &[Vec<Sample>]) {
    println!(
        "\n{:<40} {:>22} {:>10} {:>22} {:>6} {:>8}",
        workload.what, "CPU µs/query", "queries/s", "sidestep's CPU / its", "lost", "waited %"
    );
    let ours = servers
        .iter()
        .position(|server| server.kind == Kind::Sidestep);
    let beside = |other: &[Sample]| {
        let ours = ours.map_or(&[][..], |index| &samples[index]);
        let ratios = ours
            .iter()
            .zip(other)
            .map(|(ours, other)| ours.cpu_us / other.cpu_us);
        Spread::of(ratios)
    };
    let told = || {
        servers
            .iter()
            .zip(samples)
            .filter(|(_, samples)| !samples.is_empty())
    };
    for (server, samples) in told() {
        println!(
            "  {:<38} {:>22} {:>10.0} {:>22} {:>6} {:>8.0}",
            server.kind.name(),
            Spread::of(samples.iter().map(|sample| sample.cpu_us)).to_string(),
            Spread::of(samples.iter().map(|sample| sample.per_second)).median,
            beside(samples).to_string(),
            samples.iter().map(|sample| sample.unanswered).sum::<u64>(),
            Spread::of(samples.iter().map(|sample| sample.waited)).median,
        );
    }
    for (server, samples) in told() {
        // While it switches and reloads it does more than the others: told, and no limit.
        let is_bound = ours.is_some() && workload.disturbed == Disturbed::Not;
        if is_bound && matches!(server.kind, Kind::Gdnsd | Kind::Knot) {
            let ratio = beside(samples);
            let what = format!(
                "{}, CPU beside {}, at most {AT_MOST}",
                workload.what, server.kind
            );
            limit(&what, ratio.median <= AT_MOST, ratio);
        }
    }
}
