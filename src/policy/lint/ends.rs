//! Where `decide` can end without a proposal, as far as its shape tells.

use rhai::{Expr, Position, Stmt, StmtBlock};

/// The place where a function that ends with this statement can end without a value.
pub(super) fn without_value(last: &Stmt) -> Option<Position> {
    match last {
        Stmt::If(flow, position) => {
            if flow.branch.is_empty() {
                return Some(*position);
            }
            of_block(&flow.body).or_else(|| of_block(&flow.branch))
        }
        Stmt::Block(block) => of_block(block),
        Stmt::Expr(expression) => match &**expression {
            Expr::Stmt(block) => of_block(block),
            _ => None,
        },
        // `loop` ends with `return` or `break`, which may have a value.
        Stmt::While(flow, _) if matches!(flow.expr, Expr::Unit(_)) => None,
        Stmt::While(..) | Stmt::Do(..) | Stmt::For(..) | Stmt::Var(..) | Stmt::Assignment(_) => {
            Some(last.position())
        }
        _ => None,
    }
}

fn of_block(block: &StmtBlock) -> Option<Position> {
    match block.statements().last() {
        Some(last) => without_value(last),
        None => Some(block.position()),
    }
}
