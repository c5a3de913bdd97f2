//! A network that asks without end, and one that does not, where unusual queries have to wait.

use super::{
    client::{published, query, settled},
    udp::{id_of, serving_what_waits, unusual, with_nsid},
};
use hickory_proto::rr::RecordType;
use sidestep::dns::{Counted, Publisher};
use std::{
    cell::Cell,
    net::{SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

/// Longer than anything here takes.
const LATE: Duration = Duration::from_secs(20);
/// Sent at once, and less than the smallest receive buffer holds: nothing is lost on the way.
const BURST: u16 = 160;
/// One honest query among so many.
const HONEST: u16 = 10;
const ROUNDS: u16 = 8;

fn client_at(source: &str, server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((source, 0)).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(LATE)).unwrap();
    socket
}

fn overload(counted: &Counted) -> u64 {
    let mut drops = counted.drops.iter();
    drops.find(|(why, _)| *why == "overload").unwrap().1
}

/// The counts once so many messages came, whatever became of them.
fn received(publisher: &Publisher, messages: u64) -> Counted {
    let began = Instant::now();
    loop {
        let counted = publisher.counters().counted();
        if counted.udp >= messages {
            return counted;
        }
        assert!(began.elapsed() < LATE, "{messages}: {counted:?}");
        thread::yield_now();
    }
}

#[test]
fn a_network_that_asks_without_end_takes_no_place_from_others() {
    let publisher = published();
    let server = Cell::new(SocketAddr::from(([0; 4], 0)));
    serving_what_waits(
        &publisher,
        |address| server.set(address),
        || flooded(server.get(), &publisher),
    );
}

fn flooded(server: SocketAddr, publisher: &Publisher) {
    // Neighbours, who count as one; what they ask takes longest of all, so that it piles up.
    let junk = ["127.1.0.1", "127.1.0.2", "127.1.0.255"].map(|one| client_at(one, server));
    let honest = client_at("127.2.0.1", server);
    let long = with_nsid(query("huge.example.com", RecordType::TXT).to_vec().unwrap());
    let ask_junk = |id: u16| {
        junk[usize::from(id % 3)].send(&long).unwrap();
    };
    let (mut messages, began) = (0, Instant::now());
    while overload(&received(publisher, messages)) == 0 {
        assert!(began.elapsed() < LATE, "it finds a place for everything");
        (0..BURST).for_each(ask_junk);
        messages += u64::from(BURST);
    }
    let mut asked = 0;
    for _ in 0..ROUNDS {
        for id in 0..BURST {
            ask_junk(id);
            if id % HONEST == HONEST - 1 {
                honest.send(&unusual(asked)).unwrap();
                asked += 1;
            }
        }
        messages += u64::from(BURST + BURST / HONEST);
        received(publisher, messages);
    }
    let counted = settled(publisher, messages);
    assert!(overload(&counted) > u64::from(BURST), "{counted:?}");
    assert_eq!(counted.dropped, overload(&counted), "{counted:?}");
    // Each has its answer by now, or never will.
    honest.set_nonblocking(true).unwrap();
    let mut reply = [0; 512];
    let answered = std::iter::from_fn(|| honest.recv(&mut reply).ok().map(|_| id_of(&reply)));
    assert_eq!(answered.collect::<Vec<_>>(), (0..asked).collect::<Vec<_>>());
}
