//! Event rules: which records an answer tells of.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::super::notification::Occurrence;
use super::super::query::{Column, Row};
use super::super::value::Value;
use super::super::zone::Zone;
use super::Rule;
use super::readings::Group;

/// The records of an event rule's list, in its order, each once. Which of them were told before is
/// not known here: the rule and [`Occurrence::record`] are their identity. With `changes` that is the
/// record's key and the value it has: each value of a record is told once.
///
/// `now` is when they are seen. Rows without a record (of a join that found none) are none; nothing
/// comes of a rule that is no event rule.
pub fn occurrences(rule: &Rule, rows: &[Row], now: DateTime<Utc>) -> Vec<Occurrence> {
    let mut seen = BTreeSet::new();
    let found = rows.iter().filter_map(|row| occurrence(rule, row, now));
    // A record that is joined to several others comes in several rows.
    found.filter(|occurrence| seen.insert(occurrence.record.clone())).collect()
}

/// The record of one row; `None` where there is none.
pub fn occurrence(rule: &Rule, row: &Row, now: DateTime<Utc>) -> Option<Occurrence> {
    let event = rule.event?;
    let key = row.keys.first().filter(|key| **key != Value::Null)?;
    let columns = &rule.query.columns;
    let mut cells = columns.iter().zip(&row.values).skip(1);
    let at = match event.dated.then(|| cells.next()).flatten() {
        Some((_, Value::Timestamp(at))) => *at,
        _ => now,
    };
    let shown =
        |(column, value): (&Column, &Value)| (column.name.clone(), text(column, value, &rule.zone));
    let groups: Vec<(String, String)> = cells.by_ref().take(event.groups).map(shown).collect();
    let changed = event.changes.then(|| cells.next()).flatten();
    let record = match changed {
        Some((_, value)) => Group::of([], &[key.clone(), value.clone()], &[]).key,
        None => match key {
            Value::Text(key) => key.clone(),
            key => Group::of([], std::slice::from_ref(key), &[]).key,
        },
    };
    let table = columns.first().and_then(|column| column.alias);
    let dataset = table.and_then(|table| rule.query.report_type.tables.get(table));
    let mut labels = rule.labels.clone();
    labels.extend(groups);
    labels.insert("rule".into(), rule.name.clone());
    let level = rule.levels.first().map_or(String::new(), |level| level.name.clone());
    labels.insert("level".into(), level);
    Some(Occurrence {
        rule: rule.name.clone(),
        title: rule.title.clone(),
        record,
        at,
        seen_at: now,
        shown: cells.map(shown).collect(),
        link: dataset.and_then(|table| table.dataset.address_of(key)),
        labels,
    })
}

/// A value as people read it: picklist values by their labels, instants in the rule's zone.
fn text(column: &Column, value: &Value, zone: &Zone) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => {
            let label = column.labels.iter().find(|(known, _)| known == text);
            label.map_or(text, |(_, label)| label).clone()
        }
        Value::Timestamp(at) => zone.civil(*at).format("%Y-%m-%d %H:%M:%S").to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(n) => n.to_string(),
        Value::Real(x) => x.to_string(),
    }
}

#[cfg(test)]
mod tests;
