//! The messages of one run: what became of each, what it was made of, and sending again those that
//! did not reach their recipient.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{COLUMNS, Delivery, MadeOf, delivery};
use crate::domain::delivery::goes_again;
use crate::store::state::{StateError, millis, suppression};

/// What a message of a run was made of; `None` for other messages, and for those of runs made by a
/// postrider that did not keep it.
pub fn made_of(tx: &Transaction<'_>, id: i64) -> Result<Option<MadeOf>, StateError> {
    let mut statement = tx.prepare_cached("select part, envelope from outbox where id = ?1")?;
    let found: Option<(Option<String>, Option<String>)> =
        statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.and_then(|(part, envelope)| Some(MadeOf { part: part?, envelope })))
}

/// The deliveries of a run, those of one part together, in the order they were owed; without
/// attempts and bytes.
pub fn of_run(tx: &Transaction<'_>, run: &str) -> Result<Vec<Delivery>, StateError> {
    let sql = format!(
        "select {COLUMNS} from outbox where origin = ?1 and kind = 'digest' order by part, id"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map([run], delivery)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many deliveries of a run are in each state.
pub fn counts_of_run(tx: &Transaction<'_>, run: &str) -> Result<Vec<(String, u64)>, StateError> {
    let mut statement = tx.prepare_cached(
        "select state, count(*) from outbox where origin = ?1 and kind = 'digest'
         group by state order by state",
    )?;
    let rows = statement.query_map([run], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many attempts at a delivery were begun.
pub fn tries(tx: &Transaction<'_>, id: i64) -> Result<u32, StateError> {
    let mut statement = tx.prepare_cached("select count(*) from attempt where delivery = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0))?)
}

/// What asking for a run's failed messages came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    /// Those that wait again, with the same bytes and ids.
    pub again: Vec<Delivery>,
    /// Those that stay as they are, each with the reason.
    pub left: Vec<(Delivery, String)>,
}

/// Messages of a run that did not reach their recipient go back to waiting, as new ones would; to
/// one address alone where that is named. Who wants no digest any more is not asked again.
pub fn resend(
    tx: &Transaction<'_>,
    run: &str,
    to: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Resent, StateError> {
    let mut resent = Resent::default();
    for delivery in of_run(tx, run)? {
        if to.is_some_and(|to| !to.eq_ignore_ascii_case(&delivery.recipient)) {
            continue;
        }
        if let Err(why) = goes_again(&delivery.state) {
            resent.left.push((delivery, why.to_owned()));
            continue;
        }
        if let Some(reason) = suppression::against(tx, run, &delivery.recipient, now)? {
            resent.left.push((delivery, reason));
            continue;
        }
        let changed = tx
            .prepare_cached(
                "update outbox set state = 'pending', next_attempt_at = ?2, finished_at = null,
                                   attempts = 0, panics = 0, created_at = ?2
                 where id = ?1 and state not in ('delivered', 'sending')",
            )?
            .execute(params![delivery.id, millis(now)])?;
        if changed == 1 {
            tx.prepare_cached("delete from hold where receiver = ?1")?
                .execute([&delivery.receiver])?;
            resent.again.push(delivery);
        }
    }
    Ok(resent)
}
