//! UDP threads: counts, addresses that were asked, stops, turns, rates, switches.

use super::{
    client::{client, published, query, serving, settled, tcp, udp, with_edns},
    table,
};
use hickory_proto::{
    op::{Message, MessageType},
    rr::{RData, RecordType},
};
use sidestep::{
    dns::{Cookies, Publisher, Settings, Table, bind_for, serve},
    model::{CookieSecret, RateLimit},
};
use std::{
    cell::Cell,
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

fn asked(id: u16) -> Vec<u8> {
    let mut asked = query("www.example.com", RecordType::A);
    asked.metadata.id = id;
    asked.to_vec().unwrap()
}

pub(super) fn id_of(reply: &[u8]) -> u16 {
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
        let wait = Duration::from_secs(20);
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
        // As many as any receive buffer holds, though all clients may meet the same socket.
        for id in 0..40 {
            for socket in &sockets {
                socket.send(&asked(id)).unwrap();
            }
        }
        (sockets, 40)
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

/// Serves with one UDP thread what was sent before it began.
pub(super) fn serving_what_waits(
    publisher: &Publisher,
    before: impl FnOnce(SocketAddr),
    after: impl FnOnce(),
) {
    let listeners = bind_for(&["127.0.0.1:0".parse().unwrap()], Some(1)).unwrap();
    before(listeners.addresses()[0]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let publisher = publisher.clone();
    let served = runtime.spawn(async move {
        serve(listeners, &publisher, async { drop(stopped.await) }).await;
    });
    after();
    stop.send(()).unwrap();
    runtime.block_on(served).unwrap();
}

/// A query that is answered, but not at once: it asks for NSID.
pub(super) fn unusual(id: u16) -> Vec<u8> {
    with_nsid(asked(id))
}

/// The same for a name that nobody else asks for, which a wildcard has.
fn unusual_name(id: u16) -> Vec<u8> {
    let mut asked = query(&format!("n{id}.wild.example.com"), RecordType::A);
    asked.metadata.id = id;
    with_nsid(asked.to_vec().unwrap())
}

pub(super) fn with_nsid(mut octets: Vec<u8>) -> Vec<u8> {
    octets[11] = 1;
    octets.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0]);
    octets
}

#[test]
fn usual_queries_go_before_unusual_ones_and_none_is_lost() {
    let publisher = published();
    let mut socket = None;
    serving_what_waits(
        &publisher.clone(),
        |server| {
            let client = client(server);
            for id in 0..60 {
                client.send(&unusual(id)).unwrap();
            }
            client.send(&asked(60)).unwrap();
            socket = Some(client);
        },
        || assert_eq!(settled(&publisher, 61).fast, 1),
    );
    let socket = socket.unwrap();
    let ids: Vec<u16> = (0..61)
        .map(|_| {
            let mut reply = [0; 512];
            socket.recv(&mut reply).unwrap();
            id_of(&reply)
        })
        .collect();
    // Two batches came: a share of unusual ones was answered after the first, which was full.
    let usual = ids.iter().position(|&id| id == 60).unwrap();
    assert!((1..=8).contains(&usual), "{usual}");
    let unusual: Vec<_> = ids.into_iter().filter(|&id| id != 60).collect();
    assert_eq!(unusual, (0..60).collect::<Vec<_>>(), "in their order");
}

/// What came back for so many queries: answers and truncated ones.
fn burst(publisher: &Publisher, socket: &UdpSocket, queries: &[Vec<u8>]) -> (usize, usize) {
    let before = publisher.counters().counted();
    for query in queries {
        socket.send(query).unwrap();
    }
    // Counted once sent, and loopback delivers at once.
    let count = u64::try_from(queries.len()).unwrap();
    settled(publisher, before.udp + before.tcp + count);
    socket.set_nonblocking(true).unwrap();
    let (mut whole, mut cut) = (0, 0);
    let mut reply = [0; 1_232];
    while let Ok(length) = socket.recv(&mut reply) {
        let reply = Message::from_vec(&reply[..length]).unwrap();
        if reply.metadata.truncation {
            assert!(reply.answers.is_empty() && reply.authorities.is_empty());
            assert_eq!(reply.queries.len(), 1);
            cut += 1;
        } else {
            whole += 1;
        }
    }
    (whole, cut)
}

#[test]
fn a_network_gets_its_rate_of_answers_and_slips() {
    let publisher = published();
    let secret: CookieSecret = "e5e973e5a6b2a43f48e7dc849e37bfcf".parse().unwrap();
    let settings = |exempt: &[&str]| Settings {
        identity: Some(b"ns1"[..].into()),
        cookies: Some(Cookies::new(secret, &[])),
        rate_limit: RateLimit {
            per_second: 20,
            slip: 2,
            exempt: exempt
                .iter()
                .map(|network| network.parse().unwrap())
                .collect(),
        },
        ..Settings::default()
    };
    publisher.publish_settings(settings(&[]));
    let server = Cell::new(SocketAddr::from(([0; 4], 0)));
    let body = || rates(server.get(), &publisher, &settings, secret);
    serving_what_waits(&publisher, |address| server.set(address), body);
}

fn rates(
    server: SocketAddr,
    publisher: &Publisher,
    settings: &dyn Fn(&[&str]) -> Settings,
    secret: CookieSecret,
) {
    let socket = client(server);
    let mut messages = 0;
    for make in [asked as fn(u16) -> Vec<u8>, unusual_name] {
        let queries: Vec<_> = (0..100).map(make).collect();
        messages += 100;
        let (whole, cut) = burst(publisher, &socket, &queries);
        // The clock may tick meanwhile: some more, not many.
        assert!((20..60).contains(&whole), "{whole}");
        assert!(cut.abs_diff((100 - whole) / 2) <= 1, "{cut} beside {whole}");
        let counted = settled(publisher, messages);
        let limited = counted
            .drops
            .iter()
            .find(|(why, _)| *why == "limited")
            .unwrap()
            .1;
        assert_eq!(messages, limited + counted.rcodes[0].1);
        assert_eq!(counted.slipped, counted.truncated);
    }
    // Over TCP, with a valid cookie, or from an exempt network there is no limit.
    for _ in 0..30 {
        let reply = tcp(server, &query("www.example.com", RecordType::A));
        assert!(!reply.metadata.truncation && reply.answers.len() == 1);
    }
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let now_secs = u32::try_from(now.as_secs()).unwrap();
    let own = socket.local_addr().unwrap().ip();
    let (cookie, _) = Cookies::new(secret, &[]).answer([5; 8], &[], own, now_secs);
    let with_cookie = |id| {
        let mut octets = asked(id);
        octets[11] = 1;
        octets.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 28, 0, 10, 0, 24]);
        octets.extend([5; 8]);
        octets.extend(cookie);
        octets
    };
    let queries: Vec<_> = (0..100).map(with_cookie).collect();
    assert_eq!(burst(publisher, &socket, &queries), (100, 0));
    publisher.publish_settings(settings(&["127.0.0.0/8"]));
    let queries: Vec<_> = (0..100).map(asked).collect();
    assert_eq!(burst(publisher, &socket, &queries), (100, 0));
}

/// The number that an answer table's addresses and TTL all bear.
fn seq_of(reply: &[u8], aaaa: bool) -> u64 {
    let reply = Message::from_vec(reply).unwrap();
    let seqs: BTreeSet<u64> = reply
        .answers
        .iter()
        .map(|record| {
            let octets = match &record.data {
                RData::A(a) if !aaaa => a.0.octets(),
                RData::AAAA(aaaa) => {
                    let [.., a, b, c, d] = aaaa.0.octets();
                    [a, b, c, d]
                }
                other => panic!("{other}"),
            };
            let seq = u64::from(u32::from_be_bytes(octets) & 0x00ff_ffff) / 2;
            assert_eq!(u64::from(record.ttl), 1 + seq % 1_000);
            seq
        })
        .collect();
    assert_eq!(
        (reply.answers.len(), seqs.len()),
        (2, 1),
        "two addresses of one table"
    );
    seqs.into_iter().next().unwrap()
}

fn numbered(seq: u64) -> Table {
    let number = u32::try_from(seq * 2).unwrap();
    let addresses: Vec<String> = [number, number + 1]
        .iter()
        .flat_map(|number| {
            let v4 = Ipv4Addr::from(0x0a00_0000 | number);
            [v4.to_string(), format!("2001:db8::{v4}")]
        })
        .collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    table(
        seq,
        &[("www", &addresses, 1 + u32::try_from(seq % 1_000).unwrap())],
    )
}

#[test]
fn after_a_new_answer_no_later_one_is_old() {
    let publisher = published();
    publisher.publish_table(numbered(10));
    let switcher = publisher.clone();
    let listeners_of = ["127.0.0.1:0"];
    serving(&listeners_of, &publisher, move |bound| {
        let seen = AtomicU64::new(0);
        let is_done = AtomicBool::new(false);
        let switches = thread::scope(|scope| {
            let ask = || {
                // Many sockets, so that every thread of the server has some.
                let sockets: Vec<_> = (0..8).map(|_| client(bound[0])).collect();
                let of = |kind| query("www.example.com", kind).to_vec().unwrap();
                let questions = [(of(RecordType::A), false), (of(RecordType::AAAA), true)];
                let mut own = BTreeSet::new();
                for round in 0..1_000 {
                    let socket = &sockets[round % sockets.len()];
                    for (question, aaaa) in &questions {
                        let before = seen.load(Ordering::SeqCst);
                        socket.send(question).unwrap();
                        let mut reply = [0; 512];
                        let length = socket.recv(&mut reply).unwrap();
                        let seq = seq_of(&reply[..length], *aaaa);
                        assert!(seq >= before, "{seq} after {before}");
                        seen.fetch_max(seq, Ordering::SeqCst);
                        own.insert(seq);
                    }
                }
                own.len()
            };
            let asking: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
            let switching = scope.spawn(|| {
                let mut seq = 10;
                while !is_done.load(Ordering::Relaxed) {
                    seq += 1;
                    assert!(switcher.publish_table(numbered(seq)));
                }
                seq
            });
            let distinct: Vec<_> = asking.into_iter().map(|asking| asking.join()).collect();
            is_done.store(true, Ordering::Relaxed);
            let switches = switching.join().unwrap();
            for distinct in distinct {
                assert!(distinct.unwrap() > 10, "switches were seen");
            }
            switches
        });
        assert!(switches > 100, "{switches}");
    });
    let counted = publisher.counters().counted();
    assert_eq!(
        (counted.udp, counted.fast, counted.dropped),
        (6_000, 6_000, 0)
    );
}
