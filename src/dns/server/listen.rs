//! Sockets: UDP and TCP on each address, bound once before anything is served.
//!
//! Does not know DNS. Contract: either all are bound or an error names the address and what to
//! do; UDP and TCP share a port, also where the port was 0; IPv6 sockets take no IPv4, so that
//! `0.0.0.0:53` and `[::]:53` stand side by side. Each UDP thread has a socket of its own; the
//! kernel shares the datagrams among them by sender (SO_REUSEPORT).

use super::descriptors;
use nix::sys::socket::{setsockopt, sockopt};
use rustix::{
    io::Errno,
    net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
    },
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener, UdpSocket},
    num::NonZero,
    thread,
};

/// A free TCP port need not be free for UDP; so often another one is tried.
const FREE_PORT_TRIES: usize = 32;
/// Connections that wait to be accepted; the kernel's limit applies.
const BACKLOG: i32 = 4_096;
/// Bursts beyond what is read between two wake-ups wait here; the kernel's limits apply. Some
/// 2,700 queries: with four times as many a server that had been asked too much went on to answer
/// what nobody waited for any more, for half a second with a tenth of a core.
const RECEIVED_OCTETS: usize = 1 << 20;
/// And here answers that the network does not take at once.
const SENT_OCTETS: usize = 4 << 20;

/// The sockets of one address.
#[derive(Debug)]
pub(in crate::dns) struct Pair {
    pub(in crate::dns) address: SocketAddr,
    /// One for each thread; they block.
    pub(in crate::dns) udp: Vec<UdpSocket>,
    pub(in crate::dns) tcp: TcpListener,
}

/// Bound sockets, not yet served.
#[derive(Debug, Default)]
pub struct Listeners {
    pub(in crate::dns) pairs: Vec<Pair>,
}

impl Listeners {
    /// The addresses as bound, in the order asked for: where port 0 was asked, the port given.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.pairs.iter().map(|pair| pair.address).collect()
    }

    /// How many they are; each of TCP is there twice while it is served.
    pub(super) fn sockets(&self) -> usize {
        self.pairs.iter().map(|pair| pair.udp.len() + 2).sum()
    }
}

/// Binds UDP and TCP on each address, for one UDP thread on each core.
///
/// # Errors
/// As for `bind_for`.
pub fn bind(addresses: &[SocketAddr]) -> Result<Listeners, String> {
    bind_for(addresses, None)
}

/// Binds UDP and TCP on each address, for so many UDP threads on each, or one on each core. Raises
/// the limit of file descriptors where they need it.
///
/// # Errors
/// A sentence for the operator: which address, why, and what to do.
pub fn bind_for(addresses: &[SocketAddr], udp_threads: Option<u32>) -> Result<Listeners, String> {
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let asked = udp_threads.and_then(|threads| usize::try_from(threads).ok());
    let udp_threads = asked.unwrap_or_else(cores).max(1);
    // Hundreds of threads on a few addresses are more than the usual limit of 1,024 allows.
    descriptors::make_room(addresses.len().saturating_mul(udp_threads + 2));
    let mut listeners = Listeners::default();
    for (index, &address) in addresses.iter().enumerate() {
        if address.port() != 0 && addresses[..index].contains(&address) {
            return Err(format!("{address} is given twice in [server] dns"));
        }
        listeners
            .pairs
            .push(pair(address, udp_threads).map_err(|error| explain(address, &error))?);
    }
    Ok(listeners)
}

fn pair(address: SocketAddr, udp_threads: usize) -> io::Result<Pair> {
    let tries = if address.port() == 0 {
        FREE_PORT_TRIES
    } else {
        1
    };
    let mut last = io::Error::from(ErrorKind::AddrInUse);
    for _ in 0..tries {
        let tcp: TcpListener = socket(address, Type::STREAM, Protocol::TCP)?.into();
        let address = tcp.local_addr()?;
        match group(address, udp_threads) {
            Ok(udp) => return Ok(Pair { address, udp, tcp }),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The UDP sockets of one address. The first is bound as if it were alone, so that a port in use
/// is noticed: among sockets that share a port nobody is told.
fn group(address: SocketAddr, size: usize) -> io::Result<Vec<UdpSocket>> {
    let first = socket(address, Type::DGRAM, Protocol::UDP)?;
    let spreads = size > 1 && first.set_reuse_port(true).is_ok();
    let beside = || -> io::Result<Socket> {
        let other = unbound(address, Type::DGRAM, Protocol::UDP)?;
        other.set_reuse_port(true)?;
        other.bind(&address.into())?;
        Ok(other)
    };
    let mut sockets = Vec::with_capacity(size);
    for _ in 1..size {
        // Where the kernel does not spread datagrams, threads take turns at one socket.
        let other = if spreads { beside() } else { first.try_clone() };
        sockets.push(other.or_else(|_| first.try_clone())?.into());
    }
    sockets.push(first.into());
    Ok(sockets)
}

fn unbound(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::DGRAM {
        for_datagrams(&socket, address)?;
    }
    Ok(socket)
}

fn for_datagrams(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    // As much as the kernel allows; less is no reason to fail.
    let _ = socket.set_recv_buffer_size(RECEIVED_OCTETS);
    let _ = socket.set_send_buffer_size(SENT_OCTETS);
    // Whoever can send a forged ICMP error must not make our answers smaller or fragmented (RFC
    // 9715 section 3.1). Kernels before 3.15 do not know it.
    let _ = match address {
        SocketAddr::V4(_) => set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::OMIT),
        SocketAddr::V6(_) => set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::OMIT),
    };
    // Which of this machine's addresses was asked: the answer must come from there.
    match address {
        _ if !address.ip().is_unspecified() => {}
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = unbound(address, kind, protocol)?;
    if kind == Type::STREAM {
        socket.set_nonblocking(true)?;
        // Connections of the process before us may still be closing on this port.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
    } else {
        socket.bind(&address.into())?;
    }
    Ok(socket)
}

fn explain(address: SocketAddr, error: &io::Error) -> String {
    if Errno::from_io_error(error) == Some(Errno::MFILE) {
        return format!(
            "cannot listen on {address}: out of file descriptors, of which each UDP thread needs one for each address: raise the limit (with systemd: LimitNOFILE), or lower udp_threads in [server]"
        );
    }
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "address already in use: {address}: another program answers DNS there; stop it (on port 53 often systemd-resolved) or choose another address in [server] dns"
        ),
        ErrorKind::PermissionDenied => format!(
            "no permission to listen on {address}: ports below 1024 need the capability CAP_NET_BIND_SERVICE (with systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE); or choose a higher port in [server] dns"
        ),
        ErrorKind::AddrNotAvailable => format!(
            "cannot listen on {address}: this machine has no such address; see 'ip address', and correct [server] dns"
        ),
        _ => format!("cannot listen on {address}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_queries_wait_that_nobody_waits_for() {
        /// What the kernel counts for a query of less than 200 octets.
        const QUERY_OCTETS: usize = 768;
        for address in ["127.0.0.1:0", "0.0.0.0:0"] {
            let address = address.parse().unwrap();
            let socket = socket(address, Type::DGRAM, Protocol::UDP).unwrap();
            // As the kernel counts, which is twice what was asked for.
            let waiting = socket.recv_buffer_size().unwrap() / QUERY_OCTETS;
            assert!((200..=3_000).contains(&waiting), "{waiting}");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let address = "192.0.2.1:53".parse().unwrap();
        for (kind, expect) in [
            (
                ErrorKind::AddrInUse,
                "address already in use: 192.0.2.1:53: ",
            ),
            (ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE"),
            (
                ErrorKind::AddrNotAvailable,
                "this machine has no such address",
            ),
            (ErrorKind::OutOfMemory, "cannot listen on 192.0.2.1:53: "),
        ] {
            let said = explain(address, &kind.into());
            assert!(said.contains(expect), "{said}");
        }
    }
}
