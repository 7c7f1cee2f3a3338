//! Messages of notices that their receivers have not taken: what is told to somebody else instead.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::super::{StateError, instant, millis};
use crate::domain::notification::Notice;

/// Why a receiver has not taken a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untaken {
    /// It is tried since then.
    Waiting(DateTime<Utc>),
    /// It ended without being taken.
    Refused,
    /// The way to the receiver is broken.
    Broken,
    /// It may have been taken: nobody tries it again by itself.
    Held,
    /// The receiver gets nothing until somebody enables it.
    Disabled,
}

/// A notice that its receiver has not taken.
#[derive(Clone, Debug, PartialEq)]
pub struct UntakenNotice {
    /// The notice.
    pub notice: Notice,
    /// How far it came.
    pub state: Untaken,
    /// What the far side said last.
    pub said: Option<String>,
}

/// What was refused longer ago is history: a fallback that is new in the config is not told it.
const REFUSED_TOLD: TimeDelta = TimeDelta::days(2);

/// Writes down which notice a message tells.
pub fn tells(tx: &Transaction<'_>, message: &str, notice: &str) -> Result<(), StateError> {
    tx.prepare_cached("update outbox set notice = ?2 where message_id = ?1")?
        .execute([message, notice])?;
    Ok(())
}

/// Notices of one receiver that it has not taken and that nobody else was told: those owed since
/// before an instant, those lately refused for good, those held, and all of a receiver that is
/// broken or disabled. What a person cancelled is told to nobody. The oldest first, at most so
/// many.
pub fn untaken(
    tx: &Transaction<'_>,
    receiver: &str,
    owed_before: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<UntakenNotice>, StateError> {
    let mut statement = tx.prepare_cached(
        "select n.body, o.created_at, o.state, o.reason, coalesce(h.broken, 0),
                e.disabled_at is not null
         from outbox o join notice n on n.key = o.notice
              left join hold h on h.receiver = o.receiver
              left join endpoint e on e.receiver = o.receiver
         where o.notice is not null and o.fallback is null and o.state <> 'delivered'
           and o.state <> 'cancelled' and n.receiver = ?1
           and (o.created_at <= ?2 and o.state not in ('rejected', 'expired')
                or o.state = 'held' or h.broken or e.disabled_at is not null
                or o.state in ('rejected', 'expired') and o.created_at > ?4)
         order by o.created_at, o.id limit ?3",
    )?;
    let mut rows = statement.query(params![
        receiver,
        millis(owed_before),
        limit as i64,
        millis(owed_before - REFUSED_TOLD),
    ])?;
    let mut found: Vec<UntakenNotice> = Vec::new();
    while let Some(row) = rows.next()? {
        let notice = read(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
        if found.iter().any(|known| known.notice.key == notice.key) {
            continue;
        }
        let (broken, disabled): (bool, bool) = (row.get(4)?, row.get(5)?);
        let state = match row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)? {
            "rejected" | "expired" => Untaken::Refused,
            "held" => Untaken::Held,
            _ if disabled => Untaken::Disabled,
            _ if broken => Untaken::Broken,
            _ => Untaken::Waiting(instant(row.get(1)?)),
        };
        found.push(UntakenNotice { notice, state, said: row.get(3)? });
    }
    Ok(found)
}

/// Takes a notice as told to somebody else; false if it was before.
pub fn fell(tx: &Transaction<'_>, notice: &str, to: &str) -> Result<bool, StateError> {
    let changed = tx
        .prepare_cached("update outbox set fallback = ?2 where notice = ?1 and fallback is null")?
        .execute([notice, to])?;
    Ok(changed > 0)
}

/// The notice that a delivery tells.
pub fn notice_of(tx: &Transaction<'_>, delivery: i64) -> Result<Option<Notice>, StateError> {
    let body: Option<String> = tx
        .prepare_cached(
            "select n.body from outbox o join notice n on n.key = o.notice where o.id = ?1",
        )?
        .query_row([delivery], |row| row.get(0))
        .optional()?;
    body.map(|body| read(&body)).transpose()
}

/// Whether a notice of this thread that was for one receiver was told to another instead.
pub fn told_instead(
    tx: &Transaction<'_>,
    thread: &str,
    receiver: &str,
    told: &str,
) -> Result<bool, StateError> {
    let found = tx
        .prepare_cached(
            "select 1 from notice where thread = ?1 and receiver = ?3
             and json_extract(body, '$.instead_of[0]') = ?2 limit 1",
        )?
        .exists([thread, receiver, told])?;
    Ok(found)
}

fn read(body: &str) -> Result<Notice, StateError> {
    serde_json::from_str(body).map_err(|source| StateError::Unreadable { what: "notice", source })
}
