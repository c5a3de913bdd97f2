//! What a recording tells of a service, for a test that points at it.

use crate::{
    failover::{
        Input, State, What,
        rehearsal::{RecordedStory, StoryOutcome},
    },
    model::{
        Config, PolicyText, Service, ServiceName, Timestamp,
        diagnostic::did_you_mean,
        story::{Story, StoryRecording},
    },
    policy::Library,
    recording::{self, Item, Reading, Recording},
};
use std::{path::Path, sync::Arc};

/// A recording of which the first item was read.
pub(super) struct Told {
    recording: Recording,
    first: Item,
    service: ServiceName,
    /// The configuration with which it begins.
    config: Arc<Config>,
}

/// Opens the recording of a story.
///
/// # Errors
/// Why it cannot be read, or has not the service that the story means, in one sentence.
pub(super) fn open(story: &Story, source: &StoryRecording, path: &Path) -> Result<Told, String> {
    let mut recording =
        recording::open(path, &Reading::default()).map_err(|error| error.to_string())?;
    let file = path.display();
    let first = match recording.next() {
        None => return Err(format!("{file}: there is nothing in this recording")),
        Some(Err(error)) => return Err(error.to_string()),
        Some(Ok(first)) => first,
    };
    let config = match &first {
        Item::State(state) => Arc::clone(&state.world().config),
        _ => Arc::new(recording.header().config.clone()),
    };
    let names: Vec<&str> = config.services.keys().map(ServiceName::as_str).collect();
    let service = match (&source.service, &names[..]) {
        (Some(named), all) if all.contains(&named.as_str()) => named.clone(),
        (Some(named), all) => {
            let hint = match did_you_mean(named, all.iter().copied()) {
                Some(near) => format!(", did you mean '{near}'?"),
                None => format!("; it has: {}", all.join(", ")),
            };
            return Err(format!("{file}: there is no service '{named}' in it{hint}"));
        }
        (None, [one]) => ServiceName::from(*one),
        (None, []) => return Err(format!("{file}: it has no service")),
        (None, all) => {
            let (count, all) = (all.len(), all.join(", "));
            return Err(format!(
                "{file}: it has {count} services: name one with `service`: {all}"
            ));
        }
    };
    let targets = &config.services[&service].targets;
    for name in story.expect.iter().flat_map(|one| &one.serve) {
        if !targets.contains(name) {
            let all = targets.iter().map(|target| target.as_str());
            let hint = match did_you_mean(name, all.clone()) {
                Some(near) => format!(", did you mean '{near}'?"),
                None => format!("; it has: {}", all.collect::<Vec<_>>().join(", ")),
            };
            return Err(format!(
                "{file}: service {service} has no target '{name}'{hint}"
            ));
        }
    }
    Ok(Told {
        recording,
        first,
        service,
        config,
    })
}

impl Told {
    /// The service as the story has it: under the policy that is tested, with its parameters.
    pub(super) fn service(&self, story: &Story, policy: &PolicyText) -> Service {
        let mut service = self.config.services[&self.service].clone();
        service.policy = policy.name.clone();
        service.params = story.params.clone();
        service
    }

    /// Runs the story over what the recording tells.
    pub(super) fn run(
        mut self,
        story: &Story,
        policy: &PolicyText,
        keep_ms: i64,
        library: &Library,
    ) -> StoryOutcome {
        let known: Option<&State> = match &self.first {
            Item::State(state) => Some(state),
            _ => None,
        };
        let begin = at(&self.first).unwrap_or_default();
        let begin = (begin, &*self.config, known);
        let on = RecordedStory::new(story, &self.service, policy, keep_ms, library, begin);
        let Some(mut on) = on else {
            let why = format!("service {} of the recording has no target", self.service);
            return StoryOutcome::failed(story, why);
        };
        tell(&mut on, &self.recording, &self.first);
        let broken = loop {
            match self.recording.next() {
                None => break None,
                Some(Err(error)) => break Some(error.to_string()),
                Some(Ok(item)) => tell(&mut on, &self.recording, &item),
            }
        };
        on.end(broken)
    }
}

fn at(item: &Item) -> Option<Timestamp> {
    match item {
        Item::Probe(seen) => Some(seen.at),
        Item::Event(event) => Some(event.at),
        Item::State(state) => Some(state.world().at),
        Item::Unknown { .. } => None,
    }
}

/// Tells one line. What was decided is not told: that is what the test is about.
fn tell(on: &mut RecordedStory<'_>, recording: &Recording, item: &Item) {
    match item {
        Item::Probe(seen) => {
            if let Some(key) = recording.series().get(seen.series) {
                let input = Input::Probe(seen.observation(key));
                on.take(seen.at, seen.seq, input);
            }
        }
        Item::Event(event) => match &event.what {
            What::Config(config) => on.configured(event.at, event.seq, &config.config),
            What::Gap(_) => on.gap(),
            _ => {
                if let Some(input) = event.what.as_input() {
                    on.take(event.at, event.seq, input);
                }
            }
        },
        Item::State(_) | Item::Unknown { .. } => {}
    }
}
