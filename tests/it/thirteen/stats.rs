//! The arithmetic of the figures, written out: nothing of the product computes them here.

use postrider::domain::value::Value;

/// A count.
pub(super) fn count(n: usize) -> Value {
    Value::Integer(n as i64)
}

/// Arithmetic mean; null of nothing.
pub(super) fn mean(values: &[f64]) -> Value {
    ratio(values.iter().sum(), values.len() as f64)
}

/// The largest; null of nothing.
pub(super) fn max(values: &[f64]) -> Value {
    values.iter().copied().reduce(f64::max).map_or(Value::Null, Value::Real)
}

/// Part of a whole; null where the whole is zero.
pub(super) fn ratio(part: f64, whole: f64) -> Value {
    if whole == 0.0 { Value::Null } else { Value::Real(part / whole) }
}

/// The value below which `fraction` of the others lie, linear between neighbours (type 7).
fn percentile(values: &[f64], fraction: f64) -> Value {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return Value::Null };
    let place = fraction * last as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Value::Real(low + (high - low) * (place - place.floor()))
}

/// In the place of a percentile of so few values that it says nothing.
pub(super) const WITHHELD: &str = "(withheld)";

/// The same, not told of fewer than twenty values.
pub(super) fn tail(values: &[f64], fraction: f64) -> Value {
    match values.len() {
        1..20 => Value::Text(WITHHELD.to_owned()),
        _ => percentile(values, fraction),
    }
}

/// The middle, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Value {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => Value::Null,
        (n, half) if n % 2 == 1 => Value::Real(sorted[half]),
        (_, half) => Value::Real(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}
