//! When a route tells: waiting, repeating, escalating.

use chrono::TimeDelta;

use super::super::super::problem::Findings;
use super::super::super::shape::Shaped;
use super::super::super::text::At;
use super::super::super::units;
use super::super::super::wire::{RouteToml, Text};
use super::super::Names;
use super::{Written, receivers};
use crate::domain::route::{Escalation, Repeat, Route};

/// What a group waits for where its route does not say.
const WAIT: TimeDelta = TimeDelta::seconds(30);
/// The time between its notices.
const INTERVAL: TimeDelta = TimeDelta::minutes(5);
/// Nobody wants to hear of a new incident later than this.
const WAIT_MAX: TimeDelta = TimeDelta::days(1);
/// More often than this nobody is reminded.
const REPEAT_MIN: TimeDelta = TimeDelta::minutes(1);
/// Steps of one route.
const STEPS_MAX: usize = 8;

/// `wait` and `interval`.
pub(super) fn waits(
    table: &Shaped<RouteToml>,
    found: &mut Findings<'_>,
) -> Option<(TimeDelta, TimeDelta)> {
    let wire = &table.wire;
    let grouped = !wire.group_by.is_empty();
    let mut read = |text: &Option<Text>, default: TimeDelta| match text {
        None if grouped => Some(default),
        None => Some(TimeDelta::zero()),
        Some(text) => match units::duration(text.get_ref()) {
            Ok(length) if length > WAIT_MAX => {
                let help = "news waits a day at most; `hours` and `mute` are for nights";
                let message = format!("`{}` is too long to wait", text.get_ref());
                found.problem(table.at(text), message, help);
                None
            }
            length => found.value(table.at(text), length),
        },
    };
    let (wait, interval) = (read(&wire.wait, WAIT), read(&wire.interval, INTERVAL));
    Some((wait?, interval?))
}

/// `repeat`, a length of time or a table; `None`: not written.
pub(super) fn repeat(written: &Written, found: &mut Findings<'_>) -> Option<Option<Repeat>> {
    if let Some(table) = &written.repeat {
        let wire = &table.wire;
        let every = table.required(found, "every", &wire.every, "\"1 h\"");
        let every = every.map(|text| often_enough(found, table.file, text));
        let max = wire.max.as_ref().map(|text| {
            let length = units::duration_above_zero(text.get_ref());
            let length = found.value(At::new(table.file, text.span()), length)?;
            if every.flatten().is_some_and(|every| length < every) {
                let message = "`max` is shorter than `every`";
                found.problem(At::new(table.file, text.span()), message, "make it longer");
            }
            Some(length)
        });
        let growth = wire.growth.as_ref().map(|growth| {
            let number = *growth.get_ref();
            let right = (1.0..=100.0).contains(&number);
            if !right {
                let message = format!("`{number}` is no growth");
                found.problem(
                    table.at(growth),
                    message,
                    "write a number from 1 to 100, e.g. `2.0`",
                );
            }
            right.then_some(number)
        });
        let times = wire.times.as_ref().map(|times| {
            if *times.get_ref() == 0 {
                let help = "leave `repeat` out: then there are no reminders";
                found.problem(table.at(times), "no reminders at all", help);
            }
            *times.get_ref()
        });
        let repeat = || {
            Some(Repeat {
                every: every??,
                growth: super::whole(growth)?.unwrap_or(1.0),
                max: super::whole(max)?,
                times,
            })
        };
        return Some(repeat());
    }
    let table = &written.table;
    let text = table.wire.repeat.as_ref()?;
    Some(often_enough(found, table.file, text).map(Repeat::every))
}

fn often_enough(found: &mut Findings<'_>, file: usize, text: &Text) -> Option<TimeDelta> {
    let at = At::new(file, text.span());
    let length = found.value(at.clone(), units::duration_above_zero(text.get_ref()))?;
    if length < REPEAT_MIN {
        let message = format!("a reminder every {} is too many", units::words(length));
        found.problem(at, message, "write `1 min` or more");
        return None;
    }
    Some(length)
}

/// `escalate`: steps, each later than the one before.
pub(super) fn escalate(
    table: &Shaped<RouteToml>,
    found: &mut Findings<'_>,
    names: &mut Names,
) -> Option<Vec<Escalation>> {
    let before = found.count();
    let mut steps: Vec<Escalation> = Vec::new();
    if let Some(step) = table.wire.escalate.get(STEPS_MAX) {
        found.problem(table.at(step), format!("more than {STEPS_MAX} steps"), "name fewer");
    }
    for (index, written) in table.wire.escalate.iter().enumerate() {
        let (at, step) = (table.at(written), written.get_ref());
        let mut missing = |key: &str, example: &str| {
            let message = format!("step {} of `escalate` has no `{key}`", index + 1);
            found.problem(at.clone(), message, format!("write e.g. `{key} = {example}`"));
        };
        if step.after.is_none() {
            missing("after", "\"30 min\"");
        }
        if step.to.is_none() {
            missing("to", "[\"boss@example.com\"]");
        }
        let after = step.after.as_ref().and_then(|text| {
            let length = units::duration_above_zero(text.get_ref());
            let after = found.value(table.at(text), length)?;
            if steps.last().is_some_and(|last| after <= last.after) {
                let message = "a step that is not later than the one before it";
                found.problem(table.at(text), message, "write the steps in order, soonest first");
            }
            Some(after)
        });
        let to = step
            .to
            .as_ref()
            .map(|list| receivers(found, names, table.file, list, "an escalation to nobody"));
        if let (Some(after), Some(to)) = (after, to) {
            steps.push(Escalation { after, to });
        }
    }
    (found.count() == before).then_some(steps)
}

/// Whether a route makes anything of its `clock`.
pub(super) fn counts(route: &Route) -> bool {
    route.repeat.is_some() || !route.escalate.is_empty()
}
