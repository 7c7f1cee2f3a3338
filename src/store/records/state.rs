//! What is known of each dataset: how far it is complete, and how its pulls went. One row a
//! dataset, written in the same transaction as the records it speaks of.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, Row};

use super::schema;
use crate::domain::dataset::{Cursor, Dataset};
use crate::domain::quota::Spent;

mod notes;

pub(super) use notes::*;

/// The table of states. `fields` is the fingerprint of the dataset's table, `stale` says that it
/// must be loaded again although nothing of that changed, `load_*` belong to a load on its way;
/// times are milliseconds, lists are JSON.
pub(super) const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS _dataset_state (
        dataset TEXT PRIMARY KEY NOT NULL,
        ready INTEGER NOT NULL DEFAULT 0,
        stale INTEGER NOT NULL DEFAULT 0,
        fields TEXT NOT NULL,
        history INTEGER,
        history_start INTEGER,
        watermark INTEGER,
        records INTEGER NOT NULL DEFAULT 0,
        pulled_at INTEGER,
        requests INTEGER NOT NULL DEFAULT 0,
        misfits INTEGER NOT NULL DEFAULT 0,
        misfit_samples TEXT NOT NULL DEFAULT '[]',
        hidden TEXT NOT NULL DEFAULT '[]',
        failed_at INTEGER,
        failure TEXT,
        load_fields TEXT,
        load_history INTEGER,
        load_start INTEGER,
        load_stamp INTEGER,
        load_key TEXT,
        load_records INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
";

/// Columns that came later: a file of an earlier postrider is given them. `pull_ms` is how long the
/// last complete pull took, `lost_*` count what could not be read since the last load, `asked` holds
/// the requests of the last day by the hour.
pub(super) const ADDED: &[(&str, &str)] = &[
    ("pull_ms", "INTEGER"),
    ("left_out", "INTEGER NOT NULL DEFAULT 0"),
    ("lost_values", "INTEGER NOT NULL DEFAULT 0"),
    ("lost_records", "INTEGER NOT NULL DEFAULT 0"),
    ("asked", "TEXT NOT NULL DEFAULT '[]'"),
    ("failures", "INTEGER NOT NULL DEFAULT 0"),
    ("failing_since", "INTEGER"),
    ("loaded_at", "INTEGER"),
    ("verified_at", "INTEGER"),
    ("finding", "TEXT"),
    ("load_expected", "INTEGER"),
];

/// Touches the table.
pub(super) const PROBE: &str = "SELECT count(*), max(load_records) FROM _dataset_state";

/// What is known of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetState {
    /// The dataset.
    pub dataset: String,
    /// Whether it has been loaded completely once. Until then its table is empty.
    pub ready: bool,
    /// Fields that the table does not have yet: all of them until it is ready, later those added
    /// since. They cannot be asked for.
    pub loading: Vec<String>,
    /// The records are complete up to here.
    pub watermark: Option<DateTime<Utc>>,
    /// Records that changed before it were never loaded; `None` is no such bound.
    pub history_start: Option<DateTime<Utc>>,
    /// Records that exist.
    pub records: u64,
    /// Records written so far by a load on its way.
    pub load_records: u64,
    /// How many it will have written, where the source has an idea.
    pub load_expected: Option<u64>,
    /// When the last load was complete.
    pub loaded_at: Option<DateTime<Utc>>,
    /// When the last complete pull ended.
    pub pulled_at: Option<DateTime<Utc>>,
    /// How long it took.
    pub took: Option<TimeDelta>,
    /// Requests made by all complete pulls together.
    pub requests: u64,
    /// Those of the last day.
    pub asked: Spent,
    /// Values of the last pull that did not fit their fields.
    pub misfits: u64,
    /// Records of the last pull that could not be read at all.
    pub left_out: u64,
    /// Values that were left out since the last load.
    pub lost_values: u64,
    /// Records that were left out since the last load.
    pub lost_records: u64,
    /// The first few of them.
    pub misfit_samples: Vec<String>,
    /// Fields that the source does not show us.
    pub hidden: Vec<String>,
    /// When and why the last pull failed, if it did.
    pub failure: Option<(DateTime<Utc>, String)>,
    /// When the first of the pulls failed that have failed since the last complete one.
    pub failing_since: Option<DateTime<Utc>>,
    /// Pulls that ever failed.
    pub failures: u64,
    /// When the records were last held against the source, and what was found.
    pub verified: Option<(DateTime<Utc>, String)>,
}

/// What is known of these datasets, as this connection sees it: within a transaction, of the same
/// moment as its records.
///
/// # Errors
/// The database fails.
pub fn states(
    connection: &Connection,
    datasets: &[Arc<Dataset>],
) -> rusqlite::Result<Vec<DatasetState>> {
    let mut select = connection.prepare_cached("SELECT * FROM _dataset_state WHERE dataset = ?")?;
    let mut states = Vec::with_capacity(datasets.len());
    for dataset in datasets {
        let read = |row: &Row<'_>| read(row, dataset);
        states.extend(select.query_row([&dataset.name], read).optional()?);
    }
    Ok(states)
}

/// How far each loaded dataset is complete, by name.
///
/// # Errors
/// The database fails.
pub fn watermarks(connection: &Connection) -> rusqlite::Result<BTreeMap<String, DateTime<Utc>>> {
    let mut select = connection.prepare_cached(
        "SELECT dataset, watermark FROM _dataset_state WHERE ready AND watermark IS NOT NULL",
    )?;
    let rows = select.query_map([], |row| {
        let at = DateTime::from_timestamp_millis(row.get(1)?);
        Ok((row.get(0)?, at.unwrap_or(DateTime::UNIX_EPOCH)))
    })?;
    rows.collect()
}

fn read(row: &Row<'_>, dataset: &Dataset) -> rusqlite::Result<DatasetState> {
    let instant = |name: &str| -> rusqlite::Result<Option<DateTime<Utc>>> {
        Ok(row.get::<_, Option<i64>>(name)?.and_then(DateTime::from_timestamp_millis))
    };
    let count = |name: &str| row.get::<_, i64>(name).map(|count| count.max(0) as u64);
    let list = |name: &str| -> rusqlite::Result<Vec<String>> {
        Ok(serde_json::from_str(row.get_ref(name)?.as_str()?).unwrap_or_default())
    };
    let ready: bool = row.get("ready")?;
    let fields: String = row.get("fields")?;
    let loading = match ready {
        true => schema::missing_fields(dataset, &fields),
        false => dataset.fields.iter().map(|field| field.name.clone()).collect(),
    };
    Ok(DatasetState {
        dataset: dataset.name.clone(),
        ready,
        loading,
        watermark: instant("watermark")?,
        history_start: instant("history_start")?,
        records: count("records")?,
        load_records: count("load_records")?,
        load_expected: row.get::<_, Option<i64>>("load_expected")?.map(|count| count.max(0) as u64),
        loaded_at: instant("loaded_at")?,
        pulled_at: instant("pulled_at")?,
        took: row.get::<_, Option<i64>>("pull_ms")?.map(TimeDelta::milliseconds),
        requests: count("requests")?,
        asked: asked(row.get_ref("asked")?.as_str()?),
        misfits: count("misfits")?,
        left_out: count("left_out")?,
        lost_values: count("lost_values")?,
        lost_records: count("lost_records")?,
        misfit_samples: list("misfit_samples")?,
        hidden: list("hidden")?,
        failure: instant("failed_at")?.zip(row.get("failure")?),
        failing_since: instant("failing_since")?,
        failures: count("failures")?,
        verified: instant("verified_at")?.zip(row.get("finding")?),
    })
}

/// Requests by the hour, as stored.
fn asked(json: &str) -> Spent {
    Spent::of(serde_json::from_str::<Vec<(i64, u64)>>(json).unwrap_or_default())
}

/// How a dataset's next pull must be done.
pub(super) enum Need {
    /// Load it from the beginning, or from where an interrupted load stopped.
    Load {
        /// Where the load stopped, if its table can be gone on with.
        resume: Option<Cursor>,
        /// How far back it reaches.
        start: Option<DateTime<Utc>>,
    },
    /// Read what changed since.
    Changes(Option<DateTime<Utc>>),
}

/// What the next pull must be, for a dataset wanted with this history.
pub(super) fn need(
    tx: &Connection,
    dataset: &Dataset,
    history: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> rusqlite::Result<Need> {
    let wanted = (schema::fingerprint(dataset), history.map(|length| length.num_milliseconds()));
    tx.query_row("SELECT * FROM _dataset_state WHERE dataset = ?", [&dataset.name], |row| {
        let has = (row.get::<_, String>("fields")?, row.get::<_, Option<i64>>("history")?);
        let reaches = match (has.1, wanted.1) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(has), Some(wanted)) => has >= wanted,
        };
        if row.get("ready")? && !row.get("stale")? && has.0 == wanted.0 && reaches {
            let watermark: Option<i64> = row.get("watermark")?;
            return Ok(Need::Changes(watermark.and_then(DateTime::from_timestamp_millis)));
        }
        let begun = (row.get::<_, Option<String>>("load_fields")?, row.get("load_history")?);
        let stamp: Option<i64> = row.get("load_stamp")?;
        let key: Option<String> = row.get("load_key")?;
        let place = stamp.and_then(DateTime::from_timestamp_millis).zip(key);
        if begun == (Some(wanted.0), wanted.1)
            && let Some((stamp, key)) = place
        {
            let start: Option<i64> = row.get("load_start")?;
            let start = start.and_then(DateTime::from_timestamp_millis);
            return Ok(Need::Load { resume: Some(Cursor { stamp, key }), start });
        }
        Ok(Need::Load { resume: None, start: history.map(|length| now - length) })
    })
}

/// Whether the dataset has a row.
pub(super) fn exists(tx: &Connection, dataset: &str) -> rusqlite::Result<bool> {
    tx.prepare_cached("SELECT 1 FROM _dataset_state WHERE dataset = ?")?.exists([dataset])
}

/// Whether the dataset has been loaded once.
pub(super) fn is_ready(tx: &Connection, dataset: &str) -> rusqlite::Result<bool> {
    tx.prepare_cached("SELECT 1 FROM _dataset_state WHERE dataset = ? AND ready")?.exists([dataset])
}
