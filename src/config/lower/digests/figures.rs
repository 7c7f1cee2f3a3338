//! Figures of a digest's reports that other keys name: the headline, conditions.

use std::sync::Arc;

use super::super::super::problem::{Findings, suggestion};
use super::super::super::wire::Text;
use crate::domain::digest::condition::FigureName;
use crate::domain::digest::{Condition, Headline, SendWhen};
use crate::domain::expr::Mistake;
use crate::domain::report::Report;

/// `report.'Column'` or `report.Column`: a figure of one of the digest's reports.
pub(super) fn headline(
    found: &mut Findings<'_>,
    file: usize,
    text: &Text,
    reports: Option<&[Arc<Report>]>,
) -> Option<Headline> {
    let figure = FigureName::parse(text.get_ref()).and_then(|name| match reports {
        Some(reports) => figure(&name, reports).map(Some),
        // What is wrong with the reports was told.
        None => Ok(None),
    });
    match figure {
        Ok(figure) => figure,
        Err(mistake) => {
            found.mistake(file, text, mistake);
            None
        }
    }
}

/// `send_when`: a few words, or a condition.
pub(super) fn send_when(
    found: &mut Findings<'_>,
    file: usize,
    text: &Text,
    reports: Option<&[Arc<Report>]>,
) -> Option<SendWhen> {
    let words = [
        ("always", SendWhen::Always),
        ("any rows", SendWhen::AnyRows),
        ("no rows", SendWhen::NoRows),
        ("any goal missed", SendWhen::AnyGoalMissed),
        ("changed", SendWhen::Changed),
    ];
    let written = text.get_ref().trim();
    let known = words.iter().find(|(word, _)| *word == written).map(|(_, when)| when.clone());
    let help = "or a condition such as `q1.Sessions > 100`";
    match known {
        Some(SendWhen::AnyGoalMissed)
            if reports.is_some_and(|all| all.iter().all(|report| report.goals.is_empty())) =>
        {
            let message = "no report of the digest has a goal".to_owned();
            let help = Some("write e.g. `goals = { Sessions = \">= 100\" }` in one".to_owned());
            found.mistake(file, text, Mistake { at: 0..text.get_ref().len(), message, help });
            None
        }
        Some(when) => Some(when),
        None if !written.contains(['<', '>', '=']) => {
            let known = suggestion(written, words.iter().map(|(word, _)| *word));
            let help = known.map_or_else(|| help.to_owned(), |known| format!("{known}, {help}"));
            let message = format!("unknown value `{written}`");
            let at = 0..text.get_ref().len();
            found.mistake(file, text, Mistake { at, message, help: Some(help) });
            None
        }
        None => {
            let mut named = |name: &FigureName| match reports {
                Some(reports) => figure(name, reports),
                None => Ok(Headline { report: 0, column: 0 }),
            };
            let condition = Condition::parse(text.get_ref(), &mut named);
            found.mistakes(file, text, condition).map(SendWhen::Condition)
        }
    }
}

/// The total that a name means.
fn figure(name: &FigureName, reports: &[Arc<Report>]) -> Result<Headline, Mistake> {
    let index = place(name, reports)?;
    let (report, written) = (&reports[index], name.report.as_str());
    let (heading, at) = (name.column.as_str(), name.column_at.clone());
    let shown = report.query.columns_shown();
    let (column, trouble) = match shown.iter().position(|column| column.name == heading) {
        None => (0, Some(format!("the report `{written}` has no column `{heading}`"))),
        Some(column) if shown[column].grouping => {
            let message = format!("`{heading}` names the rows of `{written}`, it is not a figure");
            (column, Some(message))
        }
        Some(column) => (column, None),
    };
    if let Some(message) = trouble {
        let figures = shown.iter().filter(|column| !column.grouping);
        let help = suggestion(heading, figures.map(|column| column.name.as_str()));
        return Err(Mistake { at, message, help });
    }
    if report.query.list || !(report.query.total || report.query.groups.is_empty()) {
        let message = format!("the report `{written}` has no total to take `{heading}` from");
        let help =
            format!("write `total = true` in `[reports.{}]`, which must be grouped", report.name);
        return Err(Mistake { at, message, help: Some(help) });
    }
    if report.query.pivot {
        let message = format!("`{heading}` is several columns of `{written}`, one a value");
        let help = "take it from a report without `pivot_by`".to_owned();
        return Err(Mistake { at, message, help: Some(help) });
    }
    Ok(Headline { report: index, column })
}

/// Which of the reports a name means: `name`, or `name#2` where it is there more than once.
fn place(name: &FigureName, reports: &[Arc<Report>]) -> Result<usize, Mistake> {
    let (bare, number) = match name.report.split_once('#') {
        Some((bare, number)) => (bare, Some(number)),
        None => (name.report.as_str(), None),
    };
    let places: Vec<usize> =
        (0..reports.len()).filter(|index| reports[*index].name == bare).collect();
    let number = match (number, places.len()) {
        (_, 0) => {
            let help = suggestion(bare, reports.iter().map(|report| report.name.as_str()));
            let message = format!("`{bare}` is not one of the digest's reports");
            return Err(Mistake { at: name.report_at.clone(), message, help });
        }
        (None, 1) => Some(1),
        (None, _) => None,
        (Some(number), _) => number.parse::<usize>().ok(),
    };
    let place = number.and_then(|number| places.get(number.checked_sub(1)?).copied());
    place.ok_or_else(|| {
        let message = format!("`{bare}` is in the digest {} times", places.len());
        let help = format!("write `{bare}#1` for the first");
        Mistake::new(name.report_at.clone(), message).with_help(help)
    })
}
