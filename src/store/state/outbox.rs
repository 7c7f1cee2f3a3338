//! The outbox: messages owed, with the bytes they will have on every attempt.
//!
//! A row is born `pending`; an attempt makes it `sending` before the first byte leaves; the outcome
//! makes it `pending` again (with a later `next_attempt_at`) or ends it as `delivered`, `rejected`
//! or `expired`. A row found `sending` at start was cut off by a crash: it may have arrived, and is
//! tried again with the same bytes and id, or `held` until somebody has looked. A person may hold a
//! row or end it as `cancelled`. Nothing is deleted before its retention time, and what was ever
//! owed adds up: see [`balance()`].

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{StateError, instant, millis, suppression};
use crate::domain::delivery::Message;

mod balance;
mod claim;
mod endpoint;
mod fallback;
mod finish;
mod holds;
mod pack;
mod proof;
mod run;
mod select;
#[cfg(test)]
mod tests;

pub use balance::{balance, counts, panicked, panics};
pub use claim::{CutOff, Unit, begin, has_held, put_back, receivers_due, recover};
pub use endpoint::{
    Endpoint, disable, enable, endpoint_of, endpoints, expire_waiting, heard, is_disabled,
};
pub use fallback::{Untaken, UntakenNotice, fell, notice_of, tells, told_instead, untaken};
pub use finish::{act, finish, forget, prune, retry};
pub use holds::{Hold, News, hold, holds, probe, probed, release};
pub use pack::pack;
pub use proof::{Proof, is_owed, proofs};
pub use run::{Resent, counts_of_run, made_of, of_run, resend, tries};
pub use select::{Wanted, find, list, waiting};

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
    /// `pending`, `sending`, `held`, `delivered`, `rejected`, `expired` or `cancelled`.
    pub state: String,
    /// Failed attempts that counted.
    pub attempts: u32,
    /// Attempts in which postrider itself broke down.
    pub panics: u32,
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
    /// `delivered`, `retry`, `server down`, `rejected`, `receiver broken`, `uncertain`, `gone`.
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

const COLUMNS: &str = "id, message_id, kind, origin, receiver, recipient, subject, state, attempts, \
                       created_at, next_attempt_at, finished_at, reason, panics";

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
        panics: row.get(13)?,
    })
}

/// Owes a message from `now` on; false if the same message is already owed or was sent, or if its
/// recipient wants no digest any more: then the run's history says so. The run of a digest's
/// message is stored before it.
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
    if inserted == 1 {
        balance::owed(tx)?;
    }
    Ok(inserted == 1)
}

/// One delivery with its bytes and attempts.
pub fn show(tx: &Transaction<'_>, id: i64) -> Result<Option<Shown>, StateError> {
    let sql = format!("select {COLUMNS}, bytes, packed from outbox where id = ?1");
    let found = tx
        .prepare_cached(&sql)?
        .query_row([id], |row| Ok((delivery(row)?, pack::plain(row, 14)?)))
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
