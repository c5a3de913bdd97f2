//! Format 1: the sample of its description, and what is written comes back.

use super::{Kept, SAMPLE, compressed, open, read};
use sidestep::{
    failover::{By, What},
    model::{FailureReason, ProbeKind, Timestamp},
    recording::{Item, Writer},
};

#[test]
fn the_sample_of_the_description_reads_as_it_stands() {
    for bytes in [SAMPLE.as_bytes().to_vec(), compressed(SAMPLE.as_bytes())] {
        let kept = Kept::new("sample", bytes);
        let mut recording = open(&kept.path());
        let header = recording.header().clone();
        assert_eq!(header.by, "sidestep 0.1.0");
        let monitor = &header.config.monitors["https"];
        assert!(matches!(monitor.probe, ProbeKind::Http(_)));
        assert_eq!((monitor.interval_ms, monitor.timeout_ms), (5_000, 2_000));
        let service = &header.config.services["www"];
        assert_eq!(&*service.policy, "failover.rhai");
        assert_eq!((service.max_switches, header.config.witness), (None, None));

        let items: Vec<Item> = recording.by_ref().map(Result::unwrap).collect();
        let [Item::Probe(good), Item::Probe(bad), Item::Event(decision)] = items.as_slice() else {
            panic!("{items:?}");
        };
        assert_eq!((good.at, good.seq), (Timestamp(1_763_800_000_123), 1));
        assert_eq!((good.ok, good.rtt_us), (true, Some(41_200)));
        assert_eq!((bad.ok, bad.error), (false, Some(FailureReason::Timeout)));
        let What::Decision(decision) = &decision.what else {
            panic!("{decision:?}");
        };
        assert_eq!(
            (decision.line, decision.cause, decision.by),
            (18, 8, By::Policy)
        );
        // An address that is left out makes a series of its own until somebody fills it in.
        let addresses: Vec<_> = recording.series().iter().map(|key| key.address).collect();
        assert_eq!(addresses, [Some([192, 0, 2, 10].into()), None]);
        assert_eq!(recording.notes().lines, 4);
    }
}

#[test]
fn lines_without_a_number_are_counted() {
    let text: String = SAMPLE
        .replace(r#""seq":1,"#, "")
        .replace(r#""seq":2,"#, "")
        .replace(r#""seq":9,"#, "");
    let kept = Kept::new("sample", text);
    let (items, _) = read(kept.open()).unwrap();
    let numbers: Vec<u64> = items
        .iter()
        .map(|item| match item {
            Item::Probe(seen) => seen.seq,
            Item::Event(event) => event.seq,
            _ => 0,
        })
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn targets_with_records_and_hostnames_are_whole_in_a_recording() {
    let header = SAMPLE.lines().next().unwrap();
    let header = header
        .replace(
            r#""addresses":["192.0.2.10"]"#,
            r#""addresses":["192.0.2.10"],"records":["MX 10 mx1"]"#,
        )
        .replace(
            r#""addresses":["198.51.100.20"]"#,
            r#""cname":"lb.example.net""#,
        );
    let line = r#"{"at":1763800000123,"seq":1,"resolved":{"target":"backup","hostname":"lb.example.net","addresses":["192.0.2.30"]}}"#;
    let kept = Kept::new("hostnames", format!("{header}\n{line}\n"));
    let mut recording = open(&kept.path());
    let read = recording.header().clone();
    assert_eq!(read.config.targets["primary"].records, ["MX 10 mx1"]);
    let backup = &read.config.targets["backup"];
    assert_eq!(
        (backup.cname.as_deref(), backup.addresses.len()),
        (Some("lb.example.net"), 0)
    );
    let item = recording.next().unwrap().unwrap();
    let Item::Event(event) = &item else {
        panic!("{item:?}");
    };
    assert!(matches!(event.what, What::Resolved(_)));

    // Written again it is the same, line by line.
    let mut writer = Writer::new(Vec::new(), &read).unwrap();
    writer.event(event).unwrap();
    let written = String::from_utf8(writer.finish().unwrap()).unwrap();
    assert_eq!(written.lines().nth(1), Some(line));
    let again = Kept::new("again", written);
    assert_eq!(open(&again.path()).header(), &read);
}
