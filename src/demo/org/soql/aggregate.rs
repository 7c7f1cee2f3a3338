//! Groups and their figures.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::SoqlError;
use super::bind::Query;
use super::filter::{Operand, agrees, holds, order};
use super::groups::{Groups, Having, Output};
use super::path::Column;
use super::run::{directed, select};
use super::syntax::{Function, Op};
use crate::demo::org::table::Tables;
use crate::demo::org::value::{Cell, Value};

/// Most groups one answer holds; there is no second page.
const GROUPS_MAX: usize = 2_000;

/// One figure of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Figure {
    Value(Value),
    Decimal(f64),
}

/// The rows of an aggregate answer: a figure for each output of `groups`.
pub(crate) fn aggregate(
    tables: &Tables,
    query: &Query,
    groups: &Groups,
    with_deleted: bool,
) -> Result<Vec<Vec<Figure>>, SoqlError> {
    let table = tables.of(query.object);
    let plain = Query { limit: None, offset: 0, ..query.clone() };
    let mut places: HashMap<Vec<Value>, usize> = HashMap::new();
    let mut found: Vec<(Vec<Value>, Vec<Sum>)> = Vec::new();
    let blank = || groups.measures.iter().map(|(function, _)| Sum::new(*function)).collect();
    if groups.keys.is_empty() {
        places.insert(Vec::new(), 0);
        found.push((Vec::new(), blank()));
    }
    for slot in select(tables, &plain, with_deleted) {
        let Some(row) = table.row(slot) else { continue };
        let key: Vec<Value> =
            groups.keys.iter().map(|column| column.cell(tables, row).into()).collect();
        let place = *places.entry(key).or_insert_with_key(|key| {
            found.push((key.clone(), blank()));
            found.len() - 1
        });
        for ((_, column), sum) in groups.measures.iter().zip(&mut found[place].1) {
            sum.add(column, column.cell(tables, row));
        }
    }
    if let Some(having) = &groups.having {
        found.retain(|group| passes(having, group));
    }
    found.sort_by(|a, b| compare(groups, a, b));
    let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
    let limit = query.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let rows: Vec<_> = found
        .iter()
        .skip(offset)
        .take(limit)
        .map(|(key, sums)| {
            let figure = |output: &Output| match output {
                Output::Key(at) => Figure::Value(key[*at].clone()),
                Output::Measure(at) => sums[*at].figure(),
            };
            groups.outputs.iter().map(|(_, output)| figure(output)).collect()
        })
        .collect();
    if rows.len() > GROUPS_MAX {
        let text = "Aggregate query does not support queryMore(), use LIMIT to restrict the results \
                    to a single batch";
        return Err(SoqlError::plain("EXCEEDED_ID_LIMIT", text));
    }
    Ok(rows)
}

fn passes(having: &Having, group: &(Vec<Value>, Vec<Sum>)) -> bool {
    match having {
        Having::All(all) => all.iter().all(|one| passes(one, group)),
        Having::Any(any) => any.iter().any(|one| passes(one, group)),
        Having::Not(one) => !passes(one, group),
        Having::Compare { output, op, value } => {
            let figure = match output {
                Output::Key(at) => Figure::Value(group.0[*at].clone()),
                Output::Measure(at) => group.1[*at].figure(),
            };
            match (figure, value) {
                (Figure::Value(own), _) => holds(own.cell(), *op, value),
                (Figure::Decimal(own), Operand::Number(number)) => {
                    agrees(own.total_cmp(number), *op)
                }
                (Figure::Decimal(_), _) => *op == Op::Ne,
            }
        }
    }
}

fn compare(groups: &Groups, a: &(Vec<Value>, Vec<Sum>), b: &(Vec<Value>, Vec<Sum>)) -> Ordering {
    for (output, descending, nulls_last) in &groups.order {
        let (ascending, null) = match output {
            Output::Key(at) => {
                let (left, right) = (a.0[*at].cell(), b.0[*at].cell());
                (order(&groups.keys[*at], left, right), left == Cell::Null || right == Cell::Null)
            }
            Output::Measure(at) => {
                let (left, right) = (a.1[*at].figure(), b.1[*at].figure());
                let null = Figure::Value(Value::Null);
                let involved = left == null || right == null;
                (compare_figures(&groups.measures[*at].1, &left, &right), involved)
            }
        };
        let ordering = directed(ascending, null, *descending, *nulls_last);
        if ordering.is_ne() {
            return ordering;
        }
    }
    let keys = groups.keys.iter().zip(a.0.iter().zip(&b.0));
    keys.map(|(column, (a, b))| order(column, a.cell(), b.cell()))
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn compare_figures(column: &Column, a: &Figure, b: &Figure) -> Ordering {
    match (a, b) {
        (Figure::Value(a), Figure::Value(b)) => order(column, a.cell(), b.cell()),
        (Figure::Decimal(a), Figure::Decimal(b)) => a.total_cmp(b),
        (Figure::Value(_), Figure::Decimal(_)) => Ordering::Less,
        (Figure::Decimal(_), Figure::Value(_)) => Ordering::Greater,
    }
}

/// One aggregate being made; nulls never count.
enum Sum {
    Count(i64),
    Distinct(HashSet<Value>),
    /// Whole numbers or hundredths; the flag says which.
    Total(Option<i64>, bool),
    Mean {
        total: i64,
        count: i64,
        hundredths: bool,
    },
    Least(Value),
    Greatest(Value),
}

impl Sum {
    fn new(function: Function) -> Sum {
        match function {
            Function::Count => Sum::Count(0),
            Function::CountDistinct => Sum::Distinct(HashSet::new()),
            Function::Sum => Sum::Total(None, false),
            Function::Avg => Sum::Mean { total: 0, count: 0, hundredths: false },
            Function::Min => Sum::Least(Value::Null),
            Function::Max => Sum::Greatest(Value::Null),
        }
    }

    fn add(&mut self, column: &Column, cell: Cell<'_>) {
        if cell == Cell::Null {
            return;
        }
        let (number, is_hundredths) = match cell {
            Cell::Int(number) => (number, false),
            Cell::Hundredths(number) => (number, true),
            _ => (0, false),
        };
        match self {
            Sum::Count(count) => *count += 1,
            Sum::Distinct(seen) => {
                seen.insert(cell.into());
            }
            Sum::Total(total, hundredths) => {
                *total = Some(total.unwrap_or(0) + number);
                *hundredths = is_hundredths;
            }
            Sum::Mean { total, count, hundredths } => {
                *total += number;
                *count += 1;
                *hundredths = is_hundredths;
            }
            Sum::Least(least) => {
                if least.cell() == Cell::Null || order(column, cell, least.cell()).is_lt() {
                    *least = cell.into();
                }
            }
            Sum::Greatest(greatest) => {
                if order(column, cell, greatest.cell()).is_gt() {
                    *greatest = cell.into();
                }
            }
        }
    }

    fn figure(&self) -> Figure {
        match self {
            Sum::Count(count) => Figure::Value(Value::Int(*count)),
            Sum::Distinct(seen) => Figure::Value(Value::Int(seen.len() as i64)),
            Sum::Total(Some(total), true) => Figure::Value(Value::Hundredths(*total)),
            Sum::Total(total, _) => Figure::Value((*total).into()),
            Sum::Mean { count: 0, .. } => Figure::Value(Value::Null),
            Sum::Mean { total, count, hundredths } => {
                let unit = if *hundredths { 100.0 } else { 1.0 };
                Figure::Decimal(*total as f64 / unit / *count as f64)
            }
            Sum::Least(value) | Sum::Greatest(value) => Figure::Value(value.clone()),
        }
    }
}
