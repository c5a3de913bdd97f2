//! Policies as data: their text, and the version that names a text with its parameters.

use super::{Params, PolicyName};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, sync::Arc};

/// A policy's source under its file name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyText {
    /// The file name below the policy directory.
    pub name: PolicyName,
    /// The whole text.
    pub source: Arc<str>,
}

/// SHA-256 of a source and its parameters in canonical form, written `sha256:3f2a…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyVersion(Arc<str>);

impl PolicyVersion {
    /// The version of `source` under the overridden parameters `params`.
    pub fn of(source: &str, params: &Params) -> Self {
        let mut hash = Sha256::new();
        hash.update((source.len() as u64).to_be_bytes());
        hash.update(source);
        for (name, value) in params {
            hash.update(format!("{name}={value}\n"));
        }
        let mut text = String::from("sha256:");
        for byte in hash.finalize() {
            text.push_str(&format!("{byte:02x}"));
        }
        Self(text.into())
    }

    /// The whole text, `sha256:` and 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first four hexadecimal digits: what messages to operators show.
    pub fn short(&self) -> &str {
        self.0.get(7..11).unwrap_or(&self.0)
    }
}

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
