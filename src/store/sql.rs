//! Queries to SQL and back: the one place that answers a [`Query`] from the records.
//!
//! One statement reads the joined rows that the period and the filter leave, with the columns that
//! grouping needs; groups, aggregates, totals and order are made from them in one pass. So an answer
//! is of one snapshot, and a total costs no second scan.

use rusqlite::{Connection, params_from_iter};

use crate::domain::expr::Civil;
use crate::domain::query::{Answer, Frame, Query, shape};

mod functions;
mod index;
mod scan;
mod statement;
#[cfg(test)]
mod tests;
mod write;

use scan::{Folded, Folding, Grouping, Listing};
use statement::{Plan, statement};

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

/// Registers the report language's own functions with a connection. To be called once for each
/// connection that [`answer`] is given.
pub fn install(conn: &Connection) -> rusqlite::Result<()> {
    functions::install(conn)
}

/// Answers a query from the records a connection sees, in one statement and so from one snapshot.
///
/// Each dataset is a table of the dataset's name with a column of each field's name (timestamps as
/// whole milliseconds since 1970 UTC, booleans as 0 and 1) and `_deleted`, which is 0 for records
/// that exist.
pub fn answer(conn: &Connection, query: &Query, frame: &Frame) -> Result<Answer, AnswerError> {
    read(conn, query, frame).map_err(|source| AnswerError::Unreadable {
        report_type: query.report_type.name.clone(),
        source,
    })
}

/// The SQL text that [`answer`] runs, for people who want to see it: `postrider explain` and tests.
pub fn sql(query: &Query, frame: &Frame) -> String {
    statement(query, frame).sql
}

/// The indexes that make a query cheap, beside those of the datasets' keys.
pub fn indexes(query: &Query) -> Vec<IndexSpec> {
    index::indexes(query)
}

fn read(conn: &Connection, query: &Query, frame: &Frame) -> rusqlite::Result<Answer> {
    let written = statement(query, frame);
    let civil = Civil::new(frame.zone.clone(), frame.week_starts);
    let mut prepared = conn.prepare_cached(&written.sql)?;
    let mut rows = prepared.query(params_from_iter(&written.binds))?;
    let mut records = 0;
    match (&written.plan, &query.fold) {
        (Plan::Fold(stage), Some(fold)) => {
            let mut folding = Folding::new(query, fold, frame, &civil, stage);
            while let Some(row) = rows.next()? {
                records += u64::from(written.counts(row)?);
                folding.row(row)?;
            }
            Ok(match folding.into_folded() {
                Folded::Groups(groups) => shape::grouped(query, frame, &civil, groups, records),
                Folded::List(list) => shape::list(query, frame, list, records),
            })
        }
        (Plan::Group(stage) | Plan::Fold(stage), _) => {
            let mut grouping = Grouping::new(query, frame, stage);
            while let Some(row) = rows.next()? {
                records += u64::from(written.counts(row)?);
                grouping.row(row)?;
            }
            Ok(shape::grouped(query, frame, &civil, grouping.into_groups(), records))
        }
        (Plan::List(places), _) => {
            let mut listing = Listing::new(query, frame, places);
            while let Some(row) = rows.next()? {
                records += u64::from(written.counts(row)?);
                listing.row(row)?;
            }
            Ok(shape::list(query, frame, listing.into_rows(), records))
        }
    }
}
