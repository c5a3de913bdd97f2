//! What is read of a record's rdata, in wire form: the names that it holds, and an SOA's numbers.
//!
//! Only the types whose rdata means something to an authoritative server are known here; every
//! other is octets (RFC 3597). Does not know text nor owners. Never panics, whatever the octets.

use super::name::{name_length, name_of};
use hickory_proto::rr::{
    RData, RecordType,
    rdata::{A, AAAA, CNAME, MX, NS, NULL, PTR, SOA},
};

/// Types by number (RFC 1035 section 3.2.2 and later ones).
pub(super) mod kind {
    pub(in crate::dns) const A: u16 = 1;
    pub(in crate::dns) const NS: u16 = 2;
    pub(in crate::dns) const CNAME: u16 = 5;
    pub(in crate::dns) const SOA: u16 = 6;
    pub(in crate::dns) const PTR: u16 = 12;
    pub(in crate::dns) const MX: u16 = 15;
    pub(in crate::dns) const SIG: u16 = 24;
    pub(in crate::dns) const KEY: u16 = 25;
    pub(in crate::dns) const AAAA: u16 = 28;
    pub(in crate::dns) const SRV: u16 = 33;
    pub(in crate::dns) const DNAME: u16 = 39;
    pub(in crate::dns) const OPT: u16 = 41;
    pub(in crate::dns) const DS: u16 = 43;
    pub(in crate::dns) const RRSIG: u16 = 46;
    pub(in crate::dns) const NSEC: u16 = 47;
    pub(in crate::dns) const ZONEMD: u16 = 63;
    pub(in crate::dns) const SVCB: u16 = 64;
    pub(in crate::dns) const HTTPS: u16 = 65;
    pub(in crate::dns) const NXNAME: u16 = 128;
    pub(in crate::dns) const TSIG: u16 = 250;
    pub(in crate::dns) const IXFR: u16 = 251;
    pub(in crate::dns) const AXFR: u16 = 252;
    pub(in crate::dns) const ANY: u16 = 255;
}

/// Serial, refresh, retry, expire and minimum: the end of an SOA's rdata.
pub(super) const SOA_NUMBERS_OCTETS: usize = 20;

/// Where the name begins that leads on to another name.
pub(super) fn target_at(kind: u16) -> Option<usize> {
    match kind {
        kind::NS | kind::CNAME | kind::PTR | kind::DNAME => Some(0),
        kind::MX | kind::SVCB | kind::HTTPS => Some(2),
        kind::SRV => Some(6),
        _ => None,
    }
}

/// The name that a record leads to, in wire form and letter case as written: the host of NS, MX,
/// SRV, SVCB and HTTPS, the target of CNAME, DNAME and PTR. `None` for other types, and where
/// the rdata is not well-formed.
pub(super) fn target(kind: u16, rdata: &[u8]) -> Option<&[u8]> {
    let from = rdata.get(target_at(kind)?..)?;
    from.get(..name_length(from)?)
}

/// What may stand beside a CNAME: SIG and KEY (RFC 2181 section 10.1), RRSIG and NSEC (RFC 4035
/// section 2.5).
pub(super) fn may_stand_beside_cname(kind: u16) -> bool {
    matches!(kind, kind::SIG | kind::KEY | kind::RRSIG | kind::NSEC)
}

/// Whether a CNAME is followed for a question of this type: not for itself, and not for what may
/// stand beside it.
pub(super) fn follows_alias(kind: u16) -> bool {
    !matches!(kind, kind::CNAME | kind::ANY) && !may_stand_beside_cname(kind)
}

/// Whether the rdata of a type that is known here is well-formed. Others always are.
pub(super) fn is_sound(kind: u16, rdata: &[u8]) -> bool {
    match kind {
        kind::A => rdata.len() == 4,
        kind::AAAA => rdata.len() == 16,
        kind::SOA => soa_numbers_at(rdata).is_some(),
        kind::SVCB | kind::HTTPS => target(kind, rdata).is_some(),
        _ => target_at(kind).is_none_or(|at| {
            target(kind, rdata).is_some_and(|name| at + name.len() == rdata.len())
        }),
    }
}

/// Whether two records of a type are the same: names in rdata are, in any letter case (RFC 2181
/// section 5, RFC 4034 section 6.2).
pub(super) fn key(kind: u16, rdata: &[u8]) -> Vec<u8> {
    let mut key = rdata.to_vec();
    let names = match kind {
        // Numbers behind the names of an SOA are no letters.
        kind::SOA => 0..rdata.len().saturating_sub(SOA_NUMBERS_OCTETS),
        _ => match (target_at(kind), target(kind, rdata)) {
            (Some(at), Some(name)) => at..at + name.len(),
            _ => 0..0,
        },
    };
    key[names].make_ascii_lowercase();
    key
}

fn soa_numbers_at(rdata: &[u8]) -> Option<usize> {
    let first = name_length(rdata)?;
    let second = name_length(rdata.get(first..)?)?;
    (rdata.len() == first + second + SOA_NUMBERS_OCTETS).then_some(first + second)
}

/// The serial and the minimum of an SOA; `None` where the rdata is not well-formed.
pub(super) fn serial_and_minimum(rdata: &[u8]) -> Option<(u32, u32)> {
    let numbers = rdata.get(soa_numbers_at(rdata)?..)?;
    let number = |at: usize| {
        let octets = numbers.get(at..at + 4)?;
        Some(u32::from_be_bytes(octets.try_into().ok()?))
    };
    Some((number(0)?, number(16)?))
}

/// Whether an SVCB or HTTPS record hints at addresses (RFC 9460 section 7.3).
pub(super) fn has_address_hints(kind: u16, rdata: &[u8]) -> bool {
    let Some(name) = target(kind, rdata) else {
        return false;
    };
    let mut rest = &rdata[2 + name.len()..];
    while let Some((head, behind)) = rest.split_at_checked(4) {
        if matches!(u16::from_be_bytes([head[0], head[1]]), 4 | 6) {
            return true;
        }
        let length = u16::from_be_bytes([head[2], head[3]]);
        rest = behind.get(usize::from(length)..).unwrap_or_default();
    }
    false
}

/// hickory's form. Typed where hickory compresses the names in it, which is allowed for the
/// types of RFC 1035 alone (RFC 3597 section 4); opaque elsewhere, so that not an octet changes.
pub(super) fn to_hickory(kind: u16, rdata: &[u8]) -> RData {
    let opaque = || RData::Unknown {
        code: RecordType::from(kind),
        rdata: match rdata {
            [] => NULL::new(),
            octets => NULL::with(octets.to_vec()),
        },
    };
    let typed = || {
        let name = || target(kind, rdata).map(name_of);
        Some(match kind {
            kind::A => RData::A(A(<[u8; 4]>::try_from(rdata).ok()?.into())),
            kind::AAAA => RData::AAAA(AAAA(<[u8; 16]>::try_from(rdata).ok()?.into())),
            kind::NS => RData::NS(NS(name()?)),
            kind::CNAME => RData::CNAME(CNAME(name()?)),
            kind::PTR => RData::PTR(PTR(name()?)),
            kind::MX => {
                let preference = u16::from_be_bytes([*rdata.first()?, *rdata.get(1)?]);
                RData::MX(MX::new(preference, name()?))
            }
            kind::SOA => RData::SOA(soa(rdata)?),
            _ => return None,
        })
    };
    typed().unwrap_or_else(opaque)
}

fn soa(rdata: &[u8]) -> Option<SOA> {
    let numbers_at = soa_numbers_at(rdata)?;
    let (names, numbers) = rdata.split_at_checked(numbers_at)?;
    let (mname, rname) = names.split_at_checked(name_length(names)?)?;
    let (numbers, _) = numbers.as_chunks::<4>();
    let &[serial, refresh, retry, expire, minimum] = numbers else {
        return None;
    };
    Some(SOA::new(
        name_of(mname),
        name_of(rname),
        u32::from_be_bytes(serial),
        i32::from_be_bytes(refresh),
        i32::from_be_bytes(retry),
        i32::from_be_bytes(expire),
        u32::from_be_bytes(minimum),
    ))
}
