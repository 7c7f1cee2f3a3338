//! What was told last: fingerprints of the tables of each digest's last mail, a row a part. Written
//! in the transaction that owes the mail.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params};

use super::StateError;

/// What one mail told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which part of a digest that is split; empty where it is not.
    pub part: String,
    /// Of its tables; `None` where one could not be made.
    pub fingerprint: Option<String>,
}

/// The fingerprints of a digest's last mails, by part.
pub fn last(tx: &Transaction<'_>, digest: &str) -> Result<BTreeMap<String, String>, StateError> {
    let mut statement = tx.prepare_cached(
        "select part, fingerprint from told_tables where digest = ?1 and fingerprint is not null",
    )?;
    let rows = statement.query_map([digest], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Remembers what mails of a run told.
pub fn remember(
    tx: &Transaction<'_>,
    digest: &str,
    run: &str,
    told: &[Told],
) -> Result<(), StateError> {
    let mut statement = tx.prepare_cached(
        "insert into told_tables (digest, part, run, fingerprint) values (?1, ?2, ?3, ?4)
         on conflict (digest, part) do update set run = ?3, fingerprint = ?4",
    )?;
    for Told { part, fingerprint } in told {
        statement.execute(params![digest, part, run, fingerprint])?;
    }
    Ok(())
}
