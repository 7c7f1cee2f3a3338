//! Questions as the texts a person would write.

use chrono::DateTime;

use super::naive::{FRACTION, G, Kind, Spec, X};
use super::values::V;

/// The texts of a question.
pub(super) struct Texts {
    pub(super) from: String,
    pub(super) date: Option<String>,
    pub(super) filter: Option<String>,
    pub(super) per: Vec<String>,
    pub(super) values: Vec<String>,
    pub(super) group_by: Vec<String>,
    pub(super) pivot_by: Option<String>,
    pub(super) columns: Vec<String>,
    pub(super) sort: Option<String>,
}

pub(super) fn texts(spec: &Spec) -> Texts {
    let from = spec.from.iter().map(|join| {
        let how = match join.kind {
            Kind::First => "",
            Kind::Inner => " join ",
            Kind::Left => " left join ",
        };
        let on = join.on.as_ref().map_or(String::new(), |on| format!(" on {}", text(on, spec)));
        format!("{how}{} {}{on}", join.table, join.alias)
    });
    let group = |of: &G| group(of, spec);
    let sort = spec.sort.iter().map(|(place, descending)| {
        let name = match place.checked_sub(spec.groups.len()) {
            Some(column) => format!("c{column}"),
            None => format!("g{place}"),
        };
        format!("{name}{}", if *descending { " desc" } else { "" })
    });
    let sort: Vec<String> = sort.collect();
    let named = |prefix: &str, texts: Vec<String>| -> Vec<String> {
        texts.into_iter().enumerate().map(|(i, text)| format!("{text} as {prefix}{i}")).collect()
    };
    Texts {
        from: from.collect(),
        date: spec.date.map(|(alias, field)| format!("{alias}.{field}")),
        filter: spec.filter.as_ref().map(|x| text(x, spec)),
        per: named("k", spec.per.iter().map(group).collect()),
        values: named("v", spec.values.iter().map(|x| text(x, spec)).collect()),
        group_by: named("g", spec.groups.iter().map(group).collect()),
        pivot_by: spec.pivot.as_ref().map(|pivot| format!("{} as across", group(pivot))),
        columns: named("c", spec.columns.iter().map(|x| text(x, spec)).collect()),
        sort: (!sort.is_empty()).then(|| sort.join(", ")),
    }
}

/// A group or what splits, as written.
pub(super) fn group(group: &G, spec: &Spec) -> String {
    match group {
        G::Alias(alias) => (*alias).to_owned(),
        G::Expr(x) => text(x, spec),
        G::Folded(index) => format!("k{index}"),
    }
}

fn value(value: &V) -> String {
    match value {
        V::Null => "null".to_owned(),
        V::Bool(truth) => truth.to_string(),
        V::Int(n) => n.to_string(),
        V::Real(x) => format!("{x:?}"),
        V::Text(text) => format!("'{}'", text.replace('\'', "''")),
        V::Time(ms) => {
            let at = DateTime::from_timestamp_millis(*ms).unwrap();
            format!("'{}'", at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        }
    }
}

pub(super) fn text(x: &X, spec: &Spec) -> String {
    let t = |x: &X| text(x, spec);
    let list = |args: &[X]| args.iter().map(t).collect::<Vec<_>>().join(", ");
    match x {
        X::Lit(v) => value(v),
        X::Field(alias, field) => format!("{alias}.{field}"),
        X::Name(name) => name.clone(),
        X::Alias(alias) => (*alias).to_owned(),
        X::Column(index) if index % 2 == 0 => format!("c{index}"),
        X::Column(index) => format!("\"c{index}\""),
        X::Group(index) => match spec.groups.iter().chain(&spec.pivot).nth(*index).unwrap() {
            G::Alias(alias) => format!("{alias}.Id"),
            G::Expr(x) => t(x),
            G::Folded(index) => format!("k{index}"),
        },
        X::AsOf => "as_of()".to_owned(),
        X::Not(x) => format!("(not {})", t(x)),
        X::Negate(x) => format!("(- {})", t(x)),
        X::IsNull(x) => format!("({} is null)", t(x)),
        X::Op(op, a, b) => format!("({} {op} {})", t(a), t(b)),
        X::Between(x, a, b) => format!("({} between {} and {})", t(x), t(a), t(b)),
        X::In(x, items) => {
            let items: Vec<String> = items.iter().map(value).collect();
            format!("({} in ({}))", t(x), items.join(", "))
        }
        X::Case(branches, otherwise, _) => {
            let branches: Vec<String> =
                branches.iter().map(|(c, r)| format!("when {} then {}", t(c), t(r))).collect();
            let otherwise = otherwise.as_ref().map_or(String::new(), |x| format!(" else {}", t(x)));
            format!("case {}{otherwise} end", branches.join(" "))
        }
        X::Coalesce(args, _) => format!("coalesce({})", list(args)),
        X::Call(name, args) => format!("{name}({})", list(args)),
        X::Bucket(x, bounds) => {
            let bounds: Vec<String> = bounds.iter().map(i64::to_string).collect();
            format!("bucket({}, {})", t(x), bounds.join(", "))
        }
        X::Share(x) => format!("share({})", t(x)),
        X::Agg(agg) => {
            let of = agg.of.as_ref().map_or(String::new(), |x| t(x));
            let distinct = if agg.distinct { "distinct " } else { "" };
            let order: Vec<String> = agg
                .order
                .iter()
                .map(|(x, desc)| format!("{}{}", t(x), if *desc { " desc" } else { "" }))
                .collect();
            let order = match order.is_empty() {
                true => String::new(),
                false => format!(" order by {}", order.join(", ")),
            };
            let filter =
                agg.filter.as_ref().map_or(String::new(), |x| format!(" filter (where {})", t(x)));
            let fraction =
                if agg.name == "percentile" { format!(", {FRACTION}") } else { String::new() };
            format!("{}({distinct}{of}{fraction}{order}){filter}", agg.name)
        }
    }
}
