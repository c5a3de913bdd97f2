//! Three times the load that can be carried, and the second after it.
//!
//! The server gets a tenth of a core by its control group, so that one generator can ask more than
//! enough. Needs the right to make a control group; without it nothing is measured.

use super::{
    data::Data,
    latency::Latency,
    load::{Beside, Generator, Load},
    question::{A, Names, Questions, Wire},
    report::limit,
    server::{Kind, Server},
    settings::Settings,
    usage::Cpu,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// What the server may use of each period, µs.
const QUOTA_US: u32 = 1_000;
const PERIOD_US: u32 = 10_000;
const TIMES: f64 = 3.0;
/// The limits: a share of the peak, and how soon all is as before.
const SHARE_AT_LEAST: f64 = 0.8;
const BACK_WITHIN: Duration = Duration::from_secs(1);
/// Where the generator cannot ask so much of what it means to, nothing is said of the share.
const FAIR: f64 = 0.9;
/// Afterwards so much of what can be carried is asked, and looked at in slices.
const EASY: f64 = 0.3;
const SLICE: Duration = Duration::from_millis(50);
const AFTERWARDS: Duration = Duration::from_secs(3);

/// Overload by good queries.
pub(crate) fn measure(settings: &Settings, folder: &Path, watched_port: u16) {
    println!("\n{TIMES} times the load that can be carried, with a tenth of a core");
    let data = Data {
        names: 0,
        watched_port,
        targets: 2,
    };
    let folder = folder.join("overload");
    for (&kind, port) in settings.servers.iter().zip(settings.port..) {
        if !matches!(kind, Kind::Sidestep | Kind::Gdnsd | Kind::Knot) {
            continue;
        }
        let server = match Server::start(kind, &data, &folder, port) {
            Ok(server) => server,
            Err(why) => {
                println!("  {kind} is left out: {why}");
                continue;
            }
        };
        match Group::around(&server) {
            Ok(_group) => overload(settings, &server),
            Err(error) => println!("no control group can be made, nothing measured: {error}"),
        }
    }
}

fn overload(settings: &Settings, server: &Server) {
    let kind = server.kind;
    let questions = Questions::new("www", A, Wire::Plain, Names::One);
    let lasts = settings.lasts * 3;
    let run = |load| Generator::new(load, questions.clone()).run(lasts, &mut ());
    let with_cpu = |load| {
        let before = Cpu::of(server.pid());
        let outcome = run(load);
        (outcome, Cpu::of(server.pid()).since(&before).as_secs_f64())
    };
    let (peak, peak_cpu) = with_cpu(Load::full(server.address, 0));
    let peak = peak.per_second();
    let before = run(Load::paced(server.address, peak * EASY));
    // Half of it junk, in all as much as it can carry of good ones.
    let mixed = questions.clone().with_junk();
    let mixed = Generator::new(Load::flood(server.address, peak), mixed).run(lasts, &mut ());
    let good = mixed.replies as f64 / (mixed.asked as f64 / 2.0);

    let (flooded, flooded_cpu) = with_cpu(Load::flood(server.address, peak * TIMES));
    let asked = flooded.asked as f64 / lasts.as_secs_f64();
    let answered = flooded.replies as f64 / lasts.as_secs_f64();

    let rate = peak * EASY;
    let mut slices = Slices::default();
    let mut generator = Generator::new(Load::paced(server.address, rate), questions.clone());
    generator.run(AFTERWARDS, &mut slices);
    // As before, and a slice of noise: the group is stopped and started by the period.
    let normal_us = before.latency.percentile_us(0.99) * 2.0 + f64::from(PERIOD_US);
    let back = slices.back_after(normal_us);

    println!(
        "  {kind}: peak {peak:.0}/s with {peak_cpu:.2} s of CPU; asked {asked:.0}/s, answered {answered:.0}/s with {flooded_cpu:.2} s"
    );
    println!("  {kind}: before, at {rate:.0}/s: {}", before.latency);
    let is_fair = asked >= peak * TIMES * FAIR;
    let share = answered / peak;
    match kind {
        Kind::Sidestep if is_fair => limit(
            "answered under overload, at least 0.8 of the peak",
            share >= SHARE_AT_LEAST,
            format!("{share:.2}"),
        ),
        Kind::Sidestep => {
            println!("  {kind}: {share:.2} of the peak, asked too little to count");
        }
        _ => {}
    }
    println!(
        "  {kind}: of good queries among as much junk, at its peak in all, {good:.2} are answered"
    );
    let figure = format!("{} ms", back.as_millis());
    match kind {
        Kind::Sidestep => limit("back to normal, within 1 s", back <= BACK_WITHIN, figure),
        _ => println!("  {kind}: answered {share:.2} of its peak, back after {figure}"),
    }
}

/// Questions and answers by when they were asked.
#[derive(Default)]
struct Slices {
    began_ns: Option<u64>,
    seen: Vec<Slice>,
}

#[derive(Clone, Default)]
struct Slice {
    asked: u64,
    answered: u64,
    latency: Latency,
}

impl Slices {
    fn at(&mut self, asked_ns: u64) -> &mut Slice {
        let since_ns = asked_ns - *self.began_ns.get_or_insert(asked_ns);
        let index = (since_ns / SLICE.as_nanos() as u64) as usize;
        if self.seen.len() <= index {
            self.seen.resize_with(index + 1, Slice::default);
        }
        &mut self.seen[index]
    }

    /// When the last slice ended in which answers were missing or late.
    fn back_after(&self, normal_us: f64) -> Duration {
        let is_bad = |slice: &Slice| {
            slice.answered < slice.asked || slice.latency.percentile_us(0.99) > normal_us
        };
        let last_bad = self.seen.iter().rposition(is_bad);
        last_bad.map_or(Duration::ZERO, |index| SLICE * (index as u32 + 1))
    }
}

impl Beside for Slices {
    fn asked(&mut self, count: u64, now_ns: u64) {
        self.at(now_ns).asked += count;
    }

    fn answer(&mut self, _octets: &[u8], asked_ns: u64, come_ns: u64) {
        let slice = self.at(asked_ns);
        slice.answered += 1;
        slice.latency.add(come_ns - asked_ns);
    }
}

/// A control group that holds one server to a share of a core.
struct Group {
    folder: PathBuf,
    parent: PathBuf,
    pid: u32,
}

impl Group {
    fn around(server: &Server) -> io::Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let is_unified = root.join("cgroup.controllers").exists();
        let parent = if is_unified {
            root.to_owned()
        } else {
            root.join("cpu")
        };
        let group = Self {
            folder: parent.join(format!("sidestep-load-{}", server.pid())),
            parent,
            pid: server.pid(),
        };
        fs::create_dir(&group.folder)?;
        if is_unified {
            fs::write(
                group.folder.join("cpu.max"),
                format!("{QUOTA_US} {PERIOD_US}"),
            )?;
        } else {
            fs::write(
                group.folder.join("cpu.cfs_period_us"),
                PERIOD_US.to_string(),
            )?;
            fs::write(group.folder.join("cpu.cfs_quota_us"), QUOTA_US.to_string())?;
        }
        fs::write(group.folder.join("cgroup.procs"), group.pid.to_string())?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The server is let out, so that it ends soon.
        let _ = fs::write(self.parent.join("cgroup.procs"), self.pid.to_string());
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
