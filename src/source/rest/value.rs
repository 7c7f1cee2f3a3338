//! One JSON value as a field holds it. Forgiving where nothing can be mistaken (an id that is a
//! number, a number that is text), strict where something can (a time without a zone).

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use serde_json::Value;

use super::settings::Format;
use super::spec::read_pattern;
use crate::domain::value::Type;

/// Whole numbers beyond this have lost digits as a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Held<'v> {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    /// Milliseconds since 1970 UTC.
    Timestamp(i64),
    Text(Cow<'v, str>),
}

/// Reads a value. `None`: it does not fit.
pub(super) fn read<'v>(value: &'v Value, ty: Type, format: &Format) -> Option<Held<'v>> {
    match (value, format) {
        (Value::Null, _) => Some(Held::Null),
        (Value::Array(list), Format::Count) => Some(Held::Integer(list.len() as i64)),
        (Value::Object(map), Format::Count) => Some(Held::Integer(map.len() as i64)),
        (_, Format::Count) => None,
        (Value::Array(list), Format::Joined(separator)) => joined(list, separator),
        (Value::String(text), _) if text.trim().is_empty() && ty != Type::Text => Some(Held::Null),
        _ => match ty {
            Type::Text => scalar_text(value).map(Held::Text),
            Type::Boolean => boolean(value).map(Held::Boolean),
            Type::Integer => integer(value).map(Held::Integer),
            Type::Real => real(value).map(Held::Real),
            Type::Timestamp => instant(value, format)
                .filter(|at| (1..=9999).contains(&at.year()))
                .map(|at| Held::Timestamp(at.timestamp_millis())),
        },
    }
}

fn joined<'v>(list: &[Value], separator: &str) -> Option<Held<'v>> {
    let mut out = String::new();
    for (at, value) in list.iter().filter(|value| !value.is_null()).enumerate() {
        if at > 0 {
            out.push_str(separator);
        }
        out.push_str(&scalar_text(value)?);
    }
    Some(Held::Text(Cow::Owned(out)))
}

/// A text, number or truth value as text.
pub(super) fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    let whole = |x: f64| (x.fract() == 0.0 && x.abs() <= EXACT).then_some(x as i64);
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        _ => None,
    }
}

fn real(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|x| x.is_finite())
}

fn instant(value: &Value, format: &Format) -> Option<DateTime<Utc>> {
    match format {
        Format::EpochSeconds => epoch(value, 1_000.0),
        Format::EpochMillis => epoch(value, 1.0),
        Format::Pattern(pattern) => read_pattern(scalar_text(value)?.trim(), pattern),
        Format::Plain | Format::Joined(_) | Format::Count => match value {
            Value::String(text) => rfc3339(text.trim()),
            _ => None,
        },
    }
}

fn epoch(value: &Value, millis: f64) -> Option<DateTime<Utc>> {
    let exact = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match exact {
        Some(count) => DateTime::from_timestamp_millis(count.checked_mul(millis as i64)?),
        None => DateTime::from_timestamp_millis((real(value)? * millis).round() as i64),
    }
}

/// RFC 3339, also with an offset without a colon; a date alone is its midnight in UTC. A time
/// without an offset is none: nobody knows which one is meant.
pub(super) fn rfc3339(text: &str) -> Option<DateTime<Utc>> {
    if text.len() == 10 {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()
        .map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: Value, ty: Type, format: &Format, expected: Option<Held<'_>>) {
        assert_eq!(read(&value, ty, format), expected, "{value}");
    }

    #[track_caller]
    fn plain(value: Value, ty: Type, expected: Option<Held<'_>>) {
        check(value, ty, &Format::Plain, expected);
    }

    #[track_caller]
    fn time(value: Value, format: &Format, expected: &str) {
        let expected = (!expected.is_empty()).then(|| {
            Held::Timestamp(expected.parse::<DateTime<Utc>>().unwrap().timestamp_millis())
        });
        check(value, Type::Timestamp, format, expected);
    }

    fn text(text: &str) -> Option<Held<'static>> {
        Some(Held::Text(Cow::Owned(text.to_owned())))
    }

    #[test]
    fn scalars_fit_where_nothing_can_be_mistaken() {
        plain(json!(null), Type::Integer, Some(Held::Null));
        plain(json!("x"), Type::Text, text("x"));
        plain(json!(""), Type::Text, text(""));
        plain(json!(17), Type::Text, text("17"));
        plain(json!(1.5), Type::Text, text("1.5"));
        plain(json!(true), Type::Text, text("true"));
        plain(json!({"a": 1}), Type::Text, None);
        plain(json!([1]), Type::Text, None);
        plain(json!(17), Type::Integer, Some(Held::Integer(17)));
        plain(json!(17.0), Type::Integer, Some(Held::Integer(17)));
        plain(json!(" 17 "), Type::Integer, Some(Held::Integer(17)));
        plain(json!("17.0"), Type::Integer, Some(Held::Integer(17)));
        plain(json!(""), Type::Integer, Some(Held::Null));
        plain(json!(1.5), Type::Integer, None);
        plain(json!(u64::MAX), Type::Integer, None);
        plain(json!(i64::MIN), Type::Integer, Some(Held::Integer(i64::MIN)));
        plain(json!("many"), Type::Integer, None);
        plain(json!(true), Type::Integer, None);
        plain(json!(17), Type::Real, Some(Held::Real(17.0)));
        plain(json!("1.5"), Type::Real, Some(Held::Real(1.5)));
        plain(json!("NaN"), Type::Real, None);
        plain(json!("inf"), Type::Real, None);
        plain(json!(0), Type::Boolean, Some(Held::Boolean(false)));
        plain(json!("True"), Type::Boolean, Some(Held::Boolean(true)));
        plain(json!(2), Type::Boolean, None);
    }

    #[test]
    fn lists_are_joined_or_counted() {
        let joined = Format::Joined(", ".to_owned());
        check(json!(["a", 1, null, true]), Type::Text, &joined, text("a, 1, true"));
        check(json!([]), Type::Text, &joined, text(""));
        check(json!("a"), Type::Text, &joined, text("a"));
        check(json!([["a"]]), Type::Text, &joined, None);
        check(json!([1, 2]), Type::Integer, &Format::Count, Some(Held::Integer(2)));
        check(json!({"a": 1}), Type::Integer, &Format::Count, Some(Held::Integer(1)));
        check(json!(2), Type::Integer, &Format::Count, None);
        check(json!(null), Type::Integer, &Format::Count, Some(Held::Null));
    }

    #[test]
    fn instants_come_in_many_shapes() {
        time(json!("2026-03-01T10:00:00Z"), &Format::Plain, "2026-03-01T10:00:00Z");
        time(json!("2026-03-01T10:00:00.25+02:00"), &Format::Plain, "2026-03-01T08:00:00.250Z");
        time(json!("2026-03-01T10:00:00.000+0000"), &Format::Plain, "2026-03-01T10:00:00Z");
        time(json!("2026-03-01"), &Format::Plain, "2026-03-01T00:00:00Z");
        time(json!("2026-03-01T10:00:00"), &Format::Plain, "");
        time(json!(1_772_359_200), &Format::Plain, "");
        time(json!("yesterday"), &Format::Plain, "");
        time(json!(1_772_359_200), &Format::EpochSeconds, "2026-03-01T10:00:00Z");
        time(json!(1_772_359_200.5), &Format::EpochSeconds, "2026-03-01T10:00:00.500Z");
        time(json!("1772359200"), &Format::EpochSeconds, "2026-03-01T10:00:00Z");
        time(json!(1_772_359_200_250_i64), &Format::EpochMillis, "2026-03-01T10:00:00.250Z");
        time(json!(1_772_359_200_250_i64), &Format::EpochSeconds, "");
        time(json!(i64::MAX), &Format::EpochSeconds, "");
        time(json!(1e300), &Format::EpochMillis, "");
        let pattern = Format::Pattern("%Y-%m-%dT%H:%M:%S".to_owned());
        time(json!("2026-03-01T10:00:00"), &pattern, "2026-03-01T10:00:00Z");
        let year = Format::Pattern("%Y%m%d".to_owned());
        time(json!(20_260_301), &year, "2026-03-01T00:00:00Z");
    }
}
