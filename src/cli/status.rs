//! `sidestep status` and `sidestep reload`: asking the daemon on its own machine.

use super::{
    Failed, Outcome,
    arguments::{ReloadArguments, StatusArguments},
    print, show,
};
use crate::{
    config,
    control::{self, Client},
    failover::Overview,
};
use std::path::Path;

/// The text of a configuration, which may be broken just now: that must not keep anyone from
/// asking how things are.
fn text_of(path: &Path) -> Result<String, Failed> {
    config::read(path).map_err(|found| Failed::Because(found.to_string()))
}

/// The daemon of a configuration by its control socket: for what acts.
pub(super) fn control_of(path: &Path) -> Result<Client, Failed> {
    Ok(socket_of(path, &text_of(path)?))
}

fn socket_of(path: &Path, text: &str) -> Client {
    Client::of_socket(&control::socket_path(&config::data_folder(path, text)))
}

/// What the daemon says by HTTP; by the control socket where HTTP is switched off or not answered.
fn asked(path: &Path, service: Option<&str>) -> Result<(String, Overview), Failed> {
    let text = text_of(path)?;
    let ask = |client: Client| match service {
        None => client.status(),
        Some(service) => client.service(service),
    };
    let by_socket = || ask(socket_of(path, &text));
    let Some(http) = config::http_address(&text) else {
        return Ok(by_socket()?);
    };
    // Where both fail, the address that the operator wrote is the one to read about.
    ask(Client::new(http)).or_else(|why| by_socket().map_err(|_| Failed::Because(why)))
}

/// Prints what the daemon says.
pub(super) fn run(arguments: &StatusArguments) -> Outcome {
    let (json, overview) = asked(&arguments.config, arguments.service.as_deref())?;
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
    let report = control_of(&arguments.config)?.reload(arguments.apply)?;
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
