//! The way out to a source: no request leaves before its turn, by the rate that the config allows
//! and by what the source itself asked for. And the patience with one request.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::source::pause;

/// All tries of a request begin within this time, beside what the source asked us to wait.
const WITHIN: TimeDelta = TimeDelta::seconds(120);

/// Tries of one request, the first included.
const TRIES_MAX: u32 = 6;

/// A source that asks for more patience is down.
pub(super) const PATIENCE_MAX: TimeDelta = TimeDelta::minutes(15);

/// However long a source wants to be left alone, it is asked again after this.
const SHUT_MAX: TimeDelta = TimeDelta::hours(1);

/// The door all requests of a source go through.
pub(super) struct Door {
    /// At most so many requests in so much time.
    rate: Option<(u32, TimeDelta)>,
    turns: Mutex<Turns>,
}

#[derive(Default)]
struct Turns {
    /// No request before.
    next: Option<DateTime<Utc>>,
    /// The source asked to be left alone until then.
    shut: Option<DateTime<Utc>>,
}

impl Door {
    pub(super) fn new(rate: Option<(u32, TimeDelta)>) -> Door {
        Door { rate, turns: Mutex::default() }
    }

    /// Done when a request may leave.
    ///
    /// # Errors
    /// The instant until which the source wants to be left alone, where that is too long to wait.
    pub(super) async fn pass(&self, clock: &dyn Clock) -> Result<(), DateTime<Utc>> {
        let at = self.turn(clock.now())?;
        clock.sleep_until(at).await;
        Ok(())
    }

    /// When the next request may leave; the turn is taken.
    fn turn(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, DateTime<Utc>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = now;
        // A clock that was set back does not hold us for longer than it should.
        if let Some(shut) = turns.shut.filter(|shut| *shut > now && *shut - now <= SHUT_MAX) {
            if shut - now > PATIENCE_MAX {
                return Err(shut);
            }
            at = shut;
        }
        if let Some((count, period)) = self.rate {
            let next = turns.next.filter(|next| *next - now <= period * 2);
            at = next.map_or(at, |next| at.max(next));
            turns.next = Some(at + period / i32::try_from(count.max(1)).unwrap_or(i32::MAX));
        }
        Ok(at)
    }

    /// Lets no request out for so long, because the source asked for it. Gives the instant.
    pub(super) fn shut(&self, now: DateTime<Utc>, wait: TimeDelta) -> DateTime<Utc> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let until = now + wait.min(SHUT_MAX);
        turns.shut = Some(turns.shut.map_or(until, |shut| shut.max(until)));
        now + wait.min(TimeDelta::days(365))
    }
}

/// The patience with one request.
pub(super) struct Patience<'c> {
    clock: &'c dyn Clock,
    until: DateTime<Utc>,
    tries: u32,
    /// What the source has asked for so far.
    granted: TimeDelta,
}

/// What comes after a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another try, now.
    Try,
    /// None.
    GiveUp,
    /// The source wants to be left alone for longer than we wait.
    TooLong,
}

impl<'c> Patience<'c> {
    /// For a request about to be tried for the first time.
    pub(super) fn new(clock: &'c dyn Clock) -> Self {
        Patience { clock, until: clock.now() + WITHIN, tries: 1, granted: TimeDelta::zero() }
    }

    /// Waits for the next try, at least for `after`, or says at once that there is none.
    pub(super) async fn wait(&mut self, after: Option<TimeDelta>) -> Next {
        let asked = after.unwrap_or_default();
        if asked > PATIENCE_MAX || self.granted + asked > PATIENCE_MAX {
            return Next::TooLong;
        }
        self.granted += asked;
        self.until += asked;
        let at = self.clock.now() + asked.max(pause::after(self.tries));
        if self.tries >= TRIES_MAX || at > self.until {
            return Next::GiveUp;
        }
        self.tries += 1;
        self.clock.sleep_until(at).await;
        Next::Try
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn requests_leave_one_by_one() {
        let door = Door::new(Some((60, TimeDelta::minutes(1))));
        let turns: Vec<_> = [100, 100, 100, 110].map(|now| door.turn(at(now)).unwrap()).into();
        assert_eq!(turns, [at(100), at(101), at(102), at(110)]);
        // A clock set back by a day.
        assert_eq!(door.turn(at(110 - 86_400)), Ok(at(110 - 86_400)));
        let door = Door::new(None);
        assert_eq!([door.turn(at(5)), door.turn(at(5))], [Ok(at(5)), Ok(at(5))]);
    }

    #[test]
    fn a_source_that_wants_to_be_left_alone_is() {
        let door = Door::new(None);
        assert_eq!(door.shut(at(0), TimeDelta::seconds(30)), at(30));
        assert_eq!(door.shut(at(0), TimeDelta::seconds(10)), at(10));
        assert_eq!([door.turn(at(1)), door.turn(at(30))], [Ok(at(30)), Ok(at(30))]);
        assert_eq!(door.shut(at(0), TimeDelta::hours(24)), at(86_400));
        assert_eq!(door.turn(at(60)), Err(at(3600)));
        // Near the end it is worth waiting for; a day is not believed for longer than an hour.
        assert_eq!(door.turn(at(3000)), Ok(at(3600)));
        assert_eq!(door.turn(at(3601)), Ok(at(3601)));
    }
}
