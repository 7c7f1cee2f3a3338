//! What an attempt came to, and what a person does with a message: how a row of the outbox changes.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::balance;
use crate::domain::delivery::{Action, Next, may};
use crate::store::state::{StateError, millis};

/// Records what an attempt came to and what is next. `panicked`: postrider itself broke down in it.
pub fn finish(
    tx: &Transaction<'_>,
    id: i64,
    outcome: &str,
    next: &Next,
    panicked: bool,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    let words = match next {
        Next::Delivered(words) => words,
        Next::Retry { reason, .. }
        | Next::Held { reason }
        | Next::Disabled { reason }
        | Next::Ended { reason, .. } => reason,
    };
    tx.prepare_cached(
        "update attempt set finished_at = ?2, outcome = ?3, words = ?4
         where delivery = ?1 and n = (select max(n) from attempt where delivery = ?1)",
    )?
    .execute(params![id, millis(now), outcome, words])?;
    if panicked {
        tx.prepare_cached("update outbox set panics = panics + 1 where id = ?1")?.execute([id])?;
    }
    match next {
        Next::Delivered(_) => end(tx, id, "delivered", words, now),
        Next::Ended { rejected: true, .. } => end(tx, id, "rejected", words, now),
        Next::Ended { rejected: false, .. } => end(tx, id, "expired", words, now),
        Next::Held { reason } => hold_row(tx, id, reason),
        Next::Disabled { reason } => {
            tx.prepare_cached("update outbox set state = 'pending', reason = ?2 where id = ?1")?
                .execute(params![id, reason])?;
            Ok(())
        }
        Next::Retry { at, counts, reason, .. } => {
            tx.prepare_cached(
                "update outbox set state = 'pending', next_attempt_at = ?2,
                                   attempts = attempts + ?3, reason = ?4 where id = ?1",
            )?
            .execute(params![id, millis(*at), i64::from(*counts), reason])?;
            Ok(())
        }
    }
}

fn end(
    tx: &Transaction<'_>,
    id: i64,
    state: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    tx.prepare_cached(
        "update outbox set state = ?2, reason = ?3, finished_at = ?4, next_attempt_at = null
         where id = ?1",
    )?
    .execute(params![id, state, reason, millis(now)])?;
    Ok(())
}

/// Nobody tries it again by itself. It has not ended: it is kept until somebody decides.
pub(super) fn hold_row(tx: &Transaction<'_>, id: i64, reason: &str) -> Result<(), StateError> {
    tx.prepare_cached(
        "update outbox set state = 'held', reason = ?2, next_attempt_at = null where id = ?1",
    )?
    .execute(params![id, reason])?;
    Ok(())
}

/// Makes a message due now, as a new one would be; one that waits is only tried sooner. Its
/// receiver is not held any more. False where it is delivered, under way, or not there.
pub fn retry(tx: &Transaction<'_>, id: i64, now: DateTime<Utc>) -> Result<bool, StateError> {
    Ok(act(tx, id, Action::Retry { delivered: false }, "", now)?.is_none())
}

/// Does to a message what a person asks for; `reason` is kept with what is held or cancelled.
/// Returns why it cannot be done; nothing was changed then.
pub fn act(
    tx: &Transaction<'_>,
    id: i64,
    action: Action,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Option<&'static str>, StateError> {
    let state: Option<String> = tx
        .prepare_cached("select state from outbox where id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let Some(state) = state else { return Ok(Some("not there")) };
    if let Err(why) = may(action, &state) {
        return Ok(Some(why));
    }
    match action {
        Action::Cancel => end(tx, id, "cancelled", reason, now)?,
        Action::Hold => hold_row(tx, id, reason)?,
        Action::Retry { .. } | Action::Release => {
            let sql = match state.as_str() {
                "pending" => "update outbox set next_attempt_at = ?2 where id = ?1",
                _ => {
                    "update outbox set state = 'pending', next_attempt_at = ?2, finished_at = null,
                                       created_at = ?2, attempts = 0, panics = 0 where id = ?1"
                }
            };
            tx.prepare_cached(sql)?.execute(params![id, millis(now)])?;
            tx.prepare_cached(
                "delete from hold where receiver = (select receiver from outbox where id = ?1)",
            )?
            .execute([id])?;
        }
    }
    Ok(None)
}

/// Forgets messages that ended before an instant, with their attempts; of digests those that ended
/// before another one. What is held has not ended. At most so many; returns how many.
pub fn prune(
    tx: &Transaction<'_>,
    before: DateTime<Utc>,
    digests_before: DateTime<Utc>,
    limit: usize,
) -> Result<usize, StateError> {
    let mut statement = tx.prepare_cached(
        "select id from outbox where finished_at is not null
         and finished_at < case when kind = 'digest' then ?2 else ?1 end limit ?3",
    )?;
    let bounds = params![millis(before), millis(digests_before), limit as i64];
    let ids: Vec<i64> = statement.query_map(bounds, |row| row.get(0))?.collect::<Result<_, _>>()?;
    forget(tx, &ids)
}

/// Forgets messages that ended, with their attempts. Returns how many.
pub fn forget(tx: &Transaction<'_>, ids: &[i64]) -> Result<usize, StateError> {
    let mut forgotten = 0;
    for id in ids {
        let state: Option<String> = tx
            .prepare_cached(
                "delete from outbox where id = ?1 and finished_at is not null returning state",
            )?
            .query_row([id], |row| row.get(0))
            .optional()?;
        let Some(state) = state else { continue };
        tx.prepare_cached("delete from attempt where delivery = ?1")?.execute([id])?;
        balance::forgot(tx, &state)?;
        forgotten += 1;
    }
    Ok(forgotten)
}
