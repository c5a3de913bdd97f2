//! Members, calls and their arguments: what exists, with how many arguments, and which literals
//! cannot be meant.

use super::walk::{Kind, Walker};
use crate::{
    model::{Param, duration::format_ms, time::DAY_MS},
    policy::{api::Entry, diagnose::suggestion},
};
use rhai::{Expr, FnCallExpr, Position};

/// Facts in ms: `3` is no sensible bound for one.
const DURATIONS: [&str; 6] = [
    "clean_for",
    "dirty_for",
    "left_for",
    "age",
    "since_switch",
    "data_age",
];
/// Methods whose argument is a window that results are kept for.
const WINDOWS: [&str; 3] = ["loss", "p50", "p95"];
/// The smallest number of ms that anyone means.
const MS_MIN: i64 = 1_000;

impl Walker<'_, '_> {
    pub(super) fn property(&mut self, receiver: Kind, name: &str, position: Position) -> Kind {
        if receiver == Kind::Map {
            return Kind::Text;
        }
        if let Some(entry) = self.words.property(receiver, name) {
            return kind_of(entry);
        }
        if let Some(method) = self.words.methods(receiver, name).next() {
            let params = method.params.unwrap_or_default();
            self.findings.error(
                position,
                format!("{name} is called: write {name}({params})"),
            );
            return Kind::Unknown;
        }
        // What a map is asked for cannot be known; that a value may be one can.
        if receiver == Kind::Unknown && self.has_maps() {
            return Kind::Unknown;
        }
        let near = suggestion(name, self.words.properties(receiver));
        let message = format!("unknown property '{name}'{}{near}", receiver.of());
        self.findings.error(position, message);
        Kind::Unknown
    }

    fn has_maps(&self) -> bool {
        let source = self.findings.source();
        source.contains("#{") || source.contains(".labels")
    }

    pub(super) fn method_call(
        &mut self,
        receiver: Kind,
        call: &FnCallExpr,
        position: Position,
    ) -> Kind {
        let kinds = self.kinds(&call.args);
        let (name, given) = (call.name.as_str(), call.args.len());
        let scripted = self.functions.get(name);
        if scripted.is_some_and(|arities| arities.contains(&given))
            || self.words.packaged(name, given + 1)
        {
            return Kind::Unknown;
        }
        let fits = self
            .words
            .methods(receiver, name)
            .find(|entry| entry.arity() == given);
        if let Some(entry) = fits {
            let (kind, entry) = (kind_of(entry), entry.clone());
            self.types(&entry, &call.args, &kinds);
            self.arguments(name, &call.args);
            return kind;
        }
        if let Some(entry) = self.words.methods(receiver, name).next() {
            let message = takes(entry, given);
            self.findings.error(position, message);
        } else if self.words.property(receiver, name).is_some() {
            let message = format!("{name} is not called: write {name} without ()");
            self.findings.error(position, message);
        } else if scripted.is_some() {
            let message =
                format!("'{name}' is called as {name}(...) with its arguments in brackets");
            self.findings.error(position, message);
        } else {
            let near = suggestion(name, self.words.method_names(receiver));
            let message = format!("unknown function '{name}'{}{near}", receiver.of());
            self.findings.error(position, message);
        }
        Kind::Unknown
    }

    pub(super) fn function_call(&mut self, call: &FnCallExpr, position: Position) -> Kind {
        let kinds = self.kinds(&call.args);
        let (name, given) = (call.name.as_str(), call.args.len());
        if call.is_operator_call() {
            self.comparison(name, &call.args, &kinds);
            let number = |kind: &Kind| matches!(kind, Kind::Plain | Kind::Duration);
            return match name {
                "+" if kinds.iter().all(number) => Kind::Plain,
                "+" | ".." | "..=" => Kind::Unknown,
                _ => Kind::Plain,
            };
        }
        if let Some(arities) = self.functions.get(name) {
            if !arities.contains(&given) {
                let wanted = arities.first().copied().unwrap_or(0);
                let message = format!("{name} takes {}, not {given}", count(wanted));
                self.findings.error(position, message);
            }
            for (index, argument) in call.args.iter().enumerate() {
                if let Some(Param::Int(value)) = self.constant_value(argument) {
                    let given = (name.to_owned(), index, value);
                    self.constant_arguments.insert(given);
                }
            }
            return Kind::Unknown;
        }
        if let Some(entry) = self.words.function(name) {
            let (kind, entry) = (kind_of(entry), entry.clone());
            if entry.arity() == given {
                self.types(&entry, &call.args, &kinds);
                self.served(name, &call.args);
            } else {
                let message = takes(&entry, given);
                self.findings.error(position, message);
            }
            let line = position.line().and_then(|line| u32::try_from(line).ok());
            self.deciding.extend(line);
            return kind;
        }
        if self.words.packaged(name, given) {
            return Kind::Unknown;
        }
        // A method can be called with its receiver as the first argument.
        if let Some((_, rest)) = call.args.split_first()
            && let Some(&kind) = kinds.first()
            && self
                .words
                .methods(kind, name)
                .any(|entry| entry.arity() == rest.len())
        {
            self.arguments(name, rest);
            return Kind::Unknown;
        }
        let scripted = self.functions.keys().map(String::as_str);
        let near = suggestion(name, scripted.chain(self.words.function_names()));
        self.findings
            .error(position, format!("unknown function '{name}'{near}"));
        Kind::Unknown
    }

    fn kinds(&mut self, arguments: &[Expr]) -> Vec<Kind> {
        let kinds = arguments.iter().map(|each| self.expression(each, true));
        kinds.collect()
    }

    /// Arguments of a kind that a word cannot take.
    fn types(&mut self, entry: &Entry, arguments: &[Expr], kinds: &[Kind]) {
        let params = entry.params.unwrap_or_default().split(", ");
        for ((param, argument), kind) in params.zip(arguments).zip(kinds) {
            let wrong = match (param.split_once(": "), kind) {
                (Some((_, "int")), Kind::Text | Kind::Name) => "a string",
                (Some((_, "int")), Kind::Target) => "a target",
                (Some((_, "string")), Kind::Plain | Kind::Duration) => "a number or a bool",
                (Some((_, "string" | "list")), Kind::Target) => "a target",
                (Some((_, "list")), Kind::Text | Kind::Name) => "a string",
                (Some((_, "list")), Kind::Plain | Kind::Duration) => "a number or a bool",
                _ => continue,
            };
            let message = format!("{} wants {param}, not {wrong}", entry.name);
            self.findings.error(argument.start_position(), message);
        }
    }

    /// Literal arguments of methods that cannot be meant.
    fn arguments(&mut self, name: &str, arguments: &[Expr]) {
        let [argument, ..] = arguments else { return };
        match (name, argument) {
            ("target", _) => self.target_name(argument),
            ("monitor", Expr::StringConstant(monitor, position)) => {
                let known = self.service.monitors.iter().map(|known| known.as_str());
                if !known.clone().any(|known| known == monitor.as_str()) {
                    let near = suggestion(monitor, known);
                    let service = &self.service.name;
                    let message = format!("no monitor '{monitor}' in service {service}{near}");
                    self.findings.error(*position, message);
                }
            }
            _ if WINDOWS.contains(&name) => {
                let window_ms = self.window(name, argument);
                self.windows_ms = self.windows_ms.max(window_ms);
            }
            ("switches", _) => {
                self.window(name, argument);
            }
            ("ttl", _) => self.too_short("ttl", argument),
            _ => {}
        }
    }

    /// The length of a window, where it is known; 0 where it is not.
    fn window(&mut self, name: &str, argument: &Expr) -> i64 {
        let Some(Param::Int(window_ms)) = self.constant_value(argument) else {
            self.window_parameter(argument);
            return 0;
        };
        let wrong = match window_ms {
            ..=0 => "is not longer than 0 ms".to_owned(),
            1..=DAY_MS => {
                self.too_short(&format!("the window of {name}"), argument);
                return window_ms;
            }
            _ => format!(
                "is {}, and results are kept for a day at most",
                format_ms(window_ms)
            ),
        };
        let message = format!("the window of {name} {wrong}");
        self.findings.error(argument.start_position(), message);
        0
    }

    /// A parameter of a function that is used as a window: callers say how long it is.
    fn window_parameter(&mut self, argument: &Expr) {
        let (function, parameters) = &self.within;
        if let Expr::Variable(variable, ..) = argument
            && let Some(index) = parameters.iter().position(|one| variable.1 == one.as_str())
        {
            self.window_parameters.insert((function.clone(), index));
        }
    }

    /// Names in what `serve` and `first_of` are given.
    fn served(&mut self, name: &str, arguments: &[Expr]) {
        match (name, arguments) {
            ("serve" | "first_of", [Expr::Array(items, _), ..]) => {
                for item in items.iter() {
                    self.target_name(item);
                }
            }
            ("serve", [what, ..]) => self.target_name(what),
            _ => {}
        }
    }

    /// A literal that must be the name of a target of the service.
    fn target_name(&mut self, argument: &Expr) {
        let Expr::StringConstant(name, position) = argument else {
            return;
        };
        let known = self.service.targets.iter().map(|known| known.as_str());
        if known.clone().any(|known| known == name.as_str()) || self.service.targets.is_empty() {
            return;
        }
        let near = suggestion(name, known);
        let message = format!("no target '{name}' in service {}{near}", self.service.name);
        self.findings.error(*position, message);
    }

    fn comparison(&mut self, operator: &str, arguments: &[Expr], kinds: &[Kind]) {
        if !matches!(operator, "==" | "!=" | "<" | "<=" | ">" | ">=") {
            return;
        }
        let ([a, b], [kind_a, kind_b]) = (arguments, kinds) else {
            return;
        };
        for (kind, other_kind, other) in [(kind_a, kind_b, b), (kind_b, kind_a, a)] {
            match kind {
                Kind::Duration | Kind::Plain if matches!(other_kind, Kind::Text | Kind::Name) => {
                    let message = "a number or a bool is compared with a string; times are written 5 * MINUTE";
                    self.findings.error(other.start_position(), message);
                }
                Kind::Target | Kind::Name => self.target_name(other),
                Kind::Duration => self.too_short("a duration", other),
                _ => {}
            }
        }
    }

    /// Warns of a number that looks like seconds where ms are wanted.
    fn too_short(&mut self, what: &str, argument: &Expr) {
        let bare = match argument {
            Expr::IntegerConstant(ms, _) => Some(*ms),
            Expr::Variable(name, ..) => match self.constant_value(argument) {
                Some(Param::Int(ms)) if self.knobs.get(name.1.as_str()).is_some_and(|k| k.bare) => {
                    Some(ms)
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(ms) = bare.filter(|ms| (1..MS_MIN).contains(ms)) {
            let message = format!(
                "{what} is in ms, and {ms} ms is short; write {ms} * SECOND if that is meant"
            );
            self.findings.warning(argument.start_position(), message);
        }
    }
}

/// The kind of what a word gives.
fn kind_of(entry: &Entry) -> Kind {
    use crate::policy::api::On;
    match (entry.on, entry.name, entry.returns) {
        (On::Target, "name", _) => Kind::Name,
        (On::Target | On::Service, name, _) if DURATIONS.contains(&name) => Kind::Duration,
        (On::Service, _, "list") => Kind::Targets,
        (_, _, "list") => Kind::List,
        (_, _, "target") => Kind::Target,
        (_, _, "probe") => Kind::Probe,
        (_, _, "proposal") => Kind::Proposal,
        (_, _, "map") => Kind::Map,
        (_, _, "string") => Kind::Text,
        (_, _, "int" | "bool") => Kind::Plain,
        _ => Kind::Unknown,
    }
}

fn takes(entry: &Entry, given: usize) -> String {
    let (name, params) = (entry.name, entry.params.unwrap_or_default());
    format!(
        "{name}({params}) takes {}, not {given}",
        count(entry.arity())
    )
}

fn count(arguments: usize) -> String {
    match arguments {
        0 => "no argument".to_owned(),
        1 => "1 argument".to_owned(),
        more => format!("{more} arguments"),
    }
}
