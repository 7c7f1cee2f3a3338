//! The loops: at every beat each looks for what is due. A failure or a panic costs one turn and is
//! written down where it changes.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::engine::{Engine, EngineError, panic_text};

type Beat = Arc<watch::Sender<u64>>;
type Done = Result<Result<usize, EngineError>, JoinError>;

/// Starts all loops; they end after [`Engine::stop`] and a last beat, with their work done.
pub(super) fn start(
    engine: &Arc<Engine>,
    beat: &Beat,
    heart: &watch::Receiver<u64>,
) -> JoinSet<()> {
    let mut loops = JoinSet::new();
    let part = |name| Part { name, engine: Arc::clone(engine), failing: None };
    let (beat, heart) = (|| Arc::clone(beat), || heart.clone());
    loops.spawn(part("pull").run(beat(), heart(), |e| async move { e.pull_all_due().await }));
    loops.spawn(part("rules").run(beat(), heart(), |e| async move { e.evaluate_due().await }));
    loops.spawn(part("digests").run(beat(), heart(), |e| async move { e.digests_due().await }));
    loops.spawn(part("housekeeping").run(beat(), heart(), |e| async move { e.housekeep().await }));
    loops.spawn(part("deliveries").deliver(heart()));
    loops
}

/// One part of the engine's work.
struct Part {
    name: &'static str,
    engine: Arc<Engine>,
    failing: Option<String>,
}

impl Part {
    /// One turn after the other. Work makes work: a pull lets rules speak, rules owe deliveries; so
    /// a turn that did something is a beat for all.
    async fn run<F>(
        mut self,
        beat: Beat,
        mut heart: watch::Receiver<u64>,
        turn: impl Fn(Arc<Engine>) -> F + Send,
    ) where
        F: Future<Output = Result<usize, EngineError>> + Send + 'static,
    {
        while !self.engine.stopping() {
            let done = tokio::spawn(turn(Arc::clone(&self.engine))).await;
            if self.judge(done).await > 0 {
                beat.send_modify(|count| *count += 1);
            }
            if heart.changed().await.is_err() {
                return;
            }
        }
    }

    /// Turns beside each other: one that waits for a slow server must not hold up those that deliver
    /// elsewhere. The engine sees to it that a receiver has one round at a time.
    async fn deliver(mut self, mut heart: watch::Receiver<u64>) {
        let mut turns = JoinSet::new();
        while !self.engine.stopping() {
            let engine = Arc::clone(&self.engine);
            turns.spawn(async move { engine.deliver_due().await });
            while let Some(done) = turns.try_join_next() {
                self.judge(done).await;
            }
            if heart.changed().await.is_err() {
                break;
            }
        }
        while let Some(done) = turns.join_next().await {
            self.judge(done).await;
        }
    }

    /// How much a turn did; a failure is told once until it changes.
    async fn judge(&mut self, done: Done) -> usize {
        let done = done.unwrap_or_else(|err| Err(EngineError::Panic(panic_text(err))));
        match done {
            Ok(some) => {
                self.failing = None;
                some
            }
            Err(err) => {
                let text = format!("{:#}", anyhow::Error::from(err));
                if self.failing.as_deref() != Some(text.as_str()) {
                    tracing::error!(part = self.name, error = %text, "failed; tried again");
                    self.engine.remember_trouble(self.name, &text).await;
                }
                self.failing = Some(text);
                0
            }
        }
    }
}
