//! An order as it is sent: what operators ask for, without who asks, which the socket knows.
//!
//! A form of its own: an unknown field, such as a misspelt end, is refused, while recordings keep
//! fields that they do not know.

use crate::{
    failover::{Command, orders::Force},
    model::{ServiceName, TargetName, Timestamp},
};
use serde::{Deserialize, Serialize};

/// The body of `POST /api/v1/plan` and `POST /api/v1/orders`:
/// `{"command": "switch", "service": "www", "target": "backup", "reason": "rack move"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// What.
    pub command: Verb,
    /// Why: one line of 1 to 512 bytes.
    pub reason: String,
    /// For `switch`, `hold`, `release`, `failback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// For `switch`, `drain`, `undrain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetName>,
    /// Wall time at which it ends by itself: for `switch`, `hold`, `drain`, `freeze`, and a
    /// `failback` by force.
    #[serde(rename = "until_ms", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// A `failback` though the primary fails.
    #[serde(default)]
    pub force: bool,
}

/// The body of `POST /api/v1/promote`: `{"service": "www", "reason": "a week in the shadow"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromoteRequest {
    /// Whose shadow.
    pub service: ServiceName,
    /// Why: one line of 1 to 512 bytes.
    pub reason: String,
    /// Only say what it would do.
    #[serde(default)]
    pub dry_run: bool,
}

/// What can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(
    missing_docs,
    reason = "each is the variant of the same name of `Command`"
)]
pub enum Verb {
    Switch,
    Hold,
    Release,
    Failback,
    Drain,
    Undrain,
    Freeze,
    Thaw,
}

impl OrderRequest {
    /// Reason, command and force; a sentence where a field is missing or has no meaning.
    pub(super) fn read(self) -> Result<(String, Command, Option<Force>), String> {
        let mut left = Left {
            service: self.service,
            target: self.target,
            until: self.until,
            force: self.force,
        };
        let mut force = None;
        let command = match self.command {
            Verb::Switch => Command::Switch {
                service: left.service()?,
                target: left.target()?,
                until: left.until.take(),
            },
            Verb::Hold => Command::Hold {
                service: left.service()?,
                until: left.until.take(),
            },
            Verb::Release => Command::Release {
                service: left.service()?,
            },
            Verb::Failback => {
                if std::mem::take(&mut left.force) {
                    let until = left.until.take();
                    force = Some(Force { until });
                }
                Command::Failback {
                    service: left.service()?,
                }
            }
            Verb::Drain => Command::Drain {
                target: left.target()?,
                until: left.until.take(),
            },
            Verb::Undrain => Command::Undrain {
                target: left.target()?,
            },
            Verb::Freeze => Command::Freeze {
                until: left.until.take(),
            },
            Verb::Thaw => Command::Thaw,
        };
        left.nothing()?;
        Ok((self.reason, command, force))
    }
}

/// The fields that no command has taken yet.
struct Left {
    service: Option<ServiceName>,
    target: Option<TargetName>,
    until: Option<Timestamp>,
    force: bool,
}

impl Left {
    fn service(&mut self) -> Result<ServiceName, String> {
        self.service
            .take()
            .ok_or_else(|| "the body: this command needs a `service`".to_owned())
    }

    fn target(&mut self) -> Result<TargetName, String> {
        self.target
            .take()
            .ok_or_else(|| "the body: this command needs a `target`".to_owned())
    }

    fn nothing(&self) -> Result<(), String> {
        let unused = [
            ("service", self.service.is_some()),
            ("target", self.target.is_some()),
            ("until_ms", self.until.is_some()),
            ("force", self.force),
        ];
        match unused.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((name, _)) => Err(format!("the body: this command takes no `{name}`")),
        }
    }
}
