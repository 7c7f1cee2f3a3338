//! What a value is made of: the expression inside its one aggregate, by which single records can be
//! put in order.

use sqlparser::ast;

use crate::domain::expr::Text;

/// The inside of a value that is one aggregate, as texts of the report language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inner {
    /// Of `max`, `min`, `avg`, `median` and percentiles: what of each record is looked at.
    pub of: Option<String>,
    /// Which records count.
    pub filter: Option<String>,
}

/// The inside of a value, of a text that parses. Of a value that is more than one aggregate nothing
/// is known.
pub fn inner(value: &str) -> Inner {
    let Ok(ast::Expr::Function(function)) = Text::new(value).and_then(Text::expr) else {
        return Inner::default();
    };
    let name = function.name.to_string().to_lowercase();
    let percentile = name.strip_prefix('p').is_some_and(|n| n.parse::<u8>().is_ok());
    let ordering = ["max", "min", "avg", "median"].contains(&name.as_str()) || percentile;
    let aggregate = ordering || ["count", "sum", "count_distinct"].contains(&name.as_str());
    let filter = function.filter.filter(|_| aggregate).map(|filter| filter.to_string());
    let of = match (&function.args, ordering) {
        (ast::FunctionArguments::List(list), true) => match list.args.as_slice() {
            [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(of))] => Some(of.to_string()),
            _ => None,
        },
        _ => None,
    };
    Inner { of, filter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, of: Option<&str>, filter: Option<&str>) {
        let own = |text: Option<&str>| text.map(str::to_owned);
        assert_eq!(inner(value), Inner { of: own(of), filter: own(filter) });
    }

    #[test]
    fn the_inside_of_one_aggregate_is_known_and_of_more_it_is_not() {
        check("max(metric.Value)", Some("metric.Value"), None);
        check("p90(seconds(a.Start, as_of()))", Some("seconds(a.Start, as_of())"), None);
        check("median(x.Y) filter (where x.Z = 'a b')", Some("x.Y"), Some("x.Z = 'a b'"));
        check("count() filter (where x.Z is null)", None, Some("x.Z IS NULL"));
        check("count()", None, None);
        check("max(x.Y) / 60", None, None);
        check("count(x.Y) / count()", None, None);
        check("seconds(a.Start, as_of())", None, None);
        check("max(", None, None);
    }
}
