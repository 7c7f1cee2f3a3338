//! What a query means, by nested loops over plain rows. Slow, obvious, and made of nothing of the
//! code under test.

use std::cmp::Ordering;

use jiff::{Timestamp, Zoned};

use super::values::{Ty, V, directed, divide, finite, number, order, range};

mod across;
mod list;
mod scalar;

use across::Across;

/// The fraction of `percentile` in random questions.
pub(super) const FRACTION: f64 = 0.37;

/// An expression as a person would write it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum X {
    Lit(V),
    /// Alias and field.
    Field(&'static str, &'static str),
    /// A key or value of the fold.
    Name(String),
    /// A column of a list that is an alias.
    Alias(&'static str),
    /// After grouping: the group with this index; behind the last one what goes across.
    Group(usize),
    /// A column before, by its heading.
    Column(usize),
    AsOf,
    Not(Box<X>),
    Negate(Box<X>),
    IsNull(Box<X>),
    /// The operator as written.
    Op(&'static str, Box<X>, Box<X>),
    Between(Box<X>, Box<X>, Box<X>),
    In(Box<X>, Vec<V>),
    Case(Vec<(X, X)>, Option<Box<X>>, Ty),
    Coalesce(Vec<X>, Ty),
    /// `lower`, `seconds`, `day`, ...
    Call(&'static str, Vec<X>),
    Bucket(Box<X>, Vec<i64>),
    Agg(Agg),
    Share(Box<X>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Agg {
    pub(super) name: &'static str,
    pub(super) distinct: bool,
    pub(super) of: Option<Box<X>>,
    pub(super) order: Vec<(X, bool)>,
    pub(super) filter: Option<Box<X>>,
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) fields: Vec<(&'static str, Ty)>,
    pub(super) rows: Vec<Vec<V>>,
    pub(super) deleted: Vec<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    First,
    Inner,
    Left,
}

#[derive(Clone, Debug)]
pub(super) struct Join {
    pub(super) table: &'static str,
    pub(super) alias: &'static str,
    pub(super) kind: Kind,
    pub(super) on: Option<X>,
}

/// A group as written: an alias or an expression.
#[derive(Clone, Debug)]
pub(super) enum G {
    Alias(&'static str),
    Expr(X),
    /// A key of the fold, by its place.
    Folded(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) from: Vec<Join>,
    pub(super) date: Option<(&'static str, &'static str)>,
    pub(super) filter: Option<X>,
    pub(super) per: Vec<G>,
    pub(super) values: Vec<X>,
    pub(super) groups: Vec<G>,
    /// What goes across.
    pub(super) pivot: Option<G>,
    pub(super) columns: Vec<X>,
    /// Percentiles of fewer values are null.
    pub(super) min_values: u64,
    /// Index into groups then columns, descending.
    pub(super) sort: Vec<(usize, bool)>,
    pub(super) top: Option<usize>,
    pub(super) list: bool,
}

pub(super) struct Frame {
    pub(super) bounds: Option<(i64, i64)>,
    pub(super) as_of: i64,
    pub(super) zone: &'static str,
    pub(super) week_starts: u8,
}

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) rows: Vec<(Vec<V>, Vec<V>, Vec<V>)>,
    /// All rows behind the top.
    pub(super) rest: Vec<(Vec<V>, Vec<V>, Vec<V>)>,
    pub(super) across: Vec<V>,
    pub(super) others: Option<(u64, Option<Vec<V>>)>,
    pub(super) total: Option<Vec<V>>,
    pub(super) records: u64,
}

/// A group's keys, names, values and rows.
type Made = (Vec<V>, Vec<V>, Vec<V>, Vec<Item>);

/// One row: joined records, or names of a fold.
#[derive(Clone, Debug)]
enum Item {
    Joined(Vec<Option<Vec<V>>>),
    Folded(Vec<(String, V)>, Vec<V>),
}

struct World<'a> {
    tables: &'a [Table],
    spec: &'a Spec,
    frame: &'a Frame,
}

/// One part of a split answer: its key, its name, its answer.
pub(super) type Part = (V, V, Outcome);

/// What an expression over a group sees.
struct Set<'a> {
    rows: &'a [Item],
    all: &'a [Item],
    /// `None` where several groups are taken together.
    keys: Option<&'a [V]>,
    min_values: u64,
}

pub(super) fn answer(tables: &[Table], spec: &Spec, frame: &Frame) -> Outcome {
    let world = World { tables, spec, frame };
    world.answer(world.joined().into_iter().map(Item::Joined).collect())
}

/// The answers of all parts, in the order of their names.
pub(super) fn parts(tables: &[Table], spec: &Spec, split: &G, frame: &Frame) -> Vec<Part> {
    let world = World { tables, spec, frame };
    let rows: Vec<Item> = world.joined().into_iter().map(Item::Joined).collect();
    let sets = world.by_keys(std::slice::from_ref(split), rows);
    let names = world.shown(split, 0, &sets);
    let mut parts: Vec<(V, Part)> = Vec::new();
    for ((mut keys, rows), name) in sets.into_iter().zip(names) {
        let key = keys.remove(0);
        parts.push((world.rank(split, &key, &name), (key, name, world.answer(rows))));
    }
    parts.sort_by(|(a, x), (b, y)| order(a, b).then_with(|| order(&x.0, &y.0)));
    parts.into_iter().map(|(_, part)| part).collect()
}

impl World<'_> {
    /// The answer over joined rows.
    fn answer(&self, mut rows: Vec<Item>) -> Outcome {
        let spec = self.spec;
        // Of a row that the join to the dated table only keeps, nothing was counted.
        let dated =
            spec.date.and_then(|(of, _)| spec.from.iter().position(|join| join.alias == of));
        let counts = |row: &&Item| match (row, dated) {
            (Item::Joined(records), Some(at)) => records[at].is_some(),
            _ => true,
        };
        let records = rows.iter().filter(counts).count() as u64;
        if !spec.per.is_empty() {
            rows = self.folded(rows);
        }
        if spec.list { self.list(rows, records) } else { self.grouped(rows, records) }
    }

    fn table(&self, name: &str) -> &Table {
        self.tables.iter().find(|table| table.name == name).unwrap()
    }

    fn joined(&self) -> Vec<Vec<Option<Vec<V>>>> {
        let mut rows: Vec<Vec<Option<Vec<V>>>> = vec![vec![]];
        for join in &self.spec.from {
            let table = self.table(join.table);
            let mut next = Vec::new();
            for row in rows {
                let mut matched = false;
                for (record, deleted) in table.rows.iter().zip(&table.deleted) {
                    let mut candidate = row.clone();
                    candidate.push(Some(record.clone()));
                    let item = Item::Joined(candidate.clone());
                    let inside = match (self.spec.date, self.frame.bounds) {
                        (Some((alias, field)), Some((from, to))) if alias == join.alias => {
                            matches!(self.field(&item, alias, field), V::Time(at) if from <= at && at < to)
                        }
                        _ => true,
                    };
                    let on = join.on.as_ref().is_none_or(|on| self.row(on, &item) == V::Bool(true));
                    if !deleted && inside && on {
                        matched = true;
                        next.push(candidate);
                    }
                }
                if !matched && join.kind == Kind::Left {
                    let mut alone = row;
                    alone.push(None);
                    next.push(alone);
                }
            }
            rows = next;
        }
        let keep = |row: &Vec<Option<Vec<V>>>| {
            let item = Item::Joined(row.clone());
            self.spec.filter.as_ref().is_none_or(|x| self.row(x, &item) == V::Bool(true))
        };
        rows.into_iter().filter(keep).collect()
    }

    fn field(&self, item: &Item, alias: &str, field: &str) -> V {
        let Item::Joined(records) = item else { panic!("a field of a folded row") };
        let place = self.spec.from.iter().position(|join| join.alias == alias).unwrap();
        let table = self.table(self.spec.from[place].table);
        let index = table.fields.iter().position(|(name, _)| *name == field).unwrap();
        records[place].as_ref().map_or(V::Null, |record| record[index].clone())
    }

    fn key(&self, group: &G, item: &Item) -> V {
        match (group, item) {
            (G::Alias(alias), _) => self.field(item, alias, "Id"),
            (G::Expr(x), _) => self.row(x, item),
            (G::Folded(index), Item::Folded(names, _)) => names[*index].1.clone(),
            (G::Folded(_), _) => panic!("not folded"),
        }
    }

    /// What the record of a key is called by, where the group is an alias.
    fn label(&self, group: &G, item: &Item) -> Option<V> {
        let label_field = |alias: &str| {
            let join = self.spec.from.iter().find(|join| join.alias == alias).unwrap();
            if join.table == "Channel" || join.table == "Account" { "Name" } else { "Id" }
        };
        match (group, item) {
            (G::Alias(alias), _) => Some(self.field(item, alias, label_field(alias))),
            (G::Folded(index), Item::Folded(_, labels)) => match self.spec.per[*index] {
                G::Alias(_) => Some(labels[*index].clone()),
                _ => None,
            },
            _ => None,
        }
    }

    fn alias_of(&self, group: &G) -> Option<&'static str> {
        match group {
            G::Alias(alias) => Some(alias),
            G::Folded(index) => self.alias_of(&self.spec.per[*index]),
            G::Expr(_) => None,
        }
    }

    /// Rows by their keys, in no order that matters.
    fn by_keys(&self, groups: &[G], rows: Vec<Item>) -> Vec<(Vec<V>, Vec<Item>)> {
        let mut sets: Vec<(Vec<V>, Vec<Item>)> = Vec::new();
        for row in rows {
            let keys: Vec<V> = groups.iter().map(|group| self.key(group, &row)).collect();
            match sets.iter_mut().find(|(known, _)| *known == keys) {
                Some((_, rows)) => rows.push(row),
                None => sets.push((keys, vec![row])),
            }
        }
        sets
    }

    fn folded(&self, rows: Vec<Item>) -> Vec<Item> {
        let per = &self.spec.per;
        let fold = |(keys, rows): (Vec<V>, Vec<Item>)| {
            let mut names: Vec<(String, V)> =
                keys.iter().enumerate().map(|(i, key)| (format!("k{i}"), key.clone())).collect();
            let set = Set { rows: &rows, all: &rows, keys: Some(&keys), min_values: 0 };
            for (index, value) in self.spec.values.iter().enumerate() {
                names.push((format!("v{index}"), finite(self.over(value, &set))));
            }
            let labels =
                per.iter().map(|group| self.label(group, &rows[0]).unwrap_or(V::Null)).collect();
            Item::Folded(names, labels)
        };
        self.by_keys(per, rows).into_iter().map(fold).collect()
    }

    fn grouped(&self, rows: Vec<Item>, records: u64) -> Outcome {
        let groups = &self.spec.groups;
        let min_values = self.spec.min_values;
        let all = rows.clone();
        let mut sets = self.by_keys(groups, rows);
        if groups.is_empty() && sets.is_empty() {
            sets.push((vec![], vec![]));
        }
        let names: Vec<Vec<V>> =
            groups.iter().enumerate().map(|(i, group)| self.shown(group, i, &sets)).collect();
        let across = self.spec.pivot.as_ref().map(|pivot| Across::of(self, pivot, &all));
        let over = |rows: &[Item], keys: Option<&[V]>| match &across {
            Some(across) => across.columns(self, rows, &all, keys),
            None => self.columns(&Set { rows, all: &all, keys, min_values }),
        };
        let mut made: Vec<Made> = Vec::new();
        for (index, (keys, rows)) in sets.into_iter().enumerate() {
            let values = over(&rows, Some(&keys));
            let shown = names.iter().map(|names| names[index].clone()).collect();
            made.push((keys, shown, values, rows));
        }
        let rank = |row: &Made, i: usize| self.rank(&groups[i], &row.0[i], &row.1[i]);
        // Rows are ordered by their columns over everything across, which come last.
        let last = made.first().map_or(0, |row| row.2.len() - self.spec.columns.len());
        made.sort_by(|a, b| {
            let chosen = self.spec.sort.iter().map(|(i, desc)| match i.checked_sub(groups.len()) {
                Some(column) => directed(&a.2[last + column], &b.2[last + column], *desc),
                None => directed(&rank(a, *i), &rank(b, *i), *desc),
            });
            let named = (0..groups.len()).map(|i| order(&rank(a, i), &rank(b, i)));
            let keyed = a.0.iter().zip(&b.0).map(|(a, b)| order(a, b));
            chosen.chain(named).chain(keyed).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        });
        let rest = made.split_off(self.spec.top.unwrap_or(usize::MAX).min(made.len()));
        let together = |rows: &[Item]| over(rows, None);
        let others = (!rest.is_empty()).then(|| {
            let rows: Vec<Item> = rest.iter().flat_map(|row| row.3.clone()).collect();
            (rest.len() as u64, Some(together(&rows)))
        });
        let plain = |rows: Vec<Made>| rows.into_iter().map(|row| (row.0, row.1, row.2)).collect();
        Outcome {
            rows: plain(made),
            rest: plain(rest),
            across: across.as_ref().map_or(vec![], |across| across.shown.clone()),
            others,
            total: Some(together(&all)),
            records,
        }
    }

    fn columns(&self, set: &Set<'_>) -> Vec<V> {
        self.spec.columns.iter().map(|x| finite(self.over(x, set))).collect()
    }

    /// What orders a key.
    fn rank(&self, group: &G, key: &V, shown: &V) -> V {
        if *key == V::Null {
            return V::Null;
        }
        match self.unfolded(group) {
            G::Expr(X::Bucket(_, bounds)) => {
                let V::Text(text) = key else { panic!() };
                let at = (0..=bounds.len()).find(|at| range(bounds, *at) == *text);
                V::Int(at.unwrap() as i64)
            }
            G::Expr(X::Call(..)) => key.clone(),
            _ => shown.clone(),
        }
    }

    fn shown(&self, group: &G, index: usize, sets: &[(Vec<V>, Vec<Item>)]) -> Vec<V> {
        let name = |(keys, rows): &(Vec<V>, Vec<Item>)| -> V {
            let key = &keys[index];
            let Some(alias) = self.alias_of(group) else { return self.words(group, key) };
            match (key, self.label(group, &rows[0]).unwrap()) {
                (V::Null, _) => V::Text(format!("(no {alias})")),
                (key, V::Null) => key.clone(),
                (_, label) => label,
            }
        };
        let names: Vec<V> = sets.iter().map(name).collect();
        let keys: Vec<&V> = sets.iter().map(|(keys, _)| &keys[index]).collect();
        told_apart(&names, &keys)
    }

    /// The key of the fold that a group is.
    fn unfolded<'g>(&'g self, group: &'g G) -> &'g G {
        if let G::Folded(index) = group { &self.spec.per[*index] } else { group }
    }

    /// Units for people.
    fn words(&self, group: &G, key: &V) -> V {
        let group = self.unfolded(group);
        let date = |ms: &i64| self.zoned(*ms).date().to_string();
        match (group, key) {
            (G::Expr(X::Call("day", _)), V::Time(ms)) => V::Text(date(ms)),
            (G::Expr(X::Call("week", _)), V::Time(ms)) => V::Text(format!("week of {}", date(ms))),
            (G::Expr(X::Call("month", _)), V::Time(ms)) => V::Text(date(ms)[..7].to_owned()),
            (G::Expr(X::Call("weekday", _)), V::Int(n)) => {
                let days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday";
                V::Text(days.split(' ').nth(*n as usize - 1).unwrap().to_owned())
            }
            (_, key) => key.clone(),
        }
    }

    fn zoned(&self, ms: i64) -> Zoned {
        Timestamp::from_millisecond(ms).unwrap().in_tz(self.frame.zone).unwrap()
    }

    /// An expression over one row.
    fn row(&self, x: &X, item: &Item) -> V {
        match x {
            X::Field(alias, field) => self.field(item, alias, field),
            X::Name(name) => match item {
                Item::Folded(names, _) => {
                    names.iter().find(|(known, _)| known == name).unwrap().1.clone()
                }
                Item::Joined(_) => panic!("not folded"),
            },
            X::Column(index) => self.listed(&self.spec.columns[*index], item),
            other => self.inner(other, &|x| self.row(x, item)),
        }
    }

    /// An expression over a group.
    fn over(&self, x: &X, set: &Set<'_>) -> V {
        match x {
            X::Group(index) => set.keys.map_or(V::Null, |keys| keys[*index].clone()),
            // Fixed by the keys: any row will do.
            X::Field(..) => match (set.keys, set.rows.first()) {
                (Some(_), Some(row)) => self.row(x, row),
                _ => V::Null,
            },
            X::Agg(agg) => self.aggregate(agg, set),
            X::Column(index) => self.over(&self.spec.columns[*index], set),
            X::Share(part) => {
                let all = Set { rows: set.all, keys: None, ..*set };
                divide(self.over(part, set), self.over(part, &all))
            }
            other => self.inner(other, &|x| self.over(x, set)),
        }
    }

    fn aggregate(&self, agg: &Agg, set: &Set<'_>) -> V {
        let filtered: Vec<&Item> = set
            .rows
            .iter()
            .filter(|row| agg.filter.as_ref().is_none_or(|f| self.row(f, row) == V::Bool(true)))
            .collect();
        let Some(of) = &agg.of else { return V::Int(filtered.len() as i64) };
        if agg.name == "first" {
            let mut ordered: Vec<(Vec<V>, V)> = filtered
                .iter()
                .map(|row| {
                    (agg.order.iter().map(|(x, _)| self.row(x, row)).collect(), self.row(of, row))
                })
                .collect();
            ordered.sort_by(|a, b| {
                let keys = (0..agg.order.len()).map(|i| directed(&a.0[i], &b.0[i], agg.order[i].1));
                keys.chain([order(&a.1, &b.1)]).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
            });
            return ordered.first().map_or(V::Null, |(_, value)| value.clone());
        }
        let mut values: Vec<V> = filtered.iter().map(|row| self.row(of, row)).collect();
        values.retain(|value| *value != V::Null);
        values.sort_by(order);
        let numbers: Vec<f64> = values.iter().filter_map(number).collect();
        let percentile = |fraction: f64| {
            let few = (numbers.len() as u64) < set.min_values && fraction != 0.5;
            if numbers.is_empty() || few {
                return V::Null;
            }
            let place = fraction * (numbers.len() - 1) as f64;
            let (low, high) = (place.floor() as usize, place.ceil() as usize);
            V::Real(numbers[low] + (numbers[high] - numbers[low]) * (place - low as f64))
        };
        match agg.name {
            "count" if agg.distinct => {
                values.dedup();
                V::Int(values.len() as i64)
            }
            "count" => V::Int(values.len() as i64),
            "min" => values.first().cloned().unwrap_or(V::Null),
            "max" => values.last().cloned().unwrap_or(V::Null),
            "sum" | "avg" if values.is_empty() => V::Null,
            "sum" | "avg" => {
                let whole: Option<Vec<i128>> = values
                    .iter()
                    .map(|value| if let V::Int(n) = value { Some(i128::from(*n)) } else { None })
                    .collect();
                let whole: Option<i128> = whole.map(|whole| whole.iter().sum());
                let sum = whole.map_or(numbers.iter().sum(), |whole| whole as f64);
                match whole.map(i64::try_from) {
                    _ if agg.name == "avg" => V::Real(sum / numbers.len() as f64),
                    Some(Ok(sum)) => V::Int(sum),
                    _ => V::Real(sum),
                }
            }
            "median" | "p50" => percentile(0.5),
            "p90" => percentile(0.9),
            "p95" => percentile(0.95),
            "p99" => percentile(0.99),
            "percentile" => percentile(FRACTION),
            other => panic!("{other}"),
        }
    }
}

/// Names of different keys that read the same, with the end of their key behind them.
fn told_apart(names: &[V], keys: &[&V]) -> Vec<V> {
    let apart = |at: usize| -> V {
        let (V::Text(name), V::Text(key)) = (&names[at], keys[at]) else {
            return names[at].clone();
        };
        let alike: Vec<&V> = (0..names.len())
            .filter(|i| names[*i] == names[at] && keys[*i] != keys[at])
            .map(|i| keys[i])
            .collect();
        if alike.is_empty() || name == key {
            return names[at].clone();
        }
        let chars: Vec<char> = key.chars().collect();
        let end = (4..=chars.len())
            .map(|n| chars[chars.len() - n..].iter().collect::<String>())
            .find(|end| !alike.iter().any(|k| matches!(k, V::Text(k) if k.ends_with(end))));
        V::Text(format!("{name} ({})", end.unwrap_or(key.clone())))
    };
    (0..names.len()).map(apart).collect()
}
