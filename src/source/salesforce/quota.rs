//! How many requests may still be made today. Two limits hold: our own requests of the last day stay
//! within our share of what the org allows, and everybody's together leave the org some to work
//! with. Both are tighter for what can wait: an alert rule may still ask when a history load has
//! stopped.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use crate::domain::dataset::Purpose;
use crate::source::{Quota, Spent};

/// After this long without a look, one request finds out whether usage has fallen.
const STALE: TimeDelta = TimeDelta::minutes(15);

/// From this part of the org's requests on, those who can wait slow down.
const SLOW_FROM: f64 = 0.7;

/// The pause between two requests right before the stop.
const PAUSE_MAX: TimeDelta = TimeDelta::seconds(30);

/// Sums of shares are off by less than this.
const ROUNDING: f64 = 1e-6;

/// What is known of the quota.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    last: Option<Quota>,
    /// When it was last seen, or somebody last tried to see it.
    looked: Option<DateTime<Utc>>,
    /// When the org said that nothing is left.
    exhausted: Option<DateTime<Utc>>,
}

/// Whether a request may be made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leave {
    /// It may.
    Go,
    /// It may, after a pause.
    Slow(TimeDelta),
    /// The org had too few left when last seen, a while ago: look again first.
    Look,
    /// It may not.
    Stop(Stop),
}

/// What a request must wait for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stop {
    /// Our own share is spent.
    Share {
        /// Our requests of the last day.
        ours: u64,
        /// Those that may be ours.
        may: u64,
        /// When enough of them are a day old; `None`: never, the share holds not one request.
        until: Option<DateTime<Utc>>,
    },
    /// Everybody together has come near the org's limit.
    Wall {
        /// The part of all requests at which we stop.
        at: f64,
        /// When it is looked at again.
        until: DateTime<Utc>,
    },
    /// The org refuses requests.
    Exhausted {
        /// When it is looked at again.
        until: DateTime<Utc>,
    },
}

/// What two counts and a share say, whenever they were seen.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Go,
    Slow(TimeDelta),
    /// Our own requests are as many as may be.
    Share(u64),
    /// Everybody's are beyond this part.
    Wall(f64),
}

/// The part of our share that a purpose may use.
fn part_of_share(purpose: Purpose) -> f64 {
    match purpose {
        // Beyond what planned pulls take for ever where requests are short.
        Purpose::Verify => 0.7,
        Purpose::History => 0.8,
        Purpose::Digest => 0.9,
        Purpose::Rule => 1.0,
    }
}

/// The part of all requests beyond which a purpose stops.
fn wall(purpose: Purpose) -> f64 {
    match purpose {
        Purpose::Verify | Purpose::History => 0.8,
        Purpose::Digest => 0.9,
        Purpose::Rule => 0.98,
    }
}

/// Decides by our own requests of the last day, everybody's, and our share of them.
fn verdict(purpose: Purpose, ours: u64, quota: Option<Quota>, share: f64) -> Verdict {
    let Some(Quota { used, allowed }) = quota else { return Verdict::Go };
    let may = (allowed as f64 * share * part_of_share(purpose) + ROUNDING) as u64;
    if ours >= may {
        return Verdict::Share(may);
    }
    let (part, stop) = (used as f64 / allowed as f64, wall(purpose));
    if part + ROUNDING >= stop {
        return Verdict::Wall(stop);
    }
    let can_wait = matches!(purpose, Purpose::Verify | Purpose::History);
    if !can_wait || part <= SLOW_FROM {
        return Verdict::Go;
    }
    let near = (part - SLOW_FROM) / (stop - SLOW_FROM);
    Verdict::Slow(TimeDelta::milliseconds((PAUSE_MAX.num_milliseconds() as f64 * near) as i64))
}

impl Guard {
    /// The quota as last seen.
    pub(super) fn quota(&self) -> Option<Quota> {
        self.last
    }

    /// Takes note of an answer's `Sforce-Limit-Info`; what cannot be read keeps what was known.
    pub(super) fn see(&mut self, header: &str, now: DateTime<Utc>) {
        if let Some(quota) = parse(header) {
            self.last = Some(quota);
            self.looked = Some(now);
        }
    }

    /// Takes note of what `/limits` says; what cannot be read keeps what was known.
    pub(super) fn see_limits(&mut self, body: &[u8], now: DateTime<Utc>) {
        if let Some(quota) = parse_limits(body) {
            self.last = Some(quota);
            self.looked = Some(now);
        }
    }

    /// Takes note that somebody looks, so that nobody else does meanwhile.
    pub(super) fn look(&mut self, now: DateTime<Utc>) {
        self.looked = Some(now);
        self.exhausted = self.exhausted.map(|_| now);
    }

    /// Takes note that the org refused for want of quota.
    pub(super) fn exhaust(&mut self, now: DateTime<Utc>) {
        self.exhausted = Some(now);
    }

    /// Takes note that the org answered.
    pub(super) fn answered(&mut self) {
        self.exhausted = None;
    }

    /// Whether a request may be made for a purpose, after those we have spent, with this share of
    /// the org's daily ones.
    pub(super) fn leave(
        &self,
        purpose: Purpose,
        spent: &Spent,
        share: f64,
        now: DateTime<Utc>,
    ) -> Leave {
        if let Some(since) = self.exhausted {
            let until = since + STALE;
            return if now < until { Leave::Stop(Stop::Exhausted { until }) } else { Leave::Look };
        }
        let ours = spent.total(now);
        match verdict(purpose, ours, self.last, share) {
            Verdict::Go => Leave::Go,
            Verdict::Slow(pause) => Leave::Slow(pause),
            Verdict::Share(may) => {
                Leave::Stop(Stop::Share { ours, may, until: goes_on(spent, may, now) })
            }
            Verdict::Wall(at) => match self.looked.map(|looked| looked + STALE) {
                Some(until) if now < until => Leave::Stop(Stop::Wall { at, until }),
                _ => Leave::Look,
            },
        }
    }
}

/// When fewer than `may` of our requests are left of the last day, should we make none till then.
fn goes_on(spent: &Spent, may: u64, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if may == 0 {
        return None;
    }
    // An hour counts until the last of its requests is a day old.
    let ends =
        spent.hours().filter_map(|(hour, _)| DateTime::from_timestamp((hour + 25) * 3600, 0));
    ends.into_iter().find(|end| *end > now && spent.total(*end) < may)
}

impl Stop {
    /// What stopped a purpose and when it goes on, for people.
    pub(super) fn reason(&self, purpose: Purpose) -> String {
        let who = Who(purpose);
        match self {
            Stop::Share { may: 0, .. } => {
                format!("and our share of them holds not one for {who}: raise `quota_share`")
            }
            Stop::Share { ours, may, until } => {
                let until = until.map(|at| format!("; it goes on at {}", clock_time(at)));
                let until = until.unwrap_or_default();
                format!("{ours} of them ours, and of our share {who} may use {may}{until}")
            }
            Stop::Wall { at, until } => {
                let (percent, until) = (at * 100.0, clock_time(*until));
                format!(
                    "and {who} leaves the org's last {:.0} % alone; it is looked at again at {until}",
                    100.0 - percent
                )
            }
            Stop::Exhausted { until } => {
                let until = clock_time(*until);
                format!("and the org refuses more; it is looked at again at {until}")
            }
        }
    }
}

fn clock_time(at: DateTime<Utc>) -> impl fmt::Display {
    at.format("%Y-%m-%d %H:%M UTC")
}

struct Who(Purpose);

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Purpose::Verify => "a verification",
            Purpose::History => "a first load",
            Purpose::Digest => "a digest",
            Purpose::Rule => "an alert rule",
        })
    }
}

/// `api-usage=used/allowed` among whatever else the header lists.
fn parse(header: &str) -> Option<Quota> {
    header.split([';', ',']).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("api-usage") {
            return None;
        }
        let (used, allowed) = value.split_once('/')?;
        let allowed = allowed.trim().split(|c: char| !c.is_ascii_digit()).next()?;
        let quota = Quota { used: used.trim().parse().ok()?, allowed: allowed.parse().ok()? };
        (quota.allowed > 0).then_some(quota)
    })
}

/// The daily requests in the body of `/limits`.
fn parse_limits(body: &[u8]) -> Option<Quota> {
    #[derive(Deserialize)]
    struct Limits {
        #[serde(rename = "DailyApiRequests")]
        daily: Daily,
    }
    #[derive(Deserialize)]
    struct Daily {
        #[serde(rename = "Max")]
        max: u64,
        // Below nothing where the org lets us go beyond its limit for a while.
        #[serde(rename = "Remaining")]
        remaining: i64,
    }
    let Limits { daily: Daily { max, remaining } } = serde_json::from_slice(body).ok()?;
    let used = i64::try_from(max).ok()?.checked_sub(remaining)?;
    (max > 0).then_some(Quota { used: u64::try_from(used).unwrap_or(0), allowed: max })
}

#[cfg(test)]
mod tests;
