//! Queries to SQL and back: the one place that answers a [`Query`] from the records.

use rusqlite::Connection;

use crate::domain::query::{Answer, Frame, Query};

/// Registers the report language's own functions with a connection. To be called once for each
/// connection that [`answer`] is given.
pub fn install(conn: &Connection) -> rusqlite::Result<()> {
    let _ = conn;
    unimplemented!("the first commit holds signatures alone")
}

/// Answers a query from the records a connection sees, in one statement and so from one snapshot.
///
/// Each dataset is a table of the dataset's name with a column of each field's name (timestamps as
/// whole milliseconds since 1970 UTC, booleans as 0 and 1) and `_deleted`, which is 0 for records
/// that exist.
pub fn answer(conn: &Connection, query: &Query, frame: &Frame) -> Result<Answer, AnswerError> {
    let _ = (conn, query, frame);
    unimplemented!("the first commit holds signatures alone")
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The database could not be read.
    #[error("the records of report type `{report_type}` cannot be read")]
    Unreadable {
        /// The report type asked.
        report_type: String,
        /// What the database said.
        #[source]
        source: rusqlite::Error,
    },
}

/// An index that would help a query: a dataset and its fields in order. Only records that exist
/// need to be in it (`where _deleted = 0`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexSpec {
    /// The dataset's name.
    pub dataset: String,
    /// Names of its fields, in the index's order.
    pub fields: Vec<String>,
}

/// The indexes that make a query cheap.
pub fn indexes(query: &Query) -> Vec<IndexSpec> {
    let _ = query;
    unimplemented!("the first commit holds signatures alone")
}
