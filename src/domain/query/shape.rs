//! Groups and rows to an answer: columns computed, labels told apart, sorted, cut, totalled.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::accumulate::{Accumulator, ordered};
use super::collect::{FirstRows, Gathered, Groups, Head};
use super::{Answer, Column, Frame, Query, Row, SortBy};
use crate::domain::expr::eval::{Scope, value};
use crate::domain::expr::{Civil, Expr, range_text};
use crate::domain::value::Value;

/// A row with what its order is judged by and its aggregates, until the cut.
struct Shaped {
    row: Row,
    /// For each group what orders it, where that is not what is shown.
    ranks: Vec<Option<Value>>,
    group: usize,
}

impl Shaped {
    fn rank(&self, index: usize) -> &Value {
        self.ranks[index].as_ref().unwrap_or(&self.row.shown[index])
    }
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

    let mut rows = shaper.rows(&mut groups.groups);
    let top = query.top.unwrap_or(usize::MAX).min(rows.len());
    if top < rows.len() {
        // Only those shown need an order among themselves.
        rows.select_nth_unstable_by(top, |a, b| query.order(a, b));
    }
    let left_out = rows.split_off(top);
    rows.sort_unstable_by(|a, b| query.order(a, b));
    let count = left_out.len() as u64 + groups.beyond_count();
    let others = (count > 0).then(|| {
        let each = left_out.iter().map(|shaped| &groups.groups[shaped.group].aggregates);
        let taken = merged(query, each.chain(&groups.beyond));
        (count, Some(shaper.values(&Head::of_none(query), &finished(&taken))))
    });
    let total = query.total.then(|| shaper.values(&Head::of_none(query), &shaper.over_all.clone()));
    let mut rest = left_out;
    if frame.rest_max < rest.len() {
        if frame.rest_max > 0 {
            rest.select_nth_unstable_by(frame.rest_max, |a, b| query.order(a, b));
        }
        rest.truncate(frame.rest_max);
    }
    rest.sort_unstable_by(|a, b| query.order(a, b));
    let unshaped = |shaped: Vec<Shaped>| shaped.into_iter().map(|shaped| shaped.row).collect();
    Answer {
        rows: unshaped(rows),
        others,
        rest: unshaped(rest),
        across: Vec::new(),
        total,
        records,
        truncated: groups.beyond.is_some(),
    }
}

/// The answer of a list.
pub(crate) fn list(query: &Query, frame: &Frame, rows: FirstRows, records: u64) -> Answer {
    let offered = rows.offered;
    let mut rows: Vec<Row> = rows
        .into_rows()
        .into_iter()
        .map(|values| Row { keys: vec![], shown: vec![], values: query.list_shown(values) })
        .collect();
    let top = query.top.unwrap_or(usize::MAX).min(frame.rows_max);
    let rest = rows.split_off(top.min(rows.len()));
    let left_out = offered - rows.len() as u64;
    let cut_by_top = query.top.is_some_and(|top| top <= frame.rows_max);
    Answer {
        others: (left_out > 0).then_some((left_out, None)),
        rest,
        across: Vec::new(),
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

    /// A row for each group, in no order. Takes the keys from the groups.
    fn rows(&self, groups: &mut [Gathered]) -> Vec<Shaped> {
        let mut rows: Vec<Shaped> = Vec::with_capacity(groups.len());
        for (index, group) in groups.iter().enumerate() {
            let values = self.values(&group.head, &finished(&group.aggregates));
            let shown = Vec::with_capacity(self.query.groups.len());
            let row = Row { keys: vec![], shown, values };
            rows.push(Shaped { row, ranks: vec![], group: index });
        }
        for index in 0..self.query.groups.len() {
            let names = groups.iter().map(|group| self.name(index, &group.head)).collect();
            let keys: Vec<&Value> = groups.iter().map(|group| &group.head.keys[index]).collect();
            let apart = told_apart(names, &keys);
            for ((shaped, name), key) in rows.iter_mut().zip(apart).zip(keys) {
                shaped.ranks.push(self.rank(index, key));
                shaped.row.shown.push(name);
            }
        }
        for (shaped, group) in rows.iter_mut().zip(groups) {
            shaped.row.keys = std::mem::take(&mut group.head.keys);
        }
        rows
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

    /// What orders a key, where that is not its name: units and ranges by themselves.
    fn rank(&self, index: usize, key: &Value) -> Option<Value> {
        let group = &self.query.groups[index];
        if let (Some(bounds), Value::Text(text)) = (self.query.bounds(&group.expr), key) {
            let rank = (0..=bounds.len()).position(|range| range_text(bounds, range) == *text);
            return Some(rank.map_or(Value::Null, |rank| Value::Integer(rank as i64)));
        }
        // Without a record there is no name to sort by: it goes last.
        let by_key = key.is_null() || self.query.unit(&group.expr).is_some();
        by_key.then(|| key.clone())
    }
}

impl Query {
    fn order(&self, a: &Shaped, b: &Shaped) -> Ordering {
        let chosen = self.sort.iter().map(|sort| match sort.by {
            SortBy::Group(index) => {
                ordered(a.rank(index).datum(), b.rank(index).datum(), sort.descending)
            }
            SortBy::Column(index) => {
                let (a, b) = (&a.row.values[index], &b.row.values[index]);
                ordered(a.datum(), b.datum(), sort.descending)
            }
        });
        let by_name = (0..self.groups.len()).map(|index| a.rank(index).order(b.rank(index)));
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
fn told_apart(mut names: Vec<Value>, keys: &[&Value]) -> Vec<Value> {
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
