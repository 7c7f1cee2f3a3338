//! Groups and rows to an answer: columns computed, labels told apart, sorted, cut, totalled.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::accumulate::{Accumulator, encode, ordered};
use super::collect::{FirstRows, Gathered, Groups, Head};
use super::{Answer, Column, Frame, Query, Row, SortBy};
use crate::domain::expr::eval::{Scope, value};
use crate::domain::expr::{Civil, Expr, range_text};
use crate::domain::value::Value;

/// A row with what its order is judged by and its aggregates, until the cut.
struct Shaped {
    row: Row,
    /// For each group what orders it.
    ranks: Vec<Value>,
    group: usize,
}

/// Computes columns over groups.
struct Shaper<'a> {
    query: &'a Query,
    frame: &'a Frame,
    civil: &'a Civil,
    over_all: Vec<Value>,
}

/// The answer of a grouped query.
pub(crate) fn grouped(
    query: &Query,
    frame: &Frame,
    civil: &Civil,
    mut groups: Groups,
    records: u64,
) -> Answer {
    if query.groups.is_empty() {
        groups.ensure_one(Head::of_none(query));
    }
    let shares = query.columns.iter().any(|column| reads_share(&column.expr));
    let all = (query.total || shares).then(|| {
        let each = groups.groups.iter().map(|group| &group.aggregates);
        merged(query, each.chain(&groups.beyond))
    });
    let over_all = all.as_deref().map_or_else(Vec::new, finished);
    let shaper = Shaper { query, frame, civil, over_all };

    let shown = shaper.shown(&groups.groups);
    let mut rows: Vec<Shaped> = Vec::with_capacity(groups.groups.len());
    for (index, (group, (shown, ranks))) in groups.groups.iter().zip(shown).enumerate() {
        let values = shaper.values(&group.head, &finished(&group.aggregates));
        let row = Row { keys: group.head.keys.clone(), shown, values };
        rows.push(Shaped { row, ranks, group: index });
    }
    rows.sort_by(|a, b| query.order(a, b));

    let top = query.top.unwrap_or(usize::MAX).min(rows.len());
    let left_out = rows.split_off(top);
    let count = left_out.len() as u64 + groups.beyond_count();
    let others = (count > 0).then(|| {
        let each = left_out.iter().map(|shaped| &groups.groups[shaped.group].aggregates);
        let taken = merged(query, each.chain(&groups.beyond));
        (count, Some(shaper.values(&Head::of_none(query), &finished(&taken))))
    });
    let total = query.total.then(|| shaper.values(&Head::of_none(query), &shaper.over_all.clone()));
    Answer {
        rows: rows.into_iter().map(|shaped| shaped.row).collect(),
        others,
        total,
        records,
        truncated: groups.beyond.is_some(),
    }
}

/// The answer of a list.
pub(crate) fn list(query: &Query, frame: &Frame, rows: FirstRows, records: u64) -> Answer {
    let offered = rows.offered;
    let rows: Vec<Row> = rows
        .into_rows()
        .into_iter()
        .map(|values| Row { keys: vec![], shown: vec![], values: query.list_shown(values) })
        .collect();
    let left_out = offered - rows.len() as u64;
    let cut_by_top = query.top.is_some_and(|top| top <= frame.rows_max);
    Answer {
        others: (left_out > 0).then_some((left_out, None)),
        total: None,
        records,
        truncated: left_out > 0 && !cut_by_top,
        rows,
    }
}

fn reads_share(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |expr| found |= matches!(expr, Expr::Share(_)));
    found
}

fn merged<'a>(query: &Query, each: impl Iterator<Item = &'a Vec<Accumulator>>) -> Vec<Accumulator> {
    let mut sum: Vec<Accumulator> =
        query.aggregates.iter().map(|aggregate| Accumulator::new(aggregate.kind)).collect();
    for aggregates in each {
        sum.iter_mut().zip(aggregates).for_each(|(sum, part)| sum.merge(part));
    }
    sum
}

fn finished(aggregates: &[Accumulator]) -> Vec<Value> {
    aggregates.iter().map(Accumulator::finish).collect()
}

impl Head {
    /// The keys of several groups taken together: none.
    fn of_none(query: &Query) -> Head {
        Head {
            keys: vec![Value::Null; query.groups.len()],
            labels: vec![Value::Null; query.groups.len()],
            carried: vec![Value::Null; query.carried.len()],
        }
    }
}

impl Shaper<'_> {
    fn values(&self, head: &Head, aggregates: &[Value]) -> Vec<Value> {
        let scope = Scope {
            folded: &[],
            keys: &head.keys,
            carried: &head.carried,
            aggregates,
            over_all: &self.over_all,
            as_of: self.frame.as_of,
            civil: self.civil,
        };
        let columns = self.query.columns.iter();
        columns.map(|column| column.cell(value(&column.expr, &scope).into_owned())).collect()
    }

    /// For each group its keys as people read them, and what orders them.
    fn shown(&self, groups: &[Gathered]) -> Vec<(Vec<Value>, Vec<Value>)> {
        let mut all = vec![(Vec::new(), Vec::new()); groups.len()];
        for index in 0..self.query.groups.len() {
            let names: Vec<Value> =
                groups.iter().map(|group| self.name(index, &group.head)).collect();
            let keys: Vec<&Value> = groups.iter().map(|group| &group.head.keys[index]).collect();
            let apart = told_apart(&names, &keys);
            for (((shown, ranks), name), key) in all.iter_mut().zip(apart).zip(&keys) {
                ranks.push(self.rank(index, key, &name));
                shown.push(name);
            }
        }
        all
    }

    /// A key as people read it, not yet told apart from its likes.
    fn name(&self, index: usize, head: &Head) -> Value {
        let (group, key) = (&self.query.groups[index], &head.keys[index]);
        if let Some(table) = group.alias {
            return match (key, &head.labels[index]) {
                (Value::Null, _) => self.query.nobody(table),
                (key, Value::Null) => key.clone(),
                (_, label) => label.clone(),
            };
        }
        if let Some(unit) = self.query.unit(&group.expr) {
            return self.civil.words(unit, key);
        }
        labelled(&group.labels, key.clone())
    }

    /// What orders a key: units and ranges by themselves, names by their letters.
    fn rank(&self, index: usize, key: &Value, name: &Value) -> Value {
        let group = &self.query.groups[index];
        if let (Some(bounds), Value::Text(text)) = (self.query.bounds(&group.expr), key) {
            let rank = (0..=bounds.len()).position(|range| range_text(bounds, range) == *text);
            return rank.map_or(Value::Null, |rank| Value::Integer(rank as i64));
        }
        // Without a record there is no name to sort by: it goes last.
        let by_key = key.is_null() || self.query.unit(&group.expr).is_some();
        if by_key { key.clone() } else { name.clone() }
    }
}

impl Query {
    fn order(&self, a: &Shaped, b: &Shaped) -> Ordering {
        let chosen = self.sort.iter().map(|sort| match sort.by {
            SortBy::Group(index) => {
                ordered(a.ranks[index].datum(), b.ranks[index].datum(), sort.descending)
            }
            SortBy::Column(index) => {
                let (a, b) = (&a.row.values[index], &b.row.values[index]);
                ordered(a.datum(), b.datum(), sort.descending)
            }
        });
        let by_name = a.ranks.iter().zip(&b.ranks).map(|(a, b)| a.order(b));
        let by_key = a.row.keys.iter().zip(&b.row.keys).map(|(a, b)| a.order(b));
        chosen
            .chain(by_name)
            .chain(by_key)
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    }

    /// The words for a missing record, e.g. `(no account)`.
    fn nobody(&self, table: usize) -> Value {
        Value::Text(format!("(no {})", self.report_type.tables[table].alias))
    }

    fn list_shown(&self, values: Vec<Value>) -> Vec<Value> {
        let shown = values.into_iter().zip(&self.columns).map(|(value, column)| {
            match (column.alias, value) {
                (Some(table), Value::Null) => self.nobody(table),
                (_, value) => value,
            }
        });
        shown.collect()
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
fn told_apart(names: &[Value], keys: &[&Value]) -> Vec<Value> {
    let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, key) in names.iter().zip(keys) {
        if let (Some(name), Some(key)) = (name.text(), key.text()) {
            by_name.entry(name).or_default().insert(key);
        }
    }
    // A missing record's words may be somebody's name.
    let nobody: BTreeSet<&str> = names
        .iter()
        .zip(keys)
        .filter(|(_, key)| key.is_null())
        .filter_map(|(name, _)| name.text())
        .collect();
    names
        .iter()
        .zip(keys)
        .map(|(name, key)| {
            let (Some(text), Some(key)) = (name.text(), key.text()) else { return name.clone() };
            let alike = &by_name[text];
            let count = alike.len() + usize::from(nobody.contains(text));
            if count < 2 || text == key {
                return name.clone();
            }
            Value::Text(format!("{text} ({})", short(key, alike)))
        })
        .collect()
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

/// Encodes keys, see [`encode`].
pub(crate) fn encoded<'a>(keys: impl IntoIterator<Item = &'a Value>, into: &mut Vec<u8>) {
    into.clear();
    keys.into_iter().for_each(|key| encode(key.datum(), into));
}
