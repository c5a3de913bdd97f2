//! What answering DNS costs and bears, beside other name servers in the same run.
//!
//! ```text
//! cargo bench --bench dns -- --help
//! ```
//!
//! Servers run on core 0, the load generator on core 1. Each measurement prints `ok` or `MISSED`
//! with its limit; only ratios within one run mean anything, and only on a quiet machine. Where it
//! is not quiet, `chrt -f 10` before the program that cargo built takes both cores for the run, but
//! for the twentieth that the kernel keeps for others: CPU is then told well, late answers are not.
//! `SIDESTEP=path` measures another build.

mod control;
mod cost;
mod data;
mod echo;
mod idle;
mod latency;
mod load;
mod overload;
mod question;
mod reloads;
mod report;
mod server;
mod settings;
mod size;
mod switches;
mod switching;
mod usage;

use settings::{Settings, Strict};
use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    thread,
};

/// Makes a measurement, with a folder of its own and the port of something that can be probed.
type Measure = fn(&Settings, &Path, u16);

const MEASUREMENTS: [(&str, Measure); 6] = [
    ("cost", cost::measure),
    ("size", size::measure),
    ("switches", switches::measure),
    ("reloads", reloads::measure),
    ("idle", idle::measure),
    ("overload", overload::measure),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test` builds and runs benches too, with a flag of its own: nothing is measured then.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    if let [_, word, address] = &arguments[..]
        && word == "echo"
    {
        echo::serve(address);
    }
    let settings = Settings::read();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let watched = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let watched_port = watched.local_addr().expect("its address").port();
    // Somebody for the servers' probes; they come once in seconds.
    thread::spawn(move || watched.incoming().for_each(drop));
    to_core_1();
    for (name, measure) in MEASUREMENTS {
        if settings.wants(name) {
            measure(&settings, folder.path(), watched_port);
        }
    }
    let (late, wrong) = report::missed();
    let failed = match settings.strict {
        Strict::None => 0,
        Strict::Facts => wrong,
        Strict::All => late + wrong,
    };
    if failed > 0 {
        std::process::exit(1);
    }
}

/// Takes the core beside the servers', where there is one.
fn to_core_1() {
    let mut cores = nix::sched::CpuSet::new();
    let own = nix::unistd::Pid::from_raw(0);
    let taken = cores
        .set(1)
        .and_then(|()| nix::sched::sched_setaffinity(own, &cores));
    if let Err(error) = taken {
        println!("no second core, so servers and load share one: {error}");
    }
}
