//! Incidents: what an operator knows to have happened, in the place of what probes say.
//!
//! A CSV of `from,to,target,real|false`, instants in RFC 3339 in UTC or in ms since the epoch. A
//! real one is an outage of its target; during a false one nothing was wrong, whatever the probes
//! said. Where there are incidents there are no other outages, and nothing is slow.

use super::{spans::Spans, truth::Truth};
use crate::model::{TargetName, Timestamp, diagnostic::did_you_mean};
use std::{collections::BTreeMap, path::Path};

/// Outages by target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incidents {
    down: BTreeMap<TargetName, Vec<(Timestamp, Timestamp)>>,
    /// Every name, with its line.
    named: Vec<(TargetName, u64)>,
    file: String,
}

impl Incidents {
    /// Reads a file of incidents.
    ///
    /// # Errors
    /// A sentence with file and line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// A sentence with file and line.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        let mut incidents = Self {
            file: file.to_owned(),
            ..Self::default()
        };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || (number == 1 && line.starts_with("from"))
            {
                continue;
            }
            incidents
                .line(number, line)
                .map_err(|why| format!("{file}:{number}: {why}"))?;
        }
        if incidents.named.is_empty() {
            return Err(format!("{file}: there is no incident in it"));
        }
        for spans in incidents.down.values_mut() {
            spans.sort_unstable();
        }
        Ok(incidents)
    }

    fn line(&mut self, number: u64, line: &str) -> Result<(), String> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [from, to, target, kind] = fields[..] else {
            return Err(format!(
                "'{line}' is no incident: write from,to,target,real or from,to,target,false"
            ));
        };
        let (from, to) = (instant(from)?, instant(to)?);
        if from >= to {
            return Err("it ends before it begins".to_owned());
        }
        let target = TargetName::from(target);
        self.named.push((target.clone(), number));
        match kind {
            "real" => self.down.entry(target).or_default().push((from, to)),
            "false" => {}
            other => return Err(format!("'{other}' is neither real nor false")),
        }
        Ok(())
    }

    /// That every target is known.
    ///
    /// # Errors
    /// The first that is not, with its line.
    pub(super) fn fit<'a>(&self, targets: &[&'a TargetName]) -> Result<(), String> {
        for (name, line) in &self.named {
            if targets.contains(&name) {
                continue;
            }
            let words: Vec<&'a str> = targets.iter().map(|target| target.as_str()).collect();
            let hint = did_you_mean(name, words.iter().copied()).map_or_else(
                || format!("there are {}", words.join(", ")),
                |meant| format!("did you mean '{meant}'?"),
            );
            return Err(format!("{}:{line}: no target '{name}', {hint}", self.file));
        }
        Ok(())
    }

    /// The truth that they make.
    pub(super) fn truth(&self, of: &Truth) -> Truth {
        let down = of.down.keys().map(|target| {
            let spans = self.down.get(target).cloned().unwrap_or_default();
            (target.clone(), Spans::of(spans))
        });
        Truth {
            down: down.collect(),
            slow: BTreeMap::new(),
            listed: of.listed.clone(),
        }
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    match text.parse() {
        Ok(ms) => Ok(Timestamp(ms)),
        Err(_) => Timestamp::parse_utc(text),
    }
}
