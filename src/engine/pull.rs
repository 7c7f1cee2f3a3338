//! Pulling: each dataset in use is read as often as its fastest reader needs, and at once where a
//! digest waits for it.
//!
//! What is due is kept in memory alone: after a restart everything is due, which costs one request
//! a dataset. A source that fails is tried again with growing waits; the owner is told once when it
//! is down and once when it is back, with the digests and rules that are blind meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;

use super::{Engine, EngineError, Plant, blocking};
use crate::domain::dataset::{Batch, Dataset};
use crate::domain::query::Query;
use crate::source::{Pulled, SourceError};
use crate::store::StoreError;
use crate::store::state::sources;

/// Batches on their way from the source to the store: parsing and writing overlap, memory is bounded.
const BATCHES_AHEAD: usize = 4;
/// No dataset is pulled more often than this.
const EVERY_MIN: TimeDelta = TimeDelta::seconds(10);
/// Waits after the first, second, ... failed pull; the last one repeats.
const RETRIES: &[i64] = &[15, 30, 60, 120, 300];
/// A pull that takes long says how far it is, so often.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// A source that is down is an incident after this long, or at once when a person must mend it.
const DOWN_AFTER: TimeDelta = TimeDelta::minutes(10);

/// What the engine remembers of a dataset between pulls.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo {
    next: Option<DateTime<Utc>>,
    wanted: Option<Wanted>,
    /// When the last complete pull of this process began.
    succeeded: Option<DateTime<Utc>>,
    failing: Option<Failing>,
}

/// A digest waits for data.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// The instant it must be complete to.
    until: DateTime<Utc>,
    /// When asking can give a better answer.
    ask_at: DateTime<Utc>,
}

#[derive(Clone, Debug)]
struct Failing {
    since: DateTime<Utc>,
    times: usize,
    /// The outage that the owner was told of.
    told: Option<Outage>,
}

/// Some or all datasets of a source failing together: one mail when it is told, one when all of
/// them are back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outage {
    since: DateTime<Utc>,
    told_at: DateTime<Utc>,
}

/// How far a pull is, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    records: AtomicU64,
}

impl Progress {
    /// Records stored so far.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }
}

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
        let queries = self.queries();
        let used: BTreeSet<String> =
            queries.iter().flat_map(|query| query.reads().into_keys()).collect();
        self.datasets.iter().filter(|dataset| used.contains(&dataset.name)).cloned().collect()
    }

    /// Every query of reports, their coverage, and rules.
    pub fn queries(&self) -> Vec<&Query> {
        let reports = self.digests.values().flat_map(|digest| &digest.reports);
        let of_reports = reports.flat_map(|report| {
            let coverage = report.coverage.iter().map(|covering| &covering.query);
            std::iter::once(report.query.as_ref()).chain(coverage)
        });
        of_reports.chain(self.rules.values().map(|rule| rule.query.as_ref())).collect()
    }

    /// How often a dataset is pulled: as its fastest reader needs.
    pub(super) fn cadence(&self, dataset: &Dataset) -> TimeDelta {
        let every = self.sources.get(&dataset.source).map(|line| line.pull_every);
        let rules =
            self.rules.values().filter(|rule| rule.query.reads().contains_key(&dataset.name));
        let fastest = rules.map(|rule| rule.every).chain(every).min();
        fastest.unwrap_or(TimeDelta::minutes(5)).max(EVERY_MIN)
    }
}

impl Engine {
    /// Pulls what is due of every source, the sources beside each other.
    pub async fn pull_all_due(&self) -> Result<usize, EngineError> {
        let plant = self.plant();
        let pulls = plant.sources.keys().map(|source| self.pull_due(source));
        futures_util::future::join_all(pulls).await.into_iter().sum()
    }

    /// Pulls what is due of one source. Returns how many pulls succeeded.
    pub async fn pull_due(&self, source: &str) -> Result<usize, EngineError> {
        let plant = self.plant();
        let mut pulled = 0;
        for dataset in plant.datasets_in_use() {
            if self.stopping() {
                break;
            }
            if dataset.source != source || !self.pull_is_due(&dataset.name).await? {
                continue;
            }
            let started = self.clock.now();
            match self.pull(&plant, &dataset, None, &Progress::default()).await {
                Ok(done) => {
                    self.pull_succeeded(&plant, &dataset, started, &done).await?;
                    pulled += 1;
                }
                Err(PullError::Source(SourceError::Stopped)) => break,
                Err(err) => self.pull_failed(&plant, &dataset, &err).await?,
            }
        }
        Ok(pulled)
    }

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
        let mut load = {
            let (name, now) = (name.clone(), self.clock.now());
            blocking(move || Ok(store.begin_load(&name, now)?)).await?
        };
        let mut request = load.request().clone();
        if let (Some(since), Some(_)) = (since, request.since) {
            request.since = Some(since);
        }
        let (into, mut batches) = mpsc::channel::<Batch>(BATCHES_AHEAD);
        let (counted, mut counts) = mpsc::channel::<u64>(BATCHES_AHEAD * 4);
        let writing = tokio::task::spawn_blocking(move || {
            while let Some(batch) = batches.blocking_recv() {
                load.append(&batch).map_err(StoreError::from)?;
                // Progress is for whoever looks; nobody looking is fine.
                let _ = counted.try_send(batch.rows() as u64);
            }
            Ok::<_, StoreError>(load)
        });
        let mut telling = tokio::time::interval(TELL_EVERY);
        telling.reset();
        let pulled = {
            // Dropped at the end of the block, also half-way: then the writing ends too.
            let reading = line.source.pull(request, into);
            tokio::pin!(reading);
            loop {
                tokio::select! {
                    done = &mut reading => break done,
                    () = self.stopped() => break Err(SourceError::Stopped),
                    Some(rows) = counts.recv() => {
                        progress.records.fetch_add(rows, Ordering::Relaxed);
                    }
                    _ = telling.tick() => {
                        tracing::info!(dataset = name, records = progress.records(), "loading");
                    }
                }
            }
        };
        let load = match writing.await {
            Ok(written) => written.map_err(EngineError::from)?,
            Err(err) => return Err(EngineError::Panic(super::panic_text(err)).into()),
        };
        let pulled = pulled?;
        let (done, now) = (pulled.clone(), self.clock.now());
        let finished =
            blocking(move || Ok(load.finish(&done, now).map_err(StoreError::from)?)).await?;
        if finished.emptied {
            let text = format!(
                "`{name}` came back empty although {} records are known: they are kept; does the \
                 user still see them?",
                finished.records
            );
            tracing::warn!(dataset = name, "{text}");
            self.remember_trouble("pull", &text).await;
        }
        tracing::debug!(
            dataset = name,
            records = pulled.records,
            requests = pulled.requests,
            "pulled"
        );
        Ok(pulled)
    }

    async fn pull_is_due(&self, dataset: &str) -> Result<bool, EngineError> {
        let now = self.clock.now();
        let memo = self.memo(dataset, |memo| memo.clone());
        if memo.next.is_none_or(|next| next <= now) {
            return Ok(true);
        }
        // A digest waits: asked again as soon as the answer can be a better one.
        Ok(memo.failing.is_none() && memo.wanted.is_some_and(|wanted| wanted.ask_at <= now))
    }

    async fn pull_succeeded(
        &self,
        plant: &Plant,
        dataset: &Dataset,
        started: DateTime<Utc>,
        pulled: &Pulled,
    ) -> Result<(), EngineError> {
        let next = started + plant.cadence(dataset);
        let may_be_back = self.memo(&dataset.name, |memo| {
            memo.next = Some(next);
            let first = memo.succeeded.replace(started).is_none();
            let wanted = memo.wanted.filter(|wanted| pulled.watermark < wanted.until);
            memo.wanted = wanted.map(|wanted| {
                // The source's margin keeps the watermark behind its clock: ask again by when it
                // has passed.
                let behind = (started - pulled.watermark).max(TimeDelta::seconds(1));
                let ask_at = (wanted.until + behind).max(started + TimeDelta::seconds(1));
                Wanted { ask_at, ..wanted }
            });
            // The first success may end what an earlier process told.
            memo.failing.take().is_some_and(|failing| failing.told.is_some()) || first
        });
        if pulled.misfits > 0 {
            tracing::warn!(
                dataset = %dataset.name,
                misfits = pulled.misfits,
                first = pulled.misfit_samples.first().map_or("", String::as_str),
                "values that do not fit their field were left out"
            );
        }
        if may_be_back {
            self.tell_source_back(plant, dataset).await?;
        }
        Ok(())
    }

    async fn pull_failed(
        &self,
        plant: &Plant,
        dataset: &Arc<Dataset>,
        err: &PullError,
    ) -> Result<(), EngineError> {
        let now = self.clock.now();
        let hopeless = matches!(err, PullError::Source(SourceError::Refused { .. }));
        let reason = err.to_string();
        // What an earlier process told is not told again.
        let earlier = match self.memo(&dataset.name, |memo| memo.failing.is_none()) {
            true => {
                let name = dataset.name.clone();
                self.state(move |tx| sources::down_since(tx, &name)).await?
            }
            false => None,
        };
        let (tell, first) = self.memo(&dataset.name, |memo| {
            let failing = memo.failing.get_or_insert(Failing {
                since: earlier.unwrap_or(now),
                times: 0,
                told: earlier.map(|since| Outage { since, told_at: now }),
            });
            let wait = RETRIES[failing.times.min(RETRIES.len() - 1)];
            memo.next = Some(now + TimeDelta::seconds(wait));
            failing.times += 1;
            let for_long = now - failing.since >= DOWN_AFTER;
            // The second time: by then the source's other datasets have been asked too.
            let tell = failing.told.is_none() && (for_long || hopeless && failing.times > 1);
            (tell, failing.times == 1)
        });
        if first {
            tracing::warn!(dataset = %dataset.name, error = %reason, "pull failed; tried again");
        }
        let (name, text) = (dataset.name.clone(), reason.clone());
        let store = Arc::clone(&self.store);
        blocking(move || Ok(store.pull_failed(&name, &text, now)?)).await?;
        if tell {
            let (outage, down, new) = self.outage(plant, dataset, now);
            self.tell_source_down(plant, &down, outage.since, new.then_some(&reason)).await?;
        }
        Ok(())
    }

    /// Counts a failing dataset to an outage: one the owner knows of, if nothing of the source has
    /// come since it began; else a new one, with everything of the source that fails now. Gives the
    /// outage, the datasets it took now, and whether it is a new one.
    fn outage(
        &self,
        plant: &Plant,
        dataset: &Arc<Dataset>,
        now: DateTime<Utc>,
    ) -> (Outage, Vec<Arc<Dataset>>, bool) {
        let mut memos = self.memos();
        let used = plant.datasets_in_use().into_iter();
        let of_source: Vec<_> = used.filter(|other| other.source == dataset.source).collect();
        let known = || of_source.iter().filter_map(|other| memos.get(&other.name));
        let came = known().filter_map(|memo| memo.succeeded).max();
        let told = known().filter_map(|memo| memo.failing.as_ref()?.told).max_by_key(|o| o.told_at);
        let told = told.filter(|outage| came.is_none_or(|came| came < outage.since));
        let untold = |memo: &Memo| memo.failing.clone().filter(|failing| failing.told.is_none());
        let failing = |other: Arc<Dataset>| Some((untold(memos.get(&other.name)?)?.since, other));
        let (outage, down) = match told {
            Some(outage) => (outage, vec![Arc::clone(dataset)]),
            None => {
                let (sinces, down): (Vec<_>, Vec<_>) =
                    of_source.into_iter().filter_map(failing).unzip();
                let since = sinces.into_iter().min().unwrap_or(now);
                (Outage { since, told_at: now }, down)
            }
        };
        for other in &down {
            let memo = memos.entry(other.name.clone()).or_default();
            memo.failing.iter_mut().for_each(|failing| failing.told = Some(outage));
        }
        (outage, down, told.is_none())
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
