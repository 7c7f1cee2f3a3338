//! Proofs of delivery: what is known of each receiver.

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use super::super::{StateError, instant};

/// What proofs say about one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Its name.
    pub receiver: String,
    /// When a proof was last taken.
    pub taken_at: Option<DateTime<Utc>>,
    /// When one last ended without being taken.
    pub lost_at: Option<DateTime<Utc>>,
}

/// What proofs say, by receiver.
pub fn proofs(tx: &Transaction<'_>) -> Result<Vec<Proof>, StateError> {
    let mut statement = tx.prepare_cached(
        "select origin, max(case when state = 'delivered' then finished_at end),
                max(case when state in ('rejected', 'expired') then finished_at end)
         from outbox where kind = 'proof' group by origin order by origin",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Proof {
            receiver: row.get(0)?,
            taken_at: row.get::<_, Option<i64>>(1)?.map(instant),
            lost_at: row.get::<_, Option<i64>>(2)?.map(instant),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether a message of this id is or was owed.
pub fn is_owed(tx: &Transaction<'_>, message: &str) -> Result<bool, StateError> {
    Ok(tx.prepare_cached("select 1 from outbox where message_id = ?1")?.exists([message])?)
}
