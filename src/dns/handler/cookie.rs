//! DNS cookies: what a server adds to a client's cookie to know it again (RFC 7873, 9018).
//!
//! Knows secrets and hashes, nothing of messages. Contract: pure and free of allocation; every
//! server with the same secrets makes and accepts the same cookies (RFC 9018 section 4).

use crate::model::CookieSecret;
use siphasher::sip::SipHasher24;
use std::{fmt, net::IpAddr};

/// The layout of RFC 9018 section 4.
const VERSION: u8 = 1;
/// Client cookie, version, reserved, timestamp and an IPv6 address: all that is hashed.
const MAX_HASHED_OCTETS: usize = 32;
/// A cookie is valid for an hour (RFC 9018 section 4.3) …
const VALID_SECS: u32 = 3_600;
/// … also where the clock of the server that made it is ahead by so much …
const AHEAD_SECS: u32 = 300;
/// … and made anew from half of that on.
const FRESH_SECS: u32 = 1_800;

/// Makes and verifies server cookies.
#[derive(Clone)]
pub struct Cookies {
    /// Makes them.
    first: SipHasher24,
    /// Verify them, too.
    others: Box<[SipHasher24]>,
}

impl fmt::Debug for Cookies {
    /// Secrets are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookies({} secrets)", 1 + self.others.len())
    }
}

impl Cookies {
    /// `first` makes cookies; `others`, which were or will be in use, are accepted.
    pub fn new(first: CookieSecret, others: &[CookieSecret]) -> Self {
        let hasher = |secret: &CookieSecret| SipHasher24::new_with_key(&secret.0);
        Self {
            first: hasher(&first),
            others: others.iter().map(hasher).collect(),
        }
    }

    /// The server cookie to answer with, and whether the one that came, in `server`, is valid:
    /// made for this client and address, at most an hour ago. `server` is empty where the client
    /// has none yet. A valid one is answered as it is for its first half hour.
    pub fn answer(
        &self,
        client: [u8; 8],
        server: &[u8],
        source: IpAddr,
        now_secs: u32,
    ) -> ([u8; 16], bool) {
        let came = <[u8; 16]>::try_from(server).ok().and_then(|cookie| {
            let age_secs = age_secs(&cookie, now_secs)?;
            let by_first = is_made_by(&self.first, client, &cookie, source);
            let mut others = self.others.iter();
            (by_first || others.any(|secret| is_made_by(secret, client, &cookie, source)))
                .then_some((cookie, by_first && age_secs < FRESH_SECS))
        });
        match came {
            Some((cookie, true)) => (cookie, true),
            other => (self.make(client, source, now_secs), other.is_some()),
        }
    }

    fn make(&self, client: [u8; 8], source: IpAddr, now_secs: u32) -> [u8; 16] {
        let mut cookie = [0; 16];
        cookie[0] = VERSION;
        cookie[4..8].copy_from_slice(&now_secs.to_be_bytes());
        let hash = hash(&self.first, client, &cookie, source);
        cookie[8..].copy_from_slice(&hash);
        cookie
    }
}

/// How old a cookie of our version is; `None` where it is too old or from too far ahead. Times
/// wrap as serial numbers do (RFC 1982).
fn age_secs(cookie: &[u8; 16], now_secs: u32) -> Option<u32> {
    let made_secs = u32::from_be_bytes([cookie[4], cookie[5], cookie[6], cookie[7]]);
    let age_secs = now_secs.wrapping_sub(made_secs);
    let is_ahead = made_secs.wrapping_sub(now_secs) <= AHEAD_SECS;
    let age_secs = if is_ahead { 0 } else { age_secs };
    (cookie[0] == VERSION && age_secs <= VALID_SECS).then_some(age_secs)
}

/// Compared as one word, not octet by octet: how long it takes tells nothing.
fn is_made_by(secret: &SipHasher24, client: [u8; 8], cookie: &[u8; 16], source: IpAddr) -> bool {
    let made = u64::from_ne_bytes(hash(secret, client, cookie, source));
    let [.., a, b, c, d, e, f, g, h] = *cookie;
    u64::from_ne_bytes([a, b, c, d, e, f, g, h]) == made
}

/// The hash of a cookie's first half, with its reserved octets as they came.
fn hash(secret: &SipHasher24, client: [u8; 8], cookie: &[u8; 16], source: IpAddr) -> [u8; 8] {
    let mut hashed = [0; MAX_HASHED_OCTETS];
    hashed[..8].copy_from_slice(&client);
    hashed[8..16].copy_from_slice(&cookie[..8]);
    let length = match source {
        IpAddr::V4(v4) => {
            hashed[16..20].copy_from_slice(&v4.octets());
            20
        }
        IpAddr::V6(v6) => {
            hashed[16..].copy_from_slice(&v6.octets());
            MAX_HASHED_OCTETS
        }
    };
    secret.hash(&hashed[..length]).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(hex: &str) -> CookieSecret {
        hex.parse().unwrap()
    }

    fn octets<const N: usize>(hex: &str) -> [u8; N] {
        assert_eq!(hex.len(), 2 * N);
        std::array::from_fn(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap())
    }

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

    /// Client, address, the cookie that came, now, the answer: RFC 9018 appendix A.
    #[test]
    fn cookies_are_those_of_the_standard() {
        let cookies = Cookies::new(secret(SECRET), &[]);
        let a = ("2464c4abcf10c957", "198.51.100.100");
        let b = ("fc93fc62807ddb86", "203.0.113.203");
        let first = "010000005cf79f111f8130c3eee29480";
        let reserved = "01abcdef5cf78f71a314227b6679ebf5";
        for ((client, source), came, now_secs, made, is_valid) in [
            (a, "", 1_559_731_985, first, false),
            (
                a,
                first,
                1_559_734_385,
                "010000005cf7a871d4a564a1442aca77",
                true,
            ),
            // The standard's example is older than an hour; it is valid where it is not.
            (
                b,
                reserved,
                1_559_734_700,
                "010000005cf7a9acf73a7810aca2381e",
                false,
            ),
            (b, reserved, 1_559_727_985, reserved, true),
        ] {
            let came: Vec<u8> = if came.is_empty() {
                Vec::new()
            } else {
                octets::<16>(came).into()
            };
            let answer = cookies.answer(octets(client), &came, source.parse().unwrap(), now_secs);
            assert_eq!(answer, (octets(made), is_valid), "{made}");
        }
        let rolled = Cookies::new(
            secret("445536bcd2513298075a5d379663c962"),
            &[secret("dd3bdf9344b678b185a6f5cb60fca715")],
        );
        let answer = rolled.answer(
            octets("22681ab97d52c298"),
            &octets::<16>("010000005cf7c57926556bd0934c72f8"),
            "2001:db8:220:1:59de:d0f4:8769:82b8".parse().unwrap(),
            1_559_741_961,
        );
        assert_eq!(answer, (octets("010000005cf7c609a6bb79d16625507a"), true));
    }

    #[test]
    fn a_cookie_is_valid_for_its_client_and_its_time() {
        let cookies = Cookies::new(secret(SECRET), &[]);
        let (client, source) = ([7; 8], "192.0.2.1".parse().unwrap());
        for made_secs in [1_559_731_985_u32, u32::MAX - 900, 900] {
            let (cookie, _) = cookies.answer(client, &[], source, made_secs);
            for (later_secs, is_valid, is_kept) in [
                (0, true, true),
                (1_799, true, true),
                (1_800, true, false),
                (3_600, true, false),
                (3_601, false, false),
                (-300, true, true),
                (-301, false, false),
            ] {
                let now_secs = made_secs.wrapping_add_signed(later_secs);
                let (answer, valid) = cookies.answer(client, &cookie, source, now_secs);
                assert_eq!(
                    (valid, answer == cookie),
                    (is_valid, is_kept),
                    "{later_secs}"
                );
                let again = cookies.answer(client, &answer, source, now_secs);
                assert_eq!(again, (answer, true));
            }
            let other = "192.0.2.2".parse().unwrap();
            assert!(!cookies.answer(client, &cookie, other, made_secs).1);
            assert!(!cookies.answer([8; 8], &cookie, source, made_secs).1);
            assert!(!cookies.answer(client, &cookie[..15], source, made_secs).1);
            for index in 0..16 {
                let mut changed = cookie;
                changed[index] ^= 1;
                assert!(
                    !cookies.answer(client, &changed, source, made_secs).1,
                    "octet {index}"
                );
            }
        }
    }
}
