//! What a resolver comes to know from a server: its first reply, then over TCP what did not fit
//! that, then the rest of a chain of aliases that the server did not follow to its end.
//!
//! Servers differ in where they stop; what they lead to must be the same. So a difference in the
//! stops hides no other one.

use super::{
    super::random::{Labels, World},
    compare::Outcome,
    exchange,
    servers::Server,
    wire::{Asking, Reply},
};
use std::collections::{BTreeMap, BTreeSet};

const TC: u16 = 0x200;
const NS: u16 = 2;
const CNAME: u16 = 5;
const ANY: u16 = 255;
/// A name has no more labels: one that grows along a chain is too long then.
const MAX_ROUNDS: usize = 128;

/// A question with the number of the world that it is about.
pub(super) type Question = (usize, Asking);

/// What one server says of a question.
#[derive(Clone)]
pub(super) struct Told {
    /// Its reply.
    pub(super) first: Outcome,
    /// The reply to the same question over TCP, where there was need to ask.
    pub(super) uncut: Outcome,
    /// The same with the rest of its chain; to ANY, the RRset that we chose.
    pub(super) whole: Outcome,
}

impl Told {
    pub(super) fn of(first: Outcome) -> Self {
        let (uncut, whole) = (first.clone(), first.clone());
        Self {
            first,
            uncut,
            whole,
        }
    }
}

/// What servers say of single RRsets, by owner and type: of each server in its order.
pub(super) type Vouchers = BTreeMap<(Labels, u16), Vec<Outcome>>;

/// Asks every server everything: what each says, by question and server, and what they say of the
/// additional records that not all have.
pub(super) fn ask(
    worlds: &[World],
    servers: &[Server],
    transport: &str,
    questions: &[Question],
) -> (Vec<Vec<Told>>, Vouchers) {
    let all: Vec<Query> = questions
        .iter()
        .enumerate()
        .map(|(index, (_, asking))| (index, asking.clone()))
        .collect();
    let mut told: Vec<Vec<Told>> = each(servers, transport, &vec![all; servers.len()])
        .into_iter()
        .map(|found| found.into_iter().map(|(_, one)| Told::of(one)).collect())
        .collect();
    if transport == "udp" {
        uncut(servers, questions, &mut told);
    }
    choose(servers, questions, &mut told);
    chase(worlds, servers, questions, &mut told);
    let vouchers = vouch(servers, &told);
    let by_question = (0..questions.len()).map(|index| {
        let of_server = |told: &Vec<Told>| told[index].clone();
        told.iter().map(of_server).collect()
    });
    (by_question.collect(), vouchers)
}

/// A question by its number.
type Query = (usize, Asking);

/// Asks each server its questions, all servers at the same time.
fn each(servers: &[Server], transport: &str, queries: &[Vec<Query>]) -> Vec<Vec<(usize, Outcome)>> {
    std::thread::scope(|scope| {
        let asking: Vec<_> = servers
            .iter()
            .zip(queries)
            .map(|(server, queries)| {
                scope.spawn(move || {
                    let octets: Vec<_> = queries.iter().map(|(_, one)| one.octets()).collect();
                    match transport {
                        "udp" => exchange::over_udp(server.address, &octets),
                        _ => exchange::over_tcp(server.address, &octets),
                    }
                })
            })
            .collect();
        let found = asking.into_iter().zip(servers.iter().zip(queries));
        found
            .map(|(replies, (server, queries))| {
                let replies = replies.join().unwrap();
                let replies =
                    replies.unwrap_or_else(|why| panic!("{} over {transport}: {why}", server.name));
                let read = |octets: &Vec<u8>| Outcome::of(Some(octets));
                let numbers = queries.iter().map(|(index, _)| *index);
                numbers.zip(replies.iter().map(read)).collect()
            })
            .collect()
    })
}

/// Asks everybody over TCP what not all replied the same to over UDP.
fn uncut(servers: &[Server], questions: &[Question], told: &mut [Vec<Told>]) {
    let differs = |index: &usize| {
        let ours = told[0][*index].first.read();
        told.iter()
            .any(|told| match (ours, told[*index].first.read()) {
                (Some(ours), Some(theirs)) => {
                    theirs.is(TC)
                        || ours.rcode != theirs.rcode
                        || ours.answer != theirs.answer
                        || ours.authority != theirs.authority
                        || ours.additional != theirs.additional
                }
                _ => false,
            })
    };
    let again: Vec<Query> = (0..questions.len())
        .filter(differs)
        .map(|index| (index, questions[index].1.clone()))
        .collect();
    let found = each(servers, "tcp", &vec![again; servers.len()]);
    for (told, found) in told.iter_mut().zip(found) {
        for (index, outcome) in found {
            told[index].uncut = outcome.clone();
            told[index].whole = outcome;
        }
    }
}

/// The type of the RRset with which we answered ANY.
fn chosen(asking: &Asking, ours: &Told) -> Option<u16> {
    let reply = ours.uncut.read().filter(|_| asking.kind == ANY)?;
    let owner = asking.name.lower();
    let mut answer = reply.answer.iter();
    answer
        .find(|record| record.owner == owner)
        .map(|one| one.kind)
}

/// To ANY each server may choose an RRset (RFC 8482): all are asked for the one that we chose.
fn choose(servers: &[Server], questions: &[Question], told: &mut [Vec<Told>]) {
    let again: Vec<Query> = questions
        .iter()
        .enumerate()
        .filter_map(|(index, (_, asking))| {
            let kind = chosen(asking, &told[0][index])?;
            let mut asking = asking.clone();
            asking.kind = kind;
            Some((index, asking))
        })
        .collect();
    let found = each(servers, "tcp", &vec![again; servers.len()]);
    for (told, found) in told.iter_mut().zip(found) {
        for (index, outcome) in found {
            told[index].whole = outcome;
        }
    }
}

/// The last name of a chain that the reply does not follow to its end.
pub(super) fn open_end(reply: &Reply) -> Option<Labels> {
    // BIND says SERVFAIL where a chain is too long for it. A referral leads to a zone that may
    // be here, too.
    let is_end = reply.authority.iter().any(|record| record.kind != NS);
    let is_open = matches!(reply.rcode, 0 | 2) && !reply.is(TC) && !is_end;
    let aliases = || reply.answer.iter().filter(|record| record.kind == CNAME);
    let owned = |name: &Labels| reply.answer.iter().any(|record| record.owner == *name);
    let mut targets = aliases().filter_map(|alias| alias.target.as_ref());
    targets.find(|target| is_open && !owned(target)).cloned()
}

/// Asks each server on along chains, as long as they lead to a zone of these.
fn chase(worlds: &[World], servers: &[Server], questions: &[Question], told: &mut [Vec<Told>]) {
    let mut asked: BTreeSet<(usize, usize, Labels)> = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let mut queries = Vec::new();
        for (server, told) in told.iter().enumerate() {
            let mut again = Vec::new();
            for (index, (world, asking)) in questions.iter().enumerate() {
                let ends_there = matches!(asking.kind, CNAME | ANY);
                let reply = told[index].whole.read().filter(|_| !ends_there);
                let Some(name) = reply.and_then(open_end) else {
                    continue;
                };
                let is_here = worlds[*world].zone_of(&name).is_some();
                if is_here && asked.insert((server, index, name.clone())) {
                    let mut asking = asking.clone();
                    asking.name = name;
                    again.push((index, asking));
                }
            }
            queries.push(again);
        }
        if queries.iter().all(Vec::is_empty) {
            return;
        }
        let found = each(servers, "tcp", &queries);
        for (told, found) in told.iter_mut().zip(found) {
            for (index, more) in found {
                told[index].whole = joined(&told[index].whole, more);
            }
        }
    }
}

/// A reply and the one about the end of its chain as if they were one.
fn joined(begin: &Outcome, end: Outcome) -> Outcome {
    let (Some(begin), Some(end)) = (begin.read(), end.read()) else {
        return end;
    };
    let mut all = begin.clone();
    all.answer.extend(end.answer.iter().cloned());
    all.answer.sort();
    all.answer.dedup();
    all.rcode = end.rcode;
    all.authority.clone_from(&end.authority);
    all.additional.clone_from(&end.additional);
    Outcome::Read(Box::new(all))
}

/// Asks every server for each RRset that only one of two additional sections has.
fn vouch(servers: &[Server], told: &[Vec<Told>]) -> Vouchers {
    let mut wanted: BTreeSet<(Labels, u16)> = BTreeSet::new();
    for (index, ours) in told[0].iter().enumerate() {
        let Some(ours) = ours.whole.read() else {
            continue;
        };
        for theirs in told[1..].iter().filter_map(|told| told[index].whole.read()) {
            let both = [(ours, theirs), (theirs, ours)];
            for (one, two) in both.map(|(one, two)| (&one.additional, &two.additional)) {
                let alone = one.iter().filter(|record| !two.contains(record));
                wanted.extend(alone.map(|record| (record.owner.clone(), record.kind)));
            }
        }
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    let queries: Vec<Query> = wanted
        .iter()
        .enumerate()
        .map(|(index, (owner, kind))| (index, Asking::of(owner, *kind)))
        .collect();
    let mut found: Vec<_> = each(servers, "tcp", &vec![queries; servers.len()])
        .into_iter()
        .map(Vec::into_iter)
        .collect();
    let of_each = |key| {
        let outcomes = found.iter_mut().filter_map(Iterator::next);
        (key, outcomes.map(|(_, outcome)| outcome).collect())
    };
    wanted.into_iter().map(of_each).collect()
}
