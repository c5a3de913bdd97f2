//! Files as bytes: reading one within bounds, and which one a path in the configuration means.

use super::load::{Loaded, parse};
use crate::model::{Config, Diagnostic, PolicyName};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// No file that an operator writes by hand is larger than 4 MiB.
pub const MAX_FILE_BYTES: u64 = 4 << 20;
/// Zone files are written by programs: a million records are some 30 MiB, this is a bound.
pub const MAX_ZONE_BYTES: u64 = 1 << 30;

/// Reads a text file of at most [`MAX_FILE_BYTES`].
///
/// # Errors
/// One finding: the file is missing, not a file, unreadable, too large or not UTF-8.
pub fn read(path: &Path) -> Result<String, Diagnostic> {
    let missing = "name one, or make one with `sidestep init`";
    read_within(path, MAX_FILE_BYTES, missing)
}

/// Reads a zone file, or what one includes, of at most [`MAX_ZONE_BYTES`].
///
/// # Errors
/// As [`read`].
pub fn read_zone(path: &Path) -> Result<String, Diagnostic> {
    let missing = "write it, or correct its name; a relative one begins at the folder of the file that says it";
    read_within(path, MAX_ZONE_BYTES, missing)
}

/// `missing` is what to do where there is no such file.
fn read_within(path: &Path, max_bytes: u64, missing: &str) -> Result<String, Diagnostic> {
    let file = path.display().to_string();
    let whole = |message: String| Diagnostic::error(&*file, "", 0, 0, message);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => whole(format!("there is no such file: {missing}")),
        std::io::ErrorKind::PermissionDenied => {
            whole("this user may not read it: change its permissions".to_owned())
        }
        _ => whole(format!("cannot be read: {error}")),
    };
    let opened = File::open(path).map_err(failed)?;
    if opened.metadata().map_err(failed)?.is_dir() {
        return Err(whole("is a folder: name a file in it".to_owned()));
    }
    let mut bytes = Vec::new();
    let mut bounded = opened.take(max_bytes + 1);
    bounded.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > max_bytes {
        let max_mib = max_bytes >> 20;
        return Err(whole(format!(
            "is larger than {max_mib} MiB: it is hardly what was meant"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        Diagnostic::error_at(
            &*file,
            &text,
            valid,
            "is not UTF-8 from here on: save it as UTF-8",
        )
    })
}

/// Reads and parses the configuration at `path`.
///
/// # Errors
/// As [`read`] and [`parse`].
pub fn load(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    let text = read(path).map_err(|error| vec![error])?;
    parse(&path.display().to_string(), &text)
}

/// What the relative paths of a configuration mean: they start at its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    folder: PathBuf,
}

impl Paths {
    /// The paths of the configuration file `config`.
    pub fn of(config: &Path) -> Self {
        let folder = config.parent().unwrap_or(Path::new(""));
        Self {
            folder: folder.to_owned(),
        }
    }

    /// A path as the configuration writes it: absolute ones stay.
    pub fn resolve(&self, written: impl AsRef<Path>) -> PathBuf {
        self.folder.join(written)
    }

    /// The folder of the journal and the control socket.
    pub fn data(&self, config: &Config) -> PathBuf {
        self.resolve(&config.server.data)
    }

    /// The folder of the policies.
    pub fn policies(&self, config: &Config) -> PathBuf {
        self.resolve(&config.server.policies)
    }

    /// The file of a policy.
    pub fn policy(&self, config: &Config, name: &PolicyName) -> PathBuf {
        self.policies(config).join(name.as_str())
    }

    /// The file of a policy's tests: `failover.test.toml` beside `failover.rhai`.
    pub fn policy_test(&self, config: &Config, name: &PolicyName) -> PathBuf {
        self.policy(config, name).with_extension("test.toml")
    }
}
