//! What the engine remembers of a dataset between pulls, in memory alone.

use chrono::{DateTime, TimeDelta, Utc};

use crate::source::Pulled;

/// Waits after the first, second, ... failed pull; the last one repeats.
const RETRIES: &[i64] = &[15, 30, 60, 120, 300];
/// A share of requests that is spent comes back slowly: asked again after this.
pub(super) const QUOTA_WAIT: TimeDelta = TimeDelta::minutes(15);

/// What the engine remembers of a dataset between pulls.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Memo {
    pub(super) next: Option<DateTime<Utc>>,
    pub(super) wanted: Option<Wanted>,
    /// When the last complete pull of this process began.
    pub(super) succeeded: Option<DateTime<Utc>>,
    pub(super) failing: Option<Failing>,
    /// Whether a pull of it is under way.
    pub(super) pulling: bool,
    /// When it is next looked at whether it needs a check against the source.
    pub(in crate::engine) check_at: Option<DateTime<Utc>>,
    /// When its labels were last asked for.
    pub(in crate::engine) described: Option<DateTime<Utc>>,
}

impl Memo {
    /// The clock was set back: nothing waits for an instant of before.
    pub(in crate::engine) fn clock_set_back(&mut self) {
        (self.next, self.check_at) = (None, None);
    }
}

/// A digest waits for data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The instant it must be complete to.
    pub(super) until: DateTime<Utc>,
    /// When asking can give a better answer.
    pub(super) ask_at: DateTime<Utc>,
}

/// Pulls that fail, one after the other, for one kind of reason.
#[derive(Clone, Debug)]
pub(super) struct Failing {
    pub(super) since: DateTime<Utc>,
    pub(super) times: usize,
    pub(super) kind: Kind,
    /// The outage that the owner was told of.
    pub(super) told: Option<Outage>,
}

/// What kind of trouble an outage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The source gives nothing.
    Down,
    /// It would, but our share of its requests is spent.
    Spent,
}

/// Some or all datasets of a source failing together: one mail when it is told, one when all of
/// them are back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) since: DateTime<Utc>,
    pub(super) told_at: DateTime<Utc>,
    pub(super) kind: Kind,
}

impl Memo {
    /// Since when it gives nothing, where the owner was told so.
    pub(in crate::engine) fn down_since(&self) -> Option<DateTime<Utc>> {
        Some(self.failing.as_ref()?.told?.since)
    }

    /// Whether it is to be pulled now.
    pub(super) fn is_due(&self, now: DateTime<Utc>) -> bool {
        if self.pulling {
            return false;
        }
        // The clock was set back: what was planned by the old one may be far away.
        if self.succeeded.is_some_and(|at| now < at) {
            return true;
        }
        // A digest waits: asked again as soon as the answer can be a better one.
        let wanted = || self.wanted.is_some_and(|wanted| wanted.ask_at <= now);
        self.next.is_none_or(|next| next <= now) || self.failing.is_none() && wanted()
    }

    /// Remembers a complete pull; whether it may be the end of an outage that was told.
    pub(super) fn succeed(
        &mut self,
        started: DateTime<Utc>,
        next: DateTime<Utc>,
        pulled: &Pulled,
    ) -> bool {
        self.next = Some(next);
        let first = self.succeeded.replace(started).is_none();
        let wanted = self.wanted.filter(|wanted| pulled.watermark < wanted.until);
        self.wanted = wanted.map(|wanted| {
            // The source's margin keeps the watermark behind its clock: ask again by when it has
            // passed.
            let behind = (started - pulled.watermark).max(TimeDelta::seconds(1));
            let ask_at = (wanted.until + behind).max(started + TimeDelta::seconds(1));
            Wanted { ask_at, ..wanted }
        });
        // The first success may end what an earlier process told.
        self.failing.take().is_some_and(|failing| failing.told.is_some()) || first
    }

    /// Remembers a failed pull. `earlier` is since when an earlier process told it to be failing.
    pub(super) fn fail(&mut self, kind: Kind, earlier: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        // Another kind of trouble is another trouble.
        self.failing = self.failing.take().filter(|failing| failing.kind == kind);
        let failing = self.failing.get_or_insert(Failing {
            since: earlier.unwrap_or(now),
            times: 0,
            kind,
            told: earlier.map(|since| Outage { since, told_at: now, kind }),
        });
        let wait = match kind {
            Kind::Down => TimeDelta::seconds(RETRIES[failing.times.min(RETRIES.len() - 1)]),
            Kind::Spent => QUOTA_WAIT,
        };
        self.next = Some(now + wait);
        failing.times += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_holds_up_nothing() {
        let at = |hour| DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
        let mut memo = Memo::default();
        assert!(memo.is_due(at(100)));
        memo.succeed(at(100), at(101), &Pulled::nothing(at(100)));
        assert!(!memo.is_due(at(100)) && memo.is_due(at(101)));
        assert!(memo.is_due(at(50)));
    }
}
