//! Questions as octets: a template, and what differs from one to the next.
//!
//! Written by hand, so that the load generator spends its core on system calls.

/// Octets of a header.
const HEADER: usize = 12;
/// A and AAAA.
pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;

/// A client's half of a cookie.
const COOKIE: [u8; 8] = [7, 6, 5, 4, 3, 2, 1, 0];
/// Option 10, and its length before the server's half is known.
const COOKIE_OPTION: [u8; 4] = [0, 10, 0, COOKIE.len() as u8];

/// What a resolver adds to its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Nothing.
    Plain,
    /// An OPT record with 1232 octets and DO.
    Edns,
    /// The same, and a cookie (RFC 7873): what BIND and others send.
    Cookie,
}

/// Which name is asked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// Always the same.
    One,
    /// `h0000000` and up to so many, in random order.
    Known(u32),
    /// Names that nobody has, each another.
    Unknown,
}

/// A row of questions of one length.
#[derive(Clone, Debug)]
pub(crate) struct Questions {
    template: Vec<u8>,
    names: Names,
    seed: u64,
    /// Where the type is, if A and AAAA take turns.
    turns_at: Option<usize>,
    /// How many were written, where every other one is junk.
    with_junk: Option<usize>,
}

impl Questions {
    /// Questions for `first.example.com`; where the names change, `first` is their pattern.
    pub(crate) fn new(first: &str, kind: u16, wire: Wire, names: Names) -> Self {
        let first = match names {
            Names::One => first.to_owned(),
            Names::Known(_) => name_of(0),
            Names::Unknown => "x0000000".to_owned(),
        };
        Self {
            template: question(&format!("{first}.example.com"), kind, wire),
            names,
            seed: 0x9e37_79b9_7f4a_7c15,
            turns_at: None,
            with_junk: None,
        }
    }

    /// The same, but every other one is nothing that anybody should ask, of the same length.
    pub(crate) fn with_junk(mut self) -> Self {
        self.with_junk = Some(0);
        self
    }

    /// The same for A and AAAA in turns; without EDNS.
    pub(crate) fn for_both_families(mut self) -> Self {
        self.turns_at = Some(self.template.len() - 3);
        self
    }

    /// Goes on with the cookie that a reply gives, as resolvers do.
    pub(crate) fn learn_cookie(&mut self, reply: &[u8]) {
        let own = self.template.len() - COOKIE.len() - COOKIE_OPTION.len();
        let is_ours = |at: &usize| reply[*at..].starts_with(&COOKIE);
        let Some(at) = (HEADER..reply.len()).find(is_ours) else {
            return;
        };
        let octets = reply[at - 1];
        let Some(cookie) = reply.get(at..at + usize::from(octets)) else {
            return;
        };
        self.template.truncate(own);
        self.template.extend_from_slice(&[0, 10, 0, octets]);
        self.template.extend_from_slice(cookie);
        self.template[own - 1] = octets + 4;
    }

    /// Octets of each.
    pub(crate) fn octets(&self) -> usize {
        self.template.len()
    }

    /// The first one, as it is.
    pub(crate) fn template(&self) -> &[u8] {
        &self.template
    }

    /// Appends the next one, with this id.
    pub(crate) fn append(&mut self, id: u16, octets: &mut Vec<u8>) {
        let number = match self.names {
            Names::One => None,
            Names::Known(count) => Some(self.random() % count),
            Names::Unknown => Some(self.random() % 10_000_000),
        };
        if let Some(mut number) = number {
            // Behind the header, the label's length and its first letter.
            for digit in self.template[HEADER + 2..HEADER + 9].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        if let Some(at) = self.turns_at {
            self.template[at] ^= (A ^ AAAA) as u8;
        }
        let at = octets.len();
        octets.extend_from_slice(&self.template);
        let written = &mut octets[at..];
        written[..2].copy_from_slice(&id.to_be_bytes());
        if let Some(count) = &mut self.with_junk {
            *count += 1;
            let end = written.len();
            match *count % 6 {
                // An opcode that means nothing any more.
                1 => written[2] = 0x10,
                // Another class.
                3 => written[end - 1] = 4,
                // A name that points at itself.
                5 => written[HEADER..HEADER + 2].copy_from_slice(&[0xc0, HEADER as u8]),
                _ => {}
            }
        }
    }

    /// Xorshift: enough to defeat caches, and the same in every run.
    fn random(&mut self) -> u32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 32) as u32
    }
}

/// The first label of a name out of a million.
pub(crate) fn name_of(number: u32) -> String {
    format!("h{number:07}")
}

/// One whole question, with id 0 (RFC 1035 section 4.1, RFC 6891 section 6.1).
pub(crate) fn question(name: &str, kind: u16, wire: Wire) -> Vec<u8> {
    let additional = u8::from(wire != Wire::Plain);
    let mut octets = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, additional];
    for label in name.split('.') {
        octets.push(label.len() as u8);
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    octets.extend_from_slice(&kind.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    let options = match wire {
        Wire::Plain => return octets,
        Wire::Edns => Vec::new(),
        Wire::Cookie => [&COOKIE_OPTION[..], &COOKIE].concat(),
    };
    octets.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0]);
    octets.push(options.len() as u8);
    octets.extend(options);
    octets
}

/// What a reply says, as far as it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: u16,
    pub(crate) rcode: u8,
    pub(crate) answers: u16,
}

impl Seen {
    /// `None` where it is no reply at all.
    pub(crate) fn of(octets: &[u8]) -> Option<Self> {
        let pair = |at: usize| Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]));
        let seen = Self {
            id: pair(0)?,
            rcode: octets.get(3)? & 15,
            answers: pair(6)?,
        };
        (octets[2] & 0x80 != 0).then_some(seen)
    }
}
