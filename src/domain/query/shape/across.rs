//! The last group across: its values become columns.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Cells, KeyOf, Members, Shaped, Shaper, finished, merged};
use crate::domain::expr::eval::{Scope, value};
use crate::domain::expr::{Expr, Known};
use crate::domain::query::accumulate::{Accumulator, encode, ordered};
use crate::domain::query::collect::{Groups, Head};
use crate::domain::query::{Group, Query, Row};
use crate::domain::value::Value;

/// More values than this do not go across; the others are taken together.
const ACROSS_MAX: usize = 12;

/// What goes across.
pub(super) struct Across {
    /// The values as people read them, in order.
    pub(super) shown: Vec<Value>,
    /// How many values the last of them takes together; 0: it is one like the others.
    pub(super) others: u64,
    /// Of each value one of its groups; `None` for those taken together.
    samples: Vec<Option<usize>>,
    /// Where the value of each group is.
    place_of: Vec<usize>,
    /// Which of the carried fields follow from the keys of the rows alone.
    by_row: Vec<bool>,
    /// Which of them follow from what goes across alone.
    by_value: Vec<bool>,
}

impl Across {
    /// Chooses the largest values by the first column.
    pub(super) fn new(shaper: &Shaper<'_>, groups: &Groups) -> Across {
        let query = shaper.shape.query;
        let index = query.groups.len() - 1;
        let mut across = Across {
            shown: vec![],
            others: 0,
            samples: vec![],
            place_of: vec![],
            by_row: query.follows_from(&query.groups[shaper.shape.split..index]),
            by_value: query.follows_from(&query.groups[index..]),
        };
        let all: Vec<usize> = (0..groups.groups.len()).collect();
        let members = by_keys(groups, &all, index..index + 1);
        let heads = members.iter().map(|members| &groups.groups[members[0]].head);
        let names = shaper.shape.names(KeyOf::from(&query.groups[index]), index, heads);
        let sizes: Vec<Value> = members
            .iter()
            .map(|members| {
                let each = members.iter().map(|place| &groups.groups[*place].aggregates);
                let head = across.head(query, groups, None, Some(members[0]));
                shaper.first_cell(&head, &merged(query, each))
            })
            .collect();
        let by_name = |a: usize, b: usize| {
            let rank = |at: usize| names[at].1.as_ref().unwrap_or(&names[at].0);
            let key = |at: usize| &groups.groups[members[at][0]].head.keys[index];
            rank(a).order(rank(b)).then_with(|| key(a).order(key(b)))
        };
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|a, b| {
            let by_size = ordered(sizes[*a].datum(), sizes[*b].datum(), true);
            by_size.then_with(|| by_name(*a, *b))
        });
        let behind = order.split_off(order.len().min(ACROSS_MAX));
        let expr = &query.groups[index].expr;
        if query.unit(expr).is_some() || query.bounds(expr).is_some() {
            // Hours, days and ranges have an order of their own.
            order.sort_by(|a, b| by_name(*a, *b));
        }
        across.place_of = vec![order.len(); groups.groups.len()];
        for (place, value) in order.iter().enumerate() {
            across.shown.push(names[*value].0.clone());
            across.samples.push(Some(members[*value][0]));
            members[*value].iter().for_each(|group| across.place_of[*group] = place);
        }
        if !behind.is_empty() || groups.beyond.is_some() {
            across.others = behind.len() as u64;
            across.shown.push(Value::Text(match behind.len() {
                0 => "Others".to_owned(),
                count => format!("Others ({count})"),
            }));
            across.samples.push(None);
        }
        across
    }

    /// A row for each set of the other keys, in no order.
    pub(super) fn rows(&self, shaper: &Shaper<'_>, groups: &Groups) -> Vec<Shaped> {
        let query = shaper.shape.query;
        let index = query.groups.len() - 1;
        let all: Vec<usize> = (0..groups.groups.len()).collect();
        let mut members = by_keys(groups, &all, 0..index);
        // Without groups there is one row, also over nothing.
        if index == 0 && members.is_empty() && groups.beyond.is_none() {
            members.push(vec![]);
        }
        let mut rows: Vec<Shaped> = members
            .iter()
            .map(|members| {
                let sample = members.first().copied();
                let Cells { values, withheld } = self.cells(shaper, groups, sample, members, false);
                let keys =
                    sample.map_or(vec![], |at| groups.groups[at].head.keys[..index].to_vec());
                let row = Row { keys, shown: Vec::with_capacity(index), values };
                let members = Members::Several(members.clone());
                Shaped { row, ranks: vec![], members, withheld }
            })
            .collect();
        let samples = members.iter().filter_map(|members| members.first());
        shaper.name(&mut rows, index, samples.map(|at| &groups.groups[*at].head));
        rows
    }

    /// The columns of several rows taken together, and of what is beyond the bound.
    pub(super) fn together(
        &self,
        shaper: &Shaper<'_>,
        groups: &Groups,
        members: &[usize],
    ) -> Cells {
        self.cells(shaper, groups, None, members, true)
    }

    /// The columns for each value that goes across, then for all of them. `row` is one of the groups
    /// of the row, where it is one row.
    fn cells(
        &self,
        shaper: &Shaper<'_>,
        groups: &Groups,
        row: Option<usize>,
        members: &[usize],
        beyond: bool,
    ) -> Cells {
        let query = shaper.shape.query;
        let beyond = groups.beyond.iter().filter(|_| beyond);
        let mut by_place: Vec<Vec<&Vec<Accumulator>>> = vec![vec![]; self.shown.len()];
        let mut exact: Vec<Option<usize>> = vec![None; self.shown.len()];
        for member in members {
            let place = self.place_of[*member];
            by_place[place].push(&groups.groups[*member].aggregates);
            exact[place] = Some(*member);
        }
        // What is beyond the bound belongs to values that are not known.
        if let Some(last) = by_place.last_mut() {
            last.extend(beyond.clone());
        }
        let mut cells = Cells { values: vec![], withheld: 0 };
        let mut push = |head: &Head, aggregates: &[Accumulator]| {
            let found = shaper.cells(head, aggregates);
            cells.values.extend(found.values);
            cells.withheld += found.withheld;
        };
        for (place, each) in by_place.iter().enumerate() {
            let aggregates = match each.as_slice() {
                [one] => Cow::Borrowed(one.as_slice()),
                several => Cow::Owned(merged(query, several.iter().copied())),
            };
            match (row, exact[place], self.samples[place]) {
                // The one group that is of this row and this value.
                (Some(_), Some(group), Some(_)) => push(&groups.groups[group].head, &aggregates),
                (row, _, sample) => push(&self.head(query, groups, row, sample), &aggregates),
            }
        }
        let each = members.iter().map(|place| &groups.groups[*place].aggregates);
        push(&self.head(query, groups, row, None), &merged(query, each.chain(beyond)));
        cells
    }

    /// What is known of a cell: of the row's keys and of what goes across, as far as it is one.
    fn head(
        &self,
        query: &Query,
        groups: &Groups,
        row: Option<usize>,
        value: Option<usize>,
    ) -> Head {
        let mut head = Head::of_none(query);
        let index = query.groups.len() - 1;
        if let Some(row) = row.map(|at| &groups.groups[at].head) {
            head.keys[..index].clone_from_slice(&row.keys[..index]);
            copy(&mut head.carried, &row.carried, &self.by_row);
        }
        if let Some(value) = value.map(|at| &groups.groups[at].head) {
            head.keys[index].clone_from(&value.keys[index]);
            copy(&mut head.carried, &value.carried, &self.by_value);
        }
        head
    }
}

fn copy(into: &mut [Value], from: &[Value], which: &[bool]) {
    for ((into, from), _) in into.iter_mut().zip(from).zip(which).filter(|(_, which)| **which) {
        into.clone_from(from);
    }
}

/// Groups with the same keys, of those in a range.
fn by_keys(groups: &Groups, of: &[usize], keys: std::ops::Range<usize>) -> Vec<Vec<usize>> {
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut found: Vec<Vec<usize>> = Vec::new();
    for group in of {
        let mut key = Vec::new();
        let head = &groups.groups[*group].head;
        head.keys[keys.clone()].iter().for_each(|value| encode(value.datum(), &mut key));
        let place = *places.entry(key).or_insert(found.len());
        match found.get_mut(place) {
            Some(members) => members.push(*group),
            None => found.push(vec![*group]),
        }
    }
    found
}

impl Shaper<'_> {
    /// The first column alone.
    fn first_cell(&self, head: &Head, aggregates: &[Accumulator]) -> Value {
        let finished = finished(self.shape.query, aggregates);
        let scope = Scope {
            folded: &[],
            keys: &head.keys,
            carried: &head.carried,
            aggregates: &finished,
            over_all: &self.over_all,
            as_of: self.shape.frame.as_of,
            civil: self.shape.civil,
        };
        let first = self.shape.query.columns.first();
        first.map_or(Value::Null, |column| value(&column.expr, &scope).into_owned())
    }
}

impl Query {
    /// Which of the carried fields follow from some of the groups alone.
    fn follows_from(&self, groups: &[Group]) -> Vec<bool> {
        let start = groups.iter().filter_map(|group| match group.expr {
            Expr::Field(field) => Some(field),
            _ => None,
        });
        let known = Known::given(&self.report_type, self.filter.as_ref(), start);
        self.carried.iter().map(|field| known.has(*field)).collect()
    }
}
