//! Keys made once and kept: what was signed with one stays valid as long as the state lives.

use rusqlite::{OptionalExtension, Transaction};

use super::StateError;

/// The key of a name; `fresh` becomes it where there is none yet.
pub fn key(tx: &Transaction<'_>, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StateError> {
    tx.prepare_cached("insert into key (name, bytes) values (?1, ?2) on conflict do nothing")?
        .execute((name, fresh))?;
    let kept = find(tx, name)?;
    Ok(kept.unwrap_or(fresh))
}

/// The key of a name, if it was made.
pub fn find(tx: &Transaction<'_>, name: &str) -> Result<Option<[u8; 32]>, StateError> {
    let mut statement = tx.prepare_cached("select bytes from key where name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}
