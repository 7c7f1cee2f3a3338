//! The app: config in, running engine out. It wires everything, beats the heart, and drains on
//! shutdown.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use tokio::sync::watch as beats;
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{Engine, Plant};
use crate::receiver::{smtp, webhook};
use crate::source;
use crate::store::state::lock::Said;
use crate::store::state::{DaemonLock, State, life};
use crate::store::{Store, StoreError};

use gate::Gate;
use keeper::Keeper;
use notify::Notify;
use watchdog::Watchdog;

mod gate;
mod keeper;
pub mod looking;
mod loops;
pub mod notify;
mod own;
mod plant;
mod reload;
pub mod report_tests;
pub mod rule_tests;
mod stop;
pub mod watch;
mod watchdog;

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
    /// What work under way gets after a stop signal; `None`: as the config says.
    pub shutdown_grace: Option<Duration>,
    /// What ending our business at the sources gets after that.
    pub close: Duration,
}

/// The state is read through at start for so long.
const LOOK_OVER: Duration = Duration::from_secs(2);

impl Default for Limits {
    fn default() -> Self {
        Limits {
            smtp: smtp::Bounds::default(),
            webhook: webhook::Bounds::default(),
            source: None,
            shutdown_grace: None,
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
    notify: Arc<Notify>,
    /// The daemon's place on the state folder until it runs, where it was taken before.
    place: Mutex<Option<Place>>,
}

/// The daemon's place, and what the daemon before it said.
type Place = (DaemonLock, Said);

impl App {
    /// Opens the state and wires sources and receivers. Nothing runs yet.
    pub fn build(config: Config, clock: Arc<dyn Clock>, limits: Limits) -> anyhow::Result<App> {
        App::over(config, clock, limits, None)
    }

    /// The same for the daemon: its place on the state folder is taken first, so that nobody works on a
    /// state that is brought up to date; and the supervisor is told how we fare, from here on.
    pub fn daemon(
        config: Config,
        clock: Arc<dyn Clock>,
        limits: Limits,
        notify: Notify,
    ) -> anyhow::Result<App> {
        let place = State::place(&config.state)?;
        let app = notify.patiently(|| App::over(config, clock, limits, Some(&place.0)))?;
        Ok(App { notify: Arc::new(notify), place: Mutex::new(Some(place)), ..app })
    }

    fn over(
        config: Config,
        clock: Arc<dyn Clock>,
        limits: Limits,
        daemon: Option<&DaemonLock>,
    ) -> anyhow::Result<App> {
        let store = Store::open_by(&config.state, daemon)
            .with_context(|| format!("cannot open the state in `{}`", config.state.display()))?;
        let plant = plant::build(&config, &clock, &limits)?;
        prepare(&store, &plant)?;
        let seed = clock.now().timestamp_micros().unsigned_abs();
        let engine = Engine::new(plant, Arc::new(store), Arc::clone(&clock), seed);
        engine.recall()?;
        let (engine, config) = (Arc::new(engine), Mutex::new(Arc::new(config)));
        Ok(App { engine, config, clock, limits, notify: Arc::default(), place: Mutex::default() })
    }

    /// The supervisor.
    pub fn notify(&self) -> &Notify {
        &self.notify
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
    /// grace, and what was handed over is waited for. Fails at once when another daemon holds the
    /// state folder, or when the state is damaged.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let engine = &self.engine;
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (lock, before) = match place {
            Some(place) => place,
            None => DaemonLock::take(engine.store().state.folder())?,
        };
        let lock = Arc::new(lock);
        self.look_over().await?;
        self.tell_lost(before.seen).await?;
        engine.shorten_waits().await?;
        self.stock().await;
        let cut_off = engine.recover().await?;
        if cut_off > 0 {
            tracing::warn!(deliveries = cut_off, "deliveries were cut off and are tried again");
        }
        if let Some(aside) = engine.store().set_aside() {
            let name = aside.path.file_name().unwrap_or_default().to_string_lossy();
            engine.tell_records_set_aside(&name, &aside.reason).await?;
        }
        let (beat, heart) = beats::channel(0u64);
        let beat = Arc::new(beat);
        let mut scheduler = self.heartbeat(&beat).await?;
        let gate = Arc::new(Gate::new(&self.clock, self.seen().await?));
        let loops = loops::start(engine, &beat, &heart, &gate);
        let keeper = Keeper::new(engine, &self.notify, &lock, &gate);
        let watchdog = Watchdog::new(engine, &self.notify, &beat, &keeper.looked()).spawn();
        let keeper = keeper.spawn();
        self.notify.ready(&self.status());
        tracing::info!("postrider is ready");
        shutdown.await;
        self.drain(loops, &beat).await;
        keeper.abort();
        watchdog.abort();
        self.close().await;
        scheduler.shutdown().await.context("the heartbeat did not stop")?;
        self.settle().await;
        Ok(())
    }

    /// The daemon before this one wrote beside the state up to when the state was written. A state
    /// that ends earlier is not the one it left.
    async fn tell_lost(&self, said: Option<DateTime<Utc>>) -> anyhow::Result<()> {
        let seen = self.seen().await?;
        if let Some(said) = said.filter(|said| seen.is_none_or(|seen| seen < *said)) {
            tracing::error!("the state has lost what was written last");
            self.engine.tell_state_older(seen, said).await?;
        }
        Ok(())
    }

    /// Up to when the state has seen a daemon work.
    async fn seen(&self) -> anyhow::Result<Option<DateTime<Utc>>> {
        let store = Arc::clone(self.engine.store());
        let seen = move || Ok(store.state.read(life::seen)?);
        Ok(crate::engine::blocking(seen).await?)
    }

    /// Makes the reserve beside the state.
    async fn stock(&self) {
        let store = Arc::clone(self.engine.store());
        let stocked = crate::engine::blocking(move || Ok(store.state.stock_ballast())).await;
        if !stocked.unwrap_or(false) {
            tracing::warn!("there is no room for a reserve beside the state");
        }
    }

    /// What we do, for the supervisor.
    fn status(&self) -> String {
        let config = self.config();
        format!("{} digests, {} rules", config.digests.len(), config.rules.len())
    }

    /// Reads through the state for a moment: what is damaged is found before anything is made of it.
    async fn look_over(&self) -> anyhow::Result<()> {
        let store = Arc::clone(self.engine.store());
        let looking = move || Ok(store.state.look_over(LOOK_OVER)?);
        if !crate::engine::blocking(looking).await? {
            tracing::debug!("the state is large: only part of it was looked over");
        }
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
