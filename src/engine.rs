//! The engine: pull, evaluate, make digests, deliver. Its loops hold no state of their own; what is
//! due is found in rows, so that a lost or doubled beat, a restart or a crash costs nothing.
//!
//! Everything the engine works with comes in through [`Plant`] (definitions and edges, swapped whole
//! on reload), the [`Store`] and the [`Clock`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::dataset::Dataset;
use crate::domain::delivery::Ambiguous;
use crate::domain::digest::Digest;
use crate::domain::route::{Inhibition, Route};
use crate::domain::rule::Rule;
use crate::domain::schedule::Schedule;
use crate::domain::token::Key;
use crate::domain::zone::Zone;
use crate::receiver::Receiver;
use crate::render::mail::dkim::Signer;
use crate::render::{Look, Shape};
use crate::source::{Source, Spent};
use crate::store::records::RecordsError;
use crate::store::state::StateError;
use crate::store::{Store, StoreError};

pub mod archive;
mod blind;
mod board;
mod compose;
mod correct;
pub mod digest;
mod edits;
pub mod evaluate;
pub mod explain;
mod fallback;
pub mod health;
pub mod heartbeat;
pub mod housekeep;
mod labels;
pub mod notice;
pub mod notify;
mod observe;
mod occurrences;
pub mod outbox;
pub mod overdue;
pub mod plan;
pub mod proof;
pub mod pull;
pub mod rehearse;
pub mod restate;
mod spending;
mod steady;
pub mod tables;
pub mod verify;
mod writes;

pub(crate) use writes::{blocking, panic_text};

/// Definitions and edges of one config, as the engine sees them.
pub struct Plant {
    /// Default zone.
    pub zone: Zone,
    /// Language and country of numbers and dates.
    pub locale: String,
    /// Weekday on which weeks begin, 1 (Monday) to 7.
    pub week_starts: u8,
    /// Told about postrider's own troubles.
    pub owner: Option<String>,
    /// The receiver that is told of them too.
    pub alarm: Option<String>,
    /// How long runs are kept, with what their mails were made of and their bytes.
    pub archive: TimeDelta,
    /// Where the console is: mails carry addresses below it.
    pub public_url: Option<String>,
    /// Where the metrics are written.
    pub metrics: Option<PathBuf>,
    /// The company's look of mails.
    pub look: Look,
    /// The mail servers and the sender.
    pub mail: Option<Mail>,
    /// Sources by name.
    pub sources: BTreeMap<String, SourceLine>,
    /// Datasets of all sources.
    pub datasets: Vec<Arc<Dataset>>,
    /// What of them reports and rules read, once somebody has asked.
    pub in_use: OnceLock<pull::InUse>,
    /// Digests by name.
    pub digests: BTreeMap<String, Arc<Digest>>,
    /// Rules by name.
    pub rules: BTreeMap<String, Arc<Rule>>,
    /// Routes in order.
    pub routes: Vec<Route>,
    /// Which incidents hide which.
    pub inhibitions: Vec<Inhibition>,
    /// Receivers by name.
    pub receivers: BTreeMap<String, ReceiverLine>,
    /// What becomes of a message that may have arrived.
    pub ambiguous: Ambiguous,
    /// The dead man's switch.
    pub heartbeat: Option<heartbeat::Heartbeat>,
}

/// The mail servers and the sender.
pub struct Mail {
    /// Makes the attempts.
    pub receiver: Arc<dyn Receiver>,
    /// `Name <address>`.
    pub from: String,
    /// Sign every mail when it is made.
    pub dkim: Vec<Signer>,
}

/// A source and how often it is read.
pub struct SourceLine {
    /// The source.
    pub source: Arc<dyn Source>,
    /// Time between pulls of a dataset that no rule needs more often.
    pub pull_every: TimeDelta,
    /// How far back the first load reaches.
    pub history: Option<TimeDelta>,
    /// Whether it knows how people call the values of picklists.
    pub labels: bool,
}

/// A receiver and what is done when it does not take messages, or too many.
pub struct ReceiverLine {
    /// Where it leads.
    pub destination: Destination,
    /// Who is told instead, once it has not taken a message for so long.
    pub fallback: Option<(String, TimeDelta)>,
    /// At most so many notices in so long; beyond it they become summaries.
    pub limit: Option<(u32, TimeDelta)>,
    /// When it is proved that messages reach it.
    pub canary: Option<Schedule>,
    /// Of mail: one that names everybody, instead of one for each.
    pub together: bool,
}

/// Where a receiver leads.
pub enum Destination {
    /// Mail to some addresses.
    Mail(Vec<String>),
    /// A POST in the shape its other end understands.
    Post(Shape, Arc<dyn Receiver>),
}

impl Destination {
    /// How digests are told to it; `None`: not by a POST, or not at all.
    pub fn takes_tables(&self) -> Option<&Shape> {
        match self {
            Destination::Post(shape, _) => Some(shape).filter(|shape| shape.takes_digests()),
            Destination::Mail(_) => None,
        }
    }
}

/// Why a piece of the engine's work could not be done.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A task panicked.
    #[error("a task panicked: {0}")]
    Panic(String),
    /// The metrics cannot be written.
    #[error("metrics cannot be written to `{path}`")]
    Metrics {
        /// Where to.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl From<RecordsError> for EngineError {
    fn from(err: RecordsError) -> Self {
        EngineError::Store(StoreError::Records(err))
    }
}

impl From<StateError> for EngineError {
    fn from(err: StateError) -> Self {
        EngineError::Store(StoreError::State(err))
    }
}

/// The engine.
pub struct Engine {
    plant: RwLock<Arc<Plant>>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    stopping: watch::Sender<bool>,
    /// Deliveries under way.
    under_way: outbox::UnderWay,
    /// Lanes with a round under way, so that a doubled beat starts no second one.
    rounds: Mutex<HashSet<String>>,
    /// Sources of which was told that they are pulled less often than wanted.
    paced: Mutex<HashSet<String>>,
    /// Rules and reloads move incidents one at a time; `None`: to be read from the state.
    board: tokio::sync::Mutex<Option<board::Board>>,
    rule_figures: Arc<evaluate::Figures>,
    pulls: Mutex<HashMap<String, pull::Memo>>,
    /// What is written down of each source's requests.
    spent: Mutex<BTreeMap<String, Spent>>,
    /// Sources of earlier plants, which may still end what is under way.
    retired: Mutex<Vec<Arc<dyn Source>>>,
    housekept: Mutex<Option<DateTime<Utc>>>,
    /// When the metrics were last written.
    measured: Mutex<Option<DateTime<Utc>>>,
    /// When what is past its retention was last deleted from the records.
    expired: Mutex<Option<DateTime<Utc>>>,
    /// When slots without an outcome were last looked for, and those seen since when.
    watched: Mutex<Option<DateTime<Utc>>>,
    overdue_seen: Mutex<overdue::Seen>,
    /// Whether the loops turn, and how heartbeats go.
    pulse: Arc<Mutex<heartbeat::Pulse>>,
    /// When what receivers have not taken was last looked for.
    swept: Mutex<Option<DateTime<Utc>>>,
    jitter: AtomicU64,
    /// Signs what a reader of a mail may do; read from the state when it is first needed.
    token_key: OnceLock<Key>,
}

impl Engine {
    /// An engine on a store; `seed` starts the jitter of retries.
    pub fn new(plant: Plant, store: Arc<Store>, clock: Arc<dyn Clock>, seed: u64) -> Engine {
        Engine {
            plant: RwLock::new(Arc::new(plant)),
            store,
            clock,
            stopping: watch::Sender::new(false),
            under_way: outbox::UnderWay::default(),
            rounds: Mutex::new(HashSet::new()),
            paced: Mutex::new(HashSet::new()),
            board: tokio::sync::Mutex::new(None),
            rule_figures: Arc::default(),
            pulls: Mutex::new(HashMap::new()),
            spent: Mutex::new(BTreeMap::new()),
            retired: Mutex::new(Vec::new()),
            housekept: Mutex::new(None),
            measured: Mutex::new(None),
            expired: Mutex::new(None),
            watched: Mutex::new(None),
            overdue_seen: Mutex::default(),
            pulse: Arc::default(),
            swept: Mutex::new(None),
            jitter: AtomicU64::new(seed | 1),
            token_key: OnceLock::new(),
        }
    }

    /// The definitions in force.
    pub fn plant(&self) -> Arc<Plant> {
        Arc::clone(&self.plant.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts new definitions in force; work under way finishes with the old ones.
    pub fn replace_plant(&self, plant: Plant) {
        self.hand_over(&plant);
        *self.plant.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plant);
    }

    /// Writes down what became of deliveries where that could not be done before, and what the sources
    /// were asked, and ends what is open there and would outlive us, also at those of earlier plants.
    pub async fn close(&self) {
        if let Err(err) = self.write_down().await {
            tracing::error!(error = %err, "what was delivered lastly is not written down");
        }
        let plant = self.plant();
        let keeping = async {
            for (name, line) in &plant.sources {
                self.keep_spent(name, line).await;
            }
        };
        let retired = std::mem::take(&mut *self.retired());
        let now = plant.sources.values().map(|line| Arc::clone(&line.source));
        let all: Vec<Arc<dyn Source>> = now.chain(retired).collect();
        let closing = futures_util::future::join_all(all.iter().map(|source| source.close()));
        tokio::join!(keeping, closing);
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Arc<dyn Source>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// No new work is begun from here on; what is under way finishes.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether [`Engine::stop`] was called.
    pub fn stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Done when [`Engine::stop`] was called.
    async fn stopped(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// The round of a source's lane, unless one is under way. It is over when it is dropped, also by a
    /// panic.
    fn begin_round(&self, lane: &str) -> Option<Round<'_>> {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.insert(lane.to_owned()).then(|| Round { engine: self, lane: lane.to_owned() })
    }

    /// Whether a round of this name is under way.
    fn in_round(&self, name: &str) -> bool {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// What is remembered of a dataset's pulls.
    fn memo<T>(&self, dataset: &str, work: impl FnOnce(&mut pull::Memo) -> T) -> T {
        work(self.memos().entry(dataset.to_owned()).or_default())
    }

    fn memos(&self) -> MutexGuard<'_, HashMap<String, pull::Memo>> {
        self.pulls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next jitter, in `-1.0..=1.0` (xorshift: it spreads retries, it guards nothing).
    fn jitter(&self) -> f64 {
        let mut x = self.jitter.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.jitter.store(x, Ordering::Relaxed);
        (x >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Whether what was last done then is so long ago; if it is, this time counts.
fn is_due(last: &Mutex<Option<DateTime<Utc>>>, now: DateTime<Utc>, every: TimeDelta) -> bool {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    // A clock that was set back must not hold up what is done again and again.
    let due = last.is_none_or(|last| now < last || now - last >= every);
    if due {
        *last = Some(now);
    }
    due
}

/// One round, while it is under way.
struct Round<'a> {
    engine: &'a Engine,
    lane: String,
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let mut rounds = self.engine.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.remove(&self.lane);
    }
}
