//! A server to ask, on real sockets, and a client that asks it over UDP and TCP.

use super::{Given, build, table};
use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query},
    rr::{Name, RecordType},
};
use sidestep::dns::{Counted, Publisher, Zones, bind, serve};
use std::{
    future::Future,
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

const ZONE: &str = "
$TTL 1h
@    SOA ns1 hostmaster 5 1h 10m 2w 600
     NS  ns1
ns1  A   192.0.2.53
";

/// TXT records at `t00`, `t01`, … whose answers grow by an octet each and cross 512.
fn zone_text() -> String {
    let mut text = ZONE.to_owned();
    for more in 0..64 {
        // One string of 220 octets, and one that makes up the size.
        text += &format!(
            "t{more:02} TXT \"{}\" \"{}\"\n",
            "a".repeat(220),
            "b".repeat(190 + more)
        );
    }
    text += &format!("big TXT{}\n", format!(" \"{}\"", "c".repeat(250)).repeat(6));
    for number in 0..300 {
        text += &format!("huge TXT \"{number} {}\"\n", "d".repeat(240));
    }
    text += "mx MX 1 m1\n*.wild A 192.0.2.77\n";
    for host in 0..12 {
        text += &format!("sub NS n{host}.sub\nn{host}.sub A 192.0.2.{host}\n");
        text += &format!("n{host}.sub AAAA 2001:db8::{host}\n");
    }
    for host in 0..60 {
        text += &format!("m1 A 192.0.2.{host}\nmany A 198.51.100.{host}\n");
    }
    text
}

pub(super) fn zones() -> Arc<Zones> {
    let services: &[(&str, &[&str])] = &[("www", &["www.example.com"])];
    let text = zone_text();
    let loaded = build(&[("example.com", Given::File(&text))], services, &[]);
    Arc::new(loaded.zones.unwrap())
}

pub(super) fn published() -> Publisher {
    let publisher = Publisher::new();
    publisher.publish(
        zones(),
        table(1, &[("www", &["192.0.2.1", "2001:db8::1"], 30)]),
    );
    publisher
}

/// Serves while `body` runs on a blocking thread, then shuts down and waits for the end.
pub(super) fn serving<R: Send + 'static>(
    addresses: &[&str],
    publisher: &Publisher,
    body: impl FnOnce(Vec<SocketAddr>) -> R + Send + 'static,
) -> R {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let wanted: Vec<_> = addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        let listeners = bind(&wanted).unwrap();
        let bound = listeners.addresses();
        let body = tokio::task::spawn_blocking(move || body(bound));
        let mut result = None;
        let shutdown = async { result = Some(body.await.unwrap()) };
        within(serve(listeners, publisher, shutdown)).await;
        result.unwrap()
    })
}

/// The counts once `messages` came and each has its end: a client may have its answer before
/// the server has counted it.
pub(super) fn settled(publisher: &Publisher, messages: u64) -> Counted {
    let begin = Instant::now();
    loop {
        let counted = publisher.counters().counted();
        let answered: u64 = counted.rcodes.iter().map(|(_, count)| count).sum();
        let received = counted.udp + counted.tcp;
        if received == messages && answered + counted.dropped == messages {
            return counted;
        }
        assert!(begin.elapsed().as_secs() < 20, "{counted:?}");
        std::thread::yield_now();
    }
}

async fn within<R>(future: impl Future<Output = R>) -> R {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("within a minute")
}

pub(super) const LOCAL: &[&str] = &["127.0.0.1:0"];

pub(super) fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(4_711, MessageType::Query, OpCode::Query);
    let name = Name::from_ascii(format!("{name}.")).unwrap();
    message.add_query(Query::query(name, kind));
    message
}

pub(super) fn with_edns(mut message: Message, size: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(size);
    message.edns = Some(edns);
    message
}

pub(super) fn client(server: SocketAddr) -> UdpSocket {
    let any: SocketAddr = if server.is_ipv6() {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    }
    .parse()
    .unwrap();
    let socket = UdpSocket::bind(any).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket.connect(server).unwrap();
    socket
}

pub(super) fn udp_octets(server: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let socket = client(server);
    socket.send(octets).unwrap();
    let mut reply = [0; 65_535];
    let length = socket.recv(&mut reply).unwrap();
    reply[..length].to_vec()
}

pub(super) fn udp(server: SocketAddr, message: &Message) -> Message {
    Message::from_vec(&udp_octets(server, &message.to_vec().unwrap())).unwrap()
}

pub(super) fn tcp_send(stream: &mut TcpStream, message: &Message) {
    let octets = message.to_vec().unwrap();
    stream
        .write_all(&u16::try_from(octets.len()).unwrap().to_be_bytes())
        .unwrap();
    stream.write_all(&octets).unwrap();
}

pub(super) fn tcp_receive(stream: &mut TcpStream) -> Message {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets).unwrap();
    Message::from_vec(&octets).unwrap()
}

pub(super) fn tcp(server: SocketAddr, message: &Message) -> Message {
    let mut stream = TcpStream::connect(server).unwrap();
    tcp_send(&mut stream, message);
    tcp_receive(&mut stream)
}
