//! What was in force, kept in the journal as text: a restart with broken files starts with it.
//!
//! Knows how files become rows and back, not where rows are stored.

use super::{
    judge::{Case, Passed},
    sources::{self, Sources},
};
use crate::{
    config::{self, Loaded, Paths},
    journal::Kept,
    model::Diagnostic,
};
use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::Arc};

const CONFIG: &str = "config";
const POLICY: &str = "policy";
const TEST: &str = "test";
const ZONE: &str = "zone";
const BESIDE: &str = "beside";
/// What passed trials and tests, by the version that ran them: another one tries again.
const PASSED: &str = "passed";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The rows of a case.
pub(super) fn keep(case: &Case, passed: &Passed) -> Kept {
    let mut kept = Kept::default();
    let mut add = |role: &str, name: String, text: Arc<str>| {
        kept.files.insert((role.to_owned(), name), text);
    };
    add(CONFIG, String::new(), case.loaded.places.text().into());
    for (name, text) in &case.policies {
        add(POLICY, name.to_string(), Arc::clone(text));
    }
    for (name, text) in &case.tests {
        add(TEST, name.to_string(), Arc::clone(text));
    }
    for (apex, text) in &case.zones {
        add(ZONE, apex.to_string(), Arc::clone(text));
    }
    let folder = case.path.parent().unwrap_or(Path::new(""));
    for (file, text) in &case.beside {
        // From the folder on, by whichever path the next start is told of it.
        let name = file.strip_prefix(folder).unwrap_or(file);
        add(BESIDE, name.display().to_string(), Arc::clone(text));
    }
    let mut digests = String::new();
    for digest in passed {
        for byte in digest {
            // Writing to a String never fails.
            let _ = write!(digests, "{byte:02x}");
        }
        digests.push('\n');
    }
    add(PASSED, VERSION.to_owned(), digests.into());
    kept
}

/// The files of the rows, as if they were read from disk now, and the configuration among them.
/// `None` where there are none.
pub(super) fn sources(
    path: &Path,
    kept: &Kept,
) -> Option<(Sources, Result<Loaded, Vec<Diagnostic>>)> {
    let of = |wanted: &'static str| {
        let rows = kept.files.iter();
        rows.filter(move |((role, _), _)| role == wanted)
            .map(|((_, name), text)| (name.as_str(), Ok(Arc::clone(text))))
    };
    let (_, Ok(text)) = of(CONFIG).next()? else {
        return None;
    };
    let mut parsed = config::parse(&path.display().to_string(), &text);
    if let Ok(loaded) = &mut parsed {
        sources::resolve_paths(&Paths::of(path), &mut loaded.config);
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let beside = of(BESIDE).flat_map(|(name, text)| {
        // A configuration may name a file of its own folder by its whole path.
        let whole = std::path::absolute(folder.join(name)).ok();
        let names = [Some(folder.join(name)), whole].into_iter().flatten();
        names.map(move |file| (file, text.clone()))
    });
    let sources = Sources {
        path: path.to_owned(),
        config: Ok(text),
        policies: of(POLICY).map(|(name, text)| (name.into(), text)).collect(),
        tests: of(TEST).map(|(name, text)| (name.into(), text)).collect(),
        zones: of(ZONE).map(|(apex, text)| (apex.into(), text)).collect(),
        beside: beside.collect::<BTreeMap<_, _>>(),
    };
    Some((sources, parsed))
}

/// What this version found good before.
pub(super) fn passed(kept: &Kept) -> Passed {
    let texts = kept.files.iter();
    texts
        .filter(|((role, version), _)| role == PASSED && version == VERSION)
        .flat_map(|(_, text)| text.lines().filter_map(digest))
        .collect()
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 2 * digest.len() || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passed_is_read_again_and_garbage_is_not() {
        let mut kept = Kept::default();
        let row = |version: &str, text: &str| {
            (
                (PASSED.to_owned(), version.to_owned()),
                Arc::<str>::from(text),
            )
        };
        let good = "07".repeat(32);
        let text = format!("{good}\nnonsense\n{}\n", "é".repeat(32));
        kept.files.extend([row(VERSION, &text)]);
        assert_eq!(passed(&kept), Passed::from([[7; 32]]));
        kept.files.clear();
        kept.files.extend([row("0.0.0-other", &text)]);
        assert_eq!(passed(&kept), Passed::new());
    }
}
