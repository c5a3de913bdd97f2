//! Answer times while the answer changes a hundred times a second, in pairs with a quiet stretch.

use super::{
    data::Data,
    load::{Generator, Load},
    question::{A, Names, Questions, Wire},
    report::{Spread, fact, limit},
    server::Server,
    settings::Settings,
    switching::Switching,
};
use std::path::Path;

const SWITCHES: f64 = 100.0;
/// As many as a service may have: enough to tell an old answer from a new one.
const TARGETS: u32 = 64;

/// 99.9th percentiles in pairs, and old answers after new ones.
pub(crate) fn measure(settings: &Settings, folder: &Path, watched_port: u16) {
    let rate = settings.rate;
    println!("\n{SWITCHES} switches a second, {rate} queries a second for A and AAAA");
    let data = Data {
        names: 0,
        watched_port,
        targets: TARGETS,
    };
    let folder = folder.join("switches");
    let Some(server) = Server::ours(&data, &folder, settings.port) else {
        return;
    };
    let socket = server.folder.join("data/control.sock");
    let questions = Questions::new("www", A, Wire::Plain, Names::One).for_both_families();
    let load = Load::paced(server.address, rate);
    let mut generator = Generator::new(load, questions);
    // One for all rounds: an answer of an earlier round must not come back either.
    let mut switching = Switching::new(&socket, 0.0, TARGETS);
    let mut pairs = Vec::new();
    let mut lost = 0;
    let lasts = settings.lasts * 5;
    for _ in 0..settings.rounds {
        let mut tail_us = [0.0; 2];
        for (tail_us, per_second) in tail_us.iter_mut().zip([0.0, SWITCHES]) {
            switching.set_rate(per_second);
            let outcome = generator.run(lasts, &mut switching);
            *tail_us = outcome.latency.percentile_us(0.999);
            println!("  {per_second:>4} switches/s  {}", outcome.latency);
            lost += outcome.lost + outcome.wrong;
        }
        pairs.push(tail_us);
    }
    println!("  an order took {}", switching.took);
    let quiet = Spread::of(pairs.iter().map(|[quiet, _]| *quiet));
    let busy = Spread::of(pairs.iter().map(|[_, busy]| *busy));
    let ratio = Spread::of(pairs.iter().map(|[quiet, busy]| busy / quiet));
    let more_us = Spread::of(pairs.iter().map(|[quiet, busy]| busy - quiet));
    limit(
        "p99.9 during switches, at most 1.2 times the quiet one or 50 µs above",
        ratio.median <= 1.2 || more_us.median <= 50.0,
        format!("{busy} µs, quiet {quiet} µs; {ratio} times, {more_us} µs above"),
    );
    let per_second = switching.obeyed as f64 / lasts.as_secs_f64() / settings.rounds as f64;
    limit(
        "switches a second, at least 95",
        per_second >= 95.0,
        format!(
            "{per_second:.1}; {} obeyed, {} seen by clients",
            switching.obeyed,
            switching.changes()
        ),
    );
    let old = switching.old();
    fact("old answers after a new one, none", old == 0, old);
    fact("lost or wrong, none", lost == 0, lost);
}
