//! The registry: words of the API with their descriptions, and the definitions file made of them.

use crate::policy::{engine::UNITS, ledger::Ledger};
use rhai::{Dynamic, Engine, NativeCallContext, RhaiFunc, RhaiNativeFunc, Variant};

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
    /// Whether its words read facts.
    fn has_facts(self) -> bool {
        matches!(self, Self::Service | Self::Target | Self::Probe)
    }

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
    /// Whom to tell the line of each read.
    tracing: Option<Ledger>,
}

impl<'e> Registry<'e> {
    pub(super) fn new(engine: &'e mut Engine, tracing: Option<Ledger>) -> Self {
        Self {
            engine,
            entries: Vec::new(),
            tracing,
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
        match self.tracing.clone().filter(|_| on.has_facts()) {
            Some(ledger) => {
                let traced = move |context: NativeCallContext<'_>, from: &mut T| {
                    ledger.at_line(crate::policy::fault::line(context.call_position()));
                    get(from)
                };
                self.engine.register_get(name, traced);
            }
            None => {
                self.engine.register_get(name, get);
            }
        }
        self.entries.push(Entry {
            on,
            name,
            params: None,
            returns,
            doc,
        });
    }

    /// A function or method; `params` without the receiver.
    pub(super) fn function<A: 'static, const N: usize, const X: bool, R, const F: bool, C>(
        &mut self,
        on: On,
        name: &'static str,
        (params, returns): (&'static str, &'static str),
        doc: &'static str,
        call: C,
    ) where
        R: Variant + Clone,
        C: RhaiNativeFunc<A, N, X, R, F> + 'static,
    {
        match self.tracing.clone().filter(|_| on.has_facts()) {
            Some(ledger) => self.traced_method(ledger, name, &C::param_types(), call),
            None => {
                self.engine.register_fn(name, call);
            }
        }
        self.entries.push(Entry {
            on,
            name,
            params: Some(params),
            returns,
            doc,
        });
    }
}

impl Registry<'_> {
    /// A method that tells its line before it is called.
    fn traced_method<A: 'static, const N: usize, const X: bool, R: 'static, const F: bool>(
        &mut self,
        ledger: Ledger,
        name: &'static str,
        parameters: &[std::any::TypeId],
        call: impl RhaiNativeFunc<A, N, X, R, F> + 'static,
    ) {
        // A function by value would take its first argument away from the variable it stands in.
        let RhaiFunc::Method { func, .. } = call.into_rhai_function(true, false) else {
            unreachable!("what reads facts takes its subject by reference");
        };
        let traced = move |context: NativeCallContext<'_>, arguments: &mut [&mut Dynamic]| {
            ledger.at_line(crate::policy::fault::line(context.call_position()));
            func(Some(context), arguments)
        };
        self.engine.register_raw_fn(name, parameters, traced);
    }
}

/// Every word of the API, as registered.
pub(in crate::policy) fn entries() -> Vec<Entry> {
    super::register(&mut Engine::new_raw(), &Ledger::default(), false)
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
