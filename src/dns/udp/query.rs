//! A usual query, read where it lies (RFC 1035 section 4.1, RFC 6891 section 6.1).
//!
//! Usual is: one question of class IN for a type that a zone may hold, no other records but one
//! OPT of version 0, no option that is answered but COOKIE, nothing behind it. Does not know
//! answers. Contract: whatever is not usual, or may be wrong, is `None`: the slow path judges it.

use crate::dns::{
    handler::{
        options::{COOKIE, NSID},
        query::HEADER_OCTETS,
    },
    name::LookupName,
    zone_file::rdata::is_meta,
};

/// All of the second octet of flags that a resolver may set: RD.
const RECURSION_DESIRED: u8 = 1;
/// And of the third: AD and CD.
const DNSSEC_WISHES: u8 = 0x30;
const CLASS_IN: u16 = 1;
/// Root, type, size, code, version, flags and length (RFC 6891 section 6.1.2).
const OPT_HEAD_OCTETS: usize = 11;
const DNSSEC_OK: u16 = 0x8000;

/// What a usual query asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query {
    /// Where the question ends.
    pub(super) end: usize,
    pub(super) kind: u16,
    pub(super) edns: Option<Edns>,
}

/// What its OPT record says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edns {
    /// The largest answer over UDP, octets.
    pub(super) payload: u16,
    pub(super) dnssec_ok: bool,
    pub(super) cookie: Option<Cookie>,
}

/// What it says to know the server again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cookie {
    pub(super) client: [u8; 8],
    server: [u8; 32],
    server_octets: usize,
}

impl Cookie {
    /// The server's cookie, empty where the client has none.
    pub(super) fn server(&self) -> &[u8] {
        &self.server[..self.server_octets]
    }

    /// `None` where the length is wrong.
    fn read(octets: &[u8]) -> Option<Self> {
        let (client, own) = octets.split_at_checked(8)?;
        let mut server = [0; 32];
        if !matches!(own.len(), 0 | 8..=32) {
            return None;
        }
        server[..own.len()].copy_from_slice(own);
        Some(Self {
            client: client.try_into().ok()?,
            server,
            server_octets: own.len(),
        })
    }
}

fn number(octets: &[u8], at: usize) -> Option<u16> {
    let pair = octets.get(at..at + 2)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

impl Query {
    /// Reads a message, its name into `name`.
    pub(super) fn read(message: &[u8], name: &mut LookupName) -> Option<Self> {
        let header = message.first_chunk::<HEADER_OCTETS>()?;
        let [_, _, flags, more_flags, counts @ ..] = header;
        let extra = match counts {
            [0, 1, 0, 0, 0, 0, 0, extra @ (0 | 1)] => *extra,
            _ => return None,
        };
        if flags & !RECURSION_DESIRED != 0 || more_flags & !DNSSEC_WISHES != 0 {
            return None;
        }
        let after_name = HEADER_OCTETS + name.read(&message[HEADER_OCTETS..])?;
        let kind = number(message, after_name)?;
        let end = after_name + 4;
        if number(message, after_name + 2)? != CLASS_IN || is_meta(kind) {
            return None;
        }
        let edns = match (extra, &message[end..]) {
            (0, []) => None,
            (0, _) => return None,
            (_, opt) => Some(Edns::read(opt)?),
        };
        Some(Self { end, kind, edns })
    }
}

impl Edns {
    /// Reads an OPT record that is all that is left of a message.
    fn read(opt: &[u8]) -> Option<Self> {
        let (head, mut options) = opt.split_at_checked(OPT_HEAD_OCTETS)?;
        let [0, 0, 41, _, _, 0, 0, ..] = head else {
            return None;
        };
        let flags = number(head, 7)?;
        if flags & !DNSSEC_OK != 0 || usize::from(number(head, 9)?) != options.len() {
            return None;
        }
        let mut cookie = None;
        while !options.is_empty() {
            let (code, length) = (number(options, 0)?, number(options, 2)?);
            let (option, behind) = options.get(4..)?.split_at_checked(usize::from(length))?;
            match code {
                COOKIE if cookie.is_none() => cookie = Some(Cookie::read(option)?),
                NSID => return None,
                _ => {}
            }
            options = behind;
        }
        Some(Self {
            payload: number(head, 3)?,
            dnssec_ok: flags != 0,
            cookie,
        })
    }
}
