//! Zone files: no text makes the loader panic or run away, and a zone that it takes is answered.
//!
//! The input is the zone's file and the files it includes (`1.inc`, `2.inc`, …), with lines of
//! `%%` between.
#![no_main]

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RecordType},
};
use libfuzzer_sys::fuzz_target;
use sidestep_fuzz::{
    reply::judge,
    world::{NOW_SECS, SECOND, asker, load, server},
};

const KINDS: [RecordType; 9] = [
    RecordType::A,
    RecordType::NS,
    RecordType::SOA,
    RecordType::MX,
    RecordType::TXT,
    RecordType::DS,
    RecordType::HTTPS,
    RecordType::CNAME,
    RecordType::ANY,
];

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    // Long series are right, and slow here.
    let is_series = text.to_ascii_uppercase().contains("$GENERATE");
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    if is_series && numbers.any(|number| number.len() > 3) {
        return;
    }
    let mut texts = text.split("\n%%\n");
    let zone = texts.next().unwrap_or_default();
    let names: Vec<_> = (1..10).map(|number| format!("{number}.inc")).collect();
    let files: Vec<_> = names.iter().map(String::as_str).zip(texts).collect();
    let loaded = load(&[("example.com", zone), ("second.test", SECOND)], &files);
    for warning in &loaded.warnings {
        assert!(!warning.to_string().is_empty());
    }
    let zones = match loaded.zones {
        Ok(zones) => zones,
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            for error in errors {
                assert!(
                    error.to_string().len() < 3_000,
                    "a message is no copy of the file"
                );
            }
            return;
        }
    };
    let world = server(zones);
    let origin = Name::from_ascii("example.com.").expect("a name");
    let mut words: Vec<_> = text.split_ascii_whitespace().take(400).collect();
    words.dedup();
    for word in words.into_iter().take(60) {
        let Ok(name) = Name::parse(word, Some(&origin)) else {
            continue;
        };
        for (how, kind) in (0..).zip(KINDS) {
            let mut message = Message::new(1, MessageType::Query, OpCode::Query);
            message.add_query(Query::query(name.clone(), kind));
            let Ok(query) = message.to_vec() else {
                continue;
            };
            let asker = asker(how & 1);
            let reply = world.handler.handle(&query, &asker, NOW_SECS);
            judge(&query, &asker, reply.as_ref());
        }
    }
});
