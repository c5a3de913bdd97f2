//! The settings of dns monitors: the question and what its answer must be.
//!
//! Knows how questions are written, not how they are asked.

use super::{
    document::{Document, Field, shown},
    http::expect_table,
    names::dns_name,
    table::Table,
    v1,
};
use crate::model::{DnsExpect, DnsProbe};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Reads the keys of a dns monitor.
pub(super) fn dns(table: &Table<'_>, port: u16) -> DnsProbe {
    let question = table.needed_text("question", "a dns monitor");
    let kind = question.and_then(|text| kind(table.doc, text));
    DnsProbe {
        port,
        question: question.map_or("", |text| text.value).to_owned(),
        expect: expect(table, kind.as_deref()),
    }
}

/// The type that a question asks for; reports what is wrong with the question.
fn kind(doc: &Document<'_>, text: Field<&str>) -> Option<String> {
    let mut words = text.value.split_whitespace();
    let (Some(name), kind, None) = (words.next(), words.next(), words.next()) else {
        let word = shown(text.value);
        doc.error(
            text.at,
            format!("'{word}' is no question: write a name and a type, \"www.example.com A\""),
        );
        return None;
    };
    if let Err(error) = dns_name(name) {
        doc.error(text.at, error);
    }
    let kind = kind.unwrap_or("A").to_ascii_uppercase();
    let by_number = kind.strip_prefix("TYPE").map(str::parse::<u16>);
    let is_known = DnsProbe::TYPES.contains(&&*kind) || matches!(by_number, Some(Ok(1..)));
    if matches!(&*kind, "AXFR" | "IXFR" | "TYPE251" | "TYPE252") {
        let message = format!("{kind} transfers a zone: ask for its SOA instead");
        doc.error(text.at, message);
    } else if !is_known {
        let word = Field {
            value: &*kind,
            at: text.at,
        };
        doc.unknown("record type", word, DnsProbe::TYPES, || {
            ": write one such as A, AAAA or MX, or its number, such as TYPE65".to_owned()
        });
    }
    is_known.then_some(kind)
}

fn expect(table: &Table<'_>, kind: Option<&str>) -> DnsExpect {
    let Some(expect) = expect_table(table, "{ rcode = \"NOERROR\" }") else {
        return DnsExpect::default();
    };
    let expect = Table::open(table.doc, expect, "`expect`", &[v1::DNS_EXPECT]);
    let answer = expect.text("answer");
    if let Some(answer) = answer {
        self::answer(table.doc, answer, kind);
    }
    DnsExpect {
        rcode: expect
            .word("rcode", &DnsExpect::RCODES.map(|word| (word, word)))
            .map(str::to_owned),
        answer: answer.map(|text| text.value.to_owned()),
    }
}

/// Reports an expected record that no answer can hold. Of the types that are not told apart
/// here, the probe says what is wrong.
fn answer(doc: &Document<'_>, text: Field<&str>, kind: Option<&str>) {
    let word = shown(text.value);
    let written = text.value.trim();
    if written.is_empty() {
        let message = "`answer` is empty: write what a record must hold, or leave it out";
        doc.error(text.at, message);
    } else if kind == Some("A") && written.parse::<Ipv4Addr>().is_err() {
        let message = format!("'{word}' is no IPv4 address, and the question is for A");
        doc.error(text.at, message);
    } else if kind == Some("AAAA") && written.parse::<Ipv6Addr>().is_err() {
        let message = format!("'{word}' is no IPv6 address, and the question is for AAAA");
        doc.error(text.at, message);
    }
}
