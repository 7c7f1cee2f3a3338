//! Schedules: cron patterns on civil time in a zone, and the slots they plan.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::calendar::Calendar;
use super::zone::Zone;

/// A cron pattern in a zone with its policies.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The pattern as written.
    pub pattern: String,
    /// Its zone.
    pub zone: Zone,
    /// What happens to slots missed while down.
    pub missed: Missed,
    /// A slot later than this is skipped.
    pub max_lateness: Option<TimeDelta>,
    /// Slots outside these hours or on its holidays are skipped.
    pub calendar: Option<Arc<Calendar>>,
}

/// What happens to slots missed while down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The newest one runs, once.
    Latest,
    /// All of them run.
    All,
    /// None runs.
    None,
}

/// One planned instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When.
    pub planned_at: DateTime<Utc>,
    /// Why it does not run; `None` if it does.
    pub skipped: Option<String>,
}

impl Schedule {
    /// Parses a five-field pattern (plus `L`, `W`, `#`).
    pub fn parse(_pattern: &str, _zone: Zone) -> Result<Schedule, String> {
        unimplemented!("time helper")
    }
    /// The planned slots in `(after, until]`, in order, with those that the calendar skips and the
    /// reason; at most `max` of them.
    pub fn slots(&self, _after: DateTime<Utc>, _until: DateTime<Utc>, _max: usize) -> Vec<Slot> {
        unimplemented!("time helper")
    }
    /// The slots that became due in `(considered_until, now]`, with `missed` and `max_lateness`
    /// applied: each is to run or is skipped with the reason.
    pub fn due(&self, _considered_until: DateTime<Utc>, _now: DateTime<Utc>) -> Vec<Slot> {
        unimplemented!("time helper")
    }
}
