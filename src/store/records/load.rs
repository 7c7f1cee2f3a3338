//! One pull on its way into the records.
//!
//! Three kinds. A *load* writes page by page into a table of its own and remembers its place, so
//! that an interrupted one goes on; complete, that table takes the dataset's place. *Changes* and
//! *whole* readings of a ready dataset are gathered in a temporary table and merged in one
//! transaction with the watermark; dropped before that, they leave no trace.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::types::Null;
use rusqlite::{Connection, TransactionBehavior};

use super::state::{self, Need};
use super::{Records, RecordsError, Wanted, schema};
use crate::domain::dataset::{Batch, Cell, Dataset, PullRequest, Pulled, Purpose};

/// SQLite's cache while a load is written: the index of keys grows all over.
const LOADING_CACHE_KIB: i64 = -48 * 1024;

/// A pull on its way. Dropping it gives it up.
pub struct Load {
    records: Arc<Records>,
    request: PullRequest,
    kind: Kind,
    /// The table rows go to, as SQL.
    into: String,
    upsert: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Load,
    Changes,
    Whole,
}

/// What a complete pull did to the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Records written, changed or marked as deleted.
    pub changed: u64,
    /// Records that exist now.
    pub records: u64,
    /// A dataset read whole came back empty although records were known: they were kept, because
    /// lost permissions look like that.
    pub emptied: bool,
    /// Whether this made the dataset ready, or ready again with other fields.
    pub loaded: bool,
}

impl Load {
    pub(super) fn begin(
        records: Arc<Records>,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<Load, RecordsError> {
        let Wanted { dataset, history } = records.wanted(name)?;
        if !records.known().busy.insert(name.to_owned()) {
            return Err(RecordsError::Busy(name.to_owned()));
        }
        // From here on dropping it ends the pull.
        let mut load = Load {
            records,
            request: PullRequest {
                dataset: dataset.clone(),
                since: None,
                resume: None,
                from: None,
                purpose: Purpose::Digest,
            },
            kind: if dataset.whole { Kind::Whole } else { Kind::Changes },
            into: schema::gathering_table(name),
            upsert: String::new(),
        };
        let need = load.records.write(|tx| state::need(tx, &dataset, history, now))?;
        match need {
            Need::Changes(since) => {
                load.request.since = since;
                let create = schema::create_quoted(&load.into, &dataset);
                let drop = format!("DROP TABLE IF EXISTS {};", load.into);
                let created = load.records.writer().execute_batch(&(drop + &create));
                created.map_err(|err| load.records.told(err))?;
            }
            Need::Load { resume, start } => {
                load.kind = Kind::Load;
                load.into = schema::ident(&schema::loading_table(name));
                if resume.is_none() {
                    load.start_over(&dataset, history, start)?;
                }
                load.request.resume = resume;
                load.request.from = start;
            }
        }
        load.upsert = schema::upsert_row(&load.into, &dataset);
        Ok(load)
    }

    fn start_over(
        &self,
        dataset: &Dataset,
        history: Option<TimeDelta>,
        start: Option<DateTime<Utc>>,
    ) -> Result<(), RecordsError> {
        self.records.write(|tx| {
            tx.execute_batch(&format!("DROP TABLE IF EXISTS {}", self.into))?;
            tx.execute_batch(&schema::create_quoted(&self.into, dataset))?;
            state::begin_load(tx, dataset, history, start)
        })
    }

    /// What to ask the source for.
    pub fn request(&self) -> &PullRequest {
        &self.request
    }

    /// Whether it is a first load or one after a change of the fields, and not just the latest
    /// changes.
    pub fn is_load(&self) -> bool {
        self.kind == Kind::Load
    }

    /// Takes a batch. Rows without a key are left out.
    ///
    /// # Errors
    /// The database fails, or the batch is not of this dataset's shape.
    pub fn append(&mut self, batch: &Batch) -> Result<(), RecordsError> {
        let dataset = &self.request.dataset;
        if batch.cells.len() != batch.rows() * dataset.fields.len() {
            return Err(RecordsError::Misshapen(dataset.name.clone()));
        }
        let mut writer = self.records.writer();
        // A gathering table is nobody else's: its transactions take no lock on the file.
        let behavior = match self.kind {
            Kind::Load => TransactionBehavior::Immediate,
            Kind::Changes | Kind::Whole => TransactionBehavior::Deferred,
        };
        let outcome = (|| {
            if self.kind == Kind::Load {
                writer.pragma_update(None, "cache_size", LOADING_CACHE_KIB)?;
            }
            let tx = writer.transaction_with_behavior(behavior)?;
            insert(&tx, &self.upsert, dataset, batch)?;
            if self.kind == Kind::Load {
                state::advance_load(&tx, &dataset.name, batch.rows(), batch.cursor.as_ref())?;
            }
            tx.commit()
        })();
        outcome.map_err(|err| self.records.told(err))
    }

    /// Makes everything appended visible, together with the watermark that covers it.
    ///
    /// # Errors
    /// The database fails; nothing is visible then, and the pull is as if it had never been.
    pub fn finish(self, pulled: &Pulled, now: DateTime<Utc>) -> Result<Finished, RecordsError> {
        let dataset = &self.request.dataset;
        let finished = match self.kind {
            Kind::Load => self.take_place(dataset, pulled, now)?,
            Kind::Changes | Kind::Whole => self.merge(dataset, pulled, now)?,
        };
        if self.kind == Kind::Load {
            self.settle(dataset);
        }
        Ok(finished)
    }

    fn merge(
        &self,
        dataset: &Dataset,
        pulled: &Pulled,
        now: DateTime<Utc>,
    ) -> Result<Finished, RecordsError> {
        let table = schema::ident(&dataset.name);
        self.records.write(|tx| {
            let count = |sql: String| tx.query_row(&sql, [], |row| row.get::<_, i64>(0));
            let touched = || count(schema::count_touched(&self.into, &table, dataset));
            let (mut records, was_hidden) = state::before(tx, &dataset.name)?;
            let gathered = count(format!("SELECT count(*) FROM {}", self.into))?;
            let mut changed = 0;
            if gathered > 0 {
                records -= touched()?;
                changed = tx.execute(&schema::merge(&self.into, &table, dataset), [])?;
                records += touched()?;
            }
            let read_whole = self.kind == Kind::Whole && !pulled.unchanged;
            let emptied = read_whole && gathered == 0 && records > 0;
            if read_whole && !emptied {
                let gone = tx.execute(&schema::delete_missing(&self.into, &table, dataset), [])?;
                changed += gone;
                records -= gone as i64;
            }
            if was_hidden.iter().any(|field| !pulled.hidden.contains(field)) {
                // The org shows us more than before: older records lack it.
                state::want_reload(tx, &dataset.name)?;
            }
            state::note_pull(tx, &dataset.name, pulled, records, now)?;
            Ok(Finished {
                changed: changed as u64,
                records: records.max(0) as u64,
                emptied,
                loaded: false,
            })
        })
    }

    fn take_place(
        &self,
        dataset: &Dataset,
        pulled: &Pulled,
        now: DateTime<Utc>,
    ) -> Result<Finished, RecordsError> {
        let table = schema::ident(&dataset.name);
        let indexes = self.records.indexes_of(dataset);
        self.records.write(|tx| {
            tx.execute_batch(&format!(
                "DROP TABLE IF EXISTS {table}; ALTER TABLE {} RENAME TO {table};",
                self.into
            ))?;
            // Sorting takes as much memory as the cache may have.
            tx.pragma_update(None, "cache_size", super::open::CACHE_KIB)?;
            schema::make_indexes(tx, &dataset.name, &indexes)?;
            let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            let records = tx.query_row(&schema::count_existing(&table), [], count)?;
            state::finish_load(tx, &dataset.name)?;
            state::note_pull(tx, &dataset.name, pulled, records, now)?;
            let records = records as u64;
            Ok(Finished { changed: records, records, emptied: false, loaded: true })
        })
    }

    /// After a load: statistics for the planner, the log folded into the file, the cache small
    /// again. None of it matters enough to fail for.
    fn settle(&self, dataset: &Dataset) {
        let writer = self.records.writer();
        let table = schema::ident(&dataset.name);
        // A field with few values must be seen to have few: the first entries of its index are all one.
        let analyze = format!("PRAGMA analysis_limit = 100000; ANALYZE {table};");
        let _ = writer.execute_batch(&analyze);
        let _ = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let _ = writer.pragma_update(None, "cache_size", super::open::CACHE_KIB);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if self.kind != Kind::Load {
            let drop = format!("DROP TABLE IF EXISTS {}", self.into);
            let _ = self.records.writer().execute_batch(&drop);
        }
        self.records.known().busy.remove(&self.request.dataset.name);
    }
}

fn insert(tx: &Connection, upsert: &str, dataset: &Dataset, batch: &Batch) -> rusqlite::Result<()> {
    let width = dataset.fields.len();
    let mut statement = tx.prepare_cached(upsert)?;
    for (row, deleted) in batch.cells.chunks_exact(width).zip(&batch.deleted) {
        if row[dataset.key] == Cell::Null {
            continue;
        }
        for (place, cell) in (1..).zip(row) {
            match *cell {
                Cell::Null => statement.raw_bind_parameter(place, Null)?,
                Cell::Boolean(value) => statement.raw_bind_parameter(place, value)?,
                Cell::Integer(value) | Cell::Timestamp(value) => {
                    statement.raw_bind_parameter(place, value)?;
                }
                Cell::Real(value) => statement.raw_bind_parameter(place, value)?,
                Cell::Text(at, len) => {
                    statement.raw_bind_parameter(place, batch.text_of(at, len))?;
                }
            }
        }
        statement.raw_bind_parameter(width + 1, *deleted)?;
        statement.raw_execute()?;
    }
    Ok(())
}
