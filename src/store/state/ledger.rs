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

/// Which decisions are asked for; what is `None` narrows nothing.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What they are about: a digest's, rule's or receiver's name; also an incident's id, which
    /// stands in the text.
    pub subject: Option<String>,
    /// Their kind.
    pub kind: Option<String>,
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// The decisions asked for, newest first.
pub fn find(tx: &Transaction<'_>, wanted: &Wanted) -> Result<Vec<Entry>, StateError> {
    let mut statement = tx.prepare_cached(
        "select at, kind, subject, text from ledger
         where (?1 is null or subject = ?1 or instr(text, ?1) > 0)
           and (?2 is null or kind = ?2) and (?3 is null or at >= ?3) and (?4 is null or at < ?4)
         order by id desc limit ?5",
    )?;
    let (since, until) = (wanted.since.map(millis), wanted.until.map(millis));
    let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX);
    let rows =
        statement.query_map(params![wanted.subject, wanted.kind, since, until, limit], |row| {
            Ok(Entry {
                at: instant(row.get(0)?),
                kind: row.get(1)?,
                subject: row.get(2)?,
                text: row.get(3)?,
            })
        })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The kinds and subjects that there are, for a person who misspelt one.
pub fn known(tx: &Transaction<'_>) -> Result<(Vec<String>, Vec<String>), StateError> {
    let all = |sql: &str| -> Result<Vec<String>, StateError> {
        let mut statement = tx.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    Ok((
        all("select distinct kind from ledger order by 1")?,
        all("select distinct subject from ledger order by 1 limit 1000")?,
    ))
}

/// Forgets decisions older than `before`.
pub fn prune(tx: &Transaction<'_>, before: DateTime<Utc>) -> Result<usize, StateError> {
    Ok(tx.execute("delete from ledger where at < ?1", [millis(before)])?)
}
