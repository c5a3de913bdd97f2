//! Name servers on loopback that misbehave as they are told, over UDP and TCP at one port.

use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{Name, RData, Record},
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
};

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Udp,
    Tcp,
}

/// What a server was asked, in order.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<Vec<(Way, Message, SocketAddr)>>>);

impl Asked {
    pub(crate) fn all(&self) -> Vec<(Way, Message, SocketAddr)> {
        self.0.lock().unwrap().clone()
    }

    /// The ways of the questions, once there are as many as are waited for.
    pub(crate) async fn ways(&self, at_least: usize) -> Vec<Way> {
        let begun = Instant::now();
        while self.all().len() < at_least && begun.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.all().into_iter().map(|(way, ..)| way).collect()
    }
}

/// Answers each question with the messages that `answer` makes of it: the way, how many came
/// before, the question. Over TCP the connection ends after them.
pub(crate) async fn name_server<F>(host: &str, answer: F) -> (SocketAddr, Asked)
where
    F: Fn(Way, usize, &Message) -> Vec<Vec<u8>> + Send + Sync + 'static,
{
    let host: IpAddr = host.parse().unwrap();
    // A port that is free for both: another test may hold its number for TCP.
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind((host, 0)).await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let (at, asked, answer) = (
        udp.local_addr().unwrap(),
        Asked::default(),
        Arc::new(answer),
    );
    let take = {
        let asked = asked.clone();
        Arc::new(move |way, octets: &[u8], from| {
            let question = Message::from_vec(octets).unwrap();
            let before = {
                let mut asked = asked.0.lock().unwrap();
                asked.push((way, question.clone(), from));
                asked.len() - 1
            };
            answer(way, before, &question)
        })
    };
    let taking = take.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            for reply in taking(Way::Udp, &buffer[..length], from) {
                udp.send_to(&reply, from).await.ok();
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, from)) = tcp.accept().await {
            let take = take.clone();
            tokio::spawn(async move {
                let Ok(length) = stream.read_u16().await else {
                    return;
                };
                let mut octets = vec![0; usize::from(length)];
                stream.read_exact(&mut octets).await.unwrap();
                for reply in take(Way::Tcp, &octets, from) {
                    let length = u16::try_from(reply.len()).unwrap();
                    stream.write_u16(length).await.ok();
                    stream.write_all(&reply).await.ok();
                }
                stream.shutdown().await.ok();
                while stream
                    .read(&mut [0; 64])
                    .await
                    .is_ok_and(|length| length > 0)
                {}
            });
        }
    });
    (at, asked)
}

/// A good answer to `question` with these records at its name.
pub(crate) fn reply(question: &Message, records: Vec<RData>) -> Message {
    let name = question.queries[0].name.clone();
    reply_at(
        question,
        records
            .into_iter()
            .map(|data| (name.clone(), data))
            .collect(),
    )
}

/// A good answer with records at names of their own.
pub(crate) fn reply_at(question: &Message, records: Vec<(Name, RData)>) -> Message {
    let mut reply = Message::new(
        question.metadata.id,
        MessageType::Response,
        question.metadata.op_code,
    );
    reply.add_queries(question.queries.clone());
    for (name, data) in records {
        reply.add_answer(Record::from_rdata(name, 60, data));
    }
    reply
}

/// The same with another response code and nothing in it.
pub(crate) fn failure(question: &Message, rcode: ResponseCode) -> Message {
    let mut reply = reply(question, Vec::new());
    reply.metadata.response_code = rcode;
    reply
}

pub(crate) fn octets(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}
