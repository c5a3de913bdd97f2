//! Sources: everything that an operator wrote, as text, read at one moment.
//!
//! Knows where files lie, not what is right in them. A file that cannot be read is kept as the
//! finding that says why, so that one missing policy does not hide what is wrong with another.

use crate::{
    config::{self, Loaded, Paths},
    model::{
        Config, Diagnostic, DnsName, ExecProbe, HttpProbe, Monitor, PolicyName, ProbeKind, Service,
        TlsProbe, ZoneSource, service::default_policy,
    },
    policy,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A file's text, or why there is none.
pub type Text = Result<Arc<str>, Diagnostic>;

/// Everything that an operator wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Sources {
    /// The configuration's path.
    pub path: PathBuf,
    /// The configuration.
    pub config: Text,
    /// Policies that a configuration uses.
    pub policies: BTreeMap<PolicyName, Text>,
    /// Their tests, where there are any.
    pub tests: BTreeMap<PolicyName, Text>,
    /// Zone files by apex.
    pub zones: BTreeMap<DnsName, Text>,
    /// What lies beside them: what zone files include, authorities that monitors trust.
    pub beside: BTreeMap<PathBuf, Text>,
}

impl Sources {
    /// Reads the configuration and what it names; what a configuration in force names too, so
    /// that a mended policy is seen while the configuration is broken.
    pub fn read(
        path: &Path,
        in_force: Option<&Config>,
    ) -> (Self, Option<Result<Loaded, Vec<Diagnostic>>>) {
        let text = read(path);
        let file = path.display().to_string();
        let mut parsed = text.as_ref().ok().map(|text| config::parse(&file, text));
        if let Some(Ok(loaded)) = &mut parsed {
            resolve_paths(&Paths::of(path), &mut loaded.config);
        }
        let mut sources = Self {
            path: path.to_owned(),
            config: text,
            policies: BTreeMap::new(),
            tests: BTreeMap::new(),
            zones: BTreeMap::new(),
            beside: BTreeMap::new(),
        };
        if let Some(config) = in_force {
            sources.read_named(config);
        }
        if let Some(Ok(loaded)) = &parsed {
            sources.read_named(&loaded.config);
        }
        (sources, parsed)
    }

    /// Reads files that no configuration names: those that zone files include.
    pub fn read_included<'f>(&mut self, files: impl IntoIterator<Item = &'f PathBuf>) {
        for file in files {
            let text = config::read_zone(file).map(Into::into);
            self.beside.insert(file.clone(), text);
        }
    }

    /// What a configuration that is read later replaces: its files count, where both name one.
    fn read_named(&mut self, config: &Config) {
        let paths = Paths::of(&self.path);
        for name in config.services.values().flat_map(Service::policies) {
            let file = paths.policy(config, name);
            let text = match read(&file) {
                // The default policy is built in: no file is needed for it.
                Err(_) if *name == default_policy() && !file.exists() => {
                    Ok(policy::BUILTIN_SOURCE.into())
                }
                read => read,
            };
            self.policies.insert(name.clone(), text);
            let tests = paths.policy_test(config, name);
            if tests.exists() {
                self.tests.insert(name.clone(), read(&tests));
            } else {
                self.tests.remove(name);
            }
        }
        for file in authorities(config) {
            self.beside.insert(file.clone(), read(&file));
        }
        for zone in &config.zones {
            if let ZoneSource::File(file) = &zone.source {
                let text = config::read_zone(&paths.resolve(file)).map(Into::into);
                self.zones.insert(zone.name.clone(), text);
            }
        }
    }

    /// Whether a file is empty that was not before: an editor may be half-way through a save.
    pub fn is_half_saved(&self, before: &Self) -> bool {
        fn emptied<K: Ord>(new: &BTreeMap<K, Text>, old: &BTreeMap<K, Text>) -> bool {
            new.iter()
                .any(|(key, text)| is_gone(text) && !old.get(key).is_none_or(is_gone))
        }
        // Where the file of the default policy is renamed away, the built-in one shows for a moment.
        let is_builtin =
            |text: &Text| matches!(text, Ok(text) if **text == *policy::BUILTIN_SOURCE);
        let turned_builtin = self.policies.iter().any(|(name, text)| {
            is_builtin(text)
                && before
                    .policies
                    .get(name)
                    .is_some_and(|old| !is_builtin(old))
        });
        turned_builtin
            || is_gone(&self.config) && !is_gone(&before.config)
            || emptied(&self.policies, &before.policies)
            || emptied(&self.tests, &before.tests)
            || emptied(&self.zones, &before.zones)
            || emptied(&self.beside, &before.beside)
    }

    /// The folders whose changes matter. Folders, since a rename over a file leaves a watch on
    /// the file behind. Where a folder is missing, the nearest one above it that is there: it
    /// will see it come.
    pub fn folders(&self, configs: &[&Config]) -> BTreeSet<PathBuf> {
        let paths = Paths::of(&self.path);
        // Most services share their policy.
        let mut files = BTreeSet::from([self.path.clone()]);
        files.extend(self.beside.keys().cloned());
        let mut folders = BTreeSet::new();
        for config in configs {
            folders.insert(there(&paths.policies(config)));
            for policy in config.services.values().flat_map(Service::policies) {
                files.insert(paths.policy(config, policy));
                files.insert(paths.policy_test(config, policy));
            }
            for zone in &config.zones {
                if let ZoneSource::File(file) = &zone.source {
                    files.insert(paths.resolve(file));
                }
            }
        }
        for file in files {
            folders.extend(file.parent().map(there));
            // A link is watched where it points, too.
            if let Ok(real) = fs::canonicalize(&file) {
                folders.extend(real.parent().map(there));
            }
        }
        folders
    }
}

/// The folder, or the nearest one above it that exists, by its real path: two paths to one folder
/// would share a watch, and the end of one would end both.
fn there(folder: &Path) -> PathBuf {
    let mut real = folder.ancestors().filter_map(|folder| {
        let here = folder.as_os_str().is_empty();
        fs::canonicalize(if here { Path::new(".") } else { folder }).ok()
    });
    real.find(|folder| folder.is_dir())
        .unwrap_or_else(|| folder.to_owned())
}

/// Paths in a configuration start at its folder, wherever the program was started.
pub fn resolve_paths(paths: &Paths, config: &mut Config) {
    for monitor in config.monitors.values_mut() {
        if let ProbeKind::Http(HttpProbe { ca: Some(ca), .. })
        | ProbeKind::Tls(TlsProbe { ca: Some(ca), .. }) = &mut monitor.probe
        {
            *ca = paths.resolve(&*ca).display().to_string();
        }
        // A bare word is looked for in PATH.
        if let ProbeKind::Exec(ExecProbe { command }) = &mut monitor.probe
            && let Some(program) = command.first_mut().filter(|word| word.contains('/'))
        {
            *program = paths.resolve(&*program).display().to_string();
        }
    }
}

/// The files of authorities that monitors trust.
fn authorities(config: &Config) -> impl Iterator<Item = PathBuf> {
    let of = |monitor: &Monitor| match &monitor.probe {
        ProbeKind::Http(HttpProbe { ca, .. }) | ProbeKind::Tls(TlsProbe { ca, .. }) => {
            ca.as_ref().map(PathBuf::from)
        }
        _ => None,
    };
    config.monitors.values().filter_map(of)
}

fn is_gone(text: &Text) -> bool {
    text.as_ref().map_or(true, |text| text.trim().is_empty())
}

fn read(path: &Path) -> Text {
    config::read(path).map(Into::into)
}
