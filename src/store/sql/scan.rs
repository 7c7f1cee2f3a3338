//! Rows of the statement, read once: gathered into groups, folded, or listed.

use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::statement::{AggregatePlace, Place, Stage, Statement};
use crate::domain::expr::eval::{Scope, holds, value};
use crate::domain::expr::{AggregateKind, Civil, Expr};
use crate::domain::query::accumulate::{Accumulator, encode};
use crate::domain::query::collect::{FirstRows, Groups, Head};
use crate::domain::query::shape::encoded;
use crate::domain::query::{Fold, Frame, Query, SortBy};
use crate::domain::value::{Datum, Type, Value};

/// A cell of the current row. Numbers keep the kind the database gives them.
fn datum<'r>(row: &'r Row<'_>, place: Place) -> rusqlite::Result<Datum<'r>> {
    Ok(match (row.get_ref(place.index)?, place.ty) {
        (ValueRef::Integer(n), Some(Type::Boolean)) => Datum::Boolean(n != 0),
        (ValueRef::Integer(ms), Some(Type::Timestamp)) => Datum::Timestamp(ms),
        (ValueRef::Integer(n), Some(Type::Real)) => Datum::Real(n as f64),
        (ValueRef::Integer(n), _) => Datum::Integer(n),
        (ValueRef::Real(x), _) => Datum::Real(x),
        (ValueRef::Text(text), _) => Datum::Text(text),
        (ValueRef::Null | ValueRef::Blob(_), _) => Datum::Null,
    })
}

fn owned(row: &Row<'_>, place: Place) -> rusqlite::Result<Value> {
    datum(row, place).map(Datum::value)
}

impl Statement {
    /// Whether the current row is a record and not only kept by a join.
    pub(super) fn counts(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        self.counted.map_or(Ok(true), |place| Ok(!datum(row, place)?.is_null()))
    }
}

impl Stage {
    /// The encoded keys of the current row.
    fn key(&self, row: &Row<'_>, into: &mut Vec<u8>) -> rusqlite::Result<()> {
        into.clear();
        for key in &self.keys {
            encode(datum(row, key.key)?, into);
        }
        Ok(())
    }

    fn head(&self, row: &Row<'_>) -> rusqlite::Result<Head> {
        let mut head = Head::default();
        for key in &self.keys {
            head.keys.push(owned(row, key.key)?);
            head.labels.push(key.label.map_or(Ok(Value::Null), |label| owned(row, label))?);
        }
        for field in &self.carried {
            head.carried.push(owned(row, *field)?);
        }
        Ok(head)
    }
}

/// Feeds the current row to the aggregates of its group.
fn add(
    row: &Row<'_>,
    places: &[AggregatePlace],
    aggregates: &mut [Accumulator],
) -> rusqlite::Result<()> {
    for (place, aggregate) in places.iter().zip(aggregates) {
        if let Some(filter) = place.filter {
            if datum(row, filter)? != Datum::Boolean(true) {
                continue;
            }
        }
        let Some(of) = place.of else {
            aggregate.add_row();
            continue;
        };
        aggregate.add(datum(row, of)?, |index| {
            let (place, descending) = place.order.get(index)?;
            // What the row has was read above; a column that is not there cannot be.
            Some((datum(row, *place).unwrap_or(Datum::Null), *descending))
        });
    }
    Ok(())
}

/// Gathers rows into groups as they come.
pub(super) struct Grouping<'a> {
    stage: &'a Stage,
    groups: Groups,
    key: Vec<u8>,
}

impl<'a> Grouping<'a> {
    pub(super) fn new(query: &Query, frame: &Frame, stage: &'a Stage) -> Grouping<'a> {
        Grouping { stage, groups: groups_of(query, frame), key: Vec::new() }
    }

    pub(super) fn row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        self.stage.key(row, &mut self.key)?;
        let mut failed = None;
        let aggregates = self.groups.at(&self.key, || {
            self.stage.head(row).unwrap_or_else(|err| {
                failed = Some(err);
                Head::default()
            })
        });
        match failed {
            Some(err) => Err(err),
            None => add(row, &self.stage.aggregates, aggregates),
        }
    }

    pub(super) fn into_groups(self) -> Groups {
        self.groups
    }
}

fn groups_of(query: &Query, frame: &Frame) -> Groups {
    let kinds: Vec<AggregateKind> =
        query.aggregates.iter().map(|aggregate| aggregate.kind).collect();
    Groups::new(kinds, frame.rows_max)
}

/// Takes rows of a list.
pub(super) struct Listing<'a> {
    query: &'a Query,
    places: &'a [Place],
    rows: FirstRows,
}

impl<'a> Listing<'a> {
    pub(super) fn new(query: &'a Query, frame: &Frame, places: &'a [Place]) -> Listing<'a> {
        Listing { query, places, rows: first_rows(query, frame) }
    }

    pub(super) fn row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let cells: rusqlite::Result<Vec<Value>> =
            self.places.iter().map(|place| owned(row, *place)).collect();
        offer(self.query, &mut self.rows, cells?);
        Ok(())
    }

    pub(super) fn into_rows(self) -> FirstRows {
        self.rows
    }
}

fn first_rows(query: &Query, frame: &Frame) -> FirstRows {
    FirstRows::new(query.top.unwrap_or(frame.rows_max).min(frame.rows_max))
}

fn offer(query: &Query, rows: &mut FirstRows, cells: Vec<Value>) {
    let cells: Vec<Value> =
        query.columns.iter().zip(cells).map(|(column, cell)| column.cell(cell)).collect();
    let order = query
        .sort
        .iter()
        .filter_map(|sort| match sort.by {
            SortBy::Column(index) => Some((cells[index].clone(), sort.descending)),
            SortBy::Group(_) => None,
        })
        .collect();
    rows.offer(order, cells);
}

/// Where folded rows go.
pub(super) enum Folded {
    Groups(Groups),
    List(FirstRows),
}

/// Folds rows that come ordered by the fold's keys: one key is held at a time.
pub(super) struct Folding<'a> {
    query: &'a Query,
    frame: &'a Frame,
    civil: &'a Civil,
    fold: &'a Fold,
    stage: &'a Stage,
    key: Vec<u8>,
    current: Option<(Vec<u8>, Head, Vec<Accumulator>)>,
    outer_key: Vec<u8>,
    into: Folded,
}

impl<'a> Folding<'a> {
    pub(super) fn new(
        query: &'a Query,
        fold: &'a Fold,
        frame: &'a Frame,
        civil: &'a Civil,
        stage: &'a Stage,
    ) -> Folding<'a> {
        let into = match query.list {
            true => Folded::List(first_rows(query, frame)),
            false => Folded::Groups(groups_of(query, frame)),
        };
        let (key, outer_key) = (Vec::new(), Vec::new());
        Folding { query, frame, civil, fold, stage, key, current: None, outer_key, into }
    }

    pub(super) fn row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        self.stage.key(row, &mut self.key)?;
        if self.current.as_ref().is_none_or(|(key, ..)| *key != self.key) {
            self.close();
            let aggregates = self.fold.aggregates.iter();
            let fresh = aggregates.map(|aggregate| Accumulator::new(aggregate.kind)).collect();
            self.current = Some((self.key.clone(), self.stage.head(row)?, fresh));
        }
        match &mut self.current {
            Some((_, _, aggregates)) => add(row, &self.stage.aggregates, aggregates),
            None => Ok(()),
        }
    }

    pub(super) fn into_folded(mut self) -> Folded {
        self.close();
        self.into
    }

    /// The rows of the current key are all there: makes them one row and passes it on.
    fn close(&mut self) {
        let Some((_, head, aggregates)) = self.current.take() else { return };
        let finished: Vec<Value> = aggregates.iter().map(Accumulator::finish).collect();
        let mut folded = head.keys.clone();
        let scope = Scope {
            folded: &[],
            keys: &head.keys,
            carried: &head.carried,
            aggregates: &finished,
            over_all: &[],
            as_of: self.frame.as_of,
            civil: self.civil,
        };
        for (_, expr, _) in &self.fold.values {
            folded.push(value(expr, &scope).into_owned());
        }
        self.pass_on(&head, &Scope { folded: &folded, keys: &[], carried: &[], ..scope });
    }

    fn pass_on(&mut self, head: &Head, scope: &Scope<'_>) {
        let query = self.query;
        match &mut self.into {
            Folded::List(rows) => {
                let columns = query.columns.iter();
                let cells = columns.map(|column| value(&column.expr, scope).into_owned());
                offer(query, rows, cells.collect());
            }
            Folded::Groups(groups) => {
                let keys: Vec<_> =
                    query.groups.iter().map(|group| value(&group.expr, scope)).collect();
                encoded(keys.iter().map(|key| key.as_ref()), &mut self.outer_key);
                let labels = || query.groups.iter().map(|group| label(&group.expr, head)).collect();
                let aggregates = groups.at(&self.outer_key, || Head {
                    keys: keys.iter().map(|key| key.as_ref().clone()).collect(),
                    labels: labels(),
                    carried: vec![],
                });
                feed(query, scope, aggregates);
            }
        }
    }
}

/// What the record of a fold's key is called by.
fn label(expr: &Expr, head: &Head) -> Value {
    match expr {
        Expr::Folded(index) => head.labels.get(*index).cloned().unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

/// Feeds a folded row to the aggregates of its group.
fn feed(query: &Query, scope: &Scope<'_>, accumulators: &mut [Accumulator]) {
    for (aggregate, accumulator) in query.aggregates.iter().zip(accumulators) {
        if aggregate.filter.as_ref().is_some_and(|filter| !holds(filter, scope)) {
            continue;
        }
        let Some(of) = &aggregate.of else {
            accumulator.add_row();
            continue;
        };
        let order: Vec<_> =
            aggregate.order.iter().map(|(expr, desc)| (value(expr, scope), *desc)).collect();
        accumulator.add(value(of, scope).datum(), |index| {
            order.get(index).map(|(value, descending)| (value.datum(), *descending))
        });
    }
}
