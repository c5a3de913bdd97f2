//! How long TCP waits for queries and for whoever takes no answers, and what it says of that.

use super::{
    super::client::{LOCAL, published, query, serving},
    LATE, asks_well, closed_for, connected, framed, is_closed, limited, pipeline,
};
use hickory_proto::rr::RecordType;
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

#[test]
fn a_silent_connection_ends_and_one_that_asks_does_not() {
    let publisher = published();
    limited(&publisher, 100, 1_500);
    let counters = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        let began = Instant::now();
        let (mut silent, mut busy) = (connected(bound[0]), connected(bound[0]));
        silent.set_nonblocking(true).unwrap();
        let mut asked = 0;
        loop {
            asks_well(&mut busy);
            asked += 1;
            match silent.read(&mut [0; 1]) {
                Ok(length) => break assert_eq!(length, 0, "closed with FIN"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
            assert!(began.elapsed() < LATE);
        }
        assert!(began.elapsed() >= Duration::from_millis(1_500));
        assert!(asked > 10);
        // A query, then nothing: the time runs anew.
        let asked = Instant::now();
        asks_well(&mut busy);
        assert_eq!(closed_for(&counters, "idle"), 1);
        assert!(is_closed(&mut busy));
        assert!(asked.elapsed() >= Duration::from_millis(1_490));
        assert_eq!(closed_for(&counters, "idle"), 2);
    });
}

#[test]
fn octets_that_make_no_query_do_not_keep_a_connection() {
    let publisher = published();
    limited(&publisher, 100, 400);
    let counters = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        // Too long to be whole in its time.
        let long = [["x"; 60].concat().as_str(); 3].join(".") + ".example.com";
        let slow = pipeline(50, &long, RecordType::A);
        let scraps = [0; 2_000];
        for octets in [&slow[..], &scraps[..]] {
            let mut stream = connected(bound[0]);
            let began = Instant::now();
            stream
                .set_read_timeout(Some(Duration::from_millis(25)))
                .unwrap();
            let mut octets = octets.iter();
            let mut sent = 0;
            let is_fin = loop {
                // An octet now and then: the pause is the wait for an answer.
                let written = stream.write_all(&[*octets.next().unwrap()]);
                sent += 1;
                match stream.read(&mut [0; 512]) {
                    Ok(0) => break true,
                    Ok(_) => panic!("nothing was asked"),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        assert!(began.elapsed() < LATE);
                    }
                    Err(_) => break false,
                }
                if written.is_err() {
                    break false;
                }
            };
            // The first octet gave one extension.
            assert!(began.elapsed() < Duration::from_secs(4), "{sent} {is_fin}");
        }
        assert_eq!(
            closed_for(&counters, "timeout") + closed_for(&counters, "idle"),
            2
        );
        assert!(closed_for(&counters, "timeout") >= 1);
        let counted = counters.counters().counted();
        assert_eq!(counted.tcp, counted.dropped, "nothing was answered");
    });
}

#[test]
fn whoever_takes_no_answers_is_not_read_and_then_cut() {
    let publisher = published();
    limited(&publisher, 100, 1_000);
    let counters = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        let mut stream = connected(bound[0]);
        let octets = pipeline(1_000, "big.example.com", RecordType::TXT);
        let mut sent = 0_u64;
        let began = Instant::now();
        let error = loop {
            match stream.write_all(&octets) {
                Ok(()) => sent += 1_000,
                Err(error) => break error,
            }
            assert!(began.elapsed() < LATE, "{sent} were read");
        };
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert_eq!(closed_for(&counters, "timeout"), 1);
        let answered = counters.counters().counted().tcp;
        assert!(answered < sent, "{answered} of {sent}");
        asks_well(&mut connected(bound[0]));
    });
}

/// What the keepalive option says to one who asks (RFC 7828), s/10.
fn told_keepalive(stream: &mut TcpStream) -> u16 {
    let mut asked = query("www.example.com", RecordType::A).to_vec().unwrap();
    // OPT with an empty option 11.
    asked[11] = 1;
    asked.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 11, 0, 0]);
    stream.write_all(&framed(&asked)).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    let (_, option) = reply.split_last_chunk::<6>().unwrap();
    assert_eq!(option[..4], [0, 11, 0, 2], "{reply:?}");
    u16::from_be_bytes([option[4], option[5]])
}

#[test]
fn whoever_asks_is_told_how_long_it_may_be_silent_and_less_as_the_cap_nears() {
    let publisher = published();
    limited(&publisher, 8, 60_000);
    serving(LOCAL, &publisher, |bound| {
        let mut streams = Vec::new();
        for told in [600, 600, 600, 600, 600, 600, 330, 60] {
            let mut stream = connected(bound[0]);
            assert_eq!(told_keepalive(&mut stream), told);
            streams.push(stream);
        }
    });
}
