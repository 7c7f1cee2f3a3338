//! Keys as people read them, and what orders them.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Shape;
use crate::domain::expr::{Expr, range_text};
use crate::domain::query::collect::Head;
use crate::domain::query::{Column, Group, Query};
use crate::domain::value::Value;

/// What a key is, as far as its name goes: a group, or a column of a list.
#[derive(Clone, Copy)]
pub(super) struct KeyOf<'a> {
    expr: &'a Expr,
    alias: Option<usize>,
    labels: &'a [(String, String)],
}

impl<'a> From<&'a Group> for KeyOf<'a> {
    fn from(group: &'a Group) -> KeyOf<'a> {
        KeyOf { expr: &group.expr, alias: group.alias, labels: &group.labels }
    }
}

impl<'a> From<&'a Column> for KeyOf<'a> {
    fn from(column: &'a Column) -> KeyOf<'a> {
        KeyOf { expr: &column.expr, alias: column.alias, labels: &column.labels }
    }
}

impl Shape<'_> {
    /// The names of one key over several heads, told apart where they read the same, each with what
    /// orders it where that is not the name.
    pub(super) fn names<'h>(
        &self,
        key_of: KeyOf<'_>,
        index: usize,
        heads: impl Iterator<Item = &'h Head> + Clone,
    ) -> Vec<(Value, Option<Value>)> {
        let names = heads.clone().map(|head| self.name(key_of, index, head)).collect();
        let keys: Vec<&Value> = heads.map(|head| &head.keys[index]).collect();
        let apart = told_apart(names, &keys).into_iter();
        apart.zip(keys).map(|(name, key)| (name, self.rank(key_of, key))).collect()
    }

    /// A key as people read it, not yet told apart from its likes.
    fn name(&self, key_of: KeyOf<'_>, index: usize, head: &Head) -> Value {
        let key = &head.keys[index];
        if let Some(table) = key_of.alias {
            return match (key, &head.labels[index]) {
                (Value::Null, _) => self.query.nobody(table),
                (key, Value::Null) => key.clone(),
                (_, label) => label.clone(),
            };
        }
        if let Some(unit) = self.query.unit(key_of.expr) {
            return self.civil.words(unit, key);
        }
        labelled(key_of.labels, key.clone())
    }

    /// What orders a key, where that is not its name: units and ranges by themselves.
    fn rank(&self, key_of: KeyOf<'_>, key: &Value) -> Option<Value> {
        if let (Some(bounds), Value::Text(text)) = (self.query.bounds(key_of.expr), key) {
            let rank = (0..=bounds.len()).position(|range| range_text(bounds, range) == *text);
            return Some(rank.map_or(Value::Null, |rank| Value::Integer(rank as i64)));
        }
        // Without a record there is no name to sort by: it goes last.
        let by_key = key.is_null() || self.query.unit(key_of.expr).is_some();
        by_key.then(|| key.clone())
    }
}

impl Query {
    /// The words for a missing record, e.g. `(no account)`.
    pub(super) fn nobody(&self, table: usize) -> Value {
        Value::Text(format!("(no {})", self.report_type.tables[table].alias))
    }
}

impl Column {
    /// A value as people read it: picklist values by their labels.
    pub(crate) fn cell(&self, value: Value) -> Value {
        labelled(&self.labels, value)
    }
}

fn labelled(labels: &[(String, String)], value: Value) -> Value {
    let found = value.text().and_then(|text| labels.iter().find(|(known, _)| known == text));
    match found {
        Some((_, label)) => Value::Text(label.clone()),
        None => value,
    }
}

/// Names of different keys that read the same get the end of their key behind them.
pub(super) fn told_apart(mut names: Vec<Value>, keys: &[&Value]) -> Vec<Value> {
    let mut seen: HashSet<&str> = HashSet::with_capacity(names.len());
    let twice: HashSet<String> = names
        .iter()
        .filter_map(Value::text)
        .filter(|name| !seen.insert(name))
        .map(str::to_owned)
        .collect();
    if twice.is_empty() {
        return names;
    }
    // Keys by those names that come more than once; a missing record has no key of its own.
    let mut alike: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for (name, key) in names.iter().zip(keys) {
        if let Some(name) = name.text().and_then(|name| twice.get(name)) {
            alike.entry(name).or_default().insert(key.text().unwrap_or(""));
        }
    }
    for (name, key) in names.iter_mut().zip(keys) {
        let (Some(text), Some(key)) = (name.text(), key.text()) else { continue };
        if let Some(alike) = alike.get(text).filter(|alike| alike.len() > 1 && text != key) {
            *name = Value::Text(format!("{text} ({})", short(key, alike)));
        }
    }
    names
}

/// The shortest end of a key, of four characters or more, that no other of these keys ends with.
fn short(key: &str, alike: &BTreeSet<&str>) -> String {
    let chars = key.chars().count();
    for length in 4..chars {
        let end: String = key.chars().skip(chars - length).collect();
        if alike.iter().filter(|other| other.ends_with(&end)).count() < 2 {
            return end;
        }
    }
    key.to_owned()
}
