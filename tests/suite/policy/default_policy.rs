//! The default policy in the fold.

use super::world::World;
use sidestep::policy::BUILTIN_SOURCE;

const WELL: Option<u32> = Some(20);

#[test]
fn the_default_policy_goes_over_and_comes_home() {
    let mut world = World::new(&["primary", "backup", "third"], BUILTIN_SOURCE);
    world.rounds(5, &[("primary", WELL), ("backup", WELL), ("third", WELL)]);
    assert_eq!(world.serving(), ["primary"]);
    world.rounds(2, &[("primary", None), ("backup", WELL), ("third", WELL)]);
    assert_eq!(world.serving(), ["primary"]);
    world.rounds(1, &[("primary", None), ("backup", WELL), ("third", WELL)]);
    assert_eq!(world.serving(), ["backup"]);
    let mut decisions = world.decisions.iter();
    let decision = decisions
        .find(|decision| decision.serve[0] == "backup".into())
        .unwrap();
    assert_eq!(decision.reason, "primary is down: timeout");
    let line = BUILTIN_SOURCE
        .lines()
        .position(|line| line.contains("return first_of"))
        .unwrap();
    assert_eq!(usize::try_from(decision.line).unwrap(), line + 1);

    // The backup becomes slow, the third is quick.
    world.rounds(
        130,
        &[("primary", None), ("backup", Some(900)), ("third", WELL)],
    );
    assert_eq!(world.serving(), ["third"]);
    // Five minutes in which the primary is well bring it home.
    world.rounds(290, &[("primary", WELL), ("backup", WELL), ("third", WELL)]);
    assert_eq!(world.serving(), ["third"]);
    world.rounds(20, &[("primary", WELL), ("backup", WELL), ("third", WELL)]);
    assert_eq!(world.serving(), ["primary"]);
    assert_eq!(world.propose().unwrap().reason, "on the primary");
}
