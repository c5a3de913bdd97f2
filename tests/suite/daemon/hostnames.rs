//! Hostnames against a real name server of our own: resolved, changed, gone, back, over restarts.

use super::site::{DEADLINE, Site, web_at};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RData, RecordType},
};
use sidestep::{
    daemon::{Daemon, StartOptions},
    failover::{What, input::OperatorCommand},
};
use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

/// A daemon that is the authority of `example.net`, whose records can be changed.
struct Names {
    folder: tempfile::TempDir,
    daemon: Option<Daemon>,
}

impl Names {
    fn start(records: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = "[server]\ndns = [\"127.0.0.1:0\"]\nhttp = \"none\"\n\
             [[zone]]\nname = \"example.net\"\nfile = \"example.net.zone\"\n\
             [[target]]\nname = \"none\"\naddresses = [\"192.0.2.9\"]\nprobe_at = [\"127.0.0.1:9\"]\n\
             [[service]]\nname = \"none\"\nnames = [\"none.example.net\"]\ntargets = [\"none\"]\n\
             monitors = [{ kind = \"tcp\", port = 9, interval = \"1h\" }]\n";
        fs::write(folder.path().join("sidestep.toml"), text).unwrap();
        let policy = "fn decide(service) { hold(\"never\") }\n";
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/failover.rhai"), policy).unwrap();
        let mut names = Self {
            folder,
            daemon: None,
        };
        names.write(records);
        names.up();
        names
    }

    fn write(&self, records: &str) {
        let zone = format!(
            "$TTL 1\n@ SOA ns1 hostmaster 1 1h 10m 2w 1\n  NS ns1\nns1 A 127.0.0.1\n{records}\n"
        );
        fs::write(self.folder.path().join("example.net.zone"), zone).unwrap();
    }

    /// Puts other records in force.
    fn set(&self, records: &str) {
        self.write(records);
        self.daemon
            .as_ref()
            .unwrap()
            .operations()
            .reload("test", false);
    }

    /// Where it is asked, until it is down: then another port is given.
    fn dns(&self) -> SocketAddr {
        self.daemon.as_ref().unwrap().dns()[0]
    }

    fn up(&mut self) {
        let config = self.folder.path().join("sidestep.toml");
        self.daemon = Some(Daemon::start(&config, StartOptions::default()).unwrap());
    }

    fn down(&mut self) {
        self.daemon.take().unwrap().stop();
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop();
        }
    }
}

/// Service `www` at an apex and a name, `one` an address, `two` the hostname `lb.example.net`;
/// beside it service `mark`, whose answer only orders change.
fn config(web: SocketAddr, names: &Names) -> String {
    format!(
        "[server]\nname = \"test\"\ndns = [\"127.0.0.1:0\"]\nhttp = \"127.0.0.1:0\"\nresolvers = [\"{}\"]\n\
         [[zone]]\nname = \"example.com\"\nfile = \"example.com.zone\"\n\
         [[target]]\nname = \"one\"\naddresses = [\"192.0.2.1\"]\nprobe_at = [\"{web}\"]\n\
         records = [\"MX 10 mx1\", \"HTTPS 1 . alpn=h2\"]\n\
         [[target]]\nname = \"two\"\ncname = \"lb.example.net.\"\n\
         [[target]]\nname = \"three\"\naddresses = [\"192.0.2.3\"]\nprobe_at = [\"{web}\"]\n\
         [[service]]\nname = \"mark\"\nnames = [\"mark.example.com\"]\npolicy = \"www.rhai\"\n\
         targets = [\"one\", \"three\"]\nmonitors = [\"web\"]\n\
         [[service]]\nname = \"www\"\nnames = [\"www.example.com\", \"example.com\"]\npolicy = \"www.rhai\"\n\
         targets = [\"one\", \"two\"]\n\
         monitors = [\"web\"]\n\
         [[monitor]]\nname = \"web\"\nurl = \"http://www.example.com:{}/\"\ninterval = \"200ms\"\ntimeout = \"150ms\"\n",
        names.dns(),
        web.port()
    )
}

const ZONE: &str =
    "$TTL 1h\n@ SOA ns1 hostmaster 1 1h 10m 2w 600\n  NS ns1\nns1 A 192.0.2.53\nmx1 A 192.0.2.61\n";

const FIRST: &str = "fn decide(service) { serve(service.primary, \"the first\") }\n";

fn files(web: SocketAddr, names: &Names) -> Vec<(&'static str, String)> {
    vec![
        ("sidestep.toml", config(web, names)),
        ("example.com.zone", ZONE.to_owned()),
        ("policies/www.rhai", FIRST.to_owned()),
    ]
}

impl Site {
    fn switch(&self, service: &str, target: &str) {
        let order = serde_json::json!({
            "by": "ann", "reason": "a test", "command": "switch", "service": service, "target": target,
        });
        let order: OperatorCommand = serde_json::from_value(order).unwrap();
        self.daemon().operations().order(&order, None).unwrap();
    }

    /// The answer to a question: its code, and each record in words.
    fn records(&self, name: &str, kind: RecordType) -> Vec<String> {
        let mut question = Message::new(7, MessageType::Query, OpCode::Query);
        let name = Name::from_ascii(format!("{name}.")).unwrap();
        question.add_query(Query::query(name, kind));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let server = self.daemon().dns()[0];
        socket.send_to(&question.to_vec().unwrap(), server).unwrap();
        let mut octets = [0; 4_096];
        let length = socket.recv(&mut octets).unwrap();
        let reply = Message::from_vec(&octets[..length]).unwrap();
        let code = format!("{:?}", reply.metadata.response_code);
        let data = reply.answers.iter().map(|record| match &record.data {
            RData::CNAME(alias) => format!("CNAME {}", alias.0),
            data => data.to_string(),
        });
        std::iter::once(code).chain(data).collect()
    }

    /// Waits until the answer is as wanted.
    fn wait_records(&self, name: &str, kind: RecordType, wanted: &[&str]) {
        let until = Instant::now() + DEADLINE;
        loop {
            let records = self.records(name, kind);
            if records == wanted {
                return;
            }
            assert!(
                Instant::now() < until,
                "{name} {kind}: {records:?}, not {wanted:?}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_advisory(&self, part: &str) {
        self.wait_advisories(|said| said.iter().any(|one| one.contains(part)));
    }

    /// What operators are shown is a copy, which may be a moment old.
    fn wait_advisories(&self, wanted: impl Fn(&[String]) -> bool) {
        let until = Instant::now() + DEADLINE;
        loop {
            let said = self.daemon().operations().overview().advisories.clone();
            if wanted(&said) {
                return;
            }
            assert!(Instant::now() < until, "{said:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the hostname could not be resolved, and for what is answered after that: then
    /// it is what it was. `mark` is switched to a target, whose address shows that the answers
    /// are later ones.
    fn wait_unresolved_and_the_same(&self, target: &str, address: &str) {
        let fails = |what| match what {
            What::Resolved(report) => report.error,
            _ => None,
        };
        self.find(fails);
        self.switch("mark", target);
        self.wait_records("mark.example.com", RecordType::A, &["NoError", address]);
        assert_eq!(
            self.records("example.com", RecordType::A),
            ["NoError", "127.0.0.2"]
        );
        self.wait_probed("127.0.0.2");
    }

    /// Waits for a good probe of the hostname at an address.
    fn wait_probed(&self, address: &str) {
        let until = Instant::now() + DEADLINE;
        loop {
            if let What::Probe(seen) = self.next().what
                && &*seen.target == "two"
                && seen.ok
                && seen.address.is_some_and(|at| at.to_string() == address)
            {
                return;
            }
            assert!(Instant::now() < until, "it was never probed at {address}");
        }
    }
}

#[test]
fn a_hostname_is_resolved_probed_and_answered_and_its_last_good_answer_stays() {
    let mut names = Names::start("lb 1 A 127.0.0.1");
    let mut site = Site::start(|web| files(web, &names));
    assert_eq!(
        site.records("example.com", RecordType::MX),
        ["NoError", "10 mx1.example.com."]
    );

    // One switch moves everything.
    site.switch("www", "two");
    site.wait_records("example.com", RecordType::A, &["NoError", "127.0.0.1"]);
    for kind in [RecordType::A, RecordType::MX, RecordType::HTTPS] {
        let alias = ["NoError", "CNAME lb.example.net."];
        assert_eq!(site.records("www.example.com", kind), alias);
    }
    assert_eq!(site.records("example.com", RecordType::MX), ["NoError"]);

    // It moves: answered, and probed there. On loopback every 127.0.0.x is this machine.
    let _web = web_at(&format!("127.0.0.2:{}", site.web.port())).unwrap();
    names.set("lb 1 A 127.0.0.2");
    site.wait_records("example.com", RecordType::A, &["NoError", "127.0.0.2"]);
    site.wait_probed("127.0.0.2");

    // Nobody knows it any more: what it was stays, and is said.
    names.set("other 1 A 127.0.0.3");
    site.wait_unresolved_and_the_same("three", "192.0.2.3");
    site.wait_advisory("two: lb.example.net cannot be resolved");

    // Over a restart too, with nobody to ask.
    names.down();
    site.restart();
    site.wait_unresolved_and_the_same("one", "192.0.2.1");
    site.wait_advisory("what it was before stands, 127.0.0.2");

    // Whoever has the old port by now is no longer asked.
    names.write("lb 1 A 127.0.0.1\nlb 1 AAAA 2001:db8::1");
    names.up();
    site.save("sidestep.toml", &config(site.web, &names));
    site.daemon().operations().reload("test", false);
    site.wait_records("example.com", RecordType::A, &["NoError", "127.0.0.1"]);
    site.wait_records("example.com", RecordType::AAAA, &["NoError", "2001:db8::1"]);
    site.wait_advisories(|said| !said.iter().any(|one| one.contains("resolved")));
}

/// Hostnames that are resolved at once.
const MANY: usize = 300;
/// Of one service.
const OF_ONE: usize = 10;

fn many() -> String {
    let mut text = String::new();
    for service in 0..MANY / OF_ONE {
        let numbers = service * OF_ONE..(service + 1) * OF_ONE;
        let names: Vec<_> = numbers.map(|number| format!("many{number}")).collect();
        for name in &names {
            text +=
                &format!("[[target]]\nname = \"{name}\"\ncname = \"{name}.many.example.net.\"\n");
        }
        text += &format!(
            "[[service]]\nname = \"s{service}\"\nnames = [\"s{service}.example.com\"]\npolicy = \"www.rhai\"\n\
             targets = {names:?}\nmonitors = [{{ kind = \"tcp\", port = 9, interval = \"1h\" }}]\n"
        );
    }
    text
}

#[test]
fn of_many_hostnames_each_is_told_once() {
    let names = Names::start("lb 300 A 127.0.0.1\n*.many 300 A 127.0.0.3");
    let site = Site::start(|web| files(web, &names));
    site.save(
        "sidestep.toml",
        &format!("{}{}", config(site.web, &names), many()),
    );
    let report = site.daemon().operations().reload("test", false);
    assert!(report.refused.is_empty(), "{report:?}");
    let mut told = BTreeSet::new();
    while told.len() < MANY {
        if let What::Resolved(report) = site.next().what {
            assert_eq!(report.error, None);
            assert!(told.insert(report.target.clone()), "{report:?} again");
        }
    }
    site.wait_records(
        "s0.example.com",
        RecordType::A,
        &["NoError", "CNAME many0.many.example.net."],
    );
    // Whatever was told beyond that is among the events before this one.
    site.switch("mark", "three");
    let again = |what: What| match what {
        What::Resolved(report) => panic!("{report:?} again"),
        What::Operator(_) => Some(()),
        _ => None,
    };
    site.find(again);
}
