//! The ledger: append-only history of what was decided and why.

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};

use super::{StateError, instant, millis};

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// What kind of decision: `run`, `slot skipped`, `incident`, `notification`, `delivery`, ...
    pub kind: String,
    /// What it is about: a digest's, rule's or incident's name.
    pub subject: String,
    /// What and why, for people.
    pub text: String,
}

/// Writes one decision down.
pub fn note(
    tx: &Transaction<'_>,
    at: DateTime<Utc>,
    kind: &str,
    subject: &str,
    text: &str,
) -> Result<(), StateError> {
    tx.prepare_cached("insert into ledger (at, kind, subject, text) values (?1, ?2, ?3, ?4)")?
        .execute(params![millis(at), kind, subject, text])?;
    Ok(())
}

/// The newest decisions, newest first; of one subject where that is named.
pub fn latest(
    tx: &Transaction<'_>,
    subject: Option<&str>,
    limit: usize,
) -> Result<Vec<Entry>, StateError> {
    let mut statement = tx.prepare_cached(
        "select at, kind, subject, text from ledger
         where ?1 is null or subject = ?1 order by id desc limit ?2",
    )?;
    let rows = statement.query_map(params![subject, limit as i64], |row| {
        Ok(Entry {
            at: instant(row.get(0)?),
            kind: row.get(1)?,
            subject: row.get(2)?,
            text: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets decisions older than `before`.
pub fn prune(tx: &Transaction<'_>, before: DateTime<Utc>) -> Result<usize, StateError> {
    Ok(tx.execute("delete from ledger where at < ?1", [millis(before)])?)
}
