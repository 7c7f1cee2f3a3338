//! When a digest goes out.

use chrono::NaiveDate;

use super::super::super::problem::Findings;
use super::super::super::shape::Shaped;
use super::super::super::units;
use super::super::super::wire::{DigestToml, PausedToml, Text};
use super::super::{Names, word, zone};
use crate::domain::schedule::{Missed, OnClosed, Paused, Schedule};

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
    let closed =
        [("skip", OnClosed::Skip), ("next", OnClosed::Next), ("previous", OnClosed::Previous)];
    let on_closed = wire.on_closed.as_ref().map(|text| word(found, table.file, text, &closed));
    let dates = (date(found, table, &wire.start), date(found, table, &wire.end));
    if let ((Some(start), Some(end)), Some(text)) = (dates, &wire.end)
        && end < start
    {
        let message = format!("it ends on {end}, before it begins on {start}");
        found.problem(table.at(text), message, "write a date after `start`");
    }
    let paused = paused(found, table);
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
    schedule.dates = dates;
    schedule.paused = paused?;
    if let (Some(on_closed), Some(text)) = (on_closed, &wire.on_closed) {
        schedule.on_closed = on_closed?;
        let trouble = match (schedule.on_closed, wire.calendar.is_some()) {
            (_, false) => Some(("nothing says which days are closed", "add a `calendar`")),
            (OnClosed::Skip, _) => None,
            _ if schedule.is_elapsed() => Some((
                "a schedule of every hour has no slot that could move",
                "write the hours, e.g. `0 8 * * *`",
            )),
            _ => None,
        };
        if let Some((message, help)) = trouble {
            found.problem(table.at(text), message, help);
        }
    }
    Some(schedule)
}

fn date(
    found: &mut Findings<'_>,
    table: &Shaped<DigestToml>,
    written: &Option<Text>,
) -> Option<NaiveDate> {
    let text = written.as_ref()?;
    let date = read_date(text.get_ref());
    if date.is_none() {
        let message = format!("`{}` is not a date", text.get_ref());
        found.problem(table.at(text), message, "write e.g. `2026-12-24`");
    }
    date
}

fn read_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

/// `paused`, as a word or until a date; `None` only where a mistake was noted.
fn paused(found: &mut Findings<'_>, table: &Shaped<DigestToml>) -> Option<Paused> {
    let Some(written) = &table.wire.paused else { return Some(Paused::No) };
    match written.get_ref() {
        PausedToml::Plain(false) => Some(Paused::No),
        PausedToml::Plain(true) => Some(Paused::Yes),
        PausedToml::Until(text) => {
            let date = read_date(text);
            if date.is_none() {
                let message = format!("`{text}` is not a date");
                found.problem(table.at(written), message, "write `true`, or e.g. `2026-12-24`");
            }
            date.map(Paused::Until)
        }
    }
}
