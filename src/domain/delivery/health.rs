//! How a receiver fares: when it last took a message, and when there is no hope for it.

use chrono::{DateTime, TimeDelta, Utc};

/// A receiver that took nothing for so long, however often it was tried, gets nothing any more.
pub const HOPELESS_AFTER: TimeDelta = TimeDelta::days(5);
/// That many failures at least: one message a day says little.
const FAILURES_MIN: u32 = 10;
/// Failures this far apart do not say what was between them.
const GAP_MAX: TimeDelta = TimeDelta::hours(25);

/// What an attempt says about the receiver, whatever it came to for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It took the message.
    Taken,
    /// It refused this message; others may be taken.
    Works,
    /// It took nothing.
    Failed,
}

/// How a receiver fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fares {
    /// When it last took a message.
    pub taken_at: Option<DateTime<Utc>>,
    /// Since when every attempt failed.
    pub failing_since: Option<DateTime<Utc>>,
    /// How many did since.
    pub failures: u32,
    /// When the last one did.
    pub failed_at: Option<DateTime<Utc>>,
}

impl Fares {
    /// How it fares after another attempt.
    pub fn after(self, heard: Heard, now: DateTime<Utc>) -> Fares {
        match heard {
            Heard::Taken => Fares { taken_at: Some(now), ..Fares::default() },
            Heard::Works => Fares { taken_at: self.taken_at, ..Fares::default() },
            Heard::Failed => {
                let throughout = self.failed_at.is_some_and(|last| now - last <= GAP_MAX);
                let (since, failures) = match self.failing_since {
                    Some(since) if throughout => (since, self.failures),
                    _ => (now, 0),
                };
                Fares {
                    failing_since: Some(since),
                    failures: failures.saturating_add(1),
                    failed_at: Some(now),
                    ..self
                }
            }
        }
    }

    /// Whether it has failed for so long that nothing more should be sent.
    pub fn is_hopeless(&self) -> bool {
        let (Some(since), Some(last)) = (self.failing_since, self.failed_at) else { return false };
        last - since >= HOPELESS_AFTER && self.failures >= FAILURES_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attempts `every` so many hours for so many hours: `!` for a failure, `.` taken, `-` refused.
    /// Whether there is no hope afterwards.
    #[track_caller]
    fn check(every: i64, heard: &str, expected: bool) {
        let mut fares = Fares::default();
        for (n, symbol) in (0..).zip(heard.chars()) {
            let now = DateTime::UNIX_EPOCH + TimeDelta::hours(every * n);
            let heard = match symbol {
                '!' => Heard::Failed,
                '.' => Heard::Taken,
                _ => Heard::Works,
            };
            fares = fares.after(heard, now);
        }
        assert_eq!(fares.is_hopeless(), expected, "{fares:?}");
    }

    #[test]
    fn five_days_of_nothing_but_failures_leave_no_hope() {
        check(12, &"!".repeat(11), true);
        check(12, &"!".repeat(10), false);
        // Something was taken on the third day, or the server refused one message only.
        check(12, &format!("{}.{}", "!".repeat(5), "!".repeat(10)), false);
        check(12, &format!("{}-{}", "!".repeat(5), "!".repeat(10)), false);
        check(12, &format!(".{}", "!".repeat(11)), true);
        // A message a week, or a machine that was off: nobody knows what was between.
        check(7 * 24, &"!".repeat(30), false);
        check(24, &"!".repeat(10), true);
        check(1, "", false);
    }

    #[test]
    fn what_it_last_took_is_remembered_while_it_fails() {
        let at = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let fares = Fares::default().after(Heard::Taken, at).after(Heard::Failed, at);
        assert_eq!((fares.taken_at, fares.failing_since, fares.failures), (Some(at), Some(at), 1));
        assert_eq!(fares.after(Heard::Works, at).taken_at, Some(at));
    }
}
