//! Other servers as oracles: Knot, NSD and BIND with the same random zones, and thousands of
//! answers compared field by field.
//!
//! Started by `tests/peers/answers.sh`, since it needs those servers. What differs must be in
//! `tests/peers/answers.differences` with a reason, and what stands there must still differ.

mod battery;
mod compare;
mod exchange;
mod servers;
mod wire;

use super::random::{Chance, Labels, World};
use compare::{About, Ledger, Outcome, compare};
use servers::Server;
use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};
use wire::{Asking, Edns};

const LIST: &str = "tests/peers/answers.differences";
const WORLDS: usize = 16;

fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
#[ignore = "started by scripts"]
fn answers_are_those_of_other_servers() {
    let seed = number("SEED", 1);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let temporary = tempfile::tempdir().unwrap();
    let folder = env::var("FOLDER").map_or(temporary.path().to_owned(), PathBuf::from);
    let worlds: Vec<World> = (0..number("WORLDS", WORLDS))
        .map(|index| {
            let seed = u64::try_from(seed * 1_000 + index).unwrap();
            World::new(seed, &Labels::of(&format!("w{index}")))
        })
        .collect();
    let servers = servers::start(&folder, &worlds);
    let list = fs::read_to_string(root.join(LIST)).unwrap();
    let mut ledger = Ledger::read(&list);
    let mut chance = Chance::new(u64::try_from(seed).unwrap());

    let udp = questions(&worlds, number("QUESTIONS", 40_000), &mut chance, true);
    ask_all(&worlds, &servers, "udp", &udp, &mut ledger);
    let tcp = questions(&worlds, number("QUESTIONS", 40_000) / 8, &mut chance, false);
    ask_all(&worlds, &servers, "tcp", &tcp, &mut ledger);
    battery::ask_all(&servers, &worlds[0], &mut ledger);
    report(&ledger, udp.len() + tcp.len());
}

/// Random questions with random EDNS and flags, each with the world that it is about.
fn questions(
    worlds: &[World],
    count: usize,
    chance: &mut Chance,
    with_sizes: bool,
) -> Vec<(usize, Asking)> {
    let one = |chance: &mut Chance| {
        let world = chance.below(worlds.len());
        let (name, kind) = worlds[world].question(chance);
        let mut asking = Asking::of(&chance.any_case(&name), kind);
        for flag in [0x100, 0x20, 0x10] {
            if chance.one_in(4) {
                asking.flags |= flag;
            }
        }
        asking.edns = match chance.below(8) {
            0..=2 => None,
            3 if with_sizes => Some(Edns::of(512, false)),
            4 => Some(Edns::of(4_096, true)),
            5 => Some(Edns::of(1_232, true)),
            _ => Some(Edns::of(1_232, false)),
        };
        (world, asking)
    };
    (0..count).map(|_| one(chance)).collect()
}

/// Asks every server everything, all at the same time, and compares.
fn ask_all(
    worlds: &[World],
    servers: &[Server],
    transport: &str,
    questions: &[(usize, Asking)],
    ledger: &mut Ledger,
) {
    let octets: Vec<_> = questions
        .iter()
        .map(|(_, asking)| asking.octets())
        .collect();
    let replies: Vec<Vec<Vec<u8>>> = std::thread::scope(|scope| {
        let asking: Vec<_> = servers
            .iter()
            .map(|server| {
                let octets = &octets;
                scope.spawn(move || match transport {
                    "udp" => exchange::over_udp(server.address, octets),
                    _ => exchange::over_tcp(server.address, octets),
                })
            })
            .collect();
        let both = asking.into_iter().zip(servers);
        both.map(|(replies, server)| {
            let replies = replies.join().unwrap();
            replies.unwrap_or_else(|why| panic!("{} over {transport}: {why}", server.name))
        })
        .collect()
    });
    for (index, (world, asking)) in questions.iter().enumerate() {
        let outcomes: Vec<_> = replies
            .iter()
            .map(|replies| Outcome::of(Some(&replies[index])))
            .collect();
        let about = About::of(&worlds[*world], transport, asking, &outcomes[0]);
        let found: Vec<_> = outcomes[1..]
            .iter()
            .map(|theirs| compare(&outcomes[0], theirs, &about))
            .collect();
        ledger.take(&about.class, &found, &|| {
            told(&asking.to_string(), &outcomes)
        });
    }
}

/// A query and what came of it.
fn told(query: &str, outcomes: &[Outcome]) -> String {
    let mut text = format!("  ? {query}\n");
    for (name, outcome) in servers::NAMES.iter().zip(outcomes) {
        text += &match outcome {
            Outcome::Silence => format!("    {name}: silence\n"),
            Outcome::Unreadable(why) => format!("    {name}: {why}\n"),
            Outcome::Read(reply) => format!("    {name}: {reply}\n"),
        };
    }
    text
}

/// Prints what was found and fails where it is not what the list says.
fn report(ledger: &Ledger, queries: usize) {
    println!("queries {queries}\ncomparisons {}", ledger.comparisons);
    println!("explained {}", ledger.explained);
    for (count, line) in ledger.uses() {
        println!("{count:>8}  {line}");
    }
    let fields: usize = ledger.unexplained.values().map(|found| found.count).sum();
    println!(
        "unexplained {fields}, of {} kinds",
        ledger.unexplained.len()
    );
    let mut kinds: Vec<_> = ledger.unexplained.iter().collect();
    kinds.sort_by_key(|(_, found)| usize::MAX - found.count);
    let mut shown = BTreeSet::new();
    for (key, found) in kinds {
        println!("{:>8}  {key}", found.count);
        if shown.insert(&found.example) {
            print!("{}", found.example);
        }
    }
    let idle = ledger.idle();
    for line in &idle {
        println!("explains nothing: {line}");
    }
    assert!(
        ledger.unexplained.is_empty(),
        "differences without a reason"
    );
    // Other zones and fewer questions need not meet everything.
    let is_standard = ["SEED", "WORLDS", "QUESTIONS"]
        .iter()
        .all(|key| env::var(key).is_err());
    assert!(
        idle.is_empty() || !is_standard,
        "reasons without a difference"
    );
    let least = number("AT_LEAST", 100_000);
    assert!(ledger.comparisons >= least, "{}", ledger.comparisons);
}
