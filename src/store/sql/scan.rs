//! Rows of the statement, read once: gathered into groups, folded, or listed.

use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::statement::{AggregatePlace, KeyPlace, ListPlaces, Place, Stage, Statement};
use crate::domain::expr::eval::{Scope, holds, value};
use crate::domain::expr::{Civil, Expr};
use crate::domain::query::accumulate::{Accumulator, encode};
use crate::domain::query::collect::{FirstRows, Groups, Head, Room, Split};
use crate::domain::query::{Column, Fold, Frame, Query, SortBy};
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

/// The encoded keys of the current row.
fn key(row: &Row<'_>, keys: &[KeyPlace], into: &mut Vec<u8>) -> rusqlite::Result<()> {
    into.clear();
    for key in keys {
        encode(datum(row, key.key)?, into);
    }
    Ok(())
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

/// Why rows are not read on.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The database failed.
    Database(rusqlite::Error),
    /// There are more parts than this.
    TooManyParts(usize),
}

impl From<rusqlite::Error> for Stopped {
    fn from(err: rusqlite::Error) -> Stopped {
        Stopped::Database(err)
    }
}

/// Where rows go, part by part.
pub(super) enum Into {
    Groups(Split<Groups>),
    List(Split<FirstRows>),
}

/// What is made of rows, as far as it is the same for all of them.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) query: &'a Query,
    pub(super) frame: &'a Frame,
    /// So many of the groups or of a list's columns tell parts apart.
    pub(super) split: usize,
}

impl Asked<'_> {
    pub(super) fn no_groups(&self) -> Groups {
        Groups::new(self.query.aggregates.iter().map(|aggregate| aggregate.kind).collect())
    }

    pub(super) fn no_rows(&self) -> FirstRows {
        let rows_max = self.frame.rows_max;
        let wanted = self.query.top.map_or(rows_max, |top| top.saturating_add(self.frame.rest_max));
        FirstRows::new(wanted.min(rows_max))
    }

    /// Where groups go: without splits there is one part from the start.
    fn groups(&self) -> Split<Groups> {
        match self.split {
            0 => Split::unsplit(self.frame.rows_max, self.no_groups()),
            _ => Split::new(self.frame.rows_max),
        }
    }

    fn rows(&self) -> Split<FirstRows> {
        match self.split {
            0 => Split::unsplit(self.frame.rows_max, self.no_rows()),
            _ => Split::new(self.frame.rows_max),
        }
    }

    fn too_many(&self) -> Stopped {
        Stopped::TooManyParts(self.frame.rows_max)
    }
}

/// Gathers rows into groups as they come.
pub(super) struct Grouping<'a> {
    asked: Asked<'a>,
    stage: &'a Stage,
    into: Split<Groups>,
    none: Groups,
    part_key: Vec<u8>,
    key: Vec<u8>,
}

impl<'a> Grouping<'a> {
    pub(super) fn new(asked: Asked<'a>, stage: &'a Stage) -> Grouping<'a> {
        let (into, none) = (asked.groups(), asked.no_groups());
        Grouping { asked, stage, into, none, part_key: Vec::new(), key: Vec::new() }
    }

    /// Takes a row, which counts or is only kept by a join.
    pub(super) fn row(&mut self, row: &Row<'_>, counts: bool) -> Result<(), Stopped> {
        let place = if self.asked.split == 0 { 0 } else { self.part(row)? };
        key(row, &self.stage.keys[self.asked.split..], &mut self.key)?;
        let part = &mut self.into.parts[place];
        part.records += u64::from(counts);
        let mut failed = None;
        let aggregates = part.into.at(&mut self.into.room, &self.key, || {
            self.stage.head(row, Head::default()).unwrap_or_else(|err| {
                failed = Some(err);
                Head::default()
            })
        });
        match failed {
            Some(err) => Err(err.into()),
            None => Ok(add(row, &self.stage.aggregates, aggregates)?),
        }
    }

    /// The place of the current row's part.
    fn part(&mut self, row: &Row<'_>) -> Result<usize, Stopped> {
        key(row, &self.stage.keys[..self.asked.split], &mut self.part_key)?;
        let mut failed = None;
        let place = self.into.place(&self.part_key, || {
            let head = self.stage.head(row, Head::default()).unwrap_or_else(|err| {
                failed = Some(err);
                Head::default()
            });
            (head, self.none.clone())
        });
        failed.map_or_else(|| place.ok_or_else(|| self.asked.too_many()), |err| Err(err.into()))
    }

    pub(super) fn into_parts(self) -> Into {
        Into::Groups(self.into)
    }
}

/// Takes rows of a list.
pub(super) struct Listing<'a> {
    asked: Asked<'a>,
    places: &'a ListPlaces,
    into: Split<FirstRows>,
    part_key: Vec<u8>,
}

impl<'a> Listing<'a> {
    pub(super) fn new(asked: Asked<'a>, places: &'a ListPlaces) -> Listing<'a> {
        Listing { asked, places, into: asked.rows(), part_key: Vec::new() }
    }

    /// Takes a row, which counts or is only kept by a join.
    pub(super) fn row(&mut self, row: &Row<'_>, counts: bool) -> Result<(), Stopped> {
        let cells: rusqlite::Result<Vec<Value>> =
            self.places.cells.iter().map(|place| owned(row, *place)).collect();
        let cells = cells?;
        let place = if self.asked.split == 0 { 0 } else { self.part(row, &cells)? };
        let part = &mut self.into.parts[place];
        part.records += u64::from(counts);
        let keys = || keys_of(self.places, row);
        Ok(offer(self.asked.query, &mut part.into, &mut self.into.room, cells, keys)?)
    }

    /// The place of the current row's part. What tells parts apart is the key where there is one, else
    /// the value.
    fn part(&mut self, row: &Row<'_>, cells: &[Value]) -> Result<usize, Stopped> {
        self.part_key.clear();
        for index in 0..self.asked.split {
            let place = self.places.keys[index].unwrap_or(self.places.cells[index]);
            encode(datum(row, place)?, &mut self.part_key);
        }
        let mut failed = None;
        let place = self.into.place(&self.part_key, || {
            let keys = keys_of(self.places, row).unwrap_or_else(|err| {
                failed = Some(err);
                Vec::new()
            });
            (part_head(self.asked, cells, keys), self.asked.no_rows())
        });
        failed.map_or_else(|| place.ok_or_else(|| self.asked.too_many()), |err| Err(err.into()))
    }

    pub(super) fn into_parts(self) -> Into {
        Into::List(self.into)
    }
}

/// The keys of the records that the current row's cells name.
fn keys_of(places: &ListPlaces, row: &Row<'_>) -> rusqlite::Result<Vec<Value>> {
    let each = places.keys.iter();
    each.map(|place| place.map_or(Ok(Value::Null), |place| owned(row, place))).collect()
}

/// What the first row of a list's part says of it.
fn part_head(asked: Asked<'_>, cells: &[Value], keys: Vec<Value>) -> Head {
    let splitting = asked.query.columns.iter().zip(cells).zip(keys).take(asked.split);
    let mut head = Head::default();
    for ((column, cell), key) in splitting {
        let named = column.alias.is_some();
        head.keys.push(if named { key } else { cell.clone() });
        head.labels.push(if named { cell.clone() } else { Value::Null });
    }
    head
}

fn offer<E>(
    query: &Query,
    rows: &mut FirstRows,
    room: &mut Room,
    cells: Vec<Value>,
    keys: impl FnOnce() -> Result<Vec<Value>, E>,
) -> Result<(), E> {
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
    rows.offer(room, order, cells, keys)
}

/// Folds rows that come ordered by the fold's keys: one key is held at a time, and its room is used
/// again for the next.
pub(super) struct Folding<'a> {
    asked: Asked<'a>,
    civil: &'a Civil,
    fold: &'a Fold,
    stage: &'a Stage,
    /// The encoded keys of the current row.
    key: Vec<u8>,
    open: Option<Open>,
    part_key: Vec<u8>,
    outer_key: Vec<u8>,
    none: Groups,
    into: Into,
}

/// The key whose rows are coming.
struct Open {
    key: Vec<u8>,
    records: u64,
    head: Head,
    aggregates: Vec<Accumulator>,
    finished: Vec<Value>,
}

impl<'a> Folding<'a> {
    pub(super) fn new(
        asked: Asked<'a>,
        fold: &'a Fold,
        civil: &'a Civil,
        stage: &'a Stage,
    ) -> Folding<'a> {
        let into = match asked.query.list {
            true => Into::List(asked.rows()),
            false => Into::Groups(asked.groups()),
        };
        Folding {
            asked,
            civil,
            fold,
            stage,
            key: Vec::new(),
            open: None,
            part_key: Vec::new(),
            outer_key: Vec::new(),
            none: asked.no_groups(),
            into,
        }
    }

    /// Takes a row, which counts or is only kept by a join.
    pub(super) fn row(&mut self, row: &Row<'_>, counts: bool) -> Result<(), Stopped> {
        key(row, &self.stage.keys, &mut self.key)?;
        let mut open = match self.open.take() {
            Some(open) if open.key == self.key => open,
            Some(mut done) => {
                self.close(&mut done)?;
                self.opened(row, done)?
            }
            None => {
                let (key, finished) = (Vec::new(), Vec::new());
                let (head, aggregates) = (Head::default(), Vec::new());
                self.opened(row, Open { key, records: 0, head, aggregates, finished })?
            }
        };
        open.records += u64::from(counts);
        add(row, &self.stage.aggregates, &mut open.aggregates)?;
        self.open = Some(open);
        Ok(())
    }

    pub(super) fn into_parts(mut self) -> Result<Into, Stopped> {
        if let Some(mut done) = self.open.take() {
            self.close(&mut done)?;
        }
        Ok(self.into)
    }

    /// Begins the key of the current row in the room of another one.
    fn opened(&self, row: &Row<'_>, room: Open) -> rusqlite::Result<Open> {
        let Open { mut key, head, mut aggregates, finished, .. } = room;
        key.clone_from(&self.key);
        let head = self.stage.head(row, head)?;
        aggregates.clear();
        let kinds = self.fold.aggregates.iter().map(|aggregate| aggregate.kind);
        aggregates.extend(kinds.map(Accumulator::new));
        Ok(Open { key, records: 0, head, aggregates, finished })
    }

    /// The rows of a key are all there: makes them one row and passes it on.
    fn close(&mut self, done: &mut Open) -> Result<(), Stopped> {
        done.finished.clear();
        done.finished.extend(done.aggregates.iter().map(Accumulator::finish));
        let scope = Scope {
            folded: &[],
            keys: &done.head.keys,
            carried: &done.head.carried,
            aggregates: &done.finished,
            over_all: &[],
            as_of: self.asked.frame.as_of,
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
            as_of: self.asked.frame.as_of,
            civil: self.civil,
        };
        self.pass_on(&done.head.labels, done.records, &scope)
    }

    fn pass_on(
        &mut self,
        key_labels: &[Value],
        records: u64,
        scope: &Scope<'_>,
    ) -> Result<(), Stopped> {
        let (asked, query) = (self.asked, self.asked.query);
        let found = |expr: &Expr| value(expr, scope).into_owned();
        let splitting: Vec<&Expr> = match query.list {
            true => query.columns.iter().take(asked.split).map(|column| &column.expr).collect(),
            false => query.groups.iter().take(asked.split).map(|group| &group.expr).collect(),
        };
        self.part_key.clear();
        for expr in splitting {
            encode(value(expr, scope).datum(), &mut self.part_key);
        }
        match &mut self.into {
            Into::List(parts) => {
                let columns = || query.columns.iter();
                let cells = columns().map(|column| match column.alias {
                    Some(_) => label(&column.expr, key_labels, scope),
                    None => found(&column.expr),
                });
                let cells: Vec<Value> = cells.collect();
                // Of an alias the expression is the fold's key.
                let keys = || -> Vec<Value> {
                    let key = |column: &Column| column.alias.map(|_| found(&column.expr));
                    columns().map(|column| key(column).unwrap_or(Value::Null)).collect()
                };
                let first = || (part_head(asked, &cells, keys()), asked.no_rows());
                let place = match asked.split {
                    0 => 0,
                    _ => parts.place(&self.part_key, first).ok_or_else(|| asked.too_many())?,
                };
                let part = &mut parts.parts[place];
                part.records += records;
                let keys = || Ok::<_, Stopped>(keys());
                offer(query, &mut part.into, &mut parts.room, cells, keys)
            }
            Into::Groups(parts) => {
                self.outer_key.clear();
                for group in &query.groups[asked.split..] {
                    encode(value(&group.expr, scope).datum(), &mut self.outer_key);
                }
                let head = || Head {
                    keys: query.groups.iter().map(|group| found(&group.expr)).collect(),
                    labels: query
                        .groups
                        .iter()
                        .map(|g| label(&g.expr, key_labels, scope))
                        .collect(),
                    carried: vec![],
                };
                let first = || (head(), self.none.clone());
                let place = match asked.split {
                    0 => 0,
                    _ => parts.place(&self.part_key, first).ok_or_else(|| asked.too_many())?,
                };
                let part = &mut parts.parts[place];
                part.records += records;
                feed(query, scope, part.into.at(&mut parts.room, &self.outer_key, head));
                Ok(())
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
