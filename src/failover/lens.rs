//! The lens: a view that notes which facts are read, and shows some of them as they are supposed.
//!
//! Live views have none, which costs them one branch for each fact. Behind a lens a supposed value
//! stands for the fact in everything that is computed from it: `is_down(n)` from `failures`,
//! `is_up(n)` and `service.up(n)` from `successes`, the lists of a service from `drained`. A streak
//! is of one kind: where `failures` are supposed, there are no `successes`, and the other way
//! round. Other facts stay as they are, though the world in which only one differs may be a rare
//! one. The guard looks through no lens.

use crate::model::{MonitorName, Observation, Param, TargetName, VantageName};
use std::{cell::Cell, cell::RefCell, collections::BTreeMap, fmt};

/// What a fact is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The service.
    Service,
    /// A target: all of it, or what one vantage or one monitor knows.
    Target {
        /// Which.
        name: TargetName,
        /// As this vantage sees it.
        vantage: Option<VantageName>,
        /// Under this monitor.
        monitor: Option<MonitorName>,
    },
}

/// `service`, `backup`, `backup@ns2`, `backup/https`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("service"),
            Self::Target {
                name,
                vantage,
                monitor,
            } => {
                write!(f, "{name}")?;
                if let Some(vantage) = vantage {
                    write!(f, "@{vantage}")?;
                }
                monitor.iter().try_for_each(|name| write!(f, "/{name}"))
            }
        }
    }
}

/// A fact that a policy can read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// Of what.
    pub of: Subject,
    /// The word of the API: `failures`, `loss`.
    pub word: &'static str,
    /// What it is asked with: a window in ms, a number of vantages' probes, a remembered key.
    pub argument: Option<Param>,
}

/// The value of a fact, as scripts see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `()`: there is no figure, or no probe.
    Nothing,
    /// An int, a bool or a text.
    Is(Param),
}

impl Value {
    /// The int, where it is one.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Is(Param::Int(value)) => Some(*value),
            Self::Is(Param::Bool(_) | Param::Text(_)) | Self::Nothing => None,
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Is(Param::Int(value))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Is(Param::Bool(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Is(Param::Text(value.to_owned()))
    }
}

/// `()`, `3`, `true`, `"stale"`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("()"),
            Self::Is(value) => value.fmt(f),
        }
    }
}

/// A threshold that a fact was compared with by the API: `is_down(3)`.
pub type Asked = (&'static str, i64);

/// A fact that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Which.
    pub fact: Fact,
    /// What it was, or was supposed to be.
    pub value: Value,
    /// Where the script asked for a comparison: with what.
    pub asked: Option<Asked>,
    /// The line that read it, from 1; 0 unknown.
    pub line: u32,
}

/// Facts with the values that are supposed of them.
pub type Suppositions = BTreeMap<Fact, Value>;

/// Suppositions, and what was read.
#[derive(Debug, Default)]
pub struct Lens {
    supposed: Suppositions,
    reads: RefCell<Vec<Read>>,
    line: Cell<u32>,
}

impl Lens {
    /// A lens that shows these facts so, and all others as they are.
    pub fn supposing(supposed: Suppositions) -> Self {
        Self {
            supposed,
            ..Self::default()
        }
    }

    /// The line of the script that reads from now on; 0 unknown.
    pub fn at_line(&self, line: u32) {
        self.line.set(line);
    }

    /// What was read, each fact with each comparison once, in the order of their coming.
    pub fn reads(&self) -> Vec<Read> {
        self.reads.borrow().clone()
    }

    /// The supposed value of a fact.
    fn supposed(&self, fact: &Fact) -> Option<&Value> {
        self.supposed.get(fact)
    }

    /// Whether the streak of the other kind is supposed to go on.
    fn other_streak(&self, fact: &Fact) -> bool {
        let word = match fact.word {
            "failures" => "successes",
            "successes" => "failures",
            _ => return false,
        };
        let other = Fact {
            word,
            ..fact.clone()
        };
        let value = self.supposed(&other).and_then(Value::int);
        value.is_some_and(|value| value > 0)
    }

    /// Notes that a fact was read.
    pub(super) fn note(&self, fact: Fact, value: Value, asked: Option<Asked>) {
        let mut reads = self.reads.borrow_mut();
        let known = |read: &Read| read.fact == fact && read.asked == asked;
        if !reads.iter().any(known) {
            reads.push(Read {
                fact,
                value,
                asked,
                line: self.line.get(),
            });
        }
    }

    /// The value of a fact that is `real` in the world.
    pub(super) fn read(&self, fact: Fact, real: Value, asked: Option<Asked>) -> Value {
        let value = match self.supposed(&fact) {
            Some(supposed) => supposed.clone(),
            None if self.other_streak(&fact) => Value::from(0),
            None => real,
        };
        self.note(fact, value.clone(), asked);
        value
    }

    /// Whether a target is supposed to be drained, or not; `None` where nothing is supposed.
    pub(super) fn drained(&self, target: &TargetName) -> Option<bool> {
        let fact = Fact {
            of: Subject::Target {
                name: target.clone(),
                vantage: None,
                monitor: None,
            },
            word: "drained",
            argument: None,
        };
        match self.supposed(&fact)? {
            Value::Is(Param::Bool(drained)) => Some(*drained),
            Value::Is(_) | Value::Nothing => None,
        }
    }
}

/// `primary https timeout`, `backup https good in 21 ms`: the probe that woke a policy.
pub(super) fn of_probe(seen: Option<&Observation>) -> Value {
    let Some(seen) = seen else {
        return Value::Nothing;
    };
    let found = match (seen.ok, seen.rtt_us, seen.error) {
        (true, Some(us), _) => format!("good in {} ms", us.div_ceil(1_000)),
        (true, None, _) => "good".to_owned(),
        (false, _, Some(error)) => error.word().to_owned(),
        (false, _, None) => "bad".to_owned(),
    };
    Value::from(format!("{} {} {found}", seen.target, seen.monitor).as_str())
}
