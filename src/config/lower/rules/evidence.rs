//! The worst records behind a value.

use super::super::super::problem::Findings;
use super::super::super::shape::Shaped;
use super::super::super::wire::RuleToml;
use super::{misplaced, of_all};
use crate::domain::expr::ReportType;
use crate::domain::query::inner::{Inner, inner};
use crate::domain::query::{Part, Query, QueryText};
use crate::domain::rule::Level;

use std::sync::Arc;

/// How many of the worst records are shown.
const SHOWN: usize = 10;

/// The list of the records behind the value, worst first: by what the value takes the largest, least
/// or middle of, else the newest first.
pub(super) fn evidence(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    report_type: &Arc<ReportType>,
    levels: &[Level],
) -> Option<Query> {
    let wire = &table.wire;
    if wire.evidence.is_empty() {
        return None;
    }
    let value = wire.value.as_ref().map_or("", |text| text.get_ref().as_str());
    let Inner { of, filter } = inner(value);
    let own = of_all(wire);
    let filter = [own.filter.map(str::to_owned), filter].into_iter().flatten();
    let filter = filter.map(|text| format!("({text})")).collect::<Vec<_>>().join(" and ");
    let shown: Vec<&str> = wire.evidence.iter().map(|text| text.get_ref().as_str()).collect();
    let upward = levels.first().and_then(|level| level.breach.upward()).unwrap_or(true);
    // What records are ordered by, and whether the largest come first.
    let order = match (&of, own.date) {
        (Some(of), _) => Some((of.as_str(), upward)),
        (None, Some(date)) => Some((date, true)),
        (None, None) => None,
    };
    let check = |columns: Vec<&str>, sort: Option<&str>| {
        let filter = Some(filter.as_str()).filter(|filter| !filter.is_empty());
        let text = QueryText { date: own.date, filter, columns, sort, ..QueryText::default() };
        Query::check(report_type, &text)
    };
    let plain = match check(shown.clone(), None) {
        Ok(plain) => plain,
        Err(mistakes) => {
            // What is wrong elsewhere was told of the value's own query.
            let own = |(part, _): &(Part, _)| matches!(part, Part::Column(_));
            let mistakes = mistakes.into_iter().filter(own).collect();
            misplaced(found, table, mistakes, &|index| wire.evidence.get(index));
            return None;
        }
    };
    if !plain.list {
        let message = "evidence is records one by one, here they are taken together";
        let at = table.at(&wire.evidence[0]);
        found.problem(at, message, "write fields or aliases, e.g. `session as Session`");
        return None;
    }
    let ordered = order.map(|(by, largest)| {
        let direction = if largest { " desc" } else { "" };
        // By a column that is shown, or by one more.
        let sort = format!("{by}{direction}");
        let further = format!("{by} as 'Ordered by'");
        check(shown.clone(), Some(&sort)).or_else(|_| {
            let columns = shown.iter().copied().chain([further.as_str()]).collect();
            check(columns, Some(&sort))
        })
    });
    // What cannot put records in order leaves them as they come.
    let query = ordered.and_then(Result::ok).unwrap_or(plain);
    Some(Query { top: Some(SHOWN), ..query })
}
