//! Class CH: which server this is, for operators (RFC 4892).

use super::query::Question;
use crate::dns::{answer::Answer, settings::Settings};
use hickory_proto::{
    op::ResponseCode,
    rr::{DNSClass, Name, RData, Record, RecordType, rdata::TXT},
};

/// Answers a question of class CH: TXT at one of four names where the configuration tells it.
/// There is no zone: nothing else is known, and nothing is denied with authority.
pub(super) fn chaos(settings: &Settings, question: &Question<'_>) -> Answer {
    let name = question.name.to_lowercase();
    let labels: Vec<&[u8]> = name.iter().collect();
    let told = match labels[..] {
        [b"id", b"server"] | [b"hostname", b"bind"] => &settings.identity,
        [b"version", b"server" | b"bind"] => &settings.version,
        _ => &None,
    };
    let (Some(text), RecordType::TXT) = (told, question.kind) else {
        return Answer::of(ResponseCode::Refused);
    };
    Answer {
        answers: vec![record(question.name.clone(), text)],
        ..Answer::default()
    }
}

fn record(name: Name, text: &[u8]) -> Record {
    // It is about the server that was reached now: the next may be another (RFC 4892 section 2).
    let mut record = Record::from_rdata(name, 0, RData::TXT(TXT::from_bytes(vec![text])));
    record.dns_class = DNSClass::CH;
    record
}
