//! Sockets: transports, several addresses, ports in use, swaps under load, shutdown.

use super::{
    alone::{is_alone, run_alone},
    client::{LOCAL, client, published, query, serving, settled, tcp, tcp_receive, udp, zones},
    table,
};
use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, RecordType},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sidestep::dns::{Publisher, bind, bind_for};
use std::{
    io::Write,
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::Arc,
};

#[test]
fn a_service_is_answered_over_udp_and_tcp_and_counted() {
    let publisher = published();
    let counters = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        for ask in [udp, tcp] {
            let mut asked = query("WwW.eXample.com", RecordType::A);
            asked.metadata.recursion_desired = true;
            asked.metadata.checking_disabled = true;
            let reply = ask(bound[0], &asked);
            let meta = reply.metadata;
            assert_eq!((meta.id, meta.message_type), (4_711, MessageType::Response));
            assert!(meta.authoritative && meta.recursion_desired && !meta.truncation);
            assert!(!meta.recursion_available && !meta.checking_disabled && !meta.authentic_data);
            assert_eq!(reply.queries[0].name().to_ascii(), "WwW.eXample.com.");
            assert_eq!(reply.answers.len(), 1);
            assert_eq!(reply.answers[0].ttl, 30);
            assert_eq!(reply.answers[0].data.to_string(), "192.0.2.1");
            assert!(reply.edns.is_none());
        }
        udp(bound[0], &query("nothing.example.com", RecordType::A));
        let counted = settled(&counters, 3);
        assert_eq!((counted.udp, counted.tcp, counted.dropped), (2, 1, 0));
        let of = |name| {
            counted
                .rcodes
                .iter()
                .find(|&&(known, _)| known == name)
                .unwrap()
                .1
        };
        assert_eq!((of("NOERROR"), of("NXDOMAIN"), of("REFUSED")), (2, 1, 0));
    });
}

#[test]
fn a_tcp_connection_takes_many_queries_in_any_pieces() {
    serving(LOCAL, &published(), |bound| {
        let mut stream = TcpStream::connect(bound[0]).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut octets = Vec::new();
        for id in 0..50 {
            let mut asked = query("www.example.com", RecordType::AAAA);
            asked.metadata.id = id;
            let asked = asked.to_vec().unwrap();
            octets.extend(u16::try_from(asked.len()).unwrap().to_be_bytes());
            octets.extend(asked);
        }
        for piece in octets.chunks(7) {
            stream.write_all(piece).unwrap();
        }
        for id in 0..50 {
            let reply = tcp_receive(&mut stream);
            assert_eq!(reply.metadata.id, id);
            assert_eq!(reply.answers[0].data.to_string(), "2001:db8::1");
        }
    });
}

#[test]
fn several_addresses_are_served_and_ipv6_takes_no_ipv4() {
    let mut addresses = vec!["127.0.0.1:0", "127.0.0.2:0"];
    let has_ipv6 = UdpSocket::bind("[::1]:0").is_ok();
    if has_ipv6 {
        addresses.push("[::1]:0");
    }
    serving(&addresses, &published(), move |bound| {
        assert_eq!(bound.len(), if has_ipv6 { 3 } else { 2 });
        for &server in &bound {
            assert_ne!(server.port(), 0);
            for ask in [udp, tcp] {
                assert_eq!(
                    ask(server, &query("www.example.com", RecordType::A))
                        .answers
                        .len(),
                    1
                );
            }
        }
    });
    if has_ipv6 {
        let v4 = bind(&["0.0.0.0:0".parse().unwrap()]).unwrap();
        let port = v4.addresses()[0].port();
        let v6 = bind(&[SocketAddr::from(([0_u16; 8], port))]);
        assert!(v6.is_ok(), "{v6:?}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let held = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = held.addresses()[0];
    let refused = bind(&[address]).unwrap_err();
    assert!(
        refused.starts_with(&format!("address already in use: {address}: ")),
        "{refused}"
    );
    let twice = bind(&["127.0.0.1:5".parse().unwrap(); 2]);
    drop(held);
    assert!(
        bind(&[address]).is_ok(),
        "dropped listeners free their port"
    );
    // The first of the two may itself be forbidden; a privileged port says so.
    let said = twice.unwrap_err();
    assert!(
        said.contains("given twice") || said.contains("CAP_NET_BIND_SERVICE"),
        "{said}"
    );
    let nowhere = bind(&["192.0.2.1:5300".parse().unwrap()]).unwrap_err();
    assert!(nowhere.contains("no such address"), "{nowhere}");
}

#[test]
fn a_shutdown_frees_the_ports() {
    let bound = serving(LOCAL, &published(), |bound| {
        assert_eq!(
            udp(bound[0], &query("www.example.com", RecordType::A))
                .answers
                .len(),
            1
        );
        bound
    });
    assert!(bind(&bound).is_ok());
}

#[test]
fn nothing_published_is_refused_and_an_older_table_changes_nothing() {
    let publisher = Publisher::new();
    let later = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        let ask = || udp(bound[0], &query("www.example.com", RecordType::A));
        assert_eq!(ask().metadata.response_code, ResponseCode::Refused);
        later.publish_zones(&zones());
        assert_eq!(ask().metadata.response_code, ResponseCode::ServFail);
        assert!(later.publish_table(table(7, &[("www", &["192.0.2.7"], 30)])));
        assert!(!later.publish_table(table(6, &[("www", &["192.0.2.6"], 30)])));
        assert_eq!(ask().answers[0].data.to_string(), "192.0.2.7");
    });
}

#[test]
fn a_swap_loses_no_query_and_mixes_no_tables() {
    let publisher = published();
    let swapper = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stop = Arc::clone(&done);
        let zones = zones();
        let swaps = std::thread::spawn(move || {
            let mut seq = 1;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                seq += 1;
                let last = seq % 2;
                let one = [format!("192.0.2.{last}"), format!("198.51.100.{last}")];
                let one: Vec<_> = one.iter().map(String::as_str).collect();
                let answers = table(seq, &[("www", &one, u32::try_from(last).unwrap() + 10)]);
                if seq.is_multiple_of(3) {
                    swapper.publish(Arc::clone(&zones), answers);
                } else {
                    assert!(swapper.publish_table(answers));
                    swapper.publish_zones(&zones);
                }
            }
            seq
        });
        let socket = client(bound[0]);
        let asked = query("www.example.com", RecordType::A).to_vec().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        let mut rounds = 0;
        while rounds < 2_000 || seen.len() < 2 {
            socket.send(&asked).unwrap();
            let mut reply = [0; 1_232];
            let length = socket.recv(&mut reply).expect("every query is answered");
            let reply = Message::from_vec(&reply[..length]).unwrap();
            let addresses: Vec<_> = reply
                .answers
                .iter()
                .map(|record| match &record.data {
                    RData::A(address) => (address.0.octets()[3], record.ttl),
                    other => panic!("{other}"),
                })
                .collect();
            if rounds > 0 && addresses.len() == 2 {
                assert_eq!(addresses[0], addresses[1]);
                assert_eq!(u32::from(addresses[0].0) + 10, addresses[0].1);
                seen.insert(addresses[0].0);
            }
            rounds += 1;
            assert!(rounds < 100_000, "both tables are seen");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(swaps.join().unwrap() > 10);
    });
    assert_eq!(publisher.counters().counted().dropped, 0);
}

#[test]
fn room_for_all_sockets_is_made_before_they_are_bound() {
    run_alone("dns::sockets::binds_more_sockets_than_the_limit");
}

#[test]
#[ignore = "started by another test"]
fn binds_more_sockets_than_the_limit() {
    if !is_alone() {
        return;
    }
    let limited = |current, maximum| {
        let (current, maximum) = (Some(current), Some(maximum));
        setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    };
    let addresses = [LOCAL[0].parse().unwrap(), "127.0.0.2:0".parse().unwrap()];
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20);
    limited(64, hard);
    let listeners = bind_for(&addresses, Some(100)).unwrap();
    assert_eq!(listeners.addresses().len(), 2);
    let allowed = getrlimit(Resource::Nofile).current.unwrap();
    assert!(
        (200..2_000).contains(&allowed),
        "no more than is needed: {allowed}"
    );
    drop(listeners);
    // Where it cannot be raised, that is what is said.
    limited(64, 100);
    let refused = bind_for(&addresses, Some(100)).unwrap_err();
    assert!(refused.contains("out of file descriptors"), "{refused}");
    assert!(refused.contains("udp_threads"), "{refused}");
}
