//! Civil units of instants: which day, week, month, hour or weekday an instant falls in.
//!
//! The same code answers inside the database and after it, so both agree, and no database's zone
//! data is asked. What the zone says is kept: a scan over a million records asks it once a day.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use super::Unit;
use crate::domain::value::Value;
use crate::domain::zone::Zone;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// More days than this are not kept; a thousand years is plenty.
const DAYS_KEPT_MAX: usize = 400_000;

/// A zone and the weekday its weeks begin on, with what was asked before.
#[derive(Debug)]
pub(crate) struct Civil {
    zone: Zone,
    week_starts: u8,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Stretches of one offset from UTC, in order: first and end millisecond, offset in ms.
    offsets: Vec<(i64, i64, i64)>,
    /// First instants (ms) of civil dates, by days since 1970.
    days: HashMap<i64, i64>,
}

impl Civil {
    /// `week_starts` is 1 (Monday) to 7 (Sunday).
    pub(crate) fn new(zone: Zone, week_starts: u8) -> Civil {
        Civil { zone, week_starts: week_starts.clamp(1, 7), kept: Mutex::default() }
    }

    /// The unit that holds an instant (ms since 1970): of days, weeks and months their first
    /// instant in ms, else a number. `None` beyond the years that calendars know.
    pub(crate) fn unit(&self, unit: Unit, ms: i64) -> Option<i64> {
        DateTime::from_timestamp_millis(ms)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let local = ms + kept.offset(&self.zone, ms)?;
        let day = local.div_euclid(DAY_MS);
        // 1970-01-01 was a Thursday.
        let weekday = (day + 3).rem_euclid(7) + 1;
        let first = match unit {
            Unit::Hour => return Some(local.div_euclid(HOUR_MS).rem_euclid(24)),
            Unit::Weekday => return Some(weekday),
            Unit::Day => day,
            Unit::Week => day - (weekday + 7 - i64::from(self.week_starts)).rem_euclid(7),
            Unit::Month => days_of(date_of(day)?.with_day(1)?),
        };
        kept.start_of(&self.zone, first)
    }

    /// The same as a value.
    pub(crate) fn value(&self, unit: Unit, at: DateTime<Utc>) -> Value {
        match (unit, self.unit(unit, at.timestamp_millis())) {
            (_, None) => Value::Null,
            (Unit::Hour | Unit::Weekday, Some(number)) => Value::Integer(number),
            (_, Some(ms)) => {
                DateTime::from_timestamp_millis(ms).map_or(Value::Null, Value::Timestamp)
            }
        }
    }

    /// A unit for people: dates as ISO writes them, weekdays by name.
    pub(crate) fn words(&self, unit: Unit, value: &Value) -> Value {
        const WEEKDAYS: [&str; 7] =
            ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let text = match (unit, value) {
            (Unit::Day, Value::Timestamp(at)) => self.zone.civil(*at).date().to_string(),
            (Unit::Week, Value::Timestamp(at)) => {
                format!("week of {}", self.zone.civil(*at).date())
            }
            (Unit::Month, Value::Timestamp(at)) => {
                self.zone.civil(*at).date().format("%Y-%m").to_string()
            }
            (Unit::Weekday, Value::Integer(number @ 1..=7)) => {
                WEEKDAYS[*number as usize - 1].to_owned()
            }
            (_, other) => return other.clone(),
        };
        Value::Text(text)
    }
}

impl Kept {
    /// The offset from UTC in force at an instant, both in milliseconds.
    fn offset(&mut self, zone: &Zone, ms: i64) -> Option<i64> {
        let behind = self.offsets.partition_point(|(from, _, _)| *from <= ms);
        if let Some((_, to, offset)) = behind.checked_sub(1).map(|index| self.offsets[index])
            && ms < to
        {
            return Some(offset);
        }
        let at = DateTime::from_timestamp_millis(ms)?;
        let offset = i64::from(zone.offset_seconds(at)) * 1000;
        let to = zone.next_change(at).map_or(i64::MAX, |change| change.timestamp_millis());
        match self.offsets.get_mut(behind) {
            // The next stretch is the same one, begun earlier.
            Some(next) if next.1 == to => next.0 = ms,
            _ => self.offsets.insert(behind, (ms, to, offset)),
        }
        Some(offset)
    }

    fn start_of(&mut self, zone: &Zone, day: i64) -> Option<i64> {
        if let Some(start) = self.days.get(&day) {
            return Some(*start);
        }
        if self.days.len() >= DAYS_KEPT_MAX {
            self.days.clear();
        }
        let start = zone.first_instant(date_of(day)?.and_hms_opt(0, 0, 0)?).timestamp_millis();
        self.days.insert(day, start);
        Some(start)
    }
}

fn date_of(day: i64) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(i32::try_from(day).ok()?)
}

fn days_of(date: NaiveDate) -> i64 {
    i64::from(date.to_epoch_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(zone: &str, unit: Unit, at: &str, expected: &str) {
        let at: DateTime<Utc> = at.parse().unwrap();
        let civil = Civil::new(Zone::named(zone).unwrap(), 1);
        let shown = |value: Value| match value {
            Value::Timestamp(at) => at.to_rfc3339(),
            Value::Integer(n) => n.to_string(),
            other => format!("{other:?}"),
        };
        let first = shown(civil.value(unit, at));
        // What was asked before changes no answer.
        for days in [-400, 400, -1, 1, 0] {
            civil.unit(unit, at.timestamp_millis() + days * DAY_MS);
        }
        assert_eq!((first.as_str(), shown(civil.value(unit, at)).as_str()), (expected, expected));
    }

    #[test]
    fn units_follow_the_zone() {
        let berlin = "Europe/Berlin";
        check(berlin, Unit::Day, "2026-03-29T21:59:59Z", "2026-03-28T23:00:00+00:00");
        check(berlin, Unit::Day, "2026-03-29T22:00:00Z", "2026-03-29T22:00:00+00:00");
        // The clock goes from 2 to 3, and in autumn the hour from 2 to 3 comes twice.
        check(berlin, Unit::Hour, "2026-03-29T00:59:59Z", "1");
        check(berlin, Unit::Hour, "2026-03-29T01:00:00Z", "3");
        check(berlin, Unit::Hour, "2026-10-25T00:30:00Z", "2");
        check(berlin, Unit::Hour, "2026-10-25T01:30:00Z", "2");
        check(berlin, Unit::Hour, "2026-10-25T02:30:00Z", "3");
        check(berlin, Unit::Weekday, "2026-11-22T22:59:59Z", "7");
        check(berlin, Unit::Weekday, "2026-11-22T23:00:00Z", "1");
        check(berlin, Unit::Week, "2026-11-22T22:00:00Z", "2026-11-15T23:00:00+00:00");
        check(berlin, Unit::Month, "2026-11-22T22:00:00Z", "2026-10-31T23:00:00+00:00");
        // Midnight does not exist: the day begins at one.
        check("America/Santiago", Unit::Day, "2026-09-06T12:00:00Z", "2026-09-06T04:00:00+00:00");
        check("Asia/Kathmandu", Unit::Hour, "1969-12-31T23:59:59Z", "5");
    }

    #[test]
    fn weeks_begin_where_they_are_said_to() {
        let at: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        for (starts, day) in [(1, 16), (7, 22), (6, 21), (2, 17)] {
            let civil = Civil::new(Zone::utc(), starts);
            let Value::Timestamp(first) = civil.value(Unit::Week, at) else { panic!() };
            assert_eq!(first.day(), day, "from weekday {starts}");
        }
    }

    #[test]
    fn instants_beyond_the_calendar_have_no_unit() {
        let civil = Civil::new(Zone::utc(), 1);
        for ms in [i64::MIN, i64::MAX] {
            assert_eq!(civil.unit(Unit::Day, ms), None);
        }
    }
}
