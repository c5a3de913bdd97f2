//! `answer` against a model that is too simple to be fast: a list of records, searched from end
//! to end for every question, over random zones with delegations, DNAMEs, wildcards and services.

mod made;
mod service;

use super::{Given, answers::text_of, build};
use hickory_proto::rr::{Name, RecordType};
use made::{a_name, a_record, a_service, world_of};
use proptest::prelude::*;
use service::{SERVICE_TTL_SECS, Service};
use sidestep::{
    dns::{Table, answer},
    failover::AnswerTable,
};
use std::{collections::BTreeSet, str::FromStr};

const APEXES: [&str; 3] = ["t", "z.t", "u"];
const TYPES: [&str; 13] = [
    "A", "AAAA", "NS", "CNAME", "DNAME", "MX", "TXT", "SRV", "HTTPS", "DS", "SOA", "ANY", "KEY",
];
/// An octet that text escapes, the same in decimal, as zone files have it, and in octal, as
/// hickory writes it.
const ODD: &str = r"\007";

#[derive(Clone, Debug)]
struct Written {
    owner: String,
    ttl_secs: u32,
    kind: &'static str,
    /// The last word of the data.
    target: String,
}

impl Written {
    fn data(&self) -> String {
        let target = &self.target;
        match self.kind {
            "A" => "192.0.2.1".into(),
            "AAAA" => "2001:db8::1".into(),
            "MX" => format!("1 {target}."),
            "SRV" => format!("0 0 1 {target}."),
            "HTTPS" if target == "t" => "1 .".into(),
            "HTTPS" => format!("1 {target}."),
            "TXT" => "x".into(),
            "DS" => format!(r"\# 36 00010802{}", "ab".repeat(32)),
            "SOA" => "n. h. 1 1 1 1 30".into(),
            _ => format!("{target}."),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct World {
    records: Vec<Written>,
    services: Vec<Service>,
}

/// Whether `name` is `above` or lies below it.
fn within(name: &str, above: &str) -> bool {
    name == above || name.ends_with(&format!(".{above}"))
}

fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}

/// `above`, then each name on the way down to `name`.
fn path<'n>(name: &'n str, above: &str) -> Vec<&'n str> {
    let mut path: Vec<_> = std::iter::successors(Some(name), |name| parent(name))
        .take_while(|name| within(name, above))
        .collect();
    path.reverse();
    path
}

fn apex_of(name: &str) -> Option<&'static str> {
    let apexes = APEXES.into_iter().filter(|apex| within(name, apex));
    apexes.max_by_key(|apex| apex.len())
}

/// How many octets a name has in wire form.
fn octets(name: &str) -> usize {
    name.len() + 2 - 3 * name.matches('\\').count()
}

enum Found {
    Cut(String),
    Dname(String),
    At(String),
    Nothing,
}

#[derive(Default)]
struct Said {
    head: String,
    answers: Vec<String>,
    authority: Vec<String>,
    additional: Vec<String>,
}

impl World {
    fn of<'w>(&'w self, apex: &'w str) -> impl Iterator<Item = &'w Written> {
        // A record belongs to the file of the longest apex, but for delegations to our own.
        self.records
            .iter()
            .filter(move |record| apex_of(&record.owner) == Some(apex))
    }

    fn set(&self, apex: &str, name: &str, kind: &str) -> Vec<(u32, String)> {
        if let Some(data) = self.service(name).and_then(|service| service.set(kind)) {
            return data
                .into_iter()
                .map(|one| (SERVICE_TTL_SECS, one))
                .collect();
        }
        let of_kind = |record: &&Written| record.owner == name && record.kind == kind;
        let records: Vec<_> = self.of(apex).filter(of_kind).collect();
        let lowest = records.iter().map(|record| record.ttl_secs).min();
        let data: BTreeSet<String> = records.into_iter().map(Written::data).collect();
        data.into_iter()
            .map(|data| (lowest.unwrap(), data))
            .collect()
    }

    fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.owner == name)
    }

    fn exists(&self, apex: &str, name: &str) -> bool {
        let names = self.of(apex).map(|record| record.owner.as_str());
        let services = self.services.iter().map(|service| service.owner.as_str());
        let services = services.filter(|owner| apex_of(owner) == Some(apex));
        names.chain(services).any(|owner| within(owner, name))
    }

    fn find(&self, apex: &str, name: &str, kind: &str) -> Found {
        let has = |name: &str, kind: &str| !self.set(apex, name, kind).is_empty();
        for above in path(name, apex) {
            let is_own_ds = above == name && kind == "DS";
            if above != apex && has(above, "NS") && !is_own_ds {
                return Found::Cut(above.to_owned());
            }
            if above != name && has(above, "DNAME") {
                return Found::Dname(above.to_owned());
            }
        }
        if self.exists(apex, name) {
            return Found::At(name.to_owned());
        }
        let mut above = path(name, apex);
        while !self.exists(apex, above.last().unwrap()) {
            above.pop();
        }
        let wildcard = format!("*.{}", above.last().unwrap());
        match self.exists(apex, &wildcard) {
            true => Found::At(wildcard),
            false => Found::Nothing,
        }
    }

    fn negative(&self, apex: &str, at_most_secs: u32) -> Vec<String> {
        let ttl_secs = 30.min(at_most_secs);
        vec![format!("auth {apex}. {ttl_secs} SOA n. h. 1 1 1 1 30")]
    }

    fn zone_of(name: &str, kind: &str) -> Option<&'static str> {
        let apex = apex_of(name)?;
        let above = parent(name).and_then(apex_of);
        match kind {
            "DS" if name == apex => above.or(Some(apex)),
            _ => Some(apex),
        }
    }

    fn ask(&self, name: &str, kind: &'static str) -> Said {
        let mut said = Said::default();
        let (mut rcode, mut aa) = ("NOERROR", true);
        let mut hosts: Vec<(String, &str)> = Vec::new();
        let mut name = name.to_owned();
        let mut asked: Vec<String> = Vec::new();
        for hop in 0..=8 {
            let Some(apex) = Self::zone_of(&name, kind) else {
                if hop == 0 {
                    return Said {
                        head: "REFUSED".into(),
                        ..Said::default()
                    };
                }
                break;
            };
            let mut next = None;
            match self.find(apex, &name, kind) {
                Found::Nothing => {
                    rcode = "NXDOMAIN";
                    said.authority = self.negative(apex, u32::MAX);
                }
                Found::Cut(cut) => {
                    aa = hop > 0;
                    for (ttl, host) in self.set(apex, &cut, "NS") {
                        said.authority.push(format!("auth {cut}. {ttl} NS {host}"));
                        hosts.push((host.trim_end_matches('.').into(), "NS"));
                    }
                }
                Found::Dname(above) => {
                    if hop == 8 {
                        break;
                    }
                    let (ttl, target) = self.set(apex, &above, "DNAME").remove(0);
                    let line = format!("{above}. {ttl} DNAME {target}");
                    if !said.answers.contains(&line) {
                        said.answers.push(line);
                    }
                    let prefix = name.strip_suffix(&above).unwrap();
                    let substituted = format!("{prefix}{}", target.trim_end_matches('.'));
                    if octets(&substituted) > 255 {
                        rcode = "YXDOMAIN";
                        break;
                    }
                    said.answers
                        .push(format!("{name}. {ttl} CNAME {substituted}."));
                    next = (!matches!(kind, "CNAME" | "ANY")).then_some(substituted);
                }
                Found::At(node) => {
                    let alias = self.set(apex, &node, "CNAME");
                    if !alias.is_empty() && !matches!(kind, "CNAME" | "ANY" | "KEY") {
                        if hop == 8 {
                            break;
                        }
                        let (ttl, target) = &alias[0];
                        said.answers.push(format!("{name}. {ttl} CNAME {target}"));
                        next = Some(target.trim_end_matches('.').to_owned());
                    } else if !self.at(apex, &name, &node, kind, &mut said, &mut hosts) {
                        return Said {
                            head: "SERVFAIL".into(),
                            ..Said::default()
                        };
                    }
                }
            }
            asked.push(name.clone());
            match next.filter(|next| !asked.contains(next)) {
                Some(next) => name = next,
                None => break,
            }
        }
        said.head = format!("{rcode}{}", if aa { " aa" } else { "" });
        self.add(&hosts, aa, &mut said);
        said
    }

    /// What stands at a node; false where its service is not decided.
    fn at(
        &self,
        apex: &str,
        name: &str,
        node: &str,
        kind: &'static str,
        said: &mut Said,
        hosts: &mut Vec<(String, &'static str)>,
    ) -> bool {
        let service = self.service(node);
        let undecided = service.is_some_and(|service| service.addresses.is_none());
        let order = [
            "A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "SRV", "DNAME", "DS", "HTTPS",
        ];
        let kind = match kind {
            "ANY" if service.is_some_and(|service| service.alias().is_some()) => "CNAME",
            "ANY" if service.is_some() => *["A", "AAAA"]
                .iter()
                .find(|kind| undecided || !self.set(apex, node, kind).is_empty())
                .unwrap(),
            "ANY" => order
                .into_iter()
                .find(|kind| !self.set(apex, node, kind).is_empty())
                .unwrap_or("A"),
            one => one,
        };
        if undecided && matches!(kind, "A" | "AAAA") {
            return false;
        }
        let set = self.set(apex, node, kind);
        if set.is_empty() {
            let ceiling = service.filter(|_| !undecided).map(|_| SERVICE_TTL_SECS);
            said.authority = self.negative(apex, ceiling.unwrap_or(u32::MAX));
        }
        for (ttl, data) in set {
            said.answers.push(format!("{name}. {ttl} {kind} {data}"));
            if matches!(kind, "NS" | "MX" | "SRV" | "HTTPS") {
                let host = data.rsplit(' ').next().unwrap();
                match host {
                    "." => hosts.push((name.to_owned(), "NS")),
                    host => hosts.push((host.trim_end_matches('.').to_owned(), kind)),
                }
            }
        }
        true
    }

    fn add(&self, hosts: &[(String, &str)], aa: bool, said: &mut Said) {
        let mut seen = BTreeSet::new();
        for (host, kind) in hosts {
            if aa && seen.len() == 16 || !seen.insert(host) {
                continue;
            }
            let Some(apex) = apex_of(host) else { continue };
            let (node, same) = match self.find(apex, host, "A") {
                Found::At(node) => (node, Some("HTTPS").filter(|https| kind == https)),
                // Glue.
                Found::Cut(_) => (host.clone(), None),
                Found::Dname(_) | Found::Nothing => continue,
            };
            for kind in ["A", "AAAA"].into_iter().chain(same) {
                for (ttl, data) in self.set(apex, &node, kind) {
                    let line = format!("{host}. {ttl} {kind} {data}");
                    // What stands in the answer is not said again.
                    if !said.answers.contains(&line) {
                        said.additional.push(format!("add {line}"));
                    }
                }
            }
        }
    }
}

fn name_of(name: &str) -> Name {
    let labels = name.split('.').map(|label| match label {
        ODD => &b"\x07"[..],
        plain => plain.as_bytes(),
    });
    Name::from_labels(labels).unwrap()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn the_answer_is_that_of_a_list_of_records(
        records in prop::collection::vec(a_record(), 0..24),
        services in prop::collection::vec(a_service(), 0..3),
        questions in prop::collection::vec((a_name(), prop::sample::select(TYPES.to_vec())), 24),
    ) {
        let world = world_of(records, services);
        let texts: Vec<String> = APEXES.iter().map(|apex| {
            let lines = world.of(apex).map(|record| {
                format!("{}. {} {} {}\n", record.owner, record.ttl_secs, record.kind, record.data())
            });
            lines.collect()
        }).collect();
        let zones: Vec<_> = APEXES.into_iter().zip(&texts).map(|(apex, text)| (apex, Given::File(text))).collect();
        let names: Vec<_> = world.services.iter().map(|service| [service.owner.as_str()]).collect();
        let services: Vec<(&str, &[&str])> = world.services.iter().zip(&names)
            .map(|(service, names)| (service.name.as_str(), names.as_slice())).collect();
        let loaded = build(&zones, &services, &[]);
        prop_assert!(loaded.zones.is_ok(), "{:?}\n{:?}", loaded.zones.err(), texts);
        let zones = loaded.zones.unwrap();
        let decided = world.services.iter().filter_map(|service| {
            Some((service.name.as_str().into(), service.answer()?))
        });
        let table = Table::from(&AnswerTable { seq: 1, services: decided.collect(), ..AnswerTable::default() });
        // Every name that is written is asked for, too, with what it leads to.
        let written = world.records.iter().flat_map(|record| {
            [(record.owner.clone(), record.kind), (record.owner.clone(), "A"), (format!("a.{}", record.owner), "A"), (record.target.clone(), "AAAA")]
        });
        for (name, kind) in questions.into_iter().chain(written).filter(|(name, _)| octets(name) <= 255) {
            let qname = name_of(&name);
            let found = answer(&zones, &table, &qname, RecordType::from_str(kind).unwrap());
            let said = world.ask(&name, kind);
            let expect: Vec<String> = [vec![said.head], sorted(said.answers), sorted(said.authority), sorted(said.additional)].concat();
            let mut found = text_of(&found).into_iter();
            let head = found.next().unwrap();
            let (additional, rest): (Vec<_>, Vec<_>) = found.partition(|line| line.starts_with("add "));
            let (authority, answers): (Vec<_>, Vec<_>) = rest.into_iter().partition(|line| line.starts_with("auth "));
            let found = [vec![head], sorted(answers), sorted(authority), sorted(additional)].concat();
            prop_assert_eq!(&found, &expect, "? {} {}\n{}", name, kind, texts.concat());
        }
    }
}
