//! What must hold of every reply, whatever was asked.
//!
//! Reads messages with code of its own, so that it shares no mistake with the server.

use sidestep::dns::{Asker, Reply, Transport};

const OPT: u16 = 41;
const TSIG: u16 = 250;

/// A message, taken apart. Names are in lower case and uncompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub header: [u8; 12],
    /// The octets of the question, as they are.
    pub question: Vec<u8>,
    /// Answer, authority and additional, without OPT and TSIG.
    pub sections: [Vec<Record>; 3],
    pub opt: Option<Record>,
    pub tsig: Option<Record>,
    /// How many octets OPT and TSIG have.
    pub tail_octets: usize,
}

/// A record, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub owner: Vec<u8>,
    pub kind: u16,
    pub class: u16,
    pub ttl: u32,
    pub rdata: Vec<u8>,
}

impl Message {
    /// A message of which nothing is left over.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let header = *octets.first_chunk::<12>()?;
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let mut at = 12;
        for _ in 0..count(4) {
            at = name(octets, at)?.1 + 4;
        }
        let question = octets.get(12..at)?.to_vec();
        let mut message = Self {
            header,
            question,
            sections: Default::default(),
            opt: None,
            tsig: None,
            tail_octets: 0,
        };
        for section in 0..3 {
            for _ in 0..count(6 + section * 2) {
                let start = at;
                let record = Record::read(octets, &mut at)?;
                let kind = record.kind;
                let place = match kind {
                    OPT => &mut message.opt,
                    TSIG => &mut message.tsig,
                    _ => {
                        message.sections[section].push(record);
                        continue;
                    }
                };
                // Once each, among the additional records, TSIG last of all.
                if place.is_some() || section != 2 || (kind == OPT && message.tsig.is_some()) {
                    return None;
                }
                *match kind {
                    OPT => &mut message.opt,
                    _ => &mut message.tsig,
                } = Some(record);
                message.tail_octets += at - start;
            }
        }
        (at == octets.len()).then_some(message)
    }

    /// The response code, with the part of it that OPT has.
    pub fn rcode(&self) -> u16 {
        let high = self.opt.as_ref().map_or(0, |opt| opt.ttl >> 24);
        (high as u16) << 4 | u16::from(self.header[3] & 15)
    }

    pub fn is_truncated(&self) -> bool {
        self.header[2] & 2 != 0
    }
}

impl Record {
    fn read(octets: &[u8], at: &mut usize) -> Option<Self> {
        let (owner, end) = name(octets, *at)?;
        let fixed = octets.get(end..end + 10)?;
        let number = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let (start, length) = (end + 10, usize::from(number(8)));
        *at = start + length;
        let kind = number(0);
        Some(Self {
            owner,
            kind,
            class: number(2),
            ttl: u32::from(number(4)) << 16 | u32::from(number(6)),
            rdata: rdata(octets, kind, start, *at)?,
        })
    }
}

/// Record data with its names uncompressed: those of RFC 1035 alone may be compressed.
fn rdata(octets: &[u8], kind: u16, start: usize, end: usize) -> Option<Vec<u8>> {
    let data = octets.get(start..end)?;
    let (skip, names) = match kind {
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 => (0, 1),
        6 | 14 => (0, 2),
        15 => (2, 1),
        _ => return Some(data.to_vec()),
    };
    let mut plain = data.get(..skip)?.to_vec();
    let mut at = start + skip;
    for _ in 0..names {
        let (name, end) = name(octets, at)?;
        plain.extend(name);
        at = end;
    }
    plain.extend(octets.get(at..end)?);
    Some(plain)
}

/// A name in lower case, and where it ends; pointers lead back only.
fn name(octets: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let (mut name, mut at, mut end, mut limit) = (Vec::new(), start, None, start);
    loop {
        let length = usize::from(*octets.get(at)?);
        match length {
            0..=63 => {
                name.extend(octets.get(at..=at + length)?.to_ascii_lowercase());
                at += 1 + length;
                if length == 0 {
                    return (name.len() <= 255).then_some((name, end.unwrap_or(at)));
                }
            }
            192.. => {
                end.get_or_insert(at + 2);
                at = (length & 63) << 8 | usize::from(*octets.get(at + 1)?);
                // No name begins in the header, whatever its octets look like.
                if !(12..limit).contains(&at) {
                    return None;
                }
                limit = at;
            }
            _ => return None,
        }
    }
}

/// What a client may be sent over UDP, by the OPT of a query that can be read.
fn limit(query: Option<&Message>, transport: Transport) -> usize {
    let asked = query
        .and_then(|query| query.opt.as_ref())
        .map(|opt| usize::from(opt.class));
    match (transport, asked) {
        (Transport::Tcp, _) => 65_535,
        // What of a query that cannot be read was read is not known here.
        (Transport::Udp, _) if query.is_none() => 1_232,
        (Transport::Udp, None) => 512,
        (Transport::Udp, Some(asked)) => asked.clamp(512, 1_232),
    }
}

/// Panics where a reply is not what RFC 1035, 6891, 8906 and 8945 and the house want of it.
pub fn judge(query: &[u8], asker: &Asker, reply: Option<&Reply>) {
    let is_due = query.len() >= 12 && query[2] & 0x80 == 0 && asker.source.port() != 0;
    let Some(reply) = reply else {
        assert!(!is_due, "no reply where one is due");
        return;
    };
    assert!(is_due, "a reply where none is due");
    let octets = &reply.octets;
    let message = Message::read(octets).expect("a reply that can be read");
    let asked = Message::read(query);
    let header = &message.header;
    assert_eq!(header[..2], query[..2], "the id");
    assert_eq!(
        header[2] & 0xf8,
        0x80 | query[2] & 0x78,
        "QR and the opcode"
    );
    assert_eq!(header[3] & 0xc0, 0, "RA and Z");
    assert_eq!(message.rcode(), u16::from(reply.rcode), "the response code");
    assert_eq!(message.is_truncated(), reply.truncated, "TC");

    let questions = u16::from_be_bytes([header[4], header[5]]);
    assert!(questions <= 1, "{questions} questions");
    assert!(
        query[12..].starts_with(&message.question),
        "the question is echoed"
    );
    let is_query = query[2] & 0x78 == 0;
    if let Some(asked) = &asked
        && is_query
        && asked.header[4..6] == [0, 1]
    {
        assert_eq!(
            message.question, asked.question,
            "the question of a good query"
        );
        assert_eq!(message.opt.is_some(), asked.opt.is_some(), "OPT for OPT");
    }

    let limit = limit(asked.as_ref(), asker.transport);
    assert!(
        octets.len() <= limit,
        "{} octets of at most {limit}",
        octets.len()
    );
    let [answers, authority, additional] = &message.sections;
    let counts = [answers.len(), authority.len(), additional.len()];
    // YXDOMAIN comes with the DNAME that led there (RFC 6672 section 2.2).
    let is_error = !matches!(message.rcode(), 0 | 3 | 6);
    if is_error || message.is_truncated() {
        assert_eq!(counts, [0; 3], "records beside an error or TC");
        let plain = octets.len() - message.tail_octets;
        assert!(plain <= query.len(), "an error is larger than its query");
    }
    assert!(
        !message.is_truncated() || asker.transport == Transport::Udp,
        "TC over TCP"
    );
    for record in message.sections.iter().flatten() {
        assert!(
            record.ttl <= i32::MAX.unsigned_abs(),
            "a TTL of {}",
            record.ttl
        );
    }
}
