//! Calendars: business hours and holidays in a zone.

use chrono::{DateTime, NaiveDate, Utc};

use super::zone::Zone;

/// Hours of the week in a zone, without holidays.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// Its name in `[calendars]`.
    pub name: String,
}

impl Calendar {
    /// Makes one. `hours` are pairs such as (`mon-fri`, `08:00-18:00`); a range may wrap midnight,
    /// `24:00` is legal, several ranges are separated by commas. Mistakes come as (index, message).
    pub fn parse(
        _name: &str,
        _zone: Zone,
        _hours: &[(&str, &str)],
        _holidays: &[NaiveDate],
    ) -> Result<Calendar, Vec<(usize, String)>> {
        unimplemented!("time helper")
    }
    /// Whether an instant is inside the hours.
    pub fn contains(&self, _at: DateTime<Utc>) -> bool {
        unimplemented!("time helper")
    }
    /// Whether the half-open stretch lies wholly inside the hours.
    pub fn covers(&self, _from: DateTime<Utc>, _to: DateTime<Utc>) -> bool {
        unimplemented!("time helper")
    }
    /// Whether a civil date is a holiday.
    pub fn is_holiday(&self, _date: NaiveDate) -> bool {
        unimplemented!("time helper")
    }
}
