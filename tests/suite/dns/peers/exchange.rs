//! Many queries in flight to one server, over UDP and TCP.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

/// Enough that no server waits for us, few enough that no socket overflows.
const UDP_WINDOW: usize = 64;
const TCP_WINDOW: usize = 96;
const PATIENCE: Duration = Duration::from_secs(2);
/// A query is sent so often before its server counts as hanging.
const TRIES: usize = 4;

/// The replies to `queries`, in their order; an error where one stays away.
pub(super) fn over_udp(server: SocketAddr, queries: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
    let socket = socket(server, PATIENCE);
    let mut replies = vec![Vec::new(); queries.len()];
    let mut waiting: BTreeMap<u16, usize> = BTreeMap::new();
    let (mut next, mut tries) = (0, 1);
    let mut room = vec![0; 65_535];
    while next < queries.len() || !waiting.is_empty() {
        while waiting.len() < UDP_WINDOW && next < queries.len() {
            send(&socket, &queries[next], id_of(next))?;
            waiting.insert(id_of(next), next);
            next += 1;
        }
        match socket.recv(&mut room) {
            Ok(length) if length >= 2 => {
                // What comes twice, since it was asked for twice, is dropped.
                if let Some(index) = waiting.remove(&u16::from_be_bytes([room[0], room[1]])) {
                    replies[index] = room[..length].to_vec();
                    tries = 1;
                }
            }
            Ok(_) => return Err("a datagram of less than two octets".into()),
            Err(error) if is_timeout(error.kind()) && tries < TRIES => {
                tries += 1;
                for (&id, &index) in &waiting {
                    send(&socket, &queries[index], id)?;
                }
            }
            Err(error) => {
                let first = waiting.values().next().map(|&index| &queries[index]);
                return Err(format!("{error}; unanswered: {first:02x?}"));
            }
        }
    }
    Ok(replies)
}

/// The reply to one datagram, whatever it is; `None` where none comes in time.
pub(super) fn one_over_udp(server: SocketAddr, query: &[u8], wait: Duration) -> Option<Vec<u8>> {
    let socket = socket(server, wait);
    socket.send(query).unwrap();
    let mut room = vec![0; 65_535];
    let length = socket.recv(&mut room).ok()?;
    Some(room[..length].to_vec())
}

/// The same over one connection after another, each with several queries in flight.
pub(super) fn over_tcp(server: SocketAddr, queries: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
    let mut replies = vec![Vec::new(); queries.len()];
    let mut left: Vec<usize> = (0..queries.len()).collect();
    let mut tries = 0;
    while !left.is_empty() {
        let before = left.len();
        let ended = connection(server, queries, &left, &mut replies);
        left.retain(|&index| replies[index].is_empty());
        tries = if left.len() < before { 0 } else { tries + 1 };
        if tries == TRIES {
            return Err(format!("{} queries unanswered: {ended:?}", left.len()));
        }
    }
    Ok(replies)
}

/// Asks what is left until it is answered, or the server ends the connection.
fn connection(
    server: SocketAddr,
    queries: &[Vec<u8>],
    left: &[usize],
    replies: &mut [Vec<u8>],
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    for window in left.chunks(TCP_WINDOW) {
        let mut octets = Vec::new();
        for &index in window {
            let query = &queries[index];
            octets.extend(u16::try_from(query.len()).unwrap().to_be_bytes());
            octets.extend(id_of(index).to_be_bytes());
            octets.extend(&query[2..]);
        }
        stream.write_all(&octets)?;
        for _ in window {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut reply)?;
            let id = reply.get(..2).map(|id| u16::from_be_bytes([id[0], id[1]]));
            let index = window.iter().find(|&&index| Some(id_of(index)) == id);
            if let Some(&index) = index {
                replies[index] = reply;
            }
        }
    }
    Ok(())
}

fn socket(server: SocketAddr, wait: Duration) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(wait)).unwrap();
    socket.connect(server).unwrap();
    socket
}

fn send(socket: &UdpSocket, query: &[u8], id: u16) -> Result<(), String> {
    let octets = [&id.to_be_bytes(), &query[2..]].concat();
    let sent = socket.send(&octets);
    sent.map(drop).map_err(|error| error.to_string())
}

/// Fewer are in flight than there are ids.
fn id_of(index: usize) -> u16 {
    u16::try_from(index % 65_536).unwrap_or_default()
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
