//! Retention: records that are older than a dataset keeps them are deleted for good, a few at a time,
//! so that nobody waits for the file meanwhile.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{Records, RecordsError, schema, state};

/// Records deleted in one transaction.
const CHUNK: usize = 1_000;
/// Records found in one reading.
const FOUND_MAX: usize = 200_000;

impl Records {
    /// Deletes the records of a dataset that came to be before what it keeps, as of an instant.
    /// Returns how many: none while it is to be loaded again. `go_on` is asked before each chunk.
    ///
    /// # Errors
    /// The database fails. What was deleted before stays so.
    pub fn expire(
        &self,
        dataset: &str,
        now: DateTime<Utc>,
        go_on: impl Fn() -> bool,
    ) -> Result<u64, RecordsError> {
        let dataset = self.wanted(dataset)?.dataset;
        // The table may lack the field until it is loaded again.
        if self.loads_due(now)?.contains(&dataset.name) {
            return Ok(0);
        }
        let (Some(keep), Some(created)) = (dataset.keep, dataset.created) else { return Ok(0) };
        let cutoff = now - keep;
        let created = schema::ident(&dataset.fields[created].name);
        let old = format!("{created} < {}", cutoff.timestamp_millis());
        let reader = self.reader()?;
        let mut deleted = 0;
        loop {
            let found = found(&reader, &schema::ident(&dataset.name), &old);
            let found = found.map_err(|err| self.told(err))?;
            if found.is_empty() {
                return Ok(deleted);
            }
            let before = deleted;
            for chunk in found.chunks(CHUNK) {
                if !go_on() {
                    return Ok(deleted);
                }
                deleted += self.write(|tx| {
                    // First of all: no mail may speak of records that are on their way out.
                    state::keep_from(tx, &dataset.name, cutoff, keep)?;
                    delete(tx, &dataset.name, &old, chunk)
                })?;
            }
            // A load took the table's place meanwhile: what is left is found the next time.
            if deleted == before {
                return Ok(deleted);
            }
        }
    }
}

/// Looked for beside the writer: records lie in the order of their changes, so old ones come first.
fn found(reader: &Connection, table: &str, old: &str) -> rusqlite::Result<Vec<i64>> {
    let sql = format!("SELECT rowid FROM {table} WHERE {old} LIMIT {FOUND_MAX}");
    let mut select = reader.prepare(&sql)?;
    select.query_map([], |row| row.get(0))?.collect()
}

fn delete(tx: &Connection, dataset: &str, old: &str, rows: &[i64]) -> rusqlite::Result<u64> {
    let table = schema::ident(dataset);
    let rows: Vec<String> = rows.iter().map(i64::to_string).collect();
    // Said again: another table may be in this one's place by now.
    let which = format!("rowid IN ({}) AND {old}", rows.join(", "));
    let existing = format!("SELECT count(*) FROM {table} WHERE {which} AND _deleted = 0");
    let existing: i64 = tx.query_row(&existing, [], |row| row.get(0))?;
    let deleted = tx.execute(&format!("DELETE FROM {table} WHERE {which}"), params![])?;
    state::count_by(tx, dataset, -existing)?;
    Ok(deleted as u64)
}
