//! Statements against the objects: what a query may not do is refused here, as an org refuses it.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::SoqlError;
use super::filter::{Checker, Filter};
use super::groups::{Groups, groups};
use super::path::{Column, Leaf, Scope, naming_field, resolve};
use super::run;
use super::syntax::{Condition, Item, Order, Select, Statement, Term, TypeOf};
use crate::demo::org::id::Id;
use crate::demo::org::schema::{Kind, Object};
use crate::demo::org::table::Tables;
use crate::demo::org::value::Cell;
use crate::demo::org::zone::Zone;

/// Most rows an OFFSET skips.
const OFFSET_MAX: u64 = 2_000;
/// Most subqueries in one filter.
const SEMI_JOINS_MAX: usize = 2;

/// A statement that may run.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) object: &'static Object,
    pub(crate) shape: Shape,
    /// Fields of a query for rows as they were selected, with their names.
    pub(crate) columns: Vec<(String, Column)>,
    pub(crate) filter: Option<Filter>,
    pub(crate) order: Vec<Key>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: u64,
}

/// What the answer consists of.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// The number of records alone.
    Count,
    Rows(Vec<Node>),
    Groups(Groups),
}

/// One key of a record in the answer.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Field {
        ix: usize,
    },
    Parent {
        step: usize,
        children: Vec<Node>,
    },
    /// Behind a polymorphic reference.
    Naming {
        step: usize,
        fields: Vec<&'static str>,
    },
    /// TYPEOF: what is read depends on what the reference points to.
    Choice {
        step: usize,
        whens: Vec<(&'static Object, Vec<Node>)>,
        otherwise: Vec<&'static str>,
    },
}

/// One sort key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) column: Column,
    pub(crate) descending: bool,
    pub(crate) nulls_last: bool,
}

/// What statements are checked against.
pub(crate) struct Binder<'a> {
    /// The querying user's.
    pub(crate) zone: &'a Zone,
    pub(crate) scope: Scope<'a>,
    pub(crate) tables: &'a Tables,
    pub(crate) now: DateTime<Utc>,
}

impl Binder<'_> {
    /// Checks a statement.
    pub(crate) fn bind(&self, statement: &Statement) -> Result<Query, SoqlError> {
        self.bind_at(statement, None)
    }

    fn bind_at(
        &self,
        statement: &Statement,
        outer: Option<&'static Object>,
    ) -> Result<Query, SoqlError> {
        let from = &statement.from;
        let object = self.scope.object(&from.text).ok_or_else(|| {
            let message = format!(
                "sObject type '{}' is not supported. If you are attempting to use a custom object, \
                 be sure to append the '__c' after the entity name. Please reference your WSDL or \
                 the describe call for the appropriate names.",
                from.text
            );
            SoqlError { code: "INVALID_TYPE", message, at: Some(from.at) }
        })?;
        if outer == Some(object) {
            let text = "The inner and outer selects should not be on the same object type";
            return Err(SoqlError::malformed(from.at, text));
        }
        let column = |term: &Term| self.column(object, statement.alias.as_deref(), term);
        let filter = match &statement.filter {
            None => None,
            Some(condition) => {
                semi_joins(condition, outer.is_some())?;
                let select = |query: &Statement| self.semi_join(query, object);
                Some(self.checker(&column, &select).check(condition)?)
            }
        };
        let offset = statement.offset.map_or(0, |(offset, _)| offset);
        if offset > OFFSET_MAX {
            let text = "Maximum SOQL offset allowed is 2000";
            return Err(SoqlError::plain("NUMBER_OUTSIDE_VALID_RANGE", text));
        }
        let mut query = Query {
            object,
            shape: Shape::Count,
            columns: Vec::new(),
            filter,
            order: Vec::new(),
            limit: statement.limit.map(|(limit, _)| limit),
            offset,
        };
        match &statement.select {
            Select::Count if statement.group.is_empty() => {}
            Select::Count => {
                let at = statement.group[0].at();
                return Err(SoqlError::malformed(at, "Grouping is not allowed with COUNT()"));
            }
            Select::Items(items) if is_aggregate(statement, items) => {
                let nothing = |_: &Statement| Ok(HashSet::new());
                let checker = self.checker(&column, &nothing);
                query.shape = Shape::Groups(groups(statement, items, &column, &checker)?);
            }
            Select::Items(items) => {
                let (nodes, columns) = self.nodes(items, object, &column)?;
                query.shape = Shape::Rows(nodes);
                query.columns = columns;
                query.order = keys(&statement.order, &column)?;
            }
        }
        Ok(query)
    }

    fn checker<'b>(
        &'b self,
        resolve: Resolve<'b>,
        select: &'b dyn Fn(&Statement) -> Result<HashSet<Id>, SoqlError>,
    ) -> Checker<'b> {
        Checker { now: self.now, zone: self.zone, resolve, select }
    }

    /// What a field or a part of one means.
    fn column(
        &self,
        object: &'static Object,
        alias: Option<&str>,
        term: &Term,
    ) -> Result<Column, SoqlError> {
        match term {
            Term::Field(path) => resolve(self.scope, object, alias, path),
            Term::Part { part, converted, path, .. } => {
                let mut column = resolve(self.scope, object, alias, path)?;
                let kind = column.kind();
                if !part.takes(kind) || (*converted && kind != Kind::DateTime) {
                    let name = &path.last().text;
                    let text = format!("field '{name}' does not support this date function");
                    return Err(SoqlError::malformed(path.at(), text));
                }
                let zone = converted.then(|| Arc::new(self.zone.clone()));
                column.part = Some((*part, zone));
                Ok(column)
            }
            Term::Aggregate { at, .. } => {
                let text = "aggregate expressions are not allowed here; use HAVING";
                Err(SoqlError::malformed(*at, text))
            }
            Term::TypeOf(choice) => {
                Err(SoqlError::malformed(choice.at, "TYPEOF is only allowed in SELECT"))
            }
        }
    }

    /// Checks a SELECT list for rows.
    fn nodes(
        &self,
        items: &[Item],
        object: &'static Object,
        column: Resolve<'_>,
    ) -> Result<Selected, SoqlError> {
        let (mut nodes, mut columns) = (Vec::new(), Vec::new());
        for item in items {
            if let Term::TypeOf(choice) = &item.what {
                nodes.push(self.choice(choice, object)?);
                continue;
            }
            let path = item.what.path();
            if item.alias.is_some() {
                let text = "only aggregate expressions use field aliasing";
                return Err(SoqlError::malformed(path.at(), text));
            }
            let column = column(&item.what)?;
            if !place(&mut nodes, &column.steps, column.leaf) {
                let text = format!("duplicate field selected: {}", path.last().text);
                return Err(SoqlError::malformed(path.at(), text));
            }
            columns.push((column.name(object), column));
        }
        Ok((nodes, columns))
    }

    /// Checks a TYPEOF.
    fn choice(&self, choice: &TypeOf, object: &'static Object) -> Result<Node, SoqlError> {
        let name = choice.relation.last();
        let step = object
            .relation(&name.text)
            .filter(|&step| choice.relation.0.len() == 1 && object.fields[step].is_polymorphic())
            .filter(|&step| self.scope.shows(object, &object.fields[step]))
            .ok_or_else(|| {
                let text = "TYPEOF is only allowed on a polymorphic relationship of the object";
                SoqlError::malformed(name.at, text)
            })?;
        let mut whens = Vec::new();
        for (of, paths) in &choice.whens {
            let target = self
                .scope
                .object(&of.text)
                .filter(|target| object.fields[step].targets.contains(&target.name))
                .ok_or_else(|| {
                    let text = format!("invalid type '{}' in TYPEOF", of.text);
                    SoqlError::malformed(of.at, text)
                })?;
            let mut nodes = Vec::new();
            for path in paths {
                let column = resolve(self.scope, target, None, path)?;
                place(&mut nodes, &column.steps, column.leaf);
            }
            whens.push((target, nodes));
        }
        let otherwise = choice.otherwise.iter().map(naming_field).collect::<Result<_, _>>()?;
        Ok(Node::Choice { step, whens, otherwise })
    }

    /// The ids a subquery selects.
    fn semi_join(
        &self,
        query: &Statement,
        outer: &'static Object,
    ) -> Result<HashSet<Id>, SoqlError> {
        let at = query.from.at;
        if query.limit.is_some() || !query.order.is_empty() || query.offset.is_some() {
            return Err(SoqlError::malformed(
                at,
                "LIMIT and ORDER BY are not allowed in a semi join",
            ));
        }
        let bound = self.bind_at(query, Some(outer))?;
        let ix = match &bound.shape {
            Shape::Rows(nodes) => match nodes.as_slice() {
                [Node::Field { ix }] => Some(*ix),
                _ => None,
            },
            _ => None,
        };
        let ix =
            ix.filter(|&ix| matches!(bound.object.fields[ix].kind, Kind::Id | Kind::Reference));
        let Some(ix) = ix else {
            return Err(SoqlError::malformed(at, "semi join sub-selects must select one ID field"));
        };
        let table = self.tables.of(bound.object);
        let slots = run::select(self.tables, &bound, false);
        let ids = slots.iter().filter_map(|&slot| match table.row(slot)?[ix].cell() {
            Cell::Id(id) => Some(id),
            _ => None,
        });
        Ok(ids.collect())
    }
}

/// Refuses subqueries where an org refuses them.
fn semi_joins(condition: &Condition, nested: bool) -> Result<usize, SoqlError> {
    let sum = |all: &[Condition]| {
        all.iter().try_fold(0, |sum, one| semi_joins(one, nested).map(|count| sum + count))
    };
    let count = match condition {
        Condition::Semi { path, .. } if nested => {
            return Err(SoqlError::malformed(path.at(), "Nesting of semi joins is not supported"));
        }
        Condition::Semi { .. } => 1,
        Condition::And(all) => sum(all)?,
        Condition::Or(all) => {
            let count = sum(all)?;
            if count > 0 {
                let text = "Semi join sub-selects are only allowed at the top level WHERE \
                            expressions combined with AND";
                return Err(SoqlError::plain("MALFORMED_QUERY", text));
            }
            count
        }
        Condition::Not(one) => semi_joins(one, nested)?,
        Condition::Compare { .. } | Condition::In { .. } => 0,
    };
    if count > SEMI_JOINS_MAX {
        let text = "maximum 2 semi join sub-selects are allowed";
        return Err(SoqlError::plain("MALFORMED_QUERY", text));
    }
    Ok(count)
}

fn is_aggregate(statement: &Statement, items: &[Item]) -> bool {
    !statement.group.is_empty()
        || statement.having.is_some()
        || items.iter().any(|item| matches!(item.what, Term::Aggregate { .. } | Term::Part { .. }))
}

/// What a term means.
pub(super) type Resolve<'a> = &'a dyn Fn(&Term) -> Result<Column, SoqlError>;

/// What rows consist of: the keys of a record with its parents gathered, and the plain list.
type Selected = (Vec<Node>, Vec<(String, Column)>);

/// Puts a leaf below its parents; false if it is there already.
fn place(nodes: &mut Vec<Node>, steps: &[usize], leaf: Leaf) -> bool {
    match (steps, leaf) {
        ([], Leaf::Field { ix, .. }) => {
            let known =
                nodes.iter().any(|node| matches!(node, Node::Field { ix: own } if *own == ix));
            nodes.push(Node::Field { ix });
            !known
        }
        ([], Leaf::Naming(_)) => unreachable!("a name is behind a step"),
        ([step], Leaf::Naming(name)) => {
            for node in &mut *nodes {
                if let Node::Naming { step: own, fields } = node
                    && own == step
                {
                    let known = fields.contains(&name);
                    fields.push(name);
                    return !known;
                }
            }
            nodes.push(Node::Naming { step: *step, fields: vec![name] });
            true
        }
        ([step, rest @ ..], _) => {
            for node in &mut *nodes {
                if let Node::Parent { step: own, children } = node
                    && own == step
                {
                    return place(children, rest, leaf);
                }
            }
            let mut children = Vec::new();
            place(&mut children, rest, leaf);
            nodes.push(Node::Parent { step: *step, children });
            true
        }
    }
}

fn keys(order: &[Order], column: Resolve<'_>) -> Result<Vec<Key>, SoqlError> {
    order
        .iter()
        .map(|order| match &order.what {
            Term::Aggregate { at, .. } | Term::Part { at, .. } => {
                Err(SoqlError::malformed(*at, "Ordered aggregates need a GROUP BY"))
            }
            what => {
                let column = sortable(what, column)?;
                // Documented: NULLS LAST is not honoured on nullable fields of a relationship.
                let nulls_last = order.nulls_last && column.steps.is_empty();
                Ok(Key { column, descending: order.descending, nulls_last })
            }
        })
        .collect()
}

/// The column, if it may be sorted by.
pub(super) fn sortable(what: &Term, column: Resolve<'_>) -> Result<Column, SoqlError> {
    let column = column(what)?;
    match column.field() {
        Some(field) if !field.has('S') => Err(SoqlError::malformed(
            what.path().last().at,
            format!("field '{}' can not be sorted in a query call", field.name),
        )),
        _ => Ok(column),
    }
}
