//! Silences, and what they hid.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{StateError, millis};
use crate::domain::silence::{Hidden, HiddenSum, Silence};

/// One that has ended is known for so long: what it hid says why it is told only now.
const KNOWN_FOR: TimeDelta = TimeDelta::days(1);

/// Writes a silence down, or what became of it.
pub fn put(tx: &Transaction<'_>, silence: &Silence) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into silence (id, ends_at, ended_at, body) values (?1, ?2, ?3, ?4)
         on conflict (id) do update set ends_at = ?2, ended_at = ?3, body = ?4",
    )?
    .execute(params![
        silence.id,
        millis(silence.ends_at),
        silence.ended_at.map(millis),
        super::written("silence", silence)?,
    ])?;
    say(tx)
}

/// Ends a silence. `None`: there is none of that id that has not ended.
pub fn end(
    tx: &Transaction<'_>,
    id: &str,
    now: DateTime<Utc>,
) -> Result<Option<Silence>, StateError> {
    let Some(mut silence) = by_id(tx, id)?.filter(|silence| silence.is_live(now)) else {
        return Ok(None);
    };
    silence.ended_at = Some(now);
    put(tx, &silence)?;
    Ok(Some(silence))
}

/// A silence, whether it has ended or not.
pub fn by_id(tx: &Transaction<'_>, id: &str) -> Result<Option<Silence>, StateError> {
    let body: Option<String> = tx
        .prepare_cached("select body from silence where id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    body.map(|body| super::read_back("silence", &body)).transpose()
}

/// Those that have not ended, soonest end first.
pub fn live(tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<Vec<Silence>, StateError> {
    since(tx, now)
}

/// Those that have not ended, and those that have within a day.
pub fn lately(tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<Vec<Silence>, StateError> {
    since(tx, now - KNOWN_FOR)
}

/// Every silence that had not ended by then, soonest end first.
pub fn since(tx: &Transaction<'_>, at: DateTime<Utc>) -> Result<Vec<Silence>, StateError> {
    let mut statement = tx.prepare_cached(
        "select body from silence
         where ends_at > ?1 and coalesce(ended_at, ends_at) > ?1 order by ends_at, id",
    )?;
    let rows = statement.query_map([millis(at)], |row| row.get::<_, String>(0))?;
    rows.map(|body| super::read_back("silence", &body?)).collect()
}

/// Writes down what a silence did to an incident.
pub fn put_hidden(tx: &Transaction<'_>, hidden: &Hidden) -> Result<(), StateError> {
    let notices: u32 = hidden.notices.values().map(|(times, _)| times).sum();
    tx.prepare_cached(
        "insert into hidden (silence, incident, at, notices, worse, body)
         values (?1, ?2, ?3, ?4, ?5, ?6)
         on conflict (silence, incident) do update set notices = ?4, worse = ?5, body = ?6",
    )?
    .execute(params![
        hidden.silence,
        hidden.incident,
        millis(hidden.at),
        notices,
        hidden.broken_at.is_some(),
        super::written("hidden", hidden)?,
    ])?;
    Ok(())
}

/// What the silences of [`lately`] did to incidents, by silence, then by incident. What they did to
/// records is only counted.
pub fn hidden_live(
    tx: &Transaction<'_>,
    now: DateTime<Utc>,
) -> Result<BTreeMap<String, BTreeMap<String, Hidden>>, StateError> {
    let mut statement = tx.prepare_cached(
        "select hidden.body from hidden join silence on silence.id = hidden.silence
         where silence.ends_at > ?1 and coalesce(silence.ended_at, silence.ends_at) > ?1
           and exists (select 1 from incident where incident.id = hidden.incident)",
    )?;
    let at = millis(now - KNOWN_FOR);
    let rows = statement.query_map([at], |row| row.get::<_, String>(0))?;
    let mut by_silence: BTreeMap<String, BTreeMap<String, Hidden>> = BTreeMap::new();
    for body in rows {
        let hidden: Hidden = super::read_back("hidden", &body?)?;
        let of_silence = by_silence.entry(hidden.silence.clone()).or_default();
        of_silence.insert(hidden.incident.clone(), hidden);
    }
    Ok(by_silence)
}

/// What a silence hid of incidents that it began to hide in `[from, to)`: counts.
pub fn hidden(
    tx: &Transaction<'_>,
    id: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<HiddenSum, StateError> {
    let sum = tx
        .prepare_cached(
            "select coalesce(sum(notices), 0), count(*) filter (where notices > 0),
                    coalesce(sum(worse), 0)
             from hidden where silence = ?1 and ?2 <= at and at < ?3",
        )?
        .query_row(params![id, millis(from), millis(to)], |row| {
            let count = |index| row.get::<_, i64>(index).map(|n| n.max(0) as u64);
            Ok(HiddenSum { notices: count(0)?, incidents: count(1)?, worse: count(2)? })
        })?;
    Ok(sum)
}

/// Whether what a silence hid up to then has been told.
pub fn is_told(tx: &Transaction<'_>, id: &str, to: DateTime<Utc>) -> Result<bool, StateError> {
    let told: Option<i64> = tx
        .prepare_cached("select told_to from silence where id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(told.is_some_and(|told| millis(to) <= told))
}

/// What a silence hid up to then has been told.
pub fn told(tx: &Transaction<'_>, id: &str, to: DateTime<Utc>) -> Result<(), StateError> {
    tx.prepare_cached("update silence set told_to = ?2 where id = ?1")?
        .execute(params![id, millis(to)])?;
    Ok(())
}

/// Forgets silences that ended before an instant, with what they hid.
pub fn prune(tx: &Transaction<'_>, before: DateTime<Utc>) -> Result<usize, StateError> {
    tx.execute(
        "delete from hidden where silence in (select id from silence where ends_at < ?1)",
        [millis(before)],
    )?;
    Ok(tx.execute("delete from silence where ends_at < ?1", [millis(before)])?)
}

/// Lets whoever decides know that people have said something.
pub(super) fn say(tx: &Transaction<'_>) -> Result<(), StateError> {
    tx.prepare_cached("insert into heard default values")?.execute([])?;
    Ok(())
}

/// The number of the last thing that people have said and no decision has heard of.
pub fn said(tx: &Transaction<'_>) -> Result<Option<i64>, StateError> {
    Ok(tx.prepare_cached("select max(id) from heard")?.query_row([], |row| row.get(0))?)
}

/// Everything up to that has been heard.
pub fn heard(tx: &Transaction<'_>, up_to: i64) -> Result<(), StateError> {
    tx.prepare_cached("delete from heard where id <= ?1")?.execute([up_to])?;
    Ok(())
}
