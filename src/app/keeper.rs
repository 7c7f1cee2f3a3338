//! The keeper: looks every second whether the daemon itself is well. It tells the supervisor that we
//! live while the loops turn, and writes down up to when the daemon is known to have worked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::notify::Notify;
use crate::engine::Engine;
use crate::store::state::{DaemonLock, life};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Without a beat for so long, the keeper beats itself.
const BEATLESS: Duration = Duration::from_secs(3);
/// A loop that ends no turn for so long stands still.
const STANDS_STILL: Duration = Duration::from_secs(10 * 60);
/// That the daemon works is written down so often.
const SEEN_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Looks after the daemon.
pub(super) struct Keeper {
    engine: Arc<Engine>,
    notify: Arc<Notify>,
    beat: Arc<watch::Sender<u64>>,
    lock: Arc<DaemonLock>,
    /// The last beat, and when it was new.
    beaten: (u64, Instant),
    /// Turns of the loops, and when they last became more.
    turns: BTreeMap<&'static str, (u64, Instant)>,
    alive: Option<Instant>,
    seen: Option<DateTime<Utc>>,
}

impl Keeper {
    /// One that writes beside the state what the lock's holder has to say.
    pub(super) fn new(
        engine: &Arc<Engine>,
        notify: &Arc<Notify>,
        beat: &Arc<watch::Sender<u64>>,
        lock: &Arc<DaemonLock>,
    ) -> Keeper {
        Keeper {
            engine: Arc::clone(engine),
            notify: Arc::clone(notify),
            beat: Arc::clone(beat),
            lock: Arc::clone(lock),
            beaten: (0, Instant::now()),
            turns: BTreeMap::new(),
            alive: None,
            seen: None,
        }
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
        self.keep_beating(now);
        self.tell_alive(now);
        self.write_seen().await;
    }

    /// The heart beats by the wall clock, which may be set back; the work must not wait for that.
    fn keep_beating(&mut self, now: Instant) {
        let count = *self.beat.borrow();
        if count != self.beaten.0 {
            self.beaten = (count, now);
        } else if BEATLESS <= now - self.beaten.1 {
            self.beat.send_modify(|count| *count += 1);
        }
    }

    /// The supervisor hears that we live at half its patience, and only while every loop turns.
    fn tell_alive(&mut self, now: Instant) {
        let Some(patience) = self.notify.watchdog() else { return };
        for (part, count) in self.engine.turns() {
            let turn = self.turns.entry(part).or_insert((count, now));
            if turn.0 != count {
                *turn = (count, now);
            }
        }
        // Whoever ends has bounds of its own.
        let ending = self.engine.stopping();
        let still = self.turns.iter().find(|(_, (_, since))| STANDS_STILL < now - *since);
        if let (false, Some((part, (_, since)))) = (ending, still) {
            tracing::error!(part, seconds = (now - *since).as_secs(), "stands still");
            self.notify.status(&format!("{part} stand still"));
            return;
        }
        if self.alive.is_none_or(|last| patience / 2 <= now - last + EVERY) {
            self.alive = Some(now);
            self.notify.alive();
        }
    }

    /// Writes down that the daemon works, in the state and then beside it.
    async fn write_seen(&mut self) {
        let now = self.engine.clock().now();
        if self.seen.is_some_and(|seen| now >= seen && now - seen < SEEN_EVERY) {
            return;
        }
        self.seen = Some(now);
        if self.engine.write(move |tx| life::saw(tx, now)).await.is_ok() {
            self.lock.say(|said| said.seen = Some(now));
        }
    }
}
