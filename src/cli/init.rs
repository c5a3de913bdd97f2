//! `sidestep init`: a configuration, a policy and its test to start from.

use super::{Failed, Outcome, arguments::InitArguments, complain, print};
use crate::{config, policy};
use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    net::IpAddr,
    path::Path,
};

/// The default policy's tests, as they are shipped.
const TESTS: &str = include_str!("../../policies/failover.test.toml");

/// Writes the files, none over an existing one, and probes once.
pub(super) fn run(arguments: &InitArguments) -> Outcome {
    let text = configuration(arguments)?;
    let path = arguments.folder.join("sidestep.toml");
    config::parse(&path.display().to_string(), &text).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| error.message.clone()).collect();
        format!("nothing was written: {}", lines.join("; "))
    })?;
    let policies = arguments.folder.join("policies");
    let files = [
        (path.clone(), text.as_str()),
        (policies.join("failover.rhai"), policy::BUILTIN_SOURCE),
        (policies.join("failover.test.toml"), TESTS),
    ];
    if let Some((taken, _)) = files.iter().find(|(file, _)| file.exists()) {
        let taken = taken.display();
        return Err(format!("{taken} exists: nothing was written; name another folder").into());
    }
    fs::create_dir_all(&policies).map_err(|error| format!("{}: {error}", policies.display()))?;
    for (file, text) in &files {
        write_new(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        print(&format!("wrote {}\n", file.display()))?;
    }
    let shown = path.display();
    print(&format!(
        "\none round of probes, as `sidestep probe {shown}` makes it:\n"
    ))?;
    // Bad probes are no failure of `init`: the servers may not be there yet.
    match super::probe_once::round(&path, None, false) {
        Ok(()) => {}
        Err(Failed::Said | Failed::Differs) => {
            complain("some probes are bad: see the reasons above, edit the configuration");
        }
        Err(Failed::Because(why) | Failed::Usage(why)) => {
            complain(&format!("nothing was probed: {why}"));
        }
    }
    print(&format!(
        "\nnext: sidestep check {shown}\n      sidestep serve {shown}\n"
    ))
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?
        .write_all(text.as_bytes())
}

/// The configuration as text.
fn configuration(arguments: &InitArguments) -> Result<String, String> {
    let name = arguments.name.trim_end_matches('.').to_lowercase();
    let service = name
        .split('.')
        .next()
        .filter(|word| !word.is_empty())
        .unwrap_or("www");
    let url = arguments
        .url
        .clone()
        .unwrap_or_else(|| format!("https://{name}/"));
    let mut targets = vec![("primary".to_owned(), arguments.primary.clone())];
    for (index, backup) in arguments.backup.iter().enumerate() {
        let addresses: Result<Vec<IpAddr>, _> =
            backup.split(',').map(|a| a.trim().parse()).collect();
        let addresses = addresses.map_err(|_| format!("'{backup}' is no address"))?;
        let name = if index == 0 {
            "backup".to_owned()
        } else {
            format!("backup{}", index + 1)
        };
        targets.push((name, addresses));
    }
    let quoted = |words: Vec<String>| {
        words
            .iter()
            .map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = String::from(HEAD);
    for (target, addresses) in &targets {
        let addresses = quoted(addresses.iter().map(ToString::to_string).collect());
        text.push_str(&format!(
            "[[target]]\nname = \"{target}\"\naddresses = [{addresses}]\n\n"
        ));
    }
    let order = quoted(targets.into_iter().map(|(target, _)| target).collect());
    text.push_str(&format!(
        "[[service]]\nname = {service:?}\nnames = [{name:?}]\n\
         targets = [{order}]   # in order of preference\n\
         monitors = [{{ url = {url:?} }}]\n"
    ));
    Ok(text)
}

const HEAD: &str = "\
# Check with `sidestep check`, run with `sidestep serve`. Every save is in force at once, or refused.
[server]
name = \"ns1\"
dns  = [\"127.0.0.1:5300\"]       # once it is delegated to: \"0.0.0.0:53\" and \"[::]:53\"

# Addresses that must answer before a failure of our own network is taken for a failure of a target.
# [witness]
# addresses = [\"1.1.1.1:53\", \"9.9.9.9:53\"]

# Named before anyone delegates to this server:
# [[zone]]
# name = \"example.com\"
# ns = [\"ns1.example.com\", \"ns2.example.com\"]

";

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(backup: &[&str]) -> InitArguments {
        InitArguments {
            folder: ".".into(),
            name: "Shop.Example.com.".into(),
            primary: vec![
                "192.0.2.10".parse().unwrap(),
                "2001:db8::10".parse().unwrap(),
            ],
            backup: backup.iter().map(|text| (*text).to_owned()).collect(),
            url: None,
        }
    }

    #[test]
    fn what_is_written_is_a_configuration() {
        let text =
            configuration(&arguments(&["198.51.100.20", "203.0.113.30,2001:db8::30"])).unwrap();
        let loaded = config::parse("sidestep.toml", &text).unwrap();
        let service = &loaded.config.services["shop"];
        assert_eq!(service.names[0].as_str(), "shop.example.com");
        let targets: Vec<&str> = service
            .targets
            .iter()
            .map(|target| target.as_str())
            .collect();
        assert_eq!(targets, ["primary", "backup", "backup2"]);
        assert_eq!(loaded.config.targets["backup2"].addresses.len(), 2);
    }

    #[test]
    fn a_bad_backup_is_named() {
        assert_eq!(
            configuration(&arguments(&["server2"])),
            Err("'server2' is no address".into())
        );
    }
}
