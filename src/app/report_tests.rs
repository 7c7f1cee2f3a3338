//! The tests that a config has of its reports: their records in, the report's cells out, through
//! the very store and engine that make the mails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, Utc};

use super::{App, Limits};
use crate::clock::ManualClock;
use crate::config::Config;
use crate::domain::dataset::{Batch, Cell, Dataset, Pulled};
use crate::domain::report::{Report, ReportTest};
use crate::domain::table::{Section, Table};
use crate::domain::value::Value;
use crate::render::Locale;
use crate::render::format::plain;
use crate::store::{Store, StoreError};

/// Runs one test of a report. What differs comes as lines for people; none means that it passed.
///
/// # Errors
/// The test could not be run at all.
pub async fn run(
    config: &Config,
    report: &Arc<Report>,
    test: &ReportTest,
) -> anyhow::Result<Vec<String>> {
    let folder = tempfile::tempdir().context("a test needs a folder for its records")?;
    let config = Config { state: folder.path().to_owned(), ..config.clone() };
    let locale = Locale::named(&config.locale);
    let app = App::build(config, Arc::new(ManualClock::new(test.at)), Limits::default())?;
    load(&app, report, test)?;
    let made = app.engine().sections(std::slice::from_ref(report), test.at).await;
    Ok(match made.first() {
        Some(Section::Table(table)) => differences(test, table, locale),
        Some(Section::Failed { reason, .. }) => vec![format!("it could not be made: {reason}")],
        None => vec!["it could not be made".to_owned()],
    })
}

/// Puts the test's records into the store; datasets it does not name are empty.
fn load(app: &App, report: &Report, test: &ReportTest) -> anyhow::Result<()> {
    let mut read: BTreeSet<String> = report.query.reads().into_keys().collect();
    read.extend(report.coverage.iter().flat_map(|fact| fact.query.reads().into_keys()));
    let plant = app.engine().plant();
    for dataset in plant.datasets.iter().filter(|dataset| read.contains(&dataset.name)) {
        let records = test.records.get(&dataset.name).into_iter().flatten();
        fill(app.engine().store(), dataset, records, test.at)?;
    }
    Ok(())
}

/// Puts records of a dataset into the store, as a pull that is complete up to an instant.
pub(super) fn fill<'r>(
    store: &Store,
    dataset: &Dataset,
    records: impl Iterator<Item = &'r BTreeMap<String, Value>>,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut load = store.begin_load(&dataset.name, at)?;
    let mut batch = Batch::default();
    for record in records {
        append(&mut batch, dataset, |field| record.get(field));
    }
    load.append(&batch)?;
    let records = batch.rows() as u64;
    load.finish(&Pulled { records, ..Pulled::nothing(at) }, at)?;
    Ok(())
}

fn append<'v>(batch: &mut Batch, dataset: &Dataset, value: impl Fn(&str) -> Option<&'v Value>) {
    for field in &dataset.fields {
        let cell = match value(&field.name).unwrap_or(&Value::Null) {
            Value::Null => Cell::Null,
            Value::Boolean(yes) => Cell::Boolean(*yes),
            Value::Integer(n) => Cell::Integer(*n),
            Value::Real(x) => Cell::Real(*x),
            Value::Timestamp(at) => Cell::Timestamp(at.timestamp_millis()),
            Value::Text(text) => {
                let at = batch.text.len() as u32;
                batch.text.push_str(text);
                Cell::Text(at, text.len() as u32)
            }
        };
        batch.cells.push(cell);
    }
    batch.deleted.push(false);
}

fn differences(test: &ReportTest, table: &Table, locale: Locale) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(rows) = &test.rows {
        if rows.len() != table.rows.len() {
            lines.push(format!("{} rows expected, {} came", rows.len(), table.rows.len()));
        }
        let longest = rows.len().max(table.rows.len());
        for index in 0..longest {
            let name = format!("row {}", index + 1);
            match (rows.get(index), table.rows.get(index)) {
                (Some(expected), Some(came)) => {
                    row(&name, expected, came, table, locale, &mut lines);
                }
                (Some(_), None) => lines.push(format!("{name}: expected, and not there")),
                (_, Some(came)) => {
                    let cells: Vec<String> = (came.iter().enumerate())
                        .map(|(column, value)| shown(value, column, table, locale))
                        .collect();
                    lines.push(format!("{name}: not expected: {}", cells.join(", ")));
                }
                (None, None) => {}
            }
        }
    }
    if let (Some(expected), Some(came)) = (&test.total, &table.total) {
        row("total", expected, came, table, locale, &mut lines);
    }
    lines
}

fn row(
    name: &str,
    expected: &[Value],
    came: &[Value],
    table: &Table,
    locale: Locale,
    lines: &mut Vec<String>,
) {
    if expected.len() != came.len() {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let (has, wants) = (came.len(), expected.len());
        lines.push(format!("{name}: {wants} cells expected, it has {has}: {}", names.join(", ")));
        return;
    }
    for (column, (expected, came)) in expected.iter().zip(came).enumerate() {
        let text = shown(came, column, table, locale);
        let day = table.columns[column].unit.is_some() && is_date(expected, came, table);
        if !day && !agrees(expected, came, &text) {
            let expected = match expected {
                Value::Text(text) => format!("\"{text}\""),
                other => other.number().map_or_else(|| format!("{other:?}"), |x| x.to_string()),
            };
            let raw = came.number().map_or_else(String::new, |x| format!(" ({x})"));
            let column = &table.columns[column].name;
            lines.push(format!("{name}, `{column}`: expected {expected}, came \"{text}\"{raw}"));
        }
    }
}

/// A cell as the mail writes it, in the letters of plain text.
fn shown(value: &Value, column: usize, table: &Table, locale: Locale) -> String {
    let written = locale.value(value, &table.columns[column], &table.zone);
    plain(&written.unwrap_or_else(|| table.empty.clone().unwrap_or_default()))
}

/// A day may be written as every config writes dates: `2026-11-23`.
fn is_date(expected: &Value, came: &Value, table: &Table) -> bool {
    match (expected, came) {
        (Value::Text(text), Value::Timestamp(at)) => table.zone.date(*at).to_string() == *text,
        _ => false,
    }
}

/// Numbers agree as numbers; a text agrees with what the mail writes, or with the value itself. The
/// empty text stands for a null.
fn agrees(expected: &Value, came: &Value, shown: &str) -> bool {
    match (expected, came) {
        (Value::Text(text), Value::Null) => text.is_empty() || text == shown,
        (Value::Text(text), came) => plain(text) == shown || came.text() == Some(text),
        (expected, came) => match (expected.number(), came.number()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0),
            _ => expected == came,
        },
    }
}
