//! Records that move with a target: read from their text, and what is wrong with them.
//!
//! The text is a zone file's record without owner, TTL and class, and is read by the reader of
//! zone files, so that both mean the same. Knows what may not move: addresses and CNAME have keys
//! of their own, SOA and NS belong to a zone, and signatures to who signs. Contract: does no I/O;
//! every finding has an offset in the text.

pub(super) mod hints;
pub(super) mod hosts;

use super::{fields::kind, store::Zones, zone_file::Reader};
use crate::model::{Apexes, Config, DnsName, Service, ServiceName, TargetName};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable, Restrict};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

/// What stands before a record's text, so that it is a line of a zone file.
const BEFORE: &str = "@ 0 IN ";

/// A record without its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) kind: RecordType,
    /// Wire form, names uncompressed.
    pub(super) rdata: Vec<u8>,
}

impl Moved {
    /// The same decoded.
    pub(super) fn data(&self) -> Option<RData> {
        let length = u16::try_from(self.rdata.len()).ok()?;
        let mut decoder = BinDecoder::new(&self.rdata);
        RData::read(&mut decoder, self.kind, Restrict::new(length)).ok()
    }
}

/// What is wrong with a target's record, or seldom meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFinding {
    /// Whose record.
    pub target: TargetName,
    /// Which of its records, from 0.
    pub index: usize,
    /// Where in its text, in bytes.
    pub offset: usize,
    /// In a sentence, with what to do.
    pub message: String,
    /// Whether it is allowed all the same.
    pub is_warning: bool,
}

/// Reads a record's text; names that are relative stand below `origin`.
///
/// # Errors
/// The byte offset in the text, and a sentence.
pub(super) fn read(text: &str, origin: &DnsName) -> Result<Moved, (usize, String)> {
    if let Some(end) = text.find(['\n', '\r']) {
        return Err((
            end,
            "a record stands on one line: make items of their own of the others".into(),
        ));
    }
    let begin = text.len() - text.trim_start().len();
    let word = text.split_whitespace().next().unwrap_or_default();
    if word.is_empty() {
        return Err((
            0,
            "a record is empty: write its type and its data, such as \"MX 10 mx2\"".into(),
        ));
    }
    if word.starts_with(|first: char| first.is_ascii_digit()) {
        return Err((
            begin,
            format!("'{word}' is no record type: the TTL is that of the service"),
        ));
    }
    if matches!(&*word.to_ascii_uppercase(), "IN" | "CH" | "HS" | "CS") {
        return Err((
            begin,
            format!("'{word}' is no record type: the class is always IN"),
        ));
    }
    let mut read_file = |_: &Path| Err(io::Error::other("a record includes no file"));
    let mut reader = Reader::new(&mut read_file);
    let apex = Name::from_ascii(origin.as_str()).map(|name| name.to_lowercase());
    let apex = apex.ok().and_then(|name| name.to_bytes().ok());
    let line = format!("{BEFORE}{text}\n");
    let mut found = Vec::new();
    let apex = apex.unwrap_or_else(|| vec![0]);
    reader.zone(&apex, Path::new(""), Some(&line), &mut |record| {
        found.push(Moved {
            kind: record.kind,
            rdata: record.rdata.to_vec(),
        });
    });
    // What a zone file may hold for the sake of other servers' files is refused here.
    if let Some(error) = reader.errors.first().or(reader.warnings.first()) {
        let column = error.column.saturating_sub(1);
        // Columns count characters, offsets bytes.
        let offset = line
            .char_indices()
            .nth(column)
            .map_or(line.len(), |at| at.0);
        let offset = offset.saturating_sub(BEFORE.len()).min(text.len());
        return Err((offset, error.message.clone()));
    }
    match (found.pop(), found.is_empty()) {
        (Some(moved), true) => match refused(moved.kind) {
            Some(why) => Err((begin, why.to_owned())),
            None => Ok(moved),
        },
        _ => Err((begin, "this is no record".to_owned())),
    }
}

/// Why records of a type do not move.
fn refused(kind: RecordType) -> Option<&'static str> {
    Some(match kind {
        RecordType::A | RecordType::AAAA => "addresses of a target stand in `addresses`",
        RecordType::CNAME => "a CNAME stands alone: give a target of its own a `cname`",
        RecordType::SOA => "an SOA record belongs to a zone, not to a target",
        RecordType::NS => "an NS record belongs to a zone: a delegation does not move",
        RecordType::DNSKEY
        | RecordType::CDNSKEY
        | RecordType::DS
        | RecordType::CDS
        | RecordType::RRSIG
        | RecordType::NSEC
        | RecordType::NSEC3
        | RecordType::NSEC3PARAM
        | RecordType::KEY
        | RecordType::SIG => "records of DNSSEC belong to whoever signs the zone",
        RecordType::CSYNC => {
            "a CSYNC record speaks for the apex of a zone: write it in the zone file"
        }
        _ if u16::from(kind) == kind::DNAME => "a DNAME moves whole trees, which targets do not",
        _ if u16::from(kind) == kind::ZONEMD => {
            "a ZONEMD record is the digest of a whole zone, which moves with no target: write it in the zone file"
        }
        _ => return None,
    })
}

/// Everything that is wrong with the records of a configuration's targets; where its zones could
/// be built, also what the names in them lead to.
pub fn moved_records(config: &Config, zones: Option<&Zones>) -> Vec<RecordFinding> {
    let mut found = Vec::new();
    let apexes = config.apexes();
    let mut users: BTreeMap<&TargetName, Vec<&Service>> = BTreeMap::new();
    for service in config.services.values() {
        for target in &service.targets {
            users.entry(target).or_default().push(service);
        }
    }
    for target in config.targets.values() {
        let users = users.get(&target.name).map_or(&[][..], Vec::as_slice);
        for (index, text) in target.records.iter().enumerate() {
            let mut add = |offset, message: String, is_warning| {
                found.push(RecordFinding {
                    target: target.name.clone(),
                    index,
                    offset,
                    message,
                    is_warning,
                });
            };
            match read_for(&apexes, users, text) {
                Err((offset, message)) => add(offset, message, false),
                Ok((moved, warning)) => {
                    if let Some(warning) = warning {
                        add(0, warning, true);
                    }
                    for warning in hints::of_target(config, target, &moved, zones) {
                        add(0, warning, true);
                    }
                    let host = zones.and_then(|zones| hosts::of_target(config, &moved, zones));
                    if let Some(warning) = host {
                        add(0, warning, true);
                    }
                }
            }
        }
    }
    found
}

/// What moves with the targets of each service, beside addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MovedTypes {
    by_service: BTreeMap<ServiceName, OfService>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfService {
    types: BTreeSet<u16>,
    /// The targets that are hostnames, with these.
    aliases: Vec<(TargetName, DnsName)>,
}

impl MovedTypes {
    /// What moves with the targets of a configuration.
    pub fn of(config: &Config) -> Self {
        let apexes = config.apexes();
        let of_service = |service: &Service| {
            let origin = origin_of(&apexes, service);
            let mut all = OfService::default();
            for target in config.targets_of(service) {
                let moved = target
                    .records
                    .iter()
                    .filter_map(|one| read(one, &origin).ok());
                all.types.extend(moved.map(|moved| u16::from(moved.kind)));
                let alias = target.cname.clone();
                all.aliases
                    .extend(alias.map(|alias| (target.name.clone(), alias)));
            }
            all
        };
        let services = config.services.values();
        let moving = services.map(|service| (service.name.clone(), of_service(service)));
        Self {
            by_service: moving
                .filter(|(_, all)| *all != OfService::default())
                .collect(),
        }
    }

    /// Whether records of a type at a service's names are the service's, also while its served
    /// targets have none.
    pub(super) fn owns(&self, service: &ServiceName, kind: u16) -> bool {
        let moves = || {
            let known = self.by_service.get(service);
            known.is_some_and(|known| known.types.contains(&kind))
        };
        matches!(kind, kind::A | kind::AAAA) || moves()
    }

    /// A target of a service that is a hostname: where it is served, a CNAME stands alone at
    /// every name that is no apex.
    pub(super) fn alias_of(&self, service: &ServiceName) -> Option<&TargetName> {
        let (target, _) = self.by_service.get(service)?.aliases.first()?;
        Some(target)
    }

    /// The hostnames that targets of a service are.
    pub(super) fn hostnames_of(&self, service: &ServiceName) -> &[(TargetName, DnsName)] {
        let known = self.by_service.get(service);
        known.map_or(&[], |known| &known.aliases)
    }
}

/// What relative names in the records of a service's targets are relative to.
fn origin_of(apexes: &Apexes<'_>, service: &Service) -> DnsName {
    let zone = service.names.first();
    let zone = zone.and_then(|name| apexes.zone_of(name));
    zone.cloned().unwrap_or_else(|| DnsName::from("."))
}

/// A record as the services of its target have it, and a warning where that is not the same.
fn read_for(
    apexes: &Apexes<'_>,
    services: &[&Service],
    text: &str,
) -> Result<(Moved, Option<String>), (usize, String)> {
    let mut services = services.iter().copied();
    let Some(first) = services.next() else {
        return Ok((read(text, &DnsName::from("."))?, None));
    };
    let origin = origin_of(apexes, first);
    let moved = read(text, &origin)?;
    let names = first.names.iter();
    let of_names = names.filter_map(|name| apexes.zone_of(name)).cloned();
    let mut zones: BTreeSet<DnsName> = of_names.collect();
    zones.extend(services.map(|service| origin_of(apexes, service)));
    zones.remove(&origin);
    for zone in zones {
        if read(text, &zone)? != moved {
            let warning = format!(
                "relative names are relative to '{origin}' here, and this record is answered in '{zone}' too: write absolute names, with a dot at the end"
            );
            return Ok((moved, Some(warning)));
        }
    }
    Ok((moved, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_in_a_zone_file() {
        let origin = DnsName::from("example.com");
        for (text, kind, data) in [
            ("MX 10 mx2", RecordType::MX, "10 mx2.example.com."),
            (
                " mx 10 mx.example.net. ; the other",
                RecordType::MX,
                "10 mx.example.net.",
            ),
            ("HTTPS 1 . alpn=h2", RecordType::HTTPS, "1 . alpn=h2,"),
            ("TXT \"v=spf1 -all\"", RecordType::TXT, "v=spf1 -all"),
            (
                "SRV 0 5 5060 sip",
                RecordType::SRV,
                "0 5 5060 sip.example.com.",
            ),
        ] {
            let moved = read(text, &origin).unwrap();
            assert_eq!(moved.kind, kind, "{text}");
            assert_eq!(moved.data().unwrap().to_string(), data, "{text}");
        }
        let moved = read("TYPE65400 \\# 2 0102", &origin).unwrap();
        assert_eq!((u16::from(moved.kind), moved.rdata), (65_400, vec![1, 2]));
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let origin = DnsName::from("example.com");
        for (text, offset, part) in [
            ("", 0, "empty"),
            ("MX 10", 5, ""),
            ("MX ten mx2", 3, "ten"),
            ("30 MX 10 mx2", 0, "the TTL is that of the service"),
            ("IN MX 10 mx2", 0, "class"),
            ("XM 10 mx2", 0, "XM"),
            ("A 192.0.2.1", 0, "`addresses`"),
            (" AAAA ::1", 1, "`addresses`"),
            ("CNAME lb", 0, "`cname`"),
            ("SOA a b 1 2 3 4 5", 0, "SOA"),
            ("NS ns1", 0, "delegation"),
            ("NSEC a.example.com. A", 0, "signs"),
            ("CSYNC 66 3 A NS", 0, "the zone file"),
            (
                "ZONEMD 1 1 240 0123456789abcdef01234567",
                0,
                "the digest of a whole zone",
            ),
            ("OPT x", 4, "OPT"),
            ("TXT k=\"v w\"", 4, "quote the whole"),
            ("TXT a\n@ 0 A 192.0.2.1", 5, "one line"),
            ("MX 10 mx2 mx3", 10, "mx3"),
        ] {
            let (at, message) = read(text, &origin).unwrap_err();
            assert_eq!(at, offset, "{text}: {message}");
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
