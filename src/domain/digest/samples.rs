//! Tables for the tests of digests.

use chrono::DateTime;

use crate::domain::goal::Goal;
use crate::domain::report::Format;
use crate::domain::table::{Column, Section, Table};
use crate::domain::value::{Type, Value};
use crate::domain::zone::Zone;

/// A column; `goal` as written.
pub(crate) fn column(name: &str, grouping: bool, goal: Option<&str>) -> Column {
    Column {
        name: name.to_owned(),
        format: Format::Auto,
        grouping,
        numeric: !grouping,
        share: false,
        ty: Some(if grouping { Type::Text } else { Type::Real }),
        unit: None,
        goal: goal.map(|goal| Goal(goal.parse().expect("a comparison"))),
        pivot: None,
    }
}

/// A table with these rows; without grouping columns it is figures about everything.
pub(crate) fn table(
    report: &str,
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
    total: Option<Vec<Value>>,
) -> Table {
    Table {
        coverage_low: vec![],
        report: report.to_owned(),
        definition: String::new(),
        title: format!("What of {report}?"),
        about: None,
        window: None,
        period: "all time".to_owned(),
        zone: Zone::utc(),
        records: rows.len() as u64,
        columns,
        rows,
        others: None,
        rest: Vec::new(),
        total,
        empty: None,
        list: false,
        truncated: false,
        coverage: Vec::new(),
        complete_to: Some(DateTime::UNIX_EPOCH),
        provisional: None,
        compared: None,
        trend: None,
        beside: Vec::new(),
        beside_total: None,
        chart: None,
        drill: None,
        only: None,
        restated: Vec::new(),
    }
}

/// Figures about everything: one row.
pub(crate) fn figures(report: &str, values: &[(&str, Value)]) -> Section {
    let columns = values.iter().map(|(name, _)| column(name, false, None)).collect();
    let row = values.iter().map(|(_, value)| value.clone()).collect();
    Section::Table(table(report, columns, vec![row], None))
}

/// A report that could not be made.
pub(crate) fn failed(report: &str) -> Section {
    Section::Failed {
        report: report.to_owned(),
        title: format!("What of {report}?"),
        reason: "the records could not be read".to_owned(),
    }
}
