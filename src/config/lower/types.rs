//! `[report_types]`: a primary dataset and those joined to it, as a SQL FROM clause.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::problem::{Findings, suggestion};
use super::super::shape::Raw;
use super::super::text::At;
use super::super::wire::{ReportTypeToml, Text};
use super::Names;
use crate::domain::dataset::Dataset;
use crate::domain::expr::ReportType;

/// Lowers one report type; its text comes with it, for the fingerprints of what is built on it.
pub(super) fn lower(
    raw: Raw<'_>,
    found: &mut Findings<'_>,
    datasets: &[Arc<Dataset>],
    broken: &BTreeSet<String>,
) -> Option<(Arc<ReportType>, String)> {
    let table = raw.shape::<ReportTypeToml>(found, &[]);
    let example = "\"MessagingSession session\"";
    let from = table.required(found, "from", &table.wire.from, example)?;
    // Built on a dataset that is broken where it is declared: told there.
    let mut words = from.get_ref().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    (!words.any(|word| broken.contains(word))).then_some(())?;
    let parsed = ReportType::parse(&table.name, from.get_ref(), datasets);
    let parsed = found.mistakes(table.file, from, parsed)?;
    Some((Arc::new(parsed), from.get_ref().clone()))
}

/// The report type of this name; a dataset's name stands for that dataset alone.
pub(super) fn find(
    found: &mut Findings<'_>,
    names: &Names,
    file: usize,
    name: &Text,
) -> Option<(Arc<ReportType>, String)> {
    let written = name.get_ref().as_str();
    if names.types.declared.contains(written) {
        return names.types.made.get(written).cloned();
    }
    if names.broken.contains(written) {
        return None;
    }
    if names.datasets.iter().any(|dataset| dataset.name == written) {
        let parsed = ReportType::parse(written, written, &names.datasets);
        let parsed = found.mistakes(file, name, parsed)?;
        return Some((Arc::new(parsed), written.to_owned()));
    }
    let known = names.types.declared.iter().map(String::as_str);
    let known: Vec<&str> =
        known.chain(names.datasets.iter().map(|set| set.name.as_str())).collect();
    let help = suggestion(written, known)
        .unwrap_or_else(|| format!("there is no `[report_types.{written}]`"));
    let at = At::new(file, name.span());
    found.problem(at, format!("unknown report type `{written}`"), help);
    None
}
