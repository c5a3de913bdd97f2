//! Odd messages, each to every server: RFC 8906 section 8, and what fuzzers find first.

use super::{
    super::random::{Labels, World},
    about::About,
    compare::{Outcome, compare},
    exchange,
    ledger::Ledger,
    onward::{Told, Vouchers},
    servers::Server,
    told,
    wire::{Asking, Edns},
};
use std::time::Duration;

/// Silence is an answer to some of these, so it is not waited for long; but twice.
const PATIENCE: [Duration; 2] = [Duration::from_millis(400), Duration::from_secs(2)];

type Case = (String, Vec<u8>);

/// Asks every server every case and takes in what differs.
pub(super) fn ask_all(servers: &[Server], world: &World, ledger: &mut Ledger) {
    let apex = &world.zones[0].apex;
    let cases: Vec<Case> = [
        opcodes(apex),
        headers(apex),
        counts(apex),
        classes(apex),
        kinds(apex),
        versions_and_flags(apex),
        options(apex),
        opt_records(apex),
        signatures(apex),
    ]
    .concat();
    let outcomes: Vec<Vec<Outcome>> = std::thread::scope(|scope| {
        let asking: Vec<_> = servers
            .iter()
            .map(|server| {
                let cases = &cases;
                scope.spawn(move || {
                    let asked = cases.iter().map(|(_, octets)| {
                        let mut waits = PATIENCE.into_iter();
                        let reply = waits.find_map(|patience| {
                            exchange::one_over_udp(server.address, octets, patience)
                        });
                        Outcome::of(reply.as_deref())
                    });
                    asked.collect()
                })
            })
            .collect();
        asking
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    });
    let mut outcomes: Vec<_> = outcomes.into_iter().map(Vec::into_iter).collect();
    for (name, octets) in &cases {
        let outcomes = outcomes.iter_mut().filter_map(Iterator::next);
        let outcomes: Vec<Told> = outcomes.map(Told::of).collect();
        let about = About::odd(world, name);
        let nobody = Vouchers::new();
        let found: Vec<_> = (1..outcomes.len())
            .map(|peer| compare(&outcomes[0], &outcomes[peer], &about, &nobody, peer))
            .collect();
        let query = || told(&format!("{name}: {octets:02x?}"), &outcomes);
        ledger.take(&about.class, &found, &query);
    }
}

fn soa(apex: &Labels) -> Asking {
    Asking::of(apex, 6)
}

fn opcodes(apex: &Labels) -> Vec<Case> {
    let mut cases = Vec::new();
    let elsewhere = Labels::of("example.net");
    for opcode in 1..16_u16 {
        for (word, name) in [("", apex), (" elsewhere", &elsewhere)] {
            let mut asking = soa(name);
            asking.flags = opcode << 11;
            cases.push((format!("opcode {opcode}{word}"), asking.octets()));
            asking.edns = Some(Edns::of(1_232, false));
            cases.push((format!("opcode {opcode}{word} edns"), asking.octets()));
        }
        let [high, low] = (opcode << 11).to_be_bytes();
        let header = vec![0, 0, high, low, 0, 0, 0, 0, 0, 0, 0, 0];
        cases.push((format!("opcode {opcode} header"), header));
    }
    cases
}

fn headers(apex: &Labels) -> Vec<Case> {
    let mut cases = Vec::new();
    for (word, flags) in [
        ("qr", 0x8000),
        ("aa", 0x400),
        ("tc", 0x200),
        ("rd", 0x100),
        ("ra", 0x80),
        ("z", 0x40),
        ("ad", 0x20),
        ("cd", 0x10),
        ("all", 0x07f0),
        ("rcode 1", 1),
        ("rcode 15", 15),
    ] {
        let mut asking = soa(apex);
        asking.flags = flags;
        cases.push((format!("flag {word}"), asking.octets()));
        asking.edns = Some(Edns::of(1_232, true));
        cases.push((format!("flag {word} edns"), asking.octets()));
    }
    cases
}

/// Counts that say something other than what follows, and questions cut short.
fn counts(apex: &Labels) -> Vec<Case> {
    let whole = soa(apex).octets();
    let with = |at: usize, value: u8| {
        let mut octets = whole.clone();
        octets[at] = value;
        octets
    };
    let mut cases = vec![
        ("no question".into(), whole[..12].to_vec()),
        ("no question, counted".into(), with(5, 0)),
        (
            "two questions".into(),
            [with(5, 2), soa(apex).question()].concat(),
        ),
        ("two questions counted".into(), with(5, 2)),
        ("an answer counted".into(), with(7, 1)),
        ("an authority counted".into(), with(9, 1)),
        ("an additional counted".into(), with(11, 1)),
        (
            "octets behind".into(),
            [whole.clone(), vec![1, 2, 3]].concat(),
        ),
        (
            "a record behind".into(),
            [with(7, 1), record(apex)].concat(),
        ),
        (
            "a record in authority".into(),
            [with(9, 1), record(apex)].concat(),
        ),
        (
            "a record in additional".into(),
            [with(11, 1), record(apex)].concat(),
        ),
        ("a long label".into(), named(&[64, b'a', 0, 0, 6, 0, 1])),
        ("label 128".into(), named(&[128, b'a', 0, 0, 6, 0, 1])),
        ("a pointer to itself".into(), named(&[192, 12, 0, 6, 0, 1])),
        ("a pointer ahead".into(), named(&[192, 40, 0, 6, 0, 1])),
        (
            "a pointer to the header".into(),
            named(&[192, 4, 0, 6, 0, 1]),
        ),
    ];
    let mut long = Vec::new();
    for _ in 0..4 {
        long.extend([63].into_iter().chain([b'a'; 63]));
    }
    cases.push((
        "256 octets".into(),
        named(&[&long[..], &[0, 0, 6, 0, 1]].concat()),
    ));
    for cut in [1, 2, 3, 4, 6] {
        let cut = whole.len() - cut;
        cases.push((format!("cut at {cut}"), whole[..cut].to_vec()));
    }
    for length in [0, 1, 2, 11] {
        cases.push((format!("{length} octets"), whole[..length].to_vec()));
    }
    cases
}

fn named(question: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], question].concat()
}

fn record(owner: &Labels) -> Vec<u8> {
    let fixed = [0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1];
    [owner.wire(), fixed.to_vec()].concat()
}

fn classes(apex: &Labels) -> Vec<Case> {
    let mut cases = Vec::new();
    for class in [0, 2, 3, 4, 254, 255, 65_280, 65_535] {
        let mut asking = soa(apex);
        asking.class = class;
        cases.push((format!("class {class}"), asking.octets()));
    }
    for name in [
        "version.bind",
        "version.server",
        "id.server",
        "hostname.bind",
        "authors.bind",
        "bind",
    ] {
        for kind in [16, 1, 255] {
            let mut asking = Asking::of(&Labels::of(name), kind);
            asking.class = 3;
            cases.push((format!("chaos {name} {kind}"), asking.octets()));
        }
    }
    cases
}

fn kinds(apex: &Labels) -> Vec<Case> {
    let mut cases = Vec::new();
    let elsewhere = Labels::of("example.net");
    for kind in [
        0, 41, 46, 47, 48, 50, 128, 249, 250, 251, 252, 253, 254, 65_535,
    ] {
        for (word, name) in [("", apex), (" elsewhere", &elsewhere)] {
            let mut asking = Asking::of(name, kind);
            cases.push((format!("type {kind}{word}"), asking.octets()));
            asking.edns = Some(Edns::of(1_232, true));
            cases.push((format!("type {kind}{word} edns"), asking.octets()));
        }
    }
    cases
}

fn edns(apex: &Labels, change: impl Fn(&mut Edns)) -> Vec<u8> {
    let mut asking = soa(apex);
    let mut edns = Edns::of(1_232, false);
    change(&mut edns);
    asking.edns = Some(edns);
    asking.octets()
}

fn versions_and_flags(apex: &Labels) -> Vec<Case> {
    let mut cases = Vec::new();
    for version in [1, 100, 255] {
        let octets = edns(apex, |edns| edns.version = version);
        cases.push((format!("edns {version}"), octets));
        let octets = edns(apex, |edns| {
            edns.version = version;
            edns.flags = 0xffff;
            edns.options = vec![0, 100, 0, 1, 7];
        });
        cases.push((format!("edns {version} with more"), octets));
    }
    for flags in [0x8000, 0x4000, 0x0001, 0x7fff, 0xffff] {
        let octets = edns(apex, |edns| edns.flags = flags);
        cases.push((format!("edns flags {flags:04x}"), octets));
    }
    for size in [0, 1, 511, 65_535] {
        let octets = edns(apex, |edns| edns.size = size);
        cases.push((format!("edns size {size}"), octets));
    }
    let mut other = soa(apex);
    other.flags = 15 << 11;
    let mut newer = Edns::of(1_232, false);
    newer.version = 1;
    other.edns = Some(newer);
    cases.push(("edns 1 opcode 15".into(), other.octets()));
    let mut other = Asking::of(&Labels::of("example.net"), 1);
    let mut newer = Edns::of(1_232, false);
    newer.version = 1;
    other.edns = Some(newer);
    cases.push(("edns 1 elsewhere".into(), other.octets()));
    cases
}

fn options(apex: &Labels) -> Vec<Case> {
    let mut cases = Vec::new();
    let cookie = |length: usize| -> Vec<u8> { (1..=40).take(length).collect() };
    let subnet = vec![0, 1, 24, 0, 192, 0, 2];
    for (word, code, data) in [
        ("unknown", 65_001, vec![]),
        ("unknown with octets", 65_001, vec![1, 2, 3]),
        ("nsid", 3, vec![]),
        ("nsid with octets", 3, vec![1]),
        ("cookie 0", 10, cookie(0)),
        ("cookie 7", 10, cookie(7)),
        ("cookie 8", 10, cookie(8)),
        ("cookie 9", 10, cookie(9)),
        ("cookie 15", 10, cookie(15)),
        ("cookie 16", 10, cookie(16)),
        ("cookie 24", 10, cookie(24)),
        ("cookie 40", 10, cookie(40)),
        ("subnet", 8, subnet),
        ("subnet cut", 8, vec![0, 1]),
        ("subnet of family 9", 8, vec![0, 9, 8, 0, 1]),
        ("expire", 9, vec![]),
        ("keepalive", 11, vec![]),
        ("keepalive with octets", 11, vec![0, 1]),
        ("padding", 12, vec![0; 20]),
        ("error", 15, vec![0, 1]),
    ] {
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        let option = [&u16::to_be_bytes(code)[..], &length, &data].concat();
        let octets = edns(apex, |edns| edns.options.clone_from(&option));
        cases.push((format!("option {word}"), octets));
        let octets = edns(apex, |edns| edns.options = [&option[..], &option].concat());
        cases.push((format!("option {word} twice"), octets));
    }
    let octets = edns(apex, |edns| edns.options = vec![0, 100, 0, 9, 1]);
    cases.push(("option too long".into(), octets));
    let octets = edns(apex, |edns| edns.options = vec![0, 100, 0]);
    cases.push(("option cut".into(), octets));
    let mut nothing = edns(apex, |edns| {
        edns.options = [&[0, 10, 0, 8][..], &[7; 8]].concat();
    });
    // No question, a cookie alone (RFC 7873 section 5.4).
    nothing[5] = 0;
    let question = soa(apex).question().len();
    nothing.drain(12..12 + question);
    cases.push(("cookie without a question".into(), nothing));
    cases
}

fn opt_records(apex: &Labels) -> Vec<Case> {
    let plain = soa(apex).octets();
    let opt = Edns::of(1_232, false).octets();
    let counted = |at: usize, count: u8, records: &[&[u8]]| {
        let mut octets = plain.clone();
        octets[at] = count;
        [&octets[..], &records.concat()].concat()
    };
    let mut owned = opt.clone();
    owned.splice(0..1, [1, b'a', 0]);
    let mut long = opt.clone();
    long[10] = 4;
    vec![
        ("two opt".into(), counted(11, 2, &[&opt, &opt])),
        ("opt with an owner".into(), counted(11, 1, &[&owned])),
        ("opt too long".into(), counted(11, 1, &[&long])),
        ("opt cut".into(), counted(11, 1, &[&opt[..6]])),
        ("opt as answer".into(), counted(7, 1, &[&opt])),
        ("opt as authority".into(), counted(9, 1, &[&opt])),
        (
            "opt behind a record".into(),
            counted(11, 2, &[&record(apex), &opt]),
        ),
        (
            "opt before a record".into(),
            counted(11, 2, &[&opt, &record(apex)]),
        ),
        (
            "opt and octets behind".into(),
            counted(11, 1, &[&opt, &[1, 2]]),
        ),
    ]
}

fn signatures(apex: &Labels) -> Vec<Case> {
    let mut data = b"\x0bhmac-sha256\0".to_vec();
    data.extend([0, 0, 0, 0, 0, 1, 1, 44, 0, 3, 1, 2, 3, 0, 0, 0, 0, 0, 0]);
    let signature = |class: u8, data: &[u8]| {
        let mut octets = b"\x03key\0\0\xfa\0".to_vec();
        octets.extend([class, 0, 0, 0, 0, 0, u8::try_from(data.len()).unwrap()]);
        [&octets[..], data].concat()
    };
    let plain = soa(apex).octets();
    let counted = |count: u8, records: &[&[u8]]| {
        let mut octets = plain.clone();
        octets[11] = count;
        [&octets[..], &records.concat()].concat()
    };
    let whole = signature(255, &data);
    let opt = Edns::of(1_232, false).octets();
    vec![
        ("tsig of an unknown key".into(), counted(1, &[&whole])),
        ("tsig behind opt".into(), counted(2, &[&opt, &whole])),
        ("tsig before opt".into(), counted(2, &[&whole, &opt])),
        (
            "tsig before a record".into(),
            counted(2, &[&whole, &record(apex)]),
        ),
        ("two tsig".into(), counted(2, &[&whole, &whole])),
        (
            "tsig of class IN".into(),
            counted(1, &[&signature(1, &data)]),
        ),
        (
            "tsig cut".into(),
            counted(1, &[&signature(255, &data[..20])]),
        ),
        (
            "tsig of no octets".into(),
            counted(1, &[&signature(255, &[])]),
        ),
    ]
}
