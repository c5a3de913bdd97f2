//! How additional sections differ, RRset by RRset: what kind of records they are about, who has
//! them, and whether ours are true.

use super::{
    super::random::Labels,
    about::About,
    compare::Outcome,
    ledger::AND,
    onward::Vouchers,
    wire::{Record, Reply},
};
use std::collections::{BTreeMap, BTreeSet};

const CNAME: u16 = 5;
const TLSA: u16 = 52;
/// Of so many hosts we add the addresses.
const MAX_HOSTS: usize = 16;

/// RRsets by owner and type.
type Sets<'r> = BTreeMap<(&'r Labels, u16), Vec<&'r Record>>;

fn sets(records: &[Record]) -> Sets<'_> {
    let mut sets = Sets::new();
    for record in records {
        let set = sets.entry((&record.owner, record.kind)).or_default();
        // Knot adds a host once for each record that names it.
        if !set.contains(&record) {
            set.push(record);
        }
    }
    sets
}

/// The differences by what the records are, such as `foreign`: `ours`, `theirs` or `other`, as many
/// of these as there are. Where the peer at `place` of the vouchers, asked for the records by name,
/// says otherwise, these are `ours untrue`, `theirs untrue`, or, where both have some, not `other` but
/// `theirs wrong`.
pub(super) fn differences(
    (ours, theirs): (&Reply, &Reply),
    about: &About<'_>,
    vouchers: &Vouchers,
    place: usize,
) -> BTreeMap<&'static str, String> {
    let (own, other) = (sets(&ours.additional), sets(&theirs.additional));
    let keys: BTreeSet<_> = own.keys().chain(other.keys()).copied().collect();
    let mut found: BTreeMap<&'static str, BTreeSet<&'static str>> = BTreeMap::new();
    for key in keys {
        let word = match (own.get(&key), other.get(&key)) {
            (one, two) if one == two => continue,
            (Some(set), None) if is_true(key, set, vouchers, place) => "ours",
            (Some(_), None) => "ours untrue",
            (None, Some(set)) if is_true(key, set, vouchers, place) => "theirs",
            (None, Some(_)) => "theirs untrue",
            (Some(set), Some(_)) if is_true(key, set, vouchers, place) => "theirs wrong",
            (Some(_), Some(_)) | (None, None) => "other",
        };
        let is_wild = key.0.0.first().is_some_and(|label| label == b"*");
        let what = match word {
            "theirs" if is_wild && key.1 != CNAME => "asterisk",
            _ => what(key, ours, theirs, about),
        };
        found.entry(what).or_default().insert(word);
    }
    let joined = |words: BTreeSet<&str>| words.into_iter().collect::<Vec<_>>().join(AND);
    let found = found.into_iter();
    found.map(|(what, words)| (what, joined(words))).collect()
}

/// What the records of an RRset are there.
fn what(
    (owner, kind): (&Labels, u16),
    ours: &Reply,
    theirs: &Reply,
    about: &About<'_>,
) -> &'static str {
    let stands_in_answer = |reply: &Reply| {
        let mut answer = reply.answer.iter();
        answer.any(|record| record.owner == *owner && record.kind == kind)
    };
    match kind {
        _ if stands_in_answer(ours) || stands_in_answer(theirs) => "answered",
        TLSA => "tlsa",
        CNAME => "alias",
        64 | 65 => "binding",
        _ if about.is_foreign(owner) && about.is_delegated(owner) => "foreign glue",
        _ if about.is_foreign(owner) => "foreign",
        _ if hosts_of(ours) > MAX_HOSTS => "many",
        _ => about.place_of_host(owner, ours),
    }
}

/// How many hosts an answer names.
fn hosts_of(reply: &Reply) -> usize {
    let hosts = reply.answer.iter().filter(|record| record.kind != CNAME);
    let hosts: BTreeSet<_> = hosts.filter_map(|record| record.target.as_ref()).collect();
    hosts.len()
}

/// Whether a server, asked for it, gives exactly this RRset: as an answer or as glue.
fn is_true(
    (owner, kind): (&Labels, u16),
    set: &[&Record],
    vouchers: &Vouchers,
    place: usize,
) -> bool {
    let said = vouchers.get(&(owner.clone(), kind));
    let said = said.and_then(|said| said[place].read());
    said.is_some_and(|reply| {
        let is_it = |records: &[Record]| {
            let sets = sets(records);
            sets.get(&(owner, kind)).is_some_and(|one| one == set)
        };
        is_it(&reply.answer) || is_it(&reply.additional)
    })
}

/// What is wrong with what we left out of a reply of at most `limit` octets, held against the
/// whole of it: answer and authority stand there whole, or nothing does and TC is set; of the
/// additional section RRsets may be missing that did not fit, but for glue.
pub(super) fn fault_of_fit(first: &Outcome, whole: &Outcome, limit: usize) -> Option<&'static str> {
    let (first, whole) = (first.read()?, whole.read()?);
    if first.rcode != whole.rcode {
        return Some("another code than over TCP");
    }
    let (given, all) = (sets(&first.additional), sets(&whole.additional));
    let cut = whole.authority.iter().find(|one| one.kind == 2);
    let cut = cut.filter(|_| !whole.is(0x400));
    let is_needed = |owner: &Labels| cut.is_some_and(|cut| owner.is_within(&cut.owner));
    if first.is(0x200) {
        let sections = [&first.answer, &first.authority, &first.additional];
        if sections.iter().any(|section| !section.is_empty()) {
            return Some("TC and records");
        }
        let may_go = all.iter().filter(|((owner, _), _)| !is_needed(owner));
        // An owner is a pointer at least.
        let may_go: usize = may_go.map(|(_, set)| octets(set, |_| 2)).sum();
        let least = whole.octets - may_go;
        return (least <= limit).then_some("TC where it fits");
    }
    if (&first.answer, &first.authority) != (&whole.answer, &whole.authority) {
        return Some("less than over TCP");
    }
    if given.iter().any(|(key, set)| all.get(key) != Some(set)) {
        return Some("additional records that TCP has not");
    }
    for ((owner, _), set) in all.iter().filter(|(key, _)| !given.contains_key(*key)) {
        if is_needed(owner) {
            return Some("no glue and no TC");
        }
        // An owner is written out at most.
        if first.octets + octets(set, |owner| owner.wire().len()) <= limit {
            return Some("an additional RRset less, which fits");
        }
    }
    None
}

fn octets(set: &[&Record], of_owner: impl Fn(&Labels) -> usize) -> usize {
    let of = |record: &&Record| of_owner(&record.owner) + 10 + record.data.len();
    set.iter().map(of).sum()
}
