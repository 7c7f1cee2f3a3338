//! Tables: the result of a report, ready to be written as HTML, text or JSON.
//!
//! A table is made from a definition and stored data only. It holds values, not strings: rendering
//! formats them by locale. Totals are over all rows, also those not shown.

use chrono::{DateTime, Utc};

use super::expr::{Expr, Function, Unit};
use super::period::Window;
use super::query::Answer;
use super::report::{Format, Report};
use super::value::{Type, Value};
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
    /// Whether it is a list of records rather than figures about groups of them.
    pub list: bool,
    /// How many records the figures count.
    pub records: u64,
    /// Whether more rows exist than are read: totals are then of those read.
    pub truncated: bool,
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
    /// Whether its values are parts of the whole.
    pub share: bool,
    /// The type of its values; `None` if they are always null.
    pub ty: Option<Type>,
    /// The calendar unit its values stand for: a day is then written as a date, not as an instant.
    pub unit: Option<Unit>,
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

impl Table {
    /// Shapes the answer to a report's query. Personal columns are shortened here, so that no
    /// rendering can forget to. `coverage` and `provisional` are whole sentences.
    pub fn shape(
        report: &Report,
        answer: &Answer,
        window: Option<Window>,
        coverage: Vec<String>,
        complete_to: Option<DateTime<Utc>>,
        provisional: Option<String>,
    ) -> Table {
        let columns = columns(report);
        let groups = report.query.groups.len();
        let masked: Vec<bool> =
            columns.iter().map(|column| report.mask.contains(&column.name)).collect();
        let finish = |values: Vec<Value>| -> Vec<Value> {
            let cells = values.into_iter().zip(&masked);
            cells.map(|(value, masked)| if *masked { mask(value) } else { value }).collect()
        };
        let whole = |values: &[Value]| {
            // A total has no group: its grouping cells are null.
            let mut row = vec![Value::Null; groups];
            row.extend_from_slice(values);
            finish(row)
        };
        let rows = answer.rows.iter().map(|row| {
            let mut cells = row.shown.clone();
            cells.extend(row.values.iter().enumerate().map(|(i, v)| labelled(report, i, v)));
            finish(cells)
        });
        let others = answer
            .others
            .as_ref()
            .map(|(rows, values)| Others { rows: *rows, values: values.as_deref().map(whole) });
        Table {
            report: report.name.clone(),
            title: report.title.clone(),
            about: report.about.clone(),
            window,
            period: report.period.words().to_owned(),
            zone: report.zone.clone(),
            rows: rows.collect(),
            others,
            total: answer.total.as_deref().map(whole),
            empty: report.empty.clone(),
            list: report.query.list,
            records: answer.records,
            truncated: answer.truncated,
            coverage,
            complete_to,
            provisional,
            columns,
        }
    }

    /// The one value of a column that speaks for the whole table: the total, or the value of the
    /// only row where the report has no groups.
    pub fn figure(&self, column: usize) -> Option<&Value> {
        match (&self.total, self.rows.as_slice()) {
            (Some(total), _) => total.get(column),
            (None, [row]) if self.is_figures() => row.get(column),
            _ => None,
        }
    }

    /// Whether it is one row of figures about everything, without groups.
    pub fn is_figures(&self) -> bool {
        !self.list && self.rows.len() == 1 && !self.columns.iter().any(|column| column.grouping)
    }
}

fn columns(report: &Report) -> Vec<Column> {
    let column = |name: &str, grouping: bool, ty: Option<Type>, share: bool, expr: &Expr| Column {
        name: name.to_owned(),
        format: match report.formats.get(name) {
            Some(format) => *format,
            None if share => Format::Percent,
            None => Format::Auto,
        },
        grouping,
        numeric: ty.is_some_and(Type::is_number) && unit(expr).is_none(),
        share,
        ty,
        unit: unit(expr),
    };
    let groups = report.query.groups.iter().map(|group| {
        // People see labels where the key has any.
        let labelled = group.alias.is_some() || !group.labels.is_empty();
        let ty = if labelled { Type::Text } else { group.ty };
        column(&group.name, true, Some(ty), false, &group.expr)
    });
    let values = report.query.columns.iter();
    groups.chain(values.map(|c| column(&c.name, false, c.ty, c.share, &c.expr))).collect()
}

fn unit(expr: &Expr) -> Option<Unit> {
    match expr {
        Expr::Call(Function::Calendar(unit), _) => Some(*unit),
        _ => None,
    }
}

/// A list's picklist value as people read it.
fn labelled(report: &Report, column: usize, value: &Value) -> Value {
    let labels = report.query.columns.get(column).map_or(&[][..], |column| &column.labels);
    let label = value.text().and_then(|text| labels.iter().find(|(value, _)| value == text));
    label.map_or_else(|| value.clone(), |(_, label)| Value::Text(label.clone()))
}

/// A personal value shortened to its first character, which is enough to recognise one's own.
fn mask(value: Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Text(text) if text.is_empty() => Value::Text(text),
        Value::Text(text) => Value::Text(text.chars().take(1).chain(['\u{2026}']).collect()),
        _ => Value::Text("\u{2026}".to_owned()),
    }
}
