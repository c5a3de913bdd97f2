//! The past of a service as a recording has it. One without decisions is run under a policy.

use super::{Decided, past::Past, under::Under};
use crate::{
    failover::{Event, Input, State, What, event::ConfigInForce, input::Reload},
    model::{Config, Diagnostic, PolicyText, ServiceName, Timestamp, service::default_policy},
    policy::{BUILTIN_SOURCE, Library},
    recording::{Header, Item, Reading, Seen},
    replay::source::Source,
};
use std::{path::Path, sync::Arc};

/// A recording, and how it is read.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// What it does not say itself.
    pub reading: &'a Reading,
}

/// Folds a recording up to and including `until` by the wall clock, or all of it. Where it has no
/// decision by then, the policy of `under`, its own or the built-in one is run over it instead.
///
/// # Errors
/// A sentence: the file cannot be read, begins after `until` or is empty, or the policy does not
/// load.
pub fn from_recording(
    file: File<'_>,
    service: &ServiceName,
    until: Option<Timestamp>,
    under: &Under,
) -> Result<(Past, Decided), String> {
    let until = until.unwrap_or(Timestamp(i64::MAX));
    let past = recorded(file, service, until)?;
    if past.decisions > 0 || past.began_with_state() {
        return Ok((past, Decided::Recorded));
    }
    Ok((stepped(file, service, until, under)?, Decided::Stepped))
}

/// Everything folded; no policy is asked.
fn recorded(file: File<'_>, service: &ServiceName, until: Timestamp) -> Result<Past, String> {
    let mut past = Past::new(service.clone(), State::default());
    each(file, until, |source, item| {
        let begins = past.state().world().config.services.is_empty();
        if begins && matches!(item, Item::Probe(_)) {
            in_force(
                &mut past,
                source.header(),
                item_at(&item).unwrap_or_default(),
            );
        }
        match item {
            Item::Probe(seen) => past.event(&event(source, &seen)),
            Item::Event(event) => past.event(&event),
            Item::State(state) => past.begin_with(*state),
            Item::Unknown { .. } => {}
        }
        Ok(())
    })?;
    Ok(past)
}

/// Everything but decisions, and a policy asked of it.
fn stepped(
    file: File<'_>,
    service: &ServiceName,
    until: Timestamp,
    under: &Under,
) -> Result<Past, String> {
    let mut past = Past::new(service.clone(), State::default());
    let library = Library::new();
    let mut begun = false;
    // The last input is folded apart, so that the state is known on which the policy was asked.
    let mut pending: Option<(Timestamp, u64, Input)> = None;
    each(file, until, |source, item| {
        let Some(at) = item_at(&item) else {
            return Ok(());
        };
        if !begun {
            begun = true;
            let reload = reload(source.header(), service, under, &library)?;
            past.step(at, 0, reload, &library);
        }
        let next = match item {
            Item::Probe(seen) => {
                let (seq, event) = (seen.seq, event(source, &seen));
                event.what.as_input().map(|input| (at, seq, input))
            }
            Item::Event(event) => {
                let seq = event.seq;
                event.what.as_input().map(|input| (at, seq, input))
            }
            Item::State(_) | Item::Unknown { .. } => None,
        };
        if let Some(next) = next
            && let Some((at, seq, input)) = pending.replace(next)
        {
            past.step(at, seq, input, &library);
        }
        Ok(())
    })?;
    if let Some((at, seq, input)) = pending {
        past.step_apart(at, seq, input, &library);
    }
    Ok(past)
}

/// Calls `take` with every item up to `until`.
fn each(
    file: File<'_>,
    until: Timestamp,
    mut take: impl FnMut(&Source, Item) -> Result<(), String>,
) -> Result<(), String> {
    let mut source = Source::open(file.path, file.reading, None)?;
    let mut taken = false;
    let mut offset_ms = 0;
    while let Some(item) = source.next() {
        let item = item?;
        if let Item::Event(event) = &item
            && let What::Clock(change) = &event.what
        {
            offset_ms = change.offset_ms;
        }
        let at = item_at(&item).map(|at| at.plus_ms(offset_ms));
        if let Some(at) = at.filter(|at| *at > until) {
            if taken {
                break;
            }
            let shown = file.path.display();
            return Err(format!(
                "{shown} begins at {at}: of {until} it knows nothing"
            ));
        }
        take(&source, item)?;
        taken = taken || at.is_some();
    }
    match taken {
        true => Ok(()),
        false => Err(format!("{} has nothing but a header", file.path.display())),
    }
}

fn item_at(item: &Item) -> Option<Timestamp> {
    match item {
        Item::Probe(seen) => Some(seen.at),
        Item::Event(event) => Some(event.at),
        Item::State(state) => Some(state.world().at),
        Item::Unknown { .. } => None,
    }
}

fn event(source: &Source, seen: &Seen) -> Event {
    let key = &source.series()[seen.series];
    Event {
        at: seen.at,
        seq: seen.seq,
        what: What::Probe(seen.observation(key)),
    }
}

/// Puts the header of a recording in force that does not say its configuration otherwise.
fn in_force(past: &mut Past, header: &Header, at: Timestamp) {
    let texts = header.policies.iter().cloned().map(What::Policy);
    let config = What::Config(ConfigInForce {
        by: header.by.clone(),
        config: Arc::new(header.config.clone()),
        zone_versions: Vec::new(),
    });
    for what in texts.chain([config]) {
        past.event(&Event { at, seq: 0, what });
    }
}

/// The header of a recording as a reload, with the policy that is to be run.
fn reload(
    header: &Header,
    service: &ServiceName,
    under: &Under,
    library: &Library,
) -> Result<Input, String> {
    let mut config: Config = header.config.clone();
    let Some(configured) = config.services.get_mut(service) else {
        return Err(super::no_such(config.services.keys(), service));
    };
    let own = header
        .policies
        .iter()
        .find(|text| text.name == configured.policy);
    let text = under.text.as_ref().or(own).cloned();
    let text = text.unwrap_or_else(|| PolicyText {
        name: default_policy(),
        source: BUILTIN_SOURCE.into(),
    });
    configured.policy = text.name.clone();
    configured.params.extend(under.params.clone());
    let loaded = library.candidate(configured, &text);
    let candidate = loaded.map_err(|found| said(&found))?;
    library.adopt(&candidate);
    configured.keep_ms = candidate.windows_ms;
    config.services.retain(|name, _| name == service);
    Ok(Input::Reload(Reload {
        by: header.by.clone(),
        config: Arc::new(config),
        policies: vec![text],
        zones: Vec::new(),
    }))
}

/// All findings of a policy that does not load.
pub(super) fn said(found: &[Diagnostic]) -> String {
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    found.join("\n")
}
