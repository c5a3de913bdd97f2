//! The `dns` probe: one question to the target's own address, and whether the answer is as expected.
//!
//! Over UDP from a port and with an id that nobody can know, the same again at half of the time,
//! over TCP where the answer was cut off. What is no answer to the question is passed over: it
//! may come from somebody else. Follows nothing, resolves nothing, keeps nothing. (RFC 1035
//! section 4.2, RFC 5452, RFC 6891, RFC 7766)

mod order;

pub(super) use order::Order;

use super::{
    Clock,
    outcome::{Outcome, Probed, Trace},
    reason,
};
use crate::model::FailureReason;
use hickory_proto::{
    op::{Edns, Message, Query, ResponseCode},
    serialize::binary::{BinDecodable, BinDecoder},
};
use order::{rcode_text, type_text};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    task::{spawn_blocking, yield_now},
    time::{Instant, sleep_until, timeout_at},
};

/// What an answer over UDP may be long: what passes every network in one piece.
const PAYLOAD: u16 = 1_232;
/// So much of a datagram is taken; servers keep to `PAYLOAD`.
const DATAGRAM: usize = 4_096;
/// The header of a message (RFC 1035 section 4.1.1).
const HEADER: usize = 12;
/// So many records of an answer are shown.
const RECORDS_SHOWN: usize = 8;

/// Asks `address` the question of `order`, until `deadline`.
pub(super) async fn probe(order: &Order, address: SocketAddr, deadline: Instant) -> Probed {
    let clock = Clock::start();
    let mut talk = Talk::new(order, clock);
    let verdict = match talk.message() {
        Ok(message) => timeout_at(deadline, talk.run(&message, address, deadline)).await,
        Err(error) => Ok(Err(error)),
    };
    let mut trace = talk.trace();
    trace.verdict_us = clock.us();
    let outcome = match verdict {
        Err(_) => {
            trace.explain(match (talk.over_tcp, talk.strays) {
                (true, _) => "no answer over TCP in time",
                (false, 0) => "no answer in time",
                (false, _) => "nothing came in time that answers the question",
            });
            Outcome::bad(FailureReason::Timeout)
        }
        Ok(Err(error)) => {
            trace.explain(&reason::sentence(&error));
            reason::outcome_of(&error, address, FailureReason::Dns)
        }
        Ok(Ok(answer)) => {
            trace.say("answered", &answer.words());
            let objection = match &answer.message {
                Ok(message) => order.objection(message),
                Err(error) => Some(format!("the answer cannot be read: {error}")),
            };
            match objection {
                None => Outcome::good(trace.verdict_us),
                Some(objection) => {
                    trace.explain(&objection);
                    Outcome::bad(FailureReason::Dns)
                }
            }
        }
    };
    Probed { outcome, trace }
}

/// What answers the question.
struct Answer {
    /// Cut off: the whole is to be had over TCP.
    is_cut: bool,
    /// The message, or why it cannot be read.
    message: Result<Message, String>,
}

impl Answer {
    fn words(&self) -> String {
        let Ok(message) = &self.message else {
            return "a message that cannot be read".to_owned();
        };
        let rcode = rcode_text(message.metadata.response_code);
        let count = message.answers.len();
        let shown = message.answers.iter().take(RECORDS_SHOWN);
        let mut records: Vec<_> = shown
            .map(|record| format!("{} {}", type_text(record.record_type()), record.data))
            .collect();
        if let Some(more) = count.checked_sub(RECORDS_SHOWN).filter(|more| *more > 0) {
            records.push(format!("{more} more"));
        }
        match count {
            0 => format!("{rcode} without a record"),
            _ => format!("{rcode}: {}", records.join(", ")),
        }
    }
}

/// One question being asked.
struct Talk<'o> {
    order: &'o Order,
    clock: Clock,
    id: u16,
    /// Datagrams sent.
    sent: u32,
    /// What came and was no answer to the question.
    strays: u32,
    over_tcp: bool,
    connected_us: Option<u32>,
    first_byte_us: Option<u32>,
}

impl<'o> Talk<'o> {
    fn new(order: &'o Order, clock: Clock) -> Self {
        Self {
            order,
            clock,
            id: 0,
            sent: 0,
            strays: 0,
            over_tcp: false,
            connected_us: None,
            first_byte_us: None,
        }
    }

    /// The question as octets, with an id by chance.
    fn message(&mut self) -> io::Result<Vec<u8>> {
        let mut message = Message::query();
        self.id = message.metadata.id;
        // For targets that are resolvers; others pass it over.
        message.metadata.recursion_desired = true;
        message.add_query(self.order.question.clone());
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        message.set_edns(edns);
        message.to_vec().map_err(io::Error::other)
    }

    async fn run(
        &mut self,
        message: &[u8],
        address: SocketAddr,
        deadline: Instant,
    ) -> io::Result<Answer> {
        let answer = self.over_udp(message, address, deadline).await?;
        match answer.is_cut {
            true => self.over_tcp(message, address).await,
            false => Ok(answer),
        }
    }

    async fn over_udp(
        &mut self,
        message: &[u8],
        address: SocketAddr,
        deadline: Instant,
    ) -> io::Result<Answer> {
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        // From here on the kernel drops what others send, and says where nobody listens.
        socket.connect(address).await?;
        socket.send(message).await?;
        self.sent = 1;
        let now = Instant::now();
        let again = now + deadline.saturating_duration_since(now) / 2;
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let length = tokio::select! {
                length = socket.recv(&mut buffer) => length?,
                () = sleep_until(again), if self.sent == 1 => {
                    socket.send(message).await?;
                    self.sent = 2;
                    continue;
                }
            };
            let read = answer(&buffer[..length], self.id, &self.order.question);
            if let Some(answer) = self.take(read) {
                return Ok(answer);
            }
            // Whoever sends much that is none must not hold up other probes.
            yield_now().await;
        }
    }

    async fn over_tcp(&mut self, message: &[u8], address: SocketAddr) -> io::Result<Answer> {
        self.over_tcp = true;
        let mut stream = TcpStream::connect(address).await?;
        self.connected_us = Some(self.clock.us());
        let length = u16::try_from(message.len()).map_err(io::Error::other)?;
        // In one piece: some servers read no further than the first (RFC 7766 section 8).
        stream
            .write_all(&[&length.to_be_bytes(), message].concat())
            .await?;
        loop {
            let length = stream.read_u16().await?;
            let mut octets = vec![0; usize::from(length)];
            stream.read_exact(&mut octets).await?;
            let (id, question) = (self.id, self.order.question.clone());
            // 64 KiB of names that point to names take a second to read: others probe meanwhile.
            let read = spawn_blocking(move || answer(&octets, id, &question)).await;
            if let Some(answer) = self.take(read.map_err(io::Error::other)?) {
                return Ok(answer);
            }
        }
    }

    /// Notes what came.
    fn take(&mut self, answer: Option<Answer>) -> Option<Answer> {
        match answer {
            Some(_) => self.first_byte_us = Some(self.clock.us()),
            None => self.strays = self.strays.saturating_add(1),
        }
        answer
    }

    fn trace(&self) -> Trace {
        let mut trace = Trace {
            connected_us: self.connected_us,
            // The one over UDP came before the connection, and counts as its wait.
            first_byte_us: self
                .first_byte_us
                .filter(|us| self.connected_us <= Some(*us)),
            ..Trace::default()
        };
        let question = &self.order.question;
        let (name, kind) = (&question.name, type_text(question.query_type));
        let ways = match (self.sent, self.over_tcp) {
            (2, false) => "over UDP, twice",
            (2, true) => "over UDP, twice, then over TCP, since the answer was cut off",
            (_, false) => "over UDP",
            (_, true) => "over UDP, then over TCP, since the answer was cut off",
        };
        trace.say("asked", &format!("{name} {kind} {ways}"));
        if self.strays > 0 {
            let message = format!("{} messages that do not answer the question", self.strays);
            trace.say("passed over", &message);
        }
        trace
    }
}

/// The answer to `question` with this id, where `octets` are one, whether or not the rest of them
/// can be read. A server that could not read the question need not repeat it.
fn answer(octets: &[u8], id: u16, question: &Query) -> Option<Answer> {
    let header: &[u8; HEADER] = octets.first_chunk()?;
    // QR is set, the opcode is that of a query (RFC 1035 section 4.1.1).
    let is_reply = header[2] & 0xF8 == 0x80;
    if header[..2] != id.to_be_bytes() || !is_reply {
        return None;
    }
    let message = Message::from_vec(octets).map_err(|error| error.to_string());
    let is_ours = match &message {
        Ok(message) => match &message.queries[..] {
            [] => message.metadata.response_code != ResponseCode::NoError,
            [asked] => is_same(asked, question),
            _ => false,
        },
        // Its question may be sound where the rest is not.
        Err(_) => {
            let mut decoder = BinDecoder::new(&octets[HEADER..]);
            header[4..6] == [0, 1]
                && Query::read(&mut decoder).is_ok_and(|asked| is_same(&asked, question))
        }
    };
    is_ours.then(|| Answer {
        is_cut: header[2] & 0x02 != 0,
        message,
    })
}

fn is_same(one: &Query, other: &Query) -> bool {
    // Names in any case are the same (RFC 4343).
    one.name == other.name
        && one.query_type == other.query_type
        && one.query_class == other.query_class
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DnsExpect, DnsProbe};
    use proptest::prelude::*;

    proptest! {
        /// Octets that begin as an answer does, and go on as they like.
        #[test]
        fn no_octets_make_the_reader_panic(flags in any::<[u8; 2]>(), rest in prop::collection::vec(any::<u8>(), 0..80), whole in any::<bool>()) {
            let order = Order::of(&DnsProbe {
                port: 53,
                question: "a.example A".to_owned(),
                expect: DnsExpect {
                    rcode: None,
                    answer: Some("192.0.2.1".to_owned()),
                },
            })
            .unwrap();
            let mut talk = Talk::new(&order, Clock::start());
            let mut octets = talk.message().unwrap();
            octets[2] = flags[0];
            octets[3] = flags[1];
            octets.truncate(if whole { octets.len() - 11 } else { HEADER });
            octets.extend(rest);
            if let Some(answer) = answer(&octets, talk.id, &order.question) {
                prop_assert!(!answer.words().is_empty());
            }
        }
    }
}
