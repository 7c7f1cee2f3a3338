//! Lanes: the ways in which a source is read, each by itself. A source that is slow or loads holds up
//! no other one, and a load of history holds up nothing that rules wait for.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Progress, PullError};
use crate::domain::dataset::Dataset;
use crate::engine::{Engine, EngineError, Plant, blocking};
use crate::source::{Pulled, SourceError};

/// A pull over a longer gap than this may take long.
const WIDE_GAP: TimeDelta = TimeDelta::hours(6);

/// One of the ways in which a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// What changed lately: one dataset after the other, those that rules need first.
    Fresh,
    /// First loads and what was missed in a long time: one dataset after the other.
    Loads,
    /// What nobody waits for: labels, and whether the records are still those of the source.
    Checks,
}

impl Lane {
    /// The lane of a source by name, for people.
    pub fn name(self, source: &str) -> String {
        let lane = match self {
            Lane::Fresh => "pulls",
            Lane::Loads => "loads",
            Lane::Checks => "checks",
        };
        format!("{lane} of {source}")
    }
}

/// A dataset whose pull is under way; given back when dropped, also by a panic.
struct Claim<'a> {
    engine: &'a Engine,
    dataset: &'a str,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.engine.memo(self.dataset, |memo| memo.pulling = false);
    }
}

impl Engine {
    /// The lanes of all sources in which nothing is under way.
    pub fn lanes(&self) -> Vec<(String, Lane)> {
        let plant = self.plant();
        let lanes = [Lane::Fresh, Lane::Loads, Lane::Checks];
        let all = plant.sources.keys().flat_map(|source| lanes.map(|lane| (source.clone(), lane)));
        all.filter(|(source, lane)| !self.in_round(&lane.name(source))).collect()
    }

    /// Pulls what is due of one source. Returns how many pulls succeeded.
    pub async fn pull_due(&self, source: &str) -> Result<usize, EngineError> {
        let fresh = self.take_turn(source, Lane::Fresh);
        let (fresh, loads) = tokio::join!(fresh, self.take_turn(source, Lane::Loads));
        Ok(fresh? + loads?)
    }

    /// Does what is due in one lane, unless something is under way there. Returns how many pulls
    /// succeeded.
    pub async fn take_turn(&self, source: &str, lane: Lane) -> Result<usize, EngineError> {
        let Some(_turn) = self.begin_round(&lane.name(source)) else { return Ok(0) };
        let plant = self.plant();
        match lane {
            Lane::Checks => self.check_due(&plant, source).await,
            Lane::Fresh | Lane::Loads => self.pull_lane(&plant, source, lane).await,
        }
    }

    async fn pull_lane(
        &self,
        plant: &Plant,
        source: &str,
        lane: Lane,
    ) -> Result<usize, EngineError> {
        let now = self.clock.now();
        let mut due = plant.datasets_in_use();
        due.retain(|dataset| {
            dataset.source == source && self.memo(&dataset.name, |memo| memo.is_due(now))
        });
        if due.is_empty() {
            return Ok(0);
        }
        let slow = self.slow(now).await?;
        due.retain(|dataset| slow.contains(&dataset.name) == (lane == Lane::Loads));
        // The small ones that everything is joined to, then what rules wait for.
        due.sort_by_key(|dataset| (lane == Lane::Loads && !dataset.whole, !plant.ruled(dataset)));
        let mut pulled = 0;
        for dataset in due {
            if self.stopping() {
                break;
            }
            let Some(_claim) = self.claim(&dataset.name) else { continue };
            let started = self.clock.now();
            match self.pull(plant, &dataset, None, &Progress::default()).await {
                Ok(done) => {
                    self.pull_succeeded(plant, &dataset, started, &done).await?;
                    pulled += 1;
                }
                Err(PullError::Source(SourceError::Stopped)) => break,
                Err(err) => self.pull_failed(plant, &dataset, &err).await?,
            }
        }
        Ok(pulled)
    }

    /// The datasets whose next pull may take long: loads, and what was missed in a long time.
    async fn slow(&self, now: DateTime<Utc>) -> Result<BTreeSet<String>, EngineError> {
        let store = Arc::clone(&self.store);
        blocking(move || {
            let mut slow =
                store.records().loads_due(now).map_err(crate::store::StoreError::from)?;
            for state in store.dataset_states()? {
                if state.watermark.is_some_and(|watermark| now - watermark > WIDE_GAP) {
                    slow.insert(state.dataset);
                }
            }
            Ok(slow)
        })
        .await
    }

    /// A dataset that is still due and that nobody pulls.
    fn claim<'a>(&'a self, dataset: &'a str) -> Option<Claim<'a>> {
        let now = self.clock.now();
        let free = self.memo(dataset, |memo| {
            let due = memo.is_due(now);
            memo.pulling |= due;
            due
        });
        free.then_some(Claim { engine: self, dataset })
    }

    async fn pull_succeeded(
        &self,
        plant: &Plant,
        dataset: &Dataset,
        started: DateTime<Utc>,
        pulled: &Pulled,
    ) -> Result<(), EngineError> {
        let next = started + plant.cadence(dataset);
        self.tell_pace(plant, &dataset.source).await;
        let may_be_back = self.memo(&dataset.name, |memo| memo.succeed(started, next, pulled));
        if pulled.misfits > 0 || pulled.left_out > 0 {
            tracing::warn!(
                dataset = %dataset.name,
                values = pulled.misfits,
                records = pulled.left_out,
                first = pulled.misfit_samples.first().map_or("", String::as_str),
                "what could not be read was left out"
            );
        }
        if may_be_back {
            self.tell_source_back(plant, dataset).await?;
        }
        Ok(())
    }
}
