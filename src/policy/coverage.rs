//! Coverage: which statements of a policy ran.
//!
//! Rhai tells nobody which statement it runs, but for a debugger that every evaluation would pay
//! for. So a library that covers compiles another text: before each statement stands a call that
//! notes it, on the same line, so that lines stay what they are. The text that decides for a
//! service is never this one.
//!
//! Where statements are is read from the tree; where exactly their text begins, and where a case
//! of a `switch` ends, from the tokens.

use super::engine;
use rhai::{AST, ASTNode, Expr, Position, Stmt, StmtBlock, Token};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// The function that notes a statement. A policy that has this word cannot be covered.
pub(super) const RAN: &str = "ran__";

/// Where a statement begins: line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// The statements of a policy, and which of them ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<Place, bool>);

/// A line of which not everything ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The first statement of the line that did not run.
    pub place: Place,
    /// Whether another one of the line ran.
    pub in_part: bool,
}

impl Coverage {
    pub(super) fn of(places: &[Place], ran: impl Fn(usize) -> bool) -> Self {
        let places = places.iter().enumerate();
        Self(places.map(|(index, place)| (*place, ran(index))).collect())
    }

    /// The statements of a source, none of which ran.
    ///
    /// # Errors
    /// Why they cannot be told.
    pub fn none(source: &str) -> Result<Self, String> {
        let (_, places) = noting(source)?;
        Ok(Self::of(&places, |_| false))
    }

    /// Adds what ran another time, under whatever parameters.
    pub fn add(&mut self, other: &Self) {
        for (place, ran) in &other.0 {
            *self.0.entry(*place).or_default() |= ran;
        }
    }

    /// How many lines have a statement that begins there.
    pub fn lines(&self) -> usize {
        self.by_line().len()
    }

    /// How many of them ran, each with all of its statements.
    pub fn ran(&self) -> usize {
        let lines = self.by_line();
        lines.values().filter(|missed| missed.is_none()).count()
    }

    /// Lines that ran, in a hundred, rounded down; 100 where there is none.
    pub fn percent(&self) -> usize {
        (self.ran() * 100).checked_div(self.lines()).unwrap_or(100)
    }

    /// Lines that did not run, or not with all of their statements, in order.
    pub fn missed(&self) -> Vec<Missed> {
        self.by_line().into_values().flatten().collect()
    }

    fn by_line(&self) -> BTreeMap<usize, Option<Missed>> {
        let mut lines: BTreeMap<usize, (bool, Option<Place>)> = BTreeMap::new();
        for (&place, &ran) in &self.0 {
            let (some, missed) = lines.entry(place.line).or_default();
            *some |= ran;
            if !ran {
                missed.get_or_insert(place);
            }
        }
        let missed =
            |(in_part, place): (bool, Option<Place>)| place.map(|place| Missed { place, in_part });
        let lines = lines.into_iter();
        lines.map(|(line, one)| (line, missed(one))).collect()
    }
}

/// A source that notes its statements, by their numbers, and where they are.
pub(super) fn noting(source: &str) -> Result<(String, Vec<Place>), String> {
    if source.contains(RAN) {
        return Err(format!("it has the word {RAN}, which notes what ran"));
    }
    let (tree, tokens) = read(source)?;
    let mut begins: Vec<Begin> = Vec::new();
    for position in statements(&tree) {
        let at = tokens.begin(position).ok_or_else(|| lost(position))?;
        begins.push(Begin { at, ends: None });
    }
    for at in tokens.cases() {
        let ends = tokens.case_end(at);
        let ends = ends.ok_or_else(|| lost(tokens.0[at].1))?;
        begins.push(Begin {
            at,
            ends: Some(ends),
        });
    }
    begins.sort_by_key(|begin| begin.at);
    begins.dedup_by_key(|begin| begin.at);
    let places = begins.iter().map(|begin| tokens.place(begin.at)).collect();
    Ok((written(source, &tokens, &begins), places))
}

fn lost(position: Position) -> String {
    format!("the statement at {position} was not found")
}

/// A statement, by the number of its first token. What a case of a `switch` does is put into
/// braces, which end before another token.
struct Begin {
    at: usize,
    ends: Option<usize>,
}

/// The text with the calls in it.
fn written(source: &str, tokens: &Tokens, begins: &[Begin]) -> String {
    let mut cuts: Vec<(Place, bool, String)> = Vec::new();
    for (number, begin) in begins.iter().enumerate() {
        let open = if begin.ends.is_some() { "{ " } else { "" };
        let call = format!("{open}{RAN}({number}); ");
        cuts.push((tokens.place(begin.at), true, call));
        if let Some(ends) = begin.ends {
            cuts.push((tokens.place(ends), false, " }".to_owned()));
        }
    }
    // What ends at a place ends before something begins there.
    cuts.sort();
    let mut text = String::new();
    let mut cuts = cuts.into_iter().peekable();
    for (line, content) in (1..).zip(source.split_inclusive('\n')) {
        for (column, character) in (1..).zip(content.chars()) {
            let here = Place { line, column };
            while let Some((.., call)) = cuts.next_if(|(place, ..)| *place <= here) {
                text.push_str(&call);
            }
            text.push(character);
        }
    }
    text
}

/// The tree as written, and its tokens.
fn read(source: &str) -> Result<(AST, Tokens), String> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let mut parser = engine::parser();
    let tokens = Rc::clone(&seen);
    #[expect(deprecated, reason = "Rhai's way to say that it may change")]
    parser.on_parse_token(move |token, position, _| {
        tokens.borrow_mut().push((token.clone(), position));
        token
    });
    let tree = parser.compile(source).map_err(|error| error.to_string())?;
    let seen = seen.take();
    Ok((tree, Tokens(seen)))
}

/// Where the statements of all functions are, or something within them that is leftmost.
fn statements(tree: &AST) -> Vec<Position> {
    let mut found = Vec::new();
    tree.clone_functions_only()
        .walk(&mut |path: &[ASTNode<'_>]| {
            if let [ASTNode::Stmt(statement)] = path {
                found.extend(leftmost(statement));
            }
            for block in blocks(path) {
                // What Rhai itself put into a block has no end.
                if !block.end_position().is_none() {
                    found.extend(block.iter().filter_map(leftmost));
                }
            }
            true
        });
    found
}

/// The blocks right below a node, where they are lists of statements.
fn blocks<'a>(path: &[ASTNode<'a>]) -> Vec<&'a StmtBlock> {
    match path {
        [
            ..,
            ASTNode::Stmt(Stmt::If(flow, _) | Stmt::While(flow, _) | Stmt::Do(flow, ..)),
        ]
        | [.., ASTNode::Stmt(Stmt::TryCatch(flow, _))] => vec![&flow.body, &flow.branch],
        [.., ASTNode::Stmt(Stmt::For(parts, _))] => vec![&parts.2.body],
        [.., ASTNode::Stmt(Stmt::Block(block))] => vec![block],
        // The value in a text is no statement.
        [
            ..,
            ASTNode::Expr(Expr::InterpolatedString(..)),
            ASTNode::Expr(Expr::Stmt(block)),
        ] if block.len() < 2 => Vec::new(),
        [.., ASTNode::Expr(Expr::Stmt(block))] => vec![block],
        _ => Vec::new(),
    }
}

/// The first place that a statement or anything in it has: a sum has its own at the operator.
fn leftmost(statement: &Stmt) -> Option<Position> {
    // A block does nothing beside what is in it.
    if matches!(statement, Stmt::Noop(_) | Stmt::Block(_)) {
        return None;
    }
    let mut first: Option<Position> = None;
    statement.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
        let place = path.last().map(ASTNode::position);
        if let Some(place) = place.filter(|place| !place.is_none()) {
            first = Some(first.map_or(place, |first| first.min(place)));
        }
        true
    });
    first
}

/// The tokens of a source with their places.
struct Tokens(Vec<(Token, Position)>);

impl Tokens {
    fn place(&self, at: usize) -> Place {
        let position = self.0[at].1;
        Place {
            line: position.line().unwrap_or(1),
            column: position.position().unwrap_or(1),
        }
    }

    /// The token with which a statement begins of which one at `position` is the first with a
    /// place: parentheses and signs have none.
    fn begin(&self, position: Position) -> Option<usize> {
        let mut at = self.0.iter().position(|(_, place)| *place == position)?;
        let before = |at: usize| at.checked_sub(1).map(|before| &self.0[before].0);
        while let Some(
            Token::LeftParen
            | Token::UnaryMinus
            | Token::UnaryPlus
            | Token::Minus
            | Token::Plus
            | Token::Bang,
        ) = before(at)
        {
            at -= 1;
        }
        Some(at)
    }

    /// Where what a case of a `switch` does begins, unless it is a block.
    fn cases(&self) -> Vec<usize> {
        let pairs = self.0.windows(2).enumerate();
        let cases = pairs
            .filter(|(_, pair)| pair[0].0 == Token::DoubleArrow && pair[1].0 != Token::LeftBrace);
        cases.map(|(at, _)| at + 1).collect()
    }

    /// The token before which what begins at `at` ends.
    fn case_end(&self, at: usize) -> Option<usize> {
        match self.0.get(at)?.0 {
            Token::If | Token::Switch | Token::While | Token::For | Token::Loop | Token::Try => {
                self.block_end(at)
            }
            _ => self.find(at, |token| {
                matches!(token, Token::Comma | Token::RightBrace)
            }),
        }
    }

    /// The token behind a statement that ends with a block.
    fn block_end(&self, at: usize) -> Option<usize> {
        let opens = self.find(at, |token| *token == Token::LeftBrace)?;
        let closes = self.find(opens + 1, |token| *token == Token::RightBrace)?;
        match self.0.get(closes + 1)?.0 {
            Token::Else | Token::Catch => self.block_end(closes + 1),
            _ => Some(closes + 1),
        }
    }

    /// The first such token from `from` on that is in no bracket.
    fn find(&self, from: usize, is: impl Fn(&Token) -> bool) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, (token, _)) in self.0.iter().enumerate().skip(from) {
            if depth == 0 && is(token) {
                return Some(at);
            }
            match token {
                Token::LeftBrace
                | Token::LeftParen
                | Token::LeftBracket
                | Token::QuestionBracket
                | Token::MapStart => depth += 1,
                Token::RightBrace | Token::RightParen | Token::RightBracket => {
                    depth = depth.checked_sub(1)?;
                }
                _ => {}
            }
        }
        None
    }
}
