//! `state.db`: slots, runs, incidents, the ledger and the outbox. Precious: every commit is synced
//! to disk before it is acted on.
//!
//! One connection, one writer. What belongs together is written in one [`State::write`]: the claim
//! of a slot with the messages it owes, an incident's step with its notices. A second process on
//! the same folder may read and write beside it (SQLite's own locks), but only one may be the
//! daemon: it holds [`DaemonLock`].

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, TransactionBehavior};

pub mod acks;
pub mod archive;
pub mod backup;
pub mod check;
pub mod commits;
pub mod corrections;
pub mod history;
pub mod incidents;
pub mod keys;
pub mod ledger;
pub mod life;
pub mod lock;
pub mod notices;
pub mod occurrences;
pub mod open;
pub mod outbox;
pub mod pulse;
pub mod room;
pub mod silences;
pub mod slots;
pub mod sources;
pub mod suppression;
pub mod told;

pub use lock::DaemonLock;

/// The file's name in its folder.
pub const FILE: &str = "state.db";

/// The state database.
pub struct State {
    connection: Mutex<open::Opened>,
    commits: commits::Commits,
    folder: PathBuf,
    failing: Mutex<Option<room::Failing>>,
    /// Whether the reserve was given up for what fails.
    reserve_spent: AtomicBool,
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder cannot be made or the lock file not opened.
    #[error("state folder `{0}` cannot be used")]
    Folder(PathBuf, #[source] std::io::Error),
    /// SQLite said no.
    #[error("state database failed")]
    Database(#[from] rusqlite::Error),
    /// Another daemon holds the folder.
    #[error("another postrider{} runs on `{}`: one state folder serves one daemon",
        .pid.map_or(String::new(), |pid| format!(" (process {pid})")), .folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The other daemon's process, where it says so.
        pid: Option<u32>,
    },
    /// The file cannot be opened.
    #[error("state `{}` cannot be opened: {what}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// The file is not postrider's.
    #[error("`{}` is not a state of postrider: {what}; {}", .path.display(), open::way_out(.path))]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// The file is broken.
    #[error("state `{}` is damaged: {what}; {}", .path.display(), open::way_out(.path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A newer postrider wrote the database.
    #[error(
        "state `{}` has schema {found}, this postrider knows up to {known}: a newer version wrote it. \
         Install that version again, or restore a backup made before the upgrade: `postrider state \
         restore FILE`", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// In the file.
        found: usize,
        /// In this binary.
        known: usize,
    },
    /// The schema is an earlier one, and a daemon works on it that is of that version.
    #[error(
        "state `{}` has schema {found}, and a postrider{} of an earlier version runs on it: stop it before \
         this one (schema {known}) brings the state up to date, or use the version that runs",
        .path.display(), .pid.map_or(String::new(), |pid| format!(" (process {pid})"))
    )]
    Served {
        /// The file.
        path: PathBuf,
        /// In the file.
        found: usize,
        /// In this binary.
        known: usize,
        /// The daemon's process, where it says so.
        pid: Option<u32>,
    },
    /// There is no room to bring the schema up to date.
    #[error(
        "state `{}` has to be brought up to date, which takes up to {} MB of the disk for a while, and {} \
         MB are free: make room; nothing was changed",
        .path.display(), .needed.div_ceil(1_000_000), .free / 1_000_000
    )]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// Room that is needed, in bytes.
        needed: u64,
        /// Room that there is.
        free: u64,
    },
    /// The machine gives no random bytes.
    #[error("no random bytes for a key: {0}")]
    Random(String),
    /// A stored value cannot be read back.
    #[error("state database holds an unreadable {what}")]
    Unreadable {
        /// What it should have been.
        what: &'static str,
        /// Why it is not.
        #[source]
        source: serde_json::Error,
    },
}

impl State {
    /// Opens or makes `state.db` in a folder and brings its schema up to date, unless a daemon works on
    /// it meanwhile.
    ///
    /// # Errors
    /// It cannot be used, or is not to be changed now.
    pub fn open(folder: &Path) -> Result<State, StateError> {
        State::open_by(folder, None)
    }

    /// The same for the daemon whose place on that folder this is.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn open_by(folder: &Path, daemon: Option<&DaemonLock>) -> Result<State, StateError> {
        make_private(folder).map_err(|err| StateError::Folder(folder.to_owned(), err))?;
        let path = folder.join(FILE);
        let connection = match open::open(&path, daemon.is_some()) {
            // On a full disk even a log cannot be begun.
            Err(err) if room::Failing::among(&err) == Some(room::Failing::Full) => {
                if !room::free_ballast(folder) {
                    return Err(err);
                }
                open::open(&path, daemon.is_some())?
            }
            other => other?,
        };
        Ok(State::on(connection, folder))
    }

    /// Opens the state that is there once more, to read it beside whoever works on it: nothing is made,
    /// changed or brought up to date.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub fn beside(folder: &Path) -> Result<State, StateError> {
        Ok(State::on(open::look(&folder.join(FILE))?, folder))
    }

    fn on(connection: open::Opened, folder: &Path) -> State {
        State {
            connection: Mutex::new(connection),
            commits: commits::Commits::default(),
            folder: folder.to_owned(),
            failing: Mutex::default(),
            reserve_spent: AtomicBool::new(false),
        }
    }

    /// The folder it lies in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Takes the daemon's place on a folder, made if missing, before anything in it is opened. What the
    /// daemon before it said of itself comes with it.
    ///
    /// # Errors
    /// Another daemon has it, or the folder cannot be used.
    pub fn place(folder: &Path) -> Result<(DaemonLock, lock::Said), StateError> {
        make_private(folder).map_err(|err| StateError::Folder(folder.to_owned(), err))?;
        DaemonLock::take(folder)
    }

    /// Takes the daemon's place on this folder, or says that it is taken.
    pub fn lock(&self) -> Result<DaemonLock, StateError> {
        Ok(DaemonLock::take(&self.folder)?.0)
    }

    /// Whether a daemon runs on this folder.
    pub fn is_served(&self) -> bool {
        !matches!(lock::holder(&self.folder), Ok(None))
    }

    /// Reads through the file and its indexes, for so long and no longer; whether it came to the end.
    ///
    /// # Errors
    /// It is damaged.
    pub fn look_over(&self, within: Duration) -> Result<bool, StateError> {
        open::look_over(&self.path(), &self.connection(), within)
    }

    /// Brings what is in the log into the file, as far as nobody reads it.
    pub fn checkpoint(&self) -> Result<(), StateError> {
        let connection = self.connection();
        connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Runs `work` in one transaction; it is durable when this returns `Ok`, and nothing of it
    /// happened otherwise.
    pub fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let written = self.written(work);
        if let Err(err) = &written
            && let Some(failing) = room::Failing::among(err)
        {
            self.note_failing(failing);
        }
        written
    }

    fn written<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// Runs `work` on one consistent view.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        work(&transaction)
    }

    fn failing(&self) -> MutexGuard<'_, Option<room::Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poisoned lock means that a transaction panicked: it was rolled back, the connection is fine.
    fn connection(&self) -> MutexGuard<'_, open::Opened> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a folder only its owner can read: it will hold mails and customers' names.
fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A value as it is stored in a `body`.
fn written<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, StateError> {
    serde_json::to_string(value).map_err(|source| StateError::Unreadable { what, source })
}

/// A value from its `body`.
fn read_back<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, StateError> {
    serde_json::from_str(text).map_err(|source| StateError::Unreadable { what, source })
}

/// An instant as stored.
pub(crate) fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

/// A stored instant.
pub(crate) fn instant(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::open::MIGRATIONS;
    use super::*;

    #[test]
    fn one_folder_serves_one_daemon_and_others_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = State::open(folder.path()).unwrap();
        let lock = first.lock().unwrap();
        let beside = State::open(folder.path()).unwrap();
        assert!(matches!(beside.lock(), Err(StateError::Locked { .. })));
        drop(lock);
        beside.lock().unwrap();
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        State::open(folder.path()).unwrap();
        let connection = Connection::open(folder.path().join("state.db")).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(State::open(folder.path()), Err(StateError::Newer { found: 99, .. })));
    }

    #[test]
    fn what_an_earlier_version_owed_is_owed_after_the_upgrade() {
        let folder = tempfile::tempdir().unwrap();
        let old = Connection::open(folder.path().join("state.db")).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute_batch(
            "insert into outbox (message_id, kind, origin, receiver, recipient, subject, bytes,
                                 state, created_at, next_attempt_at)
             values ('m', 'digest', 'r', 'smtp', 'a@example.com', 's', x'00', 'pending', 1, 1);
             insert into hold (receiver, until, reason, broken) values ('smtp', 5, 'down', 0);",
        )
        .unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        let state = State::open(folder.path()).unwrap();
        let (rows, made_of, holds) = state
            .read(|tx| {
                let rows = outbox::of_run(tx, "r")?;
                Ok((rows.clone(), outbox::made_of(tx, rows[0].id)?, outbox::holds(tx)?))
            })
            .unwrap();
        assert_eq!((rows.len(), made_of, holds.len()), (1, None, 1));
    }

    #[test]
    fn a_transaction_that_fails_or_panics_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let insert = "insert into ledger (at, kind, subject, text) values (0, 'k', 's', 't')";
        let failed: Result<(), _> = state.write(|tx| {
            tx.execute(insert, [])?;
            Err(StateError::Database(rusqlite::Error::QueryReturnedNoRows))
        });
        assert!(failed.is_err());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            state.write(|tx| -> Result<(), StateError> {
                tx.execute(insert, [])?;
                panic!("in the middle")
            })
        }));
        assert!(panicked.is_err());
        let rows: i64 = state
            .read(|tx| Ok(tx.query_row("select count(*) from ledger", [], |row| row.get(0))?))
            .unwrap();
        assert_eq!(rows, 0);
    }

    #[test]
    fn what_is_kept_long_is_asked_for_without_reading_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let covered = |question: &str| {
            let plan = format!("explain query plan {question}");
            let rows: Vec<String> = state
                .read(|tx| {
                    let mut statement = tx.prepare(&plan)?;
                    let rows = statement.query_map([], |row| row.get(3))?;
                    Ok(rows.collect::<Result<_, _>>()?)
                })
                .unwrap();
            let plan = rows.join("; ");
            assert!(plan.contains("INDEX outbox_") && !plan.contains("SCAN outbox;"), "{plan}");
            plan
        };
        let of_run = "select state, count(*) from outbox where origin = 'r' and kind = 'digest' \
                      group by state order by state";
        assert!(covered(of_run).contains("COVERING"));
        let plain = "select id, bytes from outbox where finished_at < 9 and kind = 'digest' \
                     and not packed limit 9";
        assert!(covered(plain).contains("outbox_plain"));
        let past = "select id from outbox where finished_at is not null and finished_at < \
                    case when kind = 'digest' then 1 else 2 end limit 9";
        assert!(covered(past).contains("COVERING"));
        let ended = "select recipient, id, state, reason from outbox where kind = 'digest' and \
                     receiver = 'smtp' and finished_at is not null";
        assert!(covered(ended).contains("COVERING"));
    }
}
