//! hickory's own server asks the same handler: what comes out is what UDP and TCP of ours answer.

use super::client::{published, query, tcp_receive, tcp_send, with_edns};
use hickory_proto::{op::Message, rr::RecordType};
use hickory_server::Server;
use sidestep::dns::{Asker, Handler, Transport};
use std::{net::TcpStream, time::Duration};

const LATE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_hickorys_gives_our_answers() {
    let publisher = published();
    let handler = Handler::new(publisher.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = Server::new(handler.clone());
    server.register_listener(listener, LATE, 32);
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LATE)).unwrap();
        let asker = Asker {
            source: stream.local_addr().unwrap(),
            transport: Transport::Tcp,
        };
        let mut positive = 0;
        for (name, kind) in [
            ("www.example.com", RecordType::A),
            ("WWW.example.com", RecordType::AAAA),
            ("nothing.example.com", RecordType::A),
            ("example.com", RecordType::SOA),
            ("www.example.net", RecordType::A),
        ] {
            for query in [query(name, kind), with_edns(query(name, kind), 1_232)] {
                tcp_send(&mut stream, &query);
                let heard = tcp_receive(&mut stream);
                let own = handler.handle(&query.to_vec().unwrap(), &asker, 0).unwrap();
                assert_eq!(heard, Message::from_vec(&own.octets).unwrap(), "{query}");
                positive += usize::from(!heard.answers.is_empty());
            }
        }
        positive
    });
    assert!(asked.await.unwrap() >= 4, "only denials were compared");
    server.shutdown_gracefully().await.unwrap();
}
