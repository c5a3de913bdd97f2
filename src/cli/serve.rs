//! `sidestep serve`: the daemon in the foreground, logs on stderr.

use super::{Outcome, arguments::ServeArguments};
use crate::daemon::{Daemon, Signals, StartOptions};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Runs until SIGINT or SIGTERM.
pub(super) fn run(arguments: &ServeArguments) -> Outcome {
    log(arguments.log_json);
    // Before anything is loaded: a SIGHUP from here on is a reload and no death.
    let signals = Signals::listen().map_err(|error| format!("signals: {error}"))?;
    let options = StartOptions {
        strict: arguments.strict,
        tap: None,
    };
    let daemon = Daemon::start(&arguments.config, options).map_err(|error| error.to_string())?;
    let ended = daemon
        .run_until_signal(signals)
        .map_err(|error| format!("sidestep ends: {error}"));
    daemon.stop();
    ended.map_err(Into::into)
}

/// Logs to stderr: `info` and up, or as `SIDESTEP_LOG` says (`debug`, `sidestep::probe=trace`).
fn log(json: bool) {
    // hickory logs two lines for every query, the verifier one for every bad certificate: the
    // probe's reason says it. What SIDESTEP_LOG says of them comes later and wins.
    let quiet = "hickory_proto=warn,rustls_platform_verifier=off";
    let wanted = std::env::var("SIDESTEP_LOG").unwrap_or_default();
    let filter = EnvFilter::builder().parse_lossy(format!("info,{quiet},{wanted}"));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Somebody who set a subscriber before keeps it.
    let _ = if json {
        lines.json().try_init()
    } else {
        lines.with_ansi(colour).try_init()
    };
}
