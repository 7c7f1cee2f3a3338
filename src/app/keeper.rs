//! The keeper: looks every second whether the daemon itself is well. It writes down up to when the
//! daemon is known to have worked, and tells people of what the outbox cannot tell, or what nobody else
//! looks at: a disk, a clock. It waits for disks and mail servers; the watchdog does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::gate::{Gate, News};
use super::notify::Notify;
use crate::engine::{Engine, EngineError, blocking};
use crate::store::state::room::Space;
use crate::store::state::{DaemonLock, life};

mod outage;

use outage::Outage;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// That the daemon works is written down so often.
const SEEN_EVERY: TimeDelta = TimeDelta::minutes(1);

/// It is looked at how much room the records may take so often, in looks.
const BOUND_EVERY: u32 = 5;
/// So much they leave to the state, in bytes; on a small disk an eighth of it.
const KEPT_FREE: u64 = 64 * 1024 * 1024;

/// What the clock did: a title and its text, what it showed, and what it showed then.
type Untold = ((&'static str, &'static str), DateTime<Utc>, DateTime<Utc>);

/// Looks after the daemon.
pub(super) struct Keeper {
    engine: Arc<Engine>,
    notify: Arc<Notify>,
    lock: Arc<DaemonLock>,
    gate: Arc<Gate>,
    outage: Outage,
    /// How often it has looked.
    looked: Arc<AtomicU64>,
    seen: Option<DateTime<Utc>>,
    /// What the clock did and nobody was told yet.
    untold: Option<Untold>,
    looks: u32,
    bounding: Option<JoinHandle<()>>,
}

impl Keeper {
    /// One that writes beside the state what the lock's holder has to say.
    pub(super) fn new(
        engine: &Arc<Engine>,
        notify: &Arc<Notify>,
        lock: &Arc<DaemonLock>,
        gate: &Arc<Gate>,
    ) -> Keeper {
        Keeper {
            engine: Arc::clone(engine),
            notify: Arc::clone(notify),
            lock: Arc::clone(lock),
            gate: Arc::clone(gate),
            outage: Outage::new(engine, lock),
            looked: Arc::default(),
            seen: None,
            untold: None,
            looks: 0,
            bounding: None,
        }
    }

    /// Counts its looks, for whoever watches it.
    pub(super) fn looked(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.looked)
    }

    /// Looks until it is aborted.
    pub(super) fn spawn(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut seconds = tokio::time::interval(EVERY);
            seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let now = seconds.tick().await;
                self.look(now).await;
            }
        })
    }

    async fn look(&mut self, now: Instant) {
        self.looked.fetch_add(1, Ordering::Relaxed);
        self.look_at_clock().await;
        let written = self.write_seen().await;
        self.outage.look(written, now).await;
        self.bound_records();
    }

    /// Writes down that the daemon works, in the state and then beside it: once a minute, and at every
    /// look while the state cannot be written. Whether it could; `None`: it was not time.
    async fn write_seen(&mut self) -> Option<bool> {
        let now = self.engine.clock().now();
        let lately = self.seen.is_some_and(|seen| now >= seen && now - seen < SEEN_EVERY);
        if !self.gate.is_open() || (lately && !self.outage.is_on()) {
            return None;
        }
        self.seen = Some(now);
        let store = Arc::clone(self.engine.store());
        let written = blocking(move || Ok(store.state.write(|tx| life::saw(tx, now))?)).await;
        if written.is_ok() {
            self.lock.say(|said| said.seen = Some(now));
        }
        Some(written.is_ok())
    }

    /// A load may take what is free but for some room: the state needs little, and must have it.
    fn bound_records(&mut self) {
        let busy = self.bounding.as_ref().is_some_and(|bounding| !bounding.is_finished());
        self.looks = self.looks.wrapping_add(1);
        if busy || self.looks % BOUND_EVERY != 1 {
            return;
        }
        let store = Arc::clone(self.engine.store());
        self.bounding = Some(tokio::task::spawn_blocking(move || {
            let Some(space) = Space::of(store.state.folder()) else { return };
            let kept = KEPT_FREE.min(space.total / 8);
            if let Err(err) = store.records().bound(space.free.saturating_sub(kept)) {
                tracing::debug!(error = %err, "the records are not bounded");
            }
        }));
    }

    /// Tells what the clock did, and brings along what waits where it was set back.
    async fn look_at_clock(&mut self) {
        for news in self.gate.look() {
            if let Err(err) = self.hear_of_clock(news).await {
                tracing::error!(error = %err, "what the clock did cannot be written down");
            }
        }
    }

    async fn hear_of_clock(&mut self, news: News) -> Result<(), EngineError> {
        match news {
            News::Dead(now) => {
                tracing::error!(%now, "the clock is dead: nothing is done until it is set");
                self.notify.status("the clock is dead: nothing is done until it is set");
                Ok(())
            }
            News::Behind { seen, now } => {
                tracing::error!(%now, %seen, "the clock is behind the state: waiting for it to be set");
                self.notify.status("the clock is behind the state");
                self.untold = Some((BEHIND, seen, now));
                Ok(())
            }
            News::Leapt { from, to } => {
                tracing::error!(%from, %to, "the clock went forward more than a day: waiting");
                self.notify.status("the clock went forward more than a day");
                self.untold = Some((LEAPT, from, to));
                Ok(())
            }
            News::Back { from, to } => {
                self.engine.clock_set_back(from - to).await?;
                let (title, text) = BACK;
                self.engine.tell_clock(title, text, from, to).await
            }
            News::Believed => {
                tracing::info!("the clock is believed: the work goes on");
                self.notify.status("running");
                match self.untold.take() {
                    Some(((title, text), from, to)) => {
                        self.engine.tell_clock(title, text, from, to).await
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

/// Told when the work goes on: until then nothing is sent.
const LEAPT: (&str, &str) = (
    "the clock went forward more than a day",
    "Nothing was begun for half a minute, in case it was a mistake. Was the machine asleep, then all \
     is well: slots that were missed follow `missed`. If the clock is wrong, set it right soon: what \
     it has run past does not come again.",
);
const BEHIND: (&str, &str) = (
    "the clock was behind the state",
    "The state has seen later times than the clock showed at the start, so nothing was begun until the \
     clock was set, or for ten minutes at most. A slot that was claimed does not come again: digests \
     and rules go on where the state ends.",
);
const BACK: (&str, &str) = (
    "the clock was set back",
    "No slot comes twice: digests and rules go on where they were, which may take as long as the clock \
     was set back. What waited to be tried again waits no longer than before.",
);
