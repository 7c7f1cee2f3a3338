//! Cells of a CSV file: text alone, so the field's type says how it is read.

use chrono::DateTime;

use crate::domain::dataset::Cell;
use crate::domain::value::Type;
use crate::source::salesforce::instant;

/// Reads a value that is not empty and no text; `None` where it does not fit the type.
pub(super) fn parse(text: &str, ty: Type) -> Option<Cell> {
    let text = text.trim();
    match ty {
        Type::Boolean if text.eq_ignore_ascii_case("true") => Some(Cell::Boolean(true)),
        Type::Boolean if text.eq_ignore_ascii_case("false") => Some(Cell::Boolean(false)),
        Type::Integer => text.parse().ok().or_else(|| whole(text)).map(Cell::Integer),
        Type::Real => text.parse().ok().filter(|real: &f64| real.is_finite()).map(Cell::Real),
        Type::Timestamp => instant::parse(text)
            .or_else(|| instant::parse_date(text))
            .or_else(|| millis(text))
            .map(Cell::Timestamp),
        _ => None,
    }
}

/// Whole numbers come as `12.0` at times; beyond 2^53 a real no longer says which one.
fn whole(text: &str) -> Option<i64> {
    let real: f64 = text.parse().ok()?;
    (real.fract() == 0.0 && real.abs() <= 9_007_199_254_740_992.0).then_some(real as i64)
}

/// Some interfaces write instants as milliseconds since 1970.
fn millis(text: &str) -> Option<i64> {
    let millis = text.parse().ok()?;
    DateTime::from_timestamp_millis(millis).map(|_| millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ty: Type, text: &str, expected: Option<Cell>) {
        assert_eq!(parse(text, ty), expected, "{text}");
    }

    #[test]
    fn values_are_read_by_their_type() {
        check(Type::Boolean, "true", Some(Cell::Boolean(true)));
        check(Type::Boolean, "False", Some(Cell::Boolean(false)));
        check(Type::Boolean, "1", None);
        check(Type::Integer, "12", Some(Cell::Integer(12)));
        check(Type::Integer, "-3.0", Some(Cell::Integer(-3)));
        check(Type::Integer, "0.0", Some(Cell::Integer(0)));
        check(Type::Integer, "1.0E3", Some(Cell::Integer(1000)));
        check(Type::Integer, "9223372036854775807", Some(Cell::Integer(i64::MAX)));
        check(Type::Integer, "1.5", None);
        check(Type::Integer, "1e300", None);
        check(Type::Integer, "twelve", None);
        check(Type::Real, "1.25", Some(Cell::Real(1.25)));
        check(Type::Real, "NaN", None);
        check(Type::Real, "inf", None);
        let stamp = Some(Cell::Timestamp(1_727_740_800_000));
        check(Type::Timestamp, "2024-10-01T00:00:00.000Z", stamp);
        check(Type::Timestamp, "2024-10-01T00:00:00.000+0000", stamp);
        check(Type::Timestamp, "1727740800000", stamp);
        check(Type::Timestamp, "2024-10-01", stamp);
        check(Type::Timestamp, "soon", None);
    }
}
