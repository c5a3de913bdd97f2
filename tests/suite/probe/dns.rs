//! The `dns` probe against name servers that misbehave in every way, and against our own.

use super::{
    bad, config, good,
    name_servers::{
        Asked,
        Way::{Tcp, Udp},
        failure, name_server, octets, reply, reply_at,
    },
    once, probed, probed_briefly, servers,
};
use hickory_proto::{
    op::{Message, MessageType, Query, ResponseCode},
    rr::{
        DNSClass, Name, RData, RecordType,
        rdata::{A, CNAME, MX, TXT},
    },
};
use sidestep::{
    model::{DnsExpect, DnsProbe, FailureReason, ProbeKind},
    probe::{self, TracedOutcome},
};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::net::{TcpListener, UdpSocket};

const QUESTION: &str = "www.example.com";

/// A DNS monitor with this question and expectation, in JSON.
fn dns(question: &str, expect: &str) -> ProbeKind {
    let expect: serde_json::Value = serde_json::from_str(expect).unwrap();
    serde_json::from_value(serde_json::json!({
        "kind": "dns", "question": question, "expect": expect,
    }))
    .unwrap()
}

fn plain() -> ProbeKind {
    dns(QUESTION, r#"{"answer":"192.0.2.10"}"#)
}

fn ten() -> Vec<RData> {
    vec![RData::A(A::new(192, 0, 2, 10))]
}

/// A server that answers a question over UDP with what `spoil` makes of the good answer.
async fn spoiling<F>(spoil: F) -> (SocketAddr, Asked)
where
    F: Fn(Message) -> Vec<Vec<u8>> + Send + Sync + 'static,
{
    name_server("127.0.0.1", move |_, _, question| {
        spoil(reply(question, ten()))
    })
    .await
}

fn seen<'f>(found: &'f TracedOutcome, word: &str) -> &'f str {
    let fact = found.trace.seen.iter().find(|(known, _)| *known == word);
    &fact.unwrap_or_else(|| panic!("{word} in {found:?}")).1
}

fn note(found: &TracedOutcome) -> &str {
    found.trace.note.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn a_question_is_asked_at_the_address_and_well_answered() {
    let has_ipv6 = std::net::UdpSocket::bind("[::1]:0").is_ok();
    for host in &["127.0.0.1", "::1"][..if has_ipv6 { 2 } else { 1 }] {
        let (at, asked) =
            name_server(host, |_, _, question| vec![octets(&reply(question, ten()))]).await;
        for _ in 0..8 {
            let found = probed(at, plain()).await;
            assert_eq!(good(&found), None);
            assert_eq!(seen(&found, "asked"), "www.example.com. A over UDP");
            assert_eq!(seen(&found, "answered"), "NOERROR: A 192.0.2.10");
            let steps: Vec<_> = found.trace.steps().iter().map(|step| step.0).collect();
            assert_eq!(steps, ["first byte", "verdict"]);
        }
        let all = asked.all();
        assert_eq!(all.len(), 8, "each question once");
        let ids: BTreeSet<u16> = all.iter().map(|(_, m, _)| m.metadata.id).collect();
        let ports: BTreeSet<u16> = all.iter().map(|(.., from)| from.port()).collect();
        assert!(ids.len() > 4 && ports.len() > 4, "{ids:?} {ports:?}");
        for (way, question, _) in &all {
            let metadata = &question.metadata;
            assert_eq!((*way, metadata.message_type), (Udp, MessageType::Query));
            assert!(metadata.recursion_desired && !metadata.truncation);
            let [query] = &question.queries[..] else {
                panic!("{question:?}")
            };
            assert_eq!(query.name.to_string(), "www.example.com.");
            assert_eq!(
                (query.query_type, query.query_class),
                (RecordType::A, DNSClass::IN)
            );
            assert_eq!(question.edns.as_ref().unwrap().max_payload(), 1_232);
        }
    }
}

/// Whether the good answer counts that comes after what `spoil` makes of it; alone, what it makes
/// is never an answer.
async fn is_passed_over(spoil: impl Fn(Message) -> Vec<u8> + Clone + Send + Sync + 'static) {
    let bad_one = spoil.clone();
    let (at, _) = spoiling(move |good| vec![bad_one(good.clone()), octets(&good)]).await;
    let found = probed(at, plain()).await;
    good(&found);
    assert!(seen(&found, "passed over").starts_with("1 "));
    let (at, asked) = spoiling(move |good| vec![spoil(good)]).await;
    let found = probed_briefly(at, plain()).await;
    bad(&found, FailureReason::Timeout);
    assert_eq!(
        note(&found),
        "nothing came in time that answers the question"
    );
    assert_eq!(asked.ways(2).await, [Udp, Udp]);
}

#[tokio::test]
async fn what_is_no_answer_to_the_question_is_passed_over() {
    is_passed_over(|mut good| {
        good.metadata.id ^= 1;
        octets(&good)
    })
    .await;
    is_passed_over(|mut good| {
        good.metadata.message_type = MessageType::Query;
        octets(&good)
    })
    .await;
    is_passed_over(|mut good| {
        good.queries[0].name = Name::from_ascii("www.example.net.").unwrap();
        octets(&good)
    })
    .await;
    is_passed_over(|mut good| {
        good.queries[0].query_type = RecordType::AAAA;
        octets(&good)
    })
    .await;
    is_passed_over(|mut good| {
        good.queries[0].query_class = DNSClass::CH;
        octets(&good)
    })
    .await;
    is_passed_over(|mut good| {
        good.queries.push(good.queries[0].clone());
        octets(&good)
    })
    .await;
    is_passed_over(|mut good| {
        good.queries.clear();
        octets(&good)
    })
    .await;
    is_passed_over(|_| b"garbage that is longer than a header".to_vec()).await;
    is_passed_over(|_| Vec::new()).await;
    is_passed_over(|good| octets(&good)[..11].to_vec()).await;
    is_passed_over(|good| octets(&good)[..12].to_vec()).await;
}

#[tokio::test]
async fn an_answer_from_elsewhere_is_not_heard() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = silent.local_addr().unwrap();
    tokio::spawn(async move {
        let elsewhere = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut buffer = [0; 512];
        while let Ok((length, from)) = silent.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let good = octets(&reply(&question, ten()));
            elsewhere.send_to(&good, from).await.ok();
        }
    });
    let found = probed_briefly(at, plain()).await;
    bad(&found, FailureReason::Timeout);
    assert_eq!(note(&found), "no answer in time");
}

#[tokio::test]
async fn an_answer_that_is_not_as_expected_is_dns_and_says_what_came() {
    use ResponseCode::{NXDomain, Refused, ServFail};
    for (rcode, text) in [
        (Refused, "REFUSED"),
        (ServFail, "SERVFAIL"),
        (NXDomain, "NXDOMAIN"),
        (ResponseCode::Unknown(3_841), "RCODE3841"),
    ] {
        let (at, _) = name_server("127.0.0.1", move |_, _, question| {
            let mut reply = failure(question, rcode);
            reply.edns = question.edns.clone();
            vec![octets(&reply)]
        })
        .await;
        let found = probed(at, plain()).await;
        bad(&found, FailureReason::Dns);
        assert_eq!(note(&found), format!("{text} instead of NOERROR"));
        assert_eq!(seen(&found, "answered"), format!("{text} without a record"));
        if !text.starts_with("RCODE") {
            let expect = format!(r#"{{"rcode":"{text}"}}"#);
            good(&probed(at, dns(QUESTION, &expect)).await);
        }
    }
    let (at, _) = spoiling(|good| vec![octets(&good)]).await;
    let found = probed(at, dns(QUESTION, r#"{"answer":"192.0.2.11"}"#)).await;
    bad(&found, FailureReason::Dns);
    assert_eq!(note(&found), "'192.0.2.11' is not among the answers");
    assert_eq!(seen(&found, "answered"), "NOERROR: A 192.0.2.10");
    let found = probed(at, dns(QUESTION, r#"{"rcode":"NXDOMAIN"}"#)).await;
    assert_eq!(note(&found), "NOERROR instead of NXDOMAIN");
    // Without an expected record its absence is nothing bad.
    let (at, _) = name_server("127.0.0.1", |_, _, question| {
        vec![octets(&reply(question, Vec::new()))]
    })
    .await;
    good(&probed(at, dns(QUESTION, "{}")).await);
    bad(&probed(at, plain()).await, FailureReason::Dns);
}

#[tokio::test]
async fn records_are_found_in_any_case_and_behind_aliases() {
    let (at, _) = name_server("127.0.0.1", |_, _, question| {
        let name = |text: &str| Name::from_ascii(text).unwrap();
        let owner = question.queries[0].name.clone();
        let records = match question.queries[0].query_type {
            RecordType::MX => vec![
                (
                    owner.clone(),
                    RData::MX(MX::new(20, name("mx2.example.com."))),
                ),
                (owner, RData::MX(MX::new(10, name("MX1.Example.com.")))),
            ],
            RecordType::TXT => vec![(
                owner,
                RData::TXT(TXT::from_bytes(vec![b"v=spf1 ", b"-all"])),
            )],
            _ => vec![
                (owner, RData::CNAME(CNAME(name("web.example.net.")))),
                (name("web.example.net."), RData::A(A::new(192, 0, 2, 10))),
            ],
        };
        let mut reply = reply_at(question, records);
        // Servers need not keep the case (RFC 4343).
        reply.queries[0].name = name("WWW.EXAMPLE.com.");
        vec![octets(&reply)]
    })
    .await;
    for (question, answer, is_there) in [
        ("www.example.com MX", "10 mx1.example.com", true),
        ("www.example.com. mx", "10  mx1.example.com.", true),
        ("www.example.com MX", "20 mx1.example.com.", false),
        ("www.example.com TXT", "v=spf1 -all", true),
        ("www.example.com TXT", "v=spf1 -ALL", false),
        ("www.example.com A", "192.0.2.10", true),
        ("www.example.com CNAME", "web.example.net", true),
    ] {
        let expect = serde_json::json!({ "answer": answer }).to_string();
        let found = probed(at, dns(question, &expect)).await;
        match is_there {
            true => assert_eq!(good(&found), None),
            false => bad(&found, FailureReason::Dns),
        }
    }
}

#[tokio::test]
async fn a_question_that_was_lost_is_asked_again_with_the_same_id() {
    let (at, asked) = name_server("127.0.0.1", |_, before, question| match before {
        0 => Vec::new(),
        _ => vec![octets(&reply(question, ten()))],
    })
    .await;
    let found = probed(at, plain()).await;
    good(&found);
    assert_eq!(seen(&found, "asked"), "www.example.com. A over UDP, twice");
    assert!(found.trace.verdict_us >= 1_000_000, "half of two seconds");
    let ids: BTreeSet<u16> = asked.all().iter().map(|(_, m, _)| m.metadata.id).collect();
    assert_eq!((asked.ways(2).await, ids.len()), (vec![Udp, Udp], 1));
}

#[tokio::test]
async fn of_two_replies_the_first_counts() {
    let (at, _) = spoiling(|good| {
        let mut other = good.clone();
        other.answers.clear();
        vec![octets(&good), octets(&other)]
    })
    .await;
    good(&probed(at, plain()).await);
}

/// A server whose answers over UDP are cut off, and that says `over_tcp` over TCP.
async fn cutting<F>(over_tcp: F) -> (SocketAddr, Asked)
where
    F: Fn(&Message) -> Vec<Vec<u8>> + Send + Sync + 'static,
{
    name_server("127.0.0.1", move |way, _, question| {
        if way == Tcp {
            return over_tcp(question);
        }
        let mut cut = reply(question, Vec::new());
        cut.metadata.truncation = true;
        vec![octets(&cut)]
    })
    .await
}

#[tokio::test]
async fn an_answer_that_was_cut_off_is_fetched_over_tcp() {
    let (at, asked) = cutting(|question| {
        let mut stray = reply(question, Vec::new());
        stray.metadata.id ^= 1;
        vec![octets(&stray), octets(&reply(question, ten()))]
    })
    .await;
    let found = probed(at, plain()).await;
    good(&found);
    assert_eq!(asked.ways(2).await, [Udp, Tcp]);
    let expected = "www.example.com. A over UDP, then over TCP, since the answer was cut off";
    assert_eq!(seen(&found, "asked"), expected);
    let steps: Vec<_> = found.trace.steps().iter().map(|step| step.0).collect();
    assert_eq!(steps, ["connect", "first byte", "verdict"]);

    // Cut in the midst of a record, as some do it.
    let (at, asked) = name_server("127.0.0.1", |way, _, question| {
        let mut whole = reply(question, ten());
        whole.metadata.truncation = way == Udp;
        let mut octets = octets(&whole);
        if way == Udp {
            octets.truncate(octets.len() - 3);
        }
        vec![octets]
    })
    .await;
    good(&probed(at, plain()).await);
    assert_eq!(asked.ways(2).await, [Udp, Tcp]);

    let (at, _) = cutting(|_| Vec::new()).await;
    bad(&probed(at, plain()).await, FailureReason::Closed);
    let (at, _) = cutting(|question| vec![octets(&failure(question, ResponseCode::Refused))]).await;
    bad(&probed(at, plain()).await, FailureReason::Dns);
}

/// A server whose answers over UDP are cut off, and that takes TCP connections without a word, or
/// takes none.
async fn cuts_and_does_not_speak_tcp(takes: bool) -> (SocketAddr, Option<TcpListener>) {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let at = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            let mut cut = reply(&Message::from_vec(&buffer[..length]).unwrap(), Vec::new());
            cut.metadata.truncation = true;
            udp.send_to(&octets(&cut), from).await.ok();
        }
    });
    (at, takes.then_some(tcp))
}

#[tokio::test]
async fn a_server_without_tcp_fails_where_it_is_needed() {
    let (at, _) = cuts_and_does_not_speak_tcp(false).await;
    let found = probed(at, plain()).await;
    bad(&found, FailureReason::Refused);
    assert!(seen(&found, "asked").ends_with("since the answer was cut off"));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_dns() {
    let (at, _) = spoiling(|good| {
        let mut octets = octets(&good);
        octets.truncate(octets.len() - 3);
        vec![octets]
    })
    .await;
    let found = probed(at, plain()).await;
    bad(&found, FailureReason::Dns);
    assert!(note(&found).starts_with("the answer cannot be read: "));
    // Whoever cannot read a question cannot repeat it.
    let (at, _) = name_server("127.0.0.1", |_, _, question| {
        let mut reply = failure(question, ResponseCode::FormErr);
        reply.queries.clear();
        vec![octets(&reply)]
    })
    .await;
    let found = probed(at, plain()).await;
    bad(&found, FailureReason::Dns);
    assert_eq!(note(&found), "FORMERR instead of NOERROR");
}

#[tokio::test]
async fn nobody_there_is_refused_and_silence_a_timeout() {
    let at = "127.0.77.9:9".parse().unwrap();
    bad(&probed(at, plain()).await, FailureReason::Refused);
    let (at, asked) = name_server("127.0.0.1", |_, _, _| Vec::new()).await;
    let found = probed_briefly(at, plain()).await;
    bad(&found, FailureReason::Timeout);
    assert_eq!(note(&found), "no answer in time");
    assert_eq!(asked.ways(2).await, [Udp, Udp]);
    // A timeout over TCP, whose connection stands.
    let (at, _held) = cuts_and_does_not_speak_tcp(true).await;
    let found = probed_briefly(at, plain()).await;
    bad(&found, FailureReason::Timeout);
    assert!(found.trace.connected_us.is_some());
    assert_eq!(note(&found), "no answer over TCP in time");
}

#[tokio::test]
async fn a_flood_of_strays_ends_with_the_timeout() {
    let flood = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = flood.local_addr().unwrap();
    tokio::spawn(async move {
        let (length, from) = flood.recv_from(&mut [0; 512]).await.unwrap();
        assert!(length > 12);
        loop {
            flood.send_to(b"no answer at all", from).await.ok();
            tokio::task::yield_now().await;
        }
    });
    bad(&probed_briefly(at, plain()).await, FailureReason::Timeout);
}

/// An answer each of whose records has a name of `hops` pointers, one to the next.
fn maze(question: &Message, hops: usize, records: u16) -> Vec<u8> {
    let mut octets = octets(&reply(question, Vec::new()));
    octets[6..8].copy_from_slice(&(records + 1).to_be_bytes());
    octets.truncate(12 + QUESTION.len() + 2 + 4);
    let head = [0, 0xFF, 0xFE, 0, 1, 0, 0, 0, 0];
    octets.extend(head);
    octets.extend(u16::try_from(1 + 2 * hops).unwrap().to_be_bytes());
    let mut target = octets.len();
    octets.push(0);
    for _ in 0..hops {
        let next = octets.len();
        octets.extend((0xC000 | u16::try_from(target).unwrap()).to_be_bytes());
        target = next;
    }
    for _ in 0..records {
        octets.extend((0xC000 | u16::try_from(target).unwrap()).to_be_bytes());
        octets.extend([0xFF, 0xFE, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
    }
    octets
}

#[tokio::test]
async fn an_answer_that_is_long_to_read_holds_nobody_up() {
    let (hops, records) = (8_000, 200);
    let (at, _) = cutting(move |question| vec![maze(question, hops, records)]).await;
    let mut asked = Message::query();
    let name = Name::from_ascii("www.example.com.").unwrap();
    asked.add_query(Query::query(name, RecordType::A));
    let begun = Instant::now();
    Message::from_vec(&maze(&asked, hops, records)).unwrap();
    let reading = begun.elapsed();
    // Something else may hold this thread up once, but not each time.
    let mut all = Vec::new();
    for _ in 0..5 {
        let probe = tokio::spawn(async move { probed(at, dns(QUESTION, "{}")).await });
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        while !probe.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        probe.await.unwrap();
        if longest < reading / 2 {
            return;
        }
        all.push(longest);
    }
    panic!("held up for {all:?}, reading takes {reading:?}");
}

#[tokio::test]
async fn the_port_is_the_monitors_where_the_address_has_none() {
    let (at, _) = spoiling(|good| vec![octets(&good)]).await;
    let mut config = config(servers::refuses().await, plain());
    config.targets.get_mut("primary").unwrap().probe_at[0].port = None;
    let ProbeKind::Dns(dns) = &mut config.monitors.get_mut("web").unwrap().probe else {
        panic!("a DNS monitor")
    };
    assert_eq!(dns.port, 53);
    dns.port = at.port();
    let found = once(&config).await;
    good(&found);
    assert_eq!(found.at.port, Some(at.port()));
}

#[tokio::test]
async fn what_the_configuration_takes_the_probe_takes() {
    let other = ["TYPE1", "TYPE65535", "aaaa", ""];
    for kind in DnsProbe::TYPES.into_iter().chain(other) {
        for rcode in DnsExpect::RCODES {
            let text = format!(
                "[[target]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n[[service]]\nname = \"a\"\n\
                 names = [\"a.example\"]\ntargets = [\"a\"]\nmonitors = [{{ kind = \"dns\", \
                 question = \"example.com {kind}\", expect = {{ rcode = \"{rcode}\" }} }}]\n"
            );
            let loaded = sidestep::config::parse("sidestep.toml", &text)
                .unwrap_or_else(|errors| panic!("{kind}: {errors:?}"));
            assert_eq!(probe::problems(&loaded.config), Vec::<String>::new());
        }
    }
}

/// Asks sidestep's own name server.
#[test]
fn our_own_name_server_is_well() {
    crate::dns::serve_for_probes(|at| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for (question, expect) in [
                (QUESTION, r#"{"answer":"192.0.2.1"}"#),
                ("www.example.com AAAA", r#"{"answer":"2001:DB8::1"}"#),
                ("example.com NS", r#"{"answer":"NS1.example.com"}"#),
                ("nothing.example.com", r#"{"rcode":"NXDOMAIN"}"#),
                ("www.example.net", r#"{"rcode":"REFUSED"}"#),
            ] {
                let found = probed(at, dns(question, expect)).await;
                assert_eq!(good(&found), None, "{question}");
            }
            // 1,500 octets of text do not fit into a datagram of 1,232.
            let found = probed(at, dns("big.example.com TXT", "{}")).await;
            good(&found);
            assert!(seen(&found, "asked").contains("over TCP"), "{found:?}");
        });
    });
}
