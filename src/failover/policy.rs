//! What the fold asks of a policy, and what it gets: a proposal that nobody has checked yet.
//!
//! The fold knows no script language. [`Policy`] is implemented by `policy/` with Rhai, and by
//! plain closures in tests.

use super::view::ServiceView;
use crate::model::{Param, PolicyVersion, TargetName};
use std::collections::BTreeMap;

/// Every policy version that may be asked, by version.
pub trait Policy {
    /// What should DNS answer from now on?
    ///
    /// # Errors
    /// Whatever keeps the version from proposing: an error in the script, a limit, a version
    /// that is not loaded. A fault is a value: the guard decides what happens.
    fn propose(
        &self,
        version: &PolicyVersion,
        service: ServiceView,
    ) -> Result<Proposal, PolicyFault>;

    /// The version of the built-in policy, always loaded.
    fn builtin(&self) -> &PolicyVersion;
}

/// What a policy returned: untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What to answer.
    pub action: Action,
    /// Why, in one sentence.
    pub reason: String,
    /// The script line that made it, from 1; 0 unknown.
    pub line: u32,
    /// TTL in ms, unclamped.
    pub ttl_ms: Option<i64>,
    /// To be said aloud.
    pub alert: Option<String>,
    /// To be remembered; `None` forgets.
    pub remember: BTreeMap<String, Option<Param>>,
}

impl Proposal {
    /// A proposal with an action and a reason and nothing else.
    pub fn new(action: Action, reason: impl Into<String>) -> Self {
        Self {
            action,
            reason: reason.into(),
            line: 0,
            ttl_ms: None,
            alert: None,
            remember: BTreeMap::new(),
        }
    }
}

/// What to answer from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// These, the first is the active one.
    Serve(Vec<TargetName>),
    /// Every target that may be served.
    ServeAll,
    /// What is answered now.
    Hold,
}

/// Why a policy did not propose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// The script line, from 1; 0 unknown.
    pub line: u32,
}
