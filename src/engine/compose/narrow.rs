//! A question about all groups of a rule, narrowed to the group of one incident.

use chrono::{DateTime, Utc};

use crate::domain::expr::{Binary, Expr, Unary};
use crate::domain::query::Query;
use crate::domain::value::Value;

/// `query`, asked only about the records of a group of `rule`'s question; `key` is the group's
/// ([`crate::domain::rule::readings::Group::key`]). `None` where that cannot be asked: the rule was
/// edited since and has other groups, the two are about different records, or what groups is
/// computed from several records at once.
pub(super) fn narrowed(query: &Query, rule: &Query, key: &str) -> Option<Query> {
    let keys = keys(key)?;
    if keys.len() != rule.groups.len() || query.report_type != rule.report_type {
        return None;
    }
    let mut narrowed = query.clone();
    for (group, key) in rule.groups.iter().zip(keys) {
        let expr = of_records(&group.expr, rule)?;
        let same = match key {
            Value::Null => Expr::Unary(Unary::IsNull, Box::new(expr)),
            key => Expr::Binary(Binary::Equal, Box::new(expr), Box::new(Expr::Literal(key))),
        };
        narrowed.filter = Some(match narrowed.filter.take() {
            Some(filter) => Expr::Binary(Binary::And, Box::new(filter), Box::new(same)),
            None => same,
        });
    }
    Some(narrowed)
}

/// An expression of a group over the joined records, which a filter is about: the keys of a fold are
/// the same in all records of one of its rows, its values are not.
fn of_records(expr: &Expr, rule: &Query) -> Option<Expr> {
    match (expr, &rule.fold) {
        (Expr::Folded(index), Some(fold)) => fold.keys.get(*index).map(|key| key.expr.clone()),
        (expr, _) => {
            let mut folded = false;
            expr.walk(&mut |expr| folded |= matches!(expr, Expr::Folded(_)));
            (!folded).then(|| expr.clone())
        }
    }
}

/// The values in a group's key; `None` where it is none, as that of the groups beyond the limit.
fn keys(key: &str) -> Option<Vec<Value>> {
    let inside = key.strip_prefix('[')?.strip_suffix(']')?;
    let mut values = Vec::new();
    let mut rest = inside;
    while !rest.is_empty() {
        let end = end_of(rest)?;
        values.push(value(&rest[..end])?);
        rest = match rest[end..].strip_prefix(',') {
            Some(more) if !more.is_empty() => more,
            None if rest[end..].is_empty() => "",
            _ => return None,
        };
    }
    Some(values)
}

/// Where the first value ends: at the comma behind it, those within a text apart.
fn end_of(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return Some(at),
            _ => {}
        }
    }
    (!quoted).then_some(text.len())
}

fn value(text: &str) -> Option<Value> {
    match text {
        "null" => return Some(Value::Null),
        "true" => return Some(Value::Boolean(true)),
        "false" => return Some(Value::Boolean(false)),
        _ => {}
    }
    if text.starts_with('"') {
        return serde_json::from_str(text).ok().map(Value::Text);
    }
    if let Some(millis) = text.strip_prefix('@') {
        return DateTime::<Utc>::from_timestamp_millis(millis.parse().ok()?).map(Value::Timestamp);
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Value::Integer(whole));
    }
    text.parse::<f64>().ok().filter(|x| x.is_finite()).map(Value::Real)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rule::readings::Group;

    #[track_caller]
    fn check(values: &[Value]) {
        let key = Group::of(["a"; 9], values, &[]).key;
        assert_eq!(keys(&key).as_deref(), Some(values), "{key}");
    }

    #[test]
    fn the_values_in_a_key_are_those_it_was_made_from() {
        check(&[]);
        check(&[Value::Null, Value::Boolean(true), Value::Integer(-4)]);
        check(&[Value::Real(1.0), Value::Real(0.1 + 0.2), Value::Real(1e300)]);
        check(&[Value::Timestamp(DateTime::UNIX_EPOCH + chrono::TimeDelta::milliseconds(7))]);
        let odd = ["", ",", "a\"b,", "\\", "\u{1f600}]", "null", "@5", "é\n"];
        check(&odd.map(|text| Value::Text(text.to_owned())));
        for not in ["overflow", "", "[", "[1", "[1,]", "[\"a]", "[x]", "[,1]"] {
            assert_eq!(keys(not), None, "{not}");
        }
    }
}
