//! The outbox: messages owed, with the bytes they will have on every attempt.
//!
//! A row is born `pending`; an attempt makes it `sending` before the first byte leaves; the outcome
//! makes it `pending` again (with a later `next_attempt_at`) or ends it as `delivered`, `rejected`
//! or `expired`. A row found `sending` at start was cut off by a crash: it may have arrived, and is
//! tried again with the same bytes and id. Nothing is deleted before its retention time.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{StateError, instant, millis, suppression};
use crate::domain::delivery::{Message, Next};

mod fallback;
mod pack;
mod proof;
mod run;

pub use fallback::{Untaken, UntakenNotice, fell, notice_of, tells, told_instead, untaken};
pub use pack::pack;
pub use proof::{Proof, is_owed, proofs};
pub use run::{Resent, counts_of_run, made_of, of_run, resend, tries};

/// What a message is, for its retry policy and for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A digest's mail or payload.
    Digest,
    /// About an incident.
    Notification,
    /// About postrider's own troubles, to the owner.
    Notice,
    /// A proof that messages reach their receiver.
    Proof,
}

impl Kind {
    /// As stored.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Digest => "digest",
            Kind::Notification => "notification",
            Kind::Notice => "notice",
            Kind::Proof => "proof",
        }
    }

    fn from_word(word: &str) -> Kind {
        match word {
            "digest" => Kind::Digest,
            "notification" => Kind::Notification,
            "proof" => Kind::Proof,
            _ => Kind::Notice,
        }
    }
}

/// The receiver every mail goes through.
pub const SMTP: &str = "smtp";

/// A message to be owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// What it is.
    pub kind: Kind,
    /// The run or incident it comes from.
    pub origin: String,
    /// [`SMTP`], or the name of a webhook receiver.
    pub receiver: String,
    /// For people: the mail's subject.
    pub subject: String,
    /// Identity, recipient and bytes.
    pub message: Message,
    /// Of a run's message: what it was made of.
    pub made_of: Option<MadeOf>,
}

/// What a message of a run was made of, beside the snapshot of its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeOf {
    /// Which part of a split digest; empty where it is not split.
    pub part: String,
    /// The mail's envelope, as whoever makes it again reads it; `None` for a webhook.
    pub envelope: Option<String>,
}

/// A row of the outbox, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Row id.
    pub id: i64,
    /// Message-ID or webhook-id.
    pub message_id: String,
    /// What it is.
    pub kind: Kind,
    /// The run or incident it comes from.
    pub origin: String,
    /// [`SMTP`], or the name of a webhook receiver.
    pub receiver: String,
    /// The address, or the webhook's name.
    pub recipient: String,
    /// For people.
    pub subject: String,
    /// `pending`, `sending`, `delivered`, `rejected` or `expired`.
    pub state: String,
    /// Failed attempts that counted.
    pub attempts: u32,
    /// When it was owed.
    pub created_at: DateTime<Utc>,
    /// When it is tried next.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What the far side said last, or why it waits.
    pub reason: Option<String>,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counted from 1.
    pub n: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; `None` while it runs or if it was cut off.
    pub finished_at: Option<DateTime<Utc>>,
    /// `delivered`, `retry`, `server down`, `rejected`, `receiver broken`, `uncertain`.
    pub outcome: Option<String>,
    /// What the far side said.
    pub words: Option<String>,
}

/// A delivery with its bytes and its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The row.
    pub delivery: Delivery,
    /// The message as it is sent.
    pub bytes: Vec<u8>,
    /// The tries, in order.
    pub attempts: Vec<Attempt>,
}

/// A receiver that waits as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// [`SMTP`], or the name of a webhook receiver.
    pub receiver: String,
    /// It is probed then.
    pub until: DateTime<Utc>,
    /// What it said.
    pub reason: String,
    /// Whether somebody must mend it.
    pub broken: bool,
}

const COLUMNS: &str = "id, message_id, kind, origin, receiver, recipient, subject, state, attempts, \
                       created_at, next_attempt_at, finished_at, reason";

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: row.get(0)?,
        message_id: row.get(1)?,
        kind: Kind::from_word(row.get_ref(2)?.as_str()?),
        origin: row.get(3)?,
        receiver: row.get(4)?,
        recipient: row.get(5)?,
        subject: row.get(6)?,
        state: row.get(7)?,
        attempts: row.get(8)?,
        created_at: instant(row.get(9)?),
        next_attempt_at: row.get::<_, Option<i64>>(10)?.map(instant),
        finished_at: row.get::<_, Option<i64>>(11)?.map(instant),
        reason: row.get(12)?,
    })
}

/// Owes a message from `now` on; false if the same message is already owed or was sent, or if its
/// recipient wants no digest any more: then the run's history says so. The run of a digest's message
/// is stored before it.
pub fn owe(tx: &Transaction<'_>, owed: &Owed, now: DateTime<Utc>) -> Result<bool, StateError> {
    if owed.kind == Kind::Digest {
        let recipient = &owed.message.recipient;
        if let Some(reason) = suppression::against(tx, &owed.origin, recipient, now)? {
            suppression::withhold(tx, &owed.origin, recipient, &reason)?;
            return Ok(false);
        }
    }
    let inserted = tx
        .prepare_cached(
            "insert into outbox (message_id, kind, origin, receiver, recipient, subject, bytes,
                                 state, created_at, next_attempt_at, part, envelope)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', ?8, ?8, ?9, ?10)
             on conflict do nothing",
        )?
        .execute(params![
            owed.message.id,
            owed.kind.word(),
            owed.origin,
            owed.receiver,
            owed.message.recipient,
            owed.subject,
            owed.message.bytes,
            millis(now),
            owed.made_of.as_ref().map(|made_of| &made_of.part),
            owed.made_of.as_ref().and_then(|made_of| made_of.envelope.as_ref())
        ])?;
    Ok(inserted == 1)
}

/// Claims up to `limit` messages of one receiver that are due, notifications before digests, and
/// records that an attempt at each begins: from here on it may arrive. What is told of an incident
/// goes in order: the end is not claimed before what came before it has ended.
pub fn begin(
    tx: &Transaction<'_>,
    receiver: &str,
    limit: usize,
    now: DateTime<Utc>,
) -> Result<Vec<(Delivery, Message)>, StateError> {
    let sql = format!(
        "select {COLUMNS}, bytes, packed from outbox indexed by outbox_waiting
         where state = 'pending' and next_attempt_at <= ?1 and receiver = ?2
           and not (kind = 'notification' and exists (
                select 1 from outbox earlier
                where earlier.origin = outbox.origin and earlier.kind = 'notification'
                  and earlier.state in ('pending', 'sending') and earlier.id < outbox.id
                  and earlier.receiver = outbox.receiver
                  and earlier.recipient = outbox.recipient
                  and (earlier.notice is null or earlier.notice is not outbox.notice)))
         order by kind = 'digest', next_attempt_at, id limit ?3"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map(params![millis(now), receiver, limit as i64], |row| {
        let delivery = delivery(row)?;
        let message = Message {
            id: delivery.message_id.clone(),
            recipient: delivery.recipient.clone(),
            bytes: pack::plain(row, 13)?,
        };
        Ok((delivery, message))
    })?;
    let due: Vec<(Delivery, Message)> = rows.collect::<Result<_, _>>()?;
    for (delivery, _) in &due {
        mark_sending(tx, delivery.id, now)?;
    }
    Ok(due)
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

/// Records what an attempt came to and what is next.
pub fn finish(
    tx: &Transaction<'_>,
    id: i64,
    outcome: &str,
    next: &Next,
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
    match next {
        Next::Delivered(_) => end(tx, id, "delivered", words, now),
        Next::Ended { rejected: true, .. } => end(tx, id, "rejected", words, now),
        Next::Ended { rejected: false, .. } => end(tx, id, "expired", words, now),
        Next::Held { reason } => end(tx, id, "held", reason, now),
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

/// Attempts that were cut off become due again: at start those that a crash cut off, and those at
/// one receiver whose outcome could not be written down. To be called while none is under way.
/// Returns how many.
pub fn recover(
    tx: &Transaction<'_>,
    receiver: Option<&str>,
    now: DateTime<Utc>,
) -> Result<usize, StateError> {
    tx.prepare_cached(
        "update attempt set outcome = 'uncertain', words = 'cut off: the message may have arrived'
         where finished_at is null and outcome is null
           and delivery in (select id from outbox
                            where state = 'sending' and (?1 is null or receiver = ?1))",
    )?
    .execute([receiver])?;
    let cut_off = tx
        .prepare_cached(
            "update outbox set state = 'pending', next_attempt_at = ?2,
                               reason = 'cut off: the message may have arrived'
             where state = 'sending' and (?1 is null or receiver = ?1)",
        )?
        .execute(params![receiver, millis(now)])?;
    Ok(cut_off)
}

/// Makes a message due now, whatever it waited for or ended as; false if there is none such.
pub fn retry(tx: &Transaction<'_>, id: i64, now: DateTime<Utc>) -> Result<bool, StateError> {
    let changed = tx.execute(
        "update outbox set state = 'pending', next_attempt_at = ?2, finished_at = null,
                           created_at = case when state = 'expired' then ?2 else created_at end
         where id = ?1 and state in ('pending', 'rejected', 'expired')",
        params![id, millis(now)],
    )?;
    tx.execute(
        "delete from hold where receiver = (select receiver from outbox where id = ?1)",
        [id],
    )?;
    Ok(changed == 1)
}

/// Receivers that have something due, or begun and never ended, and are not held.
pub fn receivers_due(tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<Vec<String>, StateError> {
    let mut statement = tx.prepare_cached(
        // From receiver to receiver: however much waits for one of them, it is one step.
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
                             and next_attempt_at <= ?1)
             union
             select receiver from outbox where state = 'sending'
         )
         where receiver not in (select receiver from hold where until > ?1)",
    )?;
    let rows = statement.query_map([millis(now)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
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

/// Makes a whole receiver wait. `told_after` is how long it gives no answer before that is news.
/// Each news comes once.
pub fn hold(
    tx: &Transaction<'_>,
    receiver: &str,
    until: DateTime<Utc>,
    reason: &str,
    broken: bool,
    now: DateTime<Utc>,
    told_after: TimeDelta,
) -> Result<News, StateError> {
    let was: Option<(bool, i64, bool)> = tx
        .prepare_cached("select broken, since, told from hold where receiver = ?1")?
        .query_row([receiver], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    tx.prepare_cached(
        "insert into hold (receiver, until, reason, broken, since) values (?1, ?2, ?3, ?4, ?5)
         on conflict (receiver) do update set until = ?2, reason = ?3, broken = max(broken, ?4)",
    )?
    .execute(params![receiver, millis(until), reason, broken, millis(now)])?;
    match was {
        Some((true, ..)) => Ok(News::Nothing),
        _ if broken => Ok(News::Broken),
        Some((false, since, false)) if told_after <= now - instant(since) => {
            tx.prepare_cached("update hold set told = 1 where receiver = ?1")?
                .execute([receiver])?;
            Ok(News::Silent(instant(since)))
        }
        _ => Ok(News::Nothing),
    }
}

/// A receiver works again: since when it gave no answer, if somebody was told so.
pub fn release(tx: &Transaction<'_>, receiver: &str) -> Result<Option<DateTime<Utc>>, StateError> {
    let told: Option<(i64, bool)> = tx
        .prepare_cached("delete from hold where receiver = ?1 returning since, told")?
        .query_row([receiver], |row| Ok((row.get(0)?, row.get(1)?)))
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

/// Deliveries, newest first; of one state or origin where that is named.
pub fn list(
    tx: &Transaction<'_>,
    state: Option<&str>,
    origin: Option<&str>,
    limit: usize,
) -> Result<Vec<Delivery>, StateError> {
    let sql = format!(
        "select {COLUMNS} from outbox
         where (?1 is null or state = ?1) and (?2 is null or origin = ?2)
         order by id desc limit ?3"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map(params![state, origin, limit as i64], delivery)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One delivery with its bytes and attempts.
pub fn show(tx: &Transaction<'_>, id: i64) -> Result<Option<Shown>, StateError> {
    let sql = format!("select {COLUMNS}, bytes, packed from outbox where id = ?1");
    let found = tx
        .prepare_cached(&sql)?
        .query_row([id], |row| Ok((delivery(row)?, pack::plain(row, 13)?)))
        .optional()?;
    let Some((delivery, bytes)) = found else { return Ok(None) };
    let mut statement = tx.prepare_cached(
        "select n, started_at, finished_at, outcome, words from attempt
         where delivery = ?1 order by n",
    )?;
    let rows = statement.query_map([id], |row| {
        Ok(Attempt {
            n: row.get(0)?,
            started_at: instant(row.get(1)?),
            finished_at: row.get::<_, Option<i64>>(2)?.map(instant),
            outcome: row.get(3)?,
            words: row.get(4)?,
        })
    })?;
    Ok(Some(Shown { delivery, bytes, attempts: rows.collect::<Result<_, _>>()? }))
}

/// How many deliveries are in each state.
pub fn counts(tx: &Transaction<'_>) -> Result<Vec<(String, u64)>, StateError> {
    let mut statement =
        tx.prepare_cached("select state, count(*) from outbox group by state order by state")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets messages that ended before an instant, with their attempts; of digests those that ended
/// before another one. At most so many; returns how many.
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
    for id in &ids {
        tx.prepare_cached("delete from attempt where delivery = ?1")?.execute([id])?;
        tx.prepare_cached("delete from outbox where id = ?1")?.execute([id])?;
    }
    Ok(ids.len())
}
