//! Which indexes make a query cheap: each table in reading order is found by what is known when it
//! is read.

use std::collections::BTreeSet;

use super::IndexSpec;
use super::statement::reading_order;
use crate::domain::expr::{Binary, Expr, FieldRef, Join};
use crate::domain::query::Query;

/// The indexes of a query, each once.
///
/// They only find records. Holding what is read as well would save the step to the record, which is
/// short where records lie in the order of their changes, and would cost an index a report: together
/// larger than the records, and longer in the making than the load.
pub(super) fn indexes(query: &Query) -> Vec<IndexSpec> {
    let report_type = &query.report_type;
    let order = reading_order(query, query.date.is_some());
    let mut found = BTreeSet::new();
    for (position, table) in order.iter().enumerate() {
        let dataset = &report_type.tables[*table].dataset;
        let mut fields = found_by(query, *table, &order[..position]);
        // The key has an index of its own.
        if fields.first() == Some(&dataset.key) {
            continue;
        }
        if let Some(date) = query.date.filter(|date| date.table == *table)
            && !fields.contains(&date.field)
        {
            fields.push(date.field);
        }
        if fields.is_empty() {
            continue;
        }
        let names = fields.iter().map(|field| dataset.fields[*field].name.clone()).collect();
        found.insert(IndexSpec { dataset: dataset.name.clone(), fields: names });
    }
    // One that begins like another is no use beside it.
    let all: Vec<IndexSpec> = found.into_iter().collect();
    let begins = |short: &IndexSpec, long: &IndexSpec| {
        short.dataset == long.dataset && short != long && long.fields.starts_with(&short.fields)
    };
    all.iter().filter(|spec| !all.iter().any(|other| begins(spec, other))).cloned().collect()
}

/// The fields of a table that have one value when it is read, equalities with other tables first.
fn found_by(query: &Query, table: usize, before: &[usize]) -> Vec<usize> {
    let report_type = &query.report_type;
    let tables = &report_type.tables;
    let mut fields: Vec<(bool, usize)> = Vec::new();
    let conditions = (0..tables.len()).filter(|other| {
        // A left join's condition speaks for its own table alone.
        *other == table || (before.contains(other) && tables[*other].join != Join::Left)
    });
    for on in conditions.filter_map(|other| tables[other].on.as_ref()) {
        for (field, other) in report_type.equated(table, on, |other| before.contains(&other)) {
            fields.push((other.is_none(), field));
        }
    }
    if let Some(filter) = &query.filter {
        // The table the period bounds is found by its date; a condition finds one without.
        let dated = query.date.is_some_and(|date| date.table == table);
        if !dated || !fields.is_empty() {
            let constant = equal_to_constants(filter).filter(|field| field.table == table);
            fields.extend(constant.map(|field| (true, field.field)));
        }
    }
    fields.sort_by_key(|(constant, _)| *constant);
    let mut names = Vec::new();
    for (_, field) in fields {
        if !names.contains(&field) {
            names.push(field);
        }
    }
    names
}

/// The fields that a filter sets equal to a constant.
fn equal_to_constants(filter: &Expr) -> impl Iterator<Item = FieldRef> + '_ {
    filter.conjuncts().into_iter().filter_map(|expr| match expr {
        Expr::Binary(Binary::Equal, a, b) => match (a.as_ref(), b.as_ref()) {
            (Expr::Field(field), Expr::Literal(_)) | (Expr::Literal(_), Expr::Field(field)) => {
                Some(*field)
            }
            _ => None,
        },
        _ => None,
    })
}
