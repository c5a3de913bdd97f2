//! From an error to one word of the closed list, or to a shortage of our own.
//!
//! Walks the chain of sources: the innermost error that is known decides. An error that
//! nobody knows counts against the target as `fallback`: a target must not look well because
//! its failure was a novel one.

use super::outcome::Outcome;
use crate::model::FailureReason;
use rustix::io::Errno;
use rustls::CertificateError;
use std::{
    error::Error,
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

/// The outcome that `error` means for a probe of `address`.
pub(super) fn outcome_of(
    error: &(dyn Error + 'static),
    address: SocketAddr,
    fallback: FailureReason,
) -> Outcome {
    let mut link = Some(error);
    let mut found = None;
    while let Some(error) = link {
        found = known(error, address).or(found);
        link = inner(error);
    }
    found.unwrap_or_else(|| Outcome::bad(fallback))
}

/// All sentences of the chain, outermost first, without repetitions.
pub(super) fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut text = words(error);
    let mut link = inner(error);
    while let Some(error) = link {
        let next = words(error);
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        link = inner(error);
    }
    text
}

/// One error of the chain; what rustls calls by its type has a sentence.
fn words(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(error)) => match error {
            CertificateError::UnknownIssuer => {
                "the certificate is signed by nobody who is trusted here (`ca`)".to_owned()
            }
            error => match of_certificate(error) {
                FailureReason::Expired => "the certificate is out of its time".to_owned(),
                FailureReason::Hostname => "the certificate is for other names".to_owned(),
                _ => format!("the certificate is not trusted: {error}"),
            },
        },
        Some(rustls::Error::InvalidMessage(_)) => "what answers there is not TLS".to_owned(),
        _ => error.to_string(),
    }
}

/// The next error in the chain. `io::Error::source` skips the error that it wraps.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn known(error: &(dyn Error + 'static), address: SocketAddr) -> Option<Outcome> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return of_io(error, address);
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(Outcome::bad(of_tls(error)));
    }
    let error = error.downcast_ref::<hyper::Error>()?;
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Some(Outcome::bad(FailureReason::Closed));
    }
    // Whatever answered does not speak HTTP: it has no status that could be expected.
    error
        .is_parse()
        .then(|| Outcome::bad(FailureReason::Status))
}

fn of_io(error: &io::Error, address: SocketAddr) -> Option<Outcome> {
    // Over IPv6 a firewall on the way says "administratively prohibited", which arrives as
    // EACCES (RFC 4443 section 3.1, code 1): the target's matter, where we have a route.
    if errno(error) == Some(Errno::ACCESS) && address.is_ipv6() && has_route(address) {
        return Some(Outcome::bad(FailureReason::Unreachable));
    }
    if let Some(shortage) = shortage(error) {
        return Some(Outcome::no_result(shortage));
    }
    let reason = match error.kind() {
        ErrorKind::ConnectionRefused => FailureReason::Refused,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => FailureReason::Reset,
        ErrorKind::TimedOut => FailureReason::Timeout,
        ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof | ErrorKind::NotConnected => {
            FailureReason::Closed
        }
        ErrorKind::HostUnreachable => FailureReason::Unreachable,
        ErrorKind::NetworkUnreachable if has_route(address) => FailureReason::Unreachable,
        ErrorKind::NetworkUnreachable => {
            let ip = address.ip();
            return Some(Outcome::no_result(format!("no route to {ip} from here")));
        }
        _ => match errno(error)? {
            Errno::HOSTDOWN => FailureReason::Unreachable,
            _ => return None,
        },
    };
    Some(Outcome::bad(reason))
}

/// What this machine lacks, where `error` says so.
fn shortage(error: &io::Error) -> Option<&'static str> {
    errno(error).and_then(shortage_of).or(match error.kind() {
        ErrorKind::OutOfMemory => Some("out of memory for sockets"),
        ErrorKind::PermissionDenied => Some("not permitted to connect (local firewall or policy)"),
        // The second where all ports for UDP are taken.
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => {
            Some("no local address or port left (net.ipv4.ip_local_port_range)")
        }
        ErrorKind::NetworkDown => Some("the local network interface is down"),
        ErrorKind::InvalidInput => Some("this machine cannot connect to such an address"),
        _ => None,
    })
}

/// What this machine lacks, where an error number alone says so.
pub(super) fn shortage_of(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::MFILE => Some("out of file descriptors (this process): raise LimitNOFILE"),
        Errno::NFILE => Some("out of file descriptors (this machine): raise fs.file-max"),
        Errno::NOBUFS => Some("out of socket buffers"),
        Errno::AFNOSUPPORT => Some("this machine does not speak that address family"),
        _ => None,
    }
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}

/// Whether this machine's own routing table knows a way to `address`. A router's "network
/// unreachable" speaks about the target; a missing local route speaks about this machine.
/// Connecting a UDP socket looks the route up and sends nothing.
fn has_route(address: SocketAddr) -> bool {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    UdpSocket::bind(any).is_ok_and(|socket| socket.connect(address).is_ok())
}

fn of_tls(error: &rustls::Error) -> FailureReason {
    match error {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        _ => FailureReason::Tls,
    }
}

fn of_certificate(error: &CertificateError) -> FailureReason {
    match error {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => FailureReason::Expired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            FailureReason::Hostname
        }
        _ => FailureReason::Tls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(error: io::Error) -> Outcome {
        // As reqwest and hyper hand them up: wrapped twice.
        let wrapped = io::Error::other(io::Error::new(error.kind(), error));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        outcome_of(&wrapped, address, FailureReason::Plugin)
    }

    #[test]
    fn the_target_is_blamed_for_its_own_failures_only() {
        let cases = [
            (Errno::CONNREFUSED, Some(FailureReason::Refused)),
            (Errno::CONNRESET, Some(FailureReason::Reset)),
            (Errno::TIMEDOUT, Some(FailureReason::Timeout)),
            (Errno::HOSTUNREACH, Some(FailureReason::Unreachable)),
            (Errno::HOSTDOWN, Some(FailureReason::Unreachable)),
            // A router said so: this machine has a route to 127.0.0.1.
            (Errno::NETUNREACH, Some(FailureReason::Unreachable)),
            (Errno::PIPE, Some(FailureReason::Closed)),
            (Errno::PROTO, Some(FailureReason::Plugin)),
            (Errno::MFILE, None),
            (Errno::NFILE, None),
            (Errno::NOBUFS, None),
            (Errno::NOMEM, None),
            (Errno::ACCESS, None),
            (Errno::PERM, None),
            (Errno::ADDRNOTAVAIL, None),
            (Errno::ADDRINUSE, None),
            (Errno::AFNOSUPPORT, None),
            (Errno::NETDOWN, None),
        ];
        for (errno, expected) in cases {
            let found = outcome(io::Error::from_raw_os_error(errno.raw_os_error()));
            match expected {
                Some(reason) => assert_eq!(found, Outcome::bad(reason), "{errno}"),
                None => assert_eq!(found.verdict(), None, "{errno}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_prohibition_over_ipv6_is_the_targets_where_there_is_a_route() {
        let at = SocketAddr::from((Ipv6Addr::LOCALHOST, 1));
        let error = io::Error::from_raw_os_error(Errno::ACCESS.raw_os_error());
        let found = outcome_of(&error, at, FailureReason::Plugin);
        assert_eq!(found.verdict(), has_route(at).then_some(false));
    }

    #[test]
    fn certificates_fail_by_date_by_name_or_by_trust() {
        let cases = [
            (CertificateError::Expired, FailureReason::Expired),
            (CertificateError::NotValidYet, FailureReason::Expired),
            (CertificateError::NotValidForName, FailureReason::Hostname),
            (CertificateError::UnknownIssuer, FailureReason::Tls),
        ];
        for (error, expected) in cases {
            let error = rustls::Error::InvalidCertificate(error);
            let found = outcome(io::Error::new(ErrorKind::InvalidData, error));
            assert_eq!(found, Outcome::bad(expected));
        }
    }
}
