//! The window of a rule and the field it lies on.

use super::super::super::problem::Findings;
use super::super::super::shape::Shaped;
use super::super::super::wire::RuleToml;
use crate::domain::expr::ReportType;
use crate::domain::query::Query;

/// A window wants a field to lie on; without one a `date` would do nothing.
pub(super) fn dated(found: &mut Findings<'_>, table: &Shaped<RuleToml>) {
    match (&table.wire.window, &table.wire.date) {
        (Some(window), None) => {
            let message = format!("the window `{}` of which field?", window.get_ref());
            let help = "write when records became visible, e.g. `date = \"metric.CreatedDate\"`";
            found.problem(table.at(window), message, help);
        }
        (None, Some(date)) => {
            let help =
                "write e.g. `window = \"30 min\"`, or remove `date` to judge the state as it is";
            found.problem(table.at(date), "`date` without `window` bounds nothing", help);
        }
        _ => {}
    }
}

/// A rule that windows on when things happened misses what is recorded later: worth knowing.
pub(super) fn invisible(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    report_type: &ReportType,
    query: &Query,
) {
    let (Some(date), Some(text), Some(_)) = (query.date, &table.wire.date, &table.wire.window)
    else {
        return;
    };
    let dataset = &report_type.tables[date.table].dataset;
    if dataset.visible.contains(&date.field) {
        return;
    }
    let better: Vec<String> = (dataset.visible.iter())
        .map(|field| {
            format!("`{}.{}`", report_type.tables[date.table].alias, dataset.fields[*field].name)
        })
        .collect();
    let message = format!(
        "`{}` is not when a record of `{}` became visible: what is recorded later than the window \
         is never seen",
        text.get_ref(),
        dataset.name
    );
    let help = (!better.is_empty()).then(|| format!("window on {}", better.join(" or ")));
    found.note(table.at(text), message, help);
}
