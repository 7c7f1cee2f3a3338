//! Acknowledgements: who took which incident, and until when.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{StateError, millis, silences};
use crate::domain::silence::Ack;

/// One that ran out is known for so long: a reminder says so.
const KNOWN_FOR: TimeDelta = TimeDelta::days(40);

/// Somebody takes an incident; whoever had it has it no more.
pub fn put(tx: &Transaction<'_>, ack: &Ack) -> Result<(), StateError> {
    let body = super::written("acknowledgement", ack)?;
    tx.prepare_cached(
        "insert into ack (incident, until, body) values (?1, ?2, ?3)
         on conflict (incident) do update set until = ?2, body = ?3",
    )?
    .execute(params![ack.incident, millis(ack.until), body])?;
    silences::say(tx)
}

/// Nobody has it any more. Returns who had it.
pub fn remove(tx: &Transaction<'_>, incident: &str) -> Result<Option<Ack>, StateError> {
    let found = of(tx, incident)?;
    tx.prepare_cached("delete from ack where incident = ?1")?.execute([incident])?;
    silences::say(tx)?;
    Ok(found)
}

/// Who has an incident, or had it last.
pub fn of(tx: &Transaction<'_>, incident: &str) -> Result<Option<Ack>, StateError> {
    let body: Option<String> = tx
        .prepare_cached("select body from ack where incident = ?1")?
        .query_row([incident], |row| row.get(0))
        .optional()?;
    body.map(|body| super::read_back("acknowledgement", &body)).transpose()
}

/// By incident, those that hold, and those that ran out lately: that they did is told.
pub fn live(tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<BTreeMap<String, Ack>, StateError> {
    let mut statement = tx.prepare_cached("select body from ack where until > ?1")?;
    let rows = statement.query_map([millis(now - KNOWN_FOR)], |row| row.get::<_, String>(0))?;
    rows.map(|body| {
        let ack: Ack = super::read_back("acknowledgement", &body?)?;
        Ok((ack.incident.clone(), ack))
    })
    .collect()
}

/// Forgets those that ran out before an instant.
pub fn prune(tx: &Transaction<'_>, before: DateTime<Utc>) -> Result<usize, StateError> {
    Ok(tx.execute("delete from ack where until < ?1", [millis(before)])?)
}
