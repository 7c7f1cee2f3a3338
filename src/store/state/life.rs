//! Up to when the daemon is known to have worked.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction};

use super::{StateError, instant, millis};

/// It works at an instant: proves that the state can be written. A clock that was set back takes the
/// instant back with it.
pub fn saw(tx: &Transaction<'_>, at: DateTime<Utc>) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into life (id, seen_at) values (1, ?1) on conflict (id) do update set seen_at = ?1",
    )?
    .execute([millis(at)])?;
    Ok(())
}

/// When it last worked; `None`: no daemon has worked on this state.
pub fn seen(tx: &Transaction<'_>) -> Result<Option<DateTime<Utc>>, StateError> {
    let found = tx.prepare_cached("select seen_at from life")?.query_row([], |row| row.get(0));
    Ok(found.optional()?.map(instant))
}
