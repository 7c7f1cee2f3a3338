//! Up to when the daemon is known to have worked.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{StateError, instant, millis};

/// It works at an instant: proves that the state can be written. A clock that was set back takes the
/// instant back with it.
pub fn saw(tx: &Transaction<'_>, at: DateTime<Utc>) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into life (id, seen_at) values (1, ?1) on conflict (id) do update set seen_at = ?1",
    )?
    .execute([millis(at)])?;
    Ok(())
}

/// When it last worked; `None`: no daemon has worked on this state.
pub fn seen(tx: &Transaction<'_>) -> Result<Option<DateTime<Utc>>, StateError> {
    let found = tx.prepare_cached("select seen_at from life")?.query_row([], |row| row.get(0));
    Ok(found.optional()?.map(instant))
}

/// The clock was set back by so much: what waits for an instant waits as long as it would have.
/// Returns how many messages and receivers.
pub fn set_back(
    tx: &Transaction<'_>,
    by: TimeDelta,
    now: DateTime<Utc>,
) -> Result<usize, StateError> {
    let by = by.num_milliseconds();
    let messages = tx.execute(
        "update outbox set next_attempt_at = max(?1, next_attempt_at - ?2)
         where state = 'pending' and next_attempt_at > ?1",
        params![millis(now), by],
    )?;
    let receivers = tx.execute(
        "update hold set until = max(?1, until - ?2), since = min(since, ?1) where until > ?1",
        params![millis(now), by],
    )?;
    Ok(messages + receivers)
}

/// At start, when nobody knows by how much the clock was set back: nothing waits longer than `most`.
/// Returns how many messages and receivers.
pub fn shorten_waits(
    tx: &Transaction<'_>,
    most: TimeDelta,
    now: DateTime<Utc>,
) -> Result<usize, StateError> {
    let latest = millis(now + most);
    let messages = tx.execute(
        "update outbox set next_attempt_at = ?1 where state = 'pending' and next_attempt_at > ?2",
        params![millis(now), latest],
    )?;
    let receivers = tx.execute(
        "update hold set until = ?1, since = min(since, ?1) where until > ?2",
        params![millis(now), latest],
    )?;
    Ok(messages + receivers)
}
