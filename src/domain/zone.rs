//! Zones: civil time rules from jiff's database, behind chrono's types.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};

/// A time zone by its IANA name.
#[derive(Clone)]
pub struct Zone(jiff::tz::TimeZone);

impl Zone {
    /// The zone of this IANA name; the error says what to write.
    pub fn named(name: &str) -> Result<Zone, String> {
        jiff::tz::TimeZone::get(name)
            .map(Zone)
            .map_err(|_| format!("no time zone is called `{name}`"))
    }
    /// UTC.
    pub fn utc() -> Zone {
        Zone(jiff::tz::TimeZone::UTC)
    }
    /// Its IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
    /// The civil time of an instant.
    pub fn civil(&self, _at: DateTime<Utc>) -> NaiveDateTime {
        unimplemented!("time helper")
    }
    /// The first instant at or after this civil time: in a gap the first instant after it, in an
    /// overlap the first of the two.
    pub fn first_instant(&self, _civil: NaiveDateTime) -> DateTime<Utc> {
        unimplemented!("time helper")
    }
    /// Offset from UTC in seconds at an instant.
    pub fn offset_seconds(&self, _at: DateTime<Utc>) -> i32 {
        unimplemented!("time helper")
    }
    /// Version of the zone database in force, e.g. `2026e`, and where it came from.
    pub fn database() -> (String, String) {
        unimplemented!("time helper")
    }
}
impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}
impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}
