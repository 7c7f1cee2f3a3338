//! Datasets of which the owner was told that their source gives nothing, so that a restart neither
//! tells it again nor forgets to tell the end.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{StateError, instant, millis};

/// Since when a dataset has been told to be without data; `None` if it is not.
pub fn down_since(
    tx: &Transaction<'_>,
    dataset: &str,
) -> Result<Option<DateTime<Utc>>, StateError> {
    let found: Option<i64> = tx
        .prepare_cached("select since from source_down where dataset = ?1")?
        .query_row([dataset], |row| row.get(0))
        .optional()?;
    Ok(found.map(instant))
}

/// Records that it is told.
pub fn went_down(
    tx: &Transaction<'_>,
    dataset: &str,
    since: DateTime<Utc>,
) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into source_down (dataset, since) values (?1, ?2) on conflict do nothing",
    )?
    .execute(params![dataset, millis(since)])?;
    Ok(())
}

/// Records that a dataset gives data again; true if it was the last one down since that instant.
pub fn came_back(
    tx: &Transaction<'_>,
    dataset: &str,
    since: DateTime<Utc>,
) -> Result<bool, StateError> {
    let ended =
        tx.prepare_cached("delete from source_down where dataset = ?1")?.execute([dataset])?;
    let left: i64 = tx
        .prepare_cached("select count(*) from source_down where since = ?1")?
        .query_row([millis(since)], |row| row.get(0))?;
    Ok(ended == 1 && left == 0)
}
