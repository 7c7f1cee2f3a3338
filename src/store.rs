//! The store: records and state in two SQLite files, the engine's questions answered.
//!
//! `state.db` is precious; `records.db` could be pulled again. Reading records opens further
//! connections, so that a long load never holds up a report.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;

use crate::domain::dataset::Dataset;
use crate::domain::query::{Answer, Frame, PartAnswer, Query};

pub mod records;
pub mod sql;
pub mod state;

use records::{DatasetState, Labels, Load, Records, RecordsError, SetAside, Spending};
use sql::AnswerError;
use state::{DaemonLock, State, StateError};

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
    records: Arc<Records>,
    set_aside: Option<SetAside>,
    readers: Mutex<Vec<Connection>>,
}

/// One consistent view of the records.
pub struct View<'a> {
    connection: &'a Connection,
    states: Vec<DatasetState>,
}

/// How far datasets are complete: those that are loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watermarks(BTreeMap<String, DateTime<Utc>>);

impl Watermarks {
    /// The instant up to which all of some datasets are complete; `None` while one is not loaded.
    pub fn complete_to(&self, datasets: &[String]) -> Option<DateTime<Utc>> {
        let each = datasets.iter().map(|name| self.0.get(name).copied());
        each.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

impl Store {
    /// Opens both databases in a folder, made if missing. A damaged records file is set aside, told,
    /// and pulled again.
    pub fn open(folder: &Path) -> Result<Store, StoreError> {
        Store::open_by(folder, None)
    }

    /// The same for the daemon whose place on that folder this is: it brings the state's schema up to
    /// date.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_by(folder: &Path, daemon: Option<&DaemonLock>) -> Result<Store, StoreError> {
        // The state first: it makes the folder.
        let state = State::open_by(folder, daemon)?;
        let path = folder.join("records.db");
        // What cannot be made private is found out by whoever opens it.
        let _ = state::open::make_private_file(&path);
        let (records, set_aside) = Records::open(&path)?;
        let readers = Mutex::new(Vec::new());
        Ok(Store { state, records, set_aside, readers })
    }

    /// Looks at the records in `folder` and writes nothing there: its own state lies in `scratch`, a
    /// folder that is thrown away. For trials of rules beside a running daemon, also of a config that
    /// is not in force.
    ///
    /// # Errors
    /// There are no records, or they cannot be read.
    pub fn look(
        folder: &Path,
        scratch: &Path,
        datasets: &[Arc<Dataset>],
    ) -> Result<Store, StoreError> {
        let records = Records::look(&folder.join("records.db"), datasets)?;
        let state = State::open(scratch)?;
        Ok(Store { state, records, set_aside: None, readers: Mutex::new(Vec::new()) })
    }

    /// The records file that was found damaged at the start, if it was.
    pub fn set_aside(&self) -> Option<&SetAside> {
        self.set_aside.as_ref()
    }

    /// Tells of a dataset before its first pull; `history` is how far back its first load reaches.
    pub fn ensure(
        &self,
        dataset: &Arc<Dataset>,
        history: Option<TimeDelta>,
    ) -> Result<(), StoreError> {
        self.records.ensure(dataset, history)?;
        Ok(())
    }

    /// Wants the indexes that some queries use, and no others: made now where a dataset is loaded,
    /// else when it is.
    pub fn ensure_indexes(&self, queries: &[&Query]) -> Result<(), StoreError> {
        let wanted: Vec<_> = queries
            .iter()
            .flat_map(|query| sql::indexes(query))
            .map(|index| (index.dataset, index.fields))
            .collect();
        Ok(self.records.ensure_indexes(&wanted)?)
    }

    /// Begins a pull: what to ask the source for is [`Load::request`].
    pub fn begin_load(&self, dataset: &str, now: DateTime<Utc>) -> Result<Load, StoreError> {
        Ok(self.records.begin(dataset, now)?)
    }

    /// Writes down that a pull failed.
    pub fn pull_failed(
        &self,
        dataset: &str,
        reason: &str,
        at: DateTime<Utc>,
        spending: &Spending,
    ) -> Result<(), StoreError> {
        Ok(self.records.failed(dataset, at, reason, spending)?)
    }

    /// The records themselves.
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// Where every dataset stands.
    pub fn dataset_states(&self) -> Result<Vec<DatasetState>, StoreError> {
        self.read_records(|view| Ok(view.states.clone()))
    }

    /// The instant up to which all of some datasets are complete; `None` while one is not loaded.
    pub fn complete_to(&self, datasets: &[String]) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(complete_to(&self.dataset_states()?, datasets))
    }

    /// How far every dataset is complete.
    pub fn watermarks(&self) -> Result<Watermarks, StoreError> {
        let connection = self.reader()?;
        let watermarks = records::watermarks(&connection);
        self.give_back(connection);
        Ok(Watermarks(watermarks?))
    }

    /// Runs `work` on one consistent view of the records.
    pub fn read_records<T>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = self.reader()?;
        let done = {
            let transaction = connection.unchecked_transaction()?;
            let states = records::states(&transaction, &self.records.datasets())?;
            work(&View { connection: &transaction, states })
        };
        self.give_back(connection);
        done
    }

    fn give_back(&self, reader: Connection) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT {
            readers.push(reader);
        }
    }

    fn reader(&self) -> Result<Connection, StoreError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = kept {
            return Ok(connection);
        }
        let connection = self.records.reader()?;
        sql::install(&connection)?;
        Ok(connection)
    }
}

impl View<'_> {
    /// Answers a question; a dataset that is not loaded yet is told, never read as empty.
    pub fn answer(&self, query: &Query, frame: &Frame) -> Result<Answer, StoreError> {
        self.ready(query)?;
        Ok(sql::answer(self.connection, query, frame)?)
    }

    /// Answers a question part by part ([`Query::split`]) in one pass over the records: each part's
    /// answer is what the question would have found of its records alone, and all records are in one
    /// part or another. See [`sql::parts`].
    pub fn parts(&self, query: &Query, frame: &Frame) -> Result<Vec<PartAnswer>, StoreError> {
        self.ready(query)?;
        Ok(sql::parts(self.connection, query, frame)?)
    }

    /// Whether all that a question reads is loaded.
    fn ready(&self, query: &Query) -> Result<(), StoreError> {
        for (name, fields) in query.reads() {
            let state = self.states.iter().find(|state| state.dataset == name);
            let Some(state) = state.filter(|state| state.ready) else {
                return Err(StoreError::Loading(name));
            };
            if let Some(field) = fields.iter().find(|field| state.loading.contains(field)) {
                return Err(StoreError::Loading(format!("{name}.{field}")));
            }
        }
        Ok(())
    }

    /// The instant up to which all of some datasets are complete; `None` while one is not loaded.
    pub fn complete_to(&self, datasets: &[String]) -> Option<DateTime<Utc>> {
        complete_to(&self.states, datasets)
    }

    /// Where a dataset stands.
    pub fn state(&self, dataset: &str) -> Option<&DatasetState> {
        self.states.iter().find(|state| state.dataset == dataset)
    }

    /// The earliest value of a dataset's timestamp among the records that exist; `None` without any.
    pub fn earliest(
        &self,
        dataset: &str,
        field: &str,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(records::earliest(self.connection, dataset, field)?)
    }

    /// Labels of picklist values, as sources described them.
    pub fn labels(&self) -> Result<Labels, StoreError> {
        Ok(records::labels(self.connection)?)
    }

    /// Records that changed before it were never loaded; `None`: there is no such bound.
    pub fn history_from(&self, dataset: &str) -> Option<DateTime<Utc>> {
        self.states.iter().find(|state| state.dataset == dataset)?.history_start
    }
}

fn complete_to(states: &[DatasetState], datasets: &[String]) -> Option<DateTime<Utc>> {
    let mut complete = None;
    for name in datasets {
        let state = states.iter().find(|state| state.dataset == *name && state.ready)?;
        let watermark = state.watermark?;
        complete = Some(complete.map_or(watermark, |c: DateTime<Utc>| c.min(watermark)));
    }
    complete
}
