//! Every notice as it was decided: what explains itself later, and is told again elsewhere; and what
//! the threads of several incidents have come to.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};

use super::{StateError, instant, millis};
use crate::domain::notification::{Notice, Thread};

/// Keeps a notice.
pub fn put(tx: &Transaction<'_>, notice: &Notice) -> Result<(), StateError> {
    let body = super::written("notice", notice)?;
    tx.prepare_cached(
        "insert or ignore into notice (key, receiver, thread, rule, kind, at, reason, body)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        notice.key,
        notice.receiver,
        notice.thread,
        notice.rule(),
        notice.kind.word(),
        millis(notice.at),
        notice.reason,
        body,
    ])?;
    Ok(())
}

/// When a receiver was sent notices since an instant, in order.
pub fn sent(
    tx: &Transaction<'_>,
    receiver: &str,
    since: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, StateError> {
    let mut statement = tx
        .prepare_cached("select at from notice where receiver = ?1 and at > ?2 order by at, key")?;
    let rows = statement.query_map(params![receiver, millis(since)], |row| row.get(0))?;
    rows.map(|at| Ok(instant(at?))).collect()
}

/// Writes down what a receiver got in a thread.
pub fn put_thread(tx: &Transaction<'_>, thread: &Thread) -> Result<(), StateError> {
    let body = super::written("thread", thread)?;
    tx.prepare_cached(
        "insert into thread (thread, receiver, at, body) values (?1, ?2, ?3, ?4)
         on conflict (thread, receiver) do update set at = ?3, body = ?4",
    )?
    .execute(params![thread.thread, thread.receiver, millis(thread.at), body])?;
    Ok(())
}

/// What every thread has come to: by thread, then by receiver.
pub fn threads(
    tx: &Transaction<'_>,
) -> Result<BTreeMap<String, BTreeMap<String, Thread>>, StateError> {
    let mut statement = tx.prepare_cached("select body from thread")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut threads: BTreeMap<String, BTreeMap<String, Thread>> = BTreeMap::new();
    for body in rows {
        let thread: Thread = super::read_back("thread", &body?)?;
        let of_thread = threads.entry(thread.thread.clone()).or_default();
        of_thread.insert(thread.receiver.clone(), thread);
    }
    Ok(threads)
}

/// A receiver was told a record while others wait.
pub fn put_told_in_part(
    tx: &Transaction<'_>,
    rule: &str,
    record: &str,
    receiver: &str,
) -> Result<(), StateError> {
    let sql = "insert or ignore into told_in_part (rule, record, receiver) values (?1, ?2, ?3)";
    tx.prepare_cached(sql)?.execute([rule, record, receiver])?;
    Ok(())
}

/// By rule and key of records of which somebody is still to be told: who was.
pub fn told_in_part(
    tx: &Transaction<'_>,
) -> Result<BTreeMap<(String, String), BTreeSet<String>>, StateError> {
    let mut statement = tx.prepare_cached("select rule, record, receiver from told_in_part")?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    let mut told: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let (record, receiver): ((String, String), String) = row?;
        told.entry(record).or_default().insert(receiver);
    }
    Ok(told)
}

/// How often a rule has fired for a group since an instant, of the incidents that `counts` takes.
pub fn fired_since(
    tx: &Transaction<'_>,
    (rule, group): (&str, &str),
    since: DateTime<Utc>,
    counts: impl Fn(&str) -> bool,
) -> Result<usize, StateError> {
    let mut statement = tx.prepare_cached(
        "select id from incident
         where rule = ?1 and group_key = ?2 and fired_at > ?3 limit 10000",
    )?;
    let rows =
        statement.query_map(params![rule, group, millis(since)], |row| row.get::<_, String>(0))?;
    let mut count = 0;
    for id in rows {
        count += usize::from(counts(&id?));
    }
    Ok(count)
}
