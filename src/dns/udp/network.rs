//! Networks: whose queries count together.
//!
//! Whoever has one address has its neighbours, too. Pure.

use std::net::IpAddr;

/// How many octets tell one network from all others.
pub(super) const NETWORK_OCTETS: usize = 8;

/// The network of a client, an IPv4 /24 or IPv6 /56: its version, 0 or 1, and its leading octets.
pub(super) fn network_of(client: IpAddr) -> [u8; NETWORK_OCTETS] {
    let mut network = [0; NETWORK_OCTETS];
    match client {
        IpAddr::V4(v4) => network[1..4].copy_from_slice(&v4.octets()[..3]),
        IpAddr::V6(v6) => {
            network[0] = 1;
            network[1..].copy_from_slice(&v6.octets()[..7]);
        }
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_network_and_others_are_not() {
        let of = |address: &str| network_of(address.parse().unwrap());
        let networks = [
            ["192.0.2.0", "192.0.2.255"],
            ["192.0.3.0", "192.0.3.1"],
            ["2001:db8::", "2001:db8:0:ff:ffff::"],
            ["2001:db8:0:100::", "2001:db8:0:1ff::1"],
            ["c000:200::", "c000:200::1"],
        ];
        for (index, [one, neighbour]) in networks.into_iter().enumerate() {
            assert_eq!(of(one), of(neighbour));
            for [other, _] in &networks[..index] {
                assert_ne!(of(one), of(other));
            }
        }
    }
}
