//! EDNS options: what a query asks for in them, and what the reply tells (RFC 6891 section 6.1.2).
//!
//! NSID (RFC 5001), DNS cookies (RFC 7873, 9018), TCP keepalive (RFC 7828). All others, padding
//! (RFC 7830) among them, are passed over and not echoed. Does not know messages.

use super::reply::{Asker, Transport};
use crate::dns::settings::Settings;

/// Option codes of the registry of RFC 6891 section 9.
pub(in crate::dns) const NSID: u16 = 3;
pub(in crate::dns) const COOKIE: u16 = 10;
const KEEPALIVE: u16 = 11;

/// What a query asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options<'q> {
    nsid: bool,
    /// The first of them alone counts (RFC 7873 section 5.2).
    cookie: Option<&'q [u8]>,
    /// As it came; asked for without a value.
    keepalive: Option<&'q [u8]>,
}

impl<'q> Options<'q> {
    /// Reads the options of an OPT record of version 0; `None` where they are malformed.
    pub(super) fn read(mut octets: &'q [u8]) -> Option<Self> {
        let mut options = Self::default();
        while !octets.is_empty() {
            let ([a, b, c, d], rest) = octets.split_first_chunk()?;
            let length = usize::from(u16::from_be_bytes([*c, *d]));
            let (value, rest) = rest.split_at_checked(length)?;
            match u16::from_be_bytes([*a, *b]) {
                NSID => options.nsid = true,
                COOKIE => options.cookie = options.cookie.or(Some(value)),
                KEEPALIVE => options.keepalive = Some(value),
                _ => {}
            }
            octets = rest;
        }
        Some(options)
    }
}

/// What a reply tells.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The options in wire form.
    pub(super) octets: Vec<u8>,
    pub(super) cookie: CookieIs,
    pub(super) has_keepalive: bool,
}

/// What a query has of a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CookieIs {
    /// None, or this server knows no cookies.
    #[default]
    None,
    /// The client's part alone.
    New,
    /// Ours, and good.
    Valid,
    /// Another's, too old, or made up.
    Invalid,
}

impl Told {
    /// What `asker` is told of what it asks for, `idle_ms` being how long a connection may be
    /// silent; `None` where it must not ask so.
    pub(super) fn of(
        options: &Options<'_>,
        settings: &Settings,
        idle_ms: i64,
        asker: &Asker,
        now_secs: u32,
    ) -> Option<Self> {
        let mut told = Self::default();
        if options.nsid
            && let Some(identity) = &settings.identity
        {
            told.push(NSID, &[identity]);
        }
        if let (Some(value), Some(cookies)) = (options.cookie, &settings.cookies) {
            // The lengths that a cookie can have (RFC 7873 section 4).
            let (client, server) = value.split_first_chunk()?;
            (server.is_empty() || (8..=32).contains(&server.len())).then_some(())?;
            let (answer, valid) = cookies.answer(*client, server, asker.source.ip(), now_secs);
            told.push(COOKIE, &[client, &answer]);
            told.cookie = match (server, valid) {
                (_, true) => CookieIs::Valid,
                ([], _) => CookieIs::New,
                _ => CookieIs::Invalid,
            };
        }
        // Over UDP it is passed over (RFC 7828 section 3.2.2).
        if let (Some(value), Transport::Tcp) = (options.keepalive, asker.transport) {
            value.is_empty().then_some(())?;
            let tenths = u16::try_from(idle_ms / 100).unwrap_or(u16::MAX);
            told.push(KEEPALIVE, &[&tenths.to_be_bytes()]);
            told.has_keepalive = true;
        }
        Some(told)
    }

    fn push(&mut self, code: u16, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        // An identity has at most 255 octets.
        let length = u16::try_from(length).unwrap_or(0);
        self.octets.extend(code.to_be_bytes());
        self.octets.extend(length.to_be_bytes());
        self.octets.extend(parts.iter().copied().flatten());
    }
}
