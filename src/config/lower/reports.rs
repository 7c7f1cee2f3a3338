//! `[reports]`: tables computed from a report type.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::problem::{Findings, suggestion};
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::wire::{ReportToml, Text};
use super::{Names, fingerprint, title_of, types, zone};
use crate::domain::coverage::CoverageFact;
use crate::domain::dataset::Dataset;
use crate::domain::expr::{Mistake, ReportType};
use crate::domain::period::Period;
use crate::domain::query::{ColumnShown, Part, Query, QueryText};
use crate::domain::report::{Covering, Format, Report};

mod beside;
mod chart;
mod counts;
mod trials;

use self::beside::Beside;

/// At most so many rows are shown.
const TOP_MAX: u32 = 10_000;
/// A percentile is of so many values at least, where nothing else is said.
const MIN_VALUES: u64 = 20;

/// Lowers one report.
pub(super) fn lower(mut raw: Raw<'_>, found: &mut Findings<'_>, names: &Names) -> Option<Report> {
    let canonical = raw.canonical();
    let drawn = raw.table.contains_key("chart").then(|| raw.take(found, "chart")).flatten();
    let table = raw.shape::<ReportToml>(found, &["chart"]);
    let wire = &table.wire;
    let before = found.count();
    let report_type = table.required(found, "type", &wire.r#type, "\"sessions\"");
    let report_type = report_type.and_then(|name| types::find(found, names, table.file, name));
    let period = period(found, &table);
    let zone = zone(found, table.file, wire.timezone.as_ref(), &names.general.zone);
    let columns = table.required(found, "columns", &wire.columns, "[\"count() as Records\"]");
    if let Some(columns) = columns.filter(|columns| columns.get_ref().is_empty()) {
        let help = "write e.g. `columns = [\"count() as Records\"]`";
        found.problem(table.at(columns), "a report without columns", help);
    }
    let top = wire.top.as_ref().and_then(|top| match *top.get_ref() {
        rows @ 1..=TOP_MAX => usize::try_from(rows).ok(),
        _ => {
            let message = format!("`top` must be from 1 to {TOP_MAX}");
            found.problem(table.at(top), message, "leave it out to see all rows");
            None
        }
    });
    let (report_type, from) = report_type?;
    let query = Query::check(&report_type, &text(wire, top));
    let query = query.map_err(|mistakes| misplaced(found, table.file, &table.wire, mistakes)).ok();
    let shown = query.as_ref().map(Query::columns_shown);
    let formats = formats(found, &table, shown.as_deref());
    let mask = mask(found, &table, shown.as_deref());
    let tests = query
        .as_ref()
        .map_or_else(Vec::new, |query| trials::lower(found, &names.datasets, &table, query));
    let beside = beside::lower(found, names, &table, period.as_ref(), query.as_ref());
    let chart = chart::lower(found, drawn, query.as_ref());
    (found.count() == before).then_some(())?;
    let (zone, query) = (zone?, query?);
    counts::note(found, &table, &query);
    let Beside { goals, compare, calendar, trend, drill, restate_above } = beside;
    let hash = fingerprint(&[
        &canonical,
        &from,
        zone.name(),
        &names.general.week_starts.to_string(),
        // Which days are left out is part of what the report says.
        &calendar.as_ref().map_or_else(String::new, |calendar| format!("{calendar:?}")),
    ]);
    Some(Report {
        title: wire.title.as_ref().map_or_else(|| title_of(&table.name), |t| t.get_ref().clone()),
        about: wire.about.as_ref().map(|text| text.get_ref().clone()),
        period: period?,
        zone,
        goals,
        compare,
        trend,
        calendar,
        chart,
        drill,
        only: None,
        restate_above,
        tests,
        coverage: coverage(&query, &names.datasets),
        query: Arc::new(query),
        formats,
        empty: wire.empty.as_ref().map(|text| text.get_ref().clone()),
        mask,
        hash,
        name: table.name,
    })
}

/// `period`, which wants a `date`; with a `date` alone it is the last 7 days, with neither all time.
fn period(found: &mut Findings<'_>, table: &Shaped<ReportToml>) -> Option<Period> {
    let wire = &table.wire;
    let default = if wire.date.is_some() { "last 7 days" } else { "all time" };
    let written = wire.period.as_ref().map_or(default, |text| text.get_ref().as_str());
    let period: Period = match (written.parse(), &wire.period) {
        (Ok(period), _) => period,
        (Err(message), Some(text)) => {
            let message: String = message;
            found.problem(table.at(text), message, None);
            return None;
        }
        (Err(_), None) => return None,
    };
    match (&wire.period, &wire.date) {
        (Some(text), None) if period.words() != "all time" => {
            let message = format!("the period `{}` of which field?", text.get_ref());
            let help = "write the field it is about, e.g. `date = \"session.StartTime\"`";
            found.problem(table.at(text), message, help);
            None
        }
        _ => Some(period),
    }
}

/// The texts of a report's query.
fn text(wire: &ReportToml, top: Option<usize>) -> QueryText<'_> {
    QueryText {
        date: wire.date.as_ref().map(|text| text.get_ref().as_str()),
        filter: wire.r#where.as_ref().map(|text| text.get_ref().as_str()),
        per: strings(&wire.per),
        values: strings(&wire.values),
        group_by: strings(&wire.group_by),
        columns: wire.columns.as_ref().map(|list| strings(list.get_ref())).unwrap_or_default(),
        sort: wire.sort.as_ref().map(|text| text.get_ref().as_str()),
        top,
        total: wire.total.as_ref().is_some_and(|total| *total.get_ref()),
        pivot_by: wire.pivot_by.as_ref().map(|text| text.get_ref().as_str()),
        min_values: Some(
            wire.min_values.as_ref().map_or(MIN_VALUES, |min| (*min.get_ref()).into()),
        ),
    }
}

fn strings(list: &[Text]) -> Vec<&str> {
    list.iter().map(|text| text.get_ref().as_str()).collect()
}

/// Notes each mistake of a query in the text it is in.
fn misplaced(
    found: &mut Findings<'_>,
    file: usize,
    wire: &ReportToml,
    mistakes: Vec<(Part, Mistake)>,
) {
    for (part, mistake) in mistakes {
        let text = match part {
            Part::Date => wire.date.as_ref(),
            Part::Filter => wire.r#where.as_ref(),
            Part::Per(index) => wire.per.get(index),
            Part::Values(index) => wire.values.get(index),
            Part::GroupBy(index) => wire.group_by.get(index),
            Part::Column(index) => {
                wire.columns.as_ref().and_then(|columns| columns.get_ref().get(index))
            }
            Part::Sort => wire.sort.as_ref(),
            Part::Pivot => wire.pivot_by.as_ref(),
            // Asked for by digests, later.
            Part::Only | Part::Split(_) => None,
        };
        if let Some(text) = text.or(wire.r#type.as_ref()) {
            found.mistake(file, text, mistake);
        }
    }
}

/// `duration`, `percent`, `2 decimals`, `auto`.
pub(super) fn format(found: &mut Findings<'_>, at: At, text: &Text) -> Option<Format> {
    let written = text.get_ref().trim();
    let decimals = written.strip_suffix(" decimals").or_else(|| written.strip_suffix(" decimal"));
    let format = match (written, decimals.map(str::parse::<u8>)) {
        ("auto", _) => Format::Auto,
        ("duration", _) => Format::Duration,
        ("percent", _) => Format::Percent,
        (_, Some(Ok(count @ 0..=6))) => Format::Decimals(count),
        _ => {
            let help = "write `duration`, `percent`, `auto` or e.g. `1 decimals` (0 to 6)";
            found.problem(at, format!("unknown format `{written}`"), help);
            return None;
        }
    };
    Some(format)
}

/// Whether a name is the heading of one of the columns; told if not.
fn is_column(
    found: &mut Findings<'_>,
    table: &Shaped<ReportToml>,
    name: &Text,
    shown: Option<&[ColumnShown]>,
) -> bool {
    let Some(shown) = shown else { return false };
    let written = name.get_ref().as_str();
    let known = shown.iter().any(|column| column.name == written);
    if !known {
        let help = suggestion(written, shown.iter().map(|column| column.name.as_str()));
        found.problem(table.at(name), format!("the report has no column `{written}`"), help);
    }
    known
}

/// The headings of some of the columns.
fn columns_of(
    shown: &[ColumnShown],
    right: impl Fn(&ColumnShown) -> bool + Clone,
) -> impl Iterator<Item = &str> + Clone {
    shown.iter().filter(move |column| right(column)).map(|column| column.name.as_str())
}

fn formats(
    found: &mut Findings<'_>,
    table: &Shaped<ReportToml>,
    shown: Option<&[ColumnShown]>,
) -> BTreeMap<String, Format> {
    let mut formats = BTreeMap::new();
    for (column, text) in &table.wire.format {
        let known = is_column(found, table, column, shown);
        if let Some(format) = format(found, table.at(text), text).filter(|_| known) {
            formats.insert(column.get_ref().clone(), format);
        }
    }
    formats
}

fn mask(
    found: &mut Findings<'_>,
    table: &Shaped<ReportToml>,
    shown: Option<&[ColumnShown]>,
) -> Vec<String> {
    let mask = &table.wire.mask;
    mask.iter()
        .filter(|name| is_column(found, table, name, shown))
        .map(|name| name.get_ref().clone())
        .collect()
}

/// The coverage facts of the datasets a query reads, checked: what its report type joins besides
/// changes no figure of it. Facts are declared by the sources, not by the config: one that cannot be
/// checked is left out, and a test of the built-in datasets keeps that from happening.
fn coverage(query: &Query, datasets: &[Arc<Dataset>]) -> Vec<Arc<Covering>> {
    let mut seen = BTreeSet::new();
    (query.report_type.tables.iter().zip(query.tables_used()))
        .filter(|(table, used)| *used && seen.insert(table.dataset.name.clone()))
        .flat_map(|(table, _)| table.dataset.coverage.iter())
        .filter_map(|fact| covering(fact, datasets).map(Arc::new))
        .collect()
}

fn covering(fact: &CoverageFact, datasets: &[Arc<Dataset>]) -> Option<Covering> {
    let report_type = Arc::new(ReportType::parse("coverage", &fact.from, datasets).ok()?);
    let mut columns = vec!["count()", fact.have.as_str()];
    columns.extend(fact.missing.iter().map(|(aggregate, _)| aggregate.as_str()));
    let named: Vec<String> =
        columns.iter().enumerate().map(|(index, column)| format!("{column} as c{index}")).collect();
    let text = QueryText {
        date: Some(&fact.date),
        filter: Some(&fact.filter),
        columns: named.iter().map(String::as_str).collect(),
        ..QueryText::default()
    };
    Some(Covering {
        noun: fact.noun.clone(),
        verb: fact.verb.clone(),
        query: Query::check(&report_type, &text).ok()?,
        reasons: fact.missing.iter().map(|(_, reason)| reason.clone()).collect(),
    })
}
