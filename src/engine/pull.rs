//! Pulling: each dataset in use is read as often as its fastest reader needs, and at once where a
//! digest waits for it.
//!
//! What is due is kept in memory alone: after a restart everything is due, which costs one request
//! a dataset. A source that fails is tried again with growing waits; the owner is told once when it
//! is down and once when it is back, with the digests and rules that are blind meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;

use super::{Engine, EngineError, Plant, SourceLine, blocking};
use crate::domain::dataset::{Batch, Dataset, Purpose};
use crate::domain::query::Query;
use crate::source::{Pulled, SourceError};
use crate::store::StoreError;
use crate::store::records::{Finished, Load};

mod lanes;
mod memo;
mod outage;
mod pace;
mod progress;

pub use lanes::Lane;
pub(super) use memo::Memo;
use memo::Wanted;
pub use progress::Progress;

/// Batches on their way from the source to the store: parsing and writing overlap, memory is bounded.
pub(super) const BATCHES_AHEAD: usize = 4;
/// A pull that takes long says how far it is, so often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Why a pull failed.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store or a task failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Plant {
    /// The datasets that some report or rule reads, in the order of the sources' lists.
    pub fn datasets_in_use(&self) -> Vec<Arc<Dataset>> {
        self.in_use().datasets.clone()
    }

    /// What of the datasets is read: asked at every beat, and the same as long as the plant is.
    pub(super) fn in_use(&self) -> &InUse {
        self.in_use.get_or_init(|| {
            let queries = self.queries();
            let used: BTreeSet<String> =
                queries.iter().flat_map(|query| query.reads().into_keys()).collect();
            let datasets = self.datasets.iter().filter(|dataset| used.contains(&dataset.name));
            let mut by_rules: BTreeMap<String, TimeDelta> = BTreeMap::new();
            for rule in self.rules.values() {
                for name in rule.query.reads().into_keys() {
                    let every = by_rules.entry(name).or_insert(rule.every);
                    *every = rule.every.min(*every);
                }
            }
            InUse { datasets: datasets.cloned().collect(), by_rules }
        })
    }

    /// Every query of reports, their parts and coverage, and rules.
    pub fn queries(&self) -> Vec<&Query> {
        let reports = self.digests.values().flat_map(|digest| &digest.reports);
        let splits = self.digests.values().filter_map(|digest| digest.split.as_ref());
        let of_parts = splits.flat_map(|split| split.queries.iter().map(AsRef::as_ref));
        let of_reports = reports.flat_map(|report| {
            let coverage = report.coverage.iter().map(|covering| &covering.query);
            std::iter::once(report.query.as_ref()).chain(coverage)
        });
        let of_rules = self.rules.values().map(|rule| rule.query.as_ref());
        of_reports.chain(of_parts).chain(of_rules).collect()
    }

    /// Whether a rule reads a dataset.
    pub(super) fn ruled(&self, dataset: &Dataset) -> bool {
        self.in_use().by_rules.contains_key(&dataset.name)
    }
}

/// What of a config's datasets is read.
#[derive(Debug)]
pub struct InUse {
    /// The datasets that some report or rule reads, in the order of the sources' lists.
    datasets: Vec<Arc<Dataset>>,
    /// Those that rules read, with how often the most frequent of the rules is evaluated.
    by_rules: BTreeMap<String, TimeDelta>,
}

impl Engine {
    /// Reads one dataset up to now: complete, or failed and nothing half-visible. `since` reads again
    /// from there.
    pub async fn pull(
        &self,
        plant: &Plant,
        dataset: &Arc<Dataset>,
        since: Option<DateTime<Utc>>,
        progress: &Progress,
    ) -> Result<Pulled, PullError> {
        let Some(line) = plant.sources.get(&dataset.source) else {
            let reason = "it is not in the config any more".to_owned();
            return Err(SourceError::Refused { name: dataset.source.clone(), reason }.into());
        };
        let store = Arc::clone(&self.store);
        let name = dataset.name.clone();
        let load = {
            let (name, now) = (name.clone(), self.clock.now());
            blocking(move || Ok(store.begin_load(&name, now)?)).await?
        };
        let mut request = load.request().clone();
        request.since = begin(since, request.since);
        request.purpose = match load.is_load() {
            true => Purpose::History,
            false if plant.ruled(dataset) => Purpose::Rule,
            false => Purpose::Digest,
        };
        let (into, batches) = mpsc::channel::<Batch>(BATCHES_AHEAD);
        let writing = Writing::start(load, batches);
        let reading = line.source.pull(request, into);
        let pulled = self.watched((dataset, line), reading, &writing, progress).await;
        let mut load = writing.ended().await?;
        let pulled = pulled?;
        load.spent(self.spending(&dataset.source, line));
        let (done, now) = (pulled.clone(), self.clock.now());
        let finished =
            blocking(move || Ok(load.finish(&done, now).map_err(StoreError::from)?)).await?;
        self.tell_pulled(&name, &pulled, &finished).await;
        Ok(pulled)
    }

    /// Waits for a source's reading, telling how far it is and writing down what it costs; given up
    /// when the engine stops.
    async fn watched(
        &self,
        (dataset, line): (&Dataset, &SourceLine),
        reading: impl Future<Output = Result<Pulled, SourceError>>,
        writing: &Writing,
        progress: &Progress,
    ) -> Result<Pulled, SourceError> {
        let mut telling = tokio::time::interval(TELL_EVERY);
        telling.reset();
        let mut counts = writing.counts.lock().await;
        tokio::pin!(reading);
        let done = loop {
            tokio::select! {
                done = &mut reading => break done,
                () = self.stopped() => break Err(SourceError::Stopped),
                Some((rows, expected)) = counts.recv() => progress.add(rows, expected),
                _ = telling.tick() => {
                    let (records, far) = (progress.records(), progress.words());
                    tracing::info!(dataset = %dataset.name, records, far, "loading");
                    self.keep_spent(&dataset.source, line).await;
                }
            }
        };
        while let Ok((rows, expected)) = counts.try_recv() {
            progress.add(rows, expected);
        }
        done
    }

    async fn tell_pulled(&self, dataset: &str, pulled: &Pulled, finished: &Finished) {
        if finished.emptied {
            let text = format!(
                "`{dataset}` came back empty although {} records are known: they are kept; does the \
                 user still see them?",
                finished.records
            );
            tracing::warn!(dataset, "{text}");
            self.remember_trouble("pull", &text).await;
        }
        let (records, requests) = (pulled.records, pulled.requests);
        tracing::debug!(dataset, records, requests, "pulled");
    }

    /// Asks for datasets to be complete up to an instant, for a digest that waits.
    pub(super) fn want(&self, missing: &[(String, DateTime<Utc>)]) {
        for (dataset, until) in missing {
            self.memo(dataset, |memo| {
                if memo.wanted.is_none_or(|wanted| wanted.until < *until) {
                    memo.wanted = Some(Wanted { until: *until, ask_at: *until });
                }
            });
        }
    }

    /// Of datasets and the instants they must be complete to, those that are not there yet.
    pub(super) async fn incomplete(
        &self,
        needed: Vec<(String, DateTime<Utc>)>,
    ) -> Result<Vec<(String, DateTime<Utc>)>, EngineError> {
        let store = Arc::clone(&self.store);
        blocking(move || {
            let states = store.dataset_states()?;
            let complete = |name: &str| {
                let state = states.iter().find(|state| state.dataset == name);
                state.filter(|state| state.ready).and_then(|state| state.watermark)
            };
            Ok(needed
                .into_iter()
                .filter(|(name, until)| complete(name).is_none_or(|watermark| watermark < *until))
                .collect())
        })
        .await
    }
}

/// Where a pull begins: where it was asked to, but never behind what is complete, or what lies between
/// would be taken for read. A load has its own beginning.
fn begin(
    asked: Option<DateTime<Utc>>,
    complete_to: Option<DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    complete_to.map(|complete_to| asked.map_or(complete_to, |asked| asked.min(complete_to)))
}

/// Batches being written while the source is read.
struct Writing {
    task: tokio::task::JoinHandle<Result<Load, StoreError>>,
    /// Rows written, and how many there will be.
    counts: tokio::sync::Mutex<mpsc::Receiver<(u64, Option<u64>)>>,
}

impl Writing {
    fn start(mut load: Load, mut batches: mpsc::Receiver<Batch>) -> Writing {
        let (counted, counts) = mpsc::channel(BATCHES_AHEAD * 4);
        let task = tokio::task::spawn_blocking(move || {
            while let Some(batch) = batches.blocking_recv() {
                load.append(&batch)?;
                // Progress is for whoever looks; nobody looking is fine.
                let _ = counted.try_send((batch.rows() as u64, batch.expected));
            }
            Ok(load)
        });
        Writing { task, counts: tokio::sync::Mutex::new(counts) }
    }

    /// Waits until all is written that was sent.
    async fn ended(self) -> Result<Load, EngineError> {
        match self.task.await {
            Ok(written) => Ok(written?),
            Err(err) => Err(EngineError::Panic(super::panic_text(err))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(asked: Option<i64>, complete_to: Option<i64>, expected: Option<i64>) {
        let at = |day: Option<i64>| day.and_then(|day| DateTime::from_timestamp(day * 86_400, 0));
        assert_eq!(begin(at(asked), at(complete_to)), at(expected));
    }

    #[test]
    fn a_pull_again_from_somewhere_leaves_no_gap() {
        check(None, Some(20), Some(20));
        check(Some(15), Some(20), Some(15));
        // Nothing was read between the two yet.
        check(Some(25), Some(20), Some(20));
        check(Some(15), None, None);
    }
}
