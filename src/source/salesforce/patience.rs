//! Waiting between the tries of one request: longer each time, never at the same moment as others,
//! and not for ever.

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;

const FIRST_WAIT: TimeDelta = TimeDelta::seconds(1);
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(30);

/// All tries of a request happen within this time.
const WITHIN: TimeDelta = TimeDelta::seconds(120);

/// The patience with one request.
pub(super) struct Patience<'c> {
    clock: &'c dyn Clock,
    until: DateTime<Utc>,
    tries: u32,
}

impl<'c> Patience<'c> {
    /// For a request about to be tried for the first time.
    pub(super) fn new(clock: &'c dyn Clock) -> Self {
        Patience { clock, until: clock.now() + WITHIN, tries: 1 }
    }

    /// Waits for the next try, at least as long as the far side asks, and says true; or says at once
    /// that there is none.
    pub(super) async fn wait(&mut self, tries_max: u32, asked: Option<TimeDelta>) -> bool {
        let own = pause(self.tries, chance());
        let at = self.clock.now() + asked.map_or(own, |asked| own.max(asked.min(WITHIN * 2)));
        if self.tries >= tries_max || at > self.until {
            return false;
        }
        self.tries += 1;
        self.clock.sleep_until(at).await;
        true
    }
}

/// How long to wait after so many tries: doubling, and somewhere in its upper half.
fn pause(tries: u32, chance: f64) -> TimeDelta {
    let doubled = FIRST_WAIT * 2i32.saturating_pow(tries.saturating_sub(1).min(20));
    let full = doubled.min(LONGEST_WAIT).num_milliseconds() as f64;
    TimeDelta::milliseconds((full * (0.5 + chance / 2.0)) as i64)
}

/// Between 0 and 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness the waits are merely not spread.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_bounds() {
        let seconds = |tries, chance| pause(tries, chance).num_milliseconds();
        assert_eq!([seconds(1, 0.0), seconds(1, 1.0)], [500, 1000]);
        assert_eq!([seconds(2, 1.0), seconds(3, 1.0), seconds(4, 1.0)], [2000, 4000, 8000]);
        assert_eq!(seconds(60, 1.0), 30_000);
    }
}
