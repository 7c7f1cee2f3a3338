//! The watchdog: beats where nothing else does, and tells the supervisor that we live while the loops
//! turn. It looks at memory alone and waits for nothing: a disk or a mail server that takes its time
//! must not make a healthy daemon look dead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::notify::Notify;
use crate::engine::Engine;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Without a beat for so long, it beats itself.
const BEATLESS: Duration = Duration::from_secs(3);
/// A loop that gets no further for so long stands still.
const STANDS_STILL: Duration = Duration::from_secs(10 * 60);

/// Watches the loops and the keeper.
pub(super) struct Watchdog {
    engine: Arc<Engine>,
    notify: Arc<Notify>,
    beat: Arc<watch::Sender<u64>>,
    /// The keeper's looks.
    kept: Arc<AtomicU64>,
    /// The last beat, and when it was new.
    beaten: (u64, Instant),
    /// How far the loops are, and when they last got further.
    turns: BTreeMap<&'static str, (u64, Instant)>,
    alive: Option<Instant>,
}

impl Watchdog {
    /// `kept` counts the keeper's looks.
    pub(super) fn new(
        engine: &Arc<Engine>,
        notify: &Arc<Notify>,
        beat: &Arc<watch::Sender<u64>>,
        kept: &Arc<AtomicU64>,
    ) -> Watchdog {
        Watchdog {
            engine: Arc::clone(engine),
            notify: Arc::clone(notify),
            beat: Arc::clone(beat),
            kept: Arc::clone(kept),
            beaten: (0, Instant::now()),
            turns: BTreeMap::new(),
            alive: None,
        }
    }

    /// Looks until it is aborted.
    pub(super) fn spawn(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut seconds = tokio::time::interval(EVERY);
            seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let now = seconds.tick().await;
                self.keep_beating(now);
                self.tell_alive(now);
            }
        })
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
        let kept = ("the keeper", self.kept.load(Ordering::Relaxed));
        for (part, count) in self.engine.turns().into_iter().chain([kept]) {
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
}
