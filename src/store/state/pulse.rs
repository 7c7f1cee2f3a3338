//! The dead man's switch: when it was last looked whether all is well, and how the last beat went.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{StateError, instant, millis};

/// How the last beat went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// When.
    pub at: DateTime<Utc>,
    /// In words.
    pub said: String,
    /// When one was last taken.
    pub taken_at: Option<DateTime<Utc>>,
}

/// It is about to be sent or withheld: proves that the state can be written.
pub fn looked(tx: &Transaction<'_>, at: DateTime<Utc>) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into pulse (id, at, said) values (1, ?1, 'under way')
         on conflict (id) do update set at = ?1",
    )?
    .execute([millis(at)])?;
    Ok(())
}

/// How it went.
pub fn put(
    tx: &Transaction<'_>,
    at: DateTime<Utc>,
    said: &str,
    taken: bool,
) -> Result<(), StateError> {
    tx.prepare_cached(
        "update pulse set at = ?1, said = ?2, taken_at = case when ?3 then ?1 else taken_at end",
    )?
    .execute(params![millis(at), said, taken])?;
    Ok(())
}

/// The last one; `None`: there never was one.
pub fn last(tx: &Transaction<'_>) -> Result<Option<Last>, StateError> {
    let found = tx.prepare_cached("select at, said, taken_at from pulse")?.query_row([], |row| {
        Ok(Last {
            at: instant(row.get(0)?),
            said: row.get(1)?,
            taken_at: row.get::<_, Option<i64>>(2)?.map(instant),
        })
    });
    Ok(found.optional()?)
}

/// Why a receiver has taken nothing since before an instant; `None`: it has.
pub fn held(
    tx: &Transaction<'_>,
    receiver: &str,
    before: DateTime<Utc>,
) -> Result<Option<String>, StateError> {
    let found = tx
        .prepare_cached("select reason from hold where receiver = ?1 and since < ?2")?
        .query_row(params![receiver, millis(before)], |row| row.get(0));
    Ok(found.optional()?)
}
