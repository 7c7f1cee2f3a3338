//! Records of a span of time held against the source: counted by the day they came to be on, and
//! replaced by what the source has where the counts differ.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::load::insert;
use super::spent::{self, Spending};
use super::{Records, RecordsError, schema, state};
use crate::domain::dataset::{Batch, Dataset};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// All records of a span read again, on their way. Dropping it gives it up.
pub struct Span {
    records: Arc<Records>,
    dataset: Arc<Dataset>,
    bounds: Range<DateTime<Utc>>,
    into: String,
    upsert: String,
    /// Records changed after it have come by another way meanwhile, and are not judged.
    as_of: Option<i64>,
}

impl Records {
    /// Begins to read all records again that came to be in a span.
    ///
    /// # Errors
    /// The database fails, or the dataset is unknown.
    pub fn begin_span(
        self: &Arc<Self>,
        dataset: &str,
        bounds: Range<DateTime<Utc>>,
    ) -> Result<Span, RecordsError> {
        Span::begin(self.clone(), dataset, bounds)
    }

    /// How many records that exist came to be on each UTC day of a span of whole days.
    ///
    /// # Errors
    /// The database fails, or the dataset is unknown.
    pub fn day_counts(
        &self,
        dataset: &str,
        span: Range<DateTime<Utc>>,
    ) -> Result<BTreeMap<NaiveDate, u64>, RecordsError> {
        let dataset = self.wanted(dataset)?.dataset;
        // Counting takes a while, and nobody who writes shall wait for it.
        let reader = self.reader()?;
        day_counts(&reader, &dataset, span).map_err(|err| self.told(err))
    }

    /// When the first record of a dataset that exists came to be.
    ///
    /// # Errors
    /// The database fails, or the dataset is unknown.
    pub fn earliest(&self, dataset: &str) -> Result<Option<DateTime<Utc>>, RecordsError> {
        let dataset = self.wanted(dataset)?.dataset;
        let reader = self.reader()?;
        earliest(&reader, &dataset).map_err(|err| self.told(err))
    }

    /// Notes how a comparison with the source came out, and what it cost.
    ///
    /// # Errors
    /// The database fails.
    pub fn verified(
        &self,
        dataset: &str,
        at: DateTime<Utc>,
        finding: &str,
        spending: &Spending,
    ) -> Result<(), RecordsError> {
        self.write(|tx| note(tx, dataset, at, finding, spending))
    }
}

/// What replacing a span came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Records of the span that the source gave.
    pub came: u64,
    /// Records that were not known, or as deleted only.
    pub added: u64,
    /// Records that the source has no more.
    pub removed: u64,
    /// Records that are not as they were.
    pub changed: u64,
}

impl Span {
    /// Begins to read a span again, for a dataset with a `created` field.
    pub(super) fn begin(
        records: Arc<Records>,
        dataset: &str,
        bounds: Range<DateTime<Utc>>,
    ) -> Result<Span, RecordsError> {
        let dataset = records.wanted(dataset)?.dataset;
        let into = schema::gathering_table(&format!("{} (span)", dataset.name));
        let as_of = records.read(|tx| {
            let sql = "SELECT watermark FROM _dataset_state WHERE dataset = ?";
            tx.query_row(sql, [&dataset.name], |row| row.get(0)).optional()
        })?;
        let create = schema::create_quoted(&into, &dataset);
        let made =
            records.writer().execute_batch(&format!("DROP TABLE IF EXISTS {into}; {create}"));
        made.map_err(|err| records.told(err))?;
        let upsert = schema::upsert_row(&into, &dataset);
        Ok(Span { records, dataset, bounds, into, upsert, as_of: as_of.flatten() })
    }

    /// Takes a batch. Rows without a key are left out.
    ///
    /// # Errors
    /// The database fails, or the batch is not of this dataset's shape.
    pub fn append(&mut self, batch: &Batch) -> Result<(), RecordsError> {
        if batch.cells.len() != batch.rows() * self.dataset.fields.len() {
            return Err(RecordsError::Misshapen(self.dataset.name.clone()));
        }
        let mut writer = self.records.writer();
        let outcome = (|| {
            let tx = writer.transaction_with_behavior(TransactionBehavior::Deferred)?;
            insert(&tx, &self.upsert, &self.dataset, batch)?;
            tx.commit()
        })();
        outcome.map_err(|err| self.records.told(err))
    }

    /// Puts what came in place of what was stored, in one transaction: what did not come is marked
    /// as deleted. Nothing is done where fewer came than `expected`: then something was not shown.
    ///
    /// # Errors
    /// The database fails; nothing is changed then.
    pub fn finish(self, expected: u64) -> Result<Mended, RecordsError> {
        let (dataset, table) = (&self.dataset, schema::ident(&self.dataset.name));
        let Some(created) = dataset.created else { return Ok(Mended::default()) };
        let key = schema::ident(&dataset.fields[dataset.key].name);
        let created = schema::ident(&dataset.fields[created].name);
        let (from, to) = (self.bounds.start.timestamp_millis(), self.bounds.end.timestamp_millis());
        self.records.write(|tx| {
            let count =
                |sql: &str| -> rusqlite::Result<i64> { tx.query_row(sql, [], |row| row.get(0)) };
            let came = count(&schema::count_existing(&self.into))?;
            let mut mended = Mended { came: came.max(0) as u64, ..Mended::default() };
            if mended.came < expected {
                return Ok(mended);
            }
            let touched = schema::count_touched(&self.into, &table, dataset);
            let before = count(&touched)?;
            let written = tx.execute(&schema::merge(&self.into, &table, dataset), [])?;
            let added = (count(&touched)? - before).max(0);
            // What was changed since the reading began may not be in it.
            let newer = match (dataset.updated, self.as_of) {
                (Some(updated), Some(as_of)) => {
                    let updated = schema::ident(&dataset.fields[updated].name);
                    format!(" AND coalesce({updated}, 0) <= {as_of}")
                }
                _ => String::new(),
            };
            let gone = format!(
                "UPDATE {table} SET _deleted = 1 WHERE _deleted = 0 AND {created} >= ?1 \
                 AND {created} < ?2 AND {key} NOT IN (SELECT {key} FROM {}){newer}",
                self.into
            );
            let removed = tx.execute(&gone, params![from, to])?;
            state::count_by(tx, &dataset.name, added - removed as i64)?;
            mended.added = added as u64;
            mended.changed = (written as u64).saturating_sub(mended.added);
            mended.removed = removed as u64;
            Ok(mended)
        })
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let drop = format!("DROP TABLE IF EXISTS {}", self.into);
        let _ = self.records.writer().execute_batch(&drop);
    }
}

fn day_counts(
    connection: &Connection,
    dataset: &Dataset,
    span: Range<DateTime<Utc>>,
) -> rusqlite::Result<BTreeMap<NaiveDate, u64>> {
    let Some(created) = dataset.created else { return Ok(BTreeMap::new()) };
    let created = schema::ident(&dataset.fields[created].name);
    // Bounds are whole days, and no day is before 1970.
    let sql = format!(
        "SELECT {created} / {DAY_MILLIS}, count(*) FROM {} \
         WHERE _deleted = 0 AND {created} >= ?1 AND {created} < ?2 GROUP BY 1",
        schema::ident(&dataset.name)
    );
    let bounds = params![span.start.timestamp_millis().max(0), span.end.timestamp_millis()];
    let mut select = connection.prepare(&sql)?;
    let rows =
        select.query_map(bounds, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let mut days = BTreeMap::new();
    for row in rows {
        let (day, records) = row?;
        if let Some(at) = DateTime::from_timestamp_millis(day * DAY_MILLIS) {
            days.insert(at.date_naive(), records.max(0) as u64);
        }
    }
    Ok(days)
}

fn earliest(connection: &Connection, dataset: &Dataset) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let Some(created) = dataset.created else { return Ok(None) };
    let created = schema::ident(&dataset.fields[created].name);
    let table = schema::ident(&dataset.name);
    let sql = format!("SELECT min({created}) FROM {table} WHERE _deleted = 0");
    let found: Option<i64> = connection.query_row(&sql, [], |row| row.get(0))?;
    Ok(found.and_then(DateTime::from_timestamp_millis))
}

fn note(
    tx: &Connection,
    dataset: &str,
    at: DateTime<Utc>,
    finding: &str,
    spending: &Spending,
) -> rusqlite::Result<()> {
    state::note_verified(tx, dataset, at, finding)?;
    spent::add(tx, spending)
}
