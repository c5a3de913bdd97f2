//! UDP threads: counts, addresses that were asked, stops.

use super::client::{client, published, query, serving, settled, udp, with_edns};
use hickory_proto::{
    op::{Message, MessageType},
    rr::RecordType,
};
use sidestep::dns::bind_for;
use std::net::{IpAddr, SocketAddr, UdpSocket};

fn asked(id: u16) -> Vec<u8> {
    let mut asked = query("www.example.com", RecordType::A);
    asked.metadata.id = id;
    asked.to_vec().unwrap()
}

fn id_of(reply: &[u8]) -> u16 {
    u16::from_be_bytes([reply[0], reply[1]])
}

#[test]
fn every_message_is_counted_as_answered_or_dropped() {
    let publisher = published();
    let counters = publisher.clone();
    serving(&["127.0.0.1:0"], &publisher, move |bound| {
        let mut reply = query("www.example.com", RecordType::A);
        reply.metadata.message_type = MessageType::Response;
        let reply = reply.to_vec().unwrap();
        let huge = with_edns(query("big.example.com", RecordType::TXT), 1_232);
        let huge = huge.to_vec().unwrap();
        // Many ports, so that all threads get some.
        let mut messages = 0;
        for id in 0..40 {
            let socket = client(bound[0]);
            for octets in [
                &asked(id)[..],
                &reply,
                &reply[..11],
                &[],
                &huge,
                &asked(id)[..20],
            ] {
                socket.send(octets).unwrap();
                messages += 1;
            }
            let mut answer = [0; 1_232];
            for _ in 0..3 {
                socket.recv(&mut answer).unwrap();
            }
        }
        let counted = settled(&counters, messages);
        let drops: Vec<_> = counted
            .drops
            .iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(drops, [&("reply", 40), &("scrap", 80)]);
        assert_eq!(counted.truncated, 40);
        let of = |name| counted.rcodes.iter().find(|(known, _)| *known == name);
        assert_eq!(of("NOERROR"), Some(&("NOERROR", 80)));
        assert_eq!(of("FORMERR"), Some(&("FORMERR", 40)));
    });
}

#[test]
fn a_reply_comes_from_the_address_that_was_asked() {
    let mut wildcards = vec!["0.0.0.0:0"];
    if UdpSocket::bind("[::1]:0").is_ok() {
        wildcards.push("[::]:0");
    }
    serving(&wildcards, &published(), |bound| {
        let at = |address: &str, port| SocketAddr::new(address.parse::<IpAddr>().unwrap(), port);
        let port = bound[0].port();
        let mut servers = vec![at("127.0.0.1", port), at("127.0.0.2", port)];
        servers.push(at("127.9.9.9", port));
        servers.extend(bound.get(1).map(|v6| at("::1", v6.port())));
        for &server in &servers {
            // A connected socket hears its server's address alone.
            assert_eq!(
                udp(server, &query("www.example.com", RecordType::A))
                    .answers
                    .len(),
                1
            );
        }
        // From one socket, so that one batch holds queries to several addresses.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let wait = std::time::Duration::from_secs(20);
        socket.set_read_timeout(Some(wait)).unwrap();
        for round in 0..20 {
            for (index, server) in servers[..3].iter().enumerate() {
                let id = round * 3 + u16::try_from(index).unwrap();
                socket.send_to(&asked(id), server).unwrap();
            }
        }
        for _ in 0..60 {
            let mut reply = [0; 512];
            let (_, from) = socket.recv_from(&mut reply).unwrap();
            assert_eq!(from, servers[usize::from(id_of(&reply) % 3)]);
        }
    });
}

#[test]
fn a_stop_answers_what_was_received() {
    let (sockets, sent) = serving(&["127.0.0.1:0"], &published(), |bound| {
        let sockets: Vec<_> = (0..8).map(|_| client(bound[0])).collect();
        for id in 0..100 {
            for socket in &sockets {
                socket.send(&asked(id)).unwrap();
            }
        }
        (sockets, 100)
    });
    for socket in sockets {
        socket.set_nonblocking(true).unwrap();
        for id in 0..sent {
            let mut reply = [0; 512];
            let length = socket.recv(&mut reply).expect("an answer before the end");
            assert_eq!(Message::from_vec(&reply[..length]).unwrap().metadata.id, id);
        }
    }
}

#[test]
fn threads_of_one_address_share_its_port_with_nobody_else() {
    for threads in [None, Some(1), Some(5)] {
        let held = bind_for(&["127.0.0.1:0".parse().unwrap()], threads).unwrap();
        let address = held.addresses()[0];
        for others in [None, Some(1), Some(3)] {
            let refused = bind_for(&[address], others).unwrap_err();
            assert!(refused.starts_with("address already in use: "), "{refused}");
        }
    }
}
