//! Business time: how much of a stretch is open, and when so much of it will have passed.

use super::{Calendar, DateTime, Days, NaiveDate, TimeDelta, Utc};

/// Beyond so many days without enough open time there is no deadline.
const DAYS_MAX: u32 = 3700;

impl Calendar {
    /// How much of the half-open stretch lies inside the hours, as elapsed time: a night shift over
    /// a DST change is as long as it really is, and openings that overlap count once. Zero where
    /// `to` is not after `from`.
    pub fn open_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> TimeDelta {
        let (mut open, mut reached) = (TimeDelta::zero(), from);
        for date in self.dates_from(from) {
            if self.zone.start_of(date) > to {
                break;
            }
            for (begins, ends) in self.openings_on(date) {
                let (begins, ends) = (begins.max(reached), ends.min(to));
                if begins < ends {
                    open += ends - begins;
                    reached = ends;
                }
            }
        }
        open
    }

    /// The first instant at which so much open time has passed since `from`; `from` itself where
    /// that is none. `None`: not within ten years (a calendar that is hardly ever open).
    pub fn after_open(&self, from: DateTime<Utc>, length: TimeDelta) -> Option<DateTime<Utc>> {
        let (mut left, mut reached) = (length, from);
        if left <= TimeDelta::zero() {
            return Some(from);
        }
        for date in self.dates_from(from) {
            for (begins, ends) in self.openings_on(date) {
                let begins = begins.max(reached);
                if begins >= ends {
                    continue;
                }
                if left <= ends - begins {
                    return begins.checked_add_signed(left);
                }
                left -= ends - begins;
                reached = ends;
            }
        }
        None
    }

    /// Dates whose openings may reach beyond `from`: an opening of the day before may wrap.
    fn dates_from(&self, from: DateTime<Utc>) -> impl Iterator<Item = NaiveDate> {
        let first = self.zone.date(from).checked_sub_days(Days::new(1));
        let dates = std::iter::successors(first, |date| date.checked_add_days(Days::new(1)));
        dates.take(DAYS_MAX as usize)
    }
}
