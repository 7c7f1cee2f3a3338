//! `records.db`: one table a dataset, named as the dataset, with a column named as each field
//! (timestamps in milliseconds since 1970 UTC, booleans 0 and 1) and `_deleted`, 0 for records that
//! exist.
//!
//! A pull's rows and the watermark that covers them become visible together: small pulls are
//! gathered aside and merged in one transaction; a first load, or one after the fields changed, is
//! written page by page into a table of its own, which takes the dataset's place when it is
//! complete. Everything here can be read again from the sources, so commits are not synced one by
//! one, and a broken file is set aside.
//!
//! One connection writes. Readers open their own and never wait for it. All calls block.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::domain::dataset::Dataset;

mod keep;
mod labels;
mod load;
mod open;
mod schema;
mod span;
mod spent;
mod state;

pub use labels::{Labels, all as labels};
pub use load::{Finished, Load};
pub use open::SetAside;
pub use schema::earliest;
pub use span::{Mended, Span};
pub use spent::{SourceSpent, Spending};
pub use state::{DatasetState, states, watermarks};

/// The records of all datasets.
pub struct Records {
    path: PathBuf,
    writer: Mutex<Connection>,
    known: Mutex<Known>,
}

/// What this process has been told about.
#[derive(Default)]
struct Known {
    datasets: BTreeMap<String, Wanted>,
    /// Fields to index, by dataset.
    indexes: BTreeMap<String, BTreeSet<Vec<String>>>,
    /// Datasets being pulled.
    busy: BTreeSet<String>,
}

/// A dataset as the config wants it.
#[derive(Clone)]
struct Wanted {
    dataset: Arc<Dataset>,
    history: Option<TimeDelta>,
}

/// Why the records cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// SQLite said no.
    #[error("records database `{path}` failed")]
    Database {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: rusqlite::Error,
    },
    /// The file is damaged. The next start checks it, sets it aside and pulls everything again.
    #[error("records database `{path}` is damaged; restart to set it aside and load again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The damaged file cannot be moved away.
    #[error("records database `{path}` is damaged and cannot be set aside")]
    Stuck {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A newer postrider wrote the file.
    #[error(
        "records database `{path}` has schema {found}, this postrider knows {known}: install the \
         newer version again, or remove the file to load again"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// In the file.
        found: i64,
        /// In this binary.
        known: i64,
    },
    /// Nobody has told of this dataset.
    #[error("dataset `{0}` is not known to the records")]
    Unknown(String),
    /// Two pulls of one dataset.
    #[error("dataset `{0}` is already being pulled")]
    Busy(String),
    /// A field's name that the records need for themselves.
    #[error("dataset `{dataset}` cannot have a field `{field}`: the name is taken")]
    Reserved {
        /// The dataset.
        dataset: String,
        /// The field.
        field: String,
    },
    /// A batch with another number of cells than its rows need.
    #[error("a batch of dataset `{0}` does not fit its fields")]
    Misshapen(String),
}

impl Records {
    /// Opens the file, or makes it. A damaged one is renamed to `records.db.broken-1` (or the next
    /// number) and told.
    ///
    /// # Errors
    /// The file cannot be opened, moved away or understood.
    pub fn open(path: &Path) -> Result<(Arc<Records>, Option<SetAside>), RecordsError> {
        let (writer, set_aside) = open::open(path)?;
        let records =
            Records { path: path.to_owned(), writer: Mutex::new(writer), known: Mutex::default() };
        Ok((Arc::new(records), set_aside))
    }

    /// Looks at an existing file and never writes to it, whoever else does: what is asked of it is
    /// asked as the datasets given here have it. Nothing can be pulled through it.
    ///
    /// # Errors
    /// There is no file, or it cannot be read.
    pub fn look(path: &Path, datasets: &[Arc<Dataset>]) -> Result<Arc<Records>, RecordsError> {
        let failed = |source| RecordsError::Database { path: path.to_owned(), source };
        // Fails here where there is nothing to look at.
        open::reader(path).map_err(failed)?;
        let mut known = Known::default();
        for dataset in datasets {
            let wanted = Wanted { dataset: dataset.clone(), history: None };
            known.datasets.insert(dataset.name.clone(), wanted);
        }
        Ok(Arc::new(Records {
            path: path.to_owned(),
            // The writer of a file of its own, which is gone with it.
            writer: Mutex::new(Connection::open_in_memory().map_err(failed)?),
            known: Mutex::new(known),
        }))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A connection of the caller's own that can read and not write. What one transaction on it
    /// sees is of one moment.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn reader(&self) -> Result<Connection, RecordsError> {
        open::reader(&self.path).map_err(|err| self.told(err))
    }

    /// Tells of a dataset: makes its table where there is none, and finds out whether it must be
    /// loaded again because its fields changed or `history` (how far back its first load reaches;
    /// `None` is all) grew. To be called for each dataset before its first pull.
    ///
    /// # Errors
    /// The database fails, or a field has a reserved name.
    pub fn ensure(
        &self,
        dataset: &Arc<Dataset>,
        history: Option<TimeDelta>,
    ) -> Result<DatasetState, RecordsError> {
        if let Some(field) = dataset.fields.iter().find(|field| schema::is_reserved(&field.name)) {
            return Err(RecordsError::Reserved {
                dataset: dataset.name.clone(),
                field: field.name.clone(),
            });
        }
        self.write(|tx| {
            if !state::exists(tx, &dataset.name)? {
                tx.execute_batch(&schema::create_table(&dataset.name, dataset))?;
                state::insert(tx, dataset)?;
            }
            state::note_home(tx, dataset)
        })?;
        let wanted = Wanted { dataset: dataset.clone(), history };
        self.known().datasets.insert(dataset.name.clone(), wanted);
        self.state(&dataset.name)
    }

    /// Wants exactly these indexes: dataset and fields in order. Made at once where the dataset is
    /// ready, else when its load is complete; others are dropped. Unique sets of fields have theirs
    /// anyway. Each covers the records that exist (`where _deleted = 0`).
    ///
    /// # Errors
    /// The database fails.
    pub fn ensure_indexes(&self, wanted: &[(String, Vec<String>)]) -> Result<(), RecordsError> {
        let ready: Vec<Arc<Dataset>> = {
            let mut known = self.known();
            known.indexes.clear();
            for (dataset, fields) in wanted {
                known.indexes.entry(dataset.clone()).or_default().insert(fields.clone());
            }
            known.datasets.values().map(|wanted| wanted.dataset.clone()).collect()
        };
        for dataset in ready {
            let indexes = self.indexes_of(&dataset);
            // One dataset a transaction: the writer is not held for minutes on end.
            self.write(|tx| match state::is_ready(tx, &dataset.name)? {
                true => schema::make_indexes(tx, &dataset.name, &indexes),
                false => Ok(()),
            })?;
        }
        Ok(())
    }

    /// Begins a pull of a dataset: what to ask the source for is [`Load::request`].
    ///
    /// # Errors
    /// The database fails, the dataset is unknown, or another pull of it is going on.
    pub fn begin(
        self: &Arc<Self>,
        dataset: &str,
        now: DateTime<Utc>,
    ) -> Result<Load, RecordsError> {
        Load::begin(self.clone(), dataset, now)
    }

    /// Notes that a pull failed. What was known stays; the next complete pull clears the note.
    ///
    /// # Errors
    /// The database fails.
    pub fn failed(
        &self,
        dataset: &str,
        at: DateTime<Utc>,
        reason: &str,
        spending: &Spending,
    ) -> Result<(), RecordsError> {
        self.write(|tx| {
            state::note_failure(tx, dataset, at, reason)?;
            spent::add(tx, spending)
        })
    }

    /// Of the datasets told of, those whose next pull is a load of everything.
    ///
    /// # Errors
    /// The database fails.
    pub fn loads_due(&self, now: DateTime<Utc>) -> Result<BTreeSet<String>, RecordsError> {
        let known: Vec<Wanted> = self.known().datasets.values().cloned().collect();
        self.read(|tx| {
            let mut loads = BTreeSet::new();
            for wanted in known {
                let need = state::need(tx, &wanted.dataset, wanted.history, now)?;
                if matches!(need, state::Need::Load { .. }) {
                    loads.insert(wanted.dataset.name.clone());
                }
            }
            Ok(loads)
        })
    }

    /// Notes that a reader met damage in the file, so that the next start checks it.
    pub fn suspect(&self) {
        open::mark_suspect(&self.path);
    }

    /// What is known of one dataset.
    ///
    /// # Errors
    /// The database fails, or the dataset is unknown.
    pub fn state(&self, dataset: &str) -> Result<DatasetState, RecordsError> {
        let all = self.all_states()?;
        let found = all.into_iter().find(|state| state.dataset == dataset);
        found.ok_or_else(|| RecordsError::Unknown(dataset.to_owned()))
    }

    /// What is known of the datasets told of, by name.
    ///
    /// # Errors
    /// The database fails.
    pub fn all_states(&self) -> Result<Vec<DatasetState>, RecordsError> {
        states(&self.writer(), &self.datasets()).map_err(|err| self.told(err))
    }

    /// Lets the file grow by so many bytes and no further: a load that needs more fails, and leaves
    /// room on the disk for what is precious.
    ///
    /// # Errors
    /// The database fails.
    pub fn bound(&self, more_bytes: u64) -> Result<(), RecordsError> {
        let writer = self.writer();
        let bound = || {
            let number = |pragma| writer.pragma_query_value(None, pragma, |row| row.get(0));
            let (pages, size): (i64, i64) = (number("page_count")?, number("page_size")?);
            let more = more_bytes / size.unsigned_abs().max(1);
            let most = pages.saturating_add(i64::try_from(more).unwrap_or(i64::MAX));
            // SQLite's own bound.
            writer.pragma_update(None, "max_page_count", most.clamp(1, 4_294_967_294))
        };
        bound().map_err(|err| self.told(err))
    }

    /// The datasets told of.
    pub fn datasets(&self) -> Vec<Arc<Dataset>> {
        self.known().datasets.values().map(|wanted| wanted.dataset.clone()).collect()
    }

    /// Runs one writing transaction.
    fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, RecordsError> {
        let mut writer = self.writer();
        let outcome = (|| {
            let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        })();
        outcome.map_err(|err| self.told(err))
    }

    /// Looks at one moment through the writer, which knows what this process wrote.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, RecordsError> {
        let mut writer = self.writer();
        let outcome = (|| work(&*writer.transaction()?))();
        outcome.map_err(|err| self.told(err))
    }

    /// A panic elsewhere rolled its transaction back; the connection is as good as before.
    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wanted(&self, dataset: &str) -> Result<Wanted, RecordsError> {
        let found = self.known().datasets.get(dataset).cloned();
        found.ok_or_else(|| RecordsError::Unknown(dataset.to_owned()))
    }

    /// The indexes a dataset should have: its unique sets and those asked for, save those that are
    /// only the beginning of another.
    fn indexes_of(&self, dataset: &Dataset) -> BTreeSet<Vec<String>> {
        let name_of = |at: &usize| dataset.fields[*at].name.clone();
        let unique = dataset.unique.iter().map(|set| set.iter().map(name_of).collect());
        let known = self.known();
        let asked = known.indexes.get(&dataset.name).into_iter().flatten().cloned();
        let all: BTreeSet<Vec<String>> = unique.chain(asked).collect();
        let begins = |short: &Vec<String>| {
            all.iter().any(|long| long.len() > short.len() && long.starts_with(short))
        };
        all.iter().filter(|fields| !begins(fields)).cloned().collect()
    }

    /// A database error for the caller. Damage is written down beside the file, so that the next
    /// start looks closely.
    fn told(&self, source: rusqlite::Error) -> RecordsError {
        let path = self.path.clone();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                open::mark_suspect(&path);
                RecordsError::Damaged { path, source }
            }
            _ => RecordsError::Database { path, source },
        }
    }
}

#[cfg(test)]
mod tests;
