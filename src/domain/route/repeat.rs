//! Repeating: when somebody who was told is told again while an incident goes on.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::calendar::Calendar;
use super::hours;

/// When to tell again while it fires. Each deadline counts from the notice before it, to the instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeat {
    /// The first reminder so long after the last news.
    pub every: TimeDelta,
    /// Each next one so many times later than the one before; 1: always equally.
    pub growth: f64,
    /// Never later than this.
    pub max: Option<TimeDelta>,
    /// At most so many after the last news; `None`: as long as it fires.
    pub times: Option<u32>,
}

impl Repeat {
    /// Always after the same time, as long as it fires.
    pub fn every(every: TimeDelta) -> Repeat {
        Repeat { every, growth: 1.0, max: None, times: None }
    }

    /// How long after the notice before it the reminder comes that follows on so many; `None`: it
    /// does not.
    pub fn delay(&self, reminders: u32) -> Option<TimeDelta> {
        if self.times.is_some_and(|times| reminders >= times) {
            return None;
        }
        // Ten years: beyond it nothing matters, and nothing overflows.
        let most = self.max.unwrap_or(TimeDelta::days(3650)).max(self.every);
        let grown = self.every.num_milliseconds() as f64
            * self.growth.powi(i32::try_from(reminders).unwrap_or(i32::MAX));
        let delay = if grown.is_finite() { TimeDelta::milliseconds(grown as i64) } else { most };
        Some(delay.min(most))
    }

    /// When the reminder falls due that follows on so many, the last notice having been at `since`;
    /// `clock`: its open hours alone count. `None`: never.
    pub fn due(
        &self,
        since: DateTime<Utc>,
        reminders: u32,
        clock: Option<&Calendar>,
    ) -> Option<DateTime<Utc>> {
        hours::after(clock, since, self.delay(reminders)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(growth: f64, max: Option<i64>, times: Option<u32>, expected: &[Option<i64>]) {
        let max = max.map(TimeDelta::minutes);
        let repeat = Repeat { every: TimeDelta::minutes(60), growth, max, times };
        let delays = (0..).map(|n| repeat.delay(n).map(|delay| delay.num_minutes()));
        assert_eq!(delays.take(expected.len()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn reminders_grow_apart_up_to_a_maximum_and_end() {
        check(1.0, None, None, &[Some(60), Some(60), Some(60)]);
        check(2.0, None, None, &[Some(60), Some(120), Some(240)]);
        check(2.0, Some(180), None, &[Some(60), Some(120), Some(180), Some(180)]);
        check(1.5, None, Some(2), &[Some(60), Some(90), None, None]);
        let repeat = Repeat { every: TimeDelta::hours(1), growth: 9.0, max: None, times: None };
        assert_eq!(repeat.delay(4_000_000_000), Some(TimeDelta::days(3650)), "no overflow");
    }
}
