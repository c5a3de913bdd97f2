//! Random zones, services over them and questions about them, all from a seed.
//!
//! For comparisons: of two ways to answer, or of two servers. A `World` is a few zones on one
//! server, over a small alphabet so that random names meet: parent and child, a zone beside them,
//! and zones under them that nobody delegated. They hold wildcards at every depth, empty
//! non-terminals, delegations with every kind of glue, aliases that chain, loop, dangle and leave
//! the zone, labels of octets that are no letters, names as long as a name may be and aliases that
//! would make them longer, and RRsets that fit no UDP message. They break no rule that makes a
//! server refuse them: what is refused is for `zones.rs`.

mod chance;
mod labels;
mod loaded;
mod records;
mod services;
mod shapes;

pub(super) use chance::Chance;
pub(super) use labels::Labels;

use records::RrSets;
use services::WorldService;
use std::{collections::BTreeMap, fmt::Write as _};

/// The types that questions are about, beside those that no zone holds.
const ASKED_KINDS: [u16; 22] = [
    1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 35, 39, 43, 44, 52, 64, 65, 257, 65_280, 65_281, 99, 255,
];
/// Few labels, so that random names are often names that exist, or next to one.
const ALPHABET: [&str; 3] = ["a", "b", "c"];
/// Labels that text must escape, or that look like something else.
const ODD_LABELS: [&[u8]; 6] = [
    b"a.b",
    b"\\",
    b"\0\x01",
    b"\"; (@$)\"",
    b"A\xe4\xff",
    b"\\042",
];

/// Zones on one server, and the services that lie over them.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) zones: Vec<WorldZone>,
    pub(super) services: Vec<WorldService>,
    /// Every name that was written: owners, and what records point at.
    pub(super) names: Vec<Labels>,
}

/// A zone's records by owner, in lower case, and type.
#[derive(Clone, Debug)]
pub(super) struct WorldZone {
    pub(super) apex: Labels,
    nodes: BTreeMap<Labels, RrSets>,
    seed: u64,
}

impl World {
    /// The world of `seed`, all of whose zones lie under `under`, such as `w1.` or the root.
    pub(super) fn new(seed: u64, under: &Labels) -> Self {
        let mut chance = Chance::new(seed);
        let parent = under.child(b"p");
        let mut apexes = vec![parent.clone(), under.child(b"o")];
        // A child, and one below it whose own parent is on another server, or nowhere.
        let child = parent.child(b"b");
        apexes.push(child.clone());
        if chance.one_in(2) {
            apexes.push(child.child(b"a").child(b"c"));
        }
        let mut names: Vec<Labels> = apexes.clone();
        for apex in &apexes {
            for _ in 0..6 {
                names.push(chance.name_under(apex));
            }
        }
        names.push(under.child(b"elsewhere"));
        let mut zones: Vec<WorldZone> = Vec::new();
        for apex in &apexes {
            let seed = chance.next();
            zones.push(WorldZone::new(seed, apex, &apexes, &mut names));
        }
        let mut world = Self {
            zones,
            services: Vec::new(),
            names,
        };
        world.add_services(&mut chance);
        world.names.sort();
        world.names.dedup();
        world
    }

    /// The zone that holds a name: the one with the longest apex.
    pub(super) fn zone_of(&self, name: &Labels) -> Option<&WorldZone> {
        let holding = self.zones.iter().filter(|zone| name.is_within(&zone.apex));
        holding.max_by_key(|zone| zone.apex.0.len())
    }

    /// Whether a zone above holds names below this apex, which nobody is to see.
    pub(super) fn is_shadowed(&self, apex: &Labels) -> bool {
        let above = |zone: &&WorldZone| zone.apex != *apex && apex.is_within(&zone.apex);
        let below = |name: &Labels| name.is_within(apex) && name != apex;
        let mut above = self.zones.iter().filter(above);
        above.any(|zone| zone.nodes.keys().any(below))
    }

    /// A zone as a file, all names absolute. With what the services answer as static records it
    /// is what a server without services has to hold to answer the same.
    pub(super) fn zone_text(&self, zone: &WorldZone, with_services: bool) -> String {
        let mut nodes = zone.nodes.clone();
        if with_services {
            for service in &self.services {
                for owner in &service.owners {
                    if self
                        .zone_of(owner)
                        .is_some_and(|held| held.apex == zone.apex)
                    {
                        service.lie_over(nodes.entry(owner.clone()).or_default());
                    }
                }
            }
        }
        let mut chance = Chance::new(zone.seed);
        let mut text = String::new();
        // An SOA first: some servers want it so.
        let mut owners: Vec<_> = nodes.into_iter().collect();
        owners.sort_by_key(|(owner, _)| *owner != zone.apex);
        for (owner, sets) in owners {
            for (kind, set) in sets {
                for data in &set.data {
                    let owner = chance.any_case(&owner);
                    writeln!(text, "{owner} {} IN {kind} {data}", set.ttl_secs).unwrap();
                }
            }
        }
        text
    }

    /// A question: mostly a name that means something, or one beside, above or below it.
    pub(super) fn question(&self, chance: &mut Chance) -> (Labels, u16) {
        let name = chance.pick(&self.names).clone();
        let name = match chance.below(16) {
            0..=7 => name,
            8 => name.parent(),
            9 => name.child(b"*"),
            10 => name.parent().child(b"*"),
            11 => name.child(chance.label().as_bytes()),
            12 => name.parent().child(chance.label().as_bytes()),
            13 => name.child(b"zz"),
            14 => name.child(b"*").child(chance.label().as_bytes()),
            _ => name.child(chance.label().as_bytes()).child(b"yy"),
        };
        let kind = match chance.below(24) {
            0..=8 => *chance.pick(&[1, 28]),
            9 => u16::try_from(1 + chance.below(300)).unwrap_or(1),
            _ => *chance.pick(&ASKED_KINDS),
        };
        // Names of a whole message, and messages of one name, are for `messages.rs`.
        let is_meta = matches!(kind, 41 | 128 | 249..=254);
        (name.fitting(), if is_meta { 1 } else { kind })
    }
}

impl WorldZone {
    fn new(seed: u64, apex: &Labels, apexes: &[Labels], names: &mut Vec<Labels>) -> Self {
        let mut zone = Self {
            apex: apex.clone(),
            nodes: BTreeMap::new(),
            seed,
        };
        let mut chance = Chance::new(seed);
        shapes::fill(&mut zone, apexes, &mut chance, names);
        names.extend(zone.nodes.keys().cloned());
        zone
    }

    /// Whether the names at and above `name`, within the zone, let more be put there.
    fn is_open(&self, name: &Labels) -> bool {
        let at = self.nodes.get(name);
        let alias = at.is_some_and(|sets| sets.contains_key("CNAME") || sets.contains_key("NS"));
        name.is_within(&self.apex) && (!alias || *name == self.apex) && !self.is_covered(name)
    }

    /// Whether a delegation or a DNAME stands above `name`.
    fn is_covered(&self, name: &Labels) -> bool {
        let mut above = name.clone();
        while above.0.len() > self.apex.0.len() {
            above = above.parent();
            let sets = self.nodes.get(&above);
            let has = |kind| sets.is_some_and(|sets| sets.contains_key(kind));
            if has("DNAME") || (has("NS") && above != self.apex) {
                return true;
            }
        }
        false
    }

    /// Whether a name is at or below a delegation.
    pub(super) fn is_delegated(&self, name: &Labels) -> bool {
        let mut name = name.lower();
        while name.0.len() > self.apex.0.len() {
            if self
                .nodes
                .get(&name)
                .is_some_and(|sets| sets.contains_key("NS"))
            {
                return true;
            }
            name = name.parent();
        }
        false
    }

    fn has_below(&self, name: &Labels) -> bool {
        let below = |other: &Labels| other != name && other.is_within(name);
        self.nodes.keys().any(below)
    }

    fn put(&mut self, owner: &Labels, kind: &'static str, ttl_secs: u32, data: Vec<String>) {
        let sets = self.nodes.entry(owner.lower()).or_default();
        records::put(sets, kind, ttl_secs, data);
    }
}

impl Chance {
    /// A label of the alphabet.
    fn label(&mut self) -> &'static str {
        self.pick::<&str>(&ALPHABET)
    }

    /// A name one to four labels below `apex`, sometimes with a wildcard in it.
    fn name_under(&mut self, apex: &Labels) -> Labels {
        let mut name = apex.clone();
        for _ in 0..=self.below(4).min(self.below(4)) {
            let label = match self.below(36) {
                0..=3 => b"*",
                4 => *self.pick(&ODD_LABELS),
                _ => self.label().as_bytes(),
            };
            name = name.child(label);
        }
        name
    }
}
