//! Evidence: the worst records behind the last reading of an incident.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::Plant;
use super::super::labels;
use super::{datasets, narrow, window};
use crate::domain::expr::{AggregateKind, Expr};
use crate::domain::incident::Incident;
use crate::domain::query::{Answer, Frame, Query, SortBy};
use crate::domain::report::{Format, Report};
use crate::domain::rule::{Comparison, Rule};
use crate::domain::table::Table;
use crate::domain::value::{Type, Value};
use crate::render::Evidence;
use crate::store::{StoreError, View};

/// Rows that a file has; a mail shows the first few of them.
const FILED: usize = 1_000;
/// Rows that are read, for what they come to together.
const READ_MAX: usize = 20_000;

/// The worst records of an incident's group in the window of its last reading; `None` where its rule
/// shows none, or they cannot be asked for.
pub(super) fn evidence(
    records: &View<'_>,
    plant: &Plant,
    rule: &Rule,
    incident: &Incident,
) -> Result<Option<Evidence>, StoreError> {
    let Some(query) = rule.evidence.as_deref() else { return Ok(None) };
    let Some(query) = narrow::narrowed(query, &rule.query, &incident.group.key) else {
        return Ok(None);
    };
    let query = Query { top: Some(FILED), total: false, ..query };
    let measure = measure(&query);
    let complete_to = records.complete_to(&datasets(rule));
    let window = window(rule, incident);
    let frame = Frame {
        bounds: window.map(|window| (window.from, window.to)),
        // As the rule sees it: the state as it is, is that of the watermark.
        as_of: match window {
            Some(window) => window.to,
            None => complete_to.map_or(incident.last_read_at, |to| to.max(incident.last_read_at)),
        },
        zone: rule.zone.clone(),
        week_starts: plant.week_starts,
        rows_max: READ_MAX,
        rest_max: READ_MAX,
    };
    let report = report(rule, query, measure);
    let overlaid = labels::overlaid(&report, &records.labels()?);
    let report = overlaid.as_ref().unwrap_or(&report);
    let mut answer = records.answer(&report.query, &frame)?;
    if answer.rows.is_empty() {
        return Ok(None);
    }
    let values = measure.map(|column| values(&answer, column));
    let sum = values.as_deref().filter(|_| adds_up(rule)).and_then(sum);
    let beyond = values.as_deref().zip(threshold(rule, incident, &report.query, measure));
    let beyond = beyond.map(|(values, than)| values.iter().filter(|x| than.holds(**x)).count());
    answer.rest.clear();
    Ok(Some(Evidence {
        table: Table::shape(report, &answer, window, Vec::new(), complete_to, None),
        measure,
        sum,
        beyond: beyond.map(|count| count as u64),
    }))
}

/// The column that says how bad a record is: the one it is sorted by, or else the first number.
fn measure(query: &Query) -> Option<usize> {
    let number = |index: &usize| query.columns[*index].ty.is_some_and(Type::is_number);
    let sorted = query.sort.first().and_then(|sort| match sort.by {
        SortBy::Column(index) => Some(index).filter(|index| *index < query.columns.len()),
        SortBy::Group(_) => None,
    });
    sorted.filter(number).or_else(|| (0..query.columns.len()).find(number))
}

/// The list as a report has it, so that it is shaped, labelled and linked as all tables are.
fn report(rule: &Rule, query: Query, measure: Option<usize>) -> Report {
    // What the value is in, each record is in: shares alone are of many.
    let written = match rule.format {
        Format::Percent => Format::Auto,
        format => format,
    };
    let formats: BTreeMap<String, Format> =
        measure.map(|index| (query.columns[index].name.clone(), written)).into_iter().collect();
    Report {
        name: rule.name.clone(),
        title: rule.title.clone(),
        about: None,
        period: "all time".parse().expect("a period"),
        zone: rule.zone.clone(),
        query: Arc::new(query),
        formats,
        empty: None,
        mask: Vec::new(),
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

fn values(answer: &Answer, column: usize) -> Vec<f64> {
    let rows = answer.rows.iter().chain(&answer.rest);
    rows.filter_map(|row| row.values.get(column).and_then(Value::number)).collect()
}

/// The one aggregate that a rule's value is, and what it is over.
fn aggregate(rule: &Query) -> Option<(AggregateKind, &Expr)> {
    let Expr::Aggregate(index) = rule.columns.first()?.expr else { return None };
    let aggregate = rule.aggregates.get(index)?;
    Some((aggregate.kind, aggregate.of.as_ref()?))
}

/// Whether what records have makes a sum that says something: lengths of time, and what the value
/// itself is the sum of.
fn adds_up(rule: &Rule) -> bool {
    let sum = aggregate(&rule.query).is_some_and(|(kind, _)| kind == AggregateKind::Sum);
    sum || rule.format == Format::Duration
}

/// The sum; `None` where values cancel each other out.
fn sum(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    (values.iter().all(|x| *x >= 0.0) && sum.is_finite()).then_some(sum)
}

/// The threshold, where it can be held against single records: the value is the highest, lowest or
/// typical one of what the column has.
fn threshold(
    rule: &Rule,
    incident: &Incident,
    query: &Query,
    measure: Option<usize>,
) -> Option<Comparison> {
    let (kind, of) = aggregate(&rule.query)?;
    let alike = matches!(
        kind,
        AggregateKind::Min
            | AggregateKind::Max
            | AggregateKind::Average
            | AggregateKind::Percentile(_)
    );
    let same = measure.is_some_and(|column| query.columns[column].expr == *of);
    (alike && same).then(|| incident.threshold().parse().ok()).flatten()
}
