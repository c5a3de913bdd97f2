//! File descriptors: as many as sockets and connections need, or fewer connections.
//!
//! Does not know what is connected. Contract: the limit is only raised, and no further than
//! needed, since programs that are started here inherit it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For everything that is neither a socket of DNS nor a connection: probes, files, HTTP.
const OTHERS: u64 = 1_024;

/// Makes room for `sockets` that are bound next, as far as that is allowed: whether it is enough
/// they find out themselves.
pub(super) fn make_room(sockets: usize) {
    raise_to(count(sockets).saturating_add(OTHERS));
}

/// Makes room for `connections` beside `sockets`, and says for how many there is room, at least
/// one; a warning says so where these are fewer.
pub(in crate::dns) fn room_for(connections: usize, sockets: usize) -> usize {
    let (wanted, sockets) = (count(connections), count(sockets));
    let needed = wanted.saturating_add(sockets).saturating_add(OTHERS);
    let reached = raise_to(needed);
    let room = connections_within(reached.saturating_sub(sockets)).min(wanted);
    if room < wanted {
        tracing::warn!(
            "{wanted} TCP connections need {needed} file descriptors and {reached} are allowed: at most {room} connections are kept; raise the limit (with systemd: LimitNOFILE={needed}) or lower connections in [server] tcp"
        );
    }
    usize::try_from(room).unwrap_or(connections)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Raises the limit to `needed`, or as far as it goes; what it is then.
fn raise_to(needed: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    let reachable = limit.maximum.unwrap_or(u64::MAX).min(needed);
    if current >= reachable {
        return current;
    }
    let raised = Rlimit {
        current: Some(reachable),
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => reachable,
        Err(_) => current,
    }
}

/// How many connections a limit leaves room for: all but the others' share, at least half.
fn connections_within(descriptors: u64) -> u64 {
    (descriptors - OTHERS.min(descriptors / 2)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_shared() {
        for (descriptors, connections) in [
            (u64::MAX, u64::MAX - 1_024),
            (21_024, 20_000),
            (2_048, 1_024),
            (1_024, 512),
            (64, 32),
            (1, 1),
            (0, 1),
        ] {
            assert_eq!(connections_within(descriptors), connections);
        }
    }
}
