//! Verdicts that turned out otherwise, until whoever should know has been told.

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};

use super::{StateError, millis};
use crate::domain::notification::Correction;

/// Writes down a correction; one that is known stays as it is.
pub fn put(tx: &Transaction<'_>, correction: &Correction) -> Result<(), StateError> {
    let body = serde_json::to_string(correction)
        .map_err(|source| StateError::Unreadable { what: "correction", source })?;
    tx.prepare_cached(
        "insert or ignore into correction (incident, slot, found_at, told, body)
         values (?1, ?2, ?3, 0, ?4)",
    )?
    .execute(params![
        correction.incident,
        millis(correction.slot),
        millis(correction.found_at),
        body
    ])?;
    Ok(())
}

/// Corrections of which somebody is still to be told, oldest first.
pub fn untold(tx: &Transaction<'_>) -> Result<Vec<Correction>, StateError> {
    let mut statement = tx.prepare_cached(
        "select body from correction where told = 0 order by found_at, incident, slot",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let read = |body: String| {
        serde_json::from_str(&body)
            .map_err(|source| StateError::Unreadable { what: "correction", source })
    };
    rows.map(|body| read(body?)).collect()
}

/// A correction has been told to everybody who should know.
pub fn told(tx: &Transaction<'_>, incident: &str, slot: DateTime<Utc>) -> Result<(), StateError> {
    tx.prepare_cached("update correction set told = 1 where incident = ?1 and slot = ?2")?
        .execute(params![incident, millis(slot)])?;
    Ok(())
}

/// Forgets corrections found before an instant that were told.
pub fn prune(tx: &Transaction<'_>, before: DateTime<Utc>) -> Result<usize, StateError> {
    Ok(tx.execute("delete from correction where told = 1 and found_at < ?1", [millis(before)])?)
}
