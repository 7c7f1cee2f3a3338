//! The loops: at every beat each looks for what is due. A failure or a panic costs one turn and is
//! written down where it changes.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::gate::Gate;
use crate::engine::{Engine, EngineError, panic_text};
use crate::store::StoreError;
use crate::store::state::room::Failing;

type Beat = Arc<watch::Sender<u64>>;
type Done = Result<Result<usize, EngineError>, JoinError>;

/// Starts all loops; they end after [`Engine::stop`] and a last beat, with their work done.
pub(super) fn start(
    engine: &Arc<Engine>,
    beat: &Beat,
    heart: &watch::Receiver<u64>,
    gate: &Arc<Gate>,
) -> Loops {
    let mut loops = JoinSet::new();
    let part = |name: &str| Part::new(name, engine, gate);
    let (beat, heart) = (|| Arc::clone(beat), || heart.clone());
    loops.spawn(part("pulls").pull(beat(), heart()));
    loops.spawn(part("rules").run(beat(), heart(), |e| async move { e.evaluate_due().await }));
    loops.spawn(part("digests").run(beat(), heart(), |e| async move { e.digests_due().await }));
    loops.spawn(part("housekeeping").run(beat(), heart(), |e| async move { e.housekeep().await }));
    loops.spawn(part("metrics").run(beat(), heart(), Engine::metrics_due));
    loops.spawn(part("heartbeat").run(beat(), heart(), Engine::heartbeat_due));
    let mut deliveries = JoinSet::new();
    deliveries.spawn(part("deliveries").deliver(heart()));
    Loops { others: loops, deliveries }
}

/// The loops while they run. Dropping them ends them at once.
pub(super) struct Loops {
    others: JoinSet<()>,
    deliveries: JoinSet<()>,
}

impl Loops {
    /// Done when all have ended by themselves.
    pub(super) async fn ended(&mut self) {
        while self.others.join_next().await.is_some() {}
        while self.deliveries.join_next().await.is_some() {}
    }

    /// Ends those that hand nothing to anybody; whether there were any.
    pub(super) fn cut_others(&mut self) -> bool {
        let some = !self.others.is_empty();
        self.others.abort_all();
        some
    }
}

/// One part of the engine's work.
struct Part {
    name: String,
    engine: Arc<Engine>,
    gate: Arc<Gate>,
    failing: Option<String>,
}

impl Part {
    fn new(name: &str, engine: &Arc<Engine>, gate: &Arc<Gate>) -> Part {
        let (engine, gate) = (Arc::clone(engine), Arc::clone(gate));
        Part { name: name.to_owned(), engine, gate, failing: None }
    }

    /// Why no turn may be begun now; `None`: one may.
    fn held(&self) -> Option<String> {
        if !self.gate.is_open() {
            return Some("the clock cannot be believed".to_owned());
        }
        // Figures say how we fare, and what was handed over is written down as soon as that can be.
        if ["metrics", "deliveries"].contains(&self.name.as_str()) {
            return None;
        }
        // The keeper finds out when it can be written again.
        let failing = self.engine.store().state.is_failing()?;
        Some(format!("the state cannot be written: {}", failing.words()))
    }

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
            if let Some(why) = self.held() {
                self.engine.turned(&self.name, Some(&why));
            } else {
                let done = tokio::spawn(turn(Arc::clone(&self.engine))).await;
                if self.judge(done).await > 0 {
                    beat.send_modify(|count| *count += 1);
                }
            }
            if heart.changed().await.is_err() {
                return;
            }
        }
    }

    /// Turns of all sources' lanes beside each other: a source that is slow or loads holds up no
    /// other one. The engine sees to it that a lane has one turn at a time; lanes come and go with
    /// the config.
    async fn pull(self, beat: Beat, mut heart: watch::Receiver<u64>) {
        let mut parts: BTreeMap<String, Part> = BTreeMap::new();
        let mut turns = JoinSet::new();
        while !self.engine.stopping() {
            let held = self.held().is_some();
            for (source, lane) in self.engine.lanes().into_iter().filter(|_| !held) {
                let (engine, beat) = (Arc::clone(&self.engine), Arc::clone(&beat));
                let name = lane.name(&source);
                let turn = async move { engine.take_turn(&source, lane).await };
                turns.spawn(async move {
                    let done = tokio::spawn(turn).await;
                    if matches!(done, Ok(Ok(1..))) {
                        beat.send_modify(|count| *count += 1);
                    }
                    (name, done)
                });
            }
            if heart.changed().await.is_err() {
                break;
            }
            while let Some(ended) = turns.try_join_next() {
                self.judge_lane(&mut parts, ended).await;
            }
        }
        while let Some(ended) = turns.join_next().await {
            self.judge_lane(&mut parts, ended).await;
        }
    }

    async fn judge_lane(
        &self,
        parts: &mut BTreeMap<String, Part>,
        ended: Result<(String, Done), JoinError>,
    ) {
        let Ok((name, done)) = ended else { return };
        let part =
            parts.entry(name).or_insert_with_key(|name| Part::new(name, &self.engine, &self.gate));
        part.judge(done).await;
    }

    /// Turns beside each other: one that waits for a slow server must not hold up those that deliver
    /// elsewhere. The engine sees to it that a receiver has one round at a time.
    async fn deliver(mut self, mut heart: watch::Receiver<u64>) {
        let mut turns = JoinSet::new();
        while !self.engine.stopping() {
            if let Some(why) = self.held() {
                self.engine.turned(&self.name, Some(&why));
            } else {
                let engine = Arc::clone(&self.engine);
                turns.spawn(async move { engine.deliver_due().await });
            }
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
                self.engine.turned(&self.name, None);
                some
            }
            Err(err) => {
                // Whoever wrote, and however.
                if let EngineError::Store(StoreError::State(err)) = &err
                    && let Some(failing) = Failing::among(err)
                {
                    self.engine.store().state.note_failing(failing);
                }
                let text = format!("{:#}", anyhow::Error::from(err));
                if self.failing.as_deref() != Some(text.as_str()) {
                    tracing::error!(part = %self.name, error = %text, "failed; tried again");
                    self.engine.remember_trouble(&self.name, &text).await;
                }
                self.engine.turned(&self.name, Some(&text));
                self.failing = Some(text);
                0
            }
        }
    }
}
