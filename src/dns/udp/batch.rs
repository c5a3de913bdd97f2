//! Datagrams by the batch: `recvmmsg` and `sendmmsg`, with the address that was asked.
//!
//! Does not know DNS. Contract: allocates nothing after it was made; a reply goes out from the
//! address that its query came to, on wildcard sockets too (IP_PKTINFO, RFC 3542 section 6.1);
//! sending never waits, what the network does not take at once is given up.

use nix::{
    cmsg_space,
    errno::Errno,
    libc,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6,
        SockaddrLike, recvmmsg, sendmmsg,
    },
};
use std::{
    array,
    io::{IoSlice, IoSliceMut},
    net::{Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
};

/// So many datagrams are received with one system call.
pub(super) const BATCH: usize = 32;
/// No query is longer; what is longer is cut and so unreadable. Not a multiple of 4,096: then all
/// buffers would begin on the same few lines of the processor's cache.
pub(super) const BUFFER_OCTETS: usize = 4_096 + 64;

/// Room for one batch.
pub(super) type Buffers = [[u8; BUFFER_OCTETS]; BATCH];

/// The addresses of one version of IP.
pub(super) trait Family: SockaddrLike + Copy {
    /// An address of this machine, and where it matters the interface.
    type Own: Copy + PartialEq;

    /// As everybody else writes it.
    fn address(&self) -> SocketAddr;

    /// The address that a datagram was sent to.
    fn asked(message: &ControlMessageOwned) -> Option<Self::Own>;

    /// The order to send from there.
    fn sent_from(own: &Self::Own) -> ControlMessage<'_>;
}

impl Family for SockaddrIn {
    type Own = libc::in_pktinfo;

    fn address(&self) -> SocketAddr {
        SocketAddr::V4((*self).into())
    }

    fn asked(message: &ControlMessageOwned) -> Option<Self::Own> {
        match message {
            // The way back is the routing table's to find, so no interface is named.
            ControlMessageOwned::Ipv4PacketInfo(asked) => Some(libc::in_pktinfo {
                ipi_ifindex: 0,
                ..*asked
            }),
            _ => None,
        }
    }

    fn sent_from(own: &Self::Own) -> ControlMessage<'_> {
        ControlMessage::Ipv4PacketInfo(own)
    }
}

impl Family for SockaddrIn6 {
    type Own = libc::in6_pktinfo;

    fn address(&self) -> SocketAddr {
        SocketAddr::V6((*self).into())
    }

    fn asked(message: &ControlMessageOwned) -> Option<Self::Own> {
        let ControlMessageOwned::Ipv6PacketInfo(asked) = message else {
            return None;
        };
        let address = Ipv6Addr::from(asked.ipi6_addr.s6_addr);
        Some(libc::in6_pktinfo {
            // A link-local address exists on its interface alone (RFC 4007 section 6).
            ipi6_ifindex: if address.is_unicast_link_local() {
                asked.ipi6_ifindex
            } else {
                0
            },
            ..*asked
        })
    }

    fn sent_from(own: &Self::Own) -> ControlMessage<'_> {
        ControlMessage::Ipv6PacketInfo(own)
    }
}

/// Who asked, and which of our addresses.
#[derive(Clone, Copy)]
pub(super) struct Peer<A: Family> {
    pub(super) address: A,
    /// Known on wildcard sockets only; elsewhere there is no choice.
    asked: Option<A::Own>,
}

impl<A: Family> Peer<A> {
    /// A peer of a socket that has one address.
    #[cfg(test)]
    pub(super) fn of(address: A) -> Self {
        let asked = None;
        Self { address, asked }
    }
}

/// A datagram that came.
#[derive(Clone, Copy)]
pub(super) struct Came<A: Family> {
    /// Which buffer has its octets.
    pub(super) place: usize,
    pub(super) length: usize,
    pub(super) peer: Peer<A>,
}

/// A datagram to send.
#[derive(Clone, Copy)]
pub(super) struct Outgoing<'o, A: Family> {
    pub(super) octets: &'o [u8],
    pub(super) peer: Peer<A>,
}

/// What the kernel is handed, of one thread and socket.
pub(super) struct Batches<'s, A: Family> {
    socket: &'s UdpSocket,
    inbound: MultiHeaders<A>,
    /// Without and with the address to send from.
    outbound: MultiHeaders<A>,
    outbound_from: Option<MultiHeaders<A>>,
}

impl<'s, A: Family> Batches<'s, A> {
    /// `is_wildcard`: the socket is bound to every address and says which one was asked.
    pub(super) fn new(socket: &'s UdpSocket, is_wildcard: bool) -> Self {
        let space = || is_wildcard.then(|| cmsg_space!(A::Own));
        Self {
            socket,
            inbound: MultiHeaders::preallocate(BATCH, space()),
            outbound: MultiHeaders::preallocate(BATCH, None),
            outbound_from: space().map(|space| MultiHeaders::preallocate(BATCH, Some(space))),
        }
    }

    /// Receives what is there, at most a batch; where nothing is, waits for it or says `EAGAIN`.
    ///
    /// # Errors
    /// Those of `recvmmsg`; `came` is empty then.
    pub(super) fn receive(
        &mut self,
        buffers: &mut Buffers,
        came: &mut Vec<Came<A>>,
        wait: bool,
    ) -> Result<(), Errno> {
        came.clear();
        let mut slices = buffers.each_mut().map(|buffer| [IoSliceMut::new(buffer)]);
        let flags = if wait {
            MsgFlags::MSG_WAITFORONE
        } else {
            MsgFlags::MSG_DONTWAIT
        };
        let is_wildcard = self.outbound_from.is_some();
        let received = recvmmsg(
            self.socket.as_raw_fd(),
            &mut self.inbound,
            slices.iter_mut(),
            flags,
            None,
        )?;
        for (place, message) in received.enumerate() {
            let Some(address) = message.address else {
                continue;
            };
            let asked = match message.cmsgs() {
                Ok(mut controls) if is_wildcard => controls.find_map(|one| A::asked(&one)),
                _ => None,
            };
            came.push(Came {
                place,
                length: message.bytes,
                peer: Peer { address, asked },
            });
        }
        Ok(())
    }

    /// Sends `count` datagrams, at most a batch; `ended` hears of each whether it was sent.
    pub(super) fn send<'o>(
        &mut self,
        count: usize,
        outgoing: impl Fn(usize) -> Outgoing<'o, A>,
        mut ended: impl FnMut(usize, Result<(), Errno>),
    ) {
        debug_assert!(count <= BATCH, "a batch at a time");
        let mut first = 0;
        while first < count {
            // One call has one address to send from: for as many as share it.
            let from = outgoing(first).peer.asked;
            let mut run = (first..count).take_while(|&index| outgoing(index).peer.asked == from);
            let length = run.by_ref().count();
            match self.send_run(length, |index| outgoing(first + index), from.as_ref()) {
                Ok(sent) => {
                    (first..first + sent).for_each(|index| ended(index, Ok(())));
                    first += sent;
                }
                Err(Errno::EINTR) => {}
                Err(error) => {
                    ended(first, Err(error));
                    first += 1;
                }
            }
        }
    }

    /// How many of `count` were sent, at least the first, or why not that one.
    fn send_run<'o>(
        &mut self,
        count: usize,
        outgoing: impl Fn(usize) -> Outgoing<'o, A>,
        from: Option<&A::Own>,
    ) -> Result<usize, Errno> {
        let one = |index: usize| (index < count).then(|| outgoing(index));
        let octets: [[IoSlice<'_>; 1]; BATCH] =
            array::from_fn(|index| [IoSlice::new(one(index).map_or(&[], |one| one.octets))]);
        let to: [Option<A>; BATCH] = array::from_fn(|index| one(index).map(|one| one.peer.address));
        let (octets, to) = (&octets[..count], &to[..count]);
        let socket = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = match (from, &mut self.outbound_from) {
            (Some(own), Some(headers)) => {
                sendmmsg(socket, headers, octets, to, [A::sent_from(own)], flags)?.count()
            }
            _ => sendmmsg(socket, &mut self.outbound, octets, to, [], flags)?.count(),
        };
        // None and no error does not happen; were it to, the caller must get on all the same.
        if sent == 0 { Err(Errno::EIO) } else { Ok(sent) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddrV4;

    #[test]
    fn what_cannot_be_sent_is_passed_over_and_said() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(good) = client.local_addr().unwrap() else {
            panic!("an IPv4 address");
        };
        // Nobody may send to all without having said so.
        let bad = SocketAddrV4::new(std::net::Ipv4Addr::BROADCAST, 9);
        let to = [bad, good, bad, bad, good, good, bad];
        let mut batches = Batches::<SockaddrIn>::new(&server, false);
        let outgoing = |index: usize| Outgoing {
            octets: &b"0123456"[index..=index],
            peer: Peer::of(SockaddrIn::from(to[index])),
        };
        let mut sent = Vec::new();
        batches.send(to.len(), outgoing, |index, ended| {
            assert_eq!(index, sent.len());
            sent.push(ended);
        });
        let expect = to.map(|to| {
            if to == bad {
                Err(Errno::EACCES)
            } else {
                Ok(())
            }
        });
        assert_eq!(sent, expect);
        for expect in [b"1", b"4", b"5"] {
            let mut octets = [0; 8];
            assert_eq!(client.recv(&mut octets).unwrap(), 1);
            assert_eq!(octets[0], expect[0]);
        }
    }
}
