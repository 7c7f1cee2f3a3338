//! `[calendars]`: hours and holidays.

use std::sync::Arc;

use chrono::NaiveDate;

use super::super::problem::Findings;
use super::super::shape::Raw;
use super::super::wire::CalendarToml;
use super::zone;
use crate::domain::calendar::Calendar;
use crate::domain::holidays::Holidays;
use crate::domain::zone::Zone;

/// Lowers one calendar.
pub(super) fn lower(
    raw: Raw<'_>,
    found: &mut Findings<'_>,
    default: &Zone,
) -> Option<Arc<Calendar>> {
    let table = raw.shape::<CalendarToml>(found, &[]);
    let wire = &table.wire;
    let before = found.count();
    let zone = zone(found, table.file, wire.timezone.as_ref(), default);
    let mut holidays = Vec::new();
    for text in &wire.holidays {
        match NaiveDate::parse_from_str(text.get_ref(), "%Y-%m-%d") {
            Ok(date) if holidays.contains(&date) => {
                found.problem(table.at(text), format!("holiday `{date}` is written twice"), None);
            }
            Ok(date) => holidays.push(date),
            Err(_) => {
                let message = format!("`{}` is not a date", text.get_ref());
                found.problem(table.at(text), message, "write e.g. `2026-12-25`");
            }
        }
    }
    let country = wire
        .country
        .as_ref()
        .and_then(|code| found.mended(table.at(code), Holidays::of(code.get_ref())));
    let hours: Vec<_> = wire.hours.iter().collect();
    let texts: Vec<(&str, &str)> = hours
        .iter()
        .map(|(days, ranges)| (days.get_ref().as_str(), ranges.get_ref().as_str()))
        .collect();
    let zone = zone.unwrap_or_else(|| default.clone());
    match Calendar::parse(&table.name, zone, &texts, &holidays) {
        Ok(calendar) => (found.count() == before).then(|| Arc::new(calendar.in_country(country))),
        Err(mistakes) => {
            for (index, message) in mistakes {
                let at = hours.get(index).map_or(table.at.clone(), |(_, ranges)| table.at(ranges));
                found.problem(at, message, "write e.g. `mon-fri = \"08:00-18:00\"`");
            }
            None
        }
    }
}
