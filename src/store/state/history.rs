//! What was: incidents and notices asked for by a person, and forgotten when they are old.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};
use serde::de::DeserializeOwned;

use super::{StateError, instant, millis};
use crate::domain::incident::Incident;
use crate::domain::notification::Notice;
use crate::domain::silence::{Ack, Silence};

/// Which incidents are asked for; what is not set narrows nothing.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those of this rule.
    pub rule: Option<String>,
    /// Open ones.
    pub open: bool,
    /// Open, or ended not before then.
    pub since: Option<DateTime<Utc>>,
    /// At most so many, those that began last.
    pub limit: usize,
}

/// An incident with how often its rule fired for its group within a day around it, and how many
/// notices it made.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The incident as it is, or as it ended.
    pub incident: Incident,
    /// How many notices in a thread of its own were made about it.
    pub notices: u64,
}

fn read<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StateError> {
    serde_json::from_str(text).map_err(|source| StateError::Unreadable { what, source })
}

/// The incidents asked for, those that began last first.
pub fn incidents(tx: &Transaction<'_>, wanted: &Wanted) -> Result<Vec<Past>, StateError> {
    let mut statement = tx.prepare_cached(
        "select body, (select count(*) from notice where thread = incident.id) from incident
         where (?1 is null or rule = ?1) and (open = 1 or not ?2)
           and (?3 is null or open = 1 or json_extract(body, '$.resolved.at') >= ?3)
         order by json_extract(body, '$.began') desc, id limit ?4",
    )?;
    let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX);
    let since = wanted.since.map(millis);
    let rows = statement.query_map(params![wanted.rule, wanted.open, since, limit], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
    })?;
    rows.map(|row| {
        let (body, notices) = row?;
        Ok(Past { incident: read("incident", &body)?, notices })
    })
    .collect()
}

/// The incidents whose id begins so, at most `limit`.
pub fn begins_with(
    tx: &Transaction<'_>,
    prefix: &str,
    limit: usize,
) -> Result<Vec<Incident>, StateError> {
    let mut statement = tx.prepare_cached(
        "select body from incident where substr(id, 1, length(?1)) = ?1 order by id limit ?2",
    )?;
    let rows = statement.query_map(params![prefix, limit as i64], |row| row.get::<_, String>(0))?;
    rows.map(|body| read("incident", &body?)).collect()
}

/// The notices that speak of an incident, oldest first, at most the last `limit`.
pub fn notices_about(
    tx: &Transaction<'_>,
    incident: &Incident,
    limit: usize,
) -> Result<Vec<Notice>, StateError> {
    // Those of a group have another thread; they are found by what they hold.
    let mut statement = tx.prepare_cached(
        "select body from notice
         where thread = ?1 or (at >= ?2 and instr(body, ?1) > 0) order by at desc, key limit ?3",
    )?;
    let began = millis(incident.began);
    let rows = statement
        .query_map(params![incident.id, began, limit as i64], |row| row.get::<_, String>(0))?;
    let mut notices: Vec<Notice> =
        rows.map(|body| read("notice", &body?)).collect::<Result<_, _>>()?;
    notices.reverse();
    Ok(notices)
}

/// What became of the message of a notice: the state of its delivery, how often it was tried, and
/// what the far side said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The delivery's number.
    pub id: i64,
    /// To which address, or the receiver's name.
    pub recipient: String,
    /// [`super::outbox::SMTP`], or the receiver's name.
    pub receiver: String,
    /// Where it stands.
    pub state: String,
    /// Tries so far.
    pub attempts: u32,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What was said at the last try.
    pub said: Option<String>,
}

/// The deliveries that were owed in a thread at an instant: those of the notices decided then.
pub fn deliveries_of(
    tx: &Transaction<'_>,
    thread: &str,
    at: DateTime<Utc>,
) -> Result<Vec<Delivered>, StateError> {
    let mut statement = tx.prepare_cached(
        "select id, recipient, receiver, state,
                (select count(*) from attempt where delivery = outbox.id), finished_at,
                coalesce(reason,
                (select words from attempt where delivery = outbox.id order by n desc limit 1))
         from outbox where origin = ?1 and kind = 'notification' and created_at = ?2 order by id",
    )?;
    let rows = statement.query_map(params![thread, millis(at)], |row| {
        Ok(Delivered {
            id: row.get(0)?,
            recipient: row.get(1)?,
            receiver: row.get(2)?,
            state: row.get(3)?,
            attempts: row.get(4)?,
            finished_at: row.get::<_, Option<i64>>(5)?.map(instant),
            said: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When a message was last taken by each receiver, and its far side's words: for mail by address.
pub fn last_delivered(tx: &Transaction<'_>) -> Result<Vec<Delivered>, StateError> {
    let mut statement = tx.prepare_cached(
        "select max(id), recipient, receiver, state, attempts, max(finished_at),
                (select words from attempt where delivery = outbox.id order by n desc limit 1)
         from outbox where state = 'delivered' and kind in ('notification', 'notice')
         group by receiver, recipient order by receiver, recipient limit 1000",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Delivered {
            id: row.get(0)?,
            recipient: row.get(1)?,
            receiver: row.get(2)?,
            state: row.get(3)?,
            attempts: row.get(4)?,
            finished_at: row.get::<_, Option<i64>>(5)?.map(instant),
            said: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Silences that hide something now, and acknowledgements that hold.
pub fn quiet(
    tx: &Transaction<'_>,
    now: DateTime<Utc>,
) -> Result<(Vec<Silence>, Vec<Ack>), StateError> {
    let mut silences = tx.prepare_cached(
        "select body from silence where ended_at is null and ends_at > ?1 order by ends_at",
    )?;
    let silences = silences.query_map([millis(now)], |row| row.get::<_, String>(0))?;
    let mut acks = tx.prepare_cached("select body from ack where until > ?1 order by until")?;
    let acks = acks.query_map([millis(now)], |row| row.get::<_, String>(0))?;
    Ok((
        silences.map(|body| read("silence", &body?)).collect::<Result<_, _>>()?,
        acks.map(|body| read("ack", &body?)).collect::<Result<_, _>>()?,
    ))
}

/// Forgets incidents that ended before then, of which nobody is owed anything, with what was told of
/// them, and notices of before then; at most `limit` of each. Returns how many.
pub fn prune(
    tx: &Transaction<'_>,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<usize, StateError> {
    let (before, limit) = (millis(before), limit as i64);
    let old = "select id from incident where open = 0 and live = 0
               and json_extract(body, '$.resolved.at') < ?1 limit ?2";
    tx.execute(&format!("delete from told where incident in ({old})"), params![before, limit])?;
    let gone =
        tx.execute(&format!("delete from incident where id in ({old})"), params![before, limit])?;
    let notices = tx.execute(
        "delete from notice where key in (select key from notice where at < ?1 limit ?2)",
        params![before, limit],
    )?;
    // Nothing that could get one of its keys again is left of it.
    let threads = tx.execute(
        "delete from thread where (thread, receiver) in
           (select thread, receiver from thread where at < ?1 limit ?2)",
        params![before, limit],
    )?;
    Ok(gone + notices + threads)
}

/// An incident as it is kept, with what people and receivers had to do with it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptAlert {
    /// The incident.
    pub incident: Incident,
    /// When somebody took it.
    pub acked_at: Option<DateTime<Utc>>,
    /// Who.
    pub acked_by: Option<String>,
    /// How many notices spoke of it.
    pub notices: i64,
}

/// A notice as it is kept, with what became of its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptNotice {
    /// Its identity.
    pub key: String,
    /// The rule it is about.
    pub rule: String,
    /// To whom.
    pub receiver: String,
    /// What is told, in one word.
    pub kind: String,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// When the last of its messages was delivered, if all were.
    pub delivered_at: Option<DateTime<Utc>>,
    /// `delivered`, or the state of the message that was not; empty: not known any more.
    pub state: String,
}

/// A rule that was evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRule {
    /// Its name.
    pub name: String,
    /// Up to which slot.
    pub evaluated_to: Option<DateTime<Utc>>,
    /// When it last fired, as far as is kept.
    pub last_fired_at: Option<DateTime<Utc>>,
    /// How often, as far as is kept.
    pub fired: i64,
}

/// At most so many incidents or notices are read at once, the newest.
const KEPT_MAX: i64 = 200_000;

/// All incidents that are kept.
pub fn alerts(tx: &Transaction<'_>) -> Result<Vec<KeptAlert>, StateError> {
    // Which incidents the notices spoke of: in a thread of several each of them counts.
    let mut notices: HashMap<String, i64> = HashMap::new();
    let mut statement = tx.prepare_cached(
        "select json_extract(item.value, '$.incident.id')
         from notice, json_each(notice.body, '$.items') as item",
    )?;
    for id in statement.query_map([], |row| row.get::<_, Option<String>>(0))? {
        if let Some(id) = id? {
            *notices.entry(id).or_default() += 1;
        }
    }
    let mut statement = tx.prepare_cached(
        "select incident.body, ack.body from incident left join ack on ack.incident = incident.id
         order by json_extract(incident.body, '$.began') desc limit ?1",
    )?;
    let rows = statement.query_map([KEPT_MAX], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
    })?;
    rows.map(|row| {
        let (incident, ack) = row?;
        let incident: Incident = read("incident", &incident)?;
        let ack: Option<Ack> = ack.map(|ack| read("ack", &ack)).transpose()?;
        Ok(KeptAlert {
            notices: notices.get(&incident.id).copied().unwrap_or_default(),
            acked_at: ack.as_ref().map(|ack| ack.at),
            acked_by: ack.map(|ack| ack.by),
            incident,
        })
    })
    .collect()
}

/// All notices that are kept.
pub fn kept_notices(tx: &Transaction<'_>) -> Result<Vec<KeptNotice>, StateError> {
    let mut statement = tx.prepare_cached(
        "select n.key, n.rule, n.receiver, n.kind, n.at, o.receiver, o.state, o.finished_at
         from (select * from notice order by at desc limit ?1) n
         left join outbox o
           on o.origin = n.thread and o.kind = 'notification' and o.created_at = n.at
              and o.receiver in (n.receiver, 'smtp')
         order by n.at, n.key",
    )?;
    let mut kept: Vec<KeptNotice> = Vec::new();
    let mut by_name = false;
    let mut rows = statement.query([KEPT_MAX])?;
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        if kept.last().is_none_or(|last| last.key != key) {
            by_name = false;
            kept.push(KeptNotice {
                key,
                rule: row.get(1)?,
                receiver: row.get(2)?,
                kind: row.get(3)?,
                at: instant(row.get(4)?),
                delivered_at: None,
                state: String::new(),
            });
        }
        let Some(last) = kept.last_mut() else { continue };
        let Some(receiver) = row.get::<_, Option<String>>(5)? else { continue };
        // A receiver's own messages; mails of one thread and moment are those of its mail receivers.
        let own = receiver == last.receiver;
        if by_name && !own {
            continue;
        }
        if own && !by_name {
            by_name = true;
            (last.state, last.delivered_at) = (String::new(), None);
        }
        let (state, ended): (String, Option<i64>) = (row.get(6)?, row.get(7)?);
        if last.state.is_empty() || last.state == "delivered" {
            let delivered = state == "delivered";
            last.delivered_at = ended.filter(|_| delivered).map(instant).max(last.delivered_at);
            last.delivered_at = last.delivered_at.filter(|_| delivered);
            last.state = state;
        }
    }
    Ok(kept)
}

/// All rules that were evaluated.
pub fn rules(tx: &Transaction<'_>) -> Result<Vec<KeptRule>, StateError> {
    let mut statement = tx.prepare_cached(
        "select rule, evaluated_until,
                (select max(json_extract(body, '$.fired_at')) from incident i
                 where i.rule = rule_state.rule),
                (select count(json_extract(body, '$.fired_at')) from incident i
                 where i.rule = rule_state.rule)
         from rule_state order by rule",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(KeptRule {
            name: row.get(0)?,
            evaluated_to: row.get::<_, Option<i64>>(1)?.map(instant),
            last_fired_at: row.get::<_, Option<i64>>(2)?.map(instant),
            fired: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
