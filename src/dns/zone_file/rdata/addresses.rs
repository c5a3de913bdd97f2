//! Fields that are addresses in a form of their own: APL's prefixes (RFC 3123), IPSECKEY's
//! gateway (RFC 4025), the locators of ILNP (RFC 6742), hardware addresses (RFC 7043).
//!
//! Text to wire form, and whether octets are such. Contract: as `fields`; never panics.

use super::{Fields, fields::is_not, number};
use crate::dns::{
    name::name_length,
    zone_file::{
        text::Fault,
        word::{name_into, shown},
    },
};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address families of RFC 3123 that have a text form.
const IPV4: u16 = 1;
const IPV6: u16 = 2;
/// In an APL item's length octet: the prefix is excepted.
const NEGATED: u8 = 0x80;

impl Fields<'_, '_> {
    /// `[!]FAMILY:ADDRESS/LENGTH` to the end; zero octets at an address's end are not written.
    pub(super) fn prefixes(&mut self) -> Result<(), Fault> {
        for token in std::mem::take(&mut self.tokens) {
            let octets = prefix_of(token.raw).ok_or_else(|| {
                let raw = shown(token.raw);
                let message = format!(
                    "'{raw}' is no prefix: write it like 1:192.0.2.0/24 or 2:2001:db8::/32, with '!' before it for an exception"
                );
                (token.offset, message)
            })?;
            self.out.extend(octets);
        }
        Ok(())
    }

    /// A gateway's type, an algorithm, a gateway of that type, and a key; where the algorithm is
    /// 0 there need be none.
    pub(super) fn gateway(&mut self) -> Result<(), Fault> {
        let kind = self.number("a gateway type", 3)?;
        let algorithm = self.number("an algorithm", u8::MAX.into())?;
        self.out.extend_from_slice(&[kind, algorithm]);
        let token = self.next("a gateway")?;
        let not = |form: &str| {
            let raw = shown(token.raw);
            let message = format!("'{raw}' is no gateway of type {kind}: write {form}");
            (token.offset, message)
        };
        match kind {
            0 if token.raw == "." => {}
            0 => return Err(not("'.', for there is none")),
            1 => {
                let address = token.raw.parse::<Ipv4Addr>();
                let address = address.map_err(|_| not("an IPv4 address"))?;
                self.out.extend_from_slice(&address.octets());
            }
            2 => {
                let address = token.raw.parse::<Ipv6Addr>();
                let address = address.map_err(|_| not("an IPv6 address"))?;
                self.out.extend_from_slice(&address.octets());
            }
            _ => name_into(token.raw, self.origin, self.out)
                .map_err(|fault| (token.offset, fault))?,
        }
        match (algorithm, self.tokens) {
            (0, []) => Ok(()),
            (_, []) => Err((
                self.end,
                "this record lacks a public key; only algorithm 0 has none".to_owned(),
            )),
            _ => self.decode(&BASE64, "a public key in Base64, with '=' at its end"),
        }
    }

    /// 64 bits as four groups of hexadecimal digits.
    pub(super) fn locator(&mut self, what: &str) -> Result<(), Fault> {
        let token = self.next(what)?;
        let group = |group: &str| {
            let is_group = group.len() <= 4 && group.bytes().all(|byte| byte.is_ascii_hexdigit());
            let group = u16::from_str_radix(group, 16).ok();
            group.filter(|_| is_group).map(u16::to_be_bytes)
        };
        let groups: Option<Vec<[u8; 2]>> = token.raw.split(':').map(group).collect();
        let groups = groups.filter(|groups| groups.len() == 4);
        let groups = groups.ok_or_else(|| is_not(&token, what, "write it like 2001:db8:0:1"))?;
        self.out.extend_from_slice(groups.as_flattened());
        Ok(())
    }

    /// So many octets with hyphens between.
    pub(super) fn hardware(&mut self, length: usize, what: &str) -> Result<(), Fault> {
        let token = self.next(what)?;
        let pairs = token.raw.split('-').map(|pair| match pair.len() {
            2 => HEXLOWER_PERMISSIVE.decode(pair.as_bytes()).ok(),
            _ => None,
        });
        let octets: Option<Vec<Vec<u8>>> = pairs.collect();
        let octets = octets.filter(|octets| octets.len() == length);
        let form = || format!("write it like {}", ["00"].repeat(length).join("-"));
        let octets = octets.ok_or_else(|| is_not(&token, what, &form()))?;
        self.out.extend(octets.concat());
        Ok(())
    }
}

/// One item of an APL record (RFC 3123 section 4).
fn prefix_of(raw: &str) -> Option<Vec<u8>> {
    let (negated, raw) = match raw.strip_prefix('!') {
        Some(raw) => (NEGATED, raw),
        None => (0, raw),
    };
    let (family, rest) = raw.split_once(':')?;
    let (address, length) = rest.split_once('/')?;
    let length = u8::try_from(number(length)?).ok()?;
    let family = u16::try_from(number(family)?).ok()?;
    let address = match (family, address.parse().ok()?) {
        (IPV4, IpAddr::V4(address)) => address.octets().to_vec(),
        (IPV6, IpAddr::V6(address)) => address.octets().to_vec(),
        _ => return None,
    };
    let written = address.iter().rposition(|&octet| octet != 0);
    let written = written.map_or(0, |last| last + 1);
    let octets = u8::try_from(written).ok()?;
    let [high, low] = family.to_be_bytes();
    let mut item = vec![high, low, length, negated | octets];
    item.extend_from_slice(&address[..written]);
    are_prefixes(&item).then_some(item)
}

/// Whether octets are items of an APL record.
pub(super) fn are_prefixes(octets: &[u8]) -> bool {
    let mut rest = octets;
    while let [high, low, length, octets, behind @ ..] = rest {
        let octets = usize::from(octets & !NEGATED);
        let Some((address, behind)) = behind.split_at_checked(octets) else {
            return false;
        };
        let is_good = match u16::from_be_bytes([*high, *low]) {
            IPV4 => *length <= 32 && octets <= 4,
            IPV6 => *length <= 128 && octets <= 16,
            _ => true,
        };
        if !is_good || address.last() == Some(&0) {
            return false;
        }
        rest = behind;
    }
    rest.is_empty()
}

/// Whether octets are what [`Fields::gateway`] writes.
pub(super) fn is_gateway(octets: &[u8]) -> bool {
    let [kind, algorithm, rest @ ..] = octets else {
        return false;
    };
    let key = match kind {
        0 => Some(rest),
        1 => rest.get(4..),
        2 => rest.get(16..),
        3 => name_length(rest).and_then(|length| rest.get(length..)),
        _ => None,
    };
    key.is_some_and(|key| *algorithm == 0 || !key.is_empty())
}
