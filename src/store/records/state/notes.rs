//! What is written into a dataset's row as its pulls go.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, params};

use super::asked;
use crate::domain::dataset::{Cursor, Dataset, Pulled};
use crate::domain::quota::Spent;
use crate::store::records::schema;

/// Gives a new dataset its row.
pub(in crate::store::records) fn insert(
    tx: &Connection,
    dataset: &Dataset,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO _dataset_state (dataset, fields) VALUES (?, ?)",
        params![dataset.name, schema::fingerprint(dataset)],
    )?;
    Ok(())
}

/// Notes which source a table is of that was made before that was noted: the one it is read from now.
pub(in crate::store::records) fn note_home(
    tx: &Connection,
    dataset: &Dataset,
) -> rusqlite::Result<()> {
    let (from, to) = (schema::homeless(dataset), schema::fingerprint(dataset));
    for column in ["fields", "load_fields"] {
        let sql = format!(
            "UPDATE _dataset_state SET {column} = ?3 WHERE dataset = ?1 AND {column} = ?2 AND ?2 <> ?3"
        );
        tx.execute(&sql, params![dataset.name, from, to])?;
    }
    Ok(())
}

/// Notes that a load begins from the beginning.
pub(in crate::store::records) fn begin_load(
    tx: &Connection,
    dataset: &Dataset,
    history: Option<TimeDelta>,
    start: Option<DateTime<Utc>>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE _dataset_state SET load_fields = ?2, load_history = ?3, load_start = ?4,
            load_stamp = NULL, load_key = NULL, load_records = 0, load_expected = NULL
         WHERE dataset = ?1",
        params![
            dataset.name,
            schema::fingerprint(dataset),
            history.map(|length| length.num_milliseconds()),
            start.map(|at| at.timestamp_millis()),
        ],
    )?;
    Ok(())
}

/// Notes how far a load has come.
pub(in crate::store::records) fn advance_load(
    tx: &Connection,
    dataset: &str,
    rows: usize,
    place: Option<&Cursor>,
    expected: Option<u64>,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE _dataset_state SET load_records = load_records + ?2,
            load_expected = coalesce(?5, load_expected), load_stamp = coalesce(?3, load_stamp), load_key = coalesce(?4, load_key)
         WHERE dataset = ?1",
    )?
    .execute(params![
        dataset,
        rows as i64,
        place.map(|cursor| cursor.stamp.timestamp_millis()),
        place.map(|cursor| cursor.key.as_str()),
        expected.map(|count| count as i64),
    ])?;
    Ok(())
}

/// Records written so far by a load on its way.
pub(in crate::store::records) fn load_records(
    tx: &Connection,
    dataset: &str,
) -> rusqlite::Result<u64> {
    let sql = "SELECT load_records FROM _dataset_state WHERE dataset = ?";
    tx.query_row(sql, [dataset], |row| row.get::<_, i64>(0)).map(|count| count.max(0) as u64)
}

/// Notes that a load is complete and its table is the dataset's.
pub(in crate::store::records) fn finish_load(
    tx: &Connection,
    dataset: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE _dataset_state SET ready = 1, stale = 0, watermark = NULL, fields = load_fields,
            history = load_history, history_start = load_start, load_fields = NULL,
            load_history = NULL, load_start = NULL, load_stamp = NULL, load_key = NULL,
            load_records = 0, load_expected = NULL, loaded_at = ?2, misfits = 0, left_out = 0,
            misfit_samples = '[]', lost_values = 0, lost_records = 0
         WHERE dataset = ?1",
        params![dataset, now.timestamp_millis()],
    )?;
    Ok(())
}

/// Notes that a load came to nothing: the next pull begins another.
pub(in crate::store::records) fn give_up_load(
    tx: &Connection,
    dataset: &str,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE _dataset_state SET load_fields = NULL, load_history = NULL, load_start = NULL,
            load_stamp = NULL, load_key = NULL, load_records = 0, load_expected = NULL
         WHERE dataset = ?1",
        params![dataset],
    )?;
    Ok(())
}

/// What a dataset's row said before a pull.
pub(in crate::store::records) struct Before {
    /// Records that existed.
    pub(in crate::store::records) records: i64,
    /// Fields that were hidden.
    pub(in crate::store::records) hidden: Vec<String>,
    asked: Spent,
    misfits: u64,
    samples: Vec<String>,
    left_out: u64,
}

/// What a dataset's row says.
pub(in crate::store::records) fn before(
    tx: &Connection,
    dataset: &str,
) -> rusqlite::Result<Before> {
    let sql = "SELECT records, hidden, asked, misfits, misfit_samples, left_out
               FROM _dataset_state WHERE dataset = ?";
    tx.prepare_cached(sql)?.query_row([dataset], |row| {
        let list = |at: usize| -> rusqlite::Result<Vec<String>> {
            Ok(serde_json::from_str(row.get_ref(at)?.as_str()?).unwrap_or_default())
        };
        Ok(Before {
            records: row.get(0)?,
            hidden: list(1)?,
            asked: asked(row.get_ref(2)?.as_str()?),
            misfits: row.get::<_, i64>(3)?.max(0) as u64,
            samples: list(4)?,
            left_out: row.get::<_, i64>(5)?.max(0) as u64,
        })
    })
}

/// Notes a complete pull that began and ended at these instants, after which so many records exist.
pub(in crate::store::records) fn note_pull(
    tx: &Connection,
    dataset: &str,
    pulled: &Pulled,
    before: Before,
    (records, whole): (i64, bool),
    (begun, now): (DateTime<Utc>, DateTime<Utc>),
) -> rusqlite::Result<()> {
    let list = |texts: &[String]| serde_json::json!(texts).to_string();
    let mut asked = before.asked;
    // What nothing was read of is as it was.
    let pulled = match pulled.unchanged {
        true => &Pulled {
            misfits: before.misfits,
            misfit_samples: before.samples.clone(),
            left_out: before.left_out,
            hidden: before.hidden,
            ..pulled.clone()
        },
        false => pulled,
    };
    asked.add(now, pulled.requests);
    // Pulls overlap: what the last one could not read comes again, and is not lost a second time.
    let again = !whole
        && (before.misfits, before.left_out) == (pulled.misfits, pulled.left_out)
        && before.samples == pulled.misfit_samples;
    let (values, lost) = if again { (0, 0) } else { (pulled.misfits, pulled.left_out) };
    tx.prepare_cached(
        "UPDATE _dataset_state SET watermark = max(?2, coalesce(watermark, ?2)), records = ?3,
            pulled_at = ?4, pull_ms = ?5, requests = requests + ?6, asked = ?7, misfits = ?8,
            misfit_samples = ?9, left_out = ?10, hidden = ?11,
            lost_values = iif(?14, 0, lost_values) + ?12,
            lost_records = iif(?14, 0, lost_records) + ?13,
            failed_at = NULL, failure = NULL, failing_since = NULL
         WHERE dataset = ?1",
    )?
    .execute(params![
        dataset,
        pulled.watermark.timestamp_millis(),
        records,
        now.timestamp_millis(),
        (now - begun).num_milliseconds().max(0),
        pulled.requests as i64,
        serde_json::json!(asked.hours().collect::<Vec<_>>()).to_string(),
        pulled.misfits as i64,
        list(&pulled.misfit_samples),
        pulled.left_out as i64,
        list(&pulled.hidden),
        values as i64,
        lost as i64,
        whole,
    ])?;
    Ok(())
}

/// Makes the next pull load everything again; until then the table serves as it is.
pub(in crate::store::records) fn want_reload(
    tx: &Connection,
    dataset: &str,
) -> rusqlite::Result<()> {
    tx.execute("UPDATE _dataset_state SET stale = 1 WHERE dataset = ?", [dataset])?;
    Ok(())
}

/// Notes a failed pull.
pub(in crate::store::records) fn note_failure(
    tx: &Connection,
    dataset: &str,
    at: DateTime<Utc>,
    reason: &str,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE _dataset_state SET failed_at = ?2, failure = ?3, failures = failures + 1,
            failing_since = coalesce(failing_since, ?2) WHERE dataset = ?1",
        params![dataset, at.timestamp_millis(), reason],
    )?;
    Ok(())
}

/// Notes how a comparison with the source came out.
pub(in crate::store::records) fn note_verified(
    tx: &Connection,
    dataset: &str,
    at: DateTime<Utc>,
    finding: &str,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE _dataset_state SET verified_at = ?2, finding = ?3 WHERE dataset = ?1",
        params![dataset, at.timestamp_millis(), finding],
    )?;
    Ok(())
}

/// Moves the count of records that exist.
pub(in crate::store::records) fn count_by(
    tx: &Connection,
    dataset: &str,
    by: i64,
) -> rusqlite::Result<()> {
    let sql = "UPDATE _dataset_state SET records = max(0, records + ?2) WHERE dataset = ?1";
    tx.execute(sql, params![dataset, by])?;
    Ok(())
}

/// Notes that records that came to be before an instant are given up, and how much history is kept.
pub(in crate::store::records) fn keep_from(
    tx: &Connection,
    dataset: &str,
    start: DateTime<Utc>,
    keep: TimeDelta,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE _dataset_state SET history_start = max(?2, coalesce(history_start, ?2)),
            history = min(?3, coalesce(history, ?3)) WHERE dataset = ?1",
        params![dataset, start.timestamp_millis(), keep.num_milliseconds()],
    )?;
    Ok(())
}
