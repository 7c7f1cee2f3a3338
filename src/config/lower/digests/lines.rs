//! The lines of a digest that are templates: subject, preheader, intro. They are tried here, so that
//! they cannot fail on a Monday morning.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::super::problem::{Findings, closest};
use super::super::super::wire::Text;
use crate::domain::report::Report;
use crate::render::subject::{self, Known, Line};

/// A template as written; what is wrong with it is noted. Where reports are wrong themselves, what it
/// says of their figures is not judged.
pub(super) fn template(
    found: &mut Findings<'_>,
    file: usize,
    text: &Text,
    line: Line,
    headline: bool,
    reports: Option<&[Arc<Report>]>,
) -> String {
    let written = text.get_ref();
    if reports.is_some() || !written.contains("figures") {
        let known = Known { headline, reports: totals(reports.unwrap_or_default()) };
        for mut mistake in subject::check(line, written, &known) {
            let named = written.get(mistake.at.clone()).unwrap_or_default();
            if let Some(near) = closest(named, subject::NAMES) {
                mistake.help = Some(format!("did you mean `{near}`?"));
            }
            found.mistake(file, text, mistake);
        }
    }
    written.clone()
}

/// By report the columns that have a total; `None` where they come with the records.
fn totals(reports: &[Arc<Report>]) -> BTreeMap<String, Option<Vec<String>>> {
    let each = reports.iter().map(|report| {
        let query = &report.query;
        let whole = !query.list && (query.total || query.groups.is_empty());
        let shown = query.columns_shown();
        let figures = shown.into_iter().filter(|column| whole && !column.grouping);
        let names = (!query.pivot).then(|| figures.map(|column| column.name).collect());
        (report.name.clone(), names)
    });
    each.collect()
}
