//! Sockets: UDP and TCP on each address, bound once before anything is served.
//!
//! Does not know DNS. Contract: either all are bound or an error names the address and what to
//! do; UDP and TCP share a port, also where the port was 0; IPv6 sockets take no IPv4, so that
//! `0.0.0.0:53` and `[::]:53` stand side by side.

use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener, UdpSocket},
};

/// A free TCP port need not be free for UDP; so often another one is tried.
const FREE_PORT_TRIES: usize = 32;
/// Connections that wait to be accepted; the kernel's limit applies.
const BACKLOG: i32 = 4_096;
/// Bursts beyond what is read between two wake-ups wait here; the kernel's limit applies.
const RECEIVE_BUFFER_OCTETS: usize = 4 << 20;

/// The two sockets of one address.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) address: SocketAddr,
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
}

/// Bound sockets, not yet served.
#[derive(Debug, Default)]
pub struct Listeners {
    pub(super) pairs: Vec<Pair>,
}

impl Listeners {
    /// The addresses as bound, in the order asked for: where port 0 was asked, the port given.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.pairs.iter().map(|pair| pair.address).collect()
    }
}

/// Binds UDP and TCP on each address.
///
/// # Errors
/// A sentence for the operator: which address, why, and what to do.
pub fn bind(addresses: &[SocketAddr]) -> Result<Listeners, String> {
    let mut listeners = Listeners::default();
    for (index, &address) in addresses.iter().enumerate() {
        if address.port() != 0 && addresses[..index].contains(&address) {
            return Err(format!("{address} is given twice in [server] dns"));
        }
        listeners
            .pairs
            .push(pair(address).map_err(|error| explain(address, &error))?);
    }
    Ok(listeners)
}

fn pair(address: SocketAddr) -> io::Result<Pair> {
    let tries = if address.port() == 0 {
        FREE_PORT_TRIES
    } else {
        1
    };
    let mut last = io::Error::from(ErrorKind::AddrInUse);
    for _ in 0..tries {
        let tcp: TcpListener = socket(address, Type::STREAM, Protocol::TCP)?.into();
        let address = tcp.local_addr()?;
        match socket(address, Type::DGRAM, Protocol::UDP) {
            Ok(udp) => {
                return Ok(Pair {
                    address,
                    udp: udp.into(),
                    tcp,
                });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    if kind == Type::STREAM {
        // Connections of the process before us may still be closing on this port.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
    } else {
        // As much as the kernel allows; less is no reason to fail.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_OCTETS);
        socket.bind(&address.into())?;
    }
    Ok(socket)
}

fn explain(address: SocketAddr, error: &io::Error) -> String {
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
