//! Lists, texts and maps: the little that policies need of them.

use super::{
    Fallible, fault,
    registry::{On, Registry},
};
use crate::failover::TargetView;
use rhai::{Array, Dynamic, INT, ImmutableString, Map};

/// A list of targets as scripts have it.
pub(super) fn targets(targets: Vec<TargetView>) -> Array {
    targets.into_iter().map(Dynamic::from).collect()
}

pub(super) fn register(registry: &mut Registry<'_>) {
    lists(registry);
    texts(registry);
}

fn length(length: usize) -> INT {
    INT::try_from(length).unwrap_or(INT::MAX)
}

fn lists(registry: &mut Registry<'_>) {
    registry.property(
        On::List,
        "len",
        "int",
        "How many elements.",
        |list: &mut Array| length(list.len()),
    );
    registry.function(
        On::List,
        "len",
        ("", "int"),
        "How many elements.",
        |list: &mut Array| length(list.len()),
    );
    registry.property(
        On::List,
        "is_empty",
        "bool",
        "Whether there is no element.",
        |list: &mut Array| list.is_empty(),
    );
    registry.function(
        On::List,
        "is_empty",
        ("", "bool"),
        "Whether there is no element.",
        |list: &mut Array| list.is_empty(),
    );
    registry.function(
        On::List,
        "push",
        ("element: T", "()"),
        "Appends a target, string, int or bool.",
        push,
    );
    registry.function(
        On::List,
        "contains",
        ("element: T", "bool"),
        "Whether it has this target, name, string, int or bool; `in` says the same.",
        |list: &mut Array, element: Dynamic| contains(list, &element),
    );
}

/// Texts, and maps, which are only asked for their keys.
fn texts(registry: &mut Registry<'_>) {
    registry.property(
        On::Text,
        "len",
        "int",
        "How many characters.",
        |text: &mut ImmutableString| length(text.chars().count()),
    );
    registry.function(
        On::Text,
        "len",
        ("", "int"),
        "How many characters.",
        |text: &mut ImmutableString| length(text.chars().count()),
    );
    registry.function(
        On::Text,
        "contains",
        ("part: string", "bool"),
        "Whether it contains `part`; `in` says the same.",
        |text: &mut ImmutableString, part: ImmutableString| text.contains(part.as_str()),
    );
    registry.function(
        On::Text,
        "starts_with",
        ("part: string", "bool"),
        "Whether it starts with `part`.",
        |text: &mut ImmutableString, part: ImmutableString| text.starts_with(part.as_str()),
    );
    registry.function(
        On::Text,
        "ends_with",
        ("part: string", "bool"),
        "Whether it ends with `part`.",
        |text: &mut ImmutableString, part: ImmutableString| text.ends_with(part.as_str()),
    );
    registry.function(
        On::Map,
        "contains",
        ("key: string", "bool"),
        "Whether it has this key; `in` says the same.",
        |map: &mut Map, key: ImmutableString| map.contains_key(key.as_str()),
    );
}

/// Lists are flat: a list of lists would grow past every limit, since Rhai looks at one level.
fn push(list: &mut Array, element: Dynamic) -> Fallible<()> {
    let flat =
        element.is::<TargetView>() || element.is_string() || element.is_int() || element.is_bool();
    if !flat {
        return Err(fault("push takes a target, a string, an int or a bool"));
    }
    list.push(element);
    Ok(())
}

fn contains(list: &Array, element: &Dynamic) -> bool {
    list.iter().any(|each| same(each, element))
}

/// Whether two values are the same; a target is the same as its name.
fn same(a: &Dynamic, b: &Dynamic) -> bool {
    fn name(value: &Dynamic) -> Option<String> {
        match value.read_lock::<TargetView>() {
            Some(target) => Some(target.name().to_string()),
            None => value.clone().into_string().ok(),
        }
    }
    match (a.as_int(), b.as_int(), a.as_bool(), b.as_bool()) {
        (Ok(a), Ok(b), ..) => a == b,
        (.., Ok(a), Ok(b)) => a == b,
        _ => name(a).is_some_and(|a| Some(a) == name(b)),
    }
}
