//! How TCP ends: what a shutdown answers, whom it does not wait for, and what is done without
//! descriptors.

use super::{
    super::{
        alone::{is_alone, run_alone},
        client::{LOCAL, published, query, serving, tcp_receive, tcp_send},
    },
    LATE, Served, asks_well, closed_for, connected, is_closed, limited, pipeline, wait_until,
};
use hickory_proto::rr::RecordType;
use std::{
    fs::File,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

/// Whoever takes nothing for so long takes nothing more.
const STALLED: Duration = Duration::from_millis(500);

#[test]
fn a_shutdown_answers_what_was_read() {
    let publisher = published();
    let served = Served::start(&publisher);
    let mut waiting = connected(served.address);
    asks_well(&mut waiting);
    let stream = connected(served.address);
    let octets = pipeline(20_000, "big.example.com", RecordType::TXT);
    std::thread::scope(|scope| {
        let mut writer = &stream;
        // The server stops amid these.
        scope.spawn(move || writer.write_all(&octets).is_ok());
        assert_eq!(tcp_receive(&mut stream.try_clone().unwrap()).metadata.id, 0);
        served.stop.send(()).unwrap();
        assert!(is_closed(&mut waiting));
        let mut replies = Vec::new();
        (&stream).read_to_end(&mut replies).unwrap();
        let _ = stream.shutdown(Shutdown::Both);
        let mut read = 1;
        let mut rest = &replies[..];
        while let Some((length, more)) = rest.split_first_chunk::<2>() {
            let (message, more) = more.split_at(usize::from(u16::from_be_bytes(*length)));
            assert_eq!(message[..2], u16::try_from(read).unwrap().to_be_bytes());
            read += 1;
            rest = more;
        }
        // And the one of `waiting`.
        assert_eq!(publisher.counters().counted().tcp, read + 1);
        assert!(read < 20_000, "it stopped");
    });
    served.ended.recv_timeout(LATE).expect("it ends");
    assert_eq!(publisher.tcp_counters().counted().open, 0);
    assert_eq!(closed_for(&publisher, "stop"), 2);
}

#[test]
fn a_shutdown_waits_for_nobody_for_long() {
    let publisher = published();
    let served = Served::start(&publisher);
    let mut stream = connected(served.address);
    // Its answers fill all there is, and then nothing more is taken from it.
    stream.set_write_timeout(Some(STALLED)).unwrap();
    let octets = pipeline(1_000, "big.example.com", RecordType::TXT);
    let began = Instant::now();
    while stream.write_all(&octets).is_ok() {
        assert!(began.elapsed() < LATE, "it reads on and on");
    }
    let asked = Instant::now();
    served.stop.send(()).unwrap();
    served.ended.recv_timeout(LATE).expect("it ends");
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(2), "it waited for {took:?}");
    assert!(took < Duration::from_secs(10), "it waited for {took:?}");
    assert_eq!(publisher.tcp_counters().counted().open, 0);
    assert_eq!(closed_for(&publisher, "timeout"), 1);
}

/// Descriptors are the whole process's: a process of its own runs out of them.
#[test]
fn without_descriptors_the_oldest_make_room_and_nothing_spins() {
    let test = "dns::tcp::ends::runs_out_of_descriptors";
    run_alone(test);
}

fn processor_us() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

#[test]
#[ignore = "started by another test"]
fn runs_out_of_descriptors() {
    if !is_alone() {
        return;
    }
    let publisher = published();
    limited(&publisher, 100, 60_000);
    let counters = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        // Once it answers, the server has raised the limit, and lets the one that follows stand.
        asks_well(&mut connected(bound[0]));
        wait_until(|| counters.tcp_counters().counted().open == 0);
        let server = socket2::SockAddr::from(bound[0]);
        let stream = socket2::Type::STREAM;
        let new = |_| socket2::Socket::new(socket2::Domain::IPV4, stream, None).unwrap();
        let mut sockets: Vec<_> = (0..40).map(new).collect();
        let nofile = rustix::process::Resource::Nofile;
        let mut limit = rustix::process::getrlimit(nofile);
        limit.current = Some(200);
        rustix::process::setrlimit(nofile, limit).unwrap();
        let files = || std::iter::from_fn(|| File::open("/dev/null").ok());
        let mut taken: Vec<_> = files().collect();
        taken.truncate(taken.len() - 10);
        let mut connect = || {
            let socket = sockets.pop().unwrap();
            socket.connect(&server).unwrap();
            let stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(LATE)).unwrap();
            stream
        };
        let mut streams: Vec<_> = (0..30).map(|_| connect()).collect();
        asks_well(&mut streams[29]);
        assert!(is_closed(&mut streams[0]));
        assert!(
            (19..30).contains(&closed_for(&counters, "limit")),
            "{counters:?}"
        );
        drop(streams);
        // None is left that could make room.
        wait_until(|| counters.tcp_counters().counted().open == 0);
        taken.extend(files());
        let mut waits = connect();
        tcp_send(&mut waits, &query("www.example.com", RecordType::A));
        waits
            .set_read_timeout(Some(Duration::from_millis(600)))
            .unwrap();
        let before_us = processor_us();
        assert!(waits.read(&mut [0; 1]).is_err(), "nothing accepts it");
        let used_us = processor_us() - before_us;
        assert!(used_us < 200_000, "{used_us} us of the processor");
        taken.clear();
        assert_eq!(tcp_receive(&mut waits).answers.len(), 1);
    });
}
