//! Other servers as oracles: Knot, NSD and BIND with the same random zones, and thousands of
//! answers compared field by field.
//!
//! Started by `tests/peers/answers.sh`, since it needs those servers. What differs must be in
//! `tests/peers/answers.differences` with a reason, and what stands there must still differ.

mod about;
mod additional;
mod battery;
mod compare;
mod exchange;
mod ledger;
mod onward;
mod servers;
mod wire;

use super::random::{Chance, Labels, World};
use about::About;
use compare::{Outcome, compare};
use ledger::Ledger;
use onward::{Question, Told};
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
) -> Vec<Question> {
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

/// Asks every server everything and compares.
fn ask_all(
    worlds: &[World],
    servers: &[Server],
    transport: &str,
    questions: &[Question],
    ledger: &mut Ledger,
) {
    let (all, vouchers) = onward::ask(worlds, servers, transport, questions);
    for ((world, asking), said) in questions.iter().zip(&all) {
        let about = About::of(&worlds[*world], transport, asking, &said[0].whole);
        let found: Vec<_> = (1..said.len())
            .map(|peer| compare(&said[0], &said[peer], &about, &vouchers, peer))
            .collect();
        ledger.take(&about.class, &found, &|| told(&asking.to_string(), said));
    }
}

/// A query and what came of it.
fn told(query: &str, said: &[Told]) -> String {
    let mut text = format!("  ? {query}\n");
    for (name, said) in servers::NAMES.iter().zip(said) {
        for (word, outcome) in [("", &said.first), (" in all", &said.whole)] {
            text += &match outcome {
                Outcome::Silence => format!("    {name}{word}: silence\n"),
                Outcome::Unreadable(why) => format!("    {name}{word}: {why}\n"),
                Outcome::Read(reply) => format!("    {name}{word}: {reply}\n"),
            };
        }
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
