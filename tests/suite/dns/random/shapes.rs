//! What a random zone is made of: nodes of every kind, and the figures that random nodes
//! would not make: long chains, loops, sibling glue.

use super::{Chance, Labels, WorldZone, records};

/// TTLs, few, so that a mix-up shows.
const TTLS_SECS: [u32; 5] = [0, 30, 300, 3_600, 86_400];

/// Fills an empty zone. `names` are names worth pointing at; those that are pointed at are added.
pub(super) fn fill(
    zone: &mut WorldZone,
    apexes: &[Labels],
    chance: &mut Chance,
    names: &mut Vec<Labels>,
) {
    let below = |apex: &&Labels| **apex != zone.apex && apex.is_within(&zone.apex);
    let children: Vec<Labels> = apexes.iter().filter(below).cloned().collect();
    let mut shaper = Shaper {
        zone,
        children: &children,
        chance,
        names,
    };
    shaper.apex();
    for apex in &children {
        shaper.child_zone(apex);
    }
    for _ in 0..10 + shaper.chance.below(16) {
        shaper.node();
    }
    shaper.chain();
    shaper.loops();
    shaper.dname_chain();
    shaper.sibling_delegations();
    shaper.around_a_wildcard();
    shaper.brim();
    shaper.hosts();
}

struct Shaper<'s> {
    zone: &'s mut WorldZone,
    /// Zones of ours below this one.
    children: &'s [Labels],
    chance: &'s mut Chance,
    names: &'s mut Vec<Labels>,
}

impl Shaper<'_> {
    fn ttl(&mut self) -> u32 {
        *self.chance.pick(&TTLS_SECS)
    }

    fn put(&mut self, owner: &Labels, kind: &'static str, data: Vec<String>) {
        let ttl = self.ttl();
        self.zone.put(owner, kind, ttl, data);
    }

    /// A name worth pointing at, mostly within reach.
    fn target(&mut self) -> Labels {
        let name = match self.chance.below(8) {
            0 => Labels::of("host.example.net"),
            1 | 2 => {
                let apex = self.zone.apex.clone();
                self.chance.name_under(&apex)
            }
            _ => self.chance.pick(self.names).clone(),
        };
        let name = if self.chance.one_in(8) {
            name.child(self.chance.label().as_bytes()).fitting()
        } else {
            name
        };
        self.names.push(name.clone());
        self.chance.any_case(&name)
    }

    fn plain(&mut self, owner: &Labels, kind: &'static str) {
        let target = self.target();
        let data = records::many(kind, &target, self.chance);
        self.put(owner, kind, data);
    }

    fn apex(&mut self) {
        let apex = self.zone.apex.clone();
        let soa = records::soa(&apex, self.chance);
        self.put(&apex, "SOA", vec![soa]);
        let inside = apex.child(b"ns");
        let mut servers = vec![inside.to_string()];
        // A server within the zone must have an address there, or the zone is refused by some.
        match self.chance.below(4) {
            0 => servers.push(Labels::of("host.example.net").to_string()),
            1 => servers.push(apex.parent().child(b"o").child(b"ns").to_string()),
            2 => {
                let second = apex.child(b"ns2");
                self.plain(&second, "AAAA");
                servers.push(second.to_string());
            }
            _ => {}
        }
        self.put(&apex, "NS", servers);
        self.plain(&inside, "A");
        if self.chance.one_in(2) {
            self.plain(&inside, "AAAA");
        }
        for kind in ["A", "AAAA", "MX", "TXT", "CAA", "HTTPS", "TYPE65280"] {
            if self.chance.one_in(3) {
                self.plain(&apex, kind);
            }
        }
    }

    /// Where another zone of ours begins: mostly delegated, else merely there.
    fn child_zone(&mut self, apex: &Labels) {
        if self.zone.is_open(apex) && !self.chance.one_in(4) {
            self.delegation(apex);
        }
    }

    fn node(&mut self) {
        let apex = self.zone.apex.clone();
        let owner = self.chance.name_under(&apex).lower();
        let is_new = !self.zone.nodes.contains_key(&owner) && owner != apex;
        if !self.zone.is_open(&owner) {
            // What lies below a delegation is not answered from here.
            let is_wild = owner.0.contains(&b"*".to_vec());
            if self.zone.is_covered(&owner) && !is_wild && self.chance.one_in(4) {
                self.glue(&owner);
            }
            return;
        }
        if self.children.iter().any(|apex| owner.is_within(apex)) {
            // Not delegated: it is there, and the zone below answers.
            self.plain(&owner, "TXT");
            return;
        }
        // No DNAME above a zone of ours: NSD refuses it, RFC 6672 section 2.4 allows nothing below.
        let is_bare = !self.zone.has_below(&owner)
            && !self.children.iter().any(|apex| apex.is_within(&owner));
        match self.chance.below(14) {
            0..=2 => self.plain(&owner, "A"),
            3 => self.plain(&owner, "AAAA"),
            4..=7 => {
                for _ in 0..1 + self.chance.below(4) {
                    let kind = self.chance.pick(&records::PLAIN_KINDS);
                    self.plain(&owner, kind);
                }
            }
            8..=10 if is_new => {
                let target = self.target();
                self.put(&owner, "CNAME", vec![target.to_string()]);
            }
            // RFC 6672 section 3.3 discourages it at a wildcard; nobody refuses it.
            11 if is_new && is_bare => {
                let target = self.target();
                let data = records::name(&target, self.chance);
                self.put(&owner, "DNAME", vec![data]);
                if self.chance.one_in(2) {
                    self.plain(&owner, "TXT");
                }
            }
            _ if is_new && !self.zone.has_below(&owner) && owner.0[0] != b"*" => {
                self.delegation(&owner);
            }
            _ => self.plain(&owner, "MX"),
        }
    }

    /// Records below a delegation, where one stands above: glue if it is an address.
    fn glue(&mut self, owner: &Labels) {
        let mut above = owner.clone();
        while above.0.len() > self.zone.apex.0.len() + 1 {
            above = above.parent();
            let sets = self.zone.nodes.get(&above);
            if sets.is_some_and(|sets| sets.contains_key("DNAME")) {
                return;
            }
        }
        let kind = if self.chance.one_in(5) { "TXT" } else { "A" };
        self.plain(owner, kind);
    }

    /// A delegation: servers below it, at it, beside it and elsewhere.
    fn delegation(&mut self, cut: &Labels) {
        let mut servers = Vec::new();
        for _ in 0..=self.chance.below(3) {
            let server = match self.chance.below(5) {
                0 | 1 => {
                    let label: &[u8] = if self.chance.one_in(2) { b"ns" } else { b"ns2" };
                    let server = cut.child(label);
                    if !self.chance.one_in(6) {
                        self.address(&server);
                    }
                    server
                }
                2 => {
                    self.address(cut);
                    cut.clone()
                }
                3 => self.zone.apex.child(b"ns"),
                _ => self.target(),
            };
            self.names.push(server.clone());
            servers.push(self.chance.any_case(&server).to_string());
        }
        self.put(cut, "NS", servers);
        if self.chance.one_in(2) {
            self.plain(cut, "DS");
        }
    }

    fn address(&mut self, owner: &Labels) {
        for kind in records::ADDRESS_KINDS {
            if self.chance.one_in(2) {
                self.plain(owner, kind);
            }
        }
    }

    /// CNAMEs one after another, up to more than anybody follows.
    fn chain(&mut self) {
        let apex = self.zone.apex.clone();
        let length = 2 + self.chance.below(16);
        let link = |number: usize| apex.child(format!("l{number}").as_bytes());
        for number in 0..length {
            let target = if number + 1 == length && self.chance.one_in(2) {
                self.target()
            } else {
                link(number + 1)
            };
            let data = self.chance.any_case(&target).to_string();
            self.put(&link(number), "CNAME", vec![data]);
        }
        if self.chance.one_in(2) {
            self.plain(&link(length), "A");
        }
    }

    /// An alias of itself, and one of an alias of it.
    fn loops(&mut self) {
        let apex = self.zone.apex.clone();
        let length = 1 + self.chance.below(4);
        let link = |number: usize| apex.child(format!("o{number}").as_bytes());
        for number in 0..length {
            let next = link((number + 1) % length).to_string();
            self.put(&link(number), "CNAME", vec![next]);
        }
        if self.chance.one_in(2) {
            // By way of a wildcard.
            let wild = apex.child(b"w").child(b"*");
            self.put(
                &wild,
                "CNAME",
                vec![apex.child(b"w").child(b"v").to_string()],
            );
        }
    }

    /// DNAMEs one after another; the last may lead into itself, or make names too long.
    fn dname_chain(&mut self) {
        let apex = self.zone.apex.clone();
        let length = 1 + self.chance.below(4);
        let link = |number: usize| apex.child(format!("d{number}").as_bytes());
        for number in 0..length {
            let target = match (number + 1 == length, self.chance.below(6)) {
                (false, _) => link(number + 1),
                (true, 0) => link(0),
                (true, 1) => link(number).child(&[b'x'; 40]),
                (true, 2) => link(number)
                    .child(&[b'y'; 63])
                    .child(&[b'y'; 63])
                    .child(&[b'y'; 63]),
                (true, _) => self.target(),
            };
            let target = self.chance.any_case(&target);
            let data = records::name(&target, self.chance);
            self.put(&link(number), "DNAME", vec![data]);
            self.names
                .push(link(number).child(self.chance.label().as_bytes()));
        }
    }

    /// Two delegations whose servers have their addresses below each other.
    fn sibling_delegations(&mut self) {
        let apex = self.zone.apex.clone();
        let (one, two) = (apex.child(b"sib1"), apex.child(b"sib2"));
        for (cut, other) in [(&one, &two), (&two, &one)] {
            let server = other.child(b"ns");
            self.address(&server);
            self.put(cut, "NS", vec![server.to_string()]);
            self.names.push(cut.child(b"a"));
        }
    }

    /// Names beside and below a wildcard that a service may have.
    fn around_a_wildcard(&mut self) {
        let app = self.zone.apex.child(b"app");
        if !self.zone.is_open(&app) {
            return;
        }
        let wild = app.child(b"*");
        self.plain(&app.child(b"a"), "A");
        if self.chance.one_in(2) {
            self.plain(&app.child(b"b").child(b"c"), "TXT");
        }
        if self.chance.one_in(2) {
            self.plain(&wild.child(b"sub"), "MX");
        }
        match self.chance.below(4) {
            0 => self.plain(&wild, "TXT"),
            1 => self.plain(&wild, "A"),
            _ => {}
        }
        let long = app.longest(b'z');
        let new = app.child(b"zz");
        self.names.extend([new.child(b"yy"), new, wild, long]);
    }

    /// Hosts that records of every kind lead to: with bindings of their own, below a wildcard, and
    /// with so many addresses that some do not fit.
    fn hosts(&mut self) {
        let apex = self.zone.apex.clone();
        let host = apex.child(b"host");
        let wild = apex.child(b"wild");
        self.plain(&host, "A");
        for kind in ["SVCB", "HTTPS"] {
            if self.chance.one_in(2) {
                self.plain(&host, kind);
            }
            let at = apex.child(&kind.as_bytes().to_ascii_lowercase());
            let wild = wild.child(b"x");
            let data = [&host, &wild, &at].map(|name| format!("1 {name} alpn=h2"));
            self.put(&at, kind, data.to_vec());
            self.names.push(at);
        }
        let count = 1 + self.chance.below(14);
        let addresses = (0..count).map(|number| format!("192.0.2.{number}"));
        self.put(&wild.child(b"*"), "A", addresses.collect());
        self.plain(&wild.child(b"*"), "HTTPS");
        // DS of an apex is the business of the zone above, also at the end of a chain.
        let up = apex.child(b"up");
        self.put(&up, "CNAME", vec![apex.to_string()]);
        self.names.push(up);
        let mail = apex.child(b"mail");
        let hosts = (0..6).map(|number| {
            let label = [b'a' + number];
            format!("{number} {}", wild.child(&label))
        });
        self.put(&mail, "MX", hosts.collect());
        // Glue of another zone.
        let other = apex.parent().child(b"o").child(b"sib1").child(b"ns");
        self.put(&mail, "MX", vec![format!("9 {other}")]);
        self.names.push(mail);
    }

    /// A name as long as a name may be, and DNAMEs that lead to it, and just past it.
    fn brim(&mut self) {
        let apex = self.zone.apex.clone();
        let longest = apex.longest(b'q');
        let kind = self.chance.pick(&["A", "MX", "TXT"]);
        self.plain(&longest, kind);
        let owner = apex.child(b"brim");
        let data = records::name(&longest.parent(), self.chance);
        self.put(&owner, "DNAME", vec![data]);
        let first = longest.0[0].clone();
        let below = |octets: usize| owner.child(&vec![b'q'; octets]);
        self.names.push(longest);
        let whole = first.len();
        self.names.extend([below(whole - 1), below(whole)]);
        if whole < 63 {
            self.names.push(below(whole + 1));
        }
        // As long, by two labels.
        self.names.push(below(whole - 2).child(b"x"));
        self.names.push(below(whole - 3).child(b"x"));
        // An alias before it, so that the chain ends there.
        let alias = apex.child(b"past");
        let target = below((whole + 1).min(63)).to_string();
        self.put(&alias, "CNAME", vec![target]);
        self.names.push(alias);
    }
}
