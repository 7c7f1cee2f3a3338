//! `[[reports.NAME.test]]`: records and what the report must say of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use toml::Spanned;

use super::super::super::problem::Findings;
use super::super::super::shape::Shaped;
use super::super::super::text::At;
use super::super::super::wire::{CellToml, ReportToml, TestToml, Text};
use super::super::given::Given;
use crate::domain::dataset::Dataset;
use crate::domain::query::Query;
use crate::domain::report::ReportTest;
use crate::domain::value::Value;

/// More records than this are no small test.
const RECORDS_MAX: usize = 1_000;

/// The tests of a report, those without a mistake.
pub(super) fn lower(
    found: &mut Findings<'_>,
    datasets: &[Arc<Dataset>],
    table: &Shaped<ReportToml>,
    query: &Query,
) -> Vec<Arc<ReportTest>> {
    let mut tests = Vec::new();
    for (index, written) in table.wire.test.iter().enumerate() {
        let test = Reader { found: &mut *found, datasets, table, query };
        tests.extend(test.read(index, written).map(Arc::new));
    }
    tests
}

struct Reader<'f, 's, 'c> {
    found: &'f mut Findings<'s>,
    datasets: &'c [Arc<Dataset>],
    table: &'c Shaped<ReportToml>,
    query: &'c Query,
}

impl Reader<'_, '_, '_> {
    fn read(mut self, index: usize, written: &Spanned<TestToml>) -> Option<ReportTest> {
        let (before, wire) = (self.found.count(), written.get_ref());
        let place = self.table.at(written);
        let at = self.instant(&place, wire.at.as_ref());
        let count: usize = wire.records.values().map(Vec::len).sum();
        if count > RECORDS_MAX {
            let message = format!("{count} records are more than the {RECORDS_MAX} of a test");
            self.found.problem(place.clone(), message, None);
        }
        let reads = self.query.reads();
        let mut records = Given {
            datasets: self.datasets,
            reads: reads.keys().map(String::as_str).collect(),
            what: "report",
            file: self.table.file,
            made: BTreeMap::new(),
        };
        let records = records.read(self.found, &wire.records);
        if wire.rows.is_none() && wire.total.is_none() {
            let help = "write the rows that must come, e.g. `rows = [[\"Web chat\", 3]]`";
            self.found.problem(place.clone(), "a test that expects nothing", help);
        }
        if wire.total.is_some() && !self.query.total {
            let message = "the report has no total to compare with";
            self.found.problem(place.clone(), message, "write `total = true` in the report");
        }
        let cells = |cells: &Vec<CellToml>| cells.iter().map(CellToml::value).collect();
        (self.found.count() == before).then_some(())?;
        Some(ReportTest {
            name: wire
                .name
                .as_ref()
                .map_or_else(|| (index + 1).to_string(), |n| n.get_ref().clone()),
            at: at?,
            records,
            rows: wire.rows.as_ref().map(|rows| rows.iter().map(cells).collect()),
            total: wire.total.as_ref().map(cells),
            place: self.found.file_and_line(&place),
        })
    }

    fn instant(&mut self, place: &At, written: Option<&Text>) -> Option<DateTime<Utc>> {
        let help = "write the slot, e.g. `at = \"2026-11-23T08:00:00Z\"`";
        let Some(text) = written else {
            self.found.problem(place.clone(), "a test without `at`", help);
            return None;
        };
        match DateTime::parse_from_rfc3339(text.get_ref()) {
            Ok(at) => Some(at.to_utc()),
            Err(_) => {
                let message = format!("`{}` is not an instant", text.get_ref());
                self.found.problem(self.table.at(text), message, help);
                None
            }
        }
    }
}

impl CellToml {
    /// As it is.
    fn value(&self) -> Value {
        match self {
            CellToml::Boolean(yes) => Value::Boolean(*yes),
            CellToml::Integer(n) => Value::Integer(*n),
            CellToml::Real(x) => Value::Real(*x),
            CellToml::Text(text) => Value::Text(text.clone()),
        }
    }
}
