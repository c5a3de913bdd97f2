//! From a DNS message to a DNS message: everything about an answer that is not its records.
//!
//! Which queries are answered at all, and with which code: odd ones (RFC 8906), EDNS versions
//! and options (RFC 6891), class CH, NOTIFY and UPDATE, transfers, TSIG with keys that nobody has
//! (RFC 8945 section 5.2.1). `query` reads, `answer` knows records, `message` writes. Contract:
//! takes no lock, waits for nothing and counts nothing; 12 octets and more with QR=0 get a reply,
//! all else none; an error carries only question, OPT and TSIG. Never panics, whatever the octets.

mod chaos;
pub(super) mod cookie;
pub(super) mod message;
pub(super) mod options;
pub(super) mod query;
pub(super) mod reply;

use super::{
    answer::{Answer, answer},
    state::{DnsState, Publisher},
};
use chaos::chaos;
use hickory_proto::{
    op::{OpCode, ResponseCode},
    rr::{DNSClass, Name, RecordType},
};
use message::Draft;
use options::{CookieIs, Options, Told};
use query::{Query, Question};
use reply::{Asker, Reply, Transport};

/// Answers queries from what a `Publisher` publishes.
#[derive(Clone, Debug)]
pub struct Handler {
    publisher: Publisher,
}

impl Handler {
    /// Answers from what `publisher` publishes.
    pub fn new(publisher: Publisher) -> Self {
        Self { publisher }
    }

    /// The reply to one message of `asker` at `now_secs` (Unix time, s); `None` where none is
    /// due: to replies, to scraps of less than 12 octets, and to port 0, which cannot be answered.
    ///
    /// The whole server for one message: does no I/O, counts nothing, never panics.
    pub fn handle(&self, octets: &[u8], asker: &Asker, now_secs: u32) -> Option<Reply> {
        let query = Query::read(octets)?;
        if query.is_reply() || asker.source.port() == 0 {
            return None;
        }
        let state = self.publisher.borrowed();
        let idle_ms = self.publisher.idle_ms(&state);
        let told = told(&query, &state, idle_ms, asker, now_secs);
        let answer = judged(&query, &state, told.as_ref());
        // What the body of an opcode means that we do not know is not known either.
        let question = query.question.as_ref();
        let is_badkey = answer.rcode == ResponseCode::NotAuth;
        let told = told.unwrap_or_default();
        let mut draft = Draft {
            header: query.header,
            question: question.filter(|_| is_known(query.opcode())),
            answer,
            edns: query.edns,
            options: &told.octets,
            signature: query.signature.as_ref().filter(|_| is_badkey),
            truncated: false,
        };
        let written = draft.fit(asker.transport == Transport::Udp);
        let mut reply = Reply::new(written, draft.answer.rcode, draft.truncated);
        reply.has_valid_cookie = told.cookie == CookieIs::Valid;
        reply.keepalive_asked = told.has_keepalive;
        Some(reply)
    }
}

/// The opcodes whose messages have a question (RFC 1035, 1996, 2136).
fn is_known(opcode: OpCode) -> bool {
    matches!(opcode, OpCode::Query | OpCode::Notify | OpCode::Update)
}

/// What is told in EDNS options; `None` where those of the query are malformed. Options of
/// another version, or of a message that is none, mean nothing.
fn told(
    query: &Query<'_>,
    state: &DnsState,
    idle_ms: i64,
    asker: &Asker,
    now_secs: u32,
) -> Option<Told> {
    match query.edns {
        Some(edns) if edns.version == 0 && !query.is_malformed && is_known(query.opcode()) => {
            let options = Options::read(edns.options)?;
            Told::of(&options, &state.settings, idle_ms, asker, now_secs)
        }
        _ => Some(Told::default()),
    }
}

/// The answer to a message: first what is wrong with it, the outermost first.
fn judged(query: &Query<'_>, state: &DnsState, told: Option<&Told>) -> Answer {
    let is_newer = query.edns.is_some_and(|edns| edns.version > 0);
    let rcode = match (query.opcode(), query.questions()) {
        // What follows the header of an unknown opcode cannot be malformed.
        (opcode, _) if !is_known(opcode) && (query.is_malformed || !is_newer) => {
            ResponseCode::NotImp
        }
        _ if query.is_malformed => ResponseCode::FormErr,
        _ if is_newer => ResponseCode::BADVERS,
        (opcode, questions) => match (told, &query.question) {
            (None, _) => ResponseCode::FormErr,
            // No key is known (RFC 8945 section 5.2.1).
            _ if query.signature.is_some() => ResponseCode::NotAuth,
            (Some(told), None) if opcode == OpCode::Query && questions == 0 => {
                asked_for_cookie(told.cookie)
            }
            // Several questions in one message have no meaning (RFC 9619).
            (_, None) => ResponseCode::FormErr,
            (_, Some(question)) if opcode == OpCode::Query => return asked(state, question),
            (_, Some(question)) => change(state, question),
        },
    };
    Answer::of(rcode)
}

/// The code for a query without a question, which may ask for a cookie (RFC 7873 section 5.4).
fn asked_for_cookie(cookie: CookieIs) -> ResponseCode {
    match cookie {
        CookieIs::None => ResponseCode::FormErr,
        CookieIs::Invalid => ResponseCode::BADCOOKIE,
        CookieIs::New | CookieIs::Valid => ResponseCode::NoError,
    }
}

/// The answer to a question.
fn asked(state: &DnsState, question: &Question<'_>) -> Answer {
    match (question.class, question.kind) {
        (DNSClass::IN, RecordType::AXFR | RecordType::IXFR) => {
            Answer::of(of_zone(state, &question.name))
        }
        (DNSClass::IN, kind) => answer(&state.zones, &state.table, &question.name, kind),
        (DNSClass::CH, _) => chaos(&state.settings, question),
        _ => Answer::of(ResponseCode::Refused),
    }
}

/// The code for NOTIFY and UPDATE, whose question is a zone (RFC 1996 section 3.7, RFC 2136
/// section 3.1.1).
fn change(state: &DnsState, zone: &Question<'_>) -> ResponseCode {
    match (zone.class, zone.kind) {
        (DNSClass::IN, RecordType::SOA) => of_zone(state, &zone.name),
        (_, RecordType::SOA) => ResponseCode::NotAuth,
        _ => ResponseCode::FormErr,
    }
}

/// The code for whoever wants to have or to change a zone as a whole, which nobody may: REFUSED
/// where it is ours, NOTAUTH where it is not (RFC 5936 section 2.2.1, RFC 2136 section 3.1.2).
fn of_zone(state: &DnsState, apex: &Name) -> ResponseCode {
    let soa = answer(&state.zones, &state.table, apex, RecordType::SOA);
    let is_ours = soa
        .answers
        .first()
        .is_some_and(|first| first.record_type() == RecordType::SOA && first.name == *apex);
    if is_ours {
        ResponseCode::Refused
    } else {
        ResponseCode::NotAuth
    }
}
