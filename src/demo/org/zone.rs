//! The querying user's time zone: date literals and `convertTimezone()` follow it.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A zone of the IANA database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// The zone of this name; UTC if there is none.
    pub(crate) fn named(name: &str) -> Zone {
        Zone(TimeZone::get(name).unwrap_or(TimeZone::UTC))
    }

    /// What clocks show at an instant (seconds since 1970).
    pub(crate) fn local(&self, seconds: i64) -> NaiveDateTime {
        let at = Timestamp::from_second(seconds).unwrap_or_default();
        let offset = i64::from(self.0.to_offset(at).seconds());
        DateTime::from_timestamp(seconds.saturating_add(offset), 0).unwrap_or_default().naive_utc()
    }

    /// The first instant of a civil date, in seconds since 1970.
    pub(crate) fn midnight(&self, date: NaiveDate) -> i64 {
        let utc = date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
        let day = |date: NaiveDate| {
            let year = i16::try_from(date.year()).ok()?;
            let (month, day) = (date.month() as i8, date.day() as i8);
            jiff::civil::Date::new(year, month, day).ok()
        };
        day(date)
            .and_then(|day| day.to_zoned(self.0.clone()).ok())
            .map_or(utc, |zoned| zoned.timestamp().as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_where_the_zone_says() {
        check("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z");
        check("Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z");
        check("America/Los_Angeles", "2026-01-01", "2026-01-01T08:00:00Z");
        check("Nowhere/Land", "2026-01-01", "2026-01-01T00:00:00Z");
    }

    #[track_caller]
    fn check(name: &str, date: &str, begins: &str) {
        let zone = Zone::named(name);
        let begins = begins.parse::<DateTime<chrono::Utc>>().unwrap().timestamp();
        let date: NaiveDate = date.parse().unwrap();
        assert_eq!(zone.midnight(date), begins, "{name}");
        assert_eq!(zone.local(begins).date(), date, "{name}");
        assert_eq!(zone.local(begins - 1).date(), date.pred_opt().unwrap(), "{name}");
    }
}
