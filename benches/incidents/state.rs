//! What a daemon's state says, read with an SQL of our own: of a daemon that runs only what is
//! needed to hit it, of one that has ended everything that has to agree.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use serde_json::Value;

/// All of it that has to agree, but for what the clock of a commit wrote.
pub(crate) struct State {
    /// By id, as it was stored.
    pub(crate) incidents: BTreeMap<String, Value>,
    /// By incident and receiver.
    pub(crate) told: BTreeMap<(String, String), Value>,
    /// By Message-ID or webhook-id.
    pub(crate) outbox: BTreeMap<String, Owed>,
    /// By key.
    pub(crate) notices: BTreeMap<String, Value>,
    /// Ids of incidents of which somebody is still owed something.
    pub(crate) live: Vec<String>,
}

/// A message.
pub(crate) struct Owed {
    pub(crate) kind: String,
    pub(crate) recipient: String,
    pub(crate) subject: String,
    pub(crate) state: String,
    pub(crate) bytes: Vec<u8>,
}

impl State {
    /// Reads it; no daemon runs on it.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<State> {
        let files = open(folder)?;
        let damage: String = files.query_row("pragma integrity_check", [], |row| row.get(0))?;
        anyhow::ensure!(damage == "ok", "state.db is damaged: {damage}");
        let json = |text: String| serde_json::from_str::<Value>(&text);
        let mut incidents = BTreeMap::new();
        for (id, body) in pairs(&files, "select id, body from incident")? {
            let mut body = json(body)?;
            without(&mut body, "moved_at");
            incidents.insert(id, body);
        }
        let mut told = BTreeMap::new();
        for (key, body) in pairs(&files, "select incident || ' ' || receiver, body from told")? {
            let (incident, receiver) = key.split_once(' ').unwrap_or_default();
            let mut body = json(body)?;
            without(&mut body, "last_told_at");
            told.insert((incident.to_owned(), receiver.to_owned()), body);
        }
        let mut notices = BTreeMap::new();
        for (key, body) in pairs(&files, "select key, body from notice")? {
            notices.insert(key, json(body)?);
        }
        let live = pairs(&files, "select id, state from incident where live = 1")?;
        let live = live.into_iter().map(|(id, _)| id).collect();
        let sql = "select message_id, kind, recipient, subject, state, bytes from outbox";
        let mut statement = files.prepare(sql)?;
        let row = |row: &Row<'_>| {
            let owed = Owed {
                kind: row.get(1)?,
                recipient: row.get(2)?,
                subject: row.get(3)?,
                state: row.get(4)?,
                bytes: row.get(5)?,
            };
            Ok((row.get(0)?, owed))
        };
        let outbox = statement.query_map([], row)?.collect::<Result<_, _>>()?;
        Ok(State { incidents, told, outbox, notices, live })
    }
}

fn without(body: &mut Value, key: &str) {
    if let Some(body) = body.as_object_mut() {
        body.remove(key);
    }
}

fn pairs(files: &Connection, sql: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = files.prepare(sql)?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The state, to be read; fails where there is none yet.
pub(crate) fn open(folder: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.join("state.db"), flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}

/// Another number after each commit of somebody else.
pub(crate) fn version(files: &Connection) -> rusqlite::Result<i64> {
    files.query_row("pragma data_version", [], |row| row.get(0))
}

/// The newest message's number.
pub(crate) fn last_owed(files: &Connection) -> rusqlite::Result<Option<i64>> {
    files.query_row("select max(id) from outbox", [], |row| row.get(0))
}

/// Up to where all rules have been evaluated; `None` before the first time.
pub(crate) fn seen_to(folder: &Path) -> anyhow::Result<Option<DateTime<Utc>>> {
    if !folder.join("state.db").exists() {
        return Ok(None);
    }
    let files = open(folder)?;
    let sql = "select 1 from sqlite_master where name = 'rule_state'";
    if files.query_row(sql, [], |_| Ok(())).optional()?.is_none() {
        return Ok(None);
    }
    let sql = "select min(evaluated_until) from rule_state";
    let until: Option<i64> = files.query_row(sql, [], |row| row.get(0))?;
    Ok(until.and_then(DateTime::from_timestamp_millis))
}

/// How many messages have not ended.
pub(crate) fn owed(folder: &Path) -> anyhow::Result<i64> {
    let sql = "select count(*) from outbox where finished_at is null";
    Ok(open(folder)?.query_row(sql, [], |row| row.get(0))?)
}

/// Makes the state forget what receivers are told from now on.
pub(crate) fn forget(folder: &Path) -> rusqlite::Result<()> {
    let files = Connection::open(folder.join("state.db"))?;
    files.busy_timeout(Duration::from_secs(10))?;
    files.execute_batch(
        "create trigger forgets before insert on told begin select raise(ignore); end;",
    )
}
