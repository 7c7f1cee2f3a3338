//! Labels of picklist values as the source last described them, by dataset and field.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{Records, RecordsError};

/// One row a value.
pub(super) const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS _labels (
        dataset TEXT NOT NULL,
        field TEXT NOT NULL,
        value TEXT NOT NULL,
        label TEXT NOT NULL,
        PRIMARY KEY (dataset, field, value)
    ) WITHOUT ROWID;
";

/// Labels of values, by dataset and field.
pub type Labels = BTreeMap<(String, String), Vec<(String, String)>>;

impl Records {
    /// Labels of picklist values, as sources described them.
    ///
    /// # Errors
    /// The database fails.
    pub fn labels(&self) -> Result<Labels, RecordsError> {
        self.read(all)
    }

    /// Keeps labels of a dataset: field, value and label. True if something is new.
    ///
    /// # Errors
    /// The database fails.
    pub fn put_labels(
        &self,
        dataset: &str,
        labels: &[(String, String, String)],
    ) -> Result<bool, RecordsError> {
        self.write(|tx| put(tx, dataset, labels))
    }
}

/// Labels of picklist values, as this connection sees them.
///
/// # Errors
/// The database fails.
pub fn all(connection: &Connection) -> rusqlite::Result<Labels> {
    let mut select =
        connection.prepare_cached("SELECT dataset, field, value, label FROM _labels")?;
    let mut rows = select.query([])?;
    let mut labels = Labels::new();
    while let Some(row) = rows.next()? {
        let field = (row.get(0)?, row.get(1)?);
        labels.entry(field).or_default().push((row.get(2)?, row.get(3)?));
    }
    Ok(labels)
}

/// Puts labels in place of those known of the same values; what a source no longer describes keeps the
/// words that older records are known by. True if something is new.
fn put(
    tx: &Connection,
    dataset: &str,
    labels: &[(String, String, String)],
) -> rusqlite::Result<bool> {
    let mut put = tx.prepare_cached(
        "INSERT INTO _labels AS old (dataset, field, value, label) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET label = ?4 WHERE label <> ?4",
    )?;
    let mut written = 0;
    for (field, value, label) in labels {
        written += put.execute(params![dataset, field, value, label])?;
    }
    Ok(written > 0)
}
