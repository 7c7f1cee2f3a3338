//! Tables: the result of a report, ready to be written as HTML, text or JSON.
//!
//! A table is made from a definition and stored data only. It holds values, not strings: rendering
//! formats them by locale. Totals are over all rows, also those not shown.

use chrono::{DateTime, Utc};

use super::period::Window;
use super::report::Format;
use super::value::Value;
use super::zone::Zone;

/// One report's answer for one slot.
#[derive(Clone, Debug)]
pub struct Table {
    /// The report's name in the config.
    pub report: String,
    /// The question.
    pub title: String,
    /// An explanatory line under the title.
    pub about: Option<String>,
    /// The stretch of time; `None` means all time.
    pub window: Option<Window>,
    /// The period in words, e.g. `last 7 days`.
    pub period: String,
    /// The zone of its days.
    pub zone: Zone,
    /// Columns, grouping columns first.
    pub columns: Vec<Column>,
    /// The rows shown, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
    /// How many rows were left out behind `top`, with their values taken together (grouped reports)
    /// or none (lists).
    pub others: Option<Others>,
    /// The values over all rows; grouping columns are null.
    pub total: Option<Vec<Value>>,
    /// The text of a null cell.
    pub empty: Option<String>,
    /// How many records the figures count.
    pub records: u64,
    /// Sentences about what the figures cover.
    pub coverage: Vec<String>,
    /// Data is complete up to here; `None` when a dataset has never been pulled.
    pub complete_to: Option<DateTime<Utc>>,
    /// Why the figures may still change, if they may.
    pub provisional: Option<String>,
}

/// What `top` left out.
#[derive(Clone, Debug)]
pub struct Others {
    /// How many rows.
    pub rows: u64,
    /// Their values taken together; `None` for lists.
    pub values: Option<Vec<Value>>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// How its values are written.
    pub format: Format,
    /// Whether it names the row rather than measuring it.
    pub grouping: bool,
    /// Whether it holds numbers (right-aligned).
    pub numeric: bool,
}

/// What became of one report of a digest: a table, or the reason there is none. One report that
/// fails never takes the digest with it.
#[derive(Clone, Debug)]
pub enum Section {
    /// The answer.
    Table(Table),
    /// The report's title and why it could not be made.
    Failed {
        /// The report's name in the config.
        report: String,
        /// The question.
        title: String,
        /// Why there is no table, for people.
        reason: String,
    },
}
