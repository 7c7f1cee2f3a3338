//! From the values of a table to the text of its cells, with what stands beside them.

use chrono::{Datelike, TimeDelta};

use crate::domain::compare::Beside;
use crate::domain::expr::Unit;
use crate::domain::table::{Column, Table};
use crate::domain::value::Value;

use super::super::chart;
use super::super::format::{Locale, clean, clipped, isolated, shortened};
use super::super::words::change::{self, Tone};
use super::super::words::{self, counted};
use super::grid::{WIDE, has_long_word};
use super::{Body, Cell, Head, Mark, Room, TableView, is_link};

/// Longest text of one cell, in characters.
const CELL_MAX: usize = 120;
/// Width of the longest bar of a column of shares, in pixels.
const BAR_MAX: f64 = 56.0;
/// Longest date without its year, in characters.
const DAY_MAX: usize = 12;
/// In tables of more columns than this, marks are short.
const LONG_MARKS: usize = 4;

pub(super) fn body(table: &Table, room: Room, locale: Locale) -> Body {
    if table.rows.is_empty() {
        let words = if table.window.is_some() { "Nothing in this period." } else { "Nothing yet." };
        return Body::Empty(words.to_owned());
    }
    let writer =
        Writer { table, locale, bars: bar_scales(table, room.extras), brief: brief(table) };
    let shown = table.rows.len().min(room.rows);
    let hidden = (table.rows.len() - shown) as u64;
    let (others, others_line) = match &table.others {
        Some(others) if others.rows > 0 => match &others.values {
            Some(values) => {
                let count = locale.integer(i64::try_from(others.rows).unwrap_or(i64::MAX));
                (Some(writer.others(values, &format!("Others ({count})"))), None)
            }
            None => (None, Some(format!("and {}", counted(others.rows, "more row", locale)))),
        },
        _ => (None, None),
    };
    let total = table.total.as_ref();
    Body::Table(Box::new(TableView {
        heads: heads(table, locale),
        rows: (0..shown).map(|row| writer.row(row)).collect(),
        figures: table.is_figures(),
        labels: room.extras,
        cut: (hidden > 0).then(|| {
            format!("and {}, left out to keep this mail small", counted(hidden, "more row", locale))
        }),
        others,
        others_line,
        total: total.map(|values| writer.whole(values, "Total", table.beside_total.as_ref())),
        block: None,
    }))
}

fn heads(table: &Table, locale: Locale) -> Vec<Head> {
    let head = |column: &Column| {
        let name = clipped(&column.name, 60);
        let (text, over) = match words::pivoted(column) {
            Some((pivot, measure)) => (clipped(measure, 60), Some(clipped(pivot, 60))),
            None => (name.clone(), None),
        };
        Head {
            long: has_long_word(&text),
            text: isolated(text),
            numeric: column.numeric,
            grouping: column.grouping,
            goal: column.goal.map(|goal| change::goal(goal, column, locale)),
            over: over.map(isolated),
            joined: isolated(name),
        }
    };
    let mut heads: Vec<Head> = table.columns.iter().map(head).collect();
    if let Some((column, periods)) = trend(table) {
        let text = format!("{}, last {periods}", clipped(&column.name, 40));
        heads.push(Head {
            joined: text.clone(),
            text,
            long: false,
            numeric: false,
            grouping: false,
            goal: None,
            over: None,
        });
    }
    heads
}

/// The column of the trend and over how many periods it goes.
fn trend(table: &Table) -> Option<(&Column, usize)> {
    let column = table.columns.get(table.trend?)?;
    let besides = table.beside.iter().chain(&table.beside_total);
    let periods = besides.map(|beside| beside.trend.len()).max().filter(|periods| *periods > 1)?;
    Some((column, periods))
}

/// For each column the share that gets the longest bar; `None`: no bars.
fn bar_scales(table: &Table, bars: bool) -> Vec<Option<f64>> {
    let scale = |column: usize| {
        let shares = table.rows.iter().filter_map(|row| row.get(column)?.number());
        shares.fold(0.0, f64::max)
    };
    let columns = table.columns.iter().enumerate();
    let wanted = bars && table.columns.len() <= WIDE && table.rows.len() > 1;
    columns
        .map(|(i, c)| (wanted && c.share).then(|| scale(i)).filter(|scale| *scale > 0.0))
        .collect()
}

struct Writer<'a> {
    table: &'a Table,
    locale: Locale,
    bars: Vec<Option<f64>>,
    /// Whether marks are short.
    brief: bool,
}

impl Writer<'_> {
    fn row(&self, row: usize) -> Vec<Cell> {
        let beside = self.table.beside.get(row);
        let values = self.table.rows[row].iter().take(self.table.columns.len()).enumerate();
        let mut cells: Vec<Cell> =
            values.map(|(i, value)| self.cell(i, value, self.bars[i], beside)).collect();
        cells.extend(self.trend(beside));
        cells
    }

    /// What `top` left out. Goals are for one row or for all, not for what happens to be left.
    fn others(&self, values: &[Value], name: &str) -> Vec<Cell> {
        let mut cells = self.whole(values, name, None);
        cells.iter_mut().for_each(|cell| cell.marks.clear());
        cells
    }

    /// A row about many: its name in the first cell, the other grouping cells blank.
    fn whole(&self, values: &[Value], name: &str, beside: Option<&Beside>) -> Vec<Cell> {
        let values = values.iter().take(self.table.columns.len()).enumerate();
        let mut cells: Vec<Cell> = values
            .map(|(i, value)| match self.table.columns[i].grouping {
                true => Cell::plain(""),
                false => self.cell(i, value, None, beside),
            })
            .collect();
        if self.table.columns.first().is_some_and(|column| column.grouping)
            && let Some(first) = cells.first_mut()
        {
            *first = Cell::plain(name);
        }
        cells.extend(self.trend(beside));
        cells
    }

    fn cell(
        &self,
        column: usize,
        value: &Value,
        scale: Option<f64>,
        beside: Option<&Beside>,
    ) -> Cell {
        let heading = &self.table.columns[column];
        let numeric = heading.numeric;
        let link = beside.and_then(|beside| beside.links.get(column)?.as_ref());
        let href = link.filter(|address| is_link(address)).cloned();
        let marks = self.marks(column, value, beside);
        match written(self.table, column, value, self.locale) {
            Some(text) => {
                let text = shortened(text, CELL_MAX);
                let bar = scale.zip(value.number()).map(|(scale, share)| {
                    (share.max(0.0) / scale * BAR_MAX).round().clamp(0.0, BAR_MAX) as u8
                });
                let bar = bar.filter(|width| *width > 0);
                // A day breaks badly over two lines.
                let day = matches!(value, Value::Timestamp(_)) && text.chars().count() <= DAY_MAX;
                let text = if day { text.replace(' ', "\u{a0}") } else { text };
                let long = has_long_word(&text);
                let own_direction = matches!(value, Value::Text(_));
                // What the locale writes has its isolates already.
                let text = if own_direction { isolated(text) } else { text };
                Cell { text, numeric, long, own_direction, bar, href, marks, ..Cell::default() }
            }
            None => {
                let text = self.table.empty.as_deref().map_or("\u{2013}".to_owned(), clean);
                Cell { text, muted: true, numeric, marks, ..Cell::default() }
            }
        }
    }

    /// The change and the goal of a value.
    fn marks(&self, column: usize, value: &Value, beside: Option<&Beside>) -> Vec<Mark> {
        let heading = &self.table.columns[column];
        let mut marks = Vec::new();
        let delta = beside.and_then(|beside| beside.deltas.get(column)?.as_ref());
        if let Some(delta) = delta.filter(|_| !matches!(value, Value::Null)) {
            let told = change::change(delta, heading, self.locale);
            marks.push(match change::unusual(delta) {
                Some((words, tone)) => {
                    let words = if self.brief { change::brief(words) } else { words.to_owned() };
                    Mark::new(tone, format!("{words}, {told}"))
                }
                None => Mark::new(Tone::Quiet, told),
            });
        }
        if let Some(state) = heading.goal.and_then(|goal| goal.state(value)) {
            let (words, tone) = change::goal_state(state);
            marks.push(Mark::new(tone, words));
        }
        marks
    }

    /// The cell of the trend, where the table has one.
    fn trend(&self, beside: Option<&Beside>) -> Option<Cell> {
        let (column, _) = trend(self.table)?;
        let values = beside.map_or(&[][..], |beside| beside.trend.as_slice());
        Some(match values {
            [] => Cell::plain(""),
            values => {
                let words = change::trend(values, column, self.locale);
                let marks = vec![Mark::new(Tone::Quiet, words)];
                Cell { text: chart::spark(values), spark: true, marks, ..Cell::default() }
            }
        })
    }
}

/// Whether marks of a table are short, since with words of many letters its columns would not fit a
/// narrow screen.
fn brief(table: &Table) -> bool {
    table.columns.len() + usize::from(trend(table).is_some()) > LONG_MARKS
}

/// What short marks mean, where there are any.
pub(super) fn legend(table: &Table) -> Option<&'static str> {
    let mut deltas = table.beside.iter().chain(&table.beside_total).flat_map(|b| &b.deltas);
    let unusual = deltas.any(|delta| delta.as_ref().is_some_and(|delta| delta.unusual));
    (unusual && brief(table))
        .then_some("Figures marked high or low are outside their usual spread.")
}

/// A value as its cell has it; `None` for null.
pub(super) fn written(
    table: &Table,
    column: usize,
    value: &Value,
    locale: Locale,
) -> Option<String> {
    let heading = &table.columns[column];
    match (heading.unit, value) {
        // The caption has the year.
        (Some(Unit::Day), Value::Timestamp(day)) if one_year(table) => {
            Some(locale.day_of_year(table.zone.civil(*day).date()))
        }
        _ => locale.value(value, heading, &table.zone),
    }
}

/// What a row is called: its grouping cells.
pub(super) fn name_of(table: &Table, row: &[Value], locale: Locale) -> String {
    let cells = row.iter().zip(&table.columns).enumerate();
    let names = cells.filter(|(_, (_, column))| column.grouping).map(|(i, (value, _))| {
        let text = written(table, i, value, locale);
        text.unwrap_or_else(|| table.empty.as_deref().map_or("\u{2013}".to_owned(), clean))
    });
    isolated(shortened(names.collect::<Vec<_>>().join(", "), 80))
}

/// Whether all days of the table are of one year.
fn one_year(table: &Table) -> bool {
    table.window.is_some_and(|window| {
        let last = window.to - TimeDelta::milliseconds(1);
        let year = |at| table.zone.civil(at).year();
        year(window.from) == year(last)
    })
}
