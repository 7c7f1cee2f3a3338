//! Aggregates being computed: fed row by row, merged for totals and `Others`, finished to values.
//!
//! Everything is exact: sums of whole numbers do not overflow, percentiles know every value, and
//! what a merge gives is what one pass over all rows would have given (reals up to rounding).

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::domain::expr::AggregateKind;
use crate::domain::value::{Datum, Value};

/// The fraction of the percentile that says something of any number of values.
pub(crate) const MEDIAN: f64 = 0.5;

/// The state of one aggregate over the rows so far.
#[derive(Clone, Debug)]
pub(crate) enum Accumulator {
    Count(u64),
    Distinct(HashSet<Box<[u8]>>),
    Sum(Sum),
    Average(Sum),
    Least(Value),
    Greatest(Value),
    Percentile(f64, Distribution),
    First(Option<First>),
}

/// A sum of numbers, exact for whole ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum {
    count: u64,
    whole: i128,
    real: f64,
    /// What rounding took from `real` (Neumaier).
    lost: f64,
    any_real: bool,
}

/// How often each number came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Distribution(HashMap<u64, u64, BuildHasherDefault<Mix>>);

/// The value of the first row so far, with what orders it and which orders are descending.
#[derive(Clone, Debug)]
pub(crate) struct First {
    order: Vec<(Value, bool)>,
    value: Value,
}

impl Accumulator {
    /// The state before the first row.
    pub(crate) fn new(kind: AggregateKind) -> Accumulator {
        match kind {
            AggregateKind::Count => Accumulator::Count(0),
            AggregateKind::CountDistinct => Accumulator::Distinct(HashSet::new()),
            AggregateKind::Sum => Accumulator::Sum(Sum::default()),
            AggregateKind::Average => Accumulator::Average(Sum::default()),
            AggregateKind::Min => Accumulator::Least(Value::Null),
            AggregateKind::Max => Accumulator::Greatest(Value::Null),
            AggregateKind::Percentile(fraction) => {
                Accumulator::Percentile(fraction, Distribution::default())
            }
            AggregateKind::First => Accumulator::First(None),
        }
    }

    /// Counts a row, for `count()`.
    pub(crate) fn add_row(&mut self) {
        if let Accumulator::Count(count) = self {
            *count += 1;
        }
    }

    /// Takes one row's value. `order` is asked of `first` alone.
    pub(crate) fn add<'v>(
        &mut self,
        value: Datum<'_>,
        order: impl Fn(usize) -> Option<(Datum<'v>, bool)>,
    ) {
        if let Accumulator::First(first) = self {
            return First::add(first, value, order);
        }
        if value.is_null() {
            return;
        }
        match self {
            Accumulator::Count(count) => *count += 1,
            Accumulator::Distinct(seen) => {
                let mut bytes = Vec::with_capacity(24);
                encode(value, &mut bytes);
                if !seen.contains(bytes.as_slice()) {
                    seen.insert(bytes.into_boxed_slice());
                }
            }
            Accumulator::Sum(sum) | Accumulator::Average(sum) => sum.add(value),
            Accumulator::Least(least) => replace_if(least, value, Ordering::Less),
            Accumulator::Greatest(greatest) => replace_if(greatest, value, Ordering::Greater),
            Accumulator::Percentile(_, values) => values.add(value),
            Accumulator::First(_) => {}
        }
    }

    /// Adds what another one of the same kind has seen.
    pub(crate) fn merge(&mut self, other: &Accumulator) {
        match (self, other) {
            (Accumulator::Count(a), Accumulator::Count(b)) => *a += b,
            (Accumulator::Distinct(a), Accumulator::Distinct(b)) => {
                a.extend(b.iter().cloned());
            }
            (Accumulator::Sum(a), Accumulator::Sum(b))
            | (Accumulator::Average(a), Accumulator::Average(b)) => a.merge(b),
            (Accumulator::Least(a), Accumulator::Least(b)) => {
                replace_if(a, b.datum(), Ordering::Less);
            }
            (Accumulator::Greatest(a), Accumulator::Greatest(b)) => {
                replace_if(a, b.datum(), Ordering::Greater);
            }
            (Accumulator::Percentile(_, a), Accumulator::Percentile(_, b)) => {
                for (bits, count) in &b.0 {
                    *a.0.entry(*bits).or_default() += count;
                }
            }
            (Accumulator::First(a), Accumulator::First(Some(b))) => {
                First::add(a, b.value.datum(), |index| {
                    b.order.get(index).map(|(value, descending)| (value.datum(), *descending))
                });
            }
            _ => {}
        }
    }

    /// The aggregate's value, where a percentile other than the median is of `values_min` values.
    pub(crate) fn finish_of(&self, values_min: u64) -> Value {
        if values_min > 0 && self.is_withheld(values_min) { Value::Null } else { self.finish() }
    }

    /// Whether there is a value that is not given, because it is a percentile of too few.
    pub(crate) fn is_withheld(&self, values_min: u64) -> bool {
        match self {
            Accumulator::Percentile(fraction, values) if *fraction != MEDIAN => {
                (1..values_min).contains(&values.count())
            }
            _ => false,
        }
    }

    /// The aggregate's value.
    pub(crate) fn finish(&self) -> Value {
        match self {
            Accumulator::Count(count) => whole(i128::from(*count)),
            Accumulator::Distinct(seen) => whole(seen.len() as i128),
            Accumulator::Sum(sum) => sum.value(),
            Accumulator::Average(sum) => sum.average(),
            Accumulator::Least(value) | Accumulator::Greatest(value) => value.clone(),
            Accumulator::Percentile(fraction, values) => values.percentile(*fraction),
            Accumulator::First(first) => {
                first.as_ref().map_or(Value::Null, |first| first.value.clone())
            }
        }
    }
}

/// A whole number, or the nearest real where it has no room.
fn whole(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::Real(number as f64), Value::Integer)
}

/// Keeps the least or greatest of two values; nulls are no values.
fn replace_if(kept: &mut Value, value: Datum<'_>, than: Ordering) {
    if !value.is_null() && (kept.is_null() || value.order(kept.datum()) == than) {
        *kept = value.value();
    }
}

impl Sum {
    fn add(&mut self, value: Datum<'_>) {
        self.count += 1;
        match value {
            Datum::Integer(n) => self.whole += i128::from(n),
            Datum::Real(x) => {
                self.any_real = true;
                self.add_real(x);
            }
            _ => {}
        }
    }

    fn add_real(&mut self, x: f64) {
        let sum = self.real + x;
        self.lost +=
            if self.real.abs() >= x.abs() { (self.real - sum) + x } else { (x - sum) + self.real };
        self.real = sum;
    }

    fn merge(&mut self, other: &Sum) {
        self.count += other.count;
        self.whole += other.whole;
        self.any_real |= other.any_real;
        self.add_real(other.real);
        self.lost += other.lost;
    }

    fn real(&self) -> f64 {
        // Beyond the largest real the correction is not a number.
        let real = if self.lost.is_finite() { self.real + self.lost } else { self.real };
        real + self.whole as f64
    }

    fn value(&self) -> Value {
        match (self.count, self.any_real) {
            (0, _) => Value::Null,
            (_, false) => whole(self.whole),
            (_, true) => Value::real(self.real()),
        }
    }

    fn average(&self) -> Value {
        if self.count == 0 { Value::Null } else { Value::real(self.real() / self.count as f64) }
    }
}

impl Distribution {
    /// How many values there are.
    fn count(&self) -> u64 {
        self.0.values().sum()
    }

    fn add(&mut self, value: Datum<'_>) {
        if let Some(number) = value.number().filter(|number| number.is_finite()) {
            // Zero has two signs and is one number.
            *self.0.entry((number + 0.0).to_bits()).or_default() += 1;
        }
    }

    /// Between the two values around the place `fraction * (n - 1)` in order (type 7).
    fn percentile(&self, fraction: f64) -> Value {
        let mut values: Vec<(f64, u64)> =
            self.0.iter().map(|(bits, count)| (f64::from_bits(*bits), *count)).collect();
        values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let count: u64 = values.iter().map(|(_, count)| count).sum();
        if count == 0 {
            return Value::Null;
        }
        let place = fraction * (count - 1) as f64;
        let below = place.floor() as u64;
        let at = |index: u64| {
            let mut passed = 0;
            let found = values.iter().find(|(_, count)| {
                passed += count;
                index < passed
            });
            found.map_or(f64::NAN, |(value, _)| *value)
        };
        let (low, high) = (at(below), at((below + 1).min(count - 1)));
        let part = place - below as f64;
        let apart = high - low;
        // The difference of two reals may be no real.
        Value::real(if apart.is_finite() {
            low + apart * part
        } else {
            low * (1.0 - part) + high * part
        })
    }
}

impl First {
    fn add<'v>(
        first: &mut Option<First>,
        value: Datum<'_>,
        order: impl Fn(usize) -> Option<(Datum<'v>, bool)>,
    ) {
        let before = match first {
            None => true,
            Some(first) => first.is_after(value, &order),
        };
        if before {
            let order = (0..).map_while(order);
            *first = Some(First {
                order: order.map(|(value, descending)| (value.value(), descending)).collect(),
                value: value.value(),
            });
        }
    }

    fn is_after<'v>(
        &self,
        value: Datum<'_>,
        order: &impl Fn(usize) -> Option<(Datum<'v>, bool)>,
    ) -> bool {
        for (index, (kept, descending)) in self.order.iter().enumerate() {
            let Some((new, _)) = order(index) else { break };
            match ordered(new, kept.datum(), *descending) {
                Ordering::Equal => {}
                different => return different == Ordering::Less,
            }
        }
        // Rows that nothing orders: the smaller value, whatever order they came in.
        value.order(self.value.datum()) == Ordering::Less
    }
}

/// The order of two values in a direction, nulls last in both.
pub(crate) fn ordered(a: Datum<'_>, b: Datum<'_>, descending: bool) -> Ordering {
    let order = a.order(b);
    if descending && !a.is_null() && !b.is_null() { order.reverse() } else { order }
}

/// Appends a value so that two lists of values are equal when their bytes are.
pub(crate) fn encode(value: Datum<'_>, into: &mut Vec<u8>) {
    match value {
        Datum::Null => into.push(0),
        Datum::Boolean(truth) => into.extend([1, u8::from(truth)]),
        Datum::Integer(n) => {
            into.push(2);
            into.extend(n.to_le_bytes());
        }
        Datum::Real(x) => {
            into.push(3);
            into.extend((x + 0.0).to_bits().to_le_bytes());
        }
        Datum::Timestamp(ms) => {
            into.push(4);
            into.extend(ms.to_le_bytes());
        }
        Datum::Text(text) => {
            into.push(5);
            into.extend((text.len() as u64).to_le_bytes());
            into.extend(text);
        }
    }
}

/// A hasher for keys of 64 bits that are numbers: one multiplication.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, n: u64) {
        // Reals of few digits differ in their upper bits alone; tables look at both ends.
        let mixed = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(kind: AggregateKind, values: &[Value]) -> Accumulator {
        let mut accumulator = Accumulator::new(kind);
        values.iter().for_each(|value| accumulator.add(value.datum(), |_| None));
        accumulator
    }

    /// The value over all of them, and that any split gives the same when merged.
    #[track_caller]
    fn check(kind: AggregateKind, values: &[Value], expected: Value) {
        assert_eq!(over(kind, values).finish(), expected, "{kind:?} of {values:?}");
        for split in 0..=values.len() {
            let mut merged = over(kind, &values[..split]);
            merged.merge(&over(kind, &values[split..]));
            assert_eq!(merged.finish(), expected, "{kind:?} merged at {split}");
        }
    }

    fn wholes(numbers: &[i64]) -> Vec<Value> {
        numbers.iter().map(|n| Value::Integer(*n)).chain([Value::Null]).collect()
    }

    #[test]
    fn aggregates_see_values_and_not_nulls() {
        check(AggregateKind::Count, &wholes(&[3, 3]), Value::Integer(2));
        check(AggregateKind::CountDistinct, &wholes(&[3, 1, 3]), Value::Integer(2));
        check(AggregateKind::Sum, &wholes(&[3, -1]), Value::Integer(2));
        check(AggregateKind::Average, &wholes(&[3, 0]), Value::Real(1.5));
        check(AggregateKind::Min, &wholes(&[3, -1]), Value::Integer(-1));
        check(AggregateKind::Max, &wholes(&[3, -1]), Value::Integer(3));
        check(AggregateKind::Count, &[], Value::Integer(0));
        for kind in [AggregateKind::Sum, AggregateKind::Average, AggregateKind::Min] {
            check(kind, &[Value::Null], Value::Null);
        }
    }

    #[test]
    fn sums_of_whole_numbers_never_overflow() {
        let max = i64::MAX;
        check(AggregateKind::Sum, &wholes(&[max, max, -max]), Value::Integer(max));
        check(AggregateKind::Sum, &wholes(&[max, max]), Value::Real(2.0 * max as f64));
        check(AggregateKind::Average, &wholes(&[max, max]), Value::Real(max as f64));
    }

    #[test]
    fn sums_of_reals_keep_what_rounding_takes() {
        let reals: Vec<Value> = [1e16, 1.0, -1e16].map(Value::Real).to_vec();
        check(AggregateKind::Sum, &reals, Value::Real(1.0));
        let beyond = [Value::Real(1e308), Value::Real(1e308)];
        assert_eq!(over(AggregateKind::Sum, &beyond).finish(), Value::Null);
    }

    #[test]
    fn percentiles_lie_between_neighbours() {
        let p = AggregateKind::Percentile;
        check(p(0.5), &wholes(&[1, 2, 3, 4]), Value::Real(2.5));
        check(p(0.5), &wholes(&[7]), Value::Real(7.0));
        check(p(0.5), &[], Value::Null);
        check(p(0.9), &wholes(&[0, 10]), Value::Real(9.0));
        let hundred: Vec<i64> = (0..=100).rev().collect();
        check(p(0.95), &wholes(&hundred), Value::Real(95.0));
        check(p(0.99), &wholes(&[1, 1, 1, 5]), Value::Real(1.0 + 4.0 * (0.99 * 3.0 - 2.0)));
    }

    #[test]
    fn the_first_is_the_first_by_its_order() {
        let rows = [(Some(2), "b"), (Some(1), "c"), (None, "a"), (Some(1), "d")];
        let first = |rows: &[(Option<i64>, &str)], descending| {
            let mut accumulator = Accumulator::new(AggregateKind::First);
            for (order, value) in rows {
                let order = order.map_or(Datum::Null, Datum::Integer);
                accumulator.add(Datum::Text(value.as_bytes()), |index| {
                    (index == 0).then_some((order, descending))
                });
            }
            accumulator
        };
        for split in 0..=rows.len() {
            for (descending, expected) in [(false, "c"), (true, "b")] {
                let mut merged = first(&rows[..split], descending);
                merged.merge(&first(&rows[split..], descending));
                assert_eq!(merged.finish(), Value::Text(expected.to_owned()));
            }
        }
    }
}
