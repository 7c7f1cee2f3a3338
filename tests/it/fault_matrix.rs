//! The fault matrix: every trouble that a source is known to make, for an hour of the turned clock.
//!
//! Each row says what ends a pull under the fault and how many requests the hour may cost at most.
//! Whatever the fault: nothing partial is visible (watermark, records and the report's figures stay
//! as they were), memory stays bounded, and once it is over everything comes.

use chrono::{DateTime, TimeDelta, Utc};
use postrider::clock::Clock as _;
use postrider::domain::table::Section;

use crate::harness::TestPostrider;
use crate::salesforce_cases::cells;

mod bulk;
mod desk;
mod rest;
mod salesforce;

/// Pulls that fail are tried after 15, 30, 60, 120 s and then every five minutes: so many an hour.
const PULLS: u64 = 17;

/// No fault may cost more memory than this, in KiB. The largest body that is read has 64 MB and is
/// gathered in a buffer that doubles.
const MEMORY_KIB_MAX: u64 = 320 * 1024;

/// One fault.
struct Row<F> {
    /// What it is called.
    fault: &'static str,
    /// Switches it on.
    arm: fn(&F),
    /// How a pull ends under it.
    ends: Ends,
    /// Requests it may cost.
    requests_max: u64,
    /// How long it lasts, in minutes.
    minutes: i64,
}

/// How a pull ends.
#[derive(Clone, Copy)]
enum Ends {
    /// It gets through.
    Comes,
    /// It fails, and says all of this.
    Fails(&'static [&'static str]),
}

use Ends::{Comes, Fails};

/// The other end of the socket.
trait Far {
    /// Changes what a pull will read.
    fn change(&self);
    /// Requests since the last [`Far::forget`].
    fn requests(&self) -> u64;
    /// Counts from nothing.
    fn forget(&self);
    /// Switches every fault off.
    fn calm(&self);
}

impl<F: Far> Row<F> {
    /// Plays the fault against postrider, which has pulled everything once.
    async fn play(&self, t: &TestPostrider, far: &F, dataset: &str) {
        let fault = self.fault;
        let before = Seen::of(t, dataset).await;
        far.change();
        far.forget();
        (self.arm)(far);
        let memory = peak_kib();
        t.advance(TimeDelta::minutes(self.minutes)).await;
        let (asked, grown) = (far.requests(), peak_kib().saturating_sub(memory));
        let during = Seen::of(t, dataset).await;
        assert!((1..=self.requests_max).contains(&asked), "{fault}: {asked} requests");
        assert!(grown < MEMORY_KIB_MAX, "{fault}: {grown} KiB more");
        match self.ends {
            Comes => {
                assert_eq!(during.failure, None, "{fault}");
                assert_ne!(during.figures, before.figures, "{fault}");
            }
            Fails(words) => {
                let why = during.failure.clone().unwrap_or_else(|| panic!("{fault}: it came"));
                for word in words {
                    assert!(why.contains(word), "{fault}: `{word}` not in `{why}`");
                }
                assert!(why.len() < 600, "{fault}: {why}");
                assert_eq!(during.shown(), before.shown(), "{fault}: nothing partial is visible");
            }
        }
        far.calm();
        t.advance(TimeDelta::minutes(21)).await;
        let after = Seen::of(t, dataset).await;
        assert_eq!(after.failure, None, "{fault}: it is over");
        assert_ne!(after.figures, before.figures, "{fault}: what changed has come");
        assert!(after.watermark > before.watermark, "{fault}");
    }
}

/// What anybody can see of a dataset.
#[derive(Debug)]
struct Seen {
    ready: bool,
    records: u64,
    watermark: Option<DateTime<Utc>>,
    /// Rows of the report, or why there is none.
    figures: Vec<String>,
    failure: Option<String>,
}

impl Seen {
    async fn of(t: &TestPostrider, dataset: &str) -> Seen {
        let states = t.app.engine().store().dataset_states().unwrap();
        let state = states.into_iter().find(|state| state.dataset == dataset).expect("a dataset");
        let reports: Vec<_> = t.app.config().reports.values().cloned().collect();
        let section = t.app.engine().sections(&reports, t.clock.now()).await.remove(0);
        Seen {
            ready: state.ready,
            records: state.records,
            watermark: state.watermark,
            figures: match section {
                Section::Table(table) => cells(&table),
                Section::Failed { reason, .. } => vec![reason],
            },
            failure: state.failure.map(|(_, why)| why),
        }
    }

    fn shown(&self) -> (bool, u64, Option<DateTime<Utc>>, &[String]) {
        (self.ready, self.records, self.watermark, &self.figures)
    }
}

/// The most memory this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
