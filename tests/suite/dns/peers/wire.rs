//! Messages to and from the servers that are compared, by a reader of our own: what is under
//! test cannot be its own judge.

use super::super::random::Labels;
use std::fmt;

/// Types whose data may hold compressed names (RFC 3597 section 4): those of RFC 1035.
const MAY_COMPRESS: [u16; 10] = [2, 3, 4, 5, 6, 7, 8, 9, 12, 15];

/// A query with one question.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) name: Labels,
    pub(super) kind: u16,
    pub(super) class: u16,
    /// RD, AD, CD and others in their places in the header.
    pub(super) flags: u16,
    pub(super) edns: Option<Edns>,
}

/// The OPT record of a query.
#[derive(Clone, Debug)]
pub(super) struct Edns {
    pub(super) size: u16,
    pub(super) version: u8,
    /// DO and the bits beside it.
    pub(super) flags: u16,
    pub(super) options: Vec<u8>,
}

impl Edns {
    pub(super) fn of(size: u16, dnssec_ok: bool) -> Self {
        Self {
            size,
            version: 0,
            flags: if dnssec_ok { 0x8000 } else { 0 },
            options: Vec::new(),
        }
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        let mut octets = vec![0, 0, 41];
        octets.extend(self.size.to_be_bytes());
        octets.extend([0, self.version]);
        octets.extend(self.flags.to_be_bytes());
        octets.extend(u16::try_from(self.options.len()).unwrap().to_be_bytes());
        octets.extend(&self.options);
        octets
    }
}

impl Asking {
    pub(super) fn of(name: &Labels, kind: u16) -> Self {
        Self {
            name: name.clone(),
            kind,
            class: 1,
            flags: 0,
            edns: None,
        }
    }

    /// The message, with the id 0.
    pub(super) fn octets(&self) -> Vec<u8> {
        let extra = u8::from(self.edns.is_some());
        let mut octets = vec![0, 0];
        octets.extend(self.flags.to_be_bytes());
        octets.extend([0, 1, 0, 0, 0, 0, 0, extra]);
        octets.extend(self.question());
        if let Some(edns) = &self.edns {
            octets.extend(edns.octets());
        }
        octets
    }

    /// The size that a reply may have over this transport, in octets.
    pub(super) fn limit(&self, transport: &str) -> usize {
        match (transport, &self.edns) {
            ("tcp", _) => 65_535,
            (_, None) => 512,
            (_, Some(edns)) => usize::from(edns.size.clamp(512, 1_232)),
        }
    }

    pub(super) fn question(&self) -> Vec<u8> {
        let mut octets = self.name.wire();
        octets.extend(self.kind.to_be_bytes());
        octets.extend(self.class.to_be_bytes());
        octets
    }
}

impl fmt::Display for Asking {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} TYPE{}", self.name, self.kind)?;
        if self.class != 1 {
            write!(out, " CLASS{}", self.class)?;
        }
        for (bit, word) in [(0x100, "rd"), (0x20, "ad"), (0x10, "cd")] {
            if self.flags & bit != 0 {
                write!(out, " +{word}")?;
            }
        }
        if let Some(edns) = &self.edns {
            write!(out, " edns={} flags={:04x}", edns.size, edns.flags)?;
        }
        Ok(())
    }
}

/// A record in one form, however it was compressed and whatever its letter case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    pub(super) owner: Labels,
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) ttl: u32,
    pub(super) data: Vec<u8>,
    /// The last name in the data.
    pub(super) target: Option<Labels>,
}

/// What an OPT record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opt {
    pub(super) size: u16,
    pub(super) version: u8,
    pub(super) flags: u16,
    pub(super) options: Vec<(u16, Vec<u8>)>,
}

/// A reply, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    /// Everything between the id and the counts.
    pub(super) flags: u16,
    /// With the bits that OPT adds.
    pub(super) rcode: u16,
    /// As it stands in the message, letter case and all.
    pub(super) question: Vec<u8>,
    pub(super) answer: Vec<Record>,
    pub(super) authority: Vec<Record>,
    /// Without OPT.
    pub(super) additional: Vec<Record>,
    pub(super) opt: Option<Opt>,
    pub(super) octets: usize,
}

impl Reply {
    pub(super) fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Reads a message to its last octet; says what is wrong with it.
    pub(super) fn read(octets: &[u8]) -> Result<Self, String> {
        let mut reader = Reader { octets, at: 2 };
        let flags = reader.u16()?;
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = reader.u16()?;
        }
        let mut reply = Self {
            flags,
            rcode: flags & 0x0f,
            octets: octets.len(),
            ..Self::default()
        };
        let from = reader.at;
        for _ in 0..counts[0] {
            reader.name()?;
            reader.take(4)?;
        }
        reply.question = octets[from..reader.at].to_vec();
        for (section, &count) in counts[1..].iter().enumerate() {
            for _ in 0..count {
                let record = reader.record()?;
                if record.kind == 41 && section == 2 {
                    reply.opt(&record)?;
                    continue;
                }
                let section = match section {
                    0 => &mut reply.answer,
                    1 => &mut reply.authority,
                    _ => &mut reply.additional,
                };
                section.push(record);
            }
        }
        if reader.at != octets.len() {
            return Err(format!("{} octets too many", octets.len() - reader.at));
        }
        for section in [
            &mut reply.answer,
            &mut reply.authority,
            &mut reply.additional,
        ] {
            section.sort();
        }
        Ok(reply)
    }

    fn opt(&mut self, record: &Record) -> Result<(), String> {
        if self.opt.is_some() || !record.owner.0.is_empty() {
            return Err("a second OPT, or one with an owner".into());
        }
        let [high, version, one, two] = record.ttl.to_be_bytes();
        self.rcode |= u16::from(high) << 4;
        let mut options = Vec::new();
        let mut reader = Reader {
            octets: &record.data,
            at: 0,
        };
        while reader.at < record.data.len() {
            let code = reader.u16()?;
            let length = reader.u16()?;
            options.push((code, reader.take(length.into())?.to_vec()));
        }
        self.opt = Some(Opt {
            size: record.class,
            version,
            flags: u16::from_be_bytes([one, two]),
            options,
        });
        Ok(())
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "rcode {} flags {:04x}", self.rcode, self.flags)?;
        write!(out, " {} octets", self.octets)?;
        match &self.opt {
            None => {}
            Some(opt) => write!(
                out,
                " opt {} v{} {:04x} {:?}",
                opt.size, opt.version, opt.flags, opt.options
            )?,
        }
        for (word, section) in [
            ("an", &self.answer),
            ("ns", &self.authority),
            ("ar", &self.additional),
        ] {
            for record in section.iter().take(8) {
                write!(out, "\n      {word} {record}")?;
            }
            if section.len() > 8 {
                write!(out, "\n      {word} and {} more", section.len() - 8)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} TYPE{} ", self.owner, self.ttl, self.kind)?;
        match &self.target {
            Some(target) => write!(out, "… {target}"),
            None => {
                let shown = self.data.len().min(20);
                write!(out, "{:02x?}", &self.data[..shown])
            }
        }
    }
}

struct Reader<'r> {
    octets: &'r [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let taken = self.octets.get(self.at..self.at + count);
        self.at += count;
        taken.ok_or_else(|| "it ends too early".to_owned())
    }

    fn u16(&mut self) -> Result<u16, String> {
        let octets = self.take(2)?;
        Ok(u16::from_be_bytes([octets[0], octets[1]]))
    }

    /// A name in lower case, and whether it was compressed.
    fn name(&mut self) -> Result<(Labels, bool), String> {
        let mut labels = Vec::new();
        let mut behind = None;
        let mut length = 1;
        loop {
            let octet = self.take(1)?[0];
            match octet {
                0 => break,
                1..=63 => {
                    labels.push(self.take(octet.into())?.to_ascii_lowercase());
                    length += 1 + usize::from(octet);
                }
                192..=255 => {
                    let low = self.take(1)?[0];
                    let to = usize::from(u16::from_be_bytes([octet & 0x3f, low]));
                    if to + 2 >= self.at {
                        return Err("a pointer that does not lead back".into());
                    }
                    behind.get_or_insert(self.at);
                    self.at = to;
                }
                _ => return Err(format!("a label that begins with {octet:#x}")),
            }
        }
        if length > 255 {
            return Err("a name that is too long".into());
        }
        if let Some(behind) = behind {
            self.at = behind;
        }
        Ok((Labels(labels), behind.is_some()))
    }

    fn record(&mut self) -> Result<Record, String> {
        let (owner, _) = self.name()?;
        let (kind, class) = (self.u16()?, self.u16()?);
        let ttl = u32::from(self.u16()?) << 16 | u32::from(self.u16()?);
        let length = usize::from(self.u16()?);
        let end = self.at + length;
        if end > self.octets.len() {
            return Err("data that end too early".into());
        }
        let (data, target) = self.data(kind, end)?;
        if self.at != end {
            return Err(format!("data of type {kind} that end elsewhere"));
        }
        Ok(Record {
            owner,
            kind,
            class,
            ttl,
            data,
            target,
        })
    }

    /// The data with their names whole and in lower case.
    fn data(&mut self, kind: u16, end: usize) -> Result<(Vec<u8>, Option<Labels>), String> {
        // Octets before the names, and how many names.
        let (before, names) = match kind {
            2 | 5 | 12 | 39 => (0, 1),
            6 => (0, 2),
            15 | 64 | 65 => (2, 1),
            33 => (6, 1),
            35 => (self.naptr_strings(end)?, 1),
            _ => (end - self.at, 0),
        };
        let mut data = self.take(before)?.to_vec();
        let mut target = None;
        for _ in 0..names {
            let (name, is_compressed) = self.name()?;
            if is_compressed && !MAY_COMPRESS.contains(&kind) {
                return Err(format!("a compressed name in data of type {kind}"));
            }
            data.extend(name.wire());
            target = Some(name);
        }
        let rest = end.saturating_sub(self.at);
        data.extend(self.take(rest)?);
        Ok((data, target))
    }

    /// How many octets stand before the name of a NAPTR record.
    fn naptr_strings(&self, end: usize) -> Result<usize, String> {
        let mut at = self.at + 4;
        for _ in 0..3 {
            let length = self.octets[..end].get(at).ok_or("a NAPTR too short")?;
            at += 1 + usize::from(*length);
        }
        Ok(at - self.at)
    }
}
