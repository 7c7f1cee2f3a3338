//! Records that event rules have seen. What was seen is remembered by its key, longer than what it
//! looked like, so that nothing is told twice: not after a restart, not when the records are pulled
//! anew, not when the same window is read again.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{StateError, instant, millis};
use crate::domain::notification::Occurrence;

/// Keys are remembered this long after they were last seen.
pub const KEPT: TimeDelta = TimeDelta::days(400);

/// Of each of some keys, when a rule saw it; `None`: it has not.
pub fn known<'k>(
    tx: &Transaction<'_>,
    rule: &str,
    keys: impl IntoIterator<Item = &'k str>,
) -> Result<Vec<Option<DateTime<Utc>>>, StateError> {
    let mut select =
        tx.prepare_cached("select seen_at from occurrence where rule = ?1 and record = ?2")?;
    let mut known = Vec::new();
    for key in keys {
        let at: Option<i64> = select.query_row([rule, key], |row| row.get(0)).optional()?;
        known.push(at.map(instant));
    }
    Ok(known)
}

/// A record seen long ago is still there: its key is kept as if it had been seen now.
pub fn keep(
    tx: &Transaction<'_>,
    rule: &str,
    key: &str,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    tx.prepare_cached("update occurrence set seen_at = ?3 where rule = ?1 and record = ?2")?
        .execute(params![rule, key, millis(now)])?;
    Ok(())
}

/// Remembers a record that is to be told.
pub fn put(tx: &Transaction<'_>, occurrence: &Occurrence) -> Result<(), StateError> {
    let body = serde_json::to_string(occurrence)
        .map_err(|source| StateError::Unreadable { what: "occurrence", source })?;
    tx.prepare_cached(
        "insert or ignore into occurrence (rule, record, seen_at, told, body)
         values (?1, ?2, ?3, 0, ?4)",
    )?
    .execute(params![occurrence.rule, occurrence.record, millis(occurrence.seen_at), body])?;
    Ok(())
}

/// Remembers a record of which nobody is told: it was there before its rule, or is counted alone.
pub fn pass(
    tx: &Transaction<'_>,
    rule: &str,
    key: &str,
    seen_at: DateTime<Utc>,
) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert or ignore into occurrence (rule, record, seen_at, told) values (?1, ?2, ?3, 1)",
    )?
    .execute(params![rule, key, millis(seen_at)])?;
    Ok(())
}

/// Records of which somebody is still to be told, oldest first.
pub fn untold(tx: &Transaction<'_>) -> Result<Vec<Occurrence>, StateError> {
    let mut statement = tx.prepare_cached(
        "select body from occurrence where told = 0 and body is not null
         order by seen_at, rule, record",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let read = |body: String| {
        serde_json::from_str(&body)
            .map_err(|source| StateError::Unreadable { what: "occurrence", source })
    };
    rows.map(|body| read(body?)).collect()
}

/// Everybody has been told of a record.
pub fn told(tx: &Transaction<'_>, rule: &str, key: &str) -> Result<(), StateError> {
    tx.prepare_cached(
        "update occurrence set told = 1, body = null where rule = ?1 and record = ?2",
    )?
    .execute([rule, key])?;
    tx.prepare_cached("delete from told_in_part where rule = ?1 and record = ?2")?
        .execute([rule, key])?;
    Ok(())
}

/// Forgets keys of records that were seen before an instant and told; at most so many at once.
/// Returns how many.
pub fn prune(
    tx: &Transaction<'_>,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<usize, StateError> {
    let mut statement = tx.prepare_cached(
        "delete from occurrence where (rule, record) in
         (select rule, record from occurrence where seen_at < ?1 and told = 1 limit ?2)",
    )?;
    Ok(statement.execute(params![millis(before), limit as i64])?)
}
