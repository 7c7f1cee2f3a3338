//! What the columns of a file hold: a table's own, and what stands beside them.

use std::borrow::Cow;
use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};

use super::SheetError;
use crate::domain::compare::Beside;
use crate::domain::expr::Unit;
use crate::domain::goal::GoalState;
use crate::domain::report::Format;
use crate::domain::table::{Column, Table};
use crate::domain::value::Value;
use crate::render::format::{Locale, clean};

/// Longest heading, in characters: a spreadsheet's table takes 255.
const HEADING_MAX: usize = 200;

/// What a column of a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The table's own values.
    Value,
    /// The baseline of a comparison.
    Before,
    /// The value less its baseline.
    Change,
    /// Whether the goal is met, as a word.
    Goal,
    /// The address of the record that the cell names.
    Link,
    /// A value of the trend: its index, oldest first.
    Trend(usize),
}

/// A column of a file.
#[derive(Clone, Debug)]
pub(super) struct FileColumn {
    /// Unique, whatever the case of its letters.
    pub(super) heading: String,
    /// Index of the table's column.
    pub(super) of: usize,
    pub(super) kind: Kind,
}

/// A cell of a file, typed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Empty,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Date(NaiveDate),
    Instant(DateTime<Utc>),
}

/// A table's values and what stands beside them.
pub(super) type Row<'a> = (&'a [Value], Option<&'a Beside>);

/// A table as a file has it.
#[derive(Clone, Debug)]
pub(super) struct Layout<'a> {
    pub(super) table: &'a Table,
    pub(super) columns: Vec<FileColumn>,
    rows_max: usize,
}

impl<'a> Layout<'a> {
    /// Refuses a table with a row of another width: its values would stand under wrong headings.
    pub(super) fn new(table: &'a Table, rows_max: usize) -> Result<Layout<'a>, SheetError> {
        let expected = table.columns.len();
        let others = table.others.iter().filter_map(|others| others.values.as_ref());
        let all = table.rows.iter().chain(&table.rest).chain(others).chain(&table.total);
        if let Some(row) = all.into_iter().find(|row| row.len() != expected) {
            let (report, found) = (table.report.clone(), row.len());
            return Err(SheetError::Width { report, found, expected });
        }
        Ok(Layout { table, columns: columns(table), rows_max })
    }

    /// The rows of the file: those shown, then those behind `top`.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'a>> {
        let table = self.table;
        let shown = table.rows.iter().enumerate();
        let shown = shown.map(|(i, row)| (row.as_slice(), table.beside.get(i)));
        let rest = table.rest.iter().map(|row| (row.as_slice(), None));
        shown.chain(rest).take(self.rows_max)
    }

    /// How many [`Layout::rows`] there are.
    pub(super) fn len(&self) -> usize {
        (self.table.rows.len() + self.table.rest.len()).min(self.rows_max)
    }

    /// The table's column that a column of the file is about.
    pub(super) fn column(&self, column: &FileColumn) -> &'a Column {
        &self.table.columns[column.of]
    }

    pub(super) fn cell(&self, column: &FileColumn, (values, beside): Row<'a>) -> Cell<'a> {
        let of = self.column(column);
        let value = &values[column.of];
        let delta = || beside?.deltas.get(column.of)?.as_ref();
        let real = |x: Option<f64>| match x {
            Some(x) if x.is_finite() => Cell::Real(x),
            _ => Cell::Empty,
        };
        match column.kind {
            Kind::Value => self.value(of, value),
            Kind::Before => real(delta().map(|delta| delta.before)),
            Kind::Change => real(delta().map(|delta| delta.change)),
            Kind::Goal => match of.goal.and_then(|goal| goal.state(value)) {
                Some(GoalState::Met) => Cell::Text("met".into()),
                Some(GoalState::Missed) => Cell::Text("missed".into()),
                None => Cell::Empty,
            },
            Kind::Link => match link(beside, column.of) {
                Some(link) => Cell::Text(link.into()),
                None => Cell::Empty,
            },
            Kind::Trend(at) => real(beside.and_then(|beside| *beside.trend.get(at)?)),
        }
    }

    fn value(&self, column: &Column, value: &'a Value) -> Cell<'a> {
        match value {
            Value::Null => Cell::Empty,
            Value::Boolean(yes) => Cell::Boolean(*yes),
            // A file has the name of a weekday: 1 is Monday to us alone.
            Value::Integer(n) if column.unit == Some(Unit::Weekday) => {
                let name = Locale::named("en-GB").value(value, column, &self.table.zone);
                name.map_or(Cell::Integer(*n), |name| Cell::Text(name.into()))
            }
            Value::Integer(n) => Cell::Integer(*n),
            Value::Real(x) if x.is_finite() => Cell::Real(*x),
            Value::Real(_) => Cell::Empty,
            Value::Text(text) => Cell::Text(text.into()),
            Value::Timestamp(at) => match column.unit {
                Some(Unit::Day | Unit::Week | Unit::Month) => {
                    Cell::Date(self.table.zone.civil(*at).date())
                }
                _ => Cell::Instant(*at),
            },
        }
    }
}

/// The address of the record that a cell names: http and https only, so that a click opens a page
/// and nothing else.
pub(super) fn link(beside: Option<&Beside>, column: usize) -> Option<&str> {
    let link = beside?.links.get(column)?.as_deref()?;
    let web = ["https://", "http://"].iter().any(|scheme| link.starts_with(scheme));
    let fits = link.len() <= 2_000 && link.bytes().all(|b| b.is_ascii_graphic());
    (web && fits).then_some(link)
}

fn columns(table: &Table) -> Vec<FileColumn> {
    let all = || table.beside.iter().chain(&table.beside_total);
    let mut columns = Vec::new();
    for (of, column) in table.columns.iter().enumerate() {
        let name = heading(&column.name);
        let mut add = |words: &str, kind| {
            columns.push(FileColumn { heading: format!("{name}{words}"), of, kind });
        };
        add("", Kind::Value);
        if all().any(|beside| matches!(beside.deltas.get(of), Some(Some(_)))) {
            add(" before", Kind::Before);
            add(" change", Kind::Change);
        }
        if column.goal.is_some() && column.numeric {
            add(" goal", Kind::Goal);
        }
        if all().any(|beside| link(Some(beside), of).is_some()) {
            add(" link", Kind::Link);
        }
        if table.trend == Some(of) {
            let periods = all().map(|beside| beside.trend.len()).max().unwrap_or(0);
            for at in 0..periods {
                let words = match periods - 1 - at {
                    0 => " this period".to_owned(),
                    1 => " 1 period ago".to_owned(),
                    n => format!(" {n} periods ago"),
                };
                add(&words, Kind::Trend(at));
            }
        }
    }
    unique(&mut columns);
    columns
}

fn heading(name: &str) -> String {
    let name: String = clean(name).chars().take(HEADING_MAX).collect();
    if name.is_empty() { "Column".to_owned() } else { name }
}

/// Headings that are there already get a number: a script picks columns by name.
fn unique(columns: &mut [FileColumn]) {
    let mut seen = HashSet::new();
    for column in columns {
        let wanted = column.heading.clone();
        for number in 2.. {
            if seen.insert(column.heading.to_lowercase()) {
                break;
            }
            column.heading = format!("{wanted} ({number})");
        }
    }
}

/// Whether a column's values are lengths of time, in seconds.
pub(super) fn is_duration(column: &Column) -> bool {
    column.format == Format::Duration
}
