//! What is drawn: a table's numbers as series over marks, before anything has a place.
//!
//! Bounds are kept here: so many marks, so many series. What is left out is taken together where
//! the table's own totals prove that its values add up, and told in a note where they do not.

use crate::domain::chart::{Chart, ChartKind};
use crate::domain::goal::Goal;
use crate::domain::report::Format;
use crate::domain::table::Table;
use crate::render::format::Locale;

use super::font;

mod read;

use read::{Reader, number};

/// Bars of one picture, those of others included.
const BARS_MAX: usize = 20;
/// Standing bars of one picture.
const RANGES_MAX: usize = 31;
/// Series of one picture.
pub(super) const SERIES_MAX: usize = 5;
/// Points of one line.
const POINTS_MAX: usize = 200;

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
        if matches!(chart.kind, ChartKind::Line | ChartKind::Histogram) {
            // What `top` left out has no place of its own.
            let left = table.others.as_ref().map_or(0, |others| others.rows);
            if left > 0 {
                plot.notes.push(format!("{} more not drawn.", reader.count(left)));
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
        let rows = if self.wide { reader.table.rows.len() } else { self.marks.len() };
        self.marks_in_all = rows as u64 + others_rows;
        let room = if others.is_some() || rows > max { max - 1 } else { max };
        let cut = rows.saturating_sub(room) as u64;
        let rest = cut + others_rows;
        if rest == 0 {
            return;
        }
        let behind = self.marks.split_off(self.marks.len().min(room));
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
            self.notes.push(format!("{} more not drawn.", reader.count(rest)));
        }
    }

    /// Keeps the first marks and says how many are left out.
    fn cut_marks(&mut self, max: usize) {
        let left = self.marks.len().saturating_sub(max);
        if left > 0 {
            self.marks.truncate(max);
            self.notes.push(format!("{left} more not drawn."));
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
            self.notes.push(format!("{left} more not drawn."));
        }
    }

    /// Keeps the first series and says how many are left out.
    pub(super) fn drop_series(&mut self, kept: usize) {
        let left = self.series.len().saturating_sub(kept);
        if left > 0 {
            self.series.truncate(kept);
            let columns = if left == 1 { "column" } else { "columns" };
            self.notes.push(format!("{left} more {columns} not drawn."));
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
