//! `chart` of a report: which of its columns are drawn, and how.

use super::super::super::problem::{Findings, suggestion};
use super::super::super::shape::{Raw, Shaped};
use super::super::super::text::At;
use super::super::super::wire::{ChartToml, Text};
use super::super::word;
use super::columns_of;
use crate::domain::chart::{Chart, ChartKind};
use crate::domain::query::{ColumnShown, Query};

/// At most so many columns in one chart: colours beyond that are not told apart.
const VALUES_MAX: usize = 6;

const KINDS: [(&str, ChartKind); 4] = [
    ("bars", ChartKind::Bars),
    ("stacked", ChartKind::Stacked),
    ("line", ChartKind::Line),
    ("histogram", ChartKind::Histogram),
];

/// Lowers it; `None` where there is none or it has a mistake, which is noted.
pub(super) fn lower(
    found: &mut Findings<'_>,
    raw: Option<Raw<'_>>,
    query: Option<&Query>,
) -> Option<Chart> {
    let raw = raw?;
    let table = raw.shape::<ChartToml>(found, &[]);
    let kind = table.required(found, "kind", &table.wire.kind, "\"bars\"");
    let kind = kind.and_then(|kind| word(found, table.file, kind, &KINDS));
    let query = query?;
    let shown = shown(query);
    if query.list || !shown.iter().any(|column| column.grouping) {
        let message = match query.list {
            true => "a chart of a list: its rows are records",
            false => "a chart of a report without groups: there is one row",
        };
        let help = "group the report, e.g. `group_by = [\"channel as Channel\"]`";
        found.problem(table.at.clone(), message, help);
        return None;
    }
    let values = values(found, &table, &shown);
    let by = by(found, &table, &shown);
    let chart = Chart { kind: kind?, values: values?, by: by? };
    fits(found, &table, query, &shown, &chart).then_some(chart)
}

/// The columns of the table: those of the query without what goes across.
fn shown(query: &Query) -> Vec<ColumnShown> {
    let mut shown = query.columns_shown();
    if query.pivot && !query.groups.is_empty() {
        shown.remove(query.groups.len() - 1);
    }
    shown
}

/// `of`: columns of figures; the first one where nothing is written.
fn values(
    found: &mut Findings<'_>,
    table: &Shaped<ChartToml>,
    shown: &[ColumnShown],
) -> Option<Vec<usize>> {
    let is_figure = |column: &ColumnShown| !column.grouping && column.numeric;
    let Some(of) = &table.wire.of else {
        let first = shown.iter().position(is_figure);
        if first.is_none() {
            let help = "a chart draws numbers, e.g. `count() as Records`";
            found.problem(table.at.clone(), "the report has no figure to draw", help);
        }
        return first.map(|first| vec![first]);
    };
    let mut values = Vec::new();
    let before = found.count();
    for name in of.get_ref() {
        match column(found, table, name, shown, is_figure, "is no figure") {
            Some(index) if values.contains(&index) => {
                let message = format!("`{}` is drawn twice", name.get_ref());
                found.problem(table.at(name), message, "remove one of them");
            }
            Some(index) => values.push(index),
            None => {}
        }
    }
    if !(1..=VALUES_MAX).contains(&of.get_ref().len()) {
        let message = format!("a chart draws 1 to {VALUES_MAX} columns");
        found.problem(table.at(of), message, None);
    }
    (found.count() == before).then_some(values)
}

/// `by`: a grouping column; the first one where nothing is written.
fn by(found: &mut Findings<'_>, table: &Shaped<ChartToml>, shown: &[ColumnShown]) -> Option<usize> {
    let names = |column: &ColumnShown| column.grouping;
    match &table.wire.by {
        None => shown.iter().position(names),
        Some(name) => column(found, table, name, shown, names, "does not name the rows"),
    }
}

/// The index of a column that a chart names; told where there is none of that kind.
fn column(
    found: &mut Findings<'_>,
    table: &Shaped<ChartToml>,
    name: &Text,
    shown: &[ColumnShown],
    right: fn(&ColumnShown) -> bool,
    otherwise: &str,
) -> Option<usize> {
    let written = name.get_ref().as_str();
    let index = shown.iter().position(|column| column.name == written);
    let message = match index {
        Some(index) if right(&shown[index]) => return Some(index),
        Some(_) => format!("`{written}` {otherwise}"),
        None => format!("the report has no column `{written}`"),
    };
    let help = suggestion(written, columns_of(shown, right));
    found.problem(table.at(name), message, help);
    None
}

/// Whether the kind can draw what is named.
fn fits(
    found: &mut Findings<'_>,
    table: &Shaped<ChartToml>,
    query: &Query,
    shown: &[ColumnShown],
    chart: &Chart,
) -> bool {
    let group = query.groups.get(chart.by).map(|group| &group.expr);
    // Whether the rows have an order of their own: ranges, hours, days.
    let ranges = group.is_some_and(|expr| query.bounds(expr).is_some());
    let unit = group.and_then(|expr| query.unit(expr));
    let at = |text: Option<At>| text.unwrap_or_else(|| table.at.clone());
    let kind_at = || at(table.wire.kind.as_ref().map(|kind| table.at(kind)));
    let several = || chart.values.len() > 1 || query.pivot;
    let (at, message, help) = match chart.kind {
        ChartKind::Histogram if !ranges && unit.is_none() => (
            at(table.wire.by.as_ref().map(|by| table.at(by))),
            format!("a histogram of `{}`, which has no order of its own", shown[chart.by].name),
            "group by ranges or by time, e.g. `bucket(x, 60, 300)` or `hour(x)`",
        ),
        ChartKind::Histogram if several() => (
            at(table.wire.of.as_ref().map(|of| table.at(of))),
            "a histogram of several columns".to_owned(),
            "name one, e.g. `of = [\"Sessions\"]`",
        ),
        ChartKind::Stacked if !several() => (
            kind_at(),
            "nothing to stack: one column is drawn".to_owned(),
            "name several in `of`, split them with `pivot_by`, or write `kind = \"bars\"`",
        ),
        ChartKind::Line if !ranges && unit.is_none() => (
            at(table.wire.by.as_ref().map(|by| table.at(by))),
            format!("a line along `{}`, which has no order of its own", shown[chart.by].name),
            "group by time, e.g. `day(x)` or `hour(x)`, or write `kind = \"bars\"`",
        ),
        _ => return true,
    };
    found.problem(at, message, help);
    false
}
