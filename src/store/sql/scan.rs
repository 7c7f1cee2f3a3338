//! Rows of the statement, read once: gathered into groups, folded, or listed.

use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::statement::{AggregatePlace, Place, Stage, Statement};
use crate::domain::expr::eval::{Scope, holds, value};
use crate::domain::expr::{AggregateKind, Civil, Expr};
use crate::domain::query::accumulate::{Accumulator, encode};
use crate::domain::query::collect::{FirstRows, Groups, Head};
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

    /// What the current row says of its group, in the room of another head.
    fn head(&self, row: &Row<'_>, mut head: Head) -> rusqlite::Result<Head> {
        head.keys.clear();
        head.labels.clear();
        head.carried.clear();
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
        if let Some(filter) = place.filter
            && datum(row, filter)? != Datum::Boolean(true)
        {
            continue;
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
            self.stage.head(row, Head::default()).unwrap_or_else(|err| {
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
    let wanted = query.top.map_or(frame.rows_max, |top| top.saturating_add(frame.rest_max));
    FirstRows::new(wanted.min(frame.rows_max))
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

/// Folds rows that come ordered by the fold's keys: one key is held at a time, and its room is used
/// again for the next.
pub(super) struct Folding<'a> {
    query: &'a Query,
    frame: &'a Frame,
    civil: &'a Civil,
    fold: &'a Fold,
    stage: &'a Stage,
    /// The encoded keys of the current row.
    key: Vec<u8>,
    open: Option<Open>,
    outer_key: Vec<u8>,
    into: Folded,
}

/// The key whose rows are coming.
struct Open {
    key: Vec<u8>,
    head: Head,
    aggregates: Vec<Accumulator>,
    finished: Vec<Value>,
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
        Folding { query, frame, civil, fold, stage, key, open: None, outer_key, into }
    }

    pub(super) fn row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        self.stage.key(row, &mut self.key)?;
        let mut open = match self.open.take() {
            Some(open) if open.key == self.key => open,
            Some(mut done) => {
                self.close(&mut done);
                self.opened(row, done)?
            }
            None => {
                let (key, finished) = (Vec::new(), Vec::new());
                let none = Open { key, head: Head::default(), aggregates: vec![], finished };
                self.opened(row, none)?
            }
        };
        add(row, &self.stage.aggregates, &mut open.aggregates)?;
        self.open = Some(open);
        Ok(())
    }

    pub(super) fn into_folded(mut self) -> Folded {
        if let Some(mut done) = self.open.take() {
            self.close(&mut done);
        }
        self.into
    }

    /// Begins the key of the current row in the room of another one.
    fn opened(&self, row: &Row<'_>, room: Open) -> rusqlite::Result<Open> {
        let Open { mut key, head, mut aggregates, finished } = room;
        key.clone_from(&self.key);
        let head = self.stage.head(row, head)?;
        aggregates.clear();
        let kinds = self.fold.aggregates.iter().map(|aggregate| aggregate.kind);
        aggregates.extend(kinds.map(Accumulator::new));
        Ok(Open { key, head, aggregates, finished })
    }

    /// The rows of a key are all there: makes them one row and passes it on.
    fn close(&mut self, done: &mut Open) {
        done.finished.clear();
        done.finished.extend(done.aggregates.iter().map(Accumulator::finish));
        let scope = Scope {
            folded: &[],
            keys: &done.head.keys,
            carried: &done.head.carried,
            aggregates: &done.finished,
            over_all: &[],
            as_of: self.frame.as_of,
            civil: self.civil,
        };
        let mut values = Vec::with_capacity(self.fold.values.len());
        for (_, expr, _) in &self.fold.values {
            values.push(value(expr, &scope).into_owned());
        }
        // The keys are read afresh for the next row.
        let folded = &mut done.head.keys;
        folded.append(&mut values);
        let scope = Scope {
            folded,
            keys: &[],
            carried: &[],
            aggregates: &[],
            over_all: &[],
            as_of: self.frame.as_of,
            civil: self.civil,
        };
        self.pass_on(&done.head.labels, &scope);
    }

    fn pass_on(&mut self, key_labels: &[Value], scope: &Scope<'_>) {
        let query = self.query;
        match &mut self.into {
            Folded::List(rows) => {
                let columns = query.columns.iter();
                let cells = columns.map(|column| match column.alias {
                    Some(_) => label(&column.expr, key_labels, scope),
                    None => value(&column.expr, scope).into_owned(),
                });
                offer(query, rows, cells.collect());
            }
            Folded::Groups(groups) => {
                self.outer_key.clear();
                for group in &query.groups {
                    encode(value(&group.expr, scope).datum(), &mut self.outer_key);
                }
                let each = |of: fn(&Expr, &[Value], &Scope<'_>) -> Value| {
                    query.groups.iter().map(|group| of(&group.expr, key_labels, scope)).collect()
                };
                let aggregates = groups.at(&self.outer_key, || Head {
                    keys: each(|expr, _, scope| value(expr, scope).into_owned()),
                    labels: each(label),
                    carried: vec![],
                });
                feed(query, scope, aggregates);
            }
        }
    }
}

/// What the record of a fold's key is called by: the key itself where it has no name.
fn label(expr: &Expr, key_labels: &[Value], scope: &Scope<'_>) -> Value {
    match expr {
        Expr::Folded(index) => match key_labels.get(*index) {
            Some(label) if !label.is_null() => label.clone(),
            _ => scope.folded[*index].clone(),
        },
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
