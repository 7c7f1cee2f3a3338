//! What people said about incidents: silences that have not ended, and acknowledgements.

use std::collections::BTreeMap;

use rusqlite::Transaction;
use serde::de::DeserializeOwned;

use super::StateError;
use crate::domain::silence::{Ack, Silence};

/// Silences that nobody ended, in the order of their ids. Those whose time is over are among them.
pub fn silences(tx: &Transaction<'_>) -> Result<Vec<Silence>, StateError> {
    bodies(tx, "silence", "select body from silence where ended_at is null order by id")
}

/// The acknowledgements, by incident.
pub fn acks(tx: &Transaction<'_>) -> Result<BTreeMap<String, Ack>, StateError> {
    let acks: Vec<Ack> = bodies(tx, "ack", "select body from ack")?;
    Ok(acks.into_iter().map(|ack| (ack.incident.clone(), ack)).collect())
}

fn bodies<T: DeserializeOwned>(
    tx: &Transaction<'_>,
    what: &'static str,
    sql: &str,
) -> Result<Vec<T>, StateError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let read = |body: String| {
        serde_json::from_str(&body).map_err(|source| StateError::Unreadable { what, source })
    };
    rows.map(|body| read(body?)).collect()
}
