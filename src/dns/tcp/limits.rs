//! How many TCP connections there may be, and how long each may wait.
//!
//! Pure. One length of time bounds silence, slow queries and slow readers alike: the patience,
//! which is the idle timeout while there is room and shrinks as the connections near their cap
//! (RFC 7766 section 6.2.3, RFC 9210 section 5.1).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What `[server] tcp` allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// In all.
    pub(super) connections: usize,
    /// Per IPv4 address and per IPv6 /64.
    pub(super) per_client: usize,
    /// How long a connection may be silent, ms.
    pub(super) idle_ms: u64,
}

/// The patience at the cap is so many times shorter than the idle timeout.
const SHRINKS: u64 = 10;

impl Limits {
    /// How long a connection may wait while `open` are open, ms, at least 1: the idle timeout up
    /// to three quarters of the cap, from there falling evenly to a tenth of it.
    pub(super) fn patience_ms(&self, open: usize) -> u64 {
        let whole = u64::try_from(self.connections).unwrap_or(u64::MAX).max(1);
        let room = whole.saturating_sub(u64::try_from(open).unwrap_or(u64::MAX));
        let ample = (whole / 4).max(1);
        let least = self.idle_ms / SHRINKS;
        let more =
            u128::from(self.idle_ms - least) * u128::from(room.min(ample)) / u128::from(ample);
        (least + u64::try_from(more).unwrap_or(u64::MAX)).max(1)
    }
}

/// Who shares the cap per client with `source`: its IPv4 address or IPv6 /64; `None` for
/// loopback, which has no cap.
pub(super) fn client_of(source: SocketAddr) -> Option<IpAddr> {
    match source.ip().to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Some(Ipv6Addr::from(network).into())
        }
        address => Some(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_shrinks_as_the_cap_nears() {
        let limits = Limits {
            connections: 1_000,
            per_client: 1,
            idle_ms: 10_000,
        };
        for (open, patience_ms) in [
            (0, 10_000),
            (750, 10_000),
            (875, 5_500),
            (1_000, 1_000),
            (5_000, 1_000),
        ] {
            assert_eq!(limits.patience_ms(open), patience_ms, "{open} open");
        }
        let few = Limits {
            connections: 1,
            idle_ms: 0,
            ..limits
        };
        assert_eq!((few.patience_ms(0), few.patience_ms(1)), (1, 1));
    }

    #[test]
    fn clients_are_addresses_and_networks() {
        for (source, client) in [
            ("127.3.0.1:1", None),
            ("[::1]:1", None),
            ("[::ffff:127.0.0.1]:1", None),
            ("192.0.2.1:1", Some("192.0.2.1")),
            ("[::ffff:192.0.2.1]:1", Some("192.0.2.1")),
            ("[2001:db8:1:2:3:4:5:6]:1", Some("2001:db8:1:2::")),
        ] {
            let client = client.map(|client| client.parse().unwrap());
            assert_eq!(client_of(source.parse().unwrap()), client, "{source}");
        }
    }
}
