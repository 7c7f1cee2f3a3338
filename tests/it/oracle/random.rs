//! Random questions, and their texts as a person would write them.

use proptest::prelude::*;
use proptest::sample::select;

use super::data::{time, word};
use super::naive::{Agg, Frame, G, Join, Kind, Spec, X};
use super::values::{Ty, V};

/// What expressions may read at one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaves(Vec<(X, Ty)>);

impl Leaves {
    fn of(&self, ty: Ty) -> Vec<X> {
        self.0.iter().filter(|(_, known)| *known == ty).map(|(x, _)| x.clone()).collect()
    }

    fn with(mut self, more: impl IntoIterator<Item = (X, Ty)>) -> Leaves {
        self.0.extend(more);
        self
    }
}

/// A report type with the aliases whose fields an aggregate may sum: those no join repeats.
#[derive(Clone, Debug)]
pub(super) struct From {
    pub(super) joins: Vec<Join>,
    summed: &'static [&'static str],
    dates: &'static [(&'static str, &'static str)],
}

fn fields_of(alias: &'static str, table: &str) -> Vec<(X, Ty)> {
    let (_, fields, ..) = super::data::SHAPES.iter().find(|shape| shape.0 == table).unwrap();
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

fn literal(ty: Ty) -> BoxedStrategy<X> {
    match ty {
        Ty::Bool => proptest::bool::ANY.prop_map(V::Bool).boxed(),
        Ty::Int => (-3..9i64).prop_map(V::Int).boxed(),
        Ty::Real => (-8..40i64).prop_map(|n| V::Real(n as f64 / 4.0)).boxed(),
        Ty::Text => word().prop_map(V::Text).boxed(),
        // Text by itself: it is an instant only beside one.
        Ty::Time => return Just(X::AsOf).boxed(),
    }
    .prop_map(X::Lit)
    .boxed()
}

/// A random expression of a type.
pub(super) fn expr(ty: Ty, depth: u32, leaves: &Leaves) -> BoxedStrategy<X> {
    let known = leaves.of(ty);
    let leaf = match known.is_empty() {
        true => literal(ty),
        false => prop_oneof![4 => select(known), 1 => literal(ty)].boxed(),
    };
    if depth == 0 {
        return leaf;
    }
    let of = |ty| expr(ty, depth - 1, leaves).prop_map(Box::new);
    let plain = |ty| expr(ty, depth - 1, leaves);
    let case =
        (prop::collection::vec((plain(Ty::Bool), plain(ty)), 1..3), prop::option::of(of(ty)))
            .prop_map(move |(branches, otherwise)| X::Case(branches, otherwise, ty));
    let coalesce =
        prop::collection::vec(plain(ty), 1..3).prop_map(move |args| X::Coalesce(args, ty));
    let shared = prop_oneof![3 => leaf, 1 => case, 1 => coalesce];
    let call = |name, ty| plain(ty).prop_map(move |x| X::Call(name, vec![x]));
    match ty {
        Ty::Bool => {
            let any_ty = select(vec![Ty::Int, Ty::Real, Ty::Text, Ty::Time]);
            let instants = leaves.of(Ty::Time);
            let instants = if instants.is_empty() { vec![X::AsOf] } else { instants };
            let instants = select(instants).prop_map(Box::new);
            let dated = (select(vec!["<", ">=", "="]), instants, time()).prop_map(|(op, x, at)| {
                X::Op(op, x, Box::new(X::Lit(V::Time(at))))
            });
            let leaves = leaves.clone();
            let compared = any_ty.prop_flat_map(move |ty| {
                let number = matches!(ty, Ty::Int | Ty::Real);
                let other = if number { Ty::Real } else { ty };
                let x = |ty| expr(ty, depth - 1, &leaves).prop_map(Box::new);
                let ops = select(vec!["=", "<>", "<", "<=", ">", ">="]);
                let items = match ty {
                    Ty::Time => time().prop_map(|at| vec![X::Lit(V::Time(at))]).boxed(),
                    ty => prop::collection::vec(literal(ty), 1..4).boxed(),
                };
                prop_oneof![
                    3 => (ops, x(ty), x(other)).prop_map(|(op, a, b)| X::Op(op, a, b)),
                    1 => (x(ty), x(ty), x(other)).prop_map(|(x, a, b)| X::Between(x, a, b)),
                    1 => (x(ty), items).prop_map(|(x, items)| {
                        let value = |item| if let X::Lit(value) = item { value } else { V::Null };
                        X::In(x, items.into_iter().map(value).collect())
                    }),
                    1 => x(ty).prop_map(X::IsNull),
                ]
            });
            let patterns = vec!["%", "a%", "%b", "_", "%ä%", "a\\%b", "%%_", "ab"];
            let pattern = select(patterns).prop_map(|p| X::Lit(V::Text(p.to_owned())));
            prop_oneof![
                2 => shared,
                5 => compared,
                1 => dated,
                1 => (of(Ty::Text), pattern).prop_map(|(x, p)| X::Op("like", x, Box::new(p))),
                1 => of(Ty::Bool).prop_map(X::Not),
                2 => (select(vec!["and", "or"]), of(Ty::Bool), of(Ty::Bool))
                    .prop_map(|(op, a, b)| X::Op(op, a, b)),
            ]
            .boxed()
        }
        Ty::Int => prop_oneof![
            4 => shared,
            2 => (select(vec!["+", "-", "*"]), of(Ty::Int), of(Ty::Int))
                .prop_map(|(op, a, b)| X::Op(op, a, b)),
            1 => of(Ty::Int).prop_map(X::Negate),
            1 => call("hour", Ty::Time),
            1 => call("weekday", Ty::Time),
        ]
        .boxed(),
        Ty::Real => prop_oneof![
            4 => shared,
            2 => (select(vec!["+", "-", "*", "/"]), of(Ty::Real), of(Ty::Int))
                .prop_map(|(op, a, b)| X::Op(op, a, b)),
            1 => (of(Ty::Int), of(Ty::Int)).prop_map(|(a, b)| X::Op("/", a, b)),
            1 => (plain(Ty::Time), plain(Ty::Time)).prop_map(|(a, b)| X::Call("seconds", vec![a, b])),
        ]
        .boxed(),
        Ty::Text => prop_oneof![
            4 => shared,
            1 => call("lower", Ty::Text),
            1 => of(Ty::Int).prop_map(|x| X::Bucket(x, vec![0, 2, 10])),
        ]
        .boxed(),
        Ty::Time => prop_oneof![
            4 => shared,
            1 => call("day", Ty::Time),
            1 => call("week", Ty::Time),
            1 => call("month", Ty::Time),
        ]
        .boxed(),
    }
}

const NUMBERS: [Ty; 2] = [Ty::Int, Ty::Real];
const ALL: [Ty; 5] = [Ty::Bool, Ty::Int, Ty::Real, Ty::Text, Ty::Time];

/// A random aggregate with its type. What it sums comes from `summed`; all else from `any`.
fn aggregate(summed: Leaves, any: Leaves) -> BoxedStrategy<(X, Ty)> {
    let filter = prop::option::weighted(0.3, expr(Ty::Bool, 1, &any).prop_map(Box::new));
    let count = Just((None, "count", false, Ty::Int)).boxed();
    let (inner, outer) = (summed.clone(), any.clone());
    let summing =
        (select(NUMBERS.to_vec()), select(vec!["sum", "avg", "median", "p90", "p95", "p99"]))
            .prop_flat_map(move |(ty, name)| {
                let result = if name == "sum" { ty } else { Ty::Real };
                expr(ty, 1, &inner).prop_map(move |x| (Some(Box::new(x)), name, false, result))
            });
    let inner = summed.clone();
    let counting = select(ALL.to_vec()).prop_flat_map(move |ty| {
        expr(ty, 1, &inner).prop_map(|x| (Some(Box::new(x)), "count", false, Ty::Int))
    });
    let seeing = (select(ALL.to_vec()), select(vec!["min", "max", "distinct"])).prop_flat_map(
        move |(ty, name)| {
            expr(ty, 1, &outer).prop_map(move |x| match name {
                "distinct" => (Some(Box::new(x)), "count", true, Ty::Int),
                name => (Some(Box::new(x)), name, false, ty),
            })
        },
    );
    let plain = prop_oneof![2 => count, 3 => summing, 1 => counting, 2 => seeing];
    let plain = (plain, filter.clone()).prop_map(|((of, name, distinct, ty), filter)| {
        (X::Agg(Agg { name, distinct, of, order: vec![], filter }), ty)
    });
    let big = summed.0.iter().any(|(x, _)| matches!(x, X::Field("s", _)));
    let big = big.then(|| {
        select(vec!["sum", "min", "max", "avg"]).prop_map(|name| {
            let of = Some(Box::new(X::Field("s", "Big")));
            let ty = if name == "avg" { Ty::Real } else { Ty::Int };
            (X::Agg(Agg { name, distinct: false, of, order: vec![], filter: None }), ty)
        })
    });
    let firsts = select(ALL.to_vec()).prop_flat_map(move |ty| {
        let order = prop::collection::vec((expr(Ty::Int, 1, &any), proptest::bool::ANY), 1..3);
        (expr(ty, 1, &any), order, filter.clone()).prop_map(move |(x, order, filter)| {
            let of = Some(Box::new(x));
            (X::Agg(Agg { name: "first", distinct: false, of, order, filter }), ty)
        })
    });
    match big {
        Some(big) => prop_oneof![6 => plain, 1 => firsts, 1 => big].boxed(),
        None => prop_oneof![6 => plain, 1 => firsts].boxed(),
    }
}

/// A random column over groups: aggregates, shares, and what is made of them.
fn column(summed: &Leaves, any: &Leaves, fixed: &Leaves) -> BoxedStrategy<X> {
    let (fixed, other) = (fixed.clone(), fixed.clone());
    let one = aggregate(summed.clone(), any.clone());
    let two = prop::collection::vec(aggregate(summed.clone(), any.clone()), 2);
    let share = aggregate(summed.clone(), any.clone()).prop_filter_map("a number", |(x, ty)| {
        let nested = matches!(&x, X::Agg(agg) if agg.name == "first");
        (NUMBERS.contains(&ty) && !nested).then(|| X::Share(Box::new(x)))
    });
    let made = (two, select(NUMBERS.to_vec()))
        .prop_flat_map(move |(aggregates, ty)| expr(ty, 2, &fixed.clone().with(aggregates)));
    let guarded = (share.clone(), expr(Ty::Bool, 1, &other))
        .prop_map(|(share, when)| X::Case(vec![(when, share)], None, Ty::Real));
    prop_oneof![4 => one.prop_map(|(x, _)| x), 2 => made, 1 => share, 1 => guarded].boxed()
}

fn all_leaves(from: &From) -> Leaves {
    Leaves(from.joins.iter().flat_map(|join| fields_of(join.alias, join.table)).collect())
}

fn summed_leaves(from: &From) -> Leaves {
    let joins = from.joins.iter().filter(|join| from.summed.contains(&join.alias));
    Leaves(joins.flat_map(|join| fields_of(join.alias, join.table)).collect())
}

fn group(from: &From) -> BoxedStrategy<(G, Option<Ty>)> {
    let aliases: Vec<&'static str> = from.joins.iter().map(|join| join.alias).collect();
    let leaves = all_leaves(from);
    let fields: Vec<(X, Ty)> = leaves.0.clone();
    let made = select(ALL.to_vec()).prop_flat_map(move |ty| {
        expr(ty, 1, &leaves)
            .prop_filter_map("not constant", move |x| varies(&x).then_some((G::Expr(x), Some(ty))))
    });
    prop_oneof![
        2 => select(aliases).prop_map(|alias| (G::Alias(alias), None)),
        3 => select(fields).prop_map(|(x, ty)| (G::Expr(x), Some(ty))),
        2 => made,
    ]
    .boxed()
}

/// Whether an expression reads a row.
fn varies(x: &X) -> bool {
    match x {
        X::Lit(_) | X::AsOf => false,
        X::Not(x) | X::Negate(x) | X::IsNull(x) | X::In(x, _) | X::Bucket(x, _) | X::Share(x) => {
            varies(x)
        }
        X::Op(_, a, b) => varies(a) || varies(b),
        X::Between(x, a, b) => varies(x) || varies(a) || varies(b),
        X::Case(branches, otherwise, _) => {
            branches.iter().any(|(c, r)| varies(c) || varies(r))
                || otherwise.as_deref().is_some_and(varies)
        }
        X::Coalesce(args, _) | X::Call(_, args) => args.iter().any(varies),
        X::Field(..) | X::Name(_) | X::Alias(_) | X::Group(_) | X::Agg(_) => true,
    }
}

/// Whether an expression aggregates; a question without groups and aggregates is a list.
fn aggregates(x: &X) -> bool {
    match x {
        X::Agg(_) | X::Share(_) => true,
        X::Not(x) | X::Negate(x) | X::IsNull(x) | X::In(x, _) | X::Bucket(x, _) => aggregates(x),
        X::Op(_, a, b) => aggregates(a) || aggregates(b),
        X::Between(x, a, b) => aggregates(x) || aggregates(a) || aggregates(b),
        X::Case(branches, otherwise, _) => {
            branches.iter().any(|(c, r)| aggregates(c) || aggregates(r))
                || otherwise.as_deref().is_some_and(aggregates)
        }
        X::Coalesce(args, _) | X::Call(_, args) => args.iter().any(aggregates),
        X::Lit(_) | X::AsOf | X::Field(..) | X::Name(_) | X::Alias(_) | X::Group(_) => false,
    }
}

fn is_list<T>(groups: &[T], columns: &[X]) -> bool {
    groups.is_empty() && !columns.iter().any(aggregates)
}

/// Groups as columns may name them again.
fn keys_of(groups: &[(G, Option<Ty>)]) -> Leaves {
    let leaf =
        |(index, (_, ty)): (usize, &(G, Option<Ty>))| (X::Group(index), ty.unwrap_or(Ty::Text));
    Leaves(groups.iter().enumerate().map(leaf).collect())
}

/// Fields of grouped aliases are fixed by them.
fn fixed_by(from: &From, groups: &[(G, Option<Ty>)]) -> Leaves {
    let of = |(group, _): &(G, Option<Ty>)| match group {
        G::Alias(alias) => {
            let join = from.joins.iter().find(|join| join.alias == *alias).unwrap();
            fields_of(join.alias, join.table).split_off(1)
        }
        _ => vec![],
    };
    keys_of(groups).with(groups.iter().flat_map(of))
}

fn filter(from: &From) -> BoxedStrategy<Option<X>> {
    prop::option::weighted(0.4, expr(Ty::Bool, 2, &all_leaves(from))).boxed()
}

fn date(from: &From) -> BoxedStrategy<Option<(&'static str, &'static str)>> {
    prop::option::weighted(0.7, select(from.dates.to_vec())).boxed()
}

/// Columns whose values do not depend on rounding, so that an order by them is one order.
fn sortable(x: &X) -> bool {
    matches!(x, X::Agg(agg) if ["count", "min", "max", "first"].contains(&agg.name))
}

fn sorts(groups: usize, columns: &[X]) -> BoxedStrategy<Vec<(usize, bool)>> {
    let places = columns.iter().enumerate().filter(|(_, x)| sortable(x)).map(|(i, _)| groups + i);
    let places: Vec<usize> = (0..groups).chain(places).collect();
    if places.is_empty() {
        return Just(vec![]).boxed();
    }
    prop::collection::vec((select(places), proptest::bool::ANY), 0..3).boxed()
}

fn top() -> BoxedStrategy<Option<usize>> {
    prop::option::weighted(0.4, 1..4usize).boxed()
}

/// Grouped questions.
pub(super) fn grouped() -> BoxedStrategy<Spec> {
    let from = select(froms());
    let with_groups = from.prop_flat_map(|from| {
        let groups = prop::collection::vec(group(&from), 0..3);
        (Just(from), groups)
    });
    let with_columns = with_groups.prop_flat_map(|(from, groups)| {
        let (summed, any) = (summed_leaves(&from), all_leaves(&from));
        let column = column(&summed, &any, &fixed_by(&from, &groups));
        let columns = prop::collection::vec(column, 1..4);
        (filter(&from), date(&from), Just((from, groups)), columns, top())
    });
    with_columns
        .prop_flat_map(|(filter, date, (from, groups), columns, top)| {
            let sort = sorts(groups.len(), &columns);
            (sort, Just((filter, date, from, groups, columns, top)))
        })
        .prop_map(|(sort, (filter, date, from, groups, columns, top))| Spec {
            from: from.joins,
            date,
            filter,
            per: vec![],
            values: vec![],
            list: is_list(&groups, &columns),
            groups: groups.into_iter().map(|(group, _)| group).collect(),
            columns,
            sort,
            top,
        })
        .boxed()
}

/// Lists of joined rows.
pub(super) fn lists() -> BoxedStrategy<Spec> {
    let with_columns = select(froms()).prop_flat_map(|from| {
        let leaves = all_leaves(&from);
        let aliases: Vec<&'static str> = from.joins.iter().map(|join| join.alias).collect();
        let column = prop_oneof![
            3 => select(ALL.to_vec()).prop_flat_map(move |ty| expr(ty, 1, &leaves)),
            1 => select(aliases).prop_map(X::Alias),
        ];
        (filter(&from), date(&from), prop::collection::vec(column, 1..4), top(), Just(from))
    });
    with_columns
        .prop_flat_map(|(filter, date, columns, top, from)| {
            let places: Vec<usize> = (0..columns.len()).collect();
            let sort = prop::collection::vec((select(places), proptest::bool::ANY), 0..3);
            (sort, Just((filter, date, columns, top, from)))
        })
        .prop_map(|(sort, (filter, date, columns, top, from))| Spec {
            from: from.joins,
            date,
            filter,
            per: vec![],
            values: vec![],
            groups: vec![],
            columns,
            sort,
            top,
            list: true,
        })
        .boxed()
}

/// Folded questions: one row a key first, then grouped or listed.
pub(super) fn folded() -> BoxedStrategy<Spec> {
    let with_keys = select(froms()).prop_flat_map(|from| {
        let keys = prop::collection::vec(group(&from), 1..3);
        (Just(from), keys)
    });
    let with_values = with_keys.prop_flat_map(|(from, keys)| {
        let (summed, any) = (summed_leaves(&from), all_leaves(&from));
        let value = aggregate(summed, any);
        (Just((from, keys)), prop::collection::vec(value, 0..3), proptest::bool::ANY)
    });
    let with_columns = with_values.prop_flat_map(|((from, keys), values, list)| {
        let key_names = keys
            .iter()
            .enumerate()
            .map(|(i, (_, ty))| (X::Name(format!("k{i}")), ty.unwrap_or(Ty::Text)));
        let value_names =
            values.iter().enumerate().map(|(i, (_, ty))| (X::Name(format!("v{i}")), *ty));
        let names = Leaves(key_names.chain(value_names).collect());
        let places: Vec<(G, Option<Ty>)> =
            keys.iter().enumerate().map(|(i, (_, ty))| (G::Folded(i), *ty)).collect();
        let groups = match list {
            true => Just(vec![]).boxed(),
            false => prop::collection::vec(select(places), 0..2).boxed(),
        };
        (Just((from, keys, values, list, names)), groups)
    });
    let with_columns = with_columns.prop_flat_map(|((from, keys, values, list, names), groups)| {
        let column = match list {
            true => {
                let names = names.clone();
                select(ALL.to_vec()).prop_flat_map(move |ty| expr(ty, 1, &names)).boxed()
            }
            false => column(&names, &names, &keys_of(&groups)),
        };
        let columns = prop::collection::vec(column, 1..4);
        (filter(&from), date(&from), columns, top(), Just((from, keys, values, list, groups)))
    });
    with_columns
        .prop_flat_map(|(filter, date, columns, top, rest)| {
            let sort = match rest.3 {
                true => Just(vec![]).boxed(),
                false => sorts(rest.4.len(), &columns),
            };
            (sort, Just((filter, date, columns, top, rest)))
        })
        .prop_map(|(sort, (filter, date, columns, top, (from, keys, values, _, groups)))| Spec {
            from: from.joins,
            date,
            filter,
            per: keys.into_iter().map(|(group, _)| group).collect(),
            values: values.into_iter().map(|(x, _)| x).collect(),
            list: is_list(&groups, &columns),
            groups: groups.into_iter().map(|(group, _)| group).collect(),
            columns,
            sort,
            top,
        })
        .boxed()
}

pub(super) fn frame() -> impl Strategy<Value = Frame> {
    let bounds = prop::option::weighted(0.7, (time(), time()));
    let zones =
        vec!["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "UTC", "Asia/Kolkata"];
    (bounds, time(), select(zones), 1..=7u8).prop_map(|(bounds, as_of, zone, week_starts)| Frame {
        bounds: bounds.map(|(a, b)| (a.min(b), a.max(b) + 1)),
        as_of,
        zone,
        week_starts,
    })
}
