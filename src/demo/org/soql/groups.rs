//! Aggregate queries against the objects: what is grouped by, what is measured, which groups are
//! answered.

use super::SoqlError;
use super::bind::{Resolve, sortable};
use super::filter::{Checker, Operand};
use super::path::Column;
use super::syntax::{Condition, Function, Item, Op, Statement, Term};
use crate::demo::org::schema::{Field, Kind};

/// An aggregate query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    pub(crate) keys: Vec<Column>,
    pub(crate) measures: Vec<(Function, Column)>,
    pub(crate) outputs: Vec<(String, Output)>,
    /// What to sort by, whether descending, whether nulls last.
    pub(crate) order: Vec<(Output, bool, bool)>,
    /// Which groups are answered.
    pub(crate) having: Option<Having>,
}

/// A checked condition on groups.
#[derive(Clone, Debug)]
pub(crate) enum Having {
    All(Vec<Having>),
    Any(Vec<Having>),
    Not(Box<Having>),
    Compare { output: Output, op: Op, value: Operand },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Output {
    Key(usize),
    Measure(usize),
}

/// An aggregate query's parts.
pub(super) fn groups(
    statement: &Statement,
    items: &[Item],
    column: Resolve<'_>,
    checker: &Checker<'_>,
) -> Result<Groups, SoqlError> {
    let mut groups = Groups::default();
    for term in &statement.group {
        let key = column(term)?;
        // A part of a date can be grouped by where the date itself cannot.
        let may = |field: &Field| field.has(if key.part.is_some() { 'F' } else { 'G' });
        if key.field().is_some_and(|field| !may(field)) {
            let name = term.path().last();
            let text = format!("field '{}' can not be grouped in a query call", name.text);
            return Err(SoqlError::malformed(name.at, text));
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
            (None, Term::Aggregate { .. } | Term::Part { .. }) => {
                unnamed += 1;
                format!("expr{}", unnamed - 1)
            }
            (None, term) => match (groups.keys.as_slice(), output) {
                (keys, Output::Key(key)) => keys[key]
                    .field()
                    .map_or_else(|| term.path().last().text.clone(), |field| field.name.to_owned()),
                _ => term.path().last().text.clone(),
            },
        };
        if groups.outputs.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            return Err(SoqlError::malformed(item.what.at(), format!("duplicate alias: {name}")));
        }
        groups.outputs.push((name, output));
    }
    for order in &statement.order {
        if matches!(order.what, Term::Field(_)) {
            sortable(&order.what, column)?;
        }
        let output = groups.output(&order.what, column)?;
        groups.order.push((output, order.descending, order.nulls_last));
    }
    if let Some(condition) = &statement.having {
        if statement.group.is_empty() {
            let text = "HAVING is only allowed with GROUP BY";
            return Err(SoqlError::plain("MALFORMED_QUERY", text));
        }
        let having = groups.having(condition, column, checker)?;
        groups.having = Some(having);
    }
    Ok(groups)
}

impl Groups {
    /// Where a selected or ordered term is computed; a new measure is added.
    fn output(&mut self, term: &Term, column: Resolve<'_>) -> Result<Output, SoqlError> {
        match term {
            Term::Field(path) | Term::Part { path, .. } => {
                let wanted = column(term)?;
                self.keys.iter().position(|key| *key == wanted).map(Output::Key).ok_or_else(|| {
                    let name = &path.last().text;
                    let text = format!("Field must be grouped or aggregated: {name}");
                    SoqlError::malformed(path.at(), text)
                })
            }
            Term::TypeOf(choice) => {
                Err(SoqlError::malformed(choice.at, "TYPEOF is not allowed with aggregates"))
            }
            Term::Aggregate { function, path, .. } => {
                let measured = column(&Term::Field(path.clone()))?;
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

    /// Kind of an output's values.
    fn kind(&self, output: Output) -> Kind {
        match output {
            Output::Key(at) => self.keys[at].kind(),
            Output::Measure(at) => match &self.measures[at] {
                (Function::Count | Function::CountDistinct, _) => Kind::Int,
                (Function::Sum | Function::Avg, _) => Kind::Currency,
                (Function::Min | Function::Max, column) => column.kind(),
            },
        }
    }

    /// Checks a HAVING.
    fn having(
        &mut self,
        condition: &Condition,
        column: Resolve<'_>,
        checker: &Checker<'_>,
    ) -> Result<Having, SoqlError> {
        let mut all = |conditions: &[Condition]| -> Result<Vec<Having>, SoqlError> {
            conditions.iter().map(|one| self.having(one, column, checker)).collect()
        };
        match condition {
            Condition::And(conditions) => Ok(Having::All(all(conditions)?)),
            Condition::Or(conditions) => Ok(Having::Any(all(conditions)?)),
            Condition::Not(one) => Ok(Having::Not(Box::new(self.having(one, column, checker)?))),
            Condition::Compare { what, op, value } => {
                let output = self.output(what, column)?;
                let name = &what.path().last().text;
                let value = checker.operand(name, self.kind(output), *op, value)?;
                Ok(Having::Compare { output, op: *op, value })
            }
            Condition::In { what, negated, values } => {
                let output = self.output(what, column)?;
                let (name, kind) = (&what.path().last().text, self.kind(output));
                let mut any = Vec::new();
                for value in values {
                    let value = checker.operand(name, kind, Op::Eq, value)?;
                    any.push(Having::Compare { output, op: Op::Eq, value });
                }
                let any = Having::Any(any);
                Ok(if *negated { Having::Not(Box::new(any)) } else { any })
            }
            Condition::Semi { path, .. } => {
                Err(SoqlError::malformed(path.at(), "Semi joins are not allowed in HAVING"))
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
