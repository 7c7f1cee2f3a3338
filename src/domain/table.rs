//! Tables: the result of a report, ready to be written as HTML, text or JSON.
//!
//! A table is made from a definition and stored data only. It holds values, not strings: rendering
//! formats them by locale. Totals are over all rows, also those not shown.

use chrono::{DateTime, Utc};

use serde::{Deserialize, Serialize};

use super::chart::Chart;
use super::compare::{Beside, Compared, Restated};
use super::expr::{Expr, Function, Unit};
use super::goal::Goal;
use super::period::Window;
use super::query::Answer;
use super::report::{Format, Report};
use super::value::{Type, Value};
use super::zone::Zone;

/// One report's answer for one slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// What its values should be.
    pub goal: Option<Goal>,
    /// Of a pivoted column: the value of the pivot it is for, `Total` for that over all of them.
    pub pivot: Option<String>,
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
            rest: Vec::new(),
            others,
            total: answer.total.as_deref().map(whole),
            empty: report.empty.clone(),
            list: report.query.list,
            records: answer.records,
            truncated: answer.truncated,
            coverage,
            complete_to,
            provisional,
            compared: None,
            trend: None,
            beside: Vec::new(),
            beside_total: None,
            chart: report.chart.clone(),
            drill: report.drill.clone(),
            only: report.only.clone(),
            restated: Vec::new(),
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
        goal: report.goals.get(name).copied(),
        pivot: None,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::domain::expr::ReportType;
    use crate::domain::query::{self, Group, Query, Row};

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn group(name: &str, expr: Expr, ty: Type) -> Group {
        Group { name: name.to_owned(), expr, ty, alias: None, labels: Vec::new(), origin: None }
    }

    fn value(name: &str, ty: Type) -> query::Column {
        query::Column {
            name: name.to_owned(),
            expr: Expr::Aggregate(0),
            ty: Some(ty),
            alias: None,
            share: false,
            labels: Vec::new(),
            origin: None,
        }
    }

    fn report(groups: Vec<Group>, columns: Vec<query::Column>, list: bool) -> Report {
        let query = Query {
            split: 0,
            pivot: false,
            percentile_min: 0,
            report_type: Arc::new(ReportType { name: "sessions".to_owned(), tables: Vec::new() }),
            date: None,
            filter: None,
            fold: None,
            groups,
            carried: Vec::new(),
            aggregates: Vec::new(),
            columns,
            list,
            sort: Vec::new(),
            top: None,
            total: true,
            texts: Arc::default(),
        };
        Report {
            name: "r".to_owned(),
            title: "How many?".to_owned(),
            about: None,
            period: "all time".parse().unwrap(),
            zone: Zone::utc(),
            query: Arc::new(query),
            formats: BTreeMap::from([("Wait".to_owned(), Format::Duration)]),
            empty: None,
            mask: vec!["User".to_owned()],
            goals: BTreeMap::new(),
            compare: None,
            trend: None,
            calendar: None,
            chart: None,
            drill: None,
            only: None,
            restate_above: Report::RESTATE_ABOVE,
            tests: Vec::new(),
            coverage: Vec::new(),
            hash: String::new(),
        }
    }

    fn shape(report: &Report, rows: Vec<Row>, total: Option<Vec<Value>>) -> Table {
        let others = total.clone().map(|total| (3, Some(total)));
        let answer =
            Answer { rows, others, total, records: 9, truncated: true, ..Answer::default() };
        Table::shape(report, &answer, None, vec!["All.".to_owned()], None, None)
    }

    #[test]
    fn groups_stand_before_values_and_totals_have_none() {
        let mut share = value("Share", Type::Real);
        share.share = true;
        let mut channel = group("Channel", Expr::AsOf, Type::Integer);
        channel.alias = Some(0);
        let day = Expr::Call(Function::Calendar(Unit::Weekday), Vec::new());
        let groups = vec![channel, group("Day", day, Type::Integer)];
        let report = report(groups, vec![value("Wait", Type::Real), share], false);
        let row = Row {
            keys: vec![text("0Mw"), Value::Integer(1)],
            shown: vec![text("Web chat"), Value::Integer(1)],
            values: vec![Value::Real(3.5), Value::Real(0.5)],
        };
        let table = shape(&report, vec![row], Some(vec![Value::Real(7.0), Value::Real(1.0)]));
        let told: Vec<_> = table
            .columns
            .iter()
            .map(|c| (c.name.as_str(), c.format, c.grouping, c.numeric, c.unit))
            .collect();
        assert_eq!(
            told,
            [
                ("Channel", Format::Auto, true, false, None),
                ("Day", Format::Auto, true, false, Some(Unit::Weekday)),
                ("Wait", Format::Duration, false, true, None),
                ("Share", Format::Percent, false, true, None),
            ]
        );
        assert_eq!(
            table.rows,
            [vec![text("Web chat"), Value::Integer(1), Value::Real(3.5), Value::Real(0.5)]]
        );
        let whole = vec![Value::Null, Value::Null, Value::Real(7.0), Value::Real(1.0)];
        assert_eq!(table.total, Some(whole.clone()));
        let others = table.others.as_ref().unwrap();
        assert_eq!((others.rows, others.values.as_ref()), (3, Some(&whole)));
        assert_eq!((table.records, table.truncated), (9, true));
        assert_eq!(table.figure(2), Some(&Value::Real(7.0)));
        assert_eq!(table.figure(0), Some(&Value::Null));
        assert_eq!(table.figure(4), None);
    }

    #[test]
    fn without_groups_the_only_row_speaks_for_the_table() {
        let report = report(Vec::new(), vec![value("Wait", Type::Real)], false);
        let row = Row { keys: Vec::new(), shown: Vec::new(), values: vec![Value::Real(4.0)] };
        let table = shape(&report, vec![row], None);
        assert!(table.is_figures());
        assert_eq!(table.figure(0), Some(&Value::Real(4.0)));
        assert_eq!(shape(&report, Vec::new(), None).figure(0), None);
    }

    #[test]
    fn a_list_shows_labels_and_shortens_what_is_personal() {
        let mut consent = value("Consent", Type::Text);
        consent.labels = vec![("OptIn".to_owned(), "Opted in".to_owned())];
        let report = report(Vec::new(), vec![value("User", Type::Text), consent], true);
        let row = |user: Value, consent: &str| Row {
            keys: Vec::new(),
            shown: Vec::new(),
            values: vec![user, text(consent)],
        };
        let rows = vec![
            row(text("Émile Zola"), "OptIn"),
            row(Value::Integer(491_701), "New"),
            row(Value::Null, ""),
            row(text(""), ""),
        ];
        let table = shape(&report, rows, None);
        assert_eq!(
            table.rows,
            [
                vec![text("É…"), text("Opted in")],
                vec![text("…"), text("New")],
                vec![Value::Null, text("")],
                vec![text(""), text("")],
            ]
        );
        assert!(!table.is_figures());
        assert_eq!(table.figure(0), None);
    }
}
