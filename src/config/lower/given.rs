//! Records written in a config: what tests of reports and rules are given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::DateTime;
use toml::Spanned;

use super::super::problem::{Findings, suggestion};
use super::super::text::At;
use super::super::wire::{CellToml, Text};
use crate::domain::dataset::{Dataset, Field};
use crate::domain::value::{Type, Value};

/// Records by dataset as they are written.
pub(in crate::config) type RecordsToml = BTreeMap<Text, Vec<BTreeMap<Text, Spanned<CellToml>>>>;

/// Reads the records of one test.
pub(super) struct Given<'c> {
    /// All datasets.
    pub(super) datasets: &'c [Arc<Dataset>],
    /// Names of those that what is tested reads.
    pub(super) reads: BTreeSet<&'c str>,
    /// What is tested: `report`, `rule`.
    pub(super) what: &'static str,
    /// The file it is written in.
    pub(super) file: usize,
    /// How many keys were made for records without one, by dataset.
    pub(super) made: BTreeMap<String, i64>,
}

impl Given<'_> {
    /// Records by dataset, those without a mistake.
    pub(super) fn read(
        &mut self,
        found: &mut Findings<'_>,
        written: &RecordsToml,
    ) -> BTreeMap<String, Vec<BTreeMap<String, Value>>> {
        let mut records = BTreeMap::new();
        for (name, list) in written {
            if let Some(list) = self.list(found, name, list) {
                records.insert(name.get_ref().clone(), list);
            }
        }
        records
    }

    fn at<V>(&self, value: &Spanned<V>) -> At {
        At::new(self.file, value.span())
    }

    fn list(
        &mut self,
        found: &mut Findings<'_>,
        name: &Text,
        list: &[BTreeMap<Text, Spanned<CellToml>>],
    ) -> Option<Vec<BTreeMap<String, Value>>> {
        let dataset = self.datasets.iter().find(|dataset| dataset.name == *name.get_ref());
        let Some(dataset) = dataset.filter(|dataset| self.reads.contains(&*dataset.name)) else {
            let written = name.get_ref();
            let help = suggestion(written, self.reads.iter().copied());
            let message = format!("the {} reads no dataset `{written}`", self.what);
            found.problem(self.at(name), message, help);
            return None;
        };
        let mut records = Vec::new();
        for record in list {
            let mut values = BTreeMap::new();
            for (field, cell) in record {
                values.extend(self.cell(found, dataset, field, cell));
            }
            // A key that does not matter need not be invented.
            let number = self.made.entry(dataset.name.clone()).or_default();
            *number += 1;
            let key = &dataset.fields[dataset.key];
            if !values.contains_key(&key.name) {
                let made = match key.ty {
                    Type::Integer => Value::Integer(*number),
                    _ => Value::Text(format!("{}-{number}", dataset.name)),
                };
                values.insert(key.name.clone(), made);
            }
            records.push(values);
        }
        Some(records)
    }

    fn cell(
        &self,
        found: &mut Findings<'_>,
        dataset: &Dataset,
        name: &Text,
        cell: &Spanned<CellToml>,
    ) -> Option<(String, Value)> {
        let written = name.get_ref();
        let Some(field) = dataset.fields.iter().find(|field| field.name == *written) else {
            let help = suggestion(written, dataset.fields.iter().map(|field| field.name.as_str()));
            let message = format!("{} has no field `{written}`", dataset.name);
            found.problem(self.at(name), message, help);
            return None;
        };
        let value = cell.get_ref().of(field);
        if value.is_none() {
            let message = format!("`{written}` of {} is {}", dataset.name, a(field.ty));
            found.problem(self.at(cell), message, example(field.ty));
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
