//! Pace: how often a dataset is pulled. As often as its fastest reader wants, unless that would
//! spend the source's requests before the day is over: better every other minute all day than every
//! minute until the afternoon.

use std::sync::PoisonError;

use chrono::TimeDelta;

use super::super::{Engine, Plant};
use crate::domain::dataset::Dataset;
use crate::domain::quota;

/// No dataset is pulled more often than this.
const EVERY_MIN: TimeDelta = TimeDelta::seconds(10);
/// Nor less often than this for want of requests: past that, the guard of the source decides.
const EVERY_MAX: TimeDelta = TimeDelta::hours(6);

impl Plant {
    /// How often a dataset should be pulled: as its fastest reader needs.
    fn wanted_every(&self, dataset: &Dataset) -> TimeDelta {
        let every = self.sources.get(&dataset.source).map(|line| line.pull_every);
        let rules = self.in_use().by_rules.get(&dataset.name).copied();
        let fastest = rules.into_iter().chain(every).min();
        fastest.unwrap_or(TimeDelta::minutes(5)).max(EVERY_MIN)
    }

    /// Requests a day that pulls of a source cost where nothing is new: one a pull.
    pub fn requests_a_day(&self, source: &str) -> f64 {
        let datasets = self.datasets_in_use().into_iter().filter(|known| known.source == source);
        datasets.map(|dataset| day_over(self.wanted_every(&dataset))).sum()
    }

    /// How often a dataset is pulled, within what the source may cost.
    pub(in super::super) fn cadence(&self, dataset: &Dataset) -> TimeDelta {
        let wanted = self.wanted_every(dataset);
        let stretched = wanted.as_seconds_f64() * self.stretch(&dataset.source);
        let longest = EVERY_MAX.max(wanted);
        TimeDelta::milliseconds((stretched * 1000.0) as i64).clamp(wanted, longest)
    }

    /// How many times less often than wanted a source is pulled.
    fn stretch(&self, source: &str) -> f64 {
        let allowance = self.sources.get(source).and_then(|line| line.source.allowance());
        allowance.map_or(1.0, |allowance| quota::stretch(self.requests_a_day(source), allowance))
    }
}

impl Engine {
    /// Tells, once a process and source, that it is pulled less often than wanted.
    pub(super) async fn tell_pace(&self, plant: &Plant, source: &str) {
        let stretch = plant.stretch(source);
        let told = || self.paced.lock().unwrap_or_else(PoisonError::into_inner);
        if stretch <= 1.0 || !told().insert(source.to_owned()) {
            return;
        }
        let text = format!(
            "source `{source}`: pulls as often as wanted would cost {:.0} requests a day, more than \
             postrider's share: it is pulled {stretch:.1} times less often, and alarms are that much \
             later; raise `quota_share`, or `every` of its rules",
            plant.requests_a_day(source)
        );
        tracing::warn!(source, "{text}");
        self.remember_trouble("pull", &text).await;
    }
}

fn day_over(every: TimeDelta) -> f64 {
    TimeDelta::days(1).as_seconds_f64() / every.as_seconds_f64()
}
