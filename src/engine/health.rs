//! Health: where every dataset, source, message and incident stands, from rows alone, so that it is
//! the same beside the daemon and in it. [`exposition()`] writes it for a collector of metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Engine, EngineError, blocking, is_due};
use crate::domain::delivery::Balance;
use crate::store::StoreError;
use crate::store::records::{DatasetState, SourceSpent};
use crate::store::state::incidents;
use crate::store::state::outbox::{self, Endpoint};
use crate::store::state::room::Space;

mod exposition;

pub use exposition::exposition;

/// The metrics are written so often.
const EVERY: TimeDelta = TimeDelta::minutes(1);

/// Where everything stands at an instant.
#[derive(Clone, Debug)]
pub struct Health {
    /// The instant.
    pub at: DateTime<Utc>,
    /// Whether a daemon runs.
    pub running: bool,
    /// The datasets that are read or were, with the names of their sources.
    pub datasets: Vec<(String, DatasetState)>,
    /// The sources, by name.
    pub sources: BTreeMap<String, SourceSpent>,
    /// Deliveries by their state, beside what was ever owed.
    pub outbox: Balance,
    /// Rounds of deliveries that broke down.
    pub panics: u64,
    /// How the receivers fare that were ever tried.
    pub endpoints: Vec<Endpoint>,
    /// Open incidents by their level.
    pub incidents: BTreeMap<String, u64>,
    /// Why the state cannot be written, where it cannot.
    pub trouble: Option<String>,
    /// Bytes that are free on its disk.
    pub disk_free: Option<u64>,
}

impl Health {
    /// How far a dataset is behind.
    pub fn lag(&self, state: &DatasetState) -> Option<TimeDelta> {
        state.watermark.map(|watermark| (self.at - watermark).max(TimeDelta::zero()))
    }
}

/// How far a load under way is, from 0 to 1, where that can be known.
pub fn load_share(state: &DatasetState) -> Option<f64> {
    let expected = state.load_expected.filter(|expected| *expected > 0)?;
    Some((state.load_records as f64 / expected as f64).min(1.0))
}

impl Engine {
    /// Where everything stands. `running`: whether a daemon runs. Blocks.
    pub fn health(&self, running: bool) -> Result<Health, EngineError> {
        let (plant, at) = (self.plant(), self.clock.now());
        let mut states: BTreeMap<String, DatasetState> = BTreeMap::new();
        for state in self.store.dataset_states()? {
            states.insert(state.dataset.clone(), state);
        }
        let used: BTreeSet<String> =
            plant.datasets_in_use().iter().map(|dataset| dataset.name.clone()).collect();
        let known = plant
            .datasets
            .iter()
            .filter_map(|dataset| Some((dataset.source.clone(), states.remove(&dataset.name)?)));
        let datasets =
            known.filter(|(_, state)| state.ready || used.contains(&state.dataset)).collect();
        let mut known = self.store.records().spent(at).map_err(StoreError::from)?;
        let sources = plant.sources.keys();
        let sources = sources.map(|name| (name.clone(), known.remove(name).unwrap_or_default()));
        let sources = sources.collect();
        let (outbox, panics, endpoints, open) = self.store.state.read(|tx| {
            let (balance, panics) = (outbox::balance(tx)?, outbox::panics(tx)?);
            Ok((balance, panics, outbox::endpoints(tx)?, incidents::open(tx)?))
        })?;
        let mut incidents = BTreeMap::new();
        for incident in open {
            *incidents.entry(incident.level.name).or_default() += 1;
        }
        let trouble = self.store.state.trouble();
        let disk_free = Space::of(self.store.state.folder()).map(|space| space.free);
        Ok(Health {
            at,
            running,
            datasets,
            sources,
            outbox,
            panics,
            endpoints,
            incidents,
            trouble,
            disk_free,
        })
    }

    /// Writes the metrics, if the config wants them and the last ones are a minute old.
    pub async fn metrics_due(self: Arc<Self>) -> Result<usize, EngineError> {
        let now = self.clock.now();
        let Some(path) = self.plant().metrics.clone() else { return Ok(0) };
        if !is_due(&self.measured, now, EVERY) {
            return Ok(0);
        }
        blocking(move || {
            let text = exposition(&self.health(true)?);
            write(&path, &text).map_err(|source| EngineError::Metrics { path, source })?;
            Ok(0)
        })
        .await
    }
}

/// Whoever reads the file sees the old text or the new one, never a part.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".metrics-")
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    readable(file.as_file())?;
    file.persist(path).map_err(|err| err.error)?;
    Ok(())
}

/// The collector is another user.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}
