//! Requests: how many a source allows a day, how many everybody used, how many are ours.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

const HOUR_SECONDS: i64 = 3_600;
const DAY_HOURS: i64 = 24;

/// A source's request quota, as it tells it: everybody's requests, not ours alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests used in the rolling day.
    pub used: u64,
    /// Requests allowed.
    pub allowed: u64,
}

/// Our own requests of the rolling day, by the hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests by hours since 1970 UTC.
    hours: BTreeMap<i64, u64>,
}

impl Spent {
    /// From what was kept: hours since 1970 UTC with their requests.
    pub fn of(hours: impl IntoIterator<Item = (i64, u64)>) -> Spent {
        Spent { hours: hours.into_iter().collect() }
    }

    /// Counts requests made now and forgets those older than a day.
    pub fn add(&mut self, now: DateTime<Utc>, requests: u64) {
        let hour = hour_of(now);
        *self.hours.entry(hour).or_default() += requests;
        self.hours.retain(|known, _| *known > hour - DAY_HOURS - 1);
    }

    /// Requests of the last 24 hours; an hour counts until the last of its requests is a day old.
    pub fn total(&self, now: DateTime<Utc>) -> u64 {
        let hour = hour_of(now);
        self.hours.range(hour - DAY_HOURS..=hour).map(|(_, requests)| requests).sum()
    }

    /// Hours since 1970 UTC with their requests, oldest first.
    pub fn hours(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        self.hours.iter().map(|(hour, requests)| (*hour, *requests))
    }
}

/// Part of our share that planned pulls may use: the rest is for pages, first loads and checks, which
/// stop before all of it is spent and would never come to their turn if planned pulls took as much.
const PLANNED_SHARE: f64 = 0.6;

/// How many times longer than wanted to wait between pulls so that our share lasts the day: 1 where
/// it does. `planned` is what pulls as often as wanted would cost a day, `allowance` what may be ours.
pub fn stretch(planned: f64, allowance: u64) -> f64 {
    (planned / (allowance.max(1) as f64 * PLANNED_SHARE)).max(1.0)
}

fn hour_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(HOUR_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn requests_count_for_a_day_and_are_forgotten_after() {
        let start: DateTime<Utc> = "2026-03-01T10:59:00Z".parse().unwrap();
        let mut spent = Spent::default();
        spent.add(start, 3);
        spent.add(start + TimeDelta::minutes(2), 4);
        assert_eq!(spent.total(start + TimeDelta::minutes(2)), 7);
        assert_eq!(spent.total(start + TimeDelta::hours(24)), 7);
        assert_eq!(spent.total(start + TimeDelta::hours(25)), 4);
        assert_eq!(spent.total(start + TimeDelta::hours(26)), 0);
        spent.add(start + TimeDelta::hours(30), 1);
        assert_eq!(Spent::of(spent.hours()), spent);
        assert_eq!(spent.hours().map(|(_, n)| n).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn pulls_are_stretched_only_where_the_share_would_not_last() {
        assert_eq!(stretch(5_760.0, 25_000), 1.0);
        assert_eq!(stretch(15_000.0, 25_000), 1.0);
        assert_eq!(stretch(4_500.0, 3_750), 2.0);
        assert!(stretch(6_000.0, 0) > 1_000.0);
    }
}
