//! Hosts of mail and of SRV records that are aliases, which they must not be (RFC 2181 section
//! 10.3, RFC 2782): always, or while a hostname is served.

use super::Moved;
use crate::{
    dns::{
        fields::{self, kind},
        name::{LookupName, text_of},
        store::Zones,
        zone_file::rdata::type_text,
    },
    model::{Config, ServiceName, TargetName},
};

/// What is to be said of a record whose host is an alias.
pub(in crate::dns) fn is_alias(host: &str, kind: &str) -> String {
    format!("'{host}' is an alias (CNAME), and {kind} records must not lead to one")
}

/// What is to be said of a record whose host is one while this target of a service is served.
pub(in crate::dns) fn becomes_alias(
    host: &str,
    service: &ServiceName,
    target: &TargetName,
    kind: &str,
) -> String {
    format!(
        "'{host}' is a name of service '{service}' and an alias (CNAME) while its target '{target}' is served, which is a hostname; {kind} records must not lead to one: name another host, or give the target addresses"
    )
}

/// What is to be said of the host in a target's own record.
pub(super) fn of_target(config: &Config, moved: &Moved, zones: &Zones) -> Option<String> {
    let number = u16::from(moved.kind);
    if !matches!(number, kind::MX | kind::SRV) {
        return None;
    }
    let name = fields::target(number, &moved.rdata)?;
    let node = zones.node_for(&LookupName::of(name))?;
    let (host, kind) = (text_of(name), type_text(moved.kind));
    if node.rrset(kind::CNAME).is_some() {
        return Some(is_alias(&host, &kind));
    }
    // At an apex no CNAME is answered.
    let service = zones.service_at(node).filter(|_| !node.is_apex())?;
    let mut targets = config.targets_of(config.services.get(service)?);
    let target = targets.find(|target| target.cname.is_some())?;
    Some(becomes_alias(&host, service, &target.name, &kind))
}
