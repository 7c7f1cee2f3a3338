//! The querying user's time zone: date literals and `convertTimezone()` follow it.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::domain::zone;

/// A zone of the IANA database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone(zone::Zone);

impl Zone {
    /// The zone of this name; UTC if there is none.
    pub(crate) fn named(name: &str) -> Zone {
        Zone(zone::Zone::named(name).unwrap_or_else(|_| zone::Zone::utc()))
    }

    /// What clocks show at an instant (seconds since 1970).
    pub(crate) fn local(&self, seconds: i64) -> NaiveDateTime {
        self.0.civil(DateTime::from_timestamp(seconds, 0).unwrap_or_default())
    }

    /// The first instant of a civil date, in seconds since 1970.
    pub(crate) fn midnight(&self, date: NaiveDate) -> i64 {
        self.0.start_of(date).timestamp()
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
