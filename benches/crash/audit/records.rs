//! The records in the store are those of the org, value by value.

use std::collections::BTreeMap;

use postrider::demo::org::{Record, Value as OrgValue};
use postrider::domain::dataset::Dataset;
use postrider::source::salesforce::objects;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::{Evidence, Findings, instant};

/// Compares every dataset that was pulled.
pub(super) fn audit(
    records: &Connection,
    evidence: &Evidence<'_>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    findings.heading("records");
    let mut pulled = 0;
    for dataset in objects::datasets("salesforce") {
        let sql = "select ready, watermark, records, hidden from _dataset_state where dataset = ?1";
        let state = records.query_row(sql, [&dataset.name], |row| {
            let watermark: Option<i64> = row.get(1)?;
            Ok((row.get::<_, bool>(0)?, watermark, row.get::<_, i64>(2)?, row.get::<_, String>(3)?))
        });
        let Ok((true, watermark, counted, hidden)) = state else { continue };
        pulled += 1;
        // Fields that this org does not have.
        let hidden: Vec<String> = serde_json::from_str(&hidden)?;
        let (stored, gone) = audit_dataset(records, &dataset, &hidden, evidence, findings)?;
        findings.check(counted == stored, || {
            format!("{}: {counted} records counted, {stored} there", dataset.name)
        });
        let covered = watermark.map(instant);
        findings.check(covered.is_some_and(|covered| evidence.frozen < covered), || {
            format!("{}: complete to {covered:?}, changed until {}", dataset.name, evidence.frozen)
        });
        findings.count(format!("{} (deleted ones beside: {gone})", dataset.name), stored);
    }
    findings.check(pulled >= 5, || format!("{pulled} datasets were pulled"));
    Ok(())
}

/// Compares one dataset; how many records exist and how many are marked as deleted.
fn audit_dataset(
    records: &Connection,
    dataset: &Dataset,
    hidden: &[String],
    evidence: &Evidence<'_>,
    findings: &mut Findings,
) -> anyhow::Result<(i64, i64)> {
    let mut theirs: BTreeMap<String, Record> = evidence
        .org
        .records(&dataset.name)
        .into_iter()
        .map(|record| (record.id().as_str().to_owned(), record))
        .collect();
    let names: Vec<String> =
        dataset.fields.iter().map(|field| format!("\"{}\"", field.name)).collect();
    let sql = format!("select _deleted, {} from \"{}\"", names.join(", "), dataset.name);
    let (mut stored, mut gone) = (0, 0);
    let mut statement = records.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let deleted: bool = row.get(0)?;
        *(if deleted { &mut gone } else { &mut stored }) += 1;
        let key: String = row.get(dataset.key + 1)?;
        let Some(record) = theirs.remove(&key) else {
            findings.broken(format!("{} {key} is stored and the org has none", dataset.name));
            continue;
        };
        findings.check(deleted == record.is_deleted(), || {
            format!("{} {key}: deleted here {deleted}, there {}", dataset.name, record.is_deleted())
        });
        for (at, field) in dataset.fields.iter().enumerate() {
            let here: Value = row.get(at + 1)?;
            let there = match hidden.contains(&field.name) {
                true => Value::Null,
                false => cell(record.value(&field.name)),
            };
            findings.check(here == there, || {
                format!("{} {key} {}: {here:?} here, {there:?} there", dataset.name, field.name)
            });
        }
    }
    for (key, record) in theirs {
        findings.broken(format!(
            "{} {key} of {:?} is not in the store",
            dataset.name,
            record.at("SystemModstamp")
        ));
    }
    Ok((stored, gone))
}

/// A value of the org as the store should have it.
fn cell(value: &OrgValue) -> Value {
    match value {
        OrgValue::Null => Value::Null,
        OrgValue::Bool(flag) => Value::Integer(i64::from(*flag)),
        OrgValue::Int(number) => Value::Integer(*number),
        OrgValue::Hundredths(number) => Value::Real(*number as f64 / 100.0),
        OrgValue::Pick(text) => Value::Text((*text).to_owned()),
        OrgValue::Text(text) => Value::Text(text.to_string()),
        OrgValue::Day(days) => Value::Text(
            chrono::DateTime::from_timestamp(days * 86_400, 0)
                .unwrap_or_default()
                .date_naive()
                .to_string(),
        ),
        OrgValue::At(seconds) => Value::Integer(seconds * 1000),
        OrgValue::Id(id) => Value::Text(id.as_str().to_owned()),
    }
}
