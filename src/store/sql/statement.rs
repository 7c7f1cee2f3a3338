//! The one statement of a query: joined, bounded and filtered rows with the columns that grouping
//! and aggregating read.
//!
//! Grouping happens outside of the database: it has no hash aggregation and would sort every row
//! first, and states that Rust holds can be merged into totals without a second scan.

use std::collections::BTreeSet;

use rusqlite::types::Value as Bind;

use super::write::{Writer, type_of};
use crate::domain::expr::{Aggregate, Expr, FieldRef, Join, Known};
use crate::domain::query::{Frame, Group, Query};
use crate::domain::value::Type;

/// A column of the statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) ty: Option<Type>,
}

/// Where the key of a group is found, and what its record is called by.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyPlace {
    pub(super) key: Place,
    pub(super) label: Option<Place>,
}

/// Where an aggregate finds what it reads.
#[derive(Clone, Debug)]
pub(super) struct AggregatePlace {
    pub(super) of: Option<Place>,
    pub(super) filter: Option<Place>,
    pub(super) order: Vec<(Place, bool)>,
}

/// Where one stage of grouping finds what it reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Stage {
    pub(super) keys: Vec<KeyPlace>,
    pub(super) carried: Vec<Place>,
    pub(super) aggregates: Vec<AggregatePlace>,
}

/// A statement with what it takes and where its columns go.
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) binds: Vec<Bind>,
    pub(super) plan: Plan,
    /// Null in rows that a `left join` only keeps: nothing of the period is in them.
    pub(super) counted: Option<Place>,
}

/// What becomes of the statement's rows.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// They are gathered into groups.
    Group(Stage),
    /// They come ordered by the fold's keys and are folded first.
    Fold(Stage),
    /// They are the rows of a list.
    List(ListPlaces),
}

/// Where a list finds its cells, and the keys of the records that they name.
#[derive(Clone, Debug)]
pub(super) struct ListPlaces {
    pub(super) cells: Vec<Place>,
    pub(super) keys: Vec<Option<Place>>,
}

/// Writes the statement of a query.
pub(super) fn statement(query: &Query, frame: &Frame) -> Statement {
    let mut builder =
        Builder { query, writer: Writer::new(&query.report_type, frame), columns: Vec::new() };
    let plan = match &query.fold {
        Some(fold) => {
            let shown = |key| query.shows_fold_key(key);
            Plan::Fold(builder.stage(&fold.keys, shown, &fold.carried, &fold.aggregates))
        }
        None if query.list => {
            let columns = || query.columns.iter();
            let key = |table| Expr::Field(query.report_type.key(table));
            Plan::List(ListPlaces {
                cells: columns().map(|column| builder.place(&column.expr)).collect(),
                keys: columns().map(|c| c.alias.map(|t| builder.place(&key(t)))).collect(),
            })
        }
        None => {
            let stage = builder.stage(&query.groups, |_| true, &query.carried, &query.aggregates);
            Plan::Group(stage)
        }
    };
    let tables = &query.report_type.tables;
    let kept = query.date.filter(|date| tables[date.table].join == Join::Left);
    let counted = kept.map(|date| {
        let field = tables[date.table].dataset.key;
        builder.place(&Expr::Field(FieldRef { field, ..date }))
    });
    builder.select();
    builder.from(frame);
    if let Some(fold) = &query.fold {
        builder.order_by(&fold.keys);
    }
    let Writer { sql, binds, .. } = builder.writer;
    Statement { sql, binds, plan, counted }
}

struct Builder<'a> {
    query: &'a Query,
    writer: Writer<'a>,
    columns: Vec<Expr>,
}

impl Builder<'_> {
    /// The column of an expression; the same expression is read once.
    fn place(&mut self, expr: &Expr) -> Place {
        let index = self.columns.iter().position(|known| known == expr).unwrap_or_else(|| {
            self.columns.push(expr.clone());
            self.columns.len() - 1
        });
        Place { index, ty: type_of(&self.query.report_type, expr) }
    }

    /// `shown` says of which keys labels are wanted.
    fn stage(
        &mut self,
        keys: &[Group],
        shown: impl Fn(usize) -> bool,
        carried: &[FieldRef],
        aggregates: &[Aggregate],
    ) -> Stage {
        let report_type = &self.query.report_type;
        let keys = keys
            .iter()
            .enumerate()
            .map(|(index, group)| {
                let table = group.alias.filter(|_| shown(index));
                KeyPlace {
                    key: self.place(&group.expr),
                    label: table.map(|table| self.place(&Expr::Field(report_type.label(table)))),
                }
            })
            .collect();
        let carried = carried.iter().map(|field| self.place(&Expr::Field(*field))).collect();
        let aggregates = aggregates
            .iter()
            .map(|aggregate| AggregatePlace {
                of: aggregate.of.as_ref().map(|of| self.place(of)),
                filter: aggregate.filter.as_ref().map(|filter| self.place(filter)),
                order: aggregate
                    .order
                    .iter()
                    .map(|(expr, descending)| (self.place(expr), *descending))
                    .collect(),
            })
            .collect();
        Stage { keys, carried, aggregates }
    }

    fn select(&mut self) {
        self.writer.text("SELECT ");
        if self.columns.is_empty() {
            self.writer.text("1");
        }
        for index in 0..self.columns.len() {
            self.writer.text(if index > 0 { ", " } else { "" });
            let expr = self.columns[index].clone();
            self.writer.expr(&expr);
        }
    }

    /// Tables in the order they are to be read, and all conditions.
    fn from(&mut self, frame: &Frame) {
        let tables = &self.query.report_type.tables;
        let order = reading_order(self.query, frame.bounds.is_some());
        let mut conditions: Vec<Condition<'_>> = Vec::new();
        self.writer.text(" FROM ");
        for (position, table) in order.iter().enumerate() {
            let left = tables[*table].join == Join::Left;
            self.writer.text(match (position, left) {
                (0, _) => "",
                (_, true) => " LEFT JOIN ",
                // The order written is the order read.
                (_, false) => " CROSS JOIN ",
            });
            self.writer.name(&tables[*table].dataset.name);
            self.writer.text(" AS ");
            self.writer.table(*table);
            let own = self.conditions(*table, frame);
            if left {
                self.writer.text(" ON ");
                self.write_all(&own, frame);
            } else {
                conditions.extend(own);
            }
        }
        conditions.extend(self.query.filter.as_ref().map(Condition::Holds));
        self.writer.text(" WHERE ");
        self.write_all(&conditions, frame);
    }

    /// What a table's join demands: that the record exists, its bounds, its condition.
    fn conditions<'q>(&self, table: usize, frame: &Frame) -> Vec<Condition<'q>>
    where
        Self: 'q,
    {
        let mut conditions = vec![Condition::Exists(table)];
        if let (Some(date), Some(_)) = (self.query.date, frame.bounds) {
            conditions.extend((date.table == table).then_some(Condition::Within(date)));
        }
        if self.query.report_type.tables[table].on.is_some() {
            conditions.push(Condition::Joined(table));
        }
        conditions
    }

    fn write_all(&mut self, conditions: &[Condition<'_>], frame: &Frame) {
        for (index, condition) in conditions.iter().enumerate() {
            self.writer.text(if index > 0 { " AND " } else { "" });
            match condition {
                Condition::Exists(table) => self.writer.exists(*table),
                Condition::Joined(table) => {
                    if let Some(on) = &self.query.report_type.tables[*table].on {
                        self.writer.expr(on);
                    }
                }
                Condition::Holds(filter) => self.writer.expr(filter),
                Condition::Within(date) => {
                    let Some((from, to)) = frame.bounds else { continue };
                    self.writer.field(*date);
                    self.writer.text(" >= ");
                    self.writer.bind(Bind::Integer(from.timestamp_millis()));
                    self.writer.text(" AND ");
                    self.writer.field(*date);
                    self.writer.text(" < ");
                    self.writer.bind(Bind::Integer(to.timestamp_millis()));
                }
            }
        }
    }

    /// Folded rows come one key after the other. Keys that follow from others need no sorting.
    fn order_by(&mut self, keys: &[Group]) {
        let mut kept: Vec<Expr> = Vec::new();
        for key in keys {
            let start: Vec<FieldRef> = kept
                .iter()
                .filter_map(|expr| match expr {
                    Expr::Field(field) => Some(*field),
                    _ => None,
                })
                .collect();
            let filter = self.query.filter.as_ref();
            let known = Known::given(&self.query.report_type, filter, start);
            let mut fields = BTreeSet::new();
            key.expr.fields_into(&mut fields);
            let follows = fields.into_iter().all(|field| known.has(field));
            if !follows && !kept.contains(&key.expr) {
                kept.push(key.expr.clone());
            }
        }
        // By the place of their columns: an expression written again would be computed again.
        for (index, expr) in kept.iter().enumerate() {
            self.writer.text(if index > 0 { ", " } else { " ORDER BY " });
            let place = self.place(expr);
            self.writer.ordinal(place.index + 1);
        }
    }
}

enum Condition<'a> {
    Exists(usize),
    Within(FieldRef),
    Joined(usize),
    Holds(&'a Expr),
}

/// The order in which the tables that take part are read: from the one that the period bounds
/// along the joins, so that each is found by what is already known. Left joins stay behind what
/// they hang on.
pub(super) fn reading_order(query: &Query, bounded: bool) -> Vec<usize> {
    let tables = &query.report_type.tables;
    let used = query.tables_used();
    // Inner joins that hang on left-joined tables keep their place behind them.
    let mut free = vec![false; tables.len()];
    for (index, table) in tables.iter().enumerate() {
        let mut read = BTreeSet::new();
        if let Some(on) = &table.on {
            on.fields_into(&mut read);
        }
        free[index] = table.join != Join::Left
            && read.iter().all(|field| field.table == index || free[field.table]);
    }
    let start = query.date.filter(|date| bounded && free[date.table]).map_or(0, |date| date.table);
    let mut order = vec![start];
    // Breadth first along equalities; what no equality reaches comes in the order written.
    while let Some(next) = next_table(query, &order, &free) {
        order.push(next);
    }
    order.extend((0..tables.len()).filter(|table| used[*table] && !free[*table]));
    order
}

fn next_table(query: &Query, order: &[usize], free: &[bool]) -> Option<usize> {
    let rest = || (0..free.len()).filter(|table| free[*table] && !order.contains(table));
    let reached = |table: &usize| {
        let own = query.report_type.tables[*table].on.iter().map(|on| (*table, on));
        let others = order.iter().filter_map(|other| {
            query.report_type.tables[*other].on.as_ref().map(|on| (*other, on))
        });
        own.chain(others).any(|(_, on)| {
            let equated = query.report_type.equated(*table, on, |other| order.contains(&other));
            equated.iter().any(|(_, other)| other.is_some())
        })
    };
    rest().find(reached).or_else(|| rest().next())
}
