//! `/metrics` against the grammar of the text format 0.0.4, and what it shows.

use super::{
    http::{Fake, Running},
    story::BEGAN,
};
use sidestep::failover::overview::{Degraded, JournalPart};
use std::collections::{BTreeMap, BTreeSet};

/// One sample: its name, its labels, its value.
type Sample = (String, BTreeMap<String, String>, f64);

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':');
    first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// Labels from `{` to `}`, unescaped, and what follows.
fn labels(mut rest: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    loop {
        let (name, after) = rest.split_once("=\"").expect("a label and its value");
        assert!(is_name(name) && !name.contains(':'), "{name:?}");
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().expect("the value ends") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().expect("something is escaped").1 {
                    'n' => value.push('\n'),
                    c @ ('\\' | '"') => value.push(c),
                    other => panic!("\\{other} is no escape"),
                },
                (_, c) => value.push(c),
            }
        };
        let twice = labels.insert(name.to_owned(), value);
        assert_eq!(twice, None, "{name} stands twice");
        match after[end + 1..].split_at(1) {
            (",", more) => rest = more,
            ("}", after) => return (labels, after),
            (other, _) => panic!("{other:?} after a label"),
        }
    }
}

/// Reads a whole text; every deviation from the grammar panics.
fn parse(text: &str) -> Vec<Sample> {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut samples = Vec::new();
    let mut family = String::new();
    let mut typed = BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (what, rest) = comment.split_once(' ').expect("HELP or TYPE");
            let (name, rest) = rest.split_once(' ').expect("a name and a text");
            assert!(is_name(name), "{name:?}");
            if what == "HELP" {
                name.clone_into(&mut family);
                continue;
            }
            assert_eq!((what, name), ("TYPE", family.as_str()));
            let kinds = ["gauge", "counter", "summary", "histogram"];
            assert!(kinds.contains(&rest), "{line}");
            let twice = typed.insert(name.to_owned(), rest.to_owned());
            assert_eq!(twice, None, "{name} is a family twice");
            assert_eq!(rest == "counter", name.ends_with("_total"), "{line}");
            continue;
        }
        let end = line.find(['{', ' ']).expect("a value");
        let (name, rest) = line.split_at(end);
        assert!(is_name(name), "{line}");
        let kind = typed.get(&family).expect("a sample stands below its TYPE");
        let base = match kind.as_str() {
            "summary" => name.trim_end_matches("_sum").trim_end_matches("_count"),
            "histogram" => ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .expect("a histogram has no samples of its own name"),
            _ => name,
        };
        assert_eq!(base, family, "samples of a family stand together");
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (BTreeMap::new(), rest),
        };
        let value = rest.strip_prefix(' ').expect("one space before the value");
        let value = value.parse().expect("a number and no more");
        samples.push((name.to_owned(), labels, value));
    }
    let distinct: BTreeSet<_> = samples
        .iter()
        .map(|(name, labels, _)| (name, labels))
        .collect();
    assert_eq!(distinct.len(), samples.len(), "no series stands twice");
    samples
}

/// That each histogram's classes only grow, and end in its count.
fn histograms_are_cumulative(samples: &[Sample]) {
    let mut seen = 0;
    for (name, labels, count) in samples {
        let Some(family) = name.strip_suffix("_count") else {
            continue;
        };
        let bucket = format!("{family}_bucket");
        let of_these = |(other, of, _): &&Sample| {
            let mut of = of.clone();
            *other == bucket && of.remove("le").is_some() && of == *labels
        };
        let classes: Vec<&Sample> = samples.iter().filter(of_these).collect();
        let Some((_, last, whole)) = classes.last() else {
            continue; // A summary.
        };
        seen += 1;
        assert_eq!((last["le"].as_str(), whole), ("+Inf", count), "{family}");
        let bound = |sample: &Sample| sample.1["le"].replace('+', "").parse::<f64>();
        for pair in classes.windows(2) {
            assert!(pair[0].2 <= pair[1].2, "{family}: {pair:?}");
            let (low, high) = (bound(pair[0]).unwrap(), bound(pair[1]).unwrap());
            assert!(low < high, "{family}: {pair:?}");
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn metrics_keep_the_grammar_and_show_the_state() {
    let mut fake = Fake::new();
    fake.say_of_daemon(|daemon| {
        daemon.needs_restart = vec!["data".to_owned()];
        daemon.journal = Some(JournalPart {
            committed: 80,
            backlog: 12,
            degraded: Some(Degraded {
                since_ms: BEGAN,
                why: "the disk is full".to_owned(),
            }),
            gaps: 2,
            bytes: 4_096,
            ..JournalPart::default()
        });
    });
    let server = Running::start(fake);
    let reply = server.get("/metrics");
    let (_, body) = reply.split_once("\r\n\r\n").expect("a body");
    let samples = parse(body);
    let value = |name: &str, labels: &[(&str, &str)]| {
        let wanted: BTreeMap<String, String> = labels
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        let found = samples
            .iter()
            .find(|(other, of, _)| other == name && *of == wanted);
        found
            .unwrap_or_else(|| panic!("{name} {labels:?} in {body}"))
            .2
    };
    let (www, primary, backup) = (
        ("service", "www"),
        ("target", "primary"),
        ("target", "backup"),
    );
    let build = [("version", "0.1.0"), ("node", "ns1")];
    let odd = [("monitor", "odd \"name\" \\ of\nhttps"), ("result", "ok")];
    let by = [www, ("by", "policy")];
    let https = ("monitor", "https");
    let switch = [www, ("kind", "switch")];
    let known = [www, backup, https];
    let (fast, slow) = ([https, ("le", "0.000100")], [https, ("le", "+Inf")]);
    for (name, labels, expected) in [
        ("sidestep_build_info", &build[..], 1.0),
        ("sidestep_files_refused", &[], 1.0),
        ("sidestep_reload_pending", &[], 1.0),
        ("sidestep_isolated", &[], 0.0),
        ("sidestep_witness_up", &[("address", "192.0.2.53:53")], 1.0),
        ("sidestep_service_on_primary", &[www], 0.0),
        ("sidestep_service_ttl_seconds", &[www], 30.0),
        ("sidestep_service_active", &[www, backup], 1.0),
        ("sidestep_service_active", &[www, primary], 0.0),
        ("sidestep_target_up", &[www, backup], 1.0),
        ("sidestep_target_up", &[www, primary], 0.0),
        ("sidestep_target_failures", &[www, primary], 4.0),
        ("sidestep_target_rtt_seconds", &[www, backup], 0.0412),
        ("sidestep_probe_success", &known, 1.0),
        ("sidestep_override_active", &switch, 0.0),
        ("sidestep_engine_frozen", &[], 0.0),
        ("sidestep_restart_needed", &[], 1.0),
        ("sidestep_journal_degraded", &[], 1.0),
        ("sidestep_journal_backlog_events", &[], 12.0),
        ("sidestep_journal_committed_seq", &[], 80.0),
        ("sidestep_journal_gaps_total", &[], 2.0),
        ("sidestep_journal_bytes", &[], 4_096.0),
        ("sidestep_probe_duration_seconds_bucket", &fast, 1.0),
        ("sidestep_probe_duration_seconds_bucket", &slow, 3.0),
        ("sidestep_probe_duration_seconds_count", &[https], 3.0),
        ("sidestep_probe_duration_seconds_sum", &[https], 20.04129),
        ("sidestep_probe_late_total", &[https], 4.0),
        (
            "sidestep_probe_schedule_lag_seconds_bucket",
            &[("le", "0.000100")],
            1.0,
        ),
        ("sidestep_decision_publish_seconds_count", &[], 1.0),
        ("sidestep_decisions_total", &by, 3.0),
        ("sidestep_switches_total", &[www], 2.0),
        ("sidestep_policy_errors_total", &[www], 1.0),
        ("sidestep_policy_eval_seconds_sum", &[], 0.025),
        ("sidestep_policy_eval_seconds_count", &[], 10.0),
        ("sidestep_config_last_reload_successful", &[], 0.0),
        ("sidestep_probe_total", &odd, 7.0),
        (
            "sidestep_dns_queries_total",
            &[("transport", "udp")],
            12_345.0,
        ),
        ("sidestep_dns_queries_total", &[("transport", "tcp")], 6.0),
        ("sidestep_dns_replies_total", &[("rcode", "refused")], 51.0),
        ("sidestep_dns_truncated_total", &[], 2.0),
        ("sidestep_dns_slipped_total", &[], 1.0),
        ("sidestep_dns_fast_total", &[], 12_000.0),
        ("sidestep_dns_dropped_total", &[("reason", "limited")], 1.0),
        ("sidestep_dns_tcp_connections", &[], 3.0),
        ("sidestep_dns_tcp_opened_total", &[], 10.0),
        ("sidestep_dns_tcp_closed_total", &[("reason", "idle")], 5.0),
        ("sidestep_start_timestamp_seconds", &[], 1_763_800_000.0),
    ] {
        assert_eq!(value(name, labels), expected, "{name}");
    }
    histograms_are_cumulative(&samples);
    assert!(value("sidestep_zone_serial", &[("zone", "example.com")]) > 0.0);
}
