//! What a retention costs: the figures that would reach further back than records are kept.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::super::problem::Findings;
use super::super::super::text::At;
use super::super::Names;
use crate::domain::dataset::Dataset;
use crate::domain::query::Query;

/// The end of a year, quarter and month: what runs from the beginning of one is longest then.
const LONGEST: i64 = 978_307_199;

/// Notes each report and rule that reads further back than a dataset is kept.
pub(in super::super) fn note<'r>(
    found: &mut Findings<'_>,
    keeps: &BTreeMap<String, (At, String)>,
    names: &Names,
    rules: impl Iterator<Item = (&'r str, &'r Query, Option<TimeDelta>)>,
) {
    let slot = DateTime::<Utc>::from_timestamp(LONGEST, 0).unwrap_or_default();
    let reports = names.reports.made.values().map(|report| {
        let window = report.period.window(slot, &report.zone, names.general.week_starts);
        let reach = window.map(|window| slot - window.from);
        let what = format!("report `{}` over {}", report.name, report.period.words());
        (what, &*report.query, reach)
    });
    let rules = rules.map(|(name, query, window)| {
        let what = match window {
            Some(_) => format!("rule `{name}`, by its window,"),
            None => format!("rule `{name}`, which has no window,"),
        };
        (what, query, window)
    });
    for (what, query, reach) in reports.chain(rules) {
        for dataset in datasets_of(query) {
            let (Some(kept), Some((at, words))) = (dataset.keep, keeps.get(&dataset.name)) else {
                continue;
            };
            if reach.is_none_or(|reach| reach > kept) {
                let message = format!("{what} will only see {words} of `{}`", dataset.name);
                found.note(at.clone(), message, None);
            }
        }
    }
}

/// The datasets a query reads, each once.
fn datasets_of(query: &Query) -> Vec<&Dataset> {
    let mut datasets: Vec<&Dataset> = Vec::new();
    for (table, _) in query.report_type.tables.iter().zip(query.tables_used()).filter(|(_, u)| *u) {
        if !datasets.iter().any(|known| known.name == table.dataset.name) {
            datasets.push(&table.dataset);
        }
    }
    datasets
}
