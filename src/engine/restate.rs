//! Restatement: figures of the mail before that the records give otherwise now. Records come late
//! and are corrected; whoever was told a figure is told that it changed, in the next mail.
//!
//! Bounded: one question a report, none for a mail that is long past, none where the report has no
//! period or no figure that speaks for the whole.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::archive::{Unpacked, unpack};
use super::{Engine, Plant, blocking};
use crate::domain::compare::Restated;
use crate::domain::period::Window;
use crate::domain::query::Frame;
use crate::domain::report::Report;
use crate::domain::table::{Column, Section, Table};
use crate::domain::value::Value;
use crate::render::DigestMail;
use crate::store::state::archive;
use crate::store::{StoreError, View};

/// A mail whose slot is longer ago is not looked at again.
const LOOKED_BACK: TimeDelta = TimeDelta::days(40);

impl Engine {
    /// Writes into the tables of a mail that is being made what has changed since the last one of
    /// its digest was sent. `reports` and `sections` are in the same order. What cannot be looked up
    /// is left out: the mail is whole without it.
    pub async fn restate(
        &self,
        plant: &Arc<Plant>,
        digest: &str,
        reports: &[Arc<Report>],
        sections: &mut [Section],
        slot: DateTime<Utc>,
    ) {
        if !reports.iter().any(|report| may_restate(report)) {
            return;
        }
        let name = digest.to_owned();
        let earlier = self.state(move |tx| archive::last_sent(tx, &name, "", slot)).await;
        let (told_at, mail) = match earlier {
            Ok(Some((told_at, snapshot))) if slot - told_at <= LOOKED_BACK => {
                let Ok(Unpacked { mail, .. }) = unpack(snapshot) else { return };
                (told_at, mail)
            }
            Ok(_) => return,
            Err(err) => {
                tracing::warn!(digest, error = %err, "the mail before cannot be looked up");
                return;
            }
        };
        let (store, plant, reports) =
            (Arc::clone(self.store()), Arc::clone(plant), reports.to_vec());
        let found = blocking(move || {
            Ok(reports
                .iter()
                .map(|report| {
                    let Some(told) = told_before(&mail, report) else { return Vec::new() };
                    let restated = store.read_records(|view| {
                        restated(view, report, told, told_at, plant.week_starts)
                    });
                    restated.unwrap_or_else(|err| {
                        tracing::warn!(report = %report.name, error = %err, "not compared again");
                        Vec::new()
                    })
                })
                .collect::<Vec<_>>())
        })
        .await;
        for (section, restated) in sections.iter_mut().zip(found.unwrap_or_default()) {
            if let Section::Table(table) = section {
                // Columns are told by their index: they must be the same ones.
                let restated = restated.into_iter();
                table.restated = restated.filter(|one| one.column < table.columns.len()).collect();
            }
        }
    }
}

/// Whether a report has figures that can be told again.
fn may_restate(report: &Report) -> bool {
    !report.query.list
        && !report.query.pivot
        && (report.query.total || report.query.groups.is_empty())
}

/// The table of a report in an earlier mail, if it was made of the same definition: what another one
/// counts is no correction.
fn told_before<'a>(mail: &'a DigestMail, report: &Report) -> Option<&'a Table> {
    let same = |table: &Table| {
        table.report == report.name
            && table.definition == report.hash
            && table.only == report.only
            && table.period == report.period.words()
    };
    mail.sections.iter().find_map(|section| match section {
        Section::Table(table) if same(table) => Some(table),
        _ => None,
    })
}

/// The figures of an earlier table that the records give otherwise now, by more than the report's
/// `restate_above`. `told_at` is the slot of the mail that told them.
///
/// # Errors
/// The records cannot be read.
pub fn restated(
    view: &View<'_>,
    report: &Report,
    earlier: &Table,
    told_at: DateTime<Utc>,
    week_starts: u8,
) -> Result<Vec<Restated>, StoreError> {
    let Some(window) = earlier.window.filter(|_| may_restate(report)) else {
        return Ok(Vec::new());
    };
    let frame = Frame {
        bounds: Some((window.from, window.to)),
        as_of: told_at,
        zone: report.zone.clone(),
        week_starts,
        rows_max: super::tables::ROWS_MAX,
        rest_max: 0,
    };
    let answer = view.answer(&report.query, &frame)?;
    let again = Table::shape(report, &answer, Some(window), Vec::new(), None, None);
    Ok(changed(earlier, &again, window, told_at, report.restate_above))
}

/// The figures that differ by more than `above`, a fraction of what was told. Two tables of other
/// columns have nothing to compare.
fn changed(
    told: &Table,
    again: &Table,
    window: Window,
    slot: DateTime<Utc>,
    above: f64,
) -> Vec<Restated> {
    let same =
        |a: &Column, b: &Column| a.name == b.name && a.ty == b.ty && a.grouping == b.grouping;
    let columns = told.columns.iter().zip(&again.columns);
    if told.columns.len() != again.columns.len() || !columns.clone().all(|(a, b)| same(a, b)) {
        return Vec::new();
    }
    let figures = told.columns.iter().enumerate().filter(|(_, column)| column.numeric);
    figures
        .filter_map(|(column, _)| {
            let before = number(told.figure(column)?)?;
            let now = number(again.figure(column)?)?;
            let differs = above * before.abs() < (now - before).abs();
            differs.then_some(Restated { slot, window, column, before, now })
        })
        .collect()
}

/// A figure as a number. Two whole numbers that differ do so by one at least.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::value::Type;
    use crate::render::tests::fixtures;

    fn table(value: Value) -> Table {
        let ty = if matches!(value, Value::Real(_)) { Type::Real } else { Type::Integer };
        let format = crate::domain::report::Format::Auto;
        let columns = vec![fixtures::column("Sessions", ty, format)];
        fixtures::table("traffic", "How many?", columns, vec![vec![value]])
    }

    #[track_caller]
    fn check(told: Value, now: Value, above: f64, expected: Option<(f64, f64)>) {
        let slot = fixtures::at("2026-11-23T07:00:00Z");
        let window = Window { from: slot - TimeDelta::days(1), to: slot };
        let found = changed(&table(told), &table(now), window, slot, above);
        let found: Vec<(f64, f64)> = found.iter().map(|one| (one.before, one.now)).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_figure_is_told_again_when_it_changed_by_more_than_the_bound() {
        use Value::{Integer, Null, Real};
        check(Integer(412), Integer(431), 0.02, Some((412.0, 431.0)));
        check(Integer(412), Integer(420), 0.02, None);
        check(Integer(412), Integer(400), 0.02, Some((412.0, 400.0)));
        check(Integer(100), Integer(102), 0.02, None);
        check(Integer(0), Integer(1), 0.02, Some((0.0, 1.0)));
        check(Integer(5), Integer(5), 0.0, None);
        check(Integer(5), Integer(6), 0.0, Some((5.0, 6.0)));
        check(Real(0.5), Real(0.505), 0.02, None);
        check(Real(0.5), Real(0.52), 0.02, Some((0.5, 0.52)));
        check(Null, Integer(6), 0.02, None);
    }

    #[test]
    fn tables_of_other_columns_are_not_compared() {
        let slot = fixtures::at("2026-11-23T07:00:00Z");
        let window = Window { from: slot - TimeDelta::days(1), to: slot };
        let told = table(Value::Integer(1));
        let mut now = table(Value::Integer(9));
        now.columns[0].name = "Chats".into();
        assert_eq!(changed(&told, &now, window, slot, 0.0), []);
        now.columns.clear();
        assert_eq!(changed(&told, &now, window, slot, 0.0), []);
    }
}
