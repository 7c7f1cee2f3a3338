//! Answers from the tables. Pages of changes come from the kept order by (`SystemModstamp`, `Id`);
//! only other orders are sorted.

use std::cmp::Ordering;
use std::ops::Bound;

use super::bind::{Key, Query};
use super::filter::order;
use crate::demo::org::schema;
use crate::demo::org::table::{Row, Table, Tables, is_deleted};

/// Slots of the records that answer a query, in its order.
pub(crate) fn select(tables: &Tables, query: &Query, with_deleted: bool) -> Vec<u32> {
    let table = tables.of(query.object);
    let walk = Walk::of(query);
    let sorts = walk != Walk::Stamps && !walk.is_sorted_by(&query.order);
    let passes = |slot: &u32| {
        table.row(*slot).is_some_and(|row| {
            (with_deleted || !is_deleted(row))
                && query.filter.as_ref().is_none_or(|filter| filter.passes(tables, row))
        })
    };
    let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
    let limit = query.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let candidates = candidates(table, query, walk);
    if !sorts {
        return candidates.filter(passes).skip(offset).take(limit).collect();
    }
    let mut slots: Vec<u32> = candidates.filter(passes).collect();
    slots.sort_by(|a, b| match (table.row(*a), table.row(*b)) {
        (Some(a), Some(b)) => compare(tables, &query.order, a, b),
        _ => Ordering::Equal,
    });
    slots.into_iter().skip(offset).take(limit).collect()
}

/// The order in which records are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Walk {
    /// By stamp, then id, within the stamps the filter allows.
    Stamps,
    /// By stamp as well, but another order is asked for.
    StampsToSort,
    /// By id.
    Ids,
}

impl Walk {
    fn of(query: &Query) -> Walk {
        let own: Vec<_> =
            query.order.iter().map(|key| (key.column.own(), key.descending)).collect();
        let by_stamp = match own.as_slice() {
            [(Some(first), false)] => *first == schema::MODSTAMP,
            [(Some(first), false), (Some(second), false), ..] => {
                *first == schema::MODSTAMP && *second == schema::ID
            }
            _ => false,
        };
        let bounded = query.filter.as_ref().is_some_and(|filter| {
            filter.stamps() != (i64::MIN, i64::MAX) && filter.ids().is_none()
        });
        match (by_stamp, bounded, query.order.is_empty()) {
            (true, _, _) | (false, true, true) => Walk::Stamps,
            (false, true, false) => Walk::StampsToSort,
            (false, false, _) => Walk::Ids,
        }
    }
    fn is_sorted_by(self, order: &[Key]) -> bool {
        let by_id = |key: &Key| key.column.own() == Some(schema::ID) && !key.descending;
        order.is_empty() || (self == Walk::Ids && order.first().is_some_and(by_id))
    }
}

fn candidates<'a>(
    table: &'a Table,
    query: &Query,
    walk: Walk,
) -> Box<dyn Iterator<Item = u32> + 'a> {
    if walk == Walk::Ids {
        return match query.filter.as_ref().and_then(|filter| filter.ids()) {
            Some(ids) => Box::new(ids.into_iter().filter_map(|id| table.slot(id))),
            None => Box::new(table.slots()),
        };
    }
    let (from, to) = query.filter.as_ref().map_or((i64::MIN, i64::MAX), |filter| filter.stamps());
    // Stamps are whole seconds: the first one at or after each bound.
    let ceil = |millis: i64| millis.div_euclid(1_000) + i64::from(millis.rem_euclid(1_000) > 0);
    let from = if from == i64::MIN { Bound::Unbounded } else { Bound::Included(ceil(from)) };
    let to = if to == i64::MAX { Bound::Unbounded } else { Bound::Excluded(ceil(to)) };
    Box::new(table.changed(from, to))
}

fn compare(tables: &Tables, keys: &[Key], a: &Row, b: &Row) -> Ordering {
    for key in keys {
        let (left, right) = (key.column.cell(tables, a), key.column.cell(tables, b));
        let is_null = |cell| matches!(cell, crate::demo::org::value::Cell::Null);
        let ordering = directed(
            order(&key.column, left, right),
            is_null(left) || is_null(right),
            key.descending,
            key.nulls_last,
        );
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

/// Turns an ascending, nulls-first ordering into the one asked for: nulls keep their own end.
pub(crate) fn directed(
    ascending: Ordering,
    null_involved: bool,
    descending: bool,
    nulls_last: bool,
) -> Ordering {
    let turn = if null_involved { nulls_last } else { descending };
    if turn { ascending.reverse() } else { ascending }
}
