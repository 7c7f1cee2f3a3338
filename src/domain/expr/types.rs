//! Which types go together, and the trees of operators over checked operands.

use std::ops::Range;

use chrono::{DateTime, SubsecRound, Utc};

use super::names::picklist_mistake;
use super::{Binary, Expr, Mistake, Node, ReportType, Unary};
use crate::domain::value::{Type, Value};

type Mistakes = Vec<Mistake>;

/// The word for an operand's type in a message.
pub(super) fn word(ty: Option<Type>) -> &'static str {
    ty.map_or("null", Type::word)
}

fn joined(a: &Node, b: &Node) -> Range<usize> {
    a.at.start.min(b.at.start)..a.at.end.max(b.at.end)
}

/// The expression of an operand that has to be a condition.
pub(crate) fn condition(node: Node, mistakes: &mut Mistakes) -> Option<Expr> {
    match node.ty {
        Some(Type::Boolean) | None => Some(node.expr),
        Some(ty) => {
            let message = format!("a condition is needed here, this is {}", ty.word());
            mistakes.push(Mistake::new(node.at, message).with_help("compare it with something"));
            None
        }
    }
}

/// The expression of an operand that has to be of one of these types.
pub(super) fn of_type(
    mut node: Node,
    wanted: &[Type],
    what: &str,
    mistakes: &mut Mistakes,
) -> Option<Expr> {
    if wanted == [Type::Timestamp] && !instant(&mut node, mistakes) {
        return None;
    }
    match node.ty {
        Some(ty) if !wanted.contains(&ty) => {
            let wanted = match wanted {
                [Type::Integer, Type::Real] => "a number".to_owned(),
                [one] => one.word().to_owned(),
                _ => "something else".to_owned(),
            };
            let message = format!("{what} takes {wanted}, this is {}", ty.word());
            let mistake = Mistake::new(node.at, message);
            mistakes.push(if ty == Type::Timestamp {
                mistake.with_help("the time between two instants is `seconds(from, to)`")
            } else {
                mistake
            });
            None
        }
        _ => Some(node.expr),
    }
}

/// `not x`, `x and y`, `x or y`.
pub(super) fn logic(op: Binary, a: Node, b: Node, mistakes: &mut Mistakes) -> Option<Node> {
    let at = joined(&a, &b);
    let (a, b) = (condition(a, mistakes), condition(b, mistakes));
    Some(Node::new(Expr::Binary(op, a?.into(), b?.into()), Some(Type::Boolean), at))
}

/// `+ - * /`.
pub(super) fn arithmetic(op: Binary, a: Node, b: Node, mistakes: &mut Mistakes) -> Option<Node> {
    let at = joined(&a, &b);
    let ty = match (op, a.ty, b.ty) {
        (Binary::Divide, ..) => Type::Real,
        (_, Some(Type::Real), _) | (_, _, Some(Type::Real)) => Type::Real,
        _ => Type::Integer,
    };
    let numbers = [Type::Integer, Type::Real];
    let a = of_type(a, &numbers, "arithmetic", mistakes);
    let b = of_type(b, &numbers, "arithmetic", mistakes);
    Some(Node::new(Expr::Binary(op, a?.into(), b?.into()), Some(ty), at))
}

/// `= != < <= > >=`.
pub(super) fn comparison(
    report_type: &ReportType,
    op: Binary,
    mut a: Node,
    mut b: Node,
    mistakes: &mut Mistakes,
) -> Option<Node> {
    let at = joined(&a, &b);
    if !comparable(report_type, op, &mut a, &mut b, mistakes) {
        return None;
    }
    Some(Node::new(Expr::Binary(op, a.expr.into(), b.expr.into()), Some(Type::Boolean), at))
}

/// `x between low and high`.
pub(super) fn between(
    report_type: &ReportType,
    mut x: Node,
    mut low: Node,
    mut high: Node,
    mistakes: &mut Mistakes,
) -> Option<Node> {
    let at = joined(&x, &high);
    let low_fits = comparable(report_type, Binary::LessOrEqual, &mut x, &mut low, mistakes);
    let high_fits = comparable(report_type, Binary::LessOrEqual, &mut x, &mut high, mistakes);
    let expr = Expr::Between(x.expr.into(), low.expr.into(), high.expr.into());
    (low_fits && high_fits).then(|| Node::new(expr, Some(Type::Boolean), at))
}

/// `x in (..)`.
pub(super) fn in_list(
    report_type: &ReportType,
    mut x: Node,
    list: Vec<Node>,
    mistakes: &mut Mistakes,
) -> Option<Node> {
    let mut at = x.at.clone();
    let mut values = Vec::with_capacity(list.len());
    let mut fits = true;
    for mut item in list {
        at.end = at.end.max(item.at.end);
        fits &= comparable(report_type, Binary::Equal, &mut x, &mut item, mistakes);
        match item.expr {
            Expr::Literal(value) => values.push(value),
            _ => {
                mistakes.push(Mistake::new(item.at, "`in` takes constants"));
                fits = false;
            }
        }
    }
    fits.then(|| Node::new(Expr::In(x.expr.into(), values), Some(Type::Boolean), at))
}

/// Whether two operands can be compared. A text constant beside an instant becomes an instant.
fn comparable(
    report_type: &ReportType,
    op: Binary,
    a: &mut Node,
    b: &mut Node,
    mistakes: &mut Mistakes,
) -> bool {
    let before = mistakes.len();
    let (left, right) = (a.ty, b.ty);
    if right == Some(Type::Timestamp) && !instant(a, mistakes)
        || left == Some(Type::Timestamp) && !instant(b, mistakes)
    {
        return false;
    }
    let (Some(left), Some(right)) = (a.ty, b.ty) else {
        let null = if a.ty.is_none() { &a.at } else { &b.at };
        mistakes.push(
            Mistake::new(null.clone(), "a comparison with null never holds")
                .with_help("write `is null` or `is not null`"),
        );
        return false;
    };
    if left != right && !(left.is_number() && right.is_number()) {
        let message = format!("{} is compared with {}", left.word(), right.word());
        mistakes.push(Mistake::new(joined(a, b), message));
        return false;
    }
    if left == Type::Boolean && !matches!(op, Binary::Equal | Binary::Different) {
        mistakes.push(Mistake::new(joined(a, b), "conditions have no order"));
        return false;
    }
    for (field, constant) in [(&*a, &*b), (&*b, &*a)] {
        if let (Some(field), Expr::Literal(Value::Text(value))) = (field.origin, &constant.expr) {
            mistakes.extend(picklist_mistake(report_type, field, value, &constant.at));
        }
    }
    mistakes.len() == before
}

/// Makes a text constant an instant, where an instant is needed. False: it is none.
fn instant(node: &mut Node, mistakes: &mut Mistakes) -> bool {
    let Expr::Literal(Value::Text(text)) = &node.expr else { return true };
    let Ok(instant) = DateTime::parse_from_rfc3339(text) else {
        let mistake = Mistake::new(node.at.clone(), "this is not an instant");
        mistakes.push(mistake.with_help("write e.g. '2026-01-31T00:00:00Z'"));
        return false;
    };
    let instant = instant.with_timezone(&Utc).trunc_subsecs(3);
    node.expr = Expr::Literal(Value::Timestamp(instant));
    node.ty = Some(Type::Timestamp);
    true
}

/// Brings the results of branches to one type: whole numbers become reals beside reals.
pub(super) fn unified(
    mut nodes: Vec<Node>,
    mistakes: &mut Mistakes,
) -> Option<(Vec<Expr>, Option<Type>)> {
    if nodes.iter().any(|node| node.ty == Some(Type::Timestamp)) {
        let instants: Vec<bool> = nodes.iter_mut().map(|node| instant(node, mistakes)).collect();
        if instants.contains(&false) {
            return None;
        }
    }
    let mut ty: Option<Type> = None;
    for node in &nodes {
        ty = match (ty, node.ty) {
            (known, None) => known,
            (None, other) => other,
            (Some(known), Some(other)) if known == other => ty,
            (Some(known), Some(other)) if known.is_number() && other.is_number() => {
                Some(Type::Real)
            }
            (known, other) => {
                let message = format!("one result is {}, this one is {}", word(known), word(other));
                mistakes.push(Mistake::new(node.at.clone(), message));
                return None;
            }
        };
    }
    let real = |node: Node| match (ty, node.ty, node.expr) {
        (Some(Type::Real), Some(Type::Integer), Expr::Literal(Value::Integer(n))) => {
            Expr::Literal(Value::Real(n as f64))
        }
        (Some(Type::Real), Some(Type::Integer), expr) => Expr::Unary(Unary::Real, expr.into()),
        (_, _, expr) => expr,
    };
    Some((nodes.into_iter().map(real).collect(), ty))
}
