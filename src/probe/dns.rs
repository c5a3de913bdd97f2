//! The `dns` probe: one question to the target's own address, and whether the answer is as expected.
//!
//! Over UDP from a port and with an id that nobody can know, the same again at half of the time,
//! over TCP where the answer was cut off. What is no answer to the question is passed over: it
//! may come from somebody else. Follows nothing, resolves nothing, keeps nothing. (RFC 1035
//! section 4.2, RFC 5452, RFC 6891, RFC 7766)

use super::{
    Clock,
    outcome::{Outcome, Probed, Trace},
    reason,
};
use crate::model::{DnsProbe, FailureReason};
use hickory_proto::{
    op::{Edns, Message, Query, ResponseCode},
    rr::{
        DNSClass, Name, RData, RecordType,
        rdata::{A, AAAA, CNAME, MX, NS, PTR, SRV},
    },
    serialize::binary::{BinDecodable, BinDecoder},
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
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
pub(super) struct Order {
    port: u16,
    question: Query,
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
    pub(super) fn of(order: &DnsProbe) -> Result<Self, String> {
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
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Why `answer` is not as expected; `None` where it is.
    fn objection(&self, answer: &Message) -> Option<String> {
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

fn type_text(kind: RecordType) -> String {
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

fn rcode_text(rcode: ResponseCode) -> String {
    let known = RCODES.iter().find(|(_, known)| *known == rcode);
    match known {
        Some((word, _)) => (*word).to_owned(),
        None => format!("RCODE{}", u16::from(rcode)),
    }
}

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
    use crate::model::DnsExpect;
    use proptest::prelude::*;

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

        /// Octets that begin as an answer does, and go on as they like.
        #[test]
        fn no_octets_make_the_reader_panic(flags in any::<[u8; 2]>(), rest in prop::collection::vec(any::<u8>(), 0..80), whole in any::<bool>()) {
            let order = order("a.example A", Some("192.0.2.1")).unwrap();
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
