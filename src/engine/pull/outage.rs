//! Pulls that fail: what is remembered, and when the owner is told what is blind.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::PullError;
use super::memo::{Failing, Kind, Memo, Outage, QUOTA_WAIT};
use crate::domain::dataset::Dataset;
use crate::engine::notice::Said;
use crate::engine::{Engine, EngineError, Plant, blocking};
use crate::source::SourceError;
use crate::store::records::Spending;
use crate::store::state::sources;

/// A source that is down is an incident after this long, or at once when a person must mend it. A
/// share that is spent is asked for again later than that, and told then.
const DOWN_AFTER: TimeDelta = TimeDelta::minutes(10);

impl Engine {
    pub(super) async fn pull_failed(
        &self,
        plant: &Plant,
        dataset: &Arc<Dataset>,
        err: &PullError,
    ) -> Result<(), EngineError> {
        let now = self.clock.now();
        let hopeless = matches!(err, PullError::Source(SourceError::Refused { .. }));
        let kind = match err {
            PullError::Source(SourceError::QuotaSpent { .. }) => Kind::Spent,
            _ => Kind::Down,
        };
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
            memo.fail(kind, earlier, now);
            let Some(failing) = &memo.failing else { return (false, false) };
            let for_long = now - failing.since >= DOWN_AFTER;
            // The second time: by then the source's other datasets have been asked too.
            let soon = hopeless && failing.times > 1;
            (failing.told.is_none() && (for_long || soon), failing.times == 1)
        });
        if first {
            tracing::warn!(dataset = %dataset.name, error = %reason, "pull failed; tried again");
        }
        let (name, text) = (dataset.name.clone(), reason.clone());
        let store = Arc::clone(&self.store);
        let spending = plant.sources.get(&dataset.source);
        let spending = spending.map(|line| self.spending(&dataset.source, line));
        let spending = spending.unwrap_or_else(|| Spending::nothing(&dataset.source));
        blocking(move || Ok(store.pull_failed(&name, &text, now, &spending)?)).await?;
        if tell {
            let (outage, down, new) = self.outage(plant, dataset, kind, now);
            let said = new.then(|| match kind {
                Kind::Down => Said::Down(reason),
                Kind::Spent => Said::Spent { reason, again: now + QUOTA_WAIT },
            });
            self.tell_source_down(plant, &down, outage.since, said).await?;
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
        kind: Kind,
        now: DateTime<Utc>,
    ) -> (Outage, Vec<Arc<Dataset>>, bool) {
        let mut memos = self.memos();
        let used = plant.datasets_in_use().into_iter();
        let of_source: Vec<_> = used.filter(|other| other.source == dataset.source).collect();
        let known = || of_source.iter().filter_map(|other| memos.get(&other.name));
        let came = known().filter_map(|memo| memo.succeeded).max();
        let told = known().filter_map(|memo| memo.failing.as_ref()?.told).max_by_key(|o| o.told_at);
        let told = told.filter(|outage| outage.kind == kind);
        let told = told.filter(|outage| came.is_none_or(|came| came < outage.since));
        let fits = |failing: &Failing| failing.told.is_none() && failing.kind == kind;
        let untold = |memo: &Memo| memo.failing.clone().filter(fits);
        let failing = |other: Arc<Dataset>| Some((untold(memos.get(&other.name)?)?.since, other));
        let (outage, down) = match told {
            Some(outage) => (outage, vec![Arc::clone(dataset)]),
            None => {
                let (sinces, down): (Vec<_>, Vec<_>) =
                    of_source.into_iter().filter_map(failing).unzip();
                let since = sinces.into_iter().min().unwrap_or(now);
                (Outage { since, told_at: now, kind }, down)
            }
        };
        for other in &down {
            let memo = memos.entry(other.name.clone()).or_default();
            memo.failing.iter_mut().for_each(|failing| failing.told = Some(outage));
        }
        (outage, down, told.is_none())
    }
}
