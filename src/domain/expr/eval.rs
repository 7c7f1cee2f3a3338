//! The value of a checked expression over a folded row or a group.
//!
//! Means what the database means by the same expression: whole numbers that overflow become
//! reals, a division by zero is null, comparisons with null are null. Reals may be infinite on the
//! way and are null in the end. Fields of joined records never come here: the database reads them.

use std::borrow::Cow;
use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use super::civil::Civil;
use super::text::{like, range_of, range_text};
use super::{Binary, Expr, Function, Unary};
use crate::domain::value::{Datum, Value};

/// What an expression can refer to.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// Keys and values of the folded row.
    pub(crate) folded: &'a [Value],
    /// The group's keys.
    pub(crate) keys: &'a [Value],
    /// Fields that the keys fix.
    pub(crate) carried: &'a [Value],
    /// The group's aggregates.
    pub(crate) aggregates: &'a [Value],
    /// The same aggregates over all groups.
    pub(crate) over_all: &'a [Value],
    /// The slot.
    pub(crate) as_of: DateTime<Utc>,
    /// Civil units in the report's zone.
    pub(crate) civil: &'a Civil,
}

type Found<'a> = Cow<'a, Value>;

/// The value of an expression; reals are finite.
pub(crate) fn value<'a>(expr: &'a Expr, scope: &Scope<'a>) -> Cow<'a, Value> {
    match eval(expr, scope) {
        found if matches!(*found, Value::Real(x) if !x.is_finite()) => Cow::Owned(Value::Null),
        found => found,
    }
}

/// Whether a condition holds; null does not.
pub(crate) fn holds(expr: &Expr, scope: &Scope<'_>) -> bool {
    truth(&eval(expr, scope)) == Some(true)
}

fn eval<'a>(expr: &'a Expr, scope: &Scope<'a>) -> Found<'a> {
    let at = |values: &'a [Value], index: usize| Cow::Borrowed(&values[index]);
    match expr {
        Expr::Literal(value) => Cow::Borrowed(value),
        Expr::Folded(index) => at(scope.folded, *index),
        Expr::Key(index) => at(scope.keys, *index),
        Expr::Carried(index) => at(scope.carried, *index),
        Expr::Aggregate(index) => at(scope.aggregates, *index),
        Expr::Share(part) => {
            let whole = eval(part, &Scope { aggregates: scope.over_all, ..*scope });
            let part = eval(part, scope);
            Cow::Owned(divide(part.datum(), whole.datum()))
        }
        Expr::AsOf => Cow::Owned(Value::Timestamp(scope.as_of)),
        Expr::Unary(op, x) => Cow::Owned(unary(*op, &eval(x, scope))),
        Expr::Binary(op, a, b) => binary(*op, a, b, scope),
        Expr::Between(x, low, high) => {
            let x = eval(x, scope);
            let above = compare(Binary::GreaterOrEqual, &x, &eval(low, scope));
            let below = compare(Binary::LessOrEqual, &x, &eval(high, scope));
            Cow::Owned(boolean(and(above, below)))
        }
        Expr::In(x, list) => {
            let x = eval(x, scope);
            let found = list.iter().any(|item| compare(Binary::Equal, &x, item) == Some(true));
            Cow::Owned(if x.is_null() { Value::Null } else { Value::Boolean(found) })
        }
        Expr::Case(branches, otherwise) => {
            let chosen = branches.iter().find(|(condition, _)| holds(condition, scope));
            match (chosen, otherwise) {
                (Some((_, result)), _) => eval(result, scope),
                (None, Some(otherwise)) => eval(otherwise, scope),
                (None, None) => Cow::Owned(Value::Null),
            }
        }
        Expr::Call(function, args) => call(function, args, scope),
        Expr::Field(_) => unreachable!("fields are read by the database"),
    }
}

fn boolean(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, Value::Boolean)
}

/// A condition's truth; null is neither.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(truth) => Some(*truth),
        _ => None,
    }
}

fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn unary(op: Unary, x: &Value) -> Value {
    match (op, x) {
        (Unary::IsNull, x) => Value::Boolean(x.is_null()),
        (Unary::Not, x) => boolean(truth(x).map(|truth| !truth)),
        (Unary::Negate, x) => arithmetic(Binary::Subtract, Datum::Integer(0), x.datum()),
        (Unary::Real, x) => x.number().map_or(Value::Null, Value::Real),
    }
}

fn binary<'a>(op: Binary, a: &'a Expr, b: &'a Expr, scope: &Scope<'a>) -> Found<'a> {
    let (a, b) = (eval(a, scope), eval(b, scope));
    Cow::Owned(match op {
        Binary::And => boolean(and(truth(&a), truth(&b))),
        Binary::Or => {
            let not = |x: &Value| truth(x).map(|truth| !truth);
            boolean(and(not(&a), not(&b)).map(|neither| !neither))
        }
        Binary::Divide => divide(a.datum(), b.datum()),
        Binary::Add | Binary::Subtract | Binary::Multiply => arithmetic(op, a.datum(), b.datum()),
        Binary::Like => match (a.text(), b.text()) {
            (Some(text), Some(pattern)) => Value::Boolean(like(text, pattern)),
            _ => Value::Null,
        },
        _ => boolean(compare(op, &a, &b)),
    })
}

fn compare(op: Binary, a: &Value, b: &Value) -> Option<bool> {
    if a.is_null() || b.is_null() {
        return None;
    }
    let order = a.order(b);
    Some(match op {
        Binary::Equal => order == Ordering::Equal,
        Binary::Different => order != Ordering::Equal,
        Binary::Less => order == Ordering::Less,
        Binary::LessOrEqual => order != Ordering::Greater,
        Binary::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

fn divide(a: Datum<'_>, b: Datum<'_>) -> Value {
    match (a.number(), b.number()) {
        (Some(_), Some(0.0)) | (None, _) | (_, None) => Value::Null,
        (Some(a), Some(b)) => not_nan(a / b),
    }
}

fn arithmetic(op: Binary, a: Datum<'_>, b: Datum<'_>) -> Value {
    if let (Datum::Integer(a), Datum::Integer(b)) = (a, b) {
        let whole = match op {
            Binary::Add => a.checked_add(b),
            Binary::Subtract => a.checked_sub(b),
            _ => a.checked_mul(b),
        };
        if let Some(whole) = whole {
            return Value::Integer(whole);
        }
    }
    let (Some(a), Some(b)) = (a.number(), b.number()) else { return Value::Null };
    not_nan(match op {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        _ => a * b,
    })
}

fn not_nan(x: f64) -> Value {
    if x.is_nan() { Value::Null } else { Value::Real(x) }
}

fn call<'a>(function: &'a Function, args: &'a [Expr], scope: &Scope<'a>) -> Found<'a> {
    if let Function::Coalesce = function {
        let found = args.iter().map(|arg| eval(arg, scope)).find(|value| !value.is_null());
        return found.unwrap_or(Cow::Owned(Value::Null));
    }
    let first = eval(&args[0], scope);
    Cow::Owned(match (function, &*first) {
        (Function::Lower, Value::Text(text)) => Value::Text(text.to_lowercase()),
        (Function::Seconds, Value::Timestamp(from)) => match &*eval(&args[1], scope) {
            Value::Timestamp(to) => {
                Value::Real((to.timestamp_millis() - from.timestamp_millis()) as f64 / 1000.0)
            }
            _ => Value::Null,
        },
        (Function::Calendar(unit), Value::Timestamp(at)) => scope.civil.value(*unit, *at),
        (Function::Bucket(bounds), x) => x.number().map_or(Value::Null, |number| {
            Value::Text(range_text(bounds, range_of(bounds, number)))
        }),
        _ => Value::Null,
    })
}
