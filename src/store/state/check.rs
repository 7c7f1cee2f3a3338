//! Looking at a state file from outside: whether it is whole, whether all that is in it can be read
//! back, and how large it is. Nothing is written, and a running daemon is not disturbed.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Transaction};

use super::open::{self, MIGRATIONS};
use super::{StateError, history, incidents, instant, life, outbox};

/// At most so many problems of one kind are listed.
const LISTED_MAX: usize = 20;

/// What was found of a file.
#[derive(Clone, Debug)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Its size, in bytes.
    pub bytes: u64,
    /// The size of its log, in bytes.
    pub log_bytes: u64,
    /// Its schema, and the one this binary knows.
    pub schema: (usize, usize),
    /// Bytes in it that are free.
    pub free_bytes: u64,
    /// Up to when a daemon is known to have worked on it.
    pub seen: Option<DateTime<Utc>>,
    /// When the oldest and the newest message was owed.
    pub owed: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Messages by their state.
    pub messages: Vec<(String, u64)>,
    /// Rows of each table.
    pub rows: Vec<(String, u64)>,
}

/// What a file holds.
///
/// # Errors
/// It is not ours, damaged, from a newer postrider, or cannot be read.
pub fn info(path: &Path) -> Result<Found, StateError> {
    let connection = open::look(path)?;
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |about| about.len());
    let told = |err| open::told(path, err);
    let pragma = |name: &str| -> Result<u64, StateError> {
        let read: i64 =
            connection.pragma_query_value(None, name, |row| row.get(0)).map_err(told)?;
        Ok(read.unsigned_abs())
    };
    let free_bytes = pragma("freelist_count")? * pragma("page_size")?;
    let schema = (pragma("user_version")? as usize, MIGRATIONS.len());
    let transaction = connection.unchecked_transaction()?;
    let mut rows = Vec::new();
    for table in open::tables(&transaction).map_err(told)? {
        let count = format!("select count(*) from \"{table}\"");
        let count: i64 = transaction.query_row(&count, [], |row| row.get(0)).map_err(told)?;
        rows.push((table, count.unsigned_abs()));
    }
    rows.sort();
    let owed = transaction
        .query_row("select min(created_at), max(created_at) from outbox", [], |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
        })
        .map_err(told)?;
    let has_life = rows.iter().any(|(table, _)| table == "life");
    Ok(Found {
        path: path.to_owned(),
        bytes: length(path),
        log_bytes: length(&open::beside(path, "-wal")),
        schema,
        free_bytes,
        seen: if has_life { life::seen(&transaction)? } else { None },
        owed: owed.0.zip(owed.1).map(|(first, last)| (instant(first), instant(last))),
        messages: outbox::counts(&transaction)?,
        rows,
    })
}

/// Reads a file through, page by page and then value by value. What is wrong with it comes as lines
/// for people; none means that it is whole.
///
/// # Errors
/// It is not ours, from a newer postrider, or so damaged that it cannot be opened.
pub fn check(path: &Path) -> Result<Vec<String>, StateError> {
    let connection = open::look(path)?;
    let mut problems = pages(path, &connection)?;
    if !problems.is_empty() {
        // What is read from such a file says nothing.
        return Ok(problems);
    }
    let transaction = connection.unchecked_transaction()?;
    problems.extend(references(&transaction)?);
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // An earlier schema is read once it has been brought up to date, at the next start.
    if version == MIGRATIONS.len() as i64 {
        problems.extend(values(&transaction)?);
    }
    Ok(problems)
}

/// Whether pages, indexes and tables fit together. Empty: they do.
pub(super) fn pages(path: &Path, connection: &Connection) -> Result<Vec<String>, StateError> {
    let mut problems = Vec::new();
    let told = |err| open::told(path, err);
    let sql = format!("pragma integrity_check({LISTED_MAX})");
    let mut statement = connection.prepare(&sql).map_err(told)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(told)?;
    for row in rows {
        match row {
            Ok(word) if word == "ok" => {}
            Ok(word) => problems.push(word),
            Err(err) => {
                problems.push(err.to_string());
                break;
            }
        }
    }
    Ok(problems)
}

/// Rows that belong to rows that are not there, and messages in a state that nobody knows.
fn references(tx: &Transaction<'_>) -> Result<Vec<String>, StateError> {
    let mut problems = Vec::new();
    let mut statement = tx.prepare("pragma foreign_key_check")?;
    let broken = statement.query_map([], |row| row.get::<_, String>(0))?;
    for table in broken.take(LISTED_MAX) {
        problems.push(format!("a row of `{}` belongs to one that is not there", table?));
    }
    let counted = [
        (
            "select count(*) from attempt where delivery not in (select id from outbox)",
            "attempts at messages that are not there",
        ),
        (
            "select count(*) from outbox where (finished_at is null) <> (state in ('pending', \
             'sending', 'held'))",
            "messages whose end does not fit their state",
        ),
        (
            "select count(*) from outbox where state not in ('pending', 'sending', 'delivered', \
             'rejected', 'expired', 'held', 'cancelled')",
            "messages in a state that this postrider does not know",
        ),
        (
            "select count(*) from slot where run is not null and skipped is not null",
            "slots that were both made and skipped",
        ),
    ];
    for (sql, what) in counted {
        let count: i64 = tx.query_row(sql, [], |row| row.get(0))?;
        if count > 0 {
            problems.push(format!("{count} {what}"));
        }
    }
    Ok(problems)
}

/// What the readers of the daemon make of what is stored.
fn values(tx: &Transaction<'_>) -> Result<Vec<String>, StateError> {
    let mut problems = Vec::new();
    match outbox::balance(tx) {
        Ok(balance) if balance.missing() == 0 => {}
        Ok(balance) => problems.push(format!("the outbox does not add up: {}", balance.equation())),
        Err(err) => problems.push(format!("the balance of the outbox: {:#}", Causes(&err))),
    }
    let mut read = |what: &str, came_to: Result<usize, StateError>| {
        if let Err(err) = came_to {
            problems.push(format!("{what}: {:#}", Causes(&err)));
        }
    };
    read("incidents", incidents::live(tx).map(|all| all.len()));
    read("incidents of before", history::alerts(tx).map(|all| all.len()));
    read("what receivers were told", incidents::told_live(tx).map(|all| all.len()));
    read("notices", history::kept_notices(tx).map(|all| all.len()));
    let mut statement = tx.prepare("select id from outbox order by id")?;
    let ids: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut unreadable = 0;
    for id in ids {
        if let Err(err) = outbox::show(tx, id) {
            unreadable += 1;
            if unreadable <= LISTED_MAX {
                problems.push(format!("message {id}: {:#}", Causes(&err)));
            }
        }
    }
    if unreadable > LISTED_MAX {
        problems.push(format!("{} more messages", unreadable - LISTED_MAX));
    }
    Ok(problems)
}

/// An error with its causes, on one line.
struct Causes<'a>(&'a StateError);

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(err) = cause {
            write!(f, ": {err}")?;
            cause = err.source();
        }
        Ok(())
    }
}
