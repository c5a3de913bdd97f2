//! What a `dns` monitor asks, and what of an answer is as expected.
//!
//! Made once from the configuration; knows messages, not how they travel. (RFC 1035 section 3,
//! RFC 3597)

use crate::model::DnsProbe;
use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{
        DNSClass, Name, RData, RecordType,
        rdata::{A, AAAA, CNAME, MX, NS, PTR, SRV},
    },
};
use std::str::FromStr;

const RCODES: [(&str, ResponseCode); 7] = [
    ("NOERROR", ResponseCode::NoError),
    ("FORMERR", ResponseCode::FormErr),
    ("SERVFAIL", ResponseCode::ServFail),
    ("NXDOMAIN", ResponseCode::NXDomain),
    ("NOTIMP", ResponseCode::NotImp),
    ("REFUSED", ResponseCode::Refused),
    ("NOTAUTH", ResponseCode::NotAuth),
];

/// A DNS monitor made ready to run.
#[derive(Clone, Debug)]
pub(in crate::probe) struct Order {
    port: u16,
    pub(super) question: Query,
    rcode: ResponseCode,
    answer: Option<Expected>,
}

/// A record that must be among the answers.
#[derive(Clone, Debug)]
struct Expected {
    written: String,
    rdata: Rdata,
}

#[derive(Clone, Debug)]
enum Rdata {
    /// Its fields; names in any case are the same (RFC 4343).
    Fields(RData),
    /// The text of a TXT record, its strings joined.
    Text(Vec<u8>),
}

impl Order {
    /// # Errors
    /// What of the monitor cannot be used, in words.
    pub(in crate::probe) fn of(order: &DnsProbe) -> Result<Self, String> {
        let mut words = order.question.split_whitespace();
        let (name, kind) = (words.next().unwrap_or_default(), words.next());
        let wrong = |why: &str| Err(format!("question '{}': {why}", order.question));
        if words.next().is_some() {
            return wrong("write a name and a type, \"www.example.com A\"");
        }
        let Some(name) = absolute(name) else {
            return wrong("its name is none");
        };
        let Some(kind) = record_type(kind.unwrap_or("A")) else {
            return wrong("its type is not known");
        };
        let rcode = order.expect.rcode.as_deref().unwrap_or("NOERROR");
        let Some(&(_, rcode)) = RCODES.iter().find(|(word, _)| *word == rcode) else {
            return Err(format!("expect.rcode '{rcode}' is not known"));
        };
        let answer = match &order.expect.answer {
            Some(text) => Some(Expected {
                rdata: rdata(kind, text).map_err(|why| format!("expect.answer '{text}' {why}"))?,
                written: text.clone(),
            }),
            None => None,
        };
        Ok(Self {
            port: order.port,
            question: Query::query(name, kind),
            rcode,
            answer,
        })
    }

    /// The port where the address has none of its own.
    pub(in crate::probe) fn port(&self) -> u16 {
        self.port
    }

    /// Why `answer` is not as expected; `None` where it is.
    pub(super) fn objection(&self, answer: &Message) -> Option<String> {
        let rcode = answer.metadata.response_code;
        if rcode != self.rcode {
            let (got, wanted) = (rcode_text(rcode), rcode_text(self.rcode));
            return Some(format!("{got} instead of {wanted}"));
        }
        let expected = self.answer.as_ref()?;
        let is_there = answer
            .answers
            .iter()
            .any(|record| record.dns_class == DNSClass::IN && expected.rdata.is(&record.data));
        (!is_there).then(|| format!("'{}' is not among the answers", expected.written))
    }
}

impl Rdata {
    fn is(&self, data: &RData) -> bool {
        match (self, data) {
            (Self::Text(text), RData::TXT(txt)) => txt.txt_data.concat() == *text,
            (Self::Fields(fields), data) => fields == data,
            (Self::Text(_), _) => false,
        }
    }
}

/// A name, whether or not it is written with the dot at its end.
fn absolute(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok().filter(|_| !text.is_empty())?;
    name.set_fqdn(true);
    Some(name)
}

/// A type's mnemonic, or `TYPE65280` (RFC 3597 section 5).
fn record_type(text: &str) -> Option<RecordType> {
    let upper = text.to_ascii_uppercase();
    match upper.strip_prefix("TYPE").map(u16::from_str) {
        Some(number) => number.ok().map(RecordType::from),
        None => RecordType::from_str(&upper).ok(),
    }
}

pub(super) fn type_text(kind: RecordType) -> String {
    match kind {
        RecordType::Unknown(code) => format!("TYPE{code}"),
        known => known.to_string(),
    }
}

/// Reads what a record of this type holds, as a zone file has it; names are absolute.
fn rdata(kind: RecordType, text: &str) -> Result<Rdata, &'static str> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let number = |text: &str| text.parse::<u16>().ok();
    let data = match (kind, &fields[..]) {
        (RecordType::TXT, _) => return Ok(Rdata::Text(strings(text))),
        (RecordType::A, [ip]) => ip.parse().ok().map(|ip| RData::A(A(ip))),
        (RecordType::AAAA, [ip]) => ip.parse().ok().map(|ip| RData::AAAA(AAAA(ip))),
        (RecordType::CNAME, [name]) => absolute(name).map(|name| RData::CNAME(CNAME(name))),
        (RecordType::NS, [name]) => absolute(name).map(|name| RData::NS(NS(name))),
        (RecordType::PTR, [name]) => absolute(name).map(|name| RData::PTR(PTR(name))),
        (RecordType::MX, [preference, name]) => number(preference)
            .zip(absolute(name))
            .map(|(preference, name)| RData::MX(MX::new(preference, name))),
        (RecordType::SRV, [priority, weight, port, name]) => number(priority)
            .zip(number(weight))
            .zip(number(port).zip(absolute(name)))
            .map(|((priority, weight), (port, name))| {
                RData::SRV(SRV::new(priority, weight, port, name))
            }),
        _ => None,
    };
    let example = match kind {
        RecordType::A => "is no IPv4 address, and the question is for A",
        RecordType::AAAA => "is no IPv6 address, and the question is for AAAA",
        RecordType::CNAME | RecordType::NS | RecordType::PTR => "is no name",
        RecordType::MX => "is no MX record: write \"10 mail.example.com.\"",
        RecordType::SRV => "is no SRV record: write \"0 5 443 www.example.com.\"",
        _ => {
            "cannot be compared: only A, AAAA, CNAME, MX, NS, PTR, SRV and TXT can; leave `answer` out"
        }
    };
    data.map(Rdata::Fields).ok_or(example)
}

/// The octets of `"one" "two"`, joined, or of a text without quotes, as it is.
fn strings(text: &str) -> Vec<u8> {
    let text = text.trim();
    if !text.starts_with('"') {
        return text.as_bytes().to_vec();
    }
    let (mut octets, mut quoted, mut characters) = (Vec::new(), false, text.chars());
    while let Some(one) = characters.next() {
        let one = match one {
            '"' => {
                quoted = !quoted;
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            one => one,
        };
        if quoted {
            octets.extend(one.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    octets
}

pub(super) fn rcode_text(rcode: ResponseCode) -> String {
    let known = RCODES.iter().find(|(_, known)| *known == rcode);
    match known {
        Some((word, _)) => (*word).to_owned(),
        None => format!("RCODE{}", u16::from(rcode)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DnsExpect;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn order(question: &str, answer: Option<&str>) -> Result<Order, String> {
        Order::of(&DnsProbe {
            port: 53,
            question: question.to_owned(),
            expect: DnsExpect {
                rcode: None,
                answer: answer.map(str::to_owned),
            },
        })
    }

    #[test]
    fn questions_are_absolute_and_ask_for_a() {
        for (text, expected) in [
            ("www.example.com", "www.example.com. A"),
            ("WWW.example.com. aaaa", "WWW.example.com. AAAA"),
            (". NS", ". NS"),
            ("a TYPE65", "a. HTTPS"),
            ("a  TYPE65280", "a. TYPE65280"),
        ] {
            let question = order(text, None).unwrap().question;
            let seen = format!("{} {}", question.name, type_text(question.query_type));
            assert_eq!(seen, expected);
        }
        for text in [
            "",
            "a..b A",
            "a AAA",
            "a A A",
            "a TYPE",
            "a TYPE65536",
            "é A",
        ] {
            assert!(order(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn answers_are_compared_in_their_normal_form() {
        let name = |text: &str| absolute(text).unwrap();
        let (mail, address) = (name("MX.Example.com."), Ipv6Addr::from_str("2001:db8::1"));
        for (question, text, data) in [
            (
                "a MX",
                "10 mx.example.COM",
                RData::MX(MX::new(10, mail.clone())),
            ),
            (
                "a CNAME",
                "mx.example.com.",
                RData::CNAME(CNAME(mail.clone())),
            ),
            ("a NS", " mx.example.com", RData::NS(NS(mail.clone()))),
            ("a PTR", "mx.example.com", RData::PTR(PTR(mail.clone()))),
            (
                "a SRV",
                "0  5 443 mx.example.com",
                RData::SRV(SRV::new(0, 5, 443, mail)),
            ),
            (
                "a AAAA",
                "2001:DB8:0::1",
                RData::AAAA(AAAA(address.unwrap())),
            ),
            ("a TXT", r#""v=spf1 " "-all""#, txt(&["v=spf1", " -all"])),
            ("a TXT", "v=spf1 -all", txt(&["v=spf1 -all"])),
            ("a TXT", r#""say \"a\"""#, txt(&["say \"a\""])),
        ] {
            let expected = order(question, Some(text)).unwrap().answer.unwrap();
            assert!(expected.rdata.is(&data), "{question} {text}: {expected:?}");
            assert!(!expected.rdata.is(&RData::A(A(Ipv4Addr::LOCALHOST))));
        }
        for (question, text) in [
            ("a A", "192.0.2.256"),
            ("a A", "2001:db8::1"),
            ("a AAAA", "192.0.2.1"),
            ("a MX", "mx.example.com"),
            ("a MX", "10"),
            ("a SRV", "0 5 mx.example.com"),
            ("a CNAME", "a..b"),
            ("a SOA", "ns1 hostmaster 1 2 3 4 5"),
            ("a ANY", "192.0.2.1"),
        ] {
            assert!(order(question, Some(text)).is_err(), "{question} {text}");
        }
    }

    fn txt(strings: &[&str]) -> RData {
        let strings = strings.iter().map(|text| text.as_bytes()).collect();
        RData::TXT(hickory_proto::rr::rdata::TXT::from_bytes(strings))
    }

    proptest! {
        #[test]
        fn no_words_make_the_reader_panic(name in r#"(\PC|[a-z.\\0-9*@]){0,30}"#, kind in "[A-Z]{1,4}|MX|SRV|TXT|TYPE[0-9]{0,7}", answer in r#"([0-9]{1,6} ?|[a-z.\\"]{1,9} ?|\PC){0,8}"#) {
            let _ = order(&format!("{name} {kind}"), Some(&answer));
        }
    }
}
