//! The command line: what can be said, and nothing of what it does.

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
    /// What is answered, why, for how long, and what would change it next
    Status(StatusArguments),
    /// Load changed files now
    Reload(ReloadArguments),
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
