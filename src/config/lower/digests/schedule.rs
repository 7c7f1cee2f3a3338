//! When a digest goes out.

use super::super::super::problem::Findings;
use super::super::super::shape::Shaped;
use super::super::super::units;
use super::super::super::wire::DigestToml;
use super::super::{Names, word, zone};
use crate::domain::schedule::{Missed, Schedule};

/// The schedule of a digest; `None` only where a mistake was noted.
pub(super) fn schedule(
    found: &mut Findings<'_>,
    names: &Names,
    table: &Shaped<DigestToml>,
) -> Option<Schedule> {
    let wire = &table.wire;
    let zone = zone(found, table.file, wire.timezone.as_ref(), &names.general.zone);
    let missed = [("latest", Missed::Latest), ("all", Missed::All), ("none", Missed::None)];
    let missed = wire.missed.as_ref().map(|text| word(found, table.file, text, &missed));
    let lateness = wire
        .max_lateness
        .as_ref()
        .map(|text| found.value(table.at(text), units::duration_above_zero(text.get_ref())));
    let calendar = wire.calendar.as_ref().map(|name| names.calendars.find(found, table.file, name));
    let pattern = table.required(found, "schedule", &wire.schedule, "\"0 8 * * mon-fri\"")?;
    let mut schedule = match Schedule::parse(pattern.get_ref(), zone?) {
        Ok(schedule) => schedule,
        Err(message) => {
            let help =
                "write five fields: minute, hour, day, month, weekday, e.g. `0 8 * * mon-fri`";
            found.problem(table.at(pattern), message, help);
            return None;
        }
    };
    if let Some(missed) = missed {
        schedule.missed = missed?;
    }
    if let Some(lateness) = lateness {
        schedule.max_lateness = Some(lateness?);
    }
    if let Some(calendar) = calendar {
        schedule.calendar = Some(calendar?);
    }
    Some(schedule)
}
