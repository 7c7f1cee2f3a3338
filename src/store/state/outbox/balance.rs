//! The balance: what was ever owed is somewhere, or was forgotten on purpose.

use rusqlite::Transaction;

use crate::domain::delivery::Balance;
use crate::store::state::StateError;

/// What was ever owed, in [`count`].
const OWED: &str = "owed";
/// Before the state in which messages were forgotten.
const FORGOTTEN: &str = "forgotten ";
/// Rounds of deliveries that broke down.
const PANICS: &str = "panics";

fn count(tx: &Transaction<'_>, what: &str) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into outbox_total (what, count) values (?1, 1)
         on conflict (what) do update set count = count + 1",
    )?
    .execute([what])?;
    Ok(())
}

/// A message more is owed.
pub(super) fn owed(tx: &Transaction<'_>) -> Result<(), StateError> {
    count(tx, OWED)
}

/// A message that ended so was forgotten.
pub(super) fn forgot(tx: &Transaction<'_>, state: &str) -> Result<(), StateError> {
    count(tx, &format!("{FORGOTTEN}{state}"))
}

/// A round of deliveries broke down.
pub fn panicked(tx: &Transaction<'_>) -> Result<(), StateError> {
    count(tx, PANICS)
}

/// How many rounds of deliveries ever broke down.
pub fn panics(tx: &Transaction<'_>) -> Result<u64, StateError> {
    let sql = "select coalesce(sum(count), 0) from outbox_total where what = ?1";
    Ok(tx.prepare_cached(sql)?.query_row([PANICS], |row| row.get::<_, i64>(0))? as u64)
}

/// How many deliveries are in each state.
pub fn counts(tx: &Transaction<'_>) -> Result<Vec<(String, u64)>, StateError> {
    let mut statement =
        tx.prepare_cached("select state, count(*) from outbox group by state order by state")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What was ever owed, and where it is.
pub fn balance(tx: &Transaction<'_>) -> Result<Balance, StateError> {
    let mut balance = Balance { states: counts(tx)?, ..Balance::default() };
    let mut statement = tx.prepare_cached("select what, count from outbox_total order by what")?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)? as u64)))?;
    for row in rows {
        let (what, count) = row?;
        match what.strip_prefix(FORGOTTEN) {
            Some(state) => balance.forgotten.push((state.to_owned(), count)),
            None if what == OWED => balance.owed = count,
            None => {}
        }
    }
    Ok(balance)
}
