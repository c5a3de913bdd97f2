//! From configuration and zone files to `Zones`: what a zone may hold, and how services lie
//! over it.
//!
//! Does no I/O: files come through a closure. Contract: either all zones are good, or every
//! error is reported with its place; warnings never refuse. RFC 1034 section 3.6.2 (CNAME), RFC
//! 2181 sections 5.2 (TTLs of an RRset) and 10.1, RFC 1035 section 5.2 (SOA).

use super::{
    rdata::type_text,
    tree::labels_of,
    zone::{Node, RrSet, Zone, Zones},
    zone_file::{MAX_FINDINGS, Place, ReadFile, Reader},
    zone_text::domain_name,
};
use crate::model::{Diagnostic, DnsName, Service, ServiceName, ZoneConfig, ZoneSource};
use hickory_proto::{
    rr::{
        Name, RData, RecordType,
        rdata::{HTTPS, NS, SOA, svcb::SvcParamKey},
    },
    serialize::binary::{BinDecodable, BinDecoder, BinEncodable, Restrict},
};
use std::{
    collections::{BTreeMap, BTreeSet},
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
    /// Builds all zones and lays the services over them. `read` opens zone files and includes.
    pub fn build(
        inputs: &[ZoneInput<'_>],
        services: &BTreeMap<ServiceName, Service>,
        server_name: &str,
        read: &mut ReadFile<'_>,
    ) -> Loaded {
        let mut loader = Loader {
            reader: Reader::new(read),
            zones: Self::default(),
            warnings: Vec::new(),
            services: BTreeMap::new(),
        };
        let apexes: Vec<&DnsName> = inputs.iter().map(|input| &input.config.name).collect();
        loader.place_services(services, &apexes, inputs);
        for input in inputs {
            loader.zone(input, server_name);
        }
        let errors = in_order(loader.reader.errors);
        Loaded {
            zones: if errors.is_empty() {
                Ok(loader.zones)
            } else {
                Err(errors)
            },
            warnings: in_order(loader.warnings),
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
    warnings: Vec<Diagnostic>,
    /// By apex: the services' names in that zone and below no other.
    services: BTreeMap<DnsName, BTreeMap<Name, ServiceName>>,
}

/// A record as written, decoded.
#[derive(Clone, Debug)]
struct Written {
    owner: Name,
    ttl: u32,
    data: RData,
    place: Place,
}

/// A zone's records by name and type.
type Grouped<'w> = BTreeMap<Name, BTreeMap<RecordType, Vec<&'w Written>>>;

/// A name of the configuration.
fn absolute(name: &str) -> Option<Name> {
    domain_name(name, &Name::root())
        .ok()
        .map(|name| name.to_lowercase())
}

/// A name as the configuration writes it.
fn text_of(name: &Name) -> DnsName {
    let text = name.to_lowercase().to_ascii();
    match text.strip_suffix('.') {
        None | Some("") => text.into(),
        Some(text) => text.into(),
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
        if self.warnings.len() < MAX_FINDINGS {
            let found = self.reader.error(place, message).warning();
            self.warnings.push(found);
        }
    }

    fn place_services(
        &mut self,
        services: &BTreeMap<ServiceName, Service>,
        apexes: &[&DnsName],
        inputs: &[ZoneInput<'_>],
    ) {
        let file = inputs.first().map_or(Path::new(""), |input| input.file);
        for service in services.values() {
            for name in &service.names {
                let apex = apexes.iter().filter(|apex| name.is_within(apex));
                let apex =
                    apex.max_by_key(|apex| if apex.as_str() == "." { 0 } else { apex.len() });
                match (apex, absolute(name)) {
                    (Some(&apex), Some(owner)) => {
                        let owners = self.services.entry(apex.clone()).or_default();
                        owners.insert(owner, service.name.clone());
                    }
                    (None, _) => self.fail(
                        file,
                        format!("service '{}': '{name}' lies in no zone", service.name),
                    ),
                    (_, None) => self.fail(
                        file,
                        format!("service '{}': '{name}' is no domain name", service.name),
                    ),
                }
            }
        }
    }

    fn zone(&mut self, input: &ZoneInput<'_>, server_name: &str) {
        let Some(apex) = absolute(&input.config.name) else {
            self.fail(
                input.file,
                format!("'{}' is no domain name", input.config.name),
            );
            return;
        };
        let errors_before = self.reader.errors.len();
        let written = match &input.config.source {
            ZoneSource::File(_) => self.written(&apex, input),
            ZoneSource::Ns(servers) => self.made(&apex, servers, input),
            ZoneSource::Made => self.made(&apex, &[server_name.into()], input),
        };
        let from_file = matches!(input.config.source, ZoneSource::File(_));
        if written.is_empty() && self.reader.errors.len() > errors_before {
            return; // unreadable: "no SOA" would only hide why
        }
        let services = self.services.remove(&input.config.name).unwrap_or_default();
        let grouped = self.grouped(&apex, &written);
        let Some((soa, soa_ttl_secs)) = self.apex(&apex, &grouped, input.file) else {
            return;
        };
        let mut zone = Zone {
            depth: apex.iter().count(),
            apex,
            name: input.config.name.clone(),
            soa,
            soa_ttl_secs,
            from_file,
            tree: Default::default(),
        };
        self.services_fit(&zone.apex, &grouped, &services);
        self.hints_around_services(&grouped, &services);
        for (owner, sets) in &grouped {
            self.aliases(owner, sets);
            self.wildcard_delegation(owner, sets);
            let rrsets = self.rrsets(owner, sets, services.get(owner));
            let lower = owner.to_lowercase();
            let node = &mut zone.tree.make(&labels_of(&lower)[zone.depth..]).value;
            *node = Node {
                rrsets,
                service: None,
            };
        }
        for (owner, service) in services {
            let node = &mut zone.tree.make(&labels_of(&owner)[zone.depth..]).value;
            node.service = Some(service);
        }
        if from_file || matches!(input.config.source, ZoneSource::Ns(_)) {
            self.hosts_have_addresses(&zone, &grouped, input);
        }
        if !self.zones.insert(zone) {
            self.fail(
                input.file,
                format!("zone '{}' is given twice", input.config.name),
            );
        }
    }

    fn written(&mut self, apex: &Name, input: &ZoneInput<'_>) -> Vec<Written> {
        let apex = apex.to_bytes().unwrap_or_default();
        let mut written = Vec::new();
        self.reader
            .zone(&apex, input.file, input.text, &mut |record| {
                let length = u16::try_from(record.rdata.len()).unwrap_or(u16::MAX);
                let mut decoder = BinDecoder::new(record.rdata);
                let data = RData::read(&mut decoder, record.kind, Restrict::new(length));
                if let (Ok(owner), Ok(data)) = (Name::from_bytes(record.owner), data) {
                    written.push(Written {
                        owner,
                        ttl: record.ttl_secs,
                        data,
                        place: record.place,
                    });
                }
            });
        written
    }

    /// SOA and NS of a zone without a file, as if written.
    fn made(&mut self, apex: &Name, servers: &[DnsName], input: &ZoneInput<'_>) -> Vec<Written> {
        let mut names = Vec::new();
        for server in servers {
            match absolute(server) {
                Some(name) => names.push(name),
                None => self.fail(
                    input.file,
                    format!("zone '{}': '{server}' is no domain name", input.config.name),
                ),
            }
        }
        let Some(first) = names.first().cloned() else {
            self.fail(
                input.file,
                format!("zone '{}' has no name server", input.config.name),
            );
            return Vec::new();
        };
        let contact = apex
            .prepend_label("hostmaster")
            .unwrap_or_else(|_| apex.clone());
        let soa = SOA::new(first, contact, 1, 3_600, 600, 1_209_600, MADE_MINIMUM_SECS);
        let data = names.into_iter().map(|name| RData::NS(NS(name)));
        let place = self.reader.nowhere(input.file);
        std::iter::once(RData::SOA(soa))
            .chain(data)
            .map(|data| Written {
                owner: apex.clone(),
                ttl: MADE_TTL_SECS,
                data,
                place,
            })
            .collect()
    }

    fn grouped<'w>(&mut self, apex: &Name, written: &'w [Written]) -> Grouped<'w> {
        let mut grouped = Grouped::new();
        for record in written {
            if !apex.zone_of(&record.owner) {
                let owner = text_of(&record.owner);
                let message = format!("'{owner}' lies outside the zone '{}'", text_of(apex));
                self.fail_at(record.place, message);
                continue;
            }
            let sets = grouped.entry(record.owner.to_lowercase()).or_default();
            let set: &mut Vec<&Written> = sets.entry(record.data.record_type()).or_default();
            if set.iter().any(|other| other.data == record.data) {
                self.warn_at(
                    record.place,
                    "this record stands here twice; it is answered once",
                );
            } else {
                set.push(record);
            }
        }
        grouped
    }

    /// Exactly one SOA, at the apex, and NS beside it.
    fn apex(&mut self, apex: &Name, grouped: &Grouped<'_>, file: &Path) -> Option<(SOA, u32)> {
        let mut found = None;
        for (owner, sets) in grouped {
            for record in sets.get(&RecordType::SOA).into_iter().flatten() {
                match &record.data {
                    _ if owner != apex => {
                        self.fail_at(
                            record.place,
                            "an SOA record belongs at the zone's apex only",
                        );
                    }
                    RData::SOA(soa) if found.is_none() => found = Some((soa.clone(), record.ttl)),
                    _ => self.fail_at(record.place, "a second SOA record; a zone has one"),
                }
            }
        }
        let name = text_of(apex);
        if found.is_none() {
            let message = format!("the zone '{name}' has no SOA record at its apex");
            self.fail(file, message);
        }
        if !grouped
            .get(apex)
            .is_some_and(|sets| sets.contains_key(&RecordType::NS))
        {
            self.fail(
                file,
                format!("the zone '{name}' has no NS record at its apex"),
            );
        }
        found
    }

    /// A CNAME stands alone at its name.
    fn aliases(&mut self, owner: &Name, sets: &BTreeMap<RecordType, Vec<&Written>>) {
        let Some(aliases) = sets.get(&RecordType::CNAME) else {
            return;
        };
        let name = text_of(owner);
        if let Some(second) = aliases.get(1) {
            self.fail_at(
                second.place,
                format!("a second CNAME at '{name}'; a name has one"),
            );
        }
        // RRSIG, NSEC and KEY may stand beside it (RFC 2181 section 10.1, RFC 4034).
        let other = sets
            .keys()
            .find(|&&kind| !matches!(u16::from(kind), 5 | 25 | 46 | 47));
        if let (Some(&other), Some(alias)) = (other, aliases.first()) {
            let kind = type_text(other);
            let message = format!("a CNAME at '{name}' beside {kind} records; it must stand alone");
            self.fail_at(alias.place, message);
        }
    }

    fn wildcard_delegation(&mut self, owner: &Name, sets: &BTreeMap<RecordType, Vec<&Written>>) {
        let servers = sets.get(&RecordType::NS).and_then(|set| set.first());
        if let Some(record) = servers.filter(|_| owner.is_wildcard()) {
            let message = "NS records at a wildcard have no meaning (RFC 4592 section 4.2)";
            self.fail_at(record.place, message);
        }
    }

    /// A service's name is no alias and lies below no delegation.
    fn services_fit(
        &mut self,
        apex: &Name,
        grouped: &Grouped<'_>,
        services: &BTreeMap<Name, ServiceName>,
    ) {
        for (name, service) in services {
            let text = text_of(name);
            let at = grouped
                .get(name)
                .and_then(|sets| sets.get(&RecordType::CNAME));
            if let Some(alias) = at.and_then(|set| set.first()) {
                let message =
                    format!("a CNAME at '{text}', a name of service '{service}': remove one");
                self.fail_at(alias.place, message);
            }
            let mut above = name.clone();
            while above != *apex && !above.is_root() {
                let set = grouped
                    .get(&above)
                    .and_then(|sets| sets.get(&RecordType::NS));
                if let Some(record) = set.and_then(|set| set.first()) {
                    let cut = text_of(&above);
                    let message = format!(
                        "'{cut}' is delegated here, and '{text}' is a name of service '{service}': remove one"
                    );
                    self.fail_at(record.place, message);
                }
                above = above.base_name();
            }
        }
    }

    /// Addresses in an HTTPS or SVCB record do not follow a failover, and browsers use them.
    fn hints_around_services(
        &mut self,
        grouped: &Grouped<'_>,
        services: &BTreeMap<Name, ServiceName>,
    ) {
        for (owner, sets) in grouped {
            let kinds = [RecordType::HTTPS, RecordType::SVCB];
            for record in kinds.iter().filter_map(|kind| sets.get(kind)).flatten() {
                let (RData::HTTPS(HTTPS(binding)) | RData::SVCB(binding)) = &record.data else {
                    continue;
                };
                let named = binding.target_name.to_lowercase();
                let target = if named.is_root() { owner } else { &named };
                let mut keys = binding.svc_params.iter().map(|(key, _)| key);
                let hints =
                    keys.any(|key| matches!(key, SvcParamKey::Ipv4Hint | SvcParamKey::Ipv6Hint));
                if let (true, Some(service)) = (hints, services.get(target)) {
                    let message = format!(
                        "clients that take the address hints of this record do not follow a failover of service '{service}': remove ipv4hint and ipv6hint"
                    );
                    self.warn_at(record.place, message);
                }
            }
        }
    }

    fn rrsets(
        &mut self,
        owner: &Name,
        sets: &BTreeMap<RecordType, Vec<&Written>>,
        service: Option<&ServiceName>,
    ) -> BTreeMap<RecordType, RrSet> {
        let mut rrsets = BTreeMap::new();
        for (&kind, set) in sets {
            let Some(first) = set.first() else { continue };
            let is_address = matches!(kind, RecordType::A | RecordType::AAAA);
            if let (true, Some(service)) = (is_address, service) {
                let name = text_of(owner);
                let kind = type_text(kind);
                let message = format!(
                    "this {kind} record is never answered: '{name}' is a name of service '{service}'"
                );
                self.warn_at(first.place, message);
                continue;
            }
            let ttl_secs = set
                .iter()
                .map(|record| record.ttl)
                .min()
                .unwrap_or(first.ttl);
            if let Some(other) = set.iter().find(|record| record.ttl != first.ttl) {
                let kind = type_text(kind);
                let message = format!(
                    "the {kind} records of '{}' have several TTLs; the lowest, {ttl_secs}, is answered for all",
                    text_of(owner)
                );
                self.warn_at(other.place, message);
            }
            let data = set.iter().map(|record| record.data.clone()).collect();
            for address in set.iter().filter_map(|record| record.data.ip_addr()) {
                self.zones.add_address(text_of(owner), address);
            }
            rrsets.insert(kind, RrSet { ttl_secs, data });
        }
        rrsets
    }

    /// A name server within the zone that has no address cannot be asked.
    fn hosts_have_addresses(&mut self, zone: &Zone, grouped: &Grouped<'_>, input: &ZoneInput<'_>) {
        let servers = grouped
            .values()
            .filter_map(|sets| sets.get(&RecordType::NS))
            .flatten();
        for record in servers {
            let RData::NS(server) = &record.data else {
                continue;
            };
            let lower = server.0.to_lowercase();
            if !zone.apex.zone_of(&lower) {
                continue;
            }
            let node = zone.node(&labels_of(&lower));
            let has = node.is_some_and(|node| {
                let kinds = [RecordType::A, RecordType::AAAA];
                node.service.is_some() || kinds.iter().any(|kind| node.rrsets.contains_key(kind))
            });
            if has {
                continue;
            }
            let message = format!(
                "the name server '{}' has no address in this zone",
                text_of(&lower)
            );
            if matches!(input.config.source, ZoneSource::File(_)) {
                self.warn_at(record.place, message);
            } else {
                let file = input.file.display().to_string();
                let message = format!("{message}; give the zone a file with its A or AAAA record");
                self.warnings
                    .push(Diagnostic::error(file, "", 0, 0, message).warning());
            }
        }
    }
}
