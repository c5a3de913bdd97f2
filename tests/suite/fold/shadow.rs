//! Shadows: a second policy with a life of its own, that never acts.

use super::{Bench, Policies, decisions, hold, reference, serve, three, version};
use serde_json::json;
use sidestep::failover::{
    Event, Input, Reload, State, What, answers, event::Shadowed, next_deadline, overview, step,
};
use sidestep::model::{Config, Param, PolicyText, Shadow, Timestamp};
use std::sync::Arc;

/// `reference` leaves after three bad probes, `hasty` after one, and comes home after two.
fn policies() -> Policies {
    let mut policies = Policies::new();
    policies.add("hasty", |service| {
        let (active, primary) = (service.active(), service.primary());
        if active.is_down(1) && active.name() == primary.name() {
            let mut away = serve(&["backup"], "one is enough", 3);
            away.remember.insert("left".into(), Some(Param::Int(7)));
            return Ok(away);
        }
        if active.name() != primary.name() && primary.is_up(2) {
            return Ok(serve(&["primary"], "two are enough", 5));
        }
        Ok(hold("all is well", 8))
    });
    policies.add("odd", |service| {
        if service.active().is_down(1) {
            return Err(super::fault("division by zero"));
        }
        reference(service)
    });
    policies
}

fn shadowed(mut config: Config) -> Config {
    let www = config.services.get_mut("www").unwrap();
    www.shadow = Some(Shadow::new("next.rhai".into()));
    config
}

impl Bench {
    /// `www` under `policy`, and in its shadow `shadow`.
    fn beside(policy: &str, shadow: &str) -> Self {
        let mut bench = Self::under(three(), policies(), policy);
        bench.config = shadowed(three());
        bench.reload_both(policy, shadow);
        bench
    }

    fn reload_both(&mut self, policy: &str, shadow: &str) {
        let text = |name: &str, source: &str| PolicyText {
            name: name.into(),
            source: source.into(),
        };
        self.feed(Input::Reload(Reload {
            by: "test".into(),
            config: Arc::new(self.config.clone()),
            policies: vec![text("www.rhai", policy), text("next.rhai", shadow)],
            zones: Vec::new(),
        }));
    }

    fn would_serve(&self) -> String {
        let shadow = self.state.world().shadow_of("www").unwrap();
        let names: Vec<&str> = shadow.serving.iter().map(|name| name.as_str()).collect();
        names.join(" ")
    }

    /// How often they parted, and whether they are apart.
    fn parted(&self) -> (u64, bool) {
        let parting = self.state.world().parting("www").unwrap();
        (parting.count, parting.since.is_some())
    }

    /// The state by folding all events, each through its JSON.
    fn folded(&self) -> State {
        let mut folded = State::default();
        for event in &self.events {
            let line = serde_json::to_string(event).unwrap();
            folded.apply(&serde_json::from_str::<Event>(&line).unwrap());
        }
        folded
    }
}

fn of_shadow(events: &[Event]) -> Vec<&Shadowed> {
    let shadowed = events.iter().filter_map(|event| match &event.what {
        What::Shadow(shadowed) => Some(shadowed),
        _ => None,
    });
    shadowed.collect()
}

#[test]
fn a_shadow_fails_over_for_itself_alone() {
    let mut bench = Bench::beside("reference", "hasty");
    bench.play(&[("primary", ".."), ("backup", "..")]);
    assert_eq!(
        (bench.would_serve().as_str(), bench.parted()),
        ("primary", (0, false))
    );
    let before = answers(&bench.state);

    bench.play(&[("primary", "x")]);
    assert_eq!(bench.serving(), "primary");
    assert_eq!(bench.would_serve(), "backup");
    assert_eq!(bench.parted(), (1, true));
    assert_eq!(answers(&bench.state).services, before.services);
    assert_eq!(answers(&bench.state).serials, before.serials);
    assert_eq!(decisions(&bench.last), []);
    let came = of_shadow(&bench.last);
    let [Shadowed::Decision(decision), Shadowed::Parted(parted)] = came[..] else {
        panic!("{came:?}");
    };
    assert_eq!(
        (decision.line, decision.policy.clone()),
        (3, version("hasty"))
    );
    assert!(parted.apart);
    let probe = bench.last[0].seq;
    assert_eq!(decision.cause, probe, "numbers are those of the whole fold");
    let numbers: Vec<u64> = bench.last.iter().map(|event| event.seq - probe).collect();
    assert_eq!(numbers, [0, 1, 2]);

    // Its memory and its switches are its own.
    let world = bench.state.world();
    let (service, shadow) = (
        world.service("www").unwrap(),
        world.shadow_of("www").unwrap(),
    );
    assert_eq!((service.switches.len(), shadow.switches.len()), (0, 1));
    assert_eq!(shadow.memory["left"], Param::Int(7));
    assert!(service.memory.is_empty());

    // The service fails over as well: they are together, and nothing was counted on the way.
    bench.play(&[("primary", "xx"), ("backup", "..")]);
    assert_eq!(
        (bench.serving().as_str(), bench.would_serve().as_str()),
        ("backup", "backup")
    );
    assert_eq!(bench.parted(), (1, false));
    // And the shadow comes home first.
    bench.play(&[("primary", ".."), ("backup", "..")]);
    assert_eq!(
        (bench.serving().as_str(), bench.would_serve().as_str()),
        ("backup", "primary")
    );
    assert_eq!(bench.parted(), (2, true));
    assert_eq!(bench.folded(), bench.state);
}

#[test]
fn both_failing_over_at_once_is_no_parting() {
    let mut bench = Bench::beside("reference", "reference");
    bench.play(&[("primary", "..xxx"), ("backup", ".....")]);
    assert_eq!(
        (bench.serving().as_str(), bench.would_serve().as_str()),
        ("backup", "backup")
    );
    assert_eq!(bench.parted(), (0, false));
    assert!(
        !of_shadow(&bench.events)
            .iter()
            .any(|one| matches!(one, Shadowed::Parted(_)))
    );
}

#[test]
fn a_shadow_begins_where_its_service_stands() {
    let mut bench = Bench::under(three(), policies(), "reference");
    bench.play(&[("primary", "..xxx"), ("backup", ".....")]);
    assert_eq!(bench.serving(), "backup");
    bench.config = shadowed(three());
    bench.reload_both("reference", "hasty");
    assert_eq!(
        (bench.would_serve().as_str(), bench.parted()),
        ("backup", (0, false))
    );
    // With the results of before: one more good probe makes the two that it asks for.
    bench.play(&[("primary", "..")]);
    assert_eq!(
        (bench.serving().as_str(), bench.would_serve().as_str()),
        ("backup", "primary")
    );
    let world = bench.state.world();
    assert_eq!(world.shadow_of("www").unwrap().switches.len(), 2);
    assert_eq!(bench.folded(), bench.state);
}

#[test]
fn a_changed_shadow_counts_anew_and_keeps_its_life() {
    let mut bench = Bench::beside("reference", "hasty");
    bench.play(&[("primary", "..x"), ("backup", "...")]);
    assert_eq!(bench.parted(), (1, true));
    // Another reload that leaves both as they are forgets nothing.
    bench.reload_both("reference", "hasty");
    assert_eq!(
        (bench.would_serve().as_str(), bench.parted()),
        ("backup", (1, true))
    );
    bench.reload_both("reference", "odd");
    assert_eq!(
        (bench.would_serve().as_str(), bench.parted()),
        ("backup", (1, true))
    );
    let since = bench.state.world().parting("www").unwrap().since;
    assert_eq!(
        since,
        Some(bench.state.world().at),
        "under the new text, from now on"
    );
    // The same text as the policy: what it had is let go, and it follows from now on.
    bench.reload_both("reference", "reference");
    assert_eq!(
        (bench.would_serve().as_str(), bench.parted()),
        ("primary", (0, false))
    );
    // Taken out: nothing is left of it.
    bench.config = three();
    bench.reload();
    assert!(bench.state.world().shadow_of("www").is_none());
    assert!(bench.state.world().parting("www").is_none());
    let text = serde_json::to_string(&bench.state).unwrap();
    assert!(
        !text.contains("shadow") && !text.contains("partings"),
        "{text}"
    );
    assert_eq!(bench.folded(), bench.state);
}

#[test]
fn what_operators_order_a_shadow_follows() {
    let mut bench = Bench::beside("reference", "hasty");
    bench.play(&[("primary", ".."), ("backup", ".."), ("third", "..")]);
    let until = super::BEGIN + bench.now_ms + 60_000;
    bench
        .order(json!({ "command": "switch", "service": "www", "target": "third", "until": until }));
    assert_eq!(
        (bench.serving().as_str(), bench.would_serve().as_str()),
        ("third", "third")
    );
    assert_eq!(bench.parted(), (0, false));
    bench.pass(61_000);
    assert_eq!(
        bench.state.world().shadow_of("www").unwrap().override_,
        None
    );
    bench.play(&[("primary", ".."), ("backup", "..")]);
    assert_eq!(
        (bench.serving().as_str(), bench.would_serve().as_str()),
        ("third", "primary")
    );
    bench.order(json!({ "command": "freeze" }));
    bench.play(&[("primary", "x")]);
    assert_eq!(bench.would_serve(), "primary", "frozen, too");
    assert_eq!(bench.folded(), bench.state);
}

#[test]
fn a_shadow_that_faults_is_said_and_counted_and_nothing_else() {
    let mut bench = Bench::beside("reference", "odd");
    bench.play(&[("primary", "..xx"), ("backup", "....")]);
    assert_eq!(
        (bench.serving().as_str(), bench.would_serve().as_str()),
        ("primary", "primary")
    );
    let world = bench.state.world();
    assert_eq!(world.service("www").unwrap().faults, 0);
    // At each result of its targets while the primary is bad.
    assert_eq!(world.shadow_of("www").unwrap().faults, 4);
    let seen = overview(&bench.state);
    let shadow = seen.services[0].shadow.as_ref().unwrap();
    assert_eq!(
        (shadow.faults, shadow.fault.as_deref()),
        (4, Some("division by zero"))
    );
    assert_eq!(seen.services[0].advisories, [""; 0]);
    // Down, its predecessor is asked, as it would be in force.
    bench.play(&[("primary", "x"), ("backup", ".")]);
    assert_eq!(
        (bench.serving().as_str(), bench.would_serve().as_str()),
        ("backup", "backup")
    );
    assert_eq!(bench.folded(), bench.state);
}

#[test]
fn a_shadow_has_a_budget_of_its_own() {
    let mut bench = Bench::beside("reference", "hasty");
    let www = bench.config.services.get_mut("www").unwrap();
    www.max_switches = Some("2/10m".to_owned().try_into().unwrap());
    bench.reload_both("reference", "hasty");
    bench.play(&[("primary", "..x..x..x"), ("backup", ".........")]);
    let shadow = bench.state.world().shadow_of("www").unwrap();
    assert_eq!(shadow.switches.len(), 2);
    assert_eq!(
        bench.state.world().service("www").unwrap().switches.len(),
        0
    );
    let latest = bench.state.latest_of_shadow("www").unwrap();
    assert!(latest.reason.starts_with("the switch budget"), "{latest:?}");
}

#[test]
fn an_instant_that_a_shadow_remembers_wakes_it_alone() {
    let mut policies = policies();
    policies.add("later", |service| {
        let mut proposal = hold("waiting", 1);
        match service.recall("then") {
            Some(Param::Int(then)) if service.now().0 >= *then => {
                return Ok(serve(&["backup"], "it is time", 2));
            }
            Some(_) => {}
            None => {
                let then = Some(Param::Int(service.now().0 + 2_000));
                proposal.remember.insert("then".into(), then);
            }
        }
        Ok(proposal)
    });
    let mut bench = Bench::under(three(), policies, "reference");
    bench.config = shadowed(three());
    bench.play(&[("primary", "."), ("backup", ".")]);
    bench.reload_both("reference", "later");
    let due = next_deadline(&bench.state).unwrap();
    assert_eq!(due.0 - super::BEGIN, bench.now_ms + 2_000);
    let (asked, policies) = (std::cell::Cell::new(0), bench.policies.clone());
    let counted = super::properties::Counted(&policies, &asked);
    let events = step(&mut bench.state, due, Input::Tick, &counted);
    assert_eq!(asked.get(), 1, "the service itself is not due: {events:?}");
    assert_eq!(bench.would_serve(), "backup");
    assert_ne!(next_deadline(&bench.state), Some(due));
}

#[test]
fn a_snapshot_holds_the_shadow() {
    let mut bench = Bench::beside("reference", "hasty");
    bench.play(&[("primary", "..x"), ("backup", "...")]);
    let text = serde_json::to_string(&bench.state).unwrap();
    let mut again: State = serde_json::from_str(&text).unwrap();
    assert_eq!(again, bench.state);
    let now = Timestamp(super::BEGIN + bench.now_ms + 5_000);
    let seen = super::observation(&bench.config, "primary", 'x').unwrap();
    let came = step(&mut again, now, Input::Probe(seen.clone()), &bench.policies);
    assert_eq!(
        came,
        step(&mut bench.state, now, Input::Probe(seen), &bench.policies)
    );
    assert_eq!(again, bench.state);
}

#[test]
fn several_services_have_shadows_and_others_none() {
    let mut config = shadowed(three());
    let mut other = config.services["www"].clone();
    other.name = "other".into();
    other.names = vec!["other.example.com".into()];
    other.targets = vec!["backup".into(), "third".into()];
    other.shadow = None;
    config.services.insert("other".into(), other);
    let mut bench = Bench::under(three(), policies(), "reference");
    bench.config = config;
    bench.reload_both("reference", "hasty");
    bench.play(&[("primary", "..x"), ("backup", "..x"), ("third", "...")]);
    assert!(bench.state.world().shadow_of("other").is_none());
    assert_eq!(bench.would_serve(), "backup");
    // The other gets one, too: the first goes on with what it has.
    let other = bench.config.services.get_mut("other").unwrap();
    other.shadow = Some(Shadow::new("next.rhai".into()));
    bench.reload_both("reference", "hasty");
    assert_eq!(
        (bench.would_serve().as_str(), bench.parted()),
        ("backup", (1, true))
    );
    let other = bench.state.world().shadow_of("other").unwrap();
    assert_eq!(
        &*other.serving[0], "backup",
        "`hasty` knows no better target"
    );
    assert_eq!(bench.folded(), bench.state);
    // Alone, a service has no shadow: rehearsals and replays ask for none.
    let alone = bench.state.narrowed(&"www".into()).unwrap();
    assert!(alone.world().shadow_of("www").is_none());
    assert_eq!(alone.world().config.services["www"].shadow, None);
}
