//! The report language's own functions inside the database.
//!
//! They call the code that computes the same after grouping, so that an expression means one thing
//! wherever it is evaluated.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};

use crate::domain::expr::{Civil, Unit, like, range_of, range_text};
use crate::domain::zone::Zone;

pub(super) const LIKE: &str = "postrider_like";
pub(super) const LOWER: &str = "postrider_lower";
pub(super) const CIVIL: &str = "postrider_civil";
pub(super) const BUCKET: &str = "postrider_bucket";

/// Registers all of them.
pub(super) fn install(conn: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    conn.create_scalar_function(LIKE, 2, flags, |context| {
        let (text, pattern) = (text_of(context, 0)?, text_of(context, 1)?);
        Ok(text.zip(pattern).map(|(text, pattern)| like(text, pattern)))
    })?;
    conn.create_scalar_function(LOWER, 1, flags, |context| {
        Ok(text_of(context, 0)?.map(str::to_lowercase))
    })?;
    conn.create_scalar_function(CIVIL, 2, flags, |context| {
        let ValueRef::Integer(ms) = context.get_raw(0) else { return Ok(None) };
        let civil = context.get_or_create_aux(1, civil_from)?;
        Ok(civil.1.unit(civil.0, ms))
    })?;
    conn.create_scalar_function(BUCKET, 2, flags, |context| {
        let number = match context.get_raw(0) {
            ValueRef::Integer(n) => n as f64,
            ValueRef::Real(x) => x,
            _ => return Ok(None),
        };
        let bounds = context.get_or_create_aux(1, bounds_from)?;
        Ok(Some(range_text(&bounds, range_of(&bounds, number))))
    })
}

fn text_of<'a>(context: &'a Context<'_>, index: usize) -> rusqlite::Result<Option<&'a str>> {
    match context.get_raw(index) {
        ValueRef::Text(text) => {
            std::str::from_utf8(text).map(Some).map_err(|err| Error::UserFunctionError(err.into()))
        }
        _ => Ok(None),
    }
}

/// What [`CIVIL`] takes as its second argument: unit, first weekday, zone.
pub(super) fn civil_spec(unit: Unit, zone: &Zone, week_starts: u8) -> String {
    let unit = match unit {
        Unit::Day => "day",
        Unit::Week => "week",
        Unit::Month => "month",
        Unit::Hour => "hour",
        Unit::Weekday => "weekday",
    };
    format!("{unit} {week_starts} {}", zone.name())
}

fn civil_from(spec: ValueRef<'_>) -> Result<(Unit, Civil), String> {
    let spec = spec.as_str().map_err(|err| err.to_string())?;
    let mut words = spec.splitn(3, ' ');
    let unit = match words.next() {
        Some("day") => Unit::Day,
        Some("week") => Unit::Week,
        Some("month") => Unit::Month,
        Some("hour") => Unit::Hour,
        Some("weekday") => Unit::Weekday,
        other => return Err(format!("no civil unit is called {other:?}")),
    };
    let week_starts = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
    let zone = Zone::named(words.next().unwrap_or("UTC"))?;
    Ok((unit, Civil::new(zone, week_starts)))
}

fn bounds_from(blob: ValueRef<'_>) -> Result<Vec<f64>, String> {
    let bytes = blob.as_blob().map_err(|err| err.to_string())?;
    let (bounds, _) = bytes.as_chunks::<8>();
    Ok(bounds.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
}
