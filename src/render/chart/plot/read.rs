//! Reading a table for a chart: which columns are series, which rows or values are marks.

use std::collections::{HashMap, HashSet};

use chrono::Datelike;

use crate::domain::chart::Chart;
use crate::domain::compare::Beside;
use crate::domain::expr::Unit;
use crate::domain::table::{Column, Table};
use crate::domain::value::Value;
use crate::render::format::{Locale, clipped};

use super::{Axis, Mark, Plot, Series};

/// Rows of a table that are looked at: no more than this many are ever shown.
const ROWS_MAX: usize = 20_000;
/// So many values of the other groups are looked at for the largest among them.
const LONG_SERIES_MAX: usize = 100;
/// Longest name, in characters.
const NAME_MAX: usize = 120;
/// Numbers beyond this are not drawn: computing with them would leave the range of numbers.
const NUMBER_MAX: f64 = 1e300;
/// The name of the pivoted column over all values.
const TOTAL: &str = "Total";

/// Reads a table for a chart.
pub(super) struct Reader<'a> {
    pub(super) table: &'a Table,
    pub(super) chart: &'a Chart,
    pub(super) locale: Locale,
    pub(super) by: &'a Column,
}

impl Reader<'_> {
    fn rows(&self) -> impl Iterator<Item = (usize, &Vec<Value>)> {
        self.table.rows.iter().enumerate().take(ROWS_MAX)
    }

    pub(super) fn count(&self, n: u64) -> String {
        self.locale.integer(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// The columns drawn: those named that hold numbers; of a pivoted report what became of them.
    pub(super) fn columns(&self) -> Vec<usize> {
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
        let mut seen = HashSet::new();
        drawn.retain(|i| seen.insert(*i));
        drawn
    }

    /// The other grouping columns, where one mark alone is several rows: their values are then the
    /// series.
    pub(super) fn splitting(&self) -> Option<Vec<usize>> {
        let columns = self.table.columns.iter().enumerate();
        let others = columns.filter(|(i, column)| column.grouping && *i != self.chart.by);
        let others: Vec<usize> = others.map(|(i, _)| i).collect();
        let mut seen = HashSet::new();
        let twice = self.rows().any(|(_, row)| !seen.insert(self.text(row, self.chart.by)));
        (!others.is_empty() && twice).then_some(others)
    }

    /// Whether the line is that of the trend beside each row rather than along the rows.
    pub(super) fn is_trend(&self, columns: &[usize]) -> bool {
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
    pub(super) fn adds_up(&self, column: usize) -> bool {
        if self.table.rows.len() > ROWS_MAX {
            return false;
        }
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
            None => heading.name.as_str(),
            // `Bot: Sessions`; where there is one column a value, its name is the value's alone.
            Some(pivot) => heading.name.strip_prefix(pivot)?.strip_prefix(": ")?,
        };
        (!name.is_empty()).then(|| clipped(name, NAME_MAX))
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
    pub(super) fn wide(&self, columns: &[usize]) -> Plot {
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
    pub(super) fn long(&self, column: usize, by: &[usize]) -> Plot {
        let mut series: Vec<Series> = Vec::new();
        let mut marks: Vec<Mark> = Vec::new();
        let (mut known, mut places) =
            (HashMap::<String, usize>::new(), HashMap::<String, usize>::new());
        let mut beyond = HashSet::new();
        for (place, row) in self.rows() {
            let texts: Vec<String> = by.iter().map(|column| self.text(row, *column)).collect();
            let name = clipped(&texts.join(" \u{b7} "), NAME_MAX);
            if series.len() == LONG_SERIES_MAX && !known.contains_key(&name) {
                beyond.insert(name);
                continue;
            }
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
        let mut plot = Plot { wide: false, ..self.plot(series, marks, self.measure(column)) };
        if !beyond.is_empty() {
            plot.notes.push(format!("{} more not looked at.", self.count(beyond.len() as u64)));
        }
        plot
    }

    /// The trend's periods as marks, a series a row.
    pub(super) fn trend(&self) -> Option<Plot> {
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
            let value = |(_, beside): &((usize, &Vec<Value>), &Beside)| {
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

/// A number that can be drawn.
pub(super) fn number(value: Option<&Value>) -> Option<f64> {
    value?
        .number()
        .filter(|x| x.abs() <= NUMBER_MAX)
        .map(|x| if x.abs() < 1e-300 { 0.0 } else { x })
}
