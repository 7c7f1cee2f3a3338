//! The clock: the one file that asks what time it is, and which zone rules the machine has.
//!
//! Everything else takes `now` as an argument or a [`Clock`]. Three kinds stand behind it: the
//! machine's, one that runs faster (the demo), and one turned by hand (the tests).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::zone::SystemZones;

/// Where the time comes from and how to wait for it.
pub trait Clock: Send + Sync {
    /// Now, by this clock.
    fn now(&self) -> DateTime<Utc>;
    /// Done when this clock has reached `at`.
    fn sleep_until(&self, at: DateTime<Utc>) -> BoxFuture<'_, ()>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// The longest sleep without a look at the wall clock: it may be set, and machines are suspended.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this file is where the time comes from")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn sleep_until(&self, at: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            while let Some(left) = time_left(self.now(), at) {
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            }
        })
    }
}

/// A clock that starts at a chosen instant and runs a fixed number of times faster than real time.
/// It follows the monotonic clock, so setting the machine's clock does not touch it.
#[derive(Clone, Copy, Debug)]
pub struct ScaledClock {
    start: DateTime<Utc>,
    started: Instant,
    times: u32,
}

impl ScaledClock {
    /// A clock that shows `start` now and then runs `times` as fast as real time (at least once).
    pub fn new(start: DateTime<Utc>, times: u32) -> ScaledClock {
        ScaledClock { start, started: Instant::now(), times: times.max(1) }
    }

    /// How many times faster than real time it runs.
    pub fn times(&self) -> u32 {
        self.times
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = self.started.elapsed().saturating_mul(self.times);
        TimeDelta::from_std(elapsed)
            .ok()
            .and_then(|elapsed| self.start.checked_add_signed(elapsed))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    fn sleep_until(&self, at: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            while let Some(left) = time_left(self.now(), at) {
                // Rounded up: a sleep of nothing would spin until the instant is reached.
                let real = (left / self.times).max(Duration::from_micros(1));
                tokio::time::sleep(real.min(LOOK_AGAIN)).await;
            }
        })
    }
}

/// How long until `at`; `None` once it is reached.
fn time_left(now: DateTime<Utc>, at: DateTime<Utc>) -> Option<Duration> {
    (at - now).to_std().ok().filter(|left| !left.is_zero())
}

/// A clock turned by hand. A sleeper wakes when the clock is turned to its instant or past it.
///
/// A test that turns the clock must know that the code under test sleeps already, else it turns too
/// early and the code sleeps from the later instant. [`ManualClock::parked`] waits for that:
///
/// ```
/// # use chrono::{DateTime, TimeDelta};
/// # use postrider::clock::{Clock, ManualClock};
/// # use std::sync::Arc;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
/// let sleeper = tokio::spawn({
///     let clock = Arc::clone(&clock);
///     async move { clock.sleep_until(DateTime::UNIX_EPOCH + TimeDelta::hours(1)).await }
/// });
/// clock.parked(1).await;
/// clock.advance(TimeDelta::hours(1));
/// sleeper.await.unwrap();
/// # }
/// ```
#[derive(Debug)]
pub struct ManualClock(watch::Sender<Hands>);

#[derive(Debug)]
struct Hands {
    now: DateTime<Utc>,
    /// Who waits for which instant.
    sleepers: BTreeMap<u64, DateTime<Utc>>,
    next_sleeper: u64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: DateTime<Utc>) -> ManualClock {
        let hands = Hands { now: start, sleepers: BTreeMap::new(), next_sleeper: 0 };
        ManualClock(watch::Sender::new(hands))
    }

    /// Turns it forward (or back, by a negative length).
    pub fn advance(&self, by: TimeDelta) {
        self.0.send_modify(|hands| hands.now += by);
    }

    /// Turns it to an instant, which may lie in its past: the machine's clock can be set back too.
    pub fn set(&self, to: DateTime<Utc>) {
        self.0.send_modify(|hands| hands.now = to);
    }

    /// Done when at least `sleepers` sleepers wait for an instant that is still to come. A sleeper
    /// whose instant is reached no longer counts, even before it has run.
    pub async fn parked(&self, sleepers: usize) {
        let mut hands = self.0.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = hands.wait_for(|hands| hands.waiting().count() >= sleepers).await;
    }

    /// The next instant any sleeper waits for.
    pub fn next_wake(&self) -> Option<DateTime<Utc>> {
        self.0.borrow().waiting().min()
    }
}

impl Hands {
    fn waiting(&self) -> impl Iterator<Item = DateTime<Utc>> {
        self.sleepers.values().copied().filter(|at| *at > self.now)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.borrow().now
    }

    fn sleep_until(&self, at: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut hands = self.0.subscribe();
            let _asleep = Asleep::new(&self.0, at);
            let _ = hands.wait_for(|hands| hands.now >= at).await;
        })
    }
}

/// Keeps a sleeper on the list while it waits, also when its future is dropped half-way.
struct Asleep<'a> {
    hands: &'a watch::Sender<Hands>,
    id: u64,
}

impl<'a> Asleep<'a> {
    fn new(hands: &'a watch::Sender<Hands>, at: DateTime<Utc>) -> Asleep<'a> {
        let mut id = 0;
        hands.send_modify(|hands| {
            id = hands.next_sleeper;
            hands.next_sleeper += 1;
            hands.sleepers.insert(id, at);
        });
        Asleep { hands, id }
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.hands.send_modify(|hands| {
            hands.sleepers.remove(&self.id);
        });
    }
}

/// Where Unix systems keep compiled zones; the first folder that states its version counts.
const ZONE_FOLDERS: [&str; 3] = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// The machine's own zone database with its version, if it has one that states it. To be handed to
/// [`crate::domain::zone::choose`] before the config is read.
pub fn system_zones() -> Option<SystemZones> {
    ZONE_FOLDERS.iter().map(PathBuf::from).find_map(zones_in)
}

fn zones_in(folder: PathBuf) -> Option<SystemZones> {
    let version = stated_version(&folder.join("tzdata.zi"))
        .or_else(|| stated_version(&folder.join("+VERSION")))?;
    Some(SystemZones { version, folder })
}

/// The version in a file's first line: `# version 2025b`, or `2025b` alone.
fn stated_version(file: &std::path::Path) -> Option<String> {
    let mut line = String::new();
    BufReader::new(std::fs::File::open(file).ok()?.take(200)).read_line(&mut line).ok()?;
    let version = line.trim().strip_prefix("# version ").unwrap_or(line.trim());
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
}
