//! Journals to recordings and back: nothing is lost, nothing is made up.

use super::{Kept, SAMPLE, read};
use crate::journal::world::{self, BEGIN, Lane};
use proptest::prelude::*;
use sidestep::{
    failover::{Event, Input, Reload, State, What, event::Gap},
    journal::{self, Settings},
    model::{Config, PolicyText, Service, Timestamp},
    recording::{self, Header, Item, Reading, Recording, Writer},
    replay::{
        export::{self, Exported, Wanted},
        import,
        source::Source,
    },
};
use std::{fs, path::Path, sync::Arc};
use tempfile::TempDir;

fn record(folder: &Path, steps: &[Vec<Event>], snapshots: &[State]) {
    let opened = journal::open(folder, Settings::default()).unwrap();
    let (_, journal) = opened.start(Box::new(|_| {})).unwrap();
    for step in steps {
        journal.write(step.clone(), None);
        let last = step.last().map(|event| event.seq);
        let due = snapshots
            .iter()
            .find(|state| Some(state.world().seq) == last);
        if let Some(state) = due {
            journal.snapshot(state.clone());
        }
    }
    journal.stop();
}

fn exported(folder: &Path, wanted: &Wanted) -> (Vec<u8>, Exported) {
    let begin = |header: &Header| Writer::new(Vec::new(), header);
    let (writer, exported) = export::export(folder, wanted, begin).unwrap();
    (writer.finish().unwrap(), exported)
}

fn imported(bytes: &[u8]) -> TempDir {
    let kept = Kept::new("a.jsonl", bytes);
    let folder = tempfile::tempdir().unwrap();
    import::import(&kept.path(), &Reading::default(), folder.path()).unwrap();
    folder
}

/// The state at the end, and the events, of a recording.
fn folded(bytes: &[u8]) -> (State, Vec<Event>) {
    let kept = Kept::new("a.jsonl", bytes);
    let mut recording = kept.open().unwrap();
    let (mut state, mut events) = (State::default(), Vec::new());
    while let Some(item) = recording.next() {
        let event = match item.unwrap() {
            Item::State(whole) => {
                state = *whole;
                continue;
            }
            Item::Event(event) => *event,
            Item::Probe(seen) => event_of(&recording, &seen),
            Item::Unknown { kind, .. } => panic!("{kind}"),
        };
        state.apply(&event);
        events.push(event);
    }
    (state, events)
}

fn event_of(recording: &Recording, seen: &recording::Seen) -> Event {
    Event {
        at: seen.at,
        seq: seen.seq,
        what: What::Probe(seen.observation(&recording.series()[seen.series])),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_comes_back(steps in world::steps(60), squeeze in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let name = if squeeze { "a.jsonl.zst" } else { "a.jsonl" };
        let path = folder.path().join(name);
        let header = Header { by: "a test".into(), config: world::config(), ..Header::default() };
        let mut writer = Writer::create(&path, &header).unwrap();
        let written: Vec<Event> = steps.into_iter().flatten().collect();
        for event in &written {
            writer.event(event).unwrap();
        }
        prop_assert!(!path.exists());
        writer.finish().unwrap().keep().unwrap();
        let bytes = fs::read(&path).unwrap();
        prop_assert_eq!(bytes.starts_with(b"\x28\xb5\x2f\xfd"), squeeze);
        let (state, read) = folded(&bytes);
        prop_assert_eq!(&read, &written);
        let mut expected = State::default();
        written.iter().for_each(|event| expected.apply(event));
        prop_assert_eq!(state, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn export_import_export_is_the_same(steps in world::steps(60), cut in 0.0..1.0) {
        let folder = tempfile::tempdir().unwrap();
        record(folder.path(), &steps, &[]);
        let (whole, _) = exported(folder.path(), &Wanted::default());
        let again = exported(imported(&whole).path(), &Wanted::default()).0;
        prop_assert!(whole == again);

        // A stretch of it, too; and it leads to the same state.
        let last = steps.iter().flatten().last().unwrap().at;
        let since = Timestamp(BEGIN + ((last.0 - BEGIN) as f64 * cut) as i64 + 1);
        let wanted = Wanted { since: Some(since), ..Wanted::default() };
        let (stretch, exported_) = exported(folder.path(), &wanted);
        prop_assert_eq!(exported_.states, 1);
        let (state, events) = folded(&stretch);
        prop_assert!(events.iter().all(|event| event.at >= since));
        let journal = journal::open(folder.path(), Settings::default()).unwrap();
        prop_assert_eq!(&state, &journal.recovered.state);
        let folder = imported(&stretch);
        let again = exported(folder.path(), &Wanted::default()).0;
        prop_assert!(stretch == again);
        let journal = journal::open(folder.path(), Settings::default()).unwrap();
        prop_assert_eq!(&state, &journal.recovered.state);
        prop_assert_eq!(&journal.recovered.alarms, &Vec::<String>::new());
        prop_assert_eq!(journal.recovered.folded, 0);
    }
}

/// The small world with a second service, whose targets are two of the first's.
fn two_services() -> Config {
    let mut config = world::config();
    let shop = Service::bare(
        "shop".into(),
        "shop.example.com".into(),
        vec!["third".into(), "backup".into()],
        vec!["tcp".into()],
    );
    let shop = Service {
        policy: "shop.rhai".into(),
        ..shop
    };
    config.services.insert("shop".into(), shop);
    config
}

fn both(lane: &mut Lane) -> Vec<Vec<Event>> {
    let text = |name: &str| PolicyText {
        name: name.into(),
        source: format!("// {name}\n").into(),
    };
    let reload = Input::Reload(Reload {
        by: "test".into(),
        config: Arc::new(two_services()),
        policies: vec![text("shop.rhai"), text("www.rhai")],
        zones: Vec::new(),
    });
    let mut steps = vec![lane.feed(1_000, reload)];
    steps.extend(lane.probes(40));
    let order = |order| world::order(order);
    let orders = [
        serde_json::json!({ "command": "hold", "service": "shop" }),
        serde_json::json!({ "command": "hold", "service": "www" }),
        serde_json::json!({ "command": "drain", "target": "primary" }),
        serde_json::json!({ "command": "drain", "target": "third" }),
    ];
    steps.extend(orders.map(|one| lane.feed(1_000, order(one))));
    steps.extend(lane.probes(40));
    steps
}

#[test]
fn one_service_alone_leads_to_its_part_of_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = Lane::new();
    let mut steps = vec![first];
    steps.extend(both(&mut lane));
    record(folder.path(), &steps, &[]);
    let middle = Timestamp(BEGIN + 30_000);
    for since in [None, Some(middle)] {
        let wanted = Wanted {
            service: Some("shop".into()),
            since,
            until: None,
        };
        let (bytes, exported) = exported(folder.path(), &wanted);
        // It came with the second configuration, so there is something before it.
        assert_eq!(exported.states, 1);
        let (state, events) = folded(&bytes);
        let whole = lane.state.narrowed(&"shop".into()).unwrap();
        let (alone, expected) = (state.world(), whole.world());
        assert_eq!(alone.services, expected.services);
        assert_eq!(alone.targets, expected.targets);
        assert_eq!(alone.groups, expected.groups);
        assert_eq!(alone.config, expected.config);
        assert_eq!(alone.policies, expected.policies);
        // After the state, which says what woke the policies last.
        let text = String::from_utf8(bytes).unwrap();
        let text: String = text.lines().skip(2).collect();
        assert!(!text.contains("primary") && !text.contains("www"), "{text}");
        assert!(events.len() > 20);
    }
    let wanted = Wanted {
        service: Some("sohp".into()),
        ..Wanted::default()
    };
    let begin = |header: &Header| Writer::new(Vec::new(), header);
    let refused = export::export(folder.path(), &wanted, begin).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the journal knows no service 'sohp': did you mean 'shop'?"
    );
}

#[test]
fn until_ends_an_export_before_its_instant() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = Lane::new();
    let mut steps = vec![first];
    steps.extend(lane.probes(20));
    record(folder.path(), &steps, &[]);
    let wanted = Wanted {
        since: Some(Timestamp(BEGIN + 5_000)),
        until: Some(Timestamp(BEGIN + 10_000)),
        ..Wanted::default()
    };
    let (_, events) = folded(&exported(folder.path(), &wanted).0);
    let is_probe = |event: &&Event| matches!(event.what, What::Probe(_));
    let probes: Vec<i64> = events
        .iter()
        .filter(is_probe)
        .map(|event| event.at.0 - BEGIN)
        .collect();
    assert_eq!(probes, [5_000, 6_000, 7_000, 8_000, 9_000]);
}

/// Items of a journal, as a replay reads them.
fn source(folder: &Path, from: Option<Timestamp>) -> (Header, Vec<Item>) {
    let mut source = Source::open(folder, &Reading::default(), from).unwrap();
    let items = source.by_ref().map(Result::unwrap).collect();
    (source.header().clone(), items)
}

#[test]
fn a_journal_is_read_as_its_recording_is() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = Lane::new();
    let mut steps = vec![first];
    steps.extend(lane.probes(20));
    let snapshot = lane.state.clone();
    steps.extend(lane.probes(20));
    record(folder.path(), &steps, std::slice::from_ref(&snapshot));
    let (header, items) = source(folder.path(), None);
    let (bytes, _) = exported(folder.path(), &Wanted::default());
    let kept = Kept::new("a.jsonl", bytes);
    assert_eq!(&header, kept.open().unwrap().header());
    assert_eq!(items, read(kept.open()).unwrap().0);
    // Its file, and the configuration that names it, mean the same.
    assert_eq!(source(&folder.path().join("journal.sqlite"), None).1, items);
    let named = folder.path().join("sidestep.toml");
    fs::write(&named, "[server]\ndata = \".\"\n").unwrap();
    assert_eq!(source(&named, None).1, items);

    // From an instant on: the snapshot before it, then what came after that.
    let (header, items) = source(folder.path(), Some(snapshot.world().at.plus_ms(3_000)));
    assert_eq!(header.config.services.len(), 1);
    let Item::State(state) = &items[0] else {
        panic!("{:?}", items[0])
    };
    assert_eq!(**state, snapshot);
    let Item::Probe(next) = &items[1] else {
        panic!("{:?}", items[1])
    };
    assert_eq!(next.seq, snapshot.world().seq + 1);
}

#[test]
fn after_retention_the_first_is_the_state_that_covers_what_went() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = Lane::new();
    let mut steps = vec![first];
    steps.extend(lane.probes(20));
    let snapshot = lane.state.clone();
    steps.extend(lane.probes(20));
    record(folder.path(), &steps, std::slice::from_ref(&snapshot));
    let journal = rusqlite::Connection::open(folder.path().join("journal.sqlite")).unwrap();
    journal
        .execute_batch(
            "DELETE FROM observation WHERE seq <= 12;
             INSERT OR REPLACE INTO meta(key, value) VALUES ('trimmed_seq', 12);",
        )
        .unwrap();
    drop(journal);
    let (_, items) = source(folder.path(), None);
    assert_eq!(items[0], Item::State(Box::new(snapshot)));
    // The log still tells what it can of the time before.
    let begin = journal::Begin::Left(Timestamp(0));
    let first = journal::stretch(folder.path(), begin).unwrap().next();
    assert!(matches!(first, Some(Ok(journal::Passage::Event(_)))));
}

#[test]
fn a_gap_is_followed_by_the_state_that_covers_it() {
    let (mut lane, first) = Lane::new();
    let mut events = first;
    events.extend(lane.probes(10).concat());
    let from_seq = lane.state.world().seq + 1;
    let lost: Vec<Event> = lane.probes(10).concat();
    let to_seq = lane.state.world().seq;
    let gap = Event {
        at: lane.state.world().at,
        seq: to_seq,
        what: What::Gap(Gap {
            from_seq,
            to_seq,
            lost: lost.len() as u64,
            why: "a test".into(),
        }),
    };
    let header = Header {
        by: format!("sidestep {}", env!("CARGO_PKG_VERSION")),
        config: Config {
            zones: Vec::new(),
            ..world::config()
        },
        ..Header::default()
    };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    for event in events.iter().chain([&gap]) {
        writer.event(event).unwrap();
    }
    writer.state(&lane.state).unwrap();
    for event in lane.probes(10).concat() {
        writer.event(&event).unwrap();
    }
    let bytes = writer.finish().unwrap();
    let folder = imported(&bytes);
    let again = exported(folder.path(), &Wanted::default()).0;
    assert!(bytes == again);
    assert_eq!(folded(&again).0, lane.state);
}

#[test]
fn a_recording_without_a_configuration_line_begins_with_what_its_header_says() {
    let folder = imported(SAMPLE.as_bytes());
    let (header, items) = source(folder.path(), None);
    assert_eq!(header.config.services.len(), 1);
    let [
        Item::State(state),
        Item::Probe(first),
        Item::Probe(_),
        Item::Event(_),
    ] = items.as_slice()
    else {
        panic!("{items:?}");
    };
    assert_eq!((state.world().seq, first.seq), (0, 1));
    assert_eq!(state.world().services[0].serving, ["primary".into()]);
    let again = journal::open(folder.path(), Settings::default()).unwrap();
    assert_eq!(again.recovered.alarms, Vec::<String>::new());
    assert_eq!(
        again.recovered.state.world().services[0].serving,
        ["backup".into()]
    );
}

#[test]
fn an_import_takes_nothing_over_and_leaves_nothing_behind() {
    let kept = Kept::new("a.jsonl", SAMPLE);
    let folder = imported(SAMPLE.as_bytes());
    let refuse = |kept: &Kept, folder: &Path| {
        let error = import::import(&kept.path(), &Reading::default(), folder).unwrap_err();
        let error = error.replace(&folder.display().to_string(), "DATA");
        error.replace(&format!("{}/", kept.folder.path().display()), "")
    };
    assert_eq!(
        refuse(&kept, folder.path()),
        "there is a journal in DATA already: import into a folder without one (--data)"
    );
    let fresh = tempfile::tempdir().unwrap();
    let held = journal::open(fresh.path(), Settings::default()).unwrap();
    assert!(refuse(&kept, fresh.path()).starts_with("another sidestep (process "));
    drop(held);
    let bad = Kept::new("bad.jsonl", SAMPLE.replacen("\"ok\":false", "\"ok\":no", 1));
    assert_eq!(
        refuse(&bad, fresh.path()),
        "bad.jsonl:3: no JSON: expected ident, at column 97; nothing was imported into DATA"
    );
    let twice = Kept::new("twice.jsonl", SAMPLE.replacen("\"seq\":2", "\"seq\":1", 1));
    assert_eq!(
        refuse(&twice, fresh.path()),
        "number 1 comes after 1: the numbers of a journal only grow; nothing was imported into DATA"
    );
    let left: Vec<_> = fs::read_dir(fresh.path()).unwrap().collect();
    assert_eq!(left.len(), 0, "{left:?}");
}
