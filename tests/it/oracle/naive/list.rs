//! Lists of rows.

use std::cmp::Ordering;

use super::super::REST_MAX;
use super::super::values::{V, directed, finite, order};
use super::{G, Item, Outcome, World, X, told_apart};

impl World<'_> {
    pub(super) fn list(&self, rows: Vec<Item>, records: u64) -> Outcome {
        let count = rows.len() as u64;
        let row = |item: &Item| -> (Vec<V>, Vec<V>, Vec<V>) {
            let columns = || self.spec.columns.iter();
            let values = columns().map(|x| finite(self.listed(x, item))).collect();
            (columns().map(|x| self.key_listed(x, item)).collect(), vec![], values)
        };
        let mut rows: Vec<(Vec<V>, Vec<V>, Vec<V>)> = rows.iter().map(row).collect();
        rows.sort_by(|a, b| {
            let chosen = self.spec.sort.iter();
            let chosen = chosen.map(|(i, desc)| directed(&a.2[*i], &b.2[*i], *desc));
            let rest = a.2.iter().zip(&b.2).chain(a.0.iter().zip(&b.0)).map(|(a, b)| order(a, b));
            chosen.chain(rest).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        });
        for (_, _, values) in &mut rows {
            for (value, x) in values.iter_mut().zip(&self.spec.columns) {
                if let (V::Null, Some(alias)) = (&value, self.alias_listed(x)) {
                    *value = V::Text(format!("(no {alias})"));
                }
            }
        }
        let alias = |x: &X| self.alias_listed(x).is_some();
        for (index, _) in self.spec.columns.iter().enumerate().filter(|(_, x)| alias(x)) {
            // Only rows that anybody will see are held against each other.
            let top = self.spec.top.unwrap_or(usize::MAX);
            let seen = &rows[..top.saturating_add(REST_MAX).min(rows.len())];
            let names: Vec<V> = seen.iter().map(|row| row.2[index].clone()).collect();
            let keys: Vec<&V> = seen.iter().map(|row| &row.0[index]).collect();
            let apart = told_apart(&names, &keys);
            rows.iter_mut().zip(apart).for_each(|(row, name)| row.2[index] = name);
        }
        let rest = rows.split_off(self.spec.top.unwrap_or(usize::MAX).min(rows.len()));
        let left_out = count - rows.len() as u64;
        Outcome {
            rows,
            rest,
            across: vec![],
            others: (left_out > 0).then_some((left_out, None)),
            total: None,
            records,
        }
    }

    /// A list's column: keys of the fold that are aliases show what their records are called.
    pub(super) fn listed(&self, x: &X, item: &Item) -> V {
        let label = match (x, item) {
            (X::Alias(alias), _) => self.label(&G::Alias(alias), item),
            (X::Name(name), Item::Folded(..)) if name.starts_with('k') => {
                self.label(&G::Folded(name[1..].parse().unwrap()), item)
            }
            _ => None,
        };
        match (label, x) {
            (Some(V::Null), X::Alias(alias)) => self.field(item, alias, "Id"),
            (Some(V::Null), _) | (None, _) => self.row(x, item),
            (Some(label), _) => label,
        }
    }

    fn alias_listed(&self, x: &X) -> Option<&'static str> {
        match x {
            X::Alias(alias) => Some(alias),
            X::Name(name) if name.starts_with('k') => {
                self.alias_of(&G::Folded(name[1..].parse().unwrap()))
            }
            _ => None,
        }
    }

    /// The key of the record that a column names.
    fn key_listed(&self, x: &X, item: &Item) -> V {
        match (x, self.alias_listed(x)) {
            (X::Alias(alias), _) => self.field(item, alias, "Id"),
            (x, Some(_)) => self.row(x, item),
            (_, None) => V::Null,
        }
    }
}
