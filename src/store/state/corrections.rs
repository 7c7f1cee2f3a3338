//! Corrections of what was told of incidents, until whoever should know has been told.

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};

use super::{StateError, millis};
use crate::domain::notification::Correction;

/// Writes down a correction; one that is known stays as it is.
pub fn put(tx: &Transaction<'_>, correction: &Correction) -> Result<(), StateError> {
    let body = serde_json::to_string(correction)
        .map_err(|source| StateError::Unreadable { what: "correction", source })?;
    tx.prepare_cached(
        "insert or ignore into correction (incident, number, found_at, told, body)
         values (?1, ?2, ?3, 0, ?4)",
    )?
    .execute(params![correction.incident, correction.number, millis(correction.at), body])?;
    Ok(())
}

/// Corrections of which somebody is still to be told, oldest first.
pub fn untold(tx: &Transaction<'_>) -> Result<Vec<Correction>, StateError> {
    let mut statement = tx.prepare_cached(
        "select body from correction where told = 0 order by found_at, incident, number",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let read = |body: String| {
        serde_json::from_str(&body)
            .map_err(|source| StateError::Unreadable { what: "correction", source })
    };
    rows.map(|body| read(body?)).collect()
}

/// How many corrections of an incident there were.
pub fn count(tx: &Transaction<'_>, incident: &str) -> Result<u32, StateError> {
    let mut count = tx.prepare_cached("select count(*) from correction where incident = ?1")?;
    Ok(count.query_row([incident], |row| row.get(0))?)
}

/// A correction has been told to everybody who should know.
pub fn told(tx: &Transaction<'_>, incident: &str, number: u32) -> Result<(), StateError> {
    tx.prepare_cached("update correction set told = 1 where incident = ?1 and number = ?2")?
        .execute(params![incident, number])?;
    Ok(())
}

/// Forgets corrections found before an instant that were told.
pub fn prune(tx: &Transaction<'_>, before: DateTime<Utc>) -> Result<usize, StateError> {
    Ok(tx.execute("delete from correction where told = 1 and found_at < ?1", [millis(before)])?)
}
