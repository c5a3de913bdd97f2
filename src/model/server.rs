//! What a node needs to know to answer DNS beside its zones: cookies, rates, connections.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The secret of DNS cookies (RFC 9018 section 4): 128 bits, the same on every node that answers
/// at one address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CookieSecret(pub [u8; 16]);

impl CookieSecret {
    /// How a secret is written: so many hexadecimal digits.
    pub const HEX_DIGITS: usize = 32;
}

impl fmt::Debug for CookieSecret {
    /// Secrets are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecret(…)")
    }
}

impl FromStr for CookieSecret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(other) = text.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(format!("'{other}' is no hexadecimal digit"));
        }
        if text.len() != Self::HEX_DIGITS {
            let (needed, found) = (Self::HEX_DIGITS, text.len());
            return Err(format!(
                "a secret has {needed} hexadecimal digits, not {found}"
            ));
        }
        let mut secret = [0; 16];
        for (octet, digits) in secret.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = digits.iter().map(|&digit| char::from(digit).to_digit(16));
            let value = digits.fold(0, |value, digit| value * 16 + digit.unwrap_or(0));
            *octet = u8::try_from(value).unwrap_or(0);
        }
        Ok(Self(secret))
    }
}

/// An IP network: `192.0.2.0/24`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// The network of all addresses that begin as `address` does; `None` where `prefix_bits` are
    /// more than an address has, or where bits behind them are set.
    pub fn new(address: IpAddr, prefix_bits: u8) -> Option<Self> {
        let network = Self {
            address,
            prefix_bits,
        };
        (prefix_bits <= width(address) && masked(address, prefix_bits) == address)
            .then_some(network)
    }

    /// Whether `address` is in it. Addresses of the other IP version never are.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && masked(address, self.prefix_bits) == self.address
    }
}

/// How many bits an address has.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first bits of an address, the others cleared.
fn masked(address: IpAddr, prefix_bits: u8) -> IpAddr {
    let cleared = u32::from(width(address).saturating_sub(prefix_bits));
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(cleared).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(cleared).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write \"192.0.2.0/24\" or \"2001:db8::/32\"";
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("'{address}' is no IP address: {example}"))?;
        let most = width(address);
        let prefix_bits = match prefix {
            None => most,
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|&bits| bits <= most)
                .ok_or_else(|| {
                    format!("'{bits}' is no length of a prefix, 0 to {most}: {example}")
                })?,
        };
        Self::new(address, prefix_bits).ok_or_else(|| {
            let first = masked(address, prefix_bits);
            format!(
                "{address} is not the first address of its network: write \"{first}/{prefix_bits}\""
            )
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// How many answers one client network gets over UDP. The UDP threads share it evenly, and the
/// kernel spreads clients over them by address and port: one with a single port gets one share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Answers per second to a network: an IPv4 /24, an IPv6 /56. 0: no limit.
    pub per_second: u32,
    /// Above the limit every so manieth query is answered with TC=1, so that a client whose
    /// address was forged by another comes back over TCP. 0: none is, 1: each is.
    pub slip: u32,
    /// Networks without a limit.
    pub exempt: Vec<Network>,
}

impl Default for RateLimit {
    fn default() -> Self {
        let network = |address: IpAddr, prefix_bits| Network {
            address: masked(address, prefix_bits),
            prefix_bits,
        };
        Self {
            per_second: 1_000,
            slip: 2,
            exempt: vec![
                network(Ipv4Addr::LOCALHOST.into(), 8),
                network(Ipv6Addr::LOCALHOST.into(), 128),
            ],
        }
    }
}

/// What TCP connections may take (RFC 7766 section 6.2, RFC 9210 section 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpLimits {
    /// Connections in all, from 1.
    pub connections: u32,
    /// Connections of one client address, from 1; loopback has no limit.
    pub per_client: u32,
    /// A connection that asks nothing for so long is closed, ms, from 1,000.
    pub idle_ms: i64,
}

impl Default for TcpLimits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            per_client: 500,
            idle_ms: 10_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.0"),
            ("0.0.0.0/0", "255.0.0.1", "::"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "ffff::", "0.0.0.0"),
            ("::1/128", "::1", "::2"),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{network}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed));
        }
        let [v4, v6] = &RateLimit::default().exempt[..] else {
            panic!("two loopback networks");
        };
        assert_eq!(
            (&*v4.to_string(), &*v6.to_string()),
            ("127.0.0.0/8", "::1/128")
        );
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret: CookieSecret = "e5e973e5a6b2a43f48e7dc849e37bfcf".parse().unwrap();
        assert_eq!(secret.0[..3], [0xe5, 0xe9, 0x73]);
        assert!(!format!("{secret:?}").contains("e5"));
    }
}
