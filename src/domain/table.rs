//! Tables: the result of a report, ready to be written as HTML, text or JSON.
//!
//! A table is made from a definition and stored data only. It holds values, not strings: rendering
//! formats them by locale. Totals are over all rows, also those not shown.

use chrono::{DateTime, Utc};

use serde::{Deserialize, Serialize};

use super::chart::Chart;
use super::compare::{Beside, Compared, Restated};
use super::expr::Unit;
use super::goal::Goal;
use super::period::Window;
use super::report::Format;
use super::value::{Type, Value};
use super::zone::Zone;

mod shape;
#[cfg(test)]
mod tests;

/// One report's answer for one slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The report's name in the config.
    pub report: String,
    /// Fingerprint of the report's definition; empty in tables kept before it was written down.
    #[serde(default)]
    pub definition: String,
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
    /// The rows behind `top`, in order, where a file wants them.
    pub rest: Vec<Vec<Value>>,
    /// The values over all rows; grouping columns are null.
    pub total: Option<Vec<Value>>,
    /// The text of a null cell.
    pub empty: Option<String>,
    /// Whether it is a list of records rather than figures about groups of them.
    pub list: bool,
    /// How many records the figures count.
    pub records: u64,
    /// Whether more rows exist than are read: totals are then of those read.
    pub truncated: bool,
    /// Sentences about what the figures cover.
    pub coverage: Vec<String>,
    /// Those of them that a reader should see before the figures: they cover too little.
    #[serde(default)]
    pub coverage_low: Vec<String>,
    /// Data is complete up to here; `None` when a dataset has never been pulled.
    pub complete_to: Option<DateTime<Utc>>,
    /// Why the figures may still change, if they may.
    pub provisional: Option<String>,
    /// What the figures are compared with.
    pub compared: Option<Compared>,
    /// The column of the trend beside each row, if there is one.
    pub trend: Option<usize>,
    /// What stands beside each row; empty, or as long as `rows`.
    pub beside: Vec<Beside>,
    /// What stands beside the total.
    pub beside_total: Option<Beside>,
    /// The chart.
    pub chart: Option<Chart>,
    /// Where the reader finds the records behind it.
    pub drill: Option<String>,
    /// A further condition that this digest asked for.
    pub only: Option<String>,
    /// Figures of the mail before that are others now.
    pub restated: Vec<Restated>,
}

/// What `top` left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Others {
    /// How many rows.
    pub rows: u64,
    /// Their values taken together; `None` for lists.
    pub values: Option<Vec<Value>>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its heading; of a pivoted column that of the value it is for, with the column's own behind it
    /// where there are several.
    pub name: String,
    /// How its values are written.
    pub format: Format,
    /// Whether it names the row rather than measuring it.
    pub grouping: bool,
    /// Whether it holds numbers (right-aligned).
    pub numeric: bool,
    /// Whether its values are parts of the whole.
    pub share: bool,
    /// The type of its values; `None` if they are always null.
    pub ty: Option<Type>,
    /// The calendar unit its values stand for: a day is then written as a date, not as an instant.
    pub unit: Option<Unit>,
    /// What its values should be.
    pub goal: Option<Goal>,
    /// Of a pivoted column: the value of the pivot it is for, `Total` for that over all of them.
    pub pivot: Option<String>,
}

impl Column {
    /// What [`Column::pivot`] says of a column over everything across.
    pub const TOTAL: &str = "Total";
}

/// What became of one report of a digest: a table, or the reason there is none. One report that
/// fails never takes the digest with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "a digest has few sections, and most are tables")]
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

impl Table {
    /// The one value of a column that speaks for the whole table: the total, or the value of the
    /// only row where the report has no groups.
    pub fn figure(&self, column: usize) -> Option<&Value> {
        match (&self.total, self.rows.as_slice()) {
            (Some(total), _) => total.get(column),
            (None, [row]) if self.is_figures() => row.get(column),
            _ => None,
        }
    }

    /// Where a column of the report is in this table: of a pivoted one that over everything across.
    /// `shown` is its index in [`super::query::Query::columns_shown`]; `None` for the group that
    /// goes across.
    pub fn place(&self, shown: usize) -> Option<usize> {
        if self.columns.iter().all(|column| column.pivot.is_none()) {
            return Some(shown);
        }
        let groups = self.columns.iter().filter(|column| column.grouping).count();
        let total = |column: &&Column| column.pivot.as_deref() == Some(Column::TOTAL);
        let last = self.columns.iter().rev().take_while(total).count();
        match shown.checked_sub(groups + 1) {
            None => Some(shown).filter(|shown| *shown < groups),
            Some(index) => Some(self.columns.len() - last + index),
        }
    }

    /// Puts changes and trends beside the rows and the total; links that are there stay.
    pub fn put_beside(&mut self, rows: Vec<Beside>, total: Option<Beside>) {
        self.beside.resize_with(self.rows.len(), Beside::default);
        for (beside, Beside { deltas, trend, .. }) in self.beside.iter_mut().zip(rows) {
            (beside.deltas, beside.trend) = (deltas, trend);
        }
        self.beside_total = total;
    }

    /// Whether it is one row of figures about everything, without groups.
    pub fn is_figures(&self) -> bool {
        !self.list && self.rows.len() == 1 && !self.columns.iter().any(|column| column.grouping)
    }
}

/// A personal value shortened to its first character, which is enough to recognise one's own.
pub(super) fn mask(value: Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Text(text) if text.is_empty() => Value::Text(text),
        Value::Text(text) => Value::Text(text.chars().take(1).chain(['\u{2026}']).collect()),
        _ => Value::Text("\u{2026}".to_owned()),
    }
}
