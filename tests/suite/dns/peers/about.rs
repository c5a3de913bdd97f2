//! What a comparison is about: which zones, aliases and services an answer has to do with.

use super::{
    super::random::{Labels, World},
    compare::{Outcome, word},
    wire::{Asking, Record, Reply},
};

const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const DNAME: u16 = 39;
const DS: u16 = 43;
const ANY: u16 = 255;
/// More aliases in a row than every server follows.
const LONG: usize = 4;

/// What a comparison is about.
pub(super) struct About<'w> {
    world: &'w World,
    /// What was asked, and what we said to it.
    pub(super) class: String,
    /// The size that a reply may have, in octets.
    pub(super) limit: usize,
    /// Whether any RRset would do.
    pub(super) is_any: bool,
    /// The TTL of the service that answers the last name of the answer.
    ceiling_secs: Option<u32>,
    /// The apex of the zone that the last name of the answer is in.
    home: Option<&'w Labels>,
}

impl<'w> About<'w> {
    pub(super) fn odd(world: &'w World, name: &str) -> Self {
        Self {
            world,
            class: format!("odd {name}"),
            limit: 1_232,
            is_any: false,
            ceiling_secs: None,
            home: None,
        }
    }

    pub(super) fn of(world: &'w World, transport: &str, asking: &Asking, ours: &Outcome) -> Self {
        let kind = match asking.kind {
            ANY => "any",
            43 => "ds",
            64 | 65 => "svcb",
            24 | 25 | 46 | 47 | 50 => "sig",
            128..=254 => "meta",
            _ => "type",
        };
        let mut about = Self {
            world,
            class: format!("{transport} {kind}"),
            limit: asking.limit(transport),
            is_any: asking.kind == ANY,
            ceiling_secs: None,
            home: None,
        };
        if let Outcome::Read(reply) = ours {
            about.tell(asking, reply);
        }
        about
    }

    /// The zone that answers for a name: for DS at an apex the one above.
    fn apex_of(&self, name: &Labels, kind: u16) -> Option<&'w Labels> {
        let zone = self.world.zone_of(name)?;
        let of_parent = kind == DS && name.lower() == zone.apex;
        let parent = of_parent.then(|| self.world.zone_of(&name.parent()));
        Some(&parent.flatten().unwrap_or(zone).apex)
    }

    fn tell(&mut self, asking: &Asking, reply: &Reply) {
        let has = |records: &[Record], kind| records.iter().any(|record| record.kind == kind);
        // A DNAME says where it leads once more in the CNAME beside it.
        let follows = asking.kind != CNAME;
        let aliases: Vec<&Record> = reply.answer.iter().filter(|_| follows).collect();
        let aliases = aliases.into_iter().filter(|record| record.kind == CNAME);
        let names: Vec<&Labels> = aliases.filter_map(|alias| alias.target.as_ref()).collect();
        let is_link = |record: &&Record| matches!(record.kind, CNAME | DNAME);
        let links = reply.answer.iter().filter(is_link).count();
        let outcome = match reply.rcode {
            0 if names.is_empty() && !reply.answer.is_empty() => "positive",
            0 if reply.answer.len() > links => "positive",
            3 => "nxdomain",
            0 if has(&reply.authority, SOA) => "nodata",
            0 if has(&reply.authority, NS) => "referral",
            0 => "open",
            rcode => &word(rcode),
        };
        if self.is_any && (has(&reply.answer, 64) || has(&reply.answer, 65)) {
            self.class += " svcb";
        }
        self.class += &format!(" {outcome}");
        let first = self.apex_of(&asking.name, asking.kind);
        // Chains are told of in any order: the last name is the one that owns no alias.
        let is_alias = |name: &Labels| {
            let mut answer = reply.answer.iter();
            answer.any(|one| one.kind == CNAME && one.owner == *name)
        };
        let goes_on = |name: &&&Labels| !is_alias(name);
        let last = *names.iter().find(goes_on).unwrap_or(&&asking.name);
        self.home = self.apex_of(last, asking.kind);
        // The zone above a service's apex, asked for DS, knows no service.
        let is_below = self.apex_of(last, 0) != self.home;
        let service = self.world.service_of(last).filter(|_| !is_below);
        self.ceiling_secs = service.map(|service| service.ttl_secs);
        let mut all = names.iter().copied().chain([&asking.name]);
        let leaves = names
            .iter()
            .any(|name| self.apex_of(name, asking.kind) != first);
        let is_shadowed = |name: &&Labels| {
            let apex = self.apex_of(name, asking.kind);
            apex.is_some_and(|apex| self.world.is_shadowed(apex))
        };
        let shadowed = all.clone().any(|name| is_shadowed(&name));
        let at_service = all.any(|name| self.world.service_of(name).is_some());
        for (word, is) in [
            (" alias", !names.is_empty()),
            (" long", names.len() > LONG),
            (" across", leaves),
            (" service", at_service),
            (" shadowed", shadowed),
        ] {
            if is {
                self.class += word;
            }
        }
    }

    /// Whether a name is in another zone of the server than the end of the chain.
    pub(super) fn is_foreign(&self, name: &Labels) -> bool {
        self.apex_of(name, 0) != self.home
    }

    /// Whether a name is at or below a delegation of its zone.
    pub(super) fn is_delegated(&self, name: &Labels) -> bool {
        let zone = self.world.zone_of(name);
        zone.is_some_and(|zone| zone.is_delegated(name))
    }

    /// How long to believe what our reply denies, since the name is a service's, s.
    pub(super) fn ceiling_secs(&self, ours: &Reply) -> u32 {
        match ours.rcode {
            0 => self.ceiling_secs.unwrap_or(u32::MAX),
            _ => u32::MAX,
        }
    }

    /// Where a host of our answer is: below the delegation that the answer is (`glue`), below
    /// another one of the same zone (`sibling`), or where we have authority (`beside`); where
    /// the answer is no delegation, `delegated` below one, else `host`.
    pub(super) fn place_of_host(&self, host: &Labels, ours: &Reply) -> &'static str {
        let cut = ours.authority.iter().find(|record| record.kind == NS);
        let Some(cut) = cut else {
            return if self.is_delegated(host) {
                "delegated"
            } else {
                "host"
            };
        };
        match host.is_within(&cut.owner) {
            true => "glue",
            false if self.is_delegated(host) => "sibling",
            false => "beside",
        }
    }
}
