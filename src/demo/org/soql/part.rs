//! Date functions: the part of an instant or a date that a query groups by or compares.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike};

use crate::demo::org::schema::Kind;
use crate::demo::org::value::Cell;
use crate::demo::org::zone::Zone;

/// Which part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatePart {
    Year,
    Quarter,
    Month,
    DayInMonth,
    DayInWeek,
    DayInYear,
    DayOnly,
    Hour,
    WeekInMonth,
    WeekInYear,
}

/// All functions by name. The fiscal year of this org is the calendar year.
const NAMES: [(&str, DatePart); 13] = [
    ("CALENDAR_YEAR", DatePart::Year),
    ("CALENDAR_QUARTER", DatePart::Quarter),
    ("CALENDAR_MONTH", DatePart::Month),
    ("FISCAL_YEAR", DatePart::Year),
    ("FISCAL_QUARTER", DatePart::Quarter),
    ("FISCAL_MONTH", DatePart::Month),
    ("DAY_IN_MONTH", DatePart::DayInMonth),
    ("DAY_IN_WEEK", DatePart::DayInWeek),
    ("DAY_IN_YEAR", DatePart::DayInYear),
    ("DAY_ONLY", DatePart::DayOnly),
    ("HOUR_IN_DAY", DatePart::Hour),
    ("WEEK_IN_MONTH", DatePart::WeekInMonth),
    ("WEEK_IN_YEAR", DatePart::WeekInYear),
];

impl DatePart {
    /// The function of this name, in capitals.
    pub(crate) fn named(name: &str) -> Option<DatePart> {
        NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, part)| part)
    }
    /// Whether it can be taken of such a field.
    pub(crate) fn takes(self, kind: Kind) -> bool {
        match self {
            DatePart::DayOnly | DatePart::Hour => kind == Kind::DateTime,
            _ => matches!(kind, Kind::DateTime | Kind::Date),
        }
    }
    /// Kind of the outcome.
    pub(crate) fn kind(self) -> Kind {
        if self == DatePart::DayOnly { Kind::Date } else { Kind::Int }
    }
    /// The part of a value; instants are UTC unless a zone is given.
    pub(crate) fn of(self, cell: Cell<'_>, zone: Option<&Zone>) -> Cell<'static> {
        let local = match (cell, zone) {
            (Cell::At(seconds), Some(zone)) => Some(zone.local(seconds)),
            (Cell::At(seconds), None) => {
                DateTime::from_timestamp(seconds, 0).map(|at| at.naive_utc())
            }
            (Cell::Day(days), _) => date(days).map(|date| date.and_time(chrono::NaiveTime::MIN)),
            _ => None,
        };
        local.map_or(Cell::Null, |local| self.taken(local))
    }

    fn taken(self, local: NaiveDateTime) -> Cell<'static> {
        let number = match self {
            DatePart::DayOnly => return Cell::Day(days(local.date())),
            DatePart::Year => i64::from(local.year()),
            DatePart::Quarter => i64::from(local.month0() / 3 + 1),
            DatePart::Month => i64::from(local.month()),
            DatePart::DayInMonth => i64::from(local.day()),
            // 1 is Sunday.
            DatePart::DayInWeek => i64::from(local.weekday().num_days_from_sunday() + 1),
            DatePart::DayInYear => i64::from(local.ordinal()),
            DatePart::Hour => i64::from(local.hour()),
            // Weeks begin on the first of the month or year, whatever day that is.
            DatePart::WeekInMonth => i64::from(local.day0() / 7 + 1),
            DatePart::WeekInYear => i64::from(local.ordinal0() / 7 + 1),
        };
        Cell::Int(number)
    }
}

/// The days from 1970 to a date.
pub(crate) fn days(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

/// The date so many days after 1970 began.
pub(crate) fn date(days: i64) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(chrono::TimeDelta::try_days(days)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_reference() {
        // A Sunday, 23:30 UTC: Monday in Berlin.
        let at = "2026-03-01T23:30:00Z";
        check(at, "CALENDAR_YEAR", 2026, 2026);
        check(at, "CALENDAR_QUARTER", 1, 1);
        check(at, "CALENDAR_MONTH", 3, 3);
        check(at, "FISCAL_MONTH", 3, 3);
        check(at, "DAY_IN_MONTH", 1, 2);
        check(at, "DAY_IN_WEEK", 1, 2);
        check(at, "DAY_IN_YEAR", 60, 61);
        check(at, "HOUR_IN_DAY", 23, 0);
        check(at, "WEEK_IN_MONTH", 1, 1);
        check(at, "WEEK_IN_YEAR", 9, 9);
        check("2026-01-07T12:00:00Z", "WEEK_IN_YEAR", 1, 1);
        check("2026-01-08T12:00:00Z", "WEEK_IN_YEAR", 2, 2);
    }

    #[track_caller]
    fn check(at: &str, name: &str, utc: i64, berlin: i64) {
        let part = DatePart::named(name).unwrap();
        let cell = Cell::At(at.parse::<DateTime<chrono::Utc>>().unwrap().timestamp());
        assert_eq!(part.of(cell, None), Cell::Int(utc), "{name}");
        assert_eq!(part.of(cell, Some(&Zone::named("Europe/Berlin"))), Cell::Int(berlin), "{name}");
    }

    #[test]
    fn days_count_from_1970_and_nothing_has_no_part() {
        let at = Cell::At(86_400 * 3 + 5);
        assert_eq!(DatePart::DayOnly.of(at, None), Cell::Day(3));
        assert_eq!(DatePart::Year.of(Cell::Day(365), None), Cell::Int(1971));
        assert_eq!(DatePart::Year.of(Cell::Null, None), Cell::Null);
    }
}
