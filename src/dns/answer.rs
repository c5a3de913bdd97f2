//! The reference: what this server answers to a question. One pure function.
//!
//! RFC 1034 section 4.3.2 with 4592 (wildcards), 2308 (negative answers), 6604 and 6672 (CNAME
//! and DNAME chains), 8482 (ANY), 9471 (glue), 9460 (SVCB). Does not know messages, transports,
//! sizes or EDNS. Whatever else answers queries, such as a fast path, is held against this
//! function. Contract: never panics, bounded work; a service's name is never NXDOMAIN.

pub(super) mod additional;

use super::{
    fields::{self, kind},
    name::{LookupName, name_of},
    store::{
        Zones,
        rrset::RrSet,
        zone::{Found, Node, Zone},
    },
    table::{Served, Table},
};
use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RData, Record, RecordType, rdata::CNAME},
};

/// So many CNAMEs and DNAMEs are followed, and no more answered. A resolver follows any chain by
/// itself, asking again for its last name, so a chain cut here costs it one more query, while a
/// hostile chain costs us 9 lookups. Resolvers give up between 8 and 16 themselves.
pub(super) const MAX_ALIASES: usize = 8;

/// An answer without its message: what to say, not how it is sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Authoritative: about the first name of the answer (RFC 6604 section 2.1).
    pub aa: bool,
    /// About the last name of the answer (RFC 6604 section 2.2).
    pub rcode: ResponseCode,
    /// The answer section.
    pub answers: Vec<Record>,
    /// The authority section: an SOA, or the NS of a delegation.
    pub authority: Vec<Record>,
    /// The additional section: addresses, which may be left out where `aa` is set and not
    /// where it is clear, since they are the glue of a referral (RFC 9471).
    pub additional: Vec<Record>,
}

impl Answer {
    /// Nothing but a code.
    pub fn of(rcode: ResponseCode) -> Self {
        Self {
            rcode,
            ..Self::default()
        }
    }
}

/// Answers one question of class IN. Names keep the letter case of the question.
pub fn answer(zones: &Zones, table: &Table, qname: &Name, qtype: RecordType) -> Answer {
    let kind = u16::from(qtype);
    if let Some(rcode) = no_question(kind) {
        return Answer::of(rcode);
    }
    let table = table.fitted(zones);
    let mut chain = Chain {
        zones,
        table: &table,
        kind,
        name: qname.clone(),
        aliases: 0,
        answer: Answer::default(),
    };
    while chain.step() == Step::Again {}
    let mut answer = chain.answer;
    answer.additional = additional::of(zones, &table, &answer);
    answer
}

/// The code for types that are no question, or none that this server knows (RFC 6895 section
/// 3.1): OPT and TSIG are parts of a message, NXNAME is never asked for (RFC 9824 section 3.2),
/// zones are not transferred, and MAILB, MAILA and whatever is assigned among the meta types
/// later is not implemented (RFC 8906 section 3.1.2).
fn no_question(kind: u16) -> Option<ResponseCode> {
    match kind {
        kind::OPT | kind::NXNAME | kind::TSIG => Some(ResponseCode::FormErr),
        kind::IXFR | kind::AXFR => Some(ResponseCode::Refused),
        kind::ANY => None,
        129..255 => Some(ResponseCode::NotImp),
        _ => None,
    }
}

/// What comes after a name was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Another name is to be looked up.
    Again,
    /// The answer is complete.
    Done,
}

/// A question on its way along aliases.
struct Chain<'c> {
    zones: &'c Zones,
    table: &'c Table,
    kind: u16,
    /// The name that is looked up next.
    name: Name,
    /// How many aliases led to it.
    aliases: usize,
    answer: Answer,
}

impl Chain<'_> {
    /// Looks the name up once: RFC 1034 section 4.3.2, steps 2 and 3.
    fn step(&mut self) -> Step {
        let name = LookupName::of_name(&self.name);
        let is_ds = self.kind == kind::DS;
        let Some(zone) = self.zones.zone_of(&name, is_ds) else {
            // A chain that leaves our zones ends here: the resolver goes on.
            if self.aliases == 0 {
                self.answer.rcode = ResponseCode::Refused;
            }
            return Step::Done;
        };
        self.answer.aa = true;
        match zone.find(&name, is_ds) {
            Found::Node(node) | Found::Wildcard(node) => self.at_node(zone, node),
            Found::Dname(node) => self.below_dname(node),
            Found::Cut(node) => {
                // A referral is not authoritative, unless it ends a chain that is.
                self.answer.aa = self.aliases > 0;
                let owner = self.name.trim_to(node.depth());
                self.answer.authority = records(node.rrset(kind::NS), &owner);
                Step::Done
            }
            Found::Nothing => {
                self.answer.rcode = ResponseCode::NXDomain;
                self.answer.authority = self.negative(zone, u32::MAX);
                Step::Done
            }
        }
    }

    /// The name exists, or a wildcard stands for it.
    fn at_node(&mut self, zone: &Zone, node: Node<'_>) -> Step {
        let here = At::new(self.table, zone, node);
        if fields::follows_alias(self.kind)
            && let Some(alias) = here.rrset(kind::CNAME)
        {
            let target = alias
                .rdata()
                .next()
                .and_then(|rdata| fields::target(kind::CNAME, rdata));
            let records: Vec<Record> = alias.records(&self.name).collect();
            return self.follow(records, target.map(name_of));
        }
        let kind = match self.kind {
            kind::ANY => here.any(),
            one => Some(one),
        };
        let found = kind.map(|kind| here.records(kind, &self.name));
        let found = found.filter(|found| !found.is_empty());
        let is_address = matches!(kind, Some(kind::A | kind::AAAA));
        if found.is_none() && is_address && here.lacks_addresses() {
            // A failure is asked again, a denial is cached.
            self.answer = Answer::of(ResponseCode::ServFail);
            return Step::Done;
        }
        match found {
            Some(found) => self.answer.answers.extend(found),
            None => {
                let ceiling_secs = here.served.map_or(u32::MAX, |served| served.ttl_secs);
                self.answer.authority = self.negative(zone, ceiling_secs);
            }
        }
        Step::Done
    }

    /// The name lies below the owner of a DNAME: what is below that is below its target
    /// (RFC 6672 section 3.2), which the CNAME says to whoever does not know DNAME.
    fn below_dname(&mut self, node: Node<'_>) -> Step {
        if self.aliases == MAX_ALIASES {
            return Step::Done;
        }
        let Some(dname) = node.rrset(kind::DNAME) else {
            return Step::Done;
        };
        let target = dname
            .rdata()
            .next()
            .and_then(|rdata| fields::target(kind::DNAME, rdata));
        let Some(target) = target.map(name_of) else {
            return Step::Done;
        };
        let depth = node.depth();
        let mut records: Vec<Record> = dname.records(&self.name.trim_to(depth)).collect();
        // Two names below one DNAME may follow each other; it is said once.
        records.retain(|record| !self.answer.answers.contains(record));
        let prefix = self.name.iter().take(self.name.iter().count() - depth);
        let Ok(substituted) = Name::from_labels(prefix.chain(target.iter())) else {
            self.answer.answers.extend(records);
            self.answer.rcode = ResponseCode::YXDomain;
            return Step::Done;
        };
        let alias = RData::CNAME(CNAME(substituted.clone()));
        let ttl_secs = dname.ttl_secs;
        records.push(Record::from_rdata(self.name.clone(), ttl_secs, alias));
        if matches!(self.kind, kind::CNAME | kind::ANY) {
            self.answer.answers.extend(records);
            return Step::Done;
        }
        self.follow(records, Some(substituted))
    }

    /// Answers the records of an alias and goes on at its target, unless that was enough, or
    /// leads in circles.
    fn follow(&mut self, records: Vec<Record>, target: Option<Name>) -> Step {
        if self.aliases == MAX_ALIASES {
            return Step::Done;
        }
        self.answer.answers.extend(records);
        let Some(target) = target else {
            return Step::Done;
        };
        let mut answers = self.answer.answers.iter();
        if answers.any(|record| is_alias(record) && record.name == target) {
            return Step::Done;
        }
        self.aliases += 1;
        self.name = target;
        Step::Again
    }

    /// The SOA of a negative answer: its TTL is how long to believe it (RFC 2308 section 3).
    fn negative(&self, zone: &Zone, at_most_secs: u32) -> Vec<Record> {
        let apex = At::new(self.table, zone, zone.apex_node());
        let mut records = apex.records(kind::SOA, &name_of(zone.apex()));
        for soa in &mut records {
            soa.ttl = zone.negative_ttl_secs().min(at_most_secs);
        }
        records
    }
}

fn is_alias(record: &Record) -> bool {
    matches!(record.data, RData::CNAME(_))
}

fn records(rrset: Option<RrSet<'_>>, owner: &Name) -> Vec<Record> {
    rrset
        .into_iter()
        .flat_map(|rrset| rrset.records(owner))
        .collect()
}

/// What stands at a node: its static RRsets, and over them those of its service.
pub(super) struct At<'a> {
    table: &'a Table,
    zone: &'a Zone,
    node: Node<'a>,
    /// What its service answers, where it has one that was decided.
    pub(super) served: Option<&'a Served>,
}

impl<'a> At<'a> {
    pub(super) fn new(table: &'a Table, zone: &'a Zone, node: Node<'a>) -> Self {
        Self {
            table,
            zone,
            node,
            served: node.service().and_then(|slot| table.served(slot)),
        }
    }

    /// A service has this name and was not decided yet, or its hostname not resolved: it has
    /// addresses, but nobody knows them.
    pub(super) fn lacks_addresses(&self) -> bool {
        match self.served {
            None => self.node.service().is_some(),
            Some(served) => served.is_unresolved(self.is_apex()),
        }
    }

    fn is_apex(&self) -> bool {
        self.node.name().len() == self.zone.apex().len()
    }

    /// The RRset of a type; an SOA with the serial that its file says.
    pub(super) fn rrset(&self, kind: u16) -> Option<RrSet<'a>> {
        let at_apex = self.is_apex();
        match self.served {
            Some(served) if served.owns(kind, at_apex) => served.rrset(kind, at_apex),
            _ => self.node.rrset(kind),
        }
    }

    /// The records of a type, an SOA with the serial of what is answered now.
    fn records(&self, kind: u16, owner: &Name) -> Vec<Record> {
        let mut records = records(self.rrset(kind), owner);
        let serial = self.table.serial(self.zone.number());
        for record in &mut records {
            if let (RData::SOA(soa), Some(serial)) = (&mut record.data, serial) {
                soa.serial = serial;
            }
        }
        records
    }

    /// The one type that ANY is answered with (RFC 8482 section 4.1): addresses where a service
    /// has the name, else the first.
    fn any(&self) -> Option<u16> {
        if self.lacks_addresses() {
            return Some(kind::A);
        }
        let at_apex = self.is_apex();
        let served = self.served.and_then(|served| served.first(at_apex));
        let first = served.or_else(|| self.node.rrsets().next());
        first.map(|set| set.kind)
    }
}
