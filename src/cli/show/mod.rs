//! Rendering: an overview as text for a terminal.
//!
//! Pure functions from what was served to a text; nothing here asks the daemon or reads a clock:
//! ages are as of the overview. Text that comes from elsewhere (reasons, names, files) is cleaned
//! of control characters, so that it cannot drive the terminal.

mod explanation;
pub(super) mod layout;
mod one_service;
mod order;
mod orders;
mod promotion;
mod reload;
mod shadows;
mod table;
mod what_if;

pub use explanation::explanation;
pub use one_service::service;
pub use order::{ordered, plan};
pub use promotion::{promoted, promotion};
pub use reload::reload;
pub use table::status;
pub use what_if::{Run, what_if, what_if_table};

use crate::{
    failover::{
        By, Rail,
        overview::{Health, Overview, Refused},
    },
    model::DnsName,
};
use layout::{Paint, clean, wrapped};
use reload::differently;
use std::net::IpAddr;
use std::{env, io::IsTerminal};

/// How wide a text may be where nobody says.
const WIDTH_DEFAULT: usize = 100;

/// What the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns; at least 40 are assumed.
    pub width: usize,
    /// Whether colours are wanted (ECMA-48 sequences).
    pub colour: bool,
}

impl Look {
    /// Plain text of 100 columns.
    pub const PLAIN: Self = Self {
        width: WIDTH_DEFAULT,
        colour: false,
    };

    /// What standard output can do: colours on a terminal only, and not where `NO_COLOR` is set
    /// (no-color.org) or the terminal is dumb; the width from `COLUMNS`, else 100.
    pub fn of_stdout() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|value| value == "dumb");
        let columns = env::var("COLUMNS").ok();
        Self {
            width: columns
                .and_then(|columns| columns.parse().ok())
                .unwrap_or(WIDTH_DEFAULT),
            colour: std::io::stdout().is_terminal() && !refused,
        }
    }
}

/// What deserves attention, below everything: advisories, refused files, a pending reload.
fn footnotes(overview: &Overview, look: Look) -> String {
    let mut text = String::new();
    for advisory in &overview.advisories {
        text += &wrapped("! ", Paint::Yellow, advisory, look);
    }
    let Some(daemon) = &overview.daemon else {
        return text;
    };
    for refused in &daemon.refused {
        text += &refusal(refused, look);
    }
    if let Some(pending) = &daemon.pending {
        let sentence = format!(
            "a reload by {} waits, as it moves {}: 'sidestep reload --apply' applies it",
            pending.by,
            pending.moves.join(" and ")
        );
        text += &wrapped("? ", Paint::Yellow, &sentence, look);
    }
    if let Some(gate) = &daemon.gate {
        text += &differently(gate, look);
    }
    text
}

/// A refused file with its place, the line and the caret, and what runs instead.
fn refusal(refused: &Refused, look: Look) -> String {
    let mut text = wrapped("x ", Paint::Red, &refused.diagnostic.headline(), look);
    let whole = refused.diagnostic.to_string();
    for line in whole.lines().skip(1) {
        text += &format!("  {}\n", clean(line));
    }
    text + wrapped("  ", Paint::Plain, &refused.kept, look).as_str()
}

fn health_paint(health: Health) -> Paint {
    match health {
        Health::Up => Paint::Green,
        Health::Failing => Paint::Yellow,
        Health::Down => Paint::Red,
        Health::Unknown => Paint::Dim,
    }
}

pub(super) fn rail_word(rail: Rail) -> &'static str {
    match rail {
        Rail::Fault => "the policy faulted",
        Rail::Override => "override",
        Rail::Freeze => "frozen",
        Rail::Isolated => "isolated",
        Rail::AskingWitnesses => "asking the witnesses",
        Rail::NeverWorse => "never worse",
        Rail::Gone => "withdrawn",
        Rail::SwitchBudget => "switch budget",
    }
}

pub(super) fn by_sentence(by: By) -> &'static str {
    match by {
        By::Policy => "the policy",
        By::Previous => "the policy's previous version",
        By::Builtin => "the built-in failover.rhai",
        By::Operator => "an operator",
        By::Guard => "the guard",
    }
}

/// What is answered in words: `CNAME lb.example.net (192.0.2.30 at an apex)`, or addresses and
/// how many records move with them.
fn answers(addresses: &[IpAddr], cname: Option<&DnsName>, records: &[String]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let addresses = addresses.join(" ");
    let said = match cname {
        Some(cname) if addresses.is_empty() => format!("CNAME {cname} (nothing yet at an apex)"),
        Some(cname) => format!("CNAME {cname} ({addresses} at an apex)"),
        None => addresses,
    };
    let mut said = vec![said];
    said.extend(records.iter().cloned());
    said.join(", ")
}
