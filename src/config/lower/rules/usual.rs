//! What the value of a rule is out of, and what it is compared with.

use std::sync::Arc;

use chrono::TimeDelta;

use super::super::super::problem::{Findings, suggestion};
use super::super::super::shape::Shaped;
use super::super::super::wire::RuleToml;
use super::super::{Names, word};
use crate::domain::calendar::Calendar;
use crate::domain::compare::{Noise, noise};
use crate::domain::query::Query;
use crate::domain::report::Format;
use crate::domain::rule::usual::WEEKS_MAX;
use crate::domain::rule::{Baseline, Judge, Level, Ratio, Usual};

/// Fewer weeks than this show no usual spread.
const WEEKS_OF_SPREAD_MIN: u32 = 4;

/// How sure a ratio must be, where nothing is said.
const CONFIDENCE: f64 = 0.95;

/// The ratio, if `out_of` makes the value one.
pub(super) fn ratio(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    query: Option<&Query>,
) -> Option<Ratio> {
    let wire = &table.wire;
    if let (Some(confidence), None) = (&wire.confidence, &wire.out_of) {
        let help = "write what the value is out of, e.g. `out_of = \"count()\"`";
        found.problem(table.at(confidence), "`confidence` without `out_of`", help);
    }
    if let (Some(confidence), Some(_)) = (&wire.confidence, &wire.baseline) {
        let message = "what is compared with a baseline has no bound of its own";
        found.problem(table.at(confidence), message, "remove `confidence` or `baseline`");
    }
    let out_of = wire.out_of.as_ref()?;
    if let Some(query) = query {
        for (text, column) in wire.value.iter().zip([0]).chain([(out_of, 2)]) {
            let column = query.columns.get(column);
            if column.is_some_and(|column| noise(query, column) != Noise::Count) {
                let message = format!("a share is of counts, `{}` is none", text.get_ref());
                let help = "write e.g. `count() filter (where ...)` out of `count()`";
                found.problem(table.at(text), message, help);
            }
        }
    }
    let confidence = match &wire.confidence {
        None => CONFIDENCE,
        Some(written) => match *written.get_ref() {
            confidence if confidence == 0.0 || (0.5..=0.9999).contains(&confidence) => confidence,
            confidence => {
                let message = format!("`{confidence}` is no confidence");
                let help = "write 0.5 to 0.9999, e.g. `0.95`, or 0 to judge the share alone";
                found.problem(table.at(written), message, help);
                CONFIDENCE
            }
        },
    };
    Some(Ratio { confidence })
}

/// What the value is compared with, if it is.
pub(super) fn usual(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    names: &Names,
    (window, during): (Option<TimeDelta>, Option<&Arc<Calendar>>),
) -> Option<Usual> {
    let wire = &table.wire;
    let calendar = wire.calendar.as_ref().map(|name| names.calendars.find(found, table.file, name));
    let judge = wire.judge.as_ref().and_then(|text| {
        let words = [
            ("change", Judge::Change),
            ("difference", Judge::Difference),
            ("deviations", Judge::Deviations),
            ("chance", Judge::Chance),
        ];
        word(found, table.file, text, &words)
    });
    let Some(text) = &wire.baseline else {
        without_baseline(found, table);
        return None;
    };
    let baseline = parse(text.get_ref());
    let Some(baseline) = baseline else {
        let words = ["previous window", "same time last week", "median of 8 weeks"];
        let help = suggestion(text.get_ref(), words);
        found.problem(table.at(text), format!("unknown value `{}`", text.get_ref()), help);
        return None;
    };
    let by_week = baseline != Baseline::PreviousWindow;
    match (window, baseline) {
        _ if wire.window.is_none() => {
            let message =
                "only a window can be compared: of the state as it is, the past is not kept";
            found.problem(table.at(text), message, "write `date` and e.g. `window = \"1 h\"`");
        }
        (Some(window), _) if by_week && window > TimeDelta::days(7) => {
            let message = "windows of more than a week overlap with those of other weeks";
            found.problem(table.at(text), message, "write a window of at most `7 days`");
        }
        (_, Baseline::MedianOfWeeks(weeks)) if !(2..=WEEKS_MAX).contains(&weeks) => {
            let message = format!("a median is of 2 to {WEEKS_MAX} weeks, not {weeks}");
            found.problem(table.at(text), message, "write e.g. `median of 8 weeks`");
        }
        _ => {}
    }
    if let (Some(written), false) = (&wire.calendar, by_week) {
        let message = "the previous window leaves no holidays out";
        found.problem(table.at(written), message, "remove `calendar`, or compare with weeks");
    }
    let min_baseline = match &wire.min_baseline {
        Some(written) if !(*written.get_ref() >= 0.0 && written.get_ref().is_finite()) => {
            let message = format!("`{}` is no floor of a baseline", written.get_ref());
            found.problem(table.at(written), message, "write e.g. `20`");
            0.0
        }
        Some(written) => *written.get_ref(),
        // A difference may well be to nothing, or to less.
        None => f64::NEG_INFINITY,
    };
    let calendar = match calendar {
        Some(calendar) => calendar,
        None => during.filter(|_| by_week).cloned(),
    };
    Some(Usual { baseline, judge: judge.unwrap_or(Judge::Change), min_baseline, calendar })
}

fn parse(text: &str) -> Option<Baseline> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["previous", "window"] => Some(Baseline::PreviousWindow),
        ["same", "time", "last", "week"] => Some(Baseline::LastWeek),
        ["median", "of", weeks, "weeks"] => weeks.parse().ok().map(Baseline::MedianOfWeeks),
        _ => None,
    }
}

/// What says something about a baseline where there is none.
fn without_baseline(found: &mut Findings<'_>, table: &Shaped<RuleToml>) {
    let wire = &table.wire;
    let places = [
        ("judge", wire.judge.as_ref().map(|text| table.at(text))),
        ("min_baseline", wire.min_baseline.as_ref().map(|number| table.at(number))),
        ("calendar", wire.calendar.as_ref().map(|text| table.at(text))),
    ];
    for (key, at) in places {
        if let Some(at) = at {
            let help =
                "write what the value is compared with, e.g. `baseline = \"median of 8 weeks\"`";
            found.problem(at, format!("`{key}` without `baseline`"), help);
        }
    }
}

/// What the judgement asks of value, baseline and levels.
pub(super) fn fits(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    usual: &Usual,
    query: &Query,
    levels: &[Level],
) {
    let wire = &table.wire;
    let Some(at) = wire.judge.as_ref().map(|text| table.at(text)) else { return };
    match (usual.judge, usual.baseline) {
        (Judge::Deviations, Baseline::MedianOfWeeks(WEEKS_OF_SPREAD_MIN..)) => {}
        (Judge::Deviations, _) => {
            let message = "how much a value scatters is seen in several weeks only";
            let help =
                format!("write e.g. `baseline = \"median of {} weeks\"`", WEEKS_OF_SPREAD_MIN * 2);
            found.problem(at, message, help);
        }
        (Judge::Chance, _) => {
            let column = query.columns.first();
            let counted = column.is_some_and(|column| noise(query, column) == Noise::Count);
            if wire.out_of.is_some() || !counted {
                let message = "only a count has a chance: how likely so few are";
                let help = "write e.g. `value = \"count()\"`, or another `judge`";
                found.problem(at.clone(), message, help);
            }
            let possible = |level: &Level| {
                level.breach.upward() == Some(false) && (0.0..=1.0).contains(&level.breach.than)
            };
            let impossible = levels.iter().find(|level| !possible(level));
            if let (Some(level), Some(list)) = (impossible, &wire.levels) {
                let message = format!("a chance is from 0 to 1 and rare below: `{}`", level.breach);
                let pair = list.get_ref().iter().find(|(name, _)| *name.get_ref() == level.name);
                let at = pair.map_or(at, |(_, breach)| table.at(breach));
                found.problem(at, message, "write e.g. `< 0.001`");
            }
        }
        (Judge::Change | Judge::Difference, _) => {}
    }
}

/// How what levels judge is written, and how the value itself.
pub(super) fn formats(
    written: Option<Format>,
    ratio: Option<Ratio>,
    usual: Option<&Usual>,
) -> (Format, Format) {
    let own = written.unwrap_or(if ratio.is_some() { Format::Percent } else { Format::Auto });
    let judged = match usual.map(|usual| usual.judge) {
        None | Some(Judge::Difference) => own,
        Some(Judge::Change) => Format::Percent,
        Some(Judge::Deviations) => Format::Decimals(1),
        Some(Judge::Chance) => Format::Auto,
    };
    (judged, own)
}
