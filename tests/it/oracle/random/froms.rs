//! Report types of random questions.

use super::super::naive::{Join, Kind, X};
use super::super::values::{Ty, V};

/// A report type with the aliases whose fields an aggregate may sum: those no join repeats.
#[derive(Clone, Debug)]
pub(super) struct From {
    pub(super) joins: Vec<Join>,
    pub(super) summed: &'static [&'static str],
    pub(super) dates: &'static [(&'static str, &'static str)],
}

pub(super) fn fields_of(alias: &'static str, table: &str) -> Vec<(X, Ty)> {
    let (_, fields, ..) = super::super::data::SHAPES.iter().find(|shape| shape.0 == table).unwrap();
    let plain = fields.iter().filter(|(name, _)| *name != "Big");
    plain.map(|(name, ty)| (X::Field(alias, name), *ty)).collect()
}

pub(super) fn froms() -> Vec<From> {
    let join = |table, alias, kind, on: Option<X>| Join { table, alias, kind, on };
    let eq = |a, b| X::Op("=", Box::new(a), Box::new(b));
    let and = |a, b| X::Op("and", Box::new(a), Box::new(b));
    let f = X::Field;
    let channel_of_s = || Some(eq(f("c", "Id"), f("s", "ChannelId")));
    let metric = |alias, ty: &str| {
        let of_type = eq(f(alias, "Type"), X::Lit(V::Text(ty.to_owned())));
        Some(and(eq(f(alias, "SessionId"), f("s", "Id")), of_type))
    };
    let dates = &[("s", "Start"), ("s", "End")];
    vec![
        From {
            joins: vec![
                join("Session", "s", Kind::First, None),
                join("Channel", "c", Kind::Inner, channel_of_s()),
                join("Account", "a", Kind::Left, Some(eq(f("a", "Id"), f("s", "AccountId")))),
                join("Metric", "m", Kind::Left, metric("m", "mean")),
                join("Metric", "x", Kind::Left, metric("x", "max")),
            ],
            summed: &["s", "m", "x"],
            dates,
        },
        From {
            joins: vec![
                join("Channel", "c", Kind::First, None),
                join("Session", "s", Kind::Left, Some(eq(f("s", "ChannelId"), f("c", "Id")))),
            ],
            summed: &["s"],
            dates,
        },
        From {
            joins: vec![
                join("Channel", "c", Kind::First, None),
                join("Session", "s", Kind::Left, Some(eq(f("s", "ChannelId"), f("c", "Id")))),
                join("Work", "w", Kind::Left, Some(eq(f("w", "SessionId"), f("s", "Id")))),
            ],
            summed: &["w"],
            dates: &[("s", "Start"), ("w", "At")],
        },
        From {
            joins: vec![
                join("Work", "w", Kind::First, None),
                join("Session", "s", Kind::Inner, Some(eq(f("s", "Id"), f("w", "SessionId")))),
                join("Channel", "c", Kind::Inner, channel_of_s()),
            ],
            summed: &["w"],
            dates: &[("s", "End"), ("w", "At")],
        },
        From {
            joins: vec![
                join("Session", "s", Kind::First, None),
                join("Account", "a", Kind::Left, Some(eq(f("a", "Id"), f("s", "AccountId")))),
                // An inner join that hangs on a left one.
                join("Channel", "c", Kind::Inner, Some(eq(f("c", "Name"), f("a", "Name")))),
            ],
            summed: &["c"],
            dates,
        },
    ]
}
