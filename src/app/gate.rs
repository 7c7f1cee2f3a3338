//! The gate before all work: shut while the clock cannot be believed.
//!
//! Slots, expiry and retention go by the wall clock, and what they do cannot be taken back: a clock
//! that shows next year for a minute would expire everything that is owed. So a jump of more than a
//! day forward, between two looks a second apart, shuts the gate for half a minute: time enough for
//! whatever set the clock to set it right. A clock that shows a time before this program was written
//! is a dead one, and nothing is done until it is set. One that is far behind what the state has seen
//! is waited for, but not for ever: the state may have been the one that was wrong.
//!
//! A clock that goes back repeats nothing: a slot is claimed once, by its planned instant.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::{Clock, EARLIEST};

/// Forward by more than this in one step is not believed at once.
const LEAP: TimeDelta = TimeDelta::days(1);
/// Backward by more than this is worth telling, and shifts what waits.
const BACK: TimeDelta = TimeDelta::minutes(1);
/// Behind what the state has seen by more than this is waited for.
const BEHIND: TimeDelta = TimeDelta::hours(1);
/// The keeper's looks, one a second, for which a leap shuts the gate.
const LOOKS_AFTER_LEAP: u32 = 30;
/// And a clock that is behind the state.
const LOOKS_BEHIND: u32 = 600;

/// What the clock did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It shows a time before this program was written; nothing is done until it is set.
    Dead(DateTime<Utc>),
    /// It is behind what the state has seen; waited for.
    Behind {
        /// What the state has seen.
        seen: DateTime<Utc>,
        /// What the clock shows.
        now: DateTime<Utc>,
    },
    /// It went forward more than a day; waited for.
    Leapt {
        /// What it showed.
        from: DateTime<Utc>,
        /// What it shows.
        to: DateTime<Utc>,
    },
    /// It went back.
    Back {
        /// What it showed.
        from: DateTime<Utc>,
        /// What it shows.
        to: DateTime<Utc>,
    },
    /// It is believed again, after so long by its own count.
    Believed,
}

/// Whether work may be begun.
pub(super) struct Gate {
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    last: DateTime<Utc>,
    shut: Shut,
    news: Vec<News>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shut {
    No,
    /// Until the clock is set.
    Dead,
    /// For so many looks; or until it has gone back to about where it was.
    For(u32, Option<DateTime<Utc>>),
}

impl Gate {
    /// `seen`: up to when the state has seen work.
    pub(super) fn new(clock: &Arc<dyn Clock>, seen: Option<DateTime<Utc>>) -> Gate {
        let now = clock.now();
        let behind = seen.filter(|seen| now + BEHIND < *seen);
        let (shut, news) = match behind {
            _ if now < EARLIEST => (Shut::Dead, vec![News::Dead(now)]),
            Some(seen) => (Shut::For(LOOKS_BEHIND, Some(seen)), vec![News::Behind { seen, now }]),
            None => (Shut::No, Vec::new()),
        };
        let known = Mutex::new(Known { last: now, shut, news });
        Gate { clock: Arc::clone(clock), known }
    }

    /// Whether work may be begun at this moment.
    pub(super) fn is_open(&self) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.hear(self.clock.now());
        known.shut == Shut::No
    }

    /// The keeper's look, one a second: what is new about the clock.
    pub(super) fn look(&self) -> Vec<News> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.hear(self.clock.now());
        known.wait();
        std::mem::take(&mut known.news)
    }
}

impl Known {
    /// The clock shows an instant.
    fn hear(&mut self, now: DateTime<Utc>) {
        let last = std::mem::replace(&mut self.last, now);
        if now < EARLIEST {
            if self.shut != Shut::Dead {
                self.shut = Shut::Dead;
                self.news.push(News::Dead(now));
            }
            return;
        }
        let right = match self.shut {
            Shut::Dead => true,
            // It was set right before anything came of it.
            Shut::For(_, before) => before.is_some_and(|before| (now - before).abs() <= BEHIND),
            Shut::No => false,
        };
        if right {
            self.open();
        } else if now - last > LEAP {
            self.shut = Shut::For(LOOKS_AFTER_LEAP, Some(last));
            self.news.push(News::Leapt { from: last, to: now });
        } else if last - now > BACK {
            self.news.push(News::Back { from: last, to: now });
        }
    }

    fn wait(&mut self) {
        match &mut self.shut {
            Shut::For(0, _) => self.open(),
            Shut::For(looks, _) => *looks -= 1,
            Shut::No | Shut::Dead => {}
        }
    }

    fn open(&mut self) {
        self.shut = Shut::No;
        self.news.push(News::Believed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    /// A clock that steps through some times of November 2026 (or whole instants), and what the gate
    /// says at each: `+` open, `-` shut, with the first letters of the news.
    #[track_caller]
    fn check(seen: Option<&str>, steps: &[&str], expected: &[&str]) {
        let instant = |step: &&str| match step.len() {
            20 => at(step),
            _ => at(&format!("2026-11-{step}:00Z")),
        };
        let clock = Arc::new(ManualClock::new(instant(&steps[0])));
        let dynamic = Arc::clone(&clock) as Arc<dyn Clock>;
        let gate = Gate::new(&dynamic, seen.map(|seen| instant(&seen)));
        let said: Vec<String> = (steps.iter())
            .map(|step| {
                clock.set(instant(step));
                let open = gate.is_open();
                let news: String = (gate.look().iter())
                    .map(|news| match news {
                        News::Dead(_) => " dead",
                        News::Behind { .. } => " behind",
                        News::Leapt { .. } => " leapt",
                        News::Back { .. } => " back",
                        News::Believed => " believed",
                    })
                    .collect();
                format!("{}{news}", if open { '+' } else { '-' })
            })
            .collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn time_that_goes_on_is_believed_and_so_is_an_hour() {
        check(None, &["23T08:00", "23T08:01", "23T09:01", "24T09:00"], &["+", "+", "+", "+"]);
    }

    #[test]
    fn an_hour_back_is_told_and_holds_up_nothing() {
        check(None, &["23T08:00", "23T07:00", "23T07:01"], &["+", "+ back", "+"]);
    }

    #[test]
    fn ten_days_forward_are_waited_for_and_taken_back_in_time_cost_nothing() {
        let steps = ["01T08:00", "11T08:00", "11T08:01", "01T08:01", "01T08:02"];
        check(None, &steps, &["+", "- leapt", "-", "+ believed", "+"]);
    }

    #[test]
    fn a_leap_that_lasts_is_believed_after_half_a_minute() {
        let mut steps = vec!["01T08:00"];
        steps.extend(["11T08:00"; 33]);
        let mut expected = vec!["+", "- leapt"];
        expected.extend(["-"; 29]);
        expected.extend(["- believed", "+", "+"]);
        check(None, &steps, &expected);
    }

    #[test]
    fn a_dead_clock_is_waited_for_until_it_is_set() {
        let steps = ["1970-01-01T00:00:07Z", "1970-01-01T00:20:08Z", "23T08:00", "23T08:01"];
        check(Some("22T08:00"), &steps, &["- dead", "-", "+ believed", "+"]);
        // Also where it dies while we run.
        check(None, &["23T08:00", "1970-01-01T00:20:08Z"], &["+", "- dead"]);
    }

    #[test]
    fn a_clock_behind_the_state_is_waited_for_but_not_for_ever() {
        check(Some("23T08:00"), &["23T07:30", "23T07:31"], &["+", "+"]);
        check(Some("23T08:00"), &["20T07:00", "23T08:00"], &["- behind", "+ believed"]);
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(at("2026-11-20T08:00:00Z")));
        let gate = Gate::new(&clock, Some(at("2036-11-20T08:00:00Z")));
        let mut looks = 0;
        while !gate.is_open() {
            gate.look();
            looks += 1;
        }
        assert_eq!(looks, LOOKS_BEHIND + 1);
    }
}
