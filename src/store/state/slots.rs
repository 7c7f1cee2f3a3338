//! Slots and runs: which planned instants were considered, and what was made for them.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{StateError, instant, millis};

/// One making of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id: derived from digest, slot and trigger, so that a repeated making has the same.
    pub id: String,
    /// The digest's name.
    pub digest: String,
    /// The slot it is for.
    pub planned_at: DateTime<Utc>,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// Fingerprint of the definition it was made from.
    pub definition_hash: String,
    /// The subject of the mail.
    pub subject: String,
    /// `schedule`, `sent by hand`, or `made later`.
    pub trigger: String,
    /// `made`, or `made with failed reports`, or `failed`.
    pub outcome: String,
    /// What went wrong, if something did.
    pub detail: Option<String>,
}

/// Up to when a digest's schedule has been considered; `None` for one never seen. A changed pattern
/// counts as never seen, so that it does not backfill.
pub fn considered_until(
    tx: &Transaction<'_>,
    digest: &str,
    pattern: &str,
) -> Result<Option<DateTime<Utc>>, StateError> {
    let mut statement = tx.prepare_cached(
        "select considered_until from schedule where digest = ?1 and pattern = ?2",
    )?;
    let found: Option<i64> = statement.query_row([digest, pattern], |row| row.get(0)).optional()?;
    Ok(found.map(instant))
}

/// Records that every slot up to `until` has been dealt with.
pub fn consider(
    tx: &Transaction<'_>,
    digest: &str,
    pattern: &str,
    until: DateTime<Utc>,
) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into schedule (digest, pattern, considered_until) values (?1, ?2, ?3)
         on conflict (digest) do update set pattern = ?2, considered_until = ?3",
    )?
    .execute(params![digest, pattern, millis(until)])?;
    Ok(())
}

/// Claims a slot; false if it was claimed before. `run` or `skipped` says what became of it.
pub fn claim(
    tx: &Transaction<'_>,
    digest: &str,
    planned_at: DateTime<Utc>,
    run: Option<&str>,
    skipped: Option<&str>,
) -> Result<bool, StateError> {
    let inserted = tx
        .prepare_cached(
            "insert into slot (digest, planned_at, run, skipped) values (?1, ?2, ?3, ?4)
             on conflict do nothing",
        )?
        .execute(params![digest, millis(planned_at), run, skipped])?;
    Ok(inserted == 1)
}

/// Stores a run; false if it is already there.
pub fn insert_run(tx: &Transaction<'_>, run: &Run) -> Result<bool, StateError> {
    let inserted = tx
        .prepare_cached(
            "insert into run (id, digest, planned_at, made_at, definition_hash, subject, trigger,
                              outcome, detail)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) on conflict do nothing",
        )?
        .execute(params![
            run.id,
            run.digest,
            millis(run.planned_at),
            millis(run.made_at),
            run.definition_hash,
            run.subject,
            run.trigger,
            run.outcome,
            run.detail
        ])?;
    Ok(inserted == 1)
}

/// The newest runs, newest first; of one digest where that is named.
pub fn runs(
    tx: &Transaction<'_>,
    digest: Option<&str>,
    limit: usize,
) -> Result<Vec<Run>, StateError> {
    let sql = format!(
        "select {COLUMNS} from run where ?1 is null or digest = ?1
         order by made_at desc, id limit ?2"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map(params![digest, limit as i64], run_of)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const COLUMNS: &str =
    "id, digest, planned_at, made_at, definition_hash, subject, trigger, outcome, detail";

fn run_of(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: row.get(0)?,
        digest: row.get(1)?,
        planned_at: instant(row.get(2)?),
        made_at: instant(row.get(3)?),
        definition_hash: row.get(4)?,
        subject: row.get(5)?,
        trigger: row.get(6)?,
        outcome: row.get(7)?,
        detail: row.get(8)?,
    })
}

/// A run by its id.
pub fn run(tx: &Transaction<'_>, id: &str) -> Result<Option<Run>, StateError> {
    let sql = format!("select {COLUMNS} from run where id = ?1");
    Ok(tx.prepare_cached(&sql)?.query_row([id], run_of).optional()?)
}

/// A slot that was dealt with: the run made for it, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The digest's name.
    pub digest: String,
    /// The slot.
    pub planned_at: DateTime<Utc>,
    /// The run, if there is one.
    pub run: Option<String>,
    /// Why there is none.
    pub skipped: Option<String>,
}

/// What became of one slot of a digest; `None` if nothing did yet.
pub fn claimed(
    tx: &Transaction<'_>,
    digest: &str,
    planned_at: DateTime<Utc>,
) -> Result<Option<Claimed>, StateError> {
    let mut statement = tx.prepare_cached(
        "select digest, planned_at, run, skipped from slot where digest = ?1 and planned_at = ?2",
    )?;
    Ok(statement.query_row(params![digest, millis(planned_at)], claimed_of).optional()?)
}

/// The newest slots that were skipped, newest first; of one digest where that is named.
pub fn skipped(
    tx: &Transaction<'_>,
    digest: Option<&str>,
    limit: usize,
) -> Result<Vec<Claimed>, StateError> {
    let mut statement = tx.prepare_cached(
        "select digest, planned_at, run, skipped from slot
         where skipped is not null and (?1 is null or digest = ?1)
         order by planned_at desc, digest limit ?2",
    )?;
    let rows = statement.query_map(params![digest, limit as i64], claimed_of)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn claimed_of(row: &Row<'_>) -> rusqlite::Result<Claimed> {
    Ok(Claimed {
        digest: row.get(0)?,
        planned_at: instant(row.get(1)?),
        run: row.get(2)?,
        skipped: row.get(3)?,
    })
}
