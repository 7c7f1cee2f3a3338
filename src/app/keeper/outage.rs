//! While the state cannot be written: it is told once, tried again every second, and told again when
//! it is over.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::engine::{Engine, blocking};
use crate::store::state::DaemonLock;
use crate::store::state::room::Failing;

/// However often the disk comes and goes, it is told so often at most.
const TOLD_EVERY: Duration = Duration::from_secs(3600);
/// Where nobody took the message, it is tried again after so long.
const TRIED_EVERY: Duration = Duration::from_secs(60);

/// What is known of the outage under way.
pub(super) struct Outage {
    engine: Arc<Engine>,
    lock: Arc<DaemonLock>,
    now: Option<(Failing, DateTime<Utc>)>,
    /// Whether somebody was told of this one.
    told: bool,
    /// When somebody was last told of any.
    last_told: Option<Instant>,
    tried: Option<Instant>,
    telling: Option<JoinHandle<bool>>,
}

impl Outage {
    pub(super) fn new(engine: &Arc<Engine>, lock: &Arc<DaemonLock>) -> Outage {
        Outage {
            engine: Arc::clone(engine),
            lock: Arc::clone(lock),
            now: None,
            told: false,
            last_told: None,
            tried: None,
            telling: None,
        }
    }

    /// Whether one is under way, as far as is known.
    pub(super) fn is_on(&self) -> bool {
        self.now.is_some() || self.engine.store().state.is_failing().is_some()
    }

    /// `written`: whether the state could be written at this look; `None`: it was not tried.
    pub(super) async fn look(&mut self, written: Option<bool>, now: Instant) {
        let state = &self.engine.store().state;
        if written == Some(true) && state.note_writable() {
            self.over().await;
            return;
        }
        let Some(failing) = state.is_failing() else { return };
        let wall = self.engine.clock().now();
        let since = match self.now {
            Some((known, since)) if known == failing => since,
            Some((_, since)) => {
                self.begin(failing, since);
                since
            }
            None => {
                (self.told, self.tried) = (false, None);
                self.begin(failing, wall);
                wall
            }
        };
        self.tell(failing, since, now).await;
    }

    fn begin(&mut self, failing: Failing, since: DateTime<Utc>) {
        self.now = Some((failing, since));
        let words = format!("{} since {}", failing.words(), since.to_rfc3339());
        self.lock.say(|said| said.trouble = Some(words));
    }

    /// Beside the look: a mail server may take its time.
    async fn tell(&mut self, failing: Failing, since: DateTime<Utc>, now: Instant) {
        if let Some(telling) = self.telling.take_if(|telling| telling.is_finished())
            && telling.await.unwrap_or(false)
        {
            (self.told, self.last_told) = (true, Some(now));
        }
        let lately = |at: Option<Instant>, every| at.is_some_and(|at| now - at < every);
        let waits = self.telling.is_some()
            || lately(self.last_told, TOLD_EVERY)
            || lately(self.tried, TRIED_EVERY);
        if self.told || waits {
            return;
        }
        self.tried = Some(now);
        let engine = Arc::clone(&self.engine);
        let telling = async move { engine.tell_unwritable(failing, since).await };
        self.telling = Some(tokio::spawn(telling));
    }

    async fn over(&mut self) {
        let Some((failing, since)) = self.now.take() else { return };
        tracing::info!(was = failing.words(), "the state can be written again");
        self.lock.say(|said| said.trouble = None);
        if let Some(telling) = self.telling.take() {
            self.told |= telling.await.unwrap_or(false);
            self.last_told = self.told.then(Instant::now).or(self.last_told);
        }
        if self.told
            && let Err(err) = self.engine.tell_writable(failing, since).await
        {
            tracing::error!(error = %err, "the owner cannot be told that it is over");
        }
        let store = Arc::clone(self.engine.store());
        let stocked = blocking(move || Ok(store.state.stock_ballast())).await;
        if !stocked.unwrap_or(false) {
            tracing::warn!("there is no room for a reserve beside the state");
        }
    }
}
