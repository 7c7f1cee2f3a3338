//! Messages as a person asks for them.

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};

use super::{COLUMNS, Delivery, delivery};
use crate::store::state::{StateError, millis};

/// Which messages are asked for; what is `None` narrows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// In this state.
    pub state: Option<String>,
    /// To this receiver: [`super::SMTP`] or a name.
    pub receiver: Option<String>,
    /// To this address, in whatever letters.
    pub to: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this run, incident or other origin.
    pub origin: Option<String>,
    /// Owed not before.
    pub since: Option<DateTime<Utc>>,
    /// Owed before.
    pub until: Option<DateTime<Utc>>,
    /// Ended before.
    pub ended_before: Option<DateTime<Utc>>,
    /// At most so many.
    pub limit: usize,
}

/// The messages asked for, newest first.
pub fn find(tx: &Transaction<'_>, wanted: &Wanted) -> Result<Vec<Delivery>, StateError> {
    let sql = format!(
        "select {COLUMNS} from outbox
         where (?1 is null or state = ?1) and (?2 is null or receiver = ?2)
           and (?3 is null or lower(recipient) = lower(?3)) and (?4 is null or kind = ?4)
           and (?5 is null or origin = ?5) and (?6 is null or created_at >= ?6)
           and (?7 is null or created_at < ?7) and (?8 is null or finished_at < ?8)
         order by id desc limit ?9"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map(
        params![
            wanted.state,
            wanted.receiver,
            wanted.to,
            wanted.kind,
            wanted.origin,
            wanted.since.map(millis),
            wanted.until.map(millis),
            wanted.ended_before.map(millis),
            i64::try_from(wanted.limit).unwrap_or(i64::MAX),
        ],
        delivery,
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Deliveries, newest first; of one state or origin where that is named.
pub fn list(
    tx: &Transaction<'_>,
    state: Option<&str>,
    origin: Option<&str>,
    limit: usize,
) -> Result<Vec<Delivery>, StateError> {
    let (state, origin) = (state.map(str::to_owned), origin.map(str::to_owned));
    find(tx, &Wanted { state, origin, limit, ..Wanted::default() })
}

/// The origins of messages to one receiver that wait, are under way or held: how many.
pub fn waiting(tx: &Transaction<'_>) -> Result<Vec<(String, String, u64)>, StateError> {
    let mut statement = tx.prepare_cached(
        "select receiver, state, count(*) from outbox
         where state in ('pending', 'sending', 'held') group by receiver, state
         order by receiver, state",
    )?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? as u64)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
