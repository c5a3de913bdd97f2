//! `sidestep status` and `sidestep reload`: asking the daemon, by HTTP on its own machine.

use super::{
    Failed, Outcome,
    arguments::{ReloadArguments, StatusArguments},
    print, show,
};
use crate::{config, control::Client};
use std::{net::SocketAddr, path::Path};

/// Where the daemon of a configuration answers.
fn daemon_of(path: &Path) -> Result<SocketAddr, Failed> {
    // A configuration that is broken just now must not keep anyone from asking how things are:
    // the address alone is needed.
    let text = config::read(path).map_err(|found| found.to_string())?;
    let address = config::http_address(&text);
    address.ok_or_else(|| Failed::Because(format!("{}: http is switched off", path.display())))
}

/// Prints what the daemon says.
pub(super) fn run(arguments: &StatusArguments) -> Outcome {
    let daemon = daemon_of(&arguments.config)?;
    let client = Client::new(daemon);
    let (json, overview) = match &arguments.service {
        None => client.status()?,
        Some(service) => client.service(service)?,
    };
    if arguments.json {
        return print(&format!("{}\n", json.trim_end()));
    }
    let look = show::Look::of_stdout();
    if arguments.service.is_some() {
        return print(&show::service(&overview, look));
    }
    print(&show::status(&overview, look))
}

/// Has the daemon load its files now, and prints what came of it.
pub(super) fn reload(arguments: &ReloadArguments) -> Outcome {
    let daemon = daemon_of(&arguments.config)?;
    let by = std::env::var("USER").unwrap_or_else(|_| "operator".to_owned());
    let report = Client::new(daemon).reload(&by, arguments.apply)?;
    if arguments.json {
        let json = serde_json::to_string(&report).map_err(|error| error.to_string())?;
        print(&format!("{json}\n"))?;
    } else {
        print(&show::reload(&report, show::Look::of_stdout()))?;
    }
    if report.refused.is_empty() {
        Ok(())
    } else {
        Err(Failed::Said)
    }
}
