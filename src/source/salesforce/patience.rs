//! Waiting between the tries of one request: longer each time, never at the same moment as others,
//! and not for ever.

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::source::pause;

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
        let own = pause::after(self.tries);
        let at = self.clock.now() + asked.map_or(own, |asked| own.max(asked.min(WITHIN * 2)));
        if self.tries >= tries_max || at > self.until {
            return false;
        }
        self.tries += 1;
        self.clock.sleep_until(at).await;
        true
    }
}
