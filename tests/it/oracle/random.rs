//! Random questions, and their texts as a person would write them.

use proptest::prelude::*;
use proptest::sample::select;

use super::data::{time, word};
use super::naive::{Agg, Frame, G, Spec, X};
use super::values::{Ty, V};

mod froms;

use froms::{From, fields_of, froms};

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
    let summing = (
        select(NUMBERS.to_vec()),
        select(vec!["sum", "avg", "median", "p90", "p95", "percentile"]),
    )
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

/// The expressions that one is made of.
fn pieces(x: &X) -> Vec<&X> {
    match x {
        X::Not(x) | X::Negate(x) | X::IsNull(x) | X::In(x, _) | X::Bucket(x, _) | X::Share(x) => {
            vec![x]
        }
        X::Op(_, a, b) => vec![a, b],
        X::Between(x, a, b) => vec![x, a, b],
        X::Case(branches, otherwise, _) => {
            let branches = branches.iter().flat_map(|(when, then)| [when, then]);
            branches.chain(otherwise.as_deref()).collect()
        }
        X::Coalesce(args, _) | X::Call(_, args) => args.iter().collect(),
        _ => vec![],
    }
}

/// Whether an expression reads a row.
fn varies(x: &X) -> bool {
    let reads = matches!(
        x,
        X::Field(..) | X::Name(_) | X::Alias(_) | X::Group(_) | X::Column(_) | X::Agg(_)
    );
    reads || pieces(x).into_iter().any(varies)
}

/// Whether an expression aggregates; a question without groups and aggregates is a list.
fn aggregates(x: &X) -> bool {
    matches!(x, X::Agg(_) | X::Share(_)) || pieces(x).into_iter().any(aggregates)
}

/// Whether one group is written with another. What a column that spells it out then means, the key or
/// what is made of the other key, is the same but where one of them is not known.
fn contains(of: &G, other: &G) -> bool {
    fn within(x: &X, other: &X) -> bool {
        x == other || pieces(x).into_iter().any(|piece| within(piece, other))
    }
    let written = |group: &G| match group {
        G::Alias(alias) => X::Field(alias, "Id"),
        G::Expr(x) => x.clone(),
        G::Folded(index) => X::Name(format!("k{index}")),
    };
    within(&written(of), &written(other))
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

/// Questions over groups.
pub(super) fn grouped() -> BoxedStrategy<Spec> {
    let with_groups = select(froms()).prop_flat_map(|from| {
        let groups = prop::collection::vec(group(&from), 0..3);
        (Just(from), groups)
    });
    let with_columns = with_groups.prop_flat_map(|(from, groups)| {
        let (summed, any) = (summed_leaves(&from), all_leaves(&from));
        let column = column(&summed, &any, &fixed_by(&from, &groups));
        let columns = prop::collection::vec(column, 1..4);
        let rest = (filter(&from), date(&from), top(), min_values());
        (rest, columns, computed(), Just((from, groups)))
    });
    with_columns
        .prop_flat_map(|(rest, columns, computed, (from, groups))| {
            let sort = sorts(groups.len(), &columns);
            let columns = with_computed(columns, &computed);
            (sort, Just((rest, from, groups, columns)))
        })
        .prop_map(|(sort, ((filter, date, top, min_values), from, groups, columns))| Spec {
            from: from.joins,
            date,
            filter,
            per: vec![],
            values: vec![],
            list: is_list(&groups, &columns),
            groups: groups.into_iter().map(|(group, _)| group).collect(),
            pivot: None,
            columns,
            min_values,
            sort,
            top,
        })
        .boxed()
}

/// Questions with something across.
pub(super) fn pivoted() -> BoxedStrategy<Spec> {
    let with_groups = select(froms()).prop_flat_map(|from| {
        let groups = prop::collection::vec(group(&from), 0..3);
        // Enough values that some are taken together, and some with an order of their own.
        let times = fields_of(from.dates[0].0, "Session");
        let times: Vec<X> =
            times.into_iter().filter(|(_, ty)| *ty == Ty::Time).map(|(x, _)| x).collect();
        let unit = (select(times), select(vec!["hour", "day", "weekday", "month"])).prop_map(
            |(x, unit)| {
                let ty = if ["hour", "weekday"].contains(&unit) { Ty::Int } else { Ty::Time };
                (G::Expr(X::Call(unit, vec![x])), Some(ty))
            },
        );
        let pivot = prop_oneof![3 => group(&from), 1 => unit];
        let both = (groups, pivot).prop_filter("groups apart", |(groups, pivot)| {
            !groups.iter().any(|group| contains(&pivot.0, &group.0) || contains(&group.0, &pivot.0))
        });
        (Just(from), both)
    });
    let with_columns = with_groups.prop_flat_map(|(from, (groups, pivot))| {
        let (summed, any) = (summed_leaves(&from), all_leaves(&from));
        let all: Vec<(G, Option<Ty>)> = groups.iter().chain([&pivot]).cloned().collect();
        let first = aggregate(summed.clone(), any.clone())
            .prop_map(|(x, _)| x)
            .prop_filter("one order", sortable);
        let further = prop::collection::vec(column(&summed, &any, &keys_of(&all)), 0..3);
        let rest = (filter(&from), date(&from), top(), min_values());
        (rest, first, further, computed(), Just((from, groups, pivot)))
    });
    with_columns
        .prop_flat_map(|(rest, first, further, computed, (from, groups, pivot))| {
            let columns: Vec<X> = [first].into_iter().chain(further).collect();
            let sort = sorts(groups.len(), &columns);
            let columns = with_computed(columns, &computed);
            (sort, Just((rest, from, groups, pivot, columns)))
        })
        .prop_map(|(sort, ((filter, date, top, min_values), from, groups, pivot, columns))| Spec {
            from: from.joins,
            date,
            filter,
            per: vec![],
            values: vec![],
            groups: groups.into_iter().map(|(group, _)| group).collect(),
            pivot: Some(pivot.0),
            columns,
            min_values,
            sort,
            top,
            list: false,
        })
        .boxed()
}

fn min_values() -> impl Strategy<Value = u64> {
    select(vec![0, 0, 2, 3])
}

/// Which columns a further one names, and how.
fn computed() -> impl Strategy<Value = Vec<(usize, usize, &'static str)>> {
    prop::collection::vec((0..3usize, 0..4usize, select(vec!["+", "-", "/"])), 0..3)
}

fn with_computed(mut columns: Vec<X>, computed: &[(usize, usize, &'static str)]) -> Vec<X> {
    for (a, b, op) in computed {
        let (a, b) = (a % columns.len(), b % columns.len());
        let named = |at| Box::new(X::Column(at));
        columns.push(match numeric(&columns[a]) && numeric(&columns[b]) {
            true => X::Op(op, named(a), named(b)),
            false => X::IsNull(named(a)),
        });
    }
    columns
}

fn numeric(x: &X) -> bool {
    match x {
        X::Agg(agg) => !["min", "max", "first"].contains(&agg.name),
        X::Op(_, a, _) => matches!(**a, X::Column(_)),
        x => matches!(x, X::Share(_)),
    }
}

/// A question with something that splits its answer, and perhaps a further condition.
pub(super) fn split(spec: BoxedStrategy<Spec>) -> BoxedStrategy<(Spec, G, Option<X>)> {
    let with_split = spec.prop_flat_map(|spec| {
        let from = From { joins: spec.from.clone(), summed: &[], dates: &[] };
        (Just(spec), group(&from), filter(&from))
    });
    with_split.prop_map(|(spec, (group, _), only)| (spec, group, only)).boxed()
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
        let columns = prop::collection::vec(column, 1..4);
        (filter(&from), date(&from), columns, top(), (computed(), Just(from)))
    });
    with_columns
        .prop_flat_map(|(filter, date, columns, top, from)| {
            let places: Vec<usize> = (0..columns.len()).collect();
            let sort = prop::collection::vec((select(places), proptest::bool::ANY), 0..3);
            (sort, Just((filter, date, columns, top, from)))
        })
        .prop_map(|(sort, (filter, date, columns, top, (computed, from)))| Spec {
            from: from.joins,
            date,
            filter,
            per: vec![],
            values: vec![],
            groups: vec![],
            pivot: None,
            columns: with_computed(columns, &computed),
            min_values: 0,
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
            pivot: None,
            columns,
            min_values: 3,
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
