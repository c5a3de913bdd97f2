//! What a policy returns: `serve`, `first_of`, `serve_all`, `hold`, and what is chained on them.
//!
//! Each carries the line of the call that made it and a number, so that a proposal that was made
//! and not returned can be told.

use super::{
    Fallible, fault,
    registry::{On, Registry},
};
use crate::{
    failover::{Action, Proposal, TargetView},
    model::{Param, TargetName},
    policy::{
        ledger::Ledger,
        limits::{KEY_BYTES, REMEMBERED, STRING_BYTES},
    },
};
use rhai::{Array, Dynamic, INT, ImmutableString, NativeCallContext};

/// A proposal in the hands of the script.
#[derive(Clone)]
pub(in crate::policy) struct Made {
    pub(in crate::policy) proposal: Proposal,
    /// Which of the evaluation's proposals it is.
    pub(in crate::policy) number: usize,
}

pub(super) fn register(registry: &mut Registry<'_>, ledger: &Ledger) {
    registry.engine.register_type_with_name::<Made>("proposal");
    serving(registry, ledger);
    staying(registry, ledger);
    chained(registry);
}

/// A proposal of the line that calls, noted in the ledger.
fn make(ledger: &Ledger, context: &NativeCallContext<'_>, action: Action, reason: String) -> Made {
    let line = crate::policy::fault::line(context.call_position());
    let number = ledger.made(line);
    let mut proposal = Proposal::new(action, reason);
    proposal.line = line;
    Made { proposal, number }
}

fn serving(registry: &mut Registry<'_>, ledger: &Ledger) {
    let made_in = ledger.clone();
    registry.function(
        On::Nothing,
        "serve",
        ("targets: target|string|list, reason: string", "proposal"),
        "Answers this target, the target of this name, or these of a list, from now on.",
        move |context: NativeCallContext<'_>,
              what: Dynamic,
              reason: ImmutableString|
              -> Fallible<Made> {
            let names = names("serve", &what)?;
            if names.is_empty() {
                return Err(fault("serve was given an empty list; first_of holds then"));
            }
            Ok(make(
                &made_in,
                &context,
                Action::Serve(names),
                reason.to_string(),
            ))
        },
    );
    let made_in = ledger.clone();
    registry.function(
        On::Nothing,
        "first_of",
        ("list: list, reason: string", "proposal"),
        "Answers the first of a list; an empty list holds, with an alert that nothing is up.",
        move |context: NativeCallContext<'_>,
              list: Array,
              reason: ImmutableString|
              -> Fallible<Made> {
            let Some(first) = list.first() else {
                let mut made = make(
                    &made_in,
                    &context,
                    Action::Hold,
                    format!("{reason}; nothing is up"),
                );
                made.proposal.alert = Some("nothing is up".to_owned());
                return Ok(made);
            };
            Ok(make(
                &made_in,
                &context,
                Action::Serve(vec![name("first_of", first)?]),
                reason.to_string(),
            ))
        },
    );
}

fn staying(registry: &mut Registry<'_>, ledger: &Ledger) {
    let made_in = ledger.clone();
    registry.function(
        On::Nothing,
        "serve_all",
        ("reason: string", "proposal"),
        "Answers every target that may be served: fails open.",
        move |context: NativeCallContext<'_>, reason: ImmutableString| {
            make(&made_in, &context, Action::ServeAll, reason.to_string())
        },
    );
    let made_in = ledger.clone();
    registry.function(
        On::Nothing,
        "hold",
        ("reason: string", "proposal"),
        "Changes nothing.",
        move |context: NativeCallContext<'_>, reason: ImmutableString| {
            make(&made_in, &context, Action::Hold, reason.to_string())
        },
    );
}

fn chained(registry: &mut Registry<'_>) {
    registry.function(
        On::Proposal,
        "ttl",
        ("ms: int", "proposal"),
        "TTL of the answer, ms; whole seconds, 1 s to 1 day.",
        |made: &mut Made, ms: INT| {
            made.proposal.ttl_ms = Some(ms);
            made.clone()
        },
    );
    registry.function(
        On::Proposal,
        "alert",
        ("text: string", "proposal"),
        "Says this aloud.",
        |made: &mut Made, text: ImmutableString| -> Fallible<Made> {
            let alert = match made.proposal.alert.take() {
                Some(said) => format!("{said}; {text}"),
                None => text.to_string(),
            };
            if alert.len() > STRING_BYTES {
                return Err(fault(format!("an alert longer than {STRING_BYTES} bytes")));
            }
            made.proposal.alert = Some(alert);
            Ok(made.clone())
        },
    );
    registry.function(
        On::Proposal,
        "remember",
        ("key: string, value: T", "proposal"),
        "Remembers an int, string or bool for `recall`; () forgets.",
        |made: &mut Made, key: ImmutableString, value: Dynamic| -> Fallible<Made> {
            let value = remembered(&key, value)?;
            made.proposal.remember.insert(key.to_string(), value);
            if made.proposal.remember.len() > REMEMBERED {
                return Err(fault(format!(
                    "more than {REMEMBERED} keys in one proposal"
                )));
            }
            Ok(made.clone())
        },
    );
}

fn remembered(key: &str, value: Dynamic) -> Fallible<Option<Param>> {
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(fault(format!(
            "a remembered key has 1 to {KEY_BYTES} bytes"
        )));
    }
    if value.is_unit() {
        return Ok(None);
    }
    if let Ok(value) = value.as_int() {
        return Ok(Some(Param::Int(value)));
    }
    if let Ok(value) = value.as_bool() {
        return Ok(Some(Param::Bool(value)));
    }
    if let Some(target) = value.read_lock::<TargetView>() {
        return Ok(Some(Param::Text(target.name().to_string())));
    }
    match value.into_string() {
        Ok(value) => Ok(Some(Param::Text(value))),
        Err(_) => Err(fault(
            "remember takes an int, a string, a bool, or () to forget",
        )),
    }
}

/// The names in a target, a name or a list of them.
fn names(word: &str, what: &Dynamic) -> Fallible<Vec<TargetName>> {
    match what.as_array_ref() {
        Ok(list) => list.iter().map(|each| name(word, each)).collect(),
        Err(_) => Ok(vec![name(word, what)?]),
    }
}

fn name(word: &str, what: &Dynamic) -> Fallible<TargetName> {
    if let Some(target) = what.read_lock::<TargetView>() {
        return Ok(target.name().clone());
    }
    let text = what.as_immutable_string_ref();
    text.map(|text| TargetName::from(text.as_str()))
        .map_err(|_| {
            let given = crate::policy::fault::type_word(what);
            fault(format!(
                "{word} takes a target, a name, or a list of them, not {given}"
            ))
        })
}
