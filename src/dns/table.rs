//! The answer table as DNS looks it up: ready-made record data by service.
//!
//! Does not know zones or names: which names a service has is marked in the zones. Contract:
//! immutable; A and AAAA of a service come from one table, so they never mix two decisions.

use crate::{
    failover::AnswerTable,
    model::{DnsName, ServiceName},
};
use hickory_proto::rr::{
    RData, RecordType,
    rdata::{A, AAAA},
};
use std::{collections::BTreeMap, net::IpAddr};

/// An answer table in lookup form; make one with `Table::from(&answer_table)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    seq: u64,
    services: BTreeMap<ServiceName, Served>,
    serials: BTreeMap<DnsName, u32>,
}

/// What one service answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Served {
    a: Vec<RData>,
    aaaa: Vec<RData>,
    pub(super) ttl_secs: u32,
}

impl Served {
    /// The record data of a type, in the order to answer it; empty for all but A and AAAA.
    pub(super) fn data(&self, kind: RecordType) -> &[RData] {
        match kind {
            RecordType::A => &self.a,
            RecordType::AAAA => &self.aaaa,
            _ => &[],
        }
    }
}

impl Table {
    /// The event up to which it is true.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn served(&self, service: &ServiceName) -> Option<&Served> {
        self.services.get(service)
    }

    pub(super) fn serial(&self, apex: &DnsName) -> Option<u32> {
        self.serials.get(apex).copied()
    }
}

impl From<&AnswerTable> for Table {
    fn from(table: &AnswerTable) -> Self {
        // A service always has an address; without one it is as if it were not decided yet, which
        // is a failure and not a denial that resolvers would keep.
        let decided = table
            .services
            .iter()
            .filter(|(_, answer)| !answer.addresses.is_empty());
        let services = decided.map(|(name, answer)| {
            let mut served = Served {
                // What a policy may say; a TTL of 0 would never be cached, one of days would
                // outlive the next failover.
                ttl_secs: answer.ttl_secs.clamp(1, 86_400),
                ..Served::default()
            };
            for address in &answer.addresses {
                match address {
                    IpAddr::V4(address) => served.a.push(RData::A(A(*address))),
                    IpAddr::V6(address) => served.aaaa.push(RData::AAAA(AAAA(*address))),
                }
            }
            (name.clone(), served)
        });
        Self {
            seq: table.seq,
            services: services.collect(),
            serials: table.serials.clone(),
        }
    }
}
