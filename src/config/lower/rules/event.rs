//! Rules with `kind = "event"`: each new record that matches is told once.

use std::sync::Arc;

use super::super::super::problem::Findings;
use super::super::super::shape::Shaped;
use super::super::super::wire::{RuleToml, Text};
use super::{Common, Unmarked, dated, levels, misplaced, of_all, places};
use crate::domain::expr::{Mistake, ReportType};
use crate::domain::query::{Part, Query, QueryText};
use crate::domain::rule::{Comparison, EventColumns, Kind, Level, Op, Rule};

/// Lowers an event rule.
pub(super) fn lower(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    common: Common,
) -> Option<Unmarked> {
    let wire = &table.wire;
    of_no_use_in_an_event_rule(found, table);
    let level = table.required(found, "level", &wire.level, "\"warning\"");
    let level = level.map(|name| levels::level_name(found, table, name).to_owned());
    if wire.columns.is_empty() && table.is_whole("columns") {
        let message = format!("{} has no `columns`", table.title);
        let help = "write what is shown of each record, e.g. `columns = [\"session as Session\"]`";
        found.problem(table.at.clone(), message, help);
    }
    if wire.changes.is_none() && wire.window.is_none() && wire.date.is_none() {
        let message = format!("{} cannot tell which records are new", table.title);
        let help = "write `date` and `window`, or what of a record `changes`";
        found.problem(table.at.clone(), message, help);
    }
    let list =
        (common.report_type.as_ref()).and_then(|(report_type, _)| list(found, table, report_type));
    if let (Some((query, _)), Some((report_type, _))) = (&list, &common.report_type) {
        dated::invisible(found, table, report_type, query);
    }
    let (query, event) = list?;
    let Unmarked { rule, from } = common.rule(table, Kind::Event, query)?;
    // It has no value: the one level is what routes see.
    let breach = Comparison { op: Op::Greater, than: 0.0 };
    let levels = vec![Level { name: level?, breach, recover: None }];
    Some(Unmarked { rule: Rule { event: Some(event), levels, ..rule }, from })
}

/// The list of records: see [`EventColumns`].
fn list(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    report_type: &Arc<ReportType>,
) -> Option<(Query, EventColumns)> {
    let wire = &table.wire;
    // The records are those that the date is of, or else what changes, or else the first dataset's.
    let named = wire.date.as_ref().or(wire.changes.as_ref());
    let alias = |text: &Text| {
        let (alias, _) = text.get_ref().split_once('.')?;
        report_type.tables.iter().position(|known| known.alias == alias.trim())
    };
    let record = named.and_then(alias).unwrap_or(0);
    let (query, event) = match check(table, report_type, record) {
        Ok(checked) => checked,
        Err(mistakes) => {
            told(found, table, mistakes);
            return None;
        }
    };
    match query.date {
        // A date without alias: its field says whose it is.
        Some(date) if date.table != record => check(table, report_type, date.table).ok(),
        _ => Some((query, event)),
    }
}

type Checked = Result<(Query, EventColumns), Vec<(Part, Mistake)>>;

fn check(table: &Shaped<RuleToml>, report_type: &Arc<ReportType>, record: usize) -> Checked {
    let wire = &table.wire;
    let own = |text: &'_ Text| text.get_ref().clone();
    let dated = wire.date.as_ref().map(|text| format!("{} as '(at)'", text.get_ref()));
    let changes = wire.changes.as_ref().map(|text| format!("{} as '(changes)'", text.get_ref()));
    let event = EventColumns {
        dated: dated.is_some(),
        groups: wire.group_by.len(),
        changes: changes.is_some(),
    };
    let columns: Vec<String> =
        [Some(format!("{} as '(record)'", report_type.tables[record].alias))]
            .into_iter()
            .chain([dated])
            .flatten()
            .chain(wire.group_by.iter().map(own))
            .chain(changes)
            .chain(wire.columns.iter().map(own))
            .collect();
    let text = QueryText {
        columns: columns.iter().map(String::as_str).collect(),
        sort: event.dated.then_some("'(at)'"),
        ..of_all(wire)
    };
    Ok((Query::check(report_type, &text)?, event))
}

/// Notes mistakes at the texts that the list's columns were made from.
fn told(found: &mut Findings<'_>, table: &Shaped<RuleToml>, mistakes: Vec<(Part, Mistake)>) {
    let wire = &table.wire;
    let texts: Vec<Option<&Text>> = [None]
        .into_iter()
        .chain(wire.date.as_ref().map(Some))
        .chain(wire.group_by.iter().map(Some))
        .chain(wire.changes.as_ref().map(Some))
        .chain(wire.columns.iter().map(Some))
        .collect();
    let date_wrong = mistakes.iter().any(|(part, _)| *part == Part::Date);
    // The date is told as the date, not again as a column.
    let again = |part: &Part| date_wrong && *part == Part::Column(1) && wire.date.is_some();
    let mistakes = mistakes.into_iter().filter(|(part, _)| !again(part)).collect();
    misplaced(found, table, mistakes, &|index| texts.get(index).copied().flatten());
}

/// Keys that only a value has use for.
fn of_no_use_in_an_event_rule(found: &mut Findings<'_>, table: &Shaped<RuleToml>) {
    let wire = &table.wire;
    let text = |text: &Option<Text>| text.as_ref().map(|text| table.at(text));
    let keys = [
        ("value", text(&wire.value)),
        ("out_of", text(&wire.out_of)),
        ("confidence", wire.confidence.as_ref().map(|number| table.at(number))),
        ("baseline", text(&wire.baseline)),
        ("judge", text(&wire.judge)),
        ("min_baseline", wire.min_baseline.as_ref().map(|number| table.at(number))),
        ("calendar", text(&wire.calendar)),
        ("new_within", text(&wire.new_within)),
        ("levels", wire.levels.as_ref().map(|list| table.at(list))),
        ("recover", wire.recover.keys().next().map(|name| table.at(name))),
        ("for", text(&wire.r#for)),
        ("keep_firing_for", text(&wire.keep_firing_for)),
        ("clock", text(&wire.clock)),
        ("min_records", wire.min_records.as_ref().map(|number| table.at(number))),
        ("during", text(&wire.during)),
        ("when_empty", text(&wire.when_empty)),
        ("when_gone", text(&wire.when_gone)),
        ("max_groups", wire.max_groups.as_ref().map(|number| table.at(number))),
        ("expect", wire.expect.as_ref().map(|expect| table.at(expect))),
        ("warm_up", text(&wire.warm_up)),
        ("format", text(&wire.format)),
        ("evidence", wire.evidence.first().map(|text| table.at(text))),
    ];
    for (key, at) in places(&keys) {
        let message = format!("an event has no value, and no use for `{key}`");
        let help = match key {
            "during" => "remove it; routes have `hours`",
            "levels" => "write its one level, e.g. `level = \"warning\"`",
            _ => "remove it, or `kind = \"event\"`",
        };
        found.problem(at, message, help);
    }
}

/// Keys that only an event has use for.
pub(super) fn of_no_use_in_a_state_rule(found: &mut Findings<'_>, table: &Shaped<RuleToml>) {
    let wire = &table.wire;
    let keys = [
        ("level", wire.level.as_ref().map(|text| table.at(text))),
        ("columns", wire.columns.first().map(|text| table.at(text))),
        ("changes", wire.changes.as_ref().map(|text| table.at(text))),
    ];
    for (key, at) in places(&keys) {
        let message = format!("`{key}` is of no use without `kind = \"event\"`");
        let help = match key {
            "level" => "write e.g. `levels = [[\"warning\", \"> 300\"]]`",
            "columns" => "write e.g. `evidence = [\"session as Session\"]`",
            _ => "remove it",
        };
        found.problem(at, message, help);
    }
}
