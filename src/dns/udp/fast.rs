//! Usual queries answered at once: the same as `answer`, out of the store's octets.
//!
//! An RRset is copied behind the question as it lies in the store; names in records that were
//! copied are what later records point to. Does not know sockets. Contract: what it answers is
//! what the slow path answers, field by field; property tests hold it to that. What is not usual, or
//! would not fit there, is left to the slow path. Allocates nothing; never panics.

mod additional;

use super::{
    message::{Header, MAX_OCTETS, Message, Opt, QUESTION_AT, Section},
    query::{Edns, Query},
};
use crate::dns::{
    answer::{At, MAX_ALIASES},
    fields::{follows_alias, kind},
    handler::reply::Reply,
    name::LookupName,
    settings::Settings,
    state::DnsState,
    store::{
        Zones,
        rrset::RrSet,
        zone::{Found, Node, SERIAL_FROM_END, Zone},
    },
    table::Table,
};
use hickory_proto::op::ResponseCode;
use std::{net::IpAddr, ops::Range};

/// Where the TTL is in a record (RFC 1035 section 4.1.3).
const TTL_AT: usize = 6;

/// What an answer is about, for rate limiting: answers about the same to the same network share
/// their limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A name with records, or the wildcard that stands for it: a hash of it.
    Name(u64),
    /// What a zone does not have, whatever it is: the zone's number.
    Nothing(u64),
    /// A delegation: a hash of its name.
    Referral(u64),
    /// An error, about nothing.
    Error,
}

impl Subject {
    /// What a reply of the slow path is about: what it would be, had it been composed here, so
    /// that nobody gets a limit anew by asking in an unusual way. `name` is scratch space.
    pub(super) fn of(reply: &Reply, zones: &Zones, name: &mut LookupName) -> Self {
        let has_answers = reply.octets.get(6..8) != Some(&[0, 0]);
        let is_denial = match reply.rcode {
            ResponseCode::NoError => !has_answers && !reply.truncated,
            ResponseCode::NXDomain => !has_answers,
            ResponseCode::YXDomain => false,
            _ => return Self::Error,
        };
        if name.read(reply.question()).is_none() {
            return Self::Error;
        }
        let Some(zone) = zones.zone_of(name, false) else {
            return Self::Error;
        };
        match zone.find(name, false) {
            Found::Cut(node) => Self::Referral(hash_of(node)),
            Found::Node(_) if !is_denial => Self::Name(name.hash(name.depth())),
            Found::Wildcard(node) | Found::Dname(node) if !is_denial => Self::Name(hash_of(node)),
            _ => nothing_in(zone),
        }
    }
}

/// An answer that was composed, and not yet finished.
pub(super) struct Composed<'m> {
    message: Message<'m>,
    pub(super) rcode: ResponseCode,
    authoritative: bool,
    pub(super) subject: Subject,
    /// The client showed that its address is not forged.
    pub(super) has_valid_cookie: bool,
}

impl Composed<'_> {
    /// Finishes it; how long it is.
    pub(super) fn whole(self) -> usize {
        self.finish(false)
    }

    /// Leaves nothing but the question and TC, which sends the client to TCP; how long it is.
    pub(super) fn slipped(self) -> usize {
        self.finish(true)
    }

    fn finish(self, truncated: bool) -> usize {
        self.message.finish(Header {
            rcode: self.rcode.low(),
            authoritative: self.authoritative,
            truncated,
        })
    }
}

/// Composes the answer to a usual query, `asked`, in a buffer; `None` where the slow path must.
/// `name` is scratch space.
pub(super) fn compose<'m>(
    state: &DnsState,
    asked: &[u8],
    octets: &'m mut [u8; MAX_OCTETS],
    source: IpAddr,
    now_secs: impl FnOnce() -> u32,
    name: &mut LookupName,
) -> Option<Composed<'m>> {
    let query = Query::read(asked, name)?;
    let mut has_valid_cookie = false;
    let opt = query.edns.map(|edns| {
        let cookie = cookie_of(&state.settings, &edns, source, now_secs);
        has_valid_cookie = cookie.is_some_and(|(_, is_valid)| is_valid);
        Opt {
            dnssec_ok: edns.dnssec_ok,
            cookie: cookie.map(|(cookies, _)| cookies),
        }
    });
    let mut answering = Answering {
        zones: &state.zones,
        table: &state.table,
        kind: query.kind,
        message: Message::new(octets, asked, &query, opt),
        name,
        owner: QUESTION_AT,
        aliases: [(0, 0); MAX_ALIASES],
        alias_count: 0,
        authoritative: true,
        hosts: None,
    };
    let (rcode, subject) = answering.resolve()?;
    additional::add(&mut answering)?;
    Some(Composed {
        rcode,
        authoritative: answering.authoritative,
        message: answering.message,
        subject,
        has_valid_cookie,
    })
}

type Cookies = ([u8; 8], [u8; 16]);

fn cookie_of(
    settings: &Settings,
    edns: &Edns,
    source: IpAddr,
    now_secs: impl FnOnce() -> u32,
) -> Option<(Cookies, bool)> {
    let (cookies, came) = (settings.cookies.as_ref()?, edns.cookie?);
    let (server, is_valid) = cookies.answer(came.client, came.server(), source, now_secs());
    Some(((came.client, server), is_valid))
}

/// A question on its way along aliases.
struct Answering<'a, 'm> {
    zones: &'a Zones,
    table: &'a Table,
    kind: u16,
    message: Message<'m>,
    /// The name that is looked up.
    name: &'a mut LookupName,
    /// Where it stands in the message.
    owner: usize,
    /// Where the names that were aliases stand, and how many octets they have.
    aliases: [(usize, usize); MAX_ALIASES],
    alias_count: usize,
    authoritative: bool,
    /// Records that name hosts whose addresses are added: their type and place.
    hosts: Option<(u16, Range<usize>)>,
}

/// The code of an answer, and what it is about.
type Resolved = (ResponseCode, Subject);

impl Answering<'_, '_> {
    /// RFC 1034 section 4.3.2, steps 2 to 5.
    fn resolve(&mut self) -> Option<Resolved> {
        let (zones, is_ds) = (self.zones, self.kind == kind::DS);
        let mut subject = None;
        loop {
            let Some(zone) = zones.zone_of(self.name, is_ds) else {
                if self.alias_count > 0 {
                    return Some((ResponseCode::NoError, subject?));
                }
                self.authoritative = false;
                return Some((ResponseCode::Refused, Subject::Error));
            };
            let (node, about) = match zone.find(self.name, is_ds) {
                Found::Node(node) => (node, self.name.hash(self.name.depth())),
                // Names without number share a wildcard.
                Found::Wildcard(node) => (node, hash_of(node)),
                Found::Cut(node) => return self.refer(node),
                Found::Nothing => {
                    self.deny(zone, u32::MAX)?;
                    let about = subject.unwrap_or(nothing_in(zone));
                    return Some((ResponseCode::NXDomain, about));
                }
                Found::Dname(_) => return None,
            };
            let subject = *subject.get_or_insert(Subject::Name(about));
            let here = At::new(self.table, zone, node);
            if follows_alias(self.kind)
                && let Some(alias) = here.rrset(kind::CNAME)
            {
                if !self.follow(alias)? {
                    return Some((ResponseCode::NoError, subject));
                }
            } else {
                return self.answer(zone, &here, subject);
            }
        }
    }

    /// Answers an alias and turns to its target; `false` where that is the end.
    fn follow(&mut self, alias: RrSet<'_>) -> Option<bool> {
        let Some(place) = self.aliases.get_mut(self.alias_count) else {
            return Some(false);
        };
        *place = (self.owner, self.name.octets().len());
        self.alias_count += 1;
        let record = self.message.push(Section::Answer, alias, self.owner)?;
        let (at, target) = self
            .message
            .record(record.start, record.end)?
            .target(kind::CNAME)?;
        let mut names = self.aliases[..self.alias_count].iter();
        if names.any(|&(at, length)| self.message.at(at, length).eq_ignore_ascii_case(target)) {
            return Some(false);
        }
        self.name.read(target)?;
        self.owner = at;
        Some(true)
    }

    /// The name exists, and is no alias for this type.
    fn answer(&mut self, zone: &Zone, here: &At<'_>, subject: Subject) -> Option<Resolved> {
        let Some(set) = here.rrset(self.kind) else {
            let is_address = matches!(self.kind, kind::A | kind::AAAA);
            if is_address && here.lacks_addresses() {
                // An error takes everything back.
                return None;
            }
            let ceiling_secs = here.served.map_or(u32::MAX, |served| served.ttl_secs);
            self.deny(zone, ceiling_secs)?;
            let is_alias = self.alias_count > 0;
            let about = if is_alias { subject } else { nothing_in(zone) };
            return Some((ResponseCode::NoError, about));
        };
        let place = self.message.push(Section::Answer, set, self.owner)?;
        match self.kind {
            kind::SOA => self.set_serial(zone, place.end),
            kind::NS | kind::MX | kind::SRV | kind::SVCB | kind::HTTPS => {
                self.hosts = Some((self.kind, place));
            }
            _ => {}
        }
        Some((ResponseCode::NoError, subject))
    }

    /// The name is, or lies below, a delegation.
    fn refer(&mut self, node: Node<'_>) -> Option<Resolved> {
        self.authoritative = self.alias_count > 0;
        let owner = self.owner_of(node.name());
        let servers = node.rrset(kind::NS)?;
        let place = self.message.push(Section::Authority, servers, owner)?;
        self.hosts = Some((kind::NS, place));
        Some((ResponseCode::NoError, Subject::Referral(hash_of(node))))
    }

    /// The SOA of a negative answer: its TTL is how long to believe it (RFC 2308 section 3).
    fn deny(&mut self, zone: &Zone, at_most_secs: u32) -> Option<()> {
        let owner = self.owner_of(zone.apex());
        let soa = zone.negative();
        let place = self.message.push_record(Section::Authority, soa, owner)?;
        if at_most_secs < zone.negative_ttl_secs() {
            let ttl = at_most_secs.to_be_bytes();
            self.message.write(place.start + TTL_AT, &ttl);
        }
        self.set_serial(zone, place.end);
        Some(())
    }

    /// Sets the serial of what is answered now in an SOA record that ends at `end`.
    fn set_serial(&mut self, zone: &Zone, end: usize) {
        if let Some(serial) = self.table.serial(zone.number()) {
            self.message
                .write(end - SERIAL_FROM_END, &serial.to_be_bytes());
        }
    }

    /// Where a name stands that the looked up one ends with.
    fn owner_of(&self, suffix: &[u8]) -> usize {
        self.owner + self.name.octets().len().saturating_sub(suffix.len())
    }
}

fn nothing_in(zone: &Zone) -> Subject {
    Subject::Nothing(zone.number() as u64)
}

fn hash_of(node: Node<'_>) -> u64 {
    fnv(node.name())
}

/// FNV-1a of a name in lower case: rate limiting hashes it again with a key.
fn fnv(octets: &[u8]) -> u64 {
    let fold =
        |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
    octets.iter().fold(0xcbf2_9ce4_8422_2325, fold)
}
