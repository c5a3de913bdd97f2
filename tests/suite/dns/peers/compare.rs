//! What differs between two replies, and what the comparison is about.

use super::{
    about::About,
    additional,
    onward::{Told, Vouchers},
    wire::{Opt, Record, Reply},
};
use std::collections::BTreeMap;

const QR_OPCODE: u16 = 0xf800;
const AA: u16 = 0x400;
const TC: u16 = 0x200;
const CNAME: u16 = 5;
const SOA: u16 = 6;
/// Extended errors (RFC 8914).
const EXTENDED_ERROR: u16 = 15;
/// So many octets below the limit a reply is nearly too large.
const NEAR: usize = 40;

/// What a server did with a query.
#[derive(Clone)]
pub(super) enum Outcome {
    Silence,
    Unreadable(String),
    Read(Box<Reply>),
}

impl Outcome {
    pub(super) fn of(octets: Option<&[u8]>) -> Self {
        match octets.map(Reply::read) {
            None => Self::Silence,
            Some(Ok(reply)) => Self::Read(Box::new(reply)),
            Some(Err(why)) => Self::Unreadable(why),
        }
    }

    pub(super) fn read(&self) -> Option<&Reply> {
        match self {
            Self::Read(reply) => Some(reply),
            Self::Silence | Self::Unreadable(_) => None,
        }
    }
}

/// How a field of ours differs from a peer's, by field.
pub(super) type Differences = BTreeMap<String, String>;

/// Compares field by field what we say and what the peer at `place` says.
pub(super) fn compare(
    ours: &Told,
    theirs: &Told,
    about: &About<'_>,
    vouchers: &Vouchers,
    place: usize,
) -> Differences {
    let mut found = Differences::new();
    match (&ours.first, &theirs.first) {
        (Outcome::Read(one), Outcome::Read(two)) => {
            heads(one, two, &mut found);
            truncation(ours, theirs, about.limit, &mut found);
            opts(one.opt.as_ref(), two.opt.as_ref(), &mut found);
        }
        (Outcome::Silence, Outcome::Silence) => return found,
        (one, two) => {
            note(&mut found, "message", true, || missing(one, two));
            return found;
        }
    }
    match (&ours.whole, &theirs.whole) {
        (Outcome::Read(one), Outcome::Read(two)) => {
            sections(one, two, about, &mut found);
            for (what, shape) in additional::differences((one, two), about, vouchers, place) {
                note(&mut found, &format!("additional {what}"), true, || shape);
            }
        }
        (one, two) => note(&mut found, "message", true, || missing(one, two)),
    }
    if !about.is_any {
        chains(ours, theirs, &mut found);
    }
    // What we say must agree with itself, too.
    if let Some(fault) = additional::fault_of_fit(&ours.first, &ours.uncut, about.limit) {
        note(&mut found, "fit", true, || fault.to_owned());
    }
    if about.is_any && !is_one_set(ours) {
        note(&mut found, "any", true, || "not one RRset".to_owned());
    }
    found
}

fn note(found: &mut Differences, field: &str, differs: bool, shape: impl FnOnce() -> String) {
    if differs {
        found.insert(field.to_owned(), shape());
    }
}

fn missing(ours: &Outcome, theirs: &Outcome) -> String {
    match (ours, theirs) {
        (Outcome::Unreadable(why), _) => format!("ours: {why}"),
        (_, Outcome::Unreadable(why)) => format!("theirs: {why}"),
        (Outcome::Silence, _) => "ours is missing".into(),
        _ => "theirs is missing".into(),
    }
}

/// Whether we answered ANY with what we answer the type with that we chose.
fn is_one_set(ours: &Told) -> bool {
    match (ours.uncut.read(), ours.whole.read()) {
        (Some(any), Some(chosen)) => any.answer == chosen.answer,
        _ => true,
    }
}

/// The header and the question.
fn heads(ours: &Reply, theirs: &Reply, found: &mut Differences) {
    for (field, flag) in [
        ("opcode", QR_OPCODE),
        ("aa", AA),
        ("rd", 0x100),
        ("ra", 0x80),
        ("z", 0x40),
        ("ad", 0x20),
        ("cd", 0x10),
    ] {
        let (one, two) = (ours.flags & flag, theirs.flags & flag);
        let shape = || format!("{} {}", one / flag, two / flag);
        note(found, field, one != two, shape);
    }
    let (one, two) = (&ours.question, &theirs.question);
    note(found, "question", one != two, || {
        shape_of(one.len(), two.len())
    });
}

/// TC; `tight` where all that there is to say is about as large as the message may be.
fn truncation(ours: &Told, theirs: &Told, limit: usize, found: &mut Differences) {
    let tc = |told: &Told| u16::from(told.first.read().is_some_and(|reply| reply.is(TC)));
    let octets = |told: &Told| told.uncut.read().map_or(0, |reply| reply.octets);
    let (one, two) = (tc(ours), tc(theirs));
    // Two ways to compress names are a few octets apart.
    let is_tight = octets(ours).max(octets(theirs)) + NEAR > limit;
    let tight = if is_tight { " tight" } else { "" };
    note(found, "tc", one != two, || format!("{one} {two}{tight}"));
}

/// Code, answer and authority.
fn sections(ours: &Reply, theirs: &Reply, about: &About<'_>, found: &mut Differences) {
    let (one, two) = (ours.rcode, theirs.rcode);
    note(found, "rcode", one != two, || {
        format!("{} {}", word(one), word(two))
    });
    // Knot tells a CNAME once more where a chain comes by again; ours stand once.
    let mut answer = theirs.answer.clone();
    answer.dedup();
    note(found, "answer", ours.answer != answer, || {
        shape(&ours.answer, &answer)
    });
    let mut authority = theirs.authority.clone();
    for soa in authority.iter_mut().filter(|record| record.kind == SOA) {
        // They know no services: what follows is compared with what they would say.
        let ttl = soa.ttl.min(about.ceiling_secs(ours));
        note(found, "service ttl", ttl != soa.ttl, || "lower".to_owned());
        soa.ttl = ttl;
    }
    note(found, "authority", ours.authority != authority, || {
        shape(&ours.authority, &authority)
    });
}

/// How far aliases were followed: how many, ours and theirs; `further` where ours are more, which
/// is no fault where both come to the same end.
fn chains(ours: &Told, theirs: &Told, found: &mut Differences) {
    let links = |told: &Told| {
        let reply = told.uncut.read();
        let answer = reply.into_iter().flat_map(|reply| &reply.answer);
        let mut aliases: Vec<_> = answer.filter(|record| record.kind == CNAME).collect();
        aliases.dedup();
        aliases.len()
    };
    let (one, two) = (links(ours), links(theirs));
    note(found, "chain", one != two, || {
        let further = if one > two { " further" } else { "" };
        format!("{one} {two}{further}")
    });
}

fn opts(ours: Option<&Opt>, theirs: Option<&Opt>, found: &mut Differences) {
    let (one, two) = match (ours, theirs) {
        (Some(one), Some(two)) => (one, two),
        (None, None) => return,
        (one, _) => {
            let shape = if one.is_some() { "more" } else { "less" };
            return note(found, "opt", true, || shape.to_owned());
        }
    };
    note(found, "opt-size", one.size != two.size, || {
        shape_of(one.size, two.size)
    });
    let (a, b) = (one.version, two.version);
    note(found, "opt-version", a != b, || format!("{a} {b}"));
    let (a, b) = (one.flags, two.flags);
    note(found, "opt-flags", a != b, || format!("{a:04x} {b:04x}"));
    let explains = |opt: &Opt| opt.options.iter().any(|(code, _)| *code == EXTENDED_ERROR);
    let (a, b) = (explains(one), explains(two));
    note(found, "opt-error", a != b, || {
        format!("{} {}", u8::from(a), u8::from(b))
    });
    // Of the same second, all servers with one secret make the same cookie (RFC 9018).
    let with_cookies = time_of_cookie(one) == time_of_cookie(two);
    let (a, b) = (options(one, with_cookies), options(two, with_cookies));
    note(found, "opt-options", a != b, || format!("{a} {b}"));
}

/// Option codes and contents but for extended errors; of cookies the length, where they hold
/// another time.
fn options(opt: &Opt, with_cookies: bool) -> String {
    let others = opt
        .options
        .iter()
        .filter(|(code, _)| *code != EXTENDED_ERROR);
    let words = others.map(|(code, data)| match code {
        10 if with_cookies => format!("{code}:{data:02x?}"),
        10 => format!("{code}:{}octets", data.len()),
        _ => format!("{code}:{}", String::from_utf8_lossy(data).escape_debug()),
    });
    format!("[{}]", words.collect::<Vec<_>>().join(","))
}

/// When the server made the cookie that it sends (RFC 9018 section 4.3).
fn time_of_cookie(opt: &Opt) -> Option<&[u8]> {
    let mut options = opt.options.iter();
    let (_, cookie) = options.find(|(code, data)| *code == 10 && data.len() == 24)?;
    cookie.get(12..16)
}

fn shape_of<T: PartialOrd + Copy>(ours: T, theirs: T) -> String {
    let shape = match ours.partial_cmp(&theirs) {
        Some(std::cmp::Ordering::Less) => "less",
        Some(std::cmp::Ordering::Greater) => "more",
        _ => "other",
    };
    shape.to_owned()
}

/// How one multiset of records differs from another.
fn shape(ours: &[Record], theirs: &[Record]) -> String {
    let without_ttl = |records: &[Record]| {
        let mut records = records.to_vec();
        records.iter_mut().for_each(|record| record.ttl = 0);
        records.sort();
        records
    };
    if without_ttl(ours) == without_ttl(theirs) {
        let lower = ours.iter().zip(theirs).all(|(one, two)| one.ttl <= two.ttl);
        return if lower { "lower ttl" } else { "ttl" }.to_owned();
    }
    let holds = |big: &[Record], small: &[Record]| {
        let mut left = big.to_vec();
        small.iter().all(|record| {
            let at = left.iter().position(|other| other == record);
            at.is_some_and(|at| {
                left.swap_remove(at);
                true
            })
        })
    };
    let shape = match (theirs.is_empty(), ours.is_empty()) {
        (true, _) => "ours alone",
        (_, true) => "theirs alone",
        _ if holds(ours, theirs) => "more",
        _ if holds(theirs, ours) => "less",
        _ => "other",
    };
    shape.to_owned()
}

pub(super) fn word(rcode: u16) -> String {
    let words = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",
    ];
    match words.get(usize::from(rcode)) {
        Some(word) => (*word).to_owned(),
        None if rcode == 16 => "BADVERS".into(),
        None if rcode == 23 => "BADCOOKIE".into(),
        None => rcode.to_string(),
    }
}
