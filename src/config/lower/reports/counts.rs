//! Rates want their number beside them: a mean of three sessions reads like one of three thousand.

use super::super::super::problem::Findings;
use super::super::super::shape::Shaped;
use super::super::super::wire::ReportToml;
use crate::domain::compare::{Noise, noise};
use crate::domain::expr::{AggregateKind, Binary, Expr};
use crate::domain::query::{Column, Query};

/// Notes a report with averages, percentiles or shares and no column that counts.
pub(super) fn note(found: &mut Findings<'_>, table: &Shaped<ReportToml>, query: &Query) {
    let counted = query.columns.iter().any(|column| {
        // What counts under a condition or adds up counts is a number of records too.
        noise(query, column) == Noise::Count || adds_up(query, column)
    });
    if query.list || counted {
        return;
    }
    let rates: Vec<usize> =
        (0..query.columns.len()).filter(|index| is_rate(query, &query.columns[*index])).collect();
    let (Some(first), Some(texts)) = (rates.first(), &table.wire.columns) else { return };
    let Some(text) = texts.get_ref().get(*first) else { return };
    let names: Vec<String> =
        rates.iter().map(|index| format!("`{}`", query.columns[*index].name)).collect();
    let message = match names.as_slice() {
        [one] => format!("{one} without a count beside it: nobody sees how many it speaks for"),
        several => format!(
            "{} without a count beside them: nobody sees how many they speak for",
            several.join(", ")
        ),
    };
    found.note(table.at(text), message, "add e.g. `count() as Records`");
}

/// Whether a column adds up whole numbers, as `sum(parts)` of a fold does.
fn adds_up(query: &Query, column: &Column) -> bool {
    let of = |index: usize| query.aggregates.get(index).map(|aggregate| aggregate.kind);
    let sum =
        matches!(&column.expr, Expr::Aggregate(index) if of(*index) == Some(AggregateKind::Sum));
    sum && column.ty == Some(crate::domain::value::Type::Integer)
}

fn is_rate(query: &Query, column: &Column) -> bool {
    let mut rate = column.share;
    column.expr.walk(&mut |expr| match expr {
        Expr::Aggregate(index) => {
            let kind = query.aggregates.get(*index).map(|aggregate| aggregate.kind);
            rate |= matches!(kind, Some(AggregateKind::Average | AggregateKind::Percentile(_)));
        }
        Expr::Share(_) | Expr::Binary(Binary::Divide, ..) => rate = true,
        _ => {}
    });
    rate
}
