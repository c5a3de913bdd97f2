//! What differs between two replies, and what the comparison is about.

use super::{
    super::random::{Labels, World},
    wire::{Asking, Opt, Record, Reply},
};
use std::collections::BTreeMap;

const QR_OPCODE: u16 = 0xf800;
const AA: u16 = 0x400;
const TC: u16 = 0x200;
const CNAME: u16 = 5;
const DNAME: u16 = 39;
const NS: u16 = 2;
const SOA: u16 = 6;
const DS: u16 = 43;
/// More aliases in a row than every server follows.
const LONG: usize = 4;
/// So many octets below the limit a reply is nearly too large.
const NEAR: usize = 40;

/// What a server did with a query.
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
}

/// How a field of ours differs from a peer's, by field.
pub(super) type Differences = BTreeMap<&'static str, String>;

/// Compares field by field.
pub(super) fn compare(ours: &Outcome, theirs: &Outcome, about: &About<'_>) -> Differences {
    let mut found = Differences::new();
    let (ours, theirs) = match (ours, theirs) {
        (Outcome::Read(ours), Outcome::Read(theirs)) => (ours, theirs),
        (Outcome::Silence, Outcome::Silence) => return found,
        (Outcome::Unreadable(why), _) => {
            found.insert("message", format!("ours: {why}"));
            return found;
        }
        (_, Outcome::Unreadable(why)) => {
            found.insert("message", format!("theirs: {why}"));
            return found;
        }
        (Outcome::Silence, _) => {
            found.insert("message", "ours is missing".into());
            return found;
        }
        (_, Outcome::Silence) => {
            found.insert("message", "theirs is missing".into());
            return found;
        }
    };
    let mut note = |field, differs: bool, shape: String| {
        if differs {
            found.insert(field, shape);
        }
    };
    let (one, two) = (ours.rcode, theirs.rcode);
    note("rcode", one != two, format!("{} {}", word(one), word(two)));
    for (field, flag) in [
        ("opcode", QR_OPCODE),
        ("aa", AA),
        ("tc", TC),
        ("rd", 0x100),
        ("ra", 0x80),
        ("z", 0x40),
        ("ad", 0x20),
        ("cd", 0x10),
    ] {
        let (one, two) = (ours.flags & flag, theirs.flags & flag);
        // Two ways to compress names are a few octets apart.
        let is_near = flag == TC && ours.octets.max(theirs.octets) + NEAR > about.limit;
        let near = if is_near { " near" } else { "" };
        note(
            field,
            one != two,
            format!("{} {}{near}", one / flag, two / flag),
        );
    }
    let (one, two) = (&ours.question, &theirs.question);
    note("question", one != two, shape_of(one.len(), two.len()));
    let is_cut = ours.is(TC) || theirs.is(TC);
    // Knot adds a host once for each record that names it, and a CNAME once more where a chain
    // comes by again; ours stand once.
    let [answer, additional] = [&theirs.answer, &theirs.additional].map(|section| {
        let mut once = section.clone();
        once.dedup();
        once
    });
    for (field, one, two) in [
        ("answer", &ours.answer, &answer),
        ("authority", &ours.authority, &theirs.authority),
        ("additional", &ours.additional, &additional),
    ] {
        if one != two {
            let shape = match field {
                _ if is_cut => "cut".to_owned(),
                "additional" => about.shape_of_additional(one, two),
                _ => shape(one, two),
            };
            note(field, true, shape);
        }
    }
    match (&ours.opt, &theirs.opt) {
        (Some(one), Some(two)) => {
            note(
                "opt-size",
                one.size != two.size,
                shape_of(one.size, two.size),
            );
            let (a, b) = (one.version, two.version);
            note("opt-version", a != b, format!("{a} {b}"));
            let (a, b) = (one.flags, two.flags);
            note("opt-flags", a != b, format!("{a:04x} {b:04x}"));
            // Of the same second, all servers with one secret make the same cookie (RFC 9018).
            let with_cookies = time_of_cookie(one) == time_of_cookie(two);
            let (a, b) = (options(one, with_cookies), options(two, with_cookies));
            note("opt-options", a != b, format!("{a} {b}"));
        }
        (None, None) => {}
        (one, _) => {
            let shape = if one.is_some() { "more" } else { "less" };
            note("opt", true, shape.into());
        }
    }
    found
}

/// Option codes and contents; of cookies the length, where they hold another time.
fn options(opt: &Opt, with_cookies: bool) -> String {
    let words = opt.options.iter().map(|(code, data)| match code {
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

fn word(rcode: u16) -> String {
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

/// What a comparison is about.
pub(super) struct About<'w> {
    world: &'w World,
    /// What was asked, and what we said to it.
    pub(super) class: String,
    /// The size that a reply may have, in octets.
    limit: usize,
    /// The apex of the zone that the last name of the answer is in.
    home: Option<&'w Labels>,
}

impl<'w> About<'w> {
    pub(super) fn odd(world: &'w World, name: &str) -> Self {
        Self {
            world,
            class: format!("odd {name}"),
            limit: 1_232,
            home: None,
        }
    }

    pub(super) fn of(world: &'w World, transport: &str, asking: &Asking, ours: &Outcome) -> Self {
        let kind = match asking.kind {
            255 => "any",
            43 => "ds",
            64 | 65 => "svcb",
            24 | 25 | 46 | 47 | 50 => "sig",
            128..=254 => "meta",
            _ => "type",
        };
        let mut about = Self {
            world,
            class: format!("{transport} {kind}"),
            limit: asking.limit(transport),
            home: None,
        };
        if let Outcome::Read(reply) = ours {
            about.tell(asking, reply);
        }
        about
    }

    /// The zone that answers for a name: for DS at an apex the one above.
    fn apex_of(&self, name: &Labels, kind: u16) -> Option<&'w Labels> {
        let zone = self.world.zone_of(name)?;
        let of_parent = kind == DS && name.lower() == zone.apex;
        let parent = of_parent.then(|| self.world.zone_of(&name.parent()));
        Some(&parent.flatten().unwrap_or(zone).apex)
    }

    fn tell(&mut self, asking: &Asking, reply: &Reply) {
        let has = |records: &[Record], kind| records.iter().any(|record| record.kind == kind);
        // A DNAME says where it leads once more in the CNAME beside it.
        let follows = asking.kind != CNAME;
        let aliases: Vec<&Record> = reply.answer.iter().filter(|_| follows).collect();
        let aliases = aliases.into_iter().filter(|record| record.kind == CNAME);
        let names: Vec<&Labels> = aliases.filter_map(|alias| alias.target.as_ref()).collect();
        let is_link = |record: &&Record| matches!(record.kind, CNAME | DNAME);
        let links = reply.answer.iter().filter(is_link).count();
        let outcome = match reply.rcode {
            _ if reply.is(TC) => "cut",
            0 if names.is_empty() && !reply.answer.is_empty() => "positive",
            0 if reply.answer.len() > links => "positive",
            3 => "nxdomain",
            0 if has(&reply.authority, SOA) => "nodata",
            0 if has(&reply.authority, NS) => "referral",
            0 => "open",
            rcode => &word(rcode),
        };
        self.class += &format!(" {outcome}");
        let first = self.apex_of(&asking.name, asking.kind);
        // Chains are told of in any order: the last name is the one that owns no alias.
        let goes_on = |name: &&&Labels| !reply.answer.iter().any(|one| one.owner == ***name);
        self.home = match names.iter().find(goes_on) {
            Some(last) => self.apex_of(last, asking.kind),
            None => first,
        };
        let mut all = names.iter().copied().chain([&asking.name]);
        let leaves = names
            .iter()
            .any(|name| self.apex_of(name, asking.kind) != first);
        let is_shadowed = |name: &&Labels| {
            let apex = self.apex_of(name, asking.kind);
            apex.is_some_and(|apex| self.world.is_shadowed(apex))
        };
        let shadowed = all.clone().any(|name| is_shadowed(&name));
        let at_service = all.any(|name| self.world.service_of(name).is_some());
        for (word, is) in [
            (" alias", !names.is_empty()),
            (" long", names.len() > LONG),
            (" across", leaves),
            (" service", at_service),
            (" shadowed", shadowed),
        ] {
            if is {
                self.class += word;
            }
        }
    }

    /// How additional records differ; `foreign` where it is only in those of other zones.
    fn shape_of_additional(&self, ours: &[Record], theirs: &[Record]) -> String {
        let at_home = |records: &[Record]| -> Vec<Record> {
            let is_home = |record: &&Record| self.apex_of(&record.owner, 0) == self.home;
            records.iter().filter(is_home).cloned().collect()
        };
        let (ours, theirs) = (at_home(ours), at_home(theirs));
        if ours == theirs {
            return "foreign".to_owned();
        }
        shape(&ours, &theirs)
    }
}
