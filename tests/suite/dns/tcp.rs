//! TCP: queries in any pieces, connections that are closed and why.

mod ends;
mod patience;

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
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{LazyLock, mpsc},
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

/// Waits until something is so.
fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LATE, "what was waited for never came");
        std::thread::yield_now();
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

#[test]
fn one_client_that_asks_without_end_keeps_nobody_waiting() {
    let publisher = published();
    let counters = publisher.clone();
    serving(LOCAL, &publisher, move |bound| {
        let octets = pipeline(2_000, "www.example.com", RecordType::A);
        let busy: Vec<_> = (0..3).map(|_| connected(bound[0])).collect();
        std::thread::scope(|scope| {
            for stream in &busy {
                let (mut reader, mut writer) = (stream, stream);
                let octets = &octets;
                scope.spawn(move || while writer.write_all(octets).is_ok() {});
                scope.spawn(move || while reader.read(&mut [0; 65_536]).is_ok_and(|n| n > 0) {});
            }
            // However this ends, so do they.
            let _ending = Ending(&busy);
            wait_until(|| counters.counters().counted().tcp > 1_000);
            let mut honest = connected(bound[0]);
            for _ in 0..50 {
                let asked = Instant::now();
                asks_well(&mut honest);
                assert!(asked.elapsed() < Duration::from_secs(2));
            }
        });
    });
}

/// Ends connections when it is dropped, and with them whoever reads and writes there.
struct Ending<'s>(&'s [TcpStream]);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        for stream in self.0 {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A server on a runtime of its own.
struct Served {
    address: SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl Served {
    fn start(publisher: &Publisher) -> Self {
        let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let address = listeners.addresses()[0];
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (told, ended) = mpsc::channel();
        let publisher = publisher.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(serve(listeners, &publisher, async {
                let _ = stopped.await;
            }));
            let _ = told.send(());
        });
        Self {
            address,
            stop,
            ended,
        }
    }
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
static SERVED: LazyLock<(SocketAddr, tokio::sync::oneshot::Sender<()>)> = LazyLock::new(|| {
    let served = Served::start(&published());
    (served.address, served.stop)
});
