//! The last group across.

use std::cmp::Ordering;

use super::super::values::{V, directed, finite, order};
use super::{G, Item, Set, World, X};

pub(super) struct Across {
    pub(super) shown: Vec<V>,
    /// The key of each value; `None` for those taken together.
    keys: Vec<Option<V>>,
    pivot: G,
}

impl Across {
    pub(super) fn of(world: &World<'_>, pivot: &G, all: &[Item]) -> Across {
        let groups = world.spec.groups.len();
        let sets = world.by_keys(std::slice::from_ref(pivot), all.to_vec());
        let names = world.shown(pivot, 0, &sets);
        let size = |rows: &[Item], key: &V| {
            let mut keys = vec![V::Null; groups];
            keys.push(key.clone());
            finite(world.over(&world.spec.columns[0], &world.set(rows, all, Some(&keys))))
        };
        let mut values: Vec<(V, V, V, V)> = sets
            .iter()
            .zip(names)
            .map(|((keys, rows), name)| {
                let rank = world.rank(pivot, &keys[0], &name);
                (size(rows, &keys[0]), rank, keys[0].clone(), name)
            })
            .collect();
        let by_name =
            |a: &(V, V, V, V), b: &(V, V, V, V)| order(&a.1, &b.1).then_with(|| order(&a.2, &b.2));
        values.sort_by(|a, b| directed(&a.0, &b.0, true).then_with(|| by_name(a, b)));
        let behind = values.split_off(values.len().min(12));
        if let G::Expr(X::Call("day" | "week" | "month" | "hour" | "weekday", _) | X::Bucket(..)) =
            world.unfolded(pivot)
        {
            values.sort_by(by_name);
        }
        let mut across = Across { shown: vec![], keys: vec![], pivot: pivot.clone() };
        for (_, _, key, name) in values {
            across.keys.push(Some(key));
            across.shown.push(name);
        }
        if !behind.is_empty() {
            across.keys.push(None);
            across.shown.push(V::Text(format!("Others ({})", behind.len())));
        }
        across
    }

    /// The columns for each value across, then over all of them.
    pub(super) fn columns(
        &self,
        world: &World<'_>,
        rows: &[Item],
        all: &[Item],
        keys: Option<&[V]>,
    ) -> Vec<V> {
        let none = vec![V::Null; world.spec.groups.len()];
        let row_keys = keys.unwrap_or(&none);
        let columns = |rows: &[Item], key: &V| {
            let keys: Vec<V> = row_keys.iter().chain([key]).cloned().collect();
            world.columns(&world.set(rows, all, Some(&keys)))
        };
        let mut found = Vec::new();
        for value in &self.keys {
            let inside = |row: &&Item| {
                let key = world.key(&self.pivot, row);
                match value {
                    Some(value) => order(&key, value) == Ordering::Equal,
                    None => !self.keys.contains(&Some(key)),
                }
            };
            let rows: Vec<Item> = rows.iter().filter(inside).cloned().collect();
            found.extend(columns(&rows, value.as_ref().unwrap_or(&V::Null)));
        }
        found.extend(columns(rows, &V::Null));
        found
    }
}

impl World<'_> {
    fn set<'s>(&'s self, rows: &'s [Item], all: &'s [Item], keys: Option<&'s [V]>) -> Set<'s> {
        Set { rows, all, keys, min_values: self.spec.min_values }
    }
}
