//! From configuration and zone files to `Zones`: what a zone may hold, and how services lie
//! over it.
//!
//! Does no I/O: files come through a closure. Contract: either all zones are good, or every
//! error is reported with its place; warnings never refuse. `rules` says what a zone may hold.

mod rules;

use super::{
    fields::kind,
    moved::MovedTypes,
    name::{LookupName, WireName, text_of},
    store::{
        Zones,
        build::{Draft, Entry, Untaken},
    },
    zone_file::{MAX_FINDINGS, Place, ReadFile, Reader, WrittenRecord},
};
use crate::model::{Diagnostic, DnsName, Service, ServiceName, ZoneConfig, ZoneSource};
use hickory_proto::rr::RecordType;
use rules::Lead;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
};

/// Of a made SOA. Its MINIMUM is short: a negative answer given before a name was added should
/// not be believed for long.
const MADE_TTL_SECS: u32 = 3_600;
const MADE_MINIMUM_SECS: u32 = 30;
/// More findings than this help nobody.
const MAX_SHOWN: usize = 100;

/// One zone to build.
#[derive(Clone, Debug)]
pub struct ZoneInput<'i> {
    /// What the configuration says.
    pub config: &'i ZoneConfig,
    /// The zone file, as it is opened and as findings name it; for zones without one the
    /// configuration file.
    pub file: &'i Path,
    /// The zone file's text where it was read already; else it is read.
    pub text: Option<&'i str>,
}

/// What came of building zones.
#[derive(Debug)]
pub struct Loaded {
    /// The zones, or every error.
    pub zones: Result<Zones, Vec<Diagnostic>>,
    /// What the operator should know, also where the zones are refused.
    pub warnings: Vec<Diagnostic>,
    /// Every file that was read or missed: zone files and their includes, to be watched.
    pub files: BTreeSet<PathBuf>,
}

impl Zones {
    /// Builds all zones and lays the services over them, which have A and AAAA alone. `read`
    /// opens zone files and includes.
    pub fn build(
        inputs: &[ZoneInput<'_>],
        services: &BTreeMap<ServiceName, Service>,
        server_name: &str,
        read: &mut ReadFile<'_>,
    ) -> Loaded {
        Self::build_moving(inputs, services, &MovedTypes::default(), server_name, read)
    }

    /// The same where more than addresses may move.
    pub fn build_moving(
        inputs: &[ZoneInput<'_>],
        services: &BTreeMap<ServiceName, Service>,
        moved: &MovedTypes,
        server_name: &str,
        read: &mut ReadFile<'_>,
    ) -> Loaded {
        let mut loader = Loader {
            reader: Reader::new(read),
            zones: Self::of_services(services.keys().cloned().collect()),
            services: BTreeMap::new(),
            aliases: HashSet::new(),
            apexes: inputs
                .iter()
                .filter_map(|input| WireName::parse(&input.config.name))
                .map(|apex| apex.octets().into())
                .collect(),
            leads: Vec::new(),
            moved,
        };
        let apexes: BTreeSet<&str> = inputs
            .iter()
            .map(|input| input.config.name.as_str())
            .collect();
        loader.place_services(services, &apexes, inputs);
        for input in inputs {
            loader.zone(input, server_name);
        }
        // A zone that is missing would have its names looked up in the one above.
        if loader.reader.errors.is_empty() {
            loader.judge_leads(services, &apexes, inputs);
        }
        let errors = in_order(loader.reader.errors);
        Loaded {
            zones: if errors.is_empty() {
                Ok(loader.zones)
            } else {
                Err(errors)
            },
            warnings: in_order(loader.reader.warnings),
            files: loader.reader.files,
        }
    }
}

/// As an operator reads them: by file and line, and not without end.
fn in_order(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    // A file that is included twice is wrong twice.
    found.dedup();
    let more = found.len().saturating_sub(MAX_SHOWN);
    found.truncate(MAX_SHOWN);
    if let (true, Some(last)) = (more > 0, found.last_mut()) {
        last.message += &format!("; and {more} more findings");
    }
    found
}

struct Loader<'r> {
    reader: Reader<'r>,
    zones: Zones,
    /// By apex: the services' names in that zone and below no other.
    services: BTreeMap<DnsName, Vec<(WireName, ServiceName)>>,
    /// The names of services with hostnames, in wire form.
    aliases: HashSet<Box<[u8]>>,
    /// The zones' apexes, in wire form.
    apexes: HashSet<Box<[u8]>>,
    /// What is to be looked at once all zones are there.
    leads: Vec<Lead>,
    moved: &'r MovedTypes,
}

/// The longest apex that holds the name.
fn apex_of<'a>(name: &DnsName, apexes: &BTreeSet<&'a str>) -> Option<&'a str> {
    let mut rest = name.as_str();
    loop {
        if let Some(apex) = apexes.get(rest) {
            return Some(apex);
        }
        rest = match rest.split_once('.') {
            Some((_, "")) => return None, // the root itself
            Some((_, parent)) => parent,
            None => ".",
        };
    }
}

impl Loader<'_> {
    fn fail(&mut self, file: &Path, message: impl Into<String>) {
        let found = Diagnostic::error(file.display().to_string(), "", 0, 0, message);
        self.reader.errors.push(found);
    }

    fn fail_at(&mut self, place: Place, message: impl Into<String>) {
        self.reader.fail(place, message);
    }

    fn warn_at(&mut self, place: Place, message: impl Into<String>) {
        self.reader.warn(place, message);
    }

    fn place_services(
        &mut self,
        services: &BTreeMap<ServiceName, Service>,
        apexes: &BTreeSet<&str>,
        inputs: &[ZoneInput<'_>],
    ) {
        let file = inputs.first().map_or(Path::new(""), |input| input.file);
        for service in services.values() {
            for name in &service.names {
                let wrong = match (apex_of(name, apexes), WireName::parse(name)) {
                    (Some(apex), Some(owner)) => {
                        if self.moved.alias_of(&service.name).is_some() {
                            self.aliases.insert(owner.octets().into());
                        }
                        let owners = self.services.entry(apex.into()).or_default();
                        owners.push((owner, service.name.clone()));
                        continue;
                    }
                    (None, _) => "lies in no zone",
                    (_, None) => "is no domain name",
                };
                self.fail(
                    file,
                    format!("service '{}': '{name}' {wrong}", service.name),
                );
            }
        }
    }

    fn zone(&mut self, input: &ZoneInput<'_>, server_name: &str) {
        let name = &input.config.name;
        let Some(apex) = WireName::parse(name) else {
            self.fail(input.file, format!("'{name}' is no domain name"));
            return;
        };
        let errors_before = self.reader.errors.len();
        let mut draft = Draft::new(&apex);
        let from_file = matches!(input.config.source, ZoneSource::File(_));
        match &input.config.source {
            ZoneSource::File(_) => self.written(&apex, input, &mut draft),
            ZoneSource::Ns(servers) => self.made(&apex, servers, input, &mut draft),
            ZoneSource::Made => self.made(&apex, &[server_name.into()], input, &mut draft),
        }
        if draft.entries().is_empty() && self.reader.errors.len() > errors_before {
            return; // unreadable: "no SOA" would only hide why
        }
        let mut given = Vec::new();
        for (owner, service) in self.services.remove(name).unwrap_or_default() {
            let node = draft.make(&LookupName::of(owner.octets()));
            if let (Some(node), Some(slot)) = (node, self.zones.slot_of(&service)) {
                draft.give(node, slot);
                given.push((node, service));
            }
        }
        for place in draft.settle() {
            self.warn_at(place, "this record stands here twice; it is answered once");
        }
        self.judge(&draft, input);
        self.services_fit(&draft, &given);
        let number = self.zones.next_number();
        let keeps = |draft: &Draft, set: &[Entry]| self.is_answered(draft, set);
        let Some(zone) = draft.finish(name.clone(), number, from_file, keeps) else {
            return; // no SOA, which was said
        };
        if !self.zones.insert(zone) {
            self.fail(input.file, format!("zone '{name}' is given twice"));
        }
    }

    /// The records of a zone file.
    fn written(&mut self, apex: &WireName, input: &ZoneInput<'_>, draft: &mut Draft) {
        let mut untaken = Vec::new();
        let mut sink = |record: WrittenRecord<'_>| {
            if let Err(why) = draft.take(&record)
                && untaken.len() < MAX_FINDINGS
            {
                untaken.push((record.place, why, text_of(record.owner), record.kind));
            }
        };
        self.reader
            .zone(apex.octets(), input.file, input.text, &mut sink);
        for (place, why, owner, kind) in untaken {
            let message = match why {
                Untaken::Outside => {
                    format!("'{owner}' lies outside the zone '{}'", input.config.name)
                }
                Untaken::Unsound => format!("this is no {} record", rules::text(kind.into())),
                Untaken::TooMany => "the zone's records have more than 4 GiB from here on".into(),
            };
            self.fail_at(place, message);
        }
    }

    /// SOA and NS of a zone without a file, as if written.
    fn made(
        &mut self,
        apex: &WireName,
        servers: &[DnsName],
        input: &ZoneInput<'_>,
        draft: &mut Draft,
    ) {
        let zone = &input.config.name;
        let mut names = Vec::new();
        for server in servers {
            match WireName::parse(server) {
                Some(name) => names.push(name),
                None => self.fail(
                    input.file,
                    format!("zone '{zone}': '{server}' is no domain name"),
                ),
            }
        }
        let Some(first) = names.first() else {
            self.fail(input.file, format!("zone '{zone}' has no name server"));
            return;
        };
        let contact = apex.below("hostmaster").unwrap_or_else(|| apex.clone());
        let numbers = [1, 3_600, 600, 1_209_600, MADE_MINIMUM_SECS].map(u32::to_be_bytes);
        let soa = [first.octets(), contact.octets(), numbers.as_flattened()].concat();
        let place = self.reader.nowhere(input.file);
        let mut take = |kind, rdata: &[u8]| {
            let record = WrittenRecord {
                owner: apex.octets(),
                ttl_secs: MADE_TTL_SECS,
                kind,
                rdata,
                place,
            };
            let taken = draft.take(&record);
            debug_assert!(taken.is_ok(), "what is made here is sound");
        };
        take(RecordType::SOA, &soa);
        for name in &names {
            take(RecordType::NS, name.octets());
        }
    }
}
