//! Periods: which stretch of time a report is about, computed in a zone from the slot.

use std::str::FromStr;

use chrono::{DateTime, Utc};

use super::zone::Zone;

/// `last 7 days`, `yesterday`, `last week`, `this month`, `last 24 h`, `all time`, ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period(String);

/// A half-open stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First instant inside.
    pub from: DateTime<Utc>,
    /// First instant after.
    pub to: DateTime<Utc>,
}

impl Period {
    /// The window for a slot; `None` for all time. `week_starts` is 1 (Monday) to 7.
    pub fn window(&self, _slot: DateTime<Utc>, _zone: &Zone, _week_starts: u8) -> Option<Window> {
        unimplemented!("time helper")
    }
    /// Its name in words.
    pub fn words(&self) -> &str {
        &self.0
    }
}
impl FromStr for Period {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Period(text.to_owned()))
    }
}
