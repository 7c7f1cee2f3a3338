//! How much of the org's daily requests is used, from the header on every answer, and whether
//! postrider may go on.

use chrono::{DateTime, TimeDelta, Utc};

use crate::source::Quota;

/// After this long without a look, one request finds out whether usage has fallen.
const STALE: TimeDelta = TimeDelta::minutes(15);

/// What is known of the quota.
#[derive(Debug, Default)]
pub(super) struct Guard {
    last: Option<(Quota, DateTime<Utc>)>,
    /// When the org said that nothing is left.
    exhausted: Option<DateTime<Utc>>,
}

/// Whether a request may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// It may.
    Go,
    /// The share was spent when last seen, a while ago: look again first.
    Look,
    /// The share is spent.
    Spent,
}

impl Guard {
    /// The quota as last seen.
    pub(super) fn quota(&self) -> Option<Quota> {
        self.last.map(|(quota, _)| quota)
    }

    /// Takes note of an answer's `Sforce-Limit-Info`; what cannot be read keeps what was known.
    pub(super) fn see(&mut self, header: &str, now: DateTime<Utc>) {
        if let Some(quota) = parse(header) {
            self.last = Some((quota, now));
        }
    }

    /// Takes note that the org refused for want of quota.
    pub(super) fn exhaust(&mut self, now: DateTime<Utc>) {
        self.exhausted = Some(now);
    }

    /// Takes note that the org answered.
    pub(super) fn answered(&mut self) {
        self.exhausted = None;
    }

    /// Whether postrider may make a request, with this share of the org's daily ones.
    pub(super) fn leave(&self, share: f64, now: DateTime<Utc>) -> Leave {
        let fresh = |since: DateTime<Utc>| now - since < STALE;
        if let Some(since) = self.exhausted {
            return if fresh(since) { Leave::Spent } else { Leave::Look };
        }
        match self.last {
            Some((quota, seen)) if quota.used as f64 >= quota.allowed as f64 * share => {
                if fresh(seen) { Leave::Spent } else { Leave::Look }
            }
            _ => Leave::Go,
        }
    }
}

/// `api-usage=used/allowed` among whatever else the header lists.
fn parse(header: &str) -> Option<Quota> {
    header.split(';').find_map(|part| {
        let (used, allowed) = part.trim().strip_prefix("api-usage=")?.split_once('/')?;
        let allowed = allowed.split(|c: char| !c.is_ascii_digit()).next()?;
        let quota = Quota { used: used.trim().parse().ok()?, allowed: allowed.parse().ok()? };
        (quota.allowed > 0).then_some(quota)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: Option<(u64, u64)>) {
        assert_eq!(parse(header), expected.map(|(used, allowed)| Quota { used, allowed }));
    }

    #[test]
    fn the_header_is_read_in_every_shape() {
        check("api-usage=10018/100000", Some((10018, 100_000)));
        check("api-usage=96000/100000; api-bursts=1/750", Some((96000, 100_000)));
        check("api-bursts=1/750;api-usage=3/5", Some((3, 5)));
        check("api-usage=25/5000; per-app-api-usage=17/250(appName=a; b=c)", Some((25, 5000)));
        check("per-app-api-usage=17/250(appName=x)", None);
        check("api-usage=1/0", None);
        check("api-usage=", None);
        check("api-usage=a/b", None);
        check("", None);
    }

    #[test]
    fn the_share_stops_requests_until_a_later_look() {
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let later = start + STALE;
        let mut guard = Guard::default();
        assert_eq!(guard.leave(0.25, start), Leave::Go);
        guard.see("api-usage=24/100", start);
        assert_eq!(guard.leave(0.25, start), Leave::Go);
        guard.see("api-usage=25/100", start);
        assert_eq!(guard.leave(0.25, start), Leave::Spent);
        guard.see("nonsense", start);
        assert_eq!(guard.leave(0.25, start), Leave::Spent);
        assert_eq!(guard.leave(0.25, later), Leave::Look);
        guard.see("api-usage=2/100", later);
        assert_eq!(guard.leave(0.25, later), Leave::Go);
        guard.exhaust(later);
        assert_eq!(guard.leave(0.25, later), Leave::Spent);
        assert_eq!(guard.leave(0.25, later + STALE), Leave::Look);
        guard.answered();
        assert_eq!(guard.leave(0.25, later + STALE), Leave::Go);
    }
}
