//! Parameters of a policy: the values of its top-level constants.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// A parameter, and a value that a decision remembers: an int, a string or a bool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Param {
    /// A bool.
    Bool(bool),
    /// An integer; durations are ms.
    Int(i64),
    /// A string; a duration string serves where an int is wanted.
    Text(String),
}

/// Parameters by name, in the order of their names: the canonical form.
pub type Params = BTreeMap<String, Param>;

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}
