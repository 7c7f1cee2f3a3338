//! Queries to SQL and back: the one place that answers a [`Query`] from the records.
//!
//! One statement reads the joined rows that the period and the filter leave, with the columns that
//! grouping needs; groups, aggregates, totals and order are made from them in one pass. So an answer
//! is of one snapshot, and a total costs no second scan.

use rusqlite::{Connection, params_from_iter};

use crate::domain::expr::Civil;
use crate::domain::query::shape::Shape;
use crate::domain::query::{Answer, Frame, PartAnswer, Query};

mod functions;
mod index;
mod scan;
mod statement;
#[cfg(test)]
mod tests;
mod write;

use scan::{Asked, Folding, Grouping, Into, Listing, Stopped};
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
    /// What splits the answer has too many values.
    #[error("report type `{report_type}` is split into more than {max} parts")]
    TooManyParts {
        /// The report type asked.
        report_type: String,
        /// How many parts there may be.
        max: usize,
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
    let civil = Civil::new(frame.zone.clone(), frame.week_starts);
    let asked = Asked { query, frame, split: 0 };
    let shape = Shape { query, frame, civil: &civil, split: 0 };
    Ok(match gather(conn, asked, &civil)? {
        Into::Groups(parts) => {
            let (groups, records) = parts.into_one(|| asked.no_groups());
            shape.grouped(groups, records)
        }
        Into::List(parts) => {
            let (rows, records) = parts.into_one(|| asked.no_rows());
            shape.list(rows, records)
        }
    })
}

/// Answers a query part by part ([`Query::split`]), as [`answer`] does and in one statement too: each
/// part's answer is what the query would say of the records that have its keys. Together the parts
/// hold at most [`Frame::rows_max`] groups or rows; more parts than that are an error. Parts come in
/// the order of their names. A query without splits has one part.
pub fn parts(
    conn: &Connection,
    query: &Query,
    frame: &Frame,
) -> Result<Vec<PartAnswer>, AnswerError> {
    if query.split == 0 {
        let answer = answer(conn, query, frame)?;
        return Ok(vec![PartAnswer { keys: vec![], shown: vec![], answer }]);
    }
    let civil = Civil::new(frame.zone.clone(), frame.week_starts);
    let asked = Asked { query, frame, split: query.split };
    let shape = Shape { query, frame, civil: &civil, split: query.split };
    Ok(match gather(conn, asked, &civil)? {
        Into::Groups(parts) => shape.parts(parts, Shape::grouped),
        Into::List(parts) => shape.parts(parts, Shape::list),
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

fn gather(conn: &Connection, asked: Asked<'_>, civil: &Civil) -> Result<Into, AnswerError> {
    let report_type = || asked.query.report_type.name.clone();
    read(conn, asked, civil).map_err(|stopped| match stopped {
        Stopped::Database(source) => AnswerError::Unreadable { report_type: report_type(), source },
        Stopped::TooManyParts(max) => AnswerError::TooManyParts { report_type: report_type(), max },
    })
}

fn read(conn: &Connection, asked: Asked<'_>, civil: &Civil) -> Result<Into, Stopped> {
    let written = statement(asked.query, asked.frame);
    let mut prepared = conn.prepare_cached(&written.sql)?;
    let mut rows = prepared.query(params_from_iter(&written.binds))?;
    match (&written.plan, &asked.query.fold) {
        (Plan::Fold(stage), Some(fold)) => {
            let mut folding = Folding::new(asked, fold, civil, stage);
            while let Some(row) = rows.next()? {
                folding.row(row, written.counts(row)?)?;
            }
            folding.into_parts()
        }
        (Plan::Group(stage) | Plan::Fold(stage), _) => {
            let mut grouping = Grouping::new(asked, stage);
            while let Some(row) = rows.next()? {
                grouping.row(row, written.counts(row)?)?;
            }
            Ok(grouping.into_parts())
        }
        (Plan::List(places), _) => {
            let mut listing = Listing::new(asked, places);
            while let Some(row) = rows.next()? {
                listing.row(row, written.counts(row)?)?;
            }
            Ok(listing.into_parts())
        }
    }
}
