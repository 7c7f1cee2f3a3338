//! Groups and rows to an answer: columns computed, labels told apart, sorted, cut, totalled.
//!
//! What is computed of several groups taken together (totals, `Others`, what goes across) is computed
//! from their merged aggregates, never from their values.

use std::cmp::Ordering;

use super::accumulate::{Accumulator, MEDIAN, ordered};
use super::collect::{FirstRows, Groups, Head, Split};
use super::{Answer, Frame, PartAnswer, Query, Row, SortBy};
use crate::domain::expr::eval::{Scope, value};
use crate::domain::expr::{AggregateKind, Civil, Expr};
use crate::domain::value::Value;

mod across;
mod names;

use across::Across;
use names::{KeyOf, told_apart};

/// Makes answers of what was gathered.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    pub(crate) query: &'a Query,
    pub(crate) frame: &'a Frame,
    pub(crate) civil: &'a Civil,
    /// So many groups (of a list: columns) are those of the part, and not shown in its rows.
    pub(crate) split: usize,
}

/// A row with what its order is judged by, until the cut.
struct Shaped {
    row: Row,
    /// For each group what orders it, where that is not what is shown.
    ranks: Vec<Option<Value>>,
    members: Members,
    withheld: u64,
}

/// The groups that a row is of: one, or with something across several.
enum Members {
    One(usize),
    Several(Vec<usize>),
}

/// Columns computed over groups, and how many of them were withheld.
struct Cells {
    values: Vec<Value>,
    withheld: u64,
}

/// Computes columns over groups.
struct Shaper<'a> {
    shape: Shape<'a>,
    /// The aggregates over everything, where shares or totals need them.
    over_all: Vec<Value>,
    /// Of each column the percentiles it reads that may be withheld; empty where none may.
    percentiles: Vec<Vec<usize>>,
}

impl Members {
    fn places(&self) -> &[usize] {
        match self {
            Members::One(place) => std::slice::from_ref(place),
            Members::Several(places) => places,
        }
    }
}

impl Shaped {
    fn rank(&self, index: usize) -> &Value {
        self.ranks[index].as_ref().unwrap_or(&self.row.shown[index])
    }

    /// The row as it is answered, without the groups that are the part's.
    fn finish(mut self, split: usize) -> Row {
        self.row.keys.drain(..split);
        self.row.shown.drain(..split);
        self.row
    }
}

impl Shape<'_> {
    /// The answer of a grouped query.
    pub(crate) fn grouped(self, mut groups: Groups, records: u64) -> Answer {
        let query = self.query;
        if query.groups.is_empty() {
            groups.ensure_one(Head::of_none(query));
        }
        let shares = query.columns.iter().any(|column| reads_share(&column.expr));
        let all = (query.total || shares).then(|| {
            let each = groups.groups.iter().map(|group| &group.aggregates);
            merged(query, each.chain(&groups.beyond))
        });
        let over_all = all.as_deref().map_or_else(Vec::new, |all| finished(query, all));
        let shaper = Shaper { shape: self, over_all, percentiles: percentiles(query) };
        let across = query.pivot.then(|| Across::new(&shaper, &groups));

        let mut rows = match &across {
            Some(across) => across.rows(&shaper, &groups),
            None => shaper.rows(&mut groups),
        };
        // Columns over all that goes across stand behind the others, and it is they that order.
        let before = across.as_ref().map_or(0, |a| a.shown.len() * query.columns.len());
        let order = |a: &Shaped, b: &Shaped| query.order(a, b, before);
        let mut left_out = cut(&mut rows, query.top.unwrap_or(usize::MAX), order);
        let together = |members: &[usize]| match &across {
            Some(across) => across.together(&shaper, &groups, members),
            None => {
                let each = members.iter().map(|place| &groups.groups[*place].aggregates);
                let taken = merged(query, each.chain(&groups.beyond));
                shaper.cells(&Head::of_none(query), &taken)
            }
        };
        let count = left_out.len() as u64 + groups.beyond_count();
        let others = (count > 0).then(|| {
            let members: Vec<usize> =
                left_out.iter().flat_map(|row| row.members.places()).copied().collect();
            together(&members)
        });
        let total = match (&across, all.filter(|_| query.total)) {
            (_, None) => None,
            (None, Some(all)) => Some(shaper.cells(&Head::of_none(query), &all)),
            (Some(_), Some(_)) => Some(together(&(0..groups.groups.len()).collect::<Vec<_>>())),
        };
        match self.frame.rest_max {
            0 => left_out.clear(),
            wanted => drop(cut(&mut left_out, wanted, order)),
        }
        let taken = others.iter().chain(&total).map(|cells| cells.withheld);
        let withheld = rows.iter().map(|row| row.withheld).chain(taken).sum();
        let (shown, across_others) =
            across.map_or((vec![], 0), |across| (across.shown, across.others));
        let finish =
            |rows: Vec<Shaped>| rows.into_iter().map(|row| row.finish(self.split)).collect();
        Answer {
            rows: finish(rows),
            others: others.map(|cells| (count, Some(cells.values))),
            rest: finish(left_out),
            across: shown,
            across_others,
            total: total.map(|cells| cells.values),
            records,
            withheld,
            truncated: groups.beyond.is_some(),
        }
    }

    /// The answer of a list.
    pub(crate) fn list(self, rows: FirstRows, records: u64) -> Answer {
        let (query, frame) = (self.query, self.frame);
        let offered = rows.offered;
        let row = |mut keys: Vec<Value>, cells| {
            let mut values = query.list_shown(cells);
            keys.drain(..self.split);
            values.drain(..self.split);
            Row { keys, shown: vec![], values }
        };
        let listed = rows.into_rows().into_iter();
        let mut rows: Vec<Row> = listed.map(|listed| row(listed.keys, listed.cells)).collect();
        let named = query.columns[self.split..].iter().map(|column| column.alias.is_some());
        for (index, _) in named.enumerate().filter(|(_, named)| *named) {
            let take = |row: &mut Row| std::mem::replace(&mut row.values[index], Value::Null);
            let names = rows.iter_mut().map(take).collect();
            let keys: Vec<&Value> = rows.iter().map(|row| &row.keys[index]).collect();
            let apart = told_apart(names, &keys);
            rows.iter_mut().zip(apart).for_each(|(row, name)| row.values[index] = name);
        }
        let wanted = query.top.unwrap_or(usize::MAX).min(frame.rows_max);
        let rest = rows.split_off(wanted.min(rows.len()));
        let left_out = offered - rows.len() as u64;
        let cut_by_top = query.top.is_some_and(|top| top == rows.len());
        Answer {
            others: (left_out > 0).then_some((left_out, None)),
            rest,
            records,
            truncated: left_out > 0 && !cut_by_top,
            rows,
            ..Answer::default()
        }
    }

    /// The answer of each part, in the order of their names.
    pub(crate) fn parts<T>(
        self,
        parts: Split<T>,
        answer: fn(Self, T, u64) -> Answer,
    ) -> Vec<PartAnswer> {
        let (query, split) = (self.query, self.split);
        let mut parts = parts.parts;
        let heads = parts.iter().map(|part| &part.head);
        let mut names: Vec<Vec<(Value, Option<Value>)>> = vec![Vec::new(); parts.len()];
        for index in 0..split {
            let key_of = match query.list {
                true => KeyOf::from(&query.columns[index]),
                false => KeyOf::from(&query.groups[index]),
            };
            let each = self.names(key_of, index, heads.clone());
            names.iter_mut().zip(each).for_each(|(names, name)| names.push(name));
        }
        let mut found: Vec<(Vec<Value>, PartAnswer)> = Vec::with_capacity(parts.len());
        for (part, names) in parts.drain(..).zip(names) {
            let mut keys = part.head.keys;
            keys.truncate(split);
            let order = names.iter().map(|(name, rank)| rank.as_ref().unwrap_or(name).clone());
            let order: Vec<Value> = order.chain(keys.iter().cloned()).collect();
            let shown = names.into_iter().map(|(name, _)| name).collect();
            let answer = answer(self, part.into, part.records);
            found.push((order, PartAnswer { keys, shown, answer }));
        }
        found.sort_by(|(a, _), (b, _)| first_difference(a.iter().zip(b).map(|(a, b)| a.order(b))));
        found.into_iter().map(|(_, part)| part).collect()
    }
}

/// Cuts rows to the first so many, in order, and returns the others, in none.
fn cut(
    rows: &mut Vec<Shaped>,
    top: usize,
    order: impl Fn(&Shaped, &Shaped) -> Ordering,
) -> Vec<Shaped> {
    let top = top.min(rows.len());
    if top < rows.len() {
        // Only those before the cut need an order among themselves.
        rows.select_nth_unstable_by(top, &order);
    }
    let behind = rows.split_off(top);
    rows.sort_unstable_by(order);
    behind
}

fn first_difference(orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.into_iter().find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
}

fn reads_share(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |expr| found |= matches!(expr, Expr::Share(_)));
    found
}

/// Of each column the percentiles that may be withheld.
fn percentiles(query: &Query) -> Vec<Vec<usize>> {
    if query.percentile_min == 0 {
        return vec![];
    }
    let read = |expr: &Expr| {
        let mut found = Vec::new();
        expr.walk(&mut |expr| {
            if let Expr::Aggregate(index) = expr
                && let AggregateKind::Percentile(fraction) = query.aggregates[*index].kind
                && fraction != MEDIAN
            {
                found.push(*index);
            }
        });
        found
    };
    query.columns.iter().map(|column| read(&column.expr)).collect()
}

fn merged<'a>(query: &Query, each: impl Iterator<Item = &'a Vec<Accumulator>>) -> Vec<Accumulator> {
    let mut sum: Vec<Accumulator> =
        query.aggregates.iter().map(|aggregate| Accumulator::new(aggregate.kind)).collect();
    for aggregates in each {
        sum.iter_mut().zip(aggregates).for_each(|(sum, part)| sum.merge(part));
    }
    sum
}

fn finished(query: &Query, aggregates: &[Accumulator]) -> Vec<Value> {
    aggregates.iter().map(|aggregate| aggregate.finish_of(query.percentile_min)).collect()
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
    /// The columns over a group or several taken together.
    fn cells(&self, head: &Head, aggregates: &[Accumulator]) -> Cells {
        let query = self.shape.query;
        let finished = finished(query, aggregates);
        let scope = Scope {
            folded: &[],
            keys: &head.keys,
            carried: &head.carried,
            aggregates: &finished,
            over_all: &self.over_all,
            as_of: self.shape.frame.as_of,
            civil: self.shape.civil,
        };
        let columns = query.columns.iter();
        let values: Vec<Value> =
            columns.map(|column| column.cell(value(&column.expr, &scope).into_owned())).collect();
        let withheld = self.percentiles.iter().zip(&values).filter(|(read, value)| {
            let withheld = |index: &usize| aggregates[*index].is_withheld(query.percentile_min);
            value.is_null() && read.iter().any(withheld)
        });
        Cells { withheld: withheld.count() as u64, values }
    }

    /// A row for each group, in no order. Takes the keys from the groups.
    fn rows(&self, groups: &mut Groups) -> Vec<Shaped> {
        let query = self.shape.query;
        let groups = &mut groups.groups;
        let mut rows: Vec<Shaped> = Vec::with_capacity(groups.len());
        for (index, group) in groups.iter().enumerate() {
            let Cells { values, withheld } = self.cells(&group.head, &group.aggregates);
            let row = Row { keys: vec![], shown: Vec::with_capacity(query.groups.len()), values };
            rows.push(Shaped { row, ranks: vec![], members: Members::One(index), withheld });
        }
        self.name(&mut rows, query.groups.len(), groups.iter().map(|group| &group.head));
        for (shaped, group) in rows.iter_mut().zip(groups) {
            shaped.row.keys = std::mem::take(&mut group.head.keys);
        }
        rows
    }

    /// Gives rows the names of their first so many keys.
    fn name<'h>(
        &self,
        rows: &mut [Shaped],
        keys: usize,
        heads: impl Iterator<Item = &'h Head> + Clone,
    ) {
        for (index, group) in self.shape.query.groups[..keys].iter().enumerate() {
            let names = self.shape.names(group.into(), index, heads.clone());
            for (shaped, (name, rank)) in rows.iter_mut().zip(names) {
                shaped.ranks.push(rank);
                shaped.row.shown.push(name);
            }
        }
    }
}

impl Query {
    /// The order of two rows; their columns stand behind so many other values.
    fn order(&self, a: &Shaped, b: &Shaped, before: usize) -> Ordering {
        let chosen = self.sort.iter().map(|sort| match sort.by {
            SortBy::Group(index) => {
                ordered(a.rank(index).datum(), b.rank(index).datum(), sort.descending)
            }
            SortBy::Column(index) => {
                let (a, b) = (&a.row.values[before + index], &b.row.values[before + index]);
                ordered(a.datum(), b.datum(), sort.descending)
            }
        });
        let by_name = (0..a.ranks.len()).map(|index| a.rank(index).order(b.rank(index)));
        let by_key = a.row.keys.iter().zip(&b.row.keys).map(|(a, b)| a.order(b));
        first_difference(chosen.chain(by_name).chain(by_key))
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
