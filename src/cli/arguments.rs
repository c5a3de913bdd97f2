//! The command line: what can be said, and nothing of what it does.

use super::log::when::When;
use crate::{
    model::{Param, SwitchBudget, Timestamp, duration},
    recording::{Labels, Reading},
    replay::sweep::{self, Sweep},
};
use clap::{Args, Parser, Subcommand};
use std::{net::IpAddr, path::PathBuf};

/// DNS failover by a policy that you write, read, change while it runs and try beforehand.
#[derive(Debug, Parser)]
#[command(name = "sidestep", version, propagate_version = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What `sidestep` can be told to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// A tour that needs nothing: three local servers, a real failover and failback, real DNS queries
    Demo(DemoArguments),
    /// Write a configuration, a policy and its test to start from, and probe once
    Init(InitArguments),
    /// Everything that can be known without starting
    Check(CheckArguments),
    /// The daemon: probe, decide, answer
    Serve(ServeArguments),
    /// One round of probes now, with a trace
    Probe(ProbeArguments),
    /// Run policy tests
    Test(TestArguments),
    /// Write the journal, or a part of it, as a recording
    Export(ExportArguments),
    /// Read a recording, or somebody else's history, into a new journal
    Import(ImportArguments),
    /// Make the recording of an outage that nobody wants to wait for
    Synth(SynthArguments),
    /// Try a policy on what was recorded, and see what it would have done otherwise
    Replay(Box<ReplayArguments>),
    /// What is answered, why, for how long, and what would change it next
    Status(StatusArguments),
    /// What happened: probe transitions, decisions, refusals, reloads, operators, in one stream
    Log(LogArguments),
    /// Which line decided, on which facts, and what would have changed it
    Explain(ExplainArguments),
    /// The present state run forward with injected failures: what is answered when, by which line
    Whatif(WhatIfArguments),
    /// Load changed files now
    Reload(ReloadArguments),
    /// Put the shadow of a service in the place of its policy; without a service, take the reload
    /// that waits
    Promote(PromoteArguments),
    /// Serve a target of a service, whatever the policy says
    Switch(SwitchArguments),
    /// Keep what a service answers, whatever the policy says
    Hold(HoldArguments),
    /// End the override of a service: its policy decides at once
    Release(ReleaseArguments),
    /// Ask the policy of a service to return to its primary
    Failback(FailbackArguments),
    /// Withdraw a target from all answers, though it may be well
    Drain(DrainArguments),
    /// Take a drain back
    Undrain(UndrainArguments),
    /// Change nothing anywhere, whatever any policy says
    Freeze(FreezeArguments),
    /// End the freeze
    Thaw(ThawArguments),
    /// Completions for a shell, on stdout
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Stay up after the tour, until Ctrl-C
    #[arg(long)]
    pub(super) keep: bool,
}

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// Where to write
    #[arg(default_value = ".")]
    pub(super) folder: PathBuf,
    /// The name that DNS answers
    #[arg(long, default_value = "www.example.com")]
    pub(super) name: String,
    /// Address of the primary; several separated by commas
    #[arg(long, value_delimiter = ',', default_value = "192.0.2.10")]
    pub(super) primary: Vec<IpAddr>,
    /// Address of a backup; several separated by commas; may be repeated for a second backup
    #[arg(long, default_value = "198.51.100.20")]
    pub(super) backup: Vec<String>,
    /// What to probe; the default is https://NAME/
    #[arg(long)]
    pub(super) url: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// The configuration
    #[arg(default_value = "sidestep.toml")]
    pub(super) config: PathBuf,
    /// Print findings as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// The configuration
    #[arg(default_value = "sidestep.toml")]
    pub(super) config: PathBuf,
    /// Refuse to start with anything but what is on disk
    #[arg(long)]
    pub(super) strict: bool,
    /// Write logs as JSON lines
    #[arg(long)]
    pub(super) log_json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ProbeArguments {
    /// The configuration, or a service of ./sidestep.toml
    pub(super) config_or_service: Option<String>,
    /// Only this service
    pub(super) service: Option<String>,
    /// Print results as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TestArguments {
    /// Policies, their tests, or folders of them; the default is the policy folder
    pub(super) paths: Vec<PathBuf>,
    /// Run again whenever a file changes
    #[arg(long)]
    pub(super) watch: bool,
    /// Print results as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Name the lines of each policy that no test ran
    #[arg(long)]
    pub(super) coverage: bool,
    /// With --coverage: fail where less than this of a policy's lines ran, in a hundred
    #[arg(long, value_name = "PERCENT", requires = "coverage",
          value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(super) fail_under: Option<u8>,
    /// Write the results to a file as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Only this service, on one screen
    pub(super) service: Option<String>,
    /// The configuration of the daemon to ask
    #[arg(long, default_value = "sidestep.toml")]
    pub(super) config: PathBuf,
    /// Print the JSON as it was served
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct LogArguments {
    /// Only what concerns this service
    pub(super) service: Option<String>,
    /// From when on: "2h" for two hours ago, or "2026-11-22T18:00:00Z"; the default is a day
    #[arg(long, value_name = "T", value_parser = When::parse)]
    pub(super) since: Option<When>,
    /// Up to when; the default is now
    #[arg(long, value_name = "T", value_parser = When::parse)]
    pub(super) until: Option<When>,
    /// The configuration whose journal to read
    #[arg(long, default_value = "sidestep.toml")]
    pub(super) config: PathBuf,
    /// Print what is shown as lines of a recording
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReloadArguments {
    /// The configuration of the daemon to ask
    #[arg(long, default_value = "sidestep.toml")]
    pub(super) config: PathBuf,
    /// Also take what waits because it would move traffic
    #[arg(long)]
    pub(super) apply: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Until when an order stands.
#[derive(Debug, Args)]
pub(super) struct Lasting {
    /// How long it stands, "2h"; without this or --until it stands until it is taken back
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse_ms)]
    pub(super) for_ms: Option<i64>,
    /// When it ends, in UTC: 2026-11-23T06:00:00Z
    #[arg(long, value_name = "INSTANT", value_parser = Timestamp::parse_utc, conflicts_with = "for_ms")]
    pub(super) until: Option<Timestamp>,
}

/// What every order takes.
#[derive(Debug, Args)]
pub(super) struct OrderArguments {
    /// Why; it is logged and shown for as long as the order stands
    #[arg(long, value_parser = reason)]
    pub(super) reason: String,
    /// Order without asking
    #[arg(long)]
    pub(super) yes: bool,
    /// Show what the order would do, and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub(super) dry_run: bool,
    /// The configuration of the daemon to tell
    #[arg(long, default_value = "sidestep.toml")]
    pub(super) config: PathBuf,
    /// Print what was done, or with --dry-run the plan, as JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty: whoever reads the log wants to know".to_owned());
    }
    Ok(text.to_owned())
}

#[derive(Debug, Args)]
pub(super) struct SwitchArguments {
    /// Whose answer
    pub(super) service: String,
    /// What to serve: one of its targets
    pub(super) target: String,
    #[command(flatten)]
    pub(super) lasting: Lasting,
    #[command(flatten)]
    pub(super) order: OrderArguments,
}

#[derive(Debug, Args)]
pub(super) struct HoldArguments {
    /// Whose answer
    pub(super) service: String,
    #[command(flatten)]
    pub(super) lasting: Lasting,
    #[command(flatten)]
    pub(super) order: OrderArguments,
}

#[derive(Debug, Args)]
pub(super) struct ReleaseArguments {
    /// Whose override
    pub(super) service: String,
    #[command(flatten)]
    pub(super) order: OrderArguments,
}

#[derive(Debug, Args)]
pub(super) struct FailbackArguments {
    /// Whose answer
    pub(super) service: String,
    /// Do not ask the policy: serve the primary though it fails, as an override. Without --for or
    /// --until it stands until 'sidestep release'
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) lasting: Lasting,
    #[command(flatten)]
    pub(super) order: OrderArguments,
}

#[derive(Debug, Args)]
pub(super) struct DrainArguments {
    /// Which
    pub(super) target: String,
    #[command(flatten)]
    pub(super) lasting: Lasting,
    #[command(flatten)]
    pub(super) order: OrderArguments,
}

#[derive(Debug, Args)]
pub(super) struct UndrainArguments {
    /// Which
    pub(super) target: String,
    #[command(flatten)]
    pub(super) order: OrderArguments,
}

#[derive(Debug, Args)]
pub(super) struct FreezeArguments {
    #[command(flatten)]
    pub(super) lasting: Lasting,
    #[command(flatten)]
    pub(super) order: OrderArguments,
}

#[derive(Debug, Args)]
pub(super) struct ThawArguments {
    #[command(flatten)]
    pub(super) order: OrderArguments,
}

/// Formats of a replay's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ReportFormat {
    /// For a terminal
    Text,
    /// All of it, for programs
    Json,
    /// One file to look at
    Html,
    /// For a pull request
    Md,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// A recording, a data folder, or somebody else's: CSV, Prometheus JSON, Uptime Kuma's database
    pub(super) recording: PathBuf,
    /// The policy to try; the default is what was recorded
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// What to compare with: a policy, "recorded", or "none" for no failover at all
    #[arg(long, value_name = "FILE|recorded|none")]
    pub(super) against: Option<String>,
    /// Only this service
    #[arg(long)]
    pub(super) service: Option<String>,
    /// From when on: RFC 3339 in UTC, or "7d" before now
    #[arg(long, value_name = "T", value_parser = When::parse)]
    pub(super) since: Option<When>,
    /// Up to when
    #[arg(long, value_name = "T", value_parser = When::parse)]
    pub(super) until: Option<When>,
    /// Set a parameter of the policy: FALL=5, FAILBACK=10m; may be repeated
    #[arg(long, value_name = "K=V", value_parser = sweep::parse_set)]
    pub(super) set: Vec<(String, Param)>,
    /// Try several values: FALL=2..6, SLOW=400..1200/200, FAILBACK=1m,5m; may be repeated
    #[arg(long, value_name = "K=A..B", value_parser = Sweep::parse)]
    pub(super) sweep: Vec<Sweep>,
    /// Leave out what this vantage saw
    #[arg(long, value_name = "V")]
    pub(super) without_vantage: Option<String>,
    /// Only every N-th result of each series, as if the interval were so much longer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) thin: Option<u32>,
    /// Another switch budget: "6/10m"
    #[arg(long, value_name = "N/D", value_parser = budget)]
    pub(super) max_switches: Option<SwitchBudget>,
    /// What is known to have happened, instead of what probes say: lines of from,to,target,real|false
    #[arg(long, value_name = "FILE")]
    pub(super) incidents: Option<PathBuf>,
    /// Bad probes in a row that make an outage
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) truth: u32,
    /// A target is slow while its p50 over a minute is above this, ms
    #[arg(long, value_name = "MS", default_value_t = 800)]
    pub(super) slow: i64,
    /// How to report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(super) format: ReportFormat,
    /// Where to write the report; the default is stdout
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Exit with 1 where this holds: "flaps > 0 || down_served_ms > recorded.down_served_ms"
    #[arg(long, value_name = "EXPR")]
    pub(super) fail_if: Option<String>,
    #[command(flatten)]
    pub(super) reading: ReadingArguments,
}

fn budget(text: &str) -> Result<SwitchBudget, String> {
    SwitchBudget::try_from(text.to_owned())
}

#[derive(Debug, Args)]
pub(super) struct PromoteArguments {
    /// Whose shadow; without it what waits because of `reload = "ask"` is taken
    pub(super) service: Option<String>,
    #[command(flatten)]
    pub(super) order: OrderArguments,
}

/// Whose past is looked at, and where it is read.
#[derive(Debug, Args)]
pub(super) struct PastArguments {
    /// Whose answer
    pub(super) service: String,
    /// A recording or a data folder; the default is the journal of the configuration
    pub(super) recording: Option<PathBuf>,
    /// The configuration whose journal to read
    #[arg(long, default_value = "sidestep.toml")]
    pub(super) config: PathBuf,
    /// Ask this policy instead: over all observations where no decisions were recorded, else at that instant
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// Give a parameter of the policy another value; may be repeated
    #[arg(long = "set", value_name = "K=V")]
    pub(super) set: Vec<String>,
    #[command(flatten)]
    pub(super) reading: ReadingArguments,
    /// Print what is found as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    pub(super) past: PastArguments,
    /// When: "2h" for two hours ago, or "2026-11-22T18:00:00Z"; the default is the end
    #[arg(long, value_name = "T", value_parser = When::parse)]
    pub(super) at: Option<When>,
}

#[derive(Debug, Args)]
pub(super) struct WhatIfArguments {
    #[command(flatten)]
    pub(super) past: PastArguments,
    /// Targets that fail from now on; without this and --slow, every single and double failure
    #[arg(long, value_name = "TARGET", value_delimiter = ',')]
    pub(super) fail: Vec<String>,
    /// Targets that answer slowly from now on: TARGET, just within the timeout, or TARGET=1200ms
    #[arg(long, value_name = "TARGET", value_delimiter = ',')]
    pub(super) slow: Vec<String>,
    /// For how long; then they are well again
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse_ms, default_value = "10m")]
    pub(super) for_ms: i64,
}

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// Only what concerns this service
    #[arg(long, value_name = "SERVICE")]
    pub(super) service: Option<String>,
    /// From when on: "2h" for two hours ago, or "2026-11-22T18:00:00Z"; the default is all there is
    #[arg(long, value_name = "T", value_parser = When::parse)]
    pub(super) since: Option<When>,
    /// Up to when; the default is now
    #[arg(long, value_name = "T", value_parser = When::parse)]
    pub(super) until: Option<When>,
    /// Where to write: FILE.jsonl, or FILE.jsonl.zst to compress; the default is stdout
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// The configuration whose journal to read
    #[arg(long, default_value = "sidestep.toml")]
    pub(super) config: PathBuf,
}

/// How recordings are read that do not say everything themselves.
#[derive(Debug, Args)]
pub(super) struct ReadingArguments {
    /// Targets in order of preference, where the file does not say one: A,B,C; others follow in order of appearance
    #[arg(long, value_name = "TARGETS", value_delimiter = ',')]
    pub(super) order: Vec<String>,
    /// The label of Prometheus that names the target
    #[arg(long, value_name = "LABEL", default_value = "instance")]
    pub(super) target_label: String,
    /// The label of Prometheus that names the monitor
    #[arg(long, value_name = "LABEL", default_value = "job")]
    pub(super) monitor_label: String,
    /// The label of Prometheus that names the vantage; without it there is one
    #[arg(long, value_name = "LABEL")]
    pub(super) vantage_label: Option<String>,
}

impl ReadingArguments {
    /// What recordings want to know.
    pub(super) fn reading(&self) -> Reading {
        Reading {
            order: self.order.iter().map(|name| name.trim().into()).collect(),
            labels: Labels {
                target: self.target_label.clone(),
                monitor: self.monitor_label.clone(),
                vantage: self.vantage_label.clone(),
            },
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// A recording, a CSV, a Prometheus range query or the database of Uptime Kuma
    pub(super) file: PathBuf,
    /// The folder of the new journal; the default is that of --config
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// The configuration whose data folder is meant
    #[arg(long, default_value = "sidestep.toml", conflicts_with = "data")]
    pub(super) config: PathBuf,
    #[command(flatten)]
    pub(super) reading: ReadingArguments,
}

#[derive(Debug, Args)]
pub(super) struct SynthArguments {
    /// What happens, in TOML
    pub(super) scenario: PathBuf,
    /// Where to write: FILE.jsonl, or FILE.jsonl.zst to compress
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
}
