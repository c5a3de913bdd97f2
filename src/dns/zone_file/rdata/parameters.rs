//! Service parameters of SVCB and HTTPS records from text to wire form (RFC 9460 section 2.1 and
//! appendix A, RFC 9461, RFC 9540).
//!
//! Contract: what comes out is in the order of the keys, none of them twice, each value as its
//! key wants it. What octets may say is asked here too, for records that are written as such.

use super::{fields::near, number};
use crate::dns::zone_file::{
    text::{Fault, Token},
    word::{shown, text_into},
};
use data_encoding::BASE64;
use std::net::{Ipv4Addr, Ipv6Addr};

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4_HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6_HINT: u16 = 6;
const DOH_PATH: u16 = 7;
const OHTTP: u16 = 8;
/// Reserved; it ends a list that is sorted.
const INVALID: u16 = 65_535;

const KEYS: [(u16, &str); 9] = [
    (MANDATORY, "mandatory"),
    (ALPN, "alpn"),
    (NO_DEFAULT_ALPN, "no-default-alpn"),
    (PORT, "port"),
    (IPV4_HINT, "ipv4hint"),
    (ECH, "ech"),
    (IPV6_HINT, "ipv6hint"),
    (DOH_PATH, "dohpath"),
    (OHTTP, "ohttp"),
];

/// A parameter, and where it was written.
struct Parameter {
    key: u16,
    value: Vec<u8>,
    offset: usize,
}

/// Appends the parameters that the tokens say.
pub(super) fn parameters_into(
    tokens: &[Token<'_>],
    end: usize,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let read: Result<Vec<_>, Fault> = tokens.iter().map(parameter).collect();
    let mut parameters = read?;
    parameters.sort_by_key(|parameter| parameter.key);
    for pair in parameters.windows(2) {
        if pair[0].key == pair[1].key {
            let message = format!("a second '{}'; a record has one", key_text(pair[1].key));
            return Err((pair[1].offset, message));
        }
    }
    let start = out.len();
    for parameter in &parameters {
        let length = u16::try_from(parameter.value.len()).map_err(|_| {
            let message = "a parameter has at most 65535 octets".to_owned();
            (parameter.offset, message)
        })?;
        out.extend_from_slice(&parameter.key.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&parameter.value);
    }
    // Each is well-formed; what is left to be wrong is that one needs another.
    let fault = fault_of(out.get(start..).unwrap_or_default());
    let place = tokens.first().map_or(end, |token| token.offset);
    fault.map_or(Ok(()), |message| Err((place, message)))
}

fn parameter(token: &Token<'_>) -> Result<Parameter, Fault> {
    let (name, value) = match token.raw.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (token.raw, None),
    };
    let key = key_of(name).map_err(|message| (token.offset, message))?;
    let place = token.offset + value.map_or(0, |_| name.len() + 1);
    let mut text = Vec::new();
    text_into(value.unwrap_or_default(), &mut text).map_err(|message| (place, message))?;
    let is_named = KEYS.iter().any(|(_, named)| *named == name);
    let value = if is_named {
        value_of(key, &text)
    } else {
        Ok(text)
    };
    let value = value.and_then(|value| match fault_of_value(key, &value) {
        Some(fault) => Err(fault.to_owned()),
        None => Ok(value),
    });
    let value = value.map_err(|fault| (place, format!("'{name}' {fault}")))?;
    Ok(Parameter {
        key,
        value,
        offset: token.offset,
    })
}

/// `alpn`, or `key1`.
fn key_of(name: &str) -> Result<u16, String> {
    if let Some((key, _)) = KEYS.iter().find(|(_, named)| *named == name) {
        return Ok(*key);
    }
    let digits = name.strip_prefix("key");
    // A zero before other digits would give a key several names.
    let digits = digits.filter(|digits| *digits == "0" || !digits.starts_with('0'));
    let key = digits
        .and_then(number)
        .and_then(|key| u16::try_from(key).ok());
    key.filter(|key| *key != INVALID).ok_or_else(|| {
        let names = KEYS.iter().map(|(_, name)| *name);
        let (raw, near) = (shown(name), near(name, names));
        format!("unknown parameter '{raw}'{near}; write others as key0 to key65534")
    })
}

fn key_text(key: u16) -> String {
    match KEYS.iter().find(|(known, _)| *known == key) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("key{key}"),
    }
}

/// The wire form of a value whose escapes are resolved.
fn value_of(key: u16, text: &[u8]) -> Result<Vec<u8>, String> {
    let words = || std::str::from_utf8(text).unwrap_or_default().split(',');
    match key {
        MANDATORY => {
            let keys: Result<Vec<u16>, _> = words().map(key_of).collect();
            let mut keys = keys.map_err(|fault| format!("is a list of parameters: {fault}"))?;
            keys.sort_unstable();
            Ok(keys.into_iter().flat_map(u16::to_be_bytes).collect())
        }
        ALPN => list_of(text),
        PORT => {
            let port = std::str::from_utf8(text).ok().and_then(number);
            let port = port.and_then(|port| u16::try_from(port).ok());
            let port = port.ok_or("is a number from 0 to 65535")?;
            Ok(port.to_be_bytes().to_vec())
        }
        IPV4_HINT => {
            let addresses: Result<Vec<Ipv4Addr>, _> = words().map(str::parse).collect();
            let addresses = addresses.map_err(|_| "is a list of IPv4 addresses, with commas")?;
            Ok(addresses.iter().flat_map(Ipv4Addr::octets).collect())
        }
        IPV6_HINT => {
            let addresses: Result<Vec<Ipv6Addr>, _> = words().map(str::parse).collect();
            let addresses = addresses.map_err(|_| "is a list of IPv6 addresses, with commas")?;
            Ok(addresses.iter().flat_map(Ipv6Addr::octets).collect())
        }
        ECH => BASE64
            .decode(text)
            .map_err(|_| "is written in Base64".to_owned()),
        _ => Ok(text.to_vec()),
    }
}

/// Items with commas between, `\,` for a comma and `\\` for a backslash within one; in wire form
/// each has a length octet.
fn list_of(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut items = vec![Vec::new()];
    let mut octets = text.iter();
    while let Some(&octet) = octets.next() {
        let literal = match octet {
            b',' => {
                items.push(Vec::new());
                continue;
            }
            b'\\' => octets
                .next()
                .copied()
                .filter(|octet| matches!(octet, b',' | b'\\'))
                .ok_or("is a list: a backslash stands before a comma or backslash only")?,
            other => other,
        };
        if let Some(item) = items.last_mut() {
            item.push(literal);
        }
    }
    let mut list = Vec::with_capacity(text.len() + 1);
    for item in items {
        let length = u8::try_from(item.len()).ok().filter(|&length| length > 0);
        list.push(length.ok_or("is a list of protocols of 1 to 255 octets each, with commas")?);
        list.extend(item);
    }
    Ok(list)
}

/// What is wrong with a value in wire form, as the end of a sentence.
fn fault_of_value(key: u16, value: &[u8]) -> Option<&'static str> {
    let multiple = |of: usize| !value.is_empty() && value.len().is_multiple_of(of);
    let (is_good, fault) = match key {
        MANDATORY => {
            let (keys, rest) = value.as_chunks::<2>();
            let is_rising = keys.is_sorted_by(|a, b| a < b);
            let names_itself = keys.first() == Some(&[0, 0]);
            let is_good = rest.is_empty() && !keys.is_empty() && is_rising && !names_itself;
            (is_good, "lists other parameters, each once, never itself")
        }
        ALPN => {
            let mut rest = value;
            while let Some((&length, after)) = rest.split_first()
                && length > 0
                && let Some(after) = after.get(usize::from(length)..)
            {
                rest = after;
            }
            let is_good = rest.is_empty() && !value.is_empty();
            (is_good, "is a list of protocols of 1 to 255 octets each")
        }
        NO_DEFAULT_ALPN | OHTTP => (value.is_empty(), "has no value"),
        PORT => (value.len() == 2, "is a number of two octets"),
        IPV4_HINT => (multiple(4), "is a list of IPv4 addresses"),
        IPV6_HINT => (multiple(16), "is a list of IPv6 addresses"),
        ECH => (!value.is_empty(), "has a value in Base64"),
        DOH_PATH => (is_template(value), "is a path such as /dns-query{?dns}"),
        INVALID => (false, "is reserved"),
        _ => (true, ""),
    };
    (!is_good).then_some(fault)
}

/// A path with the variable `dns` (RFC 9461 section 5).
fn is_template(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    let mut variables = text.split('{').skip(1).flat_map(|rest| {
        let expression = rest.split('}').next().unwrap_or_default();
        let operators = ['+', '#', '.', '/', ';', '?', '&'];
        expression.trim_start_matches(operators).split(',')
    });
    text.starts_with('/') && variables.any(|variable| variable == "dns")
}

/// What is wrong with parameters in wire form.
pub(super) fn fault_of(octets: &[u8]) -> Option<String> {
    let mut keys: Vec<u16> = Vec::new();
    let mut mandatory: &[u8] = &[];
    let mut rest = octets;
    while !rest.is_empty() {
        let cut = "a parameter is cut off".to_owned();
        let Some((&[a, b, c, d], after)) = rest.split_first_chunk() else {
            return Some(cut);
        };
        let key = u16::from_be_bytes([a, b]);
        let length = usize::from(u16::from_be_bytes([c, d]));
        let Some((value, after)) = after.split_at_checked(length) else {
            return Some(cut);
        };
        if keys.last().is_some_and(|&last| last >= key) {
            return Some("its parameters do not rise".to_owned());
        }
        if let Some(fault) = fault_of_value(key, value) {
            return Some(format!("'{}' {fault}", key_text(key)));
        }
        if key == MANDATORY {
            mandatory = value;
        }
        keys.push(key);
        rest = after;
    }
    if keys.contains(&NO_DEFAULT_ALPN) && !keys.contains(&ALPN) {
        return Some("'no-default-alpn' needs 'alpn' beside it".to_owned());
    }
    let (wanted, _) = mandatory.as_chunks::<2>();
    let mut wanted = wanted.iter().map(|key| u16::from_be_bytes(*key));
    let missing = wanted.find(|key| keys.binary_search(key).is_err())?;
    let name = key_text(missing);
    Some(format!("'{name}' is mandatory and is not given"))
}
