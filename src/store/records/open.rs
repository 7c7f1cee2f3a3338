//! Opening `records.db`, and what happens when it cannot be trusted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::{RecordsError, labels, spent, state};

/// Written into the file; a higher one is from a newer postrider.
const SCHEMA: i64 = 2;

/// The command line may write beside the daemon; each waits for the other this long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// SQLite's cache of the writer, as its pragma wants it.
pub(super) const CACHE_KIB: i64 = -16 * 1024;

/// SQLite's cache of each reader: a week of a large org's sessions. Its default of 2 MB reads the same
/// pages from the system again and again.
const READING_CACHE_KIB: i64 = -8 * 1024;

/// A damaged file that was moved away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is now.
    pub path: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

/// The writing connection.
pub(super) fn open(path: &Path) -> Result<(Connection, Option<SetAside>), RecordsError> {
    let failed = |source| RecordsError::Database { path: path.to_owned(), source };
    let reason = match prepare(path) {
        Ok(writer) => match writer.pragma_query_value(None, "user_version", |row| row.get(0)) {
            Ok(found) if found > SCHEMA => {
                let path = path.to_owned();
                return Err(RecordsError::Newer { path, found, known: SCHEMA });
            }
            Ok(_) => return Ok((writer, None)),
            Err(err) => return Err(failed(err)),
        },
        Err(err) if is_damage(&err) => err.to_string(),
        Err(err) => return Err(failed(err)),
    };
    let moved =
        set_aside(path).map_err(|source| RecordsError::Stuck { path: path.to_owned(), source })?;
    let writer = prepare(path).map_err(failed)?;
    Ok((writer, Some(SetAside { path: moved, reason })))
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(path, flags)?;
    reader.busy_timeout(BUSY_TIMEOUT)?;
    reader.pragma_update(None, "query_only", true)?;
    reader.pragma_update(None, "cache_size", READING_CACHE_KIB)?;
    Ok(reader)
}

/// Remembers beside the file that it looked damaged.
pub(super) fn mark_suspect(path: &Path) {
    // Where even this fails, the next start finds out the slow way or not at all.
    let _ = std::fs::write(beside(path, "-suspect"), b"");
}

fn prepare(path: &Path) -> rusqlite::Result<Connection> {
    let mut writer = Connection::open(path)?;
    writer.busy_timeout(BUSY_TIMEOUT)?;
    // Has a say over a new file alone. Fewer, larger pages load a quarter faster than the default.
    writer.pragma_update(None, "page_size", 8192)?;
    writer.pragma_update(None, "journal_mode", "wal")?;
    // A crash of the machine may lose the last pulls and never damages the file.
    writer.pragma_update(None, "synchronous", "normal")?;
    writer.pragma_update(None, "cache_size", CACHE_KIB)?;
    writer.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    writer.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    if beside(path, "-suspect").exists() {
        let word: String = writer.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if word != "ok" {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(rusqlite::Error::SqliteFailure(code, Some(word)));
        }
        let _ = std::fs::remove_file(beside(path, "-suspect"));
    }
    let version: i64 = writer.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < SCHEMA {
        upgrade(&mut writer)?;
    }
    // Reads the schema and the state, so that damage there shows now.
    if version <= SCHEMA {
        writer.query_row(state::PROBE, [], |_| Ok(()))?;
    }
    writer.set_prepared_statement_cache_capacity(64);
    Ok(writer)
}

/// Makes the tables of a new file, and gives one of an earlier postrider what it lacks: its records
/// stay.
fn upgrade(writer: &mut Connection) -> rusqlite::Result<()> {
    // Two processes that start together do it one after the other, the second one to no effect.
    let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(state::CREATE)?;
    for (column, ty) in state::ADDED {
        let known = "SELECT 1 FROM pragma_table_info('_dataset_state') WHERE name = ?";
        if !tx.prepare_cached(known)?.exists([column])? {
            tx.execute_batch(&format!("ALTER TABLE _dataset_state ADD COLUMN {column} {ty}"))?;
        }
    }
    tx.execute_batch(spent::CREATE)?;
    tx.execute_batch(labels::CREATE)?;
    tx.pragma_update(None, "user_version", SCHEMA)?;
    tx.commit()
}

fn is_damage(err: &rusqlite::Error) -> bool {
    matches!(err.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || err.to_string().contains("no such table")
}

/// Renames the file and what belongs to it; gives the new name.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let free = (1..10_000)
        .map(|number| beside(path, &format!(".broken-{number}")))
        .find(|candidate| !candidate.exists());
    let target = free.ok_or_else(|| std::io::Error::other("too many broken files beside it"))?;
    std::fs::rename(path, &target)?;
    for suffix in ["-wal", "-shm"] {
        let (from, to) = (beside(path, suffix), beside(&target, suffix));
        match std::fs::rename(from, to) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
    }
    let _ = std::fs::remove_file(beside(path, "-suspect"));
    Ok(target)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
