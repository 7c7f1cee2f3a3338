//! The end: nothing new is begun, what is under way gets its grace, and a message that was handed
//! over is waited for. Killing us instead costs time at the next start and nothing else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::App;
use super::loops::Loops;
use super::notify::{ASK_EVERY, ASK_FOR};

/// Beyond the grace, what was handed over is waited for so long. A receiver ends each attempt within
/// its own bounds, the longest of which are the ten minutes a mail server may take over a final dot.
const HANDED_OVER_MAX: Duration = Duration::from_secs(11 * 60);

impl App {
    /// Ends the loops as they are best ended.
    pub(super) async fn drain(&self, mut loops: Loops, beat: &watch::Sender<u64>) {
        tracing::info!("stopping: finishing what is under way");
        self.notify.stopping("finishing what is under way");
        self.engine.stop();
        beat.send_modify(|count| *count += 1);
        let grace = self.limits.shutdown_grace.unwrap_or(self.config().shutdown_grace);
        if self.waiting(timeout(grace, loops.ended())).await.is_ok() {
            return;
        }
        // What was not handed over is taken back, as if it had never begun.
        self.engine.cut();
        if loops.cut_others() {
            tracing::warn!("stopped with work under way; it is done again at the next start");
        }
        let handed_over = "waiting for the answer to what was handed over";
        tracing::warn!("{handed_over}");
        self.notify.status(handed_over);
        if self.waiting(timeout(HANDED_OVER_MAX, loops.ended())).await.is_err() {
            tracing::warn!("stopped without an answer; it is sent again at the next start");
        }
    }

    /// Waits, and keeps the supervisor from killing us meanwhile.
    async fn waiting<T>(&self, work: impl Future<Output = T>) -> T {
        let mut asking = tokio::time::interval_at(Instant::now(), ASK_EVERY);
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = asking.tick() => self.notify.extend(ASK_FOR),
            }
        }
    }

    /// Leaves the state in one file, as far as that can be done.
    pub(super) async fn settle(&self) {
        let store = Arc::clone(self.engine.store());
        let work = move || Ok(store.state.checkpoint()?);
        if let Err(err) = crate::engine::blocking(work).await {
            tracing::debug!(error = %err, "the log of the state is left as it is");
        }
    }
}
