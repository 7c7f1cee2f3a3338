//! Typed values: what a field holds, what an expression gives.
//!
//! Five types and null, the same in every database and every source. An instant is whole
//! milliseconds; text compares by bytes; nulls sort last.

use std::cmp::Ordering;

use chrono::{DateTime, TimeDelta, Utc};

/// The type of a field or of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
#[derive(Clone, Debug, PartialEq)]
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
        use Value::{Boolean, Integer, Null, Text, Timestamp};
        match (self, other) {
            (Null, Null) => Ordering::Equal,
            (Null, _) => Ordering::Greater,
            (_, Null) => Ordering::Less,
            (Integer(a), Integer(b)) => a.cmp(b),
            (Text(a), Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Timestamp(a), Timestamp(b)) => a.cmp(b),
            (Boolean(a), Boolean(b)) => a.cmp(b),
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                _ => a.rank().cmp(&b.rank()),
            },
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Value::Boolean(_) => 0,
            Value::Integer(_) | Value::Real(_) => 1,
            Value::Timestamp(_) => 2,
            Value::Text(_) => 3,
            Value::Null => 4,
        }
    }
}
