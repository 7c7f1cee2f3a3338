//! How each receiver fares, and which of them get nothing until somebody enables them.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::Kind;
use crate::domain::delivery::health::{Fares, Heard};
use crate::store::state::{StateError, instant, millis};

/// A receiver as it is known from attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// [`super::SMTP`], or the name of a webhook receiver.
    pub receiver: String,
    /// How it fares.
    pub fares: Fares,
    /// What it said when it last failed.
    pub said: Option<String>,
    /// Since when it gets nothing, and why.
    pub disabled: Option<(DateTime<Utc>, String)>,
}

const COLUMNS: &str =
    "receiver, taken_at, failing_since, failures, failed_at, said, disabled_at, disabled_why";

fn endpoint(row: &Row<'_>) -> rusqlite::Result<Endpoint> {
    let at = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(instant));
    let fares =
        Fares { taken_at: at(1)?, failing_since: at(2)?, failures: row.get(3)?, failed_at: at(4)? };
    let why = row.get::<_, Option<String>>(7)?.unwrap_or_default();
    Ok(Endpoint {
        receiver: row.get(0)?,
        fares,
        said: row.get(5)?,
        disabled: at(6)?.map(|since| (since, why)),
    })
}

/// Receivers that were ever tried, by name.
pub fn endpoints(tx: &Transaction<'_>) -> Result<Vec<Endpoint>, StateError> {
    let sql = format!("select {COLUMNS} from endpoint order by receiver");
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map([], endpoint)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One receiver, if it was ever tried.
pub fn endpoint_of(tx: &Transaction<'_>, receiver: &str) -> Result<Option<Endpoint>, StateError> {
    let sql = format!("select {COLUMNS} from endpoint where receiver = ?1");
    Ok(tx.prepare_cached(&sql)?.query_row([receiver], endpoint).optional()?)
}

/// Whether a receiver gets nothing until somebody enables it.
pub fn is_disabled(tx: &Transaction<'_>, receiver: &str) -> Result<bool, StateError> {
    let sql = "select 1 from endpoint where receiver = ?1 and disabled_at is not null";
    Ok(tx.prepare_cached(sql)?.exists([receiver])?)
}

/// Writes down what an attempt said about a receiver; returns how it fares now.
pub fn heard(
    tx: &Transaction<'_>,
    receiver: &str,
    heard: Heard,
    said: &str,
    now: DateTime<Utc>,
) -> Result<Fares, StateError> {
    let before = endpoint_of(tx, receiver)?.map(|known| known.fares).unwrap_or_default();
    let fares = before.after(heard, now);
    let said = (heard == Heard::Failed).then_some(said);
    tx.prepare_cached(
        "insert into endpoint (receiver, taken_at, failing_since, failures, failed_at, said)
         values (?1, ?2, ?3, ?4, ?5, ?6)
         on conflict (receiver) do update
         set taken_at = ?2, failing_since = ?3, failures = ?4, failed_at = ?5, said = ?6",
    )?
    .execute(params![
        receiver,
        fares.taken_at.map(millis),
        fares.failing_since.map(millis),
        fares.failures,
        fares.failed_at.map(millis),
        said
    ])?;
    Ok(fares)
}

/// From now on a receiver gets nothing until it is enabled; false if that was so before.
pub fn disable(
    tx: &Transaction<'_>,
    receiver: &str,
    why: &str,
    now: DateTime<Utc>,
) -> Result<bool, StateError> {
    let changed = tx
        .prepare_cached(
            "insert into endpoint (receiver, disabled_at, disabled_why) values (?1, ?2, ?3)
             on conflict (receiver) do update set disabled_at = ?2, disabled_why = ?3
             where disabled_at is null",
        )?
        .execute(params![receiver, millis(now), why])?;
    Ok(changed == 1)
}

/// A receiver gets what waits for it, and its failures are forgotten; false if it was not disabled.
pub fn enable(tx: &Transaction<'_>, receiver: &str) -> Result<bool, StateError> {
    let changed = tx
        .prepare_cached(
            "update endpoint set disabled_at = null, disabled_why = null, failing_since = null,
                                 failures = 0, failed_at = null
             where receiver = ?1 and disabled_at is not null",
        )?
        .execute([receiver])?;
    if changed == 1 {
        tx.prepare_cached("delete from hold where receiver = ?1")?.execute([receiver])?;
    }
    Ok(changed == 1)
}

/// What waits for a disabled receiver and was owed before the instant of its kind ends as expired,
/// without being tried: at most so many of each kind. Returns how many.
pub fn expire_waiting(
    tx: &Transaction<'_>,
    receiver: &str,
    before: impl Fn(Kind) -> DateTime<Utc>,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<usize, StateError> {
    let mut expired = 0;
    for kind in [Kind::Notification, Kind::Notice, Kind::Proof, Kind::Digest] {
        expired += tx
            .prepare_cached(
                "update outbox set state = 'expired', finished_at = ?4, next_attempt_at = null,
                                   reason = 'the receiver is disabled'
                 where id in (select id from outbox where state = 'pending' and receiver = ?1
                              and kind = ?2 and created_at <= ?3 order by id limit ?5)",
            )?
            .execute(params![
                receiver,
                kind.word(),
                millis(before(kind)),
                millis(now),
                limit as i64
            ])?;
    }
    Ok(expired)
}
