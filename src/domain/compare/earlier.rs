//! Rows of an answer beside those of earlier stretches: matched by the keys of their groups, never
//! by labels or places.

use std::collections::HashMap;

use chrono::Datelike;

use super::{Beside, Delta, Noise};
use crate::domain::expr::eval::{Scope, value};
use crate::domain::expr::{AggregateKind, Binary, Civil, Expr, Function, Unary, Unit};
use crate::domain::goal::Goal;
use crate::domain::period::Window;
use crate::domain::query::accumulate::encode;
use crate::domain::query::{Answer, Column, Query, Row};
use crate::domain::value::Value;
use crate::domain::zone::Zone;

/// What an earlier stretch has for the rows of an answer and for its total: a number a column of the
/// query, where there is one. Of a pivoted query it is what stands over all of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Earlier {
    /// As many as the answer has rows.
    pub rows: Vec<Vec<Option<f64>>>,
    /// Over all rows, if the query asks for it.
    pub total: Option<Vec<Option<f64>>>,
}

impl Earlier {
    /// Finds the rows of `now` in the answer to the same query, uncut, over an earlier stretch.
    ///
    /// A group that was not there then counts as 0 in columns that count, and has no value in others.
    /// A row for a day, week or month of the period is matched by its place in the period: the third
    /// day with the third day.
    pub fn of(
        query: &Query,
        zone: &Zone,
        week_starts: u8,
        now: (&Answer, Window),
        earlier: (&Answer, Window),
    ) -> Earlier {
        let ((now, now_window), (earlier, window)) = (now, earlier);
        let places = Places::of(query, zone, week_starts);
        let known: HashMap<Vec<u8>, &Row> = (earlier.rows.iter())
            .filter_map(|row| Some((places.identity(&row.keys, window)?, row)))
            .collect();
        // Where not all groups were read, one that is missing may be among the others.
        let absent = match earlier.truncated {
            true => vec![None; query.columns.len()],
            false => of_absent(query, earlier.records > 0),
        };
        let unknown = vec![None; query.columns.len()];
        let rows = now.rows.iter().map(|row| match places.identity(&row.keys, now_window) {
            Some(identity) if places.comparable(now_window, window) => known
                .get(&identity)
                .map_or_else(|| absent.clone(), |row| numbers(query, &row.values)),
            _ => unknown.clone(),
        });
        Earlier {
            rows: rows.collect(),
            total: earlier.total.as_deref().map(|total| numbers(query, total)),
        }
    }
}

/// The last columns' worth of values: of a pivoted row those over everything.
fn block<'v>(query: &Query, values: &'v [Value]) -> &'v [Value] {
    &values[values.len().saturating_sub(query.columns.len())..]
}

fn numbers(query: &Query, values: &[Value]) -> Vec<Option<f64>> {
    block(query, values).iter().map(Value::number).collect()
}

/// For each column the number of a group that is not there: what it gives over no records at all.
/// `any`: whether other groups have records.
pub fn of_absent(query: &Query, any: bool) -> Vec<Option<f64>> {
    let counts =
        |kind: &AggregateKind| matches!(kind, AggregateKind::Count | AggregateKind::CountDistinct);
    let over = |count: i64| -> Vec<Value> {
        let each = query.aggregates.iter().map(|aggregate| match counts(&aggregate.kind) {
            true => Value::Integer(count),
            false => Value::Null,
        });
        each.collect()
    };
    let (none, all) = (over(0), over(i64::from(any)));
    let nulls = vec![Value::Null; query.groups.len().max(query.carried.len())];
    let civil = Civil::new(Zone::utc(), 1);
    let scope = Scope {
        folded: &[],
        keys: &nulls,
        carried: &nulls,
        aggregates: &none,
        over_all: &all,
        as_of: chrono::DateTime::UNIX_EPOCH,
        civil: &civil,
    };
    query.columns.iter().map(|column| value(&column.expr, &scope).number()).collect()
}

/// How the values of a column scatter by nature.
pub fn noise(query: &Query, column: &Column) -> Noise {
    let counts = !query.list && counts(query, &column.expr);
    if counts { Noise::Count } else { Noise::Measure }
}

/// Whether an expression counts records, be it some of them or under a condition.
fn counts(query: &Query, expr: &Expr) -> bool {
    // A constant beside a count stands for "none" or "not measured".
    let all = |exprs: &[&Expr]| {
        exprs.iter().all(|expr| matches!(expr, Expr::Literal(_)) || counts(query, expr))
            && exprs.iter().any(|expr| !matches!(expr, Expr::Literal(_)))
    };
    match expr {
        Expr::Aggregate(index) => query.aggregates.get(*index).is_some_and(|aggregate| {
            matches!(aggregate.kind, AggregateKind::Count | AggregateKind::CountDistinct)
        }),
        Expr::Binary(Binary::Add, a, b) => counts(query, a) && counts(query, b),
        Expr::Unary(Unary::Real, x) => counts(query, x),
        Expr::Call(Function::Coalesce, args) => all(&args.iter().collect::<Vec<_>>()),
        Expr::Case(branches, otherwise) => {
            let results = branches.iter().map(|(_, result)| result);
            all(&results.chain(otherwise.as_deref()).collect::<Vec<_>>())
        }
        _ => false,
    }
}

/// Which groups stand for a place in the period, and how places are told.
struct Places<'a> {
    zone: &'a Zone,
    week_starts: u8,
    /// For each group the unit of the period's own field that it stands for.
    units: Vec<Option<Unit>>,
}

impl<'a> Places<'a> {
    fn of(query: &Query, zone: &'a Zone, week_starts: u8) -> Places<'a> {
        let field = query.date.map(Expr::Field);
        // Of a fold, the key behind its name.
        let behind = |expr: &Expr| match (expr, &query.fold) {
            (Expr::Folded(index), Some(fold)) => fold.keys.get(*index).map(|key| key.expr.clone()),
            (expr, _) => Some(expr.clone()),
        };
        let unit = |expr: &Expr| match behind(expr)? {
            Expr::Call(Function::Calendar(unit @ (Unit::Day | Unit::Week | Unit::Month)), args) => {
                let of = args.first().and_then(behind);
                (of.is_some() && of == field).then_some(unit)
            }
            _ => None,
        };
        let units = query.groups.iter().map(|group| unit(&group.expr)).collect();
        Places { zone, week_starts, units }
    }

    /// Whether weeks and months of the two stretches are cut alike: a week of two days is not held
    /// against one of seven.
    fn comparable(&self, a: Window, b: Window) -> bool {
        let (a, b) = (self.zone.date(a.from), self.zone.date(b.from));
        self.units.iter().flatten().all(|unit| match unit {
            Unit::Week => a.weekday() == b.weekday(),
            Unit::Month => a.day() == b.day(),
            _ => true,
        })
    }

    /// What makes a row the same in every stretch; `None` where a key is no instant.
    fn identity(&self, keys: &[Value], window: Window) -> Option<Vec<u8>> {
        let mut identity = Vec::new();
        for (key, unit) in keys.iter().zip(&self.units) {
            match (unit, key) {
                (Some(unit), Value::Timestamp(at)) => {
                    let place = self.place(*unit, *at, window);
                    encode(Value::Integer(place).datum(), &mut identity);
                }
                (Some(_), Value::Null) | (None, _) => encode(key.datum(), &mut identity),
                (Some(_), _) => return None,
            }
        }
        Some(identity)
    }

    /// The number of a unit within a window, from 0.
    fn place(&self, unit: Unit, at: chrono::DateTime<chrono::Utc>, window: Window) -> i64 {
        let (date, first) = (self.zone.date(at), self.zone.date(window.from));
        match unit {
            Unit::Month => {
                let months = |date: chrono::NaiveDate| {
                    i64::from(date.year()) * 12 + i64::from(date.month0())
                };
                months(date) - months(first)
            }
            Unit::Week => {
                let into = i64::from(first.weekday().number_from_monday()) + 7
                    - i64::from(self.week_starts);
                ((date - first).num_days() + into.rem_euclid(7)).div_euclid(7)
            }
            _ => (date - first).num_days(),
        }
    }
}

/// The changes and trends beside one row or total.
///
/// `values` are the row's values, `goals` one a column of the query, `compared` and `trend` what
/// earlier stretches have for it, the trend's column apart and its own period last. `width` is how
/// many columns the table has, those of the query being its last. Nothing is flagged unless `flag`.
pub fn beside(
    query: &Query,
    values: &[Value],
    goals: &[Option<Goal>],
    compared: &[&[Option<f64>]],
    trend: Vec<Option<f64>>,
    width: usize,
    flag: bool,
) -> Beside {
    let deltas = query.columns.iter().zip(block(query, values)).enumerate();
    let deltas = deltas.map(|(index, (column, value))| {
        let baseline: Vec<f64> =
            compared.iter().filter_map(|earlier| earlier.get(index).copied().flatten()).collect();
        let goal = goals.get(index).copied().flatten();
        let delta = Delta::of(value.number()?, &baseline, noise(query, column), goal)?;
        Some(Delta { unusual: delta.unusual && flag, ..delta })
    });
    let deltas = match compared.is_empty() {
        true => Vec::new(),
        false => {
            let before = width.saturating_sub(query.columns.len());
            std::iter::repeat_n(None, before).chain(deltas).collect()
        }
    };
    Beside { deltas, trend, links: Vec::new() }
}

#[cfg(test)]
mod tests;
