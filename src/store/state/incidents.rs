//! Incidents, what each receiver was told of them, and up to where rules have been evaluated.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StateError, instant, millis};
use crate::domain::incident::Incident;
use crate::domain::notification::Told;

fn written<T: Serialize>(what: &'static str, value: &T) -> Result<String, StateError> {
    serde_json::to_string(value).map_err(|source| StateError::Unreadable { what, source })
}

fn read<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StateError> {
    serde_json::from_str(text).map_err(|source| StateError::Unreadable { what, source })
}

/// All open incidents.
pub fn open(tx: &Transaction<'_>) -> Result<Vec<Incident>, StateError> {
    bodies(tx, "select body from incident where open = 1 and ?1 is null order by rule, id", None)
}

/// The open incidents of a rule.
pub fn open_of(tx: &Transaction<'_>, rule: &str) -> Result<Vec<Incident>, StateError> {
    bodies(tx, "select body from incident where open = 1 and rule = ?1 order by id", Some(rule))
}

/// Incidents that are open, or have ended and somebody may still be owed something.
pub fn live(tx: &Transaction<'_>) -> Result<Vec<Incident>, StateError> {
    bodies(tx, "select body from incident where live = 1 and ?1 is null order by id", None)
}

/// What receivers were told of the live incidents.
pub fn told_live(tx: &Transaction<'_>) -> Result<Vec<Told>, StateError> {
    let mut statement = tx.prepare_cached(
        "select told.body from told join incident on incident.id = told.incident
         where incident.live = 1",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|body| read("told", &body?)).collect()
}

/// Nobody is owed anything about an ended incident any more.
pub fn done(tx: &Transaction<'_>, id: &str) -> Result<(), StateError> {
    tx.prepare_cached("update incident set live = 0 where id = ?1")?.execute([id])?;
    Ok(())
}

fn bodies(
    tx: &Transaction<'_>,
    sql: &str,
    rule: Option<&str>,
) -> Result<Vec<Incident>, StateError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map([rule], |row| row.get::<_, String>(0))?;
    rows.map(|body| read("incident", &body?)).collect()
}

/// Writes an incident as it now is.
pub fn put(tx: &Transaction<'_>, incident: &Incident) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into incident (id, rule, group_key, state, body, open, fired_at, live)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1)
         on conflict (id) do update
         set state = ?4, body = ?5, open = ?6, fired_at = ?7, live = 1",
    )?
    .execute(params![
        incident.id,
        incident.rule,
        incident.group.key,
        incident.state.word(),
        written("incident", incident)?,
        incident.is_open(),
        incident.fired_at.map(millis),
    ])?;
    Ok(())
}

/// Incidents of a rule that fired after one slot and up to another, in this order.
pub fn fired_between(
    tx: &Transaction<'_>,
    rule: &str,
    after: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<Incident>, StateError> {
    let mut statement = tx.prepare_cached(
        "select body from incident where rule = ?1 and fired_at > ?2 and fired_at <= ?3
         order by fired_at, id",
    )?;
    let between = params![rule, millis(after), millis(to)];
    let rows = statement.query_map(between, |row| row.get::<_, String>(0))?;
    rows.map(|body| read("incident", &body?)).collect()
}

/// The incidents of a rule and a group that had not ended at an instant, by the group's key.
pub fn of_group_since(
    tx: &Transaction<'_>,
    rule: &str,
    group: &str,
    since: DateTime<Utc>,
) -> Result<Vec<Incident>, StateError> {
    let mut statement = tx.prepare_cached(
        "select body from incident where rule = ?1 and group_key = ?2 order by id",
    )?;
    let rows = statement.query_map([rule, group], |row| row.get::<_, String>(0))?;
    let all = rows.map(|body| read::<Incident>("incident", &body?));
    let lasted = |incident: &Incident| incident.resolved.is_none_or(|end| end.at >= since);
    all.filter(|found| found.as_ref().map_or(true, lasted)).collect()
}

/// Removes an incident that nobody was told of.
pub fn forget(tx: &Transaction<'_>, id: &str) -> Result<(), StateError> {
    tx.prepare_cached("delete from incident where id = ?1")?.execute([id])?;
    Ok(())
}

/// What each receiver was told of an incident.
pub fn told(tx: &Transaction<'_>, incident: &str) -> Result<Vec<Told>, StateError> {
    let mut statement =
        tx.prepare_cached("select body from told where incident = ?1 order by receiver")?;
    let rows = statement.query_map([incident], |row| row.get::<_, String>(0))?;
    rows.map(|body| read("told", &body?)).collect()
}

/// Writes what a receiver was told.
pub fn put_told(tx: &Transaction<'_>, told: &Told) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into told (incident, receiver, closed, body) values (?1, ?2, ?3, ?4)
         on conflict (incident, receiver) do update set closed = ?3, body = ?4",
    )?
    .execute(params![told.incident, told.receiver, told.closed, written("told", told)?])?;
    Ok(())
}

/// Up to which slot a rule has been evaluated.
pub fn evaluated_until(
    tx: &Transaction<'_>,
    rule: &str,
) -> Result<Option<DateTime<Utc>>, StateError> {
    let found: Option<i64> = tx
        .prepare_cached("select evaluated_until from rule_state where rule = ?1")?
        .query_row([rule], |row| row.get(0))
        .optional()?;
    Ok(found.map(instant))
}

/// How far a rule has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleState {
    /// Every slot up to here has been dealt with.
    pub evaluated_until: DateTime<Utc>,
    /// Windows up to here have been looked at again.
    pub looked_until: Option<DateTime<Utc>>,
    /// The fingerprint of the definition they were judged by.
    pub hash: Option<String>,
}

/// How far each rule has come, by name.
pub fn rule_states(tx: &Transaction<'_>) -> Result<BTreeMap<String, RuleState>, StateError> {
    let mut statement =
        tx.prepare_cached("select rule, evaluated_until, looked_until, detail from rule_state")?;
    let rows = statement.query_map([], |row| {
        let looked_until = row.get::<_, Option<i64>>(2)?.map(instant);
        let evaluated_until = instant(row.get(1)?);
        Ok((row.get(0)?, RuleState { evaluated_until, looked_until, hash: row.get(3)? }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Records that the windows of a rule up to `until` have been looked at again; those after it are
/// judged by the definition with this fingerprint.
pub fn looked(
    tx: &Transaction<'_>,
    rule: &str,
    until: DateTime<Utc>,
    hash: &str,
) -> Result<(), StateError> {
    tx.prepare_cached("update rule_state set looked_until = ?2, detail = ?3 where rule = ?1")?
        .execute(params![rule, millis(until), hash])?;
    Ok(())
}

/// Records that every slot of a rule up to `until` has been dealt with.
pub fn evaluated(tx: &Transaction<'_>, rule: &str, until: DateTime<Utc>) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into rule_state (rule, evaluated_until) values (?1, ?2)
         on conflict (rule) do update set evaluated_until = ?2",
    )?
    .execute(params![rule, millis(until)])?;
    Ok(())
}

/// When incidents of a rule were last closed because it was no longer in the config.
pub fn removed_at(tx: &Transaction<'_>, rule: &str) -> Result<Option<DateTime<Utc>>, StateError> {
    let at: Option<i64> = tx
        .prepare_cached(
            "select max(json_extract(body, '$.resolved.at')) from incident
             where rule = ?1 and open = 0
               and json_extract(body, '$.resolved.reason') = 'rule_removed'",
        )?
        .query_row([rule], |row| row.get(0))?;
    Ok(at.map(instant))
}

/// Forgets up to which slot a rule has been evaluated.
pub fn forget_rule(tx: &Transaction<'_>, rule: &str) -> Result<(), StateError> {
    tx.prepare_cached("delete from rule_state where rule = ?1")?.execute([rule])?;
    Ok(())
}
