//! Function calls: scalar functions and aggregates, and what each takes.

use std::collections::BTreeSet;
use std::ops::Range;

use sqlparser::ast;

use super::known::Known;
use super::names::closest;
use super::parse::{bytes, place, sort_item};
use super::types::{condition, of_type, unified};
use super::{Aggregate, AggregateKind, Expr, Function, Lowerer, Mistake, Node, Place, Unit};
use crate::domain::value::{Type, Value};

const NUMBERS: [Type; 2] = [Type::Integer, Type::Real];

/// Scalar functions by name.
const SCALARS: &[&str] =
    &["coalesce", "lower", "seconds", "day", "week", "month", "hour", "weekday", "bucket", "as_of"];

/// The aggregate that takes a fraction beside what it is of.
const PERCENTILE: &str = "percentile";

/// Aggregates by name; `share` is not one of its own but takes one.
const AGGREGATES: &[(&str, AggregateKind)] = &[
    ("count", AggregateKind::Count),
    ("sum", AggregateKind::Sum),
    ("avg", AggregateKind::Average),
    ("min", AggregateKind::Min),
    ("max", AggregateKind::Max),
    ("median", AggregateKind::Percentile(0.5)),
    ("p50", AggregateKind::Percentile(0.5)),
    ("p90", AggregateKind::Percentile(0.9)),
    ("p95", AggregateKind::Percentile(0.95)),
    ("p99", AggregateKind::Percentile(0.99)),
    ("first", AggregateKind::First),
];

/// Names people try, with what to write instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("mean", "write `avg(x)`"),
    ("average", "write `avg(x)`"),
    ("quantile", "write `percentile(x, 0.95)`"),
    ("percentile_cont", "write `percentile(x, 0.95)`"),
    ("count_distinct", "write `count(distinct x)`"),
    ("last", "write `first(x order by y desc)`"),
    ("now", "the slot's instant is `as_of()`"),
    ("ifnull", "write `coalesce(x, y)`"),
    ("upper", "write `lower(x)` and compare with lower case"),
    ("date", "write `day(x)`"),
    ("if", "write `case when .. then .. else .. end`"),
    ("iif", "write `case when .. then .. else .. end`"),
];

/// A call as written, reduced to what the language knows.
struct Call<'a> {
    name: String,
    name_at: Range<usize>,
    args: Vec<&'a ast::Expr>,
    star: bool,
    distinct: bool,
    order: &'a [ast::OrderByExpr],
    filter: Option<&'a ast::Expr>,
    at: Range<usize>,
}

/// Whether an expression as written has an aggregate in it; asked before it can be lowered, since
/// the answer decides how.
pub(crate) fn has_aggregate(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |expr| found |= matches!(expr, Expr::Aggregate(_) | Expr::Share(_)));
    found
}

impl Lowerer<'_> {
    pub(super) fn function(&mut self, function: &ast::Function) -> Option<Node> {
        let call = self.call(function)?;
        let name = call.name.as_str();
        if name == "share" {
            return self.share(&call);
        }
        if let Some((_, kind)) = AGGREGATES.iter().find(|(known, _)| *known == name) {
            return self.aggregate(&call, *kind);
        }
        if name == PERCENTILE {
            return self.percentile(call);
        }
        if SCALARS.contains(&name) {
            return self.scalar(&call);
        }
        let aggregates = || AGGREGATES.iter().map(|(name, _)| *name).chain([PERCENTILE]);
        let known = || aggregates().chain(SCALARS.iter().copied());
        let help = match ELSEWHERE.iter().find(|(wrong, _)| *wrong == name) {
            Some((_, help)) => (*help).to_owned(),
            None => match closest(name, known().chain(["share"])) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let names: Vec<&str> = known().collect();
                    format!("there are {}, share", names.join(", "))
                }
            },
        };
        self.mistake(call.name_at, format!("unknown function `{name}`")).help = Some(help);
        None
    }

    fn call<'e>(&mut self, function: &'e ast::Function) -> Option<Call<'e>> {
        let at = place(function, &self.whole);
        let plain = match (function.name.0.as_slice(), &function.parameters, &function.args) {
            (
                [ast::ObjectNamePart::Identifier(name)],
                ast::FunctionArguments::None,
                ast::FunctionArguments::List(list),
            ) if !function.uses_odbc_syntax
                && function.within_group.is_empty()
                && function.null_treatment.is_none()
                && function.over.is_none() =>
            {
                Some((name, list))
            }
            _ => None,
        };
        let Some((name, list)) = plain else {
            self.mistake(at, "this kind of call is not known").help =
                Some("write e.g. `count(x)` or `sum(x) filter (where y > 1)`".to_owned());
            return None;
        };
        let mut call = Call {
            name: name.value.to_lowercase(),
            name_at: bytes(name.span),
            args: Vec::new(),
            star: false,
            distinct: list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct),
            order: &[],
            filter: function.filter.as_deref(),
            at: at.clone(),
        };
        for arg in &list.args {
            match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => call.args.push(expr),
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard) => call.star = true,
                _ => {
                    self.mistake(at, "this kind of argument is not known");
                    return None;
                }
            }
        }
        for clause in &list.clauses {
            match clause {
                ast::FunctionArgumentClause::OrderBy(order) if call.name == "first" => {
                    call.order = order;
                }
                _ => {
                    self.mistake(at, "this kind of argument is not known").help =
                        Some("`order by` goes into `first(x order by y)`".to_owned());
                    return None;
                }
            }
        }
        Some(call)
    }

    /// Lowers the arguments, if there are as many as there should be.
    fn args(&mut self, call: &Call<'_>, count: Range<usize>, shape: &str) -> Option<Vec<Node>> {
        let args: Vec<Option<Node>> = call.args.iter().map(|arg| self.node(arg)).collect();
        if !count.contains(&call.args.len()) || call.star {
            let message = format!("`{}` does not take these arguments", call.name);
            self.mistake(call.name_at.clone(), message).help = Some(format!("write `{shape}`"));
            return None;
        }
        args.into_iter().collect()
    }

    fn scalar(&mut self, call: &Call<'_>) -> Option<Node> {
        if call.filter.is_some() || call.distinct {
            let message = format!("`{}` is not an aggregate", call.name);
            self.mistake(call.name_at.clone(), message).help =
                Some("`filter` and `distinct` go with aggregates".to_owned());
            return None;
        }
        let at = call.at.clone();
        let unit = |unit| (Function::Calendar(unit), Type::Timestamp);
        let (function, ty) = match call.name.as_str() {
            "as_of" => {
                self.args(call, 0..1, "as_of()")?;
                return Some(Node::new(Expr::AsOf, Some(Type::Timestamp), at));
            }
            "coalesce" => {
                let args = self.args(call, 1..100, "coalesce(x, y)")?;
                let (args, ty) = unified(args, &mut self.mistakes)?;
                return Some(Node::new(Expr::Call(Function::Coalesce, args), ty, at));
            }
            "bucket" => return self.bucket(call),
            "lower" => (Function::Lower, Type::Text),
            "seconds" => (Function::Seconds, Type::Real),
            "day" => unit(Unit::Day),
            "week" => unit(Unit::Week),
            "month" => unit(Unit::Month),
            "hour" => (Function::Calendar(Unit::Hour), Type::Integer),
            _ => (Function::Calendar(Unit::Weekday), Type::Integer),
        };
        let (count, shape, takes) = match function {
            Function::Seconds => (2, "seconds(from, to)".to_owned(), Type::Timestamp),
            Function::Lower => (1, "lower(x)".to_owned(), Type::Text),
            _ => (1, format!("{}(x)", call.name), Type::Timestamp),
        };
        let args = self.args(call, count..count + 1, &shape)?;
        let what = format!("`{}`", call.name);
        let mut exprs = Vec::with_capacity(count);
        for arg in args {
            exprs.push(of_type(arg, &[takes], &what, &mut self.mistakes));
        }
        let exprs: Option<Vec<Expr>> = exprs.into_iter().collect();
        Some(Node::new(Expr::Call(function, exprs?), Some(ty), at))
    }

    fn bucket(&mut self, call: &Call<'_>) -> Option<Node> {
        let mut args = self.args(call, 2..100, "bucket(x, 60, 300)")?.into_iter();
        let x = of_type(args.next()?, &NUMBERS, "`bucket`", &mut self.mistakes);
        let mut bounds: Vec<f64> = Vec::new();
        for bound in args {
            let number = match &bound.expr {
                Expr::Literal(value) => value.number(),
                _ => None,
            };
            match number {
                Some(number) if bounds.last().is_none_or(|last| *last < number) => {
                    bounds.push(number);
                }
                _ => {
                    self.mistake(bound.at, "bounds are rising numbers").help =
                        Some("write e.g. `bucket(x, 60, 300)`".to_owned());
                    return None;
                }
            }
        }
        let expr = Expr::Call(Function::Bucket(bounds), vec![x?]);
        Some(Node::new(expr, Some(Type::Text), call.at.clone()))
    }

    fn share(&mut self, call: &Call<'_>) -> Option<Node> {
        match self.place {
            Place::Group => {}
            Place::Share => {
                self.mistake(call.name_at.clone(), "`share` stands inside `share`");
                return None;
            }
            Place::Row(_) => return self.misplaced(call),
        }
        if call.filter.is_some() || call.distinct {
            self.mistake(call.name_at.clone(), "the filter goes inside").help =
                Some("write `share(count() filter (where ..))`".to_owned());
            return None;
        }
        let shape = "share(count())";
        let args = self.at_place(Place::Share, |lowerer| lowerer.args(call, 1..2, shape))?;
        let node = args.into_iter().next()?;
        let arg_at = node.at.clone();
        let expr = of_type(node, &NUMBERS, "`share`", &mut self.mistakes)?;
        if !has_aggregate(&expr) {
            self.mistake(arg_at, "`share` takes an aggregate").help =
                Some(format!("write e.g. `{shape}`"));
            return None;
        }
        Some(Node::new(Expr::Share(expr.into()), Some(Type::Real), call.at.clone()))
    }

    fn misplaced(&mut self, call: &Call<'_>) -> Option<Node> {
        let Place::Row(place) = self.place else { return None };
        let message = format!("the aggregate `{}` may not stand in {place}", call.name);
        let help = match place {
            "`where`" => {
                "a condition on rows goes here; to count some rows only, write \
                          `count() filter (where ..)`"
            }
            "an aggregate" => "fold first: name the inner one in `values`",
            _ => "aggregates go into `columns`, `values` and a rule's `value`",
        };
        self.mistake(call.name_at.clone(), message).help = Some(help.to_owned());
        None
    }

    /// `percentile(x, 0.999)`.
    fn percentile(&mut self, mut call: Call<'_>) -> Option<Node> {
        if let Place::Row(_) = self.place {
            return self.misplaced(&call);
        }
        let shape = "write e.g. `percentile(x, 0.999)`";
        let (&[_, fraction], false) = (call.args.as_slice(), call.star) else {
            let message = format!("`{PERCENTILE}` does not take these arguments");
            self.mistake(call.name_at, message).help = Some(shape.to_owned());
            return None;
        };
        call.args.truncate(1);
        let literal = match fraction {
            ast::Expr::Value(value) => match &value.value {
                ast::Value::Number(digits, false) => digits.replace('_', "").parse().ok(),
                _ => None,
            },
            _ => None,
        };
        match literal {
            Some(fraction) if 0.0 < fraction && fraction < 1.0 => {
                self.aggregate(&call, AggregateKind::Percentile(fraction))
            }
            percent => {
                let help = match percent {
                    Some(percent) if 1.0 < percent && percent < 100.0 => {
                        let fraction = (percent * 1e4).round() / 1e6;
                        format!("{percent} % is `{PERCENTILE}(x, {fraction})`")
                    }
                    _ => shape.to_owned(),
                };
                let at = place(fraction, &self.whole);
                self.mistake(at, "the fraction is a number between 0 and 1").help = Some(help);
                None
            }
        }
    }

    fn aggregate(&mut self, call: &Call<'_>, kind: AggregateKind) -> Option<Node> {
        if let Place::Row(_) = self.place {
            return self.misplaced(call);
        }
        let (of, filter, order) = self.at_place(Place::Row("an aggregate"), |lowerer| {
            let of = lowerer.aggregate_args(call, kind);
            let filter = call.filter.map(|filter| {
                let node = lowerer.node(filter);
                node.and_then(|node| condition(node, &mut lowerer.mistakes))
            });
            (of, filter, lowerer.order(call, kind))
        });
        let (of, order) = (of?, order?);
        let filter = match filter {
            Some(filter) => Some(filter?),
            None => None,
        };
        let kind = match (kind, call.distinct) {
            (AggregateKind::Count, true) => AggregateKind::CountDistinct,
            (kind, _) => kind,
        };
        let (ty, origin) = match (kind, &of) {
            (AggregateKind::Count | AggregateKind::CountDistinct, _) | (_, None) => {
                (Some(Type::Integer), None)
            }
            (AggregateKind::Average | AggregateKind::Percentile(_), _) => (Some(Type::Real), None),
            (AggregateKind::Sum, Some(of)) => (of.ty.or(Some(Type::Integer)), None),
            (_, Some(of)) => (of.ty, of.origin),
        };
        let of_at = of.as_ref().map_or(call.at.clone(), |of| of.at.clone());
        let aggregate = Aggregate { kind, of: of.map(|of| of.expr), order, filter };
        if let Some(mistake) = self.repeated(call, &aggregate, of_at) {
            self.mistakes.push(mistake);
            return None;
        }
        let known = self.grouping.aggregates.iter().position(|known| *known == aggregate);
        let index = known.unwrap_or_else(|| {
            self.grouping.aggregates.push(aggregate);
            self.grouping.aggregates.len() - 1
        });
        Some(Node { expr: Expr::Aggregate(index), ty, at: call.at.clone(), origin })
    }

    /// What an aggregate is of: `Some(None)` for the rows themselves.
    fn aggregate_args(&mut self, call: &Call<'_>, kind: AggregateKind) -> Option<Option<Node>> {
        let counts = kind == AggregateKind::Count;
        if call.distinct && !counts {
            let message = format!("`distinct` does not go with `{}`", call.name);
            self.mistake(call.name_at.clone(), message).help =
                Some("write `count(distinct x)`".to_owned());
            return None;
        }
        if counts && call.args.is_empty() && !call.distinct {
            return Some(None);
        }
        // A dataset's alias stands for its key: `count(distinct session)`.
        if let ([ast::Expr::Identifier(word)], true, None) =
            (call.args.as_slice(), counts, self.folded)
        {
            let tables = &self.report_type.tables;
            if let Some(table) = tables.iter().position(|table| table.alias == word.value) {
                let key = self.report_type.key(table);
                let ty = Some(self.report_type.field(key).ty);
                return Some(Some(Node {
                    expr: Expr::Field(key),
                    ty,
                    at: bytes(word.span),
                    origin: Some(key),
                }));
            }
        }
        let node = self.args(call, 1..2, &format!("{}(x)", call.name))?.into_iter().next()?;
        let numbers_only = matches!(
            kind,
            AggregateKind::Sum | AggregateKind::Average | AggregateKind::Percentile(_)
        );
        if !numbers_only {
            return Some(Some(node));
        }
        let (ty, at, origin) = (node.ty, node.at.clone(), node.origin);
        let expr = of_type(node, &NUMBERS, &format!("`{}`", call.name), &mut self.mistakes)?;
        Some(Some(Node { expr, ty, at, origin }))
    }

    fn order(&mut self, call: &Call<'_>, kind: AggregateKind) -> Option<Vec<(Expr, bool)>> {
        if kind == AggregateKind::First && call.order.is_empty() {
            self.mistake(call.name_at.clone(), "the first by what").help =
                Some("write `first(x order by y)`".to_owned());
            return None;
        }
        let mut order = Vec::with_capacity(call.order.len());
        for item in call.order {
            let item = match sort_item(item.clone()) {
                Ok(item) => item,
                Err(mistake) => {
                    self.mistakes.push(mistake);
                    return None;
                }
            };
            order.push(self.node(&item.expr).map(|node| (node.expr, item.descending)));
        }
        order.into_iter().collect()
    }

    /// Whether the join repeats what is aggregated, so that it would count several times.
    fn repeated(
        &self,
        call: &Call<'_>,
        aggregate: &Aggregate,
        at: Range<usize>,
    ) -> Option<Mistake> {
        let of = aggregate.of.as_ref()?;
        // These see values, not how often they come.
        if matches!(
            aggregate.kind,
            AggregateKind::Min
                | AggregateKind::Max
                | AggregateKind::CountDistinct
                | AggregateKind::First
        ) {
            return None;
        }
        if let Some(folded) = self.folded {
            let mut owner = None;
            of.walk(&mut |expr| {
                if let Expr::Folded(index) = expr {
                    owner = owner.take().or_else(|| folded[*index].repeats.clone());
                }
            });
            let message = format!("each `{}` comes several times in the fold", owner?);
            return Some(Mistake::new(at, message).with_help("fold `per` it alone"));
        }
        let mut fields = BTreeSet::new();
        of.fields_into(&mut fields);
        let tables: BTreeSet<usize> = fields.iter().map(|field| field.table).collect();
        if tables.is_empty() {
            return None;
        }
        let filters = [self.filter, aggregate.filter.as_ref()];
        let known = Known::given_records(self.report_type, &filters, &tables);
        let many = known.first_open_table()?;
        let names = &self.report_type.tables;
        let one = &names[*tables.last()?];
        let key = &one.dataset.fields[one.dataset.key].name;
        let (alias, many) = (&one.alias, &names[many].alias);
        let message = format!(
            "`{}` would count each `{alias}` once for every `{many}` joined to it",
            call.name
        );
        let help = match aggregate.kind {
            AggregateKind::Count => format!("write `count(distinct {alias}.{key})`"),
            _ => format!("fold first: `per = [\"{alias}\"]` with it among `values`"),
        };
        Some(Mistake::new(at, message).with_help(help))
    }
}

/// Whether a syntax tree calls an aggregate outside of other calls' filters.
pub(crate) fn calls_aggregate(expr: &ast::Expr) -> bool {
    let any = |exprs: &[&ast::Expr]| exprs.iter().any(|expr| calls_aggregate(expr));
    match expr {
        ast::Expr::Nested(x)
        | ast::Expr::UnaryOp { expr: x, .. }
        | ast::Expr::IsNull(x)
        | ast::Expr::IsNotNull(x)
        | ast::Expr::InList { expr: x, .. } => calls_aggregate(x),
        ast::Expr::BinaryOp { left, right, .. } => any(&[left, right]),
        ast::Expr::Between { expr, low, high, .. } => any(&[expr, low, high]),
        ast::Expr::Like { expr, pattern, .. } => any(&[expr, pattern]),
        ast::Expr::Case { conditions, else_result, .. } => {
            let branch = |when: &ast::CaseWhen| any(&[&when.condition, &when.result]);
            conditions.iter().any(branch) || else_result.as_deref().is_some_and(calls_aggregate)
        }
        ast::Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let aggregate = AGGREGATES.iter().any(|(known, _)| *known == name);
            if aggregate || name == "share" || name == PERCENTILE {
                return true;
            }
            let ast::FunctionArguments::List(list) = &function.args else { return false };
            list.args.iter().any(|arg| match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => {
                    calls_aggregate(expr)
                }
                _ => false,
            })
        }
        _ => false,
    }
}

/// Whether the value of an expression is a share in every branch that gives one.
pub(crate) fn is_share(expr: &Expr) -> bool {
    let null = |expr: &Expr| matches!(expr, Expr::Literal(Value::Null));
    match expr {
        Expr::Share(_) => true,
        Expr::Case(branches, otherwise) => {
            let mut results: Vec<&Expr> = branches.iter().map(|(_, result)| result).collect();
            results.extend(otherwise.as_deref());
            results.retain(|result| !null(result));
            !results.is_empty() && results.into_iter().all(is_share)
        }
        _ => false,
    }
}
