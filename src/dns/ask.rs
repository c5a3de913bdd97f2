//! Asking a name server one question over UDP, as `demo` and tests of the daemon do.
//!
//! No resolver: one datagram out, one in, no retry, no cache (RFC 1035 section 4.2.1).

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RData, RecordType},
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The name of the response code, such as `NoError`.
    pub rcode: String,
    /// A and AAAA of the answer section.
    pub addresses: Vec<IpAddr>,
    /// TTL of the first answer, s.
    pub ttl_secs: Option<u32>,
}

/// Asks `server` for the A (or, for `aaaa`, the AAAA) of `name`.
///
/// # Errors
/// No answer within `timeout`, or one that is none to this question.
pub fn ask(server: SocketAddr, name: &str, aaaa: bool, timeout: Duration) -> io::Result<Heard> {
    let wrong = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut name = Name::from_ascii(name).map_err(|error| wrong(error.to_string()))?;
    name.set_fqdn(true);
    let kind = if aaaa {
        RecordType::AAAA
    } else {
        RecordType::A
    };
    let own: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((own, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(timeout))?;
    // The socket is new for every question: its port is the unpredictable part.
    let id = socket.local_addr()?.port();
    let mut question = Message::new(id, MessageType::Query, OpCode::Query);
    question.add_query(Query::query(name, kind));
    socket.send(
        &question
            .to_vec()
            .map_err(|error| wrong(error.to_string()))?,
    )?;
    let mut buffer = [0; 1_500];
    let length = socket.recv(&mut buffer)?;
    let reply = Message::from_vec(&buffer[..length]).map_err(|error| wrong(error.to_string()))?;
    if reply.metadata.id != id {
        return Err(wrong("an answer to another question".into()));
    }
    let address = |data: &RData| match data {
        RData::A(a) => Some(IpAddr::from(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::from(aaaa.0)),
        _ => None,
    };
    Ok(Heard {
        rcode: format!("{:?}", reply.metadata.response_code),
        addresses: reply
            .answers
            .iter()
            .filter_map(|record| address(&record.data))
            .collect(),
        ttl_secs: reply.answers.first().map(|record| record.ttl),
    })
}
