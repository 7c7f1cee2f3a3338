//! The headline of a mail and the words of its templates.

use std::collections::BTreeMap;

use crate::domain::compare::Delta;
use crate::domain::goal::GoalState;
use crate::domain::table::{Section, Table};

use super::super::format::{Locale, clean, clipped};
use super::super::subject::{NO_FIGURE, SubjectWords};
use super::super::view::Mark;
use super::super::view::news::{News, news};
use super::super::words::change::{self, Tone};
use super::DigestMail;
use super::screen::{LATE, SECTIONS_SHOWN};

/// The figure of the subject and the first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::render) struct Figure {
    /// What it is.
    pub(in crate::render) name: String,
    /// How much.
    pub(in crate::render) value: String,
    /// Of which time.
    pub(in crate::render) period: String,
    /// Its change in short: `+6 %`; empty where nothing is compared.
    pub(in crate::render) change: String,
    /// Its goal and whether it is met: `goal ≤ 2 min missed`; empty where it has none.
    pub(in crate::render) goal: String,
    /// The same as people see them beside it.
    pub(in crate::render) marks: Vec<Mark>,
}

/// The headline as written by the locale; `None` if the digest has none. One that could not be made
/// says so instead of a number.
pub(in crate::render) fn figure(mail: &DigestMail, locale: Locale) -> Option<Figure> {
    let headline = mail.headline.as_ref()?;
    Some(match mail.sections.get(headline.report) {
        Some(Section::Table(table)) => of_table(table, headline.column, locale)?,
        Some(Section::Failed { title, .. }) => {
            Figure { name: clipped(title, 60), value: NO_FIGURE.to_owned(), ..Figure::default() }
        }
        None => return None,
    })
}

fn of_table(table: &Table, column: usize, locale: Locale) -> Option<Figure> {
    let heading = table.columns.get(column)?;
    let value = table.figure(column);
    let written = value.and_then(|value| locale.value(value, heading, &table.zone));
    let mut figure = Figure {
        name: clipped(&heading.name, 60),
        value: written.unwrap_or_else(|| NO_FIGURE.to_owned()),
        period: clean(&table.period),
        ..Figure::default()
    };
    if let Some(delta) =
        change_of(table, column).filter(|_| value.and_then(|v| v.number()).is_some())
    {
        figure.change = change::change(delta, heading, locale);
        let against = table.compared.as_ref();
        let against = against.map(|c| format!(" against {}", clipped(&c.words, 100)));
        let told = format!("{}{}", figure.change, against.unwrap_or_default());
        figure.marks.push(match change::unusual(delta) {
            Some((words, tone)) => Mark::new(tone, format!("{words}: {told}")),
            None => Mark::new(Tone::Quiet, told),
        });
    }
    if let Some((goal, state)) =
        heading.goal.zip(value).and_then(|(goal, value)| Some((goal, goal.state(value)?)))
    {
        let goal = change::goal(goal, heading, locale);
        let (words, tone) = change::goal_state(state);
        let word = if state == GoalState::Met { "met" } else { "missed" };
        figure.goal = format!("{goal} {word}");
        figure.marks.push(Mark::new(tone, format!("{words} ({goal})")));
    }
    Some(figure)
}

/// The change of the value that speaks for the whole table.
fn change_of(table: &Table, column: usize) -> Option<&Delta> {
    let beside = match &table.total {
        Some(_) => table.beside_total.as_ref()?,
        None if table.is_figures() => table.beside_total.as_ref().or(table.beside.first())?,
        None => return None,
    };
    beside.deltas.get(column)?.as_ref()
}

/// What the templates of a mail can name.
pub(in crate::render) fn words(mail: &DigestMail, locale: Locale) -> SubjectWords {
    let civil = mail.zone.civil(mail.planned_at);
    let headline = figure(mail, locale);
    let News { missed, unusual, .. } = news(shown(mail), locale);
    let tables = || mail.sections.iter().filter_map(super::super::view::table_of);
    let named = mail.headline.as_ref().and_then(|headline| mail.sections.get(headline.report));
    let named = named.and_then(super::super::view::table_of);
    let period = named.or_else(|| tables().next()).map(|table| clean(&table.period));
    let mut figures: BTreeMap<String, Option<BTreeMap<String, String>>> = BTreeMap::new();
    for section in &mail.sections {
        let (report, columns) = match section {
            Section::Table(table) => (&table.report, Some(totals(table, locale))),
            Section::Failed { report, .. } => (report, None),
        };
        figures.entry(report.clone()).or_insert(columns);
    }
    let (change, goal) =
        headline.as_ref().map(|f| (f.change.clone(), f.goal.clone())).unwrap_or_default();
    SubjectWords {
        digest: clean(&mail.name),
        period: period.unwrap_or_default(),
        headline: headline.map(|f| format!("{} {}", f.name, f.value)).unwrap_or_default(),
        change,
        goal,
        missed,
        unusual,
        date: locale.day(civil.date()),
        time: locale.time(civil.time()),
        part: mail.part.as_deref().map(|part| clipped(part, 80)).unwrap_or_default(),
        reports: mail.sections.len(),
        provisional: tables().any(|table| table.provisional.is_some()),
        late: mail.made_at - mail.planned_at > LATE,
        figures,
    }
}

/// The sections that a mail has room for at all.
pub(super) fn shown(mail: &DigestMail) -> &[Section] {
    &mail.sections[..mail.sections.len().min(SECTIONS_SHOWN)]
}

/// The figures of a table's total, by column; of a pivoted one `WhatsApp: Sessions`.
fn totals(table: &Table, locale: Locale) -> BTreeMap<String, String> {
    let columns = table.columns.iter().enumerate().filter(|(_, column)| !column.grouping);
    let figures = columns.filter_map(|(i, column)| {
        let value = locale.value(table.figure(i)?, column, &table.zone)?;
        Some((column.name.clone(), value))
    });
    figures.collect()
}
