//! What stands beside the figures of a payload: the news of a mail; changes, goals, trends and links
//! of a table.

use serde::Serialize;

use crate::domain::chart::ChartKind;
use crate::domain::compare::{Beside, Delta};
use crate::domain::goal::GoalState;
use crate::domain::period::Window;
use crate::domain::table::{Column, Table};
use crate::domain::value::Value;

use super::super::digest::{DigestMail, words};
use super::super::format::{Locale, plain};
use super::super::view::is_link;
use super::super::view::news::news;
use super::{finite, instant};

/// What a mail's first screen says.
#[derive(Serialize)]
pub(super) struct NewsData {
    part: Option<String>,
    late: bool,
    provisional: bool,
    /// How many goals are missed.
    missed: usize,
    /// How many figures lie outside their usual spread.
    unusual: usize,
    changes: Vec<ChangeData>,
    remarks: Vec<String>,
}

#[derive(Serialize)]
struct ChangeData {
    tone: &'static str,
    text: String,
    title: String,
}

pub(super) fn news_of(mail: &DigestMail, locale: Locale) -> NewsData {
    let words = words(mail, locale);
    let lines = news(&mail.sections, locale).lines.into_iter();
    NewsData {
        part: mail.part.clone(),
        late: words.late,
        provisional: words.provisional,
        missed: words.missed,
        unusual: words.unusual,
        changes: lines
            .map(|line| ChangeData {
                tone: line.tone.word(),
                text: plain(&line.text),
                title: line.title,
            })
            .collect(),
        remarks: mail.remarks.clone(),
    }
}

/// What a column's values should be.
#[derive(Serialize)]
pub(super) struct GoalData {
    /// `<`, `<=`, `>`, `>=`, `=` or `!=`, and the number.
    is: String,
    than: f64,
}

pub(super) fn goal(column: &Column) -> Option<GoalData> {
    let goal = column.goal?;
    Some(GoalData { is: goal.0.to_string(), than: goal.0.than })
}

/// What stands beside a table's figures. Lists by row are as long as `rows`, each entry as long as
/// `columns`; null where there is nothing of the kind in the whole table.
#[derive(Serialize)]
pub(super) struct BesideData<'a> {
    about: Option<&'a str>,
    /// A further condition of this digest.
    only: Option<&'a str>,
    /// Where the records behind it are.
    link: Option<&'a str>,
    compared: Option<ComparedData<'a>>,
    changes: Option<Vec<Vec<Option<DeltaData>>>>,
    total_changes: Option<Vec<Option<DeltaData>>>,
    goals: Option<Vec<Vec<Option<&'static str>>>>,
    total_goals: Option<Vec<Option<&'static str>>>,
    trend: Option<TrendData<'a>>,
    links: Option<Vec<Vec<Option<&'a str>>>>,
    restated: Vec<RestatedData<'a>>,
    chart: Option<ChartData<'a>>,
}

#[derive(Serialize)]
struct ComparedData<'a> {
    words: &'a str,
    windows: Vec<WindowData>,
    left_out: Vec<LeftOutData<'a>>,
}

#[derive(Serialize)]
struct WindowData {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct LeftOutData<'a> {
    from: String,
    to: String,
    reason: &'a str,
}

#[derive(Serialize)]
struct DeltaData {
    before: Option<f64>,
    change: Option<f64>,
    /// The change as a fraction of what was before.
    relative: Option<f64>,
    /// The usual spread, where it is known.
    usual: Option<[f64; 2]>,
    unusual: bool,
    better: Option<bool>,
}

#[derive(Serialize)]
struct TrendData<'a> {
    column: &'a str,
    /// Oldest first, this period last.
    rows: Vec<&'a [Option<f64>]>,
    total: Option<&'a [Option<f64>]>,
}

#[derive(Serialize)]
struct RestatedData<'a> {
    /// The slot of the mail that told it.
    slot: String,
    from: String,
    to: String,
    column: &'a str,
    before: Option<f64>,
    now: Option<f64>,
}

#[derive(Serialize)]
struct ChartData<'a> {
    kind: &'static str,
    columns: Vec<&'a str>,
    by: Option<&'a str>,
}

pub(super) fn beside(table: &Table) -> BesideData<'_> {
    let count = table.columns.len();
    let name = |column: usize| table.columns.get(column).map(|column| column.name.as_str());
    let rows = || table.beside.iter();
    let compared = rows().chain(&table.beside_total).any(|beside| !beside.deltas.is_empty());
    let goals = table.columns.iter().any(|column| column.goal.is_some());
    let linked = rows().any(|beside| beside.links.iter().any(Option::is_some));
    let total = table.beside_total.as_ref();
    BesideData {
        about: table.about.as_deref(),
        only: table.only.as_deref(),
        link: table.drill.as_deref().filter(|address| is_link(address)),
        compared: table.compared.as_ref().map(|compared| ComparedData {
            words: &compared.words,
            windows: compared.windows.iter().map(|window| span(*window)).collect(),
            left_out: compared
                .left_out
                .iter()
                .map(|(window, reason)| {
                    let WindowData { from, to } = span(*window);
                    LeftOutData { from, to, reason }
                })
                .collect(),
        }),
        changes: compared.then(|| rows().map(|beside| deltas(beside, count)).collect()),
        total_changes: total.filter(|_| compared).map(|beside| deltas(beside, count)),
        goals: goals.then(|| table.rows.iter().map(|row| states(table, row)).collect()),
        total_goals: table.total.as_ref().filter(|_| goals).map(|total| states(table, total)),
        trend: table.trend.and_then(name).map(|column| TrendData {
            column,
            rows: rows().map(|beside| beside.trend.as_slice()).collect(),
            total: total.map(|beside| beside.trend.as_slice()),
        }),
        links: linked.then(|| rows().map(|beside| links(beside, count)).collect()),
        restated: table
            .restated
            .iter()
            .filter_map(|restated| {
                let WindowData { from, to } = span(restated.window);
                Some(RestatedData {
                    slot: instant(restated.slot),
                    from,
                    to,
                    column: name(restated.column)?,
                    before: finite(Some(restated.before)),
                    now: finite(Some(restated.now)),
                })
            })
            .collect(),
        chart: table.chart.as_ref().map(|chart| ChartData {
            kind: match chart.kind {
                ChartKind::Bars => "bars",
                ChartKind::Stacked => "stacked",
                ChartKind::Line => "line",
                ChartKind::Histogram => "histogram",
            },
            columns: chart.values.iter().filter_map(|column| name(*column)).collect(),
            by: name(chart.by),
        }),
    }
}

fn span(window: Window) -> WindowData {
    WindowData { from: instant(window.from), to: instant(window.to) }
}

fn deltas(beside: &Beside, count: usize) -> Vec<Option<DeltaData>> {
    let delta = |delta: &Delta| DeltaData {
        before: finite(Some(delta.before)),
        change: finite(Some(delta.change)),
        relative: finite(delta.relative),
        usual: delta
            .usual
            .filter(|(low, high)| low.is_finite() && high.is_finite())
            .map(Into::into),
        unusual: delta.unusual,
        better: delta.better,
    };
    (0..count).map(|i| beside.deltas.get(i)?.as_ref().map(delta)).collect()
}

fn links(beside: &Beside, count: usize) -> Vec<Option<&str>> {
    let link = |i: usize| beside.links.get(i)?.as_deref().filter(|address| is_link(address));
    (0..count).map(link).collect()
}

fn states(table: &Table, row: &[Value]) -> Vec<Option<&'static str>> {
    let state = |(column, value): (&Column, &Value)| {
        Some(match column.goal?.state(value)? {
            GoalState::Met => "met",
            GoalState::Missed => "missed",
        })
    };
    table.columns.iter().zip(row).map(state).collect()
}
