//! What stands beside a report's figures: earlier ones, goals, and where the records are.

use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use super::super::super::problem::{Findings, suggestion};
use super::super::super::shape::Shaped;
use super::super::super::wire::{ReportToml, Text};
use super::super::Names;
use super::{columns_of, is_column};
use crate::domain::calendar::Calendar;
use crate::domain::compare::{Compare, Trend};
use crate::domain::expr::Mistake;
use crate::domain::goal::Goal;
use crate::domain::period::Period;
use crate::domain::query::{ColumnShown, Query};
use crate::domain::report::Report;
use crate::domain::rule::Comparison;

/// Longest address of a report's records, in bytes.
const DRILL_MAX: usize = 2000;
/// Reports look back at most so many days, their own period included.
const LOOK_BACK_DAYS: u32 = 3660;

/// What stands beside the figures.
pub(super) struct Beside {
    pub(super) goals: BTreeMap<String, Goal>,
    pub(super) compare: Option<Compare>,
    pub(super) calendar: Option<Arc<Calendar>>,
    pub(super) trend: Option<Trend>,
    pub(super) drill: Option<String>,
    pub(super) restate_above: f64,
}

/// Lowers it; mistakes are noted.
pub(super) fn lower(
    found: &mut Findings<'_>,
    names: &Names,
    table: &Shaped<ReportToml>,
    period: Option<&Period>,
    query: Option<&Query>,
) -> Beside {
    let wire = &table.wire;
    let shown = query.map(Query::columns_shown);
    let compare = compare(found, table, period, query);
    Beside {
        goals: goals(found, table, shown.as_deref()),
        calendar: calendar(found, names, table, compare),
        compare,
        trend: trend(found, table, period, query),
        drill: wire.drill.as_ref().and_then(|text| drill(found, table, text)),
        restate_above: restate_above(found, table),
    }
}

/// `compare`: of figures, over a period that has one before it.
fn compare(
    found: &mut Findings<'_>,
    table: &Shaped<ReportToml>,
    period: Option<&Period>,
    query: Option<&Query>,
) -> Option<Compare> {
    let text = table.wire.compare.as_ref()?;
    let compare: Option<Compare> = found.mended(table.at(text), text.get_ref().parse());
    if query.is_some_and(|query| query.list) {
        let help = "compare a report that counts, e.g. `columns = [\"count() as Records\"]`";
        found.problem(table.at(text), "`compare` in a list: its rows are records", help);
        return None;
    }
    let (compare, period) = (compare?, period?);
    found.mended(table.at(text), compare.fits(period))?;
    reaches(found, table, text, period, compare.count());
    Some(compare)
}

/// Notes what looks back further than reports do.
fn reaches(
    found: &mut Findings<'_>,
    table: &Shaped<ReportToml>,
    text: &Text,
    period: &Period,
    back: u32,
) {
    let days = period.days_about().map(|days| days.saturating_mul(back.saturating_add(1)));
    if days.is_some_and(|days| LOOK_BACK_DAYS < days) {
        let message =
            format!("`{}` of `{}` is more than ten years", text.get_ref(), period.words());
        found.problem(table.at(text), message, "look back less far");
    }
}

/// `calendar`, of which only the holidays count, and only where weeks are compared.
fn calendar(
    found: &mut Findings<'_>,
    names: &Names,
    table: &Shaped<ReportToml>,
    compare: Option<Compare>,
) -> Option<Arc<Calendar>> {
    let text = table.wire.calendar.as_ref()?;
    let calendar = names.calendars.find(found, table.file, text);
    let idle = match (compare, &table.wire.compare) {
        (Some(Compare::Weeks(_)), _) => return calendar,
        // What was wrong there was told.
        (None, Some(_)) => return calendar,
        (Some(Compare::Periods(_)), _) => "holidays are left out where weeks are compared",
        (None, None) => "its holidays are left out of a comparison, and there is none",
    };
    let help = "write e.g. `compare = \"last 4 weeks\"`, or leave it out";
    found.problem(table.at(text), format!("`calendar` does nothing here: {idle}"), help);
    None
}

/// `trend`: a column of figures, over periods.
fn trend(
    found: &mut Findings<'_>,
    table: &Shaped<ReportToml>,
    period: Option<&Period>,
    query: Option<&Query>,
) -> Option<Trend> {
    let text = table.wire.trend.as_ref()?;
    let trend: Option<Trend> = found.mended(table.at(text), text.get_ref().parse());
    if query.is_some_and(|query| query.list) {
        let help = "take the trend of a report that counts";
        found.problem(table.at(text), "`trend` in a list: its rows are records", help);
        return None;
    }
    if period.is_some_and(|period| period.days_about().is_none()) {
        let message = "all time has nothing before it to make a trend of";
        found.problem(table.at(text), message, "write a period, e.g. `last 7 days`");
        return None;
    }
    let (trend, query, period) = (trend?, query?, period?);
    let shown = query.columns_shown();
    let figures = || columns_of(&shown, |column| !column.grouping && column.numeric);
    let trouble = match shown.iter().find(|column| column.name == trend.column) {
        None => format!("the report has no column `{}`", trend.column),
        Some(column) if column.grouping => {
            format!("`{}` names the rows, it is no figure", trend.column)
        }
        Some(column) if !column.numeric => format!("`{}` is no figure", trend.column),
        Some(_) => {
            reaches(found, table, text, period, trend.periods - 1);
            return Some(trend);
        }
    };
    let at = text
        .get_ref()
        .find(&trend.column)
        .map_or(0..text.get_ref().len(), |start| start..start + trend.column.len());
    let help = suggestion(&trend.column, figures());
    found.mistake(table.file, text, Mistake { at, message: trouble, help });
    None
}

/// `goals`: comparisons by the column they are of.
fn goals(
    found: &mut Findings<'_>,
    table: &Shaped<ReportToml>,
    shown: Option<&[ColumnShown]>,
) -> BTreeMap<String, Goal> {
    let mut goals = BTreeMap::new();
    for (name, text) in &table.wire.goals {
        let known = is_column(found, table, name, shown);
        let goal: Option<Comparison> = match text.get_ref().parse::<Comparison>() {
            Ok(comparison) => Some(comparison),
            Err(message) => {
                let message = message.split(": write").next().unwrap_or(&message).to_owned();
                let help = "a goal is what the column should be, e.g. `<= 120` or `>= 0.9`";
                found.problem(table.at(text), message, help);
                None
            }
        };
        let columns = shown.unwrap_or_default();
        let column = columns.iter().find(|column| column.name == *name.get_ref());
        let figure = column.is_some_and(|column| !column.grouping && column.numeric);
        if known && !figure {
            let message = format!("`{}` is no figure that could reach a goal", name.get_ref());
            let figures = columns_of(columns, |column| !column.grouping && column.numeric);
            found.problem(table.at(name), message, suggestion(name.get_ref(), figures));
        }
        if let Some(goal) = goal.filter(|_| figure) {
            goals.insert(name.get_ref().clone(), Goal(goal));
        }
    }
    goals
}

/// `drill`: an address of the source's own pages.
fn drill(found: &mut Findings<'_>, table: &Shaped<ReportToml>, text: &Text) -> Option<String> {
    let written = text.get_ref().as_str();
    let blank = |c: char| c.is_whitespace() || c.is_control();
    let url = Url::parse(written).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    if url.is_some_and(|url| url.host_str().is_some())
        && !written.contains(blank)
        && written.len() <= DRILL_MAX
    {
        return Some(written.to_owned());
    }
    let help = "write where the records are seen, e.g. \
        `https://acme.my.salesforce.com/lightning/o/MessagingSession/list`";
    found.problem(table.at(text), "`drill` is not an address on the web", help);
    None
}

/// `restate_above`: a fraction of the figure that was told before.
fn restate_above(found: &mut Findings<'_>, table: &Shaped<ReportToml>) -> f64 {
    let Some(number) = &table.wire.restate_above else { return Report::RESTATE_ABOVE };
    match *number.get_ref() {
        fraction if (0.0..=1.0).contains(&fraction) => fraction,
        other => {
            let help = "write a fraction from 0 to 1, e.g. `0.02` for two percent";
            found.problem(table.at(number), format!("`{other}` is not a part of a figure"), help);
            Report::RESTATE_ABOVE
        }
    }
}
