//! From a DNS message to a DNS message: everything about an answer that is not its records.
//!
//! EDNS (RFC 6891), sizes and truncation (RFC 2181 section 9, RFC 9715), header bits (RFC 1035
//! section 4.1.1, RFC 4035 section 3.1.6), odd queries (RFC 8906), TSIG with keys that nobody
//! has (RFC 8945 section 5.2.1). Records come from `answer`. Contract: takes no lock and waits
//! for nothing; 12 octets and more with QR=0 get a reply, all else none; an error carries no
//! records and is no larger than its query; a UDP message has at most 1232 octets, 512 without
//! EDNS. Never panics, whatever the octets.

use super::{
    answer::{Answer, answer},
    counters::{Answered, Dropped},
    state::Publisher,
};
use hickory_server::{
    net::{runtime::Time, xfer::Protocol},
    proto::{
        op::{Edns, Header, HeaderCounts, MessageType, Metadata, OpCode, ResponseCode},
        rr::{
            DNSClass, RData, Record,
            rdata::{TSIG, tsig::TsigError},
        },
        serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder},
    },
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    zone_handler::{MessageResponse, MessageResponseBuilder, Queries},
};
use std::{iter, net::SocketAddr, slice};

/// The largest UDP message that is not fragmented on any path worth having (RFC 9715).
const MAX_UDP_OCTETS: u16 = 1_232;
/// Without EDNS (RFC 1035 section 2.3.4).
const PLAIN_UDP_OCTETS: u16 = 512;

/// Who asks, and by which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Where the message came from.
    pub source: SocketAddr,
    /// How it came.
    pub transport: Transport,
}

/// How a message comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram each (RFC 1035 section 4.2.1).
    Udp,
    /// A stream (RFC 7766).
    Tcp,
}

/// What a message is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The message to send; without the two octets of its length, over TCP.
    pub octets: Vec<u8>,
    /// Its response code, that of the OPT record included (RFC 6891 section 6.1.3).
    pub rcode: ResponseCode,
    /// Whether TC is set: the client is to come back over TCP.
    pub truncated: bool,
    /// Whether the client showed a server cookie that is valid: its address is not forged.
    pub has_valid_cookie: bool,
    /// Whether the client asked how long its connection is kept (RFC 7828), and was told.
    pub keepalive_asked: bool,
}

type Records<'a> = slice::Iter<'a, Record>;
type Response<'q, 'a> =
    MessageResponse<'q, 'a, Records<'a>, Records<'a>, iter::Empty<&'a Record>, Records<'a>>;

/// Answers queries from what a `Publisher` publishes.
#[derive(Clone, Debug)]
pub struct Handler {
    publisher: Publisher,
}

impl Handler {
    /// Answers from what `publisher` publishes, and counts there.
    pub fn new(publisher: Publisher) -> Self {
        Self { publisher }
    }

    /// The reply to one message of `asker` at `now_secs` (Unix time, s); `None` where none is
    /// due: to replies, to scraps of less than 12 octets, and to port 0, which cannot be answered.
    ///
    /// The whole server for one message: does no I/O, counts nothing, never panics.
    pub fn handle(&self, octets: &[u8], asker: &Asker, now_secs: u32) -> Option<Reply> {
        let _ = now_secs;
        let header = Header::read(&mut BinDecoder::new(octets)).ok()?;
        if header.message_type != MessageType::Query || asker.source.port() == 0 {
            return None;
        }
        let protocol = match asker.transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        };
        let (metadata, octets) = match Request::from_bytes(octets.to_vec(), asker.source, protocol)
        {
            Ok(request) => {
                let none = no_questions();
                let mut draft = Draft::new(&request, none.as_ref(), self.answer(&request));
                let reply = draft.shrink(&request);
                (draft.metadata, reply)
            }
            Err(_) => unreadable(&header),
        };
        Some(Reply {
            octets,
            rcode: metadata.response_code,
            truncated: metadata.truncation,
            has_valid_cookie: false,
            keepalive_asked: false,
        })
    }

    fn answer(&self, request: &Request) -> Answer {
        if request.version() > 0 {
            return Answer::of(ResponseCode::BADVERS);
        }
        if signature_of(request).is_some() {
            return Answer::of(ResponseCode::NotAuth);
        }
        if request.metadata.op_code != OpCode::Query {
            return Answer::of(ResponseCode::NotImp);
        }
        match request.queries.queries() {
            [query] if query.query_class() == DNSClass::IN => {
                let state = self.publisher.borrowed();
                let name = query.original().name();
                answer(&state.zones, &state.table, name, query.query_type())
            }
            [_] => Answer::of(ResponseCode::Refused),
            _ => Answer::of(ResponseCode::FormErr),
        }
    }
}

/// The reply to a message whose header alone can be read: a header.
fn unreadable(header: &Header) -> (Metadata, Vec<u8>) {
    let mut metadata = Metadata::response_from_request(&header.metadata);
    metadata.checking_disabled = false;
    // What follows the header of an unknown opcode is unknown, so it cannot be malformed.
    metadata.response_code = match header.op_code {
        OpCode::Query => ResponseCode::FormErr,
        _ => ResponseCode::NotImp,
    };
    let counts = HeaderCounts::default();
    let mut octets = Vec::with_capacity(12);
    let emitted = Header { metadata, counts }.emit(&mut BinEncoder::new(&mut octets));
    debug_assert!(emitted.is_ok(), "a header always fits");
    (metadata, octets)
}

/// The TSIG record of a query, which is its last (RFC 8945 section 5.1). hickory leaves it among
/// the additional records unless it is built to verify it.
fn signature_of(request: &Request) -> Option<Record<TSIG>> {
    let last = request.additionals.last()?.clone();
    last.map(|data| match data {
        RData::TSIG(signature) => Some(signature),
        _ => None,
    })
}

/// A message before it is encoded.
struct Draft<'r> {
    queries: &'r Queries,
    metadata: Metadata,
    edns: Option<Edns>,
    signature: Option<Box<Record<TSIG>>>,
    answer: Answer,
}

impl<'r> Draft<'r> {
    fn new(request: &'r Request, none: Option<&'r Queries>, answer: Answer) -> Self {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.checking_disabled = false;
        metadata.authoritative = answer.aa;
        metadata.response_code = answer.rcode;
        // What the body of a message with another opcode means is unknown: nothing is echoed.
        let queries = match (none, request.metadata.op_code) {
            (_, OpCode::Query) | (None, _) => &request.queries,
            (Some(none), _) => none,
        };
        // Our own size and version, never the client's; unknown options are not echoed.
        let edns = request.edns.as_ref().map(|asked| {
            let mut edns = Edns::new();
            edns.set_max_payload(MAX_UDP_OCTETS);
            edns.set_version(0);
            edns.set_dnssec_ok(asked.flags().dnssec_ok);
            edns
        });
        let signature = signature_of(request).map(|mut unknown_key| {
            unknown_key.data.mac.clear();
            unknown_key.data.other.clear();
            unknown_key.data.error = Some(TsigError::BadKey);
            Box::new(unknown_key)
        });
        Self {
            queries,
            metadata,
            edns,
            signature,
            answer,
        }
    }

    fn response(&self) -> Response<'_, '_> {
        let builder = MessageResponseBuilder::new(self.queries, self.edns.as_ref());
        let mut response = builder.build(
            self.metadata,
            &self.answer.answers,
            &self.answer.authority,
            iter::empty(),
            &self.answer.additional,
        );
        if let Some(signature) = &self.signature {
            response.set_signature(signature.clone());
        }
        response
    }

    /// The message, where it fits whole.
    fn encoded(&self, limit: u16) -> Option<Vec<u8>> {
        let mut octets = Vec::with_capacity(usize::from(PLAIN_UDP_OCTETS));
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(limit);
        // hickory cuts what is too long and sets TC; ours drops whole sections and keeps OPT.
        let header = self.response().destructive_emit(&mut encoder).ok()?;
        (header.truncation == self.metadata.truncation).then_some(octets)
    }

    /// Makes it fit: first without addresses that are merely helpful, then without any record,
    /// and over UDP with TC, so that the client comes back over TCP. The encoded message.
    fn shrink(&mut self, request: &Request) -> Vec<u8> {
        let is_udp = request.protocol() == Protocol::Udp;
        let limit = match (is_udp, &self.edns) {
            (true, Some(_)) => request.max_payload().min(MAX_UDP_OCTETS),
            (true, None) => PLAIN_UDP_OCTETS,
            (false, _) => u16::MAX,
        };
        if let Some(whole) = self.encoded(limit) {
            return whole;
        }
        if self.answer.aa && !self.answer.additional.is_empty() {
            self.answer.additional.clear();
            if let Some(without) = self.encoded(limit) {
                return without;
            }
        }
        if is_udp {
            self.metadata.truncation = true;
        } else {
            // Nothing carries more than TCP does.
            self.metadata.authoritative = false;
            self.metadata.response_code = ResponseCode::ServFail;
        }
        self.answer = Answer::default();
        self.encoded(u16::MAX).unwrap_or_default()
    }
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut out: R,
    ) -> ResponseInfo {
        let counters = self.publisher.counters().tcp();
        counters.received(1);
        let none = no_questions();
        let mut draft = Draft::new(request, none.as_ref(), self.answer(request));
        draft.shrink(request);
        let sent = out.send_response(draft.response()).await;
        let metadata = draft.metadata;
        match sent {
            Ok(sent) => {
                counters.answered(Answered {
                    rcode: metadata.response_code,
                    truncated: metadata.truncation,
                    slipped: false,
                    fast: false,
                });
                sent
            }
            Err(error) => {
                tracing::debug!(%error, "an answer could not be sent");
                counters.dropped(Dropped::Unsent);
                let counts = HeaderCounts::default();
                ResponseInfo::from(Header { metadata, counts })
            }
        }
    }
}

fn no_questions() -> Option<Queries> {
    Queries::read(&mut BinDecoder::new(&[]), 0).ok()
}
