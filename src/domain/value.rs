//! Typed values: what a field holds, what an expression gives.
//!
//! Five types and null, the same in every database and every source. An instant is whole
//! milliseconds; text compares by bytes; nulls sort last.

use std::cmp::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The type of a field or of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Type {
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Real,
    /// Unicode text.
    Text,
    /// An instant, to the millisecond.
    Timestamp,
}

impl Type {
    /// Whether arithmetic is defined on it.
    pub fn is_number(self) -> bool {
        matches!(self, Type::Integer | Type::Real)
    }

    /// The word the config uses for it.
    pub fn word(self) -> &'static str {
        match self {
            Type::Boolean => "boolean",
            Type::Integer => "integer",
            Type::Real => "real",
            Type::Text => "text",
            Type::Timestamp => "timestamp",
        }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Nothing known: not zero, not the empty text.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction; never NaN or infinite.
    Real(f64),
    /// Unicode text.
    Text(String),
    /// An instant, to the millisecond.
    Timestamp(DateTime<Utc>),
}

impl Value {
    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The number in it, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Integer(n) => Some(*n as f64),
            Value::Real(x) => Some(*x),
            _ => None,
        }
    }

    /// The text in it, if it is text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A finite real, or null for NaN and the infinities.
    pub fn real(x: f64) -> Value {
        if x.is_finite() { Value::Real(x) } else { Value::Null }
    }

    /// A length of time in whole seconds (exact to the millisecond).
    pub fn seconds(length: TimeDelta) -> Value {
        let ms = length.num_milliseconds();
        if ms % 1000 == 0 { Value::Integer(ms / 1000) } else { Value::Real(ms as f64 / 1000.0) }
    }

    /// The order of a report's rows: nulls last, numbers by size whatever their type, text by bytes.
    pub fn order(&self, other: &Value) -> Ordering {
        self.datum().order(other.datum())
    }

    /// The same value, borrowed.
    pub fn datum(&self) -> Datum<'_> {
        match self {
            Value::Null => Datum::Null,
            Value::Boolean(truth) => Datum::Boolean(*truth),
            Value::Integer(n) => Datum::Integer(*n),
            Value::Real(x) => Datum::Real(*x),
            Value::Text(text) => Datum::Text(text.as_bytes()),
            Value::Timestamp(at) => Datum::Timestamp(at.timestamp_millis()),
        }
    }
}

/// A value borrowed from a row, as cheap to pass as a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Datum<'a> {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text, as its bytes.
    Text(&'a [u8]),
    /// An instant, in milliseconds since 1970 UTC.
    Timestamp(i64),
}

impl Datum<'_> {
    /// Whether it is null.
    pub fn is_null(self) -> bool {
        matches!(self, Datum::Null)
    }

    /// The number in it, if it is one.
    pub fn number(self) -> Option<f64> {
        match self {
            Datum::Integer(n) => Some(n as f64),
            Datum::Real(x) => Some(x),
            _ => None,
        }
    }

    /// A value of its own. Reals that are not finite and instants beyond the calendar are null.
    pub fn value(self) -> Value {
        match self {
            Datum::Null => Value::Null,
            Datum::Boolean(truth) => Value::Boolean(truth),
            Datum::Integer(n) => Value::Integer(n),
            Datum::Real(x) => Value::real(x),
            Datum::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            Datum::Timestamp(ms) => {
                DateTime::from_timestamp_millis(ms).map_or(Value::Null, Value::Timestamp)
            }
        }
    }

    /// See [`Value::order`].
    pub fn order(self, other: Datum<'_>) -> Ordering {
        use Datum::{Boolean, Integer, Null, Real, Text, Timestamp};
        match (self, other) {
            (Null, Null) => Ordering::Equal,
            (Null, _) => Ordering::Greater,
            (_, Null) => Ordering::Less,
            (Integer(a), Integer(b)) | (Timestamp(a), Timestamp(b)) => a.cmp(&b),
            (Real(a), Real(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Integer(a), Real(b)) => whole_and_real(a, b),
            (Real(a), Integer(b)) => whole_and_real(b, a).reverse(),
            (Text(a), Text(b)) => a.cmp(b),
            (Boolean(a), Boolean(b)) => a.cmp(&b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    fn rank(self) -> u8 {
        match self {
            Datum::Boolean(_) => 0,
            Datum::Integer(_) | Datum::Real(_) => 1,
            Datum::Timestamp(_) => 2,
            Datum::Text(_) => 3,
            Datum::Null => 4,
        }
    }
}

/// Compares exactly: a whole number beyond 2^53 is not rounded first.
fn whole_and_real(whole: i64, real: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if real.is_nan() {
        return Ordering::Equal;
    }
    if real >= BEYOND {
        return Ordering::Less;
    }
    if real < -BEYOND {
        return Ordering::Greater;
    }
    let floor = real.floor();
    whole.cmp(&(floor as i64)).then(if floor < real { Ordering::Less } else { Ordering::Equal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rising: &[Value]) {
        for (i, a) in rising.iter().enumerate() {
            for (j, b) in rising.iter().enumerate() {
                assert_eq!(a.order(b), i.cmp(&j), "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn values_have_one_order() {
        let text = |text: &str| Value::Text(text.to_owned());
        check(&[
            Value::Integer(i64::MIN),
            Value::Real(-1.5),
            Value::Integer(-1),
            Value::Real(-0.5),
            Value::Integer(0),
            Value::Real(0.25),
            // Neighbours that a conversion to real would make equal.
            Value::Integer(9_007_199_254_740_992),
            Value::Integer(9_007_199_254_740_993),
            Value::Real(9_007_199_254_740_994.0),
            Value::Integer(i64::MAX),
            Value::Real(9_223_372_036_854_775_808.0),
            Value::Null,
        ]);
        check(&[text("B"), text("a"), text("z"), text("ä"), Value::Null]);
        check(&[Value::Boolean(false), Value::Boolean(true), Value::Null]);
        assert_eq!(Value::Real(-0.0).order(&Value::Integer(0)), Ordering::Equal);
    }
}
