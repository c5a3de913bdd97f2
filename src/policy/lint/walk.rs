//! The walk over a function: which names are known, of which kind values are, and which values
//! are used.

use super::{Functions, Vocabulary, constant, shadows};
use crate::{
    model::{Param, Params, Service, time::DAY_MS},
    policy::{
        api::On,
        diagnose::{Findings, suggestion},
        engine::UNITS,
        params::{self, Knobs},
    },
};
use rhai::{ASTFlags, Expr, FlowControl, Ident, Position, Stmt, StmtBlock};
use std::collections::BTreeSet;

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Service,
    Target,
    /// A list of targets.
    Targets,
    /// A list of anything.
    List,
    Probe,
    Proposal,
    Map,
    Text,
    /// A target's name.
    Name,
    /// A fact in ms.
    Duration,
    /// A number or a bool.
    Plain,
    Unknown,
}

impl Kind {
    /// Whether a value of this kind may have the members of `on`.
    pub(super) fn may_be(self, on: On) -> bool {
        match self {
            Self::Service => on == On::Service,
            Self::Target => on == On::Target,
            Self::Targets | Self::List => on == On::List,
            Self::Probe => on == On::Probe,
            Self::Proposal => on == On::Proposal,
            Self::Map => on == On::Map,
            Self::Text | Self::Name => on == On::Text,
            Self::Duration | Self::Plain | Self::Unknown => true,
        }
    }

    /// ` of a target`, where the kind is known.
    pub(super) fn of(self) -> &'static str {
        match self {
            Self::Service => " of the service",
            Self::Target => " of a target",
            Self::Targets | Self::List => " of a list",
            Self::Probe => " of a probe",
            Self::Proposal => " of a proposal",
            Self::Map => " of a map",
            Self::Text | Self::Name => " of a string",
            Self::Duration | Self::Plain | Self::Unknown => "",
        }
    }
}

/// The walk over all functions of a script.
pub(super) struct Walker<'a, 's> {
    pub(super) words: &'a Vocabulary,
    pub(super) functions: &'a Functions,
    pub(super) knobs: &'a Knobs,
    pub(super) values: &'a Params,
    pub(super) service: &'a Service,
    pub(super) findings: &'a mut Findings<'s>,
    variables: Vec<(String, Kind)>,
    used: BTreeSet<String>,
    pub(super) deciding: BTreeSet<u32>,
    pub(super) windows_ms: i64,
    /// The function that is walked, and its parameters.
    pub(super) within: (String, Vec<String>),
    /// Parameters of functions that are used as windows, by position.
    pub(super) window_parameters: BTreeSet<(String, usize)>,
    /// Constant arguments of calls of functions, by position.
    pub(super) constant_arguments: BTreeSet<(String, usize, i64)>,
}

impl<'a, 's> Walker<'a, 's> {
    pub(super) fn new(
        words: &'a Vocabulary,
        functions: &'a Functions,
        knobs: &'a Knobs,
        values: &'a Params,
        service: &'a Service,
        findings: &'a mut Findings<'s>,
    ) -> Self {
        Self {
            words,
            functions,
            knobs,
            values,
            service,
            findings,
            variables: Vec::new(),
            used: BTreeSet::new(),
            deciding: BTreeSet::new(),
            windows_ms: 0,
            within: (String::new(), Vec::new()),
            window_parameters: BTreeSet::new(),
            constant_arguments: BTreeSet::new(),
        }
    }

    /// Begins a function; all its parameters are of one kind.
    pub(super) fn enter(&mut self, name: &str, parameters: &[&str], kind: Kind) {
        let parameters: Vec<String> = parameters.iter().map(|one| (*one).to_owned()).collect();
        self.variables = parameters.iter().map(|one| (one.clone(), kind)).collect();
        self.within = (name.to_owned(), parameters);
    }

    /// Used parameters, lines that decide, the longest window.
    pub(super) fn leave(self) -> (BTreeSet<String>, BTreeSet<u32>, i64) {
        let given = self.constant_arguments.into_iter();
        let handed_on = given.filter(|(function, index, ms)| {
            let parameter = (function.clone(), *index);
            *ms <= DAY_MS && self.window_parameters.contains(&parameter)
        });
        let windows_ms = handed_on.map(|(.., ms)| ms).fold(self.windows_ms, i64::max);
        (self.used, self.deciding, windows_ms)
    }

    /// The value of a constant expression, with parameters and units put in.
    pub(super) fn constant_value(&self, expression: &Expr) -> Option<Param> {
        let known = |name: &str| {
            let local = self.variables.iter().any(|(variable, _)| variable == name);
            if local {
                return None;
            }
            self.values
                .get(name)
                .cloned()
                .or_else(|| params::unit(name))
        };
        params::evaluate(expression, &known).ok()
    }

    fn declare(&mut self, name: &Ident, kind: Kind) {
        if constant(&name.name, self.knobs) {
            self.findings.error(name.pos, shadows(&name.name));
        }
        self.variables.push((name.name.to_string(), kind));
    }

    /// Walks a statement; `used` says whether its value is.
    pub(super) fn statement(&mut self, statement: &Stmt, used: bool) {
        if self.findings.is_full() {
            return;
        }
        match statement {
            Stmt::If(flow, _) => {
                self.expression(&flow.expr, true);
                self.block(&flow.body, used);
                self.block(&flow.branch, used);
            }
            Stmt::Switch(parts, _) => {
                if self.expression(&parts.0, true) == Kind::Target {
                    let message = "a target is in no case of a switch; write switch on its name";
                    self.findings.error(parts.0.start_position(), message);
                }
                for case in &parts.1.expressions {
                    self.expression(&case.lhs, true);
                    self.expression(&case.rhs, used);
                }
            }
            Stmt::While(flow, _) | Stmt::Do(flow, ..) => {
                self.expression(&flow.expr, true);
                self.block(&flow.body, false);
            }
            Stmt::For(parts, _) => self.for_loop(&parts.0, parts.1.as_ref(), &parts.2),
            Stmt::Var(parts, ..) => {
                let kind = self.expression(&parts.1, true);
                self.declare(&parts.0, kind);
            }
            Stmt::Assignment(parts) => self.assignment(&parts.1.lhs, &parts.1.rhs),
            Stmt::FnCall(call, position) => {
                self.dropped(
                    self.words
                        .makes_proposal(&call.name)
                        .then_some((&call.name, *position)),
                    used,
                );
                self.function_call(call, *position);
            }
            Stmt::Block(block) => self.block(block, used),
            Stmt::TryCatch(flow, _) => self.try_catch(flow, used),
            Stmt::Expr(expression) => {
                self.expression(expression, used);
            }
            Stmt::BreakLoop(Some(value), ..) | Stmt::Return(Some(value), ..) => {
                self.expression(value, true);
            }
            _ => {}
        }
    }

    fn block(&mut self, block: &StmtBlock, used: bool) {
        let known = self.variables.len();
        let last = block.len().saturating_sub(1);
        for (index, statement) in block.iter().enumerate() {
            self.statement(statement, used && index == last);
        }
        self.variables.truncate(known);
    }

    fn for_loop(&mut self, name: &Ident, counter: Option<&Ident>, flow: &FlowControl) {
        let kind = match self.expression(&flow.expr, true) {
            Kind::Targets => Kind::Target,
            _ => Kind::Unknown,
        };
        let known = self.variables.len();
        if let Some(counter) = counter {
            self.declare(counter, Kind::Plain);
        }
        self.declare(name, kind);
        self.block(&flow.body, false);
        self.variables.truncate(known);
    }

    fn try_catch(&mut self, flow: &FlowControl, used: bool) {
        self.block(&flow.body, used);
        let known = self.variables.len();
        if let Expr::Variable(caught, _, pos) = &flow.expr {
            let name = caught.1.clone();
            self.declare(&Ident { name, pos: *pos }, Kind::Unknown);
        }
        self.block(&flow.branch, used);
        self.variables.truncate(known);
    }

    fn assignment(&mut self, to: &Expr, value: &Expr) {
        self.expression(value, true);
        let Expr::Variable(variable, _, position) = to else {
            let message = "only variables can be assigned to; a list grows with push";
            self.findings.error(to.start_position(), message);
            return;
        };
        let name = variable.1.as_str();
        match self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| known == name)
        {
            Some((_, kind)) => *kind = Kind::Unknown,
            None if constant(name, self.knobs) => {
                self.findings
                    .error(*position, format!("'{name}' is a constant"));
            }
            None => self.unknown_variable(name, *position),
        }
    }

    /// Walks an expression; `used` says whether its value is.
    pub(super) fn expression(&mut self, expression: &Expr, used: bool) -> Kind {
        self.dropped(self.root_proposal(expression), used);
        match expression {
            Expr::Variable(variable, _, position) => self.variable(variable.1.as_str(), *position),
            Expr::StringConstant(..) => Kind::Text,
            Expr::IntegerConstant(..) | Expr::BoolConstant(..) => Kind::Plain,
            Expr::InterpolatedString(parts, _) => {
                for part in parts.iter() {
                    self.expression(part, true);
                }
                Kind::Text
            }
            Expr::Array(items, _) => {
                let mut targets = !items.is_empty();
                for item in items.iter() {
                    targets &= self.expression(item, true) == Kind::Target;
                }
                if targets { Kind::Targets } else { Kind::List }
            }
            Expr::Map(parts, _) => {
                for (_, value) in &parts.0 {
                    self.expression(value, true);
                }
                Kind::Map
            }
            Expr::And(parts, _) | Expr::Or(parts, _) => {
                for part in parts.iter() {
                    self.expression(part, true);
                }
                Kind::Plain
            }
            Expr::Coalesce(parts, _) => {
                for part in parts.iter() {
                    self.expression(part, true);
                }
                Kind::Unknown
            }
            Expr::Stmt(block) => {
                self.block(block, used);
                Kind::Unknown
            }
            Expr::FnCall(call, position) => self.function_call(call, *position),
            Expr::Dot(link, flags, _) => {
                let receiver = self.expression(&link.lhs, true);
                self.dot(receiver, &link.rhs, *flags)
            }
            Expr::Index(link, flags, _) => {
                let receiver = self.expression(&link.lhs, true);
                self.index(receiver, &link.rhs, *flags)
            }
            _ => Kind::Unknown,
        }
    }

    /// What stands behind a dot; a chain hangs on the right side.
    fn dot(&mut self, receiver: Kind, rest: &Expr, flags: ASTFlags) -> Kind {
        match rest {
            Expr::Dot(link, next, _) if !flags.contains(ASTFlags::BREAK) => {
                let kind = self.member(receiver, &link.lhs);
                self.dot(kind, &link.rhs, *next)
            }
            Expr::Index(link, next, _) if !flags.contains(ASTFlags::BREAK) => {
                let kind = self.member(receiver, &link.lhs);
                self.index(kind, &link.rhs, *next)
            }
            last => self.member(receiver, last),
        }
    }

    /// What stands in brackets; a chain hangs on the right side.
    fn index(&mut self, receiver: Kind, rest: &Expr, flags: ASTFlags) -> Kind {
        let element = match receiver {
            Kind::Targets => Kind::Target,
            _ => Kind::Unknown,
        };
        match rest {
            Expr::Dot(link, next, _) if !flags.contains(ASTFlags::BREAK) => {
                self.expression(&link.lhs, true);
                self.dot(element, &link.rhs, *next)
            }
            Expr::Index(link, next, _) if !flags.contains(ASTFlags::BREAK) => {
                self.expression(&link.lhs, true);
                self.index(element, &link.rhs, *next)
            }
            last => {
                self.expression(last, true);
                element
            }
        }
    }

    fn member(&mut self, receiver: Kind, member: &Expr) -> Kind {
        match member {
            Expr::Property(property, position) => {
                self.property(receiver, property.2.as_str(), *position)
            }
            Expr::MethodCall(call, position) => self.method_call(receiver, call, *position),
            other => self.expression(other, true),
        }
    }

    fn variable(&mut self, name: &str, position: Position) -> Kind {
        if let Some((_, kind)) = self.variables.iter().rev().find(|(known, _)| known == name) {
            return *kind;
        }
        if self.knobs.contains_key(name) {
            self.used.insert(name.to_owned());
        } else if !constant(name, self.knobs) {
            self.unknown_variable(name, position);
        }
        match self.values.get(name) {
            Some(Param::Text(_)) => Kind::Text,
            Some(Param::Int(_) | Param::Bool(_)) => Kind::Plain,
            None => Kind::Unknown,
        }
    }

    fn unknown_variable(&mut self, name: &str, position: Position) {
        let locals = self.variables.iter().map(|(known, _)| known.as_str());
        let constants = self.knobs.keys().map(String::as_str);
        let units = UNITS.iter().map(|(unit, _)| *unit);
        let near = match name {
            "service" => "; give it to the function as a parameter".to_owned(),
            _ => suggestion(name, locals.chain(constants).chain(units)),
        };
        let message = format!("unknown variable '{name}'{near}");
        self.findings.error(position, message);
    }

    /// The call that makes a proposal at the root of `hold("x").ttl(5)`.
    fn root_proposal<'e>(&self, expression: &'e Expr) -> Option<(&'e str, Position)> {
        match expression {
            Expr::FnCall(call, position) if self.words.makes_proposal(&call.name) => {
                Some((&call.name, *position))
            }
            Expr::Dot(link, ..) => self.root_proposal(&link.lhs),
            _ => None,
        }
    }

    fn dropped(&mut self, proposal: Option<(&str, Position)>, used: bool) {
        if let Some((name, position)) = proposal
            && !used
        {
            let message =
                format!("{name}() proposes and nothing is done with it: write return {name}(...)");
            self.findings.error(position, message);
        }
    }
}
