//! TCP: queries in any pieces, connections that are closed and why, what a shutdown answers.

use super::client::{LOCAL, published, query, serving, tcp_receive, tcp_send, with_edns};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode, UpdateMessage},
    rr::{DNSClass, Name, RData, Record, RecordType, rdata::NULL},
};
use proptest::prelude::*;
use sidestep::{
    dns::{Publisher, Settings, bind, serve},
    model::TcpLimits,
};
use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

/// Longer than anything here takes.
const LATE: Duration = Duration::from_secs(20);

fn limited(publisher: &Publisher, connections: u32, idle_ms: i64) {
    let tcp = TcpLimits {
        connections,
        per_client: 1,
        idle_ms,
    };
    publisher.publish_settings(Settings {
        tcp,
        ..Settings::default()
    });
}

fn connected(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(LATE)).unwrap();
    stream.set_write_timeout(Some(LATE)).unwrap();
    stream
}

fn numbered(id: u16, name: &str, kind: RecordType) -> Message {
    let mut message = query(name, kind);
    message.metadata.id = id;
    message
}

pub(super) fn framed(octets: &[u8]) -> Vec<u8> {
    let mut framed = u16::try_from(octets.len()).unwrap().to_be_bytes().to_vec();
    framed.extend(octets);
    framed
}

/// `count` queries with ids from 0, as they are sent.
fn pipeline(count: u16, name: &str, kind: RecordType) -> Vec<u8> {
    let queries = (0..count).map(|id| numbered(id, name, kind).to_vec().unwrap());
    queries.flat_map(|query| framed(&query)).collect()
}

fn asks_well(stream: &mut TcpStream) {
    tcp_send(stream, &numbered(77, "www.example.com", RecordType::A));
    let reply = tcp_receive(stream);
    assert_eq!((reply.metadata.id, reply.answers.len()), (77, 1));
}

/// Waits for the end: whether it came with FIN, without a message before it.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(length) => length == 0,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
        Err(error) => panic!("{error}"),
    }
}

fn closed_for(publisher: &Publisher, reason: &str) -> u64 {
    let counted = publisher.tcp_counters().counted();
    let mut closed = counted.closed.iter();
    closed.find(|&&(known, _)| known == reason).unwrap().1
}

#[test]
fn octets_come_one_by_one() {
    serving(LOCAL, &published(), |bound| {
        let mut stream = connected(bound[0]);
        for octet in pipeline(2, "www.example.com", RecordType::A) {
            stream.write_all(&[octet]).unwrap();
        }
        for id in 0..2 {
            assert_eq!(tcp_receive(&mut stream).metadata.id, id);
        }
    });
}

#[test]
fn a_thousand_queries_at_once_are_all_answered_in_their_order() {
    let publisher = published();
    let counters = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        let mut stream = connected(bound[0]);
        stream
            .write_all(&pipeline(1_000, "www.example.com", RecordType::AAAA))
            .unwrap();
        for id in 0..1_000 {
            let reply = tcp_receive(&mut stream);
            assert_eq!((reply.metadata.id, reply.answers.len()), (id, 1));
        }
        let counted = counters.counters().counted();
        assert_eq!(
            (counted.tcp, counted.rcodes[0]),
            (1_000, ("NOERROR", 1_000))
        );
        let counted = counters.tcp_counters().counted();
        assert_eq!((counted.open, counted.opened), (1, 1));
    });
    let counted = publisher.tcp_counters().counted();
    assert_eq!(counted.open, 0, "{counted:?}");
}

#[test]
fn whoever_closes_its_side_is_answered_first() {
    serving(LOCAL, &published(), |bound| {
        let mut stream = connected(bound[0]);
        let mut octets = pipeline(300, "big.example.com", RecordType::TXT);
        // A query that will never be whole.
        octets.extend([0, 40, 1, 2]);
        stream.write_all(&octets).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        for id in 0..300 {
            assert_eq!(tcp_receive(&mut stream).metadata.id, id);
        }
        assert!(is_closed(&mut stream));
    });
}

#[test]
fn scraps_get_no_answer_and_the_next_query_does() {
    let publisher = published();
    let counters = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        let mut stream = connected(bound[0]);
        let mut reply = query("www.example.com", RecordType::A);
        reply.metadata.message_type = MessageType::Response;
        for scrap in [&[][..], &[1], &[0; 11], &reply.to_vec().unwrap()] {
            stream.write_all(&framed(scrap)).unwrap();
        }
        asks_well(&mut stream);
        let counted = counters.counters().counted();
        assert_eq!((counted.tcp, counted.dropped), (5, 4));
    });
}

#[test]
fn a_message_may_be_as_large_as_its_length_can_say() {
    serving(LOCAL, &published(), |bound| {
        let mut stream = connected(bound[0]);
        let zone = Name::from_ascii("example.com.").unwrap();
        let mut update = Message::new(9, MessageType::Query, OpCode::Update);
        let mut query = Query::query(zone.clone(), RecordType::SOA);
        query.set_query_class(DNSClass::IN);
        update.add_zone(query);
        let room = 65_535 - update.to_vec().unwrap().len();
        // Owner (a pointer or the name), type, class, TTL and length.
        let record = |octets: usize| {
            Record::from_rdata(zone.clone(), 0, RData::NULL(NULL::with(vec![7; octets])))
        };
        let mut whole = update.clone();
        whole.add_update(record(room - 32));
        let less = 65_535 - whole.to_vec().unwrap().len();
        update.add_update(record(room - 32 + less));
        let octets = update.to_vec().unwrap();
        assert_eq!(octets.len(), 65_535);
        stream.write_all(&framed(&octets)).unwrap();
        let reply = tcp_receive(&mut stream);
        assert_eq!(
            (reply.metadata.id, reply.metadata.op_code),
            (9, OpCode::Update)
        );
        assert_ne!(reply.metadata.response_code, ResponseCode::NoError);
        // The largest answer takes two writes of the kernel at least.
        tcp_send(
            &mut stream,
            &with_edns(numbered(10, "huge.example.com", RecordType::TXT), 65_535),
        );
        assert_eq!(tcp_receive(&mut stream).metadata.id, 10);
        asks_well(&mut stream);
    });
}

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
        let error = loop {
            match stream.write_all(&octets) {
                Ok(()) => sent += 1_000,
                Err(error) => break error,
            }
        };
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert_eq!(closed_for(&counters, "timeout"), 1);
        let answered = counters.counters().counted().tcp;
        assert!(answered < sent, "{answered} of {sent}");
        asks_well(&mut connected(bound[0]));
    });
}

#[test]
fn the_oldest_connection_makes_room() {
    let publisher = published();
    limited(&publisher, 3, 60_000);
    let settings = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        let use_next = |stream: &mut TcpStream| {
            // Uses are told apart by the millisecond.
            std::thread::sleep(Duration::from_millis(2));
            asks_well(stream);
        };
        let mut streams: Vec<_> = (0..3).map(|_| connected(bound[0])).collect();
        for stream in [0, 1, 2, 0] {
            use_next(&mut streams[stream]);
        }
        let mut fourth = connected(bound[0]);
        use_next(&mut fourth);
        assert!(is_closed(&mut streams[1]));
        for stream in [0, 2] {
            use_next(&mut streams[stream]);
        }
        assert_eq!(closed_for(&settings, "limit"), 1);
        // A reload lowers the cap, another raises it.
        limited(&settings, 1, 60_000);
        assert!(is_closed(&mut fourth));
        assert!(is_closed(&mut streams[0]));
        asks_well(&mut streams[2]);
        limited(&settings, 2, 60_000);
        // Until that was noticed, the second makes the first go.
        let began = Instant::now();
        loop {
            let mut pair = [connected(bound[0]), connected(bound[0])];
            asks_well(&mut pair[1]);
            let asked = query("www.example.com", RecordType::A).to_vec().unwrap();
            let is_sent = pair[0].write_all(&framed(&asked)).is_ok();
            if is_sent && pair[0].read_exact(&mut [0; 2]).is_ok() {
                break;
            }
            assert!(began.elapsed() < LATE);
        }
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

#[test]
fn one_client_that_asks_without_end_keeps_nobody_waiting() {
    serving(LOCAL, &published(), |bound| {
        let octets = pipeline(2_000, "www.example.com", RecordType::A);
        let busy: Vec<_> = (0..3).map(|_| connected(bound[0])).collect();
        std::thread::scope(|scope| {
            for stream in &busy {
                let (mut reader, mut writer) = (stream, stream);
                let octets = &octets;
                scope.spawn(move || while writer.write_all(octets).is_ok() {});
                scope.spawn(move || while reader.read(&mut [0; 65_536]).is_ok_and(|n| n > 0) {});
            }
            let mut honest = connected(bound[0]);
            for _ in 0..50 {
                let asked = Instant::now();
                asks_well(&mut honest);
                assert!(asked.elapsed() < Duration::from_secs(2));
            }
            for stream in &busy {
                stream.shutdown(Shutdown::Both).unwrap();
            }
        });
    });
}

/// Runs `serve` on a runtime until the sender is dropped or used.
fn served_until(
    publisher: &Publisher,
) -> (
    SocketAddr,
    tokio::sync::oneshot::Sender<()>,
    std::thread::JoinHandle<()>,
) {
    let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listeners.addresses()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let publisher = publisher.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(serve(listeners, &publisher, async {
            let _ = stopped.await;
        }));
    });
    (address, stop, thread)
}

#[test]
fn a_shutdown_answers_what_was_read() {
    let publisher = published();
    let (address, stop, served) = served_until(&publisher);
    let mut waiting = connected(address);
    asks_well(&mut waiting);
    let stream = connected(address);
    let octets = pipeline(20_000, "big.example.com", RecordType::TXT);
    std::thread::scope(|scope| {
        let mut writer = &stream;
        // The server stops amid these.
        scope.spawn(move || writer.write_all(&octets).is_ok());
        assert_eq!(tcp_receive(&mut stream.try_clone().unwrap()).metadata.id, 0);
        stop.send(()).unwrap();
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
    served.join().unwrap();
    assert_eq!(publisher.tcp_counters().counted().open, 0);
    assert_eq!(closed_for(&publisher, "stop"), 2);
    stream.set_nonblocking(false).unwrap();
}

#[test]
fn a_shutdown_waits_for_nobody_for_long() {
    let publisher = published();
    let (address, stop, served) = served_until(&publisher);
    let mut stream = connected(address);
    stream.set_nonblocking(true).unwrap();
    let octets = pipeline(1_000, "big.example.com", RecordType::TXT);
    // Until its answers fill all there is.
    while stream.write_all(&octets).is_ok() {}
    let asked = Instant::now();
    stop.send(()).unwrap();
    served.join().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(publisher.tcp_counters().counted().open, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_split_gives_the_same_replies(
        asked in prop::collection::vec(prop::sample::select(vec![
            ("www.example.com", RecordType::A),
            ("big.example.com", RecordType::TXT),
            ("none.example.com", RecordType::A),
            ("example.net", RecordType::MX),
        ]), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let (mut octets, mut expected) = (Vec::new(), Vec::new());
        for (id, (name, kind)) in asked.into_iter().enumerate() {
            let message = numbered(u16::try_from(id).unwrap(), name, kind).to_vec().unwrap();
            octets.extend(framed(&message));
            // A connection for each, and each in one piece.
            let mut stream = connected(SERVED.0);
            stream.write_all(&framed(&message)).unwrap();
            expected.push(tcp_receive(&mut stream));
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
        cuts.extend([0, octets.len()]);
        cuts.sort_unstable();
        let mut stream = connected(SERVED.0);
        for pair in cuts.windows(2) {
            stream.write_all(&octets[pair[0]..pair[1]]).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        for reply in expected {
            prop_assert_eq!(tcp_receive(&mut stream), reply);
        }
        prop_assert!(is_closed(&mut stream));
    }
}

/// A server for the cases above, up to the end of the process.
static SERVED: std::sync::LazyLock<(SocketAddr, tokio::sync::oneshot::Sender<()>)> =
    std::sync::LazyLock::new(|| {
        let (address, stop, _) = served_until(&published());
        (address, stop)
    });

const CHILD: &str = "SIDESTEP_TCP_WITHOUT_DESCRIPTORS";

/// Descriptors are the whole process's: a process of its own runs out of them.
#[test]
fn without_descriptors_the_oldest_make_room_and_nothing_spins() {
    let test = "dns::tcp::runs_out_of_descriptors";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{error}");
    assert!(said.contains("1 passed"), "{said}");
}

fn processor_us() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

#[test]
#[ignore = "started by another test"]
fn runs_out_of_descriptors() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let publisher = published();
    limited(&publisher, 100, 60_000);
    let counters = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        // Once it answers, the server has raised the limit, and lets the one that follows stand.
        asks_well(&mut connected(bound[0]));
        while counters.tcp_counters().counted().open > 0 {
            std::thread::yield_now();
        }
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
        while counters.tcp_counters().counted().open > 0 {
            std::thread::yield_now();
        }
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
