//! Plain values and the operations on them that do not depend on rows.

use std::cmp::Ordering;

/// A plain value; instants are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum V {
    Null,
    Bool(bool),
    Int(i64),
    Real(f64),
    Text(String),
    Time(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ty {
    Bool,
    Int,
    Real,
    Text,
    Time,
}

pub(super) fn of_type(value: V, ty: Ty) -> V {
    match (value, ty) {
        (V::Int(n), Ty::Real) => V::Real(n as f64),
        (value, _) => value,
    }
}

pub(super) fn finite(value: V) -> V {
    match value {
        V::Real(x) if !x.is_finite() => V::Null,
        other => other,
    }
}

pub(super) fn number(value: &V) -> Option<f64> {
    match value {
        V::Int(n) => Some(*n as f64),
        V::Real(x) => Some(*x),
        _ => None,
    }
}

pub(super) fn range(bounds: &[i64], at: usize) -> String {
    match at {
        0 => format!("< {}", bounds[0]),
        at if at == bounds.len() => format!(">= {}", bounds[at - 1]),
        at => format!("{} to < {}", bounds[at - 1], bounds[at]),
    }
}

pub(super) fn divide(a: V, b: V) -> V {
    match (number(&a), number(&b)) {
        (Some(a), Some(b)) if b != 0.0 => V::Real(a / b),
        _ => V::Null,
    }
}

pub(super) fn arithmetic(op: &str, a: V, b: V) -> V {
    if let (V::Int(a), V::Int(b)) = (&a, &b) {
        let (a, b) = (i128::from(*a), i128::from(*b));
        let exact = match op {
            "+" => a + b,
            "-" => a - b,
            _ => a * b,
        };
        if let Ok(exact) = i64::try_from(exact) {
            return V::Int(exact);
        }
    }
    match (number(&a), number(&b)) {
        (Some(a), Some(b)) => V::Real(match op {
            "+" => a + b,
            "-" => a - b,
            _ => a * b,
        }),
        _ => V::Null,
    }
}

pub(super) fn operator(op: &str, a: V, b: V) -> V {
    let truth = |v: &V| if let V::Bool(truth) = v { Some(*truth) } else { None };
    match op {
        "and" => match (truth(&a), truth(&b)) {
            (Some(false), _) | (_, Some(false)) => V::Bool(false),
            (Some(true), Some(true)) => V::Bool(true),
            _ => V::Null,
        },
        "or" => match (truth(&a), truth(&b)) {
            (Some(true), _) | (_, Some(true)) => V::Bool(true),
            (Some(false), Some(false)) => V::Bool(false),
            _ => V::Null,
        },
        "+" | "-" | "*" => arithmetic(op, a, b),
        "/" => divide(a, b),
        _ if a == V::Null || b == V::Null => V::Null,
        "like" => match (a, b) {
            (V::Text(text), V::Text(pattern)) => {
                let chars = |text: String| text.chars().collect::<Vec<char>>();
                V::Bool(like(&chars(text), &chars(pattern)))
            }
            _ => panic!("like over no text"),
        },
        _ => {
            let order = order(&a, &b);
            V::Bool(match op {
                "=" => order.is_eq(),
                "<>" => order.is_ne(),
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                ">=" => order.is_ge(),
                other => panic!("{other}"),
            })
        }
    }
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|skip| like(&text[skip..], rest)),
        Some(('_', rest)) => !text.is_empty() && like(&text[1..], rest),
        Some((c, rest)) => text.first() == Some(c) && like(&text[1..], rest),
    }
}

pub(super) fn directed(a: &V, b: &V, descending: bool) -> Ordering {
    let order = order(a, b);
    let nulls = *a == V::Null || *b == V::Null;
    if descending && !nulls { order.reverse() } else { order }
}

/// Nulls last.
pub(super) fn order(a: &V, b: &V) -> Ordering {
    match (a, b) {
        (V::Null, V::Null) => Ordering::Equal,
        (V::Null, _) => Ordering::Greater,
        (_, V::Null) => Ordering::Less,
        (V::Bool(a), V::Bool(b)) => a.cmp(b),
        (V::Int(a), V::Int(b)) | (V::Time(a), V::Time(b)) => a.cmp(b),
        (V::Text(a), V::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (a, b) => number(a).unwrap().partial_cmp(&number(b).unwrap()).unwrap(),
    }
}
