//! `[[reports.NAME.test]]`: records and what the report must say of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use toml::Spanned;

use super::super::super::problem::{Findings, suggestion};
use super::super::super::shape::Shaped;
use super::super::super::text::At;
use super::super::super::wire::{CellToml, ReportToml, TestToml, Text};
use crate::domain::dataset::{Dataset, Field};
use crate::domain::query::Query;
use crate::domain::report::ReportTest;
use crate::domain::value::{Type, Value};

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
        let mut records = BTreeMap::new();
        for (name, list) in &wire.records {
            if let Some(list) = self.records(name, list) {
                records.insert(name.get_ref().clone(), list);
            }
        }
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

    fn records(
        &mut self,
        name: &Text,
        list: &[BTreeMap<Text, Spanned<CellToml>>],
    ) -> Option<Vec<BTreeMap<String, Value>>> {
        let reads = self.query.reads();
        let dataset = self.datasets.iter().find(|dataset| dataset.name == *name.get_ref());
        let Some(dataset) = dataset.filter(|dataset| reads.contains_key(&dataset.name)) else {
            let written = name.get_ref();
            let help = suggestion(written, reads.keys().map(String::as_str));
            let message = format!("the report reads no dataset `{written}`");
            self.found.problem(self.table.at(name), message, help);
            return None;
        };
        let mut records = Vec::new();
        for (index, record) in list.iter().enumerate() {
            let mut values = BTreeMap::new();
            for (field, cell) in record {
                values.extend(self.cell(dataset, field, cell));
            }
            // A key that does not matter need not be invented.
            let key = &dataset.fields[dataset.key];
            if !values.contains_key(&key.name) {
                let number = i64::try_from(index + 1).unwrap_or(i64::MAX);
                let made = match key.ty {
                    Type::Integer => Value::Integer(number),
                    _ => Value::Text(format!("{}-{number}", dataset.name)),
                };
                values.insert(key.name.clone(), made);
            }
            records.push(values);
        }
        Some(records)
    }

    fn cell(
        &mut self,
        dataset: &Dataset,
        name: &Text,
        cell: &Spanned<CellToml>,
    ) -> Option<(String, Value)> {
        let written = name.get_ref();
        let Some(field) = dataset.fields.iter().find(|field| field.name == *written) else {
            let help = suggestion(written, dataset.fields.iter().map(|field| field.name.as_str()));
            let message = format!("{} has no field `{written}`", dataset.name);
            self.found.problem(self.table.at(name), message, help);
            return None;
        };
        let value = cell.get_ref().of(field);
        if value.is_none() {
            let message = format!("`{written}` of {} is {}", dataset.name, a(field.ty));
            self.found.problem(self.table.at(cell), message, example(field.ty));
        }
        Some((written.clone(), value?))
    }
}

fn a(ty: Type) -> String {
    let article = if ty == Type::Integer { "an" } else { "a" };
    format!("{article} {}", ty.word())
}

fn example(ty: Type) -> &'static str {
    match ty {
        Type::Boolean => "write `true` or `false`",
        Type::Integer => "write e.g. `3`",
        Type::Real => "write e.g. `2.5`",
        Type::Text => "write it in quotes",
        Type::Timestamp => "write e.g. `\"2026-11-22T10:00:00Z\"`",
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

    /// As a value of a field; `None` where it is of another type.
    fn of(&self, field: &Field) -> Option<Value> {
        match (self, field.ty) {
            (CellToml::Boolean(yes), Type::Boolean) => Some(Value::Boolean(*yes)),
            (CellToml::Integer(n), Type::Integer) => Some(Value::Integer(*n)),
            (CellToml::Integer(n), Type::Real) => Some(Value::Real(*n as f64)),
            (CellToml::Real(x), Type::Real) => Some(Value::Real(*x)),
            (CellToml::Text(text), Type::Text) => Some(Value::Text(text.clone())),
            (CellToml::Text(text), Type::Timestamp) => {
                let at = DateTime::parse_from_rfc3339(text).ok()?;
                Some(Value::Timestamp(at.to_utc()))
            }
            _ => None,
        }
    }
}
