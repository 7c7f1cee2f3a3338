//! The lengths of time of a rule: window, grid, settling and holds.

use chrono::TimeDelta;

use super::super::super::problem::Findings;
use super::super::super::shape::Shaped;
use super::super::super::units;
use super::super::super::wire::{RuleToml, Text};
use crate::domain::rule::Hold;

/// More evaluations in a row than this are better written as a length of time.
const EVALUATIONS_MAX: u32 = 1000;

/// What a rule's lengths of time are, those not written with what is then in force.
pub(super) struct Lengths {
    pub(super) window: Option<TimeDelta>,
    pub(super) every: TimeDelta,
    pub(super) settle: TimeDelta,
    pub(super) hold: Hold,
    pub(super) keep_firing_for: Hold,
    pub(super) warm_up: TimeDelta,
    pub(super) new_within: Option<TimeDelta>,
}

impl Lengths {
    pub(super) fn lower(found: &mut Findings<'_>, table: &Shaped<RuleToml>) -> Lengths {
        let wire = &table.wire;
        let mut read = |text: &Option<Text>, parse: fn(&str) -> Result<TimeDelta, String>| {
            text.as_ref().and_then(|text| found.value(table.at(text), parse(text.get_ref())))
        };
        let window = read(&wire.window, units::duration_above_zero);
        let every = read(&wire.every, units::duration_above_zero);
        let settle = read(&wire.settle, units::duration);
        let warm_up = read(&wire.warm_up, units::duration);
        let new_within = read(&wire.new_within, units::duration_above_zero);
        let mut hold = |text: &Option<Text>| {
            let text = text.as_ref();
            text.and_then(|text| found.mended(table.at(text), hold(text.get_ref())))
        };
        let (held, keep_firing_for) = (hold(&wire.r#for), hold(&wire.keep_firing_for));
        if let (Some(text), Some(length)) = (&wire.every, every)
            && (length < TimeDelta::seconds(10) || length > TimeDelta::days(1))
        {
            let message = format!("`every` is from 10 s to 1 day, not {}", units::words(length));
            found.problem(table.at(text), message, None);
        }
        Lengths {
            window,
            every: every.unwrap_or_else(|| TimeDelta::minutes(5)),
            // A rule without window reads the state as it is: nothing has to settle.
            settle: settle
                .unwrap_or_else(|| TimeDelta::minutes(if wire.window.is_some() { 2 } else { 0 })),
            hold: held.unwrap_or_default(),
            keep_firing_for: keep_firing_for.unwrap_or_default(),
            warm_up: warm_up.unwrap_or_default(),
            new_within,
        }
    }
}

/// `5 min` or `3 evaluations`.
fn hold(text: &str) -> Result<Hold, String> {
    let count =
        ["evaluations", "evaluation"].iter().find_map(|word| text.trim().strip_suffix(word));
    let Some(count) = count else { return units::duration(text).map(Hold::Length) };
    match count.trim().parse::<u32>() {
        Ok(count @ 1..=EVALUATIONS_MAX) => Ok(Hold::Evaluations(count)),
        _ => Err(format!(
            "`{text}` is no number of evaluations; write e.g. `3 evaluations`, from 1 to \
             {EVALUATIONS_MAX}"
        )),
    }
}
