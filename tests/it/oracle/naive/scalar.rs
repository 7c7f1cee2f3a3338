//! What expressions are, whatever they are over.

use jiff::ToSpan;
use jiff::civil::Weekday;

use super::super::values::{V, arithmetic, number, of_type, operator, range};
use super::{World, X};

impl World<'_> {
    /// What is the same over rows and groups.
    pub(super) fn inner(&self, x: &X, eval: &dyn Fn(&X) -> V) -> V {
        match x {
            X::Lit(value) => value.clone(),
            X::AsOf => V::Time(self.frame.as_of),
            X::Not(x) => match eval(x) {
                V::Bool(truth) => V::Bool(!truth),
                _ => V::Null,
            },
            X::Negate(x) => arithmetic("-", V::Int(0), eval(x)),
            X::IsNull(x) => V::Bool(eval(x) == V::Null),
            X::Op(op, a, b) => operator(op, eval(a), eval(b)),
            X::Between(x, low, high) => {
                let x = eval(x);
                operator("and", operator(">=", x.clone(), eval(low)), operator("<=", x, eval(high)))
            }
            X::In(x, list) => {
                let x = eval(x);
                let equal = |item: &V| operator("=", x.clone(), item.clone());
                if x == V::Null {
                    V::Null
                } else {
                    V::Bool(list.iter().any(|i| equal(i) == V::Bool(true)))
                }
            }
            X::Case(branches, otherwise, ty) => {
                let chosen = branches.iter().find(|(c, _)| eval(c) == V::Bool(true));
                let result = chosen.map(|(_, result)| result).or(otherwise.as_deref());
                of_type(result.map_or(V::Null, eval), *ty)
            }
            X::Coalesce(args, ty) => {
                let found = args.iter().map(eval).find(|value| *value != V::Null);
                of_type(found.unwrap_or(V::Null), *ty)
            }
            X::Bucket(x, bounds) => number(&eval(x)).map_or(V::Null, |number| {
                let at = bounds.iter().filter(|bound| **bound as f64 <= number).count();
                V::Text(range(bounds, at))
            }),
            X::Call(name, args) => self.call(name, args.iter().map(eval).collect()),
            X::Field(..)
            | X::Name(_)
            | X::Alias(_)
            | X::Group(_)
            | X::Column(_)
            | X::Agg(_)
            | X::Share(_) => panic!("{x:?}"),
        }
    }

    fn call(&self, name: &str, args: Vec<V>) -> V {
        match (name, args.as_slice()) {
            ("lower", [V::Text(text)]) => V::Text(text.to_lowercase()),
            ("seconds", [V::Time(from), V::Time(to)]) => V::Real((to - from) as f64 / 1000.0),
            ("hour", [V::Time(ms)]) => V::Int(i64::from(self.zoned(*ms).hour())),
            ("weekday", [V::Time(ms)]) => {
                V::Int(i64::from(self.zoned(*ms).weekday().to_monday_one_offset()))
            }
            ("day", [V::Time(ms)]) => self.midnight(self.zoned(*ms).date()),
            ("month", [V::Time(ms)]) => self.midnight(self.zoned(*ms).date().first_of_month()),
            ("week", [V::Time(ms)]) => {
                let starts = Weekday::from_monday_one_offset(self.frame.week_starts as i8).unwrap();
                let mut date = self.zoned(*ms).date();
                while date.weekday() != starts {
                    date = date.checked_sub(1.day()).unwrap();
                }
                self.midnight(date)
            }
            _ => V::Null,
        }
    }

    fn midnight(&self, date: jiff::civil::Date) -> V {
        let first = date.in_tz(self.frame.zone).unwrap().start_of_day().unwrap();
        V::Time(first.timestamp().as_millisecond())
    }
}
