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

use super::spent::{self, Spending};
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
    /// Whether that table is there: a pull that brings nothing needs none.
    gathered: bool,
    begun: DateTime<Utc>,
    /// What a load that is gone on with had written before.
    loaded_before: u64,
    spending: Option<Spending>,
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
    /// A dataset read whole, or loaded again, came back empty although records were known: they were
    /// kept, because lost permissions look like that.
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
            gathered: false,
            begun: now,
            loaded_before: 0,
            spending: None,
        };
        let need = load.records.read(|tx| state::need(tx, &dataset, history, now))?;
        match need {
            Need::Changes(since) => load.request.since = since,
            Need::Load { resume, start } => {
                load.kind = Kind::Load;
                load.gathered = true;
                load.into = schema::ident(&schema::loading_table(name));
                if resume.is_none() {
                    load.start_over(&dataset, history, start)?;
                } else {
                    load.loaded_before = load.records.read(|tx| state::load_records(tx, name))?;
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

    /// How many records an interrupted load had written, which this one goes on with.
    pub fn loaded_before(&self) -> u64 {
        self.loaded_before
    }

    /// What was spent on it, written down when it is finished.
    pub fn spent(&mut self, spending: Spending) {
        self.spending = Some(spending);
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
        if !self.gathered && batch.rows() > 0 {
            let create = schema::create_quoted(&self.into, dataset);
            let made =
                writer.execute_batch(&format!("DROP TABLE IF EXISTS {}; {create}", self.into));
            made.map_err(|err| self.records.told(err))?;
            self.gathered = true;
        }
        if !self.gathered {
            return Ok(());
        }
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
                let expected = batch.expected.map(|count| count + self.loaded_before);
                let place = batch.cursor.as_ref();
                state::advance_load(&tx, &dataset.name, batch.rows(), place, expected)?;
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
            let before = state::before(tx, &dataset.name)?;
            let mut records = before.records;
            let gathered = match self.gathered {
                true => count(format!("SELECT count(*) FROM {}", self.into))?,
                false => 0,
            };
            let mut changed = 0;
            if gathered > 0 {
                records -= touched()?;
                changed = tx.execute(&schema::merge(&self.into, &table, dataset), [])?;
                records += touched()?;
            }
            let read_whole = self.kind == Kind::Whole && !pulled.unchanged;
            let emptied = read_whole && gathered == 0 && records > 0;
            if read_whole && gathered > 0 {
                let gone = tx.execute(&schema::delete_missing(&self.into, &table, dataset), [])?;
                changed += gone;
                records -= gone as i64;
            }
            let shown = |field: &String| !pulled.unchanged && !pulled.hidden.contains(field);
            if before.hidden.iter().any(shown) {
                // The org shows us more than before: older records lack it.
                state::want_reload(tx, &dataset.name)?;
            }
            let (kind, times) = ((records, read_whole), (self.begun, now));
            state::note_pull(tx, &dataset.name, pulled, before, kind, times)?;
            self.note_spending(tx)?;
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
        let loading = schema::loading_table(&dataset.name);
        // One a transaction, beside the table that still serves: other datasets' pulls come between.
        for list in self.records.read(|tx| schema::lacking(tx, &loading, &indexes))? {
            self.records.write(|tx| {
                // Sorting takes as much memory as the cache may have.
                tx.pragma_update(None, "cache_size", super::open::CACHE_KIB)?;
                schema::make_index(tx, &loading, &dataset.name, &list)
            })?;
        }
        self.records.write(|tx| {
            let known = state::before(tx, &dataset.name)?.records;
            // Within a bound on history there may be none; where there is none this is lost permissions.
            let unbounded = self.request.from.is_none();
            let any = tx.prepare(&format!("SELECT 1 FROM {} LIMIT 1", self.into))?.exists([])?;
            if unbounded && known > 0 && !any {
                tx.execute_batch(&format!("DROP TABLE {}", self.into))?;
                state::give_up_load(tx, &dataset.name)?;
                self.note_spending(tx)?;
                let records = known as u64;
                return Ok(Finished { changed: 0, records, emptied: true, loaded: false });
            }
            tx.execute_batch(&format!(
                "DROP TABLE IF EXISTS {table}; ALTER TABLE {} RENAME TO {table};",
                self.into
            ))?;
            // Those that a config wants since.
            schema::make_indexes(tx, &dataset.name, &indexes)?;
            let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            let records = tx.query_row(&schema::count_existing(&table), [], count)?;
            state::finish_load(tx, &dataset.name, now)?;
            let before = state::before(tx, &dataset.name)?;
            state::note_pull(
                tx,
                &dataset.name,
                pulled,
                before,
                (records, true),
                (self.begun, now),
            )?;
            self.note_spending(tx)?;
            let records = records as u64;
            Ok(Finished { changed: records, records, emptied: false, loaded: true })
        })
    }

    fn note_spending(&self, tx: &Connection) -> rusqlite::Result<()> {
        self.spending.as_ref().map_or(Ok(()), |spending| spent::add(tx, spending))
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
        if self.kind != Kind::Load && self.gathered {
            let drop = format!("DROP TABLE IF EXISTS {}", self.into);
            let _ = self.records.writer().execute_batch(&drop);
        }
        self.records.known().busy.remove(&self.request.dataset.name);
    }
}

/// Binds and writes the rows of a batch.
pub(super) fn insert(
    tx: &Connection,
    upsert: &str,
    dataset: &Dataset,
    batch: &Batch,
) -> rusqlite::Result<()> {
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
