//! (to come)
use std::{path::Path, sync::Arc};
use chrono::{DateTime, Utc};
use rusqlite::Connection;
use crate::domain::dataset::{Batch, Cursor, Dataset};
pub struct Records;
pub struct Load;
#[derive(Debug, thiserror::Error)]
#[error("records")]
pub struct RecordsError;
#[derive(Clone, Debug)]
pub struct DatasetState { pub name: String, pub ready: bool, pub watermark: Option<DateTime<Utc>>, pub rows: u64, pub pulled_at: Option<DateTime<Utc>>, pub error: Option<String>, pub history_from: Option<DateTime<Utc>> }
impl Records {
    pub fn open(_: &Path) -> Result<Records, RecordsError> { unimplemented!() }
    pub fn ensure(&self, _: &Arc<Dataset>) -> Result<(), RecordsError> { unimplemented!() }
    pub fn ensure_indexes(&self, _: &[super::sql::IndexSpec]) -> Result<(), RecordsError> { unimplemented!() }
    pub fn begin(&self, _: &Arc<Dataset>, _: Option<DateTime<Utc>>) -> Result<Load, RecordsError> { unimplemented!() }
    pub fn failed(&self, _: &str, _: &str, _: DateTime<Utc>) -> Result<(), RecordsError> { unimplemented!() }
    pub fn all_states(&self) -> Result<Vec<DatasetState>, RecordsError> { unimplemented!() }
}
impl Load {
    pub fn since(&self) -> Option<DateTime<Utc>> { unimplemented!() }
    pub fn resume(&self) -> Option<Cursor> { unimplemented!() }
    pub fn append(&mut self, _: &Batch) -> Result<(), RecordsError> { unimplemented!() }
    pub fn finish(self, _: DateTime<Utc>, _: u64, _: DateTime<Utc>) -> Result<(), RecordsError> { unimplemented!() }
}
pub fn states_of(_: &Connection) -> Result<Vec<DatasetState>, RecordsError> { unimplemented!() }
