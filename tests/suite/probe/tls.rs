//! The `tls` probe against servers that have the wrong certificate, stall, or speak no TLS.

use super::{
    bad, good, probed, probed_briefly,
    servers::{self, Certificate, pem, shakes_hands},
};
use sidestep::{
    model::{FailureReason, ProbeKind, TlsProbe},
    probe::{Outcome, TracedOutcome},
};
use std::net::SocketAddr;
use tokio_rustls::rustls::{
    ALL_VERSIONS,
    version::{TLS12, TLS13},
};

const NAME: &str = "mail.example.com";

/// A TLS monitor that trusts the authorities in a file, or the system's.
fn trusting(ca: Option<&std::path::Path>) -> ProbeKind {
    ProbeKind::Tls(TlsProbe {
        port: 1,
        sni: NAME.to_owned(),
        verify: true,
        ca: ca.map(|path| path.display().to_string()),
    })
}

fn unverified() -> ProbeKind {
    ProbeKind::Tls(TlsProbe {
        port: 1,
        sni: NAME.to_owned(),
        verify: false,
        ca: None,
    })
}

fn days(found: &TracedOutcome) -> Option<i32> {
    match found.outcome {
        Outcome::Good { cert_days, .. } | Outcome::Bad { cert_days, .. } => cert_days,
        Outcome::NoResult { .. } => panic!("{found:?}"),
    }
}

fn seen<'f>(found: &'f TracedOutcome, word: &str) -> &'f str {
    let mut facts = found.trace.seen.iter();
    let fact = facts.find(|(known, _)| *known == word);
    &fact.unwrap_or_else(|| panic!("{word} in {found:?}")).1
}

async fn server(certificate: &Certificate) -> SocketAddr {
    let acceptor = certificate.acceptor_of(ALL_VERSIONS, &[]);
    shakes_hands("127.0.0.1:0", acceptor).await.0
}

#[tokio::test]
async fn a_handshake_is_good_in_either_version_and_family_and_ends_politely() {
    let certificate = Certificate::new(NAME, 2099);
    let ca = pem(&certificate.authority);
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let hosts = ["127.0.0.1:0", "[::1]:0"];
    for host in &hosts[..if has_ipv6 { 2 } else { 1 }] {
        for (version, text) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
            let acceptor = certificate.acceptor_of(&[version], &[]);
            let (at, mut told) = shakes_hands(host, acceptor).await;
            let found = probed(at, trusting(Some(&ca))).await;
            assert!(good(&found).unwrap() > 20_000, "{found:?}");
            assert_eq!(seen(&found, "version"), text);
            let end = told.recv().await.unwrap();
            assert_eq!(end, Ok(format!("{NAME} 0")), "asked for, and no word more");
            let steps: Vec<_> = found.trace.steps().iter().map(|step| step.0).collect();
            assert_eq!(steps, ["connect", "handshake", "verdict"]);
        }
    }
}

#[tokio::test]
async fn what_is_spoken_after_the_handshake_is_nobodys_business() {
    let certificate = Certificate::new(NAME, 2099);
    let acceptor = certificate.acceptor_of(ALL_VERSIONS, &["imap"]);
    let (at, _told) = shakes_hands("127.0.0.1:0", acceptor).await;
    good(&probed(at, trusting(Some(&pem(&certificate.authority)))).await);
}

#[tokio::test]
async fn certificates_that_are_not_trusted_say_why_and_how_long_they_last() {
    use FailureReason::{Expired, Hostname, Tls};
    let other = pem(&Certificate::new(NAME, 2099).authority);
    let right = Certificate::new(NAME, 2099);
    let (right_ca, right_own) = (pem(&right.authority), pem(&right.own));
    let expired = Certificate::new(NAME, 2021);
    let (expired_ca, expired_own) = (pem(&expired.authority), pem(&expired.own));
    let early = Certificate::valid(NAME, 2098, 2099);
    let (early_ca, early_own) = (pem(&early.authority), pem(&early.own));
    let named = Certificate::new("www.example.net", 2099);
    let named_ca = pem(&named.authority);
    let own = Certificate::self_signed(NAME);
    let own_ca = pem(&own.own);
    let cases = [
        ("right", &right, Some(&right_ca), None),
        ("right, pinned", &right, Some(&right_own), None),
        ("self-signed, pinned", &own, Some(&own_ca), None),
        ("self-signed", &own, Some(&other), Some(Tls)),
        ("unknown authority", &right, Some(&other), Some(Tls)),
        ("expired", &expired, Some(&expired_ca), Some(Expired)),
        (
            "expired, pinned",
            &expired,
            Some(&expired_own),
            Some(Expired),
        ),
        ("not yet valid", &early, Some(&early_ca), Some(Expired)),
        (
            "not yet valid, pinned",
            &early,
            Some(&early_own),
            Some(Expired),
        ),
        ("another name", &named, Some(&named_ca), Some(Hostname)),
    ];
    for (case, certificate, ca, expected) in cases {
        let at = server(certificate).await;
        let found = probed(at, trusting(ca.map(|path| &**path))).await;
        match expected {
            None => assert!(good(&found).is_some(), "{case}"),
            Some(reason) => {
                bad(&found, reason);
                assert!(found.trace.note.is_some(), "{case}: {found:?}");
            }
        }
        let past = case.starts_with("expired");
        assert_eq!(days(&found).unwrap() < 0, past, "{case}: {found:?}");
        // The same without verifying: good, with the same days.
        let unverified = probed(at, unverified()).await;
        assert_eq!(good(&unverified), days(&found), "{case}");
    }
}

#[tokio::test]
async fn the_trace_describes_the_certificate() {
    let expired = Certificate::new("www.example.net", 2021);
    let found = probed(server(&expired).await, unverified()).await;
    let text = seen(&found, "certificate");
    for part in [
        "for www.example.net (subject CN=www.example.net), issuer CN=an authority, ",
        "valid 2020-01-01 to 2021-01-01, expired ",
        " days ago",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let own = Certificate::self_signed(NAME);
    let found = probed(server(&own).await, unverified()).await;
    assert!(
        seen(&found, "certificate").contains("issuer the same, as of one that is signed by itself")
    );
    let early = Certificate::valid(NAME, 2098, 2099);
    let ca = pem(&early.authority);
    let found = probed(server(&early).await, trusting(Some(&ca))).await;
    assert!(seen(&found, "certificate").ends_with("not valid yet"));
    let note = found.trace.note.as_deref();
    assert_eq!(note, Some("the certificate is out of its time"));
}

#[tokio::test]
async fn the_system_trusts_no_stranger() {
    let found = probed(server(&Certificate::new(NAME, 2099)).await, trusting(None)).await;
    match &found.outcome {
        Outcome::NoResult { local } => assert!(local.contains("install ca-certificates")),
        _ => {
            bad(&found, FailureReason::Tls);
            assert!(days(&found).unwrap() > 20_000);
        }
    }
}

#[tokio::test]
async fn peers_without_tls_have_their_reason() {
    use FailureReason::{Closed, Refused, Reset, Timeout, Tls};
    bad(
        &probed(servers::refuses().await, unverified()).await,
        Refused,
    );
    bad(
        &probed(servers::closes_at_once().await, unverified()).await,
        Closed,
    );
    let resets = servers::listen(|stream| async move {
        stream.readable().await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    bad(&probed(resets.await, unverified()).await, Reset);
    for text in [
        "220 mail.example.com ESMTP\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
    ] {
        let found = probed(servers::says(text).await, unverified()).await;
        bad(&found, Tls);
        let note = found.trace.note.as_deref();
        assert_eq!(note, Some("what answers there is not TLS"));
    }
    let silent = servers::accepts_then_stays_silent().await;
    let found = probed_briefly(silent, unverified()).await;
    bad(&found, Timeout);
    let note = found.trace.note.as_deref();
    assert_eq!(note, Some("no end of the handshake in time"));
    // The begin of a handshake message, and nothing after it.
    let stalls = servers::listen(|mut stream| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        stream.write_all(&[22, 3, 3, 0, 80, 2, 0]).await.unwrap();
        while stream
            .read(&mut [0; 512])
            .await
            .is_ok_and(|length| length > 0)
        {}
    });
    bad(&probed_briefly(stalls.await, unverified()).await, Timeout);
}
