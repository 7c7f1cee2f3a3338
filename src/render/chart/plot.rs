//! What is drawn: a table's numbers as series over marks, before anything has a place.
//!
//! Bounds are kept here: so many marks, so many series. What is left out is taken together where
//! the table's own totals prove that its values add up, and told in a note where they do not.

use chrono::Datelike;

use crate::domain::chart::{Chart, ChartKind};
use crate::domain::expr::Unit;
use crate::domain::goal::Goal;
use crate::domain::report::Format;
use crate::domain::table::{Column, Table};
use crate::domain::value::Value;
use crate::render::format::{Locale, clipped};

use super::font;

/// Bars of one picture, those of others included.
const BARS_MAX: usize = 20;
/// Standing bars of one picture.
const RANGES_MAX: usize = 31;
/// Series of one picture.
pub(super) const SERIES_MAX: usize = 5;
/// Points of one line.
const POINTS_MAX: usize = 200;
/// Rows of a table that are looked at: no more than this many are ever shown.
const ROWS_MAX: usize = 20_000;
/// Longest name, in characters.
const NAME_MAX: usize = 120;
/// Numbers beyond this are not drawn: computing with them would leave the range of numbers.
const NUMBER_MAX: f64 = 1e300;

/// Series over marks.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) kind: ChartKind,
    /// What is measured, where it is one thing.
    pub(super) measure: Option<String>,
    /// What the marks are.
    pub(super) by: String,
    pub(super) series: Vec<Series>,
    pub(super) marks: Vec<Mark>,
    /// Whether a mark is a row and a series a column.
    wide: bool,
    /// How the marks lie along a line.
    pub(super) axis: Axis,
    /// Marks there are in all.
    pub(super) marks_in_all: u64,
    /// What is not drawn, in sentences.
    pub(super) notes: Vec<String>,
}

/// One measured thing.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    /// Its number, for a name that cannot be shown.
    pub(super) number: usize,
    pub(super) format: Format,
    pub(super) goal: Option<Goal>,
    /// Stands for what is left.
    pub(super) others: bool,
}

/// One place with a value of each series.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) name: String,
    /// The row's number in the table, for a name that cannot be shown; `None`: it is no row.
    pub(super) row: Option<usize>,
    /// Where it lies along a line.
    pub(super) at: f64,
    pub(super) values: Vec<Option<f64>>,
    /// Stands for what is left.
    pub(super) others: bool,
}

/// How marks lie along a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Axis {
    /// One after the other.
    Order,
    /// By time, `step` apart where none is missing.
    Time { step: f64 },
    /// By time, without a step.
    Instants,
}

impl Series {
    pub(super) fn label(&self) -> String {
        font::showable(&self.name).unwrap_or_else(|| format!("series {}", self.number))
    }
}

impl Mark {
    pub(super) fn label(&self) -> String {
        font::showable(&self.name)
            .unwrap_or_else(|| self.row.map_or_else(|| "?".to_owned(), |row| format!("row {row}")))
    }

    pub(super) fn value(&self, series: usize) -> Option<f64> {
        self.values.get(series).copied().flatten()
    }
}

impl Plot {
    /// The plot of a table's chart; `None` where nothing in it can be drawn.
    pub(super) fn of(table: &Table, chart: &Chart, locale: Locale) -> Option<Plot> {
        let reader = Reader { table, chart, locale, by: table.columns.get(chart.by)? };
        let columns = reader.columns();
        if columns.is_empty() || table.rows.is_empty() {
            return None;
        }
        let mut plot = match (chart.kind, reader.splitting()) {
            (ChartKind::Line, _) if reader.is_trend(&columns) => reader.trend()?,
            (ChartKind::Line | ChartKind::Stacked, Some(by)) => reader.long(columns[0], &by),
            _ => reader.wide(&columns),
        };
        match chart.kind {
            ChartKind::Bars => plot.bound_marks(BARS_MAX, &reader, &columns),
            ChartKind::Stacked => {
                plot.bound_series(true);
                plot.bound_marks(BARS_MAX, &reader, &columns);
            }
            ChartKind::Line => {
                plot.order_ranges();
                plot.bound_series(false);
                plot.bound_points();
            }
            ChartKind::Histogram => {
                plot.series.truncate(1);
                plot.order_ranges();
                plot.marks.sort_by(|a, b| a.at.total_cmp(&b.at));
                plot.cut_marks(RANGES_MAX);
            }
        }
        if plot.kind == ChartKind::Bars && plot.series.len() > SERIES_MAX {
            plot.drop_series(SERIES_MAX);
        }
        let drawn = plot.marks.iter().any(|mark| mark.values.iter().any(Option::is_some));
        drawn.then_some(plot)
    }

    /// All its numbers of one series.
    pub(super) fn values(&self, series: usize) -> impl Iterator<Item = f64> + '_ {
        self.marks.iter().filter_map(move |mark| mark.value(series))
    }

    /// Keeps the first marks; the rest is one bar where the values prove to add up.
    fn bound_marks(&mut self, max: usize, reader: &Reader<'_>, columns: &[usize]) {
        let others = reader.table.others.as_ref().filter(|others| others.rows > 0 && self.wide);
        let others_rows = others.map_or(0, |others| others.rows);
        let rows = self.marks.len();
        self.marks_in_all = rows as u64 + others_rows;
        let room = if others.is_some() || rows > max { max - 1 } else { max };
        let cut = rows.saturating_sub(room) as u64;
        let rest = cut + others_rows;
        if rest == 0 {
            return;
        }
        let behind = self.marks.split_off(rows.min(room));
        let values: Vec<Option<f64>> = match self.wide && columns.len() == self.series.len() {
            true if cut == 0 => {
                let values = others.and_then(|others| others.values.as_ref());
                columns.iter().map(|column| number(values?.get(*column))).collect()
            }
            // Some rows of the table itself are left out: their sum says something only where sums
            // do.
            true => {
                let behind = |series: usize| behind.iter().filter_map(move |m| m.value(series));
                let left = |(series, column): (usize, &usize)| {
                    reader.adds_up(*column).then(|| {
                        let others = others.and_then(|o| number(o.values.as_ref()?.get(*column)));
                        behind(series).sum::<f64>() + others.unwrap_or(0.0)
                    })
                };
                columns.iter().enumerate().map(left).collect()
            }
            false => Vec::new(),
        };
        if values.iter().any(Option::is_some) {
            let name = format!("Others ({})", reader.count(rest));
            self.marks.push(Mark { name, row: None, at: f64::INFINITY, values, others: true });
        } else {
            self.notes.push(format!("{} more in the table.", reader.count(rest)));
        }
    }

    /// Keeps the first marks and says how many are left out.
    fn cut_marks(&mut self, max: usize) {
        let left = self.marks.len().saturating_sub(max);
        if left > 0 {
            self.marks.truncate(max);
            self.notes.push(format!("{left} more in the table."));
        }
    }

    /// Keeps the largest series; the rest is one series of sums, or left out.
    fn bound_series(&mut self, sums: bool) {
        let all = self.series.len();
        if all <= SERIES_MAX {
            return;
        }
        let weight = |series: usize| self.values(series).map(f64::abs).sum::<f64>();
        let mut ranked: Vec<(usize, f64)> = (0..all).map(|i| (i, weight(i))).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let room = if sums { SERIES_MAX - 1 } else { SERIES_MAX };
        let mut kept: Vec<usize> = ranked[..room].iter().map(|(i, _)| *i).collect();
        kept.sort_unstable();
        for mark in &mut self.marks {
            let rest = (0..all).filter(|i| !kept.contains(i)).filter_map(|i| mark.value(i));
            let rest = rest.fold(None, |sum: Option<f64>, x| Some(sum.unwrap_or(0.0) + x));
            let mut values: Vec<Option<f64>> = kept.iter().map(|i| mark.value(*i)).collect();
            if sums {
                values.push(rest);
            }
            mark.values = values;
        }
        let format = self.series[0].format;
        self.series = kept.iter().map(|i| self.series[*i].clone()).collect();
        let left = all - room;
        if sums {
            let name = format!("Others ({left})");
            self.series.push(Series { name, number: 0, format, goal: None, others: true });
        } else {
            self.notes.push(format!("{left} more in the table."));
        }
    }

    /// Keeps the first series and says how many are left out.
    pub(super) fn drop_series(&mut self, kept: usize) {
        let left = self.series.len().saturating_sub(kept);
        if left > 0 {
            self.series.truncate(kept);
            let columns = if left == 1 { "column" } else { "columns" };
            self.notes.push(format!("{left} more {columns} in the table."));
        }
    }

    /// Brings ranges (`< 60`, `60 to < 300`, `>= 300`) into their order, whatever the table is
    /// sorted by, and writes their sign as a reader knows it.
    fn order_ranges(&mut self) {
        let bounds: Vec<Option<f64>> =
            self.marks.iter().map(|mark| lower_bound(&mark.name)).collect();
        // A row for what is in no range may stand among them.
        let ranges = bounds.iter().flatten().count();
        if self.axis != Axis::Order || ranges < 2 || ranges + 1 < bounds.len() {
            return;
        }
        for (mark, bound) in self.marks.iter_mut().zip(bounds) {
            mark.at = bound.unwrap_or(f64::INFINITY);
            mark.name = mark.name.replace(">=", "\u{2265}");
        }
        self.marks.sort_by(|a, b| a.at.total_cmp(&b.at));
        for (place, mark) in (0..).zip(&mut self.marks) {
            mark.at = f64::from(place);
        }
    }

    /// Brings points into their order and keeps the last ones.
    fn bound_points(&mut self) {
        if self.axis != Axis::Order {
            self.marks.retain(|mark| mark.at.is_finite());
            self.marks.sort_by(|a, b| a.at.total_cmp(&b.at));
        }
        let left = self.marks.len().saturating_sub(POINTS_MAX);
        if left > 0 {
            self.notes.push(format!("The last {POINTS_MAX} of {}.", self.marks.len()));
            self.marks.drain(..left);
        }
    }
}

/// Reads a table for a chart.
struct Reader<'a> {
    table: &'a Table,
    chart: &'a Chart,
    locale: Locale,
    by: &'a Column,
}

impl Reader<'_> {
    fn rows(&self) -> impl Iterator<Item = (usize, &Vec<Value>)> {
        self.table.rows.iter().enumerate().take(ROWS_MAX)
    }

    fn count(&self, n: u64) -> String {
        self.locale.integer(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// The columns drawn: those named that hold numbers; of a pivoted report what became of them.
    fn columns(&self) -> Vec<usize> {
        let columns = &self.table.columns;
        let pivoted: Vec<usize> = (0..columns.len())
            .filter(|i| columns[*i].pivot.as_deref().is_some_and(|pivot| pivot != TOTAL))
            .collect();
        let named: Vec<usize> = match pivoted.first() {
            None => self.chart.values.clone(),
            Some(first) => {
                // All columns of the first value that goes across, then those of the next.
                let value = &columns[*first].pivot;
                let width = pivoted.iter().filter(|i| columns[**i].pivot == *value).count();
                let groups = columns.iter().filter(|column| column.grouping).count();
                let wanted = self.chart.values.first().map_or(0, |i| i.saturating_sub(groups));
                let wanted = wanted.min(width.saturating_sub(1));
                pivoted.iter().copied().skip(wanted).step_by(width.max(1)).collect()
            }
        };
        let drawn = |i: &usize| {
            let measures = columns.get(*i).is_some_and(|column| column.unit.is_none());
            measures && self.rows().any(|(_, row)| number(row.get(*i)).is_some())
        };
        let mut drawn: Vec<usize> = named.into_iter().filter(drawn).collect();
        let mut seen = std::collections::HashSet::new();
        drawn.retain(|i| seen.insert(*i));
        drawn
    }

    /// The other grouping columns, where one mark alone is several rows: their values are then the
    /// series.
    fn splitting(&self) -> Option<Vec<usize>> {
        let columns = self.table.columns.iter().enumerate();
        let others = columns.filter(|(i, column)| column.grouping && *i != self.chart.by);
        let others: Vec<usize> = others.map(|(i, _)| i).collect();
        let mut seen = std::collections::HashSet::new();
        let twice = self.rows().any(|(_, row)| !seen.insert(self.text(row, self.chart.by)));
        (!others.is_empty() && twice).then_some(others)
    }

    /// Whether the line is that of the trend beside each row rather than along the rows.
    fn is_trend(&self, columns: &[usize]) -> bool {
        let along = self.by.unit.is_some_and(|unit| unit != Unit::Weekday);
        !along
            && self.table.trend.is_some_and(|trend| columns == [trend])
            && self.table.beside.iter().any(|beside| beside.trend.iter().any(Option::is_some))
    }

    /// A row's text in a column.
    fn text(&self, row: &[Value], column: usize) -> String {
        let value = row.get(column).unwrap_or(&Value::Null);
        let heading = self.table.columns.get(column);
        let text = match (heading.and_then(|heading| heading.unit), value) {
            // As short as it can be told: the picture has its period above it.
            (Some(Unit::Day | Unit::Week), Value::Timestamp(at)) => {
                Some(self.locale.day_of_year(self.table.zone.date(*at)))
            }
            _ => heading.and_then(|heading| self.locale.value(value, heading, &self.table.zone)),
        };
        let none = || self.table.empty.clone().unwrap_or_else(|| "\u{2013}".to_owned());
        clipped(&text.filter(|text| !text.is_empty()).unwrap_or_else(none), NAME_MAX)
    }

    /// Whether the column's values over all rows are proven to be the sum of the rows'.
    fn adds_up(&self, column: usize) -> bool {
        let Some(total) = self.table.total.as_ref().and_then(|total| number(total.get(column)))
        else {
            return false;
        };
        let others = match &self.table.others {
            Some(others) if others.rows > 0 => {
                match others.values.as_ref().and_then(|values| number(values.get(column))) {
                    Some(others) => others,
                    None => return false,
                }
            }
            _ => 0.0,
        };
        let rows = self.table.rows.iter().filter_map(|row| number(row.get(column)));
        let (sum, size) = rows.fold((others, others.abs()), |(s, z), x| (s + x, z + x.abs()));
        (sum - total).abs() <= 1e-9 * size
    }

    fn series(&self, column: usize, number: usize) -> Series {
        let heading = &self.table.columns[column];
        let name = heading.pivot.as_deref().unwrap_or(&heading.name);
        Series {
            name: clipped(name, NAME_MAX),
            number,
            format: heading.format,
            goal: heading.goal,
            others: false,
        }
    }

    /// What one column measures, its pivot's value left out.
    fn measure(&self, column: usize) -> Option<String> {
        let heading = &self.table.columns[column];
        let name = match heading.pivot.as_deref() {
            None => heading.name.clone(),
            Some(pivot) => heading.name.replace(pivot, ""),
        };
        let name = name.trim_matches(|c: char| !c.is_alphanumeric() && c != '%').to_owned();
        (!name.is_empty()).then(|| clipped(&name, NAME_MAX))
    }

    fn plot(&self, series: Vec<Series>, marks: Vec<Mark>, measure: Option<String>) -> Plot {
        Plot {
            kind: self.chart.kind,
            measure,
            by: clipped(&self.by.name, NAME_MAX),
            series,
            marks_in_all: marks.len() as u64,
            marks,
            wide: true,
            axis: self.axis(),
            notes: Vec::new(),
        }
    }

    fn axis(&self) -> Axis {
        let instant =
            |row: &Vec<Value>| matches!(row.get(self.chart.by), Some(Value::Timestamp(_)));
        match self.by.unit {
            Some(Unit::Week) => Axis::Time { step: 7.0 },
            Some(_) => Axis::Time { step: 1.0 },
            None if self.table.rows.iter().any(instant) => Axis::Instants,
            None => Axis::Order,
        }
    }

    /// Where a row lies along a line, or in the order of ranges.
    fn at(&self, place: usize, row: &[Value]) -> f64 {
        match (self.by.unit, row.get(self.chart.by)) {
            (Some(Unit::Month), Some(Value::Timestamp(at))) => {
                let date = self.table.zone.date(*at);
                f64::from(date.year()) * 12.0 + f64::from(date.month0())
            }
            (Some(_), Some(Value::Timestamp(at))) => {
                f64::from(self.table.zone.date(*at).num_days_from_ce())
            }
            (None, Some(Value::Timestamp(at))) => at.timestamp_millis() as f64,
            (Some(_), Some(value)) => number(Some(value)).unwrap_or(f64::NAN),
            (Some(_), None) => f64::NAN,
            _ => place as f64,
        }
    }

    /// A mark a row, a series a column.
    fn wide(&self, columns: &[usize]) -> Plot {
        let splitting = self.splitting().unwrap_or_default();
        let marks = self.rows().map(|(place, row)| {
            let mut name = self.text(row, self.chart.by);
            for column in &splitting {
                name = format!("{name} \u{b7} {}", self.text(row, *column));
            }
            Mark {
                name: clipped(&name, NAME_MAX),
                row: Some(place + 1),
                at: self.at(place, row),
                values: columns.iter().map(|column| number(row.get(*column))).collect(),
                others: false,
            }
        });
        let series = columns.iter().enumerate().map(|(i, column)| self.series(*column, i + 1));
        let measure = match columns {
            [column] => self.measure(*column),
            [column, ..] if self.table.columns[*column].pivot.is_some() => self.measure(*column),
            _ => None,
        };
        self.plot(series.collect(), marks.collect(), measure)
    }

    /// A mark for each value of the column it runs along, a series for each value of the others.
    fn long(&self, column: usize, by: &[usize]) -> Plot {
        let mut series: Vec<Series> = Vec::new();
        let mut marks: Vec<Mark> = Vec::new();
        let (mut known, mut places) = (
            std::collections::HashMap::<String, usize>::new(),
            std::collections::HashMap::<String, usize>::new(),
        );
        for (place, row) in self.rows() {
            let texts: Vec<String> = by.iter().map(|column| self.text(row, *column)).collect();
            let name = clipped(&texts.join(" \u{b7} "), NAME_MAX);
            let number_of = series.len() + 1;
            let index = *known.entry(name.clone()).or_insert_with(|| {
                let goal = self.table.columns[column].goal;
                let format = self.table.columns[column].format;
                series.push(Series { name, number: number_of, format, goal, others: false });
                number_of - 1
            });
            let name = self.text(row, self.chart.by);
            let mark = *places.entry(name.clone()).or_insert_with(|| {
                let (at, row) = (self.at(marks.len(), row), Some(place + 1));
                marks.push(Mark { name, row, at, values: Vec::new(), others: false });
                marks.len() - 1
            });
            let values = &mut marks[mark].values;
            values.resize(values.len().max(index + 1), None);
            values[index] = number(row.get(column));
        }
        Plot { wide: false, ..self.plot(series, marks, self.measure(column)) }
    }

    /// The trend's periods as marks, a series a row.
    fn trend(&self) -> Option<Plot> {
        let column = self.table.trend?;
        let heading = self.table.columns.get(column)?;
        let rows =
            self.rows().zip(&self.table.beside).filter(|(_, beside)| !beside.trend.is_empty());
        let rows: Vec<_> = rows.collect();
        let length = rows.iter().map(|(_, beside)| beside.trend.len()).max()?;
        let series = rows.iter().map(|((place, row), _)| Series {
            name: self.text(row, self.chart.by),
            number: place + 1,
            format: heading.format,
            goal: heading.goal,
            others: false,
        });
        let marks = (0..length).map(|place| {
            let before = length - 1 - place;
            let name = match before {
                0 => clipped(&self.table.period, NAME_MAX),
                1 => "1 period before".to_owned(),
                n => format!("{n} periods before"),
            };
            let value = |(_, beside): &((usize, &Vec<Value>), &crate::domain::compare::Beside)| {
                // Shorter ones end with this period too.
                let skipped = length - beside.trend.len();
                let value = *beside.trend.get(place.checked_sub(skipped)?)?;
                value.filter(|x| x.abs() <= NUMBER_MAX)
            };
            let values = rows.iter().map(value).collect();
            Mark { name, row: None, at: place as f64, values, others: false }
        });
        let mut plot = self.plot(series.collect(), marks.collect(), self.measure(column));
        plot.axis = Axis::Order;
        Some(plot)
    }
}

/// The name of the pivoted column over all values.
const TOTAL: &str = "Total";

/// A number that can be drawn.
fn number(value: Option<&Value>) -> Option<f64> {
    value?
        .number()
        .filter(|x| x.abs() <= NUMBER_MAX)
        .map(|x| if x.abs() < 1e-300 { 0.0 } else { x })
}

/// Where a range as `bucket` names it begins: `< 60` before all others, `60 to < 300` at 60,
/// `>= 300` at 300. Nothing else is a range.
fn lower_bound(text: &str) -> Option<f64> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|x| x.is_finite());
    if let Some(upper) = text.strip_prefix("< ") {
        return number(upper).map(|_| f64::NEG_INFINITY);
    }
    if let Some(lower) = text.strip_prefix(">= ") {
        return number(lower);
    }
    let (lower, upper) = text.split_once(" to < ")?;
    number(upper).and_then(|_| number(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_in_their_order() {
        assert_eq!(lower_bound("< 60"), Some(f64::NEG_INFINITY));
        assert_eq!(lower_bound("60 to < 300"), Some(60.0));
        assert_eq!(lower_bound(">= 300"), Some(300.0));
        assert_eq!(lower_bound("-5 to < 0"), Some(-5.0));
        for other in ["a while", "< a while", "", "7 periods before", "3", "1 to 2", "a to < 3"] {
            assert_eq!(lower_bound(other), None, "{other}");
        }
    }
}
