//! The archive: what the mails of each run were made of, packed by whoever keeps it. Rows are
//! written in the transaction that stores the run and never change; the oldest go first.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{StateError, instant, millis};

/// What the mails of a run, or of one part of it, were made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The run.
    pub run: String,
    /// Which part of a split digest; empty where it is not split.
    pub part: String,
    /// When the run was made.
    pub made_at: DateTime<Utc>,
    /// How it is written: whoever reads it must know this version.
    pub version: u32,
    /// Its size before packing, in bytes.
    pub plain_bytes: u64,
    /// The picture that belongs to it: a hash, and the bytes where they are asked for.
    pub picture: Option<(String, Vec<u8>)>,
    /// Packed.
    pub packed: Vec<u8>,
}

const COLUMNS: &str =
    "archive.run, part, archive.made_at, version, plain_bytes, picture, picture.bytes, snapshot";
const FROM: &str = "archive left join picture on picture.hash = archive.picture";

fn snapshot(row: &Row<'_>) -> rusqlite::Result<Snapshot> {
    let picture: Option<String> = row.get(5)?;
    let bytes: Option<Vec<u8>> = row.get(6)?;
    Ok(Snapshot {
        run: row.get(0)?,
        part: row.get(1)?,
        made_at: instant(row.get(2)?),
        version: row.get(3)?,
        plain_bytes: row.get::<_, i64>(4)?.unsigned_abs(),
        picture: picture.zip(bytes),
        packed: row.get(7)?,
    })
}

/// Keeps a snapshot; one that is there already stays as it is.
pub fn keep(tx: &Transaction<'_>, snapshot: &Snapshot) -> Result<(), StateError> {
    if let Some((hash, bytes)) = &snapshot.picture {
        tx.prepare_cached(
            "insert into picture (hash, bytes) values (?1, ?2) on conflict do nothing",
        )?
        .execute(params![hash, bytes])?;
    }
    tx.prepare_cached(
        "insert into archive (run, part, made_at, version, plain_bytes, picture, snapshot)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict do nothing",
    )?
    .execute(params![
        snapshot.run,
        snapshot.part,
        millis(snapshot.made_at),
        snapshot.version,
        snapshot.plain_bytes as i64,
        snapshot.picture.as_ref().map(|(hash, _)| hash),
        snapshot.packed
    ])?;
    Ok(())
}

/// The snapshot of one part of a run; the whole is the part without a name.
pub fn find(tx: &Transaction<'_>, run: &str, part: &str) -> Result<Option<Snapshot>, StateError> {
    let sql = format!("select {COLUMNS} from {FROM} where archive.run = ?1 and part = ?2");
    Ok(tx.prepare_cached(&sql)?.query_row([run, part], snapshot).optional()?)
}

/// The names of a run's parts that are kept, in order.
pub fn parts(tx: &Transaction<'_>, run: &str) -> Result<Vec<String>, StateError> {
    let mut statement =
        tx.prepare_cached("select part from archive where run = ?1 order by part")?;
    let rows = statement.query_map([run], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The snapshot of the newest run of a digest whose slot was before an instant, and that slot: of
/// runs by schedule that owed somebody something. `part` as in [`find`].
pub fn last_sent(
    tx: &Transaction<'_>,
    digest: &str,
    part: &str,
    before: DateTime<Utc>,
) -> Result<Option<(DateTime<Utc>, Snapshot)>, StateError> {
    let sql = format!(
        "select {COLUMNS}, run.planned_at from {FROM} join run on run.id = archive.run
         where run.digest = ?1 and part = ?2 and run.planned_at < ?3 and run.trigger = 'schedule'
           and exists (select 1 from outbox where origin = run.id)
         order by run.planned_at desc limit 1"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let found = statement.query_row(params![digest, part, millis(before)], |row| {
        Ok((instant(row.get(8)?), snapshot(row)?))
    });
    Ok(found.optional()?)
}

/// How many snapshots there are and how much they take, packed, in bytes.
pub fn size(tx: &Transaction<'_>) -> Result<(u64, u64), StateError> {
    let sql = "select count(*), coalesce(sum(length(snapshot)), 0) from archive";
    let (count, bytes): (i64, i64) =
        tx.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((count.unsigned_abs(), bytes.unsigned_abs()))
}

/// Forgets runs made before an instant, with their slots, snapshots and what was withheld: at most
/// so many of each. Returns how many rows went.
pub fn prune(
    tx: &Transaction<'_>,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<usize, StateError> {
    let mut gone = 0;
    for sql in [
        "delete from archive where rowid in
             (select rowid from archive where made_at < ?1 order by made_at limit ?2)",
        // A run whose messages are still owed stays.
        "delete from run where rowid in
             (select rowid from run where made_at < ?1
              and not exists (select 1 from outbox where origin = run.id) limit ?2)",
        "delete from slot where rowid in
             (select rowid from slot where planned_at < ?1
              and (run is null or run not in (select id from run)) limit ?2)",
    ] {
        gone += tx.prepare_cached(sql)?.execute(params![millis(before), limit as i64])?;
    }
    if gone > 0 {
        tx.execute("delete from withheld where run not in (select id from run)", [])?;
        tx.execute(
            "delete from picture where hash not in
                 (select picture from archive where picture is not null)",
            [],
        )?;
    }
    Ok(gone)
}
