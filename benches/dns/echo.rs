//! The floor: what receiving and sending cost, and nothing else.

use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, setsockopt, sockopt,
};
use std::{
    io::{IoSlice, IoSliceMut},
    net::UdpSocket,
    os::fd::AsRawFd,
};

/// As our server fetches them.
const BATCH: usize = 32;
/// Octets of an answer beyond those of its question: one A record.
const ANSWER: usize = 16;

/// Sends every datagram back as if it were answered; never ends.
pub(crate) fn serve(address: &str) -> ! {
    let socket = UdpSocket::bind(address).expect("a free port");
    setsockopt(&socket, sockopt::RcvBuf, &(4 << 20)).expect("a buffer");
    let fd = socket.as_raw_fd();
    let mut octets = vec![[0_u8; 512]; BATCH];
    let mut came = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut goes = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    loop {
        let mut lengths = [0; BATCH];
        let mut sources = [None; BATCH];
        let mut count = 0;
        {
            let mut buffers: Vec<_> = octets
                .iter_mut()
                .map(|octets| [IoSliceMut::new(octets)])
                .collect();
            let flags = MsgFlags::MSG_WAITFORONE;
            let received = recvmmsg(fd, &mut came, buffers.iter_mut(), flags, None);
            for message in received.into_iter().flatten() {
                lengths[count] = message.bytes;
                sources[count] = message.address;
                count += 1;
            }
        }
        for octets in &mut octets[..count] {
            // A reply, with one answer.
            octets[2] |= 0x80;
            octets[7] = 1;
        }
        let buffers: Vec<_> = octets[..count]
            .iter()
            .zip(lengths)
            .map(|(octets, length)| [IoSlice::new(&octets[..length + ANSWER])])
            .collect();
        let sent = sendmmsg(
            fd,
            &mut goes,
            &buffers,
            &sources[..count],
            [],
            MsgFlags::empty(),
        );
        // What cannot be sent is lost, and seen as such by who asked.
        drop(sent);
    }
}
