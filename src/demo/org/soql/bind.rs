//! Statements against the objects: what a query may not do is refused here, as an org refuses it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::SoqlError;
use super::filter::{Checker, Filter};
use super::parse::{Condition, Function, Item, Order, Path, Select, Statement, Term};
use super::path::{Column, Leaf, Scope, resolve};
use super::run;
use crate::demo::org::id::Id;
use crate::demo::org::schema::{Kind, Object};
use crate::demo::org::table::Tables;
use crate::demo::org::value::Cell;

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
}

/// One sort key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) column: Column,
    pub(crate) descending: bool,
    pub(crate) nulls_last: bool,
}

/// An aggregate query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    pub(crate) keys: Vec<Column>,
    pub(crate) measures: Vec<(Function, Column)>,
    pub(crate) outputs: Vec<(String, Output)>,
    /// What to sort by, whether descending, whether nulls last.
    pub(crate) order: Vec<(Output, bool, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Output {
    Key(usize),
    Measure(usize),
}

/// What statements are checked against.
pub(crate) struct Binder<'a> {
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
        let column = |path: &Path| resolve(self.scope, object, statement.alias.as_deref(), path);
        let filter = match &statement.filter {
            None => None,
            Some(condition) => {
                semi_joins(condition, outer.is_some())?;
                let select = |query: &Statement| self.semi_join(query, object);
                let checker = Checker { now: self.now, resolve: &column, select: &select };
                Some(checker.check(condition)?)
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
                query.shape = Shape::Groups(groups(statement, items, &column)?);
            }
            Select::Items(items) => {
                let (nodes, columns) = nodes(items, object, &column)?;
                query.shape = Shape::Rows(nodes);
                query.columns = columns;
                query.order = keys(&statement.order, &column)?;
            }
        }
        Ok(query)
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
        || items.iter().any(|item| matches!(item.what, Term::Aggregate { .. }))
}

type Resolve<'a> = &'a dyn Fn(&Path) -> Result<Column, SoqlError>;

/// What rows consist of: the keys of a record with its parents gathered, and the plain list.
type Selected = (Vec<Node>, Vec<(String, Column)>);

/// Checks a SELECT list for rows.
fn nodes(
    items: &[Item],
    object: &'static Object,
    column: Resolve<'_>,
) -> Result<Selected, SoqlError> {
    let (mut nodes, mut columns) = (Vec::new(), Vec::new());
    for item in items {
        let Term::Field(path) = &item.what else { unreachable!("aggregates were told apart") };
        if item.alias.is_some() {
            let text = "only aggregate expressions use field aliasing";
            return Err(SoqlError::malformed(path.at(), text));
        }
        let column = column(path)?;
        if !place(&mut nodes, &column.steps, column.leaf) {
            let text = format!("duplicate field selected: {}", path.last().text);
            return Err(SoqlError::malformed(path.at(), text));
        }
        columns.push((column.name(object), column));
    }
    Ok((nodes, columns))
}

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
            Term::Aggregate { at, .. } => {
                Err(SoqlError::malformed(*at, "Ordered aggregates need a GROUP BY"))
            }
            Term::Field(path) => {
                let column = sortable(path, column)?;
                // Documented: NULLS LAST is not honoured on nullable fields of a relationship.
                let nulls_last = order.nulls_last && column.steps.is_empty();
                Ok(Key { column, descending: order.descending, nulls_last })
            }
        })
        .collect()
}

fn sortable(path: &Path, column: Resolve<'_>) -> Result<Column, SoqlError> {
    let column = column(path)?;
    match column.field() {
        Some(field) if !field.has('S') => Err(SoqlError::malformed(
            path.last().at,
            format!("field '{}' can not be sorted in a query call", field.name),
        )),
        _ => Ok(column),
    }
}

/// An aggregate query's parts.
fn groups(statement: &Statement, items: &[Item], column: Resolve<'_>) -> Result<Groups, SoqlError> {
    let mut groups = Groups::default();
    for path in &statement.group {
        let key = column(path)?;
        if key.field().is_some_and(|field| !field.has('G')) {
            let name = &path.last().text;
            let text = format!("field '{name}' can not be grouped in a query call");
            return Err(SoqlError::malformed(path.last().at, text));
        }
        groups.keys.push(key);
    }
    if groups.keys.is_empty()
        && let Some((_, at)) = statement.limit.or(statement.offset)
    {
        let text = "Non-grouped query that uses overall aggregate functions cannot also use LIMIT";
        return Err(SoqlError::malformed(at, text));
    }
    let mut unnamed = 0;
    for item in items {
        let output = groups.output(&item.what, column)?;
        let name = match (&item.alias, &item.what) {
            (Some(alias), _) => alias.clone(),
            (None, Term::Aggregate { .. }) => {
                unnamed += 1;
                format!("expr{}", unnamed - 1)
            }
            (None, Term::Field(path)) => match (groups.keys.as_slice(), output) {
                (keys, Output::Key(key)) => keys[key]
                    .field()
                    .map_or_else(|| path.last().text.clone(), |field| field.name.to_owned()),
                _ => path.last().text.clone(),
            },
        };
        if groups.outputs.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            let at = match &item.what {
                Term::Field(path) => path.at(),
                Term::Aggregate { at, .. } => *at,
            };
            return Err(SoqlError::malformed(at, format!("duplicate alias: {name}")));
        }
        groups.outputs.push((name, output));
    }
    for order in &statement.order {
        if let Term::Field(path) = &order.what {
            sortable(path, column)?;
        }
        let output = groups.output(&order.what, column)?;
        groups.order.push((output, order.descending, order.nulls_last));
    }
    Ok(groups)
}

impl Groups {
    /// Where a selected or ordered term is computed; a new measure is added.
    fn output(&mut self, term: &Term, column: Resolve<'_>) -> Result<Output, SoqlError> {
        match term {
            Term::Field(path) => {
                let wanted = column(path)?;
                self.keys.iter().position(|key| *key == wanted).map(Output::Key).ok_or_else(|| {
                    let name = &path.last().text;
                    let text = format!("Field must be grouped or aggregated: {name}");
                    SoqlError::malformed(path.at(), text)
                })
            }
            Term::Aggregate { function, path, .. } => {
                let measured = column(path)?;
                if !supports(*function, &measured) {
                    let text = format!(
                        "field {} does not support aggregate operator {}",
                        path.last().text,
                        function.name()
                    );
                    return Err(SoqlError::malformed(path.at(), text));
                }
                self.measures.push((*function, measured));
                Ok(Output::Measure(self.measures.len() - 1))
            }
        }
    }
}

fn supports(function: Function, column: &Column) -> bool {
    let Some(field) = column.field() else { return function == Function::Count };
    field.is_aggregatable()
        && (!matches!(function, Function::Sum | Function::Avg)
            || matches!(field.kind, Kind::Int | Kind::Currency))
}

impl Function {
    fn name(self) -> &'static str {
        match self {
            Function::Count => "COUNT",
            Function::CountDistinct => "COUNT_DISTINCT",
            Function::Sum => "SUM",
            Function::Avg => "AVG",
            Function::Min => "MIN",
            Function::Max => "MAX",
        }
    }
}
