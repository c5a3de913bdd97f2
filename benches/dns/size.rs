//! Start-up and memory with many names.

use super::{
    data::Data,
    report::{Spread, fact, limit},
    server::{Kind, Server},
    settings::Settings,
    usage::Memory,
};
use std::path::Path;

/// The limit with a million names, s.
const START_AT_MOST: f64 = 3.0;
/// Starts whose median counts.
const STARTS: usize = 3;

/// Starts every server alone.
pub(crate) fn measure(settings: &Settings, folder: &Path, watched_port: u16) {
    println!(
        "\n{} names: until the first answers, and memory then",
        settings.names
    );
    println!(
        "{:<12} {:>22} {:>12} {:>12}",
        "", "start s", "empty MB", "loaded MB"
    );
    for (&kind, port) in settings.servers.iter().zip(settings.port..) {
        if kind == Kind::Floor {
            continue;
        }
        let start = |names, folder: &Path| {
            let data = Data {
                names,
                watched_port,
                targets: 2,
            };
            let folder = tempfile::tempdir_in(folder).expect("a folder");
            let server = Server::start(kind, &data, folder.path(), port)?;
            let memory = Memory::of(server.pid()).resident_mb;
            Ok::<_, String>((server.started.as_secs_f64(), memory))
        };
        let empty = start(0, folder);
        let loaded: Result<Vec<_>, _> =
            (0..STARTS).map(|_| start(settings.names, folder)).collect();
        let ((_, empty_mb), loaded) = match (empty, loaded) {
            (Ok(empty), Ok(loaded)) => (empty, loaded),
            (Err(why), _) | (_, Err(why)) => {
                fact(&format!("{kind} starts"), false, why);
                continue;
            }
        };
        let started = Spread::of(loaded.iter().map(|(secs, _)| *secs));
        let loaded_mb = Spread::of(loaded.iter().map(|(_, mb)| *mb)).median;
        println!(
            "{kind:<12} {:>22} {empty_mb:>12.1} {loaded_mb:>12.1}",
            started.to_string()
        );
        if kind == Kind::Sidestep {
            limit(
                &format!(
                    "start with {} names, at most {START_AT_MOST} s",
                    settings.names
                ),
                started.median <= START_AT_MOST,
                started,
            );
        }
    }
}
