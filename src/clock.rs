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
            while let Some(nap) = next_nap(self.now(), at, 1) {
                tokio::time::sleep(nap).await;
            }
        })
    }
}

/// No clock is right that shows a time before this program was written: 2026-01-01.
pub const EARLIEST: DateTime<Utc> = DateTime::from_timestamp(1_767_225_600, 0).expect("a date");

/// The clock that nobody sets, as supervisors read it too: time since the machine started, without
/// the time it was suspended.
pub fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
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
            while let Some(nap) = next_nap(self.now(), at, self.times) {
                tokio::time::sleep(nap).await;
            }
        })
    }
}

/// How long to sleep, in real time, before the next look at a clock that runs `times` as fast;
/// `None` once it has reached `at`.
fn next_nap(now: DateTime<Utc>, at: DateTime<Utc>, times: u32) -> Option<Duration> {
    let left = (at - now).to_std().ok().filter(|left| !left.is_zero())?;
    // Never nothing: that would spin until the instant is reached.
    Some((left / times).clamp(Duration::from_micros(1), LOOK_AGAIN))
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

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const NOON: DateTime<Utc> =
        DateTime::from_timestamp(1_793_880_000, 0).expect("a valid instant");

    fn poll(sleep: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        sleep.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn a_manual_clock_wakes_sleepers_at_their_instant() {
        let clock = ManualClock::new(NOON);
        let mut early = pin!(clock.sleep_until(NOON + TimeDelta::minutes(1)));
        let mut late = pin!(clock.sleep_until(NOON + TimeDelta::minutes(2)));
        assert!(!poll(early.as_mut()) && !poll(late.as_mut()));
        assert_eq!(clock.next_wake(), Some(NOON + TimeDelta::minutes(1)));
        clock.advance(TimeDelta::seconds(59));
        assert!(!poll(early.as_mut()) && !poll(late.as_mut()));
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(clock.next_wake(), Some(NOON + TimeDelta::minutes(2)));
        assert!(poll(early) && !poll(late.as_mut()));
        clock.set(NOON + TimeDelta::hours(1));
        assert!(poll(late));
        assert_eq!((clock.now(), clock.next_wake()), (NOON + TimeDelta::hours(1), None));
    }

    #[test]
    fn what_is_past_does_not_sleep() {
        let clock = ManualClock::new(NOON);
        assert!(poll(pin!(clock.sleep_until(NOON))));
        assert!(poll(pin!(clock.sleep_until(NOON - TimeDelta::days(1)))));
        assert!(poll(pin!(SystemClock.sleep_until(DateTime::UNIX_EPOCH))));
    }

    #[test]
    fn a_sleeper_that_is_dropped_is_forgotten() {
        let clock = ManualClock::new(NOON);
        {
            let mut sleep = pin!(clock.sleep_until(NOON + TimeDelta::minutes(1)));
            assert!(!poll(sleep.as_mut()));
            assert!(clock.next_wake().is_some());
        }
        assert_eq!(clock.next_wake(), None);
    }

    #[test]
    fn parked_waits_for_sleepers_and_not_for_those_already_due() {
        let clock = ManualClock::new(NOON);
        let mut parked = pin!(clock.parked(2));
        let mut first = pin!(clock.sleep_until(NOON + TimeDelta::minutes(1)));
        let mut second = pin!(clock.sleep_until(NOON + TimeDelta::minutes(2)));
        assert!(!poll(parked.as_mut()));
        assert!(!poll(first.as_mut()) && !poll(parked.as_mut()));
        assert!(!poll(second.as_mut()) && poll(parked));
        clock.advance(TimeDelta::minutes(1));
        assert!(!poll(pin!(clock.parked(2))), "the first is due though it has not run yet");
        assert!(poll(pin!(clock.parked(1))));
    }

    #[tokio::test]
    async fn a_scaled_clock_runs_so_many_times_faster() {
        // An hour takes a tenth of a second.
        let (clock, real) = (ScaledClock::new(NOON, 36_000), Instant::now());
        assert!(NOON <= clock.now());
        clock.sleep_until(NOON + TimeDelta::hours(1)).await;
        let took = real.elapsed();
        assert!(NOON + TimeDelta::hours(1) <= clock.now());
        assert!(Duration::from_millis(95) <= took && took < Duration::from_secs(60), "{took:?}");
        assert_eq!(ScaledClock::new(NOON, 0).times(), 1);
    }

    #[tokio::test]
    async fn the_system_clock_sleeps_until_the_wall_says_so() {
        let at = SystemClock.now() + TimeDelta::milliseconds(20);
        SystemClock.sleep_until(at).await;
        assert!(at <= SystemClock.now());
    }

    #[test]
    fn a_long_sleep_looks_at_the_wall_again_and_a_short_one_does_not_spin() {
        let nap = |left: TimeDelta, times| next_nap(NOON, NOON + left, times);
        assert_eq!(nap(TimeDelta::hours(1), 1), Some(LOOK_AGAIN));
        assert_eq!(nap(TimeDelta::hours(1), 3600), Some(Duration::from_secs(1)));
        assert_eq!(nap(TimeDelta::seconds(3), 1), Some(Duration::from_secs(3)));
        assert_eq!(nap(TimeDelta::nanoseconds(1), 60), Some(Duration::from_micros(1)));
        assert_eq!(nap(TimeDelta::zero(), 60), None);
        assert_eq!(nap(TimeDelta::seconds(-1), 1), None);
    }

    #[test]
    fn the_version_of_the_machines_zones_is_read_from_their_source() {
        let folder = tempfile::tempdir().unwrap();
        let zones = || zones_in(folder.path().to_owned());
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(zones(), None);
        write("+VERSION", "2024a\n");
        assert_eq!(zones().unwrap().version, "2024a");
        write("tzdata.zi", "# version 2025b\n# This zic input file is in the public domain.\n");
        assert_eq!(zones().unwrap().version, "2025b");
        write("tzdata.zi", "Rule only\n");
        assert_eq!(zones().unwrap().version, "2024a");
        assert_eq!(zones().unwrap().folder, folder.path());
    }
}
