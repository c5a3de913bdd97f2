//! What is asked for on the command line.

use super::server::Kind;
use std::{fmt::Display, str::FromStr, time::Duration};

/// Settings of every measurement; each has a default that suits a quiet machine.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Which measurements; none: all.
    pub(crate) which: Vec<String>,
    /// Rounds whose median counts.
    pub(crate) rounds: usize,
    /// Of one measurement in a round.
    pub(crate) lasts: Duration,
    /// Names of the large zone.
    pub(crate) names: u32,
    /// Servers that take part.
    pub(crate) servers: Vec<Kind>,
    /// First port of those used.
    pub(crate) port: u16,
    /// Reloads under load.
    pub(crate) reloads: usize,
    /// Idle TCP connections; a tenth as many send a byte a second.
    pub(crate) idle: usize,
    /// Words that a workload's name must contain, to take part.
    pub(crate) only: Option<String>,
    /// Queries per second where they should be easy.
    pub(crate) rate: f64,
    /// What fails the run.
    pub(crate) strict: Strict,
}

/// Which limits fail a run where they are missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strict {
    None,
    /// Those that a slow or busy machine is no excuse for.
    Facts,
    All,
}

impl FromStr for Strict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "facts" => Ok(Self::Facts),
            "all" => Ok(Self::All),
            _ => Err("none, facts or all".into()),
        }
    }
}

/// What `--help` says.
const USAGE: &str = "\
cargo bench --bench dns -- [MEASUREMENT...] [--KEY VALUE...]

  cost       CPU per query and queries per second beside gdnsd, Knot, NSD and PowerDNS
  size       start-up and memory with --names names, beside the same
  switches   answer times during 100 switches a second; no old answer after a new one
  reloads    --reloads reloads, half of them broken, under --rate queries a second: nothing lost
  idle       --idle idle TCP connections and a tenth as many that trickle, beside honest clients
  overload   three times the load that can be carried

  --rounds 9  --seconds 1  --names 1000000  --servers floor,sidestep,gdnsd,knot,nsd,pdns
  --port 21600  --reloads 1000  --idle 10000  --rate 20000  --only WORD  --strict none|facts|all";

impl Settings {
    /// As given; ends the program where that makes no sense.
    pub(crate) fn read() -> Self {
        let mut settings = Self {
            which: Vec::new(),
            rounds: 9,
            lasts: Duration::from_secs(1),
            names: 1_000_000,
            servers: Kind::ALL.to_vec(),
            port: 21_600,
            reloads: 1_000,
            idle: 10_000,
            only: None,
            rate: 20_000.0,
            strict: Strict::None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix("--") {
                // What cargo adds.
                Some("bench") => {}
                Some("help") => end(USAGE, 0),
                Some(key) => {
                    let Some(value) = arguments.next() else {
                        end(&format!("--{key} needs a value"), 2)
                    };
                    settings.set(key, &value);
                }
                None => settings.which.push(argument),
            }
        }
        settings
    }

    fn set(&mut self, key: &str, value: &str) {
        match key {
            "rounds" => self.rounds = parsed(key, value),
            "seconds" => self.lasts = Duration::from_secs_f64(parsed(key, value)),
            "names" => self.names = parsed(key, value),
            "port" => self.port = parsed(key, value),
            "reloads" => self.reloads = parsed(key, value),
            "idle" => self.idle = parsed(key, value),
            "only" => self.only = Some(value.to_owned()),
            "rate" => self.rate = parsed(key, value),
            "strict" => self.strict = parsed(key, value),
            "servers" => {
                let named = |kind: &Kind| value.split(',').any(|name| name == kind.name());
                self.servers = Kind::ALL.into_iter().filter(named).collect();
            }
            _ => end(&format!("what is '--{key}'?\n\n{USAGE}"), 2),
        }
    }

    /// Whether a measurement was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.which.is_empty() || self.which.iter().any(|wanted| wanted == name)
    }
}

fn parsed<T: FromStr<Err: Display>>(key: &str, value: &str) -> T {
    value
        .parse()
        .unwrap_or_else(|error| end(&format!("--{key} {value}: {error}"), 2))
}

fn end(text: &str, code: i32) -> ! {
    eprintln!("{text}");
    std::process::exit(code);
}
