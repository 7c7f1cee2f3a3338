//! Opening `state.db`: what is in the file is judged before anything is written to it.
//!
//! A file that is not ours, is damaged, or was written by a newer postrider is refused with its name,
//! what is wrong and the way out. Nothing is ever deleted or moved away by itself: what is owed may be
//! in there. A file that was cut off in the middle of a write is healed by SQLite from its log.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::room::Space;
use super::{StateError, lock};

mod entered;

use entered::Entered;
pub use entered::Opened;

/// The schema this binary knows; each step brings the database one version further.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/001_state.sql"),
    include_str!("../migrations/002_runs.sql"),
    include_str!("../migrations/003_digests.sql"),
    include_str!("../migrations/004_kept_long.sql"),
    include_str!("../migrations/005_alerting.sql"),
    include_str!("../migrations/006_delivery.sql"),
    include_str!("../migrations/007_life.sql"),
];

/// The last step that writes every message anew.
const REWRITES: usize = 6;

/// Says in a file's header whose it is: `Pstr`.
pub const APPLICATION: i32 = 0x5073_7472;

/// The command line may write beside the daemon; each waits for the other this long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Tables that every version has: where one is missing, the file is not what it was.
const ALWAYS: [&str; 9] =
    ["attempt", "hold", "incident", "ledger", "outbox", "rule_state", "run", "schedule", "slot"];

/// What every file of SQLite begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The steps of the schema, each of which brings a database one version further: for whoever makes files
/// of earlier versions.
pub fn migrations() -> &'static [&'static str] {
    MIGRATIONS
}

/// Whose a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Nobody's: it has nothing in it.
    New,
    /// Ours, with a schema of so many steps.
    Ours(usize),
}

/// Opens or makes the file for reading and writing, and brings its schema up to date. `daemon`: it is
/// opened by the daemon of its folder; anybody else changes no schema under a daemon that works on it.
pub(super) fn open(path: &Path, daemon: bool) -> Result<Opened, StateError> {
    let entered = Entered::enter(path, |here| {
        look_at(path, here)?;
        make_private_file(path).map_err(|err| refused(path, Wrong::Unusable(err.to_string())))
    })?;
    let mut connection = Connection::open(path).map_err(|err| told(path, err))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Judged before a byte is written.
    if let Whose::Ours(found) = judge(path, &connection)?
        && found < MIGRATIONS.len()
    {
        may_migrate(path, &connection, found, daemon)?;
    }
    settle(&mut connection).map_err(|err| match err {
        StateError::Database(err) => told(path, err),
        other => other,
    })?;
    Ok(Opened::new(connection, entered))
}

/// Opens a file of ours that is there, to look at it. Nothing is written to it but what a process that
/// was killed left in its log.
///
/// # Errors
/// It is not ours, damaged, or from a newer postrider.
pub fn look(path: &Path) -> Result<Opened, StateError> {
    let entered = Entered::enter(path, |here| look_at(path, here))?;
    // SQLite takes what it may only read as such.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|err| told(path, err))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    match judge(path, &connection)? {
        Whose::New => Err(refused(path, Wrong::Foreign("it has nothing in it".to_owned()))),
        Whose::Ours(_) => Ok(Opened::new(connection, entered)),
    }
}

/// Whether a file of an earlier schema may be brought up to date now.
fn may_migrate(
    path: &Path,
    connection: &Connection,
    found: usize,
    daemon: bool,
) -> Result<(), StateError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if !daemon && let Some(said) = lock::holder(folder)? {
        let (path, known) = (path.to_owned(), MIGRATIONS.len());
        return Err(StateError::Served { path, found, known, pid: said.pid });
    }
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let pages = number("page_count")? - number("freelist_count")?;
    let bytes = (pages * number("page_size")?).unsigned_abs();
    match Space::of(folder) {
        Some(space) if space.free < needed(found, bytes) => {
            let (path, needed) = (path.to_owned(), needed(found, bytes));
            Err(StateError::NoRoom { path, needed, free: space.free })
        }
        _ => Ok(()),
    }
}

/// How much room a migration takes, in bytes: what it writes lies in the log first, and then in the file
/// beside what was there.
fn needed(found: usize, bytes: u64) -> u64 {
    if found < REWRITES { bytes.saturating_mul(2) } else { 0 }
}

fn settle(connection: &mut Connection) -> Result<(), StateError> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(connection)
}

/// What can be seen without SQLite, which would take some of it for a new database. `here`: this process
/// has it open, so that it was looked at then, and must not be opened by us.
fn look_at(path: &Path, here: bool) -> Result<(), StateError> {
    let no = |wrong| Err(refused(path, wrong));
    let length = match fs::metadata(path) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return no(Wrong::Unusable(err.to_string())),
        Ok(about) if about.is_dir() => return no(Wrong::Unusable("it is a folder".to_owned())),
        Ok(about) if !about.is_file() => return no(Wrong::Unusable("it is no file".to_owned())),
        Ok(about) => about.len(),
    };
    if length == 0 {
        // A first start that was cut off leaves an empty file. A daemon that worked does not.
        let log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
        return match log || lock::has_served(path) {
            true => no(Wrong::Damaged("it is empty, and was not before".to_owned())),
            false => Ok(()),
        };
    }
    if here {
        return Ok(());
    }
    let mut head = Vec::with_capacity(MAGIC.len());
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut head));
    if let Err(err) = read {
        return no(Wrong::Unusable(err.to_string()));
    }
    if head == MAGIC {
        return Ok(());
    }
    no(match head.iter().all(|byte| *byte == 0) {
        true => Wrong::Damaged("it begins with zeros".to_owned()),
        false => Wrong::Foreign("it is no SQLite database".to_owned()),
    })
}

/// Whose the database is, as far as that is one this binary may write to.
pub(super) fn judge(path: &Path, connection: &Connection) -> Result<Whose, StateError> {
    let told = |err| told(path, err);
    let foreign = |what: String| Err(refused(path, Wrong::Foreign(what)));
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, version) =
        (number("application_id").map_err(told)?, number("user_version").map_err(told)?);
    let tables = tables(connection).map_err(told)?;
    if application != 0 && application != i64::from(APPLICATION) {
        return foreign(format!("it belongs to another program ({application:#x})"));
    }
    if application == 0 && tables.is_empty() && version == 0 {
        return Ok(Whose::New);
    }
    let missing = ALWAYS.iter().find(|table| !tables.iter().any(|known| known == *table));
    match (application, missing) {
        // Files of earlier versions have no mark.
        (0, Some(_)) if tables.iter().any(|table| table == "_dataset_state") => {
            return foreign("it is a file of records (`records.db`)".to_owned());
        }
        (0, Some(_)) => {
            let some: Vec<&str> = tables.iter().map(String::as_str).take(3).collect();
            return foreign(format!("its tables are not postrider's ({})", some.join(", ")));
        }
        (_, Some(table)) => {
            let what = format!("its table `{table}` is missing");
            return Err(refused(path, Wrong::Damaged(what)));
        }
        (_, None) => {}
    }
    match usize::try_from(version) {
        Ok(found) if found > MIGRATIONS.len() => {
            Err(StateError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() })
        }
        Ok(found @ 1..) => Ok(Whose::Ours(found)),
        _ => foreign(format!("its schema has the number {version}")),
    }
}

pub(super) fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'";
    let mut statement = connection.prepare(sql)?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn migrate(connection: &mut Connection) -> Result<(), StateError> {
    let read = |connection: &Connection, pragma| -> rusqlite::Result<i64> {
        connection.pragma_query_value(None, pragma, |row| row.get(0))
    };
    let known = MIGRATIONS.len();
    // Nothing is written where nothing is to be done: a full disk is no reason not to open.
    let ours = read(connection, "application_id")? == i64::from(APPLICATION);
    if ours && read(connection, "user_version")? == known as i64 {
        return Ok(());
    }
    // One immediate transaction: two processes that start together migrate once.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = read(&transaction, "user_version")? as usize;
    for step in MIGRATIONS.get(found..).unwrap_or_default() {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known as u32)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.commit()?;
    Ok(())
}

/// Reads through the database and its indexes, for so long and no longer. Whether it came to the end.
///
/// # Errors
/// What is damaged in it.
pub(super) fn look_over(
    path: &Path,
    connection: &Connection,
    within: Duration,
) -> Result<bool, StateError> {
    let interrupt = connection.get_interrupt_handle();
    let (done, waiting) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if waiting.recv_timeout(within) == Err(mpsc::RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let found = connection.query_row("pragma quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(done);
    let _ = watch.join();
    match found {
        Ok(word) if word == "ok" => Ok(true),
        Ok(word) => Err(refused(path, Wrong::Damaged(one_line(&word)))),
        Err(err) if err.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(false),
        Err(err) => Err(told(path, err)),
    }
}

/// What is wrong with a file.
pub(super) enum Wrong {
    /// It cannot be opened at all.
    Unusable(String),
    /// It is something else.
    Foreign(String),
    /// It was ours and is broken.
    Damaged(String),
}

/// A file that is not touched any further.
pub(super) fn refused(path: &Path, wrong: Wrong) -> StateError {
    let path = path.to_owned();
    match wrong {
        Wrong::Unusable(what) => StateError::Unusable { path, what },
        Wrong::Foreign(what) => StateError::Foreign { path, what },
        Wrong::Damaged(what) => StateError::Damaged { path, what },
    }
}

/// What SQLite said, where it was about the file as a whole.
pub(super) fn told(path: &Path, err: rusqlite::Error) -> StateError {
    match err.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => {
            refused(path, Wrong::Damaged(one_line(&err.to_string())))
        }
        Some(ErrorCode::NotADatabase) => {
            refused(path, Wrong::Foreign("it is no SQLite database".to_owned()))
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            refused(path, Wrong::Unusable(one_line(&err.to_string())))
        }
        _ => StateError::Database(err),
    }
}

/// How people get out of it, for an error's text.
pub(super) fn way_out(path: &Path) -> String {
    let aside = path.with_file_name("aside");
    let (file, aside) = (path.display(), aside.display());
    format!(
        "nothing was changed. To go back to a backup: `postrider state restore FILE`. To begin anew: \
         `mkdir {aside} && mv {file}* {aside}/`; what was owed and not sent, open incidents, silences \
         and the history are lost then"
    )
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Makes the file, empty and its owner's alone, or narrows one that others could read: it holds mails
/// and customers' names. What SQLite puts beside it gets the same rights. A file that is there is not
/// opened: it may be in use here.
pub(crate) fn make_private_file(path: &Path) -> std::io::Result<()> {
    let options = File::options().create_new(true).write(true).mode(0o600).open(path);
    match options {
        Ok(_) => Ok(()),
        Err(err) if err.kind() == std::io::ErrorKind::AlreadyExists => narrow(path),
        Err(err) => Err(err),
    }
}

fn narrow(path: &Path) -> std::io::Result<()> {
    for path in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        let Ok(about) = fs::metadata(&path) else { continue };
        // Whoever is not its owner may still use it.
        if about.permissions().mode() & 0o077 != 0 {
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o600));
        }
    }
    Ok(())
}

/// A file that belongs to another, beside it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
