//! Claiming: what is due is taken for an attempt, and that is written down before the first byte
//! leaves.
//!
//! Notifications come before notices and proofs, and those before digests; within each the one that
//! is due longest. Recipients of the same message are attempted together.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{COLUMNS, Delivery, delivery, holds, pack};
use crate::domain::delivery::{Ambiguous, Message};
use crate::store::state::{StateError, ledger, millis};

/// Recipients of one attempt: every mail server takes as many.
const RECIPIENTS_MAX: usize = 100;
/// Bytes of one attempt, each recipient's copy counted; one recipient is always taken.
const BYTES_MAX: usize = 32 << 20;
/// How many orders of kinds there are: see [`ORDER`].
const ORDERS: i64 = 3;
/// The order of kinds, as the index of what waits has it.
const ORDER: &str = "(case kind when 'notification' then 0 when 'digest' then 2 else 1 end)";
/// What is told of an incident goes in order: the end is not claimed before what came before it has
/// ended or is held.
const UNBLOCKED: &str = "not (kind = 'notification' and exists (
        select 1 from outbox earlier
        where earlier.origin = outbox.origin and earlier.kind = 'notification'
          and earlier.state in ('pending', 'sending') and earlier.id < outbox.id
          and earlier.receiver = outbox.receiver
          and earlier.recipient = outbox.recipient
          and (earlier.notice is null or earlier.notice is not outbox.notice)))";
/// What is said of an attempt of which nobody knows the end.
const CUT_OFF: &str = "cut off: the message may have arrived";

/// A message that is attempted: its deliveries, one a recipient, with the same id and bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// The rows.
    pub deliveries: Vec<Delivery>,
    /// Their messages, in the same order.
    pub messages: Vec<Message>,
}

/// Claims up to `limit` messages of one receiver that are due and records that an attempt at each
/// begins: from here on it may arrive. A message whose bytes cannot be read is held.
pub fn begin(
    tx: &Transaction<'_>,
    receiver: &str,
    limit: usize,
    now: DateTime<Utc>,
) -> Result<Vec<Unit>, StateError> {
    let mut units = Vec::new();
    while units.len() < limit {
        let Some(first) = first(tx, receiver, now)? else { break };
        let unit = unit(tx, first, now)?;
        if !unit.messages.is_empty() {
            units.push(unit);
        }
    }
    Ok(units)
}

/// What is claimed next: looked for kind by kind, each a step in the index.
fn first(
    tx: &Transaction<'_>,
    receiver: &str,
    now: DateTime<Utc>,
) -> Result<Option<Delivery>, StateError> {
    let sql = format!(
        "select {COLUMNS} from outbox indexed by outbox_waiting
         where state = 'pending' and receiver = ?1 and {ORDER} = ?2 and next_attempt_at <= ?3
           and {UNBLOCKED}
         order by next_attempt_at, id limit 1"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    for order in 0..ORDERS {
        let found =
            statement.query_row(params![receiver, order, millis(now)], delivery).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// A message with those of its recipients that are due. One that broke us down before goes alone,
/// so that it alone is held for it.
fn unit(tx: &Transaction<'_>, first: Delivery, now: DateTime<Utc>) -> Result<Unit, StateError> {
    let sql = format!(
        "select {COLUMNS} from outbox indexed by outbox_by_message
         where message_id = ?1 and receiver = ?2 and state = 'pending' and next_attempt_at <= ?3
           and panics = 0 and {UNBLOCKED} and id <> ?4
         order by id limit ?5"
    );
    let alone = first.panics > 0;
    let more = if alone { 0 } else { RECIPIENTS_MAX - 1 };
    let others: Vec<Delivery> = tx
        .prepare_cached(&sql)?
        .query_map(
            params![first.message_id, first.receiver, millis(now), first.id, more as i64],
            delivery,
        )?
        .collect::<Result<_, _>>()?;
    let mut unit = Unit::default();
    for row in std::iter::once(first).chain(others) {
        let Some(bytes) = bytes(tx, &row, now)? else { continue };
        if let Some(message) = unit.messages.first() {
            let full = (unit.messages.len() + 1) * bytes.len() > BYTES_MAX;
            if full || message.bytes != bytes {
                continue;
            }
        }
        mark_sending(tx, row.id, now)?;
        unit.messages.push(Message {
            id: row.message_id.clone(),
            recipient: row.recipient.clone(),
            bytes,
        });
        unit.deliveries.push(row);
    }
    Ok(unit)
}

/// A message's bytes. One that cannot be read is held with that reason, and holds up nobody else.
fn bytes(
    tx: &Transaction<'_>,
    row: &Delivery,
    now: DateTime<Utc>,
) -> Result<Option<Vec<u8>>, StateError> {
    let read = tx
        .prepare_cached("select bytes, packed from outbox where id = ?1")?
        .query_row([row.id], |row| pack::plain(row, 0));
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(rusqlite::Error::FromSqlConversionFailure(..)) => {
            let reason = "its stored bytes cannot be read";
            super::finish::hold_row(tx, row.id, reason)?;
            let text = format!("`{}` held: {reason}", row.subject);
            ledger::note(tx, now, "delivery", &row.receiver, &text)?;
            Ok(None)
        }
        Err(err) => Err(err.into()),
    }
}

fn mark_sending(tx: &Transaction<'_>, id: i64, now: DateTime<Utc>) -> Result<(), StateError> {
    tx.prepare_cached("update outbox set state = 'sending' where id = ?1")?.execute([id])?;
    tx.prepare_cached(
        "insert into attempt (delivery, n, started_at)
         values (?1, (select coalesce(max(n), 0) + 1 from attempt where delivery = ?1), ?2)",
    )?
    .execute(params![id, millis(now)])?;
    Ok(())
}

/// Takes claims back for which no attempt was begun after all: they are due as they were.
pub fn put_back(tx: &Transaction<'_>, ids: &[i64]) -> Result<(), StateError> {
    for id in ids {
        tx.prepare_cached(
            "delete from attempt where delivery = ?1 and finished_at is null and outcome is null",
        )?
        .execute([id])?;
        tx.prepare_cached(
            "update outbox set state = 'pending' where id = ?1 and state = 'sending'",
        )?
        .execute([id])?;
    }
    Ok(())
}

/// Attempts of which nobody knows the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CutOff {
    /// How many are due again.
    pub again: usize,
    /// How many are held, by receiver, and whether none of it was held before.
    pub held: BTreeMap<String, (usize, bool)>,
}

impl CutOff {
    /// How many they are in all.
    pub fn count(&self) -> usize {
        self.again + self.held.values().map(|(count, _)| count).sum::<usize>()
    }
}

/// Attempts that were cut off, at one receiver where that is named, become due again or are held:
/// those called under way that are not `under_way`.
pub fn recover(
    tx: &Transaction<'_>,
    receiver: Option<&str>,
    under_way: &HashSet<i64>,
    ambiguous: Ambiguous,
    now: DateTime<Utc>,
) -> Result<CutOff, StateError> {
    let called: Vec<(i64, String)> = tx
        .prepare_cached(
            "select id, receiver from outbox where state = 'sending' and (?1 is null or receiver = ?1)",
        )?
        .query_map([receiver], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut cut_off = CutOff::default();
    for (id, receiver) in called.into_iter().filter(|(id, _)| !under_way.contains(id)) {
        holds::probed(tx, &receiver, id, now)?;
        tx.prepare_cached(
            "update attempt set outcome = 'uncertain', words = ?2
             where finished_at is null and outcome is null and delivery = ?1",
        )?
        .execute(params![id, CUT_OFF])?;
        match ambiguous {
            Ambiguous::Resend => {
                tx.prepare_cached(
                    "update outbox set state = 'pending', next_attempt_at = ?2, reason = ?3
                     where id = ?1",
                )?
                .execute(params![id, millis(now), CUT_OFF])?;
                cut_off.again += 1;
            }
            Ambiguous::Hold => {
                let first = !has_held(tx, &receiver)?;
                super::finish::hold_row(tx, id, CUT_OFF)?;
                cut_off.held.entry(receiver).or_insert((0, first)).0 += 1;
            }
        }
    }
    Ok(cut_off)
}

/// Whether a message to this receiver is held.
pub fn has_held(tx: &Transaction<'_>, receiver: &str) -> Result<bool, StateError> {
    let sql = "select 1 from outbox where state = 'held' and receiver = ?1";
    Ok(tx.prepare_cached(sql)?.exists([receiver])?)
}

/// Receivers that have something due, or begun and never ended, and are neither held nor disabled.
pub fn receivers_due(tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<Vec<String>, StateError> {
    let sql = format!(
        // From receiver to receiver and kind to kind: however much waits, each is one step.
        "with recursive waiting (receiver) as (
             select min(receiver) from outbox indexed by outbox_waiting
             where state = 'pending'
             union all
             select (select min(receiver) from outbox indexed by outbox_waiting
                     where state = 'pending' and receiver > waiting.receiver)
             from waiting where receiver is not null
         )
         select receiver from (
             select receiver from waiting
             where exists (select 1 from outbox indexed by outbox_waiting
                           where state = 'pending' and outbox.receiver = waiting.receiver
                             and {ORDER} in (0, 1, 2) and next_attempt_at <= ?1)
             union
             select receiver from outbox where state = 'sending'
         )
         where receiver not in (select receiver from hold where until > ?1)
           and receiver not in (select receiver from endpoint where disabled_at is not null)"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map([millis(now)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
