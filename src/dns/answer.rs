//! The reference: what this server answers to a question. One pure function.
//!
//! RFC 1034 section 4.3.2 with 4592 (wildcards), 2308 (negative answers), 6604 (CNAME chains),
//! 8482 (ANY), 9471 (glue). Does not know messages, transports, sizes or EDNS. Whatever else
//! answers queries, such as a table of encoded answers, is made by evaluating this function.
//! Contract: never panics, bounded work; a service's name is never NXDOMAIN.

use super::{
    table::Table,
    tree::labels_of,
    zone::{Found, Node, RrSet, Zone, Zones},
};
use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RData, Record, RecordType},
};
use std::sync::Arc;

/// So many CNAMEs are followed, and no more answered. A resolver follows any chain by itself,
/// asking again for its last name, so a chain cut here costs it one more query, while a hostile
/// chain costs us 9 lookups. Resolvers give up between 8 and 16 themselves.
const MAX_CNAMES: usize = 8;
/// For how many names addresses are added: more would not fit a UDP answer.
const MAX_ADDITIONAL_NAMES: usize = 16;

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
    if matches!(qtype, RecordType::AXFR | RecordType::IXFR) {
        return Answer::of(ResponseCode::Refused);
    }
    let mut answer = Answer::default();
    let mut name = qname.clone();
    for hop in 0..=MAX_CNAMES {
        let lower = name.to_lowercase();
        let labels = labels_of(&lower);
        let of_parent = qtype == RecordType::DS;
        let Some(zone) = zones.zone_of(&labels, of_parent) else {
            // A chain that leaves our zones ends here: the resolver goes on.
            if hop == 0 {
                answer.rcode = ResponseCode::Refused;
            }
            break;
        };
        let at = Place {
            zone,
            table,
            name: &name,
        };
        // A referral is not authoritative, unless it ends a chain that is.
        answer.aa = true;
        let node = match zone.find(&labels, of_parent) {
            Found::Cut(depth, servers) => {
                answer.aa = hop > 0;
                answer.authority = records(&name.trim_to(depth), servers);
                break;
            }
            Found::Nothing => {
                answer.rcode = ResponseCode::NXDomain;
                answer.authority = vec![at.soa(u32::MAX)];
                break;
            }
            Found::Node(node) | Found::Wildcard(node) => node,
        };
        let next = if qtype == RecordType::CNAME {
            None
        } else {
            cname_of(node)
        };
        match next {
            Some(_) if hop == MAX_CNAMES => break,
            Some((alias, target)) if qtype != RecordType::ANY => {
                answer.answers.extend(records(&name, alias));
                if answer.answers.iter().any(|record| record.name == *target) {
                    break;
                }
                name = target.clone();
            }
            _ => {
                at.node(node, qtype, &mut answer);
                break;
            }
        }
    }
    answer.additional = additional(zones, table, &answer);
    answer
}

fn cname_of(node: &Node) -> Option<(&RrSet, &Name)> {
    let alias = node.rrsets.get(&RecordType::CNAME)?;
    match alias.data.first() {
        Some(RData::CNAME(target)) => Some((alias, target)),
        _ => None,
    }
}

fn records(owner: &Name, rrset: &RrSet) -> Vec<Record> {
    let data = rrset.data.iter();
    data.map(|data| Record::from_rdata(owner.clone(), rrset.ttl_secs, data.clone()))
        .collect()
}

/// A name in its zone.
struct Place<'p> {
    zone: &'p Arc<Zone>,
    table: &'p Table,
    name: &'p Name,
}

impl Place<'_> {
    /// The SOA of a negative answer: its TTL is how long to believe it (RFC 2308 section 3).
    fn soa(&self, at_most_secs: u32) -> Record {
        let zone = self.zone;
        let ttl = zone.soa_ttl_secs.min(zone.soa.minimum).min(at_most_secs);
        Record::from_rdata(zone.apex.clone(), ttl, soa_data(zone, self.table))
    }

    /// The records of a node that is no alias for this type, or that there are none.
    fn node(&self, node: &Node, qtype: RecordType, answer: &mut Answer) {
        let served = node
            .service
            .as_ref()
            .map(|service| self.table.served(service));
        let kind = match qtype {
            RecordType::ANY => self.any(node),
            one => Some(one),
        };
        let is_address = matches!(kind, Some(RecordType::A | RecordType::AAAA));
        if is_address && served == Some(None) {
            // A service that was not decided yet: a failure is asked again, a denial is cached.
            *answer = Answer::of(ResponseCode::ServFail);
            return;
        }
        let before = answer.answers.len();
        if let Some(kind) = kind {
            answer
                .answers
                .extend(rrset(self.zone, self.table, node, self.name, kind));
        }
        if answer.answers.len() == before {
            let ceiling = served.flatten().map_or(u32::MAX, |served| served.ttl_secs);
            answer.authority = vec![self.soa(ceiling)];
        }
    }

    /// The one type that ANY is answered with (RFC 8482 section 4.1): addresses where there are
    /// any, else the first.
    fn any(&self, node: &Node) -> Option<RecordType> {
        let Some(service) = &node.service else {
            return node.rrsets.keys().next().copied();
        };
        let served = self.table.served(service);
        let has = |kind| served.is_none_or(|served| !served.data(kind).is_empty());
        let addresses = [RecordType::A, RecordType::AAAA]
            .into_iter()
            .find(|&kind| has(kind));
        addresses.or_else(|| node.rrsets.keys().next().copied())
    }
}

/// The RRset of a node, a service's A and AAAA from the table.
fn rrset(zone: &Zone, table: &Table, node: &Node, owner: &Name, kind: RecordType) -> Vec<Record> {
    if let (Some(service), RecordType::A | RecordType::AAAA) = (&node.service, kind) {
        let Some(served) = table.served(service) else {
            return Vec::new();
        };
        let data = served.data(kind).iter();
        return data
            .map(|data| Record::from_rdata(owner.clone(), served.ttl_secs, data.clone()))
            .collect();
    }
    match node.rrsets.get(&kind) {
        Some(soa) if kind == RecordType::SOA => {
            vec![Record::from_rdata(
                owner.clone(),
                soa.ttl_secs,
                soa_data(zone, table),
            )]
        }
        Some(rrset) => records(owner, rrset),
        None => Vec::new(),
    }
}

/// The SOA with the serial of what is answered now.
fn soa_data(zone: &Zone, table: &Table) -> RData {
    let mut soa = zone.soa.clone();
    soa.serial = table.serial(&zone.name).unwrap_or(soa.serial);
    RData::SOA(soa)
}

/// Addresses of the hosts that NS, MX and SRV records name, as far as we hold them; below a
/// delegation that is its glue.
fn additional(zones: &Zones, table: &Table, answer: &Answer) -> Vec<Record> {
    let mut hosts: Vec<&Name> = Vec::new();
    for record in answer.answers.iter().chain(&answer.authority) {
        let host = match &record.data {
            RData::NS(server) => &server.0,
            RData::MX(mail) => &mail.exchange,
            RData::SRV(server) => &server.target,
            _ => continue,
        };
        if hosts.len() < MAX_ADDITIONAL_NAMES && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let mut records = Vec::new();
    for host in hosts {
        let lower = host.to_lowercase();
        let labels = labels_of(&lower);
        let Some(zone) = zones.zone_of(&labels, false) else {
            continue;
        };
        let Some(node) = zone.node(&labels) else {
            continue;
        };
        for kind in [RecordType::A, RecordType::AAAA] {
            records.extend(rrset(zone, table, node, host, kind));
        }
    }
    records
}
