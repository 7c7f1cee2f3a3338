//! Expected tables: rows gathered, ordered, cut, summed up and named by hand.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use postrider::domain::value::Value;

use super::stats::WITHHELD;

/// What a report's table must hold.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) others: Option<(u64, Option<Vec<Value>>)>,
    pub(super) total: Option<Vec<Value>>,
    pub(super) coverage: Vec<String>,
    /// How many records are counted.
    pub(super) records: usize,
}

impl Expected {
    /// As it is shown: what is withheld is null, and said to be.
    pub(super) fn shown(mut self) -> Expected {
        let others = self.others.iter_mut().filter_map(|(_, values)| values.as_mut());
        let rows = self.rows.iter_mut().chain(others).chain(&mut self.total);
        let cells = rows.flatten().filter(|cell| cell.text() == Some(WITHHELD));
        let withheld = cells.map(|cell| *cell = Value::Null).count();
        self.coverage.extend(match withheld {
            0 => None,
            1 => Some("One percentile of fewer than 20 values is not shown.".to_owned()),
            n => Some(format!("{n} percentiles of fewer than 20 values are not shown.")),
        });
        self
    }
}

/// A grouping cell of one item: its identity and its name. Who has no identity is nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    /// Whether it is a record: records of one name are told apart.
    pub(super) record: bool,
}

impl Key {
    /// A record and what it is called.
    pub(super) fn record(id: &str, name: &str) -> Key {
        Key { id: Some(id.to_owned()), name: Some(name.to_owned()), record: true }
    }
    /// No record, with the words for it.
    pub(super) fn nobody(words: &str) -> Key {
        Key { id: None, name: Some(words.to_owned()), record: true }
    }
    /// A value, which may be null, and its label.
    pub(super) fn value(value: Option<&str>, label: fn(&str) -> &str) -> Key {
        let name = value.map(|value| label(value).to_owned());
        Key { id: value.map(str::to_owned), name, record: false }
    }
}

/// The figures of some items, beside all of them.
type Figures<'a, T> = &'a dyn Fn(&[&T], &[&T]) -> Vec<Value>;

/// A row in the making: its keys, its figures, its items.
type Row<'t, T> = (Vec<Key>, Vec<Value>, Vec<&'t T>);

/// A grouped table in the making.
pub(super) struct Grouping<'a, T> {
    pub(super) items: Vec<T>,
    pub(super) keys: &'a dyn Fn(&T) -> Vec<Key>,
    pub(super) figures: Figures<'a, T>,
    /// The figure that orders the rows, the largest first.
    pub(super) largest: usize,
    pub(super) top: usize,
    pub(super) total: bool,
}

impl<T> Grouping<'_, T> {
    pub(super) fn table(&self, columns: &[&'static str]) -> Expected {
        let all: Vec<&T> = self.items.iter().collect();
        let mut groups: BTreeMap<Vec<Key>, Vec<&T>> = BTreeMap::new();
        for item in &self.items {
            groups.entry((self.keys)(item)).or_default().push(item);
        }
        let width = columns.len() - (self.figures)(&all, &all).len();
        let mut rows: Vec<Row<'_, T>> =
            groups.into_iter().map(|(keys, own)| (keys, (self.figures)(&own, &all), own)).collect();
        rows.sort_by(|a, b| self.order(a, b));
        let names = told_apart(&rows.iter().map(|row| row.0.as_slice()).collect::<Vec<_>>());
        let over = |items: &[&T]| {
            let mut row = vec![Value::Null; width];
            row.extend((self.figures)(items, &all));
            row
        };
        let left: Vec<_> = rows.iter().skip(self.top).collect();
        let behind: Vec<&T> = left.iter().flat_map(|row| row.2.clone()).collect();
        let others = (!left.is_empty()).then(|| (left.len() as u64, Some(over(&behind))));
        let shown = names.into_iter().zip(&rows).take(self.top);
        Expected {
            columns: columns.to_vec(),
            rows: shown.map(|(names, row)| [names, row.1.clone()].concat()).collect(),
            others,
            total: self.total.then(|| over(&all)),
            coverage: vec![],
            records: self.items.len(),
        }
    }

    /// Largest first; then by name, nobody last; then by id.
    fn order(&self, a: &Row<'_, T>, b: &Row<'_, T>) -> Ordering {
        let named = |key: &Key| (key.id.is_none(), key.name.clone());
        let names = (0..a.0.len()).map(|at| named(&a.0[at]).cmp(&named(&b.0[at])));
        let ids = (0..a.0.len()).map(|at| a.0[at].id.cmp(&b.0[at].id));
        let largest = largest_first(&a.1[self.largest], &b.1[self.largest]);
        largest.then_with(|| names.chain(ids).find(|it| it.is_ne()).unwrap_or(Ordering::Equal))
    }
}

/// Largest first, no value last.
fn largest_first(a: &Value, b: &Value) -> Ordering {
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// One row about everything.
pub(super) fn figures(columns: &[&'static str], values: Vec<Value>, records: usize) -> Expected {
    let (columns, rows) = (columns.to_vec(), vec![values]);
    Expected { columns, rows, records, ..Expected::default() }
}

/// The names of each row's keys; records that share a name get the end of their id behind it.
fn told_apart(rows: &[&[Key]]) -> Vec<Vec<Value>> {
    let shown = |at: usize, key: &Key| {
        let Some(name) = &key.name else { return Value::Null };
        let (Some(id), true) = (&key.id, key.record) else { return Value::Text(name.clone()) };
        let mut alike: Vec<&str> = rows
            .iter()
            .map(|row| &row[at])
            .filter(|other| other.name == key.name)
            .filter_map(|other| other.id.as_deref())
            .filter(|other| other != id)
            .collect();
        alike.dedup();
        if alike.is_empty() {
            return Value::Text(name.clone());
        }
        let ends = (4..=id.len()).map(|length| &id[id.len() - length..]);
        let mut unlike = ends.filter(|end| alike.iter().all(|other| !other.ends_with(end)));
        Value::Text(format!("{name} ({})", unlike.next().expect("ids differ")))
    };
    let cells = |row: &&[Key]| row.iter().enumerate().map(|(at, key)| shown(at, key)).collect();
    rows.iter().map(cells).collect()
}
