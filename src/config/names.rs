//! Names that operators choose: of targets, monitors, services and vantages, and domain names.
//!
//! Domain names follow RFC 1035 section 2.3.4 (labels of 1 to 63 octets, 253 in all) and the
//! letters-digits-hyphen rule, with underscores.

use super::document::{Document, Field, shown};
use crate::model::DnsName;
use std::collections::BTreeMap;

/// The longest name of a target, monitor, service or vantage.
const MAX_NAME: usize = 64;

/// Says what is wrong with the name of a target, monitor, service or vantage.
pub(super) fn name_error(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a name cannot be empty".to_owned());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let wrong = name.chars().find(|&c| !allowed(c));
    if let Some(wrong) = wrong {
        let (name, wrong) = (shown(name), wrong.escape_debug());
        return Some(format!(
            "'{wrong}' cannot be part of the name '{name}': use letters, digits, '-', '_' and '.'"
        ));
    }
    (name.len() > MAX_NAME).then(|| {
        let name = shown(name);
        format!("the name '{name}' is longer than {MAX_NAME} characters: shorten it")
    })
}

/// Reads a domain name: lower case, without the dot at its end; the root is `"."`.
pub(super) fn dns_name(text: &str) -> Result<DnsName, String> {
    let word = shown(text);
    let wrong = |why: &str| Err(format!("'{word}' is no domain name: {why}"));
    if text == "." {
        return Ok(DnsName::from("."));
    }
    if !text.is_ascii() {
        return wrong("write it in its ASCII form, which begins with xn--");
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.is_empty() {
        return wrong("it is empty");
    }
    if name.len() > 253 {
        return wrong("it is longer than 253 characters");
    }
    for label in name.split('.') {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if label.is_empty() {
            return wrong("two dots stand together or one leads");
        } else if label.len() > 63 {
            return wrong("a label is longer than 63 characters");
        } else if label == "*" {
            return wrong("'*' stands for names only as the first label of a service's name");
        } else if !label.bytes().all(allowed) {
            return wrong("use letters, digits, '-', '_' and dots");
        } else if label.starts_with('-') || label.ends_with('-') {
            return wrong("a label cannot begin or end with '-'");
        }
    }
    Ok(DnsName::from(name))
}

/// Reads a service's name: a domain name, or a wildcard, whose first label is `*`.
pub(super) fn owner_name(text: &str) -> Result<DnsName, String> {
    let Some(below) = text.strip_prefix("*.") else {
        return dns_name(text);
    };
    let word = shown(text);
    let named = |error: String| match error.split_once(" is no domain name: ") {
        Some((_, why)) => format!("'{word}' is no domain name: {why}"),
        None => error,
    };
    let below = dns_name(below).map_err(named)?;
    match below.as_str() {
        "." => Err(format!(
            "'{word}' is no name of a service: it would be every name there is"
        )),
        below if below.len() > 251 => Err(format!(
            "'{word}' is no domain name: it is longer than 253 characters"
        )),
        below => Ok(DnsName::from(format!("*.{below}"))),
    }
}

/// Names of one kind and where they were first written.
pub(super) struct Seen<'t> {
    what: &'static str,
    places: BTreeMap<&'t str, usize>,
}

impl<'t> Seen<'t> {
    /// `what` names the kind in messages: `target`.
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            places: BTreeMap::new(),
        }
    }

    /// Takes a name; reports a malformed one and one that was taken before.
    pub(super) fn take(&mut self, doc: &Document<'t>, name: Field<&'t str>) {
        if let Some(error) = name_error(name.value) {
            doc.error(name.at, error);
        }
        match self.places.get(name.value) {
            Some(&first) => {
                let (what, word, line) = (self.what, shown(name.value), doc.line(first));
                doc.error(
                    name.at,
                    format!(
                        "{what} '{word}' is there already, on line {line}: choose another name"
                    ),
                );
            }
            None => {
                self.places.insert(name.value, name.at);
            }
        }
    }

    /// Takes a member of a list; reports it where it is in the list already.
    pub(super) fn take_member(&mut self, doc: &Document<'t>, member: Field<&'t str>) -> bool {
        let fresh = self.places.insert(member.value, member.at).is_none();
        if !fresh {
            let (what, word) = (self.what, shown(member.value));
            doc.error(
                member.at,
                format!("{what} '{word}' is listed twice: remove one"),
            );
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_names_are_read_in_lower_case_without_the_last_dot() {
        for (text, name) in [
            ("WWW.Example.com.", "www.example.com"),
            ("_sip._tcp.example.com", "_sip._tcp.example.com"),
            ("localhost", "localhost"),
            (".", "."),
        ] {
            assert_eq!(dns_name(text), Ok(DnsName::from(name)));
        }
    }

    #[test]
    fn a_wildcard_is_the_whole_first_label_of_a_services_name() {
        let long = |last: usize| format!("{0}.{0}.{0}.{1}", "a".repeat(63), "a".repeat(last));
        for (text, name) in [
            ("*.Example.com.", Some("*.example.com")),
            ("www.example.com", Some("www.example.com")),
            ("*", None),
            ("*.", None),
            ("**.example.com", None),
            ("a*.example.com", None),
            ("www.*.example.com", None),
            ("*.*.example.com", None),
            (&format!("*.{}", long(59)), Some(&format!("*.{}", long(59)))),
            (&format!("*.{}", long(60)), None),
        ] {
            assert_eq!(owner_name(text).ok(), name.map(DnsName::from), "{text}");
        }
        assert!(dns_name("*.example.com").is_err(), "of services only");
    }

    #[test]
    fn names_have_bounds() {
        let label = |length: usize| "a".repeat(length);
        let long = |last: usize| format!("{0}.{0}.{0}.{1}", label(63), label(last));
        for (text, fits) in [
            (label(63), true),
            (label(64), false),
            (long(61), true),
            (long(61) + ".", true),
            (long(62), false),
            (String::new(), false),
            ("..".to_owned(), false),
            (".example.com".to_owned(), false),
            ("example.com..".to_owned(), false),
            ("a-.example.com".to_owned(), false),
        ] {
            assert_eq!(dns_name(&text).is_ok(), fits, "{text}");
        }
        for (text, fits) in [
            (label(64), true),
            (label(65), false),
            ("a@b".to_owned(), false),
        ] {
            assert_eq!(name_error(&text).is_none(), fits, "{text}");
        }
    }
}
