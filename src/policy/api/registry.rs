//! The registry: words of the API with their descriptions, and the definitions file made of them.

use crate::policy::{engine::UNITS, ledger::Ledger};
use rhai::{Engine, RhaiNativeFunc, Variant};

/// What a word stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum On {
    /// The argument of `decide`.
    Service,
    /// A target, or what one vantage or monitor knows of it.
    Target,
    /// `service.probe`.
    Probe,
    /// What `serve` and the others return.
    Proposal,
    /// Nothing: it is called by its name alone.
    Nothing,
    /// A list.
    List,
    /// A text.
    Text,
    /// A map.
    Map,
}

impl On {
    /// The word for it in messages and in the definitions.
    pub(in crate::policy) fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Target => "target",
            Self::Probe => "probe",
            Self::Proposal => "proposal",
            Self::Nothing => "",
            Self::List => "list",
            Self::Text => "string",
            Self::Map => "map",
        }
    }
}

/// One word of the API.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Entry {
    /// What it stands on.
    pub(in crate::policy) on: On,
    /// The word.
    pub(in crate::policy) name: &'static str,
    /// `None` for a property, else the parameters as written in definitions.
    pub(in crate::policy) params: Option<&'static str>,
    /// What it gives.
    pub(in crate::policy) returns: &'static str,
    /// One sentence, with the unit.
    pub(in crate::policy) doc: &'static str,
}

impl Entry {
    /// How many parameters, the receiver not counted.
    pub(in crate::policy) fn arity(&self) -> usize {
        match self.params {
            None | Some("") => 0,
            Some(params) => params.matches(',').count() + 1,
        }
    }
}

/// Where words are registered.
pub(super) struct Registry<'e> {
    pub(super) engine: &'e mut Engine,
    entries: Vec<Entry>,
}

impl<'e> Registry<'e> {
    pub(super) fn new(engine: &'e mut Engine) -> Self {
        Self {
            engine,
            entries: Vec::new(),
        }
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// A property: `on.name`.
    pub(super) fn property<T: Variant + Clone, V: Variant + Clone>(
        &mut self,
        on: On,
        name: &'static str,
        returns: &'static str,
        doc: &'static str,
        get: impl Fn(&mut T) -> V + 'static,
    ) {
        self.engine.register_get(name, get);
        self.entries.push(Entry {
            on,
            name,
            params: None,
            returns,
            doc,
        });
    }

    /// A function or method; `params` without the receiver.
    pub(super) fn function<A: 'static, const N: usize, const X: bool, R, const F: bool>(
        &mut self,
        on: On,
        name: &'static str,
        (params, returns): (&'static str, &'static str),
        doc: &'static str,
        call: impl RhaiNativeFunc<A, N, X, R, F> + 'static,
    ) where
        R: Variant + Clone,
    {
        self.engine.register_fn(name, call);
        self.entries.push(Entry {
            on,
            name,
            params: Some(params),
            returns,
            doc,
        });
    }
}

/// Every word of the API, as registered.
pub(in crate::policy) fn entries() -> Vec<Entry> {
    super::register(&mut Engine::new_raw(), &Ledger::default())
}

/// The text of `policies/api.d.rhai`: what editors and people read.
pub fn definitions() -> String {
    let mut text = String::from(
        "// The API of sidestep policies, version 1. Generated from what the engine registers: do not edit.\n\
         // Times are integer milliseconds. `T` is a value of any type.\n\
         module static;\n\n\
         // Units of time, in ms.\n",
    );
    for (name, ms) in UNITS {
        text.push_str(&format!("const {name} = {ms};\n"));
    }
    let mut entries = entries();
    entries.sort_by_key(|entry| entry.on);
    let mut on = None;
    for entry in &entries {
        if on != Some(entry.on) {
            on = Some(entry.on);
            let title = match entry.on {
                On::Nothing => "What `decide` returns".to_owned(),
                other => format!("On a {}", other.word()),
            };
            text.push_str(&format!("\n// ---- {title}\n"));
        }
        let receiver = match entry.on {
            On::Nothing => String::new(),
            other => other.word().to_owned(),
        };
        let (name, returns) = (entry.name, entry.returns);
        let line = match entry.params {
            None => format!("fn get {name}({receiver}: {receiver}) -> {returns};"),
            Some(params) if receiver.is_empty() => format!("fn {name}({params}) -> {returns};"),
            Some("") => format!("fn {name}({receiver}: {receiver}) -> {returns};"),
            Some(params) => format!("fn {name}({receiver}: {receiver}, {params}) -> {returns};"),
        };
        text.push_str(&format!("\n/// {}\n{line}\n", entry.doc));
    }
    text
}
