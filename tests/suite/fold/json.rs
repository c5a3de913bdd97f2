//! The JSON of events: what recordings hold.

use super::{Bench, three};
use serde_json::{Value, json};
use sidestep::failover::{Event, State};
use sidestep::model::{Monitor, Service, Target};

fn round_trip(line: &str) {
    let event: Event = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let printed: Value = serde_json::to_value(&event).unwrap();
    assert_eq!(printed, serde_json::from_str::<Value>(line).unwrap());
    let again: Event = serde_json::from_value(printed).unwrap();
    assert_eq!(again, event);
}

#[test]
fn lines_of_recordings_are_events_and_print_back() {
    for line in [
        r#"{"at":1763800000123,"seq":1,"probe":{"target":"primary","monitor":"https","address":"192.0.2.10","vantage":"ns1","ok":true,"rtt_us":41200}}"#,
        r#"{"at":1763800005125,"seq":2,"probe":{"target":"primary","monitor":"https","vantage":"ns1","ok":false,"error":"timeout"}}"#,
        r#"{"at":1763800015131,"seq":9,"decision":{"service":"www","serve":["backup"],"reason":"primary is down: timeout","policy":"sha256:3f2a","line":18,"cause":8,"ttl_ms":30000}}"#,
        r#"{"at":1,"seq":2,"probe":{"target":"a","monitor":"m","address":"2001:db8::1","vantage":"v","ok":false,"late":true,"local":"no descriptors","cert_days":-3,"value":7}}"#,
        r#"{"at":1,"seq":2,"start":{"program":"sidestep 0.1.0","rhai":"1.27.0","api":1}}"#,
        r#"{"at":1,"seq":2,"tick":{}}"#,
        r#"{"at":1,"seq":2,"witness":{"vantage":"v","witness":"192.0.2.53:53","ok":false,"error":"timeout"}}"#,
        r#"{"at":1,"seq":2,"witness":{"vantage":"v","witness":"icmp:2001:db8::1","ok":true}}"#,
        r#"{"at":1,"seq":2,"clock":{"offset_ms":-3600000}}"#,
        r#"{"at":1,"seq":2,"policy":{"name":"www.rhai","source":"fn decide(service) {}\n"}}"#,
        r#"{"at":1,"seq":2,"operator":{"by":"ann","reason":"drill","command":"switch","service":"www","target":"backup","until":99}}"#,
        r#"{"at":1,"seq":2,"operator":{"by":"ann","reason":"drill","command":"hold","service":"www"}}"#,
        r#"{"at":1,"seq":2,"operator":{"by":"ann","reason":"drill","command":"release","service":"www"}}"#,
        r#"{"at":1,"seq":2,"operator":{"by":"ann","reason":"drill","command":"failback","service":"www"}}"#,
        r#"{"at":1,"seq":2,"operator":{"by":"ann","reason":"drill","command":"drain","target":"backup"}}"#,
        r#"{"at":1,"seq":2,"operator":{"by":"ann","reason":"drill","command":"undrain","target":"backup"}}"#,
        r#"{"at":1,"seq":2,"operator":{"by":"ann","reason":"drill","command":"freeze","until":99}}"#,
        r#"{"at":1,"seq":2,"operator":{"by":"ann","reason":"drill","command":"thaw"}}"#,
        r#"{"at":1,"seq":2,"freshness":{"target":"backup","freshness":"stale","data_age_ms":7000}}"#,
        r#"{"at":1,"seq":2,"drift":{"target":"backup","differences":3}}"#,
        r#"{"at":1,"seq":2,"decision":{"service":"www","serve":["b","a"],"reason":"r","policy":"sha256:00","line":0,"cause":1,"ttl_ms":1000,"by":"builtin","guard":"asking-witnesses","faulted":true,"alert":"loud","remember":{"a":1,"b":"x","c":true,"d":null}}}"#,
        r#"{"at":1,"seq":2,"fault":{"service":"www","policy":"sha256:00","message":"m","line":3,"cause":1}}"#,
        r#"{"at":1,"seq":2,"ended":{"override":{"service":"www","why":"its time is up"}}}"#,
        r#"{"at":1,"seq":2,"ended":{"drain":{"target":"backup"}}}"#,
        r#"{"at":1,"seq":2,"ended":{"freeze":{}}}"#,
    ] {
        round_trip(line);
    }
}

#[test]
fn a_configuration_in_full_is_an_event() {
    let monitor = |name: &str, mut settings: Value| {
        let object = settings.as_object_mut().unwrap();
        for (key, value) in [
            ("name", json!(name)),
            ("interval_ms", json!(5_000)),
            ("timeout_ms", json!(2_000)),
        ] {
            object.insert(key.to_owned(), value);
        }
        settings
    };
    let line = json!({ "at": 1, "seq": 2, "config": {
        "by": "watch",
        "server": { "name": "ns1", "dns": ["127.0.0.1:5300"], "http": null, "data": "data", "policies": "policies" },
        "witness": { "addresses": ["1.1.1.1:53", "icmp:9.9.9.9"], "need": 1 },
        "zones": [
            { "name": "a.example", "file": "a.zone" },
            { "name": "b.example", "ns": ["ns1.b.example"] },
            { "name": "c.example", "made": null },
        ],
        "targets": { "a": {
            "name": "a", "addresses": ["192.0.2.1", "2001:db8::1"], "probe_at": ["10.0.0.3:8443", "10.0.0.4"],
            "require": "any", "labels": { "rack": "7" }, "drained": true, "monitor": { "tcp": { "port": 81 } },
        } },
        "monitors": {
            "icmp": monitor("icmp", json!({ "kind": "icmp", "count": 1 })),
            "tcp": monitor("tcp", json!({ "kind": "tcp", "port": 80, "send": "x", "expect": "y", "family": "v4", "interval_suspect_ms": 1_000 })),
            "http": monitor("http", json!({ "kind": "http", "url": "https://a.example/", "method": "GET", "headers": { "a": "b" }, "follow": false, "verify": true, "expect": { "status": "200-299", "body": { "regex": "ok" } } })),
            "tls": monitor("tls", json!({ "kind": "tls", "port": 443, "sni": "a.example", "verify": true })),
            "dns": monitor("dns", json!({ "kind": "dns", "port": 53, "question": "a.example A", "expect": { "rcode": "NOERROR" } })),
            "exec": monitor("exec", json!({ "kind": "exec", "command": ["true", "{address}"] })),
        },
        "services": { "www": {
            "name": "www", "names": ["www.a.example"], "ttl_ms": 30_000, "targets": ["a"], "monitors": ["tcp"],
            "policy": "failover.rhai", "params": { "FALL": 5, "ON": true, "TEXT": "10m" }, "history_ms": 600_000,
            "keep_ms": 0, "max_switches": "6/10m", "on_fault": "hold", "rto_ms": 60_000, "reload": "ask",
        } },
        "zone_versions": [{ "apex": "a.example", "serial": 7, "hash": "x" }],
    } });
    round_trip(&line.to_string());
}

#[test]
fn unknown_fields_are_ignored_and_unknown_kinds_are_not_events() {
    let known = r#"{"at":1,"seq":2,"tick":{"more":1},"more":{"a":1}}"#;
    assert!(serde_json::from_str::<Event>(known).is_ok());
    let unknown = r#"{"at":1,"seq":2,"weather":{}}"#;
    assert!(serde_json::from_str::<Event>(unknown).is_err());
}

#[test]
fn a_state_round_trips_and_goes_on_as_if_nothing_had_happened() {
    let mut config = three();
    config.witness =
        serde_json::from_value(json!({ "addresses": ["192.0.2.53:53"], "need": 1 })).unwrap();
    let mut bench = Bench::new(config);
    bench.witness(true);
    bench.play(&[("primary", "..xx"), ("backup", "...."), ("third", "....")]);
    bench.order(json!({ "command": "hold", "service": "www", "until": super::BEGIN + 60_000 }));
    bench.order(json!({ "command": "drain", "target": "third" }));
    bench.order(json!({ "command": "freeze" }));
    let text = serde_json::to_string(&bench.state).unwrap();
    let state: State = serde_json::from_str(&text).unwrap();
    assert_eq!(state, bench.state);
    assert_eq!(serde_json::to_string(&state).unwrap(), text);
}

#[test]
fn the_header_of_a_recording_is_read_with_the_same_types() {
    let header: Value = serde_json::from_str(r#"{"recording":1,"by":"sidestep 0.1.0","targets":[{"name":"primary","addresses":["192.0.2.10"],"more":1}],"monitors":[{"name":"https","kind":"http","interval_ms":5000,"timeout_ms":2000,"more":1}],"services":[{"name":"www","names":["www.example.com"],"ttl_ms":30000,"targets":["primary","backup"],"monitors":["https"],"policy":"failover.rhai","params":{},"more":1}]}"#).unwrap();
    let target: Target = serde_json::from_value(header["targets"][0].clone()).unwrap();
    let monitor: Monitor = serde_json::from_value(header["monitors"][0].clone()).unwrap();
    let service: Service = serde_json::from_value(header["services"][0].clone()).unwrap();
    assert_eq!(target.probed_by(&monitor).len(), 1);
    assert_eq!(monitor.fresh_for_ms(), 17_000);
    assert_eq!((service.max_switches, service.kept_ms()), (None, 600_000));
    // Settings that a later version knows are ignored at every depth.
    let patched = json!({ "name": "a", "addresses": ["192.0.2.1"], "monitor": { "https": { "port": 1, "more": 1 } } });
    let target: Target = serde_json::from_value(patched).unwrap();
    assert_eq!(
        monitor.patched(target.monitor.get("https")).interval_ms,
        5_000
    );
}

#[test]
fn extreme_intervals_overflow_nothing() {
    let monitor =
        json!({ "name": "m", "kind": "tcp", "interval_ms": i64::MAX, "timeout_ms": i64::MAX });
    let monitor: Monitor = serde_json::from_value(monitor).unwrap();
    assert_eq!(monitor.fresh_for_ms(), i64::MAX);
}
