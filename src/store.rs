//! The store: records and state in two SQLite files, the engine's questions answered.
//!
//! `state.db` is precious; `records.db` could be pulled again. Reading records opens further
//! connections, so that a long load never holds up a report.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags};

use crate::domain::dataset::Dataset;
use crate::domain::query::{Answer, Frame, Query};

pub mod records;
pub mod sql;
pub mod state;

use records::{DatasetState, Load, Records, RecordsError};
use sql::AnswerError;
use state::{State, StateError};

/// Reading connections kept for the next question.
const READERS_KEPT: usize = 4;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The records failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A question could not be answered.
    #[error("the records could not be read")]
    Answer(#[from] AnswerError),
    /// SQLite said no.
    #[error("the records could not be read")]
    Database(#[from] rusqlite::Error),
    /// A dataset's first load is under way: nothing true can be said yet.
    #[error("{0} is still being loaded")]
    Loading(String),
}

/// Both databases.
pub struct Store {
    /// Slots, incidents, the outbox.
    pub state: State,
    records: Records,
    path: PathBuf,
    readers: Mutex<Vec<Connection>>,
}

/// One consistent view of the records.
pub struct View<'a> {
    connection: &'a Connection,
    states: Vec<DatasetState>,
}

impl Store {
    /// Opens both databases in a folder, made if missing, with a table for each dataset.
    pub fn open(folder: &Path, datasets: &[Arc<Dataset>]) -> Result<Store, StoreError> {
        // The state first: it makes the folder.
        let state = State::open(folder)?;
        let path = folder.join("records.db");
        let records = Records::open(&path)?;
        let store = Store { state, records, path, readers: Mutex::new(Vec::new()) };
        store.ensure(datasets)?;
        Ok(store)
    }

    /// Makes the tables of datasets that have none, and marks those for loading whose fields changed.
    pub fn ensure(&self, datasets: &[Arc<Dataset>]) -> Result<(), StoreError> {
        for dataset in datasets {
            self.records.ensure(dataset)?;
        }
        Ok(())
    }

    /// Makes the indexes that some queries want, where their tables are loaded.
    pub fn ensure_indexes(&self, queries: &[&Query]) -> Result<(), StoreError> {
        let wanted: Vec<_> = queries.iter().flat_map(|query| sql::indexes(query)).collect();
        Ok(self.records.ensure_indexes(&wanted)?)
    }

    /// Begins storing a pull.
    pub fn begin_load(
        &self,
        dataset: &Arc<Dataset>,
        history_from: Option<DateTime<Utc>>,
    ) -> Result<Load, StoreError> {
        Ok(self.records.begin(dataset, history_from)?)
    }

    /// Writes down that a pull failed.
    pub fn pull_failed(
        &self,
        dataset: &str,
        reason: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        Ok(self.records.failed(dataset, reason, at)?)
    }

    /// Where every dataset stands.
    pub fn dataset_states(&self) -> Result<Vec<DatasetState>, StoreError> {
        Ok(self.records.all_states()?)
    }

    /// The instant up to which all of some datasets are complete; `None` while one is not loaded.
    pub fn complete_to(&self, datasets: &[String]) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(complete_to(&self.dataset_states()?, datasets))
    }

    /// Runs `work` on one consistent view of the records.
    pub fn read_records<T>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = self.reader()?;
        let done = {
            let transaction = connection.unchecked_transaction()?;
            let states = records::states_of(&transaction)?;
            work(&View { connection: &transaction, states })
        };
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT {
            readers.push(connection);
        }
        done
    }

    fn reader(&self) -> Result<Connection, StoreError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = kept {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(30))?;
        connection.set_prepared_statement_cache_capacity(64);
        sql::install(&connection)?;
        Ok(connection)
    }
}

impl View<'_> {
    /// Answers a question; a dataset that is not loaded yet is told, never read as empty.
    pub fn answer(&self, query: &Query, frame: &Frame) -> Result<Answer, StoreError> {
        for name in query.reads().keys() {
            let state = self.states.iter().find(|state| state.name == *name);
            if !state.is_some_and(|state| state.ready) {
                return Err(StoreError::Loading(name.clone()));
            }
        }
        Ok(sql::answer(self.connection, query, frame)?)
    }

    /// The instant up to which all of some datasets are complete; `None` while one is not loaded.
    pub fn complete_to(&self, datasets: &[String]) -> Option<DateTime<Utc>> {
        complete_to(&self.states, datasets)
    }

    /// The oldest change that a dataset was loaded from; `None`: everything.
    pub fn history_from(&self, dataset: &str) -> Option<DateTime<Utc>> {
        self.states.iter().find(|state| state.name == dataset)?.history_from
    }
}

fn complete_to(states: &[DatasetState], datasets: &[String]) -> Option<DateTime<Utc>> {
    let mut complete = None;
    for name in datasets {
        let state = states.iter().find(|state| state.name == *name && state.ready)?;
        let watermark = state.watermark?;
        complete = Some(complete.map_or(watermark, |c: DateTime<Utc>| c.min(watermark)));
    }
    complete
}
