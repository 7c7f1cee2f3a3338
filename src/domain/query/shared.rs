//! Questions that one pass over the records answers together: they count the same records into the
//! same groups and differ in what they compute of each group alone.

use std::sync::Arc;

use super::{Answer, Column, Query, Row};
use crate::domain::expr::{Aggregate, Expr, FieldRef};

/// One pass over the records, which answers all its members.
#[derive(Clone, Debug)]
pub struct Scan {
    /// What is asked: the columns of all members, each distinct one once.
    pub query: Arc<Query>,
    /// Of each member where its columns are; `None`: it is the query itself.
    members: Vec<Option<Vec<usize>>>,
}

impl Scan {
    /// The fewest passes that answer some questions, and for each question which of the passes and
    /// which member of it.
    pub fn of(queries: &[Arc<Query>]) -> (Vec<Scan>, Vec<(usize, usize)>) {
        let mut alike: Vec<Vec<&Arc<Query>>> = Vec::new();
        let mut places = Vec::with_capacity(queries.len());
        for query in queries {
            let known = alike.iter().position(|others| others[0].reads_as(query));
            let scan = known.unwrap_or_else(|| {
                alike.push(Vec::new());
                alike.len() - 1
            });
            let others = &mut alike[scan];
            let known = others.iter().position(|other| other.asks_as(query));
            let member = known.unwrap_or_else(|| {
                others.push(query);
                others.len() - 1
            });
            places.push((scan, member));
        }
        (alike.iter().map(|members| Scan::merged(members)).collect(), places)
    }

    fn merged(members: &[&Arc<Query>]) -> Scan {
        let [first, others @ ..] = members else { unreachable!("a scan has a member") };
        if others.is_empty() {
            return Scan { query: Arc::clone(first), members: vec![None] };
        }
        let mut query =
            Query { aggregates: vec![], carried: vec![], columns: vec![], ..(***first).clone() };
        let places = members.iter().map(|member| Some(query.take_in(member))).collect();
        Scan { query: Arc::new(query), members: places }
    }

    /// What the scan's answer says to a member.
    pub fn answer(&self, answer: &Arc<Answer>, member: usize) -> Arc<Answer> {
        let Some(columns) = &self.members[member] else { return Arc::clone(answer) };
        let row = |row: &Row| Row {
            keys: row.keys.clone(),
            shown: row.shown.clone(),
            values: columns.iter().map(|column| row.values[*column].clone()).collect(),
        };
        Arc::new(Answer {
            rows: answer.rows.iter().map(row).collect(),
            others: answer.others.as_ref().map(|(count, _)| (*count, None)),
            records: answer.records,
            truncated: answer.truncated,
            ..Answer::default()
        })
    }
}

impl Query {
    /// Whether it and another one count the same records into the same groups, in the same order,
    /// so that one pass answers both. Lists, and what is split, pivoted, cut or totalled, are
    /// answered alone.
    pub fn reads_as(&self, other: &Query) -> bool {
        let plain = |query: &Query| {
            let Query { split, pivot, list, top, total, sort, .. } = query;
            *split == 0 && !pivot && !list && top.is_none() && !total && sort.is_empty()
        };
        let same_type = Arc::ptr_eq(&self.report_type, &other.report_type)
            || self.report_type == other.report_type;
        std::ptr::eq(self, other)
            || plain(self)
                && plain(other)
                && same_type
                && self.date == other.date
                && self.filter == other.filter
                && self.fold == other.fold
                && self.groups == other.groups
                && self.percentile_min == other.percentile_min
    }

    /// Whether it also asks the same of each group, if it reads the same.
    fn asks_as(&self, other: &Query) -> bool {
        self.aggregates == other.aggregates
            && self.carried == other.carried
            && self.columns == other.columns
    }

    /// Adds what a member asks to what is asked; gives where its columns are.
    fn take_in(&mut self, member: &Query) -> Vec<usize> {
        let aggregates: Vec<usize> = member
            .aggregates
            .iter()
            .map(|of| place::<Aggregate>(&mut self.aggregates, of))
            .collect();
        let carried: Vec<usize> =
            member.carried.iter().map(|of| place::<FieldRef>(&mut self.carried, of)).collect();
        let columns = member.columns.iter().map(|column| {
            let expr = renumbered(&column.expr, &aggregates, &carried);
            place(&mut self.columns, &Column { expr, ..column.clone() })
        });
        columns.collect()
    }
}

/// Where a thing is in a list, at its end if it was not.
fn place<T: Clone + PartialEq>(list: &mut Vec<T>, thing: &T) -> usize {
    list.iter().position(|known| known == thing).unwrap_or_else(|| {
        list.push(thing.clone());
        list.len() - 1
    })
}

/// An expression over a group whose aggregates and carried fields have other numbers.
fn renumbered(expr: &Expr, aggregates: &[usize], carried: &[usize]) -> Expr {
    let again = |expr: &Expr| renumbered(expr, aggregates, carried);
    let boxed = |expr: &Expr| Box::new(again(expr));
    match expr {
        Expr::Aggregate(index) => Expr::Aggregate(aggregates[*index]),
        Expr::Carried(index) => Expr::Carried(carried[*index]),
        Expr::Literal(_) | Expr::Field(_) | Expr::Folded(_) | Expr::Key(_) | Expr::AsOf => {
            expr.clone()
        }
        Expr::Share(x) => Expr::Share(boxed(x)),
        Expr::Unary(op, x) => Expr::Unary(*op, boxed(x)),
        Expr::Binary(op, a, b) => Expr::Binary(*op, boxed(a), boxed(b)),
        Expr::Between(x, low, high) => Expr::Between(boxed(x), boxed(low), boxed(high)),
        Expr::In(x, values) => Expr::In(boxed(x), values.clone()),
        Expr::Case(branches, otherwise) => Expr::Case(
            branches.iter().map(|(when, then)| (again(when), again(then))).collect(),
            otherwise.as_deref().map(boxed),
        ),
        Expr::Call(function, args) => {
            Expr::Call(function.clone(), args.iter().map(again).collect())
        }
    }
}
