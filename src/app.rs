//! The app: config in, running engine out. It wires everything, beats the heart, and drains on
//! shutdown.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch as beats;
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{Engine, Plant};
use crate::receiver::{smtp, webhook};
use crate::source;
use crate::store::{Store, StoreError};

pub mod looking;
mod loops;
mod own;
mod plant;
mod reload;
pub mod report_tests;
pub mod rule_tests;
pub mod watch;

pub use plant::source;
pub use reload::told;

/// How long things may take, in real time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The steps of a mail's attempt.
    pub smtp: smtp::Bounds,
    /// The steps of a webhook's attempt.
    pub webhook: webhook::Bounds,
    /// One exchange with a source; `None`: as each kind of source needs.
    pub source: Option<source::Bounds>,
    /// What work under way gets after a stop signal.
    pub shutdown_grace: Duration,
    /// What ending our business at the sources gets after that.
    pub close: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            smtp: smtp::Bounds::default(),
            webhook: webhook::Bounds::default(),
            source: None,
            shutdown_grace: Duration::from_secs(25),
            close: Duration::from_secs(5),
        }
    }
}

/// A built postrider.
pub struct App {
    engine: Arc<Engine>,
    config: Mutex<Arc<Config>>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

impl App {
    /// Opens the state and wires sources and receivers. Nothing runs yet.
    pub fn build(config: Config, clock: Arc<dyn Clock>, limits: Limits) -> anyhow::Result<App> {
        let store = Store::open(&config.state)
            .with_context(|| format!("cannot open the state in `{}`", config.state.display()))?;
        let plant = plant::build(&config, &clock, &limits)?;
        prepare(&store, &plant)?;
        let seed = clock.now().timestamp_micros().unsigned_abs();
        let engine = Engine::new(plant, Arc::new(store), Arc::clone(&clock), seed);
        engine.recall()?;
        Ok(App { engine: Arc::new(engine), config: Mutex::new(Arc::new(config)), clock, limits })
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The config in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs until `shutdown` is done, then drains: no new work is begun, what is under way gets its
    /// grace. Fails at once when another daemon holds the state folder.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let _lock = self.engine.store().state.lock()?;
        let cut_off = self.engine.recover().await?;
        if cut_off > 0 {
            tracing::warn!(deliveries = cut_off, "deliveries were cut off and are tried again");
        }
        if let Some(aside) = self.engine.store().set_aside() {
            let name = aside.path.file_name().unwrap_or_default().to_string_lossy();
            self.engine.tell_records_set_aside(&name, &aside.reason).await?;
        }
        let (beat, heart) = beats::channel(0u64);
        let beat = Arc::new(beat);
        let mut scheduler = self.heartbeat(&beat).await?;
        let mut loops = loops::start(&self.engine, &beat, &heart);
        shutdown.await;
        tracing::info!("stopping: finishing what is under way");
        self.engine.stop();
        beat.send_modify(|count| *count += 1);
        let drained = tokio::time::timeout(self.limits.shutdown_grace, async {
            while loops.join_next().await.is_some() {}
        })
        .await;
        if drained.is_err() {
            tracing::warn!(
                "stopped with deliveries under way; they are tried again at the next start"
            );
            loops.abort_all();
        }
        self.close().await;
        scheduler.shutdown().await.context("the heartbeat did not stop")?;
        Ok(())
    }

    /// Ends what is open at the sources and would outlive us, as far as it can be done in a moment.
    /// To be called before the process ends, with nothing under way.
    pub async fn close(&self) {
        if tokio::time::timeout(self.limits.close, self.engine.close()).await.is_err() {
            tracing::warn!("stopped without having ended everything at the sources");
        }
    }

    /// One beat a second, in UTC. A lost or doubled beat costs nothing: every loop looks for rows
    /// that are due.
    async fn heartbeat(&self, beat: &Arc<beats::Sender<u64>>) -> anyhow::Result<JobScheduler> {
        let scheduler = JobScheduler::new().await.context("the heartbeat cannot be made")?;
        let beat = Arc::clone(beat);
        let job = Job::new("* * * * * *", move |_, _| beat.send_modify(|count| *count += 1))
            .context("the heartbeat cannot be set")?;
        scheduler.add(job).await.context("the heartbeat cannot be added")?;
        scheduler.start().await.context("the heartbeat cannot be started")?;
        Ok(scheduler)
    }
}

/// Tables for the plant's datasets and indexes for its queries.
fn prepare(store: &Store, plant: &Plant) -> Result<(), StoreError> {
    for dataset in &plant.datasets {
        let history = plant.sources.get(&dataset.source).and_then(|line| line.history);
        store.ensure(dataset, dataset.reach(history))?;
    }
    store.ensure_indexes(&plant.queries())
}
