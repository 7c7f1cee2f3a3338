//! `mask_outside`: columns that readers at other domains get shortened.

use std::sync::Arc;

use super::super::super::problem::{Findings, suggestion};
use super::super::super::shape::Raw;
use super::super::super::wire::MaskOutsideToml;
use crate::domain::digest::MaskOutside;
use crate::domain::report::Report;

/// Lowers it; `None` where a mistake was noted.
pub(super) fn lower(
    raw: Raw<'_>,
    found: &mut Findings<'_>,
    reports: Option<&[Arc<Report>]>,
) -> Option<MaskOutside> {
    let before = found.count();
    let table = raw.shape::<MaskOutsideToml>(found, &[]);
    let wire = &table.wire;
    let domains = table.required(found, "domains", &wire.domains, "[\"example.com\"]");
    let columns = table.required(found, "columns", &wire.columns, "[\"User\"]");
    let domains = domains.map_or(&[][..], |list| list.get_ref());
    for domain in domains {
        let written = domain.get_ref();
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.');
        if written.is_empty() || !written.chars().all(plain) {
            let message = format!("`{written}` is not the domain of an address");
            found.problem(table.at(domain), message, "write e.g. `example.com`");
        }
    }
    let columns = columns.map_or(&[][..], |list| list.get_ref());
    for column in columns {
        let (written, Some(reports)) = (column.get_ref().as_str(), reports) else { continue };
        let shown: Vec<_> =
            reports.iter().flat_map(|report| report.query.columns_shown()).collect();
        let pivoted = || reports.iter().filter(|report| report.query.pivot);
        let across = pivoted()
            .any(|report| report.query.groups.last().is_some_and(|group| group.name == written));
        let several =
            pivoted().find(|report| report.query.columns.iter().any(|own| own.name == written));
        if let Some(report) = several {
            // Its columns are called by what goes across: nothing would be shortened.
            let message =
                format!("`{written}` is several columns of `{}`, one a value", report.name);
            let help = "shorten it in the report itself with `mask`, or leave out `pivot_by`";
            found.problem(table.at(column), message, help);
        } else if across {
            let message = format!("the values of `{written}` are headings");
            let help = "a column that goes across cannot be shortened: group by it instead";
            found.problem(table.at(column), message, help);
        } else if !shown.iter().any(|column| column.name == written) {
            let help = suggestion(written, shown.iter().map(|column| column.name.as_str()));
            let message = format!("no report of the digest has a column `{written}`");
            found.problem(table.at(column), message, help);
        }
    }
    (found.count() == before).then_some(MaskOutside {
        domains: domains.iter().map(|domain| domain.get_ref().to_lowercase()).collect(),
        columns: columns.iter().map(|column| column.get_ref().clone()).collect(),
    })
}
