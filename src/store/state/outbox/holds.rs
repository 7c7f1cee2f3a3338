//! Receivers that wait as a whole: the server is down, or broken until somebody mends it.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::store::state::{StateError, instant, millis};

/// A receiver that waits as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// [`super::SMTP`], or the name of a webhook receiver.
    pub receiver: String,
    /// It is probed then.
    pub until: DateTime<Utc>,
    /// What it said.
    pub reason: String,
    /// Whether somebody must mend it.
    pub broken: bool,
}

/// What is news about a receiver that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing that was not told before, or too early to tell.
    Nothing,
    /// It is broken since now.
    Broken,
    /// It has given no answer since then, long enough to be told.
    Silent(DateTime<Utc>),
}

/// Makes a whole receiver wait because of what an attempt at the message `id` came to. If that was
/// under way before the receiver was told to wait, it does not shorten the wait; a probe does, for it
/// knows better. `told_after` is how long it gives no answer before that is news. Each news comes
/// once.
pub fn hold(
    tx: &Transaction<'_>,
    hold: &Hold,
    id: i64,
    now: DateTime<Utc>,
    told_after: TimeDelta,
) -> Result<News, StateError> {
    let Hold { receiver, until, reason, broken } = hold;
    let was: Option<(bool, i64, bool)> = tx
        .prepare_cached("select broken, since, told from hold where receiver = ?1")?
        .query_row([receiver], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let knows_better = is_probe(tx, receiver, id)?;
    tx.prepare_cached(
        "insert into hold (receiver, until, reason, broken, since) values (?1, ?2, ?3, ?4, ?5)
         on conflict (receiver) do update
         set until = iif(?6, ?2, max(until, ?2)), broken = max(broken, ?4),
             reason = iif(?6 or until <= ?2, ?3, reason)",
    )?
    .execute(params![receiver, millis(*until), reason, broken, millis(now), knows_better])?;
    match was {
        Some((true, ..)) => Ok(News::Nothing),
        _ if *broken => Ok(News::Broken),
        Some((false, since, false)) if told_after <= now - instant(since) => {
            tx.prepare_cached("update hold set told = 1 where receiver = ?1")?
                .execute([receiver])?;
            Ok(News::Silent(instant(since)))
        }
        _ => Ok(News::Nothing),
    }
}

/// Whether the last attempt at a message was begun to see whether a receiver that waits works again:
/// since it waits nothing else is begun.
fn is_probe(tx: &Transaction<'_>, receiver: &str, id: i64) -> Result<bool, StateError> {
    let sql = "select 1 from hold where receiver = ?1
               and since < (select max(started_at) from attempt where delivery = ?2)";
    Ok(tx.prepare_cached(sql)?.exists(params![receiver, id])?)
}

/// A probe is under way: no other one is begun before `until`, unless this one ends before.
pub fn probe(tx: &Transaction<'_>, receiver: &str, until: DateTime<Utc>) -> Result<(), StateError> {
    tx.prepare_cached("update hold set until = ?2 where receiver = ?1")?
        .execute(params![receiver, millis(until)])?;
    Ok(())
}

/// An attempt at the message `id` has ended and nobody said whether its receiver works again. If it
/// was a probe, another one may be begun.
pub fn probed(
    tx: &Transaction<'_>,
    receiver: &str,
    id: i64,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    if is_probe(tx, receiver, id)? {
        tx.prepare_cached("update hold set until = min(until, ?2) where receiver = ?1")?
            .execute(params![receiver, millis(now)])?;
    }
    Ok(())
}

/// A receiver took the message `id`, so it works again: since when it gave no answer, if somebody
/// was told so. An attempt that was under way before it was told to wait ends no wait.
pub fn release(
    tx: &Transaction<'_>,
    receiver: &str,
    id: i64,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StateError> {
    let knows_better = is_probe(tx, receiver, id)?;
    let told: Option<(i64, bool)> = tx
        .prepare_cached(
            "delete from hold where receiver = ?1 and (?2 or until <= ?3) returning since, told",
        )?
        .query_row(params![receiver, knows_better, millis(now)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(told.and_then(|(since, told)| told.then(|| instant(since))))
}

/// Receivers that wait.
pub fn holds(tx: &Transaction<'_>) -> Result<Vec<Hold>, StateError> {
    let mut statement =
        tx.prepare_cached("select receiver, until, reason, broken from hold order by receiver")?;
    let rows = statement.query_map([], |row| {
        Ok(Hold {
            receiver: row.get(0)?,
            until: instant(row.get(1)?),
            reason: row.get(2)?,
            broken: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
