//! EDNS options, cookies and TSIG: queries whose frame is good and whose additional records are
//! what the input says.
#![no_main]

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary, Unstructured},
    fuzz_target,
};
use sidestep_fuzz::{
    reply::{Message, judge},
    world::{NOW_SECS, WORLD, asker},
};

const COOKIE: u16 = 10;

#[derive(Arbitrary, Debug)]
struct Input {
    transport: bool,
    opcode: u8,
    flags: u8,
    question: u8,
    records: Vec<Extra>,
    /// Seconds between the cookie and its use.
    later: u32,
    /// Which octet of the cookie is changed by how much.
    change: (u8, u8),
}

#[derive(Arbitrary, Debug)]
enum Extra {
    Opt {
        size: u16,
        ttl: u32,
        options: Vec<Option_>,
    },
    Tsig {
        name: Vec<u8>,
        class: u16,
        ttl: u32,
        algorithm: bool,
        time: [u8; 6],
        fudge: u16,
        mac: Vec<u8>,
        rest: Vec<u8>,
    },
    Other {
        kind: u16,
        rdata: Vec<u8>,
    },
}

#[derive(Arbitrary, Debug)]
enum Option_ {
    Known(u8),
    Cookie(Vec<u8>),
    Any {
        code: u16,
        octets: Vec<u8>,
    },
    /// A length that lies.
    Torn {
        code: u16,
        length: u16,
    },
}

fn counted(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

impl Option_ {
    fn write(&self, out: &mut Vec<u8>) {
        let (code, octets): (u16, &[u8]) = match self {
            Self::Known(code) => (u16::from(code % 20), &[]),
            Self::Cookie(octets) => (COOKIE, octets),
            Self::Any { code, octets } => (*code, octets),
            Self::Torn { code, length } => {
                out.extend(code.to_be_bytes());
                out.extend(length.to_be_bytes());
                return;
            }
        };
        let octets = &octets[..octets.len().min(300)];
        out.extend(code.to_be_bytes());
        out.extend(counted(octets.len()));
        out.extend(octets);
    }
}

impl Extra {
    fn write(&self, out: &mut Vec<u8>) {
        let (kind, class, ttl, rdata) = match self {
            Self::Opt { size, ttl, options } => {
                let mut rdata = Vec::new();
                options
                    .iter()
                    .take(20)
                    .for_each(|option| option.write(&mut rdata));
                out.push(0);
                (41_u16, *size, *ttl, rdata)
            }
            Self::Tsig {
                name,
                class,
                ttl,
                algorithm,
                time,
                fudge,
                mac,
                rest,
            } => {
                for label in name.chunks(20).take(5).filter(|label| !label.is_empty()) {
                    out.push(label.len() as u8);
                    out.extend(label);
                }
                out.push(0);
                let mut rdata = match algorithm {
                    true => b"\x0bhmac-sha256\x00".to_vec(),
                    false => Vec::new(),
                };
                rdata.extend(time);
                rdata.extend(fudge.to_be_bytes());
                rdata.extend(counted(mac.len()));
                rdata.extend(mac);
                rdata.extend(rest);
                (
                    250,
                    if *algorithm { 255 } else { *class },
                    if *algorithm { 0 } else { *ttl },
                    rdata,
                )
            }
            Self::Other { kind, rdata } => {
                out.push(0);
                (*kind, 1, 0, rdata.clone())
            }
        };
        out.extend(kind.to_be_bytes());
        out.extend(class.to_be_bytes());
        out.extend(ttl.to_be_bytes());
        out.extend(counted(rdata.len()));
        out.extend(&rdata[..rdata.len().min(usize::from(u16::MAX))]);
    }
}

const QUESTIONS: [&[u8]; 6] = [
    b"\x03www\x07example\x03com\x00\x00\x01\x00\x01",
    b"\x04many\x07example\x03com\x00\x00\x01\x00\x01",
    b"\x02id\x06server\x00\x00\x10\x00\x03",
    b"\x07example\x03com\x00\x00\x06\x00\x01",
    b"\x07nothing\x07example\x03com\x00\x00\xff\x00\x01",
    b"",
];

fn query_of(input: &Input, records: &[u8], count: usize) -> Vec<u8> {
    let question = QUESTIONS[usize::from(input.question) % QUESTIONS.len()];
    let questions = u8::from(!question.is_empty());
    let opcode = if input.opcode < 200 {
        0
    } else {
        input.opcode & 15
    };
    let mut query = vec![
        0x12,
        0x34,
        opcode << 3 | input.flags & 1,
        input.flags & 0x70,
    ];
    query.extend([0, questions, 0, 0, 0, 0]);
    query.extend(counted(count));
    query.extend(question);
    query.extend(records);
    query
}

/// The server cookie of a reply's OPT.
fn cookie_of(message: &Message) -> Option<&[u8]> {
    let mut options = message.opt.as_ref()?.rdata.as_slice();
    while let Some((head, rest)) = options.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (octets, rest) = rest.split_at_checked(length)?;
        if head[..2] == COOKIE.to_be_bytes() {
            return Some(octets);
        }
        options = rest;
    }
    None
}

fuzz_target!(|input: &[u8]| {
    let Ok(input) = Input::arbitrary(&mut Unstructured::new(input)) else {
        return;
    };
    let asker = asker(u8::from(input.transport));
    let ask = |query: &[u8], now_secs| {
        let reply = WORLD.handler.handle(query, &asker, now_secs);
        judge(query, &asker, reply.as_ref());
        reply
    };
    let mut records = Vec::new();
    let count = input.records.len().min(5);
    input
        .records
        .iter()
        .take(count)
        .for_each(|extra| extra.write(&mut records));
    let query = query_of(&input, &records, count);
    if query.len() > 65_535 {
        return;
    }
    let Some(reply) = ask(&query, NOW_SECS) else {
        return;
    };

    // A cookie that was given is good for an hour, and for nobody else; a changed one is not.
    let message = Message::read(&reply.octets).expect("judged before");
    let Some(cookie) = cookie_of(&message).filter(|cookie| cookie.len() == 24) else {
        return;
    };
    let with = |cookie: &[u8]| {
        let option = Option_::Cookie(cookie.to_vec());
        let extra = Extra::Opt {
            size: 1_232,
            ttl: 0,
            options: vec![option],
        };
        let mut records = Vec::new();
        extra.write(&mut records);
        query_of(
            &Input {
                opcode: 0,
                ..input_like(&input)
            },
            &records,
            1,
        )
    };
    let later = input.later % 8_000;
    let again = ask(&with(cookie), NOW_SECS + later).expect("a reply");
    assert_eq!(again.has_valid_cookie, later <= 3_600, "after {later} s");
    let mut changed = cookie.to_vec();
    let (at, by) = (usize::from(input.change.0) % changed.len(), input.change.1);
    changed[at] ^= by;
    // The reserved octets are part of what is hashed, as all others are.
    let again = ask(&with(&changed), NOW_SECS).expect("a reply");
    assert_eq!(
        again.has_valid_cookie,
        by == 0,
        "octet {at} changed by {by}"
    );
});

fn input_like(input: &Input) -> Input {
    Input {
        transport: input.transport,
        opcode: input.opcode,
        flags: input.flags,
        question: input.question,
        records: Vec::new(),
        later: 0,
        change: (0, 0),
    }
}
