//! The zones of a case, and the records of its targets, which are judged where they lie.

use super::{Case, digest};
use crate::{
    config::{self, Paths},
    dns::{self, MovedTypes, Zones},
    failover::input::ZoneVersion,
    model::{Config, Diagnostic, ZoneConfig, ZoneSource},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Zones that were built.
pub(super) struct Built {
    pub(super) zones: Zones,
    /// Their serials and hashes.
    pub(super) versions: Vec<ZoneVersion>,
    /// What their files include.
    pub(super) included: BTreeMap<PathBuf, Arc<str>>,
}

/// Builds the zones of a case; `included` gets every file that one includes, found or not.
pub(super) fn zones(
    case: &Case,
    config: &Config,
    warnings: &mut Vec<Diagnostic>,
    errors: &mut Vec<Diagnostic>,
    included: &mut BTreeSet<PathBuf>,
) -> Option<Built> {
    let paths = Paths::of(&case.path);
    let files: Vec<PathBuf> = config
        .zones
        .iter()
        .map(|zone| match &zone.source {
            ZoneSource::File(file) => paths.resolve(file),
            ZoneSource::Ns(_) | ZoneSource::Made => case.path.clone(),
        })
        .collect();
    let input = |(zone, file)| {
        let zone: &ZoneConfig = zone;
        let text = case.zones.get(&zone.name).map(|text| &**text);
        dns::ZoneInput {
            config: zone,
            file,
            text,
        }
    };
    let inputs: Vec<_> = config
        .zones
        .iter()
        .zip(files.iter().map(PathBuf::as_path))
        .map(input)
        .collect();
    let mut hashes = Sha256::new();
    let mut texts = BTreeMap::new();
    let mut read = |path: &Path| {
        included.insert(path.to_owned());
        let text: Arc<str> = match case.beside.get(path) {
            Some(text) => Arc::clone(text),
            None => config::read_zone(path)
                .map_err(|found| std::io::Error::other(found.message))?
                .into(),
        };
        hashes.update(&*text);
        texts.insert(path.to_owned(), Arc::clone(&text));
        Ok(text.as_ref().to_owned())
    };
    let moved = MovedTypes::of(config);
    let (services, name) = (&config.services, &config.server.name);
    let built = Zones::build_moving(&inputs, services, &moved, name, &mut read);
    warnings.extend(built.warnings);
    let hash_included = hashes.finalize();
    match built.zones {
        Err(mut found) => {
            errors.append(&mut found);
            None
        }
        Ok(zones) => {
            // What moves with targets is taken out of the static records.
            let moving = if moved == MovedTypes::default() {
                String::new()
            } else {
                format!("{:?}", digest(&[&format!("{moved:?}")]))
            };
            let hash_included = format!("{hash_included:?}");
            let version = |zone: &ZoneConfig| {
                let text = case.zones.get(&zone.name).map_or("", |text| text);
                let made = format!("{:?}{moving}", zone.source);
                let hash = digest(&[text, &made, &hash_included]);
                ZoneVersion {
                    apex: zone.name.clone(),
                    serial: zones.serial_of(&zone.name),
                    hash: hash
                        .iter()
                        .take(8)
                        .map(|byte| format!("{byte:02x}"))
                        .collect(),
                }
            };
            let versions = config.zones.iter().map(version).collect();
            Some(Built {
                zones,
                versions,
                included: texts,
            })
        }
    }
}

/// What is wrong with the records of targets, and what is seldom meant; `zones` where they could
/// be built.
pub(super) fn records(
    case: &Case,
    config: &Config,
    zones: Option<&Zones>,
    warnings: &mut Vec<Diagnostic>,
    errors: &mut Vec<Diagnostic>,
) {
    for found in dns::moved_records(config, zones) {
        let places = &case.loaded.places;
        let placed = places.record(&found.target, found.index, found.offset, found.message);
        if found.is_warning {
            warnings.push(placed.warning());
        } else {
            errors.push(placed);
        }
    }
}
